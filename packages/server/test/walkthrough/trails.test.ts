import { DeviceId } from '@waymark/domain'
import { afterAll, describe, expect, test } from 'vitest'
import { at, type Json, type JsonObject, openWalk } from './support.ts'

/** First time announce, and the factory reset. */
const walk = await openWalk({}, afterAll)
const owner = await walk.person()
const kernel = await walk.object(owner.token, 'MYKERNEL')
const system = await walk.object(owner.token, 'MYSYSTEM')
const platform = await walk.object(owner.token, 'MYPLATFORM')

/** What the walkthrough posts. */
const printed: JsonObject = {
  rev: 0,
  kernel: { object: 'prn:::objects:/MYKERNEL' },
  system: { object: 'prn:::objects:/MYSYSTEM' },
  platform: { object: 'prn:::objects:/MYPLATFORM' },
}
/** The same, shown back. */
const shown: JsonObject = {
  '#spec': 'pantavisor-service-system@1',
  kernel: { object: kernel.shown },
  system: { object: system.shown },
  platform: { object: platform.shown },
}

describe('first time announce', () => {
  test('[WT6][PH-23][PH-57][PH-59][PH-61][PH-62][PH-63] a device posts its factory state as printed: 200, and it has a trail', async () => {
    const device = await walk.deviceOf(owner)
    expect((await walk.must('GET', '/v1/trails/', { token: device.token })).text).toBe('[]')
    expect((await walk.ask('GET', `/v1/trails/${device.id}`, { token: device.token })).status).toBe(404)
    const said = await walk.must('POST', '/v1/trails/', { token: device.token, body: printed })
    expect(said.json).toMatchObject({
      id: device.id,
      device: device.prn,
      owner: owner.prn,
      rev: 0,
      'factory-state': shown,
    })
    expect((await walk.must('GET', '/v1/trails/', { token: device.token })).json).toEqual([said.json])
  })

  test('[WT6][PH-64] the trail then holds a step for the factory state, done, with its parts beside it', async () => {
    const device = await walk.deviceOf(owner)
    await walk.must('POST', '/api/v1/trails/', { token: device.token, body: printed })
    const step = (await walk.must('GET', walk.stepsOf(device, '/0'), { token: device.token })).json
    expect(step).toMatchObject({ rev: 0, status: 'DONE', progress: 100, ...shown })
    expect(
      walk.revs(await walk.must('GET', walk.stepsOf(device, '?start=0'), { token: device.token })),
    ).toEqual([0])
  })

  test('[WT6][PH-60] from the announce on it is controlled through its trail, by these forms and by today’s', async () => {
    const device = await walk.deviceOf(owner)
    const steps = walk.stepsOf(device)
    expect((await walk.ask('POST', steps, { token: owner.token, body: {} })).status).toBe(404)
    await walk.must('POST', '/v1/trails/', { token: device.token, body: printed })
    await walk.must('POST', steps, {
      token: owner.token,
      body: { kernel: printed.kernel ?? null, rev: 1, 'commit-msg': 'smaller' },
    })
    await walk.post(owner, device)
    const listed = (await walk.must('GET', steps, { token: device.token })).json as Json[]
    expect(listed.map((step) => [at(step, 'rev'), at(step, 'commit-msg')])).toEqual([
      [1, 'smaller'],
      [2, 'next'],
    ])
    expect(at(listed[1], 'bsp/run.json')).toEqual({ initrd: 'pantavisor' })
  })

  test('[WT6] the state is the one today’s forms know, and posted back it is the same', async () => {
    const device = await walk.deviceOf(owner)
    const body = { ...printed, 'bsp/run.json': { initrd: 'x' }, './log': { object: kernel.prn } }
    await walk.must('POST', '/v1/trails/', { token: device.token, body })
    const today = (await walk.must('GET', `/trails/${device.id}/steps/0/state`, { token: device.token })).json
    expect(today).toEqual({
      '#spec': 'pantavisor-service-system@1',
      kernel: kernel.sha,
      system: system.sha,
      platform: platform.sha,
      log: kernel.sha,
      'bsp/run.json': { initrd: 'x' },
    })
    const trail = (await walk.must('GET', `/v1/trails/${device.id}`, { token: device.token })).json
    const again = await walk.must('POST', walk.stepsOf(device), {
      token: owner.token,
      body: at(trail, 'factory-state'),
    })
    const step = (await walk.must('GET', walk.stepsOf(device, '/0'), { token: device.token })).json
    expect(at(again.json, 'state-sha')).toBe(at(step, 'state-sha'))
    expect(at(again.json, './log')).toEqual({ object: kernel.shown })
    expect(at(again.json, 'log')).toBe('')
  })

  test('[WT6] a step that was read can be posted back whole', async () => {
    const device = await walk.deviceOf(owner)
    await walk.must('POST', '/v1/trails/', { token: device.token, body: printed })
    const step = (await walk.must('GET', walk.stepsOf(device, '/0'), { token: owner.token }))
      .json as JsonObject
    const posted = await walk.must('POST', walk.stepsOf(device), {
      token: owner.token,
      body: { ...step, rev: 1 },
    })
    expect([at(posted.json, 'rev'), at(posted.json, 'status'), at(posted.json, 'state-sha')]).toEqual([
      1,
      'NEW',
      step['state-sha'],
    ])
  })

  test('[WT6] a name is settled when it is posted: a newer object of the name changes nothing', async () => {
    const device = await walk.deviceOf(owner)
    const first = await walk.object(owner.token, 'MOVING', 'first')
    await walk.must('POST', '/v1/trails/', {
      token: device.token,
      body: { rev: 0, app: { object: first.prn } },
    })
    walk.pass(1000)
    await walk.object(owner.token, 'MOVING', 'second')
    const trail = await walk.must('GET', `/v1/trails/${device.id}`, { token: device.token })
    expect(at(trail.json, 'factory-state', 'app')).toEqual({ object: first.shown })
  })

  test('[WT6][PH-24] an owner announces on a device’s behalf, by id or prn; the device finds its trail', async () => {
    for (const name of ['id', 'prn'] as const) {
      const device = await walk.deviceOf(owner)
      const said = await walk.must('POST', '/v1/trails/', {
        token: owner.token,
        body: { ...printed, device: device[name] },
      })
      expect(at(said.json, 'id')).toBe(device.id)
      const found = (await walk.must('GET', '/v1/trails/', { token: device.token })).json as Json[]
      expect(found.map((trail) => at(trail, 'factory-state'))).toEqual([shown])
      expect((await walk.ask('POST', '/v1/trails/', { token: device.token, body: printed })).status).toBe(409)
    }
  })

  test('[WT6][PH-24] nobody announces for another’s device, nor a device for another', async () => {
    const [device, other] = [await walk.deviceOf(owner), await walk.deviceOf(owner)]
    const stranger = await walk.person()
    const ask = (token: string, body: JsonObject) => walk.ask('POST', '/v1/trails/', { token, body })
    expect((await ask(stranger.token, { ...printed, device: device.id })).status).toBe(403)
    expect((await ask(owner.token, { ...printed, device: 'f'.repeat(24) })).status).toBe(403)
    expect((await ask(other.token, { ...printed, device: device.id })).status).toBe(400)
    expect((await ask(owner.token, printed)).status).toBe(400)
    expect((await ask(device.token, { ...printed, device: device.prn })).status).toBe(200)
  })

  test('[WT6][PH-121] a first announce for a trail that exists is refused: 409, and nothing has changed', async () => {
    const device = await walk.deviceOf(owner)
    await walk.must('POST', '/v1/trails/', { token: device.token, body: printed })
    const again = await walk.ask('POST', '/v1/trails/', { token: device.token, body: { rev: 0 } })
    expect([again.status, at(again.json, 'text')]).toEqual([409, `trail ${device.id}: it is there already`])
    const trail = await walk.must('GET', `/v1/trails/${device.id}`, { token: device.token })
    expect(at(trail.json, 'factory-state')).toEqual(shown)
  })

  test('[WT6] a device that nobody has claimed is refused', async () => {
    const device = await walk.newDevice()
    const { json } = await walk.logIn(device.prn, device.secret)
    const said = await walk.ask('POST', '/v1/trails/', {
      token: String(at(json, 'access_token')),
      body: { rev: 0 },
    })
    expect(said.status).toBe(403)
  })

  const bad: { what: string; body: unknown; says: string }[] = [
    { what: 'no rev', body: { kernel: printed.kernel }, says: 'rev: wanted 0' },
    { what: 'rev 1', body: { ...printed, rev: 1 }, says: 'rev: wanted 0' },
    { what: 'rev true', body: { ...printed, rev: true }, says: 'rev: wanted 0' },
    {
      what: 'an object nobody has',
      body: { rev: 0, kernel: { object: 'prn:::objects:/NOBODYS' } },
      says: 'part "kernel": wanted an object',
    },
    {
      what: 'a hash nobody has',
      body: { rev: 0, kernel: { object: `prn:::objects:/${'a'.repeat(64)}` } },
      says: 'state path kernel',
    },
    { what: 'a part that is a text', body: { rev: 0, kernel: 'MYKERNEL' }, says: 'part "kernel"' },
    {
      what: 'a part with a device’s prn',
      body: { rev: 0, kernel: { object: `prn:::devices:/${'a'.repeat(24)}` } },
      says: 'part "kernel"',
    },
    {
      what: 'a part with more than an object',
      body: { rev: 0, kernel: { object: kernel.prn, size: 3 } },
      says: 'also size',
    },
    {
      what: 'a part with a path trick',
      body: { rev: 0, '../kernel': { object: kernel.prn } },
      says: 'state path "../kernel"',
    },
    {
      what: 'a part under another',
      body: { rev: 0, a: { object: kernel.prn }, 'a/b': { object: kernel.prn } },
      says: 'state path "a"',
    },
    { what: 'an unknown #spec', body: { rev: 0, '#spec': 'mine@1' }, says: '#spec' },
    {
      what: 'too many parts',
      body: { rev: 0, ...Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`p${i}.json`, 0])) },
      says: 'parts: wanted at most 1024, got 1025',
    },
    { what: 'an array', body: [], says: 'trail: wanted a JSON object' },
    { what: 'no body', body: undefined, says: 'trail: wanted JSON, got no body' },
    {
      what: 'a seed’s typing error',
      body: '{ "platform": { object: prn:::objects:/MYPLATFORM" } }',
      says: 'trail at character',
    },
  ]
  for (const { what, body, says } of bad)
    test(`[WT6][WT13] ${what} is 400 and named`, async () => {
      const device = await walk.deviceOf(owner)
      const said = await walk.ask('POST', '/v1/trails/', { token: device.token, body })
      expect([said.status, at(said.json, 'status')]).toEqual([400, 400])
      expect(String(at(said.json, 'text'))).toContain(says)
      expect((await walk.must('GET', '/v1/trails/', { token: device.token })).text).toBe('[]')
    })

  test('[WT6] rev as a numeric text is a number', async () => {
    const device = await walk.deviceOf(owner)
    await walk.must('POST', '/v1/trails/', { token: device.token, body: { ...printed, rev: '0' } })
  })

  test('[WT6] a trail of another owner is as absent, one’s own are listed', async () => {
    const [mine, theirs] = [await walk.person(), await walk.person()]
    const device = await walk.deviceOf(mine)
    await walk.must('POST', '/v1/trails/', { token: device.token, body: { rev: 0 } })
    await walk.deviceWithTrail(theirs)
    const listed = (await walk.must('GET', '/v1/trails/', { token: mine.token })).json as Json[]
    expect(listed.map((trail) => at(trail, 'id'))).toEqual([device.id])
    const refusals = await Promise.all(
      [device.id, 'f'.repeat(24)].map(async (id) => {
        const said = await walk.ask('GET', `/v1/trails/${id}`, { token: theirs.token })
        return [said.status, said.text.replaceAll(id, 'ID')]
      }),
    )
    expect(refusals[0]).toEqual(refusals[1])
  })
})

