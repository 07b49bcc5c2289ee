import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createMember,
  createSession,
  Defect,
  deleteDevice,
  devices,
  emptyFold,
  type Folded,
  foldJournal,
  type Instant,
  type JournalEntry,
  type JournalRow,
  journalKinds,
  labelDevice,
  markStored,
  memberships,
  ObjectSha,
  objects,
  principals,
  publishDevice,
  type Reader,
  registerObject,
  removeObject,
  renameDevice,
  renameObject,
  steps,
  type TenantId,
  tenants,
  trails,
  transactions,
  unclaimedTenant,
} from '../src/index.ts'
import { claim, makeDevice, makeUnclaimed, play, type Stage, stage } from './play.ts'

async function rowsOf(on: Stage, tenant: TenantId | 'house'): Promise<readonly JournalRow[]> {
  const read = await on.store.journal.read(tenant, { limit: 1000 })
  if (!read.ok) throw new Error(read.refusal.kind)
  return read.value.entries
}

/** The records, as far as the journal promises to tell them. */
async function recordsOf(
  reader: Reader,
): Promise<Omit<Folded, 'tenants' | 'principals' | 'memberships' | 'joinTokens'>> {
  const folded = emptyFold()
  for (const { id, nick, type, labels, published, garbage } of await reader.find(devices, {}))
    folded.devices.set(id, { nick, type, labels, published, deleted: garbage })
  for (const { device, generation, closedAt } of await reader.find(trails, {}))
    folded.trails.set(`${device}/${generation}`, { closed: closedAt !== undefined, contradictions: 0 })
  for (const { device, generation, rev, stateSha, status, transaction } of await reader.find(steps, {}))
    folded.steps.set(`${device}/${generation}/${rev}`, { stateSha, status, transaction })
  for (const held of await reader.find(transactions, {})) {
    const { id, kind, device, lane, state, open, percent, reason, proof } = held
    folded.transactions.set(id, {
      kind,
      lane,
      state,
      open,
      percent,
      ...(device === undefined ? {} : { device }),
      ...(reason === undefined ? {} : { reason }),
      ...(proof === undefined ? {} : { proof }),
    })
  }
  for (const { sha, size, name, stored } of await reader.find(objects, {}))
    folded.objects.set(sha, { size, name, stored })
  return folded
}

/** What the fold tells and the records do not is left out: which trail is walked, and how often it was contradicted. */
function comparable(folded: Pick<Folded, 'devices' | 'trails' | 'steps' | 'transactions' | 'objects'>) {
  return {
    devices: new Map([...folded.devices].map(([id, { generation: _, ...rest }]) => [id, rest])),
    trails: new Map([...folded.trails].map(([key, { closed }]) => [key, { closed }])),
    steps: folded.steps,
    transactions: folded.transactions,
    objects: folded.objects,
  }
}

async function expectFold(on: Stage, tenant: TenantId): Promise<void> {
  expect(comparable(foldJournal(await rowsOf(on, tenant)))).toEqual(
    comparable(await recordsOf(on.store.read(tenant))),
  )
}

/** Lines that a scenario may hold in any order; most are refused most of the time. */
const lines = [
  'device announces',
  'owner posts',
  'owner posts rev 1',
  'owner resets',
  ...[0, 1, 2].flatMap((rev) => [
    `owner cancels rev ${rev}`,
    `owner replaces rev ${rev}`,
    `device runs rev ${rev}`,
    ...['QUEUED', 'INPROGRESS', 'DONE', 'ERROR bad sum', 'WONTGO', 'SOMETHING'].map(
      (word) => `device reports rev ${rev} ${word}`,
    ),
  ]),
]

