import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mailerOf, sendDueMails } from '../../src/mail-queue.ts'
import { adminPassword } from '../house.ts'
import { openSink } from '../mail-sink.ts'
import { type Answer, openRoom, type Room, userPassword } from './support.ts'

let at: Room
beforeAll(async () => {
  at = await openRoom()
})
afterAll(() => at.close())

const kindOf = ({ body }: Answer): unknown => body.type

/** The token that a Pantahub login answers, or the status it is refused with. */
async function pantahubLogin(username: string, password: string): Promise<string | number> {
  const answer = await fetch(`${at.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'test' },
    body: JSON.stringify({ username, password }),
  })
  return answer.status === 200 ? ((await answer.json()) as { token: string }).token : answer.status
}

async function made(nick: string, roles: string[], token?: string): Promise<Answer> {
  return at.ask('POST', '/users', {
    ...(token === undefined ? {} : { token }),
    body: { nick, email: `${nick}@example.com`, password: userPassword, roles },
  })
}

describe('personal tokens', () => {
  test('[FL13] a token logs in with its scopes by the secret shown once, and no more when it is gone', async () => {
    const token = await at.makeUser('tokener')
    const created = await at.ask('POST', '/tokens', {
      token,
      body: { name: 'backup', scopes: ['devices.readonly'] },
    })
    expect(created).toMatchObject({
      status: 201,
      body: { token: { name: 'backup', scopes: ['devices.readonly'] } },
    })
    const { secret, token: record } = created.body as { secret: string; token: { id: string } }
    const login = String(await pantahubLogin('backup', secret))
    expect((await at.ask('GET', '/devices', { token: login })).status).toBe(200)
    expect((await at.ask('POST', '/devices', { token: login, body: {} })).status).toBe(403)

    const list = await at.ask('GET', '/tokens', { token })
    expect(list.body.items).toEqual([record])
    expect(JSON.stringify(list.body)).not.toContain(secret)

    expect((await at.ask('DELETE', `/tokens/${record.id}`)).status).toBe(404)
    expect((await at.ask('DELETE', `/tokens/${record.id}`, { token })).status).toBe(200)
    expect((await at.ask('GET', '/devices', { token: login })).status).toBe(401)
    expect(await pantahubLogin('backup', secret)).toBe(401)
  })

  test('[FL13] what was handed on hands on nothing, and nobody gives scopes that are not theirs', async () => {
    const token = await at.makeUser('chainer')
    const { body } = await at.ask('POST', '/tokens', { token, body: { name: 'chain' } })
    const second = String(await pantahubLogin('chain', String(body.secret)))
    for (const [path, asked] of [
      ['/tokens', { name: 'another' }],
      ['/apps', { nick: 'another', type: 'public', redirectUris: ['http://localhost/x'], scopes: ['all'] }],
    ] as const)
      expect(await at.ask('POST', path, { token: second, body: asked })).toMatchObject({ status: 403 })
    const login = await at.house.access.login(
      { kind: 'user', name: 'chainer', password: userPassword },
      { scopes: ['prn:pantahub.com:apis:/base/devices.readonly'], peer: '127.0.0.1' },
    )
    if (!login.ok) throw new Error(login.refusal.kind)
    expect(
      await at.ask('POST', '/tokens', { token: login.value.token, body: { name: 'wide', scopes: ['all'] } }),
    ).toMatchObject({ status: 403, body: { wanted: 'scope all' } })
  })

  const bad = [
    { body: { name: 'x', scopes: ['device.read'] }, status: 422, kind: 'bad-value' },
    { body: { name: 'x', expiresAt: '2001-01-01T00:00:00Z' }, status: 422, kind: 'bad-value' },
    { body: { name: 'x', expiresAt: 'tomorrow' }, status: 422, kind: 'bad-value' },
    { body: { name: 'new\nline' }, status: 400, kind: 'not-by-the-schema' },
    { body: { name: 'x', scopes: [] }, status: 400, kind: 'not-by-the-schema' },
  ]
  for (const { body, status, kind } of bad)
    test(`[FL4] a token of ${JSON.stringify(body)} is answered ${status} ${kind}`, async () => {
      const answer = await at.ask('POST', '/tokens', { body })
      expect(answer.status).toBe(status)
      expect(kindOf(answer)).toBe(`urn:waymark:${kind}`)
    })
})

describe('apps', () => {
  const app = {
    type: 'confidential',
    redirectUris: ['https://app.example.com/back'],
    scopes: ['devices.readonly'],
  }

  test('[FL13] a confidential app logs in by its secret, shown once; another secret voids the first', async () => {
    const token = await at.makeUser('appmaker')
    const created = await at.ask('POST', '/apps', {
      token,
      body: { nick: 'board', name: 'The board', ...app },
    })
    expect(created).toMatchObject({
      status: 201,
      body: { app: { nick: 'board', name: 'The board', ...app } },
    })
    const prn = 'prn:pantahub.com:apis:/board'
    expect(typeof (await pantahubLogin(prn, String(created.body.secret)))).toBe('string')

    const renamed = await at.ask('PATCH', '/apps/board', { token, body: { name: 'Board' } })
    expect(renamed.body).toMatchObject({ app: { name: 'Board', ...app } })
    expect(renamed.body.secret).toBeUndefined()
    expect(typeof (await pantahubLogin(prn, String(created.body.secret)))).toBe('string')

    const fresh = await at.ask('PATCH', '/apps/board', { token, body: { newSecret: true } })
    expect(await pantahubLogin(prn, String(created.body.secret))).toBe(401)
    expect(typeof (await pantahubLogin(prn, String(fresh.body.secret)))).toBe('string')

    const list = await at.ask('GET', '/apps', { token })
    expect(list.body.items).toEqual([fresh.body.app])
    expect((await at.ask('PATCH', '/apps/board', { body: { name: 'stolen' } })).status).toBe(404)
    expect((await at.ask('DELETE', '/apps/board', { token })).status).toBe(200)
    expect(await pantahubLogin(prn, String(fresh.body.secret))).toBe(401)
  })

  const bad = [
    { change: { redirectUris: ['javascript:alert(1)'] }, status: 422 },
    { change: { redirectUris: ['https://a:b@example.com/'] }, status: 422 },
    { change: { scopes: ['nonsense'] }, status: 422 },
    { change: { nick: 'base' }, status: 409 },
    { change: { nick: 'No Slug' }, status: 400 },
    { change: { type: 'open' }, status: 400 },
  ]
  for (const { change, status } of bad)
    test(`[FL4] an app with ${JSON.stringify(change)} is answered ${status}`, async () => {
      const answer = await at.ask('POST', '/apps', { body: { nick: 'bad-app', ...app, ...change } })
      expect(answer.status).toBe(status)
    })

  test('[FL4] a nick is had once, whoever has it', async () => {
    const body = { nick: 'had-once', ...app }
    expect((await at.ask('POST', '/apps', { body })).status).toBe(201)
    expect(kindOf(await at.ask('POST', '/apps', { token: await at.makeUser('second'), body }))).toBe(
      'urn:waymark:app-nick-taken',
    )
  })
})

describe('users', () => {
  test('[FL14] an owner makes members, sets their roles, keeps them out and lets them in again', async () => {
    const owner = await at.makeUser('boss')
    expect(await made('worker', ['operator'], owner)).toMatchObject({
      status: 201,
      body: {
        nick: 'worker',
        email: 'worker@example.com',
        roles: ['operator'],
        verified: true,
        admin: false,
      },
    })
    const worker = await at.login('worker', userPassword)
    expect((await at.ask('POST', '/devices', { token: worker, body: { nick: 'theirs' } })).status).toBe(201)
    expect((await at.ask('GET', '/devices/theirs', { token: owner })).status).toBe(200)
    expect((await at.ask('GET', '/users', { token: worker })).status).toBe(403)

    await at.ask('PUT', '/users/worker/roles', { token: owner, body: { roles: ['viewer'] } })
    expect((await at.ask('POST', '/devices', { token: worker, body: {} })).status).toBe(403)
    expect(await at.ask('GET', '/users/worker@example.com', { token: owner })).toMatchObject({
      body: { nick: 'worker', roles: ['viewer'] },
    })

    expect((await at.ask('POST', '/users/worker/disable', { token: owner })).body.disabled).toBe(true)
    expect((await at.ask('GET', '/devices', { token: worker })).status).toBe(401)
    await expect(at.login('worker', userPassword)).rejects.toThrow('401')
    expect((await at.ask('POST', '/users/worker/enable', { token: owner })).body.disabled).toBe(false)
    expect((await at.ask('GET', '/devices', { token: worker })).status).toBe(401)
    await at.login('worker', userPassword)

    await at.ask('PUT', '/users/worker/password', { token: owner, body: { password: 'a third password' } })
    await expect(at.login('worker', userPassword)).rejects.toThrow('401')
    await at.login('worker', 'a third password')

    const journal = await at.ask('GET', '/journal?limit=100', { token: owner })
    const kinds = journal.body.items?.map(({ kind }) => kind)
    for (const kind of ['principal.created', 'membership.changed', 'principal.changed'])
      expect(kinds).toContain(kind)
    expect(JSON.stringify(journal.body)).not.toContain('password"')
  })

  test('[FL14] the last owner stays one and stays in', async () => {
    const owner = await at.makeUser('lonely')
    const demoted = await at.ask('PUT', '/users/lonely/roles', { token: owner, body: { roles: ['viewer'] } })
    expect(demoted).toMatchObject({ status: 409, body: { type: 'urn:waymark:last-owner' } })
    expect((await at.ask('POST', '/users/lonely/disable', { token: owner })).status).toBe(409)
  })

  test('[FL14] members of other tenants are absent, but for who runs the installation', async () => {
    const owner = await at.makeUser('island')
    const stranger = await at.makeUser('mainland')
    expect((await at.ask('GET', '/users/island', { token: stranger })).status).toBe(404)
    expect(kindOf(await at.ask('GET', '/users?tenant=island', { token: stranger }))).toBe(
      'urn:waymark:no-such-tenant',
    )
    expect(kindOf(await at.ask('GET', '/users?tenant=nowhere', { token: stranger }))).toBe(
      'urn:waymark:no-such-tenant',
    )
    expect((await at.ask('GET', '/users?tenant=island', { token: owner })).body.items).toHaveLength(1)
    const seen = await at.ask('GET', '/users?tenant=island')
    expect(seen.body.items?.map(({ nick }) => nick)).toEqual(['island'])
    const put = await at.ask('POST', '/users?tenant=island', {
      body: { nick: 'ferryman', password: userPassword, roles: ['owner'] },
    })
    expect(put.status).toBe(201)
    expect((await at.ask('GET', '/users/ferryman', { token: owner })).status).toBe(200)
  })

  test('[FL14] an owner who does not run the installation does not touch the login of who does', async () => {
    await made('deputy', ['owner'])
    const deputy = await at.login('deputy', userPassword)
    const password = { body: { password: 'now it is mine' } }
    expect((await at.ask('PUT', '/users/admin/password', { token: deputy, ...password })).status).toBe(403)
    expect((await at.ask('POST', '/users/admin/disable', { token: deputy })).status).toBe(403)
    await at.login('admin', adminPassword)
  })

  test('[FL5] members come in pages, each once', async () => {
    const owner = await at.makeUser('crowd')
    for (let i = 0; i < 5; i++) expect((await made(`member-${i}`, ['viewer'], owner)).status).toBe(201)
    const seen: unknown[] = []
    let cursor: string | undefined
    do {
      const page = await at.ask('GET', `/users?limit=2${cursor ? `&cursor=${cursor}` : ''}`, { token: owner })
      seen.push(...(page.body.items ?? []).map(({ nick }) => nick))
      cursor = page.body.next
    } while (cursor)
    expect(seen.sort()).toEqual(['crowd', ...[0, 1, 2, 3, 4].map((i) => `member-${i}`)])
  })

  test('[FL15] an invitation opens the login once, with the password that the invited set', async () => {
    const owner = await at.makeUser('host')
    const invited = await at.ask('POST', '/invitations', {
      token: owner,
      body: { nick: 'guest', email: 'guest@example.com', roles: ['viewer'] },
    })
    expect(invited).toMatchObject({ status: 201, body: { user: { nick: 'guest', verified: false } } })
    const body = { token: invited.body.token, password: 'chosen by the guest' }
    expect(await at.ask('POST', '/password', { token: '', body: { ...body, token: 'x.y.z' } })).toMatchObject(
      {
        status: 403,
        body: { type: 'urn:waymark:bad-password-token' },
      },
    )
    expect(await at.ask('POST', '/password', { token: '', body })).toMatchObject({
      status: 200,
      body: { nick: 'guest' },
    })
    await at.login('guest', 'chosen by the guest')
    expect((await at.ask('POST', '/password', { token: '', body })).status).toBe(403)
    expect((await at.ask('GET', '/users/guest', { token: owner })).body.verified).toBe(true)
    for (const change of [
      { nick: 'guest' },
      { nick: 'guest2', email: 'GUEST@example.com' },
      { nick: 'host' },
    ])
      expect(
        (
          await at.ask('POST', '/invitations', {
            token: owner,
            body: { email: `${change.nick}@new.example.com`, roles: ['viewer'], ...change },
          })
        ).status,
      ).toBe(409)
  })

  test('[FL15] where mail is sent, an invitation goes to its address and is in no answer', async () => {
    const sink = await openSink()
    const room = await openRoom(['--smtp', `smtp://127.0.0.1:${sink.port}`])
    try {
      const invited = await room.ask('POST', '/invitations', {
        body: { nick: 'mailed', email: 'mailed@example.com', roles: ['operator'] },
      })
      expect(invited.status).toBe(201)
      expect(invited.body.token).toBeUndefined()
      const send = mailerOf(room.house)
      if (!send) throw new Error('no mail server')
      expect(await sendDueMails(room.house, send)).toBe(1)
      expect(sink.taken[0]?.to).toBe('RCPT TO:<mailed@example.com>')
      const [, token = ''] = /^ {2}(\S+\.\S+\.\S+)$/m.exec(sink.taken[0]?.text ?? '') ?? []
      await expect(room.login('mailed', userPassword)).rejects.toThrow('401')
      const set = await room.ask('POST', '/password', { token: '', body: { token, password: userPassword } })
      expect(set).toMatchObject({ status: 200, body: { nick: 'mailed' } })
      await room.login('mailed', userPassword)
      expect(room.logged()).not.toContain(token)
    } finally {
      await room.close()
    }
  })

  test('[FL15] an invitation that was never taken up ends after a week', async () => {
    const { body } = await at.ask('POST', '/invitations', {
      body: { nick: 'tardy', email: 'tardy@example.com', roles: ['viewer'] },
    })
    const set = () =>
      at.ask('POST', '/password', { token: '', body: { token: body.token, password: userPassword } })
    at.pass(8 * 24 * 3600 * 1000)
    try {
      expect((await set()).status).toBe(403)
    } finally {
      at.pass(-8 * 24 * 3600 * 1000)
    }
    expect((await set()).status).toBe(200)
  })

  test('[FL15] one’s own password needs the present one, voids every other login, and answers a new one', async () => {
    const first = await at.makeUser('changer')
    const second = await at.login('changer', userPassword)
    const body = { current: 'a guess', password: 'a better password' }
    expect(kindOf(await at.ask('PUT', '/me/password', { token: first, body }))).toBe(
      'urn:waymark:wrong-password',
    )
    const changed = await at.ask('PUT', '/me/password', {
      token: first,
      body: { ...body, current: userPassword },
    })
    expect(changed.status).toBe(200)
    expect((await at.ask('GET', '/me', { token: second })).status).toBe(401)
    expect((await at.ask('GET', '/me', { token: String(changed.body.token) })).body.nick).toBe('changer')
    expect(
      (
        await at.ask('PUT', '/me/password', {
          token: String(changed.body.token),
          body: { current: 'a better password', password: 'short' },
        })
      ).status,
    ).toBe(400)
  })
})

describe('user-meta', () => {
  test('[FL16] what all devices are told stands under what one is told, as at the Pantahub door', async () => {
    const token = await at.makeUser('teller')
    const { body } = await at.ask('POST', '/devices', { token, body: { nick: 'told' } })
    const { id } = body.device as { id: string }
    const put = await fetch(`${at.url}/profiles/config/meta`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'user-agent': 'test' },
      body: JSON.stringify({ zone: 'north', mode: 'slow' }),
    })
    expect(put.status).toBe(200)
    await at.ask('PUT', `/devices/${id}/user-meta`, { token, body: { mode: 'fast' } })
    expect((await at.ask('GET', `/devices/${id}/user-meta`, { token })).body).toEqual({
      zone: 'north',
      mode: 'fast',
    })
    expect((await at.ask('GET', `/devices/${id}/user-meta?own=true`, { token })).body).toEqual({
      mode: 'fast',
    })
  })
})
