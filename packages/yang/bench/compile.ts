/**
 * Compiles every module of a folder of modules, and lets yanglint do the same, as one ratio.
 *
 * Each reads all files into one schema in one process. Of ours, the first pass (cold) and the median of later ones
 * (warm) are set against yanglint's median; reading the files and starting Node are not counted, starting
 * yanglint is. Folders: those named on the command line, or the packages that `interop.ts` uses, each by itself and
 * all of them together.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compile, type ModuleText } from '../src/index.ts'

export interface CompileFigures {
  readonly files: number
  readonly bytes: number
  /** The first pass in a fresh process; undefined when it found modules that take no further part. */
  readonly coldMs: number | undefined
  /** After the first pass; the median. */
  readonly warmMs: number
  /** Undefined when yanglint is not installed. */
  readonly yanglintMs: number | undefined
}

/** Times both over the modules of the given folders, in turns. */
export function measureCompile(
  folders: readonly string[],
  rounds = 9,
  support: readonly string[] = [],
): CompileFigures {
  const texts = textsIn(folders)
  const all = texts.filter(({ text }) => typeof text === 'string' && !/^\s*submodule\b/m.test(text))
  const byName = new Map(
    [...textsIn(support), ...texts].map((text): [string, ModuleText] => [
      basename(text.file).replace(/(@.*)?\.yang$/, ''),
      text,
    ]),
  )
  const resolve = ({ name }: { readonly name: string }) => byName.get(name)
  // The first pass is the cold one; what does not compile takes no further part, on either side.
  const started = performance.now()
  const first = compile(all, resolve)
  const firstMs = performance.now() - started
  const faulty = new Set<string>()
  let modules = all
  // What needs a module that does not compile does not compile either.
  for (let last = first; !last.ok && modules.length > 0; last = compile(modules, resolve)) {
    for (const { severity, file } of last.problems) if (severity === 'error') faulty.add(file)
    const left = modules.filter(({ file }) => !faulty.has(file))
    if (left.length === modules.length) break
    modules = left
  }
  const ours = () => {
    const started = performance.now()
    const compiled = compile(modules, resolve)
    if (!compiled.ok) throw new Error(`the rest does not compile: ${compiled.problems[0]?.found}`)
    return performance.now() - started
  }
  const files = modules.map(({ file }) => file)
  const args = ['-D', '-i', ...[...folders, ...support].flatMap((folder) => ['-p', folder]), ...files]
  const lint = () => {
    const started = performance.now()
    execFileSync('yanglint', args, { stdio: 'ignore' })
    return performance.now() - started
  }
  // In turns, so that whatever else the machine does falls on both.
  const pairs: { ours: number; lint: number | undefined }[] = []
  for (let round = 0; round < rounds; round++) pairs.push({ ours: ours(), lint: attempt(lint) })
  const lints = pairs.flatMap(({ lint }) => lint ?? [])
  const bytes = modules.reduce((sum, { text }) => sum + text.length, 0)
  const yanglintMs = lints.length === 0 ? undefined : median(lints)
  const coldMs = faulty.size === 0 ? firstMs : undefined
  return { files: files.length, bytes, coldMs, warmMs: median(pairs.map(({ ours }) => ours)), yanglintMs }
}

function textsIn(folders: readonly string[]): ModuleText[] {
  return folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.yang'))
      .map((name) => ({ file: join(folder, name), text: readFileSync(join(folder, name), 'utf8') })),
  )
}

function attempt(measure: () => number): number | undefined {
  try {
    return measure()
  } catch {
    return undefined
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}

/**
 * The same over several packages of modules, one after the other: modules of one package belong to one another, and two
 * packages may bring the same module in two revisions. Sums; a package that yanglint refuses as a whole counts nowhere. What
 * a package needs from elsewhere is taken from the first.
 */
export function measurePackages(packages: readonly (readonly string[])[], rounds = 9): CompileFigures {
  let [files, bytes, warmMs, yanglintMs] = [0, 0, 0, 0]
  for (const folders of packages) {
    const figures = measureCompile(folders, rounds, packages[0])
    if (figures.yanglintMs === undefined) continue
    files += figures.files
    bytes += figures.bytes
    warmMs += figures.warmMs
    yanglintMs += figures.yanglintMs
  }
  return { files, bytes, coldMs: undefined, warmMs, yanglintMs: files === 0 ? undefined : yanglintMs }
}

/** The packages that `interop.ts` uses: pyang's, libyang's, and those named in YANG_MODULES. */
export function interopPackages(): string[][] {
  const prefix = execFileSync('python3', ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' }).trim()
  const installed = [
    ['ietf', 'iana'].map((name) => join(prefix, 'share/yang/modules', name)),
    ['/usr/share/yang/modules/libyang'],
  ]
  const named = (process.env.YANG_MODULES ?? '').split(',').map((group) => group.split(':'))
  return [...installed, ...named].filter((folders) => folders.every((folder) => existsSync(folder)))
}

if (process.argv[1] !== undefined && import.meta.url === `file://${process.argv[1]}`) {
  const named = process.argv.slice(2)
  const packages = named.length > 0 ? [named] : interopPackages()
  const each = packages.map((folders) => [folders] as const)
  for (const sets of each.length > 1 ? [...each, packages] : each) {
    const { files, bytes, coldMs, warmMs, yanglintMs } =
      sets.length === 1 && sets[0] ? measureCompile(sets[0], 9, packages[0]) : measurePackages(sets)
    console.log(
      `${sets.length === 1 ? sets[0]?.join(':') : 'all packages'}: ${files} modules, ${(bytes / 1e6).toFixed(1)} MB`,
    )
    if (yanglintMs === undefined) console.log('  yanglint is not installed, or refuses the folder: no ratio')
    else {
      const cold = coldMs === undefined ? '' : `${(coldMs / yanglintMs).toFixed(2)} cold, `
      console.log(`  time against yanglint: ${cold}${(warmMs / yanglintMs).toFixed(2)} warm`)
    }
  }
}
