/**
 * The short way for documents that are plainly right.
 *
 * Where a schema has no conditions and references, a document can be judged in one pass over its members
 * with no tree built. The functions here answer true only when the full judgement would find no fault;
 * whatever they are not sure of they leave to it by answering false. They never say what is wrong.
 */
import { isJsonObject, JsonDecimal, type JsonObject, type JsonValue } from './json.ts'
import { isTypeFault, type LeafCodec } from './leaf-codec.ts'
import type { LeafListPlan, ListPlan, ParentPlan, Plan, RootPlan } from './plan.ts'

/** True: certainly valid. False: not known here. */
export type Acceptor = (json: JsonValue) => boolean

/**
 * An acceptor for whole documents whose list entries ask for no more than so many default nodes; undefined
 * where the schema allows no short way.
 */
export function compileAcceptor(root: RootPlan, maxDefaults: number): Acceptor | undefined {
  const tally: Tally = { defaults: 0, most: maxDefaults }
  const members = compileMembers(root, tally)
  if (!members) return undefined
  return (json) => {
    tally.defaults = 0
    return members(json)
  }
}

/** Nodes that the defaults of list entries would add: a short document may stand for a long one. */
type Tally = { defaults: number; readonly most: number }

/** How a member is judged, and whether it is one of those that must be there. */
type Member = {
  readonly name: string
  readonly accept: Acceptor
  readonly counts: 0 | 1
  /** For integers in one interval: its ends. Spares a call for the commonest of values. */
  readonly low: number
  readonly high: number
}

function compileMembers(plan: ParentPlan, tally: Tally): Acceptor | undefined {
  if (plan.musts.length > 0 || plan.choices.some((choice) => choice.mandatory)) return undefined
  const members = new Map<string, Member>()
  let required = 0
  for (const child of plan.children) {
    const accept = compilePlan(child, tally)
    const isRequired = asksForSomething(child)
    if (isRequired) {
      // Its absence, or its default, would have to be judged: there is no short way around it.
      if (!accept) return undefined
      required++
    }
    // Only one spelling is taken, so that no member can come twice unnoticed.
    if (accept)
      members.set(child.jsonName, {
        name: child.jsonName,
        accept,
        counts: isRequired ? 1 : 0,
        ...endsOf(child),
      })
  }
  const order: Member[] = []
  return (json) => {
    if (!looksLikeObject(json)) return false
    let there = 0
    let place = 0
    for (const name in json) {
      // Documents of one kind tend to name their members in one order: the last order is tried first.
      let member = order[place]
      if (member === undefined || member.name !== name) {
        member = members.get(name)
        if (member === undefined) return false
        order[place] = member
      }
      const value = json[name]
      const isPlainNumber =
        typeof value === 'number' &&
        value >= member.low &&
        value <= member.high &&
        Math.trunc(value) === value
      if (!isPlainNumber && (value === undefined || !member.accept(value))) return false
      there += member.counts
      place++
    }
    return there === required && (place > 1 || !isDecimal(json))
  }
}

const noEnds = { low: Number.NaN, high: Number.NaN }

function endsOf(plan: Plan): { low: number; high: number } {
  const type = plan.kind === 'leaf' ? plan.codec.type : undefined
  if (type?.kind !== 'integer' || type.range.intervals.length !== 1) return noEnds
  const [only] = type.range.intervals
  const isWide = type.base === 'int64' || type.base === 'uint64'
  return only && !isWide ? { low: Number(only.from), high: Number(only.to) } : noEnds
}

/** An object, or a number kept as text: that one has a single member, so it is told apart later. */
function looksLikeObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function isDecimal(json: JsonValue): boolean {
  return json instanceof JsonDecimal
}

/** Whether documents without the node may be at fault: then the short way is for those that have it. */
function asksForSomething(plan: Plan): boolean {
  switch (plan.kind) {
    case 'leaf':
      return plan.mandatory || plan.isKey || (plan.default !== undefined && hasRules(plan.codec, plan))
    case 'any':
      return plan.mandatory
    case 'leaf-list':
      return plan.schema.minElements > 0 || (plan.defaults.length > 0 && hasRules(plan.codec, plan))
    case 'list':
      return plan.schema.minElements > 0
    case 'container': {
      if (plan.presence) return false
      const { musts, choices, children } = plan
      return musts.length > 0 || choices.some((choice) => choice.mandatory) || children.some(asksForSomething)
    }
  }
}

