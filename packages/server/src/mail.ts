/**
 * Sending one mail to the configured mail server: SMTP (RFC 5321) with STARTTLS (RFC 3207) and AUTH PLAIN or LOGIN
 * (RFC 4954).
 *
 *     smtp://user:password@mail.example:587?from=hub@example.com
 *
 * `smtps:` speaks TLS from the first byte (port 465). With `smtp:` (port 587) STARTTLS is used where it is offered; a
 * password is never sent without TLS, except to this same machine or with `tls=off`, and `tls=required` wants it for
 * every mail. Certificates are checked. Whatever the other side says is bounded in length, lines and time.
 *
 * What cannot be sent is told as a refusal that says whether trying again makes sense. Whom a mail is for and what it
 * says is not this file's business; that no line of a mail can become a command is.
 */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { connect as connectTls } from 'node:tls'
import { type Instant, ok, type Result, refuse } from '@waymark/domain'

export interface Mail {
  /** Names the mail, the same on every try: letters, digits, `.` and `-`. */
  readonly id: string
  readonly to: string
  readonly subject: string
  /** Lines end in `\n`. */
  readonly text: string
  readonly at: Instant
}

export type MailRefusal =
  /** The server says no, and will say so again: 5xx, or an address that cannot be one. */
  | { readonly kind: 'mail-rejected'; readonly thing: string; readonly wanted: string; readonly got: string }
  /** Not now: unreachable, too slow, 4xx, or not as safe as wanted. */
  | { readonly kind: 'mail-delayed'; readonly thing: string; readonly wanted: string; readonly got: string }

export interface MailServer {
  readonly host: string
  readonly port: number
  /** TLS from the first byte. */
  readonly direct: boolean
  readonly tls: 'if-offered' | 'required' | 'off'
  readonly user?: string
  readonly password?: string
  readonly from: string
}

export interface MailerNeeds {
  readonly server: MailServer
  /** Whose certificates are believed, besides those that Node knows. */
  readonly ca?: string | Buffer
  /** Milliseconds until a connection has to stand, a reply has to come, and all has to be over. */
  readonly timeouts?: { readonly connect: number; readonly reply: number; readonly whole: number }
}

export type SendMail = (mail: Mail) => Promise<Result<undefined, MailRefusal>>

const defaultTimeouts = { connect: 15_000, reply: 60_000, whole: 180_000 }
const replyLineMax = 2048
const replyLinesMax = 128

/** The mail server a URL names. `from` is who the mails are from unless the URL says so. */
export function mailServerOf(url: string, from: string): MailServer {
  const parsed = new URL(url)
  const direct = parsed.protocol === 'smtps:'
  const tls = parsed.searchParams.get('tls')
  const user = decodeURIComponent(parsed.username)
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? (direct ? 465 : 587) : Number(parsed.port),
    direct,
    tls: tls === 'required' || tls === 'off' ? tls : 'if-offered',
    from: addressFor(parsed.searchParams.get('from') ?? '') ?? from,
    ...(user === '' ? {} : { user, password: decodeURIComponent(parsed.password) }),
  }
}

/** Sends mails, each over a connection of its own. */
export function createMailer(needs: MailerNeeds): SendMail {
  return async (mail) => {
    const to = addressFor(mail.to)
    if (to === undefined)
      return refuse({
        kind: 'mail-rejected',
        thing: 'recipient',
        wanted: 'an address of printable ASCII',
        got: 'another',
      })
    const talk = await open(needs)
    if (!talk.ok) return talk
    try {
      return await deliver(talk.value, needs, to, mail)
    } catch (error) {
      if (error instanceof Unexpected) return refuse(error.refusal)
      return refuse({
        kind: 'mail-delayed',
        thing: needs.server.host,
        wanted: 'a whole conversation',
        got: error instanceof Error ? error.message : String(error),
      })
    } finally {
      talk.value.end()
    }
  }
}

