/** What a page of a fleet's transactions reads, asked of SQLite itself. Rule: ../RULES.md, SQ9. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  DeviceId,
  listTransactions,
  type Reader,
  type TransactionsAsked,
  transactions,
} from '@waymark/domain'
import { openSqliteStore } from '@waymark/store'
import { expect, onTestFinished, test } from 'vitest'
import { askOf } from '../src/ask.ts'
import { findPlan } from '../src/sql.ts'
import { sqliteDialect } from '../src/sqlite-schema.ts'
import { Table } from '../src/table.ts'

/** How SQLite would carry out each find that a list makes. */
async function plansOf(asked: Omit<TransactionsAsked, 'limit'>): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-listed-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'listed.db')
  await (await openSqliteStore({ file, collections: [transactions] })).close()
  const db = new DatabaseSync(file)
  const plans: string[] = []
  const reader: Reader = {
    get: async () => undefined,
    count: async () => 0,
    async find(from, find) {
      const { text } = findPlan(new Table(from), sqliteDialect, askOf(new Table(from), find).shape)
      const steps = db.prepare(`EXPLAIN QUERY PLAN ${text}`).all()
      plans.push(steps.map(({ detail }) => String(detail)).join('; '))
      return []
    },
  }
  await listTransactions(reader, { ...asked, limit: 51 })
  db.close()
  return plans
}

const byState = /^SEARCH r USING INDEX _ix_transactions_\w+ \(_tenant=\? AND state=\?( AND id[<>]\?)?\)$/

const lists = [
  { list: 'one state', asked: { state: 'failed' }, finds: 1 },
  { list: 'one state, the newest first', asked: { state: 'queued', newest: true }, finds: 1 },
  { list: 'one state, a later page', asked: { state: 'failed', after: ['0'.repeat(24)] }, finds: 1 },
  { list: 'all that is open', asked: { open: true }, finds: 3 },
  { list: 'all that has ended, a later page', asked: { open: false, after: ['0'.repeat(24)] }, finds: 4 },
] as const
for (const { list, asked, finds } of lists)
  test(`[SQ9] ${list} of a fleet is read in order from an index, no row of another state and none twice`, async () => {
    const plans = await plansOf(asked)
    expect(plans).toHaveLength(finds)
    for (const plan of plans) expect(plan).toMatch(byState)
  })

test('[SQ9] of one device its own are read', async () => {
  const device = DeviceId.parse('1'.repeat(24))
  const plans = await plansOf({ ...(device ? { device } : {}), state: 'failed', newest: true })
  expect(plans).toEqual([expect.stringMatching(/^SEARCH r USING INDEX \w+ \(_tenant=\? AND device=\?\)/)])
})
