import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  deviceOfPrn,
  ObjectId24,
  Prn,
  parsePrn,
  parseStepId,
  Rev,
  Sha256,
  stepId,
  storageId,
} from '../src/index.ts'

const id = ObjectId24.make({ seconds: 0x5c0e1234, random: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 255) })
const sha = Sha256.of('hello')

test('[NM1] an id is its time and its random bytes, in hex', () => {
  expect(id).toBe('5c0e123401020304050607ff')
  expect(ObjectId24.seconds(id)).toBe(0x5c0e1234)
  expect(() => ObjectId24.make({ seconds: 0, random: new Uint8Array(7) })).toThrow(RangeError)
})

test('[NM1] every time and randomness makes an id that parses', () => {
  const random = fc.uint8Array({ minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), random, (seconds, bytes) => {
      const made = ObjectId24.make({ seconds, random: bytes })
      expect(ObjectId24.parse(made)).toBe(made)
      expect(ObjectId24.seconds(made)).toBe(seconds)
    }),
  )
})

test('[NM1] a sha is 64 lower-case hex digits and nothing else', () => {
  expect(sha).toBe(createHash('sha256').update('hello').digest('hex'))
  expect(Sha256.parse(sha)).toBe(sha)
  for (const wrong of [
    sha.toUpperCase(),
    sha.slice(1),
    `${sha}0`,
    `${sha}\n`,
    ` ${sha.slice(1)}`,
    7,
    null,
    undefined,
  ])
    expect(Sha256.parse(wrong)).toBeUndefined()
})

const revisions = [
  { raw: 0, rev: 0 },
  { raw: 7, rev: 7 },
  { raw: '12', rev: 12 },
  { raw: '0', rev: 0 },
  { raw: -1, rev: undefined },
  { raw: 1.5, rev: undefined },
  { raw: '07', rev: undefined },
  { raw: '-1', rev: undefined },
  { raw: '1.0', rev: undefined },
  { raw: ' 1', rev: undefined },
  { raw: 2 ** 53, rev: undefined },
  { raw: '9007199254740993', rev: undefined },
  { raw: null, rev: undefined },
]
for (const { raw, rev } of revisions)
  test(`[NM2] ${JSON.stringify(raw)} is ${rev === undefined ? 'no revision' : `revision ${rev}`}`, () => {
    expect(Rev.parse(raw)).toBe(rev)
  })

test('[NM2] a post appends with -1 or with no rev, names one with a number, and nothing else', () => {
  expect([-1, undefined, 3, '3', null, -2].map(Rev.parseWanted)).toEqual([
    'append',
    'append',
    3,
    undefined,
    undefined,
    undefined,
  ])
  expect(Rev.after(Rev.factory)).toBe(1)
})

test('[NM3] a step id is written and read back, and malformed ones are none', () => {
  const rev = Rev.after(Rev.factory)
  expect(stepId(id, rev)).toBe(`${id}-1`)
  expect(parseStepId(stepId(id, rev))).toEqual({ device: id, rev })
  for (const wrong of [id, `${id}-`, `${id}--1`, `${id}-01`, `${id}_1`, `x${id}-1`, 5])
    expect(parseStepId(wrong)).toBeUndefined()
})

test('[NM4] a storage id hashes owner, slash, sha', () => {
  const owner = Prn.account(id)
  expect(storageId(owner, sha)).toBe(
    createHash('sha256').update(`prn:::accounts:/${id}/${sha}`).digest('hex'),
  )
})

const prns = [
  { prn: Prn.account(id), text: `prn:::accounts:/${id}`, kind: 'account', name: id },
  { prn: Prn.session(id), text: `prn:::sessions:/${id}`, kind: 'session', name: id },
  { prn: Prn.device(id), text: `prn:::devices:/${id}`, kind: 'device', name: id },
  { prn: Prn.joinToken(id), text: `prn:::devices-tokens:/${id}`, kind: 'joinToken', name: id },
  { prn: Prn.accessToken(id), text: `prn:::auth-tokens:/${id}`, kind: 'accessToken', name: id },
  { prn: Prn.subscription(id), text: `prn::subscriptions:/${id}`, kind: 'subscription', name: id },
  { prn: Prn.plan('FREE'), text: 'prn::subscriptions:FREE', kind: 'plan', name: 'FREE' },
  { prn: Prn.object(sha), text: `prn:::objects:/${sha}`, kind: 'object', name: sha },
  { prn: Prn.trail(id), text: `prn:::trails:/${id}`, kind: 'trail', name: id },
  { prn: Prn.builtIn('user1'), text: 'prn:pantahub.com:auth:/user1', kind: 'builtIn', name: 'user1' },
  { prn: Prn.anonymousLogin, text: 'prn:pantahub.com:auth:/anon', kind: 'builtIn', name: 'anon' },
  { prn: Prn.anonymous(id), text: `prn:pantahub.com:auth:/anon-${id}`, kind: 'anonymous', name: id },
  { prn: Prn.app('shop'), text: 'prn:pantahub.com:apis:/shop', kind: 'app', name: 'shop' },
  { prn: Prn.scope('all'), text: 'prn:pantahub.com:apis:/base/all', kind: 'scope', name: 'all' },
]
for (const { prn, text, kind, name } of prns)
  test(`[NM5] ${kind} is written ${text} and read back`, () => {
    expect(prn).toBe(text)
    expect(parsePrn(text)).toMatchObject({ prn: text, kind, name })
  })

test('[NM5] parts are told apart, whatever the domain', () => {
  expect(parsePrn('prn:acme.org:shop:/a/b:/c')).toEqual({
    prn: 'prn:acme.org:shop:/a/b:/c',
    kind: 'other',
    domain: 'acme.org',
    service: 'shop',
    resource: '/a/b:/c',
    name: 'a/b:/c',
  })
  expect(parsePrn('prn:::devices:/not-an-id')).toMatchObject({ kind: 'other', service: 'devices' })
})

const noPrns = [
  '',
  'prn:',
  'prn::',
  'prn:::',
  'prn:::devices:',
  'prn:::devices:/',
  'prn:x',
  'PRN:::devices:/x',
  'urn:a:b:/c',
  'prn:a:b:c:d:/e',
]
for (const text of [
  ...noPrns,
  'prn:::devices:/a b',
  'prn:::devices:/a\n',
  `prn:::x:/${'y'.repeat(600)}`,
  5,
  null,
])
  test(`[NM5] ${JSON.stringify(text)?.slice(0, 40)} is no prn`, () => expect(parsePrn(text)).toBeUndefined())

test('[NM5] a device is found in its own prn only', () => {
  expect(deviceOfPrn(Prn.device(id))).toBe(id)
  expect(deviceOfPrn(Prn.account(id))).toBeUndefined()
  expect(deviceOfPrn(`prn:::devices:/${id.toUpperCase()}`)).toBeUndefined()
})

test('[NM5] reading never throws, and what is read is the text itself', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'prn:/ab.-\n ') }), (tail) => {
      const parsed = parsePrn(`prn:${tail}`)
      if (parsed) expect(parsed.prn).toBe(`prn:${tail}`)
    }),
  )
})
