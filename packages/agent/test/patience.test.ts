import { describe, expect, test } from 'vitest'
import { createHub } from '../src/hub.ts'
import type { Clock, TransportRequest } from '../src/index.ts'
import { createSimClock } from './support/sim.ts'

const yearMs = 365 * 24 * 3_600_000

/** A hub that never says a byte, asked by a device whose time of day is set while it waits. */
async function waitWhileClockIsSet(byMs: number): Promise<{ detail: string; waitedMs: number }> {
  const sim = createSimClock()
  let offMs = 0
  const clock: Clock = { now: () => sim.now() + offMs, sleep: sim.sleep }
  const hub = createHub({
    base: 'http://hub.test',
    userAgent: 'test',
    patienceMs: 20_000,
    clock,
    transport: ({ signal }: TransportRequest) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  })
  hub.identify({ id: 'a', prn: 'prn:::devices:/a', secret: 's' })
  const began = sim.now()
  let detail = ''
  let endedAt = 0
  void hub.login(new AbortController().signal).then((answer) => {
    detail = !answer.ok && answer.failure.kind === 'unreachable' ? answer.failure.detail : 'answered'
    endedAt = sim.now()
  })
  void sim.sleep(5000, new AbortController().signal).then(() => {
    offMs = byMs
  })
  await sim.play(() => endedAt > 0, 2 * yearMs)
  return { detail, waitedMs: endedAt - began }
}

describe('patience', () => {
  const settings = [
    { name: 'is left alone', byMs: 0 },
    { name: 'is set back by a minute', byMs: -60_000 },
    { name: 'is set back by a year', byMs: -yearMs },
    { name: 'is set forward by a year', byMs: yearMs },
  ]
  for (const { name, byMs } of settings)
    test(`[AG13] a silent hub is given up after the same time when the clock ${name}`, async () => {
      expect(await waitWhileClockIsSet(byMs)).toEqual({ detail: 'no byte within 20000 ms', waitedMs: 20_000 })
    })
})
