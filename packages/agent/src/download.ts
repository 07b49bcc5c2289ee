/**
 * Brings missing objects into the pool: several at once, each resumed where it broke off, each verified.
 *
 * What ends an object's download is only its own fault: bytes that hash wrongly so many times, or a hub that
 * answers but will not give them so many times. A lost network is nobody's fault and is waited out with
 * growing pauses; every byte that arrives sets the counts back.
 */
import type { Hub, HubFailure } from './hub.ts'
import { linkedController } from './linked.ts'
import type { Failure } from './model.ts'
import type { Pool } from './pool.ts'
import type { Clock, Luck } from './ports.ts'
import { describeFailure } from './turn.ts'
import type { ObjectRecord } from './wire.ts'

/** How patient a download is. Times in milliseconds. */
export interface DownloadSettings {
  /** Objects under way at once. */
  readonly parallel: number
  /** So often an object may arrive corrupt. */
  readonly corruptTries: number
  /** So often in a row the hub may answer with something else than bytes. */
  readonly refusedTries: number
  readonly backoffFirstMs: number
  readonly backoffCapMs: number
}

/** What a download tells while it runs. */
export interface DownloadWatch {
  onBytes(count: number): void
  /** Bytes that were counted have been thrown away. */
  onDiscarded(count: number): void
  onResumed(sha: string, from: number, size: number): void
  onCorrupt(sha: string, got: string, attempt: number): void
  onTrouble(sha: string, detail: string, againInMs: number): void
}

/** How an object stands after some attempts. */
export interface Tally {
  readonly corrupt: number
  readonly refused: number
  /** Attempts in a row that brought no byte. */
  readonly fruitless: number
}

export const freshTally: Tally = { corrupt: 0, refused: 0, fruitless: 0 }

/** What one attempt came to. `answered`: the hub replied, though not with the whole object. */
export type Attempted =
  | { readonly kind: 'stored' }
  | { readonly kind: 'corrupt'; readonly got: string; readonly bytes: number }
  | { readonly kind: 'cut'; readonly bytes: number; readonly answered: boolean; readonly detail: string }

/** What follows an attempt. Pauses in milliseconds. */
export type Next =
  | { readonly kind: 'over' }
  | { readonly kind: 'again'; readonly tally: Tally; readonly pauseMs: number }
  | { readonly kind: 'give-up'; readonly detail: string }

/** Decides what follows an attempt at one object. */
export function afterAttempt(tally: Tally, came: Attempted, settings: DownloadSettings, luck: number): Next {
  if (came.kind === 'stored') return { kind: 'over' }
  if (came.kind === 'corrupt') {
    const corrupt = tally.corrupt + 1
    if (corrupt >= settings.corruptTries)
      return { kind: 'give-up', detail: `wanted bytes of that sha256, got ${came.got} (${corrupt} times)` }
    return {
      kind: 'again',
      tally: { corrupt, refused: 0, fruitless: 0 },
      pauseMs: pause(corrupt, settings, luck),
    }
  }
  if (came.bytes > 0) {
    const next = { corrupt: tally.corrupt, refused: 0, fruitless: 0 }
    return { kind: 'again', tally: next, pauseMs: pause(0, settings, luck) }
  }
  const refused = came.answered ? tally.refused + 1 : tally.refused
  if (refused >= settings.refusedTries)
    return { kind: 'give-up', detail: `${came.detail} (${refused} times)` }
  const fruitless = tally.fruitless + 1
  return {
    kind: 'again',
    tally: { corrupt: tally.corrupt, refused, fruitless },
    pauseMs: pause(fruitless, settings, luck),
  }
}

function pause(failures: number, settings: DownloadSettings, luck: number): number {
  const whole = Math.min(settings.backoffCapMs, settings.backoffFirstMs * 2 ** Math.min(failures, 30))
  return Math.round(whole / 2 + (whole / 2) * luck)
}

/** What the download acts through. */
export interface DownloadPorts {
  readonly hub: Pick<Hub, 'object' | 'objectBytes'>
  readonly pool: Pool
  readonly clock: Clock
  readonly luck: Luck
}

/**
 * Downloads all objects. Resolves with undefined when every one is in the pool, else with the first failure;
 * the others are then stopped, and what they brought is kept for the next time.
 */
