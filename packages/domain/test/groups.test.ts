/** Groups: who is in them, and what becomes of what is asked of them. Rules: RULES.md, TX6–TX8 and GR. */
import { describe, expect, test } from 'vitest'
import {
  addToGroup,
  cancel,
  createGroup,
  type Device,
  type DeviceId,
  deviceNames,
  devices,
  expireDue,
  finish,
  type GroupId,
  groupMembers,
  groups,
  membersOf,
  ok,
  type Result,
  removeFromGroup,
  removeGroup,
  settled,
  sliceSize,
  submitToGroup,
  sweepMembers,
  type Transaction,
  type Tx,
  transactions,
  workOn,
  worksToDo,
} from '../src/index.ts'
import { makeDevice, type Stage, stage } from './play.ts'

describe('what is asked of a group', () => {
  test('[TX6] the membership is fixed when it is asked: who joins later is not asked, who leaves still is', async () => {
    const { on, group, members, join, leave, run, ask } = await crowd(2 * sliceSize + 3)
    const asked = await ask()
    await join((await makeDevice(on, 'late')).id)
    await leave(members.at(-1))
    await leave(members[sliceSize + 1])
    await join(members[sliceSize + 1])
    await run()
    const children = await childrenOf(on, asked.id)
    expect(children.map(({ device }) => device).sort()).toEqual([...members].sort())
    expect((await on.store.read(on.owner).get(groups, { id: group }))?.size).toBe(2 * sliceSize + 3)
  })

  test('[TX7] a small group is asked in one commit, a large one slice by slice: each member once', async () => {
    const few = await crowd(3)
    expect(await childrenOf(few.on, (await few.ask()).id)).toHaveLength(3)
    expect(await few.left()).toBe(0)

    const many = await crowd(3 * sliceSize)
    const asked = await many.ask()
    expect(await childrenOf(many.on, asked.id)).toHaveLength(sliceSize)
    expect(await many.left()).toBe(1)
    await many.run()
    await many.run()
    const children = await childrenOf(many.on, asked.id)
    expect(new Set(children.map(({ device }) => device)).size).toBe(3 * sliceSize)
    expect(children).toHaveLength(3 * sliceSize)
  })

  const endings = [
    { ends: ['done', 'done', 'done'], parent: { state: 'done' } },
    {
      ends: ['done', 'failed', 'timed-out'],
      parent: { state: 'failed', reason: '2 of 3 devices did not get there' },
    },
  ] as const
  for (const { ends, parent } of endings)
    test(`[TX8] children ${ends.join(', ')}: the parent is ${parent.state}`, async () => {
      const { on, ask } = await crowd(3)
      const asked = await ask()
      const children = await childrenOf(on, asked.id)
      for (const [i, state] of ends.entries()) {
        expect((await held(on, asked.id))?.state).toBe('in-progress')
        const child = children[i]
        if (child) await on.store.transact(on.owner, (tx) => finish(tx, on.env, child.id, { state }, on.by))
      }
      expect(await held(on, asked.id)).toMatchObject({ ...parent, open: false })
    })

  test('[TX8] a parent does not end while members are still to be asked', async () => {
    const { on, ask, run } = await crowd(sliceSize + 1)
    const asked = await ask()
    for (const { id } of await childrenOf(on, asked.id))
      await on.store.transact(on.owner, (tx) => finish(tx, on.env, id, { state: 'done' }, on.by))
    expect((await held(on, asked.id))?.open).toBe(true)
    await run()
    const [last] = (await childrenOf(on, asked.id)).filter(({ open }) => open)
    if (last) await on.store.transact(on.owner, (tx) => finish(tx, on.env, last.id, { state: 'done' }, on.by))
    expect(await held(on, asked.id)).toMatchObject({ state: 'done', open: false })
  })

  test('[TX8] a group of nobody is done at once', async () => {
    const { ask } = await crowd(0)
    expect(await ask()).toMatchObject({ state: 'done', open: false })
  })

  test('[TX9] what is called off asks nobody further, and ends for those it was asked of', async () => {
    const { on, ask, run } = await crowd(2 * sliceSize)
    const asked = await ask()
    await on.store.transact(on.owner, (tx) => cancel(tx, on.env, asked.id, on.by))
    await run()
    const children = await childrenOf(on, asked.id)
    expect(children).toHaveLength(sliceSize)
    expect(children.every(({ state }) => state === 'cancelled')).toBe(true)
  })

  test('[TX9] called off after all were asked, its children are called off too', async () => {
    const { on, ask, run } = await crowd(3)
    const asked = await ask()
    await act(on, (tx) => cancel(tx, on.env, asked.id, on.by))
    await run()
    expect((await childrenOf(on, asked.id)).map(({ state }) => state)).toEqual(
      Array.from({ length: 3 }, () => 'cancelled'),
    )
  })

  test('[TX5] members of a group time out each for themselves, and the whole ends with the last of them', async () => {
    const { on, ask, run } = await crowd(2)
    const asked = await ask(1000)
    const [first] = await childrenOf(on, asked.id)
    if (first)
      await on.store.transact(on.owner, (tx) => finish(tx, on.env, first.id, { state: 'done' }, on.by))
    on.pass(1001)
    await on.store.transact(on.owner, async (tx) => ok(await expireDue(tx, on.env, 10)))
    await run()
    expect(await held(on, asked.id)).toMatchObject({ open: false, state: 'failed' })
    expect((await childrenOf(on, asked.id)).map(({ state }) => state).sort()).toEqual(['done', 'timed-out'])
  })
})

