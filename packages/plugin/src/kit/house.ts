/**
 * A server in memory, as a plugin sees one: it lets devices in, hands out what is next for each of them, gives bytes of
 * images, and keeps what came of it. It answers the plugin's questions as the real one does, refusals included, and remembers
 * them all, so that a judge can look afterwards. Time and wires are not its business.
 */
import { createHash } from 'node:crypto'
import type { PluginHouse } from '../host.ts'
import { isRecord } from '../messages.ts'
import type { Carried, Outcome, Step, Value } from '../plugin.ts'

/** Bytes of an image that a plugin is given at once. */
const partMost = 1024 * 1024
const waitMost = 60_000
const reasonLimit = 1000

/** Something for a device to do, before it is handed out. */
export type Work = Omit<Carried, 'key' | 'attempt' | 'callId' | 'steps'> & {
  readonly steps?: readonly (Omit<Step, 'image'> & { readonly image?: WorkImage })[]
}

export interface WorkImage {
  readonly bytes: Buffer
  /** For so many times its bytes are handed out with one that is wrong. */
  readonly wrong?: number
  /** The device has confirmed so many; called before the plugin is told that they are kept. */
  readonly onConfirmed?: (bytes: number) => void
}

/** What became of some work. */
export interface Task {
  /** How often it was handed out before. */
  readonly attempt: number
  readonly isTaken: boolean
  /** What it was settled with; undefined: not yet. */
  readonly outcome: Outcome | undefined
  /** Its place among all that were settled; 0: not yet. */
  readonly endedAs: number
  readonly images: readonly Transfer[]
  /** Ends of steps as they were told. */
  readonly stepped: readonly { readonly step: number; readonly done: boolean; readonly reason?: string }[]
}

export interface Transfer {
  /** Bytes that the device has confirmed. */
  readonly confirmed: number
  /** How often it was begun again. */
  readonly restarts: number
  /** What was asked for: from where, how much, and in which handing out. */
  readonly parts: readonly { readonly offset: number; readonly length: number; readonly attempt: number }[]
}

interface LiveTransfer extends Transfer {
  confirmed: number
  restarts: number
  /** Bytes handed out since it was last begun, from the start. */
  had: number
  readonly parts: { offset: number; length: number; attempt: number }[]
}

interface LiveTask extends Task {
  attempt: number
  isTaken: boolean
  outcome: Outcome | undefined
  endedAs: number
  readonly work: Work
  readonly images: LiveTransfer[]
  readonly stepped: { step: number; done: boolean; reason?: string }[]
}

interface Held {
  readonly device: string
  readonly ended: () => void
  readonly keys: Map<number, LiveTask>
  readonly waiters: Set<() => void>
}

export type TrialHouse = ReturnType<typeof createTrialHouse>

