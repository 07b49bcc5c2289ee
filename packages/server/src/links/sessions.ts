/**
 * The house's end of links: who is there, and what is carried to them.
 *
 * One owner of all sessions. A session takes what is next in its device's lanes, marked as sent on disk before it is handed
 * out; what it settles has ended on disk before the lane gives the next. When a session ends with something unsettled, that
 * goes back to the queue (or has failed, where it was to happen at once or not at all). No timer looks for work: commits
 * name the devices that something was done about, and whoever waits for one of them looks again.
 *
 * When a group is asked, most sessions of its members wait: then a child is marked as sent in the commit that submits it,
 * and what settles one thing marks the next. Each saves a commit's part and some looking, and changes nothing of the order:
 * it is always the head of the lane that is taken.
 */
import {
  type AskedPackage,
  configurationOf,
  confirmedOf,
  confirmTransfer,
  type DeviceId,
  describePlanRefusal,
  devices,
  type Ending,
  type Env,
  effectiveConfiguration,
  endPackageStep,
  finish,
  type Json,
  keepConfiguration,
  linkLost,
  ok,
  type Package,
  type PushedConfiguration,
  type PushedPackages,
  packagesOf as packagesOfDevice,
  payloadOf,
  planFor,
  progress,
  pushedPackages,
  type Reader,
  restartTransfer,
  type Store,
  send,
  settleConfigurationSet,
  settlePackageConfigurations,
  type TenantId,
  type Transaction,
  type Tx,
  takeBack,
  takeNext,
  transactionKinds,
  transactions,
} from '@waymark/domain'
import { type JsonObject, parseJson, printJson } from '@waymark/yang'
import type { Log } from '../log.ts'
import type { Presence } from '../presence.ts'
import type { ImageBytes } from './image-reader.ts'
import type {
  Carried,
  CarriedPackageConfiguration,
  CarriedPackages,
  CarriedSoftware,
  CarriedStep,
  Described,
  Known,
  OpenSession,
  Outcome,
  Session,
  UpAnswer,
  UpCall,
} from './link.ts'
import { mergeTexts } from './merge.ts'
import { createSharedCommits } from './shared-commits.ts'

/** What an RPC's transaction asks: its input and the caller's name for it are JSON texts, so that no number is rounded. */
export interface AskedRpc {
  readonly module: string
  readonly method: string
  readonly input: string
  readonly callId: string
}

/** How a device answered, as it is kept with the transaction. */
export interface KeptAnswer {
  /** The notification the device named; absent where it answered with an output. */
  readonly method?: string
  readonly params: string
}

/** A device with the tenant it is in. */
export type KnownDevice = Known & { readonly tenant: TenantId }

export interface SessionsNeeds {
  readonly store: Store
  readonly presence: Presence
  readonly log: Log
  env(): Env
  /** What the modules of a device say of an operation or notification. */
  describe(device: KnownDevice, module: string, name: string): Promise<Described | undefined>
  /** The parameters of a notification that a device answered with, by its schema; undefined: it does not fit. */
  fit(
    device: KnownDevice,
    module: string,
    what: 'output' | 'notification',
    name: string,
    params: JsonObject,
  ): Promise<JsonObject | undefined>
  /** What a device says by itself. */
  call(device: KnownDevice, up: UpCall): Promise<UpAnswer>
  /** The configuration that a package begins with, defaults filled in; undefined where it has none. */
  initialValues(tenant: TenantId, of: Package, given: string | undefined): Promise<string | undefined>
  /** Bytes of an image. */
  bytes: ImageBytes
}

/** What was marked as sent. */
interface Taken {
  readonly lane: string
  readonly sent: Transaction
  readonly payload: Json
}

/** What was settled, and what may be taken after it in the same commit. */
interface Settled {
  readonly carried?: Carried | CarriedSoftware
  next?(tx: Tx): Promise<Taken | undefined>
}

/** What one commit hands to sessions that wait, beside what else it does. */
export interface HandOver {
  /** Within the commit that submits it: marks it, or what is before it, as sent, where a session waits for it. */
  take(tx: Tx, submitted: Transaction): Promise<void>
  /** The commit is on disk, or nothing of it is. */
  ended(kept: boolean): void
}

