/**
 * Trails as the walkthrough of 2016 has them walked: step by step, in turn, and never past a failure.
 *
 * The same trails and steps as in `trails.ts`; what is added is a stricter device, and an owner who may ask for more. A
 * device takes steps into its queue only without a gap, works on nothing but the direct next one, and after a failure
 * waits until its owner has cleared it. Only what comes in by this file is held to that: a device that reports through
 * `reportStep` alone goes its own way, as Pantavisor does.
 *
 * "Its own revision" is the newest step that ended done. Steps between it and another have been *passed* when they
 * ended cancelled, by the owner or by an abort, or when they failed and were cleared.
 */
import type { Env } from './env.ts'
import type { DeviceId, ObjectSha, Revision } from './ids.ts'
import { actingOn } from './journal.ts'
import type { JsonObject } from './json.ts'
import type { Actor, Reader, Scalar, Tx } from './port.ts'
import { devices, objects, objectUses, type Step, steps, type Trail, transactions } from './records.ts'
import { ok, type Result, refuse } from './result.ts'
import { openTrail, type Reading, reportStep, stepOf, stepWords, type TrailRefusal } from './trails.ts'

/** The words a walkthrough's device may report, and what each means. There are no others. */
export const walkWords = {
  NEW: 'waiting',
  QUEUED: 'waiting',
  INPROGRESS: 'working',
  ERROR: { end: 'failed' },
  WONTGO: { end: 'failed' },
  ABORTED: { end: 'cancelled' },
  DONE: { end: 'done' },
} as const satisfies Record<string, Reading['meaning']>

export type WalkWord = keyof typeof walkWords

/** The word, if it is one of the list. */
export function walkWord(raw: unknown): WalkWord | undefined {
  return typeof raw === 'string' && Object.hasOwn(walkWords, raw) ? (raw as WalkWord) : undefined
}

export type WalkRefusal =
  | TrailRefusal
  /** It has ended: there is nothing left to ask of it. */
  | (StepFacts & { readonly kind: 'step-ended' })
  /** Only what failed can be cleared. */
  | (StepFacts & { readonly kind: 'step-not-failed' })
  /** An earlier step failed and has not been cleared. */
  | (StepFacts & { readonly kind: 'held-back'; readonly before: number })
  /** An earlier step has not been taken yet, or has not been passed. */
  | (StepFacts & { readonly kind: 'out-of-turn'; readonly before: number })
  /** Its owner did not ask for it to be given up. */
  | (StepFacts & { readonly kind: 'abort-not-asked' })

interface StepFacts {
  readonly device: DeviceId
  readonly rev: number
  readonly wanted: string
  readonly got: string
}

/** The owner asks the device to give up a step that has not ended; asking again changes nothing. */
export async function askAbort(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; rev: Revision; by: Actor },
): Promise<Result<Step, WalkRefusal>> {
  const found = await walkedStep(tx, asked.device, asked.rev)
  if (!found.ok) return found
  const { status, open, device, rev, abortAskedAt } = found.value
  if (abortAskedAt !== undefined) return found
  if (!open) return refuse({ kind: 'step-ended', device, rev, wanted: 'one that has not ended', got: status })
  const step: Step = { ...found.value, abortAskedAt: env.now, modifiedAt: env.now }
  await tx.put(steps, step)
  actingOn(tx, env, asked.by, device).note('step.abort-asked', { rev, generation: step.generation })
  return ok(step)
}

/** The owner clears a step that failed: it stays failed and no longer holds back what follows. */
export async function clearStep(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; rev: Revision; by: Actor },
): Promise<Result<Step, WalkRefusal>> {
  const found = await walkedStep(tx, asked.device, asked.rev)
  if (!found.ok) return found
  const { status, device, rev, clearedAt } = found.value
  if (clearedAt !== undefined) return found
  if ((await standing(tx, found.value)) !== 'failed')
    return refuse({ kind: 'step-not-failed', device, rev, wanted: 'one that failed', got: status })
  const step: Step = { ...found.value, clearedAt: env.now, modifiedAt: env.now }
  await tx.put(steps, step)
  actingOn(tx, env, asked.by, device).note('step.cleared', { rev, generation: step.generation })
  return ok(step)
}

export interface WalkReport {
  readonly device: DeviceId
  readonly rev: Revision
  readonly word: WalkWord
  /** The device says that it gave the step up because it was asked to. */
  readonly deviceAbort?: boolean
  /** What the report says now, given what it said before; and how far it is, and in which words. */
  compose(before: JsonObject): {
    readonly report: JsonObject
    readonly percent: number
    readonly message: string
  }
  readonly by: Actor
}

/** A device reports on a step, in turn: refused when the step may not be taken, or not be worked on, yet. */
export async function reportInTurn(tx: Tx, env: Env, asked: WalkReport): Promise<Result<Step, WalkRefusal>> {
  const found = await walkedStep(tx, asked.device, asked.rev)
  if (!found.ok) return found
  const held = found.value
  const { device, rev } = held
  if ((asked.word === 'ABORTED' || asked.deviceAbort === true) && held.abortAskedAt === undefined) {
    const got = asked.word === 'ABORTED' ? asked.word : 'device-abort'
    return refuse({ kind: 'abort-not-asked', device, rev, wanted: 'one whose owner asked for it', got })
  }
  const takes = asked.word === 'QUEUED'
  if (held.open && (takes || asked.word === 'INPROGRESS' || asked.word === 'DONE')) {
    const stops = await firstObstacle(tx, held, { queuedWillDo: takes })
    if (stops) return refuse(stops)
  }
  if (asked.deviceAbort !== undefined) await tx.put(steps, { ...held, deviceAbort: asked.deviceAbort })
  const { report, percent, message } = asked.compose(held.report)
  const reading: Reading = { word: asked.word, meaning: walkWords[asked.word], percent, message }
  return reportStep(tx, env, { device, rev, report, reading, by: asked.by })
}

