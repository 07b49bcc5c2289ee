import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<{ code: number | null; out: string; err: string }>
  /** Resolves with the URL once the server is ready. */
  readonly ready: Promise<string>
}

function start(...flags: string[]): Started {
  return startWith({}, ...flags)
}

function startWith(env: NodeJS.ProcessEnv, ...flags: string[]): Started {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-up-'))
  const program = fileURLToPath(new URL('./bare-server.ts', import.meta.url))
  const args = ['--conditions=source', program, 'up', '--data', join(folder, 'data'), '--http', '0', ...flags]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...env },
  })
  let out = ''
  let err = ''
  const { promise: ready, resolve } = Promise.withResolvers<string>()
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text
    if (/^ready$/m.test(out)) resolve(/^listening http (\S+)$/m.exec(out)?.[1] ?? '')
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const ended = new Promise<{ code: number | null; out: string; err: string }>((end) => {
    child.on('close', (code) => end({ code, out, err }))
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  return { child, ended, ready }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  test(`[CL7] ${signal}: a request in flight is finished, the process ends with 0, stdout and stderr are as promised`, async () => {
    const { child, ended, ready } = start()
    const url = await ready
    const answered = fetch(`${url}/slow`).then((answer) => answer.text())
    await fetch(`${url}/healthz`)
    child.kill(signal)
    expect(await answered).toBe('finished')
    const { code, out, err } = await ended
    expect(code).toBe(0)
    expect(out).toMatch(/^listening http http:\/\/127\.0\.0\.1:\d+\nready\n$/)
    for (const line of err.trim().split('\n'))
      expect(JSON.parse(line)).toMatchObject({ level: expect.any(String) })
  })

test('[CL7] a second signal ends the process at once, with 1', async () => {
  const { child, ended, ready } = start()
  const url = await ready
  fetch(`${url}/never`).catch(() => {})
  await fetch(`${url}/healthz`)
  child.kill('SIGTERM')
  while (
    await fetch(`${url}/healthz`).then(
      () => true,
      () => false,
    )
  );
  child.kill('SIGTERM')
  expect(await ended).toMatchObject({ code: 1 })
})

test('[CL7] a request that does not finish is cut after the drain, and the process ends with 0', async () => {
  const { child, ended, ready } = start('--drain-timeout', '1')
  const url = await ready
  const cut = fetch(`${url}/never`).then(
    () => 'answered',
    () => 'cut',
  )
  await fetch(`${url}/healthz`)
  child.kill('SIGTERM')
  expect(await cut).toBe('cut')
  expect(await ended).toMatchObject({ code: 0 })
})

test('[CL2] a port in use ends with 1 and one clear line', async () => {
  const first = start()
  const { port } = new URL(await first.ready)
  const { code, out, err } = await start('--http', port).ended
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toBe(
    `waymark: http on 127.0.0.1:${port}: wanted a free port (choose one with --http; 0 picks any), got one in use\n`,
  )
})

test('[CL2] wrong usage ends with 2 before anything is made', async () => {
  expect(await start('--htpp', '1').ended).toEqual({
    code: 2,
    out: '',
    err: 'waymark: --htpp: unknown flag (did you mean --http?)\n',
  })
})

test('[CL7] what a command left open does not hold the process', async () => {
  const { child, ended, ready } = startWith({ LEAVE_OPEN: '1' })
  await ready
  child.kill('SIGTERM')
  expect(await ended).toMatchObject({ code: 0 })
})
