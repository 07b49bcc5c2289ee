/**
 * Where the log of an engine's container was read up to: kept beside what was read, so that the next agent reads on there.
 *
 * An engine keeps all that a container wrote since it was created, and gives it from the beginning; the place is how many
 * bytes of each of its two streams were taken. (Moments are no place: asked for them, an engine writes them into the midst
 * of long lines.) It is noted once what came before has been taken, and at most a second later: after a crash what came in
 * that second is read twice, nothing is lost. A log that is shorter than its place was rotated by the engine, and is read
 * from its beginning.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export type Stream = 'out' | 'err'
export interface Piece {
  readonly from: Stream
  readonly bytes: Uint8Array
}

/** How many bytes of each stream were taken. */
export type LogPlace = Readonly<Record<Stream, number>>

export const logStart: LogPlace = { out: 0, err: 0 }

/** Between two notes of the place. Milliseconds. */
const noteMs = 1000

/** What lies beyond the place; `taken` hears how far whoever asks for more has come. */
export async function* readOn(
  pieces: AsyncIterable<Piece>,
  start: LogPlace,
  taken: (place: LogPlace) => void,
): AsyncGenerator<Piece> {
  const seen = { out: 0, err: 0 }
  for await (const { from, bytes } of pieces) {
    const known = Math.min(bytes.length, Math.max(0, start[from] - seen[from]))
    seen[from] += bytes.length
    if (known === bytes.length) continue
    yield { from, bytes: bytes.subarray(known) }
    taken({ out: Math.max(start.out, seen.out), err: Math.max(start.err, seen.err) })
  }
}

/** The place in a log of which the engine has so much: where it was, or its beginning when it is not there any more. */
export const placeWithin = (place: LogPlace, has: LogPlace): LogPlace =>
  place.out > has.out || place.err > has.err ? logStart : place

/** The place of one container's log, in a file. */
export function createPlaceFile(path: string) {
  let newest: LogPlace | undefined
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  async function write(place: LogPlace): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(`${path}.new`, JSON.stringify(place))
    await rename(`${path}.new`, path)
  }
  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const place = newest
    newest = undefined
    // Without room for it the log is read on from where it was noted last.
    if (place) writing = writing.then(() => write(place)).catch(() => undefined)
    return writing
  }
  return {
    async read(): Promise<LogPlace> {
      try {
        return parsePlace(JSON.parse(await readFile(path, 'utf8')))
      } catch {
        return logStart
      }
    },
    note(place: LogPlace): void {
      newest = place
      timer ??= setTimeout(flush, noteMs)
    },
    flush,
    async forget(): Promise<void> {
      newest = undefined
      await flush()
      await rm(path, { force: true })
    },
  }
}

function parsePlace(raw: unknown): LogPlace {
  const countOf = (stream: Stream): number => {
    const count: unknown = typeof raw === 'object' && raw !== null ? Reflect.get(raw, stream) : undefined
    return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 ? count : 0
  }
  return { out: countOf('out'), err: countOf('err') }
}
