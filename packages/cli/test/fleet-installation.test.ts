import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { admin, person, startServer, type TestServer, temporaryFolder } from './fleet-support.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

test('[CL70] keys rotate tells from when the new key signs and until when the old one is believed; whoever is logged in stays so', async () => {
  const me = await admin(server)
  const rotated = await me.run('keys', 'rotate', '--json')
  expect(rotated.code).toBe(0)
  const { signsFrom, olderUntil } = rotated.json() as { signsFrom: string; olderUntil: string }
  expect(Date.parse(olderUntil)).toBeGreaterThan(Date.parse(signsFrom))
  expect((await me.run('whoami')).code).toBe(0)
  expect((await me.run('keys', 'rotate')).out).toEqual([
    expect.stringMatching(/^logins are signed with the new key from \d{4}-/),
    expect.stringMatching(/^the one before is believed until \d{4}-/),
  ])
})

test('[CL71] audit lists who did what from where, of another tenant and of the house for administrators alone', async () => {
  const me = await admin(server)
  const account = { nick: 'somebody', email: 'somebody@example.com', password: 'the secret of somebody' }
  const headers = { 'content-type': 'application/json', 'user-agent': 'test' }
  await fetch(`${server.url}/auth/accounts`, { method: 'POST', headers, body: JSON.stringify(account) })
  const other = person({ input: account.password })
  await other.run('login', '--server', server.url, '--name', 'somebody', '--password-stdin')
  await other.run('join-token', 'create', '--nick', 'line one')
  const own = await other.run('audit')
  expect(own.code).toBe(0)
  expect(own.out[0]).toMatch(/^AT +WHO +FROM +WHAT/)
  expect(own.out.join('\n')).toMatch(/user [0-9a-f]{24} +127\.0\.0\.1 +join-token\.created/)
  expect((await me.run('audit', '--of', 'somebody')).out.join('\n')).toContain('join-token.created')
  expect((await me.run('audit', '--of', 'house')).out.join('\n')).toContain('setting.changed')
  expect(await other.run('audit', '--of', 'house')).toMatchObject({ code: 1 })
  expect(await other.run('keys', 'rotate')).toMatchObject({ code: 1 })
})

test('[CL74] gc asks the server that holds the store; administrators alone are let in, and the audit tells of it', async () => {
  const data = temporaryFolder()
  const place = ['--database', `sqlite:${join(data, 'waymark.db')}`, '--data', data]
  const running = await startServer(...place)
  try {
    const me = await admin(running)
    const port = new URL(running.url).port
    const nothing = 'objects (0 B) and 0 files without a record'
    expect(await me.run('gc', ...place, '--http', port)).toMatchObject({
      code: 0,
      err: [],
      out: [`collected 0 ${nothing}`],
    })
    expect(await me.run('gc', '--dry-run', `--server=${running.url}`)).toMatchObject({
      code: 0,
      out: [`would collect 0 ${nothing}`],
    })
    expect((await me.run('gc', '--json', '--server', running.url)).json()).toEqual({
      dryRun: false,
      records: 0,
      bytes: 0,
      files: 0,
    })
    const told = (await me.run('audit', '--of', 'house')).out.filter((line) =>
      line.includes('installation.collected'),
    )
    expect(told).toHaveLength(2)
    const stranger = await person().run('gc', ...place, '--http', port)
    expect(stranger).toMatchObject({ code: 1, err: [expect.stringContaining('not logged in to http://')] })
    expect((await me.run('gc', ...place, '--http', '0')).err).toEqual([expect.stringContaining('is held by')])
    expect(await me.run('gc', '--server', running.url, '--data', data)).toMatchObject({ code: 2 })
    expect(await me.run('gc', '--server')).toMatchObject({ code: 2 })
  } finally {
    await running.stop()
  }
  expect((await person().run('gc', ...place)).out).toEqual([
    'collected 0 objects (0 B) and 0 files without a record',
  ])
})
