import { canonicalJson } from '@waymark/pantahub'
import { afterAll, describe, expect, test } from 'vitest'
import { at, factory, type JsonObject, listOf, openDoor, sha256 } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person('tina')
const stranger = await door.person('trail-stranger')
const { call, must } = door

describe('announcing', () => {
  test('[TR1] a device announces once; its trail is an array of one from then on', async () => {
    const device = await door.deviceOf(owner)
    expect((await must('GET', '/trails/', { token: device.token })).text).toBe('[]')
    const { json } = await must('POST', '/trails/', { token: device.token, body: factory })
    expect(json).toEqual({
      id: device.id,
      owner: owner.prn,
      device: device.prn,
      'last-insync': '0001-01-01T00:00:00Z',
      'last-touched': expect.stringMatching(/Z$/),
      'factory-state': factory,
      used_objects: [],
    })
    expect(listOf(await must('GET', '/trails/', { token: device.token }))).toEqual([json])
    expect((await call('POST', '/trails/', { token: device.token, body: factory })).status).toBe(409)
    const step = (await must('GET', `/trails/${device.id}/steps/0`, { token: owner.token })).json
    expect([
      at(step, 'rev'),
      at(step, 'commit-msg'),
      at(step, 'progress', 'status'),
      at(step, 'progress', 'progress'),
    ]).toEqual([0, 'Factory State (rev 0)', 'DONE', 100])
  })

  test('[TR1] the empty state is a state; an unclaimed device announces nothing', async () => {
    const device = await door.deviceOf(owner)
    await must('POST', '/trails/', { token: device.token, body: {} })
    const free = await door.newDevice()
    const token = await door.enter(free.prn, free.secret)
    expect((await call('POST', '/trails/', { token, body: factory })).status).toBe(403)
  })

  test('[TR1] the owner’s list has every trail once', async () => {
    const person = await door.person()
    const devices = [await door.deviceWithTrail(person), await door.deviceWithTrail(person)]
    await door.deviceOf(person)
    const listed = listOf(await must('GET', '/trails/', { token: person.token })).map((trail) =>
      at(trail, 'id'),
    )
    expect(listed.toSorted()).toEqual(devices.map(({ id }) => id).toSorted())
  })

  test('[TR1] used_objects names each object once, by its storage id', async () => {
    const device = await door.deviceOf(owner)
    const sha = await door.upload(device.token, Buffer.from('used twice'))
    const state = { ...factory, 'a/x.bin': sha, 'b/y.bin': sha }
    const { json } = await must('POST', '/trails/', { token: device.token, body: state })
    expect(at(json, 'used_objects')).toEqual([sha256(`${owner.prn}/${sha}`)])
  })
})

