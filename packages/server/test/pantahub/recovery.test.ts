import { emailChallenges, outgoingMails } from '@waymark/domain'
import { describe, expect, test } from 'vitest'
import { createMailer, mailServerOf } from '../../src/mail.ts'
import { sendDueMails } from '../../src/mail-queue.ts'
import { openSink, type SinkOptions } from '../mail-sink.ts'
import { at, openDoor } from './support.ts'

async function mailing(options: SinkOptions = {}) {
  const sink = await openSink(options)
  const url = `smtp://127.0.0.1:${sink.port}`
  const door = await openDoor({ flags: ['--smtp', url] })
  const send = createMailer({ server: mailServerOf(url, 'hub@example.com') })
  const register = (nick: string) =>
    door.must('POST', '/auth/accounts', { body: { nick, email: `${nick}@example.com`, password: 'first' } })
  const enter = async (nick: string, password: string) =>
    (await door.call('POST', '/auth/login', { body: { username: nick, password } })).status
  const link = () => /\/auth\/verify\?\S+/.exec(sink.taken.at(-1)?.text ?? '')?.[0] ?? ''
  const token = () => /^ {2}(\S+\.\S+\.\S+)$/m.exec(sink.taken.at(-1)?.text ?? '')?.[1] ?? ''
  return { sink, door, register, enter, link, token, deliver: () => sendDueMails(door.house, send) }
}

describe('confirming an address', () => {
  test('[AU13] the challenge that was sent lets the account in, once', async () => {
    const { door, sink, register, enter, link, deliver } = await mailing()
    await register('vera')
    expect(await enter('vera', 'first')).toBe(401)
    expect(await deliver()).toBe(1)
    expect(sink.taken[0]?.to).toBe('RCPT TO:<vera@example.com>')
    expect(link()).toMatch(/^\/auth\/verify\?id=[0-9a-f]{24}&challenge=[A-Za-z0-9]{15}$/)
    const wrong = await door.call(
      'GET',
      link().replace(/.$/, (last) => (last === 'x' ? 'y' : 'x')),
    )
    expect([wrong.status, await enter('vera', 'first')]).toEqual([412, 401])
    const verified = await door.must('GET', link())
    expect([at(verified.json, 'nick'), await enter('vera', 'first')]).toEqual(['vera', 200])
    expect((await door.call('GET', link())).status).toBe(412)
  })

  test('[AU13] an unknown account is 403, another one’s challenge 412', async () => {
    const { door, register, link, deliver } = await mailing()
    await register('vera')
    await deliver()
    const veras = link()
    const other = String(at((await register('ivan')).json, 'prn')).slice(-24)
    for (const [query, status] of [
      [veras.replace(/[0-9a-f]{24}/, other), 412],
      [veras.replace(/[0-9a-f]{24}/, '0123456789abcdef01234567'), 403],
      ['/auth/verify', 403],
      ['/auth/verify?id=x&challenge=y', 403],
      [`/auth/verify?id=${other}`, 412],
    ] as const)
      expect([query, (await door.call('GET', query)).status]).toEqual([query, status])
  })
})

