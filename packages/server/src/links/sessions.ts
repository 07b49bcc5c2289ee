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
  type Actor,
  ChildEndings,
  type DeviceId,
  devices,
  type Ending,
  type Env,
  finish,
  finishAll,
  type Json,
  linkLost,
  ok,
  payloadOf,
  progress,
  settleConfigurationSet,
  settlePackageConfigurations,
  type Taker,
  type ToEnd,
  type Transaction,
  type Tx,
  takeAfter,
  takeBack,
  takeNext,
  transactionKinds,
  transactions,
} from '@waymark/domain'
import type { Log } from '../log.ts'
import type { Presence } from '../presence.ts'
import { type CarryingNeeds, createCarrying, type KnownDevice } from './carrying.ts'
import type { ImageBytes } from './image-reader.ts'
import type { Carried, CarriedSoftware, OpenSession, Outcome, Session, UpAnswer, UpCall } from './link.ts'
import { mergeTexts } from './merge.ts'
import { createShared, createSharedCommits } from './shared-commits.ts'
import { createTransfers } from './transfers.ts'

export interface SessionsNeeds extends CarryingNeeds {
  readonly presence: Presence
  readonly log: Log
  env(): Env
  /** What a device says by itself. */
  call(device: KnownDevice, up: UpCall): Promise<UpAnswer>
  /** Bytes of images. */
  readonly bytes: ImageBytes
  /** A session has opened; it has closed, and what was under way is back in its place. */
  came(device: DeviceId): void
  left(device: KnownDevice): void
}

/** Lanes that links carry, in the order in which they are looked at. */
export const carriedLanes = [transactionKinds['direct-rpc'].lane, transactionKinds.rpc.lane] as const
type CarriedLane = (typeof carriedLanes)[number]
/** Calls a device may have open at once. */
const callsMax = 8

/** What was marked as sent. */
interface Taken {
  readonly lane: CarriedLane
  readonly sent: Transaction
  readonly payload: Json
  /** Nothing was behind it in its lane when it was taken. */
  readonly isLast?: boolean
}

/**
 * What one commit hands to sessions that wait, beside what else it does. What is submitted within it and is not the head of
 * its lane is left there, and what is before it is marked as sent.
 */
export interface HandOver extends Taker {
  /** The commit is on disk, or nothing of it is. */
  ended(kept: boolean): void
}

/** Entries that say that one was submitted, and sent in the same commit. */
const entriesOfTaken = 1
interface HandOverPromise {
  readonly live: Live
  readonly lane: CarriedLane
  /** Entries about the device that say nothing else than this. */
  readonly entries: number
  what?: Taken
}

/** What a session knows of a lane. */
interface LaneLive {
  underWay: Transaction['id'] | undefined
  /** Somebody looks for its head, or a commit may bring it. */
  isTaking: boolean
  /** The place of the last one that was taken: all before it have ended. 0: none was. */
  lastSeq: number
  /** It held nothing to take when `news` stood there. */
  emptyAt: number
  /** Its last one was taken when `news` stood there. */
  lastAt: number
}

/** Called when there may be something, or with what there is. */
type Waiter = (given?: Carried | CarriedSoftware) => void

interface Live {
  readonly known: KnownDevice
  /** Who says what the device says. */
  readonly by: Actor
  readonly session: Session
  readonly lanes: Readonly<Record<CarriedLane, LaneLive>>
  /** Who waits longest is first. */
  waiters: readonly Waiter[]
  /** Marked as sent by the commit of another change, and not handed out yet. */
  handed: readonly Taken[]
  /** Commits under way that may hand it something. */
  promised: number
  /** Entries about it that were heard of meanwhile, but for those of what it was handed. */
  entries: number
  /** Counts what may have brought something: a waiter that slept through one would sleep for ever. */
  news: number
  /** Where `news` stood when the device was last seen to be there. */
  thereAt: number
  calls: number
  open: boolean
}

/** What a session settles, and what is taken after it in the same commit. */
class Settled implements ToEnd {
  readonly live: Live
  readonly lane: CarriedLane | undefined
  readonly id: Transaction['id']
  readonly ending: Ending
  /** Where `news` stood when the commit looked. */
  seen = never
  next: Taken | undefined

  constructor(live: Live, lane: CarriedLane | undefined, id: Transaction['id'], ending: Ending) {
    this.live = live
    this.lane = lane
    this.id = id
    this.ending = ending
  }

  get by(): Actor {
    return this.live.by
  }
}

export type Sessions = ReturnType<typeof createSessions>