describe('states', () => {
  const awkward: JsonObject = {
    '#spec': 'pantavisor-service-system@1',
    'z/run.json': { number: 1.5, big: 1e21, tiny: 1e-7, zero: -0, list: [true, null] },
    'a/src.json': { text: '</script>&\u2028"\\\u0001😀｡' },
    '_config/｡.json': 1,
    '_config/😀.json': 2,
  }

  test('[TR2] a state is canonical in every reply, and state-sha is its sha256', async () => {
    const device = await door.deviceWithTrail(owner, awkward)
    const canonical = canonicalJson(awkward)
    const rev = await door.post(owner, device, awkward)
    const base = `/trails/${device.id}/steps/${rev}`
    expect((await must('GET', `${base}/state`, { token: device.token })).text).toBe(canonical)
    for (const path of [base, `/trails/${device.id}/steps`, `/trails/${device.id}`]) {
      const answer = await must('GET', path, { token: owner.token })
      expect(answer.text).toContain(`state":${canonical}`)
      expect(answer.headers.get('phjsonformat')).toBe('gibson042-canonicaljson')
    }
    expect(at((await must('GET', base, { token: owner.token })).json, 'state-sha')).toBe(sha256(canonical))
    expect((await must('PUT', `${base}/state`, { token: owner.token, body: awkward })).text).toBe(canonical)
  })

  test('[TR2] in every step rev, progress and state come first', async () => {
    const device = await door.deviceWithTrail(owner)
    const rev = await door.post(owner, device)
    const { text } = await must('GET', `/trails/${device.id}/steps/${rev}`, { token: device.token })
    expect(Object.keys(JSON.parse(text)).slice(0, 3)).toEqual(['rev', 'progress', 'state'])
  })

  const spec = { '#spec': 'pantavisor-service-system@1' }
  for (const [why, state] of [
    ['no #spec', { 'a.json': 1 }],
    ['an unknown #spec', { '#spec': 'other@1' }],
    ['an absolute path', { ...spec, '/etc/passwd': sha256('x') }],
    ['a path upwards', { ...spec, '../../x.json': {} }],
    ['a path upwards within', { ...spec, 'a/../../b': sha256('x') }],
    ['an empty part', { ...spec, 'a//b.json': {} }],
    ['a dot', { ...spec, './a.json': {} }],
    ['a control character', { ...spec, 'a\u0000.json': {} }],
    ['a file that is a folder', { ...spec, 'a.json': {}, 'a.json/b.json': {} }],
    ['a value that is no sha', { ...spec, 'a.bin': 'nothing' }],
    ['an object nobody uploaded', { ...spec, 'a.bin': sha256('never uploaded') }],
    ['an array', []],
    ['nothing', null],
  ] as const)
    test(`[TR3] a state with ${why}: 400 that names it, by every way in`, async () => {
      const device = await door.deviceWithTrail(owner)
      const rev = await door.post(owner, device)
      const fresh = await door.deviceOf(owner)
      for (const answer of [
        await call('POST', '/trails/', { token: fresh.token, body: state }),
        await call('POST', `/trails/${device.id}/steps`, { token: owner.token, body: { rev: -1, state } }),
        await call('PUT', `/trails/${device.id}/steps/${rev}/state`, { token: owner.token, body: state }),
      ])
        expect([answer.status, at(answer.json, 'msg')]).toEqual([
          400,
          expect.stringMatching(/wanted .+, got /),
        ])
      expect(listOf(await must('GET', `/trails/${device.id}/steps`, { token: owner.token }))).toHaveLength(1)
    })

  test('[TR3] an object of another owner is none of ours', async () => {
    const sha = await door.upload(stranger.token, Buffer.from('foreign bytes'))
    const device = await door.deviceWithTrail(owner)
    const body = { rev: -1, state: { ...factory, 'a.bin': sha } }
    expect((await call('POST', `/trails/${device.id}/steps`, { token: owner.token, body })).status).toBe(400)
  })

  test('[TR3] a state that no Pantavisor could read is refused', async () => {
    const device = await door.deviceWithTrail(owner)
    const state = { ...factory, 'big.json': 'x'.repeat(2 * 1024 * 1024) }
    const answer = await call('POST', `/trails/${device.id}/steps`, {
      token: owner.token,
      body: { rev: -1, state },
    })
    expect([answer.status, at(answer.json, 'msg')]).toEqual([
      413,
      expect.stringContaining('state: wanted at most'),
    ])
  })
})

