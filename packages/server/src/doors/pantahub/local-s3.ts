/**
 * The bytes of objects, in and out (Pantahub wire facts 4.3), by signed URLs alone: no bearer, no parsing, constant
 * memory. A download may begin where an earlier one broke off; its ETag is the sha256. An upload appears whole, after
 * size and sha256 have agreed, or not at all.
 */
import { createHash } from 'node:crypto'
import { ok, refuse, type TenantId } from '@waymark/domain'
import type { BytesRefusal } from '@waymark/store'
import { bodyOf } from '../../body.ts'
import type { House } from '../../house.ts'
import type { Asked, Handlers, Said } from './answer.ts'
import type { Refusal } from './errors.ts'
import type { ObjectUrls } from './object-urls.ts'

export function byteHandlers(
  house: House,
  urls: ObjectUrls,
): Pick<Handlers, 'sendBytes' | 'takeBytes' | 'refuseBytes'> {
  return {
    async sendBytes({ params, headers }) {
      const opened = urls.open(params.token ?? '', 'GET')
      if (!opened.ok) return opened
      const { tenant, sha, size, name } = opened.value
      const range = rangeOf(headers.range, headers['if-range'], { size, etag: etagOf(sha) })
      if (range === 'not-satisfiable')
        return refuse({ kind: 'range-not-satisfiable', size, got: String(headers.range) })
      const waits = await mayMove(tenant)
      if (waits) return refuse(waits)
      const found = await house.objects.open(tenant, sha, range)
      if (!found) return refuse({ kind: 'no-such-object', got: sha })
      const length = range ? range.end - range.start + 1 : size
      return ok({
        status: range ? 206 : 200,
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': String(length),
          'content-disposition': disposition(name),
          'accept-ranges': 'bytes',
          etag: etagOf(sha),
          ...(range ? { 'content-range': `bytes ${range.start}-${range.end}/${size}` } : {}),
        },
        pieces: found.pieces,
      })
    },

    async takeBytes({ params, headers, raw }: Asked<undefined>): Promise<Said> {
      const opened = urls.open(params.token ?? '', 'PUT')
      if (!opened.ok) return opened
      const { tenant, sha, size, link } = opened.value
      const announced = headers['content-length']
      if (announced !== undefined && Number(announced) > size)
        return refuse({ kind: 'size-differs', sha, wanted: size, got: Number(announced) })
      const waits = await mayMove(tenant)
      if (waits) return refuse(waits)
      if (link) {
        const differs = await compared(bodyOf(raw), sha, size)
        return differs ? refuse(differs) : ok({ text: '' })
      }
      const by = { kind: 'system', id: 'object-url' } as const
      const received = await house.objects.receive({ tenant, sha, size, source: bodyOf(raw), by })
      return received.ok ? ok({ text: '' }) : received
    },

    async refuseBytes() {
      return refuse({ kind: 'bad-url-token', wanted: 'GET or PUT' })
    },
  }

  /** Why bytes of a tenant have to wait; undefined: they may pass. */
  async function mayMove(tenant: TenantId): Promise<Refusal | undefined> {
    const retryAfterMs = house.traffic.take(tenant)
    return retryAfterMs > 0
      ? { kind: 'too-many-requests', retryAfterMs }
      : await house.traffic.exhausted(tenant)
  }
}

/** Reads bytes only to see whether they are the ones a sha256 names; undefined when they are. */
async function compared(
  source: AsyncIterable<Uint8Array>,
  sha: string,
  size: number,
): Promise<BytesRefusal | undefined> {
  const hash = createHash('sha256')
  let got = 0
  for await (const piece of source) {
    got += piece.length
    if (got > size) return { kind: 'too-long', wanted: size, got }
    hash.update(piece)
  }
  if (got < size) return { kind: 'too-short', wanted: size, got }
  const found = hash.digest('hex')
  return found === sha ? undefined : { kind: 'wrong-hash', wanted: sha, got: found }
}

function etagOf(sha: string): string {
  return `"${sha}"`
}

/** Only what needs no quoting is told; a path is told by its last part. */
function disposition(name: string): string {
  const plain = name.slice(name.lastIndexOf('/') + 1).replace(/[^\w.+-]/g, '_')
  return plain === '' ? 'attachment' : `attachment; filename="${plain}"`
}

/**
 * The one range that is asked for (RFC 9110 14.2), undefined for the whole: also when several are asked for, when the
 * header makes no sense, and when `If-Range` names other bytes than ours.
 */
export function rangeOf(
  header: string | undefined,
  ifRange: string | string[] | undefined,
  { size, etag }: { size: number; etag: string },
): { start: number; end: number } | 'not-satisfiable' | undefined {
  if (header === undefined || (ifRange !== undefined && ifRange !== etag)) return undefined
  const [, first = '', last = ''] = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/.exec(header) ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const count = Math.min(Number(last), size)
    return count === 0 ? 'not-satisfiable' : { start: size - count, end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) return 'not-satisfiable'
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}
