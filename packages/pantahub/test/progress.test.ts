import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  initialProgress,
  isStepStatus,
  parseProgress,
  polledStatuses,
  statusMeaning,
  stepStatuses,
} from '../src/index.ts'

const meanings = [
  { words: 'NEW QUEUED SYNCING UNREGISTERED UNCLAIMED', means: 'waiting' },
  { words: 'DOWNLOADING INPROGRESS TESTING', means: 'working' },
  { words: 'DONE UPDATED', means: 'final done' },
  { words: 'WONTGO ERROR', means: 'final failed' },
  { words: 'CANCEL CANCELLED', means: 'final cancelled' },
  { words: 'ABORTED', means: 'final passed' },
]
for (const { words, means } of meanings)
  test(`[SW1] ${words} means ${means}`, () => {
    for (const word of words.split(' ')) {
      const { phase, outcome, known } = statusMeaning(word)
      expect([word, outcome === undefined ? phase : `${phase} ${outcome}`, known]).toEqual([
        word,
        means,
        true,
      ])
    }
  })

test('[SW1] the table above is the whole of it', () => {
  expect(meanings.flatMap(({ words }) => words.split(' ')).toSorted()).toEqual(
    Object.keys(stepStatuses).toSorted(),
  )
  expect(polledStatuses.every((word) => isStepStatus(word) && statusMeaning(word).phase !== 'final')).toBe(
    true,
  )
})

for (const word of ['', 'done', 'FLASHING', 'QUEUE', 'constructor', '__proto__', 'toString'])
  test(`[SW2] ${JSON.stringify(word)} is opaque: nothing ends`, () => {
    expect(statusMeaning(word)).toEqual({ phase: 'working', known: false })
  })

test('[PG1] a report is kept as it came, with keys that nobody knows', () => {
  const body = {
    status: 'QUEUED',
    'status-msg': 'Retried 2 of 10',
    progress: 5,
    retries: 2,
    logs: ['a'],
    data: { state: [1] },
    'x-vendor': null,
  }
  const parsed = parseProgress(body)
  expect(parsed).toEqual({
    ok: true,
    report: body,
    status: 'QUEUED',
    percent: 5,
    statusMsg: 'Retried 2 of 10',
  })
})

const readings = [
  { body: {}, status: '', percent: 0, statusMsg: '' },
  { body: { status: 'DONE', progress: 100 }, status: 'DONE', percent: 100, statusMsg: '' },
  { body: { status: 'X', progress: 400 }, status: 'X', percent: 100, statusMsg: '' },
  { body: { status: 'X', progress: -3 }, status: 'X', percent: 0, statusMsg: '' },
  { body: { status: 'X', progress: '25' }, status: 'X', percent: 25, statusMsg: '' },
  { body: { status: 'X', progress: 'half' }, status: 'X', percent: 0, statusMsg: '' },
  { body: { status: 'X', progress: '' }, status: 'X', percent: 0, statusMsg: '' },
  { body: { status: 'X', progress: {} }, status: 'X', percent: 0, statusMsg: '' },
  { body: { status: null, 'status-msg': 7 }, status: '', percent: 0, statusMsg: '' },
  { body: { status: 'X', message: 'old form' }, status: 'X', percent: 0, statusMsg: 'old form' },
  { body: { 'status-msg': 'new', message: 'old' }, status: '', percent: 0, statusMsg: 'new' },
]
for (const { body, ...reads } of readings)
  test(`[PG2] ${JSON.stringify(body)} reads ${reads.status || 'no word'}, ${reads.percent} %`, () => {
    expect(parseProgress(body)).toEqual({ ok: true, report: body, ...reads })
  })

const refusals = [
  { body: null, kind: 'not-an-object' },
  { body: [], kind: 'not-an-object' },
  { body: 'DONE', kind: 'not-an-object' },
  { body: undefined, kind: 'not-an-object' },
  { body: { status: 7 }, kind: 'bad-status' },
  { body: { status: 'X'.repeat(65) }, kind: 'bad-status' },
]
for (const { body, kind } of refusals)
  test(`[PG2] ${JSON.stringify(body)?.slice(0, 30)} is refused as ${kind}`, () => {
    expect(parseProgress(body)).toMatchObject({ ok: false, refusal: { kind } })
  })

test('[PG2] no object is refused for its percent, message or other keys', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom('progress', 'status-msg', 'message', 'log', 'x'), fc.jsonValue()),
      (body) => {
        const parsed = parseProgress(body)
        expect(parsed.ok && parsed.report).toBe(body)
        if (parsed.ok) expect(parsed.percent >= 0 && parsed.percent <= 100).toBe(true)
      },
    ),
  )
})

test('[PG1] the first progress of a step is a report like any other', () => {
  expect(parseProgress(initialProgress())).toMatchObject({
    ok: true,
    status: 'NEW',
    percent: 0,
    statusMsg: '',
  })
  expect(parseProgress(initialProgress('DONE'))).toMatchObject({ ok: true, status: 'DONE', percent: 100 })
  expect(Object.keys(initialProgress())).toEqual(['progress', 'downloads', 'status-msg', 'status', 'log'])
})
