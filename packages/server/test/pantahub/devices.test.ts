import { transactions } from '@waymark/domain'
import { afterAll, describe, expect, test } from 'vitest'
import { at, type Json, listOf, openDoor } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person('dora')
const stranger = await door.person('strang')
const { call, must } = door

describe('registering', () => {
  test('[DV1] a person’s registration owns the device, with no challenge', async () => {
    const { json } = await must('POST', '/devices/', {
      token: owner.token,
      body: { nick: 'mine_1', secret: 'chosen' },
    })
    expect([at(json, 'owner'), at(json, 'owner-nick'), at(json, 'nick'), at(json, 'secret')]).toEqual([
      owner.prn,
      'dora',
      'mine_1',
      'chosen',
    ])
    expect(Object.keys(json as object)).not.toContain('challenge')
  })

  test('[DV1] nobody’s has a challenge, an empty owner and a made-up secret', async () => {
    const { json } = await must('POST', '/devices/')
    expect(at(json, 'owner')).toBe('')
    expect(at(json, 'challenge')).toMatch(/^[a-z]+-[a-z]+-[a-z]+$/)
    expect(at(json, 'secret')).toMatch(/^[a-z0-9]{15}$/)
    expect(at(json, 'nick')).toMatch(/^__unregistered__[a-z]+_[a-z]{10}$/)
    expect(at(json, 'prn')).toBe(`prn:::devices:/${at(json, 'id')}`)
  })

  test('[DV1] [DV13] a join token registers for its owner, with its default user-meta, until it is disabled', async () => {
    const made = await must('POST', '/devices/tokens', {
      token: owner.token,
      body: { nick: 'line 3', 'default-user-meta': { 'plant.name': 'north' } },
    })
    const token = String(at(made.json, 'token'))
    expect(Buffer.from(token, 'base64')).toHaveLength(24)
    const headers = { 'Pantahub-Devices-Auto-Token-V1': token }
    const { json } = await must('POST', '/devices/', { headers })
    expect([at(json, 'owner'), at(json, 'user-meta')]).toEqual([owner.prn, { 'plant.name': 'north' }])
    expect(Object.keys(json as object)).not.toContain('challenge')

    const listed = await must('GET', '/devices/tokens', { token: owner.token })
    expect(listed.text).not.toContain(token)
    expect(listOf(listed).map((one) => Object.keys(one as object))).toEqual([
      ['id', 'prn', 'nick', 'owner', 'default-user-meta', 'disabled', 'time-created', 'time-modified'],
    ])
    const path = `/devices/tokens/${at(made.json, 'id')}`
    expect((await call('DELETE', path, { token: stranger.token })).status).toBe(404)
    expect((await must('DELETE', path, { token: owner.token })).json).toEqual({ status: 'OK' })
    for (const shown of [token, 'unknown', 'x'.repeat(32), ''])
      expect(
        (await call('POST', '/devices/', { headers: { 'Pantahub-Devices-Auto-Token-V1': shown } })).status,
      ).toBe(400)
  })

  test('[DV2] user-meta counts with a bearer alone, device-meta without one alone', async () => {
    const body = { 'user-meta': { a: 1 }, 'device-meta': { b: 2 } }
    const owned = (await must('POST', '/devices/', { token: owner.token, body })).json
    expect([at(owned, 'user-meta'), at(owned, 'device-meta')]).toEqual([{ a: 1 }, {}])
    const free = (await must('POST', '/devices/', { body })).json
    expect([at(free, 'user-meta'), at(free, 'device-meta')]).toEqual([{}, { b: 2 }])
  })

  for (const nick of ['a b', 'ä', 'a/b', 'x'.repeat(129), '../..'])
    test(`[DV3] the nick ${JSON.stringify(nick).slice(0, 20)} is 400`, async () => {
      const answer = await call('POST', '/devices/', { token: owner.token, body: { nick } })
      expect([answer.status, at(answer.json, 'msg')]).toEqual([400, expect.stringContaining('nick: wanted')])
    })

  test('[DV3] a taken nick is 409, and free in another account', async () => {
    await must('POST', '/devices/', { token: owner.token, body: { nick: 'twice' } })
    const again = await call('POST', '/devices/', { token: owner.token, body: { nick: 'twice' } })
    expect([again.status, at(again.json, 'msg')]).toEqual([
      409,
      expect.stringContaining('device already exists'),
    ])
    await must('POST', '/devices/', { token: stranger.token, body: { nick: 'twice' } })
  })

  test('[DV4] registrations are slowed by address: 429 and when to come again', async () => {
    const slow = await openDoor({ flags: ['--registration-rate', '3'] })
    const answers = []
    for (let i = 0; i < 5; i++) answers.push(await slow.call('POST', '/devices/'))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429])
    expect(Number(answers[4]?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await slow.call('POST', '/auth/sessions')).status).toBe(429)
    slow.pass(60_000)
    expect((await slow.call('POST', '/devices/')).status).toBe(200)
  })
})

