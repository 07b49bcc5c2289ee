/**
 * The Exosense door: JSON-RPC over HTTP at `/exodm/rpc`, for back ends.
 *
 * The content type says nothing (the usual client labels its JSON as a form), except that a multipart body carries the
 * request in its part `jsonrpc` and files beside it. Every request logs in by itself. What goes wrong in business is a
 * result, what goes wrong in asking is a JSON-RPC error, and both are answered with 200.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { tenants } from '@waymark/domain'
import type { JsonObject, JsonValue } from '@waymark/yang'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { House } from '../../house.ts'
import type { HttpApp } from '../../http.ts'
import { nearest } from '../../nearest.ts'
import type { Operation, SchemaFaults } from '../../schemas/schema-room.ts'
import { type Context, Params } from './command.ts'
import { callCustom } from './custom.ts'
import { createDeviceViews } from './device-views.ts'
import { answerBody, type RpcOutcome, type RpcRequest, rpcError } from './json-rpc.ts'
import { isLoopback } from './local.ts'
import { accountOf, type Caller, readings } from './login.ts'
import { createRemembered } from './remembered.ts'
import { commandOf, type NamedCommand } from './table.ts'
import { readUpload, type Uploaded } from './upload.ts'

const realm = 'Basic realm="exodm@feuerlabs.com"'
const unauthorized = '<html><head><title>401</title></head><body>Log in to go on.</body></html>\n'
/** Bodies up to this are answered without the framework, in bytes. */
const shortBody = 64 * 1024
const noFiles: ReadonlyMap<string, string> = new Map()
/** Largest body with files in it. */
const uploadBytesMax = 64 * 1024 * 1024

export async function exosenseDoor(http: HttpApp, house: House): Promise<void> {
  const remembered = createRemembered(house)
  const views = createDeviceViews(house.store)
  const directory = house.store.readHouse()
  // Nobody can replace the system's own modules: what judges commands is opened once.
  let own: ReturnType<typeof house.exchange.schemas.open> | undefined
  const ownModule = () => (own ??= house.exchange.schemas.open('house', { name: 'exodm' }))
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
    if (!uploaded)
      return reply
        .code(400)
        .send(
          '{"id":null,"error":{"code":-32700,"message":"parse error","data":"no part jsonrpc"},"jsonrpc":"2.0"}',
        )
    if (uploaded.files.size === 0 && body.length > house.config.bodyLimit) return reply.code(413).send()
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

  async function run(
    caller: Caller,
    peer: string,
    { method, params }: RpcRequest,
    files: ReadonlyMap<string, string>,
  ): Promise<RpcOutcome> {
    const named = commandOf(method, params)
    if (named) return runCommand(caller, peer, named, params, files)
    const account = params.account
    const found = await accountOf(
      directory,
      caller,
      typeof account === 'string' ? account : undefined,
      undefined,
    )
    // What is not there and what is not yours look alike.
    if (!found.ok) return rpcError('methodNotFound', method)
    const context = contextOf(caller, found)
    return (await callCustom(context, method, params)) ?? rpcError('methodNotFound', method)
  }

  async function runCommand(
    caller: Caller,
    peer: string,
    { name, command }: NamedCommand,
    given: JsonObject,
    files: ReadonlyMap<string, string>,
  ): Promise<RpcOutcome> {
    const spelt = command.prepare?.(respell(given, command)) ?? respell(given, command)
    const filled = fillIn(spelt, files)
    if (!filled) return { result: { result: 'object-not-found' } }
    const schema = await ownModule()
    const judged = schema?.judge({ as: 'input', operation: name }, filled)
    if (!judged) return rpcError('internal', 'the module exodm does not open')
    if (!judged.ok)
      return rpcError('invalidParams', describeFault(judged.refusal, schema?.operations.get(name)))
    const params = new Params(judged.value)
    const refused = (result: string): RpcOutcome => ({
      result: command.empty === undefined ? { result } : { result, [command.empty]: [] },
    })
    const found =
      command.where === 'house'
        ? await houseOf(caller)
        : await remembered.account(caller, params.maybeText('account'), params.maybeText('uname'))
    if (!found.ok) return refused(found.result)
    const self = command.self !== undefined && params.maybeText(command.self) === caller.principal.nick
    if (!self && !command.roles.some((role) => found.roles.includes(role)))
      return refused('permission-denied')
    const masterOnly = command.roles.length === 1 && command.roles[0] === 'master'
    if (masterOnly && house.config.masterFrom === 'local' && !isLoopback(peer))
      return refused('permission-denied')
    const answer = await command.run(contextOf(caller, found), params)
    return { result: typeof answer === 'string' ? { result: answer } : answer }
  }

  /** For commands that act on no account: what the caller is where they are at home. */
  async function houseOf(caller: Caller) {
    const home = await directory.get(tenants, { id: caller.principal.home })
    return accountOf(directory, caller, caller.account ?? home?.name, undefined)
  }

  function contextOf(
    caller: Caller,
    found: Extract<Awaited<ReturnType<typeof accountOf>>, { ok: true }>,
  ): Context {
    return {
      house,
      caller,
      actor: caller.actor,
      tenant: found.tenant,
      roles: found.roles,
      reader: house.store.read(found.tenant.id),
      directory,
      views,
    }
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

/** What is wrong with parameters, in words that name the one; a typo names the nearest there is. */
function describeFault({ faults, first }: SchemaFaults, operation: Operation | undefined): string {
  const [fault] = faults
  const named = fault && /\/([^/[\]]+)$/.exec(fault.path)?.[1]
  if (named === undefined) return first
  if (fault?.code === 'missing-mandatory') return `missing parameter: ${named}`
  if (fault?.code !== 'unknown-member') return first
  const near = nearest(named, operation?.input.map(({ name }) => name) ?? [])
  return `unknown parameter: ${named}${near === undefined ? '' : `; did you mean ${near}?`}`
}

const none: Readonly<Record<string, string>> = {}

/** Parameters under the names of the schema: other spellings are taken, and one value for a list of one. */
function respell(given: JsonObject, { spellings = none, lists = [] }: NamedCommand['command']): JsonObject {
  if (spellings === none && lists.length === 0) return given
  const params: JsonObject = {}
  for (const [spelt, value] of Object.entries(given)) {
    const name =
      Object.hasOwn(spellings, spelt) && given[spellings[spelt] ?? ''] === undefined
        ? spellings[spelt]
        : spelt
    params[name ?? spelt] = value
  }
  for (const name of lists) {
    const value = params[name]
    if (value !== undefined && !Array.isArray(value)) params[name] = [value]
  }
  return params
}

/** `file:NAME` is the content of the part of that name; undefined when there is none. */
function fillIn(params: JsonObject, files: ReadonlyMap<string, string>): JsonObject | undefined {
  if (files.size === 0 && !Object.values(params).some(isReference)) return params
  const filled: JsonObject = {}
  for (const [name, value] of Object.entries(params)) {
    const file = isReference(value) ? value.slice(5) : undefined
    if (file === undefined || (files.size === 0 && !fileParams.has(name))) {
      filled[name] = value
      continue
    }
    const content: JsonValue | undefined = files.get(file)
    if (content === undefined) return undefined
    filled[name] = content
  }
  return filled
}

function isReference(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value.startsWith('file:')
}

/** Parameters that are contents, so that `file:` in them is always a reference. */
const fileParams: ReadonlySet<string> = new Set(['yang-module', 'image'])