/** A house that knows this account and password; `add` tells it of devices. */
export function createTrialHouse({ account, password }: { account: string; password: string }) {
  const devices = new Map<string, LiveTask[]>()
  const held = new Map<number, Held>()
  /** Devices that were to be called, by ticket. */
  const tickets = new Map<string, string>()
  /** Why its process ended, each time. */
  const gone: string[] = []
  /** Questions that were refused. */
  const refusals: string[] = []
  const attempts: { readonly device: string; readonly isRight: boolean; readonly address: string }[] = []
  let last = 0
  let ends = 0
  let opened = 0
  /** The first error that its process printed. */
  let moaned = ''

  const wake = (device: string) => {
    for (const one of held.values())
      if (one.device === device) for (const waiter of [...one.waiters]) waiter()
  }

  /** A session is over: what it had goes back, and counts as handed out once more. */
  function release(number: number): void {
    const session = held.get(number)
    if (session === undefined) return
    held.delete(number)
    for (const task of session.keys.values())
      if (task.outcome === undefined) {
        task.isTaken = false
        task.attempt += 1
      }
    for (const waiter of [...session.waiters]) waiter()
    wake(session.device)
  }

  function open(raw: unknown, ended: (session: number) => void): number | undefined {
    const identity = readIdentity(raw)
    if (identity === undefined) throw new Error('open: wanted account, device, password, address')
    const { device, address } = identity
    const isProved =
      identity.dialled === undefined
        ? identity.password === password
        : tickets.get(identity.dialled) === device
    const isRight = identity.account === account && devices.has(device) && isProved
    // A ticket is good once.
    if (identity.dialled !== undefined) tickets.delete(identity.dialled)
    attempts.push({ device, isRight, address })
    if (!isRight) return undefined
    for (const [number, older] of held) {
      if (older.device !== device) continue
      older.ended()
      release(number)
    }
    last += 1
    opened += 1
    const number = last
    held.set(number, { device, ended: () => ended(number), keys: new Map(), waiters: new Set() })
    return number
  }

  async function next(number: number, session: Held, raw: unknown): Promise<Carried | undefined> {
    const until = performance.now() + Math.min(typeof raw === 'number' && raw >= 0 ? raw : 0, waitMost)
    for (;;) {
      if (!held.has(number)) return undefined
      const head = devices.get(session.device)?.find(({ outcome }) => outcome === undefined)
      if (head !== undefined && !head.isTaken) return handOut(session, head)
      const leftMs = until - performance.now()
      if (leftMs <= 0) return undefined
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, leftMs)
        timer.unref()
        function done(): void {
          clearTimeout(timer)
          session.waiters.delete(done)
          resolve()
        }
        session.waiters.add(done)
      })
    }
  }

  function handOut(session: Held, task: LiveTask): Carried {
    task.isTaken = true
    last += 1
    session.keys.set(last, task)
    const { steps, ...rest } = task.work
    const { attempt } = task
    return {
      ...rest,
      key: last,
      attempt,
      callId: last,
      ...(steps === undefined
        ? {}
        : {
            steps: steps.map(({ image, ...step }, index) => ({
              ...step,
              ...(image === undefined
                ? {}
                : {
                    image: {
                      size: image.bytes.length,
                      sha256: createHash('sha256').update(image.bytes).digest('hex'),
                      confirmed: task.images[index]?.confirmed ?? 0,
                    },
                  }),
            })),
          }),
    }
  }

  function settle(session: Held, key: unknown, raw: unknown): void {
    const task = typeof key === 'number' ? session.keys.get(key) : undefined
    if (task === undefined || typeof key !== 'number')
      throw new Error('settle: nothing of that key is carried')
    session.keys.delete(key)
    const outcome = readOutcome(raw)
    task.outcome = outcome ?? { kind: 'failed', reason: 'no outcome that can be read' }
    ends += 1
    task.endedAs = ends
    wake(session.device)
    if (outcome === undefined) throw new Error('settle: wanted done, replied, failed or unsupported')
  }

  function transferOf(session: Held, [key, step]: readonly unknown[]) {
    const task = typeof key === 'number' ? session.keys.get(key) : undefined
    const at = isCount(step) ? step : -1
    const image = task?.work.steps?.[at]?.image
    const transfer = task?.images[at]
    if (task === undefined || image === undefined || transfer === undefined)
      throw new Error('wanted a step with an image, of packages that are carried')
    return { task, image, transfer }
  }

  function part(session: Held, args: readonly unknown[]): Uint8Array {
    const { task, image, transfer } = transferOf(session, args)
    const [, , offset, length] = args
    if (!isCount(offset) || !isCount(length) || length > partMost)
      throw new Error(`image: wanted an offset, and at most ${partMost} bytes`)
    const bytes = Uint8Array.from(image.bytes.subarray(offset, offset + length))
    transfer.parts.push({ offset, length: bytes.length, attempt: task.attempt })
    if (offset <= transfer.had) transfer.had = Math.max(transfer.had, offset + bytes.length)
    if (transfer.restarts < (image.wrong ?? 0) && bytes.length > 0) bytes[0] = (bytes[0] ?? 0) ^ 1
    return bytes
  }

  function confirmed(session: Held, args: readonly unknown[]): boolean {
    const { image, transfer } = transferOf(session, args)
    const [, , bytes] = args
    if (!isCount(bytes)) throw new Error('confirmed: wanted a count of bytes')
    if (bytes > transfer.had) {
      refusals.push(`confirmed: ${bytes} bytes, of which ${transfer.had} were had`)
      return false
    }
    transfer.confirmed = Math.max(transfer.confirmed, bytes)
    image.onConfirmed?.(bytes)
    return true
  }

  function stepped(session: Held, [key, step, done, reason]: readonly unknown[]): void {
    const task = typeof key === 'number' ? session.keys.get(key) : undefined
    if (task?.work.steps === undefined || !isCount(step) || step >= task.work.steps.length)
      throw new Error('stepped: wanted one of the steps of packages that are carried')
    const said = typeof reason === 'string' ? { reason: reason.slice(0, reasonLimit) } : {}
    task.stepped.push({ step, done: done === true, ...said })
  }

  async function answer(
    method: string,
    args: readonly unknown[],
    ended: (session: number) => void,
  ): Promise<unknown> {
    if (method === 'open') return open(args[0], ended)
    const [number, ...rest] = args
    const session = typeof number === 'number' ? held.get(number) : undefined
    // It may have ended while the question was on its way.
    if (session === undefined || typeof number !== 'number') {
      if (method === 'call') throw new Error('call: the session has ended')
      return undefined
    }
    switch (method) {
      case 'next':
        return next(number, session, rest[0])
      case 'settle':
        return settle(session, rest[0], rest[1])
      case 'image':
        return part(session, rest)
      case 'confirmed':
        return confirmed(session, rest)
      case 'restart': {
        const { transfer } = transferOf(session, rest)
        transfer.restarts += 1
        transfer.confirmed = 0
        transfer.had = 0
        return undefined
      }
      case 'stepped':
        return stepped(session, rest)
      case 'progressed': {
        const [key, percent] = rest
        const isKnown = typeof key === 'number' && session.keys.has(key)
        if (!isKnown || typeof percent !== 'number' || !(percent >= 0 && percent <= 100))
          throw new Error('progressed: wanted something carried, and 0 to 100')
        return undefined
      }
      case 'call':
        return { kind: 'taken' }
      case 'heard':
        return undefined
      case 'close':
        return release(number)
      default:
        throw new Error(`${method.slice(0, 40)}: there is no such question`)
    }
  }

  const house: PluginHouse = {
    async asked(method, args, ended) {
      try {
        return await answer(method, args, ended)
      } catch (error) {
        // What a stranger says when he calls in is not the plugin's doing.
        if (method !== 'open') refusals.push(error instanceof Error ? error.message : 'refused')
        throw error
      }
    },
    said({ stream, line }) {
      if (stream === 'stderr' && moaned === '' && /(?:Error|ERROR): /.test(line)) moaned = line.trim()
    },
    async gone(why) {
      gone.push(moaned === '' ? why : `${why}: ${moaned}`)
      moaned = ''
      for (const number of [...held.keys()]) release(number)
    },
  }

  return {
    house,
    gone,
    refusals,
    attempts,
    /** Sessions that were ever opened. */
    opened: () => opened,
    /** Devices that have a session now. */
    there: () => [...held.values()].map(({ device }) => device),
    /** Makes a device known, with nothing to do. */
    add(device: string) {
      devices.set(device, [])
    },
    /** Puts work at the end of a device's queue. */
    queue(device: string, work: Work): Task {
      const images = (work.steps ?? []).map(() => ({ confirmed: 0, restarts: 0, had: 0, parts: [] }))
      const task: LiveTask = {
        work,
        attempt: 0,
        isTaken: false,
        outcome: undefined,
        endedAs: 0,
        images,
        stepped: [],
      }
      devices.get(device)?.push(task)
      wake(device)
      return task
    },
    /** A ticket for one call of a device. */
    ticket(device: string): string {
      last += 1
      const ticket = `ticket-${last}`
      tickets.set(ticket, device)
      return ticket
    },
    /** Ends a device's session from this side, as when the device is deleted. */
    end(device: string) {
      for (const [number, session] of held) {
        if (session.device !== device) continue
        session.ended()
        release(number)
      }
    },
    /** Forgets all devices and sessions. */
    clear() {
      for (const number of [...held.keys()]) release(number)
      devices.clear()
    },
  }
}

