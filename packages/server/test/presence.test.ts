import { DeviceId, Instant, telemetryCollections } from '@waymark/domain'
import { createMemoryStore } from '@waymark/store'
import { expect, test } from 'vitest'
import { createPresence, usualAfter } from '../src/presence.ts'

const device = DeviceId.parse('d'.repeat(24)) as DeviceId

test('[PS1] what is usual is learned from the visits, one breath counting as one visit', async () => {
  const store = createMemoryStore({ collections: telemetryCollections })
  let now = 0
  const presence = createPresence(store, { now: () => Instant.of(now) })
  const visit = (afterMs: number) => {
    now += afterMs
    presence.heard(device, '::1')
  }
  visit(0)
  expect(await presence.lastSeen(device)).toEqual({ device, address: '::1', lastSeenAt: 0 })
  for (let i = 0; i < 20; i++) for (const ms of [10_000, 20, 30]) visit(ms)
  expect((await presence.lastSeen(device))?.usualMs).toBe(10_000)
  await presence.flush()
  const again = createPresence(store, { now: () => Instant.of(now) })
  expect(await again.lastSeen(device)).toMatchObject({ lastSeenAt: now, usualMs: 10_000 })
})

test('[PS2] a long absence hardly moves it, and a new habit is learned', () => {
  expect(usualAfter(10_000, 24 * 3600_000)).toBe(13_750)
  let usual = 10_000
  for (let i = 0; i < 60; i++) usual = usualAfter(usual, 60_000)
  expect(Math.round(usual / 1000)).toBe(60)
})
