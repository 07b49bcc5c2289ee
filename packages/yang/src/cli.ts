/**
 * The commands around YANG: check, validate, tree, json-schema, types, form.
 *
 * A program without a program's habits: arguments, files and output are handed in, and what comes back is the
 * exit code (0 fine, 1 something is invalid, 2 used wrongly). The folder listing of each search path is read
 * once, and so is each module that several others import.
 */

import { type Compiled, compileAsync, type ResolveAsync } from './compile/compile.ts'
import { createValidator, type DocumentType, formatFault } from './data/index.ts'
import type { ModuleText, ParsedTexts } from './load.ts'
import { nearest } from './nearest.ts'
import { formatProblem, type Problem } from './problem.ts'
import type { Schema, SchemaModule } from './schema.ts'
import { toForm } from './views/form.ts'
import { toJsonSchema } from './views/json-schema.ts'
import { printTree } from './views/tree.ts'
import { toTypeScript } from './views/typescript.ts'

/** The world as the commands see it. */
export interface YangIo {
  readFile(path: string): Promise<Uint8Array>
  /** The names in a folder; an empty list when it cannot be read. */
  readdir(path: string): Promise<readonly string[]>
  /** Takes whole lines, the last line break included. */
  stdout(text: string): void
  stderr(text: string): void
  /** What people typed to get here, for the lines about usage; `yang` unless said. */
  readonly program?: string
}

const usageLines = [
  'check [--path DIR:DIR] [--lenient] [--json] FILE…',
  'validate --module FILE [--path DIR:DIR] [--lenient] [--loose] [--json] [--type TYPE] DOC.json…',
  'tree [--path DIR:DIR] [--lenient] FILE…',
  'json-schema [--path DIR:DIR] [--lenient] [--plain-names] [--config] FILE…',
  'types [--path DIR:DIR] [--lenient] [--plain-names] FILE…',
  'form [--path DIR:DIR] [--lenient] [--plain-names] FILE…',
]

function usageOf({ program = 'yang' }: YangIo): string {
  const lines = usageLines.map((line, at) => `${at === 0 ? 'usage:' : '      '} ${program} ${line}\n`)
  return `${lines.join('')}TYPE is one of ${documentTypes.join(', ')}; data unless said.\n`
}

const flagsOf: Readonly<Record<string, readonly string[]>> = {
  check: ['path', 'lenient', 'json'],
  validate: ['path', 'lenient', 'json', 'module', 'type', 'loose'],
  tree: ['path', 'lenient'],
  'json-schema': ['path', 'lenient', 'plain-names', 'config'],
  types: ['path', 'lenient', 'plain-names'],
  form: ['path', 'lenient', 'plain-names'],
}
const takesValue: ReadonlySet<string> = new Set(['path', 'module', 'type'])
const documentTypes: readonly DocumentType[] = ['data', 'config', 'rpc', 'reply', 'notification']

/** Runs one command; resolves to the exit code. Never rejects for anything the arguments or files say. */
export async function runYangCommand(args: readonly string[], io: YangIo): Promise<number> {
  const [command, ...rest] = args
  if (command === undefined) {
    io.stderr(usageOf(io))
    return 2
  }
  if (command === '--help' || command === '-h') {
    io.stdout(usageOf(io))
    return 0
  }
  const known = Object.hasOwn(flagsOf, command) ? flagsOf[command] : undefined
  if (!known) return misuse(io, `unknown command "${command}"${didYouMean(command, Object.keys(flagsOf))}`)
  const parsed = parseFlags(rest, known)
  if (typeof parsed === 'string') return misuse(io, parsed)
  if (parsed.values.has('help')) {
    io.stdout(usageOf(io))
    return 0
  }
  if (parsed.files.length === 0) return misuse(io, `${command} needs a file`)
  const shelf = new Shelf(
    io,
    (parsed.values.get('path') ?? '').split(':').filter((dir) => dir !== ''),
    parsed.values.has('lenient'),
  )
  switch (command) {
    case 'check':
      return check(parsed, shelf, io)
    case 'validate':
      return validate(parsed, shelf, io)
    default:
      return view(command, parsed, shelf, io)
  }
}

interface Flags {
  readonly values: ReadonlyMap<string, string>
  readonly files: readonly string[]
}

