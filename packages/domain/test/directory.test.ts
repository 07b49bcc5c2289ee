import { describe, expect, test } from 'vitest'
import {
  blobs,
  changePassword,
  collectObjects,
  createAccount,
  createJoinToken,
  disableJoinToken,
  type Instant,
  joinTokenByHash,
  markStored,
  ObjectSha,
  objectUsage,
  objectUses,
  type PrincipalId,
  principalByLogin,
  registerObject,
  removeObject,
  rolesIn,
  settled,
  type TenantId,
  unclaimedTenant,
} from '../src/index.ts'
import { type Stage, stage } from './play.ts'

describe('directory', () => {
  const clashes = [
    { nick: 'olive', email: 'new@example.com', answers: 'nick-taken' },
    { nick: 'newnick', email: 'OLIVE@Example.com', answers: 'email-taken' },
    { nick: 'ab', email: 'new@example.com', answers: 'bad-nick' },
    { nick: 'x'.repeat(24), email: 'new@example.com', answers: 'bad-nick' },
    { nick: 'newnick', email: 'nonsense', answers: 'bad-email' },
    { nick: 'newnick', email: 'new@example.com', answers: 'ok' },
  ]
  for (const { nick, email, answers } of clashes)
    test(`[DR1] beside olive, ${nick} <${email}> is answered ${answers}`, async () => {
      const on = await stage()
      await account(on, 'other', 'olive@example.com')
      const made = await account(on, nick, email)
      expect(made.ok ? 'ok' : made.refusal.kind).toBe(answers)
    })

  test('[DR1] an account is found by its nick and, whatever the case, by its e-mail address', async () => {
    const on = await stage()
    const made = await account(on, 'berta', 'Berta@Example.com')
    if (!made.ok) throw new Error(made.refusal.kind)
    for (const name of ['berta', 'BERTA@example.COM'])
      expect((await principalByLogin(on.store.readHouse(), name))?.id).toBe(made.value.principal.id)
    expect(await rolesIn(on.store.readHouse(), made.value.principal.id, made.value.tenant.id)).toEqual([
      'owner',
    ])
    expect(await rolesIn(on.store.readHouse(), made.value.principal.id, on.owner)).toEqual([])
    expect(await rolesIn(on.store.readHouse(), made.value.principal.id, unclaimedTenant)).toEqual([])
  })

  test('[DR2] a new password raises the credential version', async () => {
    const on = await stage()
    const changed = await on.store.transactHouse((house) =>
      changePassword(house, on.env, { principal: on.by.id as PrincipalId, passwordHash: 'y', by: on.by }),
    )
    expect(changed).toMatchObject({ ok: true, value: { credentialVersion: 2 } })
  })

  test('[DR3] a disabled join token lets nobody in; a foreign one is as absent', async () => {
    const on = await stage()
    const token = await on.store.transactHouse((house) =>
      createJoinToken(house, on.env, {
        tenant: on.owner,
        nick: 'line',
        hash: 'h1',
        defaultUserMeta: {},
        by: on.by,
      }),
    )
    if (!token.ok) throw new Error(token.refusal.kind)
    const disable = (tenant: TenantId) =>
      on.store.transactHouse((house) =>
        disableJoinToken(house, on.env, { id: token.value.id, tenant, by: on.by }),
      )
    expect((await joinTokenByHash(on.store.readHouse(), 'h1'))?.id).toBe(token.value.id)
    expect(await disable(unclaimedTenant)).toMatchObject({ refusal: { kind: 'no-such-join-token' } })
    expect(await disable(on.owner)).toMatchObject({ ok: true, value: { disabled: true } })
    expect(await joinTokenByHash(on.store.readHouse(), 'h1')).toBeUndefined()
  })
})