export function createSessions(needs: SessionsNeeds) {
  const { store, presence } = needs
  const share = createSharedCommits(store)
  // Nothing that is looked at after a call depends on its group, which is told of many at once.
  const settleCall = createShared<Settled>(
    store,
    async (tx, all) => {
      const env = needs.env()
      const endings = new ChildEndings()
      await finishAll(tx, env, all, endings)
      for (const one of all) if (looksOn(one)) await takeAfterIt(tx, one)
      await endings.tell(tx, env)
    },
    hasSettled,
  )
  const carrying = createCarrying(needs)
  const transfers = createTransfers({ ...needs, share, env: () => needs.env() })
  const byDevice = new Map<DeviceId, Live>()

  // What a session did itself brings it nothing new.
  const unhear = store.onCommit(({ byOthers }) => {
    if (byOthers === 'any') for (const live of byDevice.values()) hear(live, Number.POSITIVE_INFINITY)
    else
      for (const [device, entries] of byOthers) {
        const live = byDevice.get(device)
        if (live) hear(live, entries)
      }
  })

  function hear(live: Live, entries: number): void {
    // Whoever is about to be handed something is woken then, and by then it shows what was besides.
    if (live.promised > 0) live.entries += entries
    else wake(live)
  }

  function wake(live: Live): void {
    live.news += 1
    rouse(live)
  }

  function rouse(live: Live): void {
    const { waiters } = live
    live.waiters = none
    for (const waiter of waiters) waiter()
  }

  async function open(known: KnownDevice, session: Session): Promise<OpenSession> {
    const older = byDevice.get(known.device)
    const live: Live = {
      known,
      by: byItself(known),
      session,
      lanes: { direct: newLane(), queue: newLane() },
      waiters: none,
      handed: none,
      promised: 0,
      entries: 0,
      news: 0,
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
    needs.came(known.device)
    return {
      next: (waitMs) => nextCall(live, waitMs),
      nextOfAll: (waitMs) => next(live, waitMs),
      image: (carried, step, offset, length) => transfers.image(carried, step, offset, length),
      confirmed: (carried, step, bytes) => transfers.confirmed(known, carried, step, bytes),
      restart: (carried, step) => transfers.restart(known, carried, step),
      stepped: (carried, step, done, reason) => transfers.stepped(known, carried, step, done, reason),
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
    if (carriedLanes.some((lane) => live.lanes[lane].underWay !== undefined)) {
      const { tenant, device } = live.known
      await store.transact(tenant, async (tx) => ok(await linkLost(tx, needs.env(), device)))
    }
    needs.left(live.known)
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

  function next(live: Live, waitMs?: number): Promise<Carried | CarriedSoftware | undefined> {
    const isSure = live.open && live.thereAt === live.news && !mayTake(live)
    if (!isSure || waitMs !== undefined) return lookAndWait(live, waitMs)
    // There is nothing to look for: a device that is idle costs one waiter.
    return new Promise((resolve) => {
      wait(live, (given) => resolve(given && live.open ? given : lookAndWait(live)))
    })
  }

  async function lookAndWait(live: Live, waitMs?: number): Promise<Carried | CarriedSoftware | undefined> {
    const until = waitMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + waitMs
    while (live.open) {
      const seen = live.news
      const carried = mayTake(live) ? await take(live) : undefined
      if (carried) return carried
      // What a commit said of the device, and brought nothing, may have been that it is gone.
      if (live.thereAt !== seen && (await isGone(live.known))) {
        live.session.end('deleted')
        await close(live)
        return undefined
      }
      live.thereAt = seen
      const leftMs = until - performance.now()
      if (leftMs <= 0) return undefined
      if (live.open && live.news === seen && live.handed.length === 0) {
        const given = await news(live, leftMs)
        // What a session that has ended was given has gone back to its place.
        if (given && live.open) return given
      }
    }
    return undefined
  }

  async function isGone({ tenant, device }: KnownDevice): Promise<boolean> {
    const held = await store.read(tenant).get(devices, { id: device })
    return held === undefined || held.garbage
  }

  /** Resolves when there may be something, with what there is where that is known, or after a time. */
  function news(live: Live, ms: number): Promise<Carried | CarriedSoftware | undefined> {
    return new Promise((resolve) => {
      if (!Number.isFinite(ms)) return wait(live, resolve)
      const waiter: Waiter = (given) => {
        clearTimeout(timer)
        resolve(given)
      }
      const timer = setTimeout(() => {
        live.waiters = live.waiters.filter((one) => one !== waiter)
        resolve(undefined)
      }, ms)
      wait(live, waiter)
    })
  }

  function wait(live: Live, waiter: Waiter): void {
    live.waiters = live.waiters.length === 0 ? [waiter] : [...live.waiters, waiter]
  }

  /** Whether looking may find something. */
  function mayTake(live: Live): boolean {
    return live.handed.length > 0 || carriedLanes.some((lane) => mayTakeFrom(live, live.lanes[lane]))
  }

  function mayTakeFrom(live: Live, lane: LaneLive): boolean {
    return !isBusy(lane) && lane.emptyAt !== live.news
  }

  async function take(live: Live): Promise<Carried | CarriedSoftware | undefined> {
    for (;;) {
      const [handed, ...rest] = live.handed
      if (!handed) break
      live.handed = rest
      const carried = await carriedBy(live, handed)
      if (carried) return carried
    }
    const { tenant, device } = live.known
    for (const name of carriedLanes) {
      const seen = live.news
      const lane = live.lanes[name]
      if (!mayTakeFrom(live, lane)) continue
      lane.isTaking = true
      try {
        // Most looks find nothing, and a read costs no commit.
        const where = { device, lane: name, open: true }
        const [head] = await store.read(tenant).find(transactions, { where, order: ['seq', 'id'], limit: 1 })
        if (head?.state !== 'queued') {
          lane.emptyAt = seen
          continue
        }
        const taken = await share(tenant, (tx) => takeIn(tx, device, name))
        if (!taken) continue
        begin(live, taken)
        const carried = await carriedBy(live, taken)
        if (carried) return carried
      } finally {
        lane.isTaking = false
      }
    }
    return undefined
  }

  function laneOf(live: Live, id: Transaction['id']): CarriedLane | undefined {
    return carriedLanes.find((name) => live.lanes[name].underWay === id)
  }

  const isBusy = (lane: LaneLive) => lane.underWay !== undefined || lane.isTaking

  async function takeIn(
    tx: Tx,
    device: DeviceId,
    lane: CarriedLane,
    afterSeq = 0,
  ): Promise<Taken | undefined> {
    const env = needs.env()
    const sent =
      afterSeq === 0
        ? await takeNext(tx, env, device, lane)
        : await takeAfter(tx, env, { device, lane, seq: afterSeq })
    return sent && { lane, sent, payload: await payloadOf(tx, sent) }
  }

  /** What has been taken, as links carry it. */
  async function carriedBy(
    live: Live,
    { lane, sent, payload }: Taken,
  ): Promise<Carried | CarriedSoftware | undefined> {
    const carried = await carrying.carriedOf(live.known, sent, payload)
    if (carried && live.open) return carried
    if (carried) await giveBack(live, sent)
    // Nothing to carry: packages that are as they are asked to be, or what no module defines any more.
    else {
      const ending = await carrying.endOfUncarried(live.known, sent)
      await share(live.known.tenant, (tx) => finish(tx, needs.env(), sent.id, ending, live.by))
    }
    live.lanes[lane].underWay = undefined
    wake(live)
    return undefined
  }

  /** The session is over, and what was taken for it goes back to its place. */
  async function giveBack({ known }: Live, sent: Transaction): Promise<void> {
    await store.transact(known.tenant, async (tx) => ok(await takeBack(tx, needs.env(), sent)))
  }

  /** For a commit that submits much: what it brings to sessions that wait is taken within it. */
  function handOver(): HandOver {
    const promises = new Map<DeviceId, HandOverPromise>()
    const promise = (live: Live, lane: CarriedLane, entries: number): HandOverPromise => {
      const made = { live, lane, entries }
      live.lanes[lane].isTaking = true
      live.promised += 1
      promises.set(live.known.device, made)
      return made
    }
    const waitingFor = (device: DeviceId, lane: CarriedLane): Live | undefined => {
      const live = byDevice.get(device)
      const waits = live?.open && live.waiters.length > 0 && !isBusy(live.lanes[lane])
      return waits && !promises.has(device) ? live : undefined
    }
    return {
      takes(device, lane, seq) {
        if (!isCarried(lane)) return false
        const live = waitingFor(device, lane)
        // The one before it has ended, so it is the head; of a lane that is not known so well the head is looked up.
        if (live === undefined || seq === 1 || live.lanes[lane].lastSeq !== seq - 1) return false
        promise(live, lane, entriesOfTaken)
        return true
      },
      async submitted(tx, children, payload) {
        for (const child of children) {
          const { device, lane } = child
          if (device === undefined || !isCarried(lane)) continue
          if (child.state === 'sent') {
            const promised = promises.get(device)
            if (promised) promised.what = { lane, sent: child, payload, isLast: true }
            continue
          }
          const live = waitingFor(device, lane)
          const what = live && (await takeIn(tx, device, lane))
          if (what) promise(live, lane, 0).what = what
        }
      },
      ended(kept) {
        for (const { live, lane, entries, what } of promises.values()) {
          live.lanes[lane].isTaking = false
          live.promised -= 1
          const isHanded = kept && what !== undefined
          if (isHanded) live.entries -= entries
          if (live.promised === 0) {
            const isNews = live.entries !== 0 || !isHanded
            live.entries = 0
            if (isNews) wake(live)
          }
          if (isHanded) hand(live, what)
        }
        promises.clear()
      },
    }
  }

  function begin(live: Live, { lane: name, sent, isLast }: Taken): void {
    const lane = live.lanes[name]
    lane.underWay = sent.id
    lane.lastSeq = sent.seq
    lane.lastAt = isLast ? live.news : never
  }

  /** Gives a session what was marked as sent for it; one that has ended meanwhile gives it back. */
  function hand(live: Live, what: Taken): void {
    if (!live.open) {
      const log = (err: unknown) => needs.log.error({ err }, 'what was taken could not be put back')
      void giveBack(live, what.sent).catch(log)
      return
    }
    begin(live, what)
    // Who is asked for something is there.
    live.thereAt = live.news
    const [first] = live.waiters
    const carried = first && carrying.carriedNow(live.known, what.sent, what.payload)
    if (carried) {
      live.waiters = live.waiters.length === 1 ? none : live.waiters.slice(1)
      first(carried)
    } else {
      live.handed = [...live.handed, what]
      rouse(live)
    }
  }

  function settle(live: Live, carried: Carried | CarriedSoftware, outcome: Outcome): Promise<void> {
    const ending = carrying.endingOf(live.known, carried, outcome)
    return ending instanceof Promise
      ? ending.then((ending) => settleAs(live, carried, ending))
      : settleAs(live, carried, ending)
  }

  function settleAs(live: Live, carried: Carried | CarriedSoftware, ending: Ending): Promise<void> {
    const one = new Settled(live, laneOf(live, carried.transaction), carried.transaction, ending)
    return carried.kind === 'rpc' ? settleCall(live.known.tenant, one) : settleOther(one, carried)
  }

  async function settleOther(
    one: Settled,
    carried: Exclude<Carried | CarriedSoftware, { kind: 'rpc' }>,
  ): Promise<void> {
    await share(one.live.known.tenant, async (tx) => {
      const env = needs.env()
      const ended = await finish(tx, env, one.id, one.ending, one.by)
      // One that has ended meanwhile (timed out, called off) stays as it is: what the device says is then ignored.
      if (ended.ok && carried.kind === 'configuration')
        await settleConfigurationSet(tx, env, { name: carried.name, merge: mergeTexts })
      if (ended.ok && carried.kind === 'package-configuration')
        await settlePackageConfigurations(tx, env, ended.value, mergeTexts)
      if (looksOn(one)) await takeAfterIt(tx, one)
    })
    hasSettled(one)
  }

  /** Whether something may follow in the lane, for the commit that settles what is before it. */
  function looksOn(one: Settled): boolean {
    const { live, lane } = one
    one.seen = live.news
    one.next = undefined
    if (lane === undefined || !live.open) return false
    // It was the last one, and nothing was heard of since: what comes now makes itself heard.
    return live.promised > 0 || live.lanes[lane].lastAt !== live.news
  }

  async function takeAfterIt(tx: Tx, one: Settled): Promise<void> {
    const { live, lane } = one
    if (lane) one.next = await takeIn(tx, live.known.device, lane, live.lanes[lane].lastSeq)
  }

  /** It is on disk. */
  function hasSettled({ live, lane, seen, next }: Settled): void {
    if (lane) {
      live.lanes[lane].underWay = undefined
      live.lanes[lane].emptyAt = seen
    }
    if (next) hand(live, next)
    else rouse(live)
  }

  async function progressed(
    { known, by }: Live,
    carried: Carried | CarriedSoftware,
    percent: number,
  ): Promise<void> {
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

/** One list for all who have nothing to hold. */
const none: readonly never[] = []
/** `news` never stands there. */
const never = -1

function newLane(): LaneLive {
  return { underWay: undefined, isTaking: false, lastSeq: 0, emptyAt: never, lastAt: never }
}

function isCarried(lane: string): lane is CarriedLane {
  return carriedLanes.some((carried) => carried === lane)
}

function byItself({ device }: KnownDevice): Actor {
  return { kind: 'device', id: device }
}
