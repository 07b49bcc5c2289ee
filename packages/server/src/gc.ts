/**
 * Collecting what nothing refers to, asked for by hand: what a running server does every hour, or, as a dry run, what it
 * would do. In a running server it works on that server's own stores (the fleet door asks for it); beside one it opens
 * the stores itself, so a SQLite store has to be at rest.
 */
import { randomBytes } from 'node:crypto'
import {
  blobs,
  type Env,
  Instant,
  ObjectSha,
  objects,
  objectUses,
  type TenantId,
  tenants,
} from '@waymark/domain'
import { type Homes, openHomes } from './compose.ts'
import type { Config } from './config.ts'
import { createObjectRoom, type ObjectRoom } from './object-room.ts'
import type { Services } from './serve.ts'

export interface Collected {
  /** Records of objects that no step refers to, older than the grace. */
  readonly records: number
  /** Bytes those records stand for. */
  readonly bytes: number
  /** Files that no record stands on. */
  readonly files: number
}

const hourMs = 3600_000
const pageSize = 200

/** Collects, or with `dryRun` only counts; nothing younger than `object-grace` is looked at. */
export async function collectGarbage(
  config: Config,
  services: Pick<Services, 'log'>,
  { dryRun, clock = Date }: { dryRun: boolean; clock?: { now(): number } },
): Promise<Collected> {
  const homes = await openHomes(config, services)
  try {
    const env = (): Env => ({ now: Instant.of(clock.now()), random: (count) => randomBytes(count) })
    const objects = createObjectRoom({ store: homes.store, bytes: homes.bytes, env })
    return await collectIn({ ...homes, config, objects, env }, dryRun)
  } finally {
    await Promise.all([homes.store.close(), homes.telemetry.close()])
  }
}

/** The same in a house that is open, whoever else works in it. */
export async function collectIn(
  house: Pick<Homes, 'store' | 'bytes'> & {
    readonly config: Pick<Config, 'objectGrace'>
    readonly objects: Pick<ObjectRoom, 'collect'>
    env(): Env
  },
  dryRun: boolean,
): Promise<Collected> {
  const graceMs = house.config.objectGrace * hourMs
  return dryRun ? wouldCollect(house, Instant.of(house.env().now - graceMs)) : house.objects.collect(graceMs)
}

async function wouldCollect(
  { store, bytes }: Pick<Homes, 'store' | 'bytes'>,
  before: Instant,
): Promise<Collected> {
  const would = { records: 0, bytes: 0, files: 0 }
  const directory = store.readHouse()
  let after: TenantId | undefined
  for (;;) {
    const page = await directory.find(tenants, {
      order: ['id'],
      limit: pageSize,
      ...(after === undefined ? {} : { after: [after] }),
    })
    for (const { id } of page) await countOf(id)
    after = page.at(-1)?.id
    if (page.length < pageSize) break
  }
  for await (const file of bytes.list()) {
    const sha = ObjectSha.parse(file.sha)
    if (sha && file.modifiedAt < before && !(await directory.get(blobs, { sha }))) would.files += 1
  }
  return would

  async function countOf(tenant: TenantId): Promise<void> {
    const reader = store.read(tenant)
    let behind: readonly [Instant, ObjectSha] | undefined
    for (;;) {
      const old = await reader.find(objects, {
        where: { modifiedAt: { lt: before } },
        order: ['modifiedAt', 'sha'],
        limit: pageSize,
        ...(behind === undefined ? {} : { after: behind }),
      })
      for (const { sha, size } of old) {
        const [use] = await reader.find(objectUses, { where: { sha }, limit: 1 })
        if (use) continue
        would.records += 1
        would.bytes += size
      }
      const last = old.at(-1)
      if (!last || old.length < pageSize) return
      behind = [last.modifiedAt, last.sha]
    }
  }
}