describe('factory reset', () => {
  test('[WT12][PH-122][PH-123][PH-124][PH-125] the user deletes the trail: 200, the device is registering again, and posts anew', async () => {
    const device = await walk.deviceOf(owner)
    await walk.must('POST', '/v1/trails/', { token: device.token, body: printed })
    await walk.post(owner, device)
    expect((await walk.ask('POST', '/v1/trails/', { token: device.token, body: printed })).status).toBe(409)

    await walk.must('DELETE', `/v1/trails/${device.id}`, { token: owner.token })
    expect((await walk.must('GET', '/v1/trails/', { token: device.token })).text).toBe('[]')
    expect((await walk.must('GET', '/trails/', { token: device.token })).text).toBe('[]')
    expect((await walk.ask('GET', walk.stepsOf(device), { token: device.token })).status).toBe(404)
    expect((await walk.report(device, 1, { status: 'QUEUED' })).status).toBe(404)

    const anew = await walk.must('POST', '/v1/trails/', {
      token: device.token,
      body: { rev: 0, app: printed.system ?? null },
    })
    expect(anew.json).toMatchObject({
      rev: 0,
      generation: 1,
      'factory-state': { app: { object: system.shown } },
    })
    expect(
      walk.revs(await walk.must('GET', walk.stepsOf(device, '?start=0'), { token: device.token })),
    ).toEqual([0])
    expect((await walk.report(device, 1, { status: 'QUEUED' })).status).toBe(404)
  })

  test('[WT12] it is the user’s to ask, once, and of an own device', async () => {
    const device = await walk.deviceWithTrail(owner)
    const stranger = await walk.person()
    const reset = (token: string) => walk.ask('DELETE', `/v1/trails/${device.id}`, { token })
    expect((await reset(device.token)).status).toBe(403)
    expect((await reset(stranger.token)).status).toBe(403)
    expect((await reset(owner.token)).status).toBe(200)
    expect((await reset(owner.token)).status).toBe(404)
  })

  test('[WT12] what was waiting is cancelled, and history stays in the journal', async () => {
    const device = await walk.deviceWithSteps(owner, 2)
    await walk.must('DELETE', `/v1/trails/${device.id}`, { token: owner.token })
    const caller = await walk.house.access.callerOf(owner.token)
    const id = DeviceId.parse(device.id)
    if (!caller.ok || caller.value.kind !== 'user' || !id) throw new Error('the owner is logged in')
    const read = await walk.house.store.journal.read(caller.value.tenant, { limit: 500, device: id })
    const kinds = read.ok ? read.value.entries.map(({ kind }) => kind) : []
    expect(kinds.filter((kind) => kind === 'trail.closed')).toHaveLength(1)
    expect(kinds.filter((kind) => kind === 'transaction.ended')).toHaveLength(3)
  })
})
