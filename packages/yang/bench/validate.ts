/**
 * Validation against its peers, as ratios of speed measured in this run (above 1: we are faster).
 *
 * `yanglint` (libyang) judges a configuration of about one megabyte of ietf-interfaces and ietf-ip; its
 * start and its reading of the modules are measured with an empty document and taken off. We start from
 * the text as well. `ajv` judges the same small documents, already parsed, by the JSON Schema exported from the module.
 * A peer that is not there is reported as skipped, by name; ajv is fetched into a temporary folder.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createValidator, type JsonValue, type Validator } from '../src/data/index.ts'
import { compile, type JsonSchema, toJsonSchema } from '../src/index.ts'

/** `ratio` is our speed over the peer's; `detail` the absolute figures behind it. */
export type Figure = {
  readonly name: string
  readonly ratio: number
  readonly goal: number | undefined
  readonly detail: string
}

type Measured = { readonly ratio: number; readonly detail: string }

export async function main(): Promise<{ figures: Figure[]; skipped: string[] }> {
  const figures: Figure[] = []
  const skipped: string[] = []
  const folder = mkdtempSync(join(tmpdir(), 'yang-bench-'))
  try {
    const large = largeAgainstYanglint(folder)
    if (typeof large === 'string') skipped.push(large)
    else
      figures.push({
        name: 'yang: a 1 MB configuration, against libyang through yanglint',
        goal: 1,
        ...large,
      })
    const small = smallAgainstAjv(folder)
    if (typeof small === 'string') skipped.push(small)
    else figures.push({ name: 'yang: a million small documents, against ajv', goal: 0.5, ...small })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return { figures, skipped }
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
}

/** Rounds alternate, so a machine that grows slower does it to both; the median of their ratios counts. */
function compared(
  rounds: readonly { ours: number; theirs: number }[],
  show: (seconds: number) => string,
): Measured {
  const ours = median(rounds.map((round) => round.ours))
  const theirs = median(rounds.map((round) => round.theirs))
  const ratio = median(rounds.map((round) => round.theirs / round.ours))
  return { ratio, detail: `${show(ours)} against ${show(theirs)}` }
}

function seconds(work: () => void): number {
  const from = performance.now()
  work()
  return (performance.now() - from) / 1000
}

// A large document. --------------------------------------------------------------------------------

const names = ['ietf-interfaces', 'ietf-ip', 'iana-if-type']

/** The modules' folders, from pip's or Debian's share/yang/modules. */
function findModules(): string | undefined {
  const python = spawnSync('python3', ['-c', 'import sys; print(sys.prefix)']).stdout?.toString().trim()
  return [python, '/usr', '/usr/local']
    .map((prefix) => join(prefix ?? '', 'share/yang/modules'))
    .find((folder) => existsSync(join(folder, 'ietf', 'ietf-interfaces.yang')))
}

function largeAgainstYanglint(folder: string): Measured | string {
  const modules = findModules()
  if (spawnSync('yanglint', ['--version']).status !== 0) return 'yanglint (not installed)'
  if (modules === undefined) return 'the standard modules (pyang is not installed)'
  const fileOf = (name: string): string | undefined =>
    ['ietf', 'iana'].map((part) => join(modules, part, `${name}.yang`)).find((file) => existsSync(file))
  const read = (name: string): { file: string; text: string } | undefined => {
    const file = fileOf(name)
    return file === undefined ? undefined : { file, text: readFileSync(file, 'utf8') }
  }
  const compiled = compile(
    names.flatMap((name) => read(name) ?? []),
    ({ name }) => read(name),
  )
  if (!compiled.ok) return 'the standard modules (they do not compile)'
  const validator = createValidator(compiled.schema)
  const text = largeDocument()
  const [full, empty] = [join(folder, 'large.json'), join(folder, 'empty.json')]
  writeFileSync(full, text)
  writeFileSync(empty, '{}')
  const theirs = (file: string): number => {
    const search = ['ietf', 'iana'].flatMap((part) => ['-p', join(modules, part)])
    const args = ['-t', 'config', ...search, ...names.flatMap((name) => fileOf(name) ?? []), file]
    return seconds(() => {
      if (spawnSync('yanglint', args).status !== 0)
        throw new Error('yanglint refuses the document of the bench')
    })
  }
  const ours = (): number =>
    seconds(() => {
      if (!validator.validateText(text, { type: 'config' }).ok)
        throw new Error('the document of the bench is not valid')
    })
  for (let i = 0; i < 3; i++) ours()
  const rounds = Array.from({ length: 9 }, () => ({ theirs: theirs(full) - theirs(empty), ours: ours() }))
  return compared(rounds, (time) => `${(time * 1e3).toFixed(1)} ms`)
}

function largeDocument(): string {
  const interfaces = Array.from({ length: 3000 }, (_, i) => ({
    name: `eth${i}`,
    description: `uplink number ${i} of the rack`,
    type: 'iana-if-type:ethernetCsmacd',
    enabled: i % 3 !== 0,
    'ietf-ip:ipv4': {
      mtu: 1500,
      address: [{ ip: `10.${i >> 8}.${i & 255}.1`, 'prefix-length': 24 }],
      neighbor: [{ ip: `10.${i >> 8}.${i & 255}.7`, 'link-layer-address': '00:11:22:33:44:55' }],
    },
    'ietf-ip:ipv6': { address: [{ ip: `2001:db8:${i.toString(16)}::1`, 'prefix-length': 64 }] },
  }))
  return JSON.stringify({ 'ietf-interfaces:interfaces': { interface: interfaces } })
}

// Small documents. ---------------------------------------------------------------------------------

const sensor = `module sensor {
  namespace "urn:example:sensor"; prefix s;
  container sensor {
    leaf id { type string { length "1..32"; pattern '[a-z][a-z0-9-]*'; } mandatory true; }
    leaf interval { type uint16 { range "1..3600"; } }
    leaf unit { type enumeration { enum celsius; enum kelvin; } }
    leaf enabled { type boolean; }
    leaf-list tag { type string { length "1..16"; } max-elements 4; }
    list threshold { key name; leaf name { type string { length "1..16"; } } leaf value { type int32; mandatory true; } }
  }
}`

function smallDocuments(): JsonValue[] {
  return Array.from({ length: 100 }, (_, i) => ({
    'sensor:sensor': {
      id: `probe-${i}`,
      interval: 1 + i * 30,
      unit: i % 2 === 0 ? 'celsius' : 'kelvin',
      enabled: i % 3 === 0,
      tag: ['roof', `rack-${i}`],
      threshold: [
        { name: 'low', value: -i },
        { name: 'high', value: i * 1000 },
      ],
    },
  }))
}

function smallAgainstAjv(folder: string): Measured | string {
  const compiled = compile([{ file: 'sensor.yang', text: sensor }])
  if (!compiled.ok) throw new Error('the module of the bench does not compile')
  const ajvValidate = loadAjv(folder, toJsonSchema(compiled.schema))
  if (!ajvValidate) return 'ajv (not installed, and not to be had)'
  const validator: Validator = createValidator(compiled.schema)
  const documents = smallDocuments()
  const ours = timeSmall(documents, (document) => validator.validate(document).ok)
  const theirs = timeSmall(documents, ajvValidate)
  const rounds = Array.from({ length: 5 }, () => ({ ours: ours(), theirs: theirs() }))
  return compared(rounds, (time) => `${((time * 1e9) / 200_000).toFixed(0)} ns`)
}

/** The time of 200,000 documents in a row; five rounds make the million. */
function timeSmall(
  documents: readonly JsonValue[],
  validate: (document: JsonValue) => boolean,
): () => number {
  const round = (): number =>
    seconds(() => {
      for (let i = 0; i < 2000; i++)
        for (const document of documents)
          if (!validate(document)) throw new Error('a document of the bench is not valid')
    })
  round()
  return round
}

type AjvModule = {
  default: new (options: object) => { compile(schema: object): (document: unknown) => boolean }
}

function loadAjv(folder: string, jsonSchema: JsonSchema): ((document: JsonValue) => boolean) | undefined {
  const load = (from: string): AjvModule => createRequire(join(from, 'package.json'))('ajv/dist/2020.js')
  const compileWith = ({ default: Ajv }: AjvModule) => new Ajv({ strict: false }).compile(jsonSchema)
  try {
    return compileWith(load(process.cwd()))
  } catch {
    const options = { cwd: folder, timeout: 60_000 }
    writeFileSync(join(folder, 'package.json'), '{"private":true}')
    if (spawnSync('npm', ['install', '--no-audit', '--no-fund', 'ajv@8'], options).status !== 0)
      return undefined
    return compileWith(load(folder))
  }
}
