import { describe, expect, test } from 'vitest'
import {
  type Device,
  type Download,
  devices,
  factsFor,
  Instant,
  type Presence,
  Revision,
  unclaimedTenant,
  why,
} from '../src/index.ts'
import { makeDevice, makeUnclaimed, play, type Stage, stage } from './play.ts'

interface Scene {
  readonly what: string
  readonly script: string
  readonly rev?: number
  /** Seconds of silence, and the usual interval in seconds. */
  readonly silent?: readonly [number, number?]
  readonly download?: Download
  /** The chain: each line's beginning, `kind | sentence`; `*` where any number of entries may show it, else at least one. */
  readonly told: readonly string[]
}

const scenes: readonly Scene[] = [
  {
    what: 'it has never announced itself',
    script: '',
    told: ['never-announced | it has never announced', 'never-heard | the device has never'],
  },
  {
    what: 'its step waits and it is silent against what is usual',
    script: 'device announces\nowner posts rev 1',
    silent: [3 * 3600, 10],
    told: [
      'waits | step 1 waits for the device to take it, since 2026-01-01 00:00:01 UTC',
      'silent | the device has been silent for 3 h against a usual 10 s',
    ],
  },
  {
    what: 'its step waits and it is about to ask for it',
    script: 'device announces\nowner posts rev 1',
    silent: [4, 10],
    told: ['waits | step 1 waits', 'heard | the device was heard of 4 s ago'],
  },
  {
    what: 'silence is told without what is usual while that is not known',
    script: 'device announces\nowner posts rev 1',
    silent: [300],
    told: ['waits | step 1', 'silent | the device has been silent for 5 min'],
  },
  {
    what: 'a device that comes rarely is not silent for coming rarely',
    script: 'device announces\nowner posts rev 1',
    silent: [3600, 1800],
    told: ['waits | step 1', 'heard | the device was heard of 60 min ago'],
  },
  {
    what: 'a step waits behind a failed one',
    script: 'device announces\nowner posts rev 1\nowner posts rev 2\ndevice reports rev 1 ERROR bad checksum',
    told: [
      'waits-behind | step 2 waits behind step 1, which failed',
      'failed | step 1 failed: bad checksum',
      'never-heard | ',
    ],
  },
  {
    what: 'a step waits behind an open one',
    script:
      'device announces\nowner posts rev 1\nowner posts rev 2\ndevice reports rev 1 INPROGRESS unpacking',
    rev: 2,
    told: [
      'waits-behind | step 2 waits behind step 1, which has not ended',
      'working | the device works on step 1: INPROGRESS, 0 %',
      'never-heard | ',
    ],
  },
  {
    what: 'a failed step that was cleared, and a cancelled one, hold nothing back',
    script: `device announces
             owner posts rev 1
             device reports rev 1 ERROR no room
             owner clears rev 1
             owner posts rev 2
             owner cancels rev 2
             owner posts rev 3`,
    told: ['waits | step 3 waits', 'never-heard | '],
  },
  {
    what: 'it downloads',
    script: 'device announces\nowner posts rev 1\ndevice reports rev 1 INPROGRESS',
    download: { total: 1_200_000, got: 480_000, seconds: 40 },
    told: ['downloading | step 1 is being downloaded: 40 % of 1.2 MB at 12 kB/s', 'never-heard | '],
  },
  {
    what: 'a download of which no time is told has no rate',
    script: 'device announces\nowner posts rev 1\ndevice reports rev 1 INPROGRESS',
    download: { total: 100, got: 50, seconds: 0 },
    told: ['downloading | step 1 is being downloaded: 50 % of 100 B', 'never-heard | '],
  },
  {
    what: 'a finished download is work',
    script: 'device announces\nowner posts rev 1\ndevice reports rev 1 INPROGRESS',
    download: { total: 100, got: 100, seconds: 5 },
    told: ['working | the device works on step 1: INPROGRESS, 0 % (1 s ago)', 'never-heard | '],
  },
  {
    what: 'it was asked to give up',
    script: 'device announces\nowner posts rev 1\ndevice reports rev 1 INPROGRESS\nowner aborts rev 1',
    told: ['working | ', 'abort-asked | its owner asked the device to give step 1 up', 'never-heard | '],
  },
  {
    what: 'it failed, and later said otherwise',
    script: `device announces
             owner posts rev 1
             device reports rev 1 ERROR bad checksum
             device reports rev 1 DONE`,
    told: [
      'failed | step 1 failed: bad checksum',
      'contradicted | later the device said DONE of step 1; the first final word stands',
      'never-heard | ',
    ],
  },
  {
    what: 'it failed and was cleared',
    script: 'device announces\nowner posts rev 1\ndevice reports rev 1 ERROR x\nowner clears rev 1',
    told: ['failed | step 1 failed: x', 'cleared | its owner cleared step 1', 'never-heard | '],
  },
  {
    what: 'it is done, but has not been seen to run',
    script: 'device announces\nowner posts rev 1\ndevice reports rev 1 DONE',
    told: ['done-not-seen | step 1 is done, as the device says; it has not been seen', 'never-heard | '],
  },
  {
    what: 'it is done and was seen to run',
    script: 'device announces\nowner posts rev 1\ndevice reports rev 1 DONE\ndevice runs rev 1',
    told: ['done | step 1 is done: the device was seen to run it'],
  },
  {
    what: 'it was cancelled',
    script: 'device announces\nowner posts rev 1\nowner cancels rev 1',
    told: ['cancelled | step 1 was cancelled: CANCEL by its owner, so no device is asked for it'],
  },
  {
    what: 'its trail was closed',
    script: 'device announces\nowner posts rev 1\nowner resets',
    told: [
      'trail-closed | its trail was closed on 2026-01-01',
      'cancelled | step 1 was cancelled: the trail was closed',
    ],
  },
]

