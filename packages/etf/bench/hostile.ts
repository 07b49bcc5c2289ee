/**
 * What bad input costs: processor time of the thread that is held up, for each megabyte of message (of a compressed one:
 * of what it inflates to), as a share of the 100 ms that are allowed. The least of seven runs counts: what others
 * do to the caches only adds to it.
 *
 * Each case is a megabyte made of the smallest terms that cause the most work, or of lies about lengths. Processor time is
 * used because it does not grow when somebody else uses the machine.
 */
import { deflateSync } from 'node:zlib'
import { createBerpReader, fromBert, tryDecode } from '@waymark/etf'

/** `ratio` is the time taken over the time allowed. */
export type HostileFigure = {
  readonly name: string
  readonly ratio: number
  readonly goal: number
  readonly detail: string
}

const allowedMs = 100
const megabyte = 1_000_000
const rounds = 7

export function main(): HostileFigure[] {
  return cases().map(([name, input, run]) => {
    const spent = Array.from({ length: rounds }, () => threadMs(() => run(input)))
    const per = Math.min(...spent) / (input.length / megabyte)
    const detail = `${per.toFixed(0)} ms a megabyte, first run ${(spent[0] ?? 0).toFixed(0)} ms`
    return { name, ratio: per / allowedMs, goal: 1, detail }
  })
}

function threadMs(run: () => void): number {
  const from = process.threadCpuUsage()
  run()
  const { user, system } = process.threadCpuUsage(from)
  return (user + system) / 1000
}

type Case = readonly [name: string, input: Buffer, run: (input: Buffer) => void]

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** A list of as many such elements as make a megabyte. */
function listOf(element: string): Buffer {
  const one = hex(element)
  const count = Math.floor(megabyte / one.length)
  return Buffer.concat([hex('836c'), u32(count), Buffer.alloc(count * one.length, one), hex('6a')])
}

/** The same with elements that differ. */
function listOfEach(each: (at: number) => Buffer): Buffer {
  const count = Math.floor(megabyte / each(100_000).length)
  return Buffer.concat([
    hex('836c'),
    u32(count),
    ...Array.from({ length: count }, (_, at) => each(at)),
    hex('6a'),
  ])
}

const decoded = (input: Buffer): void => void tryDecode(input)
const asBert = (input: Buffer): void => {
  const outcome = tryDecode(input)
  if (!outcome.ok) return
  try {
    fromBert(outcome.value)
  } catch {
    // A refusal is an answer too; only its price is of interest here.
  }
}

function cases(): Case[] {
  const nested = (head: string, times: number) =>
    Buffer.concat([hex('83'), Buffer.alloc(times * hex(head).length, hex(head))])
  const inside = listOf('6100').subarray(1)
  const keys = (count: number, key: (at: number) => Buffer) =>
    Buffer.concat([
      hex('8374'),
      u32(count),
      ...Array.from({ length: count }, (_, at) => Buffer.concat([key(at), hex('6a')])),
    ])
  const frames = Buffer.alloc(megabyte, hex('00000002836a'))
  return [
    ['empty lists', listOf('6a'), decoded],
    ['empty tuples', listOf('6800'), decoded],
    ['empty binaries', listOf('6d00000000'), decoded],
    ['empty maps', listOf('7400000000'), decoded],
    ['empty atoms', listOf('7700'), decoded],
    ['atoms of one letter', listOf('770161'), decoded],
    ['small integers', listOf('6101'), decoded],
    ['big integers of no digits', listOf('6e0000'), decoded],
    ['big integers of nine digits', listOf('6e0900ffffffffffffffffff'), decoded],
    [
      'one big integer of 60 kB, again and again',
      listOfEach(() => Buffer.concat([hex('6f0000ea6000'), Buffer.alloc(60_000, 255)])),
      decoded,
    ],
    [
      'old floats',
      listOf(`63${Buffer.from('1.00000000000000000000e+00').toString('hex')}${'00'.repeat(5)}`),
      decoded,
    ],
    ['tuples of one atom', listOf('6801770161'), decoded],
    ['lists of one byte', listOf('6b000161'), decoded],
    ['improper lists', listOf('6c0000000161016101'), decoded],
    ['pids', listOf('67770161000000010000000203'), decoded],
    ['references', listOf('5a000177016100000001 00000002'), decoded],
    ['exports', listOf('71770161770162 6101'), decoded],
    ['bit strings', listOf('4d00000001 01 80'), decoded],
    [
      'a string of 65 535 bytes, again and again',
      listOfEach(() => Buffer.concat([hex('6bffff'), Buffer.alloc(65_535, 97)])),
      decoded,
    ],
    ['UTF-8 atoms', listOfEach(() => Buffer.concat([hex('7601fe'), Buffer.alloc(510, 'é')])), decoded],
    ['tails of lists', nested('6c000000016101', 140_000), decoded],
    [
      '512 levels, again and again',
      listOfEach(() => Buffer.concat([Buffer.alloc(1000, hex('6801')), hex('6a')])),
      decoded,
    ],
    ['lists that lie about their length', nested('6c000f0000', 200_000), decoded],
    ['a map of integers', keys(160_000, (at) => Buffer.concat([hex('62'), u32(at)])), decoded],
    [
      'a map of texts',
      keys(80_000, (at) => Buffer.concat([hex('6d00000006'), Buffer.from(String(100_000 + at))])),
      decoded,
    ],
    ['a map of tuples', keys(80_000, (at) => Buffer.concat([hex('680262'), u32(at), hex('6a')])), decoded],
    ['a map of the same tuple', keys(80_000, () => hex('6802610161016a')), decoded],
    [
      'a map of nested keys',
      keys(40_000, (at) => Buffer.concat([hex('6801680168016801680162'), u32(at)])),
      decoded,
    ],
    ['compressed', Buffer.concat([hex('8350'), u32(inside.length), deflateSync(inside)]), decoded],
    [
      'compressed, and lying',
      Buffer.concat([hex('8350'), u32(megabyte), deflateSync(Buffer.alloc(16 * megabyte))]),
      decoded,
    ],
    ['BERT booleans', listOf('6802 770462657274 770474727565'), asBert],
    ['BERT dictionaries', listOf('6803 770462657274 770464696374 6a'), asBert],
    ['frames of an empty list', frames, (input) => void [...createBerpReader().feed(input)]],
    [
      'a frame a byte at a time',
      frames.subarray(0, 200_000),
      (input) => {
        const reader = createBerpReader()
        for (let at = 0; at < input.length; at++) for (const _ of reader.feed(input.subarray(at, at + 1)));
      },
    ],
  ]
}

if (process.argv[1] === import.meta.filename)
  for (const { name, ratio, goal, detail } of main())
    console.log(`${ratio.toFixed(2).padStart(6)} ${ratio <= goal ? 'ok  ' : 'HIGH'} ${name} (${detail})`)
