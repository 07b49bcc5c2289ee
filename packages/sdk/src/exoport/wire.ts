/** The connection a device dials, and the rest of the world that it needs: handed in, so that tests own them. */
import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'

export interface Address {
  readonly host: string
  readonly port: number
  /** TLS, with options such as `ca`; false or absent: plain TCP. */
  readonly tls?: boolean | ConnectionOptions
}

/** What happens on a connection. `closed` comes once and last. */
export interface WireEvents {
  opened(): void
  read(chunk: Uint8Array): void
  closed(why: string): void
}

export interface Wire {
  write(bytes: Uint8Array): void
  /** Says goodbye: what was written still arrives. */
  end(): void
  /** Lets go at once. */
  destroy(): void
}

export interface ExoPortOutside {
  /** Milliseconds that only go forward. */
  now(): number
  /** Calls back after so many milliseconds; the answer takes that back. */
  after(ms: number, then: () => void): () => void
  /** From 0 up to, but not including, 1. */
  random(): number
  /** Four fresh random bytes. */
  challenge(): Uint8Array
  connect(address: Address, events: WireEvents): Wire
}

const keepAliveMs = 60_000

export const realExoPortOutside: ExoPortOutside = {
  now: () => performance.now(),
  after(ms, then) {
    // Longer than Node's timers can wait means: as long as they can.
    const timer = setTimeout(then, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
  challenge: () => crypto.getRandomValues(new Uint8Array(4)),
  connect({ host, port, tls = false }, events) {
    let why = 'the server hung up'
    const socket: Socket = tls
      ? connectTls({ host, port, ...(tls === true ? {} : tls) })
      : connectTcp({ host, port })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveMs)
    socket.once(tls ? 'secureConnect' : 'connect', () => events.opened())
    socket.on('data', (chunk) => events.read(chunk))
    socket.on('error', (error) => {
      why = error.message
    })
    socket.once('close', () => events.closed(why))
    return {
      write: (bytes) => void socket.write(bytes),
      end: () => void socket.end(),
      destroy: () => void socket.destroy(),
    }
  },
}