/** Lanes that links carry, in the order in which they are looked at. */
const carriedLanes = [transactionKinds['direct-rpc'].lane, transactionKinds.rpc.lane] as const
/** Calls a device may have open at once. */
const callsMax = 8

interface Live {
  readonly known: KnownDevice
  readonly session: Session
  readonly underWay: Map<string, Transaction['id']>
  readonly taking: Set<string>
  readonly waiters: Set<() => void>
  /** Marked as sent by the commit of another change, and not handed out yet. */
  readonly handed: Taken[]
  /** Commits under way that may hand it something. */
  promised: number
  /** Counts what may have brought something: a waiter that slept through one would sleep for ever. */
  news: number
  /** The place in its lane of the last one that was taken: all before it have ended. */
  readonly lastSeq: Map<string, number>
  /** Lanes that held nothing to take when `news` stood there. */
  readonly emptyAt: Map<string, number>
  /** Where `news` stood when the device was last seen to be there. */
  thereAt: number
  calls: number
  open: boolean
}

export type Sessions = ReturnType<typeof createSessions>

export function createSessions(needs: SessionsNeeds) {
  const { store, presence } = needs
  const share = createSharedCommits(store)
  const byDevice = new Map<DeviceId, Live>()

  // What a session did itself brings it nothing new.
  const unhear = store.onCommit(({ byOthers }) => {
    if (byOthers === 'any') for (const live of byDevice.values()) wake(live)
    else
      for (const device of byOthers) {
        const live = byDevice.get(device)
        if (live) wake(live)
      }
  })

  function wake(live: Live): void {
    live.news += 1
    // Whoever is about to be handed something is woken then.
    if (live.promised === 0) rouse(live)
  }

  function rouse(live: Live): void {
    for (const waiter of live.waiters) waiter()
  }

  async function open(known: KnownDevice, session: Session): Promise<OpenSession> {
    const older = byDevice.get(known.device)
    const live: Live = {
      known,
      session,
      underWay: new Map(),
      taking: new Set(),
      waiters: new Set(),
      handed: [],
      promised: 0,
      news: 0,
      lastSeq: new Map(),
      emptyAt: new Map(),
      thereAt: 0,
      calls: 0,
      open: true,
    }
    byDevice.set(known.device, live)
    if (older) {
      older.session.end('replaced')
      await close(older)
    }
    await requeue(known)
    presence.heard(known.device, session.address)
    return {
      next: (waitMs) => nextCall(live, waitMs),
      nextOfAll: (waitMs) => next(live, waitMs),
      image: (carried, step, offset, length) => image(carried, step, offset, length),
      confirmed: (carried, step, bytes) => confirmed(live, carried, step, bytes),
      restart: (carried, step) => restart(live, carried, step),
      stepped: (carried, step, done, reason) => stepped(live, carried, step, done, reason),
      settle: (carried, outcome) => settle(live, carried, outcome),
      progressed: (carried, percent) => progressed(live, carried, percent),
      describe: (module, name) => needs.describe(known, module, name),
      call: (up) => call(live, up),
      heard: () => presence.heard(known.device, session.address),
      get open() {
        return live.open
      },
      close: () => close(live),
    }
  }

  /** What an earlier session left under way, also one of a process that is gone, goes back to its place. */
  async function requeue({ tenant, device }: KnownDevice): Promise<void> {
    for (const lane of carriedLanes) {
      const [head] = await store.read(tenant).find(transactions, {
        where: { device, lane, open: true },
        order: ['seq', 'id'],
        limit: 1,
      })
      if (head === undefined || head.state === 'queued') continue
      await store.transact(tenant, async (tx) => ok(await linkLost(tx, needs.env(), device)))
      return
    }
  }

  async function close(live: Live): Promise<void> {
    if (!live.open) return
    live.open = false
    if (byDevice.get(live.known.device) === live) byDevice.delete(live.known.device)
    rouse(live)
    if (live.underWay.size === 0) return
    const { tenant, device } = live.known
    await store.transact(tenant, async (tx) => ok(await linkLost(tx, needs.env(), device)))
  }

  /** For links that carry calls alone: what they can not carry is answered for them. */
  async function nextCall(live: Live, waitMs?: number): Promise<Carried | undefined> {
    for (;;) {
      const carried = await next(live, waitMs)
      if (carried?.kind !== 'packages' && carried?.kind !== 'package-configuration') return carried
      await settle(live, carried, {
        kind: 'unsupported',
        reason: `${live.known.protocol} carries no packages`,
      })
    }
  }

  async function next(live: Live, waitMs?: number): Promise<Carried | CarriedSoftware | undefined> {
    const until = waitMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + waitMs
    while (live.open) {
      const seen = live.news
      const carried = await take(live)
      if (carried) return carried
      // What a commit said of the device, and brought nothing, may have been that it is gone.
      if (live.thereAt !== seen && (await isGone(live.known))) {
        live.session.end('deleted')
        await close(live)
        return undefined
      }
      live.thereAt = seen
      const left = until - performance.now()
      if (left <= 0) return undefined
      if (live.open && live.news === seen && live.handed.length === 0) await news(live, left)
    }
    return undefined
  }

  async function isGone({ tenant, device }: KnownDevice): Promise<boolean> {
    const held = await store.read(tenant).get(devices, { id: device })
    return held === undefined || held.garbage
  }

  function news(live: Live, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = Number.isFinite(ms) ? setTimeout(done, ms) : undefined
      function done(): void {
        clearTimeout(timer)
        live.waiters.delete(done)
        resolve()
      }
      live.waiters.add(done)
    })
  }

  async function take(live: Live): Promise<Carried | CarriedSoftware | undefined> {
    for (let handed = live.handed.shift(); handed; handed = live.handed.shift()) {
      const carried = await carriedBy(live, handed)
      if (carried) return carried
    }
    const { tenant, device } = live.known
    for (const lane of carriedLanes) {
      const seen = live.news
      if (isBusy(live, lane) || live.emptyAt.get(lane) === seen) continue
      live.taking.add(lane)
      try {
        // Most looks find nothing, and a read costs no commit.
        const where = { device, lane, open: true }
        const [head] = await store.read(tenant).find(transactions, { where, order: ['seq', 'id'], limit: 1 })
        if (head?.state !== 'queued') {
          live.emptyAt.set(lane, seen)
          continue
        }
        const taken = await share(tenant, (tx) => takeIn(tx, device, lane))
        if (!taken) continue
        begin(live, taken)
        const carried = await carriedBy(live, taken)
        if (carried) return carried
      } finally {
        live.taking.delete(lane)
      }
    }
    return undefined
  }

  const isBusy = (live: Live, lane: string) => live.underWay.has(lane) || live.taking.has(lane)

  async function takeIn(tx: Tx, device: DeviceId, lane: string): Promise<Taken | undefined> {
    const sent = await takeNext(tx, needs.env(), device, lane)
    return sent && { lane, sent, payload: await payloadOf(tx, sent) }
  }

  /** What has been taken, as links carry it. */
  async function carriedBy(live: Live, { lane, sent, payload }: Taken) {
    const carried = await carriedOf(live.known, sent, payload)
    if (carried && live.open) return carried
    if (carried) await giveBack(live, sent)
    // Nothing to carry: packages that are as they are asked to be, or what no module defines any more.
    else await endUncarried(live.known, sent)
    live.underWay.delete(lane)
    wake(live)
    return undefined
  }

  /** The session is over, and what was taken for it goes back to its place. */
  async function giveBack({ known }: Live, sent: Transaction): Promise<void> {
    await store.transact(known.tenant, async (tx) => ok(await takeBack(tx, needs.env(), sent)))
  }

  /** For a commit that submits much: what it brings to sessions that wait is taken within it. */
  function handOver(): HandOver {
    const taken: { readonly live: Live; readonly what: Taken }[] = []
    return {
      async take(tx, submitted) {
        const { device, lane, seq } = submitted
        const live = device && byDevice.get(device)
        if (!live?.open || live.waiters.size === 0 || isBusy(live, lane)) return
        if (!carriedLanes.some((carries) => carries === lane)) return
        // The one before it has ended, so it is the head; of a lane that is not known so well the head is looked up.
        const isHead = live.lastSeq.get(lane) === seq - 1
        const what = isHead
          ? { lane, sent: await send(tx, needs.env(), submitted), payload: await payloadOf(tx, submitted) }
          : await takeIn(tx, live.known.device, lane)
        if (!what) return
        live.taking.add(lane)
        live.promised += 1
        taken.push({ live, what })
      },
      ended(kept) {
        for (const { live, what } of taken.splice(0)) {
          live.taking.delete(what.lane)
          live.promised -= 1
          if (kept) hand(live, what)
          else wake(live)
        }
      },
    }
  }

  function begin(live: Live, { lane, sent }: Taken): void {
    live.underWay.set(lane, sent.id)
    live.lastSeq.set(lane, sent.seq)
  }

  /** Gives a session what was marked as sent for it; one that has ended meanwhile gives it back. */
  function hand(live: Live, what: Taken): void {
    if (!live.open) {
      const log = (err: unknown) => needs.log.error({ err }, 'what was taken could not be put back')
      void giveBack(live, what.sent).catch(log)
      return
    }
    begin(live, what)
    live.handed.push(what)
    // Who is asked for something is there.
    live.thereAt = live.news
    rouse(live)
  }

  async function endUncarried(known: KnownDevice, sent: Transaction): Promise<void> {
    const gone = 'format-error: none of the device’s modules defines it any more'
    const plan =
      sent.kind === 'package'
        ? await planFor(store.read(known.tenant), known.device, await askedPackage(known, sent))
        : undefined
    const ending: Ending =
      plan === undefined
        ? { state: 'failed', reason: gone }
        : plan.ok
          ? { state: 'done', proof: 'claimed' }
          : { state: 'failed', reason: describePlanRefusal(plan.refusal) }
    await end(known, sent.id, ending)
  }

  async function askedPackage({ tenant }: KnownDevice, sent: Transaction): Promise<AskedPackage> {
    return (await payloadOf(store.read(tenant), sent)) as unknown as AskedPackage
  }

  async function carriedOf(
    known: KnownDevice,
    sent: Transaction,
    payload: unknown,
  ): Promise<Carried | CarriedSoftware | undefined> {
    const base = {
      transaction: sent.id,
      attempt: sent.attempts - 1,
      ...(sent.expiresAt === undefined ? {} : { expiresAt: sent.expiresAt }),
    }
    if (sent.kind === 'package') return packagesOf(known, sent, payload as AskedPackage, base)
    const pushed = sent.kind === 'configuration' && (await pushedPackages(store.read(known.tenant), sent))
    if (pushed) return packageConfiguration(known, pushed, base)
    if (sent.kind === 'configuration') {
      const { name, values, callId } = payload as PushedConfiguration
      return { kind: 'configuration', ...base, name, values: objectOf(values), callId: jsonOf(callId) }
    }
    const { module, method, input, callId } = payload as AskedRpc
    const described = await needs.describe(known, module, method)
    return (
      described && {
        kind: 'rpc',
        ...base,
        module,
        method,
        input: objectOf(input),
        callId: jsonOf(callId),
        described,
      }
    )
  }

  async function packagesOf(
    { tenant, device }: KnownDevice,
    sent: Transaction,
    asked: AskedPackage,
    base: Omit<CarriedPackages, 'kind' | 'steps' | 'callId'>,
  ): Promise<CarriedPackages | undefined> {
    const reader = store.read(tenant)
    // As things are now: what was done meanwhile is not done again.
    const plan = await planFor(reader, device, asked)
    if (!plan.ok || plan.value.length === 0) return undefined
    const steps: CarriedStep[] = []
    for (const { operation, package: of, from, arguments: told } of plan.value) {
      const begins = operation === 'install' || operation === 'upgrade'
      const given = of.name === asked.package ? asked.values : undefined
      // An upgrade goes on with what the device had, and the new schema's defaults beneath.
      const kept = from === undefined ? '' : (await configurationOf(reader, device, from)).current
      const values = begins ? await needs.initialValues(tenant, of, kept === '' ? given : kept) : undefined
      steps.push({
        operation,
        package: of.name,
        ...(from === undefined ? {} : { from }),
        ...(told === undefined ? {} : { arguments: told }),
        ...(operation === 'uninstall'
          ? {}
          : {
              image: {
                size: of.size,
                sha256: of.image,
                confirmed: await confirmedOf(reader, sent.id, of.name),
              },
            }),
        ...(values === undefined ? {} : { values: objectOf(values) }),
      })
    }
    return { kind: 'packages', ...base, callId: jsonOf(asked.callId), steps }
  }

  async function packageConfiguration(
    { tenant, device }: KnownDevice,
    pushed: PushedPackages,
    base: Omit<CarriedPackageConfiguration, 'kind' | 'packages' | 'callId'>,
  ): Promise<CarriedPackageConfiguration> {
    const reader = store.read(tenant)
    const packages: { package: string; values: JsonObject; edits: JsonObject }[] = []
    for (const edit of pushed.packages) {
      // A member of a group that has not got the package is not told of it.
      const has = (await installedOn(reader, device)).includes(edit.package)
      if (!has) continue
      const values = objectOf(await effectiveConfiguration(reader, device, edit, mergeTexts))
      packages.push({ package: edit.package, values, edits: objectOf(edit.values) })
    }
    return { kind: 'package-configuration', ...base, callId: jsonOf(pushed.callId), packages }
  }

  function stepOf(carried: CarriedPackages, step: number): CarriedStep {
    const found = carried.steps[step]
    if (!found) throw new RangeError(`there is no step ${step}`)
    return found
  }

  async function image(
    carried: CarriedPackages,
    step: number,
    offset: number,
    length: number,
  ): Promise<Uint8Array> {
    const { image: of } = stepOf(carried, step)
    if (!of || offset < 0 || offset >= of.size || length <= 0) return new Uint8Array()
    return needs.bytes.read(of.sha256, offset, Math.min(length, of.size - offset))
  }

  async function confirmed(
    { known }: Live,
    carried: CarriedPackages,
    step: number,
    bytes: number,
  ): Promise<boolean> {
    const { image: of, package: name } = stepOf(carried, step)
    return share(known.tenant, async (tx) => {
      const transaction = await tx.get(transactions, { id: carried.transaction })
      if (!transaction?.open) return false
      return !of || (await confirmTransfer(tx, { transaction, package: name, size: of.size, bytes })).ok
    })
  }

  async function restart({ known }: Live, carried: CarriedPackages, step: number): Promise<void> {
    const { package: name } = stepOf(carried, step)
    await store.transact(known.tenant, async (tx) => ok(await restartTransfer(tx, carried.transaction, name)))
  }

  async function stepped(
    { known }: Live,
    carried: CarriedPackages,
    step: number,
    done: boolean,
    reason?: string,
  ): Promise<void> {
    const { operation, package: name, from, values } = stepOf(carried, step)
    await store.transact(known.tenant, async (tx) => {
      const env = needs.env()
      const asked = await tx.get(transactions, { id: carried.transaction })
      if (!asked?.open) return ok(undefined)
      const what = { operation, package: { name }, ...(from === undefined ? {} : { from }) }
      const last = step === carried.steps.length - 1
      await endPackageStep(tx, env, asked, what, { done, last })
      if (done && values !== undefined)
        await keepConfiguration(tx, env, {
          device: known.device,
          package: name,
          values: printJson(values),
          transaction: asked.id,
        })
      if (!done) {
        const why = `device-error: ${operation} of ${name}: ${reason ?? 'the device could not'}`
        await finish(
          tx,
          env,
          asked.id,
          { state: 'failed', reason: why },
          { kind: 'device', id: known.device },
        )
      }
      return ok(undefined)
    })
  }

  async function settle(live: Live, carried: Carried | CarriedSoftware, outcome: Outcome): Promise<void> {
    const ending = await endingOf(live.known, carried, outcome)
    const lane = [...live.underWay].find(([, id]) => id === carried.transaction)?.[0]
    let seen = live.news
    const next = await end(live.known, carried.transaction, ending, {
      carried,
      next: async (tx) => {
        seen = live.news
        return lane !== undefined && live.open ? takeIn(tx, live.known.device, lane) : undefined
      },
    })
    if (lane !== undefined) {
      live.underWay.delete(lane)
      live.emptyAt.set(lane, seen)
    }
    if (next) hand(live, next)
    else rouse(live)
  }

  async function endingOf(
    known: KnownDevice,
    carried: Carried | CarriedSoftware,
    outcome: Outcome,
  ): Promise<Ending> {
    const fit = (what: 'output' | 'notification', name: string, params: JsonObject) =>
      carried.kind === 'rpc'
        ? needs.fit(known, carried.module, what, name, params)
        : Promise.resolve<JsonObject | undefined>(params)
    switch (outcome.kind) {
      case 'done': {
        if (!outcome.notify) return { state: 'done', proof: 'claimed' }
        const { method, params } = outcome.notify
        return answered(await fit('notification', method, params), method)
      }
      case 'replied':
        return carried.kind === 'rpc'
          ? answered(await fit('output', carried.method, outcome.output))
          : { state: 'done', proof: 'claimed' }
      case 'failed':
        return { state: 'failed', reason: `device-error: ${outcome.reason}` }
      case 'unsupported':
        // By this word whoever asked for a package is told so.
        return {
          state: 'failed',
          reason: `${carried.kind === 'packages' ? 'unsupported-package' : 'unsupported'}: ${outcome.reason}`,
        }
      default:
        return outcome satisfies never
    }
  }

  async function end(
    { tenant, device }: KnownDevice,
    id: Transaction['id'],
    ending: Ending,
    { carried, next = async () => undefined }: Settled = {},
  ): Promise<Taken | undefined> {
    const by = { kind: 'device', id: device } as const
    return share(tenant, async (tx) => {
      const env = needs.env()
      const ended = await finish(tx, env, id, ending, by)
      // One that has ended meanwhile (timed out, called off) stays as it is: what the device says is then ignored.
      if (ended.ok && carried?.kind === 'configuration')
        await settleConfigurationSet(tx, env, { name: carried.name, merge: mergeTexts })
      if (ended.ok && carried?.kind === 'package-configuration')
        await settlePackageConfigurations(tx, env, ended.value, mergeTexts)
      return next(tx)
    })
  }

  async function progressed(
    { known }: Live,
    carried: Carried | CarriedSoftware,
    percent: number,
  ): Promise<void> {
    const by = { kind: 'device', id: known.device } as const
    await store.transact(known.tenant, (tx) =>
      progress(tx, needs.env(), carried.transaction, Math.max(0, Math.min(100, Math.trunc(percent))), by),
    )
  }

  async function call(live: Live, up: UpCall): Promise<UpAnswer> {
    if (live.calls >= callsMax)
      return { kind: 'refused', reason: 'too-many', detail: `at most ${callsMax} calls at once` }
    live.calls += 1
    try {
      return await needs.call(live.known, up)
    } finally {
      live.calls -= 1
    }
  }

  return {
    open,
    handOver,
    isConnected: (device: DeviceId) => byDevice.has(device),
    count: () => byDevice.size,
    /** Ends a device's session, because it was deleted or what it proves itself by was changed. */
    end(device: DeviceId, why: 'deleted' | 'changed'): void {
      const live = byDevice.get(device)
      if (!live) return
      live.session.end(why)
      void close(live).catch((error) => needs.log.error({ err: error }, 'a session could not be closed'))
    },
    /** Ends all of them: the server stops. */
    async close(): Promise<void> {
      unhear()
      const all = [...byDevice.values()]
      for (const live of all) live.session.end('draining')
      await Promise.all(all.map(close))
    },
  }
}

async function installedOn(reader: Reader, device: DeviceId): Promise<readonly string[]> {
  return (await packagesOfDevice(reader, device)).filter((row) => row.installed).map((row) => row.package)
}

/** An answer that fits is kept with the transaction; one that does not is the device's fault. */
function answered(params: JsonObject | undefined, method?: string): Ending {
  if (!params) return { state: 'failed', reason: 'format-error: the answer does not fit its schema' }
  const kept: KeptAnswer = { ...(method === undefined ? {} : { method }), params: printJson(params) }
  return { state: 'done', proof: 'claimed', answer: { ...kept } }
}

/** Texts of our own making always parse. */
function jsonOf(text: string) {
  const parsed = parseJson(text)
  if (!parsed.ok) throw new Error('a kept JSON text does not parse')
  return parsed.value
}

function objectOf(text: string): JsonObject {
  return jsonOf(text) as JsonObject
}
