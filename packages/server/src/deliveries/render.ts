/**
 * The texts of messages to back ends: JSON-RPC notifications (2.0, without an id), made when they are sent from what is
 * kept. Members that a module's notification specifies come in its order; what the device left out of the common ones is
 * filled in from the transaction.
 */
import {
  backEndNameOf,
  type DeliveryMatter,
  devices,
  type PushedConfiguration,
  payloadOf,
  type Reader,
  type Store,
  type TenantId,
  type Transaction,
  transactions,
} from '@waymark/domain'
import { type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import type { AskedRpc, KeptAnswer } from '../links/carrying.ts'
import type { SchemaRoom } from '../schemas/schema-room.ts'

/** Exosense's words for how an operation stands, with what they say to people. */
export const statusTexts = {
  accepted: 'Operation has been accepted and is in progress.',
  complete: 'The operation has completed successfully.',
  'time-out': 'Operation has timed out.',
  'device-connected': 'The device is connected.',
  'device-unknown': 'There is no such device.',
  'device-error': 'The device could not do it.',
  'format-error': 'What was sent has not the form that is specified.',
  'value-error': 'A value is not within its bounds.',
} as const
export type StatusCode = keyof typeof statusTexts

/** How a transaction stands, in Exosense's words. */
export function statusOf({ state, reason }: Pick<Transaction, 'state' | 'reason'>): StatusCode {
  if (state === 'done') return 'complete'
  if (state === 'timed-out') return 'time-out'
  if (state === 'failed') {
    const word = reason?.split(':')[0] ?? ''
    return Object.hasOwn(statusTexts, word) ? (word as StatusCode) : 'device-error'
  }
  return state === 'cancelled' ? 'device-error' : 'accepted'
}

/** How a package's operation went, in the words for operations in general. */
function packageStatusOf(status: string): StatusCode {
  if (status === 'timeout') return 'time-out'
  return /^(transmitted|installed|upgraded|uninstalled)$/.test(status) ? 'complete' : 'device-error'
}

export function createRenderer({ store, schemas }: { readonly store: Store; readonly schemas: SchemaRoom }) {
  async function render(tenant: TenantId, about: DeliveryMatter): Promise<string | undefined> {
    if (about.kind === 'notification')
      return printJson({ jsonrpc: '2.0', method: about.method, params: jsonOf(about.params) })
    const reader = store.read(tenant)
    const asked = await reader.get(transactions, { id: about.transaction })
    if (about.kind === 'package') {
      const device = await reader.get(devices, { id: about.device })
      if (!asked?.notify || !device) return undefined
      const status = packageStatusOf(about.status)
      const params: JsonObject = {
        'device-id': await backEndNameOf(reader, device),
        'package-name': about.package,
        'package-status': about.status,
        'transaction-id': jsonOf(asked.notify.callId),
        'rpc-status': status,
        'rpc-status-string': statusTexts[status],
        final: about.final,
      }
      return printJson({ jsonrpc: '2.0', method: asked.notify.method, params })
    }
    const told = about.member === undefined ? asked : await reader.get(transactions, { id: about.member })
    if (!asked?.notify || !told) return undefined
    const common: JsonObject = {
      'transaction-id': jsonOf(asked.notify.callId),
      'rpc-status': statusOf(told),
      'rpc-status-string': statusTexts[statusOf(told)],
      final: about.final,
    }
    // A call to one device is told as the device answered it; configuration, and what a group was asked, name the device.
    const isNamed = about.member !== undefined || asked.kind === 'configuration'
    const device = isNamed ? await nameOf(reader, told) : undefined
    if (device !== undefined) common['device-id'] = device
    const { method, params } = await bodyOf(tenant, asked, told, common)
    return printJson({ jsonrpc: '2.0', method, params })
  }

  async function bodyOf(
    tenant: TenantId,
    asked: Transaction,
    told: Transaction,
    common: JsonObject,
  ): Promise<{ method: string; params: JsonObject }> {
    const payload = await payloadOf(store.read(tenant), asked)
    const named = asked.notify?.method ?? ''
    if (asked.kind === 'configuration') {
      const { name } = payload as unknown as Partial<PushedConfiguration>
      return { method: named, params: name === undefined ? common : { name, ...common } }
    }
    const { module } = payload as unknown as AskedRpc
    const answer = told.answer as unknown as KeptAnswer | undefined
    const method = answer?.method ?? named
    const said = answer === undefined ? {} : (jsonOf(answer.params) as JsonObject)
    const schema = await schemas.open(tenant, { name: module })
    const order = schema?.operations.get(method)?.input.map(({ name }) => name) ?? []
    return { method: `${module}:${method}`, params: inOrder(order, { ...common, ...said }, common) }
  }

  return { render }
}

/** Members in the schema's order, the rest after them; whether it is the last message is ours to say. */
function inOrder(order: readonly string[], members: JsonObject, common: JsonObject): JsonObject {
  const params: JsonObject = {}
  for (const name of [...order, ...Object.keys(members)]) {
    const value = members[name]
    if (value !== undefined && !Object.hasOwn(params, name)) params[name] = value
  }
  if (common.final === false) params.final = false
  return params
}

async function nameOf(reader: Reader, { device: id }: Transaction): Promise<string | undefined> {
  const device = id && (await reader.get(devices, { id }))
  return device ? backEndNameOf(reader, device) : undefined
}

function jsonOf(text: string): JsonValue {
  const parsed = parseJson(text)
  if (!parsed.ok) throw new Error('a kept JSON text does not parse')
  return parsed.value
}
