/**
 * What a plugin's process and the server say to each other over the channel between them.
 *
 * The child asks, the server answers: `ask` and `answer` carry the same number. The server tells it to do something: so do
 * `do` and `did`. What comes from a child is a stranger's
 * and is read here, once; what is not one of these shapes is a reason to end the process. How they become bytes is
 * the channel's affair.
 */
import type { PluginModule, PluginProtocol } from './plugin.ts'

export type FromChild =
  | {
      readonly kind: 'hello'
      readonly apiVersion: unknown
      readonly name: string
      readonly protocols: readonly PluginProtocol[]
      readonly packages: boolean
      readonly modules: readonly PluginModule[]
    }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'alive' }
  /** Its `open` has resolved; what it can be asked for. */
  | { readonly kind: 'opened'; readonly can: readonly Doing[] }
  /** What came of something it was told to do. */
  | { readonly kind: 'did'; readonly id: number; readonly value?: unknown; readonly error?: string }
  | { readonly kind: 'ask'; readonly id: number; readonly method: string; readonly args: readonly unknown[] }

export type ToChild =
  | { readonly kind: 'open' }
  | { readonly kind: 'beat' }
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown; readonly error?: string }
  | { readonly kind: 'ended'; readonly session: number }
  | { readonly kind: 'do'; readonly id: number; readonly what: Doing; readonly value: unknown }
  | { readonly kind: 'close' }

/** What the server may tell a plugin to do, if it can. */
export const doings = ['dial', 'http'] as const
export type Doing = (typeof doings)[number]

/** Longest reason that is kept of what a child says, characters. */
const reasonLimit = 500
const protocolsLimit = 16
const modulesLimit = 32

/** Reads a message of a child; undefined: it is none of ours. */
export function readFromChild(raw: unknown): FromChild | undefined {
  if (!isRecord(raw)) return undefined
  switch (raw.kind) {
    case 'hello': {
      const protocols = readProtocols(raw.protocols)
      const modules = readModules(raw.modules)
      if (typeof raw.name !== 'string' || !/^[\w-]{1,64}$/.test(raw.name)) return undefined
      if (protocols === undefined || modules === undefined) return undefined
      const packages = raw.packages === true
      return { kind: 'hello', apiVersion: raw.apiVersion, name: raw.name, protocols, packages, modules }
    }
    case 'refused':
      return { kind: 'refused', reason: String(raw.reason).slice(0, reasonLimit) }
    case 'alive':
      return { kind: 'alive' }
    case 'opened': {
      const { can } = raw
      return Array.isArray(can)
        ? { kind: 'opened', can: doings.filter((doing) => can.includes(doing)) }
        : undefined
    }
    case 'did':
      if (!Number.isSafeInteger(raw.id) || typeof raw.id !== 'number') return undefined
      return raw.error === undefined
        ? { kind: 'did', id: raw.id, value: raw.value }
        : { kind: 'did', id: raw.id, error: String(raw.error).slice(0, reasonLimit) }
    case 'ask':
      if (!Number.isSafeInteger(raw.id) || typeof raw.id !== 'number') return undefined
      if (typeof raw.method !== 'string' || !Array.isArray(raw.args)) return undefined
      return { kind: 'ask', id: raw.id, method: raw.method, args: raw.args }
    default:
      return undefined
  }
}

export function isRecord(raw: unknown): raw is Record<string, unknown> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw)
}

function readProtocols(raw: unknown): readonly PluginProtocol[] | undefined {
  if (!Array.isArray(raw) || raw.length === 0 || raw.length > protocolsLimit) return undefined
  const read: PluginProtocol[] = []
  for (const each of raw) {
    if (!isRecord(each) || typeof each.name !== 'string' || !/^[\w.-]{1,64}$/.test(each.name))
      return undefined
    if (each.delivery !== 'queued' && each.delivery !== 'immediate') return undefined
    const { name, delivery } = each
    read.push(each.dials === true ? { name, delivery, dials: true } : { name, delivery })
  }
  return read
}

function readModules(raw: unknown = []): readonly PluginModule[] | undefined {
  if (!Array.isArray(raw) || raw.length > modulesLimit) return undefined
  const read: PluginModule[] = []
  for (const each of raw) {
    if (!isRecord(each) || typeof each.name !== 'string' || typeof each.source !== 'string') return undefined
    if (!/^[A-Za-z_][\w.-]{0,63}$/.test(each.name)) return undefined
    read.push({ name: each.name, source: each.source })
  }
  return read
}