describe('objects', () => {
  test('[OB1] an object counts once from its registration on; a correction of its size counts as the difference', async () => {
    const on = await stage()
    await register(on, 'a', 60)
    await register(on, 'a', 70)
    expect(await objectUsage(on.store.read(on.owner))).toMatchObject({ bytes: 70, count: 1 })
    expect(await register(on, 'b', 31)).toMatchObject({
      refusal: { kind: 'quota-exceeded', wanted: 100, got: 101 },
    })
    expect(await register(on, 'b', 30)).toMatchObject({ ok: true })
  })

  test('[OB1] bytes of another size than registered are refused', async () => {
    const on = await stage()
    await register(on, 'a', 60)
    expect(await stored(on, on.owner, 'a', 61)).toMatchObject({
      refusal: { kind: 'size-differs', wanted: 60, got: 61 },
    })
  })

  test('[OB2] stored bytes are counted once a tenant that holds them', async () => {
    const on = await stage()
    const other = await account(on, 'berta', 'berta@example.com')
    if (!other.ok) throw new Error(other.refusal.kind)
    const holders = async () => (await on.store.readHouse().get(blobs, { sha: sha('a') }))?.holders
    for (const tenant of [on.owner, other.value.tenant.id]) {
      await register(on, 'a', 10, tenant)
      await stored(on, tenant, 'a', 10)
      await stored(on, tenant, 'a', 10)
    }
    expect(await holders()).toBe(2)
    expect(await register(on, 'a', 10)).toMatchObject({ refusal: { kind: 'already-stored' } })
    await remove(on, on.owner, 'a')
    expect(await holders()).toBe(1)
    await remove(on, other.value.tenant.id, 'a')
    expect(await holders()).toBeUndefined()
    expect(await objectUsage(on.store.read(on.owner))).toMatchObject({ bytes: 0, count: 0 })
  })

  test('[OB3] what a step refers to is neither removed nor collected; the rest is, once old enough', async () => {
    const on = await stage()
    for (const letter of ['a', 'b', 'c']) await register(on, letter, 1)
    await stored(on, on.owner, 'a', 1)
    await on.store.transact(on.owner, async (tx) => {
      const use = { sha: sha('a'), device: '0'.repeat(24), generation: 0, rev: 1, path: 'x' }
      await tx.put(objectUses, use as never)
      tx.journal({ kind: 'step.posted', at: on.env.now, by: on.by, data: {} })
      return { ok: true, value: undefined }
    })
    expect(await remove(on, on.owner, 'a')).toMatchObject({ refusal: { kind: 'in-use', rev: 1 } })
    on.pass(1000)
    await register(on, 'd', 1)
    const collected = await collect(on, on.env.now)
    expect(collected).toEqual([sha('b'), sha('c')])
    expect(await collect(on, on.env.now)).toEqual([])
  })
})

const sha = (letter: string): ObjectSha => {
  const parsed = ObjectSha.parse(letter.repeat(64))
  if (!parsed) throw new Error(letter)
  return parsed
}

function account(on: Stage, nick: string, email: string) {
  return on.store.transactHouse((house) =>
    createAccount(house, on.env, { nick, email, passwordHash: 'x', verified: true }),
  )
}

function register(on: Stage, letter: string, size: number, tenant = on.owner) {
  return on.store.transact(tenant, (tx) =>
    registerObject(tx, on.env, {
      sha: sha(letter),
      size,
      name: letter,
      mimeType: '',
      quotaBytes: 100,
      by: on.by,
    }),
  )
}

function stored(on: Stage, tenant: TenantId, letter: string, size: number) {
  return on.store.transactHouse((house) =>
    markStored(house, on.env, { tenant, sha: sha(letter), size, by: on.by }),
  )
}

function remove(on: Stage, tenant: TenantId, letter: string) {
  return on.store.transactHouse((house) =>
    removeObject(house, on.env, { tenant, sha: sha(letter), by: on.by }),
  )
}

async function collect(on: Stage, before: Instant): Promise<ObjectSha[]> {
  const swept = await on.store.transactHouse(async (house) => ({
    ok: true as const,
    value: await collectObjects(house, on.env, { tenant: on.owner, before, limit: 10 }),
  }))
  return settled(swept).removed.map((object) => object.sha)
}