describe('claiming', () => {
  test('[DV5] the challenge claims; anything else is 403 and changes nothing', async () => {
    const device = await door.newDevice()
    const path = `/devices/${device.id}`
    for (const query of [
      '',
      '?challenge=',
      '?challenge=some-other-words',
      `?challenge=${device.challenge.toUpperCase()}`,
    ])
      expect((await call('PUT', path + query, { token: owner.token, body: { nick: 'x' } })).status).toBe(403)
    const self = await door.enter(device.prn, device.secret)
    expect((await call('PUT', `${path}?challenge=${device.challenge}`, { token: self })).status).toBe(403)
    expect(at((await must('GET', path, { token: self })).json, 'owner')).toBe('')

    const claimed = await must('PUT', `${path}?challenge=${device.challenge}`, { token: owner.token })
    expect(at(claimed.json, 'owner')).toBe(owner.prn)
    expect(at(claimed.json, 'nick')).toMatch(/^[a-z]+_[a-z]+_[a-z]+$/)
    expect(Object.keys(claimed.json as object)).not.toContain('challenge')
    expect(
      (await call('PUT', `${path}?challenge=${device.challenge}`, { token: stranger.token })).status,
    ).toBe(403)
  })

  test('[DV5] guesses are slowed per account, so that nobody keeps an owner from claiming', async () => {
    const guarded = await openDoor({ flags: ['--guess-limit', '4'] })
    const [guesser, finder] = [await guarded.person(), await guarded.person()]
    const device = await guarded.newDevice()
    const guess = () =>
      guarded.call('PUT', `/devices/${device.id}?challenge=not-this-one`, { token: guesser.token })
    const statuses = []
    for (let i = 0; i < 6; i++) statuses.push((await guess()).status)
    expect(statuses).toEqual([403, 403, 403, 403, 429, 429])
    await guarded.must('PUT', `/devices/${device.id}?challenge=${device.challenge}`, { token: finder.token })
  })

  test('[DV5] a device may be claimed by a session account', async () => {
    const token = String(at((await must('POST', '/auth/sessions')).json, 'token'))
    const device = await door.newDevice()
    await must('PUT', `/devices/${device.id}?challenge=${device.challenge}`, { token })
  })

  test('[DV16] a device quota counts registrations and claims', async () => {
    const small = await openDoor({ flags: ['--device-quota', '1'] })
    const person = await small.person()
    const device = await small.newDevice()
    await small.must('POST', '/devices/', { token: person.token })
    expect((await small.call('POST', '/devices/', { token: person.token })).status).toBe(403)
    const claim = await small.call('PUT', `/devices/${device.id}?challenge=${device.challenge}`, {
      token: person.token,
    })
    expect([claim.status, at(claim.json, 'msg')]).toEqual([403, 'devices: wanted at most 1, got 2'])
    expect(listOf(await small.must('GET', '/devices/', { token: person.token }))).toHaveLength(1)
  })
})

