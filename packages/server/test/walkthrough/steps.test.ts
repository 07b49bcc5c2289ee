import { afterAll, describe, expect, test } from 'vitest'
import { at, type Json, openWalk } from './support.ts'

/** Getting new steps, reporting on them, errors, aborts: a device's life along its trail. */
const walk = await openWalk({}, afterAll)
const owner = await walk.person()
type Device = Awaited<ReturnType<typeof walk.deviceWithSteps>>

const list = (device: Device, rest = '', token = device.token) =>
  walk.must('GET', walk.stepsOf(device, rest), { token })
const offered = async (device: Device) => walk.revs(await list(device))
const statuses = async (device: Device) =>
  ((await list(device, '?start=1')).json as Json[]).map((step) => at(step, 'status'))
/** Reports a status and answers the HTTP status. */
const says = async (device: Device, rev: number, status: string) =>
  (await walk.report(device, rev, { status })).status
const stepOf = async (device: Device, rev: number) => (await list(device, `/${rev}`)).json

describe('device trails', () => {
  test('[WT7][PH-55][PH-56] an owner draws the trail while the device is away, for however long', async () => {
    const own = await openWalk()
    const person = await own.person()
    const device = await own.deviceWithSteps(person, 1)
    for (let day = 0; day < 40; day += 10) {
      own.pass(10 * 24 * 3600_000)
      const token = await own.enter(person.nick, person.password)
      await own.post({ ...person, token }, device)
    }
    const token = await own.enter(device.prn, device.secret)
    const said = await own.must('GET', own.stepsOf(device), { token })
    expect(own.revs(said)).toEqual([1, 2, 3, 4, 5])
  })

  test('[WT7][PH-58] the device then walks its changes one after the other', async () => {
    const device = await walk.deviceWithSteps(owner, 3)
    for (const rev of [1, 2, 3]) {
      expect((await offered(device))[0]).toBe(rev)
      for (const status of ['QUEUED', 'INPROGRESS', 'DONE']) expect(await says(device, rev, status)).toBe(200)
    }
    expect(await offered(device)).toEqual([])
    expect(await statuses(device)).toEqual(['DONE', 'DONE', 'DONE'])
  })
})

