import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { announcement, codeOf, parseWalkStep, parseWalkSteps, walkReport } from '../src/walk/forms.ts'
import { heldMax, type WalkedStep, type WalkQueue, walkRound } from '../src/walk/queue.ts'

/** `2 NEW abort`, `3 ERROR cleared` */
const stepOf = (text: string): WalkedStep => {
  const [rev, status = '', ...flags] = text.split(' ')
  return { rev: Number(rev), status, abort: flags.includes('abort'), cleared: flags.includes('cleared') }
}

const rounds: {
  rule: string
  own: number
  holds?: number[]
  begun?: number
  hub: string[]
  says: string[]
  held: number[]
  next?: number
}[] = [
  {
    rule: '[AG102] what follows without a gap is taken',
    own: 0,
    hub: ['1 NEW', '2 NEW', '3 NEW'],
    says: ['1 QUEUED', '2 QUEUED', '3 QUEUED'],
    held: [1, 2, 3],
    next: 1,
  },
  { rule: '[AG102] nothing is there, nothing is said', own: 4, hub: [], says: [], held: [] },
  {
    rule: '[AG102] what lies beyond a gap stays NEW, and the device waits',
    own: 1,
    hub: ['3 NEW', '4 NEW'],
    says: [],
    held: [],
  },
  {
    rule: '[AG102] what stands QUEUED and is not held was lost with the disk, and is taken up again',
    own: 1,
    hub: ['2 QUEUED', '3 NEW'],
    says: ['3 QUEUED'],
    held: [2, 3],
    next: 2,
  },
  {
    rule: '[AG103] a queue that does not begin behind the own revision goes to WONTGO, all of it',
    own: 5,
    holds: [3, 4],
    hub: ['6 NEW'],
    says: ['3 WONTGO', '4 WONTGO'],
    held: [],
  },
  {
    rule: '[AG103] so does one that begins too late',
    own: 1,
    holds: [3, 4],
    hub: ['3 QUEUED', '4 QUEUED'],
    says: ['3 WONTGO', '4 WONTGO'],
    held: [],
  },
  {
    rule: '[AG103] what was begun and runs by now is not wrong',
    own: 2,
    holds: [2, 3],
    begun: 2,
    hub: ['3 QUEUED'],
    says: [],
    held: [3],
    next: 3,
  },
  {
    rule: '[AG104] a step at ERROR empties the queue',
    own: 1,
    holds: [2, 3, 4],
    hub: ['2 ERROR', '3 QUEUED', '4 QUEUED'],
    says: ['3 NEW', '4 NEW'],
    held: [],
  },
  {
    rule: '[AG104] nothing is taken until it is cleared',
    own: 1,
    hub: ['2 ERROR', '3 NEW'],
    says: [],
    held: [],
  },
  {
    rule: '[AG104] once cleared it counts as passed',
    own: 1,
    hub: ['2 ERROR cleared', '3 NEW'],
    says: ['3 QUEUED'],
    held: [3],
    next: 3,
  },
  {
    rule: '[AG105] an abort of what is held takes it out, and what follows goes on',
    own: 1,
    holds: [2, 3],
    hub: ['2 QUEUED abort', '3 QUEUED'],
    says: ['2 ABORTED'],
    held: [3],
    next: 3,
  },
  {
    rule: '[AG105] an abort of what is not even held is answered too',
    own: 1,
    hub: ['2 NEW abort', '3 NEW'],
    says: ['2 ABORTED', '3 QUEUED'],
    held: [3],
    next: 3,
  },
  {
    rule: '[AG105] an abort of what was begun is not honoured',
    own: 1,
    holds: [2, 3],
    begun: 2,
    hub: ['2 INPROGRESS abort', '3 QUEUED'],
    says: [],
    held: [2, 3],
    next: 2,
  },
  {
    rule: '[AG105] an abort is answered while the trail is held back, too',
    own: 1,
    hub: ['2 ERROR', '3 NEW abort'],
    says: ['3 ABORTED'],
    held: [],
  },
]

