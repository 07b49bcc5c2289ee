/**
 * Writes rows as fast as it can and prints the number of each one that was acknowledged, until somebody kills it.
 * Arguments: `sqlite FILE`, `sqlite-thread FILE` (a thread makes all commits) or `postgres URL SCHEMA`, then a word that tells this run's rows from others'.
 */
import { writeSync } from 'node:fs'
import { ok } from '@waymark/domain'
import { openPostgresStore, openSqliteStore } from '@waymark/store'
import { ann, collections, entry, things } from '../fixture.ts'

const [home, where = '', schema = '', run = schema] = process.argv.slice(2)
const store = home?.startsWith('sqlite')
  ? await openSqliteStore({
      file: where,
      collections,
      ...(home === 'sqlite-thread' ? { threadAfterMs: 0 } : {}),
    })
  : await openPostgresStore({ url: where, schema, collections })

let next = 0
async function writeOn(): Promise<never> {
  for (;;) {
    const no = next++
    const written = await store.transact(ann, async (tx) => {
      const total = await tx.get(things, { id: `total-${run}` })
      await tx.put(things, { id: `${run}-${no}`, size: no, state: 'x'.repeat(no % 3000) })
      await tx.put(things, { id: `total-${run}`, size: (total?.size ?? 0) + 1 })
      tx.journal(entry('written', { data: { run, no } }))
      return ok(undefined)
    })
    // At once and whole, so that what was acknowledged is known however soon the end comes.
    if (written.ok) writeSync(1, `${no}\n`)
  }
}
await Promise.all(Array.from({ length: 24 }, writeOn))