describe('getting new steps', () => {
  test('[WT7][PH-67][PH-68][PH-69] the list is 200, an array in ascending order, and X-REST-COUNT is its length', async () => {
    const device = await walk.deviceWithSteps(owner, 3)
    for (const token of [device.token, owner.token]) {
      const said = await list(device, '', token)
      expect(walk.revs(said)).toEqual([1, 2, 3])
      expect(said.headers['x-rest-count']).toBe('3')
    }
    const none = await walk.deviceWithSteps(owner, 0)
    const empty = await list(none)
    expect([empty.text, empty.headers['x-rest-count']]).toEqual(['[]', '0'])
  })

  test('[WT7][PH-73] without parameters it holds only what is NEW, and all of it', async () => {
    const device = await walk.deviceWithSteps(owner, 4)
    await walk.report(device, 1, { status: 'QUEUED' })
    expect(await offered(device)).toEqual([2, 3, 4])
    await walk.report(device, 1, { status: 'DONE' })
    await walk.report(device, 2, { status: 'INPROGRESS' })
    expect(await offered(device)).toEqual([3, 4])
  })

  test('[WT7][PH-74][PH-75][PH-76] ?start=N holds every step from N itself on, whatever its status, counted', async () => {
    const device = await walk.deviceWithSteps(owner, 6)
    for (const [rev, status] of [
      [1, 'DONE'],
      [2, 'ERROR'],
      [6, 'WONTGO'],
    ] as const)
      await says(device, rev, status)
    for (const start of [0, 1, 2, 4, 6, 7]) {
      const said = await list(device, `?start=${start}`)
      const wanted = [0, 1, 2, 3, 4, 5, 6].filter((rev) => rev >= start)
      expect([walk.revs(said), said.headers['x-rest-count']]).toEqual([wanted, String(wanted.length)])
    }
    expect((await statuses(device)).slice(0, 3)).toEqual(['DONE', 'ERROR', 'NEW'])
  })

  test('[WT7] a long list is whole and counted', async () => {
    const device = await walk.deviceWithSteps(owner, 130)
    for (const rest of ['', '?start=1']) {
      const said = await list(device, rest)
      expect(walk.revs(said)).toEqual(Array.from({ length: 130 }, (_, i) => i + 1))
      expect(said.headers['x-rest-count']).toBe('130')
    }
  })

  for (const start of ['', 'x', '-1', '1e3', '1.5', '99999999999', '{"$gt":0}'])
    test(`[WT7][WT13] ?start=${start} is 400`, async () => {
      const device = await walk.deviceWithSteps(owner, 0)
      const said = await walk.ask('GET', walk.stepsOf(device, `?start=${encodeURIComponent(start)}`), {
        token: device.token,
      })
      expect([said.status, String(at(said.json, 'text')).startsWith('start: wanted')]).toEqual([400, true])
    })

  test('[WT8][PH-66][PH-70][PH-77][PH-78][PH-79] QUEUED is put on the step; several stand at it at once', async () => {
    const device = await walk.deviceWithSteps(owner, 7)
    for (const rev of [1, 2, 3]) expect(await says(device, rev, 'DONE')).toBe(200)
    for (const rev of [4, 5, 6, 7]) {
      const put = await walk.report(device, rev, { status: 'QUEUED' })
      expect([put.status, at(put.json, 'rev'), at(put.json, 'status')]).toEqual([200, rev, 'QUEUED'])
    }
    expect((await statuses(device)).slice(3)).toEqual(['QUEUED', 'QUEUED', 'QUEUED', 'QUEUED'])
    expect(await offered(device)).toEqual([])
  })

  test('[WT8][PH-71] what is QUEUED can no longer be cancelled, by these forms or today’s', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    await says(device, 1, 'QUEUED')
    const said = await walk.wish(owner, device, 1, { cancel: true })
    expect([said.status, String(at(said.json, 'text'))]).toEqual([
      409,
      `step ${device.id}-1: wanted status NEW, got QUEUED, or ended`,
    ])
    const today = await walk.call('PUT', `/trails/${device.id}/steps/1/cancel`, { token: owner.token })
    expect(today.status).toBe(400)
    expect(await statuses(device)).toEqual(['QUEUED'])
  })

  test('[WT8][PH-72] what is not QUEUED yet can be, and the next one may follow', async () => {
    const device = await walk.deviceWithSteps(owner, 2)
    expect((await walk.wish(owner, device, 1, { cancel: true })).status).toBe(200)
    expect(await offered(device)).toEqual([2])
    expect(await says(device, 2, 'QUEUED')).toBe(200)
    expect(await says(device, 2, 'DONE')).toBe(200)
  })

  test('[WT8][PH-80][PH-81] a gap: what lies beyond stays NEW, and is taken once the gap is filled', async () => {
    const device = await walk.deviceWithSteps(owner, 3)
    const said = await walk.report(device, 2, { status: 'QUEUED' })
    expect([said.status, at(said.json, 'text')]).toEqual([
      409,
      `step ${device.id}-2: wanted step 1 taken before, got NEW`,
    ])
    expect(await offered(device)).toEqual([1, 2, 3])
    await says(device, 1, 'QUEUED')
    expect(await says(device, 2, 'QUEUED')).toBe(200)
  })

  test('[WT8][PH-80] nothing but the direct next step is worked on', async () => {
    const device = await walk.deviceWithSteps(owner, 2)
    for (const rev of [1, 2]) await says(device, rev, 'QUEUED')
    expect(await says(device, 2, 'INPROGRESS')).toBe(409)
    expect(await says(device, 2, 'DONE')).toBe(409)
    expect(await statuses(device)).toEqual(['QUEUED', 'QUEUED'])
    expect(await says(device, 1, 'DONE')).toBe(200)
    expect(await says(device, 2, 'INPROGRESS')).toBe(200)
  })

  test('[WT8][PH-82] a device that holds the wrong queue may set all of it to WONTGO', async () => {
    const device = await walk.deviceWithSteps(owner, 3)
    for (const rev of [1, 2, 3]) await says(device, rev, 'QUEUED')
    for (const rev of [1, 2, 3]) expect(await says(device, rev, 'WONTGO')).toBe(200)
    expect(await statuses(device)).toEqual(['WONTGO', 'WONTGO', 'WONTGO'])
  })
})

