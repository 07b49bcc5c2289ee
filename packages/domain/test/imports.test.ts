import { describe, expect, test } from 'vitest'
import {
  createMember,
  DeviceId,
  deviceByNick,
  foldJournal,
  headStep,
  type Instant,
  importDevice,
  importStep,
  openTrail,
  type PrincipalId,
  type Reading,
  Revision,
  setDisabled,
  setRoles,
  steps,
  tenantMembers,
  transactions,
  unclaimedTenant,
} from '../src/index.ts'
import { makeDevice, plainState, reading, type Stage, stage } from './play.ts'

const id = DeviceId.parse('5c0e5c0e5c0e5c0e5c0e5c0e') as DeviceId
const long = 1_500_000_000_000 as Instant

async function taken(on: Stage, nick = 'far') {
  return on.store.transactHouse((house) =>
    importDevice(house, on.env, {
      tenant: on.owner,
      id,
      nick,
      secret: 'its own secret',
      userMeta: { 'a.b': 1 },
      deviceMeta: { seen: true },
      createdAt: long,
      by: on.by,
      seal: (secret) => `sealed ${secret}`,
    }),
  )
}

const readingOf = (word: string, percent: number): Reading =>
  word === 'CANCEL' ? { word, percent, message: '', meaning: { end: 'cancelled' } } : reading(word, percent)

function step(on: Stage, rev: number, word = 'NEW', percent = 0, name = `state ${rev}`) {
  return on.store.transact(on.owner, (tx) =>
    importStep(tx, on.env, {
      device: id,
      rev: Revision.parse(rev) as Revision,
      state: plainState(name),
      commitMsg: `step ${rev}`,
      committer: 'somebody',
      meta: { from: 'elsewhere' },
      createdAt: long,
      ...(word === 'NEW'
        ? {}
        : {
            reported: {
              report: { status: word, progress: percent, kept: true },
              reading: readingOf(word, percent),
              at: long,
            },
          }),
      by: on.by,
    }),
  )
}

describe('imports', () => {
  test('[IM1] a device keeps id, secret, metas and age; taken in again nothing changes', async () => {
    const on = await stage()
    expect(await taken(on)).toMatchObject({
      ok: true,
      value: {
        device: { id, nick: 'far', createdAt: long, sealedSecret: 'sealed its own secret' },
        secret: 'its own secret',
      },
    })
    const again = await taken(on, 'other')
    expect(again).toMatchObject({ ok: true, value: { device: { nick: 'far' } } })
    expect(again.ok && again.value.secret).toBeUndefined()
  })

  test('[IM1] an id that lives elsewhere, and a nick that is taken, are refused', async () => {
    const on = await stage()
    const held = await makeDevice(on, 'near')
    expect(await taken(on, 'near')).toMatchObject({ refusal: { kind: 'nick-taken' } })
    const foreign = await on.store.transactHouse((house) =>
      importDevice(house, on.env, {
        tenant: unclaimedTenant,
        id: held.id,
        nick: 'x',
        createdAt: long,
        by: on.by,
        seal: (secret) => secret,
      }),
    )
    expect(foreign).toMatchObject({ refusal: { kind: 'id-taken' } })
  })

  const words = [
    { word: 'DONE', percent: 100, state: 'done', open: false },
    { word: 'ERROR', percent: 50, state: 'failed', open: false },
    { word: 'CANCEL', percent: 100, state: 'cancelled', open: false },
    { word: 'INPROGRESS', percent: 50, state: 'in-progress', open: true },
    { word: 'NEW', percent: 0, state: 'queued', open: true },
  ]
  for (const { word, percent, state, open } of words)
    test(`[IM2] a step that was ${word} there is ${state} here, with its own age and report`, async () => {
      const on = await stage()
      await taken(on)
      expect((await step(on, 0, 'DONE', 100)).ok).toBe(true)
      const made = await step(on, 1, word, percent)
      if (!made.ok) throw new Error(made.refusal.kind)
      const held = await on.store.read(on.owner).get(steps, {
        device: id,
        generation: made.value.step.generation,
        rev: Revision.parse(1) as Revision,
      })
      expect(held).toMatchObject({
        status: word,
        open,
        createdAt: long,
        committer: 'somebody',
        meta: { from: 'elsewhere' },
        ...(word === 'NEW'
          ? {}
          : { report: { status: word, progress: percent, kept: true }, reportedAt: long }),
      })
      const transaction = await on.store.read(on.owner).get(transactions, { id: made.value.step.transaction })
      expect(transaction).toMatchObject({ state, open })
    })

  test('[IM3] a step comes in once and in its turn; one that says otherwise is refused', async () => {
    const on = await stage()
    await taken(on)
    expect(await step(on, 1)).toMatchObject({ refusal: { kind: 'wrong-revision', wanted: 0 } })
    await step(on, 0, 'DONE', 100)
    expect(await step(on, 2)).toMatchObject({ refusal: { kind: 'wrong-revision', wanted: 1 } })
    await step(on, 1, 'DONE', 100)
    expect(await step(on, 1, 'DONE', 100)).toMatchObject({ ok: true, value: { existed: true } })
    expect(await step(on, 1, 'DONE', 100, 'another')).toMatchObject({ refusal: { kind: 'step-differs' } })
    const reader = on.store.read(on.owner)
    const device = await deviceByNick(reader, 'far')
    const trail = device && (await openTrail(reader, device))
    expect(trail?.createdAt).toBe(long)
    expect(trail && (await headStep(reader, trail))?.rev).toBe(1)
  })

  test('[IM4] the journal of an import folds, at the time of the import', async () => {
    const on = await stage()
    await taken(on)
    await step(on, 0, 'DONE', 100)
    await step(on, 1, 'ERROR', 10)
    const rows = await on.store.journal.read(on.owner, { limit: 1000 })
    if (!rows.ok) throw new Error(rows.refusal.kind)
    const imported = rows.value.entries.filter(({ kind }) => kind.endsWith('.imported'))
    expect(imported.map(({ kind }) => kind)).toEqual(['device.imported', 'step.imported', 'step.imported'])
    expect(imported.every(({ at }) => at === on.env.now)).toBe(true)
    expect([...foldJournal(rows.value.entries).steps.values()].map(({ status }) => status)).toEqual([
      'DONE',
      'ERROR',
    ])
  })
})

