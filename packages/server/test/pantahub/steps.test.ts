import { canonicalJson } from '@waymark/pantahub'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { statusFilter } from '../../src/doors/pantahub/step-query.ts'
import { at, factory, type Json, listOf, openDoor, sha256 } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person()
const stranger = await door.person()
const { call, must } = door
const pantavisor = 'progress.status={"$in":["NEW","DOWNLOADING","INPROGRESS","TESTING","QUEUED"]}'

const revs = (list: Json[]) => list.map((step) => at(step, 'rev'))

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
