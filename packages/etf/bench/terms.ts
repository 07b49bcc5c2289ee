/**
 * Terms against msgpackr, on equal data, in one run: what share of msgpackr's speed ours has.
 *
 * msgpackr is no dependency: it is fetched into a temporary folder for the run, and where that fails the figure is
 * reported as skipped by name. Both sides take and give the same values (checked before anything is measured):
 * maps as `Map`, text as `string`, floats as `number`; msgpackr's own default of plain objects is shown beside it,
 * for information. Rounds of the two alternate, and the median of the rounds' ratios counts.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { decode, encode, type Term } from '@waymark/etf'

const version = '2.1.3'
const goal = 0.5
const options = { binaries: 'text', floats: 'number' } as const

/** One line of the report: `ratio` is our speed over the peer's. */
export type Figure = { readonly name: string; readonly ratio: number; readonly goal: number | undefined }

export async function main(): Promise<{ figures: Figure[]; skipped: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'etf-bench-'))
  try {
    const msgpackr = installed(folder)
    if (msgpackr === undefined)
      return { figures: [], skipped: [`msgpackr@${version}: could not be installed`] }
    const figures = Object.entries(data()).flatMap(([name, value]) => compare(name, value, msgpackr))
    for (const way of ['decode', 'encode']) {
      const ratios = figures.filter((f) => f.goal !== undefined && f.name.startsWith(way)).map((f) => f.ratio)
      const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
      figures.push({ name: `${way}, geometric mean`, ratio: mean, goal })
    }
    return { figures, skipped: [] }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

type Packr = { pack(value: unknown): Uint8Array; unpack(bytes: Uint8Array): unknown }
type Msgpackr = { Packr: new (options: object) => Packr }

function installed(folder: string): Msgpackr | undefined {
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const run = spawnSync(npm, ['install', '--no-audit', '--no-fund', '--silent', `msgpackr@${version}`], {
    cwd: folder,
    timeout: 60_000,
    stdio: 'ignore',
  })
  return run.status === 0 ? createRequire(join(folder, 'x.js'))('msgpackr') : undefined
}

function compare(name: string, value: Term, msgpackr: Msgpackr): Figure[] {
  const peer = new msgpackr.Packr({ useRecords: false, mapsAsObjects: false })
  const plain = new msgpackr.Packr({ useRecords: false })
  const ours = encode(value)
  const theirs = new Uint8Array(peer.pack(value))
  if (!isDeepStrictEqual(decode(ours, options), value)) throw new Error(`${name}: ours does not round-trip`)
  const read = new Uint8Array(theirs)
  if (!isDeepStrictEqual(normal(peer.unpack(read)), value))
    throw new Error(`${name}: theirs does not round-trip`)
  const object = plainObjects(value)
  const objectBytes = new Uint8Array(plain.pack(object))
  const figure = (what: string, ratio: number, goal?: number) => ({ name: `${what}, ${name}`, ratio, goal })
  return [
    figure(
      'decode',
      ratio(
        () => decode(ours, options),
        () => peer.unpack(theirs),
      ),
      goal,
    ),
    figure(
      'encode',
      ratio(
        () => encode(value),
        () => peer.pack(value),
      ),
      goal,
    ),
    figure(
      '(plain objects) decode',
      ratio(
        () => decode(ours, options),
        () => plain.unpack(objectBytes),
      ),
    ),
    figure(
      '(plain objects) encode',
      ratio(
        () => encode(value),
        () => plain.pack(object),
      ),
    ),
  ]
}

/** The peer's time over ours, the median of some rounds. */
function ratio(ours: () => unknown, theirs: () => unknown): number {
  const times = repetitions(ours)
  const ratios: number[] = []
  for (let round = 0; round < 9; round++) {
    const our = elapsed(ours, times)
    ratios.push(elapsed(theirs, times) / our)
  }
  return ratios.sort((a, b) => a - b)[4] ?? 0
}

/** How often to run it for a round of 10 to 20 ms, after a warm-up. */
function repetitions(work: () => unknown): number {
  let times = 1
  while (elapsed(work, times) < 10) times *= 2
  return times
}

function elapsed(work: () => unknown, times: number): number {
  const from = performance.now()
  for (let i = 0; i < times; i++) work()
  return performance.now() - from
}

/** msgpackr hands out Buffers. */
function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(normal)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, normal(item)]))
  return value
}

function plainObjects(value: Term): unknown {
  if (Array.isArray(value)) return value.map(plainObjects)
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, item]) => [String(key), plainObjects(item)]))
  return value
}

function data(): Record<string, Term> {
  const records: Term[] = []
  for (let i = 0; i < 200; i++)
    records.push(
      new Map<Term, Term>([
        ['id', i * 7919],
        ['name', `truck-${i}`],
        ['place', `Dépôt numéro ${i}, Rüdesheim`],
        ['temperature', i * 1.37 + 0.11],
        ['tags', ['moving', 'cold', `fleet-${i % 7}`]],
        ['limits', [-40, 85, 1000 + i, -70000 - i]],
      ]),
    )
  let nested: Term = ['leaf', 1]
  for (let i = 0; i < 60; i++) nested = [nested, new Map<Term, Term>([[`level-${i}`, i]]), [i, 0 - i]]
  return {
    'records of 6 entries × 200': records,
    'one small call': [
      'call',
      'fleet',
      'blink',
      [
        new Map<Term, Term>([
          ['transaction-id', 42],
          ['times', 300],
        ]),
      ],
    ],
    'integers × 2000': Array.from({ length: 2000 }, (_, i) => (i % 2 ? -1 : 1) * (i * i * 37)),
    'floats × 2000': Array.from({ length: 2000 }, (_, i) => i * 0.37 + 0.013),
    'short texts × 1000': Array.from({ length: 1000 }, (_, i) => `sensor/${i}`),
    'long texts × 100': Array.from({ length: 100 }, (_, i) => `line ${i} `.repeat(100)),
    'nested lists and maps': nested,
  }
}

if (process.argv[1] === import.meta.filename) {
  const { figures, skipped } = await main()
  for (const { name, ratio, goal } of figures)
    console.log(`${ratio.toFixed(2)} ${goal === undefined ? '' : ratio >= goal ? 'ok ' : 'LOW'} ${name}`)
  for (const name of skipped) console.log(`skipped ${name}`)
}
