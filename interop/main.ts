/**
 * `npm run interop`: clients that others have written, and what their programs send, against a started server. One row
 * a client; one that is not on this machine is reported as skipped, by name. Exit code 1 when anything failed.
 */
import { exoport } from './exoport.ts'
import { pantavisorByCurl } from './pantavisor-by-curl.ts'
import { findPvr, pvr } from './pvr.ts'
import { findCurl, pvrByCurl } from './pvr-by-curl.ts'
import { type Report, skipped } from './report.ts'
import { type Server, startServer, versionOf } from './server.ts'
import { findMosquitto, twinByMosquitto } from './twin-by-mosquitto.ts'

interface Client {
  readonly name: string
  run(): Promise<Report>
}

const clients: readonly Client[] = [
  {
    name: 'pvr',
    async run() {
      const found = await findPvr()
      if ('missing' in found) return skipped('pvr', found.missing)
      try {
        return await meeting({}, (server) => pvr(server, found))
      } finally {
        found.release()
      }
    },
  },
  { name: 'curl as pvr', run: () => withCurl('curl as pvr', () => meeting({}, pvrByCurl)) },
  {
    name: 'curl as Pantavisor',
    run: () => withCurl('curl as Pantavisor', () => meeting({ tls: true }, pantavisorByCurl)),
  },
  {
    name: 'Erlang device',
    run: async () =>
      versionOf('erl', ['-noshell', '-eval', 'crypto:hash(sha, <<>>), halt(0).']) === undefined
        ? skipped('Erlang device', 'erl with crypto is not installed')
        : meeting({}, exoport),
  },
  {
    name: 'Mosquitto',
    async run() {
      const found = findMosquitto()
      return found === undefined ? skipped('Mosquitto', 'mosquitto is not installed') : twinByMosquitto(found)
    },
  },
  { name: 'Erlang', run: async () => (await import('../packages/etf/interop.ts')).main() },
  {
    name: 'yanglint and pyang',
    async run() {
      const { main } = await import('../packages/yang/interop.ts')
      const { passed, failed, skipped } = await main((line) => console.log(`        ${line}`))
      return {
        passed: passed > 0 ? [`yang: ${passed} verdicts of yanglint and pyang agree with ours`] : [],
        failed: failed > 0 ? [`yang: ${failed} verdicts differ`] : [],
        skipped: [...skipped],
      }
    },
  },
]

async function meeting(
  how: Parameters<typeof startServer>[0],
  meet: (server: Server) => Promise<Report>,
): Promise<Report> {
  const server = await startServer(how)
  try {
    return await meet(server)
  } finally {
    await server.stop()
  }
}

async function withCurl(name: string, run: () => Promise<Report>): Promise<Report> {
  return findCurl() === undefined ? skipped(name, 'curl is not installed') : run()
}

const asked = process.argv.slice(2)
const totals = { passed: 0, failed: 0, skipped: 0 }
for (const client of clients) {
  if (asked.length > 0 && !asked.includes(client.name)) continue
  const report = await client.run().catch((error: unknown): Report => {
    return { passed: [], failed: [`${client.name}: ${String(error)}`], skipped: [] }
  })
  for (const how of ['passed', 'failed', 'skipped'] as const) {
    totals[how] += report[how].length
    for (const name of report[how]) console.log(`${how.padEnd(7)} ${name}`)
  }
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exitCode = totals.failed > 0 ? 1 : 0