async function deliver(
  talk: Talk,
  { server, ca }: MailerNeeds,
  to: string,
  mail: Mail,
): Promise<Result<undefined, MailRefusal>> {
  const own = /^[\w.-]{1,200}$/.test(hostname()) ? hostname() : 'localhost'
  const greet = async () =>
    new Set((await talk.ask(`EHLO ${own}`, 2, 'EHLO')).lines.map((l) => l.toUpperCase()))
  await talk.hear(2, 'greeting')
  let offers = await greet()
  if (!server.direct && server.tls !== 'off' && offers.has('STARTTLS')) {
    await talk.ask('STARTTLS', 2, 'STARTTLS')
    await talk.secure(ca)
    offers = await greet()
  }
  const safe = talk.isSecure()
  if (!safe && server.tls === 'required') return unsafe('TLS')
  if (server.user !== undefined && server.password !== undefined) {
    const local = server.host === 'localhost' || server.host === '::1' || server.host.startsWith('127.')
    if (!safe && !local && server.tls !== 'off') return unsafe('TLS before a password')
    await logIn(talk, offers, server.user, server.password)
  }
  await talk.ask(`MAIL FROM:<${server.from}>`, 2, 'MAIL')
  await talk.ask(`RCPT TO:<${to}>`, 2, 'RCPT')
  await talk.ask('DATA', 3, 'DATA')
  await talk.ask(`${stuffed(written(mail, server.from, to, server.host))}.`, 2, 'message')
  talk.say('QUIT')
  return ok(undefined)

  function unsafe(wanted: string): Result<undefined, MailRefusal> {
    return refuse({ kind: 'mail-delayed', thing: server.host, wanted, got: 'a server that offers none' })
  }
}

async function logIn(talk: Talk, offers: ReadonlySet<string>, user: string, password: string): Promise<void> {
  const ways = [...offers].find((offer) => /^AUTH[ =]/.test(offer))?.split(/[ =]+/) ?? []
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  if (ways.includes('PLAIN') || !ways.includes('LOGIN')) {
    await talk.ask(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, 2, 'AUTH')
    return
  }
  await talk.ask('AUTH LOGIN', 3, 'AUTH')
  await talk.ask(base64(user), 3, 'AUTH')
  await talk.ask(base64(password), 2, 'AUTH')
}

/** The mail as it travels, lines ending in CRLF. */
function written({ id, subject, text, at }: Mail, from: string, to: string, host: string): string {
  const plain = /^[\t\n\x20-\x7e]*$/.test(text) && text.split('\n').every((line) => line.length <= 900)
  const body = plain
    ? text
    : (
        Buffer.from(text)
          .toString('base64')
          .match(/.{1,76}/g) ?? []
      ).join('\n')
  const domain = from.slice(from.lastIndexOf('@') + 1) || host
  const lines = [
    `From: <${from}>`,
    `To: <${to}>`,
    `Subject: ${headerText(subject)}`,
    `Date: ${new Date(at).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${id.replace(/[^\w.-]/g, '')}@${domain}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Transfer-Encoding: ${plain ? '7bit' : 'base64'}`,
    'Auto-Submitted: auto-generated',
    '',
    ...body.split('\n'),
  ]
  return lines.map((line) => `${line}\r\n`).join('')
}

/** A line of a mail that is a lone dot would end it: every leading dot is doubled (RFC 5321 4.5.2). */
function stuffed(text: string): string {
  return text.replace(/^\./gm, '..')
}

/** A header's text: as it is when it is short and plain, else as an encoded word (RFC 2047). */
function headerText(text: string): string {
  const one = text.replace(/\s+/g, ' ').slice(0, 120)
  return /^[\x20-\x7e]*$/.test(one) ? one : `=?utf-8?B?${Buffer.from(one).toString('base64')}?=`
}

