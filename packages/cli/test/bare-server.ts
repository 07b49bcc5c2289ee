/** A `waymark up` with a house that has no doors but one slow route: what the process does with signals is its own. */
import { runServer } from '../src/commands/up.ts'
import { main } from '../src/main.ts'

const table = [
  {
    name: 'up',
    summary: 'start',
    load: async () => ({
      run: (args: readonly string[], context: Parameters<typeof runServer>[1]) =>
        runServer(args, context, async () => async (_config, { http }) => {
          http.app.get('/slow', () => new Promise((resolve) => setTimeout(() => resolve('finished'), 500)))
          http.app.get('/never', () => new Promise(() => {}))
          // Something that was left open: the process ends all the same.
          if (process.env.LEAVE_OPEN) setInterval(() => {}, 1000)
          return { ping: async () => {}, close: async () => {} }
        }),
    }),
  },
]
await main(process.argv.slice(2), table)
