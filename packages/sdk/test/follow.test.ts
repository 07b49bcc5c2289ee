import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEventReader, type ServerEvent } from '../src/events.ts'
import type { Following, JournalEntry } from '../src/index.ts'
import {
  failure,
  fakeOutside,
  fakeServer,
  fleetAt,
  gathered,
  type Handler,
  hangUp,
  inTurn,
  problem,
} from './support.ts'

const entry = (cursor: string): JournalEntry => ({
  cursor,
  kind: 'step.posted',
  at: '2026-01-01T00:00:00Z',
  by: { kind: 'user', id: 'u' },
  data: { rev: 1 },
})

const said = (cursor: string): string =>
  `id: ${cursor}\nevent: step.posted\ndata: ${JSON.stringify(entry(cursor))}\n\n`

/** A stream that begins behind a cursor, says its entries, and then ends or stays. */
const stream =
  (
    start: string,
    cursors: readonly string[],
    end: 'ends' | 'breaks' | 'stays' = 'ends',
    rest = '',
  ): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`retry: 1000\nid: ${start}\n\n${cursors.map(said).join('')}${rest}`)
    if (end === 'ends') response.end()
    if (end === 'breaks') setTimeout(() => response.destroy(), 20)
  }

async function take(following: Following, count: number): Promise<string[]> {
  const found: string[] = []
  for await (const { cursor } of following) {
    found.push(cursor)
    if (found.length === count) break
  }
  return found
}

describe('following', () => {
  test('[S12] each connection begins behind the last entry that was handed on', async () => {
    const { url, received } = await fakeServer(
      inTurn(
        stream('c0', ['c1', 'c2']),
        hangUp,
        stream('c2', [], 'breaks'),
        stream('c2', ['c3'], 'breaks', 'id: c4\nevent: step.posted\ndata: {"cut":'),
        stream('c3', ['c4'], 'stays'),
      ),
    )
    expect(await take(fleetAt(url).follow(), 4)).toEqual(['c1', 'c2', 'c3', 'c4'])
    expect(received.map(({ url }) => url)).toEqual([
      '/fleet/v1/events',
      '/fleet/v1/events?after=c2',
      '/fleet/v1/events?after=c2',
      '/fleet/v1/events?after=c2',
      '/fleet/v1/events?after=c3',
    ])
  })

  test('[S12] a connection lost before its first word begins where it would have', async () => {
    const { url, received } = await fakeServer(
      inTurn(stream('c0', [], 'ends'), stream('c0', ['c1'], 'stays')),
    )
    const following = fleetAt(url).follow({ device: 'pump' })
    expect(await take(following, 1)).toEqual(['c1'])
    expect(following.cursor).toBe('c1')
    expect(received.map(({ url }) => url)).toEqual([
      '/fleet/v1/events?device=pump',
      '/fleet/v1/events?after=c0&device=pump',
    ])
  })

  test('[S12] a stream that falls silent is replaced', async () => {
    const { outside, runOut } = fakeOutside()
    const { url } = await fakeServer(
      inTurn(
        (request, response) => {
          stream('c0', ['c1'], 'stays')(request, response)
          setTimeout(runOut, 50)
        },
        stream('c1', ['c2'], 'stays'),
      ),
    )
    const lost: string[] = []
    const following = fleetAt(url, { outside }).follow({ onLost: (error) => lost.push(error.message) })
    expect(await take(following, 2)).toEqual(['c1', 'c2'])
    expect(lost).toEqual(['silence for 45000 ms'])
  })

  test('[S12] a stream is made anew before its token is old, and that is no loss', async () => {
    const { outside } = fakeOutside()
    let now = 0
    const { url, received } = await fakeServer(
      inTurn(
        (request, response) => {
          stream('c0', ['c1'], 'stays')(request, response)
        },
        stream('c1', ['c2'], 'stays'),
      ),
    )
    const lost: Error[] = []
    const fleet = fleetAt(url, { outside: { ...outside, now: () => now } })
    const found: string[] = []
    for await (const { cursor } of fleet.follow({ onLost: (error) => lost.push(error) })) {
      found.push(cursor)
      now += 16 * 60_000
      if (found.length === 2) break
    }
    expect(found).toEqual(['c1', 'c2'])
    expect(received).toHaveLength(2)
    expect(lost).toEqual([])
  })

  test('[S13] open answers where the following begins before anything has happened', async () => {
    const { url, received } = await fakeServer(stream('c7', ['c8'], 'stays'))
    const following = fleetAt(url).follow()
    expect(await following.open()).toBe('c7')
    expect(await take(following, 1)).toEqual(['c8'])
    expect(received).toHaveLength(1)
  })

  test('[S13] open is refused when nobody is there', async () => {
    const { url } = await fakeServer(hangUp)
    expect(await failure(fleetAt(url).follow().open())).toMatchObject({ kind: 'unreachable' })
  })

  test('[S14] a cursor that is too old ends it, at the door and later', async () => {
    const atTheDoor = await fakeServer(problem(410, 'cursor-too-old', { oldest: 'c9' }))
    expect(await failure(take(fleetAt(atTheDoor.url).follow({ after: 'c1' }), 1))).toMatchObject({
      kind: 'cursor-too-old',
      facts: { oldest: 'c9' },
    })
    const gone = 'event: gone\ndata: {"kind":"cursor-too-old","got":"c1","oldest":"c9"}\n\n'
    const later = await fakeServer(stream('c1', [], 'ends', gone))
    expect(await failure(take(fleetAt(later.url).follow({ after: 'c1' }), 1))).toMatchObject({
      kind: 'cursor-too-old',
      status: 410,
      facts: { got: 'c1', oldest: 'c9' },
    })
  })

  test('[S14] a login that has ended ends it', async () => {
    const { url } = await fakeServer(inTurn(stream('c0', ['c1']), problem(401, 'bad-token')))
    const following = fleetAt(url).follow()
    expect(await failure(take(following, 2))).toMatchObject({ kind: 'bad-token' })
  })

  test('[S14] an event that is no entry ends it', async () => {
    const { url } = await fakeServer(stream('c0', [], 'stays', 'data: 17\n\n'))
    expect(await failure(take(fleetAt(url).follow(), 1))).toMatchObject({
      kind: 'unexpected-answer',
      got: '17',
    })
  })

  test('[S8] the caller’s signal ends it without an error', async () => {
    const { url } = await fakeServer(stream('c0', ['c1'], 'stays'))
    const ending = new AbortController()
    const found: string[] = []
    for await (const { cursor } of fleetAt(url).follow({ signal: ending.signal })) {
      found.push(cursor)
      ending.abort()
    }
    expect(found).toEqual(['c1'])
    expect(await gathered(fleetAt(url).follow({ signal: ending.signal }))).toEqual([])
  })
})

