/**
 * All that the client needs of the world besides what it is asked: a clock, timers, luck, and names that nobody else
 * makes. Handed in, so that a test lives through an hour of retries in a moment.
 */
export interface Outside {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls back after so many milliseconds; the answer takes that back. */
  after(ms: number, then: () => void): () => void
  /** From 0 up to, but not including, 1. */
  random(): number
  /** A text that is made once: 32 hex digits. */
  newKey(): string
}

export const realOutside: Outside = {
  now: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
  // `randomUUID` is missing where a page did not come over TLS; this is not.
  newKey: () => hexOf(crypto.getRandomValues(new Uint8Array(16))),
}

/** Waits; rejects with the signal's reason as soon as it is aborted. */
export function sleep(outside: Outside, ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  if (signal?.aborted) return Promise.reject(signal.reason)
  const cancel = outside.after(ms, () => {
    signal?.removeEventListener('abort', stop)
    resolve()
  })
  function stop(): void {
    cancel()
    reject(signal?.reason)
  }
  signal?.addEventListener('abort', stop, { once: true })
  return promise
}

/** Bytes as lower-case hex digits. */
export function hexOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}
