/**
 * The exchange: everything between back ends and devices that are not following a trail, composed once. Doors find here
 * what they need to ask devices for something; links find the house through it; chores keep it moving.
 */
import {
  type Actor,
  type Env,
  type Instant,
  type ObjectSha,
  ok,
  type Result,
  type Store,
  setsWaiting,
  settleConfigurationSet,
  settled,
  type Target,
  type TenantId,
  type Transaction,
  type TransactionId,
  transactions,
  workOn,
  worksToDo,
} from '@waymark/domain'
import type { ObjectBytes } from '@waymark/store'
import type { Config } from '../config.ts'
import { createPost } from '../deliveries/post.ts'
import { createRenderer } from '../deliveries/render.ts'
import { createSender } from '../deliveries/sender.ts'
import { keepTarget, openTarget, signatureKey, type TargetRefusal } from '../deliveries/target.ts'
import type { Keys } from '../keys.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Presence } from '../presence.ts'
import { createSchemaRoom } from '../schemas/schema-room.ts'
import type { Listener } from '../serve.ts'
import type { KnownDevice } from './carrying.ts'
import { createDialling } from './dialling.ts'
import { createImageReader } from './image-reader.ts'
import type { Described, Link, Protocol } from './link.ts'
import { createLinkHouse } from './link-house.ts'
import { mergeTexts } from './merge.ts'
import { createDeviceModules, type FoundOperation } from './modules.ts'
import { carriedLanes, createSessions } from './sessions.ts'
import { initialValues } from './software.ts'
import { createTrailCarrier } from './trail-carrier.ts'
import { createUpward } from './upward.ts'

export interface ExchangeNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly store: Store
  readonly keys: Keys
  readonly presence: Presence
  readonly bytes: ObjectBytes
  keepImage(
    tenant: TenantId,
    image: { readonly sha: ObjectSha; readonly bytes: Uint8Array; readonly name: string; readonly by: Actor },
  ): Promise<boolean>
  readonly clock: { now(): Instant }
  env(): Env
  readonly draining: AbortSignal
  readonly links: readonly Link[]
}

/** Slices of a group that are on their way to the disk at once: the next is made while it takes in those before. */
const slicesAtOnce = 8
/** Milliseconds that a back end has to take a message or to answer. */
const postTimeoutMs = 10_000

export type Exchange = ReturnType<typeof createExchange>