describe('changing', () => {
  test('[DV6] a PUT lays its keys over the record and answers it with its secret', async () => {
    const device = await door.deviceOf(owner)
    const path = `/devices/${device.id}`
    const before = (await must('GET', path, { token: owner.token })).json as { [key: string]: Json }
    const { json } = await must('PUT', path, {
      token: owner.token,
      body: {
        ...before,
        nick: 'overlaid',
        'user-meta': { 'a.b': [1] },
        'device-meta': { ignored: true },
        more: 1,
      },
    })
    expect([at(json, 'nick'), at(json, 'user-meta'), at(json, 'device-meta'), at(json, 'secret')]).toEqual([
      'overlaid',
      { 'a.b': [1] },
      {},
      device.secret,
    ])
    const own = await must('PUT', path, {
      token: device.token,
      body: { 'device-meta': { mine: 1 }, 'user-meta': { ignored: true } },
    })
    expect([at(own.json, 'user-meta'), at(own.json, 'device-meta')]).toEqual([{ 'a.b': [1] }, { mine: 1 }])
  })

  test('[DV6] what names device and owner stays; a device cannot publish itself', async () => {
    const device = await door.deviceOf(owner)
    const path = `/devices/${device.id}`
    for (const body of [
      { id: '0123456789abcdef01234567' },
      { prn: 'prn:::devices:/x' },
      { owner: stranger.prn },
      { 'time-created': '2001-01-01T00:00:00Z' },
      { 'time-created': 7 },
      { secret: '' },
    ])
      expect([body, (await call('PUT', path, { token: owner.token, body })).status]).toEqual([body, 403])
    expect((await call('PUT', path, { token: device.token, body: { public: true } })).status).toBe(403)
    for (const body of [
      { nick: 7 },
      { public: 'yes' },
      { 'user-meta': [] },
      { secret: 7 },
      { nick: 'no good' },
    ])
      expect([body, (await call('PUT', path, { token: owner.token, body })).status]).toEqual([body, 400])
    expect(at((await must('PUT', path, { token: owner.token, body: { public: true } })).json, 'public')).toBe(
      true,
    )
    expect((await call('PUT', path, { token: stranger.token, body: { nick: 'x' } })).status).toBe(403)
  })

  test('[DV14] a changed secret voids the device’s older tokens', async () => {
    const device = await door.deviceOf(owner)
    await must('PUT', `/devices/${device.id}`, { token: owner.token, body: { secret: device.secret } })
    await must('GET', '/trails/', { token: device.token })
    await must('PUT', `/devices/${device.id}`, { token: owner.token, body: { secret: 'another' } })
    expect((await call('GET', '/trails/', { token: device.token })).status).toBe(401)
    await door.enter(device.prn, 'another')
  })

  test('[DV10] PATCH renames; strangers and the unclaimed do not', async () => {
    const device = await door.deviceOf(owner)
    const path = `/devices/${device.id}`
    const renamed = await must('PATCH', path, {
      token: device.token,
      body: { nick: 'renamed', public: true },
    })
    expect([at(renamed.json, 'nick'), at(renamed.json, 'public')]).toEqual(['renamed', false])
    expect(renamed.text).not.toContain(device.secret)
    await must('POST', '/devices/', { token: owner.token, body: { nick: 'in-use' } })
    expect((await call('PATCH', path, { token: owner.token, body: { nick: 'in-use' } })).status).toBe(409)
    expect((await call('PATCH', path, { token: owner.token, body: { nick: 'a b' } })).status).toBe(400)
    expect((await call('PATCH', path, { token: stranger.token, body: { nick: 'x' } })).status).toBe(403)
    const free = await door.newDevice()
    const self = await door.enter(free.prn, free.secret)
    expect((await call('PATCH', `/devices/${free.id}`, { token: self, body: { nick: 'x' } })).status).toBe(
      403,
    )
  })

  test('[DV10] PUT and DELETE public publish; strangers do not', async () => {
    const device = await door.deviceOf(owner)
    const path = `/devices/${device.id}/public`
    expect((await call('PUT', path, { token: stranger.token })).status).toBe(403)
    expect((await call('PUT', path, { token: device.token })).status).toBe(403)
    expect(at((await must('PUT', path, { token: owner.token })).json, 'public')).toBe(true)
    expect((await call('GET', `/devices/${device.id}`, { token: stranger.token })).status).toBe(200)
    expect(at((await must('DELETE', path, { token: owner.token })).json, 'public')).toBe(false)
    expect((await call('GET', `/devices/${device.id}`, { token: stranger.token })).status).toBe(403)
  })

  test('[DV15] a deleted device is in no list and cannot log in; a stranger deletes nothing', async () => {
    const device = await door.deviceOf(owner)
    const path = `/devices/${device.id}`
    expect((await call('DELETE', path, { token: stranger.token })).status).toBe(403)
    await must('GET', path, { token: owner.token })
    expect(at((await must('DELETE', path, { token: owner.token })).json, 'garbage')).toBe(true)
    expect((await call('GET', path, { token: owner.token })).status).toBe(403)
    const listed = listOf(await must('GET', '/devices/', { token: owner.token }))
    expect(listed.map((one) => at(one, 'id'))).not.toContain(device.id)
    expect((await call('GET', '/trails/', { token: device.token })).status).toBe(401)
    const login = await call('POST', '/auth/login', {
      body: { username: device.prn, password: device.secret },
    })
    expect(login.status).toBe(401)
    await must('POST', '/devices/', { token: owner.token, body: { nick: device.nick } })
  })
})

