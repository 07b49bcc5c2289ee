/**
 * Compiles every module of a folder of modules, and lets yanglint do the same, as one ratio.
 *
 * Each reads all files into one schema in one process. Of ours, the first pass (cold) and the best of several
 * (warm) are set against yanglint's best; reading the files and starting Node are not counted, starting
 * yanglint is. Folders: those named on the command line, or those that pyang installed.
 */

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compile, type ModuleText } from '../src/index.ts'

export interface CompileFigures {
  readonly files: number
  readonly bytes: number
  readonly oursMs: number
  /** In this process, after a first pass has warmed it. */
  readonly warmMs: number
  /** Undefined when yanglint is not installed. */
  readonly yanglintMs: number | undefined
}

/** Times both over the modules of the given folders; the best of `rounds` counts. */
export function measureCompile(folders: readonly string[], rounds = 5): CompileFigures {
  const texts = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.yang'))
      .map(
        (name): ModuleText => ({ file: join(folder, name), text: readFileSync(join(folder, name), 'utf8') }),
      ),
  )
  const modules = texts.filter(({ text }) => typeof text === 'string' && !/^\s*submodule\b/m.test(text))
  const byName = new Map(
    texts.map((text): [string, ModuleText] => [basename(text.file).replace(/(@.*)?\.yang$/, ''), text]),
  )
  const once = () => {
    const started = performance.now()
    const compiled = compile(modules, ({ name }) => byName.get(name))
    const elapsed = performance.now() - started
    if (!compiled.ok)
      throw new Error(
        `the folder does not compile: ${JSON.stringify(compiled.problems.find(({ severity }) => severity === 'error'))}`,
      )
    return elapsed
  }
  const times = Array.from({ length: rounds }, once)
  const files = modules.map(({ file }) => file)
  const args = ['-D', '-i', ...folders.flatMap((folder) => ['-p', folder]), ...files]
  const lint = () => {
    const started = performance.now()
    execFileSync('yanglint', args, { stdio: 'ignore' })
    return performance.now() - started
  }
  let yanglintMs: number | undefined
  try {
    yanglintMs = Math.min(...Array.from({ length: rounds }, lint))
  } catch {
    yanglintMs = undefined
  }
  const bytes = modules.reduce((sum, { text }) => sum + text.length, 0)
  return { files: files.length, bytes, oursMs: times[0] ?? 0, warmMs: Math.min(...times), yanglintMs }
}

if (process.argv[1] !== undefined && import.meta.url === `file://${process.argv[1]}`) {
  const prefix =
    process.argv.length > 2
      ? ''
      : execFileSync('python3', ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' }).trim()
  const folders =
    process.argv.length > 2
      ? process.argv.slice(2)
      : ['ietf', 'iana'].map((name) => join(prefix, 'share/yang/modules', name))
  const { files, bytes, oursMs, warmMs, yanglintMs } = measureCompile(folders)
  console.log(`${files} modules, ${(bytes / 1e6).toFixed(1)} MB`)
  if (yanglintMs === undefined) console.log('yanglint is not installed, or refuses the folder: no ratio')
  else
    console.log(
      `time against yanglint: ${(oursMs / yanglintMs).toFixed(2)} cold, ${(warmMs / yanglintMs).toFixed(2)} warm`,
    )
}
