/**
 * Software and configuration for devices that follow a trail: what is asked becomes a step, and ends with it.
 *
 * ```
 *   configuration of a set ─▶ _config/NAME/config.json, merged ──────────┐
 *   packages ─▶ NAME/image and _config/NAME/config.json, in and out ─────┼─▶ one step ─▶ the device's reports ─▶ the end
 *   configuration of packages ─▶ _config/NAME/config.json, whole ────────┘
 * ```
 *
 * The device reads the step as any other; what becomes of the step becomes of what was asked. Packages and their
 * configuration are taken one after the other, each from what the device has by then, like on every other link: a step that
 * failed or was taken back leaves nothing to the next. What has
 * ended before its device took the step (called off, timed out) takes the step back.
 *
 * A device that has announced nothing yet has no trail to change; what is asked of it waits in the queue until it has.
 */
import {
  type AskedPackage,
  type CarriedPackage,
  cancelStep,
  configurationOf,
  type DeviceId,
  describePlanRefusal,
  devices,
  type Env,
  effectiveConfiguration,
  finish,
  Instant,
  ok,
  openTrail,
  type Package,
  type PackageStep,
  type PushedConfiguration,
  packagesOf,
  payloadOf,
  planFor,
  postStep,
  pushedPackages,
  type Result,
  refuse,
  type Step,
  type Store,
  settleConfigurationSet,
  settled,
  settlePackageConfigurations,
  standingStep,
  stateOf,
  stepOf,
  type TenantId,
  type TrailWork,
  type Transaction,
  type Tx,
  trailWorks,
  transactions,
} from '@waymark/domain'
import { parseStateText } from '@waymark/pantahub'
import type { Log } from '../log.ts'
import { mergeTexts } from './merge.ts'
import { withMerged, withPackages, withValues } from './trail-state.ts'

/** How long a device without a trail is left alone, in milliseconds. */
const pauseMs = 30_000
/** How long until what is in a step is looked at without being called, in milliseconds. */
const lookMs = 3_600_000
/** Works looked at before others have their turn. */
const share = 100

const by = { kind: 'system', id: 'trails' } as const

export interface TrailCarrierNeeds {
  readonly store: Store
  env(): Env
  readonly log: Log
  /** The configuration that a package begins with, defaults filled in; undefined where it has none. */
  initialValues(tenant: TenantId, of: Package, given: string | undefined): Promise<string | undefined>
}

export function createTrailCarrier({ store, env, log, initialValues }: TrailCarrierNeeds) {
  /** Makes steps of what is due for a tenant. */
  async function carry(tenant: TenantId): Promise<void> {
    // What has ended gives its device's next one the turn: at once, not when somebody looks again.
    for (let ended = true; ended; ) {
      ended = false
      const due = await store.read(tenant).find(trailWorks, {
        where: { dueAt: { lte: env().now } },
        order: ['dueAt', 'transaction'],
        limit: share,
      })
      for (const work of due) {
        const begins = await beginningsOf(tenant, work)
        const done = settled(
          await store.transact(tenant, (tx) => carryOne(tx, env(), work.transaction, begins)),
        )
        if (done !== 'carried') log.debug({ device: work.device, done }, 'software for a trail')
        ended ||= done === 'ended'
      }
    }
  }

  /** The configuration that each package of a plan begins with: schemas are asked before the commit, not within it. */
  async function beginningsOf(tenant: TenantId, work: TrailWork): Promise<Beginnings> {
    const found = new Map<string, string | undefined>()
    const reader = store.read(tenant)
    const asked = await reader.get(transactions, { id: work.transaction })
    if (asked?.kind !== 'package' || !asked.open || work.carried) return found
    const payload = (await payloadOf(reader, asked)) as unknown as AskedPackage
    const plan = await planFor(reader, work.device, payload)
    if (plan.ok)
      for (const { operation, package: of, from } of plan.value) {
        if (operation === 'uninstall') continue
        const given = of.name === payload.package ? payload.values : undefined
        const kept = from === undefined ? '' : (await configurationOf(reader, work.device, from)).current
        found.set(of.name, await initialValues(tenant, of, kept === '' ? given : kept))
      }
    return found
  }

  return { carry }
}

type Beginnings = ReadonlyMap<string, string | undefined>
type Done = Result<'carried' | 'waits' | 'ended' | 'refused', never>

