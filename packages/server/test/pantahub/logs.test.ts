import { Instant } from '@waymark/domain'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { boundsOf, createLogIds, parseLogTime, timeOfLogId } from '../../src/doors/pantahub/log-ids.ts'
import { type Answer, at, openDoor } from './support.ts'

const door = await openDoor({}, afterAll)
const { call, must } = door
const line = (msg: string, more: object = {}) => ({
  src: 'pantavisor',
  lvl: 'INFO',
  tsec: 0,
  tnano: 0,
  rev: '3',
  plat: '',
  msg,
  ...more,
})
const messages = (answer: Answer) =>
  (at(answer.json, 'entries') as { msg: string }[] | undefined)?.map(({ msg }) => msg) ?? []
const logs = async (token: string, query = '') => must('GET', `/logs/?${query}`, { token })
const newFleet = async () => {
  const owner = await door.person()
  return { owner, one: await door.deviceOf(owner), two: await door.deviceOf(owner) }
}

test('[LO1] a batch is kept in the order of its arrival, whatever the device’s clock says', async () => {
  const { owner, one } = await newFleet()
  const batch = Array.from({ length: 200 }, (_, i) => line(`line ${i}`, { tsec: 1000 - i }))
  expect((await must('POST', '/logs/', { token: one.token, body: batch })).json).toEqual({ status: 'ok' })
  await must('POST', '/logs/', { token: one.token, body: line('alone') })
  const read = await logs(owner.token, 'page=300')
  expect(messages(read)).toEqual([...batch.map(({ msg }) => msg), 'alone'])
  const [first] = at(read.json, 'entries') as object[]
  expect(first).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{24}$/),
    dev: one.prn,
    own: owner.prn,
    msg: 'line 0',
    src: 'pantavisor',
    lvl: 'INFO',
    plat: '',
    rev: '3',
    tsec: 1000,
    tnano: 0,
    'time-created': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/),
  })
  const ids = (at(read.json, 'entries') as { id: string }[]).map(({ id }) => id)
  expect(ids).toEqual(ids.toSorted())
})

test('[LO1] what is left out is empty, and the level INFO', async () => {
  const { owner, one } = await newFleet()
  await must('POST', '/logs/', { token: one.token, body: { msg: 'bare' } })
  await must('POST', '/logs/', { token: one.token, body: [] })
  const [entry] = at((await logs(owner.token)).json, 'entries') as object[]
  expect(entry).toMatchObject({ msg: 'bare', lvl: 'INFO', src: '', plat: '', rev: '', tsec: 0, tnano: 0 })
})

test('[LO2] after and before are strict, to the line: nothing is read twice and nothing is left out', async () => {
  const { owner, one } = await newFleet()
  await must('POST', '/logs/', { token: one.token, body: Array.from({ length: 30 }, (_, i) => line(`${i}`)) })
  const times = (at((await logs(owner.token)).json, 'entries') as { 'time-created': string }[]).map(
    (entry) => entry['time-created'],
  )
  expect(new Set(times).size).toBe(30)
  for (const i of [0, 7, 29]) {
    const behind = await logs(owner.token, `after=${times[i]}`)
    expect(messages(behind)).toEqual(Array.from({ length: 29 - i }, (_, k) => `${k + i + 1}`))
    const ahead = await logs(owner.token, `before=${times[i]}`)
    expect(messages(ahead)).toEqual(Array.from({ length: i }, (_, k) => `${k}`))
  }
  expect(Object.keys((await logs(owner.token, `after=${times[29]}`)).json as object)).not.toContain('entries')
  expect(messages(await logs(owner.token, 'after=2020-01-01T00:00:00+01:00'))).toHaveLength(30)
  for (const bad of ['yesterday', '2020-01-01', '1', '2020-13-01T00:00:00Z'])
    expect((await call('GET', `/logs/?after=${bad}`, { token: owner.token })).status).toBe(400)
})

describe('filters', async () => {
  const { owner, one, two } = await newFleet()
  await must('POST', '/logs/', {
    token: one.token,
    body: [
      line('a'),
      line('b', { lvl: 'ERROR', src: 'kernel' }),
      line('c', { plat: 'app', rev: 4, tsec: 9 }),
    ],
  })
  await must('POST', '/logs/', {
    token: two.token,
    body: [line('d', { lvl: 'ERROR' }), line('e', { src: 'kernel', tsec: 5 })],
  })

  for (const [query, wanted] of [
    ['', ['a', 'b', 'c', 'd', 'e']],
    [`dev=${one.prn}`, ['a', 'b', 'c']],
    [`dev=${two.id}`, ['d', 'e']],
    [`dev=${one.nick},${two.prn}`, ['a', 'b', 'c', 'd', 'e']],
    ['dev=unknown', []],
    ['lvl=ERROR', ['b', 'd']],
    ['lvl=ERROR,INFO&src=kernel', ['b', 'e']],
    ['plat=app', ['c']],
    ['rev=4', ['c']],
    ['sort=-time-created', ['e', 'd', 'c', 'b', 'a']],
    ['sort=-tsec&page=2', ['c', 'e']],
    ['start=1&page=2', ['b', 'c']],
    ['start=4', ['e']],
    ['start=9', []],
  ] as const)
    test(`[LO3] ${query.replaceAll(/[0-9a-f]{24}/g, 'id')}: ${wanted.join(' ')}`, async () => {
      const read = await logs(owner.token, query)
      expect(messages(read)).toEqual(wanted)
      expect(at(read.json, 'count')).toBe(wanted.length)
    })

  for (const query of [
    'page=x',
    'page=5001',
    'start=-1',
    'sort=message',
    'sort=__proto__',
    'cursor=1&sort=dev,-tsec',
  ])
    test(`[LO3] ${query} is refused: 400`, async () => {
      expect((await call('GET', `/logs/?${query}`, { token: owner.token })).status).toBe(400)
    })
})

