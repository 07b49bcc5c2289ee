/**
 * Trails: the ordered desired states of a device, and what the device says of them.
 *
 * A step is a transaction that the device reads by itself. It keeps two things apart: the device's *report*, verbatim,
 * replaced by every PUT and answered as it came; and our *outcome*, the step's transaction, which the first final word
 * fixes. Unknown or backward words change the report alone; a different final word later is journaled as a
 * contradiction. "Done" carries its proof.
 *
 * Knows nothing of wire formats: states arrive parsed, status words arrive with their meaning.
 */
import type { Env } from './env.ts'
import { type DeviceId, Generation, type Instant, ObjectSha, Revision, type TransactionId } from './ids.ts'
import { actingOn } from './journal.ts'
import { isJsonObject, type JsonObject } from './json.ts'
import type { Actor, Reader, Tx } from './port.ts'
import { proofOf } from './proof.ts'
import {
  type Device,
  devices,
  objects,
  objectUses,
  type Proof,
  type Step,
  type StepState,
  stepStates,
  steps,
  type Trail,
  trails,
  transactions,
} from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'
import { type EndState, finish, progress, submit } from './transactions.ts'

/** A state as its format's parser hands it over: canonical text, its sha256, and the objects it needs. */
export interface PostedState {
  readonly text: string
  readonly sha: string
  readonly objects: readonly { readonly path: string; readonly sha: string }[]
}

/** What a status word means, as the trail's format reads it. Unknown words mean nothing. */
export interface Reading {
  readonly word: string
  readonly meaning: 'waiting' | 'working' | 'unknown' | { readonly end: EndState }
  /** 0–100, as reported. */
  readonly percent: number
  readonly message: string
}

/** The words a step is given before any device has spoken, and when its owner ends it. */
export const stepWords = {
  posted: 'NEW',
  announced: 'DONE',
  cancelled: 'CANCEL',
  abandoned: 'WONTGO',
} as const

export type TrailRefusal =
  | { readonly kind: 'no-such-device'; readonly got: string }
  | { readonly kind: 'no-trail'; readonly device: DeviceId }
  | { readonly kind: 'trail-exists'; readonly device: DeviceId }
  | { readonly kind: 'no-such-step'; readonly device: DeviceId; readonly got: number }
  | {
      readonly kind: 'wrong-revision'
      readonly device: DeviceId
      readonly wanted: number
      readonly got: number
    }
  | { readonly kind: 'object-missing'; readonly path: string; readonly sha: string }
  | {
      readonly kind: 'step-not-waiting'
      readonly device: DeviceId
      readonly rev: number
      readonly wanted: string
      readonly got: string
    }

/** The device's walkable trail: the one of its present generation, unless a reset closed it. */
export async function openTrail(reader: Reader, device: Device): Promise<Trail | undefined> {
  const trail = await reader.get(trails, { device: device.id, generation: device.generation })
  return trail?.closedAt === undefined ? trail : undefined
}

/** The newest step of a trail. */
export async function headStep(reader: Reader, trail: Trail): Promise<Step | undefined> {
  const [head] = await reader.find(steps, {
    where: { device: trail.device, generation: trail.generation },
    order: ['-rev'],
    limit: 1,
  })
  return head
}

/** The step the device reported on last, by revision: how far it says it has walked. */
export async function newestReported(reader: Reader, trail: Trail): Promise<Step | undefined> {
  const [step] = await reader.find(steps, {
    where: { device: trail.device, generation: trail.generation, status: { not: stepWords.posted } },
    order: ['-rev'],
    limit: 1,
  })
  return step
}

/** When any step of the trail was last reported on. */
export async function lastTouched(reader: Reader, trail: Trail): Promise<Instant | undefined> {
  const [step] = await reader.find(steps, {
    where: { device: trail.device, generation: trail.generation, reportedAt: { not: null } },
    order: ['-reportedAt'],
    limit: 1,
  })
  return step?.reportedAt
}

