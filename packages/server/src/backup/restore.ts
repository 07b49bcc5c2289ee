/**
 * Putting a backup back: into an empty data folder, or into an empty PostgreSQL, whichever database it came from.
 *
 * Records and entries are verified before anything is written, objects while they are copied, each by its sha256. What
 * is already there is never touched: a target that holds anything is refused. Records and entries go in by the store's
 * port, in commits of one member each, so what a restore writes is what the server itself could have written; threads
 * copy the objects meanwhile. Until all of it is on disk the target bears a sign that keeps everybody from opening it
 * (unfinished.ts). A restore that fails takes back what it wrote. Cursors are new: followers begin again from the
 * journal's start.
 */
import { mkdir, rm } from 'node:fs/promises'
import {
  type Actor,
  type AnyCollection,
  type Collection,
  type HouseTx,
  Instant,
  isJsonObject,
  type JournalEntry,
  mainCollections,
  ok,
  type Scalar,
  type Store,
  settled,
  TenantId,
  type Tx,
  telemetryCollections,
  tenants,
  unclaimedTenant,
} from '@waymark/domain'
import { createObjectBytes, createObjectCopies, type ObjectCopies, openSqliteStore } from '@waymark/store'
import { type Homes, openHomes } from '../compose.ts'
import type { Config } from '../config.ts'
import type { Services } from '../serve.ts'
import { type Archive, openArchive } from './archive.ts'
import { asFault, BackupFault, type Manifest, type Part, parts } from './format.ts'
import { type Places, placesOf } from './places.ts'
import { beginRestore, unfinishedRestore } from './unfinished.ts'

/** Restores a backup into what the settings name, which has to be empty; answers its manifest. */
export async function restoreBackup(
  config: Config,
  file: string,
  services: Pick<Services, 'log'>,
  clock: { now(): number } = Date,
): Promise<Manifest> {
  const places = placesOf(config)
  let archive: Archive | undefined
  try {
    archive = await openArchive(file)
    await mkdir(config.data, { recursive: true, mode: 0o700 })
    await restoreArchive(config, { file, places, archive, services, clock })
    return archive.manifest
  } catch (error) {
    throw asFault(file, error)
  } finally {
    await archive?.close()
  }
}

async function restoreArchive(
  config: Config,
  of: {
    readonly file: string
    readonly places: Places
    readonly archive: Archive
    readonly services: Pick<Services, 'log'>
    readonly clock: { now(): number }
  },
): Promise<void> {
  const { file, places, archive, clock } = of
  const copies = createObjectCopies({ from: file, folder: places.objects })
  const homes = await openTarget(config, places, of.services)
  let finish: (() => Promise<void>) | undefined
  try {
    try {
      if ((await homes.store.readHouse().count(tenants, {})) > 0)
        throw new BackupFault('the target: wanted an empty store, got one that holds tenants')
      for await (const _object of homes.bytes.list())
        throw new BackupFault('the target: wanted an empty store of objects, got some')
      finish = await beginRestore(places, file)
      await Promise.all([
        putLines({ main: homes.store, telemetry: homes.telemetry }, archive, clock),
        putObjects(copies, archive),
      ])
    } finally {
      await Promise.all([homes.store.close(), homes.telemetry.close()])
    }
    // Only now: what a store still held back until it was closed is on disk too.
    await finish()
  } catch (error) {
    if (finish !== undefined) await takeBack(places, copies, finish)
    throw error
  }
}

/** The stores to fill, and the objects that should not be there. */
async function openTarget(
  config: Config,
  places: Places,
  services: Pick<Services, 'log'>,
): Promise<Pick<Homes, 'store' | 'telemetry' | 'bytes'>> {
  if (places.kind === 'postgresql') return openHomes(config, services)
  const unfinished = await unfinishedRestore(places.objects)
  if (unfinished !== undefined) throw new BackupFault(unfinished)
  const { log } = services
  const store = await openSqliteStore({ file: places.main, collections: mainCollections, log, bulk: true })
  try {
    const of = { file: places.telemetry, collections: telemetryCollections, log, bulk: true }
    const telemetry = await openSqliteStore(of)
    return { store, telemetry, bytes: await createObjectBytes({ folder: places.objects, shared: true }) }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Removes what was written, then the sign. A PostgreSQL keeps its rows and the sign: its owner empties it. */
async function takeBack(places: Places, copies: ObjectCopies, finish: () => Promise<void>): Promise<void> {
  await copies.undo()
  if (places.kind !== 'sqlite') return
  for (const store of [places.main, places.telemetry])
    for (const end of ['', '-wal', '-shm', '-lock', '-lock-journal', '-journal'])
      await rm(`${store}${end}`, { force: true })
  await finish()
}

async function putObjects(copies: ObjectCopies, { objects }: Archive): Promise<void> {
  const copied = await copies.copy(objects)
  if (copied.ok) return
  const { kind, sha, wanted, got } = copied.refusal
  throw new BackupFault(`objects/${sha}: ${kind}: wanted ${wanted}, got ${got}`)
}

async function putLines(
  stores: Readonly<Record<Part, Store>>,
  archive: Archive,
  clock: { now(): number },
): Promise<void> {
  for (const member of archive.lines) {
    const [folder = '', name = ''] = member.name.split('/')
    if (!isPart(folder)) continue
    const lines = (await archive.read(member)).toString('utf8').trimEnd().split('\n')
    if (name.startsWith('records-'))
      await putRecords(stores[folder], folder, lines, { member: member.name, now: Instant.of(clock.now()) })
    else await putEntries(stores[folder], lines)
  }
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
