import { describe, expect, test } from 'vitest'
import type { Disk, MemoryDisk } from '../src/index.ts'
import { spec, wordsOf } from './support/fake-hub.ts'
import { seededLuck } from './support/sim.ts'
import { container, createTrialRig, stateOf } from './support/trial-rig.ts'

/** Counts the changes of a disk and cuts the power at one of them, before or after it has happened. */
function cutting(disk: MemoryDisk, at: number, cut: () => void): { disk: Disk; changes: () => number } {
  let changes = 0
  async function change<T>(act: () => Promise<T>): Promise<T> {
    if (++changes !== at) return act()
    if (at % 2 === 0) await act()
    cut()
    throw new Error('power cut')
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

const run = (version: number, group: string, command: string) =>
  container(command, { group, env: { V: String(version) } })

/** Which way an update takes, and how its new container behaves. */
const scenes = [
  { what: 'live, well', group: 'app', command: 'steady', driver: 'process', may: /^(UPDATED|ERROR)$/ },
  { what: 'live, crashing', group: 'app', command: 'dies 8000', driver: 'process', may: /^ERROR$/ },
  { what: 'restart, well', group: 'base', command: 'steady', driver: 'process', may: /^(DONE|ERROR)$/ },
  { what: 'restart, crashing', group: 'base', command: 'dies 8000', driver: 'process', may: /^ERROR$/ },
  { what: 'files alone', group: 'app', command: 'steady', driver: 'files', may: /^(DONE|ERROR)$/ },
] as const

async function before({ group, command, driver }: (typeof scenes)[number]) {
  const state = (version: number, how: string) =>
    driver === 'files' ? { '#spec': spec, 'a.json': version } : stateOf({ core: run(version, group, how) })
  const rig = await createTrialRig(state(1, 'steady'), { logPush: false }, driver)
  await rig.settle()
  expect(await rig.running()).toBe('1')
  return { rig, step: rig.hub.addStep(rig.device, state(2, command)) }
}

type Before = Awaited<ReturnType<typeof before>>

/** The revision in force, whole: its state and every file it names. */
async function truthOf({ rig }: Before): Promise<number> {
  const folder = await rig.running()
  const text = await rig.disk.readText(`states/${folder}.json`)
  if (folder === undefined || text === undefined) throw new Error(`revision ${folder} runs without its state`)
  const rev = Number.parseInt(folder, 10)
  for (const path of Object.keys(JSON.parse(text) as object))
    if (path !== '#spec') expect(await rig.disk.readText(`revisions/${folder}/${path}`), path).toBeDefined()
  return rev
}

/** Lives on in peace and asks whether all agree. */
async function agree(world: Before, may: RegExp, about: string): Promise<string> {
  const { rig, step } = world
  expect((await rig.settle()).at(-1), about).toBe('idle')
  const word = wordsOf(step).at(-1) ?? ''
  expect(word, about).toMatch(may)
  const rev = await truthOf(world)
  expect(rev, about).toBe(word === 'ERROR' ? 1 : 2)
  expect(step.progress.data, about).toMatchObject({ revision: rev })
  expect(await rig.marked(), about).toBe(false)
  // A run that ends by itself leaves nothing running.
  expect(rig.sim.alive(), about).toEqual([])
  return word
}

describe('[AG83] a power cut at any write of a trial leaves old or new, and everything ends', () => {
  for (const scene of scenes)
    test(scene.what, async () => {
      // How many changes the whole update makes, over all the lives it takes.
      const measured = await before(scene)
      let total = 0
      for (let n = 0; n < 4; n++) {
        const counting = cutting(measured.rig.disk, -1, () => undefined)
        const end = await measured.rig.live(() => counting.disk)
        total += counting.changes()
        if (end !== 'restart') break
      }
      expect(total).toBeGreaterThan(30)
      const words = new Set<string>()
      for (let at = 1; at <= total; at++) {
        const world = await before(scene)
        let left = at
        let end = ''
        for (let n = 0; n < 4 && end !== 'killed' && end !== 'idle'; n++) {
          const cut = { changes: () => 0 }
          end = await world.rig.live((kill) => {
            const made = cutting(world.rig.disk, left, kill)
            cut.changes = made.changes
            return made.disk
          })
          left -= cut.changes()
        }
        if (end === 'killed') {
          world.rig.disk.powerCut(seededLuck(at))
          // No program outlives a power cut.
          for (const name of world.rig.sim.alive()) world.rig.sim.crash(name.replace(/#.*/, ''))
        }
        expect([1, 2], `cut ${at}`).toContain(await truthOf(world))
        words.add(await agree(world, scene.may, `${scene.what}, cut ${at}`))
      }
      expect(words.size).toBe(scene.may.source.includes('|') ? 2 : 1)
    })

  test('cut upon cut, also while rolling back: it always ends', async () => {
    const luck = seededLuck(11)
    for (let seed = 0; seed < 60; seed++) {
      const scene = scenes[seed % scenes.length] ?? scenes[0]
      const world = await before(scene)
      for (let cut = 0; cut < 5; cut++) {
        const at = 1 + Math.floor(luck.next() * 40)
        const end = await world.rig.live((kill) => cutting(world.rig.disk, at, kill).disk)
        if (end === 'killed') {
          world.rig.disk.powerCut(luck)
          for (const name of world.rig.sim.alive()) world.rig.sim.crash(name.replace(/#.*/, ''))
        }
        expect([1, 2], `seed ${seed} cut ${cut}`).toContain(await truthOf(world))
      }
      await agree(world, scene.may, `seed ${seed}`)
    }
  })
})
