/**
 * What a query may ask of a list of steps: a status, some fields, a page. Values become a predicate over status words and
 * plain numbers; nothing of a query reaches a store as it came, and operators other than four are refused.
 */
import { type Condition, ok, type Result } from '@waymark/domain'
import { isJsonObject, parseJson, type StepKey, statusMeaning, stepKeys } from '@waymark/pantahub'
import type { Asked } from './answer.ts'
import { described } from './bodies.ts'
import { type BadValue, badValue } from './errors.ts'

/** Which steps are wanted, by the word their latest report bears. */
export interface StatusFilter {
  /** What the store can look up; undefined where only `test` can tell. */
  readonly where: Condition<string> | undefined
  test(word: string): boolean
  /** Whether every word it lets through is one that a step bears before it has ended. */
  readonly openOnly: boolean
}

const wordsMax = 64
const wordLengthMax = 64

/** `WORD`, or a condition in JSON: `{"$in":[…]}`, `{"$nin":[…]}`, `{"$eq":…}`, `{"$ne":…}`, or several of them. */
export function statusFilter(text: string): Result<StatusFilter, BadValue> {
  const wanted = 'a word, or JSON of $in, $nin, $eq, $ne'
  if (!/^\s*[{["]/.test(text))
    return text.length <= wordLengthMax
      ? ok(among([text]))
      : badValue('progress.status', wanted, `${text.length} characters`)
  const parsed = parseJson(text, { depth: 3, length: 8192 })
  if (!parsed.ok) return badValue(`progress.status at character ${parsed.at}`, parsed.wanted, parsed.got)
  if (typeof parsed.value === 'string') return ok(among([parsed.value]))
  if (!isJsonObject(parsed.value)) return badValue('progress.status', wanted, described(parsed.value))

  let allowed: string[] | undefined
  const denied: string[] = []
  for (const [operator, value] of Object.entries(parsed.value)) {
    const many = operator === '$in' || operator === '$nin'
    if (!many && operator !== '$eq' && operator !== '$ne')
      return badValue('progress.status', wanted, operator)
    const words = wordsOf(many ? value : [value])
    if (!words) return badValue(`progress.status ${operator}`, many ? 'words' : 'a word', described(value))
    if (operator === '$in' || operator === '$eq')
      allowed = allowed === undefined ? words : allowed.filter((word) => words.includes(word))
    else denied.push(...words)
  }
  if (allowed === undefined && denied.length === 0)
    return badValue('progress.status', wanted, described(parsed.value))
  return ok(allowed ? among(allowed.filter((word) => !denied.includes(word))) : except(denied))
}

/** Steps that bear one of these words. */
export function among(words: readonly string[]): StatusFilter {
  const [only] = words
  return {
    where: words.length === 1 && only !== undefined ? only : { in: words },
    test: (word) => words.includes(word),
    openOnly: words.every((word) => statusMeaning(word).phase !== 'final'),
  }
}

/** Steps that bear none of these words. */
export function except(words: readonly string[]): StatusFilter {
  const [only] = words
  return {
    where: words.length === 1 && only !== undefined ? { not: only } : undefined,
    test: (word) => !words.includes(word),
    openOnly: false,
  }
}

function wordsOf(value: unknown): string[] | undefined {
  if (!Array.isArray(value) || value.length > wordsMax) return undefined
  const words = value.filter(
    (word): word is string => typeof word === 'string' && word.length <= wordLengthMax,
  )
  return words.length === value.length ? words : undefined
}

/** `fields=a,b` keeps these, `fields=-a` drops these; a path into a key stands for the key. */
export function keptKeys(
  fields: string | undefined,
): Result<((key: StepKey) => boolean) | undefined, BadValue> {
  if (fields === undefined || fields === '') return ok(undefined)
  const keep = new Set<string>()
  const drop = new Set<string>()
  for (const field of fields.split(',')) {
    const dropped = field.startsWith('-')
    const [key = ''] = (dropped ? field.slice(1) : field).trim().split('.')
    if (!stepKeys.some((known) => known === key))
      return badValue('fields', `some of ${stepKeys.join(', ')}`, key)
    ;(dropped ? drop : keep).add(key)
  }
  return ok((key) => !drop.has(key) && (keep.size === 0 || keep.has(key)))
}

export interface Page {
  /** Undefined: all of them. */
  readonly size: number | undefined
  readonly offset: number
}

/** `page[size]` and `page[offset]`. */
export function pageOf(query: Asked['query']): Result<Page, BadValue> {
  const size = wholeNumber(query['page[size]'])
  const offset = wholeNumber(query['page[offset]'])
  if (size === 'none') return badValue('page[size]', 'a whole number', String(query['page[size]']))
  if (offset === 'none') return badValue('page[offset]', 'a whole number', String(query['page[offset]']))
  return ok({ size: size === 0 ? undefined : size, offset: offset ?? 0 })
}

function wholeNumber(text: string | undefined): number | undefined | 'none' {
  if (text === undefined || text === '') return undefined
  return /^\d{1,9}$/.test(text) ? Number(text) : 'none'
}
