/**
 * Generated histories: the same operations on a store and on the store in memory, and every answer compared.
 */
import { ok, type Reader, refuse, type Store, type Tx } from '@waymark/domain'
import { createMemoryStore } from '@waymark/store'
import fc from 'fast-check'
import { expect } from 'vitest'
import { ann, bob, collections, entry, follow, notes, type Thing, things } from './fixture.ts'

const id = fc.constantFrom('a', 'b', 'c', 'd', 'é', '\u{1f682}', '\ue000', 'A')
const name = fc.constantFrom('', 'n', 'N', 'nn', '%', 'n\0', '\ud800', '\uffff', 'Ñ', '\u{10000}', '\ue000')
const size = fc.constantFrom(-1, 0, 1, 2, 2 ** 40)

const thing = fc.record(
  {
    id,
    name: fc.option(name),
    size: fc.option(size),
    on: fc.option(fc.boolean()),
    state: fc.constantFrom('', 's', 'x'.repeat(3000)),
    extra: fc.jsonValue({ maxDepth: 2 }),
  },
  { requiredKeys: ['id'] },
)

const sizeCondition = fc.oneof(
  size,
  fc.constant(null),
  fc.record({ gte: size }),
  fc.record({ gt: size, lte: size }),
  fc.record({ not: fc.option(size) }),
  fc.record({ in: fc.array(size, { maxLength: 3 }) }),
)
const nameCondition = fc.oneof(
  name,
  fc.constant(null),
  fc.record({ prefix: fc.constantFrom('', 'n', 'N', 'Ñ', '%') }),
  fc.record({ lt: name }),
  fc.record({ not: fc.option(name) }),
)
const where = fc.record(
  {
    id: fc.oneof(id, fc.record({ in: fc.array(id, { maxLength: 4 }) })),
    size: sizeCondition,
    name: nameCondition,
    on: fc.option(fc.boolean()),
  },
  { requiredKeys: [] },
)
const order = fc.constantFrom(
  ['id'],
  ['-id'],
  ['size', 'id'],
  ['-size', '-id'],
  ['on', 'size', 'id'],
  ['-on', '-name', '-id'],
  ['name', '-size'],
)
const question = fc.record({ where, order, limit: fc.constantFrom(1, 3, 100) }, { requiredKeys: [] })

type Operation =
  | { do: 'put'; thing: Thing }
  | { do: 'change'; id: string; size: number | null }
  | { do: 'changeAll'; ids: string[]; size: number | null }
  | { do: 'remove'; id: string }
  | { do: 'note'; no: number }
  | { do: 'get'; id: string }
  | { do: 'find'; find: object }
  | { do: 'count'; where: object }

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('put' as const), thing: thing as fc.Arbitrary<Thing> }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('change' as const), id, size: fc.option(size) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('changeAll' as const),
      ids: fc.array(id, { maxLength: 5 }),
      size: fc.option(size),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('note' as const), no: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('get' as const), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('find' as const), find: question }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('count' as const), where }) },
)

const body = fc.record({
  tenant: fc.constantFrom(ann, bob),
  operations: fc.array(operation, { maxLength: 8 }),
  end: fc.constantFrom('ok' as const, 'ok' as const, 'ok' as const, 'refuse' as const, 'throw' as const),
  silent: fc.constantFrom(false, false, false, true),
})
type Step = { tenant: typeof ann; operations: Operation[]; end: 'ok' | 'refuse' | 'throw'; silent: boolean }

/** What a history on this store answers, and what is left afterwards. */
async function play(store: Store, steps: readonly Step[], after: readonly object[]): Promise<unknown[]> {
  // All at once: they share commits, and still behave as if one came after the other.
  const answers: unknown[] = await Promise.all(
    steps.map((step) =>
      store
        .transact<unknown, unknown>(step.tenant, (tx) => perform(tx, step))
        .catch((error: Error) => `threw ${error.name}`),
    ),
  )
  for (const tenant of [ann, bob]) {
    const reader: Reader = store.read(tenant)
    answers.push(await reader.find(things, {}), await reader.find(notes, {}))
    for (const find of after) answers.push(await reader.find(things, find))
    answers.push(await follow(store, tenant))
  }
  return answers
}

async function perform(tx: Tx, step: Step) {
  const answers: unknown[] = []
  for (const operation of step.operations)
    switch (operation.do) {
      case 'put':
        answers.push(await tx.put(things, operation.thing))
        break
      case 'change': {
        const held = await tx.get(things, { id: operation.id })
        if (held !== undefined) await tx.put(things, { ...held, size: operation.size })
        answers.push(held)
        break
      }
      case 'changeAll': {
        const keys = operation.ids.map((id) => ({ id }))
        const held = await tx.getAll(things, keys)
        await tx.putAll(
          things,
          held.flatMap((one) => (one ? [{ ...one, size: operation.size }] : [])),
        )
        answers.push(held, await tx.getAll(things, keys))
        break
      }
      case 'remove':
        answers.push(await tx.remove(things, { id: operation.id }))
        break
      case 'note':
        answers.push(await tx.put(notes, { topic: 't', no: operation.no }))
        break
      case 'get':
        answers.push(await tx.get(things, { id: operation.id }))
        break
      case 'find':
        answers.push(await tx.find(things, operation.find))
        break
      case 'count':
        answers.push(await tx.count(things, operation.where))
    }
  if (!step.silent) tx.journal(entry('played', { data: { operations: step.operations.length } }))
  if (step.end === 'throw') throw new TypeError('thrown')
  return step.end === 'refuse' ? refuse({ kind: 'refused', answers }) : ok(answers)
}

/** Plays generated histories on a store and on memory; the answers have to be the same. */
export async function expectLikeMemory(open: () => Promise<Store>, runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(body as fc.Arbitrary<Step>, { minLength: 1, maxLength: 12 }),
      fc.array(question, { maxLength: 3 }),
      async (steps, after) => {
        const memory = createMemoryStore({ collections })
        const store = await open()
        try {
          expect(await play(store, steps, after)).toEqual(await play(memory, steps, after))
        } finally {
          await store.close()
        }
      },
    ),
    { numRuns: runs },
  )
}
