import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'

const host = new URL('../src/host.ts', import.meta.url).href
const quiet = new URL('./plugins/reads.js', import.meta.url).href

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('[PL17] a server that is killed leaves no process of a plugin behind', async () => {
  const program = `
    const { hostPlugin } = await import(${JSON.stringify(host)})
    const plugin = await hostPlugin(${JSON.stringify(quiet)})
    plugin.open({ asked: async () => undefined, gone: async () => {} })
    console.log(plugin.pid)
  `
  const server = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({ input: server.stdout }), 'line')
  const pid = Number(line)
  expect(isRunning(pid)).toBe(true)
  server.kill('SIGKILL')
  await once(server, 'exit')
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 5))
})
