/** What is asked of many at once, and ends of many at once. Rules: RULES.md, TX11 and TX12. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addToGroup,
  ChildEndings,
  createGroup,
  type DeviceId,
  deliveries,
  deliveryLanes,
  finish,
  finishAll,
  foldJournal,
  groupSlices,
  groups,
  groupWorks,
  lanes,
  type Notify,
  ok,
  type Result,
  submit,
  submitToGroup,
  submitToMany,
  type ToEnd,
  type Transaction,
  TransactionId,
  type Tx,
  takeNext,
  transactions,
} from '../src/index.ts'
import { makeDevice, type Stage, stage } from './play.ts'

describe('ends of many', () => {
  const outcome = fc.constantFrom('done' as const, 'failed' as const, 'timed-out' as const)
  const one = fc.record({ which: fc.nat(20), outcome })
  const notified = fc.constantFrom('nobody', 'groups', 'groups, each', 'an address', 'a set')

  test('[TX11] many are ended at once as one by one: twice named, unknown or ended before, alone or in groups', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(one, { maxLength: 12 }),
        fc.array(one, { maxLength: 3 }),
        notified,
        async (all, before, told) => {
          const ended = await Promise.all([
            played(told, before, all, async (tx, on, ends) => {
              const endings = new ChildEndings()
              for (const { id, ending, by } of ends) await finish(tx, on.env, id, ending, by, endings)
              await endings.tell(tx, on.env)
            }),
            played(told, before, all, async (tx, on, ends) => {
              const endings = new ChildEndings()
              await finishAll(tx, on.env, ends, endings)
              await endings.tell(tx, on.env)
            }),
          ])
          expect(ended[1]).toEqual(ended[0])
        },
      ),
      { numRuns: 60 },
    ))

  test('[TX11] who is told of each is told in the order of the ends', async () => {
    const on = await crowd('groups, each')
    const children = await on.children()
    const order = [children[2], children[0], children[3]].map((child) => child as Transaction)
    await act(on, async (tx) => {
      const endings = new ChildEndings()
      const ends = order.map(({ id }) => ({ id, ending: { state: 'done' } as const, by: on.by }))
      await finishAll(tx, on.env, ends, endings)
      await endings.tell(tx, on.env)
      return ok(undefined)
    })
    const messages = await on.store.read(on.owner).find(deliveries, {})
    expect(messages.map(({ about }) => 'member' in about && about.member)).toEqual(order.map(({ id }) => id))
  })
})

describe('what is asked of many', () => {
  test('[TX12] what is taken by the commit that asks it begins as sent, in its place, and one entry says both', async () => {
    const on = await stage()
    const devices: DeviceId[] = []
    for (const nick of ['a', 'b', 'c', 'd']) devices.push((await makeDevice(on, nick)).id)
    const asked = { kind: 'rpc', payload: null, by: on.by } as const
    // One has been asked something before.
    await act(on, (tx) => submit(tx, on.env, { ...asked, device: devices[1] as DeviceId }))
    const offered: (readonly [DeviceId, number])[] = []
    const all = await act(on, async (tx) =>
      ok(
        await submitToMany(tx, on.env, devices, {
          ...asked,
          takes(device, seq) {
            offered.push([device, seq])
            return seq === 1 && device !== devices[3]
          },
        }),
      ),
    )
    expect(offered.map(([device]) => device)).toEqual(devices)
    expect(all.map(({ device, seq, state, attempts }) => [device, seq, state, attempts])).toEqual([
      [devices[0], 1, 'sent', 1],
      [devices[1], 2, 'queued', 0],
      [devices[2], 1, 'sent', 1],
      [devices[3], 1, 'queued', 0],
    ])
    expect(all.map(({ sentAt }) => sentAt)).toEqual([on.env.now, undefined, on.env.now, undefined])
    for (const held of all)
      expect(await on.store.read(on.owner).get(transactions, { id: held.id })).toEqual(held)
    const held = await on.store.read(on.owner).find(lanes, {})
    const last = new Map(held.map(({ device, lastSeq }) => [device, lastSeq]))
    expect(devices.map((device) => last.get(device))).toEqual([1, 2, 1, 1])
    const entries = await entriesOf(on)
    const told = entries.filter(({ kind }) => kind.startsWith('transaction.'))
    expect(told.map(({ kind, data, by }) => [kind, data.attempt, by])).toEqual([
      ['transaction.submitted', undefined, on.by],
      ['transaction.submitted', 1, on.by],
      ['transaction.submitted', undefined, on.by],
      ['transaction.submitted', 1, on.by],
      ['transaction.submitted', undefined, on.by],
    ])
    // Who tells what was, from what was said.
    const folded = foldJournal(entries.map(({ cursor: _, ...entry }) => entry))
    for (const { id, state } of all) expect(folded.transactions.get(id)?.state).toBe(state)
    // What was taken is in flight: the lane gives nothing more; what was not is given.
    const take = (device: DeviceId | undefined) =>
      act(on, async (tx) => ok(await takeNext(tx, on.env, device as DeviceId, 'queue')))
    expect(await take(devices[0])).toBeUndefined()
    expect((await take(devices[3]))?.id).toBe(all[3]?.id)
  })
})

const target = { lane: 'lane', sealed: 'sealed' }
const notifies: Record<string, Pick<Notify, 'target' | 'set' | 'groupsToo' | 'each'>> = {
  nobody: {},
  groups: { groupsToo: true },
  'groups, each': { groupsToo: true, each: true },
  'an address': { target },
  'a set': { set: 'there is none', groupsToo: true },
}

/** Two groups of three and two devices that share one, one of them with an address; and two devices asked by themselves. */
async function crowd(told: string) {
  const on = await stage()
  const notify: Notify = { ...notifies[told], method: 'm', callId: '1' }
  const ids: DeviceId[] = []
  for (const nick of ['a', 'b', 'c', 'd', 'e']) ids.push((await makeDevice(on, nick)).id)
  const parents: TransactionId[] = []
  for (const [name, members] of [
    ['first', ids.slice(0, 3)],
    ['second', ids.slice(2, 4)],
  ] as const) {
    const group = await act(on, (tx) => createGroup(tx, on.env, { name, by: on.by }))
    await act(on, (tx) => addToGroup(tx, on.env, { group: group.id, devices: members, by: on.by }))
    await act(on, async (tx) => {
      const held = await tx.get(groups, { id: group.id })
      if (held && name === 'first') await tx.put(groups, { ...held, target })
      tx.journal({ kind: 'group.changed', at: on.env.now, by: on.by, data: {} })
      return ok(undefined)
    })
    const asked = { kind: 'rpc', group: group.id, payload: { do: 'it' }, by: on.by, notify } as const
    parents.push((await act(on, (tx) => submitToGroup(tx, on.env, asked))).id)
  }
  for (const kind of ['rpc', 'configuration'] as const)
    await act(on, (tx) =>
      submit(tx, on.env, {
        kind,
        device: ids[4] as DeviceId,
        payload: { name: 'n', values: '{}', callId: '1' },
        by: on.by,
        notify,
      }),
    )
  const all = async () => (await on.store.read(on.owner).find(transactions, {})).sort(byTime)
  return { ...on, all, children: async () => (await all()).filter(({ parent }) => parent !== undefined) }
}

