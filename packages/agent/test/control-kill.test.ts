import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ask, groups, sleeper, until } from './support/control-rig.ts'
import { sha256, spec, startFakeHub } from './support/fake-hub.ts'
import { temporaryFolder } from './support/rig.ts'

const program = join(import.meta.dirname, 'support/agent-program.ts')

/** Where the agent is killed: so long after the order, in milliseconds. Each row is another place of the trial. */
const moments = [0, 3, 8, 15, 30, 60, 100, 160, 240, 350]

test('[LC32] a SIGKILL at any time in the trial of a local revision leaves old or new, and an end', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  hub.joinTokens.add('token')
  const data = join(folder.path, 'data')
  const factory = join(folder.path, 'factory')
  await mkdir(join(factory, 'web'), { recursive: true })
  await writeFile(join(factory, 'device.json'), JSON.stringify(groups))
  await writeFile(join(factory, 'web/run.json'), JSON.stringify(sleeper()))
  const config = join(folder.path, 'agent.config')
  await writeFile(
    config,
    `hub=${hub.base}\ndata=${data}\nfactory=${factory}\nfactory.autotok=token\ndriver=process\nupdater.interval=50ms\nupdater.commit.delay=200ms\n`,
  )
  const socket = join(data, 'control/pv-ctrl')
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, ['--conditions=source', program, config], { stdio: 'ignore' })
    await until(
      async () => (await ask(socket, 'GET', '/steps/current').catch(() => undefined))?.status === 200,
    )
    return child
  }
  let child = await start()
  try {
    const ends: string[] = []
    for (const [n, wait] of moments.entries()) {
      const bytes = Buffer.from(`bytes ${n}`)
      const rebooting = n % 2 === 1
      const state = {
        '#spec': spec,
        'device.json': groups,
        'web/run.json': sleeper(`${n}`),
        'web/data': sha256(bytes),
      }
      await ask(socket, 'PUT', `/objects/${sha256(bytes)}`, bytes)
      await ask(socket, 'PUT', `/steps/locals/${n}`, JSON.stringify(state))
      const before = (await ask(socket, 'GET', '/steps/current')).json
      const op = rebooting ? 'LOCAL_RUN_COMMIT' : 'LOCAL_RUN'
      await until(
        async () =>
          (await ask(socket, 'POST', '/commands', JSON.stringify({ op, payload: `locals/${n}` }))).status ===
          200,
      )
      await new Promise((resolve) => setTimeout(resolve, wait))
      child.kill('SIGKILL')
      await once(child, 'exit')
      child = await start()
      const progress = await until(async () => {
        const { json } = await ask(socket, 'GET', `/steps/locals/${n}/progress`).catch(() => ({
          json: undefined,
        }))
        const idle = json?.status === 'NEW' || ['DONE', 'UPDATED', 'ERROR'].includes(json?.status)
        return idle ? json : undefined
      })
      const after = (await ask(socket, 'GET', '/steps/current')).json
      // An order that was not begun is simply not there any more; one that was has an end.
      const kept = progress.status === 'DONE' || progress.status === 'UPDATED'
      expect([n, progress, after]).toEqual([n, progress, kept ? state : before])
      if (kept) expect(await readFile(join(data, 'current/web/data'), 'utf8')).toBe(bytes.toString())
      ends.push(progress.status)
    }
    expect(hub.device().steps).toHaveLength(1)
    expect(JSON.stringify(hub.seen)).not.toContain('locals/')
  } finally {
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
}, 120_000)
