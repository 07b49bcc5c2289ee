/**
 * Slows what comes too often: token buckets by key, in bounded memory.
 *
 * Guessing is slowed per name and address, and per address over all names. It is never slowed per name alone: then
 * anybody could lock out an owner by guessing. Whoever comes from an address that did not guess, with the right
 * password, passes at once. A machine that owns a whole IPv6 network counts as one address.
 */
import { isIPv6 } from 'node:net'
import type { Instant } from '@waymark/domain'
import { createRecent } from './recent.ts'

export interface Clock {
  now(): Instant
}

export interface Throttle {
  /** Milliseconds until this key may; 0 when it may now. Takes nothing. */
  waitMs(key: string): number
  /** Takes one if there is one: 0 when taken, else the milliseconds to wait. */
  take(key: string): number
  /** Puts one back. */
  giveBack(key: string): void
}

export interface ThrottleNeeds {
  readonly clock: Clock
  /** What comes back per minute; `off` slows nothing. */
  readonly perMinute: number | 'off'
  /** What may come at once after a pause. Default: a minute's worth. */
  readonly burst?: number
  /** Keys remembered; a forgotten key begins with a full bucket. */
  readonly maxKeys?: number
}

export function createThrottle({ clock, perMinute, burst, maxKeys = 20_000 }: ThrottleNeeds): Throttle {
  if (perMinute === 'off') return { waitMs: () => 0, take: () => 0, giveBack: () => {} }
  /** Parts of an admission (see `unit`) that come back each millisecond. */
  const perMs: number = perMinute
  const capacity = Math.max(1, burst ?? perMinute) * unit
  const buckets = createRecent<Bucket>(maxKeys)

  function bucketOf(key: string): Bucket {
    const now = clock.now()
    const bucket = buckets.get(key)
    if (bucket === undefined) return { left: capacity, at: now }
    // A clock that was set back gives nothing and takes nothing.
    bucket.left = Math.min(capacity, bucket.left + Math.max(0, now - bucket.at) * perMs)
    bucket.at = now
    return bucket
  }
  const waitFor = ({ left }: Bucket): number => (left >= unit ? 0 : Math.ceil((unit - left) / perMs))

  return {
    waitMs: (key) => waitFor(bucketOf(key)),
    take(key) {
      const bucket = bucketOf(key)
      const wait = waitFor(bucket)
      if (wait > 0) return wait
      bucket.left -= unit
      buckets.set(key, bucket)
      return 0
    },
    giveBack(key) {
      const bucket = bucketOf(key)
      bucket.left = Math.min(capacity, bucket.left + unit)
    },
  }
}

export interface Guesses {
  /**
   * Milliseconds before this name may be tried again from this address. When it is 0 the attempt counts as a guess
   * from now on, so that a thousand at once are not all let through; `right` takes that back.
   */
  waitMs(name: string, peer: string): number
  wrong(name: string, peer: string): void
  right(name: string, peer: string): void
}

/** Wrong passwords per minute over all names, from one address, as a multiple of those for one name. */
const namesPerPeer = 10

export function createGuesses({
  clock,
  perMinute,
  maxKeys = 20_000,
}: {
  clock: Clock
  perMinute: number
  maxKeys?: number
}): Guesses {
  const pairs = createThrottle({ clock, perMinute, maxKeys })
  const peers = createThrottle({ clock, perMinute: perMinute * namesPerPeer, maxKeys })
  return {
    waitMs(name, peer) {
      const network = networkOf(peer)
      const pair = pairOf(name, network)
      const wait = Math.max(pairs.waitMs(pair), peers.waitMs(network))
      if (wait > 0) return wait
      pairs.take(pair)
      peers.take(network)
      return 0
    },
    wrong() {
      // Counted when it was let through.
    },
    right(name, peer) {
      const network = networkOf(peer)
      pairs.giveBack(pairOf(name, network))
      peers.giveBack(network)
    },
  }
}

/** What counts as one address: an IPv4 address, or the /64 an IPv6 address lies in. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  // An embedded IPv4 address stands for two groups.
  const width = [...left, ...right].reduce((sum, group) => sum + (group.includes('.') ? 2 : 1), 0)
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - width) }, () => '0')
  const groups = [...left, ...zeros, ...right].slice(0, 4)
  return `${groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`
}

/** One admission. Buckets count in whole parts of it, as many as a minute has milliseconds, so that nothing is rounded. */
const unit = 60_000

interface Bucket {
  left: number
  at: Instant
}

const longestName = 128

function pairOf(name: string, network: string): string {
  return `${network} ${name.length} ${name.slice(0, longestName)}`
}
