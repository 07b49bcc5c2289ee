import { canonicalJson, stateSha } from '@waymark/pantahub'
import { describe, expect, test } from 'vitest'
import {
  type AgentConfig,
  type AgentPorts,
  createAgent,
  createMemoryDisk,
  type Disk,
  type MemoryDisk,
} from '../src/index.ts'
import { type FakeHub, owner, sha256, spec, startFakeHub, wordsOf } from './support/fake-hub.ts'
import { quick } from './support/rig.ts'
import { createSimClock, type SimClock, seededLuck } from './support/sim.ts'

/** The power goes at the n-th change of the disk; from then on nothing more happens to it. */
class PowerCut extends Error {}

/** A disk that counts its changes and cuts the power at one of them, before or after it has happened. */
function cuttingDisk(
  disk: MemoryDisk,
  at: number,
  onCut: () => void,
  // Half of the cuts come just after the change, half just before, unless told otherwise.
  after = at % 2 === 0,
): { disk: Disk; changes: () => number } {
  let changes = 0
  let dead = false
  async function change<T>(act: () => Promise<T>): Promise<T> {
    if (dead) throw new PowerCut()
    changes++
    if (changes === at) {
      if (after) await act()
      dead = true
      onCut()
      throw new PowerCut()
    }
    return act()
  }
  const wrapped: Disk = {
    ...disk,
    async open(path, how) {
      const file = await change(() => disk.open(path, how))
      return {
        write: (bytes) => change(() => file.write(bytes)),
        sync: () => change(() => file.sync()),
        close: () => file.close(),
      }
    },
    makeFolder: (path) => change(() => disk.makeFolder(path)),
    remove: (path) => change(() => disk.remove(path)),
    rename: (from, to) => change(() => disk.rename(from, to)),
    link: (from, to) => change(() => disk.link(from, to)),
    symlink: (target, path) => change(() => disk.symlink(target, path)),
    syncFolder: (path) => change(() => disk.syncFolder(path)),
  }
  return { disk: wrapped, changes: () => changes }
}

interface World {
  hub: FakeHub
  clock: SimClock
  config: AgentConfig
  /** Runs an agent on a disk until it is idle, stopped by a cut, or out of simulated time. */
  live(disk: (onCut: () => void) => Disk): Promise<string>
}

async function createWorld(seed: number, overrides: Partial<AgentConfig> = {}): Promise<World> {
  const hub = await startFakeHub({ listen: false })
  const clock = createSimClock()
  const luck = seededLuck(seed)
  const config: AgentConfig = { ...quick, hub: hub.base, logPush: false, pollMs: 5000, ...overrides }
  let lives = 0
  return {
    hub,
    clock,
    config,
    async live(makeDisk) {
      const stop = new AbortController()
      const ports: AgentPorts = {
        transport: hub.transport,
        disk: makeDisk(() => stop.abort()),
        clock,
        luck,
        newId: () => `life-${++lives}`,
        facts: async () => ({}),
      }
      let ended: string | undefined
      const running = createAgent(config, ports)
        .run(stop.signal)
        .then((outcome) => {
          ended = outcome.kind
        })
      await clock.play(() => ended !== undefined, 3_600_000)
      if (ended === undefined) {
        stop.abort()
        await clock.play(() => ended !== undefined, 1000)
        await running
        return 'still busy after an hour'
      }
      await running
      return ended
    },
  }
}

/** Every file of the running revision, checked against the state it claims to be. */
async function truthOf(disk: Disk): Promise<{ rev: number; stateSha: string } | undefined> {
  const folder = (await disk.readLink('current'))?.replace('revisions/', '')
  if (folder === undefined) return undefined
  const text = await disk.readText(`states/${folder}.json`)
  if (text === undefined) throw new Error(`revision ${folder} runs without its state`)
  const state = JSON.parse(text) as Record<string, unknown>
  for (const [path, value] of Object.entries(state)) {
    if (path === '#spec') continue
    const content = await disk.readText(`revisions/${folder}/${path}`)
    if (content === undefined) throw new Error(`revision ${folder} lacks ${path}`)
    if (typeof value === 'string') expect(sha256(content), path).toBe(value)
    else expect(content, path).toBe(canonicalJson(value))
  }
  return { rev: Number.parseInt(folder, 10), stateSha: stateSha(text) }
}

const oldState = (sha: string) => ({ '#spec': spec, 'app/root': sha, 'app/run.json': { v: 1 } })
const newState = (sha: string) => ({
  '#spec': spec,
  'app/root': sha,
  'app/run.json': { v: 2 },
  'b/c/d.json': {},
})