describe('reporting progress', () => {
  const whole = {
    status: 'INPROGRESS',
    progress: '50',
    message: '...processing...',
    error: '',
    log: '',
    debugfiles: {},
  }

  test('[WT9][PH-90][PH-92][PH-94][PH-95][PH-96][PH-97] a report as printed is taken and shown on the step, below both prefixes', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    for (const prefix of ['/api/v1', '/v1']) {
      const put = await walk.must('PUT', `${prefix}/trails/${device.id}/steps/1`, {
        token: device.token,
        body: whole,
      })
      expect(put.json).toMatchObject({ ...whole, progress: 50 })
    }
    expect(await stepOf(device, 1)).toMatchObject({ ...whole, progress: 50 })
  })

  for (const [sent, shown] of [
    [50, 50],
    ['50', 50],
    ['7.5', 7.5],
    [0, 0],
    ['100', 100],
  ] as const)
    test(`[WT9][PH-93] progress ${JSON.stringify(sent)} is answered as the number ${shown}`, async () => {
      const device = await walk.deviceWithSteps(owner, 1)
      const put = await walk.report(device, 1, { status: 'INPROGRESS', progress: sent })
      expect(at(put.json, 'progress')).toBe(shown)
    })

  test('[WT9][PH-84][PH-85] each report moves the step, and what is not sent stays as it was', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    await walk.report(device, 1, {
      status: 'INPROGRESS',
      progress: 10,
      message: 'downloading',
      log: 'line 1',
    })
    await walk.report(device, 1, { status: 'INPROGRESS', progress: 80 })
    expect(await stepOf(device, 1)).toMatchObject({
      status: 'INPROGRESS',
      progress: 80,
      message: 'downloading',
      log: 'line 1',
    })
    await walk.report(device, 1, { status: 'DONE' })
    expect(await stepOf(device, 1)).toMatchObject({ status: 'DONE', progress: 100, message: 'downloading' })
  })

  test('[WT9] today’s forms show the same report, and theirs is shown here', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    await walk.report(device, 1, { status: 'INPROGRESS', progress: '40', message: 'unpacking' })
    const today = await walk.must('GET', `/trails/${device.id}/steps/1`, { token: owner.token })
    expect(at(today.json, 'progress')).toMatchObject({
      status: 'INPROGRESS',
      progress: 40,
      'status-msg': 'unpacking',
    })
    await walk.progress(device, 1, 'TESTING', 75)
    expect(await stepOf(device, 1)).toMatchObject({ status: 'TESTING', progress: 75, message: 'is TESTING' })
  })

  test('[WT9] a step that was read can be put back with a new status', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    const step = (await stepOf(device, 1)) as { [key: string]: Json }
    const { abort: _, clear: __, cancel: ___, ...rest } = step
    expect((await walk.report(device, 1, { ...rest, status: 'QUEUED' })).status).toBe(200)
  })

  for (const status of [
    'TESTING',
    'UPDATED',
    'CANCEL',
    'DOWNLOADING',
    'queued',
    '',
    7,
    null,
    undefined,
    ['NEW'],
  ])
    test(`[WT9] status ${JSON.stringify(status)} is 400: the list is closed`, async () => {
      const device = await walk.deviceWithSteps(owner, 1)
      const said = await walk.report(device, 1, { status: status as Json, progress: 1 })
      expect([said.status, String(at(said.json, 'text'))]).toEqual([
        400,
        expect.stringContaining('status: wanted NEW, QUEUED, INPROGRESS, ERROR, WONTGO, ABORTED, DONE, got'),
      ])
      expect(await statuses(device)).toEqual(['NEW'])
    })

  const bad: { what: string; body: { [key: string]: Json }; says: string }[] = [
    { what: 'progress 101', body: { progress: 101 }, says: 'progress' },
    { what: 'progress -1', body: { progress: -1 }, says: 'progress' },
    { what: 'progress half', body: { progress: 'half' }, says: 'progress' },
    { what: 'an empty progress', body: { progress: '' }, says: 'progress' },
    { what: 'progress as an object', body: { progress: {} }, says: 'progress' },
    { what: 'a message that is a list', body: { message: [] }, says: 'message' },
    {
      what: 'a message of 20 000 characters',
      body: { message: 'x'.repeat(20_000) },
      says: 'message: wanted at most 16384',
    },
    {
      what: 'a log of 300 000 characters',
      body: { log: 'x'.repeat(300_000) },
      says: 'log: wanted at most 262144',
    },
    { what: 'debug files as a list', body: { debugfiles: [] }, says: 'debugfiles' },
    { what: 'a debug file that is a number', body: { debugfiles: { core: 3 } }, says: 'debugfiles "core"' },
    {
      what: 'a debug file without a name',
      body: { debugfiles: { '': 'x' } },
      says: 'debugfiles: wanted names',
    },
    {
      what: '33 debug files',
      body: { debugfiles: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`f${i}`, ''])) },
      says: 'debugfiles: wanted at most 32',
    },
    {
      what: 'a debug file nobody uploaded',
      body: { debugfiles: { core: { object: `prn:::objects:/${'a'.repeat(64)}` } } },
      says: '#debugfiles/core',
    },
    { what: 'device-abort as a text', body: { 'device-abort': 'yes' }, says: 'device-abort' },
  ]
  for (const { what, body, says: wanted } of bad)
    test(`[WT9][WT13] ${what} is 400, and the step is as it was`, async () => {
      const device = await walk.deviceWithSteps(owner, 1)
      const said = await walk.report(device, 1, { status: 'INPROGRESS', ...body })
      expect([said.status, String(at(said.json, 'text'))]).toEqual([400, expect.stringContaining(wanted)])
      expect(await statuses(device)).toEqual(['NEW'])
    })
})