describe('who is in a group', () => {
  test('[GR1] a name is one name among groups and devices alike', async () => {
    const on = await stage()
    await act(on, (tx) => createGroup(tx, on.env, { name: 'trucks', by: on.by }))
    expect(await tried(on, (tx) => createGroup(tx, on.env, { name: 'trucks', by: on.by }))).toBe('name-taken')
    await makeDevice(on, 'truck-9')
    expect(await tried(on, (tx) => createGroup(tx, on.env, { name: 'truck-9', by: on.by }))).toBe(
      'name-taken',
    )
    for (const name of ['', 'x'.repeat(65), 'a\u0001b'])
      expect(await tried(on, (tx) => createGroup(tx, on.env, { name, by: on.by }))).toBe('bad-name')
  })

  test('[GR2] the first member gives the type; another type is refused and nothing changed; empty, it is free again', async () => {
    const { on, group, members } = await crowd(1)
    const fine = (await makeDevice(on, 'fine')).id
    const other = await typed(on, (await makeDevice(on, 'other')).id, 'lorry')
    const add = (ids: readonly DeviceId[]) => (tx: Tx) =>
      addToGroup(tx, on.env, { group, devices: ids, by: on.by })
    expect(await tried(on, add([fine, other]))).toBe('another-type')
    expect(await sizeOf(on, group)).toBe(1)
    await act(on, (tx) => removeFromGroup(tx, on.env, { group, devices: members, by: on.by }))
    expect(await tried(on, add([other]))).toBe('ok')
    expect(await tried(on, add([fine]))).toBe('another-type')
  })

  test('[GR3] a device has one primary group at most', async () => {
    const { on, group, members } = await crowd(1)
    const second = await act(on, (tx) => createGroup(tx, on.env, { name: 'second', by: on.by }))
    const primary = (id: GroupId) =>
      act(on, (tx) => addToGroup(tx, on.env, { group: id, devices: members, primary: true, by: on.by }))
    await primary(group)
    await primary(second.id)
    const rows = await on.store.read(on.owner).find(groupMembers, { where: { current: true } })
    expect(rows.map(({ group: of, primary }) => [of === second.id, primary]).sort()).toEqual([
      [false, false],
      [true, true],
    ])
  })

  test('[GR4] who has left is remembered while something asked of the group is open, and forgotten after', async () => {
    const { on, group, members, ask, leave } = await crowd(2)
    const asked = await ask()
    await leave(members[0])
    const rows = () => on.store.read(on.owner).count(groupMembers, { group })
    expect(await rows()).toBe(2)
    const sweep = () => act(on, async (tx) => ok(await sweepMembers(tx, group, 10)))
    expect(await sweep()).toBe(0)
    for (const { id } of await childrenOf(on, asked.id))
      await act(on, (tx) => finish(tx, on.env, id, { state: 'done' }, on.by))
    expect(await sweep()).toBe(1)
    expect(await rows()).toBe(1)
  })

  test('[GR5] a group that is removed leaves its devices where they are', async () => {
    const { on, group, members } = await crowd(1)
    await act(on, (tx) => removeGroup(tx, on.env, { id: group, by: on.by }))
    expect(await tried(on, (tx) => removeGroup(tx, on.env, { id: group, by: on.by }))).toBe('no-such-group')
    expect(await on.store.read(on.owner).get(devices, { id: members[0] ?? ('' as DeviceId) })).toBeDefined()
    expect(await membersOf(on.store.read(on.owner), group, { limit: 10 })).toHaveLength(1)
    await act(on, async (tx) => ok(await sweepMembers(tx, group, 10)))
    expect(await on.store.read(on.owner).count(groupMembers, { group })).toBe(0)
  })
})