describe('[JR1] the journal folds to the records', () => {
  test('whatever owner and device do to a trail, in whatever order', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...lines), { maxLength: 40 }), async (script) => {
        const on = await stage()
        const device = await makeDevice(on, 'walker')
        // What is refused changes nothing, so a refusal is as good a line as any.
        for (const line of script) await play(on, device.id, line).catch(() => undefined)
        await expectFold(on, on.owner)
      }),
      { numRuns: 60 },
    ))

  test('devices that come, move, are renamed, labelled, published and deleted', async () => {
    const on = await stage()
    const { store, env, owner: tenant, by } = on
    const own = await makeDevice(on, 'own')
    const stray = await makeUnclaimed(on)
    await claim(on, stray, stray.challenge ?? '')
    await store.transact(tenant, (tx) => renameDevice(tx, env, { device: own.id, nick: 'other', by }))
    await store.transact(tenant, (tx) => labelDevice(tx, env, { device: own.id, labels: { place: 'x' }, by }))
    await store.transactHouse((h) => publishDevice(h, env, { device: own.id, tenant, published: true, by }))
    await expectFold(on, tenant)
    await store.transactHouse((h) => publishDevice(h, env, { device: own.id, tenant, published: false, by }))
    await store.transactHouse((h) => publishDevice(h, env, { device: stray.id, tenant, published: true, by }))
    await store.transactHouse((h) => deleteDevice(h, env, { device: stray.id, tenant, by }))
    await expectFold(on, tenant)
    await expectFold(on, unclaimedTenant)
    expect(foldJournal(await rowsOf(on, unclaimedTenant)).devices.size).toBe(0)
  })

  test('objects registered, stored, renamed and removed', async () => {
    const on = await stage()
    const { store, env, owner: tenant, by } = on
    for (const digit of ['a', 'b', 'c']) {
      const sha = ObjectSha.parse(digit.repeat(64)) ?? expect.fail('a sha')
      const asked = { sha, size: 3, name: digit, mimeType: '', quotaBytes: 100, by }
      await store.transact(tenant, (tx) => registerObject(tx, env, asked))
      if (digit !== 'a') await store.transactHouse((h) => markStored(h, env, { tenant, sha, size: 3, by }))
      if (digit === 'b') await store.transact(tenant, (tx) => renameObject(tx, env, { sha, name: 'new', by }))
      if (digit === 'c') await store.transactHouse((h) => removeObject(h, env, { tenant, sha, by }))
    }
    await expectFold(on, tenant)
    expect(foldJournal(await rowsOf(on, tenant)).objects.size).toBe(2)
  })

  test('people, their tenants and their roles', async () => {
    const on = await stage()
    const { store, env, owner: tenant, by } = on
    const guest = { nick: 'guest', passwordHash: 'x', tenant, roles: ['viewer'], by } as const
    await store.transactHouse((h) => createMember(h, env, guest))
    await store.transactHouse((h) => createSession(h, env))
    const folded = foldJournal(await rowsOf(on, 'house'))
    const house = store.readHouse()
    expect(folded.tenants).toEqual(
      new Map((await house.find(tenants, {})).map(({ id, name }) => [id, { name }])),
    )
    expect(folded.principals).toEqual(
      new Map((await house.find(principals, {})).map(({ id, nick, kind }) => [id, { nick, kind }])),
    )
    expect(folded.memberships).toEqual(
      new Map(
        (await house.find(memberships, {})).map((held) => [`${held.principal}/${held.tenant}`, held.roles]),
      ),
    )
    expect(folded.tenants.size).toBe(2)
  })

  test('a fold goes on from what an earlier one has made', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'walker')
    await play(on, device.id, 'device announces\nowner posts')
    const before = await rowsOf(on, on.owner)
    await play(on, device.id, 'device reports rev 1 INPROGRESS\ndevice reports rev 1 DONE\ndevice runs rev 1')
    const all = await rowsOf(on, on.owner)
    expect(foldJournal(all.slice(before.length), foldJournal(before))).toEqual(foldJournal(all))
  })
})

describe('[JR2] a history with a hole is a defect', () => {
  const at = 0 as Instant
  const by = { kind: 'system', id: 'x' } as const
  const holes: { name: string; entries: Pick<JournalEntry, 'kind' | 'data'>[] }[] = [
    {
      name: 'an end of what never began',
      entries: [{ kind: 'transaction.ended', data: { transaction: 't', state: 'done' } }],
    },
    {
      name: 'two ends',
      entries: [
        { kind: 'transaction.submitted', data: { transaction: 't', kind: 'rpc', lane: 'queue' } },
        { kind: 'transaction.ended', data: { transaction: 't', state: 'done' } },
        { kind: 'transaction.ended', data: { transaction: 't', state: 'failed' } },
      ],
    },
    {
      name: 'a fact that is missing',
      entries: [{ kind: 'object.registered', data: { sha: 's', name: '' } }],
    },
    {
      name: 'a fact of another type',
      entries: [{ kind: 'object.registered', data: { sha: 's', size: '3', name: '' } }],
    },
    { name: 'a kind that is none of ours', entries: [{ kind: 'object.eaten', data: {} }] },
    { name: 'a kind that only objects have by nature', entries: [{ kind: 'toString', data: {} }] },
    { name: 'a device that is not named', entries: [{ kind: 'device.renamed', data: { nick: 'x' } }] },
  ]
  for (const { name, entries } of holes)
    test(name, () =>
      expect(() => foldJournal(entries.map((entry) => ({ at, by, ...entry })))).toThrow(Defect),
    )

  test('every kind there is can be folded or refused by name, none is passed over unknown', () => {
    for (const kind of Object.keys(journalKinds)) {
      const fold = () => foldJournal([{ kind, at, by, data: {} }])
      try {
        fold()
      } catch (error) {
        expect(error, kind).toBeInstanceOf(Defect)
      }
    }
  })
})