describe('reading', () => {
  test('[DV7] the own list has secrets, a single device never; a token that may not write sees none', async () => {
    const person = await door.person()
    const device = await door.deviceOf(person)
    const [listed] = listOf(await must('GET', '/devices/', { token: person.token }))
    expect(at(listed, 'secret')).toBe(device.secret)
    expect((await must('GET', `/devices/${device.id}`, { token: person.token })).text).not.toContain(
      device.secret,
    )
    const reading = await door.enter(person.nick, person.password, 'devices.readonly')
    expect((await must('GET', '/devices/', { token: reading })).text).not.toContain(device.secret)
    const itself = listOf(await must('GET', '/devices/', { token: device.token }))
    expect(itself.map((one) => at(one, 'id'))).toEqual([device.id])
  })

  test('[DV8] lists filter by nick: equal, not, prefix in any case; what is no filter is refused', async () => {
    const person = await door.person()
    for (const nick of ['Apple', 'apricot', 'banana', 'a%b'])
      await must('POST', '/devices/', { token: person.token, body: { nick } })
    const nicks = async (query: string) =>
      listOf(await must('GET', `/devices/?${query}`, { token: person.token }))
        .map((one) => at(one, 'nick'))
        .toSorted()
    expect(await nicks('nick=banana')).toEqual(['banana'])
    expect(await nicks('nick=!banana')).toEqual(['Apple', 'a%b', 'apricot'])
    expect(await nicks('nick=^aP')).toEqual(['Apple', 'apricot'])
    expect(await nicks('nick=^a%25')).toEqual(['a%b'])
    expect(await nicks('nick=^')).toHaveLength(4)
    expect(await nicks('public=true')).toEqual([])
    for (const query of [
      'secret=^a',
      'nick[$ne]=x',
      'device-meta.x=1',
      'public=perhaps',
      'id=zz',
      '__proto__=x',
      'constructor=x',
    ])
      expect([query, (await call('GET', `/devices/?${query}`, { token: person.token })).status]).toEqual([
        query,
        400,
      ])
  })

  test('[DV9] owner and owner-nick name others’ public devices; np names one by both nicks', async () => {
    const person = await door.person('publisher')
    const [open, shut] = [await door.deviceOf(person), await door.deviceOf(person)]
    await must('PUT', `/devices/${open.id}/user-meta`, { token: person.token, body: { hidden: 1 } })
    await must('PUT', `/devices/${open.id}/public`, { token: person.token })
    for (const query of [`owner=${person.prn}`, 'owner-nick=publisher']) {
      const seen = listOf(await must('GET', `/devices/?${query}`, { token: stranger.token }))
      expect(seen.map((one) => at(one, 'id'))).toEqual([open.id])
      expect([at(seen[0], 'user-meta'), at(seen[0], 'device-meta')]).toEqual([{}, {}])
    }
    const own = listOf(await must('GET', '/devices/?owner-nick=publisher', { token: person.token }))
    expect(own).toHaveLength(2)
    const path = `/devices/np/publisher/${open.nick}`
    expect(at((await must('GET', path, { token: stranger.token })).json, 'id')).toBe(open.id)
    expect(
      at(
        (await must('GET', `/devices/${open.nick}?owner-nick=publisher`, { token: stranger.token })).json,
        'id',
      ),
    ).toBe(open.id)
    expect((await call('GET', `/devices/np/publisher/${shut.nick}`, { token: stranger.token })).status).toBe(
      403,
    )
    expect((await call('GET', '/devices/np/nobody/x', { token: stranger.token })).status).toBe(403)
    expect((await call('GET', '/devices/?owner-nick=nobody-at-all', { token: stranger.token })).status).toBe(
      400,
    )
    expect((await call('GET', '/devices/?owner=prn:x', { token: stranger.token })).status).toBe(400)
    expect((await call('GET', '/devices/nonesuch', { token: stranger.token })).status).toBe(400)
    expect(at((await must('GET', `/devices/${shut.nick}`, { token: person.token })).json, 'id')).toBe(shut.id)
  })

  test('[DV8] a list of more than one page is whole, and has each device once', async () => {
    const person = await door.person()
    const made = new Set<string>()
    for (let i = 0; i < 230; i++)
      made.add(
        String(
          at((await must('POST', '/devices/', { token: person.token, body: { nick: `n${i}` } })).json, 'id'),
        ),
      )
    for (const query of ['', '?nick=^N']) {
      const listed = listOf(await must('GET', `/devices/${query}`, { token: person.token })).map((one) =>
        String(at(one, 'id')),
      )
      expect(listed).toHaveLength(230)
      expect(new Set(listed)).toEqual(made)
    }
  })
})

