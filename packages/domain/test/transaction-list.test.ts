/** Lists of transactions, page by page, against the whole sorted at once. Rules: ../RULES.md, TX. */
import {
  DeviceId,
  hasEnded,
  Instant,
  listTransactions,
  mainCollections,
  ok,
  TenantId,
  type Transaction,
  TransactionId,
  transactionStates,
  transactions,
} from '@waymark/domain'
import { createMemoryStore } from '@waymark/store'
import fc from 'fast-check'
import { expect, test } from 'vitest'

/** The id that a parser makes of a number. */
function id<T>(parser: { parse(got: unknown): T | undefined }, n: number): T {
  const parsed = parser.parse(n.toString(16).padStart(24, '0'))
  if (parsed === undefined) throw new Error(`no id: ${n}`)
  return parsed
}

const tenant = id(TenantId, 1)
const by = { kind: 'system', id: 'test' } as const

const row = fc.record({
  state: fc.constantFrom(...transactionStates),
  kind: fc.constantFrom('rpc', 'configuration'),
  device: fc.integer({ min: 1, max: 3 }),
})
const question = fc.record(
  {
    state: fc.constantFrom(...transactionStates),
    open: fc.boolean(),
    kind: fc.constantFrom('rpc', 'configuration'),
    device: fc.integer({ min: 1, max: 3 }),
    newest: fc.boolean(),
  },
  { requiredKeys: [] },
)

test('[TX10] pages of a list, laid end to end, are all that was asked for, once each and in order of time', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 40 }),
      question,
      fc.integer({ min: 1, max: 7 }),
      async (rows, { device, ...asked }, limit) => {
        const store = createMemoryStore({ collections: mainCollections })
        const kept = rows.map(
          ({ state, kind, device }, n): Transaction => ({
            id: id(TransactionId, n + 1),
            kind,
            device: id(DeviceId, device),
            lane: 'queue',
            seq: n,
            state,
            open: !hasEnded(state),
            percent: 0,
            payload: null,
            by,
            attempts: 0,
            createdAt: Instant.of(n),
          }),
        )
        await store.transact(tenant, async (tx) => {
          for (const each of kept) await tx.put(transactions, each)
          tx.journal({ kind: 'device.registered', at: Instant.of(0), by, data: {} })
          return ok(undefined)
        })
        const of = device === undefined ? {} : { device: id(DeviceId, device) }
        const shown: Transaction[] = []
        for (;;) {
          const last = shown.at(-1)
          const after = last === undefined ? {} : { after: [last.id] }
          const page = await listTransactions(store.read(tenant), { ...asked, ...of, ...after, limit })
          shown.push(...page)
          if (page.length < limit) break
        }
        const wanted = kept.filter(
          (each) =>
            (asked.state === undefined || each.state === asked.state) &&
            (asked.open === undefined || each.open === asked.open) &&
            (asked.kind === undefined || each.kind === asked.kind) &&
            (device === undefined || each.device === id(DeviceId, device)),
        )
        const ids = wanted.map((each) => each.id)
        expect(shown.map((each) => each.id)).toEqual(asked.newest ? ids.reverse() : ids)
        await store.close()
      },
    ),
  )
})
