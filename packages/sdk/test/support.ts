import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { createFleet, type Fleet, type FleetOptions, type Outside } from '../src/index.ts'

export type Handler = (request: Received, response: ServerResponse) => void | Promise<void>

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export interface FakeServer {
  readonly url: string
  readonly received: Received[]
}

/** A server on a free port that answers by the handler, gone when the test ends. */
export async function fakeServer(handler: Handler): Promise<FakeServer> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', async () => {
      const whole = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(pieces),
      }
      received.push(whole)
      await handler(whole, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received }
}

/** Answers one after another; the last one for ever. */
export function inTurn(...handlers: Handler[]): Handler {
  let at = 0
  return (request, response) => handlers[Math.min(at++, handlers.length - 1)]?.(request, response)
}

export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Handler =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  }

export const problem = (
  status: number,
  kind: string,
  facts: object = {},
  headers: Record<string, string> = {},
): Handler =>
  json(
    status,
    { type: `urn:waymark:${kind}`, title: 'Title', status, detail: `it is ${kind}`, ...facts },
    { 'content-type': 'application/problem+json', ...headers },
  )

export const hangUp: Handler = (_request, response) => void response.destroy()

/** An outside in which waits take no time and are noted; patience (30 s and more) ends only on request. */
export function fakeOutside(): { outside: Outside; waits: number[]; runOut: () => void } {
  const waits: number[] = []
  const patience = new Set<() => void>()
  let keys = 0
  return {
    waits,
    runOut: () => {
      for (const then of patience) then()
    },
    outside: {
      now: () => 1_700_000_000_000,
      after(ms, then) {
        if (ms >= 30_000) {
          patience.add(then)
          return () => patience.delete(then)
        }
        waits.push(ms)
        const timer = setImmediate(then)
        return () => clearImmediate(timer)
      },
      random: () => 0.5,
      newKey: () => `key-${keys++}`,
    },
  }
}

export function fleetAt(url: string, options: Partial<FleetOptions> = {}): Fleet {
  return createFleet({ url, token: 'a.b.c', outside: fakeOutside().outside, ...options })
}

export async function gathered<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** What a promise rejects with. */
export async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
  } catch (error) {
    return error
  }
  throw new Error('wanted a rejection, got an answer')
}
