/**
 * The function libraries: XPath 1.0's core (section 4) and YANG's (RFC 7950 10). Each entry takes the
 * values of its arguments; functions that read the context get it as the default argument beforehand.
 */
import type { Identity } from '../schema.ts'
import { compilePattern } from '../xsd-pattern.ts'
import type { XPathScope } from './check.ts'
import type { XPathTree } from './tree.ts'
import { firstNode, isNodes, toBoolean, toNumber, toText, type Value } from './value.ts'

export type Library<N> = ReadonlyMap<string, (args: readonly Value<N>[]) => Value<N>>

/** Functions with one optional argument that stands for the context node. */
export const contextByDefault: ReadonlySet<string> = new Set([
  'local-name',
  'namespace-uri',
  'name',
  'string',
  'string-length',
  'normalize-space',
  'number',
])

/** The functions that depend on their arguments and the tree only. */
export function createLibrary<N>(tree: XPathTree<N>, scope: XPathScope): Library<N> {
  const text = (value: Value<N> | undefined): string => (value === undefined ? '' : toText(tree, value))
  const number = (value: Value<N> | undefined): number =>
    value === undefined ? Number.NaN : toNumber(tree, value)
  const first = (value: Value<N> | undefined): N | undefined =>
    value !== undefined && isNodes(value) ? firstNode(tree, value) : undefined
  const nodes = (value: Value<N> | undefined): readonly N[] =>
    value !== undefined && isNodes(value) ? value : []
  const isDerived = (value: Value<N> | undefined, name: string, orSelf: boolean): boolean => {
    const wanted = identityName(name, scope)
    return nodes(value).some((node) => {
      const identity = tree.identity(node)
      if (!identity) return false
      return (orSelf && fullName(identity) === wanted) || derivesFrom(identity, wanted)
    })
  }
  return new Map<string, (args: readonly Value<N>[]) => Value<N>>([
    ['count', ([set]) => nodes(set).length],
    ['id', () => []],
    ['local-name', ([set]) => nameOf(tree, first(set))?.name ?? ''],
    ['namespace-uri', ([set]) => namespaceOf(tree, first(set))],
    ['name', ([set]) => qualified(nameOf(tree, first(set)))],
    ['string', ([value]) => text(value)],
    ['concat', (args) => args.map(text).join('')],
    ['starts-with', ([a, b]) => text(a).startsWith(text(b))],
    ['contains', ([a, b]) => text(a).includes(text(b))],
    ['substring-before', ([a, b]) => before(text(a), text(b))],
    ['substring-after', ([a, b]) => after(text(a), text(b))],
    [
      'substring',
      ([a, from, length]) =>
        substring(text(a), number(from), length === undefined ? Infinity : number(length)),
    ],
    ['string-length', ([a]) => [...text(a)].length],
    [
      'normalize-space',
      ([a]) =>
        text(a)
          .replace(/[ \t\r\n]+/g, ' ')
          .replace(/^ | $/g, ''),
    ],
    ['translate', ([a, from, to]) => translate(text(a), text(from), text(to))],
    ['boolean', ([a]) => a !== undefined && toBoolean(a)],
    ['not', ([a]) => a === undefined || !toBoolean(a)],
    ['true', () => true],
    ['false', () => false],
    ['lang', () => false],
    ['number', ([a]) => number(a)],
    ['sum', ([set]) => nodes(set).reduce((sum, node) => sum + toNumber(tree, tree.text(node)), 0)],
    ['floor', ([a]) => Math.floor(number(a))],
    ['ceiling', ([a]) => Math.ceil(number(a))],
    // Halves go towards positive infinity, as Math.round's do (XPath 1.0, 4.4).
    ['round', ([a]) => Math.round(number(a))],
    ['re-match', ([a, pattern]) => matches(text(a), text(pattern))],
    ['derived-from', ([set, name]) => isDerived(set, text(name), false)],
    ['derived-from-or-self', ([set, name]) => isDerived(set, text(name), true)],
    ['enum-value', ([set]) => enumValue(tree, first(set))],
    ['bit-is-set', ([set, bit]) => hasBit(tree, first(set), text(bit))],
  ])
}

/** An identity named in an expression, as `module:name` (RFC 7950 10.4.1). */
export function identityName(text: string, scope: XPathScope): string {
  const colon = text.indexOf(':')
  if (colon < 0) return `${scope.moduleName}:${text}`
  const prefix = text.slice(0, colon)
  return `${scope.prefixes.get(prefix) ?? prefix}:${text.slice(colon + 1)}`
}

export function fullName(identity: Identity): string {
  return `${identity.module.name}:${identity.name}`
}

function derivesFrom(identity: Identity, wanted: string): boolean {
  const seen = new Set<Identity>()
  const waiting = [...identity.bases]
  for (let base = waiting.pop(); base; base = waiting.pop()) {
    if (seen.has(base)) continue
    seen.add(base)
    if (fullName(base) === wanted) return true
    waiting.push(...base.bases)
  }
  return false
}

function nameOf<N>(tree: XPathTree<N>, node: N | undefined): { module: string; name: string } | undefined {
  return node === undefined ? undefined : tree.name(node)
}

function qualified(name: { module: string; name: string } | undefined): string {
  return name ? `${name.module}:${name.name}` : ''
}

function namespaceOf<N>(tree: XPathTree<N>, node: N | undefined): string {
  return node === undefined ? '' : tree.namespace(node)
}

function enumValue<N>(tree: XPathTree<N>, node: N | undefined): number {
  return (node === undefined ? undefined : tree.enumValue(node)) ?? Number.NaN
}

function hasBit<N>(tree: XPathTree<N>, node: N | undefined, bit: string): boolean {
  return node !== undefined && (tree.bits(node)?.includes(bit) ?? false)
}

function before(text: string, part: string): string {
  const at = text.indexOf(part)
  return at < 0 ? '' : text.slice(0, at)
}

function after(text: string, part: string): string {
  const at = text.indexOf(part)
  return at < 0 ? '' : text.slice(at + part.length)
}

/** Positions count characters from one; both numbers are rounded first (XPath 1.0, 4.2). */
function substring(text: string, from: number, length: number): string {
  const start = Math.round(from)
  const end = start + Math.round(length)
  return [...text].filter((_, index) => index + 1 >= start && index + 1 < end).join('')
}

function translate(text: string, from: string, to: string): string {
  const targets = [...to]
  const map = new Map<string, string>()
  for (const [index, char] of [...from].entries()) if (!map.has(char)) map.set(char, targets[index] ?? '')
  return [...text].map((char) => map.get(char) ?? char).join('')
}

const rememberedPatterns = new Map<string, (text: string) => boolean>()

/** A pattern that is none matches nothing: the check refused literal ones, others are only known now. */
function matches(text: string, source: string): boolean {
  let test = rememberedPatterns.get(source)
  if (!test) {
    const pattern = compilePattern(source)
    test = pattern.ok ? pattern.test : () => false
    if (rememberedPatterns.size >= 256) rememberedPatterns.clear()
    rememberedPatterns.set(source, test)
  }
  return test(text)
}