function byTime(a: Transaction, b: Transaction): number {
  return a.id < b.id ? -1 : 1
}

/** What is kept and told after some were ended one by one, and then others in the way that is looked at. */
async function played(
  told: string,
  before: readonly { which: number; outcome: 'done' | 'failed' | 'timed-out' }[],
  all: readonly { which: number; outcome: 'done' | 'failed' | 'timed-out' }[],
  end: (tx: Tx, on: Stage, ends: readonly ToEnd[]) => Promise<void>,
) {
  const on = await crowd(told)
  const held = await on.all()
  const unknown = TransactionId.parse('f'.repeat(24)) as TransactionId
  const ends = (list: typeof all): ToEnd[] =>
    list.map(({ which, outcome: state }) => ({
      id: held[which]?.id ?? unknown,
      ending: { state, ...(state === 'failed' && { reason: `no. ${which}` }) },
      by: on.by,
    }))
  await act(on, async (tx) => {
    for (const { id, ending, by } of ends(before)) await finish(tx, on.env, id, ending, by)
    return ok(undefined)
  })
  on.pass(1000)
  await act(on, async (tx) => {
    await end(tx, on, ends(all))
    return ok(undefined)
  })
  const reader = on.store.read(on.owner)
  return {
    transactions: await reader.find(transactions, {}),
    slices: await reader.find(groupSlices, {}),
    works: await reader.find(groupWorks, {}),
    groups: await reader.find(groups, {}),
    lanes: await reader.find(deliveryLanes, {}),
    // Calls of groups are told of after what else ends with them.
    messages: (await reader.find(deliveries, {})).map(({ about }) => JSON.stringify(about)).sort(),
    entries: (await entriesOf(on)).map(({ cursor: _, ...entry }) => JSON.stringify(entry)).sort(),
  }
}

async function entriesOf(on: Stage) {
  const read = await on.store.journal.read(on.owner, { limit: 1000 })
  if (!read.ok) throw new Error(read.refusal.kind)
  return read.value.entries
}

async function act<T>(on: Stage, body: (tx: Tx) => Promise<Result<T, { kind: string }>>): Promise<T> {
  const done = await on.store.transact(on.owner, body)
  if (!done.ok) throw new Error(done.refusal.kind)
  return done.value
}
