import { canonicalJson } from '@waymark/pantahub'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { statusFilter } from '../../src/doors/pantahub/step-query.ts'
import { at, factory, type Json, type JsonObject, listOf, openDoor, sha256 } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person('tina')
const stranger = await door.person('trail-stranger')
const { call, must } = door
const pantavisor = 'progress.status={"$in":["NEW","DOWNLOADING","INPROGRESS","TESTING","QUEUED"]}'

const revs = (list: Json[]) => list.map((step) => at(step, 'rev'))

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

describe('listing', async () => {
  const device = await door.deviceWithTrail(owner)
  const words = ['DONE', 'ERROR', 'INPROGRESS', 'NEW', 'NEW', 'QUEUED']
  for (const word of words) {
    const rev = await door.post(owner, device)
    if (word !== 'NEW') await door.progress(device, rev, word)
  }
  const open = await door.deviceWithTrail(owner)
  for (const word of words) {
    const rev = await door.post(owner, open)
    if (word !== 'NEW') await door.progress(open, rev, word)
  }
  await must('PUT', `/devices/${open.id}/public`, { token: owner.token })
  const list = async (id: string, token: string, query = '') => {
    const answer = await call('GET', `/trails/${id}/steps${query && `?${query}`}`, { token })
    return answer.status === 200 ? revs(listOf(answer)) : answer.status
  }

  for (const [who, id, token, wanted] of [
    ['the device, private', device.id, device.token, [4]],
    ['the owner, private', device.id, owner.token, [2, 3, 4, 5, 6]],
    ['a stranger, private', device.id, stranger.token, []],
    ['the device, public', open.id, open.token, [4]],
    ['the owner, public', open.id, owner.token, [4, 5]],
    ['a stranger, public', open.id, stranger.token, [4, 5]],
    ['another device, public', open.id, device.token, [4]],
  ] as const)
    test(`[TR5] by default ${who}: ${JSON.stringify(wanted)}`, async () => {
      expect(await list(id, token)).toEqual(wanted)
    })

  for (const [query, wanted] of [
    ['progress.status=NEW', [4, 5]],
    ['progress.status=DONE', [0, 1]],
    ['progress.status=nonsense', []],
    ['progress.status={"$in":["NEW","ERROR"]}', [2, 4, 5]],
    ['progress.status={"$in":[]}', []],
    ['progress.status={"$nin":["NEW","DONE"]}', [2, 3, 6]],
    ['progress.status={"$ne":"DONE"}', [2, 3, 4, 5, 6]],
    ['progress.status={"$eq":"QUEUED"}', [6]],
    ['progress.status={"$in":["NEW","DONE"],"$ne":"NEW"}', [0, 1]],
    ['progress.status=%22NEW%22', [4, 5]],
    [pantavisor, [3, 4, 5, 6]],
  ] as const)
    for (const [who, id, token] of [
      ['the owner', device.id, owner.token],
      ['a stranger', open.id, stranger.token],
    ] as const)
      test(`[TR6] ${query} for ${who}: ${JSON.stringify(wanted)}`, async () => {
        expect(await list(id, token, query)).toEqual(wanted)
      })

  test('[TR6] a Pantavisor’s poll gives what is open, the oldest first', async () => {
    expect(await list(device.id, device.token, pantavisor)).toEqual([3, 4, 5, 6])
    expect(await list(device.id, device.token, 'progress.status=DONE')).toEqual([0, 1])
  })

  for (const status of [
    '{"$where":"sleep(9)"}',
    '{"$in":"NEW"}',
    '{"$in":[{"$gt":""}]}',
    '{"$regex":"."}',
    '{"$ne":{"$gt":""}}',
    '{}',
    '[]',
    '{',
    '7{'.repeat(40),
    '{"$or":[{"status":"NEW"}]}',
    `{"$in":${JSON.stringify(Array.from({ length: 65 }, () => 'NEW'))}}`,
  ])
    test(`[TR6] [SE2] progress.status=${status.slice(0, 40)} is refused: 400`, async () => {
      expect(await list(device.id, owner.token, `progress.status=${encodeURIComponent(status)}`)).toBe(400)
    })

  test('[TR6] a status filter never throws, and lets through what its condition says', () => {
    const word = fc.constantFrom('NEW', 'DONE', 'ERROR', 'QUEUED', 'other', '')
    fc.assert(
      fc.property(fc.array(word), fc.array(word), word, fc.anything(), (some, none, given, noise) => {
        const made = statusFilter(JSON.stringify({ $in: some, $nin: none }))
        expect(made.ok && made.value.test(given)).toBe(some.includes(given) && !none.includes(given))
        statusFilter(String(JSON.stringify(noise)))
      }),
    )
  })

  for (const [query, wanted] of [
    ['page[size]=2', [2, 3]],
    ['page[size]=2&page[offset]=3', [5, 6]],
    ['page[offset]=99', []],
    ['page[size]=0', [2, 3, 4, 5, 6]],
  ] as const)
    test(`[TR7] ${query}: ${JSON.stringify(wanted)}`, async () => {
      expect(await list(device.id, owner.token, query)).toEqual(wanted)
    })

  test('[TR7] fields keep or drop keys; what is none is 400', async () => {
    const keys = async (fields: string) =>
      Object.keys(
        (listOf(
          await must('GET', `/trails/${device.id}/steps?fields=${fields}`, { token: owner.token }),
        )[0] ?? {}) as object,
      )
    expect(await keys('rev,progress.status')).toEqual(['rev', 'progress'])
    expect(await keys('-state,-meta')).not.toContain('state')
    expect(await list(device.id, owner.token, 'fields=secret')).toBe(400)
    for (const query of ['page[size]=x', 'page[offset]=-1', 'page[size]=1e9'])
      expect(await list(device.id, owner.token, query)).toBe(400)
  })

  test('[TR5] a trail that is not announced is 404 to its owner, one that is not there is empty like a foreign one', async () => {
    const silent = await door.deviceOf(owner)
    expect(await list(silent.id, owner.token)).toBe(404)
    expect(await list('0123456789abcdef01234567', stranger.token)).toEqual([])
    expect(await list('nonsense', owner.token)).toBe(400)
  })

  test('[TR5] more than a page of steps comes whole and in order', async () => {
    const long = await door.deviceWithTrail(owner)
    for (let i = 0; i < 120; i++) await door.post(owner, long)
    expect(await list(long.id, owner.token)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1))
    expect(await list(long.id, owner.token, 'page[offset]=70&page[size]=40')).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 71),
    )
    expect(
      await list(long.id, owner.token, 'progress.status={"$nin":["DONE","ERROR"]}&page[offset]=115'),
    ).toEqual([116, 117, 118, 119, 120])
  })

  test('[TR14] a device’s list ends before a Pantavisor stops reading', async () => {
    const heavy = await door.deviceWithTrail(owner)
    for (let i = 0; i < 5; i++) await door.post(owner, heavy, { ...factory, 'big.json': 'x'.repeat(500_000) })
    const answer = await must('GET', `/trails/${heavy.id}/steps?${pantavisor}`, { token: heavy.token })
    expect(answer.text.length).toBeLessThan(2 * 1024 * 1024)
    expect(revs(listOf(answer))).toEqual([1, 2])
  })
})

