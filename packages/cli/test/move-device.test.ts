/** A device that has only been told a new address: its program, its stored identity, and what waits for it there. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { admin, startServer, type TestServer, temporaryFolder } from './fleet-support.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const script = `const { main } = await import(${JSON.stringify(main)}); await main(process.argv.slice(1))`

test('[CL45] a device that moved goes on where it stood, with the same identity and the step that waited for it', async () => {
  const from = await startServer()
  const to = await startServer()
  onTestFinished(() => from.stop())
  onTestFinished(() => to.stop())
  const there = await admin(from)
  const here = await admin(to)
  const { token } = (await there.run('join-token', 'create', '--json')).json() as { token: string }
  const home = temporaryFolder()
  const state = (version: number): string => {
    const folder = join(home, `state-${version}`)
    mkdirSync(folder)
    writeFileSync(join(folder, 'app.bin'), `version ${version}`)
    writeFileSync(join(folder, 'app.json'), JSON.stringify({ version }))
    return folder
  }
  const config = join(home, 'agent.config')
  const intervals = ['updater.interval', 'metadata.devmeta.interval', 'updater.commit.delay']
  writeFileSync(config, intervals.map((key) => `${key}=100ms\n`).join(''))
  const factory = state(0)

  function agent(server: TestServer): {
    child: ChildProcess
    synced: Promise<string>
    stop(): Promise<unknown>
  } {
    const own = ['--data', join(home, 'data'), '--factory', factory, '--token', token]
    const args = ['agent', '--json', '--config', config, '--hub', server.url, ...own]
    const child = spawn(
      process.execPath,
      ['--conditions=source', '--input-type=module', '-e', script, '--', ...args],
      { env: { PATH: process.env.PATH, HOME: home }, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    onTestFinished(() => void child.kill('SIGKILL'))
    const synced = new Promise<string>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const event = JSON.parse(line) as { event: string; id: string }
        if (event.event === 'synced') resolve(event.id)
      })
    })
    const ended = new Promise((resolve) => child.once('close', resolve))
    return {
      child,
      synced,
      stop() {
        child.kill('SIGTERM')
        return ended
      },
    }
  }

  const before = agent(from)
  const id = await before.synced
  expect(await there.run('trail', 'post', id, state(1), '--replace', '--watch')).toMatchObject({ code: 0 })
  await before.stop()
  expect(await there.run('trail', 'post', id, state(2), '--replace')).toMatchObject({ code: 0 })

  const flags = ['--from', from.url, '--user', 'admin', '--password-stdin']
  const moved = await here.run('import', ...flags, join(home, 'moved'))
  expect({ code: moved.code, err: moved.err }).toEqual({ code: 0, err: [] })

  const after = agent(to)
  for (;;) {
    const { step } = (await here.run('trail', 'show', id, '2', '--json')).json() as {
      step: { outcome: string }
    }
    if (step.outcome === 'done') break
    expect(['queued', 'sent', 'in-progress']).toContain(step.outcome)
    await new Promise((wait) => setTimeout(wait, 100))
  }
  const steps = (await here.run('trail', 'ls', id, '--json')).out.map((line) => JSON.parse(line) as object)
  expect(steps).toMatchObject(
    [{ rev: 2 }, { rev: 1 }, { rev: 0 }].map((step) => ({ ...step, outcome: 'done' })),
  )
  // Nobody registered anew.
  expect((await here.run('device', 'ls', '--json')).out).toHaveLength(1)
  await after.stop()
}, 60_000)
