/**
 * Putting a backup back: into an empty data folder, or into an empty PostgreSQL, whichever database it came from.
 *
 * The backup is read through before anything is written. What is already there is never touched: a target that holds
 * anything is refused. Records and entries go in by the store's port, in commits of one member each, so what a restore
 * writes is what the server itself could have written. Until all of it is on disk the target bears a sign that keeps
 * everybody from opening it (unfinished.ts). Cursors are new: followers begin again from the journal's start.
 */
import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import {
  type Actor,
  type AnyCollection,
  type Collection,
  type HouseTx,
  Instant,
  isJsonObject,
  type JournalEntry,
  ok,
  type Scalar,
  type Store,
  settled,
  TenantId,
  type Tx,
  tenants,
  unclaimedTenant,
} from '@waymark/domain'
import { openHomes } from '../compose.ts'
import type { Config } from '../config.ts'
import type { Services } from '../serve.ts'
import { tarMembers } from '../tar.ts'
import { asFault, BackupFault, type Manifest, type Part, parts, wholeOf } from './format.ts'
import { placesOf } from './places.ts'
import { beginRestore } from './unfinished.ts'
import { verifyBackup } from './verify.ts'

/** Restores a backup into what the settings name, which has to be empty; answers its manifest. */
export async function restoreBackup(
  config: Config,
  file: string,
  services: Pick<Services, 'log'>,
  clock: { now(): number } = Date,
): Promise<Manifest> {
  const { objects } = placesOf(config)
  const manifest = await verifyBackup(file)
  await mkdir(config.data, { recursive: true, mode: 0o700 })
  const homes = await openHomes(config, services)
  let finish: () => Promise<void>
  try {
    const stores = { main: homes.store, telemetry: homes.telemetry }
    if ((await homes.store.readHouse().count(tenants, {})) > 0)
      throw new BackupFault('the target: wanted an empty store, got one that holds tenants')
    for await (const _object of homes.bytes.list())
      throw new BackupFault('the target: wanted an empty store of objects, got some')
    finish = await beginRestore(objects, file)
    for await (const member of tarMembers(createReadStream(file, { highWaterMark: 1024 * 1024 }))) {
      const [folder = '', name = ''] = member.name.split('/')
      if (folder === 'objects') {
        const written = await homes.bytes.write(name, member.size, member.bytes)
        if (!written.ok) throw new BackupFault(`${member.name}: ${written.refusal.kind}`)
      } else if (isPart(folder)) {
        const lines = (await wholeOf(member)).toString('utf8').trimEnd().split('\n')
        if (name.startsWith('records-'))
          await putRecords(stores[folder], folder, lines, {
            member: member.name,
            now: Instant.of(clock.now()),
          })
        else await putEntries(stores[folder], lines)
      }
    }
  } catch (error) {
    throw asFault(file, error)
  } finally {
    await Promise.all([homes.store.close(), homes.telemetry.close()])
  }
  // Only now: what a store still held back until it was closed is on disk too.
  await finish()
  return manifest
}

function isPart(folder: string): folder is Part {
  return Object.hasOwn(parts, folder)
}

const by: Actor = { kind: 'system', id: 'restore' }

async function putRecords(
  store: Store,
  part: Part,
  lines: readonly string[],
  { member, now }: { member: string; now: Instant },
): Promise<void> {
  const named = new Map<string, AnyCollection>(parts[part].map((one) => [one.name, one]))
  const rows = lines.map((line) => {
    const [name, tenant, record] = JSON.parse(line) as [string, string | null, unknown]
    const collection = named.get(name)
    if (!collection) throw new BackupFault(`${member}: wanted a collection of this version, got ${name}`)
    if (!isJsonObject(record)) throw new BackupFault(`${member}: wanted records, got something else`)
    // Whatever the record is: it came out of this collection.
    const into = collection as unknown as Collection<Record<string, Scalar>, string>
    return {
      into,
      scope: tenant === null ? undefined : tenantOf(tenant),
      record: record as Record<string, Scalar>,
    }
  })
  const restored = await store.transactHouse(async (house) => {
    for (const { into, scope, record } of rows)
      await (scope === undefined ? house : house.tenant(scope)).put(into, record)
    house.journal({ kind: 'installation.restored', at: now, by, data: { member, records: rows.length } })
    return ok(undefined)
  })
  settled(restored)
}

async function putEntries(store: Store, lines: readonly string[]): Promise<void> {
  const entries = lines.map((line) => JSON.parse(line) as [string, JournalEntry])
  const restored = await store.transactHouse(async (house) => {
    for (const [scope, entry] of entries) handleOf(house, scope).journal(entry)
    return ok(undefined)
  })
  settled(restored)
}

function handleOf(house: HouseTx, scope: string): Tx {
  return scope === 'house' ? house : house.tenant(tenantOf(scope))
}

function tenantOf(raw: string): TenantId {
  const id = raw === unclaimedTenant ? unclaimedTenant : TenantId.parse(raw)
  if (id === undefined) throw new BackupFault(`wanted a tenant’s id, got ${raw}`)
  return id
}
