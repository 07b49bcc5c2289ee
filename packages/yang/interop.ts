/**
 * Holds our verdicts against those of yanglint (libyang) and pyang.
 *
 * Three bodies of modules: the pinned list of our own, the modules that installed packages bring, and seeded
 * mutations of the latter. The rule: where both tools agree, we agree; where they differ with each other,
 * docs/agreement.md says whom we follow. Then documents have their turn (interop-data.ts). Tools that are not
 * installed are named and skipped.
 *
 * More folders of modules can be named in YANG_MODULES (DIR:DIR); docs/agreement.md says which packages were
 * used. Run by itself it prints a report: `node packages/yang/interop.ts`.
 */

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { mutate } from './interop/mutate.ts'
import { main as compareDocuments } from './interop-data.ts'
import { compileAsync } from './src/compile/compile.ts'
import { formatProblem, type ModuleText, type ParsedTexts, type ResolveAsync } from './src/index.ts'
import { verdicts } from './test/verdicts.ts'

export interface InteropResult {
  readonly passed: number
  readonly failed: number
  /** What could not be run, by name. */
  readonly skipped: readonly string[]
}

/** What one program says of one file. */
interface Opinion {
  readonly valid: boolean
  readonly why: string
}

const mutationSeed = 20_261
const mutationCount = 300

/** Compares modules, then documents. One line a set goes to `log`, and one for each difference. */
export async function main(log: (line: string) => void = console.log): Promise<InteropResult> {
  const modules = await compareModules(log)
  const documents = await compareDocuments(log)
  return {
    passed: modules.passed + documents.passed,
    failed: modules.failed + documents.failed,
    skipped: [...modules.skipped, ...documents.skipped],
  }
}

