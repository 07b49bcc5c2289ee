import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Actor,
  askAbort,
  cancelStep,
  clearStep,
  foldJournal,
  type JournalRow,
  type Result,
  Revision,
  reportInTurn,
  steps,
  transactions,
  walkWord,
  walkWords,
} from '../src/index.ts'
import { makeDevice, play, stage } from './play.ts'

async function walk(script: string): Promise<void> {
  const on = await stage()
  const device = await makeDevice(on, 'walker')
  await play(on, device.id, `device announces\n${script}`)
}

/** Posts so many steps. */
const posts = (count: number) => 'owner posts\n'.repeat(count)

describe('the walkthrough', () => {
  test('[WK1] several steps stand at QUEUED at once', () =>
    walk(`
      ${posts(4)}
      device walks rev 1 QUEUED
      device walks rev 2 QUEUED
      device walks rev 3 QUEUED
      device is offered 4
      rev 2 is queued QUEUED
    `))

  test('[WK1] what lies beyond a gap is not queued, and stays NEW', () =>
    walk(`
      ${posts(3)}
      device walks rev 1 QUEUED
      device walks rev 3 QUEUED → out-of-turn
      rev 3 is queued NEW
      device walks rev 2 QUEUED
      device walks rev 3 QUEUED
    `))

  test('[WK1] a step its owner took back is no gap', () =>
    walk(`
      ${posts(2)}
      owner cancels rev 1
      device is offered 2
      device walks rev 2 QUEUED
    `))

  for (const word of ['INPROGRESS', 'DONE'])
    test(`[WK2] ${word} is refused while an earlier step has not been passed`, () =>
      walk(`
        ${posts(2)}
        device walks rev 1 QUEUED
        device walks rev 2 QUEUED
        device walks rev 2 ${word} → out-of-turn
        device walks rev 1 DONE
        device walks rev 2 ${word}
      `))

  for (const word of ['ERROR', 'WONTGO', 'NEW'])
    test(`[WK2] ${word} may be said of any step`, () =>
      walk(`
        ${posts(2)}
        device walks rev 2 ${word}
      `))

  for (const word of ['ERROR', 'WONTGO'])
    test(`[WK3] ${word} holds back what follows until it is cleared`, () =>
      walk(`
        ${posts(3)}
        device walks rev 1 QUEUED
        device walks rev 1 INPROGRESS
        device walks rev 1 ${word}
        device is offered nothing
        device walks rev 2 QUEUED → held-back
        device walks rev 2 DONE → held-back
        owner clears rev 1
        owner clears rev 1
        rev 1 is failed ${word}
        device is offered 2 3
        device walks rev 2 QUEUED
        device walks rev 2 DONE
      `))

  test('[WK3] a failure amidst the queue holds back what is behind it alone', () =>
    walk(`
      ${posts(4)}
      device walks rev 1 QUEUED
      device walks rev 2 QUEUED
      device walks rev 3 QUEUED
      device walks rev 2 ERROR
      device walks rev 1 DONE
      device walks rev 3 INPROGRESS → held-back
      device is offered nothing
      owner clears rev 2
      device is offered 4
      device walks rev 3 INPROGRESS
    `))

  test('[WK3] only what failed is cleared', () =>
    walk(`
      ${posts(2)}
      owner clears rev 1 → step-not-failed
      device walks rev 1 DONE
      owner clears rev 1 → step-not-failed
      owner cancels rev 2
      owner clears rev 2 → step-not-failed
      owner clears rev 9 → no-such-step
    `))

  test('[WK4] beside what is NEW, what is to be aborted is offered', () =>
    walk(`
      ${posts(3)}
      device walks rev 1 QUEUED
      device walks rev 2 QUEUED
      device is offered 3
      owner aborts rev 2
      device is offered 2 3
      device walks rev 1 ERROR
      device is offered 2
    `))

  test('[WK4] more steps than a page are offered in their order', async () => {
    const many = Array.from({ length: 120 }, (_, i) => i + 1).join(' ')
    await walk(`${posts(120)}\ndevice is offered ${many}`)
  })

  test('[WK5] an aborted step is passed, and the next one may follow', () =>
    walk(`
      ${posts(2)}
      device walks rev 1 QUEUED
      device walks rev 2 QUEUED
      device walks rev 1 ABORTED → abort-not-asked
      owner aborts rev 1
      owner aborts rev 1
      device walks rev 1 ABORTED
      rev 1 is cancelled ABORTED
      device walks rev 2 INPROGRESS
    `))

  test('[WK5] nothing is asked of a step that has ended', () =>
    walk(`
      ${posts(1)}
      device walks rev 1 DONE
      owner aborts rev 1 → step-ended
      owner aborts rev 0 → step-ended
    `))

  test('[WK5] what was applied before the device knew of the wish stands: the flag says asked, not given up', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'walker')
    await play(
      on,
      device.id,
      `device announces
       owner posts
       device walks rev 1 QUEUED
       owner aborts rev 1
       device walks rev 1 DONE
       rev 1 is done DONE`,
    )
    const [, step] = await on.store.read(on.owner).find(steps, { order: ['rev'] })
    expect([step?.abortAskedAt !== undefined, step?.deviceAbort]).toEqual([true, undefined])
  })

  test('[WK6] a device of other forms runs whatever it is offered', () =>
    walk(`
      ${posts(3)}
      device reports rev 1 ERROR
      device reports rev 3 DONE
      rev 3 is done DONE
      device reports rev 2 QUEUED
      device walks rev 2 INPROGRESS → held-back
    `))

  test('[WK7] a closed trail is history', () =>
    walk(`
      ${posts(2)}
      device walks rev 1 QUEUED
      owner resets
      device is offered nothing
      device walks rev 1 DONE → no-trail
      owner aborts rev 1 → no-trail
      owner clears rev 1 → no-trail
      device announces
      device is offered nothing
      device walks rev 1 QUEUED → no-such-step
    `))

  test('[WK3][WK5] clearing and asking are in the journal, which still folds to what stands', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'walker')
    await play(
      on,
      device.id,
      `device announces
       owner posts
       owner aborts rev 1
       device walks rev 1 ERROR
       owner clears rev 1`,
    )
    const read = await on.store.journal.read(on.owner, { limit: 100, device: device.id })
    const entries: readonly JournalRow[] = read.ok ? read.value.entries : []
    const kinds = entries.map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'step.abort-asked' || kind === 'step.cleared')).toHaveLength(2)
    expect(foldJournal(entries).steps.get(`${device.id}/0/1`)?.status).toBe('ERROR')
  })

  test('[WK2] the list of words is closed', () => {
    expect(Object.keys(walkWords)).toEqual([
      'NEW',
      'QUEUED',
      'INPROGRESS',
      'ERROR',
      'WONTGO',
      'ABORTED',
      'DONE',
    ])
    for (const other of ['TESTING', 'CANCEL', 'queued', '', 'constructor', 7, null])
      expect(walkWord(other)).toBeUndefined()
  })
})

