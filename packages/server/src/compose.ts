/**
 * The composition: what stands in the house, wired by hand, and the doors that open into it. The one place where the
 * real clock and the real randomness are named.
 */
import { randomBytes, randomFillSync, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import {
  type Env,
  expireDue,
  Instant,
  idempotentReplies,
  mainCollections,
  ok,
  registerObject,
  type Store,
  settled,
  sweepCodes,
  sweepUnclaimed,
  type TenantId,
  telemetryCollections,
  tenants,
} from '@waymark/domain'
import {
  createMemoryObjectBytes,
  createMemoryStore,
  createObjectBytes,
  type ObjectBytes,
  openPostgresStore,
  openSqliteStore,
} from '@waymark/store'
import { type Claims, createAccess } from './access.ts'
import { unfinishedRestore } from './backup/unfinished.ts'
import { type Chore, startChores } from './chores.ts'
import type { Config } from './config.ts'
import { exosenseDoor } from './doors/exosense/door.ts'
import { fleetDoor } from './doors/fleet/door.ts'
import { pantahubDoor } from './doors/pantahub/door.ts'
import { walkthroughDoor } from './doors/pantahub/walkthrough/door.ts'
import { firstStart } from './first-start.ts'
import { type Door, devicePlace, type House } from './house.ts'
import { createKeys, describeKeyFileRefusal, openMasterKey, sameSecret } from './keys.ts'
import { createExchange } from './links/exchange.ts'
import { exoportLink } from './links/exoport/link.ts'
import { exoportHttpLink } from './links/exoport-http/link.ts'
import type { Link } from './links/link.ts'
import { openPluginHttp } from './links/plugins/http.ts'
import { loadPlugins, type PluginLink } from './links/plugins/link.ts'
import { dropLogs, trimLogs } from './log-room.ts'
import { mailerOf, sendDueMails } from './mail-queue.ts'
import { createObjectRoom } from './object-room.ts'
import { createPasswords } from './passwords.ts'
import { createPresence } from './presence.ts'
import { indexPublications } from './publications.ts'
import { type Opened, type Services, StartFailure } from './serve.ts'
import { createGuesses, createThrottle } from './throttle.ts'
import { keysBy, openTokenKeys } from './token-keys.ts'
import { createTokens } from './tokens.ts'
import { createTraffic } from './traffic.ts'

/** The outermost shell's own: everything else is handed these. */
export interface Outside {
  readonly clock: { now(): Instant }
  readonly random: (count: number) => Uint8Array
  after(ms: number, then: () => void): () => void
}

export const realOutside: Outside = {
  clock: { now: () => Instant.of(Date.now()) },
  random: randomOfPool(),
  after(ms, then) {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
}

/** Random bytes, of which the system is asked for some thousand at a time; what was handed out is not kept. */
function randomOfPool(): (count: number) => Uint8Array {
  const pool = Buffer.alloc(4096)
  let left = 0
  return (count) => {
    if (count > pool.length / 16) return randomBytes(count)
    if (left < count) {
      randomFillSync(pool)
      left = pool.length
    }
    const part = pool.subarray(left - count, left)
    left -= count
    const bytes = Uint8Array.from(part)
    part.fill(0)
    return bytes
  }
}

/** Verified tokens remembered: a fleet of this size pays each signature once an hour. */
const tokensRemembered = 200_000

const dayMs = 24 * 3600 * 1000
const hourMs = 3600 * 1000
const minuteMs = 60 * 1000

/** Where things are kept. */
export interface Homes {
  readonly store: Store
  readonly telemetry: Store
  readonly bytes: ObjectBytes
}

/** Opens what `--data`, `--database` and `--objects` name. */
export async function openHomes(config: Config, services: Pick<Services, 'log'>): Promise<Homes> {
  const { log } = services
  if (config.objects !== undefined && !config.objects.startsWith('file:'))
    throw new StartFailure(
      `--objects ${config.objects}: wanted file:…, other object stores are not built yet`,
    )
  if (config.database?.startsWith('memory:'))
    return {
      store: createMemoryStore({ collections: mainCollections }),
      telemetry: createMemoryStore({ collections: telemetryCollections }),
      bytes: createMemoryObjectBytes(),
    }
  const folder =
    config.objects === undefined ? join(config.data, 'objects') : new URL(config.objects).pathname
  const unfinished = await unfinishedRestore(folder)
  if (unfinished !== undefined) throw new StartFailure(unfinished)
  // Processes of one PostgreSQL share their objects; a SQLite file has one process.
  const shared = isShared(config)
  const bytes = await createObjectBytes({ folder, shared })
  if (config.database?.startsWith('postgres')) {
    const url = config.database
    return {
      store: await openPostgresStore({ url, collections: mainCollections, log }),
      telemetry: await openPostgresStore({
        url,
        schema: 'waymark_telemetry',
        collections: telemetryCollections,
        log,
      }),
      bytes,
    }
  }
  const file =
    config.database === undefined ? join(config.data, 'waymark.db') : new URL(config.database).pathname
  return {
    store: await openSqliteStore({ file, collections: mainCollections, log }),
    telemetry: await openSqliteStore({
      file: file.replace(/(\.db)?$/, '-telemetry.db'),
      collections: telemetryCollections,
      log,
    }),
    bytes,
  }
}

/** Whether other processes may use the same store. */
function isShared(config: Config): boolean {
  return config.database?.startsWith('postgres') === true
}

/**
 * Builds the house on its homes, lets its first people in, and opens the doors on the HTTP app. When it can not, the
 * processes of its plugins are ended: nobody would know of them.
 */
export async function composeHouse(
  config: Config,
  services: Services,
  homes: Homes,
  doors: readonly Door[],
  outside: Outside = realOutside,
): Promise<{ house: House; opened: Opened }> {
  const plugins = await loadPlugins(
    config.plugin,
    allLinks.flatMap(({ protocols }) => protocols.map(({ name }) => name)),
  )
  try {
    return await composeWith(plugins, config, services, homes, doors, outside)
  } catch (error) {
    await Promise.all(plugins.map((plugin) => plugin.stop()))
    throw error
  }
}

async function composeWith(
  plugins: readonly PluginLink[],
  config: Config,
  services: Services,
  homes: Homes,
  doors: readonly Door[],
  outside: Outside,
): Promise<{ house: House; opened: Opened }> {
  const { clock, random } = outside
  const { store, telemetry, bytes } = homes
  const master = openMasterKey(config.masterKeyFile ?? join(config.data, 'keys', 'master.key'), random)
  if (!master.ok) throw new StartFailure(describeKeyFileRefusal(master.refusal))
  const keys = createKeys(master.value, random)
  const env = (): Env => ({ now: clock.now(), random })
  const passwords = createPasswords({ clock, random })
  const tokenKeys = await openTokenKeys({
    store,
    env,
    epoch: config.tokenEpoch,
    lifeMs: Math.max(config.tokenLife, config.tokenRefresh) * minuteMs,
    shared: isShared(config),
  })
  store.onCommit(({ tenants }) => {
    if (tenants.has('house'))
      tokenKeys.load().catch((error: unknown) => services.log.warn({ err: error }, 'token keys'))
  })
  const guesses = createGuesses({ clock, perMinute: config.guessLimit })
  const traffic = createTraffic({ store, telemetry, clock, config, metrics: services.metrics })
  const access = createAccess({
    store,
    clock,
    tokens: createTokens<Claims>({
      clock,
      keys: keysBy(tokenKeys, (label) => keys.tokenKey(label)),
      parse: parseClaims,
      maxRemembered: tokensRemembered,
    }),
    passwords,
    secrets: {
      unseal(sealed, device) {
        const plain = keys.unseal(sealed, devicePlace(device))
        if (!plain.ok) throw new Error(`the sealed secret of ${device} does not open: another master key?`)
        return plain.value
      },
      same: sameSecret,
    },
    guesses,
    lifeSeconds: config.tokenLife * 60,
    refreshWindowSeconds: config.tokenRefresh * 60,
  })
  const presence = createPresence(telemetry, clock)
  const objects = createObjectRoom({ store, bytes, env, moved: traffic.moved })
  const exchange = createExchange({
    async keepImage(tenant, { sha, bytes: content, name, by }) {
      const about = { sha, size: content.length, name, mimeType: 'application/octet-stream', by }
      const own = (await store.readHouse().get(tenants, { id: tenant }))?.objectBytesMax
      const quotaBytes = own ?? (config.objectQuota === 'off' ? Number.MAX_SAFE_INTEGER : config.objectQuota)
      const registered = await store.transact(tenant, (tx) =>
        registerObject(tx, env(), { ...about, quotaBytes }),
      )
      if (!registered.ok) return registered.refusal.kind === 'already-stored'
      const source = (async function* () {
        yield content
      })()
      return (await objects.receive({ tenant, sha, size: content.length, source, by })).ok
    },
    config,
    log: services.log,
    metrics: services.metrics,
    store,
    keys,
    presence,
    bytes,
    clock,
    env,
    draining: services.draining,
    links: [...allLinks, ...plugins],
  })
  for (const { plugin } of plugins) {
    const taken = await exchange.schemas.takeUp(plugin.modules)
    if (!taken.ok)
      throw new StartFailure(`plugin ${plugin.name}: module ${taken.refusal.module}: ${taken.refusal.why}`)
  }
  const house: House = {
    config,
    log: services.log,
    metrics: services.metrics,
    store,
    telemetry,
    bytes,
    objects,
    access,
    presence,
    exchange,
    backEnd: {},
    keys,
    tokenKeys,
    passwords,
    guesses,
    traffic,
    registrations: createThrottle({ clock, perMinute: config.registrationRate }),
    streams: { open: 0 },
    clock,
    env,
    peerAddress: (request) => services.http.peerAddress(request),
    publicUrl: () => services.publicUrl(),
    draining: services.draining,
  }

  await firstStart(house, services)
  for (const door of doors) await door(services.http, house)
  openPluginHttp(services.http, plugins, services.log)

  let stopChores = async (): Promise<void> => {}
  return {
    house,
    opened: {
      listeners: exchange.listeners,
      async ping() {
        await store.ping()
        await telemetry.ping()
      },
      async started() {
        exchange.started()
        stopChores = startChores(choresOf(house), {
          store,
          env,
          after: outside.after,
          failed: (chore, error) => services.log.error({ chore, err: error }, 'a chore failed'),
          holder: randomUUID(),
        })
      },
      async close() {
        await stopChores()
        await exchange.close()
        await house.presence.flush()
        await house.traffic.flush()
        await Promise.all([store.close(), telemetry.close()])
      },
    },
  }
}

/** The doors there are. */
export const allDoors: readonly Door[] = [fleetDoor, pantahubDoor, walkthroughDoor, exosenseDoor]

/** And the links. */
export const allLinks: readonly Link[] = [exoportLink(), exoportHttpLink()]

/** What `serve` calls: homes, house, doors. */
export async function openHouse(config: Config, services: Services): Promise<Opened> {
  const homes = await openHomes(config, services)
  return (await composeHouse(config, services, homes, allDoors)).opened
}

/** What is done now and then. */
function choresOf(house: House): readonly Chore[] {
  const { store, telemetry, config, env } = house
  const send = mailerOf(house)
  const daysAgo = (days: number) => Instant.of(env().now - days * dayMs)
  return [
    {
      name: 'presence',
      everyMs: 5000,
      alone: true,
      async run() {
        await house.presence.flush()
      },
    },
    {
      name: 'traffic',
      everyMs: 5000,
      alone: true,
      async run() {
        await house.traffic.flush()
      },
    },
    {
      // Hints of commits may be missed: a key is heard of in time even so.
      name: 'token-keys',
      everyMs: 5000,
      alone: true,
      async run() {
        await house.tokenKeys.load()
        await house.tokenKeys.drop()
      },
    },
    {
      name: 'timeouts',
      everyMs: 1000,
      async run() {
        await eachTenant(house, async (tenant) => {
          while (
            settled(await store.transact(tenant, async (tx) => ok(await expireDue(tx, env(), 100)))) === 100
          ) {
            // The next hundred.
          }
        })
      },
    },
    {
      name: 'exchange',
      everyMs: 1000,
      async run() {
        await eachTenant(house, (tenant) => house.exchange.tend(tenant))
      },
    },
    {
      name: 'messages',
      everyMs: 1000,
      async run() {
        await eachTenant(house, async (tenant) => house.exchange.send(tenant, 1000))
      },
    },
    {
      name: 'publications',
      everyMs: minuteMs,
      async run() {
        if (await indexPublications(house, (visit) => eachTenant(house, visit)))
          house.log.info('published objects are indexed')
      },
    },
    {
      name: 'unclaimed',
      everyMs: hourMs,
      async run() {
        while (
          settled(
            await store.transactHouse(async (directory) => ok(await sweepUnclaimed(directory, env(), 100))),
          ) === 100
        ) {
          // The next hundred.
        }
      },
    },
    ...(send === undefined
      ? []
      : [
          {
            name: 'mail',
            everyMs: 2000,
            async run() {
              await sendDueMails(house, send)
            },
          },
        ]),
    {
      name: 'codes',
      everyMs: hourMs,
      async run() {
        while (
          settled(
            await store.transactHouse(async (directory) => ok(await sweepCodes(directory, env(), 100))),
          ) === 100
        ) {
          // The next hundred.
        }
      },
    },
    {
      name: 'objects',
      everyMs: hourMs,
      async run() {
        const collected = await house.objects.collect(config.objectGrace * hourMs)
        if (collected.records + collected.files > 0) house.log.info(collected, 'objects collected')
      },
    },
    {
      name: 'retention',
      everyMs: hourMs,
      async run() {
        const { logRetention, logQuota, journalRetention } = config
        await eachTenant(house, async (tenant) => {
          if (journalRetention !== 'off') {
            const before = daysAgo(journalRetention)
            while ((await store.journal.trim(tenant, before, 1000)) === 1000) {
              // The next thousand.
            }
          }
          if (logRetention !== 'off') await dropLogs(telemetry, tenant, daysAgo(logRetention))
          if (logQuota !== 'off') await trimLogs(telemetry, tenant, logQuota)
          await dropReplies(store, tenant, env().now)
        })
      },
    },
  ]
}

async function eachTenant(house: House, visit: (tenant: TenantId) => Promise<void>): Promise<void> {
  let after: TenantId | undefined
  for (;;) {
    const page = await house.store.readHouse().find(tenants, {
      order: ['id'],
      limit: 200,
      ...(after === undefined ? {} : { after: [after] }),
    })
    for (const { id } of page) await visit(id)
    after = page.at(-1)?.id
    if (page.length < 200) return
  }
}

async function dropReplies(store: Store, tenant: TenantId, now: Instant): Promise<void> {
  for (;;) {
    const old = await store.read(tenant).find(idempotentReplies, {
      where: { expiresAt: { lte: now } },
      order: ['expiresAt', 'key'],
      limit: 500,
      without: 'texts',
    })
    if (old.length === 0) return
    await store.transact(tenant, async (tx) => {
      for (const { key } of old) await tx.remove(idempotentReplies, { key })
      return ok(undefined)
    })
  }
}

const claimTypes: readonly string[] = ['USER', 'SESSION', 'DEVICE', 'SERVICE', 'ANONYMOUS']

/** The claims of a token of ours: its signature has been checked, so a wrong form is another version's. */
function parseClaims(payload: unknown): Claims | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined
  const claims = payload as Partial<Claims>
  const complete =
    typeof claims.id === 'string' &&
    typeof claims.prn === 'string' &&
    typeof claims.scopes === 'string' &&
    typeof claims.exp === 'number' &&
    typeof claims.orig_iat === 'number' &&
    claimTypes.includes(claims.type ?? '')
  return complete ? (claims as Claims) : undefined
}
