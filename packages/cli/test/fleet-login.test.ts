import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parseCredentials } from '../src/credentials.ts'
import { admin, type Person, password, person, startServer, type TestServer } from './fleet-support.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

const fileOf = ({ home }: Person): string => join(home, '.config', 'waymark', 'credentials.json')

function keep(who: Person, credentials: unknown): void {
  mkdirSync(dirname(fileOf(who)), { recursive: true })
  writeFileSync(fileOf(who), JSON.stringify(credentials), { mode: 0o600 })
}

const kept = (who: Person) => parseCredentials(readFileSync(fileOf(who), 'utf8'))

describe('logging in', () => {
  test('[CL16] a login is kept for the next command, readable by its owner alone', async () => {
    const someone = person({ input: `${password}\n` })
    const login = await someone.run(
      'login',
      '--server',
      `${server.url}/`,
      '--name',
      'admin',
      '--password-stdin',
    )
    expect(login).toMatchObject({ code: 0, err: [] })
    expect(login.out[0]).toBe(`logged in to ${server.url} as admin (the login ends in 59 min)`)
    expect(statSync(fileOf(someone)).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(fileOf(someone))).mode & 0o777).toBe(0o700)
    expect(readFileSync(fileOf(someone), 'utf8')).not.toContain(password)
    const me = await someone.run('whoami')
    expect(me.code).toBe(0)
    expect(me.out.slice(0, 2)).toEqual([`server         ${server.url}`, 'name           admin'])
  })

  test('[CL16] a person is asked, the password without echo', async () => {
    const someone = person({ answers: ['admin', password] })
    const login = await someone.run('login', '--server', server.url, '--json')
    expect(login.json()).toMatchObject({ server: server.url, nick: 'admin' })
    expect(login.err).toEqual([`name at ${server.url}: `, 'password of admin: (hidden)'])
    expect(login.out.join()).not.toContain(kept(someone)?.logins[server.url]?.token)
  })

  test('[CL20] without a terminal nothing is asked', async () => {
    const login = await person().run('login', '--server', server.url)
    expect(login).toMatchObject({
      code: 2,
      err: ['waymark: login: wanted a terminal to ask on, or --name and --password-stdin'],
    })
  })

  test('[CL10] a wrong password is told, and nothing is kept', async () => {
    const someone = person({ input: 'wrong' })
    const login = await someone.run('login', '--server', server.url, '--name', 'nobody', '--password-stdin')
    expect(login).toMatchObject({ code: 1, err: ['waymark: the name is unknown or the password is wrong'] })
    expect((await someone.run('whoami', '--server', server.url)).err).toEqual([
      `waymark: not logged in to ${server.url}: run waymark login --server ${server.url}`,
    ])
  })

  const addresses = [
    { given: 'localhost:8080', is: 'a host alone' },
    { given: 'ftp://a', is: 'another protocol' },
    { given: 'http://me:secret@a', is: 'one with a password' },
    { given: 'http://a/?q', is: 'one with a query' },
  ]
  for (const { given, is } of addresses)
    test(`[CL10] ${is} is no address`, async () => {
      const ran = await person().run('whoami', '--server', given)
      expect(ran.code).toBe(2)
      expect(ran.err).toEqual([
        `waymark: --server: wanted an address such as https://fleet.example.com, got ${given}`,
      ])
    })
})

