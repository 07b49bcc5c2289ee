/**
 * The wire between a device and a plugin, as the kit has it in its hands: bytes pass both ways, unless the device's are held
 * back, the line is cut, or nobody may dial any more. It knows nothing of what the bytes mean.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What is kept of what went either way, bytes. */
const heardMost = 64 * 1024
const none = Buffer.alloc(0)
const keep = (kept: Buffer, more: Buffer) =>
  kept.length < heardMost ? Buffer.concat([kept, more]).subarray(0, heardMost) : kept

/** One line of a relay, from the device's call to its end. */
export interface Wire {
  /** Bytes that came from the plugin. */
  readonly down: number
  /** The first of them. */
  readonly heard: Buffer
  /** The first bytes that came from the device. */
  readonly said: Buffer
  /** Who ended it first; undefined: nobody yet. */
  readonly endedBy: 'device' | 'plugin' | 'cut' | undefined
}

export interface Relay {
  readonly port: number
  /** All lines that were ever dialled, oldest first. */
  readonly wires: readonly Wire[]
  /** Holds back what the device says, from now on, on all lines. */
  hold(): void
  release(): void
  /** Ends all lines, at both ends; `reset`: as a line that is torn, not hung up. The device may dial again. */
  cut(reset?: boolean): void
  /** Nobody may dial any more. Lines that are there stay. */
  shut(): void
  close(): void
}

interface Line {
  down: number
  heard: Buffer
  said: Buffer
  endedBy: Wire['endedBy']
  readonly device: Socket
  readonly plugin: Socket
}

/** Opens a relay to this address on a free port of this machine. */
export async function openRelay(to: { readonly host: string; readonly port: number }): Promise<Relay> {
  const wires: Line[] = []
  let isHeld = false
  const server = createServer({ allowHalfOpen: true }, (device) => {
    const plugin = connect({ ...to, allowHalfOpen: true })
    const line: Line = { down: 0, heard: none, said: none, endedBy: undefined, device, plugin }
    wires.push(line)
    const ended = (by: 'device' | 'plugin') => {
      line.endedBy ??= by
    }
    plugin.on('data', (bytes) => {
      line.down += bytes.length
      line.heard = keep(line.heard, bytes)
      if (!device.write(bytes)) plugin.pause()
    })
    device.on('drain', () => plugin.resume())
    device.on('data', (bytes) => {
      line.said = keep(line.said, bytes)
      if (!plugin.write(bytes)) device.pause()
    })
    plugin.on('drain', () => {
      if (!isHeld) device.resume()
    })
    if (isHeld) device.pause()
    // An end is passed on as it came; an error ends both.
    for (const [socket, other, by] of [
      [device, plugin, 'device'],
      [plugin, device, 'plugin'],
    ] as const) {
      socket.on('end', () => {
        ended(by)
        other.end()
      })
      socket.on('error', () => ended(by))
      socket.on('close', () => {
        ended(by)
        other.destroySoon()
      })
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const relay: Relay = {
    port: (server.address() as AddressInfo).port,
    wires,
    hold() {
      isHeld = true
      for (const { device } of wires) device.pause()
    },
    release() {
      isHeld = false
      for (const { device } of wires) device.resume()
    },
    cut(reset = false) {
      for (const line of wires) {
        if (line.endedBy !== undefined) continue
        line.endedBy = 'cut'
        for (const socket of [line.device, line.plugin])
          if (reset) socket.resetAndDestroy()
          else socket.destroy()
      }
    },
    shut() {
      server.close()
    },
    close() {
      relay.shut()
      for (const { device, plugin } of wires) for (const socket of [device, plugin]) socket.destroy()
    },
  }
  return relay
}
