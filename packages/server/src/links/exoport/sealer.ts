/**
 * Tokens of long payloads, made beside the work.
 *
 * Every byte that goes to a device is hashed with that device's key, and a part of an image goes to a thousand devices: that is
 * a thousand times the hashing, which one thread does at little more than a gigabyte a second. Here other threads do it
 * while the server's own writes to its sockets. What is asked for while they are busy goes to them together, each payload once,
 * in memory that they share. The threads are started when there is something to do, and end when there is nothing for a while.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { tokenBytes } from '@waymark/exoport'
import type { Sealed, SealOrder } from './seal-worker.ts'

export interface Sealer {
  /**
   * The token of a payload under a salt (`ServerEnd.salt`). Undefined when the thread that was at it has ended: then it has to
   * be made without.
   */
  token(salt: Uint8Array, payload: Uint8Array): Promise<Uint8Array | undefined>
  /** Ends the threads. */
  close(): Promise<void>
}

/** Shorter ones are sealed where they are: asking costs more. */
export const sealedAside = 32 * 1024

const threadsMax = 4
/** Orders that wait at a thread while it works: it is never without, and the next ones grow meanwhile. */
const ordersMost = 2
const idleMs = 10_000

interface Asked {
  readonly salt: Uint8Array
  resolve(token: Uint8Array | undefined): void
}

/** A payload in memory that threads share, for `Sealer.token`. */
export function shared(payload: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(payload.length))
  copy.set(payload)
  return copy
}

export function createSealer(
  threads = Math.min(threadsMax, Math.max(1, availableParallelism() - 1)),
): Sealer {
  const workers: { readonly worker: Worker; readonly underWay: Map<number, readonly Asked[]> }[] = []
  const asked = new Map<Uint8Array, Asked[]>()
  let lastId = 0
  let idle: NodeJS.Timeout | undefined

  function start() {
    const end = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./seal-worker.${end}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    })
    worker.unref()
    const started = { worker, underWay: new Map<number, readonly Asked[]>() }
    worker.on('message', ({ id, tokens }: Sealed) => {
      const all = started.underWay.get(id) ?? []
      started.underWay.delete(id)
      for (const [at, one] of all.entries())
        one.resolve(tokens.subarray(at * tokenBytes, (at + 1) * tokenBytes))
      send()
    })
    const gone = () => {
      const at = workers.indexOf(started)
      if (at >= 0) workers.splice(at, 1)
      for (const all of started.underWay.values()) for (const one of all) one.resolve(undefined)
      started.underWay.clear()
      if (asked.size > 0) setImmediate(send)
    }
    worker.on('error', gone)
    worker.on('exit', gone)
    workers.push(started)
    return started
  }

  /** Hands to the threads what they have room for: what is asked for meanwhile goes to them together. */
  function send(): void {
    for (const [payload, some] of asked) {
      const to = free()
      if (to === undefined) break
      asked.delete(payload)
      lastId += 1
      to.underWay.set(lastId, some)
      const salts = new Uint8Array(some.length * (some[0]?.salt.length ?? 0))
      for (const [at, { salt }] of some.entries()) salts.set(salt, at * salt.length)
      const order: SealOrder = { id: lastId, payload, salts, count: some.length }
      to.worker.postMessage(order)
    }
    clearTimeout(idle)
    idle = setTimeout(() => void end(), idleMs).unref()
  }

  function free() {
    const found = workers.find(({ underWay }) => underWay.size === 0)
    if (found) return found
    return workers.length < threads ? start() : workers.find(({ underWay }) => underWay.size < ordersMost)
  }

  async function end(): Promise<void> {
    clearTimeout(idle)
    await Promise.all(workers.splice(0).map(({ worker }) => worker.terminate()))
  }

  return {
    token: (salt, payload) =>
      new Promise((resolve) => {
        if (asked.size === 0) setImmediate(send)
        const some = asked.get(payload)
        if (some) some.push({ salt, resolve })
        else asked.set(payload, [{ salt, resolve }])
      }),
    close: end,
  }
}
