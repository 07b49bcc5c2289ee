import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { changeOf, metaOf } from '../src/commands/device-changes.ts'
import { fakeDevice } from './fake-device.ts'
import { admin, type Person, startServer, type TestServer } from './fleet-support.ts'

let server: TestServer
let me: Person
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  me = await admin(server)
})
afterAll(() => server.stop())

/** A device that is claimed under a name. */
async function claimed(nick: string) {
  const device = await fakeDevice(server)
  const ran = await me.run('device', 'claim', device.id, device.challenge, '--nick', nick)
  expect(ran).toMatchObject({ code: 0, err: [], out: [`claimed ${device.id} as ${nick}`] })
  return device
}

describe('one device', () => {
  test('[CL13] it is found by id and by nick', async () => {
    const { id } = await claimed('well')
    const byNick = await me.run('device', 'show', 'well', '--json')
    const byId = await me.run('device', 'show', id, '--json')
    expect(byNick.json()).toMatchObject({ device: { id, nick: 'well' }, userMeta: {}, deviceMeta: {} })
    expect(byId.json()).toEqual(byNick.json())
    expect((await me.run('device', 'show', 'nowhere')).err).toEqual([
      'waymark: there is no device nowhere here',
    ])
  })

  test('[CL21] nick, labels, visibility and user-meta are set', async () => {
    const { id } = await claimed('gate')
    await me.run('device', 'set', 'gate', '--label', 'site=north', '--label', 'old=1', 'mode=eco')
    const flags = ['--nick', 'gate2', '--label', 'kind=a=b', '--unlabel', 'old', '--public']
    const ran = await me.run('device', 'set', 'gate', ...flags, 'max:=[1,{"a":null}]', 'note=x=y', '--json')
    expect(ran.json()).toMatchObject({
      device: { id, nick: 'gate2', labels: { site: 'north', kind: 'a=b' }, public: true },
      userMeta: { mode: 'eco', max: [1, { a: null }], note: 'x=y' },
    })
    expect((await me.run('device', 'show', 'gate2')).out).toEqual([
      'nick     gate2',
      `id       ${id}`,
      'type     pantahub',
      'labels   kind=a=b site=north',
      'public   yes',
      expect.stringMatching(/^created {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \((now|\d+ s ago)\)$/),
      expect.stringMatching(/^claimed {2}/),
      'seen     never',
      'trail    has not announced its factory state yet',
      '',
      'user-meta',
      '  max   [1,{"a":null}]',
      '  mode  eco',
      '  note  x=y',
    ])
  })

  const wrong = [
    { args: [], says: 'device set: wanted key=value, --nick, --label, --unlabel, --public or --private' },
    { args: ['novalue'], says: 'device set: wanted key=value or key:=json, got novalue' },
    { args: ['=x'], says: 'device set: wanted key=value or key:=json, got =x' },
    { args: ['a:=nojson'], says: 'device set a: wanted JSON behind :=, got nojson' },
    { args: ['--label', 'site'], says: 'device set --label: wanted label=value, got site' },
    { args: ['--public', '--private'], says: 'device set: wanted one of --public and --private' },
  ]
  for (const { args, says } of wrong)
    test(`[CL21] device set x ${args.join(' ')} is wrong usage`, async () => {
      expect(await me.run('device', 'set', 'x', ...args)).toMatchObject({
        code: 2,
        err: [`waymark: ${says}`],
      })
    })

  test('[CL21] what is set is asked for as it stands', () => {
    expect(metaOf(['a=1', 'b:=1', 'c.d=', 'e:=null'])).toEqual({ a: '1', b: 1, 'c.d': '', e: null })
    expect(metaOf(['__proto__=x'])).toEqual(JSON.parse('{"__proto__":"x"}'))
    expect(changeOf({ label: ['a=1'], unlabel: ['b'], private: true })).toEqual({
      labels: { a: '1', b: null },
      public: false,
    })
    expect(changeOf({})).toBeUndefined()
  })

  test('[CL10] a refusal of the server names thing, wanted and got', async () => {
    await claimed('pond')
    const device = await fakeDevice(server)
    const guess = await me.run('device', 'claim', device.id, 'wrong-challenge')
    expect(guess).toMatchObject({
      code: 1,
      err: [`waymark: that is not the challenge of device ${device.id}`],
    })
    expect((await me.run('device', 'set', 'pond', '--nick', 'a/b')).err[0]).toMatch(
      /^waymark: "a\/b" cannot be a nick \(wanted .*\)$/,
    )
    expect((await me.run('device', 'ls', '--nick', 'x'.repeat(200))).err[0]).toMatch(
      /^waymark: refused: querystring\/nick .*128/,
    )
    expect((await me.run('device', 'claim', 'pond', 'x')).code).toBe(2)
  })

  test('[CL10] a claim whose nick is refused says that the device is claimed', async () => {
    await claimed('taken')
    const device = await fakeDevice(server)
    const ran = await me.run('device', 'claim', device.id, device.challenge, '--nick', 'taken')
    expect(ran.code).toBe(1)
    expect(ran.err).toEqual([
      expect.stringMatching(new RegExp(`^claimed ${device.id} as \\S+, and not as taken:$`)),
      'waymark: taken is taken',
    ])
  })

  test('[CL22] deleting is asked for, and names what would go', async () => {
    const { id } = await claimed('leaf')
    expect(await me.run('device', 'rm', 'leaf')).toMatchObject({ code: 2 })
    const unsure = await admin(server, { answers: [''] })
    expect(await unsure.run('device', 'rm', 'leaf')).toMatchObject({
      code: 1,
      err: [`delete leaf (${id})? [y/N] `, 'waymark: nothing deleted'],
    })
    const sure = await admin(server, { answers: ['y'] })
    expect(await sure.run('device', 'rm', 'leaf')).toMatchObject({ code: 0, out: [`deleted leaf (${id})`] })
    expect(await me.run('device', 'show', id)).toMatchObject({ code: 1 })
  })

  test('[CL22] when one of several is not there, none goes', async () => {
    await claimed('first')
    expect(await me.run('device', 'rm', '--yes', 'first', 'second')).toMatchObject({ code: 1, out: [] })
    expect(await me.run('device', 'show', 'first')).toMatchObject({ code: 0 })
  })
})

describe('lists', () => {
  test('[CL9] [CL12] a table for people, lines of JSON for programs', async () => {
    const own = await startServer()
    try {
      const someone = await admin(own)
      expect(await someone.run('device', 'ls')).toMatchObject({ code: 0, out: [], err: ['no devices'] })
      expect(await someone.run('device', 'ls', '--json')).toMatchObject({ code: 0, out: [], err: [] })
      for (const nick of ['b', 'alpha', 'c']) {
        const { id, challenge } = await fakeDevice(own)
        await someone.run('device', 'claim', id, challenge, '--nick', nick)
      }
      await someone.run('device', 'set', 'b', '--label', 'site=north')
      const table = (await someone.run('device', 'ls')).out
      expect(table).toHaveLength(4)
      expect(table[0]).toBe('NICK   ID                        SEEN   LABELS')
      expect(table.slice(1).map((line) => line.replace(/[0-9a-f]{24}/, 'ID').trimEnd())).toEqual([
        'alpha  ID  never',
        'b      ID  never  site=north',
        'c      ID  never',
      ])
      const lines = (await someone.run('device', 'ls', '--json')).out
      expect(lines.map((line) => JSON.parse(line).nick)).toEqual(['alpha', 'b', 'c'])
      expect((await someone.run('device', 'ls', '--label', 'site=north', '--json')).out).toHaveLength(1)
      expect((await someone.run('device', 'ls', '--nick', 'AL', '--json')).out).toHaveLength(1)
      const narrow = await admin(own, { columns: 20 })
      expect((await narrow.run('device', 'ls')).out.map((line) => line.length)).toEqual([20, 20, 20, 20])
    } finally {
      await own.stop()
    }
  })
})

describe('logs', () => {
  test('[CL11] lines as they arrived, harmless to a terminal', async () => {
    const device = await claimed('noisy')
    expect(await me.run('device', 'logs', 'noisy')).toMatchObject({ code: 0, out: [], err: ['no log lines'] })
    await device.log('first\n', 'two\nlines', '\u001b]0;owned\u0007 \u202Etxet')
    const { out } = await me.run('device', 'logs', 'noisy')
    expect(out.map((line) => line.replace(/^[\d-]+ [\d:]+/, 'T'))).toEqual([
      'T  INFO   pantavisor  first',
      'T  INFO   pantavisor  two',
      '    lines',
      'T  INFO   pantavisor  \\x1b]0;owned\\x07 \\u202etxet',
    ])
    expect(
      (await me.run('device', 'logs', 'noisy', '-n', '1', '--json')).out.map(
        (line) => JSON.parse(line).message,
      ),
    ).toEqual(['\u001b]0;owned\u0007 \u202Etxet'])
    for (const lines of ['0', '1001', 'many', '-1'])
      expect(await me.run('device', 'logs', 'noisy', '-n', lines)).toMatchObject({ code: 2 })
  })

  test('[CL23] what arrives is printed once, until it is told to stop', async () => {
    const device = await claimed('chatty')
    await device.log('old 1', 'old 2')
    const running = me.begin('device', 'logs', 'chatty', '-f', '-n', '1')
    await running.shows(/old 2/)
    await device.log('new 1', 'new 2')
    await running.shows(/new 2/)
    await device.log('new 3')
    await running.shows(/new 3/)
    running.stop()
    const { code, out } = await running.ended
    expect(code).toBe(0)
    expect(out.map((line) => line.split('  ').at(-1))).toEqual(['old 2', 'new 1', 'new 2', 'new 3'])
  })

  test('[CL23] a log that was empty is followed from its first line', async () => {
    const device = await claimed('silent')
    const running = me.begin('device', 'logs', 'silent', '-f', '--json')
    await device.log('first')
    await running.shows(/first/)
    await device.log('second')
    await running.shows(/second/)
    running.stop()
    expect((await running.ended).out.map((line) => JSON.parse(line).message)).toEqual(['first', 'second'])
  })
})

describe('watching', () => {
  test('[CL14] devices that come, change and go are printed as they do', async () => {
    const device = await claimed('watched')
    const running = me.begin('device', 'ls', '--nick', 'watch', '--watch', '--json')
    await running.shows(/watched/)
    await me.run('device', 'set', 'watched', '--label', 'n=1')
    await running.shows(/"n":"1"/)
    const other = await fakeDevice(server)
    await me.run('device', 'claim', other.id, other.challenge, '--nick', 'watch-2')
    await running.shows(/watch-2/)
    await me.run('device', 'set', 'watch-2', '--nick', 'other')
    await running.shows(/"gone":true/)
    await me.run('device', 'rm', device.id, '--yes')
    await running.shows(new RegExp(`${device.id}.*"gone":true`))
    running.stop()
    const { code, out } = await running.ended
    expect(code).toBe(0)
    expect(new Set(out).size).toBe(out.length)
  })

  test('[CL14] a terminal is redrawn in place', async () => {
    const device = await claimed('drawn')
    const viewer = await admin(server, { columns: 100 })
    const running = viewer.begin('device', 'ls', '--nick', 'drawn', '-w')
    await running.shows(/drawn/)
    await me.run('device', 'set', device.id, '--label', 'n=1')
    await running.shows(/n=1/)
    running.stop()
    const { code, out, drawn } = await running.ended
    expect({ code, out }).toEqual({ code: 0, out: [] })
    expect(drawn).toContain('\u001b[2A\r\u001b[J')
  })
})
