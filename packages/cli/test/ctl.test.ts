import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AgentEvent, runAgentCommand } from '@waymark/agent'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Io, run } from '../src/index.ts'

const sleeper = {
  '#spec': 'service-manifest-run@1',
  type: 'process',
  command: '/bin/sh',
  args: ['-c', 'echo hello; exec sleep 3600'],
  group: 'app',
}
const groups = { groups: [{ name: 'app', timeout: 10 }] }

let folder = ''
let socket = ''
const events: AgentEvent[] = []
const stop = new AbortController()
let ended: Promise<number> = Promise.resolve(0)

async function waymark(...words: string[]) {
  const out: string[] = []
  const err: string[] = []
  const io: Io = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env: { WAYMARK_CONTROL: socket },
    terminal: false,
    stopSignal: () => AbortSignal.timeout(20_000),
  }
  const code = await run(['ctl', ...words], io)
  return { code, out: out.join('\n'), err: err.join('\n') }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waymark-ctl-'))
  await mkdir(join(folder, 'factory/web'), { recursive: true })
  await writeFile(join(folder, 'factory/device.json'), JSON.stringify(groups))
  await writeFile(join(folder, 'factory/web/run.json'), JSON.stringify(sleeper))
  await writeFile(join(folder, 'agent.config'), 'updater.commit.delay=50ms\nPV_CONTROL_REMOTE=0\n')
  socket = join(folder, 'data/control/pv-ctrl')
  ended = runAgentCommand(
    {
      flags: {
        hub: 'http://127.0.0.1:9',
        data: join(folder, 'data'),
        driver: 'process',
        factory: join(folder, 'factory'),
      },
      configFile: join(folder, 'agent.config'),
    },
    {
      line: () => undefined,
      complain: () => undefined,
      signal: stop.signal,
      onEvent: (event) => events.push(event),
    },
  )
  for (let n = 0; n < 400; n++) {
    if (/ STARTED +STARTED /.test((await waymark('containers')).out)) return
    await new Promise((wait) => setTimeout(wait, 20))
  }
  throw new Error('the agent does not answer')
})

afterAll(async () => {
  stop.abort()
  await ended
  await rm(folder, { recursive: true, force: true })
})

describe('[CL60] ctl sees the agent through its socket', () => {
  const rows: [string, string[], RegExp][] = [
    [
      'containers',
      ['containers'],
      /^NAME +GROUP +STATUS +GOAL +POLICY +ROLES\nweb +app +STARTED +STARTED +container +mgmt$/,
    ],
    ['groups', ['groups'], /app +READY/],
    ['steps', ['steps'], /NAME +DATE +PROGRESS +MESSAGE\n0 +\S+ +DONE 100 % {2}Factory revision/],
    ['a state', ['step', 'current'], /"#spec": "pantavisor-service-system@1"/],
    ['progress', ['progress', '0'], /^DONE 100 %/],
    ['settings', ['config'], /driver +process +driver/],
    ['build info', ['buildinfo'], /^waymark-agent /],
    ['device-meta', ['device-meta'], /pantavisor\.mode +local/],
    ['names of logs', ['logs'], /^agent\nweb$/],
    ['logs', ['logs', 'web'], /^hello$/],
    ['JSON', ['containers', '--json'], /"status_goal": "STARTED"/],
    ['objects, none', ['objects'], /^$/],
    ['gc', ['gc'], /^0 bytes reclaimed$/],
  ]
  for (const [what, words, shown] of rows)
    test(what, async () =>
      expect(await waymark(...words)).toMatchObject({ code: 0, out: expect.stringMatching(shown) }),
    )
})

test('[CL61] a state is put with its objects, run and waited for', async () => {
  const data = join(folder, 'data.bin')
  await writeFile(data, 'bytes')
  const sha = '277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9'
  expect((await waymark('object-put', data)).out).toBe(`${sha}  ${data}`)
  const copy = join(folder, 'copy.bin')
  expect((await waymark('object-get', sha, '-o', copy)).code).toBe(0)
  expect(await readFile(copy, 'utf8')).toBe('bytes')
  const state = join(folder, 'state.json')
  await writeFile(
    state,
    JSON.stringify({
      '#spec': 'pantavisor-service-system@1',
      'device.json': groups,
      'web/run.json': sleeper,
      'web/data': sha,
    }),
  )
  expect(await waymark('put', state, 'locals/a', data, '-m', 'with data')).toMatchObject({
    code: 0,
    out: 'locals/a',
  })
  const ran = await waymark('run', 'locals/a', '--wait')
  expect([ran.code, ran.out.split('\n').at(-1)]).toEqual([0, 'UPDATED 100 %  Update finished'])
  expect((await waymark('steps')).out).toMatch(/locals\/a .*UPDATED 100 % {2}Update finished +with data/)
  await writeFile(
    state,
    JSON.stringify({ '#spec': 'pantavisor-service-system@1', 'web/data': '0'.repeat(64) }),
  )
  await waymark('put', state, 'b')
  const failed = await waymark('run', 'locals/b', '--wait')
  expect([failed.code, failed.err]).toEqual([1, expect.stringContaining('run locals/b: not kept')])
})

test('[CL62] containers, maps and operations are steered', async () => {
  expect((await waymark('stop', 'web')).code).toBe(0)
  expect((await waymark('start', 'web')).code).toBe(0)
  expect((await waymark('device-meta', 'color=blue')).code).toBe(0)
  expect((await waymark('device-meta')).out).toMatch(/color +blue/)
  expect((await waymark('device-meta', '--delete', 'color')).code).toBe(0)
  expect((await waymark('remote', 'off')).code).toBe(0)
  expect((await waymark('command', 'run-gc')).code).toBe(0)
})

describe('[CL63] what is wrong is one line that names the nearest', () => {
  const rows: [string[], number, RegExp][] = [
    [['contaners'], 2, /unknown command 'contaners' \(did you mean containers\?\)/],
    [['stop', 'wib'], 1, /no container wib \(did you mean web\?\)/],
    [['command', 'go-remot'], 2, /unknown operation go-remot \(did you mean GO_REMOTE\?\)/],
    [['remote', 'maybe'], 2, /wanted on or off, got maybe/],
    [['remote', 'on'], 1, /Remote control is disabled by configuration \(409\)/],
    [['step', 'locals/none'], 1, /Resource does not exist \(404\)/],
    [['step', '../0'], 2, /wanted a plain name/],
    [['progress', 'a b'], 2, /wanted a plain name/],
    [['user-meta', 'nothing'], 2, /wanted key=value/],
    [['containers', '--socket', '/nowhere/pv-ctrl'], 1, /\/nowhere\/pv-ctrl: .*ENOENT/],
    [['object-put', '/nowhere'], 1, /^waymark: \/nowhere: ENOENT/],
  ]
  for (const [words, code, says] of rows)
    test(words.join(' '), async () =>
      expect(await waymark(...words)).toMatchObject({ code, err: expect.stringMatching(says) }),
    )
})
