/**
 * A house in a process of its own: SQLite in the given folder, seeded with devices that have walked to a step each,
 * behind real HTTP. Told what to do by messages; answers with what the load generator needs.
 */
import { type DeviceId, devices, ok, type Store, type TenantId, tenants } from '@waymark/domain'
import { composeHouse, openHomes } from '../packages/server/src/compose.ts'
import { parseConfig } from '../packages/server/src/config.ts'
import { fleetDoor } from '../packages/server/src/doors/fleet/door.ts'
import { pantahubDoor } from '../packages/server/src/doors/pantahub/door.ts'
import { devicePlace, type House } from '../packages/server/src/house.ts'
import { createHttpApp } from '../packages/server/src/http.ts'
import { createLog } from '../packages/server/src/log.ts'
import { createMetrics } from '../packages/server/src/metrics.ts'
import { cannedStep, seed } from './seed.ts'

export interface HouseArgs {
  readonly data: string
  readonly database?: string
}

export type HouseAsked =
  | { readonly kind: 'seed'; readonly count: number; readonly open: boolean }
  | { readonly kind: 'tokens'; readonly count: number }
  | { readonly kind: 'leave-store-out' }
  | { readonly kind: 'memory' }

export interface HouseReady {
  readonly port: number
  readonly startMs: number
}

async function main(): Promise<void> {
  const args = JSON.parse(process.argv[2] ?? '{}') as HouseArgs
  const parsed = parseConfig({
    flags: [
      '--data',
      args.data,
      '--log-level',
      'warn',
      '--guess-limit',
      '1000000',
      ...(args.database === undefined ? [] : ['--database', args.database]),
    ],
    env: { WAYMARK_ADMIN_PASSWORD: 'bench' },
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  const config = parsed.value
  const log = createLog(config)
  const metrics = createMetrics()
  const http = createHttpApp({ config, log, metrics })
  const homes = await openHomes(config, { log })
  let url = ''
  let leftOut = false
  const store: Store = new Proxy(homes.store, {
    get(target, name) {
      if (leftOut && name === 'transact') return async () => ok(cannedStep)
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const { house, opened } = await composeHouse(
    config,
    {
      log,
      metrics,
      http,
      version: { name: 'waymark', version: '0', node: process.versions.node },
      draining: http.draining,
      publicUrl: () => url,
      urls: () => new Map(),
      announce: () => {},
    },
    { ...homes, store },
    [fleetDoor, pantahubDoor],
  )
  const listening = await http.listen({ host: '127.0.0.1', port: 0 })
  url = listening.url
  await opened.started?.()
  process.send?.({ port: listening.port, startMs: performance.now() } satisfies HouseReady)

  // The first start makes `main`; what was seeded before it has a tenant of its own, which is older than what is added.
  const all = await homes.store.readHouse().find(tenants, {})
  const tenant = (all.find(({ name }) => name === 'main') ?? all[0])?.id
  if (!tenant) throw new Error('the first start makes a tenant')
  process.on('message', (asked: HouseAsked) => {
    void answer(asked).then((said) => process.send?.(said))
  })

  async function answer(asked: HouseAsked): Promise<object> {
    switch (asked.kind) {
      case 'seed':
        await seed(homes.store, tenant as TenantId, asked.count, asked.open)
        return {}
      case 'tokens':
        return { devices: await someTokens(house, tenant as TenantId, asked.count) }
      case 'leave-store-out':
        leftOut = !leftOut
        return { leftOut }
      case 'memory':
        return { rss: process.memoryUsage.rss(), peak: process.resourceUsage().maxRSS * 1024 }
    }
  }
}

/** Tokens of devices drawn evenly over the whole fleet. */
async function someTokens(
  house: House,
  tenant: TenantId,
  count: number,
): Promise<{ id: string; token: string }[]> {
  const chosen: DeviceId[] = []
  let after: DeviceId | undefined
  const all: DeviceId[] = []
  for (;;) {
    const page = await house.store.read(tenant).find(devices, {
      order: ['id'],
      limit: 1000,
      ...(after === undefined ? {} : { after: [after] }),
    })
    for (const { id } of page) all.push(id)
    after = page.at(-1)?.id
    if (page.length < 1000) break
  }
  const wanted = Math.min(count, all.length)
  for (let i = 0; i < wanted; i++) {
    const id = all[Math.floor((i * all.length) / wanted)]
    if (id) chosen.push(id)
  }
  const said: { id: string; token: string }[] = []
  for (let from = 0; from < chosen.length; from += 256)
    said.push(...(await Promise.all(chosen.slice(from, from + 256).map((id) => tokenOf(house, tenant, id)))))
  return said
}

/** Gives a device a secret it can log in with, and logs it in. */
async function tokenOf(house: House, tenant: TenantId, id: DeviceId): Promise<{ id: string; token: string }> {
  const sealedSecret = house.keys.seal('bench', devicePlace(id))
  await house.store.transact(tenant, async (tx) => {
    const device = await tx.get(devices, { id })
    if (device) await tx.put(devices, { ...device, sealedSecret })
    tx.journal({
      kind: 'device.secret-changed',
      at: house.env().now,
      by: { kind: 'system', id: 'bench' },
      data: {},
    })
    return ok(undefined)
  })
  const login = await house.access.login(
    { kind: 'device', device: id, secret: 'bench' },
    { scopes: [], peer: '127.0.0.1' },
  )
  if (!login.ok) throw new Error(login.refusal.kind)
  return { id, token: login.value.token }
}

process.once('SIGINT', () => process.exit(0))
await main()
