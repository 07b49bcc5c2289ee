/**
 * Signed object URLs: who holds one may get, or put, the bytes of one object, for a while and without a bearer.
 *
 * The whole secret stands in the path, because Pantavisor drops the query of a get URL and cuts a put URL at
 * `/local-s3` (Pantahub wire facts 4.3). It is a JWT (HS256, a key of its own): tenant, object, size, method and end of
 * life are inside, so that serving bytes asks nobody who may.
 */
import { type Instant, ObjectSha, ok, type Result, refuse, TenantId } from '@waymark/domain'
import { parsePrn, storageId } from '@waymark/pantahub'
import { createSigner, createVerifier } from 'fast-jwt'
import { ownerPrn } from '../../access.ts'
import { shaOf } from './records.ts'

export type UrlMethod = 'GET' | 'PUT'

/** What a URL is good for. */
export interface SignedObject {
  readonly tenant: TenantId
  readonly sha: ObjectSha
  /** Bytes. */
  readonly size: number
  /** What a download is called. */
  readonly name: string
  /** Of a put URL: the bytes are linked; what is put is compared with them and not kept. */
  readonly link?: true
}

/** The audience of a put URL of a link, in place of a storage id. */
const shaOnly = 'SHAONLY'

export type UrlRefusal = { readonly kind: 'bad-url-token'; readonly wanted: string }

export interface ObjectUrls {
  url(method: UrlMethod, object: SignedObject): string
  /** What a token allows, if it is ours, still good, and for this method. */
  open(token: string, method: UrlMethod): Result<SignedObject, UrlRefusal>
}

/** Names in URLs are cut to this many characters: the token has to fit Pantavisor's and other clients' buffers. */
const nameMax = 100

export function createObjectUrls(needs: {
  readonly key: Uint8Array
  readonly clock: { now(): Instant }
  /** How long a URL is good. */
  readonly lifeMs: number
  publicUrl(): string
}): ObjectUrls {
  const { clock, publicUrl } = needs
  const key = Buffer.from(needs.key)
  const sign = createSigner({ algorithm: 'HS256', key, noTimestamp: true })
  // Expiry is judged here, by the clock that was handed in.
  const verify: (token: string) => unknown = createVerifier({
    algorithms: ['HS256'],
    key,
    cache: false,
    ignoreExpiration: true,
    ignoreNotBefore: true,
  })

  return {
    url(method, { tenant, sha, size, name, link }) {
      const now = clock.now()
      const token = sign({
        iss: 'waymark',
        sub: ownerPrn(tenant),
        aud: link ? shaOnly : storageId(ownerPrn(tenant), shaOf(sha)),
        iat: Math.floor(now / 1000),
        exp: Math.floor((now + needs.lifeMs) / 1000),
        Method: method,
        Size: size,
        Sha: sha,
        DispositionName: name.slice(-nameMax),
      })
      return `${publicUrl()}/local-s3/${token}`
    },

    open(token, method) {
      const claims = read(token)
      if (!claims) return refuse({ kind: 'bad-url-token', wanted: 'one of ours' })
      if (claims.exp * 1000 <= clock.now()) return refuse({ kind: 'bad-url-token', wanted: 'one still good' })
      if (claims.Method !== method)
        return refuse({ kind: 'bad-url-token', wanted: `one for ${claims.Method}` })
      const { tenant, sha, Size: size, DispositionName: name, link } = claims
      return ok({ tenant, sha, size, name, ...(link ? { link } : {}) })
    },
  }

  function read(token: string) {
    let payload: unknown
    try {
      payload = verify(token)
    } catch {
      return undefined
    }
    if (typeof payload !== 'object' || payload === null) return undefined
    const { sub, aud, exp, Method, Size, Sha, DispositionName } = payload as Record<string, unknown>
    const owner = parsePrn(sub)
    const tenant = owner?.kind === 'account' ? TenantId.parse(owner.name) : undefined
    const sha = ObjectSha.parse(Sha)
    if (tenant === undefined || sha === undefined) return undefined
    if (typeof exp !== 'number' || typeof Size !== 'number' || typeof DispositionName !== 'string')
      return undefined
    return Method === 'GET' || Method === 'PUT'
      ? { tenant, sha, exp, Method, Size, DispositionName, link: aud === shaOnly }
      : undefined
  }
}
