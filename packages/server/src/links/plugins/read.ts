/** Reads what a plugin's process says: values of a stranger, which become types here or nothing. */
import type { JsonObject, JsonValue } from '@waymark/yang'
import type { ExternalName, Outcome } from '../link.ts'

const depthLimit = 64
const reasonLimit = 1000

/** Who a device says it is, and by what it is believed. */
export type ReadIdentity = {
  readonly name: ExternalName
  readonly address: string
  readonly secure: boolean
} & ({ readonly password: string } | { readonly dialled: string })

/** An identity; undefined: it is none. */
export function readIdentity(raw: unknown): ReadIdentity | undefined {
  if (!isRecord(raw)) return undefined
  const { account, device, password, dialled, address } = raw
  if (typeof account !== 'string' || typeof device !== 'string' || typeof address !== 'string')
    return undefined
  if (account.length > 256 || device.length > 256) return undefined
  const said = { name: { account, device }, address: address.slice(0, 256), secure: raw.secure === true }
  if (dialled !== undefined)
    return typeof dialled === 'string' && password === undefined ? { ...said, dialled } : undefined
  return typeof password === 'string' && password.length <= 1024 ? { ...said, password } : undefined
}

/** An outcome; undefined: it is none. */
export function readOutcome(raw: unknown): Outcome | undefined {
  if (!isRecord(raw)) return undefined
  switch (raw.kind) {
    case 'done':
      return { kind: 'done' }
    case 'replied': {
      const output = readObject(raw.output)
      return output && { kind: 'replied', output }
    }
    case 'failed':
    case 'unsupported':
      return typeof raw.reason === 'string'
        ? { kind: raw.kind, reason: raw.reason.slice(0, reasonLimit) }
        : undefined
    default:
      return undefined
  }
}

/** An object of JSON values; undefined: something in it is not, or it is too deep (which a ring is, too). */
export function readObject(raw: unknown): JsonObject | undefined {
  return isRecord(raw) && isJson(raw, 0) ? (raw as JsonObject) : undefined
}

function isJson(raw: unknown, depth: number): raw is JsonValue {
  if (raw === null || typeof raw === 'string' || typeof raw === 'boolean' || typeof raw === 'bigint')
    return true
  if (typeof raw === 'number') return Number.isFinite(raw)
  if (depth >= depthLimit) return false
  if (Array.isArray(raw)) return raw.every((each) => isJson(each, depth + 1))
  return isRecord(raw) && Object.values(raw).every((each) => isJson(each, depth + 1))
}

function isRecord(raw: unknown): raw is Record<string, unknown> {
  if (typeof raw !== 'object' || raw === null) return false
  const prototype: unknown = Object.getPrototypeOf(raw)
  return prototype === Object.prototype || prototype === null
}
