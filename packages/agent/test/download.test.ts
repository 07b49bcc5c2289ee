import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Attempted, afterAttempt, type DownloadSettings, freshTally } from '../src/download.ts'

const settings: DownloadSettings = {
  parallel: 5,
  corruptTries: 3,
  refusedTries: 4,
  backoffFirstMs: 1000,
  backoffCapMs: 60_000,
}
const lost: Attempted = { kind: 'cut', bytes: 0, answered: false, detail: 'no route' }
const said: Attempted = { kind: 'cut', bytes: 0, answered: true, detail: 'status 403' }
const some: Attempted = { kind: 'cut', bytes: 10, answered: false, detail: 'reset' }
const bad: Attempted = { kind: 'corrupt', got: 'ff', bytes: 100 }

/** How a sequence of attempts ends. */
function play(attempts: readonly Attempted[]): string {
  let tally = freshTally
  for (const [i, came] of attempts.entries()) {
    const next = afterAttempt(tally, came, settings, 0.5)
    if (next.kind !== 'again') return `${next.kind} after ${i + 1}`
    tally = next.tally
  }
  return 'goes on'
}

describe('what follows an attempt at an object', () => {
  const rows: { rule: string; attempts: Attempted[]; ends: string }[] = [
    { rule: '[AG24]', attempts: [bad, bad, bad], ends: 'give-up after 3' },
    { rule: '[AG24]', attempts: [bad, some, bad, lost, bad], ends: 'give-up after 5' },
    { rule: '[AG24]', attempts: [said, said, said, said], ends: 'give-up after 4' },
    { rule: '[AG24]', attempts: [said, said, said, some, said, said, said], ends: 'goes on' },
    { rule: '[AG25]', attempts: Array.from({ length: 1000 }, () => lost), ends: 'goes on' },
    { rule: '[AG25]', attempts: [some, lost, { kind: 'stored' }], ends: 'over after 3' },
  ]
  for (const { rule, attempts, ends } of rows) {
    const told = attempts
      .slice(0, 7)
      .map((each) => (each.kind === 'cut' ? (each.bytes > 0 ? 'some bytes' : each.detail) : each.kind))
    test(`${rule} ${told.join(', ')}${attempts.length > 7 ? ', …' : ''}: ${ends}`, () =>
      expect(play(attempts)).toBe(ends))
  }

  test('[AG12] pauses lie between half and all of a doubling time, and never beyond the cap', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.double({ min: 0, max: 1, noNaN: true }), (fruitless, luck) => {
        const next = afterAttempt({ corrupt: 0, refused: 0, fruitless }, lost, settings, luck)
        if (next.kind !== 'again') throw new Error(next.kind)
        const whole = Math.min(60_000, 1000 * 2 ** Math.min(30, fruitless + 1))
        expect(next.pauseMs).toBeGreaterThanOrEqual(Math.floor(whole / 2))
        expect(next.pauseMs).toBeLessThanOrEqual(whole)
      }),
    )
  })
})