/** An address that can stand between angle brackets and end no line; undefined for any other. */
function addressFor(text: string): string | undefined {
  return text.length <= 254 && /^[\x21-\x7e]{1,64}@[\x21-\x7e]+$/.test(text) && !/[<>"\\]/.test(text)
    ? text
    : undefined
}

// ── the conversation ─────────────────────────────────────────────────────────────────────────────────────────────

interface Reply {
  readonly code: number
  /** Without codes; the first line of an EHLO is the server's name. */
  readonly lines: readonly string[]
}

interface Talk {
  say(line: string): void
  /** The next reply, whose code has to begin with this digit. */
  hear(wanted: 2 | 3, thing: string): Promise<Reply>
  ask(line: string, wanted: 2 | 3, thing: string): Promise<Reply>
  /** Goes on over TLS. */
  secure(ca: string | Buffer | undefined): Promise<void>
  isSecure(): boolean
  end(): void
}

/** A reply that is not the one wanted, carried out of the conversation. */
class Unexpected extends Error {
  readonly refusal: MailRefusal
  constructor(refusal: MailRefusal) {
    super(refusal.got)
    this.refusal = refusal
  }
}

async function open(needs: MailerNeeds): Promise<Result<Talk, MailRefusal>> {
  const { host, port, direct } = needs.server
  const timeouts = needs.timeouts ?? defaultTimeouts
  const sni = isIP(host) === 0 ? { servername: host } : {}
  const ca = needs.ca === undefined ? {} : { ca: needs.ca }
  const first: Socket = direct ? connectTls({ host, port, ...sni, ...ca }) : connectPlain({ host, port })
  try {
    await settledSocket(first, direct ? 'secureConnect' : 'connect', timeouts.connect)
  } catch (error) {
    first.destroy()
    const got = error instanceof Error ? error.message : String(error)
    return refuse({ kind: 'mail-delayed', thing: `${host}:${port}`, wanted: 'a connection', got })
  }
  return ok(conversation(first, direct, { host, timeouts, sni }))
}

function conversation(
  first: Socket,
  direct: boolean,
  about: {
    readonly host: string
    readonly timeouts: NonNullable<MailerNeeds['timeouts']>
    readonly sni: { readonly servername?: string }
  },
): Talk {
  const { host, timeouts, sni } = about
  let socket = first
  let secured = direct
  let held = ''
  let broken: Error | undefined
  let wake: () => void = () => {}
  const whole = setTimeout(() => fail(new Error('took too long')), timeouts.whole)
  listen()

  function fail(error: Error): void {
    broken ??= error
    socket.destroy()
    wake()
  }

  function listen(): void {
    socket.setEncoding('latin1')
    socket.on('data', (piece: string) => {
      held += piece
      // Nobody who waits for us says this much.
      if (held.length > replyLineMax * replyLinesMax) fail(new Error('the server says too much'))
      wake()
    })
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the server hung up')))
  }

  function wholeReply(): Reply | undefined {
    const lines: string[] = []
    let from = 0
    for (;;) {
      const end = held.indexOf('\n', from)
      if (end < 0) {
        if (held.length - from > replyLineMax) throw new Error('a reply line is too long')
        return undefined
      }
      const [, code = '', more = '', text = ''] = /^(\d{3})([ -]?)(.*?)\r?$/.exec(held.slice(from, end)) ?? []
      if (code === '') throw new Error('a reply line has no code')
      lines.push(text)
      if (lines.length > replyLinesMax) throw new Error('a reply has too many lines')
      from = end + 1
      if (more === '-') continue
      held = held.slice(from)
      return { code: Number(code), lines }
    }
  }

  async function next(): Promise<Reply> {
    const late = setTimeout(() => fail(new Error('no reply in time')), timeouts.reply)
    try {
      for (;;) {
        const reply = wholeReply()
        if (reply) return reply
        if (broken) throw broken
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    } finally {
      clearTimeout(late)
    }
  }

  const talk: Talk = {
    say(line) {
      socket.write(`${line}\r\n`)
    },
    async hear(wanted, thing) {
      const { code, lines } = await next()
      if (Math.floor(code / 100) === wanted) return { code, lines }
      // A refused login is a matter of configuration: it may be mended, and the mail sent then.
      const forGood = code >= 500 && (thing === 'RCPT' || thing === 'message')
      const got = `${code} ${lines.at(-1) ?? ''}`.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')
      const kind = forGood ? 'mail-rejected' : 'mail-delayed'
      throw new Unexpected({ kind, thing: `${host} ${thing}`, wanted: `${wanted}xx`, got })
    },
    ask(line, wanted, thing) {
      talk.say(line)
      return talk.hear(wanted, thing)
    },
    async secure(ca) {
      // What was said before TLS and not asked for was put there by somebody in between.
      if (held !== '') throw new Error('the server spoke out of turn before TLS')
      socket.removeAllListeners()
      socket.on('error', () => {})
      const plain = socket
      socket = connectTls({ socket: plain, ...sni, host, ...(ca === undefined ? {} : { ca }) })
      await settledSocket(socket, 'secureConnect', timeouts.connect)
      secured = true
      listen()
    },
    isSecure: () => secured,
    end() {
      clearTimeout(whole)
      socket.removeAllListeners()
      socket.on('error', () => {})
      socket.end()
      // Whoever does not take a farewell is left.
      setTimeout(() => socket.destroy(), 2000).unref()
    },
  }
  return talk
}

/** Resolves when a socket stands; rejects with its error, or when that takes too long. */
function settledSocket(socket: Socket, event: 'connect' | 'secureConnect', ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error) => {
      clearTimeout(timer)
      socket.removeListener('error', done)
      socket.removeListener('close', closed)
      socket.removeListener(event, stands)
      if (error) reject(error)
      else resolve()
    }
    const closed = () => done(new Error('the server hung up'))
    const stands = () => done()
    const timer = setTimeout(() => done(new Error('no connection in time')), ms)
    socket.on('error', done)
    socket.on('close', closed)
    socket.on(event, stands)
  })
}
