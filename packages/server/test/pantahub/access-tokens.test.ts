import { accessTokens } from '@waymark/domain'
import { afterAll, describe, expect, test } from 'vitest'
import { adminPassword } from '../house.ts'
import { at, openDoor, type Person } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person()
const stranger = await door.person()

const make = (person: Pick<Person, 'token'>, body: object) =>
  door.call('POST', '/tokens/', { token: person.token, body })

async function made(person: Pick<Person, 'token'>, name: string, scopes?: string[]) {
  const answer = await make(person, { name, ...(scopes ? { scopes } : {}) })
  return { id: String(at(answer.json, 'id')), secret: String(at(answer.json, 'secret')), answer }
}
const statusOf = async (username: string, password: string) =>
  (await door.call('POST', '/auth/login', { body: { username, password } })).status

describe('personal tokens', () => {
  test('[AU16] a token logs its owner in, by its name and the secret that was shown once', async () => {
    const { id, secret, answer } = await made(owner, 'backup job', [
      'prn:pantahub.com:apis:/base/devices.readonly',
    ])
    expect([answer.status, at(answer.json, 'prn')]).toEqual([200, `prn:::auth-tokens:/${id}`])
    expect(Buffer.from(secret, 'base64url').toString()).toMatch(new RegExp(`^${id}:`))
    const token = await door.enter('backup job', secret)
    const claims = (await door.must('GET', '/auth/auth_status', { token })).json
    expect([at(claims, 'prn'), at(claims, 'scopes'), at(claims, 'aud'), at(claims, 'token_id')]).toEqual([
      owner.prn,
      'prn:pantahub.com:apis:/base/devices.readonly',
      `prn:::auth-tokens:/${id}`,
      id,
    ])
    expect((await door.call('GET', '/devices/', { token })).status).toBe(200)
    expect((await door.call('GET', '/trails/', { token })).status).toBe(403)
    expect((await door.call('POST', '/devices/', { token, body: {} })).status).toBe(403)
    for (const path of ['/tokens/', `/tokens/${id}`])
      expect((await door.must('GET', path, { token: owner.token })).text).not.toContain(secret)
    const kept = JSON.stringify(await door.house.store.readHouse().find(accessTokens, {}))
    expect(kept).not.toContain(secret)
    expect(door.logged()).not.toContain(secret)
  })

  test('[AU16] asked scopes narrow it, and never widen it', async () => {
    const { secret } = await made(owner, 'narrow', ['devices', 'trails.readonly'])
    const scopes = async (scope: string) =>
      at(
        (await door.must('GET', '/auth/auth_status', { token: await door.enter('narrow', secret, scope) }))
          .json,
        'scopes',
      )
    const base = 'prn:pantahub.com:apis:/base/'
    expect(await scopes('devices.readonly')).toBe(`${base}devices.readonly`)
    expect(await scopes('devices.readonly trails.write')).toBe(`${base}devices.readonly`)
    expect(await scopes('all')).toBe(`${base}devices ${base}trails.readonly`)
    expect(await scopes('metrics')).toBe(`${base}devices ${base}trails.readonly`)
  })

  test('[AU16] a wrong name, a wrong secret, and the form alone are 401', async () => {
    const { secret } = await made(owner, 'right name')
    const forged = Buffer.from(`${'0'.repeat(24)}:${'x'.repeat(40)}`).toString('base64url')
    expect(await statusOf('wrong name', secret)).toBe(401)
    expect(await statusOf('right name', forged)).toBe(401)
    expect(await statusOf(owner.nick, secret)).toBe(401)
    expect(await statusOf('right name', secret)).toBe(200)
  })

  test('[AU17] a login by it lives five minutes; removing it, or its end, voids it at once', async () => {
    const own = await openDoor()
    const person = await own.person()
    const make = async (name: string, more: object = {}) => {
      const { json } = await own.must('POST', '/tokens/', { token: person.token, body: { name, ...more } })
      return { id: String(at(json, 'id')), secret: String(at(json, 'secret')) }
    }
    const first = await make('first')
    const token = await own.enter('first', first.secret)
    const gone = await own.must('DELETE', `/tokens/${first.id}`, { token: person.token })
    expect(gone.json).toEqual({ success: true })
    expect((await own.call('GET', '/auth/', { token })).status).toBe(401)
    expect((await own.call('GET', '/auth/login', { token })).status).toBe(401)
    const soon = new Date(Date.now() + 120_000).toISOString()
    const second = await make('second', { 'expire-at': soon })
    const third = await make('third')
    const brief = await own.enter('second', second.secret)
    const long = await own.enter('third', third.secret)
    own.pass(121_000)
    expect((await own.call('GET', '/auth/', { token: brief })).status).toBe(401)
    const again = String(at((await own.must('GET', '/auth/login', { token: long })).json, 'token'))
    own.pass(200_000)
    expect((await own.call('GET', '/auth/', { token: long })).status).toBe(401)
    expect((await own.call('GET', '/auth/', { token: again })).status).toBe(200)
    own.pass(100_001)
    expect((await own.call('GET', '/auth/', { token: again })).status).toBe(401)
  })

  test('[AU18] nobody hands on more than they have, nor what was handed on to them', async () => {
    const reader = await door.enter(owner.nick, owner.password, 'devices.readonly')
    expect((await make({ token: reader }, { name: 'x' })).status).toBe(403)
    expect((await make({ token: reader }, { name: 'x', scopes: ['devices'] })).status).toBe(403)
    expect((await make({ token: reader }, { name: 'x', scopes: ['devices.readonly'] })).status).toBe(200)
    const { secret } = await made(owner, 'parent')
    const child = await door.enter('parent', secret)
    expect((await make({ token: child }, { name: 'child' })).status).toBe(403)
    const acting = await door.enter(`admin==>${owner.nick}`, adminPassword)
    expect((await make({ token: acting }, { name: 'x' })).status).toBe(403)
  })

  test('[AU19] one sees and removes one’s own alone: absent and foreign are 404 alike', async () => {
    const { id } = await made(owner, 'private')
    for (const [method, name] of [
      ['GET', id],
      ['DELETE', id],
      ['GET', '0123456789abcdef01234567'],
      ['DELETE', '0123456789abcdef01234567'],
      ['DELETE', 'nonsense'],
    ] as const)
      expect([
        method,
        (await door.call(method, `/tokens/${name}`, { token: stranger.token })).status,
      ]).toEqual([method, 404])
    expect((await door.must('GET', '/tokens/', { token: stranger.token })).json).toEqual({
      items: [],
      total: 0,
      page_size: 50,
      page_offset: 0,
    })
    expect((await door.must('GET', `/tokens/${id}`, { token: owner.token })).status).toBe(200)
  })

  test('[AU19] lists come in pages', async () => {
    const person = await door.person()
    for (const name of ['a', 'b', 'c']) await made(person, name)
    const names: unknown[] = []
    for (const offset of [0, 2]) {
      const query = `page[size]=2&page[offset]=${offset}`
      const { json } = await door.must('GET', `/tokens/?${query}`, { token: person.token })
      expect(at(json, 'total')).toBe(3)
      for (const item of at(json, 'items') as []) names.push(at(item, 'name'))
    }
    expect(names.sort()).toEqual(['a', 'b', 'c'])
    for (const query of ['page[size]=0', 'page[size]=x', 'page[offset]=-1', 'page[size]=99999'])
      expect((await door.call('GET', `/tokens/?${query}`, { token: person.token })).status).toBe(400)
  })

  for (const body of [
    {},
    { name: '' },
    { name: 7 },
    { name: 'x'.repeat(129) },
    { name: 'line\nbreak' },
    { name: 'x', scopes: 'all' },
    { name: 'x', scopes: [] },
    { name: 'x', scopes: [7] },
    { name: 'x', scopes: ['two words'] },
    { name: 'x', scopes: Array.from({ length: 40 }, (_, i) => `prn:pantahub.com:apis:/other/s${i}`) },
    { name: 'x', type: {} },
    { name: 'x', 'expire-at': 'tomorrow' },
    { name: 'x', 'expire-at': '2001-01-01T00:00:00Z' },
    { name: 'x', 'expire-at': '2999-01-01T00:00:00Z' },
  ])
    test(`[SE5] ${JSON.stringify(body).slice(0, 60)} is no token: 400`, async () => {
      expect((await make(owner, body)).status).toBe(400)
    })

  test('[AU18] the fleet’s forms hold a narrow token to its scopes as well', async () => {
    const { fleetDoor } = await import('../../src/doors/fleet/door.ts')
    const { pantahubDoor } = await import('../../src/doors/pantahub/door.ts')
    const { openTestHouse } = await import('../house.ts')
    const both = await openTestHouse([fleetDoor, pantahubDoor])
    try {
      const admin = await both.login()
      const ask = (method: string, path: string, token: string, body?: object) =>
        fetch(both.url + path, {
          method,
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            'user-agent': 'x',
          },
          ...(body ? { body: JSON.stringify(body) } : {}),
        })
      const token = (await (
        await ask('POST', '/tokens/', admin, { name: 'r', scopes: ['trails.readonly'] })
      ).json()) as {
        secret: string
      }
      const entered = await ask('POST', '/auth/login', '', { username: 'r', password: token.secret })
      const narrow = ((await entered.json()) as { token: string }).token
      expect((await ask('GET', '/fleet/v1/devices', admin)).status).toBe(200)
      expect((await ask('GET', '/fleet/v1/devices', narrow)).status).toBe(403)
    } finally {
      await both.close()
    }
  })
})