/** The flags and files, or what is wrong with them. */
function parseFlags(args: readonly string[], known: readonly string[]): Flags | string {
  const values = new Map<string, string>()
  const files: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? ''
    if (arg === '--') {
      files.push(...args.slice(at + 1))
      break
    }
    if (!arg.startsWith('-') || arg === '-') {
      files.push(arg)
      continue
    }
    const [name = '', inline] = arg.replace(/^--?/, '').split(/=(.*)/s, 2)
    if (name === 'help' || name === 'h') values.set('help', '')
    else if (!known.includes(name)) return `unknown option "${arg}"${didYouMean(name, known, '--')}`
    else if (takesValue.has(name)) {
      const value = inline ?? args[++at]
      if (value === undefined) return `"--${name}" needs a value`
      values.set(name, name === 'path' && values.has('path') ? `${values.get('path')}:${value}` : value)
    } else if (inline !== undefined) return `"--${name}" takes no value`
    else values.set(name, '')
  }
  return { values, files }
}

function misuse(io: YangIo, message: string): number {
  io.stderr(`${io.program ?? 'yang'}: ${message}\n`)
  return 2
}

/** Modules by name, from the folders of the search path and the folder of the file at hand. */
class Shelf {
  readonly #io: YangIo
  readonly #path: readonly string[]
  readonly #lenient: boolean
  readonly #parsed: ParsedTexts = new Map()
  readonly #listings = new Map<string, Promise<readonly string[]>>()
  readonly #texts = new Map<string, Promise<ModuleText | undefined>>()

  constructor(io: YangIo, path: readonly string[], lenient: boolean) {
    this.#io = io
    this.#path = path
    this.#lenient = lenient
  }

  async compile(file: string): Promise<Compiled | string> {
    const text = await this.read(file)
    if (!text) return `${file}: cannot be read`
    return compileAsync([text], this.#resolveFrom(folderOf(file)), {
      lenient: this.#lenient,
      parsed: this.#parsed,
    })
  }

  read(file: string): Promise<ModuleText | undefined> {
    let text = this.#texts.get(file)
    if (!text) {
      text = this.#io.readFile(file).then(
        (bytes) => ({ file, text: bytes }),
        () => undefined,
      )
      this.#texts.set(file, text)
    }
    return text
  }

  #resolveFrom(folder: string): ResolveAsync {
    return async ({ name, revision }) => {
      for (const dir of [...this.#path, folder]) {
        const candidates = (await this.#list(dir)).filter(
          (entry) => entry === `${name}.yang` || (entry.startsWith(`${name}@`) && entry.endsWith('.yang')),
        )
        // With a revision in their names the newest sorts last; the one without is tried when no other fits.
        const exact =
          revision === undefined
            ? undefined
            : candidates.find((entry) => entry === `${name}@${revision}.yang`)
        if (exact) return this.read(join(dir, exact))
        const plain = candidates.find((entry) => entry === `${name}.yang`)
        const chosen = revision === undefined ? (plain ?? candidates.toSorted().at(-1)) : plain
        if (chosen === undefined) continue
        const text = await this.read(join(dir, chosen))
        if (text && (revision === undefined || hasRevision(text, revision))) return text
      }
      return undefined
    }
  }

  #list(dir: string): Promise<readonly string[]> {
    let listing = this.#listings.get(dir)
    if (!listing) {
      listing = this.#io.readdir(dir).catch(() => [])
      this.#listings.set(dir, listing)
    }
    return listing
  }
}

function hasRevision({ text }: ModuleText, revision: string): boolean {
  const content = typeof text === 'string' ? text : new TextDecoder().decode(text)
  return new RegExp(`\\brevision\\s+["']?${revision}`).test(content)
}

const folderOf = (file: string) => (file.includes('/') ? file.slice(0, file.lastIndexOf('/')) || '/' : '.')
const join = (dir: string, name: string) => (dir.endsWith('/') ? `${dir}${name}` : `${dir}/${name}`)

