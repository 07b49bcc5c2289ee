import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mainCollections, telemetryCollections } from '@waymark/domain'
import { createMemoryObjectBytes, openSqliteStore } from '@waymark/store'
import { expect, onTestFinished, test } from 'vitest'
import { at, type Json, openWalk, type Said, type Walk } from './support.ts'

/**
 * The walkthrough's own loop, as a device would run it, against the server: what it takes it queues, what it queues it
 * works off in turn, an error empties its queue, and an abort takes a step out of it.
 */
function walker(
  walk: Walk,
  device: Awaited<ReturnType<Walk['deviceWithSteps']>>,
  breaks: ReadonlySet<number>,
) {
  let own = 0
  let queue: number[] = []
  const tell: string[] = []
  const put = async (rev: number, status: string, more: { [key: string]: Json } = {}): Promise<Said> => {
    tell.push(`${rev} ${status}`)
    return walk.report(device, rev, { status, ...more })
  }

  return {
    tell,
    own: () => own,
    async round(): Promise<void> {
      const open = (await walk.must('GET', walk.stepsOf(device), { token: device.token })).json as Json[]
      for (const step of open) {
        const rev = Number(at(step, 'rev'))
        if (at(step, 'abort') === true) {
          queue = queue.filter((other) => other !== rev)
          if (rev > own) await put(rev, 'ABORTED', { 'device-abort': true })
          if (rev === own + 1) own = rev
        } else if ((await put(rev, 'QUEUED')).status === 200) queue.push(rev)
      }
      const next = queue.shift()
      if (next === undefined) return
      expect((await put(next, 'INPROGRESS', { progress: 50 })).status).toBe(200)
      if (breaks.has(next)) {
        await put(next, 'ERROR', { error: 'it broke' })
        for (const rev of queue.splice(0)) await put(rev, 'NEW')
        // Cleared, it counts as passed; until then nothing is offered.
        own = next
      } else {
        await put(next, 'DONE')
        own = next
      }
    },
  }
}

/** The same on either kind of store. */
const stores = {
  memory: () => undefined,
  async SQLite() {
    const folder = mkdtempSync(join(tmpdir(), 'waymark-walk-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    return {
      store: await openSqliteStore({ file: join(folder, 'main.db'), collections: mainCollections }),
      telemetry: await openSqliteStore({
        file: join(folder, 'telemetry.db'),
        collections: telemetryCollections,
      }),
      bytes: createMemoryObjectBytes(),
    }
  },
}

for (const [name, open] of Object.entries(stores))
  test(`[WT7][WT8][WT10][WT11] the printed loop walks a trail with an error and an abort to its end (${name})`, async () => {
    const homes = await open()
    const walk = await openWalk(homes === undefined ? {} : { homes })
    const owner = await walk.person()
    const device = await walk.deviceWithSteps(owner, 5)
    const at5 = walker(walk, device, new Set([2]))
    for (let round = 0; round < 4; round += 1) await at5.round()
    expect(at5.tell).toEqual([
      ...['1 QUEUED', '2 QUEUED', '3 QUEUED', '4 QUEUED', '5 QUEUED', '1 INPROGRESS', '1 DONE'],
      ...['2 INPROGRESS', '2 ERROR', '3 NEW', '4 NEW', '5 NEW'],
    ])

    await walk.wish(owner, device, 2, { clear: true })
    await walk.wish(owner, device, 4, { abort: true })
    at5.tell.length = 0
    for (let round = 0; round < 4; round += 1) await at5.round()
    expect(at5.tell).toEqual([
      ...['3 QUEUED', '4 ABORTED', '5 QUEUED', '3 INPROGRESS', '3 DONE', '5 INPROGRESS', '5 DONE'],
    ])
    const all = await walk.must('GET', walk.stepsOf(device, '?start=0'), { token: owner.token })
    expect((all.json as Json[]).map((step) => at(step, 'status'))).toEqual([
      ...['DONE', 'DONE', 'ERROR', 'DONE', 'ABORTED', 'DONE'],
    ])
  })

test('[WT5][WT9] names of objects and the largest report are kept by SQLite as well', async () => {
  const walk = await openWalk({ homes: await stores.SQLite() })
  const owner = await walk.person()
  const device = await walk.deviceWithSteps(owner, 1)
  for (const text of ['first', 'second']) {
    await walk.object(owner.token, 'NAMED', text)
    walk.pass(1000)
  }
  const named = await walk.must('GET', '/v1/objects/NAMED', { token: owner.token })
  expect(at(named.json, 'sha256sum')).toBe(walk.sha256('second'))
  const largest = {
    status: 'ERROR',
    message: 'é'.repeat(16 * 1024),
    error: 'é'.repeat(16 * 1024),
    log: 'é'.repeat(256 * 1024),
    debugfiles: Object.fromEntries(
      Array.from({ length: 32 }, (_, i) => [`file ${i}`, 'x'.repeat(16 * 1024)]),
    ),
  }
  const put = await walk.report(device, 1, largest)
  expect(put.status).toBe(200)
  expect(put.json).toMatchObject(largest)
})

test('[WT2][WT13] a GET’s body over the limit is 413, also when its length is not told', async () => {
  const walk = await openWalk()
  const said = await walk.raw(
    'GET /v1/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n' +
      `8000\r\n${'y'.repeat(0x8000)}\r\n0\r\n\r\n`,
  )
  expect(said.slice(0, 12)).toBe('HTTP/1.1 413')
  expect(said).toContain('body of the GET: wanted at most 16384 bytes, got more')
})
