/**
 * Cuts a stream of bytes into frames: a length of four bytes, highest first, and so many bytes.
 *
 * Bytes go in as they are read, frames are asked for one by one, each with the most it may hold: a stranger's first
 * frame may hold a name and no more, later ones a great deal. Nothing is allocated for a length that is merely
 * announced; what is kept between two reads is the unfinished frame alone, and between two messages nothing.
 */

/** A length beyond what was allowed: the stream has no next frame. */
export interface TooLong {
  readonly tooLong: number
}

const headBytes = 4
const nothing = new Uint8Array(0)

export class FrameCutter {
  #bytes: Uint8Array = nothing
  #from = 0
  #to = 0
  #own = false

  /** Bytes that are here and have not been given out. */
  get held(): number {
    return this.#to - this.#from
  }

  /** Takes what was read. The chunk itself is read from until `next` answers undefined, and not kept afterwards. */
  add(chunk: Uint8Array): void {
    const held = this.held
    if (held === 0) {
      this.#bytes = chunk
      this.#from = 0
      this.#to = chunk.length
      this.#own = false
      return
    }
    const needed = held + chunk.length
    if (!this.#own || this.#bytes.length - this.#to < chunk.length) {
      const room = new Uint8Array(Math.max(needed, Math.min(2 * held, this.#wanted())))
      room.set(this.#bytes.subarray(this.#from, this.#to))
      this.#bytes = room
      this.#from = 0
      this.#to = held
      this.#own = true
    }
    this.#bytes.set(chunk, this.#to)
    this.#to += chunk.length
  }

  /**
   * The body of the next frame, at most `mostBytes` long: a view that is good until the next `add`. Undefined: it is
   * not whole yet.
   */
  next(mostBytes: number): Uint8Array | TooLong | undefined {
    const held = this.held
    if (held >= headBytes) {
      const length = this.#length()
      if (length > mostBytes) return { tooLong: length }
      if (held >= headBytes + length) {
        const start = this.#from + headBytes
        this.#from = start + length
        return this.#bytes.subarray(start, this.#from)
      }
    }
    this.keep()
    return undefined
  }

  /**
   * What has not been given out becomes our own: neither a chunk of the reader's nor a long buffer hangs on a few
   * bytes. `next` does it by itself when it has nothing.
   */
  keep(): void {
    const held = this.held
    if (held === 0) {
      this.clear()
      return
    }
    if (this.#own && (this.#from === 0 || 2 * held >= this.#bytes.length)) return
    this.#bytes = new Uint8Array(this.#bytes.subarray(this.#from, this.#to))
    this.#from = 0
    this.#to = held
    this.#own = true
  }

  /** Lets go of everything. */
  clear(): void {
    this.#bytes = nothing
    this.#from = this.#to = 0
    this.#own = false
  }

  #wanted(): number {
    return this.held < headBytes ? headBytes : headBytes + this.#length()
  }

  #length(): number {
    const bytes = this.#bytes
    const at = this.#from
    return (
      (bytes[at] ?? 0) * 0x1000000 +
      (bytes[at + 1] ?? 0) * 0x10000 +
      (bytes[at + 2] ?? 0) * 0x100 +
      (bytes[at + 3] ?? 0)
    )
  }
}
