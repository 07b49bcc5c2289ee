/**
 * A hub that is spoken to in the 2016 walkthrough's forms: the same calls, another trail.
 *
 * The machine asks for the next step and reports on it, as ever; here it is given the head of a queue that is kept on
 * disk, and what it reports is translated. `queue.ts` decides each round. The order within a round is what a crash may
 * not spoil: the queue is on disk before QUEUED is said of anything in it, and a step counts as begun before the hub
 * hears that it is in progress. Registering, uploading, metadata and logs have no form of 2016 and go by today's.
 */
import { writeDurably } from '../durable.ts'
import type { Answer, Hub } from '../hub.ts'
import type { Disk } from '../ports.ts'
import { asObject, type OfferedStep, parseTrails } from '../wire.ts'
import {
  announcement,
  type DebugFiles,
  parseWalkStep,
  parseWalkSteps,
  type WalkStep,
  walkReport,
} from './forms.ts'
import { emptyQueue, type WalkQueue, walkRound } from './queue.ts'

export interface WalkHubPorts {
  /** Speaks today's forms, with the walkthrough's login. */
  readonly hub: Hub
  readonly disk: Disk
  /** The revision that runs. */
  readonly own: () => number
  /** What goes beside an error of a revision. */
  readonly debugFiles: (rev: number, signal: AbortSignal) => Promise<DebugFiles>
}

export const queuePath = 'update/queue.json'

/** Makes the hub. */
export function createWalkHub({ hub, disk, own, debugFiles }: WalkHubPorts): Hub {
  let queue: WalkQueue | undefined
  /** The whole trail beyond the own revision has been looked at since the start. */
  let looked = false
  /** How far each step had come that this run has worked on. */
  const percents = new Map<number, number>()

  async function held(): Promise<WalkQueue> {
    queue ??= parseQueue(await disk.readText(queuePath))
    return queue
  }

  async function keep(next: WalkQueue): Promise<void> {
    const before = JSON.stringify(await held())
    queue = next
    if (before !== JSON.stringify(next)) await writeDurably(disk, queuePath, `${JSON.stringify(next)}\n`)
  }

  const list = (trail: string, rest: string, signal: AbortSignal) =>
    hub.ask('steps', { method: 'GET', path: `/v1/trails/${trail}/steps${rest}` }, parseWalkSteps, signal)

  const put = (trail: string, rev: number, json: unknown, signal: AbortSignal): Promise<Answer<null>> =>
    hub.ask('step', { method: 'PUT', path: `/v1/trails/${trail}/steps/${rev}`, json }, () => null, signal)

  /** Brings the queue up to date with the hub; answers the step to work on. */
  async function round(trail: string, signal: AbortSignal): Promise<Answer<WalkStep | undefined>> {
    const fresh = await list(trail, '', signal)
    if (!fresh.ok) return fresh
    const before = await held()
    const nothing: Answer<undefined> = { ok: true, value: undefined }
    if (looked && fresh.value.length === 0 && before.held.length === 0) return nothing
    const beyond = await list(trail, `?start=${own() + 1}`, signal)
    if (!beyond.ok) return beyond
    looked = true
    const decided = walkRound(before, own(), beyond.value)
    await keep(decided.queue)
    for (const { rev, word } of decided.says) {
      const report = word === 'ABORTED' ? { status: word, 'device-abort': true } : { status: word }
      const said = await put(trail, rev, report, signal)
      if (said.ok) continue
      if (said.failure.kind !== 'refused') return said
      // The trail moved meanwhile: what may not be taken is not held, nor is what lies behind it.
      if (word === 'QUEUED') {
        await keep({ ...decided.queue, held: decided.queue.held.filter((each) => each < rev) })
        break
      }
    }
    const next = (await held()).held.includes(decided.next ?? -1) ? decided.next : undefined
    return { ok: true, value: beyond.value.find(({ rev }) => rev === next) }
  }

  const offered = (step: WalkStep): OfferedStep => step.offered

  return {
    ...hub,
    trails: (signal) => hub.ask('trails', { method: 'GET', path: '/v1/trails/' }, parseTrails, signal),
    async openSteps(trail, signal) {
      const next = await round(trail, signal)
      return next.ok ? { ok: true, value: next.value ? [offered(next.value)] : [] } : next
    },
    async step(trail, rev, signal) {
      const path = `/v1/trails/${trail}/steps/${rev}`
      const step = await hub.ask('step', { method: 'GET', path }, parseWalkStep, signal)
      return step.ok ? { ok: true, value: offered(step.value) } : step
    },
    postTrail: (text, signal) =>
      hub.ask(
        'announce',
        { method: 'POST', path: '/v1/trails/', text: announcement(text) },
        () => null,
        signal,
      ),
    async report(trail, rev, progress, signal) {
      const { status } = progress
      const failed = status === 'ERROR' || status === 'WONTGO'
      const works = !failed && status !== 'QUEUED'
      if (works) percents.set(rev, progress.progress)
      if (works && (await held()).begun !== rev) await keep({ ...(await held()), begun: rev })
      const files = failed ? await debugFiles(rev, signal) : {}
      const said = await put(trail, rev, walkReport(progress, percents.get(rev) ?? 0, files), signal)
      if (!said.ok || (!failed && status !== 'DONE' && status !== 'UPDATED')) return said
      percents.delete(rev)
      await keep({ held: (await held()).held.filter((each) => each !== rev) })
      // What was queued behind it is let go at once; should that fail, the next round does it.
      if (failed) await round(trail, signal)
      return said
    },
  }
}

/** A queue that cannot be read counts as lost: what the hub has at QUEUED is then taken up again. */
function parseQueue(text: string | undefined): WalkQueue {
  try {
    const { held, begun } = asObject(JSON.parse(text ?? '{}')) ?? {}
    if (!Array.isArray(held) || !held.every((rev) => Number.isSafeInteger(rev))) return emptyQueue
    return { held: held.map(Number), ...(typeof begun === 'number' ? { begun } : {}) }
  } catch {
    return emptyQueue
  }
}
