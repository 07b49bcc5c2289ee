import { playSeeds } from './seeds.ts'

// In two files, so that two cores share them.
playSeeds(1, 50)