/** What is to stand in the next step, or why it can not; `nothing`: the device is so already. */
type Change =
  | { readonly kind: 'state'; readonly text: string; readonly about: string; readonly steps?: Steps }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'waits' }
  | { readonly kind: 'refused'; readonly reason: string }

type Steps = readonly CarriedPackage[]

async function carryOne(tx: Tx, env: Env, id: Transaction['id'], begins: Beginnings): Promise<Done> {
  const work = await tx.get(trailWorks, { transaction: id })
  if (!work) return ok('ended')
  const asked = await tx.get(transactions, { id })
  if (!asked?.open) return endWork(tx, env, work, asked)
  const wait = async (ms: number): Promise<Done> => {
    await tx.put(trailWorks, { ...work, dueAt: Instant.after(env.now, ms) })
    return ok('waits')
  }
  if (work.carried) return wait(lookMs)
  const device = await tx.get(devices, { id: work.device })
  const trail = device && (await openTrail(tx, device))
  const standing = trail && (await standingStep(tx, trail))
  if (!standing) return wait(pauseMs)
  const change = await changeOf(tx, asked, work.device, standing, begins)
  if (change.kind === 'waits') return wait(pauseMs)
  if (change.kind === 'nothing') {
    await finish(tx, env, id, { state: 'done', proof: 'claimed' }, by)
    return endWork(tx, env, work, await tx.get(transactions, { id }))
  }
  const posted = change.kind === 'state' ? await post(tx, env, asked, work.device, change) : change
  if (posted.kind === 'refused') {
    await finish(tx, env, id, { state: 'failed', reason: posted.reason }, by)
    if (asked.kind === 'configuration' && !(await pushedPackages(tx, asked))) {
      const { name } = (await payloadOf(tx, asked)) as unknown as PushedConfiguration
      await settleConfigurationSet(tx, env, { name, merge: mergeTexts })
    }
    await endWork(tx, env, work, await tx.get(transactions, { id }))
    return ok('refused')
  }
  if (change.kind === 'state' && change.steps)
    await tx.put(trailWorks, {
      ...work,
      dueAt: Instant.after(env.now, lookMs),
      carried: { rev: posted.step.rev, steps: change.steps },
    })
  else await tx.remove(trailWorks, work)
  await begin(tx, asked, env, work.device)
  return ok('carried')
}

async function changeOf(
  tx: Tx,
  asked: Transaction,
  device: DeviceId,
  standing: Step,
  begins: Beginnings,
): Promise<Change> {
  const pushed = await pushedPackages(tx, asked)
  if (asked.kind === 'configuration' && !pushed) {
    const { name, values } = (await payloadOf(tx, asked)) as unknown as PushedConfiguration
    const text = withMerged(await stateOf(tx, standing), name, values)
    return { kind: 'state', text, about: `configuration ${name}` }
  }
  // What stands on what the device has waits for what changes that.
  if (!(await isFirst(tx, asked, device))) return { kind: 'waits' }
  if (pushed) {
    const has = new Set(
      (await packagesOf(tx, device)).filter((row) => row.installed).map((row) => row.package),
    )
    const all: { package: string; values: string }[] = []
    for (const edit of pushed.packages)
      if (has.has(edit.package))
        all.push({
          package: edit.package,
          values: await effectiveConfiguration(tx, device, edit, mergeTexts),
        })
    if (all.length === 0) return { kind: 'nothing' }
    const text = withValues(await stateOf(tx, standing), all)
    const about = `configuration ${all.map((each) => each.package).join(', ')}`
    return { kind: 'state', text, about, steps: [] }
  }
  const payload = (await payloadOf(tx, asked)) as unknown as AskedPackage
  const plan = await planFor(tx, device, payload)
  if (!plan.ok) return { kind: 'refused', reason: describePlanRefusal(plan.refusal) }
  if (plan.value.length === 0) return { kind: 'nothing' }
  const steps = carriedSteps(plan.value, begins)
  if (steps === 'transmit')
    return {
      kind: 'refused',
      reason: 'unsupported-package: a device that follows a trail is sent no image that it does not install',
    }
  if (steps === 'moved') return { kind: 'waits' }
  const images = new Map(plan.value.map((step) => [step.package.name, step.package.image]))
  const changed = withPackages(
    await stateOf(tx, standing),
    steps.map((step) => {
      const image = step.operation === 'uninstall' ? undefined : images.get(step.package)
      return { ...step, ...(image === undefined ? {} : { image }) }
    }),
  )
  if (!changed.ok) {
    const { package: name, wanted, got } = changed.refusal
    return { kind: 'refused', reason: `value-error: package ${name}: wanted ${wanted}, got ${got}` }
  }
  const about = steps.map(({ operation, package: name }) => `${operation} ${name}`).join(', ')
  return { kind: 'state', text: changed.value, about, steps }
}