describe('a round of the queue', () => {
  for (const { rule, own, holds = [], begun, hub, says, held, next } of rounds)
    test(`${rule}: own ${own}, holds [${holds}], hub ${hub.join(', ') || 'nothing'}`, () => {
      const before: WalkQueue = begun === undefined ? { held: holds } : { held: holds, begun }
      const round = walkRound(before, own, hub.map(stepOf))
      expect(round.says.map(({ rev, word }) => `${rev} ${word}`)).toEqual(says)
      expect(round.queue.held).toEqual(held)
      expect(round.next).toBe(next)
    })

  test('[AG102] while the direct next step is missing the device waits, and takes nothing later', () => {
    const waiting = walkRound({ held: [] }, 1, ['3 NEW', '4 NEW'].map(stepOf))
    expect(waiting).toEqual({ says: [], queue: { held: [] }, next: undefined })
    const filled = walkRound(waiting.queue, 1, ['2 NEW', '3 NEW', '4 NEW'].map(stepOf))
    expect([filled.queue.held, filled.next]).toEqual([[2, 3, 4], 2])
  })

  test('[AG104] a step found at ERROR empties the queue instead of being worked on', () => {
    const round = walkRound({ held: [2, 3] }, 1, ['2 ERROR', '3 QUEUED'].map(stepOf))
    expect(round).toEqual({ says: [{ rev: 3, word: 'NEW' }], queue: { held: [] }, next: undefined })
  })

  test('[AG102] [AG103] whatever the hub lists, at most so many are held, without a gap but for what was passed', () => {
    const word = fc.constantFrom(
      'NEW',
      'QUEUED',
      'INPROGRESS',
      'ERROR',
      'WONTGO',
      'DONE',
      'ABORTED',
      'CANCEL',
      '?',
    )
    const step = fc.record({ rev: fc.nat(20), status: word, abort: fc.boolean(), cleared: fc.boolean() })
    const trail = fc.uniqueArray(step, { selector: ({ rev }) => rev, maxLength: 20 })
    const queue = fc.uniqueArray(fc.nat(20), { maxLength: 5 }).map((held) => held.sort((a, b) => a - b))
    fc.assert(
      fc.property(trail, queue, fc.nat(20), (steps, held, own) => {
        const round = walkRound(
          { held },
          own,
          steps.sort((a, b) => a.rev - b.rev),
        )
        expect(round.queue.held.length).toBeLessThanOrEqual(heldMax)
        const gone = (rev: number) => {
          const found = steps.find((each) => each.rev === rev)
          return (
            found !== undefined && (found.cleared || found.abort || /DONE|ABORTED|CANCEL/.test(found.status))
          )
        }
        const taken = round.queue.held.filter((rev) => !held.includes(rev))
        for (const rev of taken)
          for (let before = own + 1; before < rev; before++)
            expect(round.queue.held.includes(before) || gone(before)).toBe(true)
        if (round.next !== undefined)
          for (let before = own + 1; before < round.next; before++) expect(gone(before)).toBe(true)
      }),
    )
  })
})

describe('the forms', () => {
  const sha = 'a'.repeat(64)
  const state = {
    '#spec': 'pantavisor-service-system@1',
    kernel: sha,
    log: sha,
    'app/run.json': { object: 'prn:::objects:/x' },
    'device.json': { groups: [] },
  }

  test('[AG101] a state comes back from its named parts as it was', () => {
    const sent = JSON.parse(announcement(JSON.stringify(state))) as Record<string, unknown>
    expect(sent).toMatchObject({ rev: 0, kernel: { object: `prn:::objects:/${sha}` } })
    expect(sent['./log']).toEqual({ object: `prn:::objects:/${sha}` })
    const step = {
      ...sent,
      rev: 4,
      status: 'NEW',
      progress: 0,
      log: 'text',
      abort: true,
      'commit-msg': 'hello',
    }
    expect(parseWalkStep(step)).toEqual({
      rev: 4,
      status: 'NEW',
      abort: true,
      cleared: false,
      offered: { rev: 4, status: 'NEW', message: 'hello', state },
    })
  })

  for (const raw of [null, 7, [], {}, { rev: -1 }, { rev: 1.5 }, { rev: '1' }])
    test(`a step that is ${JSON.stringify(raw)} is none, and spoils its list`, () => {
      expect(parseWalkStep(raw)).toBeUndefined()
      expect(parseWalkSteps([{ rev: 1 }, raw])).toBeUndefined()
    })

  test('[AG106] an error has its code and text, stays at the percentage it had come to, and brings its files', () => {
    const progress = {
      status: 'ERROR',
      'status-msg': 'Container web exited with code 1',
      progress: 100,
      retries: 0,
      logs: 'no good',
    } as const
    expect(walkReport(progress, 50, { 'web.log': 'no good' })).toEqual({
      status: 'ERROR',
      progress: 50,
      message: 'Container web exited with code 1',
      error: 'crash: Container web exited with code 1',
      log: 'no good',
      debugfiles: { 'web.log': 'no good' },
    })
    expect(codeOf({ status: 'WONTGO', 'status-msg': 'who knows' })).toBe('state')
    expect(codeOf({ status: 'ERROR', 'status-msg': 'who knows' })).toBe('failed')
  })

  test('[AG105] what was applied says so: DONE with device-abort false', () => {
    const done = { status: 'UPDATED', 'status-msg': 'Update finished', progress: 100, retries: 0 } as const
    expect(walkReport(done, 75, {})).toMatchObject({ status: 'DONE', progress: 100, 'device-abort': false })
  })
})
