/**
 * Seeded damage to modules: one statement deleted, doubled, moved, renamed, exchanged or given another argument.
 */

import { parseText } from '../src/parse.ts'
import { Report } from '../src/report.ts'
import type { Statement } from '../src/statement.ts'

interface Node {
  keyword: string
  argument: string | undefined
  below: Node[]
}

export interface Mutant {
  readonly file: string
  readonly text: string
  /** What was done. */
  readonly note: string
}

const prose = new Set(['description', 'reference', 'contact', 'organization', 'revision', 'error-message'])
const keywords =
  'leaf container list leaf-list must when config mandatory default key unique min-elements max-elements status if-feature type presence anyxml choice case'.split(
    ' ',
  )
const oddArguments = [
  '',
  'x',
  '1',
  'true',
  'false',
  '-1',
  '../foo',
  'foo bar',
  'a:b',
  '1..2',
  'unbounded',
  'string',
  'empty',
  'int8',
  'current()',
  '/a',
]

/** `count` mutants of modules picked from `sources`; the same seed gives the same ones. */
export function* mutate(
  sources: readonly { readonly file: string; readonly text: string }[],
  seed: number,
  count: number,
): Generator<Mutant> {
  let state = seed
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return state / 0x7fffffff
  }
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)]
  for (let made = 0; made < count; ) {
    const source = pick(sources)
    if (!source) return
    made++
    const statement = parseText(source.file, source.text, new Report(10))
    if (!statement) continue
    const root = copy(statement)
    const all: { node: Node; parent: Node }[] = []
    collect(root, all)
    const candidates = all.filter(({ node }) => !prose.has(node.keyword) && node.argument !== root.argument)
    const chosen = pick(candidates)
    if (!chosen) continue
    const note = damage(chosen, candidates, pick, random)
    yield { file: source.file, text: print(root, ''), note: note.replace(/\s+/g, ' ').slice(0, 160) }
  }
}

function damage(
  { node, parent }: { node: Node; parent: Node },
  candidates: readonly { node: Node; parent: Node }[],
  pick: <T>(from: readonly T[]) => T | undefined,
  random: () => number,
): string {
  const at = parent.below.indexOf(node)
  const what = `${node.keyword} ${node.argument ?? ''}`
  switch (pick(['delete', 'double', 'argument', 'argument', 'move', 'keyword', 'swap'])) {
    case 'delete':
      parent.below.splice(at, 1)
      return `without ${what}`
    case 'double':
      parent.below.splice(at, 0, node)
      return `twice ${what}`
    case 'argument': {
      const alike = candidates.filter((other) => other.node.keyword === node.keyword)
      node.argument = random() < 0.6 ? pick(alike)?.node.argument : pick(oddArguments)
      return `${what} becomes ${node.argument}`
    }
    case 'move': {
      const to = pick(candidates.filter((other) => other.node.below.length > 0))?.node ?? parent
      parent.below.splice(at, 1)
      to.below.push(node)
      return `${what} moves into ${to.keyword} ${to.argument ?? ''}`
    }
    case 'keyword':
      node.keyword = pick(keywords) ?? 'leaf'
      return `${what} becomes ${node.keyword}`
    default: {
      const other = pick(parent.below) ?? node
      const to = parent.below.indexOf(other)
      parent.below[at] = other
      parent.below[to] = node
      return `${what} changes places with ${other.keyword}`
    }
  }
}

function copy({ keyword, argument, substatements }: Statement): Node {
  return { keyword, argument, below: substatements.map(copy) }
}

function collect(parent: Node, into: { node: Node; parent: Node }[]): void {
  for (const node of parent.below) {
    into.push({ node, parent })
    collect(node, into)
  }
}

function print({ keyword, argument, below }: Node, indent: string): string {
  const quoted =
    argument === undefined ? '' : ` "${argument.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  if (below.length === 0) return `${indent}${keyword}${quoted};\n`
  return `${indent}${keyword}${quoted} {\n${below.map((node) => print(node, `${indent}  `)).join('')}${indent}}\n`
}
