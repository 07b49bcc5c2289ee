/**
 * A schema as JSON Schema (draft 2020-12), for tools that know nothing of YANG.
 *
 * Structure, types, mandatory members, keys and the exclusiveness of choices are said exactly. What JSON Schema
 * has no words for (`must`, `when`, leafref targets, `unique`, uniqueness of keys) is left to the validator; a
 * member that stands under a `when` is never required. Patterns are translated where ECMAScript has the same
 * words, and are otherwise only named, under `x-yang-pattern`.
 */

import type { ChoiceNode, DataDefinition, DataNode, Interval, ResolvedType, Schema } from '../schema.ts'
import { dataNodes, identityNames, isRequired, memberName, type NameStyle, valueType } from './shape.ts'

export type JsonSchema = { [key: string]: JsonSchemaValue }
type JsonSchemaValue = string | number | boolean | null | JsonSchemaValue[] | JsonSchema

export interface JsonSchemaOptions {
  /** `qualified` unless said otherwise. */
  readonly names?: NameStyle
  /** Only configuration: state is left out. */
  readonly configOnly?: boolean
}

/** The JSON Schema of a whole data tree. */
export function toJsonSchema(schema: Schema, options: JsonSchemaOptions = {}): JsonSchema {
  const children = [...schema.modules.values()].flatMap((module) => module.children)
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', ...jsonSchemaOf(children, options) }
}

/** The JSON Schema of an object with these nodes in it: an rpc's input, a notification, a container. */
export function jsonSchemaOf(
  children: readonly DataDefinition[],
  options: JsonSchemaOptions = {},
): JsonSchema {
  return objectOf(children, options)
}

function objectOf(children: readonly DataDefinition[], options: JsonSchemaOptions): JsonSchema {
  const style = options.names ?? 'qualified'
  const nodes = dataNodes(children).filter((node) => !options.configOnly || node.config || !node.inTree)
  const properties: JsonSchema = {}
  for (const node of nodes) properties[memberName(node, style)] = nodeOf(node, options)
  const outright = new Set(children)
  const required = nodes
    .filter((node) => outright.has(node) && isRequired(node))
    .map((node) => memberName(node, style))
  const choices = children.flatMap((child) => (child.kind === 'choice' ? choiceRules(child, style) : []))
  return {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    ...(choices.length > 0 && { allOf: choices }),
    additionalProperties: false,
  }
}

/** At most one case, and one at least when the choice is mandatory (RFC 7950 7.9). */
function choiceRules(choice: ChoiceNode, style: NameStyle): JsonSchema[] {
  const cases = choice.cases.map((one) => dataNodes(one.children).map((node) => memberName(node, style)))
  const present = cases
    .filter((names) => names.length > 0)
    .map((names): JsonSchema => ({ anyOf: names.map((name) => ({ required: [name] })) }))
  if (present.length === 0) return []
  const isOptional = !choice.mandatory || choice.when.length > 0
  const none: JsonSchema[] = isOptional ? [{ not: { anyOf: present } }] : []
  const inner = choice.cases.flatMap((one) =>
    one.children.flatMap((child) =>
      child.kind === 'choice' ? choiceRules({ ...child, mandatory: false }, style) : [],
    ),
  )
  return [{ oneOf: [...present, ...none] }, ...inner]
}

function nodeOf(node: DataNode, options: JsonSchemaOptions): JsonSchema {
  const about: JsonSchema = {
    ...(node.description !== undefined && { description: node.description }),
    ...(node.inTree && !node.config && { readOnly: true }),
    ...(node.status !== 'current' && { deprecated: true }),
  }
  switch (node.kind) {
    case 'container':
      return { ...about, ...objectOf(node.children, options) }
    case 'list':
      return { ...about, type: 'array', items: objectOf(node.children, options), ...countsOf(node) }
    case 'leaf-list': {
      const unique = node.inTree && node.config ? { uniqueItems: true } : {}
      return {
        ...about,
        type: 'array',
        items: typeOf(node.type, node.module.name),
        ...countsOf(node),
        ...unique,
      }
    }
    case 'leaf': {
      const type = typeOf(node.type, node.module.name)
      const value = node.default && jsonDefault(node.type, node.default.text)
      return { ...about, ...type, ...(value !== undefined && { default: value }) }
    }
    case 'anydata':
      return { ...about, type: 'object' }
    case 'anyxml':
      return about
  }
}

