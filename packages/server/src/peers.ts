/**
 * Who is at the other end of a request, when proxies may stand between.
 *
 * X-Forwarded-For and X-Forwarded-Proto are claims. They are believed only from addresses the configuration names, and
 * read from the right: the first address that is not a trusted proxy is the one that a trusted proxy really saw;
 * what stands left of it may be invented.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { blockListOf, type Cidr } from './config-kinds.ts'

/** The part of a request that tells where it came from (a Fastify request's `raw`). */
export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly socket:
    | { readonly remoteAddress?: string | undefined }
    | Pick<TLSSocket, 'remoteAddress' | 'encrypted'>
}

export interface Peers {
  /** The address that asked: of the socket, or what trusted proxies say. IPv4 within IPv6 is told as IPv4. */
  address(request: Received): string
  /** Whether the caller's own connection was TLS: ours, or what a trusted proxy says. */
  scheme(request: Received): 'http' | 'https'
}

export function createPeers(trustedProxies: readonly Cidr[]): Peers {
  const trusted = blockListOf(trustedProxies)
  const trusts =
    trustedProxies.length === 0
      ? () => false
      : (address: string) => {
          const version = isIP(address)
          return version !== 0 && trusted.check(address, version === 4 ? 'ipv4' : 'ipv6')
        }
  return {
    address(request) {
      const direct = plainAddress(request.socket.remoteAddress)
      if (!trusts(direct)) return direct
      let seen = direct
      for (const claimed of rightToLeft(request.headers['x-forwarded-for'])) {
        const address = plainAddress(claimed)
        // A proxy that passes on something that is no address tells us nothing; stop at what is known.
        if (isIP(address) === 0) return seen
        seen = address
        if (!trusts(address)) return seen
      }
      return seen
    },
    scheme(request) {
      const own = 'encrypted' in request.socket && request.socket.encrypted ? 'https' : 'http'
      if (!trusts(plainAddress(request.socket.remoteAddress))) return own
      const [claimed] = rightToLeft(request.headers['x-forwarded-proto'])
      return claimed === 'https' || claimed === 'http' ? claimed : own
    },
  }
}

/** Hops that are looked at; a longer list is not read further. */
const maxHops = 16

function rightToLeft(header: string | readonly string[] | undefined): string[] {
  if (header === undefined) return []
  const text = typeof header === 'string' ? header : header.join(',')
  return text
    .split(',')
    .slice(-maxHops)
    .reverse()
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** An address without brackets, port, zone or the IPv6 dress of an IPv4 address. */
function plainAddress(raw: string | undefined): string {
  if (raw === undefined) return ''
  let address = raw
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(address)
  if (bracketed?.[1] !== undefined) address = bracketed[1]
  else if (/^\d+\.\d+\.\d+\.\d+:\d+$/.test(address)) address = address.slice(0, address.indexOf(':'))
  const zone = address.indexOf('%')
  if (zone >= 0) address = address.slice(0, zone)
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice('::ffff:'.length) : address
}
