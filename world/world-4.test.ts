import { playSeeds } from './seeds.ts'

playSeeds(151, 200)