describe('posting', () => {
  test('[TR4] -1 and no rev append, the next number is taken, any other is 409', async () => {
    const device = await door.deviceWithTrail(owner)
    const path = `/trails/${device.id}/steps`
    const post = async (body: object, token = owner.token) =>
      call('POST', path, { token, body: { state: factory, ...body } })
    expect(at((await post({ rev: -1 })).json, 'rev')).toBe(1)
    expect(at((await post({})).json, 'rev')).toBe(2)
    expect(at((await post({ rev: 3 })).json, 'rev')).toBe(3)
    expect(at((await post({ rev: -1 }, device.token)).json, 'rev')).toBe(4)
    for (const rev of [0, 3, 4, 6, 99]) {
      const answer = await post({ rev })
      expect([answer.status, at(answer.json, 'msg')]).toEqual([
        409,
        `trail ${device.id}: step ${rev} cannot follow step 4 (expected 5)`,
      ])
    }
    for (const rev of ['5', 1.5, -2, null, {}])
      expect([rev, (await post({ rev })).status]).toEqual([rev, 400])
  })

  test('[TR4] of a hundred posts at once each gets a number of its own', async () => {
    const device = await door.deviceWithTrail(owner)
    const made = await Promise.all(Array.from({ length: 100 }, () => door.post(owner, device)))
    expect(made.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
  })

  test('[TR4] a posted step is answered whole', async () => {
    const device = await door.deviceWithTrail(owner)
    const { json } = await must('POST', `/trails/${device.id}/steps/`, {
      token: owner.token,
      body: { rev: -1, 'commit-msg': 'why "so"', committer: 'tina', meta: { 'a.b': 1 }, state: factory },
    })
    expect(json).toEqual({
      id: `${device.id}-1`,
      rev: 1,
      'trail-id': device.id,
      device: device.prn,
      owner: owner.prn,
      committer: 'tina',
      'commit-msg': 'why "so"',
      meta: { 'a.b': 1 },
      state: factory,
      'state-sha': sha256(canonicalJson(factory)),
      used_objects: [],
      mark_public_processed: false,
      garbage: false,
      'step-time': expect.stringMatching(/Z$/),
      'time-created': expect.stringMatching(/Z$/),
      'time-modified': expect.stringMatching(/Z$/),
      'progress-time': '1970-01-01T00:00:00Z',
      progress: {
        progress: 0,
        status: 'NEW',
        'status-msg': '',
        log: '',
        downloads: {
          objects: null,
          total: {
            object_name: '',
            object_id: '',
            total_size: 0,
            start_time: 0,
            current_time: 0,
            total_downloaded: 0,
          },
        },
      },
    })
  })

  for (const body of [
    { state: factory, 'commit-msg': 7 },
    { state: factory, committer: [] },
    { state: factory, meta: [] },
    { rev: -1 },
    { state: factory, 'commit-msg': 'x'.repeat(16 * 1024 + 1) },
    { state: factory, meta: { x: 'x'.repeat(64 * 1024) } },
  ])
    test(`[SE5] ${JSON.stringify(body).slice(0, 60)} is no step: 400`, async () => {
      const device = await door.deviceWithTrail(owner)
      expect((await call('POST', `/trails/${device.id}/steps`, { token: owner.token, body })).status).toBe(
        400,
      )
    })
})

describe('remotes and summaries', () => {
  test('[TR12] .pvrremote tells absolute URLs on the public address', async () => {
    const far = await openDoor({ flags: ['--public-url', 'https://hub.example/base'] })
    const person = await far.person()
    const device = await far.deviceWithTrail(person)
    const rev = await far.post(person, device)
    const base = `https://hub.example/base/trails/${device.id}/steps`
    const remote = (at: number) => ({
      'pvr-spec': 'pvr-pantahub-1',
      'json-get-url': `${base}/${at}/state`,
      'json-key': 'state',
      'objects-endpoint': `${base}/${at}/objects`,
      'post-url': base,
      'post-fields': ['commit-msg'],
      'post-fields-opt': ['rev'],
      'step-get-url': `${base}/${at}`,
    })
    expect((await far.must('GET', `/trails/${device.id}/.pvrremote`, { token: person.token })).json).toEqual(
      remote(rev),
    )
    expect(
      (await far.must('GET', `/trails/${device.id}/steps/0/.pvrremote`, { token: person.token })).json,
    ).toEqual(remote(0))
    const other = await far.person()
    expect((await far.call('GET', `/trails/${device.id}/.pvrremote`, { token: other.token })).status).toBe(
      403,
    )
  })

  test('[TR13] a summary tells how far a device is; it sorts and filters by its own fields only', async () => {
    const person = await door.person()
    const [first, second] = [await door.deviceWithTrail(person), await door.deviceWithTrail(person)]
    await door.deviceOf(person)
    await door.post(person, first)
    await door.progress(first, 1, 'TESTING', 75)
    await door.post(person, first, { ...factory, 'next.json': 1 })
    const { json } = await must('GET', `/trails/${first.id}/summary`, { token: person.token })
    expect(json).toMatchObject({
      deviceid: first.id,
      device: first.prn,
      'device-nick': first.nick,
      revision: 2,
      'progress-revision': 1,
      progress: 75,
      public: false,
      status: 'TESTING',
      'status-msg': 'is TESTING',
      'real-ip': '127.0.0.1',
      'state-sha': sha256(canonicalJson({ ...factory, 'next.json': 1 })),
    })
    const ids = async (query: string) =>
      listOf(await must('GET', `/trails/summary${query}`, { token: person.token })).map((one) =>
        at(one, 'deviceid'),
      )
    expect((await ids('')).toSorted()).toEqual([first.id, second.id].toSorted())
    expect(await ids('?sort=revision')).toEqual([second.id, first.id])
    expect(await ids('?sort=-status')).toEqual([first.id, second.id])
    const filter = (value: object) => `?filter=${encodeURIComponent(JSON.stringify(value))}`
    expect(await ids(filter({ status: 'TESTING' }))).toEqual([first.id])
    expect(await ids(filter({ revision: { $in: [0, 7] } }))).toEqual([second.id])
    expect(await ids(filter({ status: { $ne: 'TESTING' }, public: false }))).toEqual([second.id])
    for (const query of [
      '?sort=secret',
      filter({ secret: 'x' }),
      filter({ status: { $where: '1' } }),
      filter([]),
      '?filter={',
    ])
      expect([query, (await call('GET', `/trails/summary${query}`, { token: person.token })).status]).toEqual(
        [query, 400],
      )
    expect((await call('GET', `/trails/${first.id}/summary`, { token: stranger.token })).status).toBe(403)
  })
})
