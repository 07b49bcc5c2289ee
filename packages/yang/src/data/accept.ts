/**
 * The short way for documents that are plainly right.
 *
 * For schemas without conditions, references and choices, a document can be judged in one pass over its
 * members, with no tree built. The functions here answer true only when the full judgement would find no
 * fault; anything they are not sure of they leave to it by answering false. They never say what is wrong.
 */
import { isJsonObject, type JsonValue } from './json.ts'
import { isTypeFault, type LeafCodec } from './leaf-types.ts'
import type { LeafListPlan, LeafPlan, ListPlan, ParentPlan, Plan, RootPlan } from './plan.ts'

/** True: certainly valid. False: not known here. */
export type Acceptor = (json: JsonValue) => boolean

/** An acceptor for whole documents; undefined where the schema allows no short way. */
export function compileAcceptor(root: RootPlan): Acceptor | undefined {
  return compileMembers(root)
}

function compileMembers(plan: ParentPlan): Acceptor | undefined {
  if (plan.musts.length > 0 || plan.choices.some((choice) => choice.mandatory)) return undefined
  const accepts = new Map<string, { readonly accept: Acceptor; readonly counts: number }>()
  const takers = new Map<Plan, { readonly accept: Acceptor; readonly counts: number }>()
  let required = 0
  for (const child of plan.children) {
    const isRequired = mustBeThere(child)
    // A child whose absence may break a rule that cannot be judged here closes the short way.
    if (hidesDuty(child) || (isRequired && (child.cases.length > 0 || child.whens.length > 0)))
      return undefined
    if (isRequired) required++
    takers.set(child, { accept: compilePlan(child) ?? refuse, counts: isRequired ? 1 : 0 })
  }
  for (const [name, child] of plan.members) {
    const taker = takers.get(child)
    // Only one spelling is taken, so that no member can come twice unnoticed.
    if (taker && name === child.jsonName) accepts.set(name, taker)
  }
  return (json) => {
    if (!isJsonObject(json)) return false
    let there = 0
    for (const name of Object.keys(json)) {
      const taker = accepts.get(name)
      const value = json[name]
      if (taker === undefined || value === undefined || !taker.accept(value)) return false
      there += taker.counts
    }
    return there === required
  }
}

function refuse(): boolean {
  return false
}

/** Whether the absence of the node alone is a fault, as can be counted here. */
function mustBeThere(plan: Plan): boolean {
  switch (plan.kind) {
    case 'leaf':
      return plan.mandatory || plan.isKey
    case 'any':
      return plan.mandatory
    case 'leaf-list':
    case 'list':
      return plan.schema.minElements > 0
    case 'container':
      return false
  }
}

/**
 * Whether the absence of the node may be a fault in a way that cannot be counted here: what a container
 * without presence asks for stands even when nobody wrote it, and so do the rules of a default.
 */
function hidesDuty(plan: Plan): boolean {
  switch (plan.kind) {
    case 'leaf':
      return plan.default !== undefined && (plan.musts.length > 0 || refersAnywhere(plan.codec))
    case 'leaf-list':
      return plan.defaults.length > 0 && (plan.musts.length > 0 || refersAnywhere(plan.codec))
    case 'container': {
      if (plan.presence) return false
      const { musts, choices, children } = plan
      const asks = children.some((child) => mustBeThere(child) || hidesDuty(child))
      return asks || musts.length > 0 || choices.some((choice) => choice.mandatory)
    }
    default:
      return false
  }
}

function refersAnywhere(codec: LeafCodec): boolean {
  return codec.members.some(
    ({ reference, type }) => reference !== undefined || type.kind === 'instance-identifier',
  )
}

function compilePlan(plan: Plan): Acceptor | undefined {
  if (plan.whens.length > 0 || plan.musts.length > 0 || plan.cases.length > 0) return undefined
  switch (plan.kind) {
    case 'leaf':
      return refersAnywhere(plan.codec) ? undefined : compileLeaf(plan)
    case 'leaf-list':
      return refersAnywhere(plan.codec) ? undefined : compileLeafList(plan)
    case 'any':
      return plan.schema.kind === 'anydata' ? isJsonObject : () => true
    case 'container':
      return compileMembers(plan)
    case 'list':
      return compileList(plan)
  }
}

function compileLeaf({ codec }: LeafPlan): Acceptor {
  return (json) => !isTypeFault(codec.read(json, false))
}

function compileLeafList({ codec, schema }: LeafListPlan): Acceptor {
  const { minElements, maxElements } = schema
  const most = maxElements ?? Infinity
  const unique = schema.config && schema.inTree
  return (json) => {
    if (!Array.isArray(json) || json.length < minElements || json.length > most) return false
    const seen = unique && json.length > 1 ? new Set<string>() : undefined
    for (const item of json) {
      const result = codec.read(item, false)
      if (isTypeFault(result)) return false
      seen?.add(result.text)
    }
    return seen === undefined || seen.size === json.length
  }
}

function compileList(plan: ListPlan): Acceptor | undefined {
  if (plan.uniques.length > 0) return undefined
  const members = compileMembers(plan)
  if (!members) return undefined
  const { minElements, maxElements } = plan.schema
  const most = maxElements ?? Infinity
  const { keys } = plan
  const keyTextOf = (item: JsonValue): string | undefined => {
    if (!isJsonObject(item)) return undefined
    let text = ''
    for (const key of keys) {
      const value = item[key.jsonName]
      const result = value === undefined ? undefined : key.codec.read(value, false)
      if (!result || isTypeFault(result)) return undefined
      text = text === '' ? result.text : `${text}\0${result.text}`
    }
    return text
  }
  return (json) => {
    if (!Array.isArray(json) || json.length < minElements || json.length > most) return false
    const seen = keys.length > 0 && json.length > 1 ? new Set<string>() : undefined
    for (const item of json) {
      if (!members(item)) return false
      const text = seen ? keyTextOf(item) : undefined
      if (text !== undefined) seen?.add(text)
    }
    return seen === undefined || seen.size === json.length
  }
}
