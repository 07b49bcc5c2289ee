/**
 * What a plugin's process prints, as lines that a log can take: cut where they are long, counted where they are many.
 *
 * A plugin's author debugs by printing, so its words must be heard; a plugin gone wild must not fill the log's disk, so
 * a line has a length and a second has a number of lines. What is dropped is counted, and the count is told.
 */

/** Characters that are kept of a line. */
const lineMost = 1000
/** Lines that are kept at once, and that come back each second. */
const burst = 100
const perSecond = 10

export interface Words {
  /** Bytes that were printed, at this time (milliseconds, of any clock that does not go back). */
  printed(bytes: Buffer, nowMs: number): void
  /** The stream is at its end: what has no line end is a line too. */
  ended(nowMs: number): void
}

/** Hears a stream. `said` is given each line that is kept, and how many before it were not. */
export function createWords(said: (line: string, dropped: number) => void): Words {
  // Latin 1 keeps bytes apart until a line is whole, so that a character may be cut in two by a chunk.
  let begun = ''
  let tokens = burst
  let atMs = 0
  let dropped = 0

  function line(raw: string, nowMs: number): void {
    tokens = Math.min(burst, tokens + (Math.max(0, nowMs - atMs) / 1000) * perSecond)
    atMs = nowMs
    if (tokens < 1) {
      dropped += 1
      return
    }
    tokens -= 1
    const text = Buffer.from(raw, 'latin1').toString('utf8').trimEnd()
    if (text === '') return
    said(text, dropped)
    dropped = 0
  }

  return {
    printed(bytes, nowMs) {
      for (let from = 0; from < bytes.length; ) {
        const end = bytes.indexOf(10, from)
        const to = end < 0 ? bytes.length : end
        if (begun.length < lineMost)
          begun += bytes.toString('latin1', from, Math.min(to, from + lineMost - begun.length))
        if (end < 0) return
        line(begun, nowMs)
        begun = ''
        from = end + 1
      }
    },
    ended(nowMs) {
      if (begun !== '') line(begun, nowMs)
      begun = ''
      if (dropped > 0) said('(more was printed)', dropped)
      dropped = 0
    },
  }
}