/** First announce: the device's factory state becomes step 0, done. Refused while a trail is open. */
export async function announce(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; state: PostedState; by: Actor },
): Promise<Result<{ trail: Trail; step: Step }, TrailRefusal>> {
  const device = await tx.get(devices, { id: asked.device })
  if (!device || device.garbage) return refuse({ kind: 'no-such-device', got: asked.device })
  if (await openTrail(tx, device)) return refuse({ kind: 'trail-exists', device: device.id })
  const missing = await missingObject(tx, asked.state)
  if (missing) return refuse(missing)

  // A closed trail of this generation means a reset whose device has not announced since.
  const closed = await tx.get(trails, { device: device.id, generation: device.generation })
  const generation = closed ? Generation.next(device.generation) : device.generation
  if (closed) await tx.put(devices, { ...device, generation, modifiedAt: env.now })
  const trail: Trail = { device: device.id, generation, createdAt: env.now }
  await tx.put(trails, trail)
  actingOn(tx, env, asked.by, device.id).note('trail.begun', { generation, stateSha: asked.state.sha })
  const submitted = await submit(tx, env, {
    kind: 'step',
    device: device.id,
    payload: { generation, rev: 0 },
    by: asked.by,
    seq: 0,
  })
  invariant(submitted.ok, 'a pulled kind is never refused')
  await finish(tx, env, submitted.value.id, { state: 'done', proof: 'claimed' }, asked.by)
  const step = await keepStep(tx, env, {
    trail,
    rev: Revision.first,
    transaction: submitted.value.id,
    state: asked.state,
    by: asked.by,
    commitMsg: 'Factory State (rev 0)',
    committer: '',
    meta: {},
    status: stepWords.announced,
    open: false,
  })
  return ok({ trail, step })
}

export interface PostStep {
  readonly device: DeviceId
  /** `'append'` takes the next number; a number must be that next one. */
  readonly rev: Revision | 'append'
  readonly state: PostedState
  readonly commitMsg: string
  readonly committer: string
  readonly meta: JsonObject
  readonly by: Actor
  /** What is ended by its end. */
  readonly behalf?: TransactionId
}

/** Posts a step behind the newest one. A trail has no gaps and no number twice. */
export async function postStep(tx: Tx, env: Env, asked: PostStep): Promise<Result<Step, TrailRefusal>> {
  const found = await trailOf(tx, asked.device)
  if (!found.ok) return found
  const trail = found.value
  const head = await headStep(tx, trail)
  invariant(head, 'a trail begins with its factory state')
  const rev = Revision.next(head.rev)
  if (asked.rev !== 'append' && asked.rev !== rev)
    return refuse({ kind: 'wrong-revision', device: asked.device, wanted: rev, got: asked.rev })
  const missing = await missingObject(tx, asked.state)
  if (missing) return refuse(missing)
  const submitted = await submit(tx, env, {
    kind: 'step',
    device: asked.device,
    payload: { generation: trail.generation, rev },
    by: asked.by,
    seq: rev,
    ...(asked.behalf === undefined ? {} : { behalf: asked.behalf }),
  })
  invariant(submitted.ok, 'a pulled kind is never refused')
  const step = await keepStep(tx, env, {
    trail,
    rev,
    transaction: submitted.value.id,
    state: asked.state,
    by: asked.by,
    commitMsg: asked.commitMsg,
    committer: asked.committer,
    meta: asked.meta,
    status: stepWords.posted,
    open: true,
  })
  return ok(step)
}

/** The owner replaces the state of a step that no device has taken yet. */
export async function replaceState(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; rev: Revision; state: PostedState; by: Actor },
): Promise<Result<Step, TrailRefusal>> {
  const found = await waitingStep(tx, asked.device, asked.rev)
  if (!found.ok) return found
  const missing = await missingObject(tx, asked.state)
  if (missing) return refuse(missing)
  const step: Step = { ...found.value, stateSha: asked.state.sha, modifiedAt: env.now }
  await forgetUses(tx, step)
  await keepState(tx, step, asked.state)
  await tx.put(steps, step)
  actingOn(tx, env, asked.by, step.device).note('step.changed', { rev: step.rev, stateSha: step.stateSha })
  return ok(step)
}

/** The owner replaces a step's meta, at any time. */
export async function setStepMeta(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; rev: Revision; meta: JsonObject; by: Actor },
): Promise<Result<Step, TrailRefusal>> {
  const found = await stepOf(tx, asked.device, asked.rev)
  if (!found.ok) return found
  const step: Step = { ...found.value, meta: asked.meta, modifiedAt: env.now }
  await tx.put(steps, step)
  actingOn(tx, env, asked.by, step.device).note('step.changed', { rev: step.rev, meta: asked.meta })
  return ok(step)
}

/**
 * A device reports on a step: the report is kept verbatim, whatever it says; the outcome moves only as the word's
 * meaning allows. Answers the step as it now stands.
 */
