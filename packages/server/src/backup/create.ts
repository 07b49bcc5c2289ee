/**
 * Making a backup while the server runs: first the stores, each as it is at one moment, then the objects they name.
 *
 * Whatever was acknowledged before the backup began is in it. An object that is collected meanwhile is brought back out
 * of the trash for as long as it takes. The file appears under its name only when it is whole and on disk.
 */
import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import {
  type AnyCollection,
  blobs,
  type Collection,
  type Reader,
  type Scalar,
  type TenantId,
  tenants,
  unclaimedTenant,
} from '@waymark/domain'
import { createObjectBytes, type ObjectBytes, openSnapshot, type Snapshot } from '@waymark/store'
import type { Config } from '../config.ts'
import { readMasterKey } from '../keys.ts'
import { type TarMember, tarOf } from '../tar.ts'
import { readVersion } from '../version.ts'
import {
  BackupFault,
  backupForm,
  linesMax,
  type Manifest,
  type MemberSum,
  markOf,
  type Part,
  parts,
} from './format.ts'
import { placesOf } from './places.ts'
import { unfinishedRestore } from './unfinished.ts'

const pageSize = 500
/**
 * What is written goes to the disk in portions of this size. A server's commit waits for whatever its file system still
 * has to write, and that should never be gigabytes of ours.
 */
const syncEveryBytes = 4 * 1024 * 1024

/** Writes a backup of what the settings name into a file that is not there yet; answers its manifest. */
export async function createBackup(
  config: Config,
  file: string,
  clock: { now(): number } = Date,
): Promise<Manifest> {
  const places = placesOf(config)
  const unfinished = await unfinishedRestore(places.objects)
  if (unfinished !== undefined) throw new BackupFault(unfinished)
  const begunAt = new Date(clock.now()).toISOString()
  const partial = `${file}.partial`
  const opened: Partial<Record<Part, Snapshot>> = {}
  const handle = await open(partial, 'wx', 0o600).catch((error: unknown) => {
    throw new BackupFault(`${partial}: ${error instanceof Error ? error.message : String(error)}`)
  })
  try {
    // Objects first opened, then the stores: what a record names has been written before the record says so.
    const bytes = await createObjectBytes({ folder: places.objects, shared: true })
    for (const part of ['main', 'telemetry'] as const)
      opened[part] = await openSnapshot(
        places.kind === 'sqlite'
          ? { file: places[part], copy: `${file}.${part}.snapshot`, collections: collectionsOf(part) }
          : { url: places.url, schema: places.schemas[part], collections: collectionsOf(part) },
      )
    const writing = new Writing(begunAt, config, places.kind)
    const archive = tarOf(
      writing.members({ main: needed(opened.main), telemetry: needed(opened.telemetry) }, bytes),
    )
    let unsynced = 0
    for await (const piece of archive) {
      for (let at = 0; at < piece.length; ) at += (await handle.write(piece, at)).bytesWritten
      unsynced += piece.length
      if (unsynced < syncEveryBytes) continue
      unsynced = 0
      await handle.datasync()
    }
    await handle.sync()
    await handle.close()
    await refuseExisting(file)
    await rename(partial, file)
    const folder = await open(dirname(resolve(file)), 'r')
    await folder.sync().finally(() => folder.close())
    return writing.manifest()
  } catch (error) {
    await handle.close().catch(() => {})
    await rm(partial, { force: true })
    throw error
  } finally {
    for (const snapshot of Object.values(opened)) await snapshot.close()
  }
}

async function refuseExisting(file: string): Promise<void> {
  const found = await open(file, 'r').catch(() => undefined)
  await found?.close()
  if (found) throw new BackupFault(`${file}: wanted a file that is not there yet, got one`)
}

function collectionsOf(part: Part): readonly AnyCollection[] {
  return parts[part]
}

function needed(snapshot: Snapshot | undefined): Snapshot {
  if (!snapshot) throw new Error('a snapshot was opened')
  return snapshot
}

/** The members as they are made, with their sums. */
class Writing {
  readonly #sums: MemberSum[] = []
  readonly #about: Pick<Manifest, 'form' | 'begunAt' | 'version' | 'from' | 'key'>
  readonly #mtime: number
  readonly #counts = { records: 0, entries: 0, objects: 0, objectBytes: 0 }