export function createExchange(needs: ExchangeNeeds) {
  const { store, keys, log } = needs
  const schemas = createSchemaRoom({ store })
  const modules = createDeviceModules({ store, schemas })
  const post = createPost({
    allowPrivate: needs.config.allowPrivateTargets,
    timeoutMs: postTimeoutMs,
    now: () => needs.clock.now(),
  })
  const upward = createUpward({ store, keys, post, log, modules, env: needs.env })
  const sessions = createSessions({
    store,
    presence: needs.presence,
    log,
    env: needs.env,
    async describe({ tenant, device }, module, name) {
      const found = await modules.find(tenant, device, module, name)
      return found && describedBy(found)
    },
    describedNow({ tenant, device }, module, name) {
      const found = modules.foundNow(tenant, device, module, name)
      return found && describedBy(found)
    },
    async fit({ tenant, device }: KnownDevice, module, what, name, params) {
      const found = await modules.moduleOf(tenant, device, module)
      const judged = found?.schema.operations.has(name)
        ? found.schema.judge({ as: what, operation: name }, params)
        : undefined
      return judged?.ok ? judged.value : undefined
    },
    call: (device, up) => upward.call(device, up),
    initialValues: (tenant, of, given) => initialValues(schemas, tenant, of, given),
    bytes: createImageReader(needs.bytes),
    came: (device) => dialling.came(device),
    left: ({ tenant, device }) => dialling.left(tenant, device),
  })
  const renderer = createRenderer({ store, schemas })
  const sender = createSender({
    store,
    keys,
    post,
    log,
    env: needs.env,
    render: renderer.render,
    draining: needs.draining,
  })
  const trails = createTrailCarrier({
    store,
    env: needs.env,
    log,
    initialValues: (tenant, of, given) => initialValues(schemas, tenant, of, given),
  })
  const linkHouse = createLinkHouse({ ...needs, sessions })
  const open = needs.links.map((link) => link.open(linkHouse))
  const dialling = createDialling(
    {
      store,
      log,
      clock: needs.clock,
      random: () => (needs.env().random(1)[0] ?? 0) / 256,
      after(ms, then) {
        const timer = setTimeout(then, ms)
        return () => clearTimeout(timer)
      },
      isConnected: (device) => sessions.isConnected(device),
      lanes: carriedLanes,
    },
    new Map(
      open.flatMap(({ dials }) => (dials ? dials.protocols.map((name) => [name, dials.dial] as const) : [])),
    ),
  )
  const protocols = new Map<string, Protocol>(
    needs.links.flatMap((link) => link.protocols.map((protocol) => [protocol.name, protocol] as const)),
  )

  // A commit that leaves something to send, or members to ask, is followed up at once; the chores find what is left over.
  const pressed = new Set<TenantId>()
  let following = false
  const unhear = store.onCommit((commit) => {
    const { tenants } = commit
    dialling.heard(commit)
    for (const tenant of tenants) if (tenant !== 'house') pressed.add(tenant)
    if (following || pressed.size === 0) return
    following = true
    setImmediate(() => void follow())
  })
  async function follow(): Promise<void> {
    try {
      for (const tenant of pressed) {
        pressed.delete(tenant)
        send(tenant)
        await askGroups(tenant)
        await trails.carry(tenant)
      }
    } catch (error) {
      if (!needs.draining.aborted) log.error({ err: error }, 'following up a commit failed')
    } finally {
      following = false
    }
  }

  // Of several processes one sends, so that what is sent stays in order: the one whose turn the chore is.
  let sendsUntil = 0
  const sending = new Set<Promise<unknown>>()
  function send(tenant: TenantId): void {
    if (needs.clock.now() > sendsUntil || needs.draining.aborted) return
    const turn = sender.turn(tenant).then(
      (sent) => {
        sending.delete(turn)
        if (sent > 0) send(tenant)
      },
      (error) => {
        sending.delete(turn)
        log.error({ err: error }, 'sending messages failed')
      },
    )
    sending.add(turn)
  }

  /** Asks the members of groups that are still to be asked, a slice a commit, with others' turns in between. */
  async function askGroups(tenant: TenantId): Promise<void> {
    for (const { parent } of await worksToDo(store.read(tenant), 20))
      await Promise.all(
        Array.from({ length: slicesAtOnce }, async () => {
          while (await askSlice(tenant, parent)) await new Promise((resolve) => setImmediate(resolve))
        }),
      )
  }

  /** Asks a slice of a group's members; what sessions wait for goes out with the same commit. Answers whether there is more. */
  async function askSlice(tenant: TenantId, parent: TransactionId): Promise<boolean> {
    let handOver = sessions.handOver()
    let kept = false
    try {
      const more = settled(
        await store.transact(tenant, async (tx) => {
          // A body may be run again: what the first run took is then not taken.
          handOver.ended(false)
          handOver = sessions.handOver()
          return ok(await workOn(tx, needs.env(), parent, handOver))
        }),
      )
      kept = true
      return more
    } finally {
      handOver.ended(kept)
    }
  }

  return {
    schemas,
    modules,
    sessions,
    listeners: open.flatMap(({ listeners }) => listeners) as readonly Listener[],
    /** The protocol of a name; undefined: no link speaks it. */
    protocol: (name: string): Protocol | undefined => protocols.get(name),
    keepTarget: (tenant: TenantId, text: string): Result<Target, TargetRefusal> =>
      keepTarget(keys, tenant, text),
    openTarget: (tenant: TenantId, target: Target): string => openTarget(keys, tenant, target),
    /** Keeps an image as an object of a tenant; false when there is no room for it. */
    async keepImage(
      tenant: TenantId,
      image: {
        readonly sha: ObjectSha
        readonly bytes: Uint8Array
        readonly name: string
        readonly by: Actor
      },
    ): Promise<boolean> {
      return needs.keepImage(tenant, image)
    },
    signatureKey: (tenant: TenantId): string => signatureKey(keys, tenant),
    /** What is left to do for a tenant; called now and then, also for what another process left behind. */
    async tend(tenant: TenantId): Promise<void> {
      await askGroups(tenant)
      await trails.carry(tenant)
      for (const { name } of await setsWaiting(store.read(tenant), 100))
        await store.transact(tenant, async (tx) =>
          ok(await settleConfigurationSet(tx, needs.env(), { name, merge: mergeTexts })),
        )
    },
    /** Sends what is due for a tenant, in the background; this process is the one that sends, for as long as it is called. */
    send(tenant: TenantId, everyMs: number): void {
      sendsUntil = needs.clock.now() + 3 * everyMs
      send(tenant)
    },
    /** Resolves when a transaction has ended, or after a time; answers how it stands then. */
    async ended(tenant: TenantId, id: Transaction['id'], waitMs: number): Promise<Transaction | undefined> {
      const read = () => store.read(tenant).get(transactions, { id })
      const until = performance.now() + waitMs
      for (;;) {
        const news = nextCommit(store, tenant, until - performance.now())
        const held = await read()
        if (!held?.open) {
          news.stop()
          return held
        }
        if (!(await news.heard)) return read()
      }
    },
    /** All listeners are open: devices that something waits for already are called. */
    started(): void {
      dialling.lookForAll().catch((err: unknown) => log.error({ err }, 'looking for devices to call failed'))
    },
    async close(): Promise<void> {
      unhear()
      dialling.close()
      await Promise.all(open.map((link) => link.close()))
      await sessions.close()
      post.close()
      await Promise.allSettled(sending)
    },
  }
}

export function describedBy({ operation }: FoundOperation): Described {
  return { kind: operation.kind, input: operation.input, output: operation.output }
}

function nextCommit(store: Store, tenant: TenantId, ms: number) {
  let stop: () => void = () => {}
  const heard = new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => done(false), Math.max(0, ms))
    const unhear = store.onCommit(({ tenants }) => tenants.has(tenant) && done(true))
    function done(news: boolean): void {
      clearTimeout(timer)
      unhear()
      resolve(news)
    }
    stop = () => done(false)
  })
  return { heard, stop }
}
