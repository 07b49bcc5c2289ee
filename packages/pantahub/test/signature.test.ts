import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkSignatures,
  type JsonObject,
  parseState,
  Sha256,
  type SignatureMode,
  type State,
  signState,
  stateSpecs,
  type TrustedKey,
} from '../src/index.ts'
import { compilePattern } from '../src/pattern.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const otherEc = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const trusted: readonly TrustedKey[] = [
  { name: 'factory', key: rsa.publicKey },
  { name: 'vendor', key: ec.publicKey },
]

const base: JsonObject = {
  '#spec': stateSpecs[0],
  'bsp/run.json': { initrd: 'initrd', weight: 1.5 },
  'bsp/kernel': Sha256.of('kernel'),
  'app/run.json': { name: 'app' },
  'app/src.json': { from: 'here' },
  'app/deep/er/file': Sha256.of('file'),
  '_config/app/etc/app.conf': Sha256.of('conf'),
  'device.json': { groups: [] },
}

function stateOf(json: JsonObject): State {
  const parsed = parseState(json)
  if (!parsed.ok) throw new Error(`${parsed.refusal.thing}: ${parsed.refusal.got}`)
  return parsed.state
}

const appSelection = { include: ['app/**', '_config/app/**'], exclude: ['app/src.json'] }
const appPaths = ['_config/app/etc/app.conf', 'app/deep/er/file', 'app/run.json']

function signed(json: JsonObject, name = 'app', selection = appSelection, key = ec.privateKey): JsonObject {
  const { path, document } = signState({ state: { json }, name, selection, key })
  return { ...json, [path]: document }
}

function check(json: JsonObject, mode: SignatureMode = 'lenient') {
  return checkSignatures({ state: stateOf(json), trusted, mode })
}

/** The refusal of the one signature there is, or `valid`. */
function outcome(json: JsonObject): string {
  const [verdict] = check(json).verdicts
  if (verdict === undefined) return 'unsigned'
  return verdict.valid ? 'valid' : verdict.refusal.kind
}

const keys = [
  { algorithm: 'RS256', name: 'factory', key: rsa.privateKey },
  { algorithm: 'ES256', name: 'vendor', key: ec.privateKey },
]
for (const { algorithm, name, key } of keys)
  test(`[SG1] an ${algorithm} signature of the ${name} is valid and says what it covers`, () => {
    expect(check(signed(base, 'app', appSelection, key)).verdicts).toEqual([
      { path: '_sigs/app.json', valid: true, key: name, algorithm, covers: appPaths, coversSpec: false },
    ])
  })

test('[SG1] the document is a detached JWS whose payload is the canonical subset', () => {
  const { path, document } = signState({
    state: { json: base },
    name: 'app',
    selection: appSelection,
    key: ec.privateKey,
  })
  expect(path).toBe('_sigs/app.json')
  expect(Object.keys(document)).toEqual(['#spec', 'protected', 'signature'])
  const header: unknown = JSON.parse(Buffer.from(String(document.protected), 'base64url').toString())
  expect(header).toEqual({ alg: 'ES256', typ: 'PVS', pvs: appSelection })
})

test('[SG1] a signer that always signs #spec is understood too', () => {
  const sign = {
    state: { json: base },
    name: 'app',
    selection: appSelection,
    key: ec.privateKey,
    withSpec: true,
  }
  const { path, document } = signState(sign)
  expect(check({ ...base, [path]: document }).verdicts).toMatchObject([
    { valid: true, coversSpec: true, covers: appPaths },
  ])
  expect(outcome({ ...base, '#spec': stateSpecs[1], [path]: document })).toBe('not-valid')
})

test('[SG1] #spec can be selected like any key', () => {
  const json = signed(base, 'all', { include: ['**'], exclude: [] })
  expect(check(json).verdicts).toMatchObject([{ valid: true, coversSpec: true }])
  expect(outcome({ ...json, '#spec': stateSpecs[1] })).toBe('not-valid')
})

const changes: { name: string; change: (json: JsonObject) => JsonObject; leaves: string }[] = [
  {
    name: 'a changed document',
    change: (s) => ({ ...s, 'app/run.json': { name: 'App' } }),
    leaves: 'not-valid',
  },
  {
    name: 'a changed object',
    change: (s) => ({ ...s, 'app/deep/er/file': Sha256.of('evil') }),
    leaves: 'not-valid',
  },
  { name: 'an added path', change: (s) => ({ ...s, 'app/evil': Sha256.of('evil') }), leaves: 'not-valid' },
  { name: 'a removed path', change: ({ 'app/run.json': _, ...rest }) => rest, leaves: 'not-valid' },
  {
    name: 'a changed overlay',
    change: (s) => ({ ...s, '_config/app/etc/app.conf': Sha256.of('y') }),
    leaves: 'not-valid',
  },
  { name: 'an excluded path', change: (s) => ({ ...s, 'app/src.json': { from: 'there' } }), leaves: 'valid' },
  {
    name: 'another container',
    change: (s) => ({ ...s, 'apple/x': Sha256.of('x'), 'bsp/kernel': Sha256.of('k2') }),
    leaves: 'valid',
  },
  {
    name: 'a rewritten order',
    change: (s) => Object.fromEntries(Object.entries(s).toReversed()),
    leaves: 'valid',
  },
]
for (const { name, change, leaves } of changes)
  test(`[SG2] after ${name} the signature is ${leaves}`, () =>
    expect(outcome(change(signed(base)))).toBe(leaves))

