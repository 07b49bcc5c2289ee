/**
 * Configuration for devices that follow a trail: it becomes a step that changes `_config/NAME/config.json` and nothing else.
 * The device reads the step as any other; what becomes of the step becomes of the configuration.
 *
 * A device that has announced nothing yet has no trail to change; its configuration waits in the queue until it has.
 */
import {
  type DeviceId,
  devices,
  type Env,
  finish,
  headStep,
  Instant,
  ok,
  openTrail,
  type PushedConfiguration,
  payloadOf,
  postStep,
  type Result,
  type Store,
  settleConfigurationSet,
  settled,
  stateOf,
  type TenantId,
  type TrailWork,
  type Transaction,
  type Tx,
  trailWorks,
  transactions,
} from '@waymark/domain'
import { parseStateText } from '@waymark/pantahub'
import { JsonDecimal, type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import type { Log } from '../log.ts'
import { mergeTexts, mergeValues } from './merge.ts'

/** How long a device without a trail is left alone, in milliseconds. */
const pauseMs = 30_000
/** Steps made before others have their turn. */
const share = 100

/** Where a set's values stand in a state. */
export function configurationPath(name: string): string {
  return `_config/${encodeURIComponent(name)}/config.json`
}

export function createTrailCarrier({
  store,
  env,
  log,
}: {
  readonly store: Store
  env(): Env
  readonly log: Log
}) {
  /** Makes steps of what is due for a tenant. */
  async function carry(tenant: TenantId): Promise<void> {
    const due = await store.read(tenant).find(trailWorks, {
      where: { dueAt: { lte: env().now } },
      order: ['dueAt', 'transaction'],
      limit: share,
    })
    for (const work of due) {
      const done = settled(await store.transact(tenant, (tx) => carryOne(tx, env(), work)))
      if (done !== 'carried') log.debug({ device: work.device, done }, 'configuration for a trail')
    }
  }

  return { carry }
}

async function carryOne(
  tx: Tx,
  env: Env,
  work: TrailWork,
): Promise<Result<'carried' | 'waits' | 'ended' | 'refused', never>> {
  const asked = await tx.get(transactions, { id: work.transaction })
  if (!asked?.open) {
    await tx.remove(trailWorks, work)
    return ok('ended')
  }
  const device = await tx.get(devices, { id: work.device })
  const trail = device && (await openTrail(tx, device))
  const head = trail && (await headStep(tx, trail))
  if (!head) {
    await tx.put(trailWorks, { ...work, dueAt: Instant.after(env.now, pauseMs) })
    return ok('waits')
  }
  await tx.remove(trailWorks, work)
  const { name, values } = (await payloadOf(tx, asked)) as unknown as PushedConfiguration
  const state = parseStateText(withConfiguration(await stateOf(tx, head), name, values))
  const posted = state.ok
    ? await postStep(tx, env, {
        device: work.device,
        rev: 'append',
        state: { text: state.state.canonical, sha: state.state.sha, objects: state.state.objects },
        commitMsg: `configuration ${name}`,
        committer: asked.by.id,
        meta: {},
        by: asked.by,
        behalf: asked.id,
      })
    : state
  if (posted.ok) {
    await begin(tx, asked, env, work.device)
    return ok('carried')
  }
  const reason = `value-error: ${posted.refusal.kind}`
  await finish(tx, env, asked.id, { state: 'failed', reason }, { kind: 'system', id: 'trails' })
  await settleConfigurationSet(tx, env, { name, merge: mergeTexts })
  return ok('refused')
}

/** It is under way: the step is there for the device to read. */
async function begin(tx: Tx, asked: Transaction, env: Env, device: DeviceId): Promise<void> {
  await tx.put(transactions, { ...asked, state: 'sent', sentAt: env.now, attempts: asked.attempts + 1 })
  tx.journal({
    kind: 'transaction.sent',
    at: env.now,
    by: { kind: 'system', id: 'trails' },
    device,
    data: { transaction: asked.id, attempt: asked.attempts + 1 },
  })
}

/**
 * A state with values merged into those of a name. A state's numbers are doubles; one that is more exact stands as a text, as
 * RFC 7951 has it for 64 bits.
 */
function withConfiguration(text: string, name: string, values: string): string {
  const [state, added] = [parseJson(text), parseJson(values)]
  if (!state.ok || !added.ok) throw new Error('a kept JSON text does not parse')
  const members = state.value as JsonObject
  const path = configurationPath(name)
  return printJson({ ...members, [path]: mergeValues(members[path], inDoubles(added.value)) })
}

function inDoubles(value: JsonValue): JsonValue {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof JsonDecimal) return value.text
  if (Array.isArray(value)) return value.map(inDoubles)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, inDoubles(member)]))
}
