/**
 * Signatures over parts of a state (`pvs@2`): who vouches for which paths.
 *
 * A state carries its signatures as documents `_sigs/<name>.json`: `#spec` `pvs@2`, `protected`, `signature`. They are JWS
 * with a detached payload (RFC 7515, appendix F). `protected` is the base64url of a JSON header whose `pvs` holds two
 * lists of path patterns, `include` and `exclude`; the payload is the canonical JSON object of the state's members that
 * an include pattern matches and no exclude pattern does; what is signed is `protected`, a dot, base64url(payload).
 *
 * Choices made here where the published formats leave room:
 *
 *  - patterns: `**` matches any run of characters, `*` any run without `/`, `?` one character but `/`; all else is itself.
 *  - documents under `_sigs/` are never part of a payload, so that two signers cannot wait for each other.
 *  - `#spec` is matched by patterns like any key. Some signers may put it in always: a verifier tries the payload
 *    without it first, then with it. Both are exact texts, so trying both loosens nothing.
 *  - algorithms: RS256 (keys from 2048 bits) and ES256 (P-256, signature as the two numbers side by side, RFC 7518 3.4).
 *    The key decides which of them is possible; `none` and shared secrets do not exist here.
 *  - only keys handed in are trusted. A certificate chain in the header (`x5c`) is not walked: whoever trusts a chain
 *    checks it, with a clock, and hands in the key of its leaf.
 *
 * A signature says that somebody wrote these members together. It does not say for which device or revision: an old
 * signed part is still signed in a new state.
 */
import { type KeyObject, sign as signBytes, verify as verifyBytes } from 'node:crypto'
import { canonicalJson, compareCodePoints } from './canonical.ts'
import { describe, isJsonObject, type JsonObject, parseJson } from './json.ts'
import { compilePattern, type Pattern } from './pattern.ts'
import { type State, StatePath } from './state.ts'

export type SignatureAlgorithm = 'RS256' | 'ES256'

/** A public key, and the name by which a verdict will mention it. */
export interface TrustedKey {
  readonly name: string
  readonly key: KeyObject
}

