import { Instant } from '@waymark/domain'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createMailer, type Mail, mailServerOf } from '../src/mail.ts'
import { localCertificate, openSink, type SinkOptions } from './mail-sink.ts'

/** The rules are in `RULES.md`, under Mail. */
const mail: Mail = {
  id: 'a1b2',
  to: 'olga@example.com',
  subject: 'Hello',
  text: 'one\n.\n..two\n\nthree\n',
  at: Instant.of(Date.UTC(2026, 0, 31, 12)),
}
const timeouts = { connect: 2000, reply: 300, whole: 1500 }
const certificate = localCertificate()

async function sinkAndMailer(options: SinkOptions = {}, url = 'smtp://127.0.0.1:PORT?from=hub@example.com') {
  const sink = await openSink(options)
  const server = mailServerOf(url.replace('PORT', String(sink.port)), 'x@localhost')
  return { sink, send: createMailer({ server, timeouts, ca: certificate.cert }) }
}

describe('what arrives', () => {
  test('[ML1] headers, envelope and dots', async () => {
    const { sink, send } = await sinkAndMailer()
    expect(await send(mail)).toEqual({ ok: true, value: undefined })
    const [taken] = sink.taken
    expect([taken?.from, taken?.to]).toEqual(['MAIL FROM:<hub@example.com>', 'RCPT TO:<olga@example.com>'])
    expect(taken?.raw).toContain('\n..\n...two\n')
    expect(taken?.text.split('\n')).toEqual([
      'From: <hub@example.com>',
      'To: <olga@example.com>',
      'Subject: Hello',
      'Date: Sat, 31 Jan 2026 12:00:00 +0000',
      'Message-ID: <a1b2@example.com>',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 7bit',
      'Auto-Submitted: auto-generated',
      '',
      ...mail.text.split('\n'),
    ])
  })

  test('[ML1] whatever is written comes back whole', async () => {
    const { sink, send } = await sinkAndMailer()
    const line = fc.oneof(
      fc.string(),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('.', '..', 'QUIT', ''),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 8 }), async (lines) => {
        const text = lines.map((one) => one.replace(/[\r\n]/g, '').toWellFormed()).join('\n')
        expect(await send({ ...mail, text })).toEqual({ ok: true, value: undefined })
        const taken = sink.taken.at(-1)?.text ?? ''
        const at = taken.indexOf('\n\n')
        const [head, body] = [taken.slice(0, at), taken.slice(at + 2)]
        const arrived = head.includes('base64') ? Buffer.from(body, 'base64').toString() : body
        expect(arrived).toBe(text)
      }),
      { numRuns: 40 },
    )
  })

  test('[ML1] a subject in other letters is an encoded word', async () => {
    const { sink, send } = await sinkAndMailer()
    await send({ ...mail, subject: 'Grüße' })
    expect(sink.taken[0]?.text).toContain('Subject: =?utf-8?B?R3LDvMOfZQ==?=')
  })
})