describe('reporting errors', () => {
  test('[WT9][PH-98][PH-99][PH-100] ERROR is taken with everything else unchanged; the percentage stays where it stopped', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    const before = {
      status: 'INPROGRESS',
      progress: 50,
      message: '...processing...',
      error: '',
      log: '',
      debugfiles: {},
    }
    await walk.report(device, 1, before)
    const put = await walk.report(device, 1, { ...before, status: 'ERROR' })
    expect(put.json).toMatchObject({ ...before, status: 'ERROR' })
  })

  test('[WT9][PH-86][PH-87][PH-88][PH-89] with an error come its code and text, the log, and debug files', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    const report = {
      status: 'ERROR',
      error: 'E_FLASH: could not write sector 7',
      log: 'writing…\nfailed',
      debugfiles: { 'trace.txt': 'main()\nflash()', empty: '' },
    }
    await walk.report(device, 1, report)
    expect(await stepOf(device, 1)).toMatchObject(report)
    const fleet = await walk.must('GET', `/trails/${device.id}/steps/1`, { token: owner.token })
    expect(at(fleet.json, 'progress', 'error')).toBe(report.error)
    await walk.report(device, 1, { status: 'ERROR', error: 17 })
    expect(at(await stepOf(device, 1), 'error')).toBe('17')
  })

  test('[WT9][PH-87] a large debug file becomes an object of the owner’s, which its step keeps', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    const dump = 'core dump '.repeat(5000)
    await walk.report(device, 1, { status: 'ERROR', debugfiles: { core: dump, small: 'x' } })
    const files = at(await stepOf(device, 1), 'debugfiles')
    const sha = walk.sha256(dump)
    expect(files).toEqual({ core: { object: `prn:::objects:/${sha}`, size: dump.length }, small: 'x' })
    const download = await walk.ask('GET', `/v1/objects/${sha}/download`, { token: owner.token })
    expect((await walk.ask('GET', String(download.headers.location))).text).toBe(dump)
    expect((await walk.call('DELETE', `/objects/${sha}`, { token: owner.token })).status).toBe(409)
    await walk.report(device, 1, { status: 'ERROR', debugfiles: {} })
    expect((await walk.call('DELETE', `/objects/${sha}`, { token: owner.token })).status).toBe(200)
  })

  test('[WT9][PH-87] a device may name an object it has uploaded', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    const core = await walk.object(device.token, 'core.bin', 'binary')
    const debugfiles = { core: { object: core.shown } }
    await walk.report(device, 1, { status: 'ERROR', debugfiles })
    expect(at(await stepOf(device, 1), 'debugfiles')).toEqual(debugfiles)
  })

  test('[WT9][PH-87] where there is no room for a file its beginning is kept, and the error is reported all the same', async () => {
    const small = await openWalk({ flags: ['--object-quota', '10KiB'] })
    const person = await small.person()
    const device = await small.deviceWithSteps(person, 1)
    const put = await small.report(device, 1, { status: 'ERROR', debugfiles: { core: 'é'.repeat(20_000) } })
    const kept = String(at(put.json, 'debugfiles', 'core'))
    expect([put.status, at(put.json, 'status')]).toEqual([200, 'ERROR'])
    expect(kept).toBe(`${'é'.repeat(8192)}\n[23616 bytes more, and no room for them]`)
  })
})

