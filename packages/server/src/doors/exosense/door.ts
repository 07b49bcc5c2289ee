/**
 * The Exosense door: JSON-RPC over HTTP at `/exodm/rpc`, for back ends.
 *
 * The content type says nothing (the usual client labels its JSON as a form), except that a multipart body carries the
 * request in its part `jsonrpc` and files beside it. Every request logs in by itself. What goes wrong in business is a
 * result, what goes wrong in asking is a JSON-RPC error, and both are answered with 200.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { House } from '../../house.ts'
import type { HttpApp } from '../../http.ts'
import { endOfTurn } from '../../turn.ts'
import { createBackEndCalls } from './back-end-calls.ts'
import { answerBody, parseErrorBody, type RpcRequest } from './json-rpc.ts'
import { type Caller, readings } from './login.ts'
import { createRemembered } from './remembered.ts'
import { createRunner } from './runner.ts'
import { type FilePart, readUpload, type Uploaded } from './upload.ts'

const realm = 'Basic realm="exodm@feuerlabs.com"'
const unauthorized = '<html><head><title>401</title></head><body>Log in to go on.</body></html>\n'
/** Bodies up to this are answered without the framework, in bytes. */
const shortBody = 64 * 1024
const noFiles: ReadonlyMap<string, FilePart> = new Map()
/** Largest body with files in it. */
const uploadBytesMax = 64 * 1024 * 1024

export async function exosenseDoor(http: HttpApp, house: House): Promise<void> {
  const remembered = createRemembered(house)
  const { run } = createRunner(house, remembered)
  // The fleet door's users call the same table; doors know nothing of each other.
  house.backEnd.calls = createBackEndCalls(house, run)
  const failed = (error: unknown, { method }: RpcRequest) =>
    house.log.error({ err: error, method }, 'a command failed')

  // The plain case, a short body of known length, needs none of the framework; all others take the route below.
  http.answerFirst((request, response, peer) => {
    if (request.method !== 'POST' || request.url !== '/exodm/rpc') return false
    const length = Number(request.headers['content-length'] ?? Number.NaN)
    const plain = request.headers['content-encoding'] === undefined && request.headers.expect === undefined
    if (!plain || !(length <= shortBody) || /^multipart\//i.test(request.headers['content-type'] ?? ''))
      return false
    void answerPlainly(request, response, peer())
    return true
  })

  async function answerPlainly(
    request: IncomingMessage,
    response: ServerResponse,
    peer: string,
  ): Promise<void> {
    try {
      const chunks = await bodyOf(request)
      const caller = await login(request.headers.authorization, peer)
      if (caller === 'unknown')
        return end(response, 401, unauthorized, {
          'www-authenticate': realm,
          'content-type': 'text/html; charset=utf-8',
        })
      if (caller === 'later') return end(response, 429, '', { 'retry-after': '60' })
      const [only] = chunks
      const body = chunks.length === 1 && only ? only : Buffer.concat(chunks)
      const text = await answerBody(
        body.toString('utf8'),
        (asked) => run(caller, peer, asked, noFiles),
        failed,
      )
      await endOfTurn()
      end(response, 200, text ?? '', { 'content-type': 'application/json' })
    } catch (error) {
      // The caller went away in the middle; or a defect, which is told.
      if (!request.destroyed) house.log.error({ err: error }, 'a request failed')
      if (response.headersSent) response.destroy()
      else end(response, 500, '', {})
    }
  }

  await http.app.register(async (app) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: uploadBytesMax }, (_request, body, done) =>
      done(null, body),
    )
    app.post('/exodm/rpc', { bodyLimit: uploadBytesMax }, async (request, reply) => {
      const caller = await login(request.headers.authorization, house.peerAddress(request))
      if (caller === 'unknown')
        return reply
          .code(401)
          .header('WWW-Authenticate', realm)
          .type('text/html; charset=utf-8')
          .send(unauthorized)
      if (caller === 'later') return reply.code(429).header('Retry-After', '60').send()
      return answer(request, reply, caller)
    })
    for (const sink of ['/exodm/test_callback', '/exodm/test_callback2'])
      app.post(sink, { bodyLimit: house.config.bodyLimit }, async (_request, reply) =>
        reply.type('application/json').send('{}'),
      )
  })

  async function answer(request: FastifyRequest, reply: FastifyReply, caller: Caller): Promise<FastifyReply> {
    const peer = house.peerAddress(request)
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    const type = request.headers['content-type'] ?? ''
    const uploaded: Uploaded | undefined = /^multipart\//i.test(type)
      ? await readUpload(type, body)
      : { jsonrpc: body.toString('utf8'), files: new Map() }
    reply.type('application/json')
    if (!uploaded) return reply.code(400).send(parseErrorBody('no part jsonrpc'))
    const { bodyLimit } = house.config
    if (uploaded.files.size === 0 && body.length > bodyLimit)
      return reply
        .code(413)
        .send(parseErrorBody(`wanted at most ${bodyLimit} bytes, or files as parts, got ${body.length}`))
    const text = await answerBody(
      uploaded.jsonrpc,
      (asked) => run(caller, peer, asked, uploaded.files),
      failed,
    )
    return reply.send(text ?? '')
  }

  /** Who asks: `unknown` when the login is missing or wrong, `later` after too many guesses. */
  async function login(header: string | undefined, peer: string): Promise<Caller | 'unknown' | 'later'> {
    if (header === undefined) return 'unknown'
    const known = remembered.caller(header)
    if (known) return known
    const asOf = remembered.changes()
    const caller = await prove(header, peer)
    if (typeof caller !== 'string') remembered.keep(header, caller, asOf)
    return caller
  }

  async function prove(header: string, peer: string): Promise<Caller | 'unknown' | 'later'> {
    const encoded = /^basic\s+([A-Za-z0-9+/=]+)$/i.exec(header)?.[1]
    if (encoded === undefined) return 'unknown'
    const [, name, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? []
    if (name === undefined || password === undefined) return 'unknown'
    for (const { user, account } of readings(name)) {
      const proved = await house.access.prove({ name: user, password, peer })
      if (!proved.ok && proved.refusal.kind === 'too-many-guesses') return 'later'
      if (!proved.ok) continue
      const principal = proved.value
      // A user who belongs nowhere has nothing to log in to.
      if (!principal.houseAdmin && !(await house.access.belongsSomewhere(principal.id))) return 'unknown'
      return {
        principal,
        actor: { kind: 'user', id: principal.id },
        master: principal.houseAdmin,
        ...(account === undefined ? {} : { account }),
      }
    }
    return 'unknown'
  }
}

/** The whole body; refuses when the caller goes away before its end. */
function bodyOf(request: IncomingMessage): Promise<readonly Buffer[]> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => resolve(chunks))
    request.on('error', reject)
  })
}

function end(response: ServerResponse, status: number, body: string, headers: OutgoingHttpHeaders): void {
  headers['content-length'] = Buffer.byteLength(body)
  response.writeHead(status, headers)
  response.end(body)
}
