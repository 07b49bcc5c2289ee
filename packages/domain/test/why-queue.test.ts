/** Why a device that follows no trail stands where it stands. Rules: ../RULES.md, WY. */
import { expect, test } from 'vitest'
import {
  type Device,
  DeviceId,
  Instant,
  type Presence,
  type QueueFacts,
  type Transaction,
  why,
} from '../src/index.ts'

const now = Instant.of(Date.UTC(2026, 0, 2))
const device = DeviceId.parse('1'.repeat(24)) as DeviceId
const minuteAgo = Instant.of(now - 60_000)
const presence: Presence = { device, lastSeenAt: Instant.of(now - 3 * 3_600_000), address: '192.0.2.1' }

const rows: readonly {
  readonly what: string
  readonly connected?: boolean
  readonly seen?: boolean
  readonly queue: (asked: Transaction) => QueueFacts
  readonly says: readonly RegExp[]
}[] = [
  {
    what: 'nothing asked, never there',
    queue: () => ({ open: 0 }),
    says: [/^nothing has been asked of it$/, /never been heard of/],
  },
  {
    what: 'three wait, away since three hours',
    seen: true,
    queue: (head) => ({ open: 3, head }),
    says: [
      /^3 in its queue, the oldest since 2026-01-01 23:59:00 UTC$/,
      /^the first of them, rpc, waits/,
      /offline.*3 h ago$/,
    ],
  },
  {
    what: 'handed over and on its way',
    connected: true,
    queue: (head) => ({ open: 1, head: { ...head, state: 'in-progress', percent: 40, attempts: 1 } }),
    says: [/^1 in/, /handed over once and is at 40 %$/, /is connected$/],
  },
  {
    what: 'the link was lost',
    seen: true,
    queue: (head) => ({ open: 1, head: { ...head, attempts: 2 } }),
    says: [/^1 in/, /handed over 2 times and will be again$/, /offline/],
  },
  {
    what: 'the one before timed out',
    seen: true,
    queue: (head) => ({
      open: 1,
      head,
      last: { ...head, state: 'timed-out', open: false, endedAt: now, reason: 'no answer in time' },
    }),
    says: [/^1 in/, /waits/, /rpc, timed out on .*: no answer in time$/, /offline/],
  },
  {
    what: 'all is done',
    connected: true,
    queue: (head) => ({ open: 0, last: { ...head, state: 'done', open: false, endedAt: now } }),
    says: [/rpc, was done on 2026-01-02/, /is connected$/],
  },
  {
    what: 'more than are counted',
    connected: true,
    queue: (head) => ({ open: 1001, head }),
    says: [/^more than 1000 in its queue/, /waits/, /is connected$/],
  },
]
for (const { what, connected = false, seen, queue, says } of rows)
  test(`[WY4] a queue is explained: ${what}`, () => {
    const station = { id: device, type: 'station' } as unknown as Device
    const asked = {
      id: '2'.repeat(24),
      kind: 'rpc',
      state: 'queued',
      open: true,
      percent: 0,
      attempts: 0,
      createdAt: minuteAgo,
    } as unknown as Transaction
    const around = { now, presence: seen ? presence : undefined, connected, downloadOf: () => undefined }
    const chain = why({ device: station, journal: [], queue: queue(asked) }, around)
    expect(chain.map(({ says: said }) => said)).toEqual(says.map((each) => expect.stringMatching(each)))
  })
