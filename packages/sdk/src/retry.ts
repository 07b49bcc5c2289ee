/**
 * When to ask again, and how long to wait before. Pure.
 *
 * Three questions decide. May it be asked twice? A read, a PUT and whatever carries an idempotency key may; another
 * POST only when the server says that it did nothing (429, 503). Is it worth it? For no answer, 502, 503, 504 and 429.
 * Is there patience left? A few attempts, each wait about twice the last; a server that names a time is given it,
 * unless that is longer than a caller would wait.
 */

export interface RetryPolicy {
  /** Times it is asked in all. */
  readonly attempts: number
  /** The first wait; each further one is twice as long, half of it by luck so that clients spread. */
  readonly firstMs: number
  readonly capMs: number
  /** The longest `Retry-After` that is waited for. */
  readonly patienceMs: number
}

export const retryDefault: RetryPolicy = { attempts: 4, firstMs: 200, capMs: 8000, patienceMs: 30_000 }

/** How an attempt ended: no answer, or a status with the time the server asked for. */
export type Miss =
  | { readonly kind: 'no-answer' }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterMs?: number | undefined }

/** The wait before the next attempt, or undefined: this was the last. `attempt` counts from 1. */
export function waitBefore(
  miss: Miss,
  asked: { attempt: number; mayRepeat: boolean; random: () => number; policy: RetryPolicy },
): number | undefined {
  const { attempt, mayRepeat, random, policy } = asked
  if (attempt >= policy.attempts || !isWorthRepeating(miss)) return undefined
  const didNothing = miss.kind === 'status' && (miss.status === 429 || miss.status === 503)
  if (!mayRepeat && !didNothing) return undefined
  if (miss.kind === 'status' && miss.retryAfterMs !== undefined)
    return miss.retryAfterMs <= policy.patienceMs ? miss.retryAfterMs : undefined
  return backoff(attempt, random, policy)
}

/** The wait after so many attempts without success. */
export function backoff(
  attempt: number,
  random: () => number,
  { firstMs, capMs }: Pick<RetryPolicy, 'firstMs' | 'capMs'>,
): number {
  const most = Math.min(capMs, firstMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(most / 2 + (random() * most) / 2)
}

function isWorthRepeating(miss: Miss): boolean {
  return miss.kind === 'no-answer' || [429, 502, 503, 504].includes(miss.status)
}

/** `Retry-After` in milliseconds: seconds, or a date (RFC 9110 10.2.3). */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
