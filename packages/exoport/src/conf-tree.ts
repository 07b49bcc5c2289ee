/**
 * A configuration as a stock device takes it: one tree of keys and values, and the call that carries it.
 *
 * A leaf is `{Key, [], Value}`, a branch `{Key, Nodes}`. Members of an object have their name as key (a binary), entries
 * of an array their position from 1 (an integer); nodes stand sorted by key. Texts are lists of characters, in this one
 * place. An empty array and an empty object look alike there, and none is told from the other afterwards: empty arrays
 * are left out, for to a configuration they are the same as none.
 */
import { atom, type Bert, Float, Tuple, tuple } from '@waymark/etf'
import type { IncomingCall, OutgoingCall } from './effects.ts'
import { textOf } from './messages.ts'
import { setOwn, type Value, type ValueObject } from './values.ts'

/** A configuration under its name. */
export interface Configuration {
  readonly name: string
  readonly values: ValueObject
}

/** What a device calls the areas of a configuration; pushes go to the staged one. */
const stagedArea = '*staged'

/** The function by which a device takes a configuration. */
const pushFunction = { module: 'exoport_config', function: 'push_config_set' } as const

/** The call that pushes a configuration. Its one argument is a list that holds the property list. */
export function pushCall({ name, values }: Configuration): Omit<OutgoingCall, 'id'> {
  const properties = [
    tuple<Bert>(atom('module'), 'exodm'),
    tuple<Bert>(atom('name'), name),
    tuple<Bert>(atom('yang'), 'exodm.yang'),
    tuple<Bert>(atom('values'), confTree(name, values)),
  ]
  return { ...pushFunction, args: [[properties]], names: 'atoms' }
}

/** The configuration that a call carries, or undefined: it is another call, or none that can be read. */
export function readPush(call: IncomingCall): Configuration | undefined {
  if (call.module !== pushFunction.module || call.function !== pushFunction.function) return undefined
  let properties: Bert | undefined = call.args[0]
  // A careful device forgives the missing list level.
  while (Array.isArray(properties) && properties.length === 1 && Array.isArray(properties[0]))
    properties = properties[0]
  if (!Array.isArray(properties)) return undefined
  const find = (key: string): Bert | undefined => {
    for (const item of properties) if (item instanceof Tuple && textOf(item.at(0)) === key) return item.at(1)
    return undefined
  }
  const tree = readConfTree(find('values'))
  const name = textOf(find('name')) ?? tree?.name
  return tree === undefined || name === undefined ? undefined : { name, values: tree.values }
}

/** `{conf_tree, <<"NAME*staged">>, Nodes}`. */
export function confTree(name: string, values: ValueObject): Tuple<Bert> {
  return tuple<Bert>(atom('conf_tree'), `${name}${stagedArea}`, objectNodes(values))
}

/** The name (without its area) and the values of such a tree, or undefined where it is none. */
export function readConfTree(term: Bert | undefined): Configuration | undefined {
  if (!(term instanceof Tuple) || term.length !== 3 || textOf(term.at(0)) !== 'conf_tree') return undefined
  const name = textOf(term.at(1))
  const values = readNodes(term.at(2), mostLevels)
  if (name === undefined || values === undefined || Array.isArray(values)) return undefined
  return { name: name.replace(/\*[^*]*$/, ''), values }
}

const mostLevels = 100

function objectNodes(values: ValueObject): Bert[] {
  return Object.entries(values)
    .filter(([, value]) => !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => ({ bytes: utf8.encode(name), node: node(name, value) }))
    .sort((a, b) => compareBytes(a.bytes, b.bytes))
    .map(({ node }) => node)
}

function node(key: string | number, value: Value): Bert {
  if (Array.isArray(value))
    return tuple<Bert>(
      key,
      value.map((item, at) => node(at + 1, item)),
    )
  if (typeof value === 'object' && value !== null) return tuple<Bert>(key, objectNodes(value))
  return tuple<Bert>(key, [], scalar(value))
}

function scalar(value: null | boolean | number | bigint | string): Bert {
  if (value === null) return atom('null')
  if (typeof value === 'string') return [...value].map((letter) => letter.codePointAt(0) ?? 0)
  return typeof value === 'number' && !Number.isSafeInteger(value) ? new Float(value) : value
}

/** Erlang's order of binaries: byte by byte, and what is a beginning of the other first. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return (a[i] ?? 0) - (b[i] ?? 0)
  return a.length - b.length
}

/** An object, or an array where all keys are the positions 1, 2, 3 …; undefined where it is no list of nodes. */
function readNodes(term: Bert | undefined, levels: number): ValueObject | Value[] | undefined {
  if (!Array.isArray(term) || levels <= 0) return undefined
  const object: ValueObject = {}
  const array: Value[] = []
  for (const item of term) {
    if (!(item instanceof Tuple)) return undefined
    const key = item.at(0)
    const value =
      item.length === 3
        ? readScalar(item.at(2))
        : item.length === 2
          ? readNodes(item.at(1), levels - 1)
          : undefined
    if (value === undefined) return undefined
    if (typeof key === 'number') {
      if (key !== array.length + 1) return undefined
      array.push(value)
      continue
    }
    const name = textOf(key)
    if (name === undefined || Object.hasOwn(object, name)) return undefined
    setOwn(object, name, value)
  }
  if (array.length === 0) return object
  return array.length === term.length ? array : undefined
}

function readScalar(term: Bert | undefined): Value | undefined {
  if (typeof term === 'boolean' || typeof term === 'bigint') return term
  if (typeof term === 'number') return term
  if (term instanceof Float) return term.value
  const text = textOf(term)
  return text === 'null' && !Array.isArray(term) && typeof term !== 'string' ? null : text
}

const utf8 = new TextEncoder()