/** A claimed device on revision 1, and a step 2 for it. */
async function beforeUpdate(seed: number, links: boolean) {
  const world = await createWorld(seed)
  const { hub } = world
  const device = hub.register(owner)
  const { id, prn, secret } = device
  const identity = { id, prn, secret }
  Object.assign(world.config, { identity })
  const disk = createMemoryDisk({ links })
  hub.addStep(device, { '#spec': spec }).progress = { status: 'DONE' }
  hub.addStep(device, oldState(hub.putObject(Buffer.from('the old app'))))
  expect(await world.live(() => disk)).toBe('idle')
  const step = hub.addStep(device, newState(hub.putObject(Buffer.from('the new app '.repeat(5000)))))
  return { world, device, disk, step }
}

describe('[AG29] a power cut at any write leaves the old revision or the new one, whole', () => {
  for (const links of [true, false])
    test(`one cut, then peace (${links ? 'hard links' : 'copies'})`, async () => {
      const measured = await beforeUpdate(0, links)
      const counting = cuttingDisk(measured.disk, -1, () => undefined)
      expect(await measured.world.live(() => counting.disk)).toBe('idle')
      const total = counting.changes()
      expect(total).toBeGreaterThan(30)
      const ends = new Map<string, number>()
      for (let at = 1; at <= total; at++) {
        const { world, disk, step } = await beforeUpdate(at, links)
        const ended = await world.live((onCut) => cuttingDisk(disk, at, onCut).disk)
        expect(ended, `cut ${at}`).toBe('stopped')
        disk.powerCut(seededLuck(at))
        const between = await truthOf(disk)
        expect([1, 2], `cut ${at}`).toContain(between?.rev)
        expect(await world.live(() => disk), `after cut ${at}`).toBe('idle')
        const after = await truthOf(disk)
        const word = wordsOf(step).at(-1)
        expect(word, `cut ${at}`).toMatch(/^(DONE|ERROR)$/)
        expect(after?.rev, `cut ${at}`).toBe(word === 'DONE' ? 2 : 1)
        // What ran between cut and restart runs on, or the update was finished.
        expect(after?.rev).toBeGreaterThanOrEqual(between?.rev ?? 0)
        ends.set(word ?? '', (ends.get(word ?? '') ?? 0) + 1)
      }
      // Cuts between the answered INPROGRESS and the switch are truthfully reported as errors, all others finish.
      expect(ends.get('DONE') ?? 0).toBeGreaterThan(ends.get('ERROR') ?? 0)
    })

  test('cut upon cut: whatever happens, the device and the hub agree in the end', async () => {
    const luck = seededLuck(7)
    for (let seed = 1; seed <= 60; seed++) {
      const { world, disk, step } = await beforeUpdate(seed, seed % 2 === 0)
      for (let cut = 0; cut < 4; cut++) {
        const at = 1 + Math.floor(luck.next() * 45)
        const ended = await world.live((onCut) => cuttingDisk(disk, at, onCut).disk)
        if (ended === 'stopped') disk.powerCut(luck)
        expect([1, 2], `seed ${seed} cut ${cut}`).toContain((await truthOf(disk))?.rev)
      }
      expect(await world.live(() => disk), `seed ${seed}`).toBe('idle')
      const word = wordsOf(step).at(-1)
      expect((await truthOf(disk))?.rev, `seed ${seed}`).toBe(word === 'DONE' ? 2 : 1)
    }
  })

  test('what a killed agent left unsynced is synced before the next one tells of it', async () => {
    /** Loses all that was not synced. */
    const merciless = { next: () => 0 }
    for (let at = 1; ; at++) {
      const { world, disk, step } = await beforeUpdate(at, true)
      // Killed, not cut off: the next one sees everything the first has done.
      if ((await world.live((onKill) => cuttingDisk(disk, at, onKill, true).disk)) === 'idle') break
      let cut: () => void = () => undefined
      world.hub.onRequest(({ body }) => {
        if (/"status":"(DONE|ERROR)"/.test(String(body))) cut()
        return undefined
      })
      await world.live((onCut) => {
        cut = onCut
        return disk
      })
      disk.powerCut(merciless)
      const told = wordsOf(step).at(-1)
      expect((await truthOf(disk))?.rev, `kill ${at}: the hub was told ${told}`).toBe(told === 'DONE' ? 2 : 1)
    }
  })

  test('a cut anywhere in the first life ends with one identity in use and one trail', async () => {
    for (let at = 1; ; at++) {
      const world = await createWorld(at)
      const { hub } = world
      const disk = createMemoryDisk()
      // Each device is claimed when it asks about itself.
      hub.onRequest(({ method, path }) => {
        const device = method === 'GET' ? hub.devices.get(path.replace('/devices/', '')) : undefined
        if (device?.owner === '') hub.claim(device)
        return undefined
      })
      const ended = await world.live((onCut) => cuttingDisk(disk, at, onCut).disk)
      if (ended === 'idle') {
        expect(at).toBeGreaterThan(20)
        break
      }
      disk.powerCut(seededLuck(at))
      expect(await world.live(() => disk), `cut ${at}`).toBe('idle')
      const walking = [...hub.devices.values()].filter((device) => device.steps !== undefined)
      expect(walking, `cut ${at}`).toHaveLength(1)
      expect((await truthOf(disk))?.rev).toBe(0)
      // A record is orphaned only when the cut came between the hub's answer and the disk: never a claimed one.
      const owned = [...hub.devices.values()].filter((device) => device.owner !== '')
      expect(owned, `cut ${at}`).toHaveLength(1)
      expect(hub.devices.size, `cut ${at}`).toBeLessThanOrEqual(2)
    }
  })
})

