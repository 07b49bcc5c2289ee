import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readCidr } from '../src/config-kinds.ts'
import { createPeers } from '../src/peers.ts'

const trusted = ['10.0.0.0/8', 'fd00::/8', '127.0.0.1'].flatMap((text) => readCidr(text) ?? [])
const peers = createPeers(trusted)

function request(remoteAddress: string, forwarded?: string | undefined, proto?: string) {
  return {
    socket: { remoteAddress },
    headers: {
      ...(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }),
      ...(proto === undefined ? {} : { 'x-forwarded-proto': proto }),
    },
  }
}

const seen = [
  { from: '203.0.113.9', forwarded: undefined, is: '203.0.113.9', why: 'nothing is claimed' },
  { from: '203.0.113.9', forwarded: '1.2.3.4', is: '203.0.113.9', why: 'a stranger may claim anything' },
  { from: '10.0.0.1', forwarded: '203.0.113.9', is: '203.0.113.9', why: 'a trusted proxy saw it' },
  { from: '::ffff:10.0.0.1', forwarded: '203.0.113.9', is: '203.0.113.9', why: 'IPv4 in the dress of IPv6' },
  {
    from: '10.0.0.1',
    forwarded: '1.1.1.1, 203.0.113.9',
    is: '203.0.113.9',
    why: 'what stands left is invented',
  },
  { from: '10.0.0.1', forwarded: '203.0.113.9, 10.9.9.9', is: '203.0.113.9', why: 'two trusted proxies' },
  {
    from: '10.0.0.1',
    forwarded: '10.2.2.2, 10.9.9.9',
    is: '10.2.2.2',
    why: 'the client is within the trusted range',
  },
  {
    from: '10.0.0.1',
    forwarded: 'unknown, 10.9.9.9',
    is: '10.9.9.9',
    why: 'what is no address ends the way',
  },
  { from: '10.0.0.1', forwarded: '[2001:db8::1]:443', is: '2001:db8::1', why: 'brackets and port' },
  { from: '10.0.0.1', forwarded: '203.0.113.9:5123', is: '203.0.113.9', why: 'a port' },
  { from: '10.0.0.1', forwarded: '', is: '10.0.0.1', why: 'an empty claim' },
  { from: 'fd00::1', forwarded: 'fe80::1%eth0', is: 'fe80::1', why: 'a zone' },
]
for (const { from, forwarded, is, why } of seen)
  test(`[HT5] from ${from} claiming ${forwarded ?? 'nothing'}: ${is} (${why})`, () =>
    expect(peers.address(request(from, forwarded))).toBe(is))

const schemes = [
  { from: '203.0.113.9', proto: 'https', is: 'http' },
  { from: '10.0.0.1', proto: 'https', is: 'https' },
  { from: '10.0.0.1', proto: 'https, http', is: 'http' },
  { from: '10.0.0.1', proto: 'gopher', is: 'http' },
  { from: '10.0.0.1', proto: undefined, is: 'http' },
]
for (const { from, proto, is } of schemes)
  test(`[HT5] from ${from} claiming ${proto}: ${is}`, () =>
    expect(peers.scheme(request(from, undefined, proto))).toBe(is))

test('[HT5] whatever a stranger claims, the address is that of its socket', () => {
  fc.assert(
    fc.property(fc.string(), (claim) => {
      expect(peers.address(request('203.0.113.9', claim, claim))).toBe('203.0.113.9')
      expect(createPeers([]).address(request('10.0.0.1', claim))).toBe('10.0.0.1')
    }),
  )
})

test('[HT5] a claim of any length costs little: only the last hops are read', () => {
  const many = Array.from({ length: 10_000 }, () => '10.1.1.1').join(',')
  expect(peers.address(request('10.0.0.1', many))).toBe('10.1.1.1')
})