async function check({ files, values }: Flags, shelf: Shelf, io: YangIo): Promise<number> {
  let bad = 0
  const verdicts: { file: string; valid: boolean; problems: readonly Problem[] }[] = []
  for (const file of files) {
    const compiled = await shelf.compile(file)
    const valid = typeof compiled !== 'string' && compiled.ok
    if (!valid) bad++
    if (values.has('json')) {
      verdicts.push({
        file,
        valid,
        problems: typeof compiled === 'string' ? [unreadable(file)] : compiled.problems,
      })
      continue
    }
    io.stdout(`${file}: ${valid ? 'valid' : 'invalid'}\n`)
    if (typeof compiled === 'string') io.stderr(`${compiled}\n`)
    else for (const problem of compiled.problems) io.stderr(`${formatProblem(problem)}\n`)
  }
  if (values.has('json')) io.stdout(`${JSON.stringify(verdicts, undefined, 2)}\n`)
  return bad > 0 ? 1 : 0
}

function unreadable(file: string): Problem {
  const place = { file, line: 1, column: 1, path: '' }
  return {
    severity: 'error',
    code: 'linkage',
    ...place,
    found: 'nothing that can be read',
    expected: 'a file',
    rfc: '',
  }
}

async function validate({ files, values }: Flags, shelf: Shelf, io: YangIo): Promise<number> {
  const module = values.get('module')
  if (module === undefined) return misuse(io, 'validate needs --module FILE')
  const type = documentTypes.find((one) => one === (values.get('type') ?? 'data'))
  if (!type)
    return misuse(
      io,
      `--type is one of ${documentTypes.join(', ')}${didYouMean(values.get('type') ?? '', documentTypes)}`,
    )
  const schema = await schemaOf(module, shelf, io)
  if (!schema) return 1
  const validator = createValidator(schema.schema)
  let bad = 0
  const verdicts: unknown[] = []
  for (const file of files) {
    const text = await shelf.read(file)
    if (!text) {
      io.stderr(`${file}: cannot be read\n`)
      bad++
      continue
    }
    const content = typeof text.text === 'string' ? text.text : new TextDecoder().decode(text.text)
    const verdict = validator.validateText(content, { type, loose: values.has('loose') })
    if (!verdict.ok) bad++
    const faults = verdict.ok ? [] : verdict.faults
    if (values.has('json')) verdicts.push({ file, valid: verdict.ok, faults })
    else {
      io.stdout(`${file}: ${verdict.ok ? 'valid' : 'invalid'}\n`)
      for (const fault of faults) io.stderr(`${file}: ${formatFault(fault)}\n`)
    }
  }
  if (values.has('json')) io.stdout(`${JSON.stringify(verdicts, undefined, 2)}\n`)
  return bad > 0 ? 1 : 0
}

async function view(command: string, { files, values }: Flags, shelf: Shelf, io: YangIo): Promise<number> {
  const names = values.has('plain-names') ? 'plain' : 'qualified'
  let bad = 0
  for (const file of files) {
    const found = await schemaOf(file, shelf, io)
    if (!found) {
      bad++
      continue
    }
    const { schema, module } = found
    if (command === 'tree') io.stdout(module ? printTree(schema, module) : '')
    else if (command === 'types') io.stdout(toTypeScript(schema, { names }))
    else if (command === 'form') io.stdout(`${JSON.stringify(toForm(schema, { names }), undefined, 2)}\n`)
    else
      io.stdout(
        `${JSON.stringify(toJsonSchema(schema, { names, configOnly: values.has('config') }), undefined, 2)}\n`,
      )
  }
  return bad > 0 ? 1 : 0
}

/** The schema of a file, and the module the file holds; findings go to stderr. */
async function schemaOf(
  file: string,
  shelf: Shelf,
  io: YangIo,
): Promise<{ schema: Schema; module: SchemaModule | undefined } | undefined> {
  const compiled = await shelf.compile(file)
  if (typeof compiled === 'string') {
    io.stderr(`${compiled}\n`)
    return undefined
  }
  for (const problem of compiled.problems) io.stderr(`${formatProblem(problem)}\n`)
  if (!compiled.ok) return undefined
  const modules = [...compiled.schema.modules.values()]
  return { schema: compiled.schema, module: modules.find(({ position }) => position.file === file) }
}

/** `; did you mean "--lenient"?`, when something is near enough. */
function didYouMean(word: string, known: readonly string[], lead = ''): string {
  const name = nearest(word, known)
  return name === undefined ? '' : `; did you mean "${lead}${name}"?`
}
