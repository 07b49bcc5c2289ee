import {
  atom,
  type BerpEvent,
  createBerpReader,
  createFrameReader,
  encode,
  encodeBerp,
  frame,
  type Term,
  tuple,
} from '@waymark/etf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyTerm } from './generate.ts'
import { bytes, hex, vectors } from './vectors.ts'

const reply = tuple<Term>(atom('reply'), atom('pong'))
const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

/** Feeds a stream in pieces that end at the given places. */
function feedInPieces(stream: Uint8Array, cuts: readonly number[]): BerpEvent[] {
  const reader = createBerpReader()
  const ends = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b)
  const events: BerpEvent[] = []
  let from = 0
  for (const end of [...ends, stream.length]) {
    events.push(...reader.feed(stream.subarray(from, end)))
    from = end
  }
  expect(reader.end()).toBeUndefined()
  return events
}

describe('[ET50] a stream of frames gives the same terms however it is cut', () => {
  const stream = joined(vectors.map((vector) => frame(bytes(vector.hex))))
  const terms = vectors.map(({ term }) => ({ kind: 'term', term }))

  test('whole', () => expect(feedInPieces(stream, [])).toEqual(terms))
  test('a byte at a time', () => expect(feedInPieces(stream, [...stream.keys()])).toEqual(terms))
  for (const { erlang, hex: spelled, term } of vectors)
    test(`${erlang}: a byte at a time, and with the next frame to spare`, () => {
      const one = frame(bytes(spelled))
      expect(feedInPieces(one, [...one.keys()])).toEqual([{ kind: 'term', term }])
      const reader = createBerpReader()
      expect(reader.feed(joined([one, one.subarray(0, 3)]))).toEqual([{ kind: 'term', term }])
      expect(reader.end()).toMatchObject({ kind: 'truncated' })
      expect(reader.feed(one.subarray(3))).toEqual([{ kind: 'term', term }])
      expect(reader.end()).toBeUndefined()
    })

  test('generated terms, cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(anyTerm, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (sent, cuts) => {
          const there = joined(sent.map((term) => encodeBerp(term)))
          expect(feedInPieces(there, cuts)).toEqual(sent.map((term) => ({ kind: 'term', term })))
        },
      ),
    )
  })
})

test('[ET51] a message is its length, highest byte first, and its term', () => {
  expect(hex(encodeBerp(reply))).toBe('000000128368026400057265706c79640004706f6e67')
  expect(encodeBerp(reply)).toEqual(frame(encode(reply)))
  const long = 'x'.repeat(500)
  expect(encodeBerp(long, { compress: 9 })).toEqual(frame(encode(long, { compress: 9 })))
})

test('[ET52] a frame that is no term spoils only itself', () => {
  const wrong = [
    frame(bytes('')),
    frame(bytes('8301')),
    frame(bytes('836100ff')),
    frame(new TextEncoder().encode('reuse%port')),
  ]
  const reader = createBerpReader()
  const events = reader.feed(joined([encodeBerp(1), ...wrong, encodeBerp(2)]))
  expect(events.map((event) => (event.kind === 'undecodable' ? event.refusal.kind : event.kind))).toEqual([
    'term',
    'truncated',
    'unknown-tag',
    'trailing-bytes',
    'bad-version',
    'term',
  ])
  expect(events[4]).toMatchObject({ frame: new TextEncoder().encode('reuse%port') })
})

test('[ET53] a frame beyond the limit breaks the stream, once and for good', () => {
  const reader = createBerpReader({ limits: { bytes: 10 } })
  expect(reader.feed(joined([encodeBerp(1), bytes('0000000b00')]))).toMatchObject([
    { kind: 'term', term: 1 },
    { kind: 'broken', refusal: { kind: 'too-large', thing: 'frame', wanted: 'at most 10 bytes', got: '11' } },
  ])
  expect(reader.feed(encodeBerp(1))).toEqual([])
  expect(reader.end()).toMatchObject({ kind: 'too-large' })
})

test('[ET54] a frame that announces much and brings little holds little', () => {
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 200 }, () => createFrameReader({ mostBytes: 1 << 30 }))
  for (const reader of readers) reader.feed(bytes('3fffffff00112233'))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20)
})

test('[ET55] frames are copies: a chunk may be used again', () => {
  const chunk = Buffer.from(joined([frame(bytes('0102')), frame(bytes('03'))]))
  const { frames, broken } = createFrameReader({ mostBytes: 16 }).feed(chunk)
  chunk.fill(9)
  expect(frames).toEqual([Uint8Array.of(1, 2), Uint8Array.of(3)])
  expect(frames[0]?.constructor).toBe(Uint8Array)
  expect(broken).toBeUndefined()
})

test('[ET56] a large frame in many pieces arrives whole', () => {
  const body = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7)
  const sent = frame(body)
  const reader = createFrameReader({ mostBytes: 1 << 20 })
  const frames: Uint8Array[] = []
  for (let at = 0; at < sent.length; at += 777)
    frames.push(...reader.feed(sent.subarray(at, at + 777)).frames)
  expect(frames).toEqual([body])
})
