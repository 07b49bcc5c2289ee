/**
 * The server in the world: the real house with its real doors on stores in memory that outlive it, as a disk would.
 *
 * A crash takes everything the house keeps in its process: the cache of tokens, presence not yet written, uploads on
 * their way, work between two awaits. What was committed stays, whether anybody was told or not; what was not is gone.
 * Each life has its own house over the same stores; a dead one reaches none of them any more.
 */
import { PassThrough } from 'node:stream'
import { Instant, mainCollections, type Reader, type Store, telemetryCollections } from '@waymark/domain'
import { createMemoryObjectBytes, createMemoryStore, type ObjectBytes } from '@waymark/store'
import { allDoors, composeHouse } from '../packages/server/src/compose.ts'
import { type Config, parseConfig } from '../packages/server/src/config.ts'
import type { House } from '../packages/server/src/house.ts'
import { createHttpApp, type HttpApp } from '../packages/server/src/http.ts'
import { createLog } from '../packages/server/src/log.ts'
import { createMetrics } from '../packages/server/src/metrics.ts'
import type { WorldClock } from './clock.ts'
import { createLife, type Life } from './life.ts'
import type { Luck } from './luck.ts'
import type { Answered, Asked, Reachable } from './network.ts'

export interface WorldServer {
  /** What outlives it. Checks read here, past the gates. */
  readonly store: Store
  readonly telemetry: Store
  readonly bytes: ObjectBytes
  /** The house as it stands; undefined while it is down. */
  readonly house: House | undefined
  readonly reachable: Reachable | undefined
  /** Milliseconds by which its clock is off. */
  skewMs: number
  /** Errors that the house logged as defects. */
  readonly defects: readonly string[]
  start(): Promise<void>
  /** Dies at once, or within its next so many awaits of a store. */
  crash(withinGates?: number): void
  /** Takes a crash that has not come yet back. */
  spare(): void
  stop(): Promise<void>
}

/** A commit takes so long at most. Milliseconds. */
const commitMsMax = 20

export const hubUrl = 'http://hub.world'

export function createWorldServer(needs: {
  readonly clock: WorldClock
  readonly luck: Luck
  /** A folder for the master key. */
  readonly folder: string
  /** Chores come no more often than this. Milliseconds. */
  readonly choreFloorMs: number
  onDeath(): void
  tell(line: string): void
}): WorldServer {
  const { clock, luck, tell } = needs
  const config = configOf(needs.folder)
  const store = createMemoryStore({ collections: mainCollections })
  const telemetry = createMemoryStore({ collections: telemetryCollections })
  const defects: string[] = []
  let skewMs = 0
  const now = (): Instant => Instant.of(clock.now() + skewMs)
  const bytes = createMemoryObjectBytes(now)
  const random = luck.fork('random')
  const disk = luck.fork('disk')
  /** A commit waits for the disk, and time passes meanwhile. */
  const sync = (): Promise<void> => clock.waiting(clock.sleep(disk.between(0, commitMsMax)))
  let lives = 0
  let present: { life: Life; house: House; http: HttpApp; told: Set<() => void> } | undefined

  async function start(): Promise<void> {
    const told = new Set<() => void>()
    const life: Life = createLife(++lives, () => {
      tell(`server dies (life ${life.number}, after ${life.passed} gates)`)
      if (present?.life === life) present = undefined
      for (const hear of [...told]) hear()
      // Lets go of what the framework holds in this process; nothing of it reaches the stores.
      void http.drain(0)
      needs.onDeath()
    })
    const log = createLog(config, {
      write(line: string) {
        if (!life.dead) defects.push(line)
      },
    })
    const metrics = createMetrics()
    const http = createHttpApp({ config, log, metrics })
    // Compiling a serializer for each answer takes longer than most lives; what it would leave out is looked at as well.
    http.app.setSerializerCompiler(() => (answer) => JSON.stringify(answer))
    const { house, opened } = await composeHouse(
      config,
      {
        log,
        metrics,
        http,
        version: { name: 'waymark', version: '0.0.0-world', node: process.versions.node },
        draining: http.draining,
        publicUrl: () => hubUrl,
        urls: () => new Map(),
        announce: () => {},
      },
      {
        store: mortalStore(store, life, sync),
        telemetry: mortalStore(telemetry, life, sync),
        bytes: mortalBytes(bytes, life),
      },
      allDoors,
      {
        clock: { now },
        random: (count) => random.bytes(count),
        after: (ms, then) => clock.after(Math.max(ms, needs.choreFloorMs), () => life.dead || then()),
      },
    )
    await http.app.ready()
    await opened.started?.()
    present = { life, house, http, told }
    tell(`server starts (life ${life.number})`)
  }

  async function handle(
    { method, path, headers }: Omit<Asked, 'body'>,
    body: Buffer | AsyncIterable<Uint8Array>,
    from: string,
  ): Promise<Answered> {
    if (!present) throw new Error('connection refused')
    const { http, told: hearing } = present
    const gone = Promise.withResolvers<never>()
    const onDeath = (): void => gone.reject(new Error('connection reset by the server'))
    hearing.add(onDeath)
    const payload = Buffer.isBuffer(body) ? body : streamOf(body)
    const answer = http.app.inject({
      method: method as 'GET',
      url: path,
      headers: { ...headers },
      remoteAddress: from,
      ...(Buffer.isBuffer(payload) && payload.length === 0 ? {} : { payload }),
    })
    const said = await Promise.race([answer, gone.promise]).finally(() => hearing.delete(onDeath))
    const told = Object.entries(said.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), String(value)] as const],
    )
    return { status: said.statusCode, headers: Object.fromEntries(told), body: said.rawPayload }
  }

  return {
    store,
    telemetry,
    bytes,
    get house() {
      return present?.house
    },
    get reachable() {
      if (!present) return undefined
      const { told } = present
      return {
        handle,
        onDeath(hear: () => void) {
          told.add(hear)
          return () => told.delete(hear)
        },
      }
    },
    get skewMs() {
      return skewMs
    },
    set skewMs(ms) {
      skewMs = ms
    },
    defects,
    start: () => clock.busy(start()),
    crash(withinGates = 0) {
      if (withinGates === 0) present?.life.die()
      else present?.life.doom(withinGates, luck.pick(['before', 'after']))
    },
    spare: () => present?.life.spare(),
    async stop() {
      const last = present
      present = undefined
      await last?.http.drain(0)
    },
  }
}

