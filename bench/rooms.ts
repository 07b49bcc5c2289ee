/**
 * The benches that rooms keep beside their own code, in the shape that all benches have. What a peer that is not
 * installed would have told is skipped by name.
 */
import { spawnSync } from 'node:child_process'
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
  about:
    'every module of the packages that the comparison of verdicts uses, compiled in one process, against yanglint',
  async run() {
    if (spawnSync('python3', ['--version']).status !== 0)
      return { figures: [], skipped: ["pyang's modules (python3 is not installed)"] }
    const { interopPackages, measurePackages } = await import('../packages/yang/bench/compile.ts')
    const packages = interopPackages()
    if (packages.length === 0) return { figures: [], skipped: ["pyang's modules (pip install pyang)"] }
    const { files, bytes, warmMs, yanglintMs } = measurePackages(packages)
    if (yanglintMs === undefined)
      return { figures: [], skipped: ['yanglint (apt-get install libyang2-tools)'] }
    const figure: Figure = {
      name: `yang: ${files} modules of ${packages.length} packages, ${(bytes / 1e6).toFixed(1)} MB, time against yanglint`,
      ratio: warmMs / yanglintMs,
      detail: `${warmMs.toFixed(0)} ms against ${yanglintMs.toFixed(0)} ms`,
      goal: { atMost: compileGoal },
    }
    return { figures: [figure] }
  },
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