function countsOf(node: { minElements: number; maxElements: number | undefined }): JsonSchema {
  return {
    ...(node.minElements > 0 && { minItems: node.minElements }),
    ...(node.maxElements !== undefined && { maxItems: node.maxElements }),
  }
}

/** The JSON form of a type's values (RFC 7951 6). */
function typeOf(type: ResolvedType, module: string): JsonSchema {
  const value = valueType(type)
  switch (value.kind) {
    case 'integer': {
      if (value.base === 'int64' || value.base === 'uint64')
        return { type: 'string', pattern: '^-?(0|[1-9][0-9]*)$' }
      const parts = value.range.intervals.map(({ from, to }) => ({
        minimum: Number(from),
        maximum: Number(to),
      }))
      return { type: 'integer', ...oneOrAny(parts) }
    }
    case 'decimal64':
      return { type: 'string', pattern: `^-?(0|[1-9][0-9]*)(\\.[0-9]{1,${value.fractionDigits}})?$` }
    case 'string':
      return { type: 'string', ...lengthsOf(value.length?.intervals), ...patternsOf(value.patterns) }
    case 'boolean':
      return { type: 'boolean' }
    case 'enumeration':
      return { type: 'string', enum: [...value.enums.keys()] }
    case 'bits': {
      const names = [...value.bits.keys()].map((name) => name.replace(/[.]/g, '\\.')).join('|')
      return { type: 'string', pattern: `^((${names})( (${names}))*)?$` }
    }
    case 'binary':
      return { type: 'string', contentEncoding: 'base64' }
    case 'identityref':
      return { type: 'string', enum: identityNames(value, module) }
    case 'empty':
      return { type: 'array', prefixItems: [{ type: 'null' }], minItems: 1, maxItems: 1 }
    case 'union':
      return { anyOf: value.types.map((member) => typeOf(member, module)) }
    case 'instance-identifier':
      return { type: 'string', pattern: '^/' }
  }
}

function oneOrAny(parts: JsonSchema[]): JsonSchema {
  const [only, ...others] = parts
  return !only ? {} : others.length === 0 ? only : { anyOf: parts }
}

function lengthsOf(intervals: readonly Interval<number>[] | undefined): JsonSchema {
  const parts = (intervals ?? []).map(({ from, to }) => ({
    ...(from > 0 && { minLength: from }),
    ...(Number.isSafeInteger(to) && { maxLength: to }),
  }))
  return oneOrAny(parts)
}

function patternsOf(patterns: readonly { source: string; invert: boolean }[]): JsonSchema {
  const exact = patterns.flatMap(({ source, invert }) => {
    const pattern = toEcmaScript(source)
    return pattern === undefined ? [] : [invert ? { not: { pattern } } : { pattern }]
  })
  const foreign = patterns
    .filter(({ source }) => toEcmaScript(source) === undefined)
    .map(({ source }) => source)
  const [only, ...others] = exact
  return {
    ...(only && (others.length === 0 ? only : { allOf: exact })),
    ...(foreign.length > 0 && { 'x-yang-pattern': foreign }),
  }
}

/** An XML Schema expression in ECMAScript's words; undefined where it has none. */
function toEcmaScript(source: string): string | undefined {
  if (/\\[icIC]|-\[|\\[pP]\{Is/.test(source)) return undefined
  let inClass = false
  let out = ''
  for (let at = 0; at < source.length; at++) {
    const char = source[at] ?? ''
    if (char === '\\') {
      out += char + (source[++at] ?? '')
      continue
    }
    if (char === '[') inClass = true
    else if (char === ']') inClass = false
    // Anchors are ordinary characters in XML Schema; its dot leaves out CR as well as LF.
    if (!inClass && (char === '^' || char === '$')) out += `\\${char}`
    else if (!inClass && char === '.') out += '[^\\r\\n]'
    else out += char
  }
  const pattern = `^(?:${out})$`
  try {
    new RegExp(pattern, 'u')
    return pattern
  } catch {
    return undefined
  }
}

function jsonDefault(type: ResolvedType, text: string): string | number | boolean | undefined {
  const value = valueType(type)
  switch (value.kind) {
    case 'integer':
      return value.base === 'int64' || value.base === 'uint64' ? text : Number(text)
    case 'boolean':
      return text === 'true'
    case 'union':
    case 'identityref':
    case 'instance-identifier':
      return undefined
    default:
      return text
  }
}
