/**
 * A house with the Exosense door open: back ends that call it over real HTTP, an address that takes its messages, and
 * devices, either by a session of the house's own or dialling in over ExoPort.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import { onTestFinished } from 'vitest'
import { exosenseDoor } from '../../src/doors/exosense/door.ts'
import type { Carried, OpenSession, Outcome } from '../../src/links/link.ts'
import { createLinkHouse } from '../../src/links/link-house.ts'
import { adminPassword, openTestHouse, type TestHouse } from '../house.ts'

export const master = 'exodm-admin'
/** The passwords of accounts and users made here. */
export const password = 'a good password'

export interface Back {
  readonly test: TestHouse
  /** Calls a method as a user; answers the whole reply. */
  call(user: string, method: string, params?: JsonObject, more?: JsonObject): Promise<JsonObject>
  /** The result of a call that is none of JSON-RPC's errors. */
  ask(user: string, method: string, params?: JsonObject): Promise<JsonObject>
  /** Sends a body as it is. */
  post(user: string | undefined, body: string, headers?: Record<string, string>): Promise<Response>
  /** An account with its admin. */
  account(name: string): Promise<string>
  /** Lets the house do now what it does now and then. */
  tend(): Promise<void>
}

type AtEnd = (close: () => Promise<void>) => void

export async function openBack(
  options: Parameters<typeof openTestHouse>[1] = {},
  atEnd: AtEnd = onTestFinished,
): Promise<Back> {
  const test = await openTestHouse([exosenseDoor], {
    ...options,
    flags: ['--http', '0', '--allow-private-targets', ...(options?.flags ?? [])],
  })
  atEnd(() => test.close())

  async function post(user: string | undefined, body: string, headers: Record<string, string> = {}) {
    return fetch(`${test.url}/exodm/rpc`, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(user === undefined ? {} : { authorization: basic(user) }),
        ...headers,
      },
    })
  }

  async function call(user: string, method: string, params: JsonObject = {}, more: JsonObject = {}) {
    const answer = await post(user, printJson({ jsonrpc: '2.0', method, id: 1, params, ...more }))
    const text = await answer.text()
    const parsed = parseJson(text)
    if (answer.status !== 200 || !parsed.ok) throw new Error(`${answer.status} ${text}`)
    return parsed.value as JsonObject
  }

  async function ask(user: string, method: string, params: JsonObject = {}): Promise<JsonObject> {
    const { result, error } = await call(user, method, params)
    if (error !== undefined) throw new Error(`${method}: ${printJson(error)}`)
    return result as JsonObject
  }

  return {
    test,
    call,
    ask,
    post,
    async account(name) {
      await ask(master, 'exodm:create-account', { name, password, email: 'someone@example.com' })
      return `${name}-admin`
    },
    async tend() {
      const { house } = test
      const { tenants } = await import('@waymark/domain')
      for (const { id } of await house.store.readHouse().find(tenants, {})) {
        await house.exchange.tend(id)
        house.exchange.send(id, 1e9)
      }
    },
  }
}

export function basic(
  user: string,
  secret = user === master || user === 'sysadm' ? adminPassword : password,
) {
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`
}

/** An address that takes messages: what came is waited for, in order. */
export async function openSink(
  answer: (body: JsonObject) => { status?: number; body?: JsonValue } | undefined = () => undefined,
  atEnd: AtEnd = onTestFinished,
) {
  const came: JsonObject[] = []
  const headers: NodeJS.Dict<string | string[]>[] = []
  const waiters = new Set<() => void>()
  const server = createServer(async (request, reply) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const parsed = parseJson(Buffer.concat(chunks).toString())
    const body = (parsed.ok ? parsed.value : {}) as JsonObject
    const { status = 200, body: replied = {} } = answer(body) ?? {}
    headers.push(request.headers)
    came.push(body)
    for (const waiter of waiters) waiter()
    reply.writeHead(status, { 'content-type': 'application/json' }).end(printJson(replied))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    came,
    headers,
    /** Resolves when so many have come; answers all of them. */
    async until(count: number): Promise<readonly JsonObject[]> {
      while (came.length < count)
        await new Promise<void>((resolve) => {
          const done = () => {
            waiters.delete(done)
            resolve()
          }
          waiters.add(done)
        })
      return came
    },
  }
}

/** A device's session by the house's own interface, as a link would open it. */
export async function dialIn(
  { test: { house } }: Back,
  account: string,
  device: string,
): Promise<OpenSession & { serve(answer: (carried: Carried) => Outcome): Promise<Carried> }> {
  const linkHouse = createLinkHouse({ ...house, sessions: house.exchange.sessions })
  const known = await linkHouse.identify({ account, device }, ['exodm_bert', 'exodm_bert_direct'])
  if (!known) throw new Error(`nobody is called ${account} ${device}`)
  const session = await linkHouse.open(known, { address: '127.0.0.1', end: () => {} })
  return Object.assign(session, {
    async serve(answer: (carried: Carried) => Outcome): Promise<Carried> {
      const carried = await session.next(5000)
      if (!carried) throw new Error('nothing came to carry')
      await session.settle(carried, answer(carried))
      return carried
    },
  })
}
