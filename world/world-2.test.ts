import { playSeeds } from './seeds.ts'

playSeeds(51, 100)
