/**
 * What a judge stands on: the plugin in its process, a house that it talks to, devices that call in over wires of the kit's,
 * and a patience after which what has not come will not come.
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { HostedPlugin } from '../host.ts'
import type { Outcome } from '../plugin.ts'
import { createTrialHouse, type Task, type TrialHouse, type Work } from './house.ts'
import { openRelay, type Relay } from './relay.ts'
import type { TrialCall, TrialSamples, Values } from './trial.ts'
import type { HostedTrial } from './trial-host.ts'

/** A rule is broken: what it wanted, and what came. */
export class Broken extends Error {
  override readonly name = 'Broken'
  readonly wanted: string
  readonly got: string

  constructor(wanted: string, got: string) {
    super(`wanted ${wanted}, got ${got}`)
    this.wanted = wanted
    this.got = got
  }
}

/** A device that a judge has started. */
export interface Caller {
  readonly device: string
  readonly relay: Relay
  stop(): Promise<void>
}

export interface Ground {
  readonly plugin: HostedPlugin
  readonly samples: TrialSamples
  readonly house: TrialHouse
  /** How long what is to come may take, milliseconds. */
  readonly patienceMs: number
  /** Starts a device that the house knows, and waits until it has its session. */
  caller(device?: string): Promise<Caller>
  /** Starts a device that dials, whoever knows it. */
  stranger(device: string, password: string): Promise<Caller>
  /** Starts a device that waits to be called; what the plugin finds it by, and what stops it. */
  waiting(device: string): Promise<{ readonly attributes: Values; readonly stop: () => Promise<void> }>
  /** Waits until something holds; `Broken` with what `got` says when it does not in time. */
  until(wanted: string, holds: () => boolean, got: () => string, ms?: number): Promise<void>
  /** Waits until some work is settled. */
  ended(task: Task, wanted: string): Promise<Outcome>
  /** Waits until the plugin listens. */
  listening(): Promise<void>
  /** Stops all devices, and forgets what there was. */
  clear(): Promise<void>
  /** The memory of the plugin's process, MiB; undefined: this machine does not tell. */
  memoryMib(): number | undefined
}

const lookMs = 10

export function createGround(plugin: HostedPlugin, trial: HostedTrial, patienceMs: number): Ground {
  const { samples } = trial
  const house = createTrialHouse(samples)
  const callers = new Set<Caller>()
  const others: (() => Promise<void>)[] = []

  async function stranger(device: string, password: string): Promise<Caller> {
    const relay = await openRelay(samples.address)
    const { account } = samples
    const identity = { account, device, password, host: '127.0.0.1', port: relay.port }
    const hangUp = await trial.start(identity).catch((error: unknown) => {
      relay.close()
      throw error
    })
    const caller: Caller = {
      device,
      relay,
      async stop() {
        callers.delete(caller)
        relay.shut()
        await hangUp()
      },
    }
    callers.add(caller)
    return caller
  }

  const ground: Ground = {
    plugin,
    samples,
    house,
    patienceMs,
    stranger,
    async caller(device = samples.device) {
      house.add(device)
      const before = house.opened()
      const attempts = house.attempts.length
      const caller = await stranger(device, samples.password)
      await ground.until(
        `a session for ${device}`,
        () => house.opened() > before && house.there().includes(device),
        () => {
          const { wires } = caller.relay
          if (wires.length === 0) return 'no call of the device'
          const asked = house.attempts.slice(attempts).some((each) => each.device === device)
          return asked ? 'a session asked for with what is not right, or closed at once' : 'none asked for'
        },
      )
      return caller
    },
    async waiting(device) {
      const { account, password } = samples
      house.add(device)
      const { attributes, stop } = await trial.wait({ account, device, password })
      let isStopped = false
      const once = async () => {
        if (isStopped) return
        isStopped = true
        await stop()
      }
      others.push(once)
      return { attributes, stop: once }
    },
    async until(wanted, holds, got, ms = patienceMs) {
      for (const end = performance.now() + ms; !holds(); ) {
        if (performance.now() > end) throw new Broken(wanted, got())
        await pause(lookMs)
      }
    },
    async ended(task, wanted) {
      const where = () =>
        task.isTaken ? 'nothing: it was taken and is not settled' : 'nothing: it was not taken'
      await ground.until(wanted, () => task.outcome !== undefined, where)
      return task.outcome ?? { kind: 'failed', reason: 'not settled' }
    },
    async listening() {
      const { host, port } = samples.address
      for (const end = performance.now() + patienceMs; !(await answers(host, port)); ) {
        if (performance.now() > end) throw new Broken(`a listener at ${host}:${port}`, 'none')
        await pause(lookMs)
      }
    },
    async clear() {
      for (const caller of [...callers]) {
        await caller.stop().catch(() => {})
        caller.relay.close()
      }
      for (const stop of others.splice(0)) await stop().catch(() => {})
      house.clear()
    },
    memoryMib() {
      try {
        const status = readFileSync(`/proc/${plugin.pid}/status`, 'utf8')
        const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? []
        return kib === undefined ? undefined : Number(kib) / 1024
      } catch {
        return undefined
      }
    },
  }
  return ground
}

/** Whether somebody listens there. */
export function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** Waits so many milliseconds, or until the signal. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

export function workOf({ module, method, input = {} }: TrialCall): Work {
  return { kind: 'rpc', module, method, input }
}

/** What a sample call is to come to, and whether it did. */
export function judgeCall(call: TrialCall, outcome: Outcome): void {
  const name = `${call.module}:${call.method}`
  const got = `${name} ${shown(outcome)}`
  if (call.refused) {
    if (outcome.kind !== 'failed') throw new Broken(`${name} failed`, got)
  } else if (call.output !== undefined) {
    if (outcome.kind !== 'replied' || !isDeepStrictEqual(outcome.output, call.output))
      throw new Broken(`${name} replied ${json(call.output)}`, got)
  } else if (outcome.kind !== 'done' && outcome.kind !== 'replied')
    throw new Broken(`${name} done or replied`, got)
}

export function judgeDone(what: string, outcome: Outcome): void {
  if (outcome.kind !== 'done') throw new Broken(`${what} done`, shown(outcome))
}

/** An outcome in a few words. */
export function shown(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'done':
      return 'done'
    case 'replied':
      return `replied ${json(outcome.output)}`
    default:
      return `${outcome.kind} (${outcome.reason})`
  }
}

const json = (value: unknown) =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one)).slice(0, 200)
