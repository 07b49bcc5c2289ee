import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openHouse } from '@waymark/server'
import { expect, onTestFinished, test } from 'vitest'
import { type Io, run } from '../src/index.ts'

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function waymark(...args: string[]) {
  const out: string[] = []
  const err: string[] = []
  const io: Io = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env: {},
    terminal: false,
    stopSignal: () => new AbortController().signal,
  }
  const code = await run(args, io)
  return { code, out, err }
}

/** A data folder as a first start leaves it. */
async function dataFolder(): Promise<string> {
  const data = temporary()
  const { createLog, parseConfig, serve } = await import('@waymark/server')
  const config = parseConfig({
    flags: ['--data', data, '--http', '0', '--exoport', 'off', '--log-level', 'silent'],
    env: {},
  })
  if (!config.ok) throw new Error(JSON.stringify(config.refusal))
  const stop = new AbortController()
  await serve({
    config: config.value,
    open: openHouse,
    log: createLog({ logLevel: 'silent' }),
    signal: stop.signal,
    out: (line) => line === 'ready' && stop.abort(),
  })
  return data
}

test('[CL32] a backup is made, read through and put back, and says where the key is', async () => {
  const data = await dataFolder()
  const file = join(temporary(), 'today.tar')
  const made = await waymark('backup', 'create', file, '--data', data)
  expect(made).toMatchObject({ code: 0, err: [] })
  expect(made.out[0]).toMatch(/^backed up to .*today\.tar, as of 20/)
  expect(made.out[2]).toMatch(/^the master key is not inside: it lies at .*master\.key, mark [0-9a-f]{16}$/)
  expect((await waymark('backup', 'verify', file)).out[0]).toMatch(/^whole: /)
  const told = await waymark('backup', 'verify', file, '--json')
  expect(JSON.parse(told.out.join('\n'))).toMatchObject({ form: 1, from: 'sqlite', key: { inside: false } })
  const target = join(temporary(), 'new')
  expect((await waymark('backup', 'restore', file, '--data', target)).out[0]).toMatch(/^restored from /)
  expect(await waymark('backup', 'restore', file, '--data', target)).toMatchObject({
    code: 1,
    err: [`waymark: ${file}: the target: wanted an empty store, got one that holds tenants`],
  })
  expect(await waymark('gc', '--dry-run', '--data', target)).toMatchObject({
    code: 0,
    out: ['would collect 0 objects (0 B) and 0 files without a record'],
  })
})

test('[CL32] wrong usage is one line, and exit code 2', async () => {
  for (const [args, said] of [
    [['backup'], 'backup: wanted create, verify, restore'],
    [['backup', 'creat'], 'backup creat: unknown command (did you mean create?)'],
    [['backup', 'create'], 'backup create: wanted a file, got none'],
    [['backup', 'create', 'x.tar', '--dat', '.'], '--dat: unknown flag (did you mean --data?)'],
    [['backup', 'verify', 'x.tar', '--data'], 'backup verify: unexpected --data'],
    [['gc', '--dry'], '--dry: unknown flag'],
  ] as const)
    expect(await waymark(...args)).toMatchObject({ code: 2, out: [], err: [expect.stringContaining(said)] })
  expect((await waymark('backup', '--help')).out[0]).toContain('usage: waymark backup create FILE')
})

test('[CL32] what is not there is one line that names it', async () => {
  const file = join(temporary(), 'none.tar')
  const verified = await waymark('backup', 'verify', file)
  expect(verified.code).toBe(1)
  expect(verified.err).toEqual([expect.stringContaining(file)])
  const data = join(temporary(), 'nothing')
  expect(await waymark('backup', 'create', file, '--data', data)).toMatchObject({
    code: 1,
    err: [expect.stringContaining('there is no such file')],
  })
})
