/**
 * The channel between the server and a plugin's process: values in frames, over a pipe that both ends have.
 *
 * A frame is a length (4 bytes, big-endian) and one value (`values.ts`). Neither end believes the other: a length over the
 * limit breaks the channel before a byte of it is kept, and what waits to be read by the other end is bounded, for
 * a process that does not read must not fill this one. The owner of the channel decides what a break means.
 */
import type { Duplex } from 'node:stream'
import { readValue, writeValue } from './values.ts'

/** A frame that a plugin's process may send: no image goes that way, and a large answer fits. */
export const frameMostUp = 2 * 1024 * 1024
/** A frame that it may be sent. */
export const frameMostDown = 64 * 1024 * 1024

export interface ChannelLimits {
  /** Bytes of a frame that comes in, and of one that goes out. */
  readonly inMost: number
  readonly outMost: number
  /** Bytes that may wait for the other end to read them. */
  readonly waitingMost: number
}

export interface ChannelHeard {
  /** A value that came. A channel that is paused gives none. */
  value(value: unknown): void
  /** The other end broke the rules, or does not read: why. Called once; nothing comes afterwards. */
  broken(why: string): void
  /** The other end is gone. */
  ended(): void
}

export interface Channel {
  /** Sends a value; `flushed` is called when the other end's pipe has it, or never will. Throws `NotAValue` for what is none. */
  send(value: unknown, flushed?: () => void): void
  /** Bytes that were sent and that the other end has not read. */
  waiting(): number
  /** No value is given, and nothing more is read, until `resume`. */
  pause(): void
  resume(): void
}

/** A channel over this pipe. */
export function openChannel(pipe: Duplex, limits: ChannelLimits, heard: ChannelHeard): Channel {
  let chunks: Buffer[] = []
  let held = 0
  let isPaused = false
  let isOver = false
  let isGiving = false

  function breakOff(why: string): void {
    if (isOver) return
    isOver = true
    chunks = []
    pipe.pause()
    heard.broken(why)
  }

  /** The next frame, if all of it is here. */
  function nextFrame(): Buffer | undefined {
    if (held < 4) return undefined
    let [first = Buffer.alloc(0)] = chunks
    if (first.length < 4) {
      first = Buffer.concat(chunks)
      chunks = [first]
    }
    const length = first.readUInt32BE(0)
    if (length > limits.inMost) {
      breakOff(`it said ${length} bytes at once, over ${limits.inMost}`)
      return undefined
    }
    if (held < 4 + length) return undefined
    const all = chunks.length === 1 ? first : Buffer.concat(chunks)
    const rest = all.subarray(4 + length)
    chunks = rest.length === 0 ? [] : [rest]
    held = rest.length
    return all.subarray(4, 4 + length)
  }

  function give(): void {
    // A value that is given may pause and resume: the one loop that runs sees it.
    if (isGiving) return
    isGiving = true
    while (!isPaused && !isOver) {
      const frame = nextFrame()
      if (frame === undefined) break
      let value: unknown
      try {
        value = readValue(frame)
      } catch {
        breakOff('it said what is no message')
        break
      }
      heard.value(value)
    }
    isGiving = false
  }

  pipe.on('data', (chunk: Buffer) => {
    if (isOver) return
    chunks.push(chunk)
    held += chunk.length
    give()
  })
  // A pipe whose other end has died fails before it ends.
  pipe.on('error', () => {})
  pipe.on('close', () => {
    if (!isOver) heard.ended()
    isOver = true
  })

  return {
    send(value, flushed) {
      const body = writeValue(value, limits.outMost)
      if (isOver || !pipe.writable) return flushed?.()
      const head = Buffer.allocUnsafe(4)
      head.writeUInt32BE(body.length)
      pipe.cork()
      pipe.write(head)
      pipe.write(body, () => flushed?.())
      pipe.uncork()
      if (pipe.writableLength > limits.waitingMost) breakOff('it does not read what it is told')
    },
    waiting: () => pipe.writableLength,
    pause() {
      isPaused = true
      pipe.pause()
    },
    resume() {
      if (!isPaused || isOver) return
      isPaused = false
      give()
      if (!isPaused && !isOver) pipe.resume()
    },
  }
}
