/** The twin as a program of its own, run from its sources as a container. */
import { main } from '../src/main.ts'

await main(process.argv.slice(2), process.env)