/** Files of a step's latest report that are kept as objects: most of them. */
export const debugFilesMax = 32
const debugFolder = '#debugfiles/'

/** Makes the step need the objects its latest report names as debug files, and those of earlier reports no more. */
export async function keepDebugFiles(
  tx: Tx,
  { device, generation, rev }: Step,
  files: readonly { readonly name: string; readonly sha: ObjectSha }[],
): Promise<Result<void, WalkRefusal>> {
  const uses = await tx.find(objectUses, {
    where: { device, generation, rev, path: { prefix: debugFolder } },
    limit: debugFilesMax,
  })
  for (const use of uses) await tx.remove(objectUses, use)
  for (const { name, sha } of files) {
    const path = debugFolder + name
    const held = await tx.get(objects, { sha })
    if (!held?.stored) return refuse({ kind: 'object-missing', path, sha })
    await tx.put(objectUses, { sha, device, generation, rev, path })
  }
  return ok(undefined)
}

/**
 * The revisions a device is offered when it asks for nothing in particular, oldest first: steps at NEW that no failure
 * holds back, and steps that have not ended and whose owner asked for an abort.
 */
export async function offeredSteps(reader: Reader, trail: Trail): Promise<Revision[]> {
  const offered: Revision[] = []
  let heldBack = false
  let before: Revision | undefined
  for await (const step of openSteps(reader, trail)) {
    const gap = before === undefined || step.rev > before + 1
    if (!heldBack && gap) heldBack = (await failureBefore(reader, step, before)) !== undefined
    if (step.abortAskedAt !== undefined || (step.status === stepWords.posted && !heldBack))
      offered.push(step.rev)
    before = step.rev
  }
  return offered
}

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

const pageSize = 50

/** A step of the trail that is walked now; those of a closed trail are history. */
async function walkedStep(tx: Tx, deviceId: DeviceId, rev: Revision): Promise<Result<Step, WalkRefusal>> {
  const device = await tx.get(devices, { id: deviceId })
  if (device && !device.garbage && !(await openTrail(tx, device)))
    return refuse({ kind: 'no-trail', device: deviceId })
  return stepOf(tx, deviceId, rev)
}

/** How a step stands to those that follow it. */
async function standing(reader: Reader, step: Step): Promise<'open' | 'done' | 'passed' | 'failed'> {
  if (step.open) return 'open'
  const { state } = (await reader.get(transactions, { id: step.transaction })) ?? { state: 'failed' }
  if (state === 'done') return 'done'
  return state === 'cancelled' || step.clearedAt !== undefined ? 'passed' : 'failed'
}

/** What keeps a step from being taken or worked on: a failure before anything else, else the nearest gap. */
async function firstObstacle(
  reader: Reader,
  step: Step,
  { queuedWillDo }: { queuedWillDo: boolean },
): Promise<WalkRefusal | undefined> {
  const { device, rev } = step
  let gap: Step | undefined
  for await (const earlier of stepsDownFrom(reader, step)) {
    const stands = await standing(reader, earlier)
    if (stands === 'done') break
    if (stands === 'failed')
      return { kind: 'held-back', device, rev, before: earlier.rev, wanted: 'cleared', got: earlier.status }
    if (stands === 'open' && !(queuedWillDo && earlier.status !== stepWords.posted)) gap ??= earlier
  }
  if (!gap) return undefined
  const wanted = queuedWillDo ? 'taken before' : 'passed before'
  return { kind: 'out-of-turn', device, rev, before: gap.rev, wanted, got: gap.status }
}

/** The nearest failure between a step and the device's own revision, or the revision `above`. */
async function failureBefore(
  reader: Reader,
  step: Step,
  above: Revision | undefined,
): Promise<Step | undefined> {
  for await (const earlier of stepsDownFrom(reader, step)) {
    if (above !== undefined && earlier.rev <= above) return undefined
    const stands = await standing(reader, earlier)
    if (stands === 'done') return undefined
    if (stands === 'failed') return earlier
  }
  return undefined
}

async function* stepsDownFrom(
  reader: Reader,
  { device, generation, rev }: Step,
): AsyncGenerator<Step, void, undefined> {
  let below = rev
  for (;;) {
    const page = await reader.find(steps, {
      where: { device, generation, rev: { lt: below } },
      order: ['-rev'],
      limit: pageSize,
    })
    yield* page
    const last = page.at(-1)
    if (!last || page.length < pageSize) return
    below = last.rev
  }
}

async function* openSteps(reader: Reader, trail: Trail): AsyncGenerator<Step, void, undefined> {
  let after: readonly Scalar[] | undefined
  for (;;) {
    const page = await reader.find(steps, {
      where: { device: trail.device, generation: trail.generation, open: true },
      order: ['device', 'generation', 'open', 'rev'],
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    })
    yield* page
    const last = page.at(-1)
    if (!last || page.length < pageSize) return
    after = [last.device, last.generation, last.open, last.rev]
  }
}
