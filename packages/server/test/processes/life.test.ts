import { request } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createClient, factory, sha256, textOf } from './client.ts'
import { follow } from './events.ts'
import { adminPassword, createYard, type Started, startWaymark, type Yard } from './server.ts'

function openYard(): Yard {
  const yard = createYard()
  onTestFinished(() => yard.clear())
  return yard
}

function start(yard: Yard, args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  return yard.keep(startWaymark(['up', '--exoport', 'off', ...args], env))
}

test('[PR7] one line per listener, then ready; health, readiness, metrics and version answer; SIGTERM ends it with 0', async () => {
  const yard = openYard()
  const server = start(yard, ['--http', '0', '--data', join(yard.folder(), 'data')], {
    WAYMARK_ADMIN_PASSWORD: adminPassword,
  })
  const url = await server.ready
  expect(server.out()).toMatch(/^listening http http:\/\/127\.0\.0\.1:\d+\nready\n$/)
  const client = createClient(url)
  expect((await client.call('GET', '/healthz')).status).toBe(200)
  expect((await client.call('GET', '/readyz')).status).toBe(200)
  expect((await client.call('GET', '/metrics')).text).toMatch(/^# HELP /m)
  expect((await client.call('GET', '/version')).json).toMatchObject({ name: 'waymark' })
  expect(await server.stop()).toMatchObject({ code: 0, signal: null })
})

test('[PR7] SIGTERM with a live stream and an upload open: the stream ends, the upload is taken, all within 30 s', async () => {
  const yard = openYard()
  const data = join(yard.folder(), 'data')
  const server = yard.start(['--data', data])
  const client = createClient(await server.ready)
  const token = await client.login()
  const stream = await follow(client.url, token)
  const bytes = Buffer.alloc(400_000, 'late ')
  const body = { objectname: 'late', size: String(bytes.length), sha256sum: sha256(bytes) }
  const made = await client.must('POST', '/objects/', { token, body })
  const answered = Promise.withResolvers<number | undefined>()
  const put = request(textOf(made, 'signed-puturl'), {
    method: 'PUT',
    headers: { 'content-length': bytes.length },
  })
  put.on('response', (answer) => answered.resolve(answer.resume().statusCode)).on('error', answered.reject)
  await new Promise((resolve) => put.write(bytes.subarray(0, 100_000), resolve))
  // Whatever is sent on another connection arrives later: the upload has begun when this is answered.
  await client.must('GET', '/auth/auth_status', { token })
  server.child.kill('SIGTERM')
  await stream.ended
  put.end(bytes.subarray(100_000))
  expect(await answered.promise).toBe(200)
  expect(await server.ended).toMatchObject({ code: 0, signal: null })
  const again = createClient(await yard.start(['--data', data]).ready)
  expect(await again.downloadedSha(token, sha256(bytes))).toBe(sha256(bytes))
}, 40_000)

test('[PR8] a second start on the same folder is refused by name, and the first goes on', async () => {
  const yard = openYard()
  const flags = ['--data', join(yard.folder(), 'data')]
  const first = yard.start(flags)
  const client = createClient(await first.ready)
  const second = await yard.start(flags).ended
  expect(second).toMatchObject({ code: 1, out: '' })
  expect(second.err).toMatch(
    new RegExp(`^waymark: store \\S+waymark\\.db is held by process ${first.child.pid} on \\S+: [^\\n]+\\n$`),
  )
  expect(await client.login()).toMatch(/^ey/)
})

const mistakes = [
  {
    says: 'a database that is not there',
    args: ['--http', '0', '--database', 'postgres://who:hunter2@127.0.0.1:1/db'],
    code: 1,
    line: /^waymark: store postgres:\/\/who@127\.0\.0\.1:1\/db: .*ECONNREFUSED.*\n$/,
  },
  {
    says: 'a database of no known kind',
    args: ['--database', 'oracle://x'],
    code: 2,
    line: /^waymark: --database: wanted a URL beginning with .*, got oracle:\/\/x\n$/,
  },
  {
    says: 'a flag with a letter wrong',
    args: ['--registration-rat', '5'],
    code: 2,
    line: /^waymark: --registration-rat: unknown flag \(did you mean --registration-rate\?\)\n$/,
  },
  {
    says: 'a data folder where none can be made',
    args: ['--http', '0', '--data', '/proc/waymark'],
    code: 1,
    line: /^waymark: data \/proc\/waymark: wanted a folder that can be written to, got .*\n$/,
  },
] as const

for (const { says, args, code, line } of mistakes)
  test(`[PR8] ${says}: one line, exit code ${code}`, async () => {
    const yard = openYard()
    const folder = args.some((arg) => arg === '--data') ? [] : ['--data', join(yard.folder(), 'data')]
    const ended = await start(yard, [...folder, ...args]).ended
    expect(ended).toMatchObject({ code, out: '' })
    expect(ended.err).toMatch(line)
  })

test('[PR9] a generated password is shown once, at the first start, and never again', async () => {
  const yard = openYard()
  const args = ['--http', '0', '--data', join(yard.folder(), 'data')]
  const first = start(yard, args)
  const client = createClient(await first.ready)
  const [, password = ''] = /^admin password (\S{12,})$/m.exec(first.out()) ?? []
  expect(await client.login('admin', password)).toMatch(/^ey/)
  const firstEnded = await first.stop()
  const second = start(yard, args)
  await second.ready
  expect(second.out()).not.toContain('password')
  const { err } = await second.stop()
  expect(firstEnded.err + err).not.toContain(password)
})

test('[PR9] no password is fixed: sysadm and exodm-admin have the generated one, or the one that was given', async () => {
  const yard = openYard()
  const given = 'given by whoever starts it'
  const generated = /^admin password (\S{12,})$/m
  for (const env of [{}, { WAYMARK_ADMIN_PASSWORD: given }]) {
    const server = start(yard, ['--http', '0', '--data', join(yard.folder(), 'data')], env)
    const url = await server.ready
    const password = generated.exec(server.out())?.[1] ?? given
    expect(generated.test(server.out())).toBe(!('WAYMARK_ADMIN_PASSWORD' in env))
    const ask = async (user: string, secret: string) => {
      const authorization = `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`
      const body = '{"method":"exodm:list-accounts","params":{"n":1,"previous":""},"id":1}'
      return (await fetch(`${url}/exodm/rpc`, { method: 'POST', headers: { authorization }, body })).status
    }
    for (const user of ['sysadm', 'exodm-admin']) {
      for (const guess of ['', user, 'exodm']) expect(await ask(user, guess), `${user}:${guess}`).toBe(401)
      expect(await ask(user, password)).toBe(200)
    }
    await server.stop()
  }
})

test('[PR10] logs are JSON lines without a password, a secret, a token or a challenge', async () => {
  const yard = openYard()
  const args = ['--http', '0', '--data', join(yard.folder(), 'data')]
  const server = start(yard, [...args, '--log-level', 'debug', '--log-requests', 'all'], {
    WAYMARK_ADMIN_PASSWORD: adminPassword,
  })
  const client = createClient(await server.ready)
  const token = await client.login()
  const device = await client.register()
  await client.claim(token, device)
  const own = await client.login(device.prn, device.secret)
  await client.must('POST', '/trails/', { token: own, body: factory })
  const sha = await client.upload(token, Buffer.from('bytes'))
  const signed = textOf(await client.must('GET', `/objects/${sha}`, { token }), 'signed-geturl')
  await client.must('PUT', `/devices/${device.id}/user-meta`, { token, body: { 'wifi.psk': 'hunter2' } })
  expect((await client.call('POST', '/auth/login', { body: '{"password":"hunter2"' })).status).toBe(400)
  expect((await client.call('PUT', `/devices/${device.id}?challenge=${device.challenge}x`)).status).toBe(401)
  await fetch(signed)
  const { err } = await server.stop()
  const lines = err.trim().split('\n')
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: expect.any(String) })
  expect(lines.filter((line) => line.includes('/devices/')).length).toBeGreaterThan(2)
  const secrets = { adminPassword, token, own, secret: device.secret, challenge: device.challenge }
  for (const [what, secret] of Object.entries({
    ...secrets,
    signed: signed.split('/').at(-1) ?? signed,
    other: 'hunter2',
  }))
    expect(err.includes(secret), what).toBe(false)
})