describe('reporting', () => {
  test('[TR8] what a device says is answered as it came, key for key; users do not report', async () => {
    const device = await door.deviceWithTrail(owner)
    const rev = await door.post(owner, device)
    const path = `/trails/${device.id}/steps/${rev}/progress`
    const report = {
      status: 'DOWNLOADING',
      'status-msg': 'Retried 1 of 10',
      progress: 25,
      retries: 1,
      logs: 'x',
      data: '3',
      downloads: { total: { object_name: 'total', total_size: 5, total_downloaded: 2 } },
    }
    const said = await must('PUT', path, { token: device.token, body: report })
    expect(said.json).toEqual(report)
    expect(said.text).toBe(canonicalJson(report))
    const step = (await must('GET', `/trails/${device.id}/steps/${rev}`, { token: owner.token })).json
    expect(at(step, 'progress')).toEqual(report)
    expect(at(step, 'progress-time')).not.toBe('1970-01-01T00:00:00Z')
    expect((await call('PUT', path, { token: owner.token, body: report })).status).toBe(403)
    const other = await door.deviceWithTrail(owner)
    expect((await call('PUT', path, { token: other.token, body: report })).status).toBe(403)
  })

  test('[TR8] any word in any order is taken; a missing step is 400', async () => {
    const device = await door.deviceWithTrail(owner)
    const rev = await door.post(owner, device)
    for (const word of ['TESTING', 'QUEUED', 'WHATEVER', 'DONE', 'INPROGRESS', ''])
      expect((await door.progress(device, rev, word)).status).toBe(200)
    expect((await door.progress(device, 99, 'DONE')).status).toBe(400)
    for (const body of ['[]', '7', '{', '{"status":7}', ''])
      expect(
        (await call('PUT', `/trails/${device.id}/steps/${rev}/progress`, { token: device.token, body }))
          .status,
      ).toBe(400)
  })

  test('[TR9] a step that has ended is not offered to its device again', async () => {
    const device = await door.deviceWithTrail(owner)
    const rev = await door.post(owner, device)
    await door.progress(device, rev, 'ERROR')
    await door.progress(device, rev, 'INPROGRESS')
    expect(
      (await must('GET', `/trails/${device.id}/steps?${pantavisor}`, { token: device.token })).text,
    ).toBe('[]')
    const step = (await must('GET', `/trails/${device.id}/steps/${rev}`, { token: owner.token })).json
    expect(at(step, 'progress', 'status')).toBe('INPROGRESS')
  })
})