/** A body that breaks off breaks the stream. */
function streamOf(body: AsyncIterable<Uint8Array>): PassThrough {
  const stream = new PassThrough()
  void (async () => {
    try {
      for await (const piece of body) stream.write(piece)
      stream.end()
    } catch (cause) {
      stream.destroy(cause instanceof Error ? cause : new Error(String(cause)))
    }
  })()
  return stream
}

/**
 * The store as one life sees it. A commit takes its time: death before its end leaves nothing of it, also when somebody
 * has been answered already; what was committed stays.
 */
function mortalStore(store: Store, life: Life, sync: () => Promise<void>): Store {
  const reader = (inner: Reader): Reader => ({
    get: (from, key) => life.gate(() => inner.get(from, key)),
    find: (from, find) => life.gate(() => inner.find(from, find)),
    count: (from, where) => life.gate(() => inner.count(from, where)),
  })
  const alive = (): void => {
    if (life.dead) throw new Error('the process is gone')
  }
  return {
    async transact(tenant, body) {
      await life.gate(sync)
      return life.gate(() =>
        store.transact(tenant, async (tx) => {
          alive()
          return body(tx)
        }),
      )
    },
    async transactHouse(body) {
      await life.gate(sync)
      return life.gate(() =>
        store.transactHouse(async (house) => {
          alive()
          return body(house)
        }),
      )
    },
    read: (tenant) => reader(store.read(tenant)),
    readHouse: () => reader(store.readHouse()),
    journal: {
      read: (tenant, ask) => life.gate(() => store.journal.read(tenant, ask)),
      newest: (...asked) => life.gate(() => store.journal.newest(...asked)),
      head: (tenant) => life.gate(() => store.journal.head(tenant)),
      trim: (...asked) => life.gate(() => store.journal.trim(...asked)),
    },
    onCommit: (listener) => store.onCommit((commit) => life.dead || listener(commit)),
    ping: () => life.gate(() => store.ping()),
    // The stores outlive the house.
    close: async () => {},
  }
}

function mortalBytes(bytes: ObjectBytes, life: Life): ObjectBytes {
  return {
    write: (sha, size, source) => life.gate(() => bytes.write(sha, size, life.gateEach(source))),
    open: (sha, range) => life.gate(() => bytes.open(sha, range)),
    stat: (sha) => life.gate(() => bytes.stat(sha)),
    list: () => life.gateEach(bytes.list()),
    toTrash: (sha) => life.gate(() => bytes.toTrash(sha)),
    restore: (sha) => life.gate(() => bytes.restore(sha)),
    emptyTrash: (before) => life.gate(() => bytes.emptyTrash(before)),
  }
}

function configOf(folder: string): Config {
  const parsed = parseConfig({
    flags: ['--data', folder, '--log-level', 'error', '--registration-rate', 'off', '--log-retention', 'off'],
    env: {},
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  return parsed.value
}