describe('[SG3] forgeries', () => {
  const json = signed(base)
  const document = json['_sigs/app.json'] as Record<string, string>
  const header = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const withDocument = (changed: unknown): JsonObject => ({
    ...json,
    '_sigs/app.json': changed as JsonObject,
  })
  const withHeader = (value: unknown) => withDocument({ ...document, protected: header(value) })
  const half = String(document.signature).slice(0, 43)
  const forgeries = [
    {
      name: 'a key nobody trusts',
      json: signed(base, 'app', appSelection, otherEc.privateKey),
      kind: 'not-valid',
    },
    {
      name: 'algorithm none',
      json: withHeader({ alg: 'none', pvs: appSelection }),
      kind: 'unknown-algorithm',
    },
    {
      name: 'a shared secret',
      json: withHeader({ alg: 'HS256', pvs: appSelection }),
      kind: 'unknown-algorithm',
    },
    { name: 'another key type', json: withHeader({ alg: 'RS256', pvs: appSelection }), kind: 'not-valid' },
    {
      name: 'a wider exclude',
      json: withHeader({ alg: 'ES256', pvs: { include: ['app/**'], exclude: ['**/run.json'] } }),
      kind: 'not-valid',
    },
    {
      name: 'a selection of nothing',
      json: withHeader({ alg: 'ES256', pvs: { include: ['none/**'], exclude: [] } }),
      kind: 'covers-nothing',
    },
    { name: 'no selection', json: withHeader({ alg: 'ES256' }), kind: 'bad-header' },
    {
      name: 'patterns that are no text',
      json: withHeader({ alg: 'ES256', pvs: { include: [1] } }),
      kind: 'bad-header',
    },
    {
      name: 'critical members',
      json: withHeader({ alg: 'ES256', crit: ['b64'], b64: false, pvs: appSelection }),
      kind: 'bad-header',
    },
    {
      name: 'a header that is no JSON',
      json: withDocument({ ...document, protected: 'e30x' }),
      kind: 'bad-header',
    },
    {
      name: 'a header that is no base64url',
      json: withDocument({ ...document, protected: '{"alg"}' }),
      kind: 'bad-header',
    },
    {
      name: 'a header that is missing',
      json: withDocument({ ...document, protected: undefined }),
      kind: 'bad-header',
    },
    { name: 'half a signature', json: withDocument({ ...document, signature: half }), kind: 'not-valid' },
    {
      name: 'a padded signature',
      json: withDocument({ ...document, signature: `${document.signature}==` }),
      kind: 'bad-document',
    },
    { name: 'an older spec', json: withDocument({ ...document, '#spec': 'pvs@1' }), kind: 'bad-document' },
    { name: 'a text for a document', json: withDocument('signed, honestly'), kind: 'bad-document' },
  ]
  for (const { name, json: forged, kind } of forgeries)
    test(`[SG3] ${name} is refused as ${kind}`, () => expect(outcome(forged)).toBe(kind))

  test('[SG3] without a key that fits, the refusal says so', () => {
    const report = checkSignatures({ state: stateOf(json), trusted: trusted.slice(0, 1), mode: 'lenient' })
    expect(report.verdicts).toMatchObject([{ valid: false, refusal: { kind: 'no-fitting-key' } }])
  })

  test('[SG3] weak and foreign keys neither sign nor are looked at', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const curve = generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
    for (const { privateKey } of [weak, curve])
      expect(() =>
        signState({ state: { json: base }, name: 'a', selection: appSelection, key: privateKey }),
      ).toThrow(TypeError)
  })

  test('[SG3] a signature cannot be named out of its folder', () => {
    for (const name of ['../app', 'a/b', ''])
      expect(
        () => signState({ state: { json: base }, name, selection: appSelection, key: ec.privateKey }).path,
      ).toThrow(TypeError)
  })
})

test('[SG4] two signers of everything do not wait for each other, and uncovered paths are listed', () => {
  const everything = { include: ['**'], exclude: [] }
  const both = signed(signed(base, 'one', everything), 'two', everything, rsa.privateKey)
  expect(check(both)).toMatchObject({
    accepted: true,
    uncovered: [],
    verdicts: [{ valid: true }, { valid: true }],
  })
  expect(check(signed(base)).uncovered).toEqual(['app/src.json', 'bsp/kernel', 'bsp/run.json', 'device.json'])
})