function hasRules(codec: LeafCodec, plan: Plan): boolean {
  return plan.musts.length > 0 || refersAnywhere(codec)
}

function refersAnywhere(codec: LeafCodec): boolean {
  return codec.members.some(
    ({ reference, type }) => reference !== undefined || type.kind === 'instance-identifier',
  )
}

function compilePlan(plan: Plan, tally: Tally): Acceptor | undefined {
  if (plan.whens.length > 0 || plan.musts.length > 0 || plan.cases.length > 0) return undefined
  switch (plan.kind) {
    case 'leaf':
      return refersAnywhere(plan.codec) ? undefined : plan.codec.fits
    case 'leaf-list':
      return refersAnywhere(plan.codec) ? undefined : compileLeafList(plan)
    case 'any':
      return plan.schema.kind === 'anydata' ? isJsonObject : () => true
    case 'container':
      return compileMembers(plan, tally)
    case 'list':
      return compileList(plan, tally)
  }
}

/** Up to so many values are compared one by one rather than gathered in a set. */
const fewEntries = 8

function compileLeafList({ codec, schema }: LeafListPlan): Acceptor {
  const { minElements, maxElements } = schema
  const most = maxElements ?? Infinity
  const unique = schema.config && schema.inTree
  const { fits } = codec
  return (json) => {
    if (!Array.isArray(json) || json.length < minElements || json.length > most) return false
    for (const item of json) if (!fits(item)) return false
    return !unique || json.length < 2 || allDiffer(json, codec)
  }
}

function allDiffer(values: readonly JsonValue[], codec: LeafCodec): boolean {
  // Plain strings are their own canonical text.
  if (codec.type.kind === 'string' && values.length <= fewEntries) {
    for (let i = 1; i < values.length; i++)
      for (let j = 0; j < i; j++) if (values[i] === values[j]) return false
    return true
  }
  const texts = values.map((value) => canonicalText(codec, value))
  return new Set(texts).size === texts.length
}

function canonicalText(codec: LeafCodec, json: JsonValue): string | undefined {
  if (codec.type.kind === 'string' && typeof json === 'string') return json
  const result = codec.read(json, false)
  return isTypeFault(result) ? undefined : result.text
}

function compileList(plan: ListPlan, tally: Tally): Acceptor | undefined {
  const members = plan.uniques.length > 0 ? undefined : compileMembers(plan, tally)
  if (!members) return undefined
  const { minElements, maxElements } = plan.schema
  const most = maxElements ?? Infinity
  const { keys } = plan
  const defaults = defaultsBelow(plan)
  return (json) => {
    if (!Array.isArray(json) || json.length < minElements || json.length > most) return false
    tally.defaults += json.length * defaults
    if (tally.defaults > tally.most) return false
    for (const item of json) if (!members(item)) return false
    return keys.length === 0 || json.length < 2 || allKeysDiffer(plan, json)
  }
}

/** Default nodes that one entry may come to have, entries of lists below it not counted. */
function defaultsBelow(plan: ParentPlan): number {
  let count = 0
  for (const child of plan.children) {
    if (child.kind === 'leaf') count++
    else if (child.kind === 'leaf-list') count += child.defaults.length
    else if (child.kind === 'container') count += 1 + defaultsBelow(child)
  }
  return count
}

function allKeysDiffer({ keys }: ListPlan, entries: readonly JsonValue[]): boolean {
  const [only] = keys
  if (only && keys.length === 1 && only.codec.type.kind === 'string' && entries.length <= fewEntries) {
    const { jsonName } = only
    for (let i = 1; i < entries.length; i++) {
      const key = member(entries[i], jsonName)
      for (let j = 0; j < i; j++) if (member(entries[j], jsonName) === key) return false
    }
    return true
  }
  const texts = entries.map((entry) =>
    keys.map(({ codec, jsonName }) => canonicalText(codec, member(entry, jsonName) ?? null)).join('\0'),
  )
  return new Set(texts).size === texts.length
}

function member(entry: JsonValue | undefined, name: string): JsonValue | undefined {
  return looksLikeObject(entry) ? entry[name] : undefined
}