export async function downloadObjects(
  objects: readonly ObjectRecord[],
  ports: DownloadPorts,
  settings: DownloadSettings,
  watch: DownloadWatch,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const { controller: halt, unlink } = linkedController(signal)
  const inner = halt.signal
  const left = [...objects]
  let failure: Failure | undefined
  async function work(): Promise<void> {
    for (let object = left.shift(); object && !inner.aborted; object = left.shift()) {
      const failed = await downloadOne(object, ports, settings, watch, inner)
      if (failed && !inner.aborted) {
        failure ??= failed
        halt.abort()
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(settings.parallel, left.length) }, work))
  unlink()
  if (failure === undefined && signal.aborted) return { kind: 'unreachable', detail: 'stopped' }
  return failure
}

async function downloadOne(
  record: ObjectRecord,
  ports: DownloadPorts,
  settings: DownloadSettings,
  watch: DownloadWatch,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  let object = record
  let tally = freshTally
  while (!signal.aborted) {
    let came: Attempted
    try {
      came = await attempt(object, ports, watch, signal)
    } catch (cause) {
      // The disk would not take it. What it holds of this object goes, so that the last word has room.
      await ports.pool.discardPartial(object.sha).catch(() => undefined)
      return { kind: 'disk', detail: cause instanceof Error ? cause.message : String(cause) }
    }
    if (came.kind === 'corrupt') {
      watch.onCorrupt(object.sha, came.got, tally.corrupt + 1)
      watch.onDiscarded(came.bytes)
    }
    const next = afterAttempt(tally, came, settings, ports.luck.next())
    if (next.kind === 'over' || signal.aborted) return undefined
    if (next.kind === 'give-up') return { kind: 'object', sha: object.sha, detail: next.detail }
    tally = next.tally
    const detail =
      came.kind === 'corrupt' ? `bytes hash to ${came.got}` : came.kind === 'cut' ? came.detail : ''
    watch.onTrouble(object.sha, detail, next.pauseMs)
    await ports.clock.sleep(next.pauseMs, signal)
    // A signed address may have run out or point to a store that moved: ask for a fresh one.
    if (came.kind === 'cut' && came.answered && came.bytes === 0 && !signal.aborted) {
      const fresh = await ports.hub.object(object.sha, signal)
      if (fresh.ok && fresh.value.sha === record.sha && fresh.value.size === record.size) object = fresh.value
    }
  }
  return undefined
}

async function attempt(
  object: ObjectRecord,
  { hub, pool }: DownloadPorts,
  watch: DownloadWatch,
  signal: AbortSignal,
): Promise<Attempted> {
  let have = await pool.partialBytes(object.sha)
  if (have > object.size) {
    await pool.discardPartial(object.sha)
    watch.onDiscarded(object.size)
    have = 0
  }
  if (have === object.size && have > 0) {
    const stored = await pool.add(object, have, nothing(), () => undefined)
    return stored.kind === 'corrupt' ? { ...stored, bytes: have } : { kind: 'stored' }
  }
  const opened = await hub.objectBytes(object.getUrl, have, signal)
  if (!opened.ok) {
    const { failure } = opened
    // Another range than asked for, or none: what is here does not fit what is there, so begin anew.
    if (have > 0 && failure.kind === 'refused' && [206, 416].includes(failure.status)) {
      await pool.discardPartial(object.sha)
      watch.onDiscarded(have)
    }
    return cutBy(failure)
  }
  const { from, bytes } = opened.value
  if (from > 0) watch.onResumed(object.sha, from, object.size)
  else if (have > 0) watch.onDiscarded(have)
  let came = 0
  let broken: unknown
  const stored = await pool.add(
    object,
    from,
    untilBroken(bytes, (cause) => (broken = cause)),
    (count) => {
      came += count
      watch.onBytes(count)
    },
  )
  if (stored.kind === 'stored') return stored
  if (stored.kind === 'corrupt') return { ...stored, bytes: Math.min(object.size, from + came) }
  const why = broken instanceof Error ? broken.message : 'the reply ended early'
  const detail = `cut at ${stored.have} of ${object.size} bytes: ${why}`
  return { kind: 'cut', bytes: came, answered: broken === undefined, detail }
}

function cutBy(failure: HubFailure): Attempted {
  const answered = failure.kind === 'refused' || failure.kind === 'garbled'
  return { kind: 'cut', bytes: 0, answered, detail: describeFailure(failure) }
}

/** Ends quietly where the source breaks, so that what came before is kept; the break itself is told apart. */
async function* untilBroken(bytes: AsyncIterable<Uint8Array>, onBreak: (cause: unknown) => void) {
  const source = bytes[Symbol.asyncIterator]()
  try {
    for (;;) {
      let next: IteratorResult<Uint8Array>
      try {
        next = await source.next()
      } catch (cause) {
        onBreak(cause)
        return
      }
      if (next.done) return
      yield next.value
    }
  } finally {
    await source.return?.().catch(() => undefined)
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