const spoilt = { ...signed(base), 'app/run.json': { name: 'evil' } }
const whole = signed(base, 'all', { include: ['**'], exclude: [] })
const modes = [
  { mode: 'disabled', unsigned: true, spoilt: true, partly: true, whole: true },
  { mode: 'audit', unsigned: true, spoilt: true, partly: true, whole: true },
  { mode: 'lenient', unsigned: true, spoilt: false, partly: true, whole: true },
  { mode: 'strict', unsigned: false, spoilt: false, partly: false, whole: true },
] as const
for (const { mode, ...accepts } of modes)
  test(`[SG5] ${mode} accepts ${JSON.stringify(accepts)}`, () => {
    const accepted = (json: JsonObject) => check(json, mode).accepted
    expect({
      unsigned: accepted(base),
      spoilt: accepted(spoilt),
      partly: accepted(signed(base)),
      whole: accepted(whole),
    }).toEqual(accepts)
  })

const patterns = [
  { pattern: 'app/**', yes: 'app/x app/x/y', no: 'app apple/x xapp/x' },
  { pattern: 'app/*', yes: 'app/x app/.hidden', no: 'app/x/y app' },
  { pattern: '**', yes: 'a a/b #spec', no: '' },
  { pattern: '*', yes: 'a #spec', no: 'a/b' },
  { pattern: '**/run.json', yes: 'app/run.json a/b/run.json', no: 'run.json app/run.jsonx' },
  { pattern: '*/run.json', yes: 'app/run.json', no: 'a/b/run.json' },
  { pattern: 'a?c', yes: 'abc', no: 'a/c ac abbc' },
  { pattern: 'a.c', yes: 'a.c', no: 'abc' },
  { pattern: 'a[bc]', yes: 'a[bc]', no: 'ab' },
  { pattern: 'a/**/z', yes: 'a/b/z a/b/c/z', no: 'a/z a/b/zz' },
]
for (const { pattern, yes, no } of patterns)
  test(`[SG6] ${pattern} matches ${yes}, not ${no || 'nothing else'}`, () => {
    const compiled = compilePattern(pattern)
    const matched = (words: string) =>
      words.split(' ').filter((path) => path !== '' && compiled?.matches(path) === true)
    expect(matched(yes)).toEqual(yes.split(' '))
    expect(matched(no)).toEqual([])
  })

test('[SG6] patterns match as the plainest translation into a regular expression does', () => {
  const sign = fc.constantFrom('a', 'b', '/', '.', '*', '**', '?')
  const pattern = fc.array(sign, { minLength: 1, maxLength: 7 }).map((signs) => signs.join(''))
  const path = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.'), maxLength: 8 })
  fc.assert(
    fc.property(pattern, path, (text, name) => {
      const source = text.replace(/\*\*+|[\s\S]/g, (token) =>
        token.length > 1
          ? '[^]*'
          : token === '*'
            ? '[^/]*'
            : token === '?'
              ? '[^/]'
              : token === '.'
                ? '\\.'
                : token,
      )
      expect(compilePattern(text)?.matches(name)).toBe(new RegExp(`^${source}$`, 'u').test(name))
    }),
    { numRuns: 2000 },
  )
})

test('[SG7] a header full of costly patterns is refused, not worked through', () => {
  const many = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`${'a'.repeat(3000)}${i}`, Sha256.of('x')]),
  )
  const costly = { include: Array.from({ length: 100 }, (_, i) => `${'*a'.repeat(400)}${i}b`), exclude: [] }
  const document = {
    '#spec': 'pvs@2',
    protected: Buffer.from(JSON.stringify({ alg: 'ES256', pvs: costly })).toString('base64url'),
    signature: 'AAAA',
  }
  expect(outcome({ '#spec': stateSpecs[0], ...many, '_sigs/x.json': document })).toBe('too-costly')
})

test('[SG7] a state full of signatures is refused, not worked through', () => {
  const document = signed(base)['_sigs/app.json'] ?? null
  const wrong = { ...(document as JsonObject), signature: 'A'.repeat(86) }
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`_sigs/${i}.json`, wrong]))
  const { accepted, verdicts } = check({ ...base, ...many })
  expect(accepted).toBe(false)
  const kinds = new Set(verdicts.map((verdict) => (verdict.valid ? 'valid' : verdict.refusal.kind)))
  expect([...kinds].toSorted()).toEqual(['not-valid', 'too-costly'])
})

test('[SG7] more patterns than the limit, or longer ones, are no header', () => {
  const header = (include: string[]) =>
    Buffer.from(JSON.stringify({ alg: 'ES256', pvs: { include } })).toString('base64url')
  for (const include of [Array.from({ length: 257 }, () => 'a'), ['a'.repeat(4097)], ['']]) {
    const document = { '#spec': 'pvs@2', protected: header(include), signature: 'AAAA' }
    expect(outcome({ ...base, '_sigs/x.json': document })).toBe('bad-header')
  }
})
