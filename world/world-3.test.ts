import { playSeeds } from './seeds.ts'

playSeeds(81, 120)
