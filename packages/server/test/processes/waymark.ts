/** `waymark` from its sources: what the processes under test run. */
import { main } from '@waymark/cli'

await main(process.argv.slice(2))
