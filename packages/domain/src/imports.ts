/**
 * Devices and steps that come in from another server, as they stood there.
 *
 * A device keeps its id and its secret, so that it needs nothing but a new address; a step keeps its revision, its
 * state, what the device said of it and when. What follows from a status word here is what follows from any report, so
 * an imported trail goes on like one that has always been here. The records bear the old times, the journal the time of
 * the import: nothing is told as if it had happened here.
 *
 * Importing the same again changes nothing and says so: whoever was cut off begins from the start.
 */

import type { DeviceRefusal } from './devices.ts'
import { livingDevice, type Register, registerDevice } from './devices.ts'
import { homeOf } from './directory.ts'
import type { Env } from './env.ts'
import { type DeviceId, type Instant, Revision } from './ids.ts'
import { actingOn } from './journal.ts'
import type { JsonObject } from './json.ts'
import type { Actor, HouseTx, Tx } from './port.ts'
import { type Device, devices, type Step, steps, trails } from './records.ts'
import { ok, type Result, refuse } from './result.ts'
import {
  announce,
  headStep,
  openTrail,
  type PostedState,
  postStep,
  type Reading,
  reportStep,
  stepOf,
  stepWords,
  type TrailRefusal,
} from './trails.ts'

export type ImportRefusal =
  /** A device of that id lives elsewhere, or was deleted here. */
  | { readonly kind: 'id-taken'; readonly got: DeviceId }
  | {
      readonly kind: 'step-differs'
      readonly device: DeviceId
      readonly rev: number
      readonly wanted: string
      readonly got: string
    }

/** What is known of a device elsewhere. `secret` absent: the source did not tell, and a new one is made. */
export interface ImportedDevice extends Register {
  readonly id: DeviceId
  readonly nick: string
  readonly createdAt: Instant
  readonly by: Actor
}

/**
 * Takes a device in under the id it has elsewhere. Answers it with the secret that counts from now on; without a secret
 * when the tenant had it already, which changes nothing.
 */
export async function importDevice(
  house: HouseTx,
  env: Env,
  asked: ImportedDevice,
): Promise<Result<{ device: Device; secret?: string }, DeviceRefusal | ImportRefusal>> {
  const home = await homeOf(house, asked.id)
  if (home !== undefined) {
    const held =
      home.tenant === asked.tenant ? await livingDevice(house.tenant(asked.tenant), asked.id) : undefined
    return held?.ok ? ok({ device: held.value }) : refuse({ kind: 'id-taken', got: asked.id })
  }
  const made = await registerDevice(house, env, asked)
  if (!made.ok) return made
  const tx = house.tenant(asked.tenant)
  const device: Device = { ...made.value.device, createdAt: asked.createdAt }
  await tx.put(devices, device)
  actingOn(tx, env, asked.by, device.id).note('device.imported', {
    nick: device.nick,
    createdAt: device.createdAt,
    secret: asked.secret === undefined ? 'new' : 'kept',
  })
  return ok({ device, secret: made.value.secret })
}

/** A step as it stands elsewhere. Without `reported` no device has spoken of it. */
export interface ImportedStep {
  readonly device: DeviceId
  readonly rev: Revision
  readonly state: PostedState
  readonly commitMsg: string
  readonly committer: string
  readonly meta: JsonObject
  readonly createdAt: Instant
  readonly reported?: {
    readonly report: JsonObject
    readonly reading: Reading
    /** When; absent: nobody knows. */
    readonly at?: Instant
  }
  readonly by: Actor
}

/** Takes a step in behind the newest one; revision 0 begins the trail. Answers whether it was there already. */
export async function importStep(
  tx: Tx,
  env: Env,
  asked: ImportedStep,
): Promise<Result<{ step: Step; existed: boolean }, TrailRefusal | ImportRefusal>> {
  const found = await livingDevice(tx, asked.device)
  if (!found.ok) return found
  const device = found.value
  const trail = await openTrail(tx, device)
  const held =
    trail && (await tx.get(steps, { device: device.id, generation: trail.generation, rev: asked.rev }))
  if (held)
    return held.stateSha === asked.state.sha
      ? ok({ step: held, existed: true })
      : refuse({
          kind: 'step-differs',
          device: device.id,
          rev: asked.rev,
          wanted: held.stateSha,
          got: asked.state.sha,
        })
  const head = trail && (await headStep(tx, trail))
  const next = head === undefined ? Revision.first : Revision.next(head.rev)
  if (asked.rev !== next)
    return refuse({ kind: 'wrong-revision', device: device.id, wanted: next, got: asked.rev })
  const begun = await begin(tx, env, asked, head === undefined)
  if (!begun.ok) return begun
  const reported = await spokenOf(tx, env, asked, begun.value)
  if (!reported.ok) return reported
  const at = asked.reported?.at
  const { reportedAt: _, ...stands } = reported.value
  const step: Step = {
    ...stands,
    commitMsg: asked.commitMsg,
    committer: asked.committer,
    meta: asked.meta,
    createdAt: asked.createdAt,
    ...(asked.reported === undefined ? {} : { report: asked.reported.report }),
    ...(at === undefined ? {} : { reportedAt: at }),
  }
  await tx.put(steps, step)
  actingOn(tx, env, asked.by, device.id).note('step.imported', {
    rev: step.rev,
    generation: step.generation,
    status: step.status,
    createdAt: step.createdAt,
  })
  return ok({ step, existed: false })
}

async function begin(
  tx: Tx,
  env: Env,
  asked: ImportedStep,
  first: boolean,
): Promise<Result<Step, TrailRefusal>> {
  if (!first) return postStep(tx, env, asked)
  const announced = await announce(tx, env, asked)
  if (!announced.ok) return announced
  const { trail, step } = announced.value
  await tx.put(trails, { ...trail, createdAt: asked.createdAt })
  return ok(step)
}

/** What the device said there counts as said; the word that a step begins with here says nothing new. */
async function spokenOf(
  tx: Tx,
  env: Env,
  asked: ImportedStep,
  step: Step,
): Promise<Result<Step, TrailRefusal>> {
  const { reported } = asked
  if (reported === undefined || reported.reading.word === step.status) return ok(step)
  // A step that waits again after it was taken is still one that a device has spoken of.
  if (reported.reading.word === stepWords.posted) return ok(step)
  const told = await reportStep(tx, env, { ...asked, report: reported.report, reading: reported.reading })
  return told.ok ? stepOf(tx, asked.device, asked.rev) : told
}