describe('reading events', () => {
  const texts = [
    { is: 'plain', text: 'id: 1\nevent: a\ndata: x\n\n', shows: [{ event: 'a', data: 'x', id: '1' }] },
    {
      is: 'CRLF and CR',
      text: 'id:1\r\ndata:x\r\n\r\ndata:y\r\r',
      shows: [
        { event: 'message', data: 'x', id: '1' },
        { event: 'message', data: 'y', id: '1' },
      ],
    },
    {
      is: 'several data lines',
      text: 'data: x\ndata:\ndata:  y\n\n',
      shows: [{ event: 'message', data: 'x\n\n y', id: '' }],
    },
    {
      is: 'comments and unknown fields',
      text: ':\n\n: hello\nfoo: bar\ndata\n\n',
      shows: [{ event: 'message', data: '', id: '' }],
    },
    { is: 'an id alone', text: 'id: 5\n\ndata: x\n\n', shows: [{ event: 'message', data: 'x', id: '5' }] },
    { is: 'a byte order mark', text: '\uFEFFdata: x\n\n', shows: [{ event: 'message', data: 'x', id: '' }] },
    { is: 'the unfinished', text: 'data: x\n\ndata: y\n', shows: [{ event: 'message', data: 'x', id: '' }] },
  ]
  for (const { is, text, shows } of texts) {
    test(`[S15] ${is}: whole`, () => {
      expect(createEventReader().feed(`${text}`).concat()).toEqual(
        shows.slice(0, is === 'CRLF and CR' ? 1 : undefined),
      )
    })
    test(`[S15] ${is}: cut anywhere`, () => {
      fc.assert(
        fc.property(fc.array(fc.nat({ max: text.length }), { maxLength: 6 }), (cuts) => {
          const reader = createEventReader()
          const at = [0, ...cuts.sort((a, b) => a - b), text.length]
          const found: ServerEvent[] = []
          for (let i = 1; i < at.length; i++) found.push(...reader.feed(text.slice(at[i - 1], at[i])))
          // What follows a last CR decides what it was.
          found.push(...reader.feed(text.endsWith('\r') ? '\n' : ''))
          expect(found).toEqual(shows)
        }),
      )
    })
  }

  test('[S10] an event without end is refused', () => {
    const reader = createEventReader()
    const feed = (): void => {
      for (let i = 0; i < 40; i++) reader.feed(`data: ${'x'.repeat(1024 * 1024)}\n`)
    }
    expect(feed).toThrow(/at most 16777216 characters/)
    expect(() => createEventReader().feed('x'.repeat(17 * 1024 * 1024))).toThrow(/at most/)
  })

  test('[S15] a number behind retry is kept, anything else is not', () => {
    const reader = createEventReader()
    reader.feed('retry: 1500\nretry: soon\n\n')
    expect(reader.retryMs).toBe(1500)
  })
})
