/**
 * `waymark sim weather` against a server that is a process of its own, started with the example's plugin: stations of both types, a
 * package to a group of which one member loses its line in mid-transfer, and a question to all of them, as docs/plugins.md has it. Rules: RULES.md of packages/sim.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Started, startWaymark } from '../../server/test/processes/server.ts'
import { admin, type Person, password } from './fleet-support.ts'

const example = fileURLToPath(new URL('../../../examples/weather', import.meta.url))
const written = readFileSync(fileURLToPath(new URL('../../../docs/plugins.md', import.meta.url)), 'utf8')
/** What the document has typed: the fleet, and what is asked of it in another terminal. */
const [, typed = ''] = /^npx waymark (sim weather .*)$/m.exec(written) ?? []
const fleet = typed.split(' ')
const [, third = '', told = ''] =
  /In a third terminal:\n\n```\n([\s\S]*?)\n```\n\nThe fleet [^`]*```text\n(.*)\n```/.exec(written) ?? []
const asked = third.split('\n').map((line) => line.split(' ').slice(2))
const quick = ['--interval', '200ms', '--report', '100ms']
let folder = ''
let port = 0
let server: Started
let somebody: () => Promise<Person>

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'waymark-sim-weather-'))
  port = await freePort()
  cpSync(example, join(folder, 'weather'), { recursive: true })
  writeFileSync(join(folder, 'weather', 'settings.json'), JSON.stringify({ host: '127.0.0.1', port }))
  server = startWaymark(
    [
      'up',
      '--http',
      '0',
      '--exoport',
      'off',
      '--data',
      join(folder, 'data'),
      '--plugin',
      join(folder, 'weather'),
    ],
    { WAYMARK_ADMIN_PASSWORD: password },
  )
  const url = await server.ready
  somebody = () => admin({ url, exoport: 0, stop: async () => {} })
})
afterAll(async () => {
  await server.kill()
  rmSync(folder, { recursive: true, force: true })
})

test('[SM9] stations of both types install what their group is sent, one of them over a cut, and say how the weather is', async () => {
  const person = await somebody()
  const at = `127.0.0.1:${port}`
  const running = person.begin(...fleet, '--weather', at, ...quick)
  await running.shows(/^6 of 6 stations connected; /)
  const [install, scan, status, ...others] = asked
  expect(others).toEqual([])
  expect(await person.run(...(install ?? []))).toMatchObject({ code: 0, err: [] })
  // Three of them, two packages each, the first of which is cut in one.
  await running.shows(/ 6 packages installed, .* 1 cut in mid-transfer, 1 gone on; 0 refused, 1 lines lost/)
  const states = await person.run(...(status ?? []))
  expect(states.out.join('\n').match(/"operation-status":"completed"/g)).toHaveLength(3)
  const scanned = await person.run(...(scan ?? []))
  expect([scanned.code, scanned.out.at(-1)]).toEqual([0, expect.stringMatching(/ended.*done/)])
  const line = await running.shows(/; 3 calls answered/)
  expect(line.replace(/[\d.]+ MB/, '1.20 MB')).toBe(told)
  running.stop()
  const { code, out } = await running.ended
  expect(code).toBe(0)
  expect(out.at(-1)).toMatch(
    /^stopped: 3 calls answered, .* 6 packages installed, 0 removed, 1\.\d+ MB received; 1 cut/,
  )
})

test('[SM9] it comes back under the same names, and what it is told in JSON are its counts', async () => {
  const person = await somebody()
  const running = person.begin('sim', 'weather', '--devices', '6', '--weather', `${port}`, '--json', ...quick)
  await running.shows(/"connected":6/)
  const configured = await person.run(
    ...(['rpc', 'update-package-config', 'package-name=weather_app-1.1', 'targets=weather-0'] as const),
    'values.sample_rate=60',
  )
  expect({ code: configured.code, err: configured.err }).toEqual({ code: 0, err: [] })
  await running.shows(/"configured":1/)
  running.stop()
  expect((await running.ended).code).toBe(0)
})

for (const { args, says } of [
  { args: ['--weather', 'nowhere'], says: /--weather: wanted HOST:PORT or PORT, got nowhere/ },
  { args: ['--cut', '7'], says: /--cut: wanted a number up to 2, got 7/ },
  { args: ['--account', 'none'], says: /account-not-specified/ },
])
  test(`[SM9] waymark sim weather ${args.join(' ')} is refused in one line`, async () => {
    const { code, err } = await (await somebody()).run('sim', 'weather', '--devices', '2', ...args)
    expect(code).not.toBe(0)
    expect(err.join('\n')).toMatch(says)
  })

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