  constructor(begunAt: string, config: Config, from: Manifest['from']) {
    const at = resolve(config.masterKeyFile ?? join(config.data, 'keys', 'master.key'))
    this.#mtime = Math.floor(Date.parse(begunAt) / 1000)
    this.#about = {
      form: backupForm,
      begunAt,
      version: readVersion().version,
      from,
      key: { inside: false, at, ...keyMark(at) },
    }
  }

  manifest(): Manifest {
    return { ...this.#about, counts: this.#counts, members: this.#sums }
  }

  async *members(snapshots: Record<Part, Snapshot>, bytes: ObjectBytes): AsyncGenerator<TarMember> {
    yield this.#whole('about.json', Buffer.from(JSON.stringify(this.#about, undefined, 2)))
    for (const part of ['main', 'telemetry'] as const) {
      yield* this.#lines(`${part}/records`, this.#records(part, snapshots))
      yield* this.#lines(`${part}/journal`, this.#journal(snapshots.main, snapshots[part]))
    }
    yield* this.#objects(snapshots.main, bytes)
    const text = Buffer.from(JSON.stringify(this.manifest(), undefined, 2))
    yield { name: 'manifest.json', size: text.length, mtime: this.#mtime, content: text }
  }

  async *#records(part: Part, snapshots: Record<Part, Snapshot>): AsyncGenerator<string> {
    const snapshot = snapshots[part]
    for (const collection of collectionsOf(part)) {
      if (collection.scope === 'house') {
        for await (const record of every(snapshot.readHouse(), collection)) {
          this.#counts.records += 1
          yield JSON.stringify([collection.name, null, record])
        }
      }
    }
    for await (const tenant of tenantsOf(snapshots.main))
      for (const collection of collectionsOf(part))
        if (collection.scope === 'tenant')
          for await (const record of every(snapshot.read(tenant), collection)) {
            this.#counts.records += 1
            yield JSON.stringify([collection.name, tenant, record])
          }
  }

  async *#journal(main: Snapshot, snapshot: Snapshot): AsyncGenerator<string> {
    for await (const entry of snapshot.journal('house')) {
      this.#counts.entries += 1
      yield JSON.stringify(['house', entry])
    }
    for await (const tenant of tenantsOf(main))
      for await (const entry of snapshot.journal(tenant)) {
        this.#counts.entries += 1
        yield JSON.stringify([tenant, entry])
      }
  }

  async *#objects(main: Snapshot, bytes: ObjectBytes): AsyncGenerator<TarMember> {
    for await (const { sha, size } of every(
      main.readHouse(),
      blobs as unknown as AnyCollection,
    ) as AsyncGenerator<{
      sha: string
      size: number
    }>) {
      const found =
        (await bytes.open(sha)) ?? ((await bytes.restore(sha)) ? await bytes.open(sha) : undefined)
      if (!found) throw new BackupFault(`object ${sha}: wanted its ${size} bytes, got none`)
      found.stream.destroy()
      this.#counts.objects += 1
      this.#counts.objectBytes += size
      this.#sums.push({ name: `objects/${sha}`, size, sha256: sha })
      yield { name: `objects/${sha}`, size, mtime: this.#mtime, content: () => checked(bytes, sha) }
    }
  }

  /** Lines gathered into members that fit into memory. */
  async *#lines(name: string, lines: AsyncIterable<string>): AsyncGenerator<TarMember> {
    let number = 0
    let held: string[] = []
    let length = 0
    for await (const line of lines) {
      held.push(line)
      length += line.length + 1
      if (length < linesMax) continue
      yield this.#whole(memberName(name, ++number), Buffer.from(`${held.join('\n')}\n`))
      held = []
      length = 0
    }
    if (held.length > 0) yield this.#whole(memberName(name, ++number), Buffer.from(`${held.join('\n')}\n`))
  }

  #whole(name: string, content: Buffer): TarMember {
    const sha256 = createHash('sha256').update(content).digest('hex')
    this.#sums.push({ name, size: content.length, sha256 })
    return { name, size: content.length, mtime: this.#mtime, content }
  }
}

function memberName(name: string, number: number): string {
  return `${name}-${String(number).padStart(6, '0')}.jsonl`
}

/** The bytes of an object; what lies on the disk and is no longer what its name says ends the backup. */
async function* checked(bytes: ObjectBytes, sha: string): AsyncGenerator<Uint8Array> {
  const found = await bytes.open(sha)
  if (!found) throw new BackupFault(`object ${sha}: its bytes are gone`)
  const hash = createHash('sha256')
  for await (const piece of found.stream as AsyncIterable<Uint8Array>) {
    hash.update(piece)
    yield piece
  }
  const got = hash.digest('hex')
  if (got !== sha) throw new BackupFault(`object ${sha}: wanted that sha256, got ${got}: its file is damaged`)
}

function keyMark(at: string): { mark?: string } {
  try {
    const key = readMasterKey(at)
    return key !== 'absent' && key.ok ? { mark: markOf(key.value) } : {}
  } catch {
    return {}
  }
}

async function* tenantsOf(snapshot: Snapshot): AsyncGenerator<TenantId> {
  yield unclaimedTenant
  for await (const tenant of every(snapshot.readHouse(), tenants as unknown as AnyCollection))
    if ((tenant as { id: TenantId }).id !== unclaimedTenant) yield (tenant as { id: TenantId }).id
}

/** Every record of a collection, in the order of its key. */
async function* every(reader: Reader, collection: AnyCollection): AsyncGenerator<object> {
  // Whatever the record is: its key's fields are named by the collection.
  const from = collection as unknown as Collection<Record<string, Scalar>, string>
  let after: readonly Scalar[] | undefined
  for (;;) {
    const page = await reader.find(from, {
      order: [...from.key],
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    })
    yield* page
    const last = page.at(-1)
    if (!last || page.length < pageSize) return
    after = from.key.map((field) => last[field] ?? '')
  }
}