describe('continuous operation', () => {
  test('[WT10][PH-101][PH-102] step after step is listed, queued and reported on', async () => {
    const device = await walk.deviceWithSteps(owner, 0)
    for (const rev of [1, 2, 3]) {
      expect(await offered(device)).toEqual([])
      await walk.post(owner, device)
      expect(await offered(device)).toEqual([rev])
      for (const status of ['QUEUED', 'INPROGRESS', 'DONE']) expect(await says(device, rev, status)).toBe(200)
    }
  })

  test('[WT10][PH-103][PH-104][PH-105][PH-106] after an ERROR nothing behind it goes on, until its owner clears it', async () => {
    const device = await walk.deviceWithSteps(owner, 4)
    for (const rev of [1, 2, 3]) await says(device, rev, 'QUEUED')
    await says(device, 1, 'DONE')
    await says(device, 2, 'INPROGRESS')
    await says(device, 2, 'ERROR')

    expect(await offered(device)).toEqual([])
    const held = await walk.report(device, 4, { status: 'QUEUED' })
    expect([held.status, at(held.json, 'text')]).toEqual([
      409,
      `step ${device.id}-4: wanted step 2 cleared, got ERROR`,
    ])
    expect(await says(device, 3, 'INPROGRESS')).toBe(409)
    // What it discards, it may say so of.
    expect(await says(device, 3, 'NEW')).toBe(200)

    const cleared = await walk.wish(owner, device, 2, { clear: true })
    expect(cleared.json).toMatchObject({ status: 'ERROR', cleared: true })
    expect(await offered(device)).toEqual([3, 4])
    for (const rev of [3, 4])
      for (const status of ['QUEUED', 'DONE']) expect(await says(device, rev, status)).toBe(200)
    expect(await statuses(device)).toEqual(['DONE', 'ERROR', 'DONE', 'DONE'])
  })

  test('[WT10][PH-106] clear is for what failed', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    expect((await walk.wish(owner, device, 1, { clear: true })).status).toBe(409)
    expect((await walk.wish(owner, device, 9, { clear: true })).status).toBe(404)
  })

  test('[WT10][PH-109] what is at ERROR is told to whoever lists from there', async () => {
    const device = await walk.deviceWithSteps(owner, 2)
    await says(device, 1, 'QUEUED')
    await says(device, 1, 'ERROR')
    expect(await statuses(device)).toEqual(['ERROR', 'NEW'])
  })

  test('[WT10] a device of today’s forms is not held back by any of this', async () => {
    const device = await walk.deviceWithSteps(owner, 3)
    await walk.progress(device, 1, 'ERROR', 100)
    for (const status of ['INPROGRESS', 'TESTING', 'DONE'])
      expect((await walk.progress(device, 3, status)).status).toBe(200)
    const today = await walk.must('GET', `/trails/${device.id}/steps`, { token: device.token })
    expect(walk.revs(today)).toEqual([2])
  })
})