test('[AG29] a power cut while the owner’s step 0 replaces the own factory state leaves one of the two, whole', async () => {
  for (let at = 1; ; at++) {
    const world = await createWorld(at)
    const { hub } = world
    const device = hub.register(owner)
    const { id, prn, secret } = device
    Object.assign(world.config, { identity: { id, prn, secret } })
    const disk = createMemoryDisk()
    expect(await world.live(() => disk)).toBe('idle')
    const own = (await truthOf(disk))?.stateSha
    const wanted = newState(hub.putObject(Buffer.from('what the owner wants')))
    const [zero] = device.steps ?? []
    if (zero) zero.state = wanted
    const ended = await world.live((onCut) => cuttingDisk(disk, at, onCut).disk)
    if (ended === 'stopped') disk.powerCut(seededLuck(at))
    expect([own, stateSha(canonicalJson(wanted))], `cut ${at}`).toContain((await truthOf(disk))?.stateSha)
    expect(await world.live(() => disk), `cut ${at}`).toBe('idle')
    expect(await truthOf(disk)).toEqual({ rev: 0, stateSha: stateSha(canonicalJson(wanted)) })
    if (ended === 'idle') {
      expect(at).toBeGreaterThan(20)
      return
    }
  }
})

test('[AG22] a disk that fills up on the way ends ERROR, and the last word still finds room', async () => {
  for (let capacityBytes = 34_000; capacityBytes < 60_000; capacityBytes += 400) {
    const { world, step } = await beforeUpdate(1, true)
    const small = createMemoryDisk({ capacityBytes })
    // The disk says there is room, and then there is not.
    const lying: Disk = { ...small, freeBytes: async () => 1_000_000 }
    expect(await world.live(() => lying), `${capacityBytes} B`).toBe('idle')
    expect(step.progress, `${capacityBytes} B`).toMatchObject({ status: 'ERROR' })
    expect(String(step.progress['status-msg'])).toContain('ENOSPC')
  }
})

describe('generated misfortune', () => {
  test('[AG25] with faults on every road, a hundred seeds each end with device and hub in agreement', async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const luck = seededLuck(seed)
      const { world, device, disk } = await beforeUpdate(seed, true)
      const { hub } = world
      const moves: string[] = []
      let calm = false
      hub.onRequest(({ method, path }) => {
        if (calm || luck.next() > 0.35) return undefined
        const kind = Math.floor(luck.next() * 7)
        moves.push(`${method} ${path.slice(0, 24)} ${kind}`)
        if (kind === 0) return { cut: true }
        if (kind === 1) return { loseReply: true }
        if (kind === 2) return { silent: true }
        if (kind === 3) return { status: 500 + Math.floor(luck.next() * 4) }
        if (kind === 4) {
          hub.dropTokens()
          return undefined
        }
        if (kind === 5 && path.includes('/get-')) return { cutAfter: Math.floor(luck.next() * 60_000) }
        if (kind === 6 && path.includes('/get-')) return { bytes: Buffer.alloc(60_000, 'bad') }
        return undefined
      })
      for (let rev = 3; rev <= 4; rev++)
        hub.addStep(device, newState(hub.putObject(Buffer.from(`revision ${rev} `.repeat(4000)))))
      for (let life = 0; life < 3; life++) {
        const at = 1 + Math.floor(luck.next() * 120)
        const ended = await world.live((onCut) => cuttingDisk(disk, at, onCut).disk)
        if (ended === 'stopped') disk.powerCut(luck)
      }
      calm = true
      const say = `seed ${seed}\n${moves.join('\n')}`
      expect(await world.live(() => disk), say).toBe('idle')
      const truth = await truthOf(disk)
      const walked = device.steps?.slice(1) ?? []
      for (const step of walked) expect(step.progress.status, say).toMatch(/^(DONE|ERROR)$/)
      const lastDone = walked.findLast((step) => step.progress.status === 'DONE')
      expect(truth?.rev, say).toBe(lastDone?.rev ?? 0)
      expect(truth?.stateSha, say).toBe(stateSha(canonicalJson(lastDone?.state)))
    }
  })
})
