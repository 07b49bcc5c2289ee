/**
 * Terms through Erlang itself, both ways: hundreds of generated terms and every golden vector are sent to a real
 * virtual machine, which reads them, writes them again in several ways and says what it makes of them.
 *
 * The machine runs a small program over its standard input and output, in packets of a 32-bit length as in BERP, so our
 * own frames carry the talk. Where `erl` is not installed the whole is reported as skipped, by name.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  createFrameReader,
  decode,
  encode,
  equalTerms,
  frame,
  type Refusal,
  type Term,
  tryDecode,
} from '@waymark/etf'
import fc from 'fast-check'
import { anyTerm } from './test/generate.ts'
import { bytes, hex, vectors } from './test/vectors.ts'

export type Report = { passed: string[]; failed: string[]; skipped: string[] }

/**
 * For each packet: what `binary_to_term` makes of it. 0 if it refuses; else 1 and the list of what it writes for that
 * term: as it does by default, compressed, and with old floats, each a binary.
 */
const program = `
  Port = open_port({fd, 0, 1}, [{packet, 4}, binary, eof]),
  Answer = fun(Packet) ->
    try binary_to_term(Packet) of
      Term ->
        [1, term_to_binary([term_to_binary(Term, Options) || Options <- [[], [compressed], [{minor_version, 0}]]])]
    catch _:_ -> [0] end
  end,
  Loop = fun(Self) ->
    receive
      {Port, {data, Packet}} -> port_command(Port, Answer(Packet)), Self(Self);
      {Port, eof} -> halt(0)
    end
  end,
  Loop(Loop).`

const generatedTerms = 600

/** Talks to `erl` (or the program named) and reports by rule what agreed. */
export async function main({ erl = 'erl' }: { erl?: string } = {}): Promise<Report> {
  const report: Report = { passed: [], failed: [], skipped: [] }
  const version = spawnSync(erl, [
    '-noshell',
    '-eval',
    'io:put_chars(erlang:system_info(otp_release)), halt(0).',
  ])
  if (version.status !== 0) {
    report.skipped.push('etf: Erlang (erl is not installed)')
    return report
  }
  const release = version.stdout.toString()
  const machine = createMachine(erl)
  try {
    await rule(
      report,
      `etf: Erlang/OTP ${release} reads ${generatedTerms} generated terms and we read what it writes`,
      () => generated(machine),
    )
    await rule(report, `etf: Erlang/OTP ${release} agrees on ${vectors.length} golden vectors`, () =>
      golden(machine),
    )
    await rule(report, `etf: Erlang/OTP ${release} and we refuse the same broken terms`, () =>
      broken(machine),
    )
  } finally {
    machine.stop()
  }
  return report
}

async function rule(report: Report, name: string, check: () => Promise<string[]>): Promise<void> {
  const differences = await check()
  if (differences.length === 0) report.passed.push(name)
  else
    report.failed.push(`${name}: ${differences.length} differ, first ${differences.slice(0, 3).join('; ')}`)
}

/** What we write, in each of our ways, is to be the same term for it; what it writes, in each of its ways, for us. */
async function generated(machine: Machine): Promise<string[]> {
  const terms = fc.sample(anyTerm, { numRuns: generatedTerms, seed: 1 })
  const ways = [
    {},
    { atoms: 'utf8' },
    { atoms: 'small-latin1' },
    { floats: 'text' },
    { compress: 6 },
  ] as const
  const differences: string[] = []
  for (const [at, term] of terms.entries()) {
    const ours = encode(term, ways[at % ways.length])
    const theirs = await machine.ask(ours)
    if (theirs === undefined) differences.push(`it refuses ${hex(ours)}`)
    else
      for (const written of theirs)
        if (!equalTerms(decode(written), term)) differences.push(`${hex(ours)} came back as ${hex(written)}`)
    const plain = theirs?.[0]
    // Newer releases write atoms as UTF-8; the order of a map's keys is each machine's own.
    if (
      plain !== undefined &&
      !hasMap(term) &&
      ![encode(term), encode(term, { atoms: 'utf8' })].some((b) => hex(b) === hex(plain))
    )
      differences.push(`we write ${hex(encode(term))}, it writes ${hex(plain)}`)
  }
  return differences
}

