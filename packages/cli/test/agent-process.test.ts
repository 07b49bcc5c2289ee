/** The agent's command with containers as processes: an update that wants a restart, one that does not, and their proof. */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { admin, startServer, temporaryFolder } from './fleet-support.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const script = `const { main } = await import(${JSON.stringify(main)}); await main(process.argv.slice(1))`

/** A folder that is a state: one container, in the system's group or in the one that is replaced live. */
function stateFolder(home: string, version: number, group: 'base' | 'app'): string {
  const folder = join(home, `state-${version}`)
  mkdirSync(join(folder, 'core'), { recursive: true })
  const groups = [{ name: 'base', restart_policy: 'system' }, { name: 'app' }]
  writeFileSync(join(folder, 'device.json'), JSON.stringify({ groups }))
  const run = {
    '#spec': 'service-manifest-run@1',
    type: 'process',
    command: 'sh',
    args: ['-c', 'echo I am $V; exec sleep 3600'],
  }
  writeFileSync(join(folder, 'core', 'run.json'), JSON.stringify({ ...run, group, env: { V: `${version}` } }))
  return folder
}

test('[CL30] an update that needs a restart replaces the program in its place; a live one does not; both are verified, and logs go up', async () => {
  const server = await startServer()
  onTestFinished(() => server.stop())
  const me = await admin(server)
  const { token } = (await me.run('join-token', 'create', '--json')).json() as { token: string }
  const home = temporaryFolder()
  const config = join(home, 'agent.config')
  const intervals = ['updater.interval', 'metadata.devmeta.interval', 'updater.commit.delay']
  writeFileSync(config, intervals.map((key) => `${key}=100ms\n`).join(''))
  const args = ['agent', '--json', '--config', config, '--hub', server.url, '--token', token]
  const own = [
    ...['--data', join(home, 'data'), '--driver', 'process'],
    ...['--factory', stateFolder(home, 0, 'app')],
  ]
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--input-type=module', '-e', script, '--', ...args, ...own],
    { env: { PATH: process.env.PATH, HOME: home }, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  const device = await new Promise<string>((resolve) => {
    lines.on('line', (line) => {
      const event = JSON.parse(line) as { event: string; id: string }
      if (event.event === 'synced') resolve(event.id)
    })
  })
  // What the kernel hands to a program differs with each one, also under the same process id.
  const program = (): string => readFileSync(`/proc/${child.pid}/auxv`, 'hex')
  const programs = [program()]
  const steps: unknown[] = []
  for (const folder of [stateFolder(home, 1, 'app'), stateFolder(home, 2, 'base')]) {
    expect(await me.run('trail', 'post', device, folder, '--replace', '--watch')).toMatchObject({ code: 0 })
    programs.push(program())
    const shown = (await me.run('device', 'show', device, '--json')).json() as { trail: { head: unknown } }
    steps.push(shown.trail.head)
  }
  expect(steps).toEqual([
    expect.objectContaining({ rev: 1, status: 'UPDATED', outcome: 'done', proof: 'verified' }),
    expect.objectContaining({ rev: 2, status: 'DONE', outcome: 'done', proof: 'verified' }),
  ])
  expect(programs[1]).toBe(programs[0])
  expect(programs[2]).not.toBe(programs[1])
  // What the containers wrote is stored on the device, and goes up in batches.
  for (;;) {
    const logs = await me.run('device', 'logs', device)
    if (logs.out.some((line) => line.includes('I am 1')) && logs.out.some((line) => line.includes('I am 2')))
      break
    await new Promise((wait) => setTimeout(wait, 200))
  }
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
})