describe('a forgotten password', () => {
  test('[AU14] the token that was mailed sets a new one, once, voids what stood on the old, and confirms', async () => {
    const { door, register, enter, link, token, deliver } = await mailing()
    await register('vera')
    await deliver()
    await door.must('GET', link())
    const old = await door.enter('vera', 'first')
    expect((await door.must('POST', '/auth/recover', { body: { email: 'VERA@example.com' } })).text).toBe(
      'true',
    )
    expect(await deliver()).toBe(1)
    const body = { token: token(), password: 'second' }
    expect((await door.must('POST', '/auth/password', { body })).text).toBe('true')
    expect([await enter('vera', 'first'), await enter('vera', 'second')]).toEqual([401, 200])
    expect((await door.call('GET', '/auth/', { token: old })).status).toBe(401)
    expect((await door.call('POST', '/auth/password', { body: { ...body, password: 'third' } })).status).toBe(
      403,
    )
    expect(await enter('vera', 'second')).toBe(200)
  })

  test('[AU14] it also confirms an account whose first mail was lost', async () => {
    const { door, register, enter, token, deliver } = await mailing()
    await register('vera')
    await door.must('POST', '/auth/recover', { body: { email: 'vera@example.com' } })
    await deliver()
    await door.must('POST', '/auth/password', { body: { token: token(), password: 'second' } })
    expect(await enter('vera', 'second')).toBe(200)
  })

  test('[AU14] a token lives an hour, and one of another kind is none', async () => {
    const { door, register, token, deliver } = await mailing()
    await register('vera')
    await door.must('POST', '/auth/recover', { body: { email: 'vera@example.com' } })
    await deliver()
    const good = token()
    const login = await door.enter('admin', 'correct horse battery')
    for (const bad of [login, '', 'x.y.z', `${good}x`, good.split('.').slice(0, 2).join('.')])
      expect(
        (await door.call('POST', '/auth/password', { body: { token: bad, password: 'p' } })).status,
      ).toBe(403)
    // And the other way round: it logs nobody in.
    expect((await door.call('GET', '/auth/', { token: good })).status).toBe(401)
    door.pass(3_600_001)
    const late = await door.call('POST', '/auth/password', { body: { token: good, password: 'p' } })
    expect(late.status).toBe(403)
  })

  test('[AU14] an unknown address is 404; one account is not written to twice a minute', async () => {
    const { door, sink, register, deliver } = await mailing()
    await register('vera')
    await deliver()
    expect((await door.call('POST', '/auth/recover', { body: { email: 'no@example.com' } })).status).toBe(404)
    for (let i = 0; i < 5; i++)
      await door.must('POST', '/auth/recover', { body: { email: 'vera@example.com' } })
    await deliver()
    expect(sink.taken).toHaveLength(2)
    door.pass(61_000)
    await door.must('POST', '/auth/recover', { body: { email: 'vera@example.com' } })
    await deliver()
    expect(sink.taken).toHaveLength(3)
  })

  test('[AU14] asking is slowed by address', async () => {
    const sink = await openSink()
    const door = await openDoor({
      flags: ['--smtp', `smtp://127.0.0.1:${sink.port}`, '--registration-rate', '2'],
    })
    const ask = async (i: number) =>
      (await door.call('POST', '/auth/recover', { body: { email: `n${i}@example.com` } })).status
    expect([await ask(1), await ask(2), await ask(3)]).toEqual([404, 404, 429])
  })

  test('[AU14] without a mail server nothing is promised', async () => {
    const door = await openDoor()
    const answer = await door.call('POST', '/auth/recover', { body: { email: 'admin@example.com' } })
    expect(answer.status).toBe(404)
  })
})

describe('the queue', () => {
  test('[AU15] a mail that cannot be sent now is tried again, ever later; the others go out meanwhile', async () => {
    const says: Record<string, string | null> = { MAIL: '451 not now' }
    const { door, sink, register, deliver } = await mailing({ says })
    await register('vera')
    expect(await deliver()).toBe(0)
    expect(await deliver()).toBe(0)
    expect(sink.heard.filter((line) => line.startsWith('MAIL'))).toHaveLength(1)
    delete says.MAIL
    await register('ivan')
    expect(await deliver()).toBe(1)
    door.pass(61_000)
    expect(await deliver()).toBe(1)
    expect(sink.taken.map(({ to }) => to)).toEqual([
      'RCPT TO:<ivan@example.com>',
      'RCPT TO:<vera@example.com>',
    ])
    door.pass(40 * 3600_000)
    expect(await deliver()).toBe(0)
  })

  test('[AU15] one that is refused for good, or for too long, is given up', async () => {
    const says: Record<string, string | null> = { RCPT: '550 nobody here' }
    const { door, register, deliver } = await mailing({ says })
    await register('vera')
    await deliver()
    delete says.RCPT
    door.pass(40 * 3600_000)
    expect(await deliver()).toBe(0)
    says.MAIL = '451 not now'
    await register('ivan')
    for (let i = 0; i < 12; i++) {
      await deliver()
      door.pass(20 * 3600_000)
    }
    delete says.MAIL
    expect(await deliver()).toBe(0)
  })

  test('[AU15] neither a challenge nor a token is kept as it is, nor logged', async () => {
    const { door, sink, register, token, deliver } = await mailing()
    await register('vera')
    await door.must('POST', '/auth/recover', { body: { email: 'vera@example.com' } })
    const directory = door.house.store.readHouse()
    const kept = JSON.stringify([
      await directory.find(emailChallenges, {}),
      await directory.find(outgoingMails, {}),
    ])
    expect(await deliver()).toBe(2)
    const [, challenge = ''] = /challenge=(\w{15})/.exec(sink.taken.map(({ text }) => text).join()) ?? []
    for (const secret of [challenge, token()]) {
      expect(secret.length).toBeGreaterThanOrEqual(15)
      expect(kept).not.toContain(secret)
      expect(door.logged()).not.toContain(secret)
    }
  })
})
