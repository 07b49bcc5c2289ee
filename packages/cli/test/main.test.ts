import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { expect, onTestFinished, test } from 'vitest'
import { type CommandRow, commands } from '../src/command-table.ts'
import { Failure } from '../src/io.ts'
import { withCommander } from '../src/with-commander.ts'
import { waymark } from './support.ts'

/** A command as the others will be: sub-commands, options, and ways to fail. */
const sample: CommandRow = {
  name: 'device',
  summary: 'devices',
  load: async () => ({
    run: (args, { io }) =>
      withCommander(
        new Command('device')
          .addCommand(new Command('ls').option('--label <text>', 'x').action(() => io.out('listed')))
          .addCommand(
            new Command('rm').argument('<id>').action((id: string) => {
              throw new Failure(1, `${id}: no such device`, { cause: new Error('404') })
            }),
          )
          .addCommand(
            new Command('crash').action(async () => {
              throw new TypeError('impossible')
            }),
          ),
        args,
        io,
      ),
  }),
}
const table = [...commands.filter(({ name }) => name !== sample.name), sample]

const wrongUsage: { argv: string[]; says: string }[] = [
  { argv: ['udp'], says: 'waymark: udp: unknown command (did you mean up?)' },
  { argv: ['frobnicate'], says: 'waymark: frobnicate: unknown command (waymark help lists them)' },
  { argv: ['--hlep'], says: 'waymark: --hlep: unknown flag (did you mean --help?)' },
  { argv: ['up', '--htpp', '1'], says: 'waymark: --htpp: unknown flag (did you mean --http?)' },
  { argv: ['up', '--http', 'x'], says: 'waymark: --http: wanted a port (0 picks a free one) or off, got x' },
  { argv: ['up', 'now'], says: 'waymark: now: unexpected argument' },
  {
    argv: ['config'],
    says: 'waymark: config: wanted one of print, check, docs, show, set, diff, push, history, rollback',
  },
  { argv: ['config', 'pint'], says: 'waymark: config pint: unknown command (did you mean print?)' },
  { argv: ['config', 'print', '--dta', 'x'], says: 'waymark: --dta: unknown flag (did you mean --data?)' },
  { argv: ['version', '--jsn'], says: "waymark: version: unknown option '--jsn' (did you mean --json?)" },
  { argv: ['device', 'lss'], says: "waymark: device: unknown command 'lss' (did you mean ls?)" },
  {
    argv: ['device', 'ls', '--lable', 'x'],
    says: "waymark: device: unknown option '--lable' (did you mean --label?)",
  },
  { argv: ['device', 'rm'], says: "waymark: device: missing required argument 'id'" },
  { argv: ['device'], says: 'waymark: device: wanted one of ls, rm, crash' },
]
for (const { argv, says } of wrongUsage)
  test(`[CL1] waymark ${argv.join(' ')}: ${says}`, async () => {
    expect(await waymark(argv, { table })).toEqual({ code: 2, out: '', err: says })
  })

test('[CL2] done is 0, failed is 1', async () => {
  expect(await waymark(['device', 'ls'], { table })).toEqual({ code: 0, out: 'listed', err: '' })
  expect(await waymark(['device', 'rm', 'x'], { table })).toEqual({
    code: 1,
    out: '',
    err: 'waymark: x: no such device',
  })
})

for (const argv of [['help'], ['--help'], ['-h']])
  test(`[CL3] waymark ${argv} lists every command`, async () => {
    const { code, out, err } = await waymark(argv, { table })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const { name, summary } of table) expect(out).toMatch(new RegExp(`^  ${name} +${summary}$`, 'm'))
  })

for (const name of table.map((row) => row.name))
  test(`[CL3] waymark help ${name} and waymark ${name} --help tell the same`, async () => {
    const asked = await waymark([name, '--help'], { table })
    expect(asked).toMatchObject({ code: 0, err: '' })
    expect(asked.out).toMatch(/usage/i)
    expect(await waymark(['help', name], { table })).toEqual(asked)
  })

