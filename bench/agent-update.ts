/** An update that changes little: what the agent downloads, and how long it takes against copying the state. */
import { spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sha256, spec, startFakeHub } from '../packages/agent/test/support/fake-hub.ts'
import { type Bench, median } from './figure.ts'

const objects = 1000
const objectBytes = (200 * 2 ** 20) / objects
const changed = objects / 100
const rounds = 3

const program = fileURLToPath(new URL('../packages/cli/bin/waymark.mjs', import.meta.url))

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
      const config = join(folder, 'agent.config')
      await writeFile(config, `hub=${hub.base}\ndata=${data}\nfactory.autotok=bench\nlog.push=0\n`)
      /** One life of the agent, as anybody starts it, until it has nothing to do. */
      async function live(): Promise<void> {
        const args = [program, 'agent', '--json', '--until-idle', '--config', config]
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
        for await (const line of createInterface({ input: child.stdout })) {
          const { event } = JSON.parse(line) as { readonly event: string }
          if (event === 'step' || event === 'done') times.set(event, performance.now())
        }
      }
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