describe('members', () => {
  const owner = (on: Stage) => on.by.id as PrincipalId

  async function second(on: Stage, roles: readonly ('owner' | 'viewer')[], email?: string) {
    return on.store.transactHouse((house) =>
      createMember(house, on.env, {
        nick: 'berta',
        ...(email === undefined ? {} : { email }),
        passwordHash: 'x',
        tenant: on.owner,
        roles,
        by: on.by,
      }),
    )
  }

  test('[MB1] members are listed in order of their ids, page by page', async () => {
    const on = await stage()
    await second(on, ['viewer'], 'berta@example.com')
    const reader = on.store.readHouse()
    const [first] = await tenantMembers(reader, on.owner, { limit: 1 })
    const rest = await tenantMembers(reader, on.owner, { after: first?.principal.id, limit: 10 })
    expect([first, ...rest].map((member) => member?.roles.join()).sort()).toEqual(['owner', 'viewer'])
    expect(await second(on, ['viewer'])).toMatchObject({ refusal: { kind: 'nick-taken' } })
  })

  test('[MB2] the last owner who can log in stays one', async () => {
    const on = await stage()
    const demote = () =>
      on.store.transactHouse((house) =>
        setRoles(house, on.env, { principal: owner(on), tenant: on.owner, roles: ['viewer'], by: on.by }),
      )
    const disable = (principal: PrincipalId, disabled: boolean) =>
      on.store.transactHouse((house) =>
        setDisabled(house, on.env, { principal, tenant: on.owner, disabled, by: on.by }),
      )
    expect(await demote()).toMatchObject({ refusal: { kind: 'last-owner' } })
    const made = await second(on, ['owner'])
    if (!made.ok) throw new Error(made.refusal.kind)
    expect((await disable(made.value.id, true)).ok).toBe(true)
    expect(await demote()).toMatchObject({ refusal: { kind: 'last-owner' } })
    expect(await disable(owner(on), true)).toMatchObject({ refusal: { kind: 'last-owner' } })
    const back = await disable(made.value.id, false)
    expect(back).toMatchObject({ ok: true, value: { principal: { credentialVersion: 2, disabled: false } } })
    expect((await demote()).ok).toBe(true)
  })

  test('[MB3] who is no member here has nothing here to change', async () => {
    const on = await stage()
    const asked = { principal: owner(on), tenant: unclaimedTenant, by: on.by }
    expect(
      await on.store.transactHouse((house) => setRoles(house, on.env, { ...asked, roles: ['owner'] })),
    ).toMatchObject({ refusal: { kind: 'no-such-member' } })
    expect(
      await on.store.transactHouse((house) => setDisabled(house, on.env, { ...asked, disabled: true })),
    ).toMatchObject({ refusal: { kind: 'no-such-member' } })
  })
})