describe('processing aborts', () => {
  test('[WT11][PH-112][PH-113] the list also holds what its owner wants aborted', async () => {
    const device = await walk.deviceWithSteps(owner, 3)
    for (const rev of [1, 2]) await says(device, rev, 'QUEUED')
    expect(await offered(device)).toEqual([3])
    const asked = await walk.wish(owner, device, 2, { abort: true })
    expect(asked.json).toMatchObject({ rev: 2, status: 'QUEUED', abort: true, 'device-abort': false })
    const said = await list(device)
    expect([walk.revs(said), said.headers['x-rest-count']]).toEqual([[2, 3], '2'])
    expect((said.json as Json[]).map((step) => at(step, 'abort'))).toEqual([true, false])
  })

  test('[WT11][PH-114][PH-115][PH-116][PH-117] the device gives it up: device-abort, ABORTED, and on with what follows', async () => {
    const device = await walk.deviceWithSteps(owner, 3)
    for (const rev of [1, 2, 3]) await says(device, rev, 'QUEUED')
    await walk.wish(owner, device, 1, { abort: true })
    const put = await walk.report(device, 1, { status: 'ABORTED', 'device-abort': true })
    expect(put.json).toMatchObject({ status: 'ABORTED', abort: true, 'device-abort': true })
    expect(await offered(device)).toEqual([])
    expect(await says(device, 2, 'INPROGRESS')).toBe(200)
    expect(await says(device, 2, 'DONE')).toBe(200)
  })

  test('[WT11][PH-115][PH-116] flag first, status after, is as good', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    await says(device, 1, 'QUEUED')
    await walk.wish(owner, device, 1, { abort: true })
    await walk.report(device, 1, { status: 'QUEUED', 'device-abort': true })
    expect(await says(device, 1, 'ABORTED')).toBe(200)
    expect(at(await stepOf(device, 1), 'device-abort')).toBe(true)
  })

  test('[WT11][PH-118][PH-119] what was applied before the device knew keeps device-abort false: a tool can tell', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    await says(device, 1, 'INPROGRESS')
    await walk.wish(owner, device, 1, { abort: true })
    await walk.report(device, 1, { status: 'DONE', 'device-abort': false })
    expect(await stepOf(device, 1)).toMatchObject({ status: 'DONE', abort: true, 'device-abort': false })
    expect(await offered(device)).toEqual([])
    const lie = await walk.report(device, 1, { status: 'DONE', 'device-abort': true })
    expect(lie.status).toBe(400)
  })

  test('[WT11][PH-120] backing it out is an ordinary step with what was there before', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    await says(device, 1, 'DONE')
    const before = (await stepOf(device, 0)) as { [key: string]: Json }
    await walk.must('POST', walk.stepsOf(device), { token: owner.token, body: { ...before, rev: 2 } })
    expect(await offered(device)).toEqual([2])
    expect(await says(device, 2, 'DONE')).toBe(200)
    expect(at(await stepOf(device, 2), 'state-sha')).toBe(before['state-sha'])
  })

  test('[WT11] nothing is aborted that was not asked for, and nothing is asked of what has ended', async () => {
    const device = await walk.deviceWithSteps(owner, 1)
    expect(await says(device, 1, 'ABORTED')).toBe(409)
    expect((await walk.report(device, 1, { status: 'QUEUED', 'device-abort': true })).status).toBe(409)
    await says(device, 1, 'DONE')
    expect((await walk.wish(owner, device, 1, { abort: true })).status).toBe(409)
    await walk.post(owner, device)
    await walk.wish(owner, device, 2, { abort: true })
    expect((await walk.report(device, 2, { status: 'ABORTED', 'device-abort': false })).status).toBe(400)
  })

  const wishes: { body: { [key: string]: Json }; status: number }[] = [
    { body: {}, status: 400 },
    { body: { abort: false }, status: 400 },
    { body: { abort: 'yes' }, status: 400 },
    { body: { abort: true, clear: true }, status: 400 },
    { body: { status: 'DONE' }, status: 403 },
  ]
  for (const { body, status } of wishes)
    test(`[WT11][WT13] an owner’s ${JSON.stringify(body)} is ${status}`, async () => {
      const device = await walk.deviceWithSteps(owner, 1)
      expect((await walk.wish(owner, device, 1, body)).status).toBe(status)
      expect(await stepOf(device, 1)).toMatchObject({ status: 'NEW', abort: false, cleared: false })
    })

  for (const wish of ['abort', 'clear', 'cancel'])
    test(`[WT11][WT13] ${wish} is the owner’s, not the device’s: 403`, async () => {
      const device = await walk.deviceWithSteps(owner, 1)
      expect((await walk.report(device, 1, { [wish]: true })).status).toBe(403)
    })
})
