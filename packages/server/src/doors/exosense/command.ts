/**
 * What a command is: a row of the table from which routing, permissions, validation, aliases and the test of the role
 * matrix follow. What it takes and gives is specified by our own YANG modules; here stands who may and what happens.
 */
import type { Actor, Reader, Tenant, TenantId, Transaction } from '@waymark/domain'
import type { JsonObject, JsonValue } from '@waymark/yang'
import type { House } from '../../house.ts'
import type { DeviceViews } from './device-views.ts'
import type { Caller, ExoRole } from './login.ts'

/** Exosense's words for how a command went. */
export const resultCodes = [
  'ok',
  'permission-denied',
  'validation-failed',
  'object-exists',
  'object-not-found',
  'device-not-found',
  'object-not-empty',
  'account-not-specified',
  'illegal-name',
  'missing-option',
  'internal-error',
] as const
export type ResultCode = (typeof resultCodes)[number]

/** What a command does its work with. */
export interface Context {
  readonly house: House
  readonly caller: Caller
  readonly actor: Actor
  /** The account it acts on; of commands that act on none (`where: 'house'`) the caller's home. */
  readonly tenant: Tenant
  readonly roles: readonly ExoRole[]
  readonly reader: Reader
  readonly directory: Reader
  /** What was shown of devices, while it is so. */
  readonly views: DeviceViews
  /** Told of the transaction that a call begins, by whoever wants to follow it. */
  readonly began?: (asked: Transaction) => void
}

/** A business answer: the code alone, or with more members, which come after it. */
export type CommandAnswer = ResultCode | ({ readonly result?: ResultCode } & JsonObject)

export interface Command {
  /** Who may: the manual's matrix. */
  readonly roles: readonly ExoRole[]
  /** Other names it goes by. */
  readonly aliases?: readonly string[]
  /** On what it acts: an account (the rule), or the house, where only master's commands do. */
  readonly where?: 'account' | 'house'
  /** Other spellings of parameters: spelling → name. */
  readonly spellings?: Readonly<Record<string, string>>
  /** Parameters that may come as one value instead of a list. */
  readonly lists?: readonly string[]
  /** The list that a refusal carries empty. */
  readonly empty?: string
  /** Everybody may, of themselves: the parameter that names who. */
  readonly self?: string
  /** Changes parameters before they are judged, where spellings are not enough. */
  readonly prepare?: (params: JsonObject) => JsonObject
  readonly run: (context: Context, params: Params) => Promise<CommandAnswer>
}

/** Rows by name; `satisfies` keeps the names. */
export type Commands = Readonly<Record<string, Command>>

/** Parameters that have been judged by their schema: asking for what it does not have is a defect of ours. */
export class Params {
  readonly values: JsonObject
  constructor(values: JsonObject) {
    this.values = values
  }
  has(name: string): boolean {
    return this.values[name] !== undefined
  }
  text(name: string): string {
    const value = this.values[name]
    if (typeof value !== 'string') throw new TypeError(`${name} was to be a text`)
    return value
  }
  maybeText(name: string): string | undefined {
    return this.values[name] === undefined ? undefined : this.text(name)
  }
  number(name: string): number {
    const value = this.values[name]
    if (typeof value !== 'number') throw new TypeError(`${name} was to be a number`)
    return value
  }
  maybeNumber(name: string): number | undefined {
    return this.values[name] === undefined ? undefined : this.number(name)
  }
  /** An unsigned number of up to 64 bits. */
  maybeBig(name: string): bigint | undefined {
    const value = this.values[name]
    return typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : undefined
  }
  flag(name: string): boolean {
    return this.values[name] === true
  }
  texts(name: string): readonly string[] {
    const value = this.values[name]
    return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
  }
  any(name: string): JsonValue | undefined {
    return this.values[name]
  }
}

export type Page = { readonly n: number; readonly previous: string; readonly descending: boolean }

/** The page that a list command asks for; at most a thousand entries at once. */
export function pageOf(params: Params): Page {
  return {
    n: Math.min(params.number('n'), 1000),
    previous: params.text('previous'),
    descending: params.maybeText('direction') === 'descending',
  }
}

/** A page of names that are all at hand: in byte order, strictly beyond `previous`. */
export function pageNames<T>(all: readonly T[], nameOf: (each: T) => string, page: Page): T[] {
  const sorted = [...all].sort((a, b) => Buffer.compare(Buffer.from(nameOf(a)), Buffer.from(nameOf(b))))
  const from = Buffer.from(page.previous)
  const beyond = (each: T) => Buffer.compare(Buffer.from(nameOf(each)), from)
  if (!page.descending)
    return sorted.filter((each) => page.previous === '' || beyond(each) > 0).slice(0, page.n)
  return sorted
    .reverse()
    .filter((each) => page.previous === '' || beyond(each) < 0)
    .slice(0, page.n)
}

export function tenantId(context: Context): TenantId {
  return context.tenant.id
}