const unshown = ['never-heard', 'silent', 'heard']

describe('why', () => {
  for (const { what, script, told, ...around } of scenes)
    test(`[WY1] [WY2] [WY3] ${what}`, async () => {
      const on = await stage()
      const device = await makeDevice(on, 'one')
      await play(on, device.id, script)
      const { chain, kinds } = await explain(on, device, around)
      const lines = chain.map(({ kind, says }) => `${kind} | ${says}`)
      expect(lines.map((line, i) => line.slice(0, told[i]?.length))).toEqual(told)
      for (const { kind, cursors } of chain) {
        if (unshown.includes(kind)) expect(cursors).toEqual([])
        else expect([kind, cursors.length > 0]).toEqual([kind, true])
        for (const cursor of cursors) expect(kinds.has(cursor)).toBe(true)
      }
    })

  test('[WY1] nobody has claimed it', async () => {
    const on = await stage()
    const device = await makeUnclaimed(on)
    const facts = await factsFor(on.store, { tenant: unclaimedTenant, device })
    if (!facts.ok) throw new Error(facts.refusal.kind)
    const chain = why(facts.value, { now: on.env.now, presence: undefined, downloadOf: () => undefined })
    expect(chain[0]?.says).toBe('nobody has claimed it since it registered on 2026-01-01 00:00:00 UTC')
    expect(chain[0]?.cursors).toHaveLength(1)
  })

  test('[WY1] a step that is not there is refused', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'one')
    await play(on, device.id, 'device announces')
    const rev = Revision.parse(4)
    const facts = await factsFor(on.store, {
      tenant: on.owner,
      device,
      ...(rev === undefined ? {} : { rev }),
    })
    expect(facts).toMatchObject({ ok: false, refusal: { kind: 'no-such-step', got: 4 } })
  })

  test('[WY2] what has been trimmed from the journal is not pointed at', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'one')
    await play(on, device.id, 'device announces\nowner posts rev 1\ndevice reports rev 1 ERROR x')
    await on.store.journal.trim(on.owner, Instant.after(on.env.now, 1), 1000)
    const { chain } = await explain(on, device, {})
    expect(chain[0]).toMatchObject({ kind: 'failed', says: 'step 1 failed: x', cursors: [] })
  })
})

async function explain(on: Stage, made: Device, around: Pick<Scene, 'rev' | 'silent' | 'download'>) {
  const reader = on.store.read(on.owner)
  const device = (await reader.get(devices, { id: made.id })) ?? made
  const rev = Revision.parse(around.rev)
  const facts = await factsFor(on.store, { tenant: on.owner, device, ...(rev === undefined ? {} : { rev }) })
  if (!facts.ok) throw new Error(facts.refusal.kind)
  const [away, usual] = around.silent ?? []
  const presence: Presence | undefined =
    away === undefined
      ? undefined
      : {
          device: device.id,
          address: '::1',
          lastSeenAt: Instant.after(on.env.now, -1000 * away),
          ...(usual === undefined ? {} : { usualMs: 1000 * usual }),
        }
  const chain = why(facts.value, { now: on.env.now, presence, downloadOf: () => around.download })
  return { chain, kinds: new Map(facts.value.journal.map(({ cursor, kind }) => [cursor, kind])) }
}