describe('safety', () => {
  const asked = 'smtp://me:pass%20word@localhost:PORT?from=hub@example.com'

  test('[ML2] STARTTLS is used where it is offered, and the login follows it', async () => {
    const { sink, send } = await sinkAndMailer(
      { certificate, offers: ['STARTTLS', 'AUTH PLAIN LOGIN'] },
      asked,
    )
    expect(await send(mail)).toEqual({ ok: true, value: undefined })
    expect([sink.taken[0]?.secure, sink.taken[0]?.login]).toEqual([true, '\0me\0pass word'])
  })

  test('[ML2] smtps speaks TLS from the first byte', async () => {
    const { sink, send } = await sinkAndMailer({ certificate, direct: true }, 'smtps://localhost:PORT')
    expect(await send(mail)).toEqual({ ok: true, value: undefined })
    expect(sink.taken[0]?.secure).toBe(true)
  })

  test('[ML2] a certificate that nobody vouches for is not taken', async () => {
    const other = localCertificate()
    const { sink, send } = await sinkAndMailer({ certificate: other, offers: ['STARTTLS'] }, asked)
    expect(await send(mail)).toMatchObject({ ok: false, refusal: { kind: 'mail-delayed' } })
    expect(sink.taken).toEqual([])
    expect(sink.heard.join('\n')).not.toContain('AUTH')
  })

  test('[ML2] tls=required sends nothing in the clear', async () => {
    const { sink, send } = await sinkAndMailer({}, 'smtp://127.0.0.1:PORT?tls=required')
    expect(await send(mail)).toMatchObject({ ok: false, refusal: { kind: 'mail-delayed', wanted: 'TLS' } })
    expect(sink.heard.some((line) => line.startsWith('MAIL'))).toBe(false)
  })

  test('[ML2] what is slipped in before TLS begins ends the conversation', async () => {
    const { sink, send } = await sinkAndMailer(
      { certificate, offers: ['STARTTLS'], injects: '250-evil\r\n250 AUTH PLAIN\r\n' },
      asked,
    )
    expect(await send(mail)).toMatchObject({ ok: false, refusal: { kind: 'mail-delayed' } })
    expect(sink.taken).toEqual([])
  })

  test('[ML3] LOGIN where PLAIN is not offered', async () => {
    const { sink, send } = await sinkAndMailer({ offers: ['AUTH LOGIN'] }, 'smtp://me:secret@127.0.0.1:PORT')
    expect(await send(mail)).toEqual({ ok: true, value: undefined })
    expect(sink.taken[0]?.login).toBe('me\0secret\0')
  })
})

describe('what goes wrong', () => {
  for (const [what, says, kind] of [
    ['a recipient nobody has', { RCPT: '550 no such user' }, 'mail-rejected'],
    ['a message nobody wants', { message: '554 spam' }, 'mail-rejected'],
    ['a full mailbox', { RCPT: '452 try later' }, 'mail-delayed'],
    ['a sender that may not', { MAIL: '530 log in first' }, 'mail-delayed'],
    ['no welcome', { greeting: '554 go away' }, 'mail-delayed'],
    ['a server that hangs up', { DATA: 'hang-up' }, 'mail-delayed'],
    ['a server that falls silent', { RCPT: null }, 'mail-delayed'],
    ['nonsense', { EHLO: 'what is this' }, 'mail-delayed'],
    ['an endless line', { EHLO: `250 ${'x'.repeat(100_000)}` }, 'mail-delayed'],
    ['endless lines', { EHLO: '250-x\r\n'.repeat(1000) }, 'mail-delayed'],
  ] as const)
    test(`[ML4][ML5] ${what}: ${kind}`, async () => {
      const { send } = await sinkAndMailer({ says })
      expect(await send(mail)).toMatchObject({ ok: false, refusal: { kind } })
    })

  test('[ML5] nobody there: later', async () => {
    const server = mailServerOf('smtp://127.0.0.1:1', 'x@localhost')
    const came = await createMailer({ server, timeouts })(mail)
    expect(came).toMatchObject({ ok: false, refusal: { kind: 'mail-delayed', wanted: 'a connection' } })
  })

  for (const to of [
    'a@b>\r\nRCPT TO:<evil@example.com',
    'a@b\nDATA',
    '<a@b>',
    'nobody',
    'ü@example.com',
    `${'a'.repeat(300)}@b`,
    'a"@b',
  ])
    test(`[ML6] ${JSON.stringify(to.slice(0, 40))} is no address: never sent`, async () => {
      const { sink, send } = await sinkAndMailer()
      expect(await send({ ...mail, to })).toMatchObject({ ok: false, refusal: { kind: 'mail-rejected' } })
      expect(sink.heard).toEqual([])
    })

  test('[ML6] a subject with line breaks adds no header', async () => {
    const { sink, send } = await sinkAndMailer()
    await send({ ...mail, subject: 'x\r\nBcc: evil@example.com' })
    expect(sink.taken[0]?.text).toContain('Subject: x Bcc: evil@example.com')
  })
})
