/**
 * The manual's figures 6 to 8, outside the server: `examples/weather` is a plugin by the example's own folder, its stations call
 * in over its own wire, and everything is asked by the command line. Rules: RULES.md of packages/plugin.
 */
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { admin, type Person, startServer, type TestServer } from './fleet-support.ts'

interface Station {
  readonly kept: {
    readonly packages: ReadonlyMap<string, Buffer>
    readonly configured: ReadonlyMap<string, unknown>
    readonly lines: number
  }
  say(module: string, method: string, params: object): void
  stop(): void
}
type MakeStation = (asked: {
  account: string
  device: string
  password: string
  port: number
  told: (what: string) => void
  cutAfter?: number
  listens?: number
  hangUpMs?: number
}) => Station

const example = fileURLToPath(new URL('../../../examples/weather', import.meta.url))
const images = {
  'exodev-1.0': randomBytes(1000),
  'weather_app-1.1': randomBytes(300_000),
  'weather_app-2.0': randomBytes(200_000),
}
const told: string[] = []
const stations: Station[] = []
let server: TestServer
let person: Person
let port = 0
let folder = ''
let station: MakeStation
let modules: Record<string, string>

async function freePort(): Promise<number> {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port: free } = taken.address() as AddressInfo
  await new Promise((resolve) => taken.close(resolve))
  return free
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'waymark-weather-'))
  cpSync(example, folder, { recursive: true })
  port = await freePort()
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ host: '127.0.0.1', port }))
  const at = (file: string) => pathToFileURL(join(folder, file)).href
  ;({ station } = (await import(at('station.js'))) as { station: MakeStation })
  ;({ modules } = (await import(at('modules.js'))) as { modules: Record<string, string> })
  server = await startServer('--plugin', folder)
})
afterAll(async () => {
  for (const each of stations) each.stop()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Calls a method; what is not `ok` fails the test. */
async function rpc(...args: string[]): Promise<string> {
  const { code, out, err } = await person.run('rpc', ...args)
  if (code !== 0) throw new Error(`${args[0]}: ${err.join('\n')} ${out.join('\n')}`)
  return out.join('\n')
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds(); ) {
    if (Date.now() > end) throw new Error(`never: ${what}; ${told.join('; ')}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function callIn(device: string, cutAfter?: number): Station {
  const made = station({
    account: 'main',
    device,
    password: `secret ${device}`.replace(' ', '-'),
    port,
    told: (what) => told.push(`${device} ${what}`),
    ...(cutAfter === undefined ? {} : { cutAfter }),
  })
  stations.push(made)
  return made
}

test('[PL13] figures 6 to 8: types of one plugin, three packages, three stations; installed over a cut, asked, configured', async () => {
  person = await admin(server)
  for (const [name, text] of Object.entries(modules))
    await rpc('create-yang-module', 'repository=user', `name=${name}`, `yang-module=${text}`)
  for (const type of ['weather_r1', 'weather_r2'])
    await rpc(
      'create-device-type',
      `name=${type}`,
      'protocol=weather_proto_v1',
      `yang-specification=${type}_attributes.yang`,
      'attribute-container=attributes',
    )
  const make = (name: keyof typeof images, module: string, container: string, ...more: string[]) =>
    rpc(
      'create-package',
      `package-name=${name}`,
      `yang-specification=${module}`,
      `configuration-container=${container}`,
      `image=${images[name].toString('base64')}`,
      ...more,
    )
  await make('exodev-1.0', 'exodev-1_0.yang', 'exodev')
  await make('weather_app-1.1', 'weather-1_1.yang', 'weather_app', 'prerequisite-packages=exodev-1.0')
  await make('weather_app-2.0', 'weather-2_0.yang', 'weather_app', 'prerequisite-packages=exodev-1.0')
  const allow = (type: string, ...names: string[]) =>
    rpc('add-package-to-device-type', `device-type=${type}`, ...names.map((name) => `package-name=${name}`))
  await allow('weather_r1', 'exodev-1.0', 'weather_app-1.1')
  await allow('weather_r2', 'exodev-1.0', 'weather_app-2.0')
  for (const [name, type] of [
    ['device1', 'weather_r1'],
    ['device2', 'weather_r1'],
    ['device3', 'weather_r2'],
  ] as const)
    await rpc(
      'create-device',
      `device-id=${name}`,
      `device-type=${type}`,
      `password=secret-${name}`,
      'attributes.msisdn=+46',
      'attributes.location=here',
    )
  await rpc('create-device-group', 'name=field')
  await rpc('add-device-group-members', 'group-id=field', 'device-id=device1', 'device-id=device2')

  const first = callIn('device1')
  const second = callIn('device2', 128 * 1024)
  const install = (name: string, target: string) =>
    rpc('install-package', `package-name=${name}`, `targets=${target}`, 'recursive-dependency-resolve=true')
  await install('weather_app-1.1', 'field')
  await install('weather_app-2.0', 'device3')
  for (const each of [first, second])
    await until('both have the first', () => each.kept.packages.has('weather_app-1.1'))
  expect(told.some((line) => /^device2 goes on with weather_app-1\.1 at \d+$/.test(line))).toBe(true)
  expect(second.kept.lines).toBe(2)
  for (const each of [first, second])
    for (const name of ['exodev-1.0', 'weather_app-1.1'] as const)
      expect(each.kept.packages.get(name)?.equals(images[name])).toBe(true)
  // The third was away all the time.
  const third = callIn('device3')
  await until('the third has its own', () => third.kept.packages.has('weather_app-2.0'))
  expect(third.kept.configured.get('weather_app-2.0')).toEqual({ sample_rate: 128, unit: 'K' })

  const scanned = await person.run('rpc', 'weather-1_1:get-scan', 'device-id=device1', '--watch')
  expect([scanned.code, scanned.out.at(-1)]).toEqual([0, expect.stringMatching(/ended.*done/)])
  await rpc('exodev-1_0:transfer-init', 'device-id=device3')
  await until('the transfer is begun', () => told.includes('device3 does exodev-1_0:transfer-init'))

  await rpc(
    'update-package-config',
    'package-name=weather_app-1.1',
    'targets=device1',
    'values.sample_rate=60',
  )
  await until('it is configured', () =>
    /60/.test(JSON.stringify(first.kept.configured.get('weather_app-1.1') ?? {})),
  )
  const status = await rpc('get-package-status', 'package-name=weather_app-1.1')
  expect(status.match(/"operation-status":"completed"/g)).toHaveLength(2)
  const shown = (await person.run('device', 'show', 'device3')).out.join('\n')
  expect(shown).toMatch(/link +weather_proto_v1, connected, 0 in its queue/)
})

test('[PL18] a station with an address is called when something waits for it, hangs up, and is called again for the next', async () => {
  person = await admin(server)
  const listens = await freePort()
  const made = station({
    account: 'main',
    device: 'device4',
    password: 'it-is-not-asked',
    port: 0,
    told: (what) => told.push(`device4 ${what}`),
    listens,
    hangUpMs: 300,
  })
  stations.push(made)
  await rpc(
    'create-device',
    'device-id=device4',
    'device-type=weather_r1',
    'attributes.msisdn=+46',
    'attributes.location=here',
    `attributes.address=127.0.0.1:${listens}`,
  )
  expect(made.kept.lines).toBe(0)
  await rpc(
    'install-package',
    'package-name=weather_app-1.1',
    'targets=device4',
    'recursive-dependency-resolve=true',
  )
  await until('it has its package', () => made.kept.packages.has('weather_app-1.1'))
  expect(made.kept.packages.get('weather_app-1.1')?.equals(images['weather_app-1.1'])).toBe(true)
  const before = made.kept.lines
  const isThere = async () =>
    /weather_proto_v1, connected/.test((await person.run('device', 'show', 'device4')).out.join())
  while (await isThere()) await new Promise((resolve) => setTimeout(resolve, 50))
  const scanned = await person.run('rpc', 'weather-1_1:get-scan', 'device-id=device4', '--watch')
  expect([scanned.code, scanned.out.at(-1)]).toEqual([0, expect.stringMatching(/ended.*done/)])
  expect(made.kept.lines).toBeGreaterThan(before)
})
