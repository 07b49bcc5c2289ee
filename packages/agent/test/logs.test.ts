import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HubFailure } from '../src/hub.ts'
import { createMemoryDisk } from '../src/index.ts'
import { afterShipping, batchSize, createLogSpool, logLimits } from '../src/logs.ts'
import type { LogEntry } from '../src/wire.ts'

const line = (msg: string): LogEntry => ({
  src: 'app',
  msg,
  lvl: 'INFO',
  tsec: 0,
  tnano: 0,
  rev: '1',
  plat: 'x',
})
const refused = (status: number): HubFailure => ({ kind: 'refused', call: 'logs', status, detail: '' })

describe('[AG42] what follows an answer', () => {
  const rows: { answer: string; failure: HubFailure | undefined; many: string; single: string }[] = [
    { answer: '200', failure: undefined, many: 'sent', single: 'sent' },
    { answer: 'silence', failure: { kind: 'unreachable', detail: '' }, many: 'again', single: 'again' },
    {
      answer: 'a login refused',
      failure: { kind: 'login-refused', status: 401, detail: '' },
      many: 'again',
      single: 'again',
    },
    ...[401, 403, 408, 429, 500, 503, 599, 302].map((status) => ({
      answer: String(status),
      failure: refused(status),
      many: 'again',
      single: 'again',
    })),
    ...[400, 404, 413, 422].map((status) => ({
      answer: String(status),
      failure: refused(status),
      many: 'one-by-one',
      single: 'drop',
    })),
  ]
  for (const { answer, failure, many, single } of rows)
    test(`${answer}: ${many}, for a single line ${single}`, () => {
      expect(afterShipping(failure, 2)).toBe(many)
      expect(afterShipping(failure, 1)).toBe(single)
    })

  test('a batch has at most 200 entries and 256 KiB, and at least one', () => {
    expect(batchSize(Array.from({ length: 500 }, () => line('x')))).toBe(200)
    expect(batchSize(Array.from({ length: 100 }, () => line('x'.repeat(8000))))).toBe(32)
    expect(batchSize([line('x'.repeat(1_000_000))])).toBe(1)
    expect(batchSize([])).toBe(0)
  })
})

describe('[AG42] the spool', () => {
  test('lines arrive in order, once, over outages and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(fc.constant('add'), fc.constant('drain'), fc.constant('outage'), fc.constant('restart')),
          { maxLength: 60 },
        ),
        async (moves) => {
          const disk = createMemoryDisk()
          let spool = createLogSpool(disk)
          const said: string[] = []
          const heard: string[] = []
          let n = 0
          for (const move of moves) {
            if (move === 'add') {
              said.push(String(n))
              await spool.add(line(String(n++)))
            } else if (move === 'restart') spool = createLogSpool(disk)
            else
              await spool.drain(async (entries) => {
                if (move === 'outage') return refused(503)
                heard.push(...entries.map((entry) => entry.msg))
                return undefined
              })
          }
          await spool.drain(async (entries) => {
            heard.push(...entries.map((entry) => entry.msg))
            return undefined
          })
          expect(heard).toEqual(said)
          expect(await disk.list('logs')).toEqual([])
        },
      ),
      { numRuns: 100 },
    )
  })

  test('a refused line is dropped alone', async () => {
    const spool = createLogSpool(createMemoryDisk())
    for (const msg of ['a', 'bad', 'b']) await spool.add(line(msg))
    const heard: string[] = []
    const over = await spool.drain(async (entries) => {
      if (entries.some((entry) => entry.msg === 'bad')) return refused(400)
      heard.push(...entries.map((entry) => entry.msg))
      return undefined
    })
    expect(over).toBe(true)
    expect(heard).toEqual(['a', 'b'])
  })

  test('[AG43] a full spool loses its oldest lines, says how many, and keeps the newest', async () => {
    const disk = createMemoryDisk()
    const spool = createLogSpool(disk)
    const lines = Math.ceil((logLimits.fileBytes * (logLimits.files + 3)) / 4000)
    for (let n = 0; n < lines; n++) await spool.add(line(`${n} ${'x'.repeat(4000)}`))
    const files = await disk.list('logs')
    expect(files.length).toBeLessThanOrEqual(logLimits.files)
    const heard: number[] = []
    let lost = 0
    await spool.drain(async (entries) => {
      for (const { msg } of entries) {
        const dropped = /^(\d+) lines of log were dropped/.exec(msg)?.[1]
        if (dropped === undefined) heard.push(Number.parseInt(msg, 10))
        else lost += Number(dropped)
      }
      return undefined
    })
    expect(heard.at(-1)).toBe(lines - 1)
    // Every line has arrived or is counted among the lost, save for counts that were lost themselves.
    expect(lost).toBeGreaterThan(0)
    expect(lost).toBeLessThanOrEqual(heard[0] ?? 0)
    expect(heard[0]).toBeGreaterThan(0)
    expect(heard).toEqual(heard.map((_, i) => (heard[0] ?? 0) + i))
  })

  test('a line that is torn or foreign is passed over; one that is too long is cut', async () => {
    const disk = createMemoryDisk()
    const spool = createLogSpool(disk)
    await spool.add(line('x'.repeat(20_000)))
    const file = await disk.open('logs/0000000001.ndjson', { append: true })
    await file.write(Buffer.from('{"msg":1}\nnot json\n{"src":"app","ms'))
    const heard: LogEntry[] = []
    await spool.drain(async (entries) => {
      heard.push(...entries)
      return undefined
    })
    expect(heard.map((entry) => entry.msg.length)).toEqual([logLimits.lineBytes + 1])
  })
})