async function golden(machine: Machine): Promise<string[]> {
  const differences: string[] = []
  for (const { erlang, hex: spelled, term, refused } of vectors) {
    const theirs = await machine.ask(bytes(spelled))
    if (theirs === undefined ? !refused : !sameThing(decode(theirs[0] as Uint8Array), term))
      differences.push(erlang)
  }
  return differences
}

/** Opaque terms come back in newer tags, with other bytes: their parts are compared by `equalTerms`, funs only by being funs. */
function sameThing(a: Term, b: Term): boolean {
  return (
    equalTerms(a, b) ||
    (typeof a === 'object' && typeof b === 'object' && a.constructor === b.constructor && 'arity' in a)
  )
}

/** Terms with one byte changed: whoever reads one of them reads the same as the other, and nobody reads alone. */
async function broken(machine: Machine): Promise<string[]> {
  const changes = fc.sample(fc.tuple(anyTerm, fc.nat(), fc.nat(255)), { numRuns: generatedTerms, seed: 2 })
  const differences: string[] = []
  for (const [term, where, byte] of changes) {
    const input = encode(term)
    input[1 + (where % (input.length - 1))] = byte
    const ours = tryDecode(input)
    const theirs = await machine.ask(input)
    if (differsOnPurpose(input, ours.ok ? undefined : ours.refusal)) continue
    if (ours.ok !== (theirs !== undefined))
      differences.push(`${hex(input)} (${ours.ok ? 'only we read it' : ours.refusal.kind})`)
    else if (ours.ok && theirs !== undefined && !sameThing(decode(theirs[0] as Uint8Array), ours.value))
      differences.push(`${hex(input)} reads differently`)
  }
  return differences
}

/**
 * Where we and `binary_to_term` part knowingly: it ignores bytes after a term, takes references into its own atom table
 * (the undocumented tags 73 and 75) from outside, and cannot tell the keys 0.0 and -0.0 apart before OTP 27; a local
 * term we carry unread.
 */
function differsOnPurpose(input: Uint8Array, refusal: Refusal | undefined): boolean {
  if (refusal?.kind === 'trailing-bytes' || input[1] === 121) return true
  if (refusal?.kind === 'unknown-tag') return [73, 75].includes(input[refusal.at ?? 0] ?? 0)
  return hex(input).includes('460000000000000000') && hex(input).includes('468000000000000000')
}

function hasMap(term: Term): boolean {
  return encode(term).includes(116)
}

type Machine = {
  /** What the machine writes for these bytes, or undefined if it refuses to read them. */
  ask(packet: Uint8Array): Promise<Uint8Array[] | undefined>
  stop(): void
}

function createMachine(erl: string): Machine {
  const child: ChildProcess = spawn(erl, ['-noshell', '-noinput', '-eval', program.replaceAll('\n', ' ')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const frames = createFrameReader({ mostBytes: 1 << 26 })
  const waiting: ((answer: Uint8Array | undefined) => void)[] = []
  child.stdout?.on('data', (chunk: Uint8Array) => {
    for (const answer of frames.feed(chunk).frames) waiting.shift()?.(answer)
  })
  child.on('exit', () => {
    for (const answer of waiting.splice(0)) answer(undefined)
  })
  return {
    async ask(packet) {
      const answer = await new Promise<Uint8Array | undefined>((resolve) => {
        waiting.push(resolve)
        child.stdin?.write(frame(packet))
      })
      if (answer === undefined) throw new Error('erl has ended')
      return answer[0] === 1 ? (decode(answer.subarray(1)) as Uint8Array[]) : undefined
    },
    stop: () => child.stdin?.end(),
  }
}

if (process.argv[1] === import.meta.filename) {
  const { passed, failed, skipped } = await main()
  for (const name of passed) console.log(`passed  ${name}`)
  for (const name of skipped) console.log(`skipped ${name}`)
  for (const name of failed) console.log(`FAILED  ${name}`)
  process.exitCode = failed.length === 0 ? 0 : 1
}
