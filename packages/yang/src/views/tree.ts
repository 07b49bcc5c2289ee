/**
 * Tree diagrams (RFC 8340).
 *
 * One line per node: status, what may be done with it, name, whether it may be absent, type and features. The
 * spacing is that of pyang, so that diagrams in published documents can be compared line by line.
 */

import type { ResolvedType, Schema, SchemaModule, SchemaNode } from '../schema.ts'

/** The diagram of one module of a schema: its own nodes, and those it adds to others. Lines end with LF. */
export function printTree(schema: Schema, module: SchemaModule): string {
  const print = new TreePrinter(schema, module)
  const lines = [`module: ${module.name}`, ...print.siblings(module.children, '  ', 'data')]
  for (const [target, added] of augmentations(schema, module))
    lines.push('', `  augment ${print.path(target)}:`, ...print.siblings(added, '    ', modeOf(target)))
  if (module.rpcs.length > 0) lines.push('', '  rpcs:', ...print.siblings(module.rpcs, '    ', 'data'))
  if (module.notifications.length > 0)
    lines.push('', '  notifications:', ...print.siblings(module.notifications, '    ', 'output'))
  return `${lines.join('\n')}\n`
}

type Mode = 'data' | 'input' | 'output'

class TreePrinter {
  readonly #module: SchemaModule
  readonly #prefixes: Map<string, string>

  constructor(schema: Schema, module: SchemaModule) {
    this.#module = module
    this.#prefixes = new Map(schema.allModules.map(({ name, prefix }) => [name, prefix]))
    // The module's own words for others win over what those call themselves.
    for (const [prefix, name] of module.prefixes) this.#prefixes.set(name, prefix)
  }

  siblings(nodes: readonly SchemaNode[], indent: string, mode: Mode, given?: number): string[] {
    const width = given ?? this.#width(nodes)
    return nodes.flatMap((node, at) => {
      const isLast = at === nodes.length - 1
      const below = belowOf(node)
      const inner = `${indent}${isLast ? ' ' : '|'}  `
      const innerMode =
        node.kind === 'input'
          ? 'input'
          : node.kind === 'output' || node.kind === 'notification'
            ? 'output'
            : mode
      const passed = node.kind === 'choice' || node.kind === 'case' ? width - 3 : undefined
      return [`${indent}${this.#line(node, mode, width)}`, ...this.siblings(below, inner, innerMode, passed)]
    })
  }

  path(target: SchemaNode): string {
    const steps: string[] = []
    for (let at: SchemaNode | undefined = target; at; at = at.parent)
      steps.push(`/${at.module.prefix}:${at.name}`)
    return steps.reverse().join('')
  }

  #width(nodes: readonly SchemaNode[]): number {
    return Math.max(
      0,
      ...nodes.map((node) =>
        node.kind === 'choice' || node.kind === 'case'
          ? 3 + this.#width(belowOf(node))
          : this.#name(node).length,
      ),
    )
  }

  #name(node: SchemaNode): string {
    const isOwn = node.module.name === this.#module.name || node.kind === 'input' || node.kind === 'output'
    return isOwn ? node.name : `${node.module.prefix}:${node.name}`
  }

  #line(node: SchemaNode, mode: Mode, width: number): string {
    const status = node.status === 'current' ? '+' : node.status === 'deprecated' ? 'x' : 'o'
    const features = node.ifFeatures.length === 0 ? '' : ` {${node.ifFeatures.join(',')}}?`
    const flags = flagsOf(node, mode)
    const name = this.#name(node)
    switch (node.kind) {
      case 'case':
        return `${status}--:(${name})${features}`
      case 'choice':
        return `${status}--${flags} (${name})${node.mandatory ? '' : '?'}${features}`
      case 'container':
        return `${status}--${flags} ${name}${node.presence === undefined ? '' : '!'}${features}`
      case 'list': {
        const keys = node.keys.map((key) => key.name).join(' ')
        return `${status}--${flags} ${name}* [${keys}]${features}`
      }
      case 'leaf':
      case 'leaf-list':
      case 'anydata':
      case 'anyxml': {
        const mark =
          node.kind === 'leaf-list' ? '*' : node.mandatory || (node.kind === 'leaf' && node.isKey) ? '' : '?'
        const type =
          node.kind === 'anydata' || node.kind === 'anyxml' ? `<${node.kind}>` : this.#type(node.type)
        return `${status}--${flags} ${`${name}${mark}`.padEnd(width + 1)}   ${type}${features}`
      }
      default:
        return `${status}--${flags} ${name}${features}`
    }
  }

  #type(type: ResolvedType): string {
    const [named] = type.typedefs
    if (named !== undefined) {
      const [module = '', name = ''] = named.split(':')
      return module === this.#module.name ? name : `${this.#prefixes.get(module) ?? module}:${name}`
    }
    if (type.kind === 'integer') return type.base
    if (type.kind !== 'leafref') return type.kind
    return `-> ${shortPath(type.path.text, this.#module.prefix)}`
  }
}

/** RFC 8340 2.2: prefixes go where they say nothing new. Conditions stay as written. */
function shortPath(path: string, own: string): string {
  let last = own
  return path.replace(/\[[^\]]*\]|([\w.-]+):/g, (whole, prefix: string | undefined) => {
    if (prefix === undefined) return whole
    const isNew = prefix !== last
    last = prefix
    return isNew ? whole : ''
  })
}

function belowOf(node: SchemaNode): readonly SchemaNode[] {
  switch (node.kind) {
    case 'container':
    case 'list':
      return [...node.children, ...node.actions, ...node.notifications]
    case 'choice':
      return node.cases
    case 'rpc':
    case 'action':
      return [node.input, node.output].filter(({ children }) => children.length > 0)
    case 'case':
    case 'input':
    case 'output':
    case 'notification':
      return node.children
    default:
      return []
  }
}

function flagsOf(node: SchemaNode, mode: Mode): string {
  switch (node.kind) {
    case 'rpc':
    case 'action':
      return '-x'
    case 'notification':
      return '-n'
    case 'input':
      return '-w'
    case 'output':
      return 'ro'
    default:
      return mode === 'input' ? '-w' : mode === 'output' || !node.config ? 'ro' : 'rw'
  }
}

function modeOf(node: SchemaNode): Mode {
  for (let at: SchemaNode | undefined = node; at; at = at.parent) {
    if (at.kind === 'input') return 'input'
    if (at.kind === 'output' || at.kind === 'notification') return 'output'
  }
  return 'data'
}

/** The nodes a module adds to the trees of others, by the node they were added to. */
function augmentations(schema: Schema, module: SchemaModule): Map<SchemaNode, SchemaNode[]> {
  const found = new Map<SchemaNode, SchemaNode[]>()
  const visit = (node: SchemaNode) => {
    for (const child of belowOf(node)) {
      // A shorthand case belongs to the module of what stands in it.
      if (child.module === module && node.module !== module) {
        const others = found.get(node)
        if (others) others.push(child)
        else found.set(node, [child])
      } else visit(child)
    }
  }
  for (const other of schema.modules.values())
    if (other !== module)
      for (const root of [...other.children, ...other.rpcs, ...other.notifications]) visit(root)
  // In the order the module wrote them.
  const place = ([, [first]]: [SchemaNode, SchemaNode[]]) => first?.position.line ?? 0
  return new Map([...found].toSorted((one, other) => place(one) - place(other)))
}
