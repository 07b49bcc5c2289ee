/**
 * A schema as TypeScript: one interface for each module's data, each rpc's input and output, and each
 * notification, in the JSON form of RFC 7951 (or with plain names).
 */

import type { DataDefinition, DataNode, ResolvedType, Schema } from '../schema.ts'
import { dataNodes, identityNames, isRequired, memberName, type NameStyle, valueType } from './shape.ts'

export interface TypeScriptOptions {
  /** `qualified` unless said otherwise. */
  readonly names?: NameStyle
}

/** The text of a TypeScript module with the types of every implemented module. */
export function toTypeScript(schema: Schema, options: TypeScriptOptions = {}): string {
  const style = options.names ?? 'qualified'
  const parts: string[] = []
  const add = (name: string, about: string, children: readonly DataDefinition[]) => {
    if (children.length > 0)
      parts.push(`/** ${about} */\nexport interface ${name} ${objectOf(children, style, '')}\n`)
  }
  for (const module of schema.modules.values()) {
    const base = typeName(module.name)
    add(base, `Data of ${module.name}.`, module.children)
    for (const { name, input, output } of module.rpcs) {
      add(`${base}${typeName(name)}Input`, `Input of ${module.name}:${name}.`, input.children)
      add(`${base}${typeName(name)}Output`, `Output of ${module.name}:${name}.`, output.children)
    }
    for (const { name, children } of module.notifications)
      add(`${base}${typeName(name)}Notification`, `Notification ${module.name}:${name}.`, children)
  }
  return parts.join('\n')
}

/** `ietf-system` is `IetfSystem`. */
function typeName(name: string): string {
  const joined = name.replace(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, first: string) => first.toUpperCase())
  return /^\d/.test(joined) ? `_${joined}` : joined
}

function objectOf(children: readonly DataDefinition[], style: NameStyle, indent: string): string {
  const inner = `${indent}  `
  const outright = new Set<DataDefinition>(children)
  const lines = dataNodes(children).flatMap((node) => {
    const name = memberName(node, style)
    const key = /^[A-Za-z_]\w*$/.test(name) ? name : `'${name}'`
    const optional = outright.has(node) && isRequired(node) ? '' : '?'
    const readonly = node.inTree && !node.config ? 'readonly ' : ''
    return [...comment(node, inner), `${inner}${readonly}${key}${optional}: ${nodeOf(node, style, inner)}`]
  })
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${indent}}`
}

function comment(node: DataNode, indent: string): string[] {
  const text = node.description?.replace(/\s+/g, ' ').trim().replaceAll('*/', '* /')
  if (!text) return []
  const short = text.length > 160 ? `${text.slice(0, 159)}…` : text
  return [`${indent}/** ${short} */`]
}

function nodeOf(node: DataNode, style: NameStyle, indent: string): string {
  switch (node.kind) {
    case 'container':
      return objectOf(node.children, style, indent)
    case 'list':
      return `Array<${objectOf(node.children, style, indent)}>`
    case 'leaf-list':
      return `Array<${typeOf(node.type, node.module.name)}>`
    case 'leaf':
      return typeOf(node.type, node.module.name)
    case 'anydata':
      return '{ [name: string]: unknown }'
    case 'anyxml':
      return 'unknown'
  }
}

const maxLiterals = 64

function typeOf(type: ResolvedType, module: string): string {
  const value = valueType(type)
  switch (value.kind) {
    case 'integer':
      return value.base === 'int64' || value.base === 'uint64' ? 'string' : 'number'
    case 'boolean':
      return 'boolean'
    case 'enumeration':
      return literals([...value.enums.keys()])
    case 'identityref':
      return literals(identityNames(value, module))
    case 'empty':
      return '[null]'
    case 'union':
      return [...new Set(value.types.map((member) => typeOf(member, module)))].join(' | ')
    default:
      return 'string'
  }
}

function literals(names: readonly string[]): string {
  if (names.length === 0 || names.length > maxLiterals) return 'string'
  return names.map((name) => `'${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`).join(' | ')
}
