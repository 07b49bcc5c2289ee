/**
 * What devices say by themselves, on its way to back ends.
 *
 * A notification is checked, kept for delivery to every address that wants to hear of the device, and taken. An operation
 * is checked and asked of all of them at once; the answer that the device gets is that of the device's own address, else of
 * the primary group's, else of its only group's. Whose answer counts is decided before anybody is asked.
 */
import {
  backEndNameOf,
  type DeviceId,
  deviceFacts,
  devices,
  type Env,
  enqueue,
  groupTargets,
  ok,
  type Reader,
  type Store,
  type Target,
  type TenantId,
  targetOfSet,
} from '@waymark/domain'
import { JsonDecimal, type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import type { Post } from '../deliveries/post.ts'
import { openTarget, parseTarget, signatureKey } from '../deliveries/target.ts'
import type { Keys } from '../keys.ts'
import type { Log } from '../log.ts'
import type { UpAnswer, UpCall, UpRefusal } from './link.ts'
import { type DeviceModules, extensionOf, type FoundOperation } from './modules.ts'

export interface UpwardNeeds {
  readonly store: Store
  readonly keys: Keys
  readonly post: Post
  readonly log: Log
  readonly modules: DeviceModules
  env(): Env
}

/** Who is asked on a device's behalf, and whose answer it gets. */
interface Audience {
  readonly targets: readonly Target[]
  /** Absent: nobody's. */
  readonly reads?: Target
}

export function createUpward(needs: UpwardNeeds) {
  const { store } = needs
  let calls = 0

  async function call(
    { tenant, device }: { readonly tenant: TenantId; readonly device: DeviceId },
    up: UpCall,
  ): Promise<UpAnswer> {
    const prefixed = up.method.indexOf(':')
    const module = prefixed < 0 ? up.module : up.method.slice(0, prefixed)
    const method = prefixed < 0 ? up.method : up.method.slice(prefixed + 1)
    const found = await needs.modules.find(tenant, device, module, method)
    if (!found) return refused('not-defined', `${module}:${method}`)
    const { operation, schema } = found
    const reader = store.read(tenant)
    const params = await withDeviceId(reader, device, found, up.params)
    const as = operation.kind === 'rpc' ? 'input' : 'notification'
    const judged = schema.judge({ as, operation: method }, params)
    if (!judged.ok) return refused('bad-params', judged.refusal.first)
    const audience = await audienceOf(reader, device, found)
    if (operation.kind === 'notification') {
      await keep(tenant, device, audience, `${module}:${method}`, judged.value)
      return { kind: 'taken' }
    }
    const bare = extensionOf(operation, 'rpc-include-module-name') === 'false'
    return ask(tenant, device, audience, bare ? method : `${module}:${method}`, judged.value, found)
  }

  async function keep(
    tenant: TenantId,
    device: DeviceId,
    { targets }: Audience,
    method: string,
    params: JsonObject,
  ): Promise<void> {
    await store.transact(tenant, async (tx) => {
      const env = needs.env()
      const about = { kind: 'notification', device, method, params: printJson(params) } as const
      for (const target of targets) await enqueue(tx, env, target, about)
      tx.journal({
        kind: 'device.notified',
        at: env.now,
        by: { kind: 'device', id: device },
        device,
        data: { method, told: targets.length },
      })
      return ok(undefined)
    })
  }

  async function ask(
    tenant: TenantId,
    device: DeviceId,
    { targets, reads }: Audience,
    method: string,
    params: JsonObject,
    { schema, operation }: FoundOperation,
  ): Promise<UpAnswer> {
    calls += 1
    const id = String(calls)
    const body = printJson({ jsonrpc: '2.0', method, id, params })
    const key = signatureKey(needs.keys, tenant)
    const answers = targets.map(async (target) => {
      const parsed = parseTarget(openTarget(needs.keys, tenant, target))
      if (!parsed.ok) return undefined
      const posted = await needs.post.post(parsed.value, body, key)
      if (!posted.ok) needs.log.info({ device, reason: posted.refusal.reason }, 'a back end did not answer')
      return posted.ok ? posted.value : undefined
    })
    if (!reads) {
      void Promise.allSettled(answers)
      if (targets.length > 0)
        needs.log.warn(
          { device, method },
          'a device of several groups, none of them primary, asks: no answer',
        )
      return refused('no-answer', targets.length === 0 ? 'no address to ask' : 'no primary group')
    }
    const answer = await answers[targets.indexOf(reads)]
    if (answer?.status !== 200) return refused('no-answer', `answered ${answer?.status ?? 'nothing'}`)
    const result = resultOf(answer.body, id)
    if (result === undefined) return refused('no-answer', 'the answer is no result')
    const judged = schema.judge({ as: 'output', operation: operation.name }, result)
    if (!judged.ok) return refused('no-answer', judged.refusal.first)
    return {
      kind: 'output',
      output: judged.value,
      described: { kind: 'rpc', input: operation.input, output: operation.output },
    }
  }

  async function audienceOf(reader: Reader, device: DeviceId, { set }: FoundOperation): Promise<Audience> {
    const own =
      (set === undefined ? undefined : await targetOfSet(reader, set, device)) ??
      (await reader.get(deviceFacts, { device }))?.target
    const groups = await groupTargets(reader, device)
    const byLane = new Map<string, Target>()
    for (const target of [...(own ? [own] : []), ...groups.map((group) => group.target)])
      if (!byLane.has(target.lane)) byLane.set(target.lane, target)
    const [only] = groups
    const counts =
      own ?? groups.find(({ primary }) => primary)?.target ?? (groups.length === 1 ? only?.target : undefined)
    const reads = counts && byLane.get(counts.lane)
    return { targets: [...byLane.values()], ...(reads === undefined ? {} : { reads }) }
  }

  return { call }
}

/** The device is named to the back end where the schema has a place for it. */
async function withDeviceId(
  reader: Reader,
  id: DeviceId,
  { operation }: FoundOperation,
  params: JsonObject,
): Promise<JsonObject> {
  if (!operation.input.some(({ name }) => name === 'device-id')) return params
  const device = await reader.get(devices, { id })
  return device ? { ...params, 'device-id': await backEndNameOf(reader, device) } : params
}

/** The result of an answer that is ours: its id is the call's, as a text or a number. */
function resultOf(body: string, id: string): JsonObject | undefined {
  const parsed = parseJson(body)
  if (!parsed.ok || !isObject(parsed.value)) return undefined
  const { result, id: named } = parsed.value
  if (named !== undefined && String(named) !== id) return undefined
  return isObject(result) ? result : undefined
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonDecimal)
  )
}

function refused(reason: UpRefusal, detail: string): UpAnswer {
  return { kind: 'refused', reason, detail }
}
