import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mainCollections, telemetryCollections } from '@waymark/domain'
import { createMemoryObjectBytes, openSqliteStore } from '@waymark/store'
import { expect, onTestFinished, test } from 'vitest'
import { createMailer, mailServerOf } from '../../src/mail.ts'
import { sendDueMails } from '../../src/mail-queue.ts'
import { openSink } from '../mail-sink.ts'
import { at, factory, openDoor } from './support.ts'

/** What the other files show in memory, once along the whole way on SQLite: every new collection is written and read. */
test('[AU15][AU16][AP4][AP7][OB10][OB15][PR3] mail, tokens, codes, links and profiles on SQLite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-durable-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const sink = await openSink()
  const smtp = `smtp://127.0.0.1:${sink.port}`
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const door = await openDoor({
    homes: {
      store: await openSqliteStore({ file: join(folder, 'a.db'), collections: mainCollections, log }),
      telemetry: await openSqliteStore({
        file: join(folder, 'b.db'),
        collections: telemetryCollections,
        log,
      }),
      bytes: createMemoryObjectBytes(),
    },
    flags: ['--smtp', smtp],
  })
  const send = createMailer({ server: mailServerOf(smtp, 'hub@example.com') })

  async function person(nick: string) {
    const body = { nick, email: `${nick}@example.com`, password: 'p' }
    const made = await door.must('POST', '/auth/accounts', { body })
    expect(await sendDueMails(door.house, send)).toBe(1)
    await door.must('GET', /\/auth\/verify\?\S+/.exec(sink.taken.at(-1)?.text ?? '')?.[0] ?? '')
    return { nick, password: 'p', prn: String(at(made.json, 'prn')), token: await door.enter(nick, 'p') }
  }
  const [giver, taker] = [await person('giver'), await person('taker')]

  const personal = await door.must('POST', '/tokens/', { token: taker.token, body: { name: 'job' } })
  const job = await door.enter('job', String(at(personal.json, 'secret')))
  await door.must('GET', '/devices/', { token: job })
  await door.must('DELETE', `/tokens/${at(personal.json, 'id')}`, { token: taker.token })
  expect((await door.call('GET', '/devices/', { token: job })).status).toBe(401)

  const redirect = 'https://app.example/back'
  const facts = {
    nick: 'the-app',
    name: 'x',
    type: 'confidential',
    redirect_uris: [redirect],
    scopes: ['devices'],
  }
  const app = (await door.must('POST', '/apps/', { token: giver.token, body: facts })).json
  const body = { service: at(app, 'prn'), redirect_uri: redirect }
  const code = at((await door.must('POST', '/auth/code', { token: taker.token, body })).json, 'code')
  const service = await door.enter(String(at(app, 'prn')), String(at(app, 'secret')))
  const redeem = () => door.call('POST', '/auth/token', { token: service, body: { 'access-code': code } })
  expect([(await redeem()).status, (await redeem()).status]).toEqual([200, 401])

  const [theirs, own] = [await door.deviceWithTrail(giver), await door.deviceWithTrail(taker)]
  const sha = await door.upload(giver.token, Buffer.from('shared'))
  await door.post(giver, theirs, { ...factory, 'a.bin': sha })
  await door.must('PUT', `/devices/${theirs.id}/public`, { token: giver.token })
  expect(await door.post(taker, own, { ...factory, 'a.bin': sha })).toBe(1)
  const linked = await door.call('POST', '/objects/', {
    token: taker.token,
    body: { size: '6', sha256sum: sha },
  })
  expect([linked.status, linked.headers.get('pantahub-object-type')]).toEqual([409, 'link'])
  await door.must('DELETE', `/devices/${theirs.id}/public`, { token: giver.token })
  await door.house.objects.collect(-1000)
  expect((await fetch(String(at(linked.json, 'signed-geturl')))).status).toBe(200)

  await door.must('PUT', '/profiles/', { token: giver.token, body: { fullName: 'G' } })
  expect(at((await door.must('GET', '/profiles/?nick=^GIV', { token: taker.token })).json, 0, 'nick')).toBe(
    'giver',
  )
  await door.must('PUT', '/profiles/config/meta', { token: taker.token, body: { everywhere: 1 } })
  expect((await door.must('GET', `/devices/${own.id}/user-meta`, { token: own.token })).json).toEqual({
    everywhere: 1,
  })
})
