/**
 * Objects between wire and disk: bytes are streamed to a hidden file, agree with size and sha256, appear, and only then
 * does the record say `stored`. The collector goes the other way round: the record first, then the bytes to the trash,
 * and back out of it when somebody has brought them again meanwhile.
 */
import {
  type Actor,
  blobs,
  collectObjects,
  type Env,
  type Instant,
  markStored,
  type ObjectRecord,
  type ObjectRefusal,
  ObjectSha,
  objects,
  ok,
  type Result,
  refuse,
  type Store,
  settled,
  type TenantId,
  tenants,
} from '@waymark/domain'
import type { BytesRefusal, ObjectBytes, OpenedBytes } from '@waymark/store'
import type { Config } from './config.ts'

export interface ObjectRoom {
  /** Takes the bytes of a registered object. Answers after they are on disk and the record says so. */
  receive(asked: {
    tenant: TenantId
    sha: ObjectSha
    size: number
    source: AsyncIterable<Uint8Array>
    by: Actor
  }): Promise<Result<ObjectRecord, ObjectRefusal | BytesRefusal>>
  /** The bytes of a stored object, or a range of them (`end` inclusive). */
  open(
    tenant: TenantId,
    sha: ObjectSha,
    range?: { start: number; end: number },
  ): Promise<({ object: ObjectRecord } & Pick<OpenedBytes, 'stream' | 'pieces'>) | undefined>
  /** Collects what no step refers to and is older than the grace; answers counts. */
  collect(graceMs: number): Promise<{ records: number; bytes: number; files: number }>
}

export function createObjectRoom(needs: {
  store: Store
  bytes: ObjectBytes
  env(): Env
  /** Told of bytes that passed, in either direction. */
  moved?(tenant: TenantId, bytes: number): void
}): ObjectRoom {
  const { store, bytes, env, moved = () => {} } = needs

  return {
    async receive(asked) {
      const written = await bytes.write(asked.sha, asked.size, counted(asked.tenant, asked.source))
      if (!written.ok) return written
      const marked = await store.transactHouse((house) => markStored(house, env(), asked))
      if (!marked.ok) return marked
      // The collector may have thrown out the same bytes between the two: then they lie in the trash.
      const there = (await bytes.stat(asked.sha)) !== undefined || (await bytes.restore(asked.sha))
      return there ? marked : refuse({ kind: 'no-such-object', got: asked.sha })
    },

    async open(tenant, sha, range) {
      const object = await store.read(tenant).get(objects, { sha })
      if (!object?.stored) return undefined
      const opened = await bytes.open(sha, range)
      return (
        opened && {
          object,
          get stream() {
            moved(tenant, range ? range.end - range.start + 1 : object.size)
            return opened.stream
          },
          pieces: (take) =>
            opened.pieces(async (piece) => {
              await take(piece)
              moved(tenant, piece.length)
            }),
        }
      )
    },

    async collect(graceMs) {
      const before = (env().now - graceMs) as Instant
      let records = 0
      let freed = 0
      let after: string | undefined
      for (;;) {
        const page = await store.readHouse().find(tenants, {
          order: ['id'],
          limit: 200,
          ...(after === undefined ? {} : { after: [after] }),
        })
        for (const tenant of page) {
          const swept = await collectTenant(tenant.id, before)
          records += swept.length
          for (const object of swept) freed += object.size
        }
        const last = page.at(-1)
        if (!last || page.length < 200) break
        after = last.id
      }
      return { records, bytes: freed, files: await collectFiles(before) }
    },
  }

  async function* counted(tenant: TenantId, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      moved(tenant, piece.length)
      yield piece
    }
  }

  async function collectTenant(tenant: TenantId, before: Instant): Promise<ObjectRecord[]> {
    const all: ObjectRecord[] = []
    let after: readonly [Instant, ObjectSha] | undefined
    do {
      const from = after
      const swept = await store.transactHouse(async (house) =>
        ok(
          await collectObjects(house, env(), {
            tenant,
            before,
            limit: 100,
            ...(from === undefined ? {} : { after: from }),
          }),
        ),
      )
      const { removed, next } = settled(swept)
      all.push(...removed)
      after = next
    } while (after)
    return all
  }

  /** Files nobody holds and that have lain longer than the grace. */
  async function collectFiles(before: Instant): Promise<number> {
    let files = 0
    for await (const file of bytes.list()) {
      const sha = ObjectSha.parse(file.sha)
      if (!sha || file.modifiedAt >= before || (await store.readHouse().get(blobs, { sha }))) continue
      await bytes.toTrash(sha)
      if (await store.readHouse().get(blobs, { sha })) await bytes.restore(sha)
      else files += 1
    }
    await bytes.emptyTrash(before)
    return files
  }
}

/** Bytes of objects a tenant may register: its own limit, else the server's; Infinity where there is none. */
export async function quotaOf(
  needs: { store: Store; config: Pick<Config, 'objectQuota'> },
  tenant: TenantId,
): Promise<number> {
  const record = await needs.store.readHouse().get(tenants, { id: tenant })
  const { objectQuota } = needs.config
  return record?.objectBytesMax ?? (objectQuota === 'off' ? Number.POSITIVE_INFINITY : objectQuota)
}
