/**
 * Operations that devices' modules define, called as JSON-RPC.
 *
 * A call that names one device is looked up in that device's modules; one that names a group in the account's modules. It is
 * checked by its schema with defaults filled in, and asked of the device: kept in its queue, or made at once where the
 * device's protocol (or the operation itself) says so. What comes of it is told to the address that the call names, else to
 * the one of the set of configuration that gave the device the module.
 */
import {
  type Device,
  deviceTypes,
  type Group,
  groupByName,
  isHidden,
  type Notify,
  nextCallId,
  rolesPermitted,
  submit,
  submitToGroup,
  type Transaction,
  type TransactionRefusal,
  trailType,
} from '@waymark/domain'
import { type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import { statusOf, statusTexts } from '../../deliveries/render.ts'
import type { AskedRpc, KeptAnswer } from '../../links/carrying.ts'
import { extensionOf, type FoundOperation } from '../../links/modules.ts'
import type { OpenSchema, Operation } from '../../schemas/schema-room.ts'
import type { Context } from './command.ts'
import { deviceByName } from './commands/naming.ts'
import { describeFault } from './faults.ts'
import { type RpcOutcome, rpcError } from './json-rpc.ts'
import { parseTimer } from './timer.ts'

/** How long a call that is made at once waits for the device, in milliseconds, unless it says otherwise. */
const directMs = 30_000

type Addressee =
  | { readonly kind: 'device'; readonly device: Device }
  | { readonly kind: 'group'; readonly group: Group }

/** Calls `module:method`; undefined when neither the device nor the account has such an operation. */
export async function callCustom(
  context: Context,
  method: string,
  params: JsonObject,
): Promise<RpcOutcome | undefined> {
  const colon = method.indexOf(':')
  const [module, name] = [method.slice(0, Math.max(0, colon)), method.slice(colon + 1)]
  const addressed = params['device-id'] ?? params['dev-id']
  if (colon <= 0 || typeof addressed !== 'string') return undefined
  const to = await addresseeOf(context, addressed)
  if (!to) return undefined
  const found = await operationOf(context, to, module, name)
  if (found?.operation.kind !== 'rpc') return undefined
  if (!(await mayExecute(context, module, name))) return rpcError('permissionDenied', method)
  if (to.kind === 'device' && to.device.type === trailType) return rpcError('unsupported', method)
  return call(context, to, module, found, params)
}

async function addresseeOf({ reader }: Context, name: string): Promise<Addressee | undefined> {
  const found = await deviceByName(reader, name)
  if (found) return { kind: 'device', device: found.device }
  const group = await groupByName(reader, name)
  return group && !isHidden(group) ? { kind: 'group', group } : undefined
}

type Found = { readonly schema: OpenSchema; readonly operation: Operation; readonly set?: string }

async function operationOf(
  { house, tenant }: Context,
  to: Addressee,
  module: string,
  name: string,
): Promise<Found | undefined> {
  if (to.kind === 'device') {
    const found: FoundOperation | undefined = await house.exchange.modules.find(
      tenant.id,
      to.device.id,
      module,
      name,
    )
    return found
  }
  const schema = await house.exchange.schemas.open(tenant.id, { name: module })
  const operation = schema?.operations.get(name)
  return schema && operation && { schema, operation }
}

/** Master and admin may always; others if one of their roles has been permitted to. */
async function mayExecute({ roles, reader }: Context, schema: string, operation: string): Promise<boolean> {
  if (roles.includes('master') || roles.includes('admin')) return true
  const permitted = await rolesPermitted(reader, { schema, operation })
  return permitted.some((role) => (roles as readonly string[]).includes(role))
}

async function call(
  context: Context,
  to: Addressee,
  module: string,
  found: Found,
  params: JsonObject,
): Promise<RpcOutcome> {
  const { house, tenant, actor } = context
  const { schema, operation } = found
  const declared = (name: string) => operation.input.some((node) => node.name === name)
  const { 'dev-id': spelt, ...rest } = params
  const given = spelt === undefined ? params : { ...rest, 'device-id': spelt }
  // The common members steer the call whether or not the module declares them.
  const common = ['device-id', 'timeout', 'notification-url', 'transaction-id', 'account']
  const own = Object.fromEntries(
    Object.entries(given).filter(([name]) => declared(name) || !common.includes(name)),
  )
  const judged = schema.judge({ as: 'input', operation: operation.name }, own)
  if (!judged.ok) return rpcError('invalidParams', describeFault(judged.refusal, operation))

  const timer = leafFor(operation, 'timeout') ?? 'timeout'
  const until = given[timer] === undefined ? undefined : parseTimer(textOf(given[timer]), house.env().now)
  if (until && !until.ok) return rpcError('invalidParams', `${timer}: wanted ${until.refusal.wanted}`)
  const url = given['notification-url']
  const target = typeof url === 'string' && url !== '' ? house.exchange.keepTarget(tenant.id, url) : undefined
  if (target && !target.ok)
    return rpcError('invalidParams', `notification-url: wanted ${target.refusal.wanted}`)

  const chosen = given['transaction-id']
  const direct = to.kind === 'device' && (await isDirect(context, to.device, operation, given))
  const ttlMs = until?.value ?? (direct ? directMs : undefined)
  const asked = await house.store.transact<Transaction, TransactionRefusal>(tenant.id, async (tx) => {
    const callId = chosen === undefined ? await nextCallId(tx) : printJson(chosen)
    const input = declared('transaction-id')
      ? { ...judged.value, 'transaction-id': jsonOf(callId) }
      : judged.value
    const payload: AskedRpc = { module, method: operation.name, input: printJson(input), callId }
    const notify: Notify = {
      method: extensionOf(operation, 'matching-notification') ?? `${operation.name}-callback`,
      callId,
      ...(target === undefined ? setOf(found) : { target: target.value }),
      ...(tenant.exchange?.groupsToo ? { groupsToo: true } : {}),
    }
    const submission = {
      payload: { ...payload },
      by: actor,
      notify,
      ...(ttlMs === undefined ? {} : { ttlMs }),
    }
    if (to.kind === 'group')
      return submitToGroup(tx, house.env(), { ...submission, kind: 'rpc', group: to.group.id })
    const device = to.device.id
    if (!direct) return submit(tx, house.env(), { ...submission, kind: 'rpc', device })
    // The answer is the caller's own: nobody else is told.
    const { notify: _, ...alone } = submission
    const online = house.exchange.sessions.isConnected(device)
    return submit(tx, house.env(), { ...alone, kind: 'direct-rpc', device, online })
  })
  if (!asked.ok) return { result: emptyOutput(operation, 'device-error') }
  context.began?.(asked.value)
  if (direct) return answerOf(context, operation, asked.value, ttlMs ?? directMs)
  if (operation.output.length === 0) return { result: 'ok' }
  const { callId } = asked.value.payload as unknown as AskedRpc
  return {
    result: {
      'transaction-id': jsonOf(callId),
      'rpc-status': 'accepted',
      'rpc-status-string': statusTexts.accepted,
      final: false,
    },
  }
}

/** Waits for the device's own answer. */
async function answerOf(
  { house, tenant }: Context,
  operation: Operation,
  asked: Transaction,
  waitMs: number,
): Promise<RpcOutcome> {
  const ended = await house.exchange.ended(tenant.id, asked.id, waitMs + 2000)
  const answer = ended?.answer as unknown as KeptAnswer | undefined
  if (ended?.state !== 'done') return { result: emptyOutput(operation, ended ? statusOf(ended) : 'time-out') }
  const output = answer === undefined ? {} : (jsonOf(answer.params) as JsonObject)
  return { result: { ...output, 'rpc-status-string': 'complete', final: true } }
}

/** An answer that the device did not give: lists are there, and empty. */
function emptyOutput(operation: Operation, status: string): JsonObject {
  const lists = operation.output
    .filter(({ kind }) => kind === 'list' || kind === 'leaf-list')
    .map(({ name }): [string, JsonValue] => [name, []])
  return { ...Object.fromEntries(lists), 'rpc-status-string': status, final: true }
}

/** Whether a call is made at once: the operation's own word, else the protocol of the device's type. */
async function isDirect(
  { house, reader }: Context,
  device: Device,
  operation: Operation,
  given: JsonObject,
): Promise<boolean> {
  const leaf = leafFor(operation, 'protocol')
  const type = await reader.get(deviceTypes, { name: device.type })
  const own = leaf === undefined ? undefined : given[leaf]
  const name = typeof own === 'string' ? own : type?.protocol
  return name !== undefined && house.exchange.protocol(name)?.delivery === 'immediate'
}

/** The leaf that a module marks as having a meaning. */
function leafFor(operation: Operation, meaning: string): string | undefined {
  return operation.input.find((node) =>
    node.extensions.some(({ name, argument }) => name === 'semantics' && argument === meaning),
  )?.name
}

function setOf({ set }: Found): { readonly set?: string } {
  return set === undefined ? {} : { set }
}

function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : printJson(value)
}

function jsonOf(text: string): JsonValue {
  const parsed = parseJson(text)
  if (!parsed.ok) throw new Error('a JSON text of ours does not parse')
  return parsed.value
}