export async function reportStep(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; rev: Revision; report: JsonObject; reading: Reading; by: Actor },
): Promise<Result<Step, TrailRefusal>> {
  const found = await stepOf(tx, asked.device, asked.rev)
  if (!found.ok) return found
  const held = found.value
  const { meaning, word } = asked.reading
  const ends = typeof meaning === 'object'
  const step: Step = {
    ...held,
    report: asked.report,
    status: word,
    open: held.open && !ends,
    reportedAt: env.now,
    modifiedAt: env.now,
  }
  await tx.put(steps, step)
  const pen = actingOn(tx, env, asked.by, step.device)
  pen.note('step.reported', {
    rev: step.rev,
    generation: step.generation,
    status: word,
    percent: asked.reading.percent,
    message: asked.reading.message,
  })
  if (held.open && ends) {
    const failed = meaning.end === 'done' ? {} : { reason: asked.reading.message || word }
    const proved = meaning.end === 'done' ? await proofOf(tx, held, asked.report) : undefined
    const proof: { proof?: Proof } = proved === undefined ? {} : { proof: proved }
    await finish(tx, env, held.transaction, { state: meaning.end, ...failed, ...proof }, asked.by)
  } else if (held.open && meaning === 'working') {
    await progress(tx, env, held.transaction, asked.reading.percent, asked.by)
  } else if (ends) {
    const stands = await tx.get(transactions, { id: held.transaction })
    if (stands && stands.state !== meaning.end)
      pen.note('step.contradicted', { rev: step.rev, stands: stands.state, says: meaning.end, status: word })
  }
  return ok(step)
}

/** The owner takes back a step that no device has taken yet; devices never ask for it, so it is passed over. */
export async function cancelStep(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; rev: Revision; by: Actor },
): Promise<Result<Step, TrailRefusal>> {
  return endByOwner(tx, env, asked, stepWords.posted, stepWords.cancelled, 'cancelled')
}

/** The owner gives up on a step that a device began and will not finish. */
export async function abandonStep(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; rev: Revision; by: Actor },
): Promise<Result<Step, TrailRefusal>> {
  return endByOwner(tx, env, asked, 'INPROGRESS', stepWords.abandoned, 'failed')
}

/** A device was seen to run a revision: the step that claimed to be done is now done as seen. Answers whether it was news. */
export async function noteRunning(tx: Tx, env: Env, device: Device, rev: Revision): Promise<boolean> {
  const step = await tx.get(steps, { device: device.id, generation: device.generation, rev })
  const transaction = step && (await tx.get(transactions, { id: step.transaction }))
  if (transaction?.state !== 'done' || transaction.proof !== 'claimed') return false
  await tx.put(transactions, { ...transaction, proof: 'seen' })
  actingOn(tx, env, { kind: 'device', id: device.id }, device.id).note('step.proved', {
    rev,
    transaction: transaction.id,
    proof: 'seen',
  })
  return true
}

/** Factory reset: closes the trail. Open steps are cancelled; the next announce begins a new generation. */
export async function closeTrail(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; by: Actor },
): Promise<Result<Trail, TrailRefusal>> {
  const found = await trailOf(tx, asked.device)
  if (!found.ok) return found
  const trail: Trail = { ...found.value, closedAt: env.now }
  await tx.put(trails, trail)
  actingOn(tx, env, asked.by, asked.device).note('trail.closed', { generation: trail.generation })
  for (;;) {
    const open = await tx.find(steps, {
      where: { device: asked.device, generation: trail.generation, open: true },
      order: ['rev'],
      limit: 200,
    })
    for (const step of open)
      await endStep(tx, env, step, stepWords.cancelled, 'cancelled', 'the trail was closed', asked.by)
    if (open.length < 200) break
  }
  return ok(trail)
}

/** A step of the device's open trail. */
export async function stepOf(
  reader: Reader,
  deviceId: DeviceId,
  rev: Revision,
): Promise<Result<Step, TrailRefusal>> {
  const device = await reader.get(devices, { id: deviceId })
  if (!device || device.garbage) return refuse({ kind: 'no-such-device', got: deviceId })
  const step = await reader.get(steps, { device: deviceId, generation: device.generation, rev })
  return step ? ok(step) : refuse({ kind: 'no-such-step', device: deviceId, got: rev })
}

/** A step's state as canonical text. */
export async function stateOf(reader: Reader, step: Step): Promise<string> {
  const { device, generation, rev } = step
  const state: StepState | undefined = await reader.get(stepStates, { device, generation, rev })
  invariant(state, `step ${device}-${rev} has a state`)
  return state.text
}

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

