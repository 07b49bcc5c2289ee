/** Objects at the fleet door: the bytes are the body, named by their sha256 in the path. */
import { Type } from '@sinclair/typebox'
import {
  ObjectSha,
  objects,
  objectUsage,
  ok,
  type Result,
  refuse,
  registerObject,
  removeObject,
} from '@waymark/domain'
import { bodyOf } from '../../body.ts'
import { quotaOf } from '../../object-room.ts'
import { pour } from '../../pour.ts'
import { changing, type Operation, reading, streaming } from './operation.ts'
import { pageOf, readCursor } from './paging.ts'
import type { FleetRefusal } from './refusals.ts'
import * as wire from './schemas.ts'
import { objectView } from './views.ts'

const Named = Type.Object({ sha256: wire.StoredObject.properties.sha256 })

export const objectOperations: readonly Operation[] = [
  reading({
    id: 'listObjects',
    method: 'GET',
    path: '/objects',
    tag: 'objects',
    summary: 'Objects of the tenant, longest unchanged first',
    right: 'objects.read',
    query: Type.Object(wire.Paging),
    answer: wire.Page(wire.StoredObject),
    async run({ house, caller, query }) {
      const after = readCursor(query.cursor, ['number', 'string'])
      if (!after.ok) return after
      const limit = query.limit ?? 50
      const rows = await house.store.read(caller.tenant).find(objects, {
        order: ['modifiedAt', 'sha'],
        limit: limit + 1,
        ...(after.value === undefined ? {} : { after: after.value }),
      })
      const page = pageOf(rows, limit, (row) => [row.modifiedAt, row.sha])
      return ok({ ...page, items: page.items.map(objectView) })
    },
  }),

  reading({
    id: 'getObjectUsage',
    method: 'GET',
    path: '/objects/usage',
    tag: 'objects',
    summary: 'How much of the quota is used',
    right: 'objects.read',
    answer: Type.Object({
      bytes: Type.Integer(),
      count: Type.Integer(),
      quota: Type.Optional(Type.Integer({ description: 'bytes; absent: none' })),
    }),
    async run({ house, caller }) {
      const { bytes, count } = await objectUsage(house.store.read(caller.tenant))
      const quota = await quotaOf(house, caller.tenant)
      return ok({ bytes, count, ...(Number.isFinite(quota) ? { quota } : {}) })
    },
  }),

  streaming({
    id: 'putObject',
    method: 'PUT',
    path: '/objects/:sha256',
    tag: 'objects',
    summary:
      'Stores bytes: they appear once size and sha256 agree. Bytes already stored are answered at once.',
    right: 'objects.write',
    params: Named,
    query: Type.Object({
      name: Type.Optional(Type.String({ maxLength: 1024 })),
      mimeType: Type.Optional(Type.String({ maxLength: 128 })),
    }),
    takes: 'bytes',
    answer: wire.StoredObject,
    async run({ house, caller, params, query, request }) {
      const sha = ObjectSha.parse(params.sha256)
      if (!sha) return refuse({ kind: 'no-such-object', got: params.sha256 })
      const size = Number(request.headers['content-length'] ?? Number.NaN)
      if (!Number.isSafeInteger(size)) return refuse({ kind: 'no-length', wanted: 'Content-Length' })
      if (size > house.config.objectLimit)
        return refuse({ kind: 'too-large', what: 'object', wanted: house.config.objectLimit, got: size })
      const quotaBytes = await quotaOf(house, caller.tenant)
      const registered = await house.store.transact(caller.tenant, (tx) =>
        registerObject(tx, house.env(), {
          sha,
          size,
          name: query.name ?? '',
          mimeType: query.mimeType ?? '',
          quotaBytes,
          by: caller.actor,
        }),
      )
      if (!registered.ok)
        return registered.refusal.kind === 'already-stored'
          ? ok(objectView(registered.refusal.object))
          : registered
      const waits = await house.traffic.exhausted(caller.tenant)
      if (waits) return refuse(waits)
      const received = await house.objects.receive({
        tenant: caller.tenant,
        sha,
        size,
        source: bodyOf(request.raw),
        by: caller.actor,
      })
      return received.ok ? ok(objectView(received.value)) : received
    },
  }),

  reading({
    id: 'getObjectInfo',
    method: 'GET',
    path: '/objects/:sha256/info',
    tag: 'objects',
    summary: 'What is known of an object',
    right: 'objects.read',
    params: Named,
    answer: wire.StoredObject,
    async run({ house, caller, params }) {
      const sha = ObjectSha.parse(params.sha256)
      const object = sha && (await house.store.read(caller.tenant).get(objects, { sha }))
      return object ? ok(objectView(object)) : refuse({ kind: 'no-such-object', got: params.sha256 })
    },
  }),

  streaming({
    id: 'getObject',
    method: 'GET',
    path: '/objects/:sha256',
    tag: 'objects',
    summary: 'The bytes of an object; a Range of them to resume',
    right: 'objects.read',
    params: Named,
    answer: 'bytes',
    async run({ house, caller, params, request, reply }) {
      const sha = ObjectSha.parse(params.sha256)
      const object = sha && (await house.store.read(caller.tenant).get(objects, { sha }))
      if (!object?.stored) return refuse({ kind: 'no-such-object', got: params.sha256 })
      const waits = await house.traffic.exhausted(caller.tenant)
      if (waits) return refuse(waits)
      const range = rangeOf(request.headers.range, object.size)
      if (!range.ok) {
        reply.header('content-range', `bytes */${object.size}`)
        return range
      }
      const opened = await house.objects.open(caller.tenant, object.sha, range.value)
      if (!opened) return refuse({ kind: 'no-such-object', got: params.sha256 })
      const { start, end } = range.value ?? { start: 0, end: object.size - 1 }
      reply.hijack()
      reply.raw.writeHead(range.value ? 206 : 200, {
        'content-type': object.mimeType || 'application/octet-stream',
        'content-length': end - start + 1,
        'accept-ranges': 'bytes',
        etag: `"${object.sha}"`,
        'content-disposition': 'attachment',
        'x-content-type-options': 'nosniff',
        ...(range.value ? { 'content-range': `bytes ${start}-${end}/${object.size}` } : {}),
      })
      await pour(opened.pieces, reply.raw)
      return ok(undefined)
    },
  }),

  changing({
    id: 'deleteObject',
    method: 'DELETE',
    path: '/objects/:sha256',
    tag: 'objects',
    summary: 'Removes an object that no step refers to',
    right: 'objects.write',
    params: Named,
    answer: wire.StoredObject,
    async run({ house, caller, params }) {
      const sha = ObjectSha.parse(params.sha256)
      if (!sha) return refuse({ kind: 'no-such-object', got: params.sha256 })
      return ok(async (directory) => {
        const gone = await removeObject(directory, house.env(), {
          tenant: caller.tenant,
          sha,
          by: caller.actor,
        })
        return gone.ok ? ok(objectView(gone.value)) : gone
      })
    },
  }),
]

/** One range of bytes (RFC 9110 14.2); several, or another unit, are answered with the whole. */
export function rangeOf(
  header: string | undefined,
  size: number,
): Result<{ start: number; end: number } | undefined, FleetRefusal> {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (from === '' && to === '') return ok(undefined)
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  return start <= end && start < size
    ? ok({ start, end })
    : refuse({ kind: 'bad-range', wanted: `within 0-${size - 1}`, got: header ?? '' })
}