describe('which server', () => {
  test('[CL17] several stand side by side, and the last login is meant', async () => {
    const other = await startServer()
    onTestFinished(() => other.stop())
    const someone = await admin(server)
    expect(
      (await someone.run('login', '--server', other.url, '--name', 'admin', '--password-stdin')).code,
    ).toBe(0)
    const at = async (...flags: string[]) => (await someone.run('whoami', ...flags)).out[0]?.split(/ +/)[1]
    expect(await at()).toBe(other.url)
    expect(await at('--server', server.url)).toBe(server.url)
    expect(Object.keys(kept(someone)?.logins ?? {})).toEqual([server.url, other.url])
  })

  test('[CL17] WAYMARK_SERVER and WAYMARK_TOKEN need no login', async () => {
    const token = kept(await admin(server))?.logins[server.url]?.token ?? ''
    const someone = person({ env: { WAYMARK_SERVER: server.url, WAYMARK_TOKEN: token } })
    expect((await someone.run('whoami', '--json')).json()).toMatchObject({
      server: server.url,
      nick: 'admin',
    })
  })

  test('[CL17] WAYMARK_TOKEN goes before a kept login', async () => {
    const someone = await admin(server, { env: { WAYMARK_TOKEN: 'not.a.token' } })
    const ran = await someone.run('whoami')
    expect(ran.code).toBe(1)
    expect(ran.err[0]).toMatch(
      /^waymark: the login to http.* is no longer good: run waymark login --server http/,
    )
  })

  test('[CL10] nobody there is told, with how a server is started', async () => {
    const closed = createServer().listen(0)
    const { port } = closed.address() as AddressInfo
    await new Promise((resolve) => closed.close(resolve))
    const ran = await person().run('whoami', '--server', `http://127.0.0.1:${port}`)
    expect(ran).toMatchObject({
      code: 1,
      err: [
        `waymark: GET http://127.0.0.1:${port}/fleet/v1/me: wanted an answer, got connect ECONNREFUSED 127.0.0.1:${port} (waymark up starts a server)`,
      ],
    })
  })
})

describe('kept logins', () => {
  test('[CL18] a file that others can read is refused', async () => {
    const someone = await admin(server)
    chmodSync(fileOf(someone), 0o640)
    const ran = await someone.run('whoami')
    expect(ran.code).toBe(1)
    expect(ran.err[0]).toContain('wanted a file that only you can read (chmod 600), got mode 640')
  })

  const foreign = [
    'not json',
    '[]',
    '{}',
    '{"logins":{"http://a":{}}}',
    '{"logins":{"http://a":{"name":"a","token":1,"obtainedAt":1,"expiresAt":1}}}',
    '{"logins":{},"server":7}',
  ]
  for (const text of foreign)
    test(`[CL18] ${text} is not ours`, () => expect(parseCredentials(text)).toBeUndefined())

  test('[CL18] a file that is not ours is refused, not overwritten', async () => {
    const someone = person({ input: password })
    mkdirSync(dirname(fileOf(someone)), { recursive: true })
    writeFileSync(fileOf(someone), 'precious', { mode: 0o600 })
    const ran = await someone.run('login', '--server', server.url, '--name', 'admin', '--password-stdin')
    expect(ran.err[0]).toMatch(/credentials\.json: wanted credentials as waymark login writes them$/)
    expect(readFileSync(fileOf(someone), 'utf8')).toBe('precious')
  })

  test('[CL19] a login that is half used up is renewed in passing, once', async () => {
    const someone = await admin(server)
    const before = kept(someone)
    const login = before?.logins[server.url]
    if (!before || !login) throw new Error('not logged in')
    keep(someone, {
      server: 'http://elsewhere.example',
      logins: { [server.url]: { ...login, obtainedAt: Date.now() - 3 * 3_600_000 } },
    })
    expect(await someone.run('whoami', '--server', server.url)).toMatchObject({ code: 0, err: [] })
    const renewed = kept(someone)
    expect(renewed?.logins[server.url]?.obtainedAt).toBeGreaterThan(Date.now() - 60_000)
    expect(renewed?.server).toBe('http://elsewhere.example')
    expect(statSync(fileOf(someone)).mode & 0o777).toBe(0o600)
  })

  test('[CL19] a login that has ended says how to log in', async () => {
    const someone = person()
    const login = { name: 'admin', token: 'a.b.c', obtainedAt: 0, expiresAt: 1 }
    keep(someone, { server: server.url, logins: { [server.url]: login } })
    expect((await someone.run('whoami')).err).toEqual([
      `waymark: the login to ${server.url} is no longer good: run waymark login --server ${server.url}`,
    ])
  })
})
