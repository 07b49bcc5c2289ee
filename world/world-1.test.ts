import { playSeeds } from './seeds.ts'

// In several files, so that all cores share them.
playSeeds(1, 40)