test('[WK1][WK2][WK3] whatever is said in whatever order, nothing is done past a step that was not passed', async () => {
  const action = fc.record({
    rev: fc.integer({ min: 1, max: 6 }),
    does: fc.constantFrom(
      'QUEUED',
      'QUEUED',
      'INPROGRESS',
      'DONE',
      'DONE',
      'ERROR',
      'WONTGO',
      'ABORTED',
      'NEW',
      'abort',
      'clear',
      'cancel',
    ),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const on = await stage()
      const { id: device } = await makeDevice(on, 'walker')
      await play(on, device, `device announces\n${posts(6)}`)
      const by: Actor = { kind: 'device', id: device }
      for (const { rev: raw, does } of actions) {
        const rev = Revision.parse(raw) ?? Revision.first
        const word = walkWord(does)
        await on.store.transact(on.owner, async (tx): Promise<Result<unknown, unknown>> => {
          if (word) {
            const compose = () => ({ report: { status: word }, percent: 0, message: '' })
            return reportInTurn(tx, on.env, { device, rev, word, compose, by })
          }
          const wanted = { device, rev, by: on.by }
          if (does === 'abort') return askAbort(tx, on.env, wanted)
          return does === 'clear' ? clearStep(tx, on.env, wanted) : cancelStep(tx, on.env, wanted)
        })
      }
      const reader = on.store.read(on.owner)
      const all = await reader.find(steps, { order: ['rev'] })
      const states = await Promise.all(
        all.map(async (step) => (await reader.get(transactions, { id: step.transaction }))?.state),
      )
      const newest = states.lastIndexOf('done')
      const passed = all
        .slice(0, newest)
        .map((step, i) => states[i] !== 'failed' || step.clearedAt !== undefined)
      expect(passed).not.toContain(false)
      expect(all.slice(0, newest).map(({ open }) => open)).not.toContain(true)
    }),
    { numRuns: 200 },
  )
})
