import { afterAll, describe, expect, test } from 'vitest'
import { at, listOf, openDoor, type Person } from './support.ts'

const door = await openDoor({}, afterAll)
const put = (person: Pick<Person, 'token'>, path: string, body: unknown) =>
  door.call('PUT', path, { token: person.token, body })
const get = (person: Pick<Person, 'token'>, path: string) => door.call('GET', path, { token: person.token })

describe('profiles', () => {
  test('[PR1] what was written is told to others, and no more', async () => {
    const [olga, ivan] = [await door.person(), await door.person()]
    expect((await get(ivan, `/profiles/${olga.nick}`)).status).toBe(404)
    expect(at((await get(olga, `/profiles/${olga.nick}`)).json, 'fullName')).toBe('')
    const facts = {
      fullName: 'Olga',
      bio: 'b',
      picture: 'https://x.example/p.png',
      website: 'https://x.example',
      location: 'l',
      github: 'g',
      gitlab: 'gl',
      company: 'c',
      twitter: 't',
    }
    const written = await put(olga, '/profiles/', {
      ...facts,
      email: 'x',
      nick: 'other',
      prn: 'prn:x',
      public: false,
    })
    expect(written.status).toBe(200)
    const seen = await get(ivan, `/profiles/${olga.nick}`)
    expect(seen.json).toEqual({
      nick: olga.nick,
      prn: olga.prn,
      ...facts,
      'time-created': expect.any(String),
      'time-modified': expect.any(String),
    })
    expect(seen.text).not.toContain('example.com')
    await put(olga, '/profiles/', { fullName: 'O.' })
    const again = await get(ivan, `/profiles/${olga.nick}`)
    expect([at(again.json, 'fullName'), at(again.json, 'bio')]).toEqual(['O.', ''])
    const all = listOf(await get(ivan, '/profiles/?limit=100')).map((one) => at(one, 'nick'))
    expect([all.includes(olga.nick), all.includes(ivan.nick)]).toEqual([true, false])
  })

  for (const body of [
    { fullName: 7 },
    { bio: 'x'.repeat(4097) },
    { website: 'javascript:alert(1)' },
    { picture: 'data:text/html;base64,PHNjcmlwdD4=' },
    { picture: `data:image/png;base64,${'A'.repeat(20_000)}` },
    { company: ['x'] },
    [],
    'x',
  ])
    test(`[SE5] ${JSON.stringify(body).slice(0, 50)} is no profile: 400`, async () => {
      const person = await door.person()
      expect((await put(person, '/profiles/', body)).status).toBe(400)
    })

  test('[PR2] lists filter by nick and come in pages', async () => {
    const own = await openDoor()
    const reader = await own.person()
    for (const nick of ['alpha-1', 'Alpha-2', 'alpha-3', 'beta-1']) {
      const { token } = await own.person(nick)
      await own.must('PUT', '/profiles/', { token, body: {} })
    }
    const nicks = async (query: string) =>
      listOf(await own.must('GET', `/profiles/?${query}`, { token: reader.token })).map((one) =>
        String(at(one, 'nick')),
      )
    expect((await nicks('nick=^ALPHA')).sort()).toEqual(['Alpha-2', 'alpha-1', 'alpha-3'])
    expect(await nicks('nick=beta-1')).toEqual(['beta-1'])
    expect(await nicks('nick=^%25')).toEqual([])
    const pages = [
      ...(await nicks('limit=3')),
      ...(await nicks('limit=3&page=1')),
      ...(await nicks('limit=3&page=2')),
    ]
    expect(pages.sort()).toEqual(['Alpha-2', 'alpha-1', 'alpha-3', 'beta-1'])
    for (const query of ['limit=0', 'limit=101', 'limit=x', 'page=-1', 'page=1e3', 'limit=100&page=101'])
      expect((await own.call('GET', `/profiles/?${query}`, { token: reader.token })).status).toBe(400)
  })
})

describe('global meta', () => {
  test('[PR3] it stands under every own device’s user-meta, on every read, for owner and device', async () => {
    const [owner, other] = [await door.person(), await door.person()]
    const [device, foreign] = [await door.deviceOf(owner), await door.deviceOf(other)]
    const own = { 'a.own': 1, shared: 'device' }
    await put(owner, `/devices/${device.id}/user-meta`, own)
    const global = { shared: 'global', 'all.know': { deep: true } }
    expect((await put(owner, '/profiles/config/meta', global)).json).toEqual(global)
    expect((await get(owner, '/profiles/config/meta')).json).toEqual(global)
    const merged = { ...global, ...own }
    const self = { token: device.token }
    for (const reader of [owner, self]) {
      expect(at((await get(reader, `/devices/${device.id}`)).json, 'user-meta')).toEqual(merged)
      expect((await get(reader, `/devices/${device.id}/user-meta`)).json).toEqual(merged)
      expect(at((await get(reader, '/devices/')).json, 0, 'user-meta')).toEqual(merged)
    }
    expect(at((await get(other, `/devices/${foreign.id}`)).json, 'user-meta')).toEqual({})
    expect((await get(other, '/profiles/config/meta')).json).toEqual({})
    // A device published to others shows neither.
    await put(owner, `/devices/${device.id}/public`, undefined)
    expect((await get(other, `/devices/${device.id}`)).text).not.toContain('all.know')
    // Read from beneath, never written into the device's own.
    await put(owner, '/profiles/config/meta', {})
    expect((await get(owner, `/devices/${device.id}/user-meta`)).json).toEqual(own)
  })

  test('[PR3] keys are kept as they come, and hostile ones pollute nothing', async () => {
    const owner = await door.person()
    const device = await door.deviceOf(owner)
    const text = '{"__proto__":{"polluted":true},"constructor":1,"a.b":null}'
    const answer = await door.call('PUT', '/profiles/config/meta', { token: owner.token, body: text })
    expect(answer.status).toBe(200)
    const read = await get(owner, `/devices/${device.id}/user-meta`)
    expect(Object.keys(read.json as object).sort()).toEqual(['__proto__', 'a.b', 'constructor'])
    expect('polluted' in {}).toBe(false)
  })

  test('[PR3] more than 1 MiB is 413, what is no object 400, and a token without the scope 403', async () => {
    const owner = await door.person()
    const large = { x: 'x'.repeat(1024 * 1024) }
    expect((await put(owner, '/profiles/config/meta', large)).status).toBe(413)
    for (const body of ['[]', '7', '', 'null'])
      expect((await put(owner, '/profiles/config/meta', body)).status).toBe(400)
    const reader = { token: await door.enter(owner.nick, owner.password, 'profile.readonly') }
    expect((await get(reader, '/profiles/config/meta')).status).toBe(200)
    expect((await put(reader, '/profiles/config/meta', {})).status).toBe(403)
    expect((await put(reader, '/profiles/', {})).status).toBe(403)
    const device = await door.deviceOf(owner)
    expect((await put(device, '/profiles/config/meta', {})).status).toBe(403)
  })
})