describe('metadata', () => {
  test('[DV11] keys keep their dots; the owner replaces and merges user-meta, by id and by nick', async () => {
    const device = await door.deviceOf(owner)
    const path = `/devices/${device.id}/user-meta`
    const first = { 'pvr-sdk.authorized_keys': 'ssh-ed25519 AAAA', $dollar: 1, 'a.b.c': { 'd.e': null } }
    expect((await must('PUT', path, { token: owner.token, body: first })).json).toEqual(first)
    const patch = { 'a.b.c': null, more: [true] }
    const patched = await must('PATCH', `/devices/${device.nick}/user-meta`, {
      token: owner.token,
      body: patch,
    })
    expect(patched.json).toEqual(patch)
    const whole = { ...first, ...patch }
    expect((await must('GET', path, { token: device.token })).json).toEqual(whole)
    expect((await must('GET', `/devices/${device.nick}/user-meta`, { token: owner.token })).json).toEqual(
      whole,
    )
    expect((await must('PUT', path, { token: device.token, body: {} })).json).toEqual({})
    for (const method of ['GET', 'PUT', 'PATCH'])
      expect((await call(method, path, { token: stranger.token, body: {} })).status).toBe(403)
    expect((await call('PUT', path, { token: owner.token, body: [] })).status).toBe(400)
  })

  test('[DV11] a device replaces or merges what it says of itself; null removes; its owner does not', async () => {
    const device = await door.deviceOf(owner)
    const path = `/devices/${device.id}/device-meta`
    const meta = async () =>
      at((await must('GET', `/devices/${device.id}`, { token: owner.token })).json, 'device-meta')
    expect(
      (await must('PUT', path, { token: device.token, body: { 'pantavisor.mode': 'remote', x: 1 } })).json,
    ).toEqual({ status: 'ok' })
    expect((await must('PATCH', path, { token: device.token, body: { x: null, y: 2 } })).json).toEqual({
      status: 'ok',
    })
    expect(await meta()).toEqual({ 'pantavisor.mode': 'remote', y: 2 })
    expect((await call('PUT', path, { token: owner.token, body: {} })).status).toBe(403)
    const other = await door.deviceOf(owner)
    expect((await call('PUT', path, { token: other.token, body: {} })).status).toBe(403)
    expect(await meta()).toEqual({ 'pantavisor.mode': 'remote', y: 2 })
  })

  test('[DV12] a device that names the revision it runs after it said DONE is seen to run it', async () => {
    const device = await door.deviceWithTrail(owner)
    const rev = await door.post(owner, device)
    const says = () =>
      must('PUT', `/devices/${device.id}/device-meta`, {
        token: device.token,
        body: { 'pantavisor.revision': String(rev) },
      })
    const proofs = async () => {
      const tenant = await door.house.access.callerOf(owner.token)
      if (!tenant.ok || tenant.value.kind !== 'user') throw new Error('a person')
      const all = await door.house.store
        .read(tenant.value.tenant)
        .find(transactions, { where: { device: device.id as never } })
      return all.find((one) => one.seq === rev)?.proof
    }
    await says()
    expect(await proofs()).toBeUndefined()
    await door.progress(device, rev, 'DONE', 100)
    expect(await proofs()).toBe('claimed')
    await says()
    expect(await proofs()).toBe('seen')
    await must('PUT', `/devices/${device.id}/device-meta`, {
      token: device.token,
      body: { 'pantavisor.revision': 'locals/x' },
    })
  })
})