async function trailOf(tx: Tx, deviceId: DeviceId): Promise<Result<Trail, TrailRefusal>> {
  const device = await tx.get(devices, { id: deviceId })
  if (!device || device.garbage) return refuse({ kind: 'no-such-device', got: deviceId })
  const trail = await openTrail(tx, device)
  return trail ? ok(trail) : refuse({ kind: 'no-trail', device: deviceId })
}

async function waitingStep(tx: Tx, device: DeviceId, rev: Revision): Promise<Result<Step, TrailRefusal>> {
  const found = await stepOf(tx, device, rev)
  if (!found.ok) return found
  if (found.value.status !== stepWords.posted || !found.value.open)
    return refuse({
      kind: 'step-not-waiting',
      device,
      rev,
      wanted: stepWords.posted,
      got: found.value.status,
    })
  return found
}

/** The first object of a state whose bytes this tenant does not have. */
async function missingObject(
  tx: Tx,
  state: PostedState,
): Promise<Extract<TrailRefusal, { kind: 'object-missing' }> | undefined> {
  for (const { path, sha } of state.objects) {
    const named = ObjectSha.parse(sha)
    const held = named && (await tx.get(objects, { sha: named }))
    if (!held?.stored) return { kind: 'object-missing', path, sha }
  }
  return undefined
}

async function keepStep(
  tx: Tx,
  env: Env,
  made: {
    trail: Trail
    rev: Revision
    transaction: TransactionId
    state: PostedState
    by: Actor
    commitMsg: string
    committer: string
    meta: JsonObject
    status: string
    open: boolean
  },
): Promise<Step> {
  const step: Step = {
    device: made.trail.device,
    generation: made.trail.generation,
    rev: made.rev,
    transaction: made.transaction,
    commitMsg: made.commitMsg,
    committer: made.committer,
    meta: made.meta,
    stateSha: made.state.sha,
    status: made.status,
    open: made.open,
    report: { progress: made.open ? 0 : 100, status: made.status, 'status-msg': '' },
    createdAt: env.now,
    modifiedAt: env.now,
  }
  await tx.put(steps, step)
  await keepState(tx, step, made.state)
  actingOn(tx, env, made.by, step.device).note('step.posted', {
    rev: step.rev,
    generation: step.generation,
    stateSha: step.stateSha,
    commitMsg: step.commitMsg,
    status: step.status,
    transaction: step.transaction,
  })
  return step
}

async function keepState(tx: Tx, step: Step, state: PostedState): Promise<void> {
  const { device, generation, rev } = step
  await tx.put(stepStates, { device, generation, rev, text: state.text })
  for (const { path, sha } of state.objects) {
    const named = ObjectSha.parse(sha)
    invariant(named, 'objects of a kept state have been found')
    await tx.put(objectUses, { sha: named, device, generation, rev, path })
  }
}

async function forgetUses(tx: Tx, step: Step): Promise<void> {
  const { device, generation, rev } = step
  for (;;) {
    const uses = await tx.find(objectUses, { where: { device, generation, rev }, limit: 500 })
    for (const use of uses) await tx.remove(objectUses, use)
    if (uses.length < 500) return
  }
}

async function endByOwner(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; rev: Revision; by: Actor },
  wanted: string,
  word: string,
  end: EndState,
): Promise<Result<Step, TrailRefusal>> {
  const found = await stepOf(tx, asked.device, asked.rev)
  if (!found.ok) return found
  const { status, open, device, rev } = found.value
  if (status !== wanted || !open)
    return refuse({ kind: 'step-not-waiting', device, rev, wanted, got: status })
  return ok(await endStep(tx, env, found.value, word, end, `${word} by its owner`, asked.by))
}

async function endStep(
  tx: Tx,
  env: Env,
  held: Step,
  word: string,
  end: EndState,
  reason: string,
  by: Actor,
): Promise<Step> {
  const before = isJsonObject(held.report) ? held.report : {}
  const step: Step = {
    ...held,
    status: word,
    open: false,
    report: { ...before, status: word, progress: 100 },
    modifiedAt: env.now,
  }
  await tx.put(steps, step)
  actingOn(tx, env, by, step.device).note('step.changed', { rev: step.rev, status: word })
  await finish(tx, env, held.transaction, { state: end, reason }, by)
  return step
}
