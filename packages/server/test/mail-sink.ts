/** A mail server for tests: takes what comes, keeps it, and answers as its script says. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'

export interface Taken {
  readonly from: string
  readonly to: string
  /** As it travelled, dots and all, without the last one. */
  readonly raw: string
  /** Headers and body with the dots taken back. */
  readonly text: string
  readonly secure: boolean
  readonly login: string
}

export interface SinkOptions {
  readonly offers?: readonly string[]
  readonly certificate?: { readonly key: Buffer; readonly cert: Buffer }
  /** TLS from the first byte. */
  readonly direct?: boolean
  /** By the word a command begins with, what is said instead; `null`: nothing at all, `hang-up`: goodbye. */
  readonly says?: Readonly<Record<string, string | null>>
  /** Said after STARTTLS's reply, in the clear. */
  readonly injects?: string
}

export async function openSink(options: SinkOptions = {}) {
  const taken: Taken[] = []
  const heard: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    if (options.direct && options.certificate)
      talk(new TLSSocket(socket, { isServer: true, ...options.certificate }), true, true)
    else talk(socket, false, true)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a sink listens on a port')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: address.port, taken, heard }

  function talk(socket: Socket, secure: boolean, greets: boolean): void {
    socket.on('error', () => {})
    socket.setEncoding('latin1')
    let held = ''
    let data: string[] | undefined
    let login = ''
    let expects = 0
    const envelope = { from: '', to: '' }
    const say = (line: string) => socket.write(`${line}\r\n`)
    if (greets) answer('greeting', '220 sink')

    function answer(word: string, usual: string): boolean {
      const said = options.says && Object.hasOwn(options.says, word) ? options.says[word] : usual
      if (said === 'hang-up') socket.destroy()
      else if (typeof said === 'string') say(said)
      return said === usual
    }

    const onData = (piece: string) => {
      held += piece
      for (;;) {
        const end = held.indexOf('\r\n')
        if (end < 0) return
        const line = held.slice(0, end)
        held = held.slice(end + 2)
        if (data !== undefined) dataLine(line)
        else if (commandLine(line) === 'upgraded') return
      }
    }
    socket.on('data', onData)

    function dataLine(line: string): void {
      if (line !== '.') return void data?.push(line)
      const lines = data ?? []
      data = undefined
      const text = lines.map((one) => one.replace(/^\./, '')).join('\n')
      taken.push({ ...envelope, raw: lines.join('\n'), text, secure, login })
      answer('message', '250 taken')
    }

    function commandLine(line: string): 'upgraded' | undefined {
      heard.push(line)
      if (expects > 0) {
        login += `${Buffer.from(line, 'base64').toString()}\0`
        expects -= 1
        say(expects > 0 ? '334 UGFzc3dvcmQ6' : '235 welcome')
        return undefined
      }
      const [, word = ''] = /^(\S+)/.exec(line) ?? []
      switch (word) {
        case 'EHLO': {
          const offers = ['sink', ...(options.offers ?? [])].filter(
            (offer) => !(secure && offer === 'STARTTLS'),
          )
          answer(
            'EHLO',
            offers.map((offer, i) => `250${i === offers.length - 1 ? ' ' : '-'}${offer}`).join('\r\n'),
          )
          return undefined
        }
        case 'STARTTLS':
          if (!options.certificate) throw new Error('STARTTLS wants a certificate')
          socket.write(`220 go\r\n${options.injects ?? ''}`)
          socket.removeListener('data', onData)
          socket.setEncoding()
          talk(new TLSSocket(socket, { isServer: true, ...options.certificate }), true, false)
          return 'upgraded'
        case 'AUTH':
          if (line === 'AUTH LOGIN') {
            expects = 2
            say('334 VXNlcm5hbWU6')
          } else {
            login = Buffer.from(line.slice('AUTH PLAIN '.length), 'base64').toString()
            answer('AUTH', '235 welcome')
          }
          return undefined
        case 'MAIL':
          envelope.from = line
          answer('MAIL', '250 ok')
          return undefined
        case 'RCPT':
          envelope.to = line
          answer('RCPT', '250 ok')
          return undefined
        case 'DATA':
          if (answer('DATA', '354 go on')) data = []
          return undefined
        case 'QUIT':
          say('221 bye')
          socket.end()
          return undefined
        default:
          say('500 what?')
          return undefined
      }
    }
  }
}

/** A certificate for localhost, made by OpenSSL's command. */
export function localCertificate(): { readonly key: Buffer; readonly cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-cert-'))
  try {
    const [key, cert] = [join(folder, 'k.pem'), join(folder, 'c.pem')]
    const kind = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ]
    const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    execFileSync('openssl', [...kind, ...name, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { key: readFileSync(key), cert: readFileSync(cert) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
