import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type FakeDevice, fakeDevice } from './fake-device.ts'
import { admin, type Person, startServer, type TestServer, temporaryFolder } from './fleet-support.ts'

const spec = 'pantavisor-service-system@1'
const shaOfA = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'

let server: TestServer
let me: Person
let device: FakeDevice
let count = 0
let nick = ''
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  me = await admin(server)
  device = await fakeDevice(server)
  nick = `pump-${++count}`
  await me.run('device', 'claim', device.id, device.challenge, '--nick', nick)
  await device.announce({ '#spec': spec, 'bsp/run.json': { kernel: 'k' } })
  await device.report(0, 'DONE', { progress: 100 })
})
afterAll(() => server.stop())

/** A folder with files in it; a text that begins with `->` is a link. */
function folder(files: Readonly<Record<string, string>>): string {
  const root = temporaryFolder()
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    if (text.startsWith('->')) symlinkSync(text.slice(2), join(root, path))
    else writeFileSync(join(root, path), text)
  }
  return root
}

const stateOf = async (step?: string): Promise<unknown> =>
  (await me.run('trail', 'show', nick, ...(step === undefined ? [] : [step]), '--state')).json()

describe('posting', () => {
  test('[CL24] a folder becomes documents and objects on top of the newest step', async () => {
    const source = folder({
      'app/run.json': '{"name":"app"}',
      'app/root.squashfs': 'a',
      'app/.hidden/x': 'a',
      '.pvr/json': 'foreign',
      '.git/HEAD': 'foreign',
    })
    const ran = await me.run('trail', 'post', nick, source, '-m', 'first app')
    expect(ran).toMatchObject({ code: 0, err: [], out: [`posted step 1 to ${nick}`] })
    expect(await stateOf()).toEqual({
      '#spec': spec,
      'bsp/run.json': { kernel: 'k' },
      'app/run.json': { name: 'app' },
      'app/root.squashfs': shaOfA,
      'app/.hidden/x': shaOfA,
    })
    expect((await me.run('trail', 'ls', nick)).out[1]).toMatch(/^ +1 {2}queued +NEW +now +first app$/)
    expect((await me.run('object', 'get', shaOfA)).bytes.toString()).toBe('a')
  })

  test('[CL24] --replace leaves out what was there', async () => {
    await me.run('trail', 'post', nick, folder({ 'a.json': '1' }), '--replace')
    expect(await stateOf()).toEqual({ '#spec': spec, 'a.json': 1 })
  })

  test('[CL24] the spec of the newest step stays', async () => {
    const other = 'pantavisor-multi-platform@1'
    const whole = join(
      folder({ 'state.json': JSON.stringify({ '#spec': other, 'x.json': {} }) }),
      'state.json',
    )
    await me.run('trail', 'post', nick, whole)
    await me.run('trail', 'post', nick, folder({ 'y.json': '{}' }))
    expect(await stateOf()).toEqual({ '#spec': other, 'x.json': {}, 'y.json': {} })
  })

  test('[CL27] a file is the whole state', async () => {
    const whole = join(folder({ 's.json': JSON.stringify({ '#spec': spec, 'z.json': [1] }) }), 's.json')
    const ran = await me.run('trail', 'post', nick, whole, '--json')
    expect(ran.json()).toMatchObject({ rev: 1, outcome: 'queued', device: device.id })
    expect(await stateOf('1')).toEqual({ '#spec': spec, 'z.json': [1] })
    expect(await stateOf('0')).toEqual({ '#spec': spec, 'bsp/run.json': { kernel: 'k' } })
  })

  test('[CL25] a step that came in between is not lost under ours', async () => {
    const many = Array.from({ length: 4 }, (_, i) => folder({ [`part-${i}.json`]: String(i) }))
    const all = await Promise.all(many.map((source) => me.run('trail', 'post', nick, source)))
    const won = all.filter(({ code }) => code === 0).length
    for (const { code, err } of all)
      if (code !== 0)
        expect(err[0]).toMatch(/^waymark: step \d cannot follow on trail [0-9a-f]+ \(expected \d\)$/)
    const state = (await stateOf()) as object
    expect(won).toBeGreaterThan(0)
    expect(Object.keys(state).filter((path) => path.startsWith('part-'))).toHaveLength(won)
  })

  const refused = [
    { what: 'a link', files: { a: 'x', b: '->a' }, says: /b: wanted a plain file or a folder, got a link$/ },
    { what: 'a link to a folder', files: { 'a/b': 'x', c: '->a' }, says: /c: wanted .* got a link$/ },
    { what: 'broken JSON', files: { 'a/x.json': '{' }, says: /a\/x\.json: wanted JSON, got / },
    { what: 'nothing', files: {}, says: /wanted a folder with files in it, got an empty one$/ },
    { what: 'only foreign folders', files: { '.git/HEAD': 'x' }, says: /got an empty one$/ },
  ]
  for (const { what, files, says } of refused)
    test(`[CL26] a folder with ${what} is refused before anything is sent`, async () => {
      const ran = await me.run('trail', 'post', nick, folder(files as Record<string, string>))
      expect(ran.code).toBe(1)
      expect(ran.err).toEqual([expect.stringMatching(says)])
      expect((await me.run('trail', 'ls', nick, '--json')).out).toHaveLength(1)
    })

  test('[CL10] what is no state is told by its place', async () => {
    const files = folder({ 'list.json': '[]', 'odd.json': '{"a":1}', 'bytes.bin': 'x', 'bad/a\\b': 'x' })
    const post = async (name: string) => (await me.run('trail', 'post', nick, join(files, name))).err[0]
    expect(await post('list.json')).toMatch(/list\.json: wanted a state \(a JSON object\), got \[\]$/)
    expect(await post('odd.json')).toMatch(/^waymark: state #spec: wanted one of .*, got nothing$/)
    expect(await post('bytes.bin')).toMatch(/bytes\.bin: wanted JSON, got /)
    expect(await post('missing')).toMatch(/missing: wanted a state in JSON or a folder, got nothing$/)
    expect(await post('bad')).toMatch(/^waymark: state path .*: wanted a path without backslashes, got /)
  })

  test('[CL10] a device without a trail has nothing to follow on', async () => {
    const fresh = await fakeDevice(server)
    await me.run('device', 'claim', fresh.id, fresh.challenge)
    for (const args of [
      ['post', fresh.id, folder({ 'a.json': '1' })],
      ['show', fresh.id],
    ])
      expect(await me.run('trail', ...args)).toMatchObject({
        code: 1,
        err: [`waymark: device ${fresh.id} has not announced its factory state yet`],
      })
    expect((await me.run('trail', 'ls', fresh.id)).err).toEqual(['no steps yet'])
  })
})

describe('looking', () => {
  test('[CL12] where all trails stand', async () => {
    await me.run('trail', 'post', nick, folder({ 'a.json': '1' }), '-m', 'say \u001b[2J')
    await device.report(1, 'DOWNLOADING', { progress: 40 })
    const { out } = await me.run('trail', 'ls')
    expect(out[0]).toMatch(/^DEVICE +STEP {2}OUTCOME +RUNNING {2}CHANGED {2,}MESSAGE$/)
    const row = out.find((line) => line.startsWith(`${nick} `))
    expect(row).toMatch(/ 1 {2}in-progress 40 % +0 {2}now +say \\x1b\[2J$/)
    const json = (await me.run('trail', 'ls', '--json')).out.map((line) => JSON.parse(line))
    expect(json.find((each) => each.device.nick === nick)).toMatchObject({
      trail: { running: 0, head: { rev: 1, outcome: 'in-progress', percent: 40 } },
    })
  })

  test('[CL13] a step with its state, the newest one when none is named', async () => {
    await me.run('trail', 'post', nick, folder({ 'a/x': 'a', 'b.json': '{}' }), '-m', 'two files')
    await device.report(1, 'ERROR', { 'status-msg': 'bad checksum' })
    const { out } = await me.run('trail', 'show', device.id)
    expect(out.map((line) => line.replace(/\d{4}-.*/, 'TIME').replace(/[0-9a-f]{64}$/, 'SHA'))).toEqual([
      `device    ${nick} (${device.id})`,
      'step      1',
      'outcome   failed: bad checksum',
      'status    ERROR',
      'says      bad checksum',
      'message   two files',
      'state     SHA',
      'posted    TIME',
      'reported  TIME',
      '',
      `  #spec         ${spec}`,
      '  a/x           SHA',
      '  b.json        document',
      '  bsp/run.json  document',
    ])
    expect((await me.run('trail', 'show', nick, '0', '--json')).json()).toMatchObject({
      step: { rev: 0, outcome: 'done', proof: 'claimed' },
      state: { 'bsp/run.json': { kernel: 'k' } },
    })
    expect(await me.run('trail', 'show', nick, '7')).toMatchObject({
      code: 1,
      err: [expect.stringMatching(/^waymark: trail \w+ has no step 7$/)],
    })
    expect(await me.run('trail', 'show', nick, 'one')).toMatchObject({
      code: 2,
      err: ['waymark: step: wanted its number, got one'],
    })
  })

  test('[CL13] a step that waits is taken back, one that runs is not', async () => {
    await me.run('trail', 'post', nick, folder({ 'a.json': '1' }))
    expect(await me.run('trail', 'cancel', nick, '1')).toMatchObject({
      code: 0,
      out: [`cancelled step 1 of ${nick}`],
    })
    await me.run('trail', 'post', nick, folder({ 'a.json': '2' }))
    await device.report(2, 'QUEUED')
    await device.report(2, 'DOWNLOADING')
    expect((await me.run('trail', 'cancel', nick, '2')).err).toEqual([
      `waymark: step 2 of ${device.id} is DOWNLOADING, not NEW`,
    ])
  })
})

describe('following', () => {
  const ends = [
    { status: 'DONE', code: 0, last: /done/ },
    { status: 'ERROR', code: 1, last: /failed/ },
    { status: 'WONTGO', code: 1, last: /failed/ },
  ]
  for (const { status, code, last } of ends)
    test(`[CL28] a step that ends ${status} ends its following with ${code}`, async () => {
      const running = me.begin('trail', 'post', nick, folder({ 'a.json': '1' }), '--watch')
      await running.shows(/ 1 {2}queued/)
      await device.report(1, 'DOWNLOADING', { progress: 40 })
      await running.shows(/40 %/)
      await device.report(1, status, { progress: 100 })
      const ran = await running.ended
      expect(ran.code).toBe(code)
      expect(ran.out.at(-1)).toMatch(last)
      expect(new Set(ran.out).size).toBe(ran.out.length)
    })

  test('[CL28] a step that has ended is not waited for', async () => {
    const ran = await me.run('trail', 'show', nick, '0', '--watch', '--json')
    expect(ran).toMatchObject({ code: 0 })
    expect(ran.json()).toMatchObject({ rev: 0, outcome: 'done' })
  })

  test('[CL14] told to stop, it ends with 0', async () => {
    await me.run('trail', 'post', nick, folder({ 'a.json': '1' }))
    const running = me.begin('trail', 'show', nick, '--watch')
    await running.shows(/queued/)
    running.stop()
    expect((await running.ended).code).toBe(0)
  })

  test('[CL14] steps and trails are followed as they change', async () => {
    const steps = me.begin('trail', 'ls', nick, '-w', '--json')
    const trails = me.begin('trail', 'ls', '-w', '--json')
    await Promise.all([steps.shows(/"rev":0/), trails.shows(new RegExp(nick))])
    await me.run('trail', 'post', nick, folder({ 'a.json': '1' }))
    await device.report(1, 'DONE', { progress: 100 })
    await Promise.all([
      steps.shows(/"rev":1.*"outcome":"done"/),
      trails.shows(new RegExp(`"nick":"${nick}".*"running":1`)),
    ])
    for (const running of [steps, trails]) {
      running.stop()
      const { code, out } = await running.ended
      expect(code).toBe(0)
      expect(new Set(out).size).toBe(out.length)
    }
  })
})
