/**
 * A house in memory, for links alone: devices that are known, one queue for each, and a record of what came of it all.
 * It keeps the promises that a link relies on (one in flight, back to the queue when a session ends unsettled, an older
 * session closed before the new one gets work) and nothing else.
 */
import { timingSafeEqual } from 'node:crypto'
import type { DeviceId, TransactionId } from '@waymark/domain'
import { keyOf } from '@waymark/exoport'
import { compile, type JsonObject, type JsonValue } from '@waymark/yang'
import type { Config } from '../../src/config.ts'
import type {
  Carried,
  CarriedRpc,
  Described,
  ExternalName,
  Known,
  LinkHouse,
  OpenSession,
  Outcome,
  Session,
  UpAnswer,
  UpCall,
} from '../../src/links/link.ts'
import { createMetrics, type Metrics } from '../../src/metrics.ts'
import { configOf, keptLog } from '../support.ts'

const fleetModule = `module fleet {
  namespace "urn:example:fleet"; prefix f;
  rpc blink {
    input {
      leaf device-id { type string; } leaf transaction-id { type uint64; } leaf times { type uint8; } leaf note { type string; }
      leaf loud { type boolean; } leaf-list levels { type uint8; }
      list lamps { key name; leaf name { type string; } leaf on { type boolean; } }
    }
    output { leaf seen { type uint8; } }
  }
  rpc reset { }
  rpc report { input { leaf level { type uint8; } leaf note { type string; } } output { leaf thanks { type string; } } }
  notification blink-callback {
    leaf rpc-status { type string; } leaf final { type boolean; } leaf note { type string; } leaf-list levels { type uint8; }
  }
  notification alarm { leaf level { type uint8; } leaf note { type string; } leaf-list levels { type uint8; } }
}`

export interface MemoryDevice {
  readonly name: ExternalName
  readonly deviceKey?: bigint
  readonly serverKey?: bigint
  readonly password?: string
  readonly protocol?: string
  readonly idleMs?: number
  readonly tlsOnly?: boolean
}

export interface MemoryHouse extends LinkHouse {
  readonly lines: Record<string, unknown>[]
  /** What came of what was carried, in order. */
  readonly settled: { device: string; carried: Carried; outcome: Outcome }[]
  readonly ups: UpCall[]
  /** What the house answers to a device's own call; by default notifications are taken. */
  answer: (up: UpCall) => Promise<UpAnswer> | UpAnswer
  add(device: MemoryDevice): void
  queueRpc(
    device: string,
    method: string,
    input: JsonObject,
    more?: { callId?: JsonValue; expiresAt?: number },
  ): void
  queueConfiguration(device: string, name: string, values: JsonObject): void
  /** What the module `fleet` says of it. */
  described(name: string): Described
  isThere(device: string): boolean
  opened(): number
  end(device: string, why: Parameters<Session['end']>[0]): void
  waiting(device: string): number
  /** Milliseconds that whoever asks is told to wait. */
  throttleMs: number
  attempts: { name: ExternalName; right: boolean }[]
  stop(): void
}

interface Kept {
  readonly device: MemoryDevice
  readonly queue: Carried[]
  current: Live | undefined
}

interface Live {
  readonly session: Session
  inFlight: Carried | undefined
  wake: (() => void) | undefined
  open: boolean
}

