/**
 * The benches that rooms keep beside their own code, in the shape that all benches have. What a peer that is not
 * installed would have told is skipped by name.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Figure } from './figure.ts'

/** A room's figure whose goal is a share to reach. */
function share({ name, ratio, goal, detail = 'rates' }: RoomFigure): Figure {
  return { name, ratio, detail, ...(goal === undefined ? {} : { goal: { atLeast: goal } }) }
}

interface RoomFigure {
  readonly name: string
  readonly ratio: number
  readonly goal: number | undefined
  readonly detail?: string
}

const etf: Bench = {
  name: 'etf',
  about: 'Erlang terms, decoded and encoded, against msgpackr on equal data',
  async run() {
    const { main } = await import('../packages/etf/bench/terms.ts')
    const { figures, skipped } = await main()
    return { figures: figures.map(share), skipped }
  },
}

const compileGoal = 1.5

const yangCompile: Bench = {
  name: 'yang-compile',
  about: 'every standard module that pyang installs, compiled in one process, against yanglint',
  async run() {
    const folders = standardModules()
    if (folders.length === 0) return { figures: [], skipped: ["pyang's modules (pip install pyang)"] }
    const { measureCompile } = await import('../packages/yang/bench/compile.ts')
    const { files, bytes, coldMs, warmMs, yanglintMs } = measureCompile(folders)
    if (yanglintMs === undefined)
      return { figures: [], skipped: ['yanglint (apt-get install libyang2-tools)'] }
    const figure = (name: string, ms: number): Figure => ({
      name: `yang: ${files} modules, ${(bytes / 1e6).toFixed(1)} MB, ${name}, time against yanglint`,
      ratio: ms / yanglintMs,
      detail: `${ms.toFixed(0)} ms against ${yanglintMs.toFixed(0)} ms`,
    })
    const first = coldMs === undefined ? [] : [figure('the first pass', coldMs)]
    return { figures: [...first, { ...figure('warm', warmMs), goal: { atMost: compileGoal } }] }
  },
}

/** The folders of standard modules that pyang or Debian brought along. */
function standardModules(): string[] {
  const python = spawnSync('python3', ['-c', 'import sys; print(sys.prefix)']).stdout?.toString().trim() ?? ''
  const root = [python, '/usr', '/usr/local']
    .map((prefix) => join(prefix, 'share/yang/modules'))
    .find((folder) => existsSync(join(folder, 'ietf')))
  if (root === undefined) return []
  return ['ietf', 'iana'].map((name) => join(root, name)).filter((folder) => existsSync(folder))
}

const yangValidate: Bench = {
  name: 'yang-validate',
  about: 'documents validated: a large one against libyang, a million small ones against ajv',
  async run() {
    const { main } = await import('../packages/yang/bench/validate.ts')
    const { figures, skipped } = await main()
    return { figures: figures.map(share), skipped }
  },
}

const hostile: Bench = {
  name: 'hostile',
  about: 'bad input: processor time a megabyte over the 100 ms allowed, the worst of each kind',
  async run() {
    const yang = await import('../packages/yang/bench/hostile.ts')
    const terms = await import('../packages/etf/bench/hostile.ts')
    const all = [
      ...yang.main(),
      ...terms.main().map((figure) => ({ ...figure, name: `term: ${figure.name}` })),
    ]
    const kinds = new Set(all.map(kindOf))
    const figures = [...kinds].flatMap((kind) =>
      all
        .filter((figure) => kindOf(figure) === kind)
        .toSorted((one, other) => other.ratio - one.ratio)
        .slice(0, shownOfAKind)
        .map(({ name, ratio, detail }): Figure => ({ name, ratio, detail, goal: { atMost: 1 } })),
    )
    return { figures }
  },
}

const shownOfAKind = 5
const kindOf = ({ name }: { readonly name: string }): string => name.slice(0, name.indexOf(':'))

export const rooms: readonly Bench[] = [etf, yangCompile, yangValidate, hostile]
