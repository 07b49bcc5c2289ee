import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endOf } from '../src/commands/token.ts'
import { admin, person, type Ran, startServer, type TestServer } from './fleet-support.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

/** The status of a Pantahub login by name and secret. */
async function pantahubLogin(username: string, secret: string): Promise<number> {
  const answer = await fetch(`${server.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'test' },
    body: JSON.stringify({ username, password: secret }),
  })
  return answer.status
}

const fine = (ran: Ran): Ran => {
  expect(ran.err.filter((line) => line.startsWith('waymark:'))).toEqual([])
  expect(ran.code).toBe(0)
  return ran
}

describe('tokens', () => {
  test('[CL34] the secret of a token goes to stdout once, logs in, and is in no list', async () => {
    const me = await admin(server)
    const made = fine(
      await me.run('token', 'create', 'nightly', '--scope', 'devices.readonly', '--expires', '30d'),
    )
    const [secret = ''] = made.out
    expect(made.out).toHaveLength(1)
    expect(made.err.join()).toContain('in 29 d')
    expect(await pantahubLogin('nightly', secret)).toBe(200)
    const list = fine(await me.run('token', 'ls'))
    expect(list.out.join('\n')).toMatch(
      /NAME +ID +ENDS +SCOPES\nnightly +[0-9a-f]{24} +in 29 d +devices\.readonly/,
    )
    expect(list.out.join('\n')).not.toContain(secret)
    expect(await me.run('token', 'rm', 'nightly')).toMatchObject({
      code: 2,
      err: ['waymark: token rm: wanted --yes, since there is no terminal to ask on'],
    })
    fine(await me.run('token', 'rm', 'nightly', '-y'))
    expect(await pantahubLogin('nightly', secret)).toBe(401)
    expect((await me.run('token', 'rm', 'nightly', '-y')).err).toEqual(['waymark: you have no token nightly'])
    expect((await me.run('token', 'ls')).err).toEqual(['no tokens'])
  })

  test('[CL34] a name that is had twice is not guessed at', async () => {
    const me = await admin(server)
    for (const _ of [1, 2]) fine(await me.run('token', 'create', 'twin'))
    const ran = await me.run('token', 'rm', 'twin', '-y')
    expect(ran.code).toBe(1)
    expect(ran.err[0]).toMatch(/^waymark: token twin: wanted one, got 2: [0-9a-f]{24}, [0-9a-f]{24}$/)
    const items = (await me.run('token', 'ls', '--json')).out.map(
      (line) => JSON.parse(line) as { id: string },
    )
    for (const { id } of items) fine(await me.run('token', 'rm', id, '-y'))
  })

  const now = Date.UTC(2026, 0, 1)
  const ends = [
    { text: '12h', at: '2026-01-01T12:00:00.000Z' },
    { text: '30d', at: '2026-01-31T00:00:00.000Z' },
    { text: '2w', at: '2026-01-15T00:00:00.000Z' },
    { text: '2027-01-31', at: '2027-01-31T00:00:00.000Z' },
    { text: '2027-01-31T10:00:00+01:00', at: '2027-01-31T09:00:00.000Z' },
  ]
  for (const { text, at } of ends)
    test(`[CL34] --expires ${text} at the beginning of 2026 is ${at}`, () =>
      expect(endOf(text, now)).toBe(at))
  for (const text of ['', 'soon', '30', '-3d', '12', '2027-31-31', '1e9d'])
    test(`[CL34] --expires ${JSON.stringify(text)} is wrong usage`, () =>
      expect(() => endOf(text, now)).toThrow('wanted 12h, 30d or 2027-01-31'))
})

test('[CL35] a device with a join token comes in with what it is told, until it is disabled', async () => {
  const me = await admin(server)
  const made = fine(await me.run('join-token', 'create', '--nick', 'line 3', 'site=north', 'size:=3'))
  const [token = ''] = made.out
  const register = () =>
    fetch(`${server.url}/devices/`, {
      method: 'POST',
      headers: { 'user-agent': 'test', 'pantahub-devices-auto-token-v1': token },
    })
  const registered = await register()
  expect(await registered.json()).toMatchObject({ 'user-meta': { site: 'north', size: 3 } })
  const [id = ''] = /[0-9a-f]{24}/.exec(made.err.join()) ?? []
  const list = fine(await me.run('join-token', 'ls'))
  expect(list.out.join('\n')).toMatch(new RegExp(`${id} +line 3 +now +good +site=north size=3`))
  expect(list.out.join('\n')).not.toContain(token)
  fine(await me.run('join-token', 'disable', id))
  expect((await register()).status).toBe(400)
  expect((await me.run('join-token', 'ls')).out.join('\n')).toContain('disabled')
  expect((await me.run('join-token', 'create', 'nonsense')).err).toEqual([
    'waymark: join-token create: wanted key=value or key:=json, got nonsense',
  ])
})

test('[CL36] an app is registered, changed and removed; its secret is printed when it is made', async () => {
  const me = await admin(server)
  const facts = ['--redirect', 'https://app.example.com/back', '--scope', 'devices.readonly']
  const made = fine(await me.run('app', 'create', 'board', ...facts, '--scope', 'trails.readonly'))
  const prn = 'prn:pantahub.com:apis:/board'
  expect(await pantahubLogin(prn, made.out[0] ?? '')).toBe(200)
  const fresh = fine(await me.run('app', 'update', 'board', '--name', 'The board', '--new-secret'))
  expect(await pantahubLogin(prn, made.out[0] ?? '')).toBe(401)
  expect(await pantahubLogin(prn, fresh.out[0] ?? '')).toBe(200)
  const narrower = fine(await me.run('app', 'update', 'board', '--scope', 'devices.readonly'))
  expect(narrower.out[0]).toMatch(/^changed board \([0-9a-f]{24}\)$/)
  expect(JSON.parse((await me.run('app', 'ls', '--json')).out[0] ?? '')).toMatchObject({
    nick: 'board',
    name: 'The board',
    scopes: ['devices.readonly'],
    redirectUris: ['https://app.example.com/back'],
  })
  fine(await me.run('app', 'rm', 'board', '--yes'))
  expect(await pantahubLogin(prn, fresh.out[0] ?? '')).toBe(401)

  const wrong = [
    {
      args: ['create', 'x-app'],
      says: 'app create: wanted --redirect and --scope, at least one of each',
      code: 2,
    },
    {
      args: ['create', 'x-app', ...facts, '--type', 'open'],
      says: 'app create --type: wanted public, confidential, pkce, got open',
      code: 2,
    },
    {
      args: ['create', 'x-app', ...facts, '--scope', 'device.read'],
      says: 'scopes: wanted prns, or some of all',
      code: 1,
    },
    { args: ['update', 'nothing', '--name', 'x'], says: 'you have no app nothing', code: 1 },
    { args: ['update', 'nothing'], says: 'app update: wanted --name', code: 2 },
  ]
  for (const { args, says, code } of wrong) {
    const ran = await me.run('app', ...args)
    expect(ran.err.join('\n')).toContain(says)
    expect(ran.code).toBe(code)
  }
})

describe('users', () => {
  test('[CL37] a member is made, named, given roles, kept out and let in', async () => {
    const me = await admin(server, {})
    const owner = person({ env: { HOME: me.home }, input: 'a long password' })
    const made = await owner.run(
      'user',
      'create',
      'wilma',
      '--email',
      'Wilma@example.com',
      '--role',
      'operator',
      '--password-stdin',
    )
    expect(fine(made).out).toEqual(['made wilma (operator)'])
    expect(made.out.join() + made.err.join()).not.toContain('a long password')
    fine(
      await person({ input: 'a long password' }).run(
        'login',
        '--server',
        server.url,
        '--name',
        'wilma',
        '--password-stdin',
      ),
    )
    expect(fine(await me.run('user', 'role', 'wilma', 'viewer', 'operator')).out).toEqual([
      'wilma: operator viewer, login yes',
    ])
    expect(fine(await me.run('user', 'disable', 'wilma@example.com')).out).toEqual([
      'wilma: operator viewer, login disabled',
    ])
    expect(fine(await me.run('user', 'ls')).out.join('\n')).toMatch(
      /wilma +wilma@example\.com +operator viewer +disabled/,
    )
    fine(await me.run('user', 'enable', 'wilma'))
    expect(fine(await me.run('user', 'show', 'wilma')).out.join('\n')).toMatch(/login +yes/)
    expect((await me.run('user', 'role', 'wilma', 'operatr')).err).toEqual([
      'waymark: user role: wanted owner, operator, viewer, got operatr (did you mean operator?)',
    ])
    expect((await me.run('user', 'show', 'nobody')).err).toEqual(['waymark: there is no user nobody here'])
    expect((await me.run('user', 'role', 'admin', 'viewer')).err[0]).toContain('a tenant keeps an owner')
  })

  test('[CL38] passwords are asked for twice or read from standard input, and never are arguments', async () => {
    const me = await admin(server)
    const typed = person({ env: { HOME: me.home }, answers: ['one password', 'another password'] })
    const differs = await typed.run('user', 'create', 'xavier')
    expect(differs.code).toBe(1)
    expect(differs.err).toEqual([
      'password of xavier: (hidden)',
      'password of xavier, again: (hidden)',
      'waymark: user create: the two are not the same',
    ])
    const nobody = person({ env: { HOME: me.home } })
    expect(await nobody.run('user', 'create', 'xavier')).toMatchObject({
      code: 2,
      err: ['waymark: user create: wanted a terminal to ask on, or --password-stdin'],
    })
    expect((await me.run('user', 'create', 'xavier', '--password', 'x')).err[0]).toContain(
      "unknown option '--password' (did you mean --password-stdin?)",
    )
    const agreed = person({ env: { HOME: me.home }, answers: ['one password', 'one password'] })
    fine(await agreed.run('user', 'create', 'xavier'))
    expect((await me.run('user', 'password', 'xavier', 'secret')).code).toBe(2)
  })

  test('[CL38] one’s own password is changed with the present one, and the login goes on', async () => {
    const me = await admin(server)
    fine(
      await person({ env: { HOME: me.home }, input: 'a long password' }).run(
        'user',
        'create',
        'yvonne',
        '--password-stdin',
      ),
    )
    const yvonne = person({ input: 'a long password' })
    fine(await yvonne.run('login', '--server', server.url, '--name', 'yvonne', '--password-stdin'))
    const file = join(yvonne.home, '.config', 'waymark', 'credentials.json')
    const before = readFileSync(file, 'utf8')
    const wrong = person({ env: { HOME: yvonne.home }, input: 'a wrong password\na new password' })
    expect((await wrong.run('user', 'password', '--password-stdin')).err).toEqual([
      'waymark: that is not the present password',
    ])
    const right = person({ env: { HOME: yvonne.home }, input: 'a long password\na new password\n' })
    expect(fine(await right.run('user', 'password', '--password-stdin')).out).toEqual([
      'yvonne has a new password',
    ])
    expect(readFileSync(file, 'utf8')).not.toBe(before)
    fine(await yvonne.run('whoami'))
  })

  test('[CL39] who is invited sets a password by the token, once, and comes in', async () => {
    const me = await admin(server)
    const invited = fine(await me.run('user', 'invite', 'zoe', 'zoe@example.com', '--role', 'viewer'))
    const [token = ''] = invited.out
    expect((await me.run('user', 'ls')).out.join('\n')).toMatch(/zoe +zoe@example\.com +viewer +invited/)
    const zoe = person({ input: `${token}\nmy own password` })
    const first = await zoe.run('user', 'password', '--invited', '--password-stdin', '--server', server.url)
    expect(fine(first).out).toEqual([`zoe has a password: waymark login --server ${server.url} --name zoe`])
    const again = await zoe.run('user', 'password', '--invited', '--password-stdin', '--server', server.url)
    expect(again).toMatchObject({
      code: 1,
      err: ['waymark: the token is not good, was used, or has run out'],
    })
    fine(
      await person({ input: 'my own password' }).run(
        'login',
        '--server',
        server.url,
        '--name',
        'zoe',
        '--password-stdin',
      ),
    )
  })

  test('[CL40] who runs the installation acts in any tenant; nobody else knows of another', async () => {
    const me = await admin(server)
    await fetch(`${server.url}/auth/accounts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ nick: 'islander', email: 'i@example.com', password: 'a long password' }),
    })
    expect(
      fine(await me.run('user', 'ls', '--tenant', 'islander', '--json')).out.map((line) => JSON.parse(line)),
    ).toMatchObject([{ nick: 'islander', roles: ['owner'] }])
    const islander = person({ input: 'a long password' })
    fine(await islander.run('login', '--server', server.url, '--name', 'islander', '--password-stdin'))
    expect((await islander.run('user', 'ls', '--tenant', 'admin')).err).toEqual([
      'waymark: there is no tenant admin here',
    ])
  })

  const wrong = [
    { args: ['user', 'lst'], says: "user: unknown command 'lst' (did you mean ls?)" },
    { args: ['user', 'ls', '--tennant', 'x'], says: '(did you mean --tenant?)' },
    { args: ['token', 'creat', 'x'], says: "token: unknown command 'creat' (did you mean create?)" },
    { args: ['token', 'create', 'x', '--scop', 'all'], says: '(did you mean --scope?)' },
    { args: ['app', 'updat', 'x'], says: "app: unknown command 'updat' (did you mean update?)" },
    {
      args: ['join-token', 'disabel', 'x'],
      says: "join-token: unknown command 'disabel' (did you mean disable?)",
    },
    { args: ['join-tokn', 'ls'], says: 'join-tokn: unknown command (did you mean join-token?)' },
    { args: ['token'], says: 'token: wanted one of ls, create, rm' },
  ]
  for (const { args, says } of wrong)
    test(`[CL1] ${args.join(' ')} is told ${says}`, async () => {
      const ran = await person().run(...args)
      expect(ran.code).toBe(2)
      expect(ran.err).toHaveLength(1)
      expect(ran.err[0]).toContain(says)
    })
})
