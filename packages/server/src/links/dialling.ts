/**
 * Calls devices that something waits for and that are not there, over links that can call (or wake) them.
 *
 * It knows queues, presence and time; how a device is called is the link's affair, and the session that comes of it opens
 * like any other. A device is called once when something begins to wait for it, and again with growing pauses for as long as
 * something waits and it has not come. One that came and left at once is treated like one that did not come, so that a
 * broken device is not called without end.
 *
 * ```
 *   something waits ──▶ called ──▶ there ──▶ (left, and something waits) ──▶ called …
 *                        ▲   └─ not there: 1 s, 2 s, 4 s … 5 min ─┘
 * ```
 */
import {
  backEndNames,
  type Commit,
  type DeviceId,
  deviceNames,
  devices,
  deviceTypes,
  factsOf,
  type Reader,
  type Store,
  type TenantId,
  tenants,
  transactions,
  typedAttributes,
} from '@waymark/domain'
import { type JsonObject, type JsonValue, parseJson } from '@waymark/yang'
import type { Log } from '../log.ts'
import type { Dial, ToDial } from './link.ts'

/** Calls under way at once. */
const callsMax = 64
const firstPauseMs = 1000
const longestPauseMs = 5 * 60_000
/** Between two looks at all devices, where it is not known which of them was asked something. */
const allPauseMs = 2000
/** A session that lasted so long was a good one. */
const goodSessionMs = 10_000

export interface DiallingNeeds {
  readonly store: Store
  readonly log: Log
  readonly clock: { now(): number }
  /** A number from 0 to 1, without 1. */
  random(): number
  after(ms: number, then: () => void): () => void
  isConnected(device: DeviceId): boolean
  /** Lanes that links carry. */
  readonly lanes: readonly string[]
}

export interface Dialling {
  /** Something was committed. */
  heard(commit: Commit): void
  /** A session of this device has opened. */
  came(device: DeviceId): void
  /** Its session has closed. */
  left(tenant: TenantId, device: DeviceId): void
  /** Looks for all that waits already: at the start, and when it is not known what a commit was about. */
  lookForAll(): Promise<void>
  close(): void
}

interface Called {
  readonly tenant: TenantId
  /** Calls since it was last there for a while. */
  tries: number
  state: 'looked-at' | 'in-line' | 'called' | 'pausing' | 'there'
  cameAt: number
  /** Something was committed about it since it was looked at. */
  isNews: boolean
  stop: () => void
}

