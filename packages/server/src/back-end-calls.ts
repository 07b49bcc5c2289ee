/**
 * Calling what back ends call, by a login of the fleet door. The Exosense door owns the table of commands and puts this
 * into the house as it opens; the fleet door finds it there. Neither imports the other, there is one table, one mapping of
 * roles and one judge of parameters, and a person needs no second login to use them.
 */
import type { Tenant, TransactionId } from '@waymark/domain'
import type { JsonObject, JsonValue } from '@waymark/yang'
import type { UserCaller } from './access.ts'

/** One call. Parameters are texts `name=value` and `name:=JSON`, which are typed by the operation's schema. */
export interface BackEndCall {
  readonly caller: UserCaller
  /** The tenant that is meant where no account is named. */
  readonly tenant: Tenant
  /** The address that asked: some commands are for this machine alone. */
  readonly peer: string
  readonly method: string
  readonly params: readonly string[]
}

export type CallError = { readonly code: number; readonly message: string; readonly data?: JsonValue }

/** What came of it, with numbers as exact as they were given, and the transaction it began, if it began one. */
export type CallAnswer = ({ readonly result: JsonValue } | { readonly error: CallError }) & {
  readonly transaction?: TransactionId
}

/** A method that can be called, for lists and completion. */
export interface CallMethod {
  readonly method: string
  readonly description: string
  readonly params: readonly CallParam[]
}
export interface CallParam {
  readonly name: string
  readonly type: string
  readonly mandatory: boolean
}

export interface BackEndCalls {
  call(asked: BackEndCall): Promise<CallAnswer>
  /** Every command, and what the tenant's own modules define, by name. */
  methods(tenant: Tenant): Promise<readonly CallMethod[]>
}

/** A result as everybody's JSON can hold it: numbers beyond a double's become texts. */
export function plainJson(value: JsonValue): unknown {
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map(plainJson)
  if (typeof value !== 'object' || value === null) return value
  if (isJsonObject(value))
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plainJson(each)]))
  return String(value)
}

function isJsonObject(value: object): value is JsonObject {
  const made: unknown = Object.getPrototypeOf(value)
  return made === Object.prototype || made === null
}
