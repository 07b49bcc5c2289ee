/**
 * The queue of a device that walks a trail by the rules of the 2016 walkthrough, decided.
 *
 * What the hub lists beyond the own revision goes in, with the queue as the disk holds it; what to say of each step, and
 * the queue as it then is, come out. Knows no wire and no disk.
 *
 * A step has been *passed* when nothing is left to do about it: done, given up, cancelled, or failed and cleared. Only
 * what follows without a gap is queued, and only the direct next step is worked on. While a step stands failed and is not
 * cleared nothing is held. An abort is honoured until work has begun; after that the step is concluded as if nobody had
 * asked, and `device-abort` stays false.
 */

/** A step as far as the queue cares. `status` is the hub's word for it. */
export interface WalkedStep {
  readonly rev: number
  readonly status: string
  /** Its owner wants it given up. */
  readonly abort: boolean
  /** It failed, and its owner has cleared it. */
  readonly cleared: boolean
}

/** What the device holds, oldest first, and which of them it has begun to work on. */
export interface WalkQueue {
  readonly held: readonly number[]
  readonly begun?: number
}

export const emptyQueue: WalkQueue = { held: [] }

/** What is to be said of a step: taken, given up as asked, not taken after all, or never to be done. */
export interface WalkSay {
  readonly rev: number
  readonly word: 'QUEUED' | 'ABORTED' | 'NEW' | 'WONTGO'
}

/** A round: what to say, in order, and the queue once it is said. */
export interface WalkRound {
  readonly says: readonly WalkSay[]
  readonly queue: WalkQueue
  /** The step to work on. */
  readonly next: number | undefined
}

/** So many steps are held at once. */
export const heldMax = 8

const passedWords: readonly string[] = ['DONE', 'UPDATED', 'ABORTED', 'CANCEL', 'CANCELLED']
const failedWords: readonly string[] = ['ERROR', 'WONTGO']

const isPassed = ({ status, cleared }: WalkedStep): boolean => passedWords.includes(status) || cleared
const hasFailed = (step: WalkedStep): boolean => failedWords.includes(step.status) && !step.cleared

/** Decides a round. `own` is the revision that runs; `steps` is all the hub has beyond it. */
export function walkRound(queue: WalkQueue, own: number, steps: readonly WalkedStep[]): WalkRound {
  const says: WalkSay[] = []
  const beyond = new Map(steps.filter(({ rev }) => rev > own).map((step) => [step.rev, step]))
  // What was begun and runs by now has been passed; its last word is on its way.
  const begun = queue.begun !== undefined && queue.begun > own ? queue.begun : undefined
  const over = (rev: number): boolean => {
    const step = beyond.get(rev)
    return step !== undefined && isPassed(step)
  }

  for (const step of beyond.values()) {
    if (!step.abort || isPassed(step) || hasFailed(step) || step.rev === begun) continue
    says.push({ rev: step.rev, word: 'ABORTED' })
    beyond.set(step.rev, { ...step, status: 'ABORTED' })
  }

  let held = queue.held.filter((rev) => !over(rev) && !(rev <= own && rev === queue.begun))
  if ([...beyond.values()].some(hasFailed)) {
    for (const rev of held) {
      const step = beyond.get(rev)
      if (step && !hasFailed(step)) says.push({ rev, word: 'NEW' })
    }
    return { says, queue: emptyQueue, next: undefined }
  }

  let passed = own
  while (over(passed + 1)) passed++
  if (held[0] !== undefined && held[0] !== passed + 1) {
    for (const rev of held) says.push({ rev, word: 'WONTGO' })
    held = []
    // They stand failed now, so nothing behind them may be taken.
    return { says, queue: emptyQueue, next: undefined }
  }

  for (let rev = (held.at(-1) ?? passed) + 1; held.length < heldMax; rev++) {
    const step = beyond.get(rev)
    if (!step) break
    if (isPassed(step)) continue
    // One that stands QUEUED or further was taken by this device before it lost its queue.
    if (step.status === 'NEW') says.push({ rev, word: 'QUEUED' })
    held = [...held, rev]
  }
  const next = held[0] === passed + 1 ? held[0] : undefined
  return { says, queue: begun === undefined ? { held } : { held, begun }, next }
}
