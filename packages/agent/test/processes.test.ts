import { mkdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createMemoryDisk } from '../src/index.ts'
import { createOutput, outputLimits } from '../src/process/output.ts'
import type { Launch, Launched } from '../src/process/ports.ts'
import { createRealProcesses, realDoors } from '../src/real/processes.ts'
import type { LogEntry } from '../src/wire.ts'
import { temporaryFolder } from './support/rig.ts'

const plain = { name: 'web', env: { PATH: '/usr/bin:/bin' }, cwd: '.', limits: {}, fingerprint: '' }
const shell = (script: string, more: Partial<Launch> = {}): Launch => ({
  ...plain,
  command: 'sh',
  args: ['-c', script],
  ...more,
})

async function heard(launched: Launched): Promise<{ out: string; err: string }> {
  const all = { out: '', err: '' }
  for await (const { from, bytes } of launched.output) all[from] += Buffer.from(bytes).toString()
  return all
}

async function workshop() {
  const folder = await temporaryFolder()
  return Object.assign(folder, { processes: createRealProcesses(folder.path) })
}

/** Whether a process is there and not just waiting to be collected. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
}

describe('real processes', () => {
  test('[AG94] a container has the environment it was given, and nothing else', async () => {
    await using at = await workshop()
    process.env.WAYMARK_TEST_SECRET = 'do not tell'
    const launched = await at.processes.launch(
      shell('env; echo trouble >&2; exit 3', { env: { A: '1', PATH: '/usr/bin:/bin' } }),
    )
    const { out, err } = await heard(launched)
    expect(out).toContain('A=1\n')
    expect(out).not.toContain('do not tell')
    expect(err).toBe('trouble\n')
    expect(await launched.exited).toBe('exited with code 3')
  })

  test('[AG95] what a program that ends at once has written is not lost, however late it is read', async () => {
    await using at = await workshop()
    const launched = await at.processes.launch(shell('echo last words; echo really >&2'))
    await launched.exited
    await new Promise((wait) => setTimeout(wait, 50))
    expect(await heard(launched)).toEqual({ out: 'last words\n', err: 'really\n' })
  })

  test('a program that is not there is refused by name', async () => {
    await using at = await workshop()
    await expect(at.processes.launch({ ...plain, command: 'no-such-program', args: [] })).rejects.toThrow(
      /no-such-program/,
    )
  })

  test('[AG91] a signal reaches all that a container started; what outlives it is killed', async () => {
    await using at = await workshop()
    const launched = await at.processes.launch(
      shell("trap '' TERM; sleep 600 & echo $!; sh -c 'exec sleep 600'; exit 0"),
    )
    let child = 0
    for await (const { bytes } of launched.output) {
      child = Number(Buffer.from(bytes).toString().trim())
      break
    }
    expect(await isAlive(child)).toBe(true)
    launched.signal('SIGKILL')
    expect(await launched.exited).toBe('was ended by SIGKILL')
    while (await isAlive(child)) await new Promise((wait) => setTimeout(wait, 10))
  })

  test('[AG84] what an agent had started but not marked is ended too; who merely stands there is not', async () => {
    await using at = await workshop()
    await mkdir(join(at.path, 'revisions/1/web'), { recursive: true })
    const cwd = 'revisions/1/web'
    const env = { PATH: '/usr/bin:/bin' }
    const stray = await at.processes.launch(
      shell('exec sleep 600', { cwd, env: { ...env, WAYMARK_CONTAINER: 'web' } }),
    )
    const somebody = await at.processes.launch(shell('exec sleep 600', { cwd, env }))
    const elsewhere = await at.processes.launch(
      shell('exec sleep 600', { env: { ...env, WAYMARK_CONTAINER: 'x' } }),
    )
    await at.processes.endStrays?.()
    expect(await stray.exited).toBe('was ended by SIGTERM')
    for (const other of [somebody, elsewhere]) {
      expect(await isAlive((JSON.parse(other.mark) as { pid: number }).pid)).toBe(true)
      other.signal('SIGKILL')
    }
  })

  test('[AG84] what an agent left behind is found by its mark and ended; a stranger with its number is not', async () => {
    await using at = await workshop()
    const launched = await at.processes.launch(shell('exec sleep 600'))
    const { pid } = JSON.parse(launched.mark) as { pid: number }
    for (const mark of [
      '',
      '{}',
      '7',
      JSON.stringify({ pid, born: 'another day' }),
      JSON.stringify({ pid: -1, born: 'x' }),
    ])
      await at.processes.endLeftover(mark)
    expect(await isAlive(pid)).toBe(true)
    await at.processes.endLeftover(launched.mark)
    expect(await launched.exited).toBe('was ended by SIGTERM')
  })

  test('[AG96] limits hold for the container', async () => {
    await using at = await workshop()
    const launched = await at.processes
      .launch(shell('ulimit -n', { limits: { open_files: 64 } }))
      .catch((cause: Error) => cause)
    // A machine without prlimit refuses to start it at all.
    if (launched instanceof Error) expect(launched.message).toMatch(/wanted prlimit/)
    else expect((await heard(launched)).out).toBe('64\n')
  })

  test('[AG95] nobody reading holds the program up, and nothing is lost', async () => {
    await using at = await workshop()
    const bytes = 4_000_000
    const launched = await at.processes.launch(shell(`head -c ${bytes} /dev/zero`))
    let over = false
    void launched.exited.then(() => {
      over = true
    })
    await new Promise((wait) => setTimeout(wait, 50))
    expect(over).toBe(false)
    expect((await heard(launched)).out.length).toBe(bytes)
    expect(await launched.exited).toBe('exited with code 0')
  })

  test('doors: a port that is open, and one that is not', async () => {
    const server = createServer()
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    await realDoors.tcp('127.0.0.1', port, 2000)
    await new Promise((closed) => server.close(closed))
    await expect(realDoors.tcp('127.0.0.1', port, 2000)).rejects.toThrow()
    await expect(realDoors.http(`http://127.0.0.1:${port}/`, 2000)).rejects.toThrow()
  })
})

describe('what containers write', () => {
  function writer(parts: readonly { from: 'out' | 'err'; text: string }[]): Launched {
    async function* output() {
      for (const { from, text } of parts) yield { from, bytes: Buffer.from(text) }
    }
    return { mark: '', output: output(), exited: Promise.resolve(''), signal: () => undefined }
  }

  test('[AG95] lines go up whole, also when they come in pieces, with their container and where they came from', async () => {
    const lines: LogEntry[] = []
    const output = createOutput(createMemoryDisk(), async (entry) => void lines.push(entry))
    const parts = [
      { from: 'out', text: 'hel' },
      { from: 'err', text: 'trouble\nmore' },
      { from: 'out', text: 'lo\nworld' },
    ] as const
    await output.follow('web', () => '7', writer(parts))
    expect(lines.map(({ src, msg, lvl, plat, rev }) => [plat, rev, src, lvl, msg])).toEqual([
      ['web', '7', 'stderr', 'WARN', 'trouble'],
      ['web', '7', 'stdout', 'INFO', 'hello'],
      ['web', '7', 'stdout', 'INFO', 'world'],
      ['web', '7', 'stderr', 'WARN', 'more'],
    ])
    expect(output.tail('web')).toBe('trouble\nhello\nworld\nmore')
  })

  test('[AG95] files are rotated; a line without end is cut, not gathered', async () => {
    const disk = createMemoryDisk()
    let longest = 0
    const output = createOutput(disk, async ({ msg }) => {
      longest = Math.max(longest, msg.length)
    })
    const parts = Array.from({ length: 40 }, () => ({ from: 'out' as const, text: 'x'.repeat(20_000) }))
    await output.follow('web', () => '', writer(parts))
    expect(longest).toBe(outputLimits.lineLength)
    const files = await disk.list('output/web')
    expect(files.map(({ name }) => name)).toEqual(['0.log', '1.log'])
    for (const { size } of files) expect(size).toBeLessThanOrEqual(outputLimits.fileBytes + 20_000)
  })

  test('[AG95] the next piece is taken only when the last one was written', async () => {
    let taken = 0
    async function* output() {
      for (;;) {
        taken++
        yield { from: 'out' as const, bytes: Buffer.from('line\n') }
      }
    }
    const stuck = Promise.withResolvers<void>()
    const written = createOutput(createMemoryDisk(), () => stuck.promise)
    void written.follow('web', () => '', { ...writer([]), output: output() })
    await new Promise((wait) => setTimeout(wait, 20))
    expect(taken).toBe(1)
  })
})
