/**
 * Turns a command line, an environment and a file into one `Config` that needs no further checks.
 *
 * A flag wins over the environment, the environment over the file, the file over the default. Nothing is ignored: a
 * name we do not know is refused with the nearest one we do, because a mistyped limit that silently keeps its default
 * is found out on the worst day. All refusals are gathered, so that one run tells everything. `parseConfig` is pure;
 * only `loadConfig` reads the file.
 */
import { readFileSync } from 'node:fs'
import { isJsonObject, ok, type Result, refuse } from '@waymark/domain'
import { kinds } from './config-kinds.ts'
import {
  type Config,
  environmentName,
  otherEnvironment,
  otherPrograms,
  propertyOf,
  type Row,
  type SettingName,
  table,
} from './config-table.ts'
import { nearest } from './nearest.ts'

export type { Config, SettingName } from './config-table.ts'

/** Why a configuration is not taken. `thing` is written as the user wrote it: `--htp`, `WAYMARK_HTP`, `htp`. */
export type ConfigRefusal =
  | {
      readonly kind: 'unknown-flag' | 'unknown-environment' | 'unknown-key'
      readonly thing: string
      readonly nearest?: string
    }
  | { readonly kind: 'unexpected-argument'; readonly thing: string }
  | { readonly kind: 'missing-value'; readonly thing: string; readonly wanted: string }
  | { readonly kind: 'bad-value'; readonly thing: string; readonly wanted: string; readonly got: string }
  | { readonly kind: 'secret-flag'; readonly thing: string; readonly wanted: string }
  | {
      readonly kind: 'unreadable-file'
      readonly thing: string
      readonly wanted: string
      readonly got: string
    }
  | { readonly kind: 'conflict'; readonly thing: string; readonly wanted: string; readonly got: string }

/** Where a value came from, as `waymark config print` shows it. */
export type Source = 'flag' | 'environment' | 'file' | 'default'

export interface Settings {
  readonly config: Config
  readonly sources: Readonly<Record<SettingName, Source>>
  /** The file that was read, if any. */
  readonly file?: string
}

export interface ConfigInput {
  /** The arguments after `waymark up`, as they were written. */
  readonly flags: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** The parsed content of the file, with the name it is to be called by. */
  readonly file?: { readonly name: string; readonly content: unknown } | undefined
}

/** The configuration, or everything that is wrong with it. Pure: reads neither clock, disk nor process. */
export function parseConfig(input: ConfigInput): Result<Config, ConfigRefusal[]> {
  const parsed = parseSettings(input)
  return parsed.ok ? ok(parsed.value.config) : parsed
}

/** Like `parseConfig`, and tells where each value came from. */
export function parseSettings(input: ConfigInput): Result<Settings, ConfigRefusal[]> {
  const flags = readFlags(input.flags)
  const env = readEnvironment(input.env)
  const file = readFileContent(input.file)
  const refusals = [...flags.refusals, ...env.refusals, ...file.refusals]
  const values: Record<string, unknown> = {}
  const sources: Record<string, Source> = {}
  for (const row of table as readonly Row[]) {
    const given: Given | undefined =
      flags.values.get(row.name) ?? env.values.get(row.name) ?? file.values.get(row.name)
    sources[row.name] = given?.source ?? 'default'
    const text = given?.text ?? row.default
    if (text === null) {
      values[propertyOf(row.name)] = undefined
      continue
    }
    const value = kinds[row.kind].read(text, row)
    if (value === undefined && given !== undefined) {
      const got = row.secret ? '(not shown)' : maskUrl(given.text)
      refusals.push({ kind: 'bad-value', thing: given.thing, wanted: kinds[row.kind].wanted(row), got })
    }
    values[propertyOf(row.name)] = value
  }
  if (refusals.length > 0) return refuse(refusals)
  // The one cast: every row of the table was read by its own kind just above.
  const config = values as unknown as Config
  const conflicts = findConflicts(config)
  if (conflicts.length > 0) return refuse(conflicts)
  return ok({
    config,
    sources: sources as Record<SettingName, Source>,
    ...(input.file ? { file: input.file.name } : {}),
  })
}

/**
 * The settings for a process: reads the file named by `--config` or WAYMARK_CONFIG (JSON, one object, at most 1 MiB)
 * and parses all.
 */
