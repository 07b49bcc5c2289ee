import { describe, expect, test } from 'vitest'
import { isLocal } from '../src/control/book.ts'
import { createSteps } from '../src/control/steps.ts'
import type { AgentPorts, ControlHouse, Disk, MemoryDisk } from '../src/index.ts'
import { seededLuck } from './support/sim.ts'
import { container, createTrialRig, stateOf } from './support/trial-rig.ts'

/** Cuts the power at one change of a disk, before or after it has happened. */
function cutting(disk: MemoryDisk, at: number, cut: () => void): { disk: Disk; changes: () => number } {
  let changes = 0
  async function change<T>(act: () => Promise<T>): Promise<T> {
    if (++changes !== at) return act()
    if (at % 2 === 0) await act()
    cut()
    throw new Error('power cut')
  }
  return {
    changes: () => changes,
    disk: {
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
    },
  }
}

const core = (version: number, group: string, command: string) =>
  container(command, { group, env: { V: String(version) } })

const scenes = [
  { what: 'live, well', group: 'app', command: 'steady', rebooting: false, ends: 'UPDATED' },
  { what: 'live, crashing', group: 'app', command: 'dies 8000', rebooting: false, ends: 'ERROR' },
  { what: 'by a fresh start, well', group: 'app', command: 'steady', rebooting: true, ends: 'DONE' },
  { what: 'with a restart, crashing', group: 'base', command: 'dies 8000', rebooting: false, ends: 'ERROR' },
] as const

type Scene = (typeof scenes)[number]

/** Stands for the socket: once the device rests, puts a state and has it run; later lives only look. */
function orderOnce(scene: Scene, seen: (house: ControlHouse) => void): AgentPorts['control'] {
  let ordered = false
  return async (house) => {
    const steps = createSteps(house)
    seen(house)
    house.hear((event) => {
      if (ordered || event.event !== 'state' || event.state !== 'idle') return
      ordered = true
      void (async () => {
        await steps.open()
        await steps.put('locals/a', JSON.stringify(stateOf({ core: core(2, scene.group, scene.command) })))
        const revision = await steps.revision(steps.find('locals/a') ?? -1)
        if (revision) house.submit({ kind: 'run', revision, rebooting: scene.rebooting })
      })().catch(() => undefined)
    })
    return { environment: async () => ({}), close: async () => undefined }
  }
}

/** A device at rest with revision 1 of its hub. */
async function before(scene: Scene) {
  const rig = await createTrialRig(stateOf({ core: core(1, scene.group, 'steady') }), { logPush: false })
  await rig.settle()
  expect(await rig.running()).toBe('1')
  rig.config = { ...rig.config, untilIdle: false }
  rig.lifeMs = 90_000
  let house: ControlHouse | undefined
  rig.control = orderOnce(scene, (seen) => {
    house = seen
  })
  return { rig, progress: () => house?.book.named('locals/a')?.progress }
}

/** Lives, through restarts, until nothing happens any more. */
async function rest({ rig }: Awaited<ReturnType<typeof before>>): Promise<void> {
  for (let n = 0; n < 6; n++) {
    const end = await rig.live()
    // What still ran when its time was over is gone with its agent.
    for (const name of rig.sim.alive()) rig.sim.crash(name.replace(/#.*/, ''))
    if (end !== 'restart') return
  }
  throw new Error('it never rests')
}

describe('[LC32] a power cut at any write of a local revision leaves old or new, and an end', () => {
  for (const scene of scenes)
    test(scene.what, async () => {
      const measured = await before(scene)
      let total = 0
      for (let n = 0; n < 4; n++) {
        const counting = cutting(measured.rig.disk, -1, () => undefined)
        const end = await measured.rig.live(() => counting.disk)
        total += counting.changes()
        if (end !== 'restart') break
      }
      expect(measured.progress()?.status).toBe(scene.ends)
      const words = new Set<string>()
      for (let at = 1; at <= total; at++) {
        const world = await before(scene)
        const { rig } = world
        let left = at
        let end = ''
        for (let n = 0; n < 4 && end !== 'killed' && !end.startsWith('still'); n++) {
          let changes = () => 0
          end = await rig.live((kill) => {
            const made = cutting(rig.disk, left, kill)
            changes = made.changes
            return made.disk
          })
          left -= changes()
        }
        rig.disk.powerCut(seededLuck(at))
        for (const name of rig.sim.alive()) rig.sim.crash(name.replace(/#.*/, ''))
        await rest(world)
        const about = `${scene.what}, cut ${at}`
        const status = world.progress()?.status ?? 'never put'
        const running = Number.parseInt((await rig.running()) ?? '', 10)
        expect(['never put', 'NEW', 'ERROR', scene.ends], about).toContain(status)
        expect(isLocal(running), `${about}: ${status}`).toBe(status === 'UPDATED' || status === 'DONE')
        if (!isLocal(running)) expect(running, about).toBe(1)
        expect(await rig.marked(), about).toBe(false)
        expect(rig.device.steps, about).toHaveLength(2)
        words.add(status)
      }
      expect(words.has(scene.ends)).toBe(true)
      expect(words.has('ERROR')).toBe(true)
    })
})