/** Which members a signature covers. */
export interface SignatureSelection {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** How strictly a device or a server takes signatures; the words are Pantavisor's (`secureboot.mode`). */
export type SignatureMode = 'disabled' | 'audit' | 'lenient' | 'strict'

export interface SignatureRefusal {
  readonly kind:
    | 'bad-document'
    | 'bad-header'
    | 'unknown-algorithm'
    | 'covers-nothing'
    | 'no-fitting-key'
    | 'not-valid'
    | 'too-costly'
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

/** What came of one signature document. */
export type SignatureVerdict =
  | {
      readonly path: StatePath
      readonly valid: true
      readonly key: string
      readonly algorithm: SignatureAlgorithm
      /** The paths vouched for, in code-point order; `#spec` is not among them. */
      readonly covers: readonly StatePath[]
      /** Whether the signed text held `#spec`. */
      readonly coversSpec: boolean
    }
  | { readonly path: StatePath; readonly valid: false; readonly refusal: SignatureRefusal }

export interface SignatureReport {
  /** Whether a device in this mode may run the state. */
  readonly accepted: boolean
  readonly verdicts: readonly SignatureVerdict[]
  /** Paths that no valid signature covers; documents under `_sigs/` need none. */
  readonly uncovered: readonly StatePath[]
}

const spec = 'pvs@2'
const folder = '_sigs/'
const patternsMax = 256
const headerCharactersMax = 128 * 1024
/** Work that one state may cause, in compared characters: a hostile state cannot ask for more than about a second. */
const workMax = 32_000_000
/** What one try of one key weighs against a compared character. */
const verifyCost = 20_000

/**
 * Checks every signature of a state against the trusted keys. Pure: same state and keys, same report.
 *
 * `disabled` looks at nothing; `audit` reports and accepts; `lenient` wants every signature that is there to be valid;
 * `strict` also wants every path covered by one.
 */
export function checkSignatures({
  state,
  trusted,
  mode,
}: {
  state: Pick<State, 'json'>
  trusted: readonly TrustedKey[]
  mode: SignatureMode
}): SignatureReport {
  if (mode === 'disabled') return { accepted: true, verdicts: [], uncovered: [] }
  const work = { left: workMax }
  const members = membersOf(state.json)
  const verdicts = Object.keys(state.json)
    .filter(isSignaturePath)
    .sort(compareCodePoints)
    .map((path) => verifyOne({ path: path as StatePath, document: state.json[path], members, trusted, work }))
  const covered = new Set<string>(verdicts.flatMap((verdict) => (verdict.valid ? verdict.covers : [])))
  const uncovered = members.flatMap(({ key }) =>
    key === '#spec' || covered.has(key) ? [] : [key as StatePath],
  )
  const allValid = verdicts.every((verdict) => verdict.valid)
  const accepted = mode === 'audit' || (allValid && (mode === 'lenient' || uncovered.length === 0))
  return { accepted, verdicts, uncovered }
}

/** A signature document and the path it belongs under. */
export interface Signed {
  readonly path: StatePath
  readonly document: JsonObject
}

/**
 * Signs the members of a state that a selection names. The algorithm follows from the key: RSA signs RS256, P-256 signs
 * ES256; other keys throw `TypeError`. For tools and tests: no device and no server signs. `extra` members go into the
 * header (`x5c`, `kid`); `withSpec` puts `#spec` in, matched or not. An ES256 signature differs each time it is made.
 */
export function signState({
  state,
  name,
  selection,
  key,
  extra = {},
  withSpec = false,
}: {
  state: Pick<State, 'json'>
  name: string
  selection: SignatureSelection
  key: KeyObject
  extra?: JsonObject
  withSpec?: boolean
}): Signed {
  const path = StatePath.parse(`${folder}${name}.json`)
  const algorithm = algorithms.find((known) => known.fits(key))
  const compiled = compileSelection(selection)
  if (!path.ok || name === '' || name.includes('/'))
    throw new TypeError(`signature name ${describe(name)}: wanted a plain file name`)
  if (algorithm === undefined) throw new TypeError('signing key: wanted RSA of 2048 bits or more, or P-256')
  if (compiled === undefined) throw new TypeError(`selection: wanted at most ${patternsMax} patterns of text`)
  const selected = select(membersOf(state.json), compiled, { left: workMax })
  if (selected === undefined)
    throw new TypeError('selection: wanted patterns that can be matched with reasonable work')
  const header = canonicalJson({ ...extra, alg: algorithm.name, typ: 'PVS', pvs: { ...selection } })
  const signedHeader = Buffer.from(header).toString('base64url')
  const text = signedText(signedHeader, payloadText(withSpec ? withSpecOf(state.json, selected) : selected))
  const signature = algorithm.sign(Buffer.from(text), key).toString('base64url')
  return { path: path.path, document: { '#spec': spec, protected: signedHeader, signature } }
}

/** Whether a state's key is where signatures are kept. */
export function isSignaturePath(path: string): boolean {
  return path.startsWith(folder) && path.endsWith('.json')
}

/** A member of a state that can be signed, with its part of the payload rendered once. */
interface Member {
  readonly key: string
  readonly text: string
}

interface Work {
  left: number
}

interface Algorithm {
  readonly name: SignatureAlgorithm
  fits(key: KeyObject): boolean
  sign(data: Uint8Array, key: KeyObject): Buffer
  verify(data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean
}

const algorithms: readonly Algorithm[] = [
  {
    name: 'RS256',
    fits: (key) => key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048,
    sign: (data, key) => signBytes('sha256', data, key),
    verify: (data, key, signature) => verifyBytes('sha256', data, key, signature),
  },
  {
    name: 'ES256',
    fits: (key) => key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1',
    sign: (data, key) => signBytes('sha256', data, { key, dsaEncoding: 'ieee-p1363' }),
    verify: (data, key, signature) =>
      verifyBytes('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature),
  },
]

function verifyOne({
  path,
  document,
  members,
  trusted,
  work,
}: {
  path: StatePath
  document: unknown
  members: readonly Member[]
  trusted: readonly TrustedKey[]
  work: Work
}): SignatureVerdict {
  const no = (kind: SignatureRefusal['kind'], wanted: string, got: string): SignatureVerdict => ({
    path,
    valid: false,
    refusal: { kind, thing: `signature ${path}`, wanted, got },
  })
  if (!isJsonObject(document)) return no('bad-document', 'a JSON object', describe(document))
  if (document['#spec'] !== spec) return no('bad-document', `#spec ${spec}`, describe(document['#spec']))
  const { protected: signedHeader, signature: signatureText } = document
  const signature = fromBase64url(signatureText)
  const headerBytes = fromBase64url(signedHeader)
  if (signature === undefined) return no('bad-document', 'a signature in base64url', describe(signatureText))
  if (headerBytes === undefined || typeof signedHeader !== 'string') {
    return no('bad-header', 'a protected header in base64url', describe(signedHeader))
  }
  const parsed = parseJson(headerBytes.toString('utf8'), { depth: 8 })
  const header = parsed.ok && isJsonObject(parsed.value) ? parsed.value : undefined
  if (header === undefined)
    return no('bad-header', 'a JSON object', parsed.ok ? describe(parsed.value) : parsed.got)
  // A header may name members that must be understood (RFC 7515, 4.1.11); none are defined for pvs@2.
  if (header.crit !== undefined) return no('bad-header', 'no critical members', describe(header.crit))
  const algorithm = algorithms.find(({ name }) => name === header.alg)
  if (algorithm === undefined) return no('unknown-algorithm', 'RS256 or ES256', describe(header.alg))
  const selection = compileSelection(header.pvs)
  if (selection === undefined) {
    return no(
      'bad-header',
      `pvs with include and exclude, at most ${patternsMax} patterns`,
      describe(header.pvs),
    )
  }

  const selected = select(members, selection, work)
  if (selected === undefined)
    return no('too-costly', 'patterns that can be matched with reasonable work', 'more')
  const covers = selected.flatMap(({ key }) => (key === '#spec' ? [] : [key as StatePath]))
  if (covers.length === 0) return no('covers-nothing', 'a selection that matches some path', 'none')

  const fitting = trusted.filter(({ key }) => algorithm.fits(key))
  if (fitting.length === 0) return no('no-fitting-key', `a trusted key for ${algorithm.name}`, 'none')
  const readings = [selected]
  const specMember = members.find(({ key }) => key === '#spec')
  if (specMember && !selected.includes(specMember)) readings.push([specMember, ...selected])
  for (const reading of readings) {
    const payload = payloadText(reading)
    work.left -= (payload.length >> 3) + fitting.length * verifyCost
    if (work.left < 0) return no('too-costly', 'signatures over a reasonable amount of text', 'more')
    const data = Buffer.from(signedText(signedHeader, payload))
    const signer = fitting.find(({ key }) => algorithm.verify(data, key, signature))
    const coversSpec = specMember !== undefined && reading.includes(specMember)
    if (signer) return { path, valid: true, key: signer.name, algorithm: algorithm.name, covers, coversSpec }
  }
  return no(
    'not-valid',
    'a signature by a trusted key over these members',
    `one that none of ${fitting.length} made`,
  )
}

/** The members that can be signed, in canonical order: everything but the signatures themselves. */
function membersOf(state: JsonObject): readonly Member[] {
  return Object.keys(state)
    .filter((key) => !isSignaturePath(key))
    .sort(compareCodePoints)
    .map((key) => ({ key, text: `${canonicalJson(key)}:${canonicalJson(state[key])}` }))
}

function withSpecOf(state: JsonObject, selected: readonly Member[]): readonly Member[] {
  const specMember = membersOf(state).find(({ key }) => key === '#spec')
  return specMember === undefined || selected.some(({ key }) => key === '#spec')
    ? selected
    : [specMember, ...selected]
}

/** `#` sorts before letters, digits and `_`, but a path may begin with a lower sign: sort once more. */
function payloadText(members: readonly Member[]): string {
  const sorted = members.toSorted((a, b) => compareCodePoints(a.key, b.key))
  return `{${sorted.map(({ text }) => text).join(',')}}`
}

function signedText(signedHeader: string, payload: string): string {
  return `${signedHeader}.${Buffer.from(payload).toString('base64url')}`
}

function compileSelection(
  raw: unknown,
): { include: readonly Pattern[]; exclude: readonly Pattern[] } | undefined {
  if (!isRecord(raw)) return undefined
  const include = patternsOf(raw.include)
  const exclude = patternsOf(raw.exclude ?? [])
  return include && exclude ? { include, exclude } : undefined
}

function patternsOf(raw: unknown): readonly Pattern[] | undefined {
  if (!Array.isArray(raw) || raw.length > patternsMax) return undefined
  const patterns = raw.map((text) => (typeof text === 'string' ? compilePattern(text) : undefined))
  return patterns.every((pattern) => pattern !== undefined) ? patterns : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** The members chosen, or undefined when choosing them would take more work than is left. */
function select(
  members: readonly Member[],
  { include, exclude }: { include: readonly Pattern[]; exclude: readonly Pattern[] },
  work: Work,
): readonly Member[] | undefined {
  const matches = (pattern: Pattern, key: string): boolean => {
    if (work.left < 0) return false
    work.left -= pattern.cost(key)
    return work.left >= 0 && pattern.matches(key)
  }
  const chosen = members.filter(
    ({ key }) => include.some((p) => matches(p, key)) && !exclude.some((p) => matches(p, key)),
  )
  return work.left < 0 ? undefined : chosen
}

/** Bytes of a base64url text without padding (RFC 7515, 2), or undefined when it is none or too long. */
function fromBase64url(text: unknown): Buffer | undefined {
  if (typeof text !== 'string' || text === '' || text.length > headerCharactersMax) return undefined
  return /^[A-Za-z0-9_-]+$/.test(text) ? Buffer.from(text, 'base64url') : undefined
}
