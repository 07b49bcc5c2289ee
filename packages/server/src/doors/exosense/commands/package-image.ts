/** The image that a request makes a package of: named by its digest, or inside the request; both have to agree. */
import { createHash } from 'node:crypto'
import { ObjectSha } from '@waymark/domain'
import type { CommandAnswer, Context, Params } from '../command.ts'

/** Largest image that comes inside a request; larger ones are uploaded as objects first. */
const inlineMax = 48 * 1024 * 1024

/** The image of a request, kept as an object of the account; or one that is there already. */
export async function imageIn(
  { house, tenant, actor }: Context,
  params: Params,
): Promise<{ readonly sha: ObjectSha } | { readonly answer: CommandAnswer }> {
  const named = ObjectSha.parse(params.maybeText('image-sha256'))
  const text = params.maybeText('image')
  if (text === undefined) return named ? { sha: named } : { answer: 'missing-option' }
  const bytes = isBase64(text) ? Buffer.from(text, 'base64') : undefined
  if (!bytes) return { answer: { result: 'validation-failed', reason: 'image: wanted base64' } }
  if (bytes.length > inlineMax)
    return { answer: { result: 'validation-failed', reason: 'image: too large, upload it as an object' } }
  const sha = ObjectSha.parse(createHash('sha256').update(bytes).digest('hex'))
  if (!sha) return { answer: 'internal-error' }
  if (named && named !== sha)
    return {
      answer: { result: 'validation-failed', reason: `image: wanted ${named}, as it says, got ${sha}` },
    }
  const kept = await house.exchange.keepImage(tenant.id, {
    sha,
    bytes,
    name: params.text('package-name'),
    by: actor,
  })
  return kept ? { sha } : { answer: { result: 'validation-failed', reason: 'image: no room for it' } }
}

/** Base64 that says all of its bytes: one digit over is half a byte. */
function isBase64(text: string): boolean {
  const digits = /^([A-Za-z0-9+/\s]*)={0,2}\s*$/.exec(text)?.[1]
  return digits !== undefined && digits.replace(/\s/g, '').length % 4 !== 1
}
