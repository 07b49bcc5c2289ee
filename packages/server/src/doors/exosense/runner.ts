/**
 * Runs what is asked: a command of the table, or an operation that a device's modules define. The same for everybody who
 * may ask, over whichever wire they came: who calls and from where is handed in, and what comes of it is JSON-RPC's outcome.
 */
import { type Transaction, tenants } from '@waymark/domain'
import type { JsonObject, JsonValue } from '@waymark/yang'
import type { House } from '../../house.ts'
import { type Context, Params } from './command.ts'
import { callCustom } from './custom.ts'
import { createDeviceViews } from './device-views.ts'
import { describeFault } from './faults.ts'
import { type RpcOutcome, type RpcRequest, rpcError } from './json-rpc.ts'
import { isLoopback } from './local.ts'
import { type AccountAnswer, accountOf, type Caller } from './login.ts'
import type { Remembered } from './remembered.ts'
import { commandOf, type NamedCommand } from './table.ts'
import type { FilePart } from './upload.ts'

/** Told which transaction a call began, if it begins one. */
export type Began = (asked: Transaction) => void

export type Run = ReturnType<typeof createRunner>['run']

export function createRunner(house: House, remembered: Remembered) {
  const views = createDeviceViews(house.store)
  const directory = house.store.readHouse()
  // Nobody can replace the system's own modules: what judges commands is opened once.
  let own: ReturnType<typeof house.exchange.schemas.open> | undefined
  const ownModule = () => (own ??= house.exchange.schemas.open('house', { name: 'exodm' }))
  return { run }

  async function run(
    caller: Caller,
    peer: string,
    { method, params }: RpcRequest,
    files: ReadonlyMap<string, FilePart>,
    began?: Began,
  ): Promise<RpcOutcome> {
    const named = commandOf(method, params)
    if (named) return runCommand(caller, peer, named, params, files, began)
    const account = params.account
    const found =
      caller.place !== undefined && typeof account !== 'string'
        ? caller.place
        : await accountOf(directory, caller, typeof account === 'string' ? account : undefined, undefined)
    // What is not there and what is not yours look alike.
    if (!found.ok) return rpcError('methodNotFound', method)
    const context = contextOf(caller, peer, found, began)
    return (await callCustom(context, method, params)) ?? rpcError('methodNotFound', method)
  }

  async function runCommand(
    caller: Caller,
    peer: string,
    { name, command }: NamedCommand,
    given: JsonObject,
    files: ReadonlyMap<string, FilePart>,
    began: Began | undefined,
  ): Promise<RpcOutcome> {
    const spelt = command.prepare?.(respell(given, command)) ?? respell(given, command)
    const filled = fillIn(spelt, files)
    if (!filled) return { result: { result: 'object-not-found' } }
    const schema = await ownModule()
    const judged = schema?.judge({ as: 'input', operation: name }, filled)
    if (!judged) return rpcError('internal', 'the module exodm does not open')
    if (!judged.ok)
      return rpcError('invalidParams', describeFault(judged.refusal, schema?.operations.get(name)))
    const params = new Params(judged.value)
    const refused = (result: string): RpcOutcome => ({
      result: command.empty === undefined ? { result } : { result, [command.empty]: [] },
    })
    const found =
      command.where === 'house'
        ? await houseOf(caller)
        : caller.place !== undefined && !params.has('account')
          ? caller.place
          : await remembered.account(caller, params.maybeText('account'), params.maybeText('uname'))
    if (!found.ok) return refused(found.result)
    const self = command.self !== undefined && params.maybeText(command.self) === caller.principal.nick
    if (!self && !command.roles.some((role) => found.roles.includes(role)))
      return refused('permission-denied')
    const masterOnly = command.roles.length === 1 && command.roles[0] === 'master'
    if (masterOnly && house.config.masterFrom === 'local' && !isLoopback(peer))
      return refused('permission-denied')
    const answer = await command.run(contextOf(caller, peer, found, began), params)
    return { result: typeof answer === 'string' ? { result: answer } : answer }
  }

  /** For commands that act on no account: what the caller is where they are at home. */
  async function houseOf(caller: Caller) {
    if (caller.place !== undefined) return caller.place
    const home = await directory.get(tenants, { id: caller.principal.home })
    return accountOf(directory, caller, caller.account ?? home?.name, undefined)
  }

  function contextOf(
    caller: Caller,
    peer: string,
    found: Extract<AccountAnswer, { ok: true }>,
    began: Began | undefined,
  ): Context {
    return {
      house,
      caller,
      // What is done is journaled with where it came from.
      actor: { ...caller.actor, address: peer },
      tenant: found.tenant,
      roles: found.roles,
      reader: house.store.read(found.tenant.id),
      directory,
      views,
      ...(began === undefined ? {} : { began }),
    }
  }
}

const none: Readonly<Record<string, string>> = {}

/** Parameters under the names of the schema: other spellings are taken, and one value for a list of one. */
function respell(given: JsonObject, { spellings = none, lists = [] }: NamedCommand['command']): JsonObject {
  if (spellings === none && lists.length === 0) return given
  const params: JsonObject = {}
  for (const [spelt, value] of Object.entries(given)) {
    const name =
      Object.hasOwn(spellings, spelt) && given[spellings[spelt] ?? ''] === undefined
        ? spellings[spelt]
        : spelt
    params[name ?? spelt] = value
  }
  for (const name of lists) {
    const value = params[name]
    if (value !== undefined && !Array.isArray(value)) params[name] = [value]
  }
  return params
}

/** `file:NAME` is the content of the part of that name; undefined when there is none. */
function fillIn(params: JsonObject, files: ReadonlyMap<string, FilePart>): JsonObject | undefined {
  if (files.size === 0 && !Object.values(params).some(isReference)) return params
  const filled: JsonObject = {}
  for (const [name, value] of Object.entries(params)) {
    const file = isReference(value) ? value.slice(5) : undefined
    if (file === undefined || (files.size === 0 && !fileParams.has(name))) {
      filled[name] = value
      continue
    }
    const part = files.get(file)
    if (part === undefined) return undefined
    // An image's file is the image, bytes as they are; in a parameter bytes stand as base64.
    filled[name] = name === 'image' ? part.bytes.toString('base64') : part.text
  }
  return filled
}

function isReference(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value.startsWith('file:')
}

/** Parameters that are contents, so that `file:` in them is always a reference. */
const fileParams: ReadonlySet<string> = new Set(['yang-module', 'image'])