async function compareModules(log: (line: string) => void): Promise<InteropResult> {
  const skipped: string[] = []
  const hasLint = await runs('yanglint', ['--version'])
  const hasPyang = await runs('python3', ['-c', 'import pyang'])
  if (!hasLint) skipped.push('yanglint (Debian: libyang2-tools)')
  if (!hasPyang) skipped.push('pyang (PyPI: pyang)')
  if (!hasLint || !hasPyang) return { passed: 0, failed: 0, skipped }
  const work = await mkdtemp(join(tmpdir(), 'yang-interop-'))
  const score = { passed: 0, failed: 0 }
  try {
    await comparePinned(work, score, log)
    const folders = await findFolders()
    if (folders.length === 0) skipped.push('packaged modules (none are installed)')
    for (const set of folders) await comparePackaged(set, work, score, log)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  log(`yang: ${score.passed} verdicts agree, ${score.failed} do not`)
  return { ...score, skipped }
}

type Score = { passed: number; failed: number }

async function comparePinned(work: string, score: Score, log: (line: string) => void): Promise<void> {
  let split = 0
  const questions: Question[] = []
  for (const [at, { modules }] of verdicts.entries()) {
    const folder = join(work, `pinned-${at}`)
    await mkdir(folder)
    for (const { name, text } of modules) await writeFile(join(folder, `${name}.yang`), text)
    questions.push({ file: join(folder, `${modules[0]?.name}.yang`), folders: [folder] })
  }
  const pyangs = await askPyang(questions, work)
  for (const [at, { rule, valid, modules }] of verdicts.entries()) {
    const { file, folders } = questions[at] ?? { file: '', folders: [] }
    const lint = await askLint(file, folders)
    const pyang = pyangs.get(file)
    if (!pyang) continue
    if (lint.valid !== pyang.valid) {
      split++
      log(
        `  tools differ on "${rule}" (ours: ${verdictWord(valid)}): yanglint ${verdictWord(lint.valid)} ${lint.why}, pyang ${verdictWord(pyang.valid)} ${pyang.why}`,
      )
    } else if (lint.valid !== valid) {
      score.failed++
      log(
        `DIFFERS ${rule}: ours ${verdictWord(valid)}, both tools ${verdictWord(lint.valid)}: ${lint.why} / ${pyang.why}\n${modules[0]?.text}`,
      )
      continue
    }
    score.passed++
  }
  log(`pinned modules: ${verdicts.length}; the tools differ with each other on ${split}`)
}

interface ModuleSet {
  readonly name: string
  readonly folders: readonly string[]
}

async function comparePackaged(
  set: ModuleSet,
  work: string,
  score: Score,
  log: (line: string) => void,
): Promise<void> {
  const files: string[] = []
  for (const folder of set.folders)
    for (const name of await readdir(folder)) if (name.endsWith('.yang')) files.push(join(folder, name))
  const before = { ...score }
  await compareFiles(files, set.folders, work, score, log)
  const packaged = score.passed - before.passed
  const mutants: string[] = []
  const folder = await mkdtemp(join(work, 'mutants-'))
  const texts = await Promise.all(files.map(async (file) => ({ file, text: await readFile(file, 'utf8') })))
  const sources = texts.filter(({ text }) => !/^\s*submodule\b/m.test(text))
  const notes = new Map<string, string>()
  for (const { file, text, note } of mutate(sources, mutationSeed, mutationCount)) {
    const place = join(folder, `${mutants.length}`)
    await mkdir(place)
    const path = join(place, basename(file))
    await writeFile(path, text)
    notes.set(path, note)
    mutants.push(path)
  }
  await compareFiles(mutants, set.folders, work, score, log, notes)
  log(
    `${set.name}: ${files.length} modules (${packaged} agree), ${mutants.length} mutants (${score.passed - before.passed - packaged} agree)`,
  )
}

async function compareFiles(
  files: readonly string[],
  folders: readonly string[],
  work: string,
  score: Score,
  log: (line: string) => void,
  notes?: ReadonlyMap<string, string>,
): Promise<void> {
  const pyangs = await askPyang(
    files.map((file) => ({ file, folders })),
    work,
  )
  const ours = createOurs(folders)
  for (const file of files) {
    const pyang = pyangs.get(file)
    const lint = await askLint(file, folders)
    if (!pyang || lint.valid !== pyang.valid) {
      score.passed++
      continue
    }
    const own = await ours(file)
    if (own.valid === lint.valid) score.passed++
    else {
      score.failed++
      const note = notes?.get(file) ?? ''
      log(
        `DIFFERS ${basename(file)} ${note}: ours ${verdictWord(own.valid)} ${own.why}; both tools ${verdictWord(lint.valid)}: ${lint.why} / ${pyang.why}`,
      )
    }
  }
}

const verdictWord = (valid: boolean) => (valid ? 'accepts' : 'refuses')

// The three judges. ------------------------------------------------------------------------------------------

function createOurs(folders: readonly string[]): (file: string) => Promise<Opinion> {
  const parsed: ParsedTexts = new Map()
  const texts = new Map<string, Promise<ModuleText>>()
  const listing = Promise.all(
    folders.map(async (folder) => (await readdir(folder)).map((name) => join(folder, name))),
  ).then((lists) => lists.flat())
  const read = (file: string) => {
    const text = texts.get(file) ?? readFile(file).then((bytes) => ({ file, text: bytes }))
    texts.set(file, text)
    return text
  }
  const resolve: ResolveAsync = async ({ name, revision }) => {
    const all = (await listing).filter(
      (file) => basename(file) === `${name}.yang` || basename(file).startsWith(`${name}@`),
    )
    const exact =
      revision === undefined ? undefined : all.find((file) => basename(file) === `${name}@${revision}.yang`)
    const plain = all.find((file) => basename(file) === `${name}.yang`) ?? all.toSorted().at(-1)
    const chosen = exact ?? plain
    return chosen === undefined ? undefined : read(chosen)
  }
  return async (file) => {
    const compiled = await compileAsync([await read(file)], resolve, { parsed })
    const error = compiled.problems.find(({ severity }) => severity === 'error')
    return { valid: compiled.ok, why: error ? formatProblem(error) : '' }
  }
}

const run = promisify(execFile)

async function runs(program: string, args: readonly string[]): Promise<boolean> {
  return run(program, [...args]).then(
    () => true,
    () => false,
  )
}

async function askLint(file: string, folders: readonly string[]): Promise<Opinion> {
  const path = folders.flatMap((folder) => ['-p', folder])
  try {
    await run('yanglint', ['-D', '-i', ...path, file], { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 })
    return { valid: true, why: '' }
  } catch (error) {
    const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    return {
      valid: false,
      why: (text.split('\n').find((line) => line.includes('err')) ?? text).slice(0, 200),
    }
  }
}

/** pyang starts slowly, so one process judges all files, each in a context of its own. */
const pyangDriver = `
import json, sys
from pyang import context, error, plugin, repository
plugin.init([])
for line in sys.stdin.read().splitlines():
    path, file = line.split('\\t')
    try:
        ctx = context.Context(repository.FileRepository(path, use_env=False))
        ctx.strict = False
        ctx.add_module(file, open(file, encoding='utf-8').read())
        ctx.validate()
        found = [error.err_to_str(tag, args) for (_, tag, args) in ctx.errors if error.is_error(error.err_level(tag))]
    except Exception as broken:
        found = [repr(broken)]
    print(json.dumps([file, found[:1]]))
`

interface Question {
  readonly file: string
  readonly folders: readonly string[]
}

async function askPyang(questions: readonly Question[], work: string): Promise<Map<string, Opinion>> {
  const driver = join(work, 'pyang_each.py')
  await writeFile(driver, pyangDriver)
  const child = run('python3', [driver], { maxBuffer: 64 * 1024 * 1024 })
  child.child.stdin?.end(questions.map(({ file, folders }) => `${folders.join(':')}\t${file}`).join('\n'))
  const opinions = new Map<string, Opinion>()
  for (const line of (await child).stdout.split('\n')) {
    if (line === '') continue
    const [file, found] = JSON.parse(line) as [string, string[]]
    opinions.set(file, { valid: found.length === 0, why: (found[0] ?? '').slice(0, 200) })
  }
  return opinions
}

/** Folders with modules that packages installed; those of one tree go together. */
async function findFolders(): Promise<ModuleSet[]> {
  const { stdout } = await run('python3', ['-c', 'import sys; print(sys.prefix)'])
  const roots = [
    join(stdout.trim(), 'share/yang/modules'),
    '/usr/share/yang/modules',
    '/usr/share/yang',
    '/usr/share/yuma/modules',
  ]
  const sets: ModuleSet[] = []
  const taken = new Set<string>()
  for (const root of roots) {
    const folders = (await foldersBelow(root, 3)).filter((folder) => !taken.has(folder))
    for (const folder of folders) taken.add(folder)
    if (folders.length > 0) sets.push({ name: root, folders })
  }
  for (const group of (process.env.YANG_MODULES ?? '').split(',').filter((text) => text !== ''))
    sets.push({ name: group, folders: group.split(':') })
  return sets
}

async function foldersBelow(root: string, depth: number): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => [])
  const found = entries.some((entry) => entry.isFile() && entry.name.endsWith('.yang')) ? [root] : []
  if (depth > 0)
    for (const entry of entries)
      if (entry.isDirectory()) found.push(...(await foldersBelow(join(root, entry.name), depth - 1)))
  return found
}

if (process.argv[1] !== undefined && import.meta.url === `file://${process.argv[1]}`) {
  const { failed, skipped } = await main()
  for (const name of skipped) console.log(`skipped: ${name}`)
  process.exitCode = failed > 0 ? 1 : 0
}
