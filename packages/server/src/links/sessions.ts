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
  ChildEndings,
  type DeviceId,
  devices,
  type Ending,
  type Env,
  finish,
  type Json,
  linkLost,
  ok,
  payloadOf,
  progress,
  settleConfigurationSet,
  settlePackageConfigurations,
  type Taker,
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
import { createSharedCommits } from './shared-commits.ts'
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

/** What was marked as sent. */
interface Taken {
  readonly lane: string
  readonly sent: Transaction
  readonly payload: Json
  /** Nothing was behind it in its lane when it was taken. */
  readonly isLast?: boolean
}

/** What was settled, and what may be taken after it in the same commit. */
interface Settled {
  readonly carried?: Carried | CarriedSoftware
  next?(tx: Tx): Promise<Taken | undefined>
}

/**
 * What one commit hands to sessions that wait, beside what else it does. What is submitted within it and is not the head of
 * its lane is left there, and what is before it is marked as sent.
 */
export interface HandOver extends Taker {
  /** The commit is on disk, or nothing of it is. */
  ended(kept: boolean): void
}

/** Entries that say that one was submitted and sent in the same commit. */
const entriesOfTaken = 2
interface HandOverPromise {
  readonly live: Live
  readonly lane: string
  /** Entries about the device that say nothing else than this. */
  readonly entries: number
  what?: Taken
}

/** Lanes that links carry, in the order in which they are looked at. */
export const carriedLanes = [transactionKinds['direct-rpc'].lane, transactionKinds.rpc.lane] as const
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
  /** Entries about it that were heard of meanwhile, but for those of what it was handed. */
  entries: number
  /** Counts what may have brought something: a waiter that slept through one would sleep for ever. */
  news: number
  /** The place in its lane of the last one that was taken: all before it have ended. */
  readonly lastSeq: Map<string, number>
  /** Lanes that held nothing to take when `news` stood there. */
  readonly emptyAt: Map<string, number>
  /** Lanes whose last one was taken when `news` stood there. */
  readonly lastAt: Map<string, number>
  /** Where `news` stood when the device was last seen to be there. */
  thereAt: number
  calls: number
  open: boolean
}

export type Sessions = ReturnType<typeof createSessions>

export function createSessions(needs: SessionsNeeds) {
  const { store, presence } = needs
  const share = createSharedCommits(store, {
    begin: () => new ChildEndings(),
    end: (tx, endings) => endings.tell(tx, needs.env()),
  })
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
      entries: 0,
      news: 0,
      lastSeq: new Map(),
      emptyAt: new Map(),
      lastAt: new Map(),
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
    if (live.underWay.size > 0) {
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

  function laneOf(live: Live, id: Transaction['id']): string | undefined {
    for (const [lane, underWay] of live.underWay) if (underWay === id) return lane
    return undefined
  }

  const isBusy = (live: Live, lane: string) => live.underWay.has(lane) || live.taking.has(lane)

  async function takeIn(
    tx: Tx,
    device: DeviceId,
    lane: string,
    afterSeq?: number,
  ): Promise<Taken | undefined> {
    const env = needs.env()
    const sent =
      afterSeq === undefined
        ? await takeNext(tx, env, device, lane)
        : await takeAfter(tx, env, { device, lane, seq: afterSeq })
    return sent && { lane, sent, payload: await payloadOf(tx, sent) }
  }

  /** What has been taken, as links carry it. */
  async function carriedBy(live: Live, { lane, sent, payload }: Taken) {
    const carried = await carrying.carriedOf(live.known, sent, payload)
    if (carried && live.open) return carried
    if (carried) await giveBack(live, sent)
    // Nothing to carry: packages that are as they are asked to be, or what no module defines any more.
    else await end(live.known, sent.id, await carrying.endOfUncarried(live.known, sent))
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
    const promises: HandOverPromise[] = []
    const promise = (live: Live, lane: string, entries: number): HandOverPromise => {
      const made = { live, lane, entries }
      live.taking.add(lane)
      live.promised += 1
      promises.push(made)
      return made
    }
    const waitingFor = (device: DeviceId, lane: string): Live | undefined => {
      const live = byDevice.get(device)
      const waits = live?.open && live.waiters.size > 0 && !isBusy(live, lane)
      return waits && carriedLanes.some((carries) => carries === lane) ? live : undefined
    }
    return {
      takes(device, lane, seq) {
        const live = waitingFor(device, lane)
        // The one before it has ended, so it is the head; of a lane that is not known so well the head is looked up.
        if (live?.lastSeq.get(lane) !== seq - 1) return false
        promise(live, lane, entriesOfTaken)
        return true
      },
      async submitted(tx, submitted, payload) {
        const { device, lane, state } = submitted
        if (state === 'sent') {
          const promised = promises.at(-1)
          if (promised) promised.what = { lane, sent: submitted, payload, isLast: true }
          return
        }
        const live = device && waitingFor(device, lane)
        if (!live) return
        const what = await takeIn(tx, live.known.device, lane)
        if (what) promise(live, lane, 0).what = what
      },
      ended(kept) {
        for (const { live, lane, entries, what } of promises.splice(0)) {
          live.taking.delete(lane)
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
      },
    }
  }

  function begin(live: Live, { lane, sent, isLast }: Taken): void {
    live.underWay.set(lane, sent.id)
    live.lastSeq.set(lane, sent.seq)
    if (isLast) live.lastAt.set(lane, live.news)
    else live.lastAt.delete(lane)
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

  async function settle(live: Live, carried: Carried | CarriedSoftware, outcome: Outcome): Promise<void> {
    const ending = await carrying.endingOf(live.known, carried, outcome)
    const lane = laneOf(live, carried.transaction)
    let seen = live.news
    const next = await end(live.known, carried.transaction, ending, {
      carried,
      next: async (tx) => {
        seen = live.news
        if (lane === undefined || !live.open) return undefined
        // It was the last one, and nothing was heard of since: what comes now makes itself heard.
        if (live.promised === 0 && live.lastAt.get(lane) === seen) return undefined
        return takeIn(tx, live.known.device, lane, live.lastSeq.get(lane))
      },
    })
    if (lane !== undefined) {
      live.underWay.delete(lane)
      live.emptyAt.set(lane, seen)
    }
    if (next) hand(live, next)
    else rouse(live)
  }

  async function end(
    { tenant, device }: KnownDevice,
    id: Transaction['id'],
    ending: Ending,
    { carried, next = async () => undefined }: Settled = {},
  ): Promise<Taken | undefined> {
    const by = { kind: 'device', id: device } as const
    return share(tenant, async (tx, endings) => {
      const env = needs.env()
      // What is looked at below may depend on the parent; calls have nothing like it.
      const ended = await finish(tx, env, id, ending, by, carried?.kind === 'rpc' ? endings : undefined)
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
