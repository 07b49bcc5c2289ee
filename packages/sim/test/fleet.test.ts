import type { TransportRequest } from '@waymark/agent'
import { describe, expect, test } from 'vitest'
import { createFleet, createSeeded, drawProfile, profileNames, profiles } from '../src/index.ts'

/** Simulated time: sleeps end in order when nobody has anything else to do. */
function simTime() {
  let now = 0
  const sleeps: { at: number; wake: () => void }[] = []
  return {
    now: () => now,
    sleep: (ms: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        if (signal.aborted) return resolve()
        const sleeper = { at: now + ms, wake: resolve }
        sleeps.push(sleeper)
        signal.addEventListener('abort', () => resolve(), { once: true })
      }),
    async play(untilMs: number) {
      for (;;) {
        for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve))
        sleeps.sort((a, b) => a.at - b.at)
        const next = sleeps[0]
        if (!next || next.at > untilMs) return
        sleeps.shift()
        now = Math.max(now, next.at)
        next.wake()
      }
    },
  }
}

const json = (status: number, value: unknown) => ({
  status,
  headers: {},
  body: (async function* () {
    yield new TextEncoder().encode(JSON.stringify(value))
  })(),
})

/** A hub that lets everybody in and has nothing to do; `delay` holds up the answers to polls. */
function simpleHub(time: ReturnType<typeof simTime>, delay: (poll: number) => number) {
  let devices = 0
  let polls = 0
  const trails = new Set<string>()
  const asked: string[] = []
  return {
    asked,
    async transport({ method, url, headers, body, signal }: TransportRequest) {
      const path = url.replace('http://hub', '')
      asked.push(`${method} ${path.replace(/\?.*/, '')}`)
      const id = /Bearer (\w+)/.exec(headers.authorization ?? '')?.[1] ?? ''
      if (path === '/devices/') {
        const fresh = `${++devices}`.padStart(24, '0')
        return json(200, {
          id: fresh,
          prn: `prn:::devices:/${fresh}`,
          secret: 's',
          challenge: '',
          owner: 'prn:::accounts:/x',
        })
      }
      // A token is the id of whoever logs in.
      if (path === '/auth/login') return json(200, { token: /devices:\/(\w+)/.exec(String(body))?.[1] })
      if (path.startsWith('/devices/') && method === 'GET' && !path.endsWith('meta'))
        return json(200, {
          id: path.slice(9),
          prn: `prn:::devices:${path.slice(8)}`,
          owner: 'prn:::accounts:/x',
          challenge: '',
        })
      if (path === '/objects/') return json(409, {})
      if (path === '/trails/' && method === 'POST') {
        trails.add(id)
        return json(200, {})
      }
      if (path === '/trails/') return json(200, trails.has(id) ? [{ id }] : [])
      if (path.endsWith('/steps/0')) return json(404, {})
      if (path.includes('progress.status')) {
        await time.sleep(delay(++polls), signal)
        return json(200, [])
      }
      return json(200, {})
    },
  }
}

describe('a fleet of one', () => {
  const settings = {
    server: 'http://hub',
    devices: 1,
    joinToken: 't',
    intervalMs: 5000,
    profile: 'steady',
    seed: '1',
  } as const

  for (const { what, delay, missed } of [
    { what: 'none where all is answered at once', delay: () => 10, missed: 0 },
    { what: 'none where an answer takes less than an interval', delay: () => 4000, missed: 0 },
    {
      what: 'one for each answer that took longer',
      delay: (poll: number) => (poll % 5 === 0 ? 6000 : 10),
      missed: 3,
    },
  ])
    test(`[SM4] missed polls: ${what}`, async () => {
      const time = simTime()
      const hub = simpleHub(time, delay)
      const fleet = await createFleet(settings, {
        transport: hub.transport,
        clock: time,
        steadyNow: time.now,
      })
      const stop = new AbortController()
      const running = fleet.run(stop.signal)
      await time.play(100_000)
      const counts = fleet.counts()
      expect(counts).toMatchObject({ running: 1, registered: 1, owned: 1, polling: 1, lost: 0, refused: 0 })
      expect(counts.polls).toBeGreaterThan(9)
      expect(counts.missed).toBe(missed)
      stop.abort()
      await running
      expect(fleet.counts()).toMatchObject({ running: 0, ended: 0 })
    })

  test('[SM6] a flaky line loses requests, and the agent asks again', async () => {
    const time = simTime()
    const hub = simpleHub(time, () => 10)
    const flaky = { ...settings, profile: 'flaky', devices: 4 } as const
    const fleet = await createFleet(flaky, { transport: hub.transport, clock: time, steadyNow: time.now })
    const stop = new AbortController()
    const running = fleet.run(stop.signal)
    await time.play(600_000)
    const { lost, requests, polling } = fleet.counts()
    expect(polling).toBe(4)
    expect(lost / requests).toBeGreaterThan(0.01)
    expect(hub.asked.length + lost).toBe(requests)
    stop.abort()
    await running
  })

  test('[SM1] an address that is none is refused before anything runs', async () => {
    const time = simTime()
    const wrong = { ...settings, server: 'nonsense' }
    const ports = { transport: simpleHub(time, () => 0).transport, clock: time, steadyNow: time.now }
    await expect(createFleet(wrong, ports)).rejects.toThrow(/wanted .*got nonsense/)
  })
})

test('[SM5] a device’s luck comes from seed and number alone', () => {
  const drawn = (seed: string) => Array.from({ length: 5 }, (_, i) => createSeeded(`${seed}/${i}`).next())
  expect(drawn('a')).toEqual(drawn('a'))
  expect(drawn('a')).not.toEqual(drawn('b'))
  expect(new Set(drawn('a')).size).toBe(5)
})

test('[SM5] a mixed fleet has all kinds, most of them steady; a named profile is what it is', () => {
  const counts = new Map<unknown, number>()
  for (let i = 0; i < 2000; i++) {
    const profile = drawProfile('mixed', createSeeded(`mixed/${i}`))
    counts.set(profile, (counts.get(profile) ?? 0) + 1)
  }
  for (const name of profileNames) expect(counts.get(profiles[name]) ?? 0, name).toBeGreaterThan(100)
  expect(counts.get(profiles.steady) ?? 0).toBeGreaterThan(1000)
  expect(drawProfile('slow', createSeeded('x'))).toBe(profiles.slow)
})