describe('the owner’s hand', () => {
  test('[TR10] cancels what is NEW, and nothing else', async () => {
    const device = await door.deviceWithTrail(owner)
    const rev = await door.post(owner, device)
    const path = `/trails/${device.id}/steps/${rev}/cancel`
    expect((await call('PUT', path, { token: stranger.token })).status).toBe(403)
    expect((await call('PUT', path, { token: device.token })).status).toBe(403)
    const { json } = await must('PUT', path, { token: owner.token })
    expect([at(json, 'status'), at(json, 'progress')]).toEqual(['CANCEL', 100])
    expect((await must('GET', `/trails/${device.id}/steps`, { token: device.token })).text).toBe('[]')
    const again = await call('PUT', path, { token: owner.token })
    expect([again.status, at(again.json, 'msg')]).toEqual([
      400,
      expect.stringContaining('wanted status NEW, got CANCEL'),
    ])
  })

  test('[TR10] gives up what is INPROGRESS, and nothing else', async () => {
    const device = await door.deviceWithTrail(owner)
    const rev = await door.post(owner, device)
    const path = `/trails/${device.id}/steps/${rev}/wontgo`
    expect((await call('PUT', path, { token: owner.token })).status).toBe(400)
    await door.progress(device, rev, 'INPROGRESS', 50)
    const { json } = await must('PUT', path, { token: owner.token })
    expect([at(json, 'status'), at(json, 'status-msg')]).toEqual(['WONTGO', 'is INPROGRESS'])
  })

  test('[TR10] replaces the state of what is NEW, and the meta of anything', async () => {
    const device = await door.deviceWithTrail(owner)
    const rev = await door.post(owner, device)
    const base = `/trails/${device.id}/steps/${rev}`
    const state = { ...factory, 'more.json': 1 }
    expect((await must('PUT', `${base}/state`, { token: owner.token, body: state })).json).toEqual(state)
    const step = (await must('GET', base, { token: owner.token })).json
    expect(at(step, 'state-sha')).toBe(sha256(canonicalJson(state)))
    expect((await call('PUT', `${base}/state`, { token: stranger.token, body: state })).status).toBe(403)
    await door.progress(device, rev, 'QUEUED')
    expect((await call('PUT', `${base}/state`, { token: owner.token, body: factory })).status).toBe(400)
    expect((await must('PUT', `${base}/meta`, { token: owner.token, body: { 'x.y': 1 } })).json).toEqual({
      'x.y': 1,
    })
    expect((await must('GET', `${base}/meta`, { token: device.token })).json).toEqual({ 'x.y': 1 })
  })
})

describe('objects of a step', () => {
  test('[TR11] they are listed under their paths; others than the owner get no put URL', async () => {
    const device = await door.deviceWithTrail(owner)
    const one = await door.upload(owner.token, Buffer.from('of the step'), 'its own name')
    const inline = await door.upload(owner.token, Buffer.from('{"as":"json"}'), 'x')
    const hidden = await door.upload(owner.token, Buffer.from('of no step'))
    const rev = await door.post(owner, device, { ...factory, 'app/root.img': one, 'app/src.json': inline })
    await must('PUT', `/devices/${device.id}/public`, { token: owner.token })
    const path = `/trails/${device.id}/steps/${rev}/objects`
    for (const [token, puts] of [
      [owner.token, true],
      [device.token, false],
      [stranger.token, false],
    ] as const) {
      const listed = listOf(await must('GET', path, { token }))
      expect(listed.map((object) => at(object, 'objectname'))).toEqual(['app/root.img', 'app/src.json'])
      for (const object of listed) expect(String(at(object, 'signed-puturl')) !== '').toBe(puts)
      const { json } = await must('GET', `${path}/${one}`, { token })
      expect(at(json, 'size')).toBe('11')
      expect((await call('GET', String(at(json, 'signed-geturl')))).text).toBe('of the step')
      const blob = await call('GET', `${path}/${inline}/blob`, { token })
      expect([blob.status, (await call('GET', blob.headers.get('location') ?? '')).text]).toEqual([
        302,
        '{"as":"json"}',
      ])
      expect((await call('GET', `${path}/${hidden}`, { token })).status).toBe(404)
      expect((await call('GET', `${path}/nonsense`, { token })).status).toBe(400)
    }
    expect((await call('GET', `/objects/${one}`, { token: stranger.token })).status).toBe(403)
    expect((await call('GET', `/trails/${device.id}/steps/99/objects`, { token: owner.token })).status).toBe(
      404,
    )
  })

  test('[TR11] posting one is posting an object under the step’s owner', async () => {
    const device = await door.deviceWithTrail(owner)
    const bytes = Buffer.from('through the step')
    const body = { objectname: 'x', size: String(bytes.length), sha256sum: sha256(bytes) }
    const path = `/trails/${device.id}/steps/0/objects/`
    expect((await call('POST', path, { token: stranger.token, body })).status).toBe(403)
    const { json } = await must('POST', path, { token: owner.token, body })
    await must('PUT', String(at(json, 'signed-puturl')), { body: bytes })
    expect((await call('POST', path, { token: device.token, body })).status).toBe(409)
    expect((await call('POST', '/objects/', { token: owner.token, body })).status).toBe(409)
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