test('[CL3] no command at all is wrong usage', async () => {
  const { code, out, err } = await waymark([], { table })
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain('usage: waymark <command>')
})

test('[CL4] a defect is one line; with WAYMARK_DEBUG=1 its stack and causes follow', async () => {
  expect(await waymark(['device', 'crash'], { table })).toEqual({
    code: 1,
    out: '',
    err: 'waymark: impossible',
  })
  const shown = await waymark(['device', 'rm', 'x'], { table, env: { WAYMARK_DEBUG: '1' } })
  expect(shown.err).toMatch(
    /^waymark: x: no such device\nFailure: x: no such device\n {4}at .*caused by Error: 404/s,
  )
})

test('[CL5] version as JSON is one document', async () => {
  const { out, code } = await waymark(['version', '--json'])
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ name: 'waymark', node: process.versions.node })
  expect((await waymark(['--version'])).out).toMatch(/^waymark \d+\.\d+\.\d+ \(node /)
})

test('[CL6] help loads no command', async () => {
  const unloadable: CommandRow[] = [
    { name: 'x', summary: 'x', load: () => Promise.reject(new Error('loaded')) },
  ]
  expect(await waymark(['help'], { table: unloadable })).toMatchObject({ code: 0 })
  expect(await waymark(['y'], { table: unloadable })).toMatchObject({ code: 2 })
})

test('[CL8] config print shows value and source, as text and as JSON, without secrets', async () => {
  const env = { WAYMARK_ADMIN_PASSWORD: 'geheim', WAYMARK_MQTT: 'off' }
  const text = await waymark(['config', 'print', '--http', '81'], { env })
  expect(text.out).toMatch(/^http +=\s81 {2}\(flag\)$/m)
  expect(text.out).toMatch(/^mqtt +=\soff {2}\(environment\)$/m)
  const json = await waymark(['config', 'print', '--json', '--http', '81'], { env })
  expect(JSON.parse(json.out)).toContainEqual({ name: 'http', value: '81', source: 'flag' })
  expect(text.out + json.out).not.toContain('geheim')
})

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'waymark-cli-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

test('[CL8] config check says ok and makes nothing', async () => {
  const path = folder()
  expect(await waymark(['config', 'check', '--data', join(path, 'a', 'b')])).toEqual({
    code: 0,
    out: 'ok',
    err: '',
  })
  expect(readdirSync(path)).toEqual([])
})

test('[CL8] config check tells everything a start would stumble over', async () => {
  const path = join(folder(), 'file')
  writeFileSync(path, '')
  const argv = [
    'config',
    'check',
    '--data',
    path,
    '--https',
    '1',
    '--tls-cert',
    '/no/cert',
    '--tls-key',
    '/no/key',
  ]
  const { code, err } = await waymark(argv)
  expect(code).toBe(1)
  expect(err.split('\n')).toHaveLength(4)
  expect(JSON.parse((await waymark([...argv, '--json'])).out)).toMatchObject({
    ok: false,
    findings: { length: 4 },
  })
})

test('[CL8] config check tells of a master key that is open to others', async () => {
  const data = folder()
  mkdirSync(join(data, 'keys'))
  writeFileSync(join(data, 'keys', 'master.key'), 'x', { mode: 0o644 })
  const { code, err } = await waymark(['config', 'check', '--data', data])
  expect({ code, err }).toEqual({
    code: 1,
    err: `waymark: master key ${join(data, 'keys', 'master.key')}: wanted none, or a file with one that only its owner can read, got mode 644`,
  })
})

test('[CL8] config check --json tells refusals as they are', async () => {
  const { code, out } = await waymark(['config', 'check', '--json', '--htpp', '1'])
  expect(code).toBe(2)
  expect(JSON.parse(out)).toEqual({
    ok: false,
    refusals: [{ kind: 'unknown-flag', thing: '--htpp', nearest: '--http' }],
  })
})

test('[CL8] config docs is the page of documentation', async () => {
  expect((await waymark(['config', 'docs'])).out).toMatch(/^# Configuration\n/)
})
