/** Packages and their configuration from the command line. Rules: ../RULES.md. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { fakeDevice } from './fake-device.ts'
import { admin, type Person, startServer, type TestServer } from './fleet-support.ts'

const app = `module app { namespace "urn:app"; prefix a;
  container app { leaf rate { type uint16 { range "1..1000"; } default 128; } leaf big { type uint64; } } }`

let server: TestServer
let somebody: Person
let folder: string
beforeAll(async () => {
  server = await startServer()
  folder = await mkdtemp(join(tmpdir(), 'waymark-packages-'))
  await writeFile(join(folder, 'base.img'), 'the base')
  await writeFile(join(folder, 'app.img'), 'the app')
})
let isSetUp = false
beforeEach(async () => {
  somebody = await admin(server)
  if (isSetUp) return
  isSetUp = true
  await must('device-type', 'create', 'station', 'exodm_bert')
  await must('rpc', 'create-yang-module', 'repository=user', 'name=app.yang', `yang-module=${app}`)
  await must('package', 'push', join(folder, 'base.img'), '--name', 'base-1')
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true })
})

async function must(...args: string[]): Promise<string> {
  const done = await somebody.run(...args)
  expect([done.code, done.err.join('\n'), args.join(' ')]).toEqual([0, done.err.join('\n'), args.join(' ')])
  return done.out.join('\n')
}
async function refused(...args: string[]): Promise<[number, string]> {
  const done = await somebody.run(...args)
  return [done.code, done.err.join('\n')]
}

test('[CL84] a file becomes a package; it is listed, shown, allowed and removed by name', async () => {
  const pushed = await must(
    ...['package', 'push', join(folder, 'app.img'), '--name', 'app-1', '--module', 'app.yang'],
    ...['--container', 'app', '--needs', 'base-1', '--upgrades', 'base-1'],
  )
  expect(pushed).toMatch(/^pushed app-1, 7 B/)
  expect(await must('package', 'ls')).toMatch(/app-1 +7 B +app.yang +base-1 +base-1\nbase-1/)
  expect(await must('package', 'allow', 'app-1', 'station', '--install-arguments', '--quiet')).toBe(
    'app-1: devices of type station may have it',
  )
  expect(await must('package', 'show', 'app-1')).toMatch(
    /container +app\nneeds +base-1\n(.*\n)*types +station/,
  )
  expect(await refused('package', 'rm', 'app-1', '--yes')).toEqual([
    1,
    expect.stringContaining('type station allows it'),
  ])
  await must('package', 'allow', 'app-1', 'station', '--not')
  expect(await must('package', 'rm', 'app-1', '--yes')).toBe('removed app-1')
  expect(await refused('package', 'show', 'app-1')).toEqual([
    1,
    expect.stringContaining('there is no package app-1 here'),
  ])
})

test('[CL84] an installation is asked of devices and groups; what can not be ends with 1 and its words', async () => {
  await must('package', 'allow', 'base-1', 'station')
  await must('rpc', 'create-device', 'device-id=mast', 'device-type=station')
  await must('group', 'create', 'roof')
  await must('group', 'add', 'roof', 'mast')
  expect(await refused('package', 'install', 'base-1')).toEqual([
    2,
    expect.stringContaining('--device or --group'),
  ])
  expect(await refused('package', 'install', 'base-1', '-d', 'nobody')).toEqual([
    1,
    expect.stringContaining('there is no device nobody here'),
  ])
  expect(await refused('package', 'install', 'base-1', '-d', 'mast', '--ttl', 'soon')).toEqual([
    2,
    expect.stringContaining('wanted a number of seconds'),
  ])
  expect(await must('package', 'install', 'base-1', '-d', 'mast')).toMatch(
    /^install base-1: queued \(waymark tx show /,
  )
  expect(await must('package', 'status', 'base-1')).toMatch(/mast +no +install +queued/)
  expect(await must('package', 'install', 'base-1', '-g', 'roof')).toMatch(/^install base-1: in-progress/)
  expect(await refused('package', 'uninstall', 'base-1', '-d', 'mast')).toEqual([
    1,
    expect.stringContaining('base-1 is not installed'),
  ])
  expect(await refused('package', 'instal', 'base-1')).toEqual([
    2,
    expect.stringContaining('did you mean install?'),
  ])
})

test('[CL84] a device that follows a trail gets a package by a step of it', async () => {
  await must('package', 'allow', 'base-1', 'pantahub')
  const device = await fakeDevice(server)
  await must('device', 'claim', device.id, device.challenge, '--nick', 'pump')
  await device.announce({ '#spec': 'pantavisor-service-system@1', 'bsp/run.json': { kernel: 'k' } })
  expect(await must('package', 'install', 'base-1', '-d', 'pump')).toMatch(/^install base-1: queued/)
  await expect.poll(() => must('trail', 'show', 'pump')).toContain('install base-1')
})

test('[CL85] configuration is staged for a group, shown, compared and pushed; a wrong one is refused', async () => {
  await must(
    'package',
    'push',
    join(folder, 'app.img'),
    '--name',
    'app-2',
    '--module',
    'app.yang',
    '--container',
    'app',
  )
  await must('group', 'create', 'yard')
  const of = ['-g', 'yard']
  expect(await refused('config', 'set', 'app-2', '{"rate":1001}', ...of)).toEqual([
    1,
    expect.stringContaining('rate'),
  ])
  expect(await refused('config', 'show', ...of)).toEqual([0, 'no configuration'])
  await writeFile(join(folder, 'values.json'), '{"big":18446744073709551615}')
  await must('config', 'set', 'app-2', '{"rate":5}', ...of)
  expect(await must('config', 'set', 'app-2', `@${join(folder, 'values.json')}`, ...of)).toBe(
    'app-2\n  staged  {"rate":5,"big":18446744073709551615}',
  )
  expect(await must('config', 'diff', 'app-2', ...of)).toBe('+ /rate: 5\n+ /big: 18446744073709551615')
  expect(await must('config', 'push', ...of)).toMatch(/^pushed: done/)
  expect(await must('config', 'show', ...of)).toBe('app-2\n  has     {"rate":5,"big":18446744073709551615}')
  await must('config', 'set', 'app-2', '{"rate":6}', ...of)
  expect(await must('config', 'diff', 'app-2', ...of)).toBe('- /rate: 5\n+ /rate: 6')
  await must('config', 'push', 'app-2', ...of)
  expect(await must('config', 'push', ...of)).toBe('nothing is staged')
})

test('[CL85] history and roll back are a device’s; words, flags and versions that are not there are named', async () => {
  await must('rpc', 'create-device', 'device-id=elm', 'device-type=station')
  expect(await refused('config', 'set', 'base-1', '{}', '-d', 'elm')).toEqual([
    1,
    expect.stringContaining('values'),
  ])
  expect(await refused('config', 'history', 'base-1', '-d', 'elm')).toEqual([0, 'nothing was confirmed'])
  expect(await refused('config', 'rollback', 'base-1', '3', '-d', 'elm')).toEqual([
    1,
    expect.stringContaining('there was no version 3 of it'),
  ])
  expect((await refused('config', 'rollback', 'base-1', 'first', '-d', 'elm'))[0]).toBe(2)
  expect((await refused('config', 'show'))[0]).toBe(2)
  expect((await refused('config', 'show', '-d', 'elm', '-g', 'roof'))[0]).toBe(2)
  expect(await refused('config', 'hstory')).toEqual([2, expect.stringContaining('did you mean history?')])
  expect(await must('config', 'docs')).toContain('# ')
})