interface Identity {
  readonly account: string
  readonly device: string
  readonly address: string
  readonly password?: string
  readonly dialled?: string
}

function readIdentity(raw: unknown): Identity | undefined {
  if (!isRecord(raw)) return undefined
  const { account, device, password, dialled, address } = raw
  if (typeof account !== 'string' || typeof device !== 'string' || typeof address !== 'string')
    return undefined
  if (account.length > 256 || device.length > 256) return undefined
  if (typeof dialled === 'string' && password === undefined) return { account, device, address, dialled }
  if (typeof password !== 'string' || password.length > 1024) return undefined
  return { account, device, address, password }
}

function readOutcome(raw: unknown): Outcome | undefined {
  if (!isRecord(raw)) return undefined
  if (raw.kind === 'done') return { kind: 'done' }
  if (raw.kind === 'replied')
    // Its own process made it of JSON; a judge only compares it.
    return isRecord(raw.output)
      ? { kind: 'replied', output: raw.output as { readonly [name: string]: Value } }
      : undefined
  if (raw.kind !== 'failed' && raw.kind !== 'unsupported') return undefined
  return typeof raw.reason === 'string'
    ? { kind: raw.kind, reason: raw.reason.slice(0, reasonLimit) }
    : undefined
}

function isCount(raw: unknown): raw is number {
  return typeof raw === 'number' && Number.isSafeInteger(raw) && raw >= 0
}
