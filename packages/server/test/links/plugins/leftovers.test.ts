import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { allDoors, composeHouse, openHomes, openHouse } from '../../../src/compose.ts'
import type { Door } from '../../../src/house.ts'
import { type Open, serve } from '../../../src/serve.ts'
import { configOf, keptLog, temporaryFolder } from '../../support.ts'

const quiet = fileURLToPath(new URL('../../../../plugin/test/plugins/reads.js', import.meta.url))

/** Processes of this machine that run the module at this path. */
function processesOf(path: string): number {
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
  return commands.filter((command) => command.includes(path)).length
}

/** A folder with a plugin that no other test runs. */
function ownPlugin(): string {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  copyFileSync(quiet, join(folder, 'index.js'))
  return join(folder, 'index.js')
}

function start(open: Open, ...flags: string[]) {
  const stopped = new AbortController()
  onTestFinished(() => stopped.abort())
  const { log } = keptLog()
  const config = configOf('--data', join(temporaryFolder(), 'data'), '--database', 'memory:', ...flags)
  return serve({ config, open, out: () => {}, log, signal: stopped.signal })
}

const counted = test.runIf(process.platform === 'linux')

counted('[PL17] a house whose doors do not open leaves no process of a plugin behind', async () => {
  const plugin = ownPlugin()
  let running = 0
  const shut: Door = async () => {
    running = processesOf(plugin)
    throw new Error('the door is stuck')
  }
  const open: Open = async (config, services) =>
    (await composeHouse(config, services, await openHomes(config, services), [...allDoors, shut])).opened
  expect(await start(open, '--plugin', plugin)).toMatchObject({ ok: false })
  expect(running).toBe(1)
  expect(processesOf(plugin)).toBe(0)
})

counted('[PL17] a server whose port is taken leaves no process of a plugin behind', async () => {
  const plugin = ownPlugin()
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void taken.close())
  const { port } = taken.address() as AddressInfo
  const ended = await start(openHouse, '--plugin', plugin, '--http', String(port))
  expect(ended).toMatchObject({ ok: false, refusal: { kind: 'port-in-use' } })
  expect(processesOf(plugin)).toBe(0)
})

counted(
  '[PL17] a plugin that is refused leaves no process behind, of itself or of those before it',
  async () => {
    const [first, second] = [ownPlugin(), ownPlugin()]
    expect(await start(openHouse, '--plugin', first, '--plugin', second)).toMatchObject({
      ok: false,
      refusal: { got: expect.stringContaining('of its own') },
    })
    expect(processesOf(first) + processesOf(second)).toBe(0)
  },
)