export function createMemoryHouse(
  flags: readonly string[] = [],
  metrics: Metrics = createMetrics(),
): MemoryHouse {
  const compiled = compile([{ file: 'fleet.yang', text: fleetModule }])
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  const { log, lines } = keptLog('warn')
  const config: Config = configOf(...flags)
  const devices = new Map<string, Kept>()
  const settled: MemoryHouse['settled'] = []
  const ups: UpCall[] = []
  const stopping = new AbortController()
  let opened = 0
  let transactions = 0

  const module = compiled.schema.modules.get('fleet')
  function describe(moduleName: string, name: string): Described | undefined {
    if (moduleName !== 'fleet') return undefined
    const rpc = module?.rpcs.find((rpc) => rpc.name === name)
    if (rpc) return { kind: 'rpc', input: rpc.input.children, output: rpc.output.children }
    const notification = module?.notifications.find((notification) => notification.name === name)
    return notification && { kind: 'notification', input: notification.children, output: [] }
  }

  function release(kept: Kept, live: Live): void {
    if (!live.open) return
    live.open = false
    if (kept.current === live) kept.current = undefined
    if (live.inFlight) kept.queue.unshift({ ...live.inFlight, attempt: live.inFlight.attempt + 1 })
    live.inFlight = undefined
    live.wake?.()
  }

  function open(known: Known, session: Session): Promise<OpenSession> {
    const kept = devices.get(known.device)
    if (!kept) throw new Error('unknown device')
    if (kept.current) {
      const older = kept.current
      older.session.end('replaced')
      release(kept, older)
    }
    opened += 1
    const live: Live = { session, inFlight: undefined, wake: undefined, open: true }
    kept.current = live
    const noPackages = () => Promise.reject(new Error('this house has no packages'))
    const house: OpenSession = {
      nextOfAll: (waitMs) => house.next(waitMs),
      image: noPackages,
      confirmed: noPackages,
      restart: noPackages,
      stepped: noPackages,
      async next(waitMs) {
        while (live.open && (live.inFlight || kept.queue.length === 0)) {
          if (waitMs === 0) return undefined
          let timer: ReturnType<typeof setTimeout> | undefined
          const woken = await new Promise<boolean>((resolve) => {
            live.wake = () => resolve(true)
            if (waitMs !== undefined) timer = setTimeout(() => resolve(false), waitMs)
          })
          clearTimeout(timer)
          if (!woken) return undefined
        }
        if (!live.open) return undefined
        live.inFlight = kept.queue.shift()
        return live.inFlight
      },
      settle(carried, outcome) {
        if (live.open && live.inFlight !== undefined && live.inFlight === carried) {
          settled.push({ device: known.name.device, carried: live.inFlight, outcome })
          live.inFlight = undefined
          live.wake?.()
        }
        return Promise.resolve()
      },
      progressed: () => Promise.resolve(),
      describe: (moduleName, name) => Promise.resolve(describe(moduleName, name)),
      async call(up) {
        ups.push(up)
        return self.answer(up)
      },
      heard() {},
      get open() {
        return live.open
      },
      close() {
        release(kept, live)
        return Promise.resolve()
      },
    }
    return Promise.resolve(house)
  }

  function queue(device: string, carried: Carried): void {
    const kept = devices.get(device)
    if (!kept) throw new Error(`no device ${device}`)
    kept.queue.push(carried)
    kept.current?.wake?.()
  }

  const self: MemoryHouse = {
    config,
    log,
    lines,
    metrics,
    clock: { now: () => Date.now() },
    random: (count) => crypto.getRandomValues(new Uint8Array(count)),
    draining: stopping.signal,
    settled,
    ups,
    throttleMs: 0,
    attempts: [],
    answer: (up) =>
      describe(up.module, up.method)
        ? { kind: 'taken' }
        : { kind: 'refused', reason: 'not-defined', detail: `${up.module}:${up.method}` },
    async identify(name, protocols) {
      const kept = devices.get(name.device)
      const device = kept?.device
      if (!device || device.name.account !== name.account) return undefined
      const protocol = device.protocol ?? 'exodm_bert'
      if (!protocols.includes(protocol)) return undefined
      return {
        name,
        // The memory of this house is keyed by the device's own name.
        device: name.device as DeviceId,
        protocol,
        ...(device.deviceKey === undefined ? {} : { deviceKey: keyOf(device.deviceKey) }),
        ...(device.serverKey === undefined ? {} : { serverKey: keyOf(device.serverKey) }),
        passwordIs: (password) => same(device.password, password),
        idleMs: device.idleMs ?? 0,
        tlsOnly: device.tlsOnly ?? false,
      }
    },
    waitMs: () => self.throttleMs,
    attempted: (name, _address, right) => self.attempts.push({ name, right }),
    open,
    add: (device) => devices.set(device.name.device, { device, queue: [], current: undefined }),
    queueRpc(device, method, input, { callId = '1', expiresAt } = {}) {
      const described = self.described(method)
      const carried: CarriedRpc = {
        kind: 'rpc',
        transaction: `t${transactions++}` as TransactionId,
        attempt: 0,
        callId,
        module: 'fleet',
        method,
        input,
        described,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      }
      queue(device, carried)
    },
    queueConfiguration(device, name, values) {
      const transaction = `t${transactions++}` as TransactionId
      queue(device, { kind: 'configuration', transaction, attempt: 0, callId: '1', name, values })
    },
    described(name) {
      const found = describe('fleet', name)
      if (!found) throw new Error(`fleet has no ${name}`)
      return found
    },
    isThere: (device) => devices.get(device)?.current !== undefined,
    opened: () => opened,
    end(device, why) {
      const kept = devices.get(device)
      const live = kept?.current
      if (!kept || !live) return
      live.session.end(why)
      release(kept, live)
    },
    waiting: (device) => devices.get(device)?.queue.length ?? 0,
    stop: () => stopping.abort(),
  }
  return self
}

function same(held: string | undefined, said: string): boolean {
  if (held === undefined) return false
  const [a, b] = [Buffer.from(held), Buffer.from(said)]
  return a.length === b.length && timingSafeEqual(a, b)
}
