import { createHmac, randomBytes } from 'node:crypto'
import { Instant, isJsonObject } from '@waymark/domain'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createKeys } from '../src/keys.ts'
import { createTokens } from '../src/tokens.ts'

interface Claims {
  readonly id: string
  readonly exp: number
  readonly [more: string]: unknown
}

function parse(payload: unknown): Claims | undefined {
  if (!isJsonObject(payload)) return undefined
  const { id, exp } = payload
  return typeof id === 'string' && typeof exp === 'number' ? { ...payload, id, exp } : undefined
}

const keys = createKeys(new Uint8Array(32).fill(1), randomBytes)
const startMs = 1_800_000_000_000

function fresh(epochs: [number, ...number[]] = [1], maxRemembered?: number) {
  let now = startMs
  const [own, ...others] = epochs
  const tokens = createTokens({
    clock: { now: () => Instant.of(now) },
    keys: [keys.tokenKey(own), ...others.map((epoch) => keys.tokenKey(epoch))],
    parse,
    ...(maxRemembered === undefined ? {} : { maxRemembered }),
  })
  return { tokens, later: (ms: number) => (now += ms) }
}

const claims: Claims = { id: 'u1', exp: startMs / 1000 + 3600 }

/** A token written by hand, signed with a key or not at all. */
function forged(header: object, payload: unknown, secret?: Uint8Array): string {
  const text = [header, payload]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${text}.${secret ? createHmac('sha256', secret).update(text).digest('base64url') : ''}`
}

const { kid, secret } = keys.tokenKey(1)

test('[TK1] what was issued verifies to the same claims', () => {
  const { tokens } = fresh()
  fc.assert(
    fc.property(
      fc.string(),
      fc.dictionary(
        fc.string().filter((name) => name !== '__proto__'),
        fc.jsonValue(),
      ),
      (id, more) => {
        const issued = JSON.parse(JSON.stringify({ ...more, id, exp: claims.exp }))
        expect(tokens.verify(tokens.issue(issued))).toEqual({ ok: true, value: issued })
      },
    ),
  )
})

test('[TK1] a token names its key and algorithm, and our own header is taken as it stands', () => {
  const token = fresh().tokens.issue(claims)
  const [header = ''] = token.split('.')
  expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({ alg: 'HS256', typ: 'JWT', kid })
})

test('[TK1] it expires by the clock that was handed in, to the millisecond', () => {
  const { tokens, later } = fresh()
  const token = tokens.issue(claims)
  later(3_600_000 - 1)
  expect(tokens.verify(token)).toMatchObject({ ok: true })
  later(1)
  expect(tokens.verify(token)).toEqual({
    ok: false,
    refusal: { kind: 'expired', expired: startMs + 3_600_000, now: startMs + 3_600_000 },
  })
})

test('[TK3] a remembered token expires all the same', () => {
  const { tokens, later } = fresh()
  const token = tokens.issue(claims)
  for (let i = 0; i < 3; i++) expect(tokens.verify(token)).toMatchObject({ ok: true })
  later(3_600_000)
  for (let i = 0; i < 3; i++) expect(tokens.verify(token)).toMatchObject({ refusal: { kind: 'expired' } })
})

const foreign: { says: string; token: string; kind: string }[] = [
  { says: 'alg none', token: forged({ alg: 'none', typ: 'JWT', kid }, claims), kind: 'foreign-token' },
  {
    says: 'alg none, signed',
    token: forged({ alg: 'none', typ: 'JWT', kid }, claims, secret),
    kind: 'foreign-token',
  },
  {
    says: 'another algorithm',
    token: forged({ alg: 'HS512', typ: 'JWT', kid }, claims, secret),
    kind: 'foreign-token',
  },
  { says: 'no kid', token: forged({ alg: 'HS256', typ: 'JWT' }, claims, secret), kind: 'foreign-token' },
  { says: 'another epoch', token: fresh([2]).tokens.issue(claims), kind: 'foreign-token' },
  {
    says: 'our header, another key',
    token: forged({ alg: 'HS256', typ: 'JWT', kid }, claims, randomBytes(32)),
    kind: 'bad-signature',
  },
  {
    says: 'our header, no signature',
    token: forged({ alg: 'HS256', typ: 'JWT', kid }, claims),
    kind: 'bad-signature',
  },
  {
    says: 'claims of another kind',
    token: forged({ alg: 'HS256', typ: 'JWT', kid }, { exp: claims.exp }, secret),
    kind: 'unexpected-claims',
  },
  {
    says: 'claims that are no object',
    token: forged({ alg: 'HS256', typ: 'JWT', kid }, 'x', secret),
    kind: 'bad-signature',
  },
  {
    says: 'exp that is no whole number',
    token: forged({ alg: 'HS256', typ: 'JWT', kid }, { id: 'x', exp: 1e300 }, secret),
    kind: 'unexpected-claims',
  },
  { says: 'nothing', token: '', kind: 'malformed' },
  { says: 'two parts', token: 'a.b', kind: 'malformed' },
  { says: 'five parts', token: 'a.b.c.d.e', kind: 'malformed' },
  { says: 'too long', token: `a.${'b'.repeat(5000)}.c`, kind: 'malformed' },
]
for (const { says, token, kind } of foreign)
  test(`[TK2] a token with ${says} is refused: ${kind}`, () => {
    expect(fresh().tokens.verify(token)).toMatchObject({ ok: false, refusal: { kind } })
  })

test('[TK2] an earlier epoch is believed as long as its key is among those handed in', () => {
  const old = fresh([1]).tokens.issue(claims)
  expect(fresh([2, 1]).tokens.verify(old)).toMatchObject({ ok: true })
  expect(fresh([2]).tokens.verify(old)).toMatchObject({ refusal: { kind: 'foreign-token' } })
})

test('[TK2] no changed letter goes unseen', () => {
  const { tokens } = fresh()
  const token = tokens.issue(claims)
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(...'AZaz09-_.'), (at, letter) => {
      fc.pre(token[at] !== letter)
      const changed = token.slice(0, at) + letter + token.slice(at + 1)
      // The last letter of a base64url text holds bits that say nothing.
      fc.pre(at !== token.length - 1)
      expect(tokens.verify(changed).ok).toBe(false)
    }),
  )
})

test('[TK4] the longest tokens stay well under 1016 bytes', () => {
  const scope = (name: string) => `prn:pantahub.com:apis:/base/${name}`
  const id = 'f'.repeat(24)
  const user = {
    id,
    nick: 'n'.repeat(23),
    prn: `prn:::accounts:/${id}`,
    type: 'SESSION',
    roles: 'session',
    scopes: scope('all'),
    owner: `prn:::accounts:/${id}`,
    exp: 1_764_003_600,
    orig_iat: 1_764_000_000,
    tn: id,
    cv: 1_000_000,
  }
  const { tokens } = fresh()
  expect(tokens.issue(user).length).toBeLessThan(600)
  expect(tokens.issue({ ...user, 'call-as': user }).length).toBeLessThan(1016)
  const scoped = {
    ...user,
    scopes: ['devices', 'objects', 'trails', 'devices.readonly'].map(scope).join(' '),
  }
  expect(tokens.issue(scoped).length).toBeLessThan(800)
})

test('[TK5] no text makes verifying throw', () => {
  const { tokens } = fresh()
  const [header = ''] = tokens.issue(claims).split('.')
  const part = fc.oneof(fc.string(), fc.base64String(), fc.constant(header))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(part, { maxLength: 4 }).map((parts) => parts.join('.')),
      ),
      (text) => {
        expect(tokens.verify(text).ok).toBe(false)
      },
    ),
  )
})
