/**
 * A server as an older version would be, for the tests of upgrades: today's doors on a store of another shape, which
 * lacks collections, columns and indexes that have come since. What it lacks is nothing that its doors are asked for.
 */
import { type AnyCollection, mainCollections, telemetryCollections } from '@waymark/domain'
import { createObjectBytes, openPostgresStore, openSqliteStore } from '@waymark/store'
import { allDoors, composeHouse } from '../../src/compose.ts'
import { parseConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { serve } from '../../src/serve.ts'

/** Collections that had not been thought of. */
const later: ReadonlySet<string> = new Set(['apps', 'profiles', 'access_tokens', 'schemas'])
/** Columns that were not searched by. */
const laterColumns: Readonly<Record<string, readonly string[]>> = {
  objects: ['name'],
  log_entries: ['bytes'],
}

function before(collections: readonly AnyCollection[]): AnyCollection[] {
  return collections
    .filter(({ name }) => !later.has(name))
    .map((collection) => {
      const gone = laterColumns[collection.name] ?? []
      const columns = Object.fromEntries(
        Object.entries(collection.columns).filter(([column]) => !gone.includes(column)),
      )
      const indexes = collection.indexes.filter(({ on }) => !on.some((field) => gone.includes(field)))
      // Of what is left, one index of the steps had not been needed.
      return { ...collection, columns, indexes: collection.name === 'steps' ? indexes.slice(0, -1) : indexes }
    })
}

const parsed = parseConfig({ flags: process.argv.slice(2), env: process.env })
if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
const config = parsed.value
const log = createLog(config)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

const served = await serve({
  config,
  log,
  signal: stop.signal,
  out: (line) => process.stdout.write(`${line}\n`),
  async open(_, services) {
    const url = config.database
    const open = (collections: readonly AnyCollection[], name: string) =>
      url === undefined
        ? openSqliteStore({ file: `${config.data}/${name}.db`, collections: before(collections), log })
        : openPostgresStore({ url, schema: name.replace('-', '_'), collections: before(collections), log })
    const homes = {
      store: await open(mainCollections, 'waymark'),
      telemetry: await open(telemetryCollections, 'waymark-telemetry'),
      bytes: await createObjectBytes({ folder: `${config.data}/objects`, shared: url !== undefined }),
    }
    return (await composeHouse(config, services, homes, allDoors)).opened
  },
})
// As the program itself does: what is left open is nobody's.
process.exit(served.ok ? 0 : 1)