/** `dials`: by the names of protocols, how a device of each is called. */
export function createDialling(needs: DiallingNeeds, dials: ReadonlyMap<string, Dial>): Dialling {
  const { store, clock, log } = needs
  const byDevice = new Map<DeviceId, Called>()
  const line: (() => void)[] = []
  let calls = 0
  let isClosed = false
  let allSoon: (() => void) | undefined
  let looking = Promise.resolve()

  function look(tenant: TenantId, device: DeviceId): void {
    if (isClosed || byDevice.has(device) || needs.isConnected(device)) return
    const called: Called = { tenant, tries: 0, state: 'looked-at', cameAt: 0, isNews: false, stop: () => {} }
    byDevice.set(device, called)
    void lookAgain(device, called)
  }

  /** Calls it if something still waits and it is not there; otherwise forgets it. */
  async function lookAgain(device: DeviceId, called: Called): Promise<void> {
    called.state = 'looked-at'
    called.isNews = false
    const toDial = await toDialOf(device, called.tenant).catch((err: unknown) => {
      if (!isClosed) log.error({ err, device }, 'who waits for a device could not be read')
      return undefined
    })
    if (isClosed || called.state !== 'looked-at') return
    // What came while it was looked at may not have been seen.
    if (toDial === undefined && called.isNews) return lookAgain(device, called)
    if (toDial === undefined || needs.isConnected(device)) byDevice.delete(device)
    else callInTurn(device, called, toDial)
  }

  function callInTurn(device: DeviceId, called: Called, toDial: ToDial): void {
    const begin = () => void call(device, called, toDial)
    called.state = 'in-line'
    if (calls < callsMax) begin()
    else line.push(begin)
  }

  async function call(device: DeviceId, called: Called, toDial: ToDial): Promise<void> {
    if (isClosed) return
    // It came by itself while it stood in line.
    if (called.state !== 'in-line') return next()
    calls += 1
    called.state = 'called'
    called.tries += 1
    try {
      await dials.get(toDial.protocol)?.(toDial)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      log.info(
        { device, protocol: toDial.protocol, tries: called.tries, why },
        'a device could not be called',
      )
    }
    calls -= 1
    if (called.state === 'called') pause(device, called)
    next()
  }

  function next(): void {
    line.shift()?.()
  }

  function pause(device: DeviceId, called: Called): void {
    if (isClosed) return
    called.state = 'pausing'
    const whole = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(called.tries - 1, 20))
    called.stop = needs.after(whole * (0.75 + needs.random() / 4), () => void lookAgain(device, called))
  }

  /** What a device of such a link is called by; undefined: nothing waits for it, or nobody can call it. */
  async function toDialOf(device: DeviceId, tenant: TenantId): Promise<ToDial | undefined> {
    const reader = store.read(tenant)
    const held = await reader.get(devices, { id: device })
    if (!held || held.garbage) return undefined
    const protocol = (await reader.get(deviceTypes, { name: held.type }))?.protocol
    if (protocol === undefined || !dials.has(protocol)) return undefined
    if (!(await somethingWaits(reader, device))) return undefined
    const [name] = await reader.find(deviceNames, { where: { device, door: backEndNames }, limit: 1 })
    const account = await store.readHouse().get(tenants, { id: tenant })
    if (!name || !account) return undefined
    const attributes = attributesOf((await factsOf(reader, device)).attributes)
    return { name: { account: account.name, device: name.name }, device, protocol, attributes }
  }

  async function somethingWaits(reader: Reader, device: DeviceId): Promise<boolean> {
    for (const lane of needs.lanes) {
      const [head] = await reader.find(transactions, {
        where: { device, lane, open: true },
        order: ['seq', 'id'],
        limit: 1,
      })
      if (head !== undefined) return true
    }
    return false
  }

  /** Commits of unknown content may come one after the other, and a look at everything is dear: one at a time, with pauses. */
  function lookForAllSoon(): void {
    if (allSoon !== undefined || isClosed) return
    allSoon = needs.after(allPauseMs, () => {
      looking = looking
        .then(() => {
          // What is heard from here on may be about one that was looked at already: it is looked at once more.
          allSoon = undefined
          return lookForAll()
        })
        .catch(failed)
    })
  }

  async function lookForAll(): Promise<void> {
    let after: TenantId | undefined
    for (;;) {
      const page = await store.readHouse().find(tenants, {
        order: ['id'],
        limit: 200,
        ...(after === undefined ? {} : { after: [after] }),
      })
      for (const { id } of page) await lookIn(id)
      after = page.at(-1)?.id
      if (page.length < 200 || isClosed) return
    }
  }

  async function lookIn(tenant: TenantId): Promise<void> {
    for (const type of await store.read(tenant).find(deviceTypes, {})) {
      if (!dials.has(type.protocol)) continue
      let after: string | undefined
      for (;;) {
        const page = await store.read(tenant).find(devices, {
          where: { garbage: false, type: type.name },
          order: ['nick'],
          limit: 200,
          ...(after === undefined ? {} : { after: [after] }),
        })
        for (const { id } of page) if (await somethingWaits(store.read(tenant), id)) look(tenant, id)
        after = page.at(-1)?.nick
        if (page.length < 200 || isClosed) break
      }
    }
  }

  async function lookAt(commit: Commit): Promise<void> {
    if (commit.byOthers === 'any') return lookForAllSoon()
    const inTenants = [...commit.tenants].filter((tenant): tenant is TenantId => tenant !== 'house')
    for (const device of commit.byOthers.keys()) {
      const called = byDevice.get(device)
      if (called) called.isNews = true
      if (called || needs.isConnected(device)) continue
      // Commits are merged, so that a device is in one of several tenants.
      for (const tenant of inTenants)
        if ((await store.read(tenant).get(devices, { id: device })) !== undefined) look(tenant, device)
    }
  }

  function failed(err: unknown): void {
    if (!isClosed) log.error({ err }, 'looking for devices to call failed')
  }

  return {
    heard(commit) {
      if (!isClosed && dials.size > 0) void lookAt(commit).catch(failed)
    },
    came(device) {
      const called = byDevice.get(device)
      if (!called) return
      called.stop()
      called.state = 'there'
      called.cameAt = clock.now()
    },
    left(tenant, device) {
      if (isClosed || dials.size === 0 || needs.isConnected(device)) return
      const called = byDevice.get(device)
      if (!called) return look(tenant, device)
      if (called.state !== 'there') return
      if (clock.now() - called.cameAt >= goodSessionMs) called.tries = 0
      if (called.tries === 0) void lookAgain(device, called)
      else pause(device, called)
    },
    lookForAll: async () => (dials.size === 0 ? undefined : lookForAll()),
    close() {
      isClosed = true
      allSoon?.()
      for (const called of byDevice.values()) called.stop()
      byDevice.clear()
      line.length = 0
    },
  }
}

/** Attributes as a link is told them: plain ones by name, and those of the type's own schema beside them. */
function attributesOf(kept: Readonly<Record<string, unknown>>): JsonObject {
  const { [typedAttributes]: own, ...plain } = kept
  const parsed = typeof own === 'string' ? parseJson(own) : undefined
  const ownOnes = parsed?.ok && isObject(parsed.value) ? parsed.value : {}
  return { ...ownOnes, ...(plain as JsonObject) }
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
