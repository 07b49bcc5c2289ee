/** A house with the Exosense door in a process of its own, seeded with devices that are members of one group. */
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  addToGroup,
  backEndNames,
  createGroup,
  type Device,
  type DeviceId,
  deviceHomes,
  deviceNames,
  devices,
  Generation,
  type Group,
  groupWorks,
  Id24,
  Instant,
  lanes,
  ok,
  type Store,
  settled,
  submitToGroup,
  type TenantId,
  type Transaction,
  type TransactionId,
  tenants,
  transactions,
} from '@waymark/domain'
import { composeHouse, openHomes } from '../packages/server/src/compose.ts'
import { parseConfig } from '../packages/server/src/config.ts'
import { exosenseDoor } from '../packages/server/src/doors/exosense/door.ts'
import { createHttpApp } from '../packages/server/src/http.ts'
import { createLog } from '../packages/server/src/log.ts'
import { createMetrics } from '../packages/server/src/metrics.ts'

export type ExosenseAsked =
  | { readonly kind: 'seed'; readonly count: number }
  /** Pushes to the group and waits until every member has been asked. */
  | { readonly kind: 'push' }
  /** The same rows, plainly, a thousand a commit. */
  | { readonly kind: 'plain'; readonly count: number }
  | { readonly kind: 'memory' }

/** So that what is only waiting to be collected is not taken for what is kept. */
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const by = { kind: 'user', id: 'bench' } as const

async function main(): Promise<void> {
  const { data } = JSON.parse(process.argv[2] ?? '{}') as { data: string }
  const parsed = parseConfig({
    flags: ['--data', data, '--log-level', 'warn', '--guess-limit', '1000000'],
    env: { WAYMARK_ADMIN_PASSWORD: 'bench' },
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  const config = parsed.value
  const log = createLog(config)
  const metrics = createMetrics()
  const http = createHttpApp({ config, log, metrics })
  const homes = await openHomes(config, { log })
  const { house, opened } = await composeHouse(
    config,
    {
      log,
      metrics,
      http,
      version: { name: 'waymark', version: '0', node: process.versions.node },
      draining: http.draining,
      publicUrl: () => '',
      urls: () => new Map(),
      announce: () => {},
    },
    homes,
    [exosenseDoor],
  )
  const { port } = await http.listen({ host: '127.0.0.1', port: 0 })
  await opened.started?.()
  const { store } = homes
  const [tenant] = await store.readHouse().find(tenants, { where: { name: 'exodm' } })
  if (!tenant) throw new Error('the first start makes the account exodm')
  let group: Group | undefined
  process.send?.({ port })
  process.on('message', (asked: ExosenseAsked) => {
    void answer(asked, tenant.id).then((said) => process.send?.(said))
  })

  async function answer(asked: ExosenseAsked, id: TenantId): Promise<object> {
    switch (asked.kind) {
      case 'seed':
        group = await seed(store, id, asked.count)
        return {}
      case 'push':
        return { ms: await push(id) }
      case 'plain':
        return { ms: await plain(store, id, asked.count) }
      case 'memory':
        collectGarbage()
        return { rss: ownMemory() }
    }
  }

  async function push(id: TenantId): Promise<number> {
    const started = performance.now()
    const asked = await store.transact(id, (tx) =>
      submitToGroup(tx, house.env(), {
        kind: 'rpc',
        group: group?.id ?? ('' as Group['id']),
        payload: { module: 'demo', method: 'blink', input: '{}', callId: '"1"' },
        by,
      }),
    )
    if (!asked.ok) throw new Error(asked.refusal.kind)
    for (;;) {
      const work = await store.read(id).get(groupWorks, { parent: asked.value.id })
      if (work?.submitted) return performance.now() - started
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}

/** Resident bytes that are the process's own: the database's file is mapped, and what is mapped of it is the system's. */
function ownMemory(): number {
  const kib = /RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return kib === undefined ? process.memoryUsage.rss() : Number(kib) * 1024
}

let made = 0
function nextId(): string {
  made += 1
  const random = new Uint8Array(6)
  new DataView(random.buffer).setUint32(2, made)
  return Id24.make(Instant.of(Date.now()), random)
}

async function seed(store: Store, tenant: TenantId, count: number): Promise<Group> {
  const now = Instant.of(Date.now())
  const env = { now, random: (n: number) => crypto.getRandomValues(new Uint8Array(n)) }
  const group = await store.transact(tenant, (tx) => createGroup(tx, env, { name: 'all', by }))
  if (!group.ok) throw new Error(group.refusal.kind)
  for (let from = 0; from < count; from += 1000) {
    const ids: DeviceId[] = []
    settled(
      await store.transactHouse(async (house) => {
        const tx = house.tenant(tenant)
        for (let i = from; i < Math.min(count, from + 1000); i++) {
          const device: Device = {
            id: nextId() as DeviceId,
            nick: `d${i}`,
            type: 'bench',
            labels: {},
            sealedSecret: '',
            credentialVersion: 1,
            published: false,
            garbage: false,
            generation: Generation.first,
            createdAt: now,
            modifiedAt: now,
            claimedAt: now,
          }
          ids.push(device.id)
          await tx.put(devices, device)
          for (const door of ['nick', backEndNames])
            await tx.put(deviceNames, { door, name: device.nick, device: device.id })
          await house.put(deviceHomes, { device: device.id, tenant, published: false })
        }
        const note = {
          kind: 'device.registered',
          at: now,
          by,
          data: { nick: 'many', type: 'bench', claimed: true },
        }
        for (const id of ids) tx.journal({ ...note, device: id })
        house.journal({ kind: 'setting.changed', at: now, by, data: {} })
        return ok(undefined)
      }),
    )
    const added = await store.transact(tenant, (tx) =>
      addToGroup(tx, env, { group: group.value.id, devices: ids, by }),
    )
    if (!added.ok) throw new Error(added.refusal.kind)
  }
  return group.value
}

/** What a push leaves behind for each member (a transaction, its place in the queue, a line of the journal), and no more. */
async function plain(store: Store, tenant: TenantId, count: number): Promise<number> {
  const now = Instant.of(Date.now())
  const started = performance.now()
  for (let from = 0; from < count; from += 1000)
    settled(
      await store.transact(tenant, async (tx) => {
        for (let i = from; i < Math.min(count, from + 1000); i++) {
          const device = nextId() as DeviceId
          const transaction: Transaction = {
            id: nextId() as TransactionId,
            kind: 'rpc',
            device,
            lane: 'queue',
            seq: 1,
            state: 'queued',
            open: true,
            percent: 0,
            payload: null,
            by,
            attempts: 0,
            createdAt: now,
          }
          await tx.put(transactions, transaction)
          await tx.put(lanes, { device, lane: 'queue', lastSeq: 1 })
          tx.journal({
            kind: 'transaction.submitted',
            at: now,
            by,
            device,
            data: { transaction: transaction.id, kind: 'rpc', lane: 'queue', seq: 1 },
          })
        }
        return ok(undefined)
      }),
    )
  return performance.now() - started
}

process.once('SIGINT', () => process.exit(0))
await main()