/** The steps of a plan; `moved`: it needs what was not looked up before the commit began. */
function carriedSteps(plan: readonly PackageStep[], begins: Beginnings): Steps | 'transmit' | 'moved' {
  const steps: CarriedPackage[] = []
  for (const { operation, package: of, from } of plan) {
    if (operation === 'transmit') return 'transmit'
    if (operation !== 'uninstall' && !begins.has(of.name)) return 'moved'
    const values = operation === 'uninstall' ? undefined : begins.get(of.name)
    steps.push({
      operation,
      package: of.name,
      ...(from === undefined ? {} : { from }),
      ...(values === undefined ? {} : { values }),
    })
  }
  return steps
}

type Posted =
  | { readonly kind: 'posted'; readonly step: Step }
  | { readonly kind: 'refused'; readonly reason: string }

async function post(
  tx: Tx,
  env: Env,
  asked: Transaction,
  device: DeviceId,
  { text, about }: Change & { readonly kind: 'state' },
): Promise<Posted> {
  const state = parseStateText(text)
  const posted = state.ok
    ? await postStep(tx, env, {
        device,
        rev: 'append',
        state: { text: state.state.canonical, sha: state.state.sha, objects: state.state.objects },
        commitMsg: about,
        committer: asked.by.id,
        meta: {},
        by: asked.by,
        behalf: asked.id,
      })
    : refuse({ kind: state.refusal.kind })
  return posted.ok
    ? { kind: 'posted', step: posted.value }
    : { kind: 'refused', reason: `value-error: ${posted.refusal.kind}` }
}

/** It is under way: the step is there for the device to read. */
async function begin(tx: Tx, asked: Transaction, env: Env, device: DeviceId): Promise<void> {
  await tx.put(transactions, { ...asked, state: 'sent', sentAt: env.now, attempts: asked.attempts + 1 })
  tx.journal({
    kind: 'transaction.sent',
    at: env.now,
    by,
    device,
    data: { transaction: asked.id, attempt: asked.attempts + 1 },
  })
}

/**
 * What was asked has ended. Edits of configuration are settled; a step that the device has not taken is taken back, one that
 * it has taken is waited for, because what it does becomes true of the device all the same; then the next one has its turn.
 */
async function endWork(tx: Tx, env: Env, work: TrailWork, ended: Transaction | undefined): Promise<Done> {
  if (work.carried) {
    const step = await stepOf(tx, work.device, work.carried.rev)
    const taken = step.ok && step.value.open
    if (taken) {
      const cancelled = await cancelStep(tx, env, { device: work.device, rev: work.carried.rev, by })
      if (!cancelled.ok && work.carried.steps.length > 0) {
        await tx.put(trailWorks, { ...work, dueAt: Instant.after(env.now, lookMs) })
        return ok('waits')
      }
    }
  }
  if (ended) await settlePackageConfigurations(tx, env, ended, mergeTexts)
  await tx.remove(trailWorks, { transaction: work.transaction })
  const [next] = await openQueue(tx, work.device, 1)
  const waiting = next && (await tx.get(trailWorks, { transaction: next.id }))
  if (waiting) await tx.put(trailWorks, { ...waiting, dueAt: env.now })
  return ok('ended')
}

async function isFirst(tx: Tx, asked: Transaction, device: DeviceId): Promise<boolean> {
  const [first] = await openQueue(tx, device, 1)
  return first === undefined || first.id === asked.id
}

function openQueue(tx: Tx, device: DeviceId, limit: number): Promise<readonly Transaction[]> {
  return tx.find(transactions, { where: { device, lane: 'queue', open: true }, order: ['seq', 'id'], limit })
}