async function crowd(count: number) {
  const on = await stage()
  const group = (await act(on, (tx) => createGroup(tx, on.env, { name: 'crowd', by: on.by }))).id
  const members: DeviceId[] = []
  const model = await makeDevice(on, 'model')
  await act(on, async (tx) => {
    for (let i = 0; i < count; i++) {
      const id = `${i.toString(16).padStart(8, '0')}${'0'.repeat(16)}` as DeviceId
      members.push(id)
      const device: Device = { ...model, id, nick: `d${i}` }
      await tx.put(devices, device)
      await tx.put(deviceNames, { door: 'nick', name: device.nick, device: id })
    }
    return addToGroup(tx, on.env, { group, devices: members, by: on.by })
  })
  const one = (device: DeviceId | undefined) => (device === undefined ? [] : [device])
  return {
    on,
    group,
    members,
    join: (device: DeviceId | undefined) =>
      act(on, (tx) => addToGroup(tx, on.env, { group, devices: one(device), by: on.by })),
    leave: (device: DeviceId | undefined) =>
      act(on, (tx) => removeFromGroup(tx, on.env, { group, devices: one(device), by: on.by })),
    ask: (ttlMs?: number) =>
      act(on, (tx) =>
        submitToGroup(tx, on.env, {
          kind: 'rpc',
          group,
          payload: { do: 'it' },
          by: on.by,
          ...(ttlMs === undefined ? {} : { ttlMs }),
        }),
      ),
    left: async () => (await worksToDo(on.store.read(on.owner), 10)).length,
    async run() {
      for (const { parent } of await worksToDo(on.store.read(on.owner), 100))
        while (
          settled(await on.store.transact(on.owner, async (tx) => ok(await workOn(tx, on.env, parent))))
        ) {
          // The next slice.
        }
    },
  }
}

async function typed(on: Stage, id: DeviceId, type: string): Promise<DeviceId> {
  await act(on, async (tx) => {
    const held = await tx.get(devices, { id })
    if (held) await tx.put(devices, { ...held, type })
    tx.journal({ kind: 'device.described', at: on.env.now, by: on.by, data: {} })
    return ok(undefined)
  })
  return id
}

async function act<T>(on: Stage, body: (tx: Tx) => Promise<Result<T, { kind: string }>>): Promise<T> {
  const done = await on.store.transact(on.owner, body)
  if (!done.ok) throw new Error(done.refusal.kind)
  return done.value
}

async function tried(
  on: Stage,
  body: (tx: Tx) => Promise<Result<unknown, { kind: string }>>,
): Promise<string> {
  const done = await on.store.transact(on.owner, body)
  return done.ok ? 'ok' : done.refusal.kind
}

async function sizeOf(on: Stage, id: GroupId): Promise<number | undefined> {
  return (await on.store.read(on.owner).get(groups, { id }))?.size
}

function held(on: Stage, id: Transaction['id']): Promise<Transaction | undefined> {
  return on.store.read(on.owner).get(transactions, { id })
}

function childrenOf(on: Stage, parent: Transaction['id']): Promise<Transaction[]> {
  return on.store.read(on.owner).find(transactions, { where: { parent }, order: ['id'] })
}