export function loadConfig(
  flags: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Result<Settings, ConfigRefusal[]> {
  const named = takeConfigFlag(flags)
  if (!named.ok) return named
  const name = named.value.name ?? (env.WAYMARK_CONFIG || undefined)
  if (name === undefined) return parseSettings({ flags: named.value.rest, env })
  const read = readJsonFile(name)
  if (!read.ok) return refuse([read.refusal])
  return parseSettings({ flags: named.value.rest, env, file: { name, content: read.value } })
}

/** One line for people. */
export function describeRefusal(refusal: ConfigRefusal): string {
  switch (refusal.kind) {
    case 'unknown-flag':
    case 'unknown-environment':
    case 'unknown-key':
      return `${refusal.thing}: unknown ${unknownWord[refusal.kind]}${refusal.nearest ? ` (did you mean ${refusal.nearest}?)` : ''}`
    case 'unexpected-argument':
      return `${refusal.thing}: unexpected argument`
    case 'missing-value':
      return `${refusal.thing}: wanted ${refusal.wanted}, got nothing`
    case 'secret-flag':
      return `${refusal.thing}: secrets are not taken from the command line; set ${refusal.wanted}`
    default:
      return `${refusal.thing}: wanted ${refusal.wanted}, got ${refusal.got}`
  }
}

const unknownWord = {
  'unknown-flag': 'flag',
  'unknown-environment': 'environment variable',
  'unknown-key': 'key',
} as const

/** A URL fit to be shown: its password, and the values of query parameters that sound secret, are cut out. */
export function maskUrl(text: string): string {
  return text
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#:@]*):[^/?#]*@/i, '$1:***@')
    .replace(/([?&][^=&#]*(?:secret|password|token|key)[^=&#]*=)[^&#]*/gi, '$1***')
}

interface Given {
  readonly text: string
  readonly source: Source
  /** The name as it was written. */
  readonly thing: string
}

interface Read {
  readonly values: Map<string, Given>
  readonly refusals: ConfigRefusal[]
}

const rows: ReadonlyMap<string, Row> = new Map(table.map((row) => [row.name, row]))
const flagNames = [
  '--config',
  ...(table as readonly Row[]).filter((row) => !row.secret).map((row) => `--${row.name}`),
]
const maxFileBytes = 2 ** 20

function readFlags(flags: readonly string[]): Read {
  const read: Read = { values: new Map(), refusals: [] }
  for (let i = 0; i < flags.length; i++) {
    const argument = flags[i] ?? ''
    if (!argument.startsWith('-') || argument === '-') {
      read.refusals.push({ kind: 'unexpected-argument', thing: argument })
      continue
    }
    const equals = argument.indexOf('=')
    const thing = equals < 0 ? argument : argument.slice(0, equals)
    const row = thing.startsWith('--') ? rows.get(thing.slice(2)) : undefined
    if (row === undefined) {
      read.refusals.push({ kind: 'unknown-flag', thing, ...maybeNearest(thing, flagNames) })
      // What follows an unknown flag is taken as its value, so that one mistake is told once.
      if (equals < 0 && isValue(flags[i + 1])) i++
      continue
    }
    if (row.secret) {
      read.refusals.push({ kind: 'secret-flag', thing, wanted: environmentName(row.name) })
      if (equals < 0 && isValue(flags[i + 1])) i++
      continue
    }
    let text: string | undefined
    if (equals >= 0) text = argument.slice(equals + 1)
    else if (row.kind === 'switch') text = 'true'
    else if (isValue(flags[i + 1])) text = flags[++i]
    if (text === undefined || (text === '' && row.default !== '')) {
      read.refusals.push({ kind: 'missing-value', thing, wanted: kinds[row.kind].wanted(row) })
      continue
    }
    const before = read.values.get(row.name)
    const gathered = row.repeated && before ? `${before.text},${text}` : text
    read.values.set(row.name, { text: gathered, source: 'flag', thing })
  }
  return read
}

function isValue(argument: string | undefined): boolean {
  return argument !== undefined && (!argument.startsWith('--') || argument === '-')
}

function readEnvironment(env: ConfigInput['env']): Read {
  const read: Read = { values: new Map(), refusals: [] }
  const byEnvironment = new Map(table.map((row) => [environmentName(row.name), row.name]))
  const known = [...byEnvironment.keys(), ...otherEnvironment]
  for (const [thing, text] of Object.entries(env)) {
    if (!thing.startsWith('WAYMARK_') || text === undefined) continue
    const name = byEnvironment.get(thing)
    if (name === undefined) {
      if (!isOthers(thing))
        read.refusals.push({ kind: 'unknown-environment', thing, ...maybeNearest(thing, known) })
      continue
    }
    // An empty variable counts as one that is not set: that is how compose files leave things out.
    if (text !== '') read.values.set(name, { text, source: 'environment', thing })
  }
  return read
}

function isOthers(thing: string): boolean {
  return (
    (otherEnvironment as readonly string[]).includes(thing) ||
    otherPrograms.some((prefix) => thing.startsWith(prefix))
  )
}

function readFileContent(file: ConfigInput['file']): Read {
  const read: Read = { values: new Map(), refusals: [] }
  if (file === undefined) return read
  if (!isJsonObject(file.content)) {
    read.refusals.push({
      kind: 'bad-value',
      thing: file.name,
      wanted: 'a JSON object',
      got: typeName(file.content),
    })
    return read
  }
  for (const [key, value] of Object.entries(file.content)) {
    const thing = `${key} in ${file.name}`
    const row = rows.get(key)
    if (row === undefined) {
      read.refusals.push({ kind: 'unknown-key', thing, ...maybeNearest(key, rows.keys()) })
      continue
    }
    if (value === null) continue
    const text = textOf(value, row)
    if (text === undefined)
      read.refusals.push({
        kind: 'bad-value',
        thing,
        wanted: kinds[row.kind].wanted(row),
        got: typeName(value),
      })
    else read.values.set(key, { text, source: 'file', thing })
  }
  return read
}

function textOf(value: unknown, row: Row): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (typeof value === 'boolean') return row.kind === 'switch' ? String(value) : value ? undefined : 'off'
  const isList = row.kind === 'list' || row.kind === 'cidrs'
  if (isList && Array.isArray(value) && value.every((part) => typeof part === 'string'))
    return value.join(',')
  return undefined
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

function maybeNearest(thing: string, known: Iterable<string>): { nearest?: string } {
  const found = nearest(thing, known)
  return found === undefined ? {} : { nearest: found }
}

/** What each setting allows by itself may still not go together. */
function findConflicts(config: Config): ConfigRefusal[] {
  const conflicts: ConfigRefusal[] = []
  const conflict = (thing: string, wanted: string, got: string) =>
    conflicts.push({ kind: 'conflict', thing, wanted, got })
  if (config.https !== 'off') {
    if (config.tlsCert === undefined) conflict('https', 'tls-cert with it', 'none')
    if (config.tlsKey === undefined) conflict('https', 'tls-key with it', 'none')
  }
  if (config.captchaVerify !== undefined && config.captchaSecret === undefined)
    conflict('captcha-verify', 'captcha-secret with it', 'none')
  if (config.tokenRefresh < config.tokenLife)
    conflict('token-refresh', `at least token-life (${config.tokenLife})`, String(config.tokenRefresh))
  if (config.drainDelay + config.drainTimeout > 25)
    conflict(
      'drain-delay and drain-timeout',
      'at most 25 seconds together',
      String(config.drainDelay + config.drainTimeout),
    )
  const taken = new Map<number, string>()
  for (const row of table) {
    if (row.kind !== 'port') continue
    const port = config[propertyOf(row.name)]
    if (port === 'off' || port === 0) continue
    const other = taken.get(port)
    if (other !== undefined) conflict(row.name, `another port than that of ${other}`, String(port))
    taken.set(port, row.name)
  }
  return conflicts
}

function takeConfigFlag(
  flags: readonly string[],
): Result<{ name?: string; rest: string[] }, ConfigRefusal[]> {
  const rest: string[] = []
  let name: string | undefined
  for (let i = 0; i < flags.length; i++) {
    const argument = flags[i] ?? ''
    if (argument === '--config' && isValue(flags[i + 1])) name = flags[++i]
    else if (argument.startsWith('--config=')) name = argument.slice('--config='.length)
    else if (argument === '--config') name = ''
    else rest.push(argument)
  }
  if (name === '') return refuse([{ kind: 'missing-value', thing: '--config', wanted: 'a path' }])
  return ok({ rest, ...(name === undefined ? {} : { name }) })
}

function readJsonFile(name: string): Result<unknown, ConfigRefusal> {
  const wanted = 'a readable file with one JSON object'
  try {
    const text = readFileSync(name, 'utf8')
    if (text.length > maxFileBytes)
      return refuse({
        kind: 'unreadable-file',
        thing: name,
        wanted: `at most ${maxFileBytes} characters`,
        got: String(text.length),
      })
    return ok(JSON.parse(text))
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error)
    return refuse({ kind: 'unreadable-file', thing: name, wanted, got })
  }
}
