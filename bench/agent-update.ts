/** An update that changes little: what the agent downloads, and how long it takes against copying the state. */
import { copyFile, mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAgent } from '../packages/agent/src/index.ts'
import { sha256, spec, startFakeHub } from '../packages/agent/test/support/fake-hub.ts'
import { quick, realPorts } from '../packages/agent/test/support/rig.ts'
import { type Bench, median } from './figure.ts'

const objects = 1000
const objectBytes = (200 * 2 ** 20) / objects
const changed = objects / 100
const rounds = 3

export const agentUpdate: Bench = {
  name: 'agent-update',
  about: `an update of a 200 MiB state of ${objects} objects of which ${changed} changed, against a plain copy of the state`,
  async run() {
    const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
    const hub = await startFakeHub()
    try {
      hub.joinTokens.add('bench')
      let version = 0
      /** Bytes that no other object has. */
      const make = (): string => {
        const bytes = Buffer.alloc(objectBytes, sha256(`${version++}`))
        return hub.putObject(bytes)
      }
      const state: Record<string, string> = { '#spec': spec }
      for (let n = 0; n < objects; n++) state[`app/${String(n).padStart(4, '0')}.bin`] = make()
      const data = join(folder, 'data')
      await mkdir(data)
      const times = new Map<string, number>()
      const ports = {
        ...realPorts(data),
        onEvent(event: { readonly event: string }) {
          if (event.event === 'step' || event.event === 'done') times.set(event.event, performance.now())
        },
      }
      const live = () =>
        createAgent({ ...quick, hub: hub.base, joinToken: 'bench', logPush: false }, ports).run(
          AbortSignal.timeout(120_000),
        )
      await live()
      hub.addStep(hub.device(), { ...state })
      await live()

      const updates: number[] = []
      const copies: number[] = []
      let downloaded = 0
      for (let round = 0; round < rounds; round++) {
        for (let n = 0; n < changed; n++)
          state[`app/${String(n * 100 + round).padStart(4, '0')}.bin`] = make()
        const step = hub.addStep(hub.device(), { ...state })
        const before = hub.seen.length
        await live()
        if (step.progress.status !== 'DONE')
          throw new Error(`wanted DONE, got ${JSON.stringify(step.progress)}`)
        updates.push((times.get('done') ?? 0) - (times.get('step') ?? 0))
        const got = hub.seen.slice(before).filter(({ path }) => path.startsWith('/local-s3/get-'))
        downloaded += got.length * objectBytes
        copies.push(
          await copyState(join(data, 'current', 'app'), Object.keys(state), join(folder, `copy-${round}`)),
        )
      }
      const MiB = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)
      const wanted = rounds * changed * objectBytes
      const ratios = updates.map((ms, i) => ms / (copies[i] ?? Number.NaN))
      return {
        figures: [
          {
            name: 'bytes downloaded / bytes changed',
            ratio: downloaded / wanted,
            goal: { atMost: 1.1 },
            detail: `${MiB(downloaded)} against ${MiB(wanted)} MiB in ${rounds} updates`,
          },
          {
            name: 'from the step to its last word kept / copying the state, each file synced',
            ratio: median(ratios),
            goal: { atMost: 2 },
            detail: `${median(updates).toFixed(0)} against ${median(copies).toFixed(0)} ms`,
          },
        ],
      }
    } finally {
      await hub[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** Copies the files of a state one by one, each safe before the next; how long that takes, in milliseconds. */
async function copyState(from: string, paths: readonly string[], to: string): Promise<number> {
  await mkdir(to)
  const start = performance.now()
  for (const path of paths) {
    if (!path.startsWith('app/')) continue
    const name = path.slice('app/'.length)
    await copyFile(join(from, name), join(to, name))
    const file = await open(join(to, name), 'r+')
    await file.sync()
    await file.close()
  }
  const took = performance.now() - start
  await rm(to, { recursive: true, force: true })
  return took
}
