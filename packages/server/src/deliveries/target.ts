/**
 * Addresses that users give us to send messages to. They are judged when they come in and again when they are used: a name
 * may lead somewhere else tomorrow. Addresses of this machine and of private networks are not ours to send to, unless the
 * operator allows it: whoever can name a target must not be able to reach what only the server can reach.
 */
import { BlockList, isIP } from 'node:net'
import { ok, type Result, refuse, type Target } from '@waymark/domain'
import type { Keys } from '../keys.ts'

export interface ParsedTarget {
  /** Without credentials and fragment. */
  readonly url: URL
  /** `user:password` of the address, for the Authorization header. */
  readonly credentials?: string
}

export interface TargetRefusal {
  readonly kind: 'bad-target'
  readonly wanted: string
  readonly got: string
}

/** Longest address (Exosense's 2.x schema). */
export const targetLengthMax = 512

/** Reads an address; the refusal never repeats credentials. */
export function parseTarget(text: string): Result<ParsedTarget, TargetRefusal> {
  if (text.length > targetLengthMax)
    return refuse({
      kind: 'bad-target',
      wanted: `at most ${targetLengthMax} characters`,
      got: `${text.length}`,
    })
  const url = URL.parse(text)
  if (!url) return refuse({ kind: 'bad-target', wanted: 'an http or https URL', got: 'no URL' })
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return refuse({ kind: 'bad-target', wanted: 'an http or https URL', got: url.protocol })
  const credentials =
    url.username === '' && url.password === ''
      ? undefined
      : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  url.username = ''
  url.password = ''
  url.hash = ''
  return ok(credentials === undefined ? { url } : { url, credentials })
}

/** An address as it is kept: sealed, with the lane that messages to it share. One slash at the end makes no other address. */
export function keepTarget(keys: Keys, tenant: string, text: string): Result<Target, TargetRefusal> {
  const parsed = parseTarget(text)
  if (!parsed.ok) return parsed
  return ok({ sealed: keys.seal(text, targetPlace(tenant)), lane: laneOf(keys, tenant, text) })
}

/** The address that was kept. */
export function openTarget(keys: Keys, tenant: string, { sealed }: Pick<Target, 'sealed'>): string {
  const plain = keys.unseal(sealed, targetPlace(tenant))
  if (!plain.ok) throw new Error('a kept address does not open: another master key?')
  return plain.value
}

/** The key by which a tenant's back ends can tell that a message is ours. */
export function signatureKey(keys: Keys, tenant: string): string {
  return keys.lookup('delivery-signature', tenant)
}

function targetPlace(tenant: string): string {
  return `target/${tenant}`
}

function laneOf(keys: Keys, tenant: string, text: string): string {
  const [path = '', ...query] = text.split('?')
  const plain = [path.replace(/\/$/, ''), ...query].join('?')
  return keys.lookup('delivery-lane', `${tenant} ${plain}`).slice(0, 24)
}

const internal = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  internal.addSubnet(net, prefix, 'ipv4')
for (const [net, prefix] of [
  ['::', 127],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  internal.addSubnet(net, prefix, 'ipv6')

/** Whether an IP address is of this machine, a private network, or of no host at all. What is no address counts so. */
export function isInternal(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return internal.check(address, 'ipv4')
  if (family !== 6) return true
  // The mapped form of an IPv4 address is judged by the rules for IPv4 (`check` does so by itself).
  return internal.check(address, 'ipv6')
}