describe('cursors', () => {
  test('[LO4] pvr’s way: pages until one is empty, then on behind the last line', async () => {
    const { owner, one } = await newFleet()
    await must('POST', '/logs/', {
      token: one.token,
      body: Array.from({ length: 25 }, (_, i) => line(`${i}`)),
    })
    const seen: string[] = []
    let read = await logs(owner.token, 'cursor=true&page=10&sort=time-created&after=2020-01-01T00:00:00Z')
    while (messages(read).length > 0) {
      seen.push(...messages(read))
      read = await must('POST', '/logs/cursor', {
        token: owner.token,
        body: { 'next-cursor': at(read.json, 'next-cursor') },
      })
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `${i}`))
    await must('POST', '/logs/', { token: one.token, body: line('later') })
    const next = encodeURIComponent(String(at(read.json, 'next-cursor')))
    expect(messages(await must('GET', `/logs/cursor?next-cursor=${next}`, { token: owner.token }))).toEqual([
      'later',
    ])
  })

  test('[LO4] a cursor keeps its filter and its order, backwards too', async () => {
    const { owner, one } = await newFleet()
    await must('POST', '/logs/', {
      token: one.token,
      body: Array.from({ length: 9 }, (_, i) => line(`${i}`, { lvl: i % 2 ? 'ERROR' : 'INFO' })),
    })
    const first = await logs(owner.token, 'cursor=1&page=2&sort=-time-created&lvl=INFO')
    const second = await must('POST', '/logs/cursor', {
      token: owner.token,
      body: { 'next-cursor': at(first.json, 'next-cursor') },
    })
    expect([messages(first), messages(second)]).toEqual([
      ['8', '6'],
      ['4', '2'],
    ])
  })

  test('[LO4] it is its owner’s alone and lives two minutes', async () => {
    const own = await openDoor()
    const [person, other] = [await own.person(), await own.person()]
    const cursor = at((await own.must('GET', '/logs/?cursor=x', { token: person.token })).json, 'next-cursor')
    const ask = (token: string, value: unknown) =>
      own.call('POST', '/logs/cursor', { token, body: { 'next-cursor': value } })
    expect((await ask(other.token, cursor)).status).toBe(403)
    for (const bad of [
      'nonsense',
      '',
      7,
      null,
      { a: 1 },
      `${String(cursor).slice(0, 40)}${String(cursor)[40] === 'A' ? 'B' : 'A'}${String(cursor).slice(41)}`,
    ])
      expect((await ask(person.token, bad)).status).toBe(403)
    own.pass(119_000)
    expect((await ask(person.token, cursor)).status).toBe(200)
    own.pass(2_000)
    expect((await ask(person.token, cursor)).status).toBe(403)
  })
})

for (const [why, body] of [
  ['an entry that is no object', [line('good'), 7]],
  ['a message that is no text', [{ msg: { a: 1 } }]],
  ['a level that is no text', [line('x', { lvl: [] })]],
  ['a source that is too long', [line('x', { src: 'x'.repeat(513) })]],
  ['a time that is no number', [line('x', { tsec: 'soon' })]],
  ['too many entries', Array.from({ length: 10_001 }, () => ({}))],
] as const)
  test(`[LO5] ${why} refuses its batch and is named`, async () => {
    const { owner, one } = await newFleet()
    const answer = await call('POST', '/logs/', { token: one.token, body })
    expect([answer.status, at(answer.json, 'msg')]).toEqual([
      400,
      expect.stringMatching(/^logs.*wanted .+, got /),
    ])
    expect(messages(await logs(owner.token))).toEqual([])
  })

test('[SE3] nobody reads logs of another’s device, whatever it is called by', async () => {
  const { owner, one } = await newFleet()
  const stranger = await door.person()
  await must('POST', '/logs/', { token: one.token, body: line('private') })
  await must('PUT', `/devices/${one.id}/public`, { token: owner.token })
  for (const dev of ['', one.prn, one.id, one.nick, `${one.id},${one.prn}`])
    expect(messages(await logs(stranger.token, `dev=${dev}`))).toEqual([])
})

describe('names of lines', () => {
  test('[LO1] names and times go on and never repeat, whatever the clock does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1e12, max: 1e12 + 50 }), { minLength: 2, maxLength: 60 }),
        (clock) => {
          let at = 0
          const next = createLogIds({
            clock: { now: () => Instant.of(clock[at++] ?? 0) },
            random: (count) => new Uint8Array(count).fill(255),
          })
          const ids = clock.map(() => next().id)
          expect(ids).toEqual([...new Set(ids)].toSorted())
          expect(ids.map(timeOfLogId)).toEqual(ids.map(timeOfLogId).toSorted())
        },
      ),
    )
  })

  test('[LO1] more lines in one millisecond than it has places go into the next', () => {
    const next = createLogIds({
      clock: { now: () => Instant.of(1e12) },
      random: (count) => new Uint8Array(count),
    })
    const last = Array.from({ length: 65_537 }, () => next()).at(-1)
    expect(last?.at).toBe(1e12 + 1)
  })

  test('[LO2] a line’s time, read back, bounds exactly that line', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.nat({ max: 65_535 }), (ms, place) => {
        const { first, last } = boundsOf({ ms, nanoseconds: place })
        const time = parseLogTime(timeOfLogId(first))
        expect(time).toEqual({ ms, nanoseconds: place })
        expect(first < last).toBe(true)
      }),
    )
  })
})
