import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { AgentEvent } from '@waymark/agent'
import { describe, expect, onTestFinished, test } from 'vitest'
import { leanArguments, leanFlags } from '../../agent/src/real/lean.ts'
import { startFakeHub } from '../../agent/test/support/fake-hub.ts'
import { temporaryFolder } from './fleet-support.ts'

const program = fileURLToPath(new URL('../bin/waymark.mjs', import.meta.url))
/** Sources cannot run so: `npm test` builds before it tests. */
const built = existsSync(fileURLToPath(new URL('../../agent/dist/real/program.js', import.meta.url)))
const replaces = built && typeof process.execve === 'function' && process.platform !== 'win32'

function start(settings: string, flags: readonly string[] = []) {
  const folder = temporaryFolder()
  const config = join(folder, 'agent.config')
  writeFileSync(config, `data=${join(folder, 'data')}\n${settings}`)
  const child = spawn(process.execPath, [...flags, program, 'agent', '--json', '--config', config], {
    env: { PATH: process.env.PATH, KEPT: 'yes' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said = { out: [] as string[], err: [] as string[] }
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => said.out.push(line))
  createInterface({ input: child.stderr }).on('line', (line) => said.err.push(line))
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, lines, said, code }
}

describe.skipIf(!replaces)('[AG121] an agent that is all there is to its process is a small one', () => {
  test('same process, same streams, same environment; a signal ends it with 0', async () => {
    const hub = await startFakeHub()
    onTestFinished(() => hub[Symbol.asyncDispose]())
    hub.joinTokens.add('token')
    const { child, lines, code } = start(`hub=${hub.base}\nfactory.autotok=token\n`)
    await new Promise<void>((resolve) => {
      lines.on('line', (line) => {
        if ((JSON.parse(line) as AgentEvent).event === 'synced') resolve()
      })
    })
    if (process.platform === 'linux') {
      const words = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0')
      expect(words).toEqual(expect.arrayContaining([...leanFlags]))
      expect(words).not.toContain(program)
      expect(readFileSync(`/proc/${child.pid}/environ`, 'utf8')).toContain('KEPT=yes')
    }
    child.kill('SIGTERM')
    expect(await code).toBe(0)
  })

  test('what is wrong with its settings is said as ever', async () => {
    const { said, code } = start('hub=nowhere\nupdater.intervall=3\n')
    expect(await code).toBe(2)
    expect(said.out).toEqual([])
    expect(said.err).toEqual([
      expect.stringMatching(/updater\.intervall: .*updater\.interval/),
      expect.stringMatching(/hub: wanted an address .*, got nowhere/),
    ])
  })

  test('flags of somebody’s own stand: then it stays what it is', async () => {
    const hub = await startFakeHub()
    onTestFinished(() => hub[Symbol.asyncDispose]())
    const { child, lines, code } = start(`hub=${hub.base}\n`, ['--max-old-space-size=200'])
    await new Promise<void>((resolve) => void lines.once('line', () => resolve()))
    if (process.platform === 'linux')
      expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0')).toContain(program)
    child.kill('SIGTERM')
    expect(await code).toBe(0)
    expect(leanArguments({ flags: {} }, ['--inspect'])).toBe(undefined)
  })
})
