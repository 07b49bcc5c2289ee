/**
 * ExoPort devices: one TCP port, plain or TLS by the first byte, on which devices dial in and stay.
 *
 * This file owns the listening socket and what all connections share: how many may be strangers, how much may lie around
 * unfinished, which hellos were heard before, the look at the clock once a second, and the end of it all. What one
 * connection does is `connection.ts`; what is said on it is `@waymark/exoport`; what it means is the house's.
 */
import { createServer, isIPv6, type Socket } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import { readTls } from '../../http.ts'
import { createRecent } from '../../recent.ts'
import { type Listener, StartFailure } from '../../serve.ts'
import type { Link, LinkHouse, OpenLink } from '../link.ts'
import { createCalls } from './carry.ts'
import { Connection, type Port } from './connection.ts'
import { defaultPortLimits, type PortLimits } from './limits.ts'
import { createSealer } from './sealer.ts'

/** A device type names one of these. */
const protocols = [
  { name: 'exodm_bert', delivery: 'queued' },
  { name: 'exodm_bert_direct', delivery: 'immediate' },
] as const

/** The link, with other limits where a test wants to see them. */
export function exoportLink(limits: Partial<PortLimits> = {}): Link {
  return {
    name: 'exoport',
    protocols,
    open: (house) => openPort(house, { ...defaultPortLimits, ...limits }),
  }
}

/** Waiting connections the kernel may keep for us: a fleet that comes back after a power cut comes in one second. */
const backlog = 4096

function openPort(house: LinkHouse, limits: PortLimits): OpenLink {
  const connections = new Set<Connection>()
  const hellos = createRecent<true>(limits.rememberedHellos)
  const quiet: (() => void)[] = []
  const sealer = createSealer()
  let strangers = 0
  let heldBytes = 0
  let isClosed = false
  let failures = 0
  let silentUntil = 0

  const endings = new Map<string, (by?: number) => void>()
  const countEnding = (why: string): void => {
    let count = endings.get(why)
    if (count === undefined) {
      count = house.metrics.counter('waymark_exoport_ended_total', 'ExoPort connections that ended, by why', {
        why,
      })
      endings.set(why, count)
    }
    count()
  }
  const countAdmitted = house.metrics.counter(
    'waymark_exoport_admitted_total',
    'ExoPort devices that were let in',
  )
  house.metrics.add({
    name: 'waymark_exoport_connections',
    help: 'open ExoPort connections',
    type: 'gauge',
    read: () => [{ labels: {}, value: connections.size }],
  })

  /** One line a second, whatever happens to however many. */
  const mayTell = (): boolean => {
    const now = performance.now()
    if (now < silentUntil) return false
    silentUntil = now + 1000
    return true
  }

  const port: Port = {
    house,
    limits,
    protocols: protocols.map(({ name }) => name),
    secure: secureContext(house),
    sealer,
    callOf: createCalls(),
    now: () => performance.now(),
    isReplayed(device, challenge) {
      const key = `${device} ${Buffer.from(challenge).toString('base64')}`
      if (!hellos.get(key)) {
        hellos.set(key, true)
        return false
      }
      // Somebody plays what was heard, or the device draws no real randomness: worth knowing either way.
      if (mayTell()) house.log.warn({ device }, 'an ExoPort hello was said again, and refused')
      return true
    },
    hold(bytes) {
      heldBytes += bytes
      return heldBytes <= limits.heldBytes
    },
    admitted() {
      strangers -= 1
      countAdmitted()
    },
    failed(error) {
      // What fails for one fails for thousands.
      failures += 1
      if (!mayTell()) return
      house.log.error({ err: error, failures }, 'an ExoPort connection failed')
      failures = 0
    },
    left(connection, why) {
      if (!connections.delete(connection)) return
      if (!connection.isOpened) strangers -= 1
      countEnding(why)
      if (connections.size === 0) for (const tell of quiet.splice(0)) tell()
    },
  }

  function accept(socket: Socket): void {
    if (strangers >= limits.handshakes || connections.size >= house.config.maxConnections || isClosed) {
      socket.on('error', () => {})
      socket.destroy()
      countEnding('no-room')
      return
    }
    strangers += 1
    connections.add(new Connection(port, socket))
  }

  const server = createServer(accept)
  const ticking = setInterval(() => {
    const now = port.now()
    for (const connection of connections) connection.tick(now)
  }, limits.tickMs)
  ticking.unref()

  /** Resolves when no connection is left, or when the time is up. */
  function allGone(timeoutMs: number): Promise<void> {
    if (connections.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      quiet.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  const listener: Listener = {
    name: 'exoport',
    listen: ({ host, port: number }) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port: number, backlog }, () => {
          server.off('error', reject)
          server.on('error', (error) => house.log.error({ err: error }, 'the ExoPort listener failed'))
          const address = server.address()
          const bound = typeof address === 'object' && address !== null ? address.port : number
          resolve({ url: `tcp://${isIPv6(host) ? `[${host}]` : host}:${bound}` })
        })
      }),
    async drain(timeoutMs) {
      isClosed = true
      server.close()
      for (const connection of [...connections]) connection.drain()
      await allGone(timeoutMs)
      for (const connection of [...connections]) connection.cut()
      await allGone(1000)
    },
  }

  return {
    listeners: [listener],
    async close() {
      isClosed = true
      clearInterval(ticking)
      server.close()
      for (const connection of [...connections]) connection.cut()
      await allGone(5000)
      await sealer.close()
    },
  }
}

/** TLS where there is a certificate; a device that wants it and a server without one do not find together. */
function secureContext({ config }: LinkHouse): SecureContext | undefined {
  const { exoport, tlsCert, tlsKey } = config
  if (exoport === 'off' || tlsCert === undefined || tlsKey === undefined) return undefined
  try {
    return createSecureContext({ ...readTls({ cert: tlsCert, key: tlsKey }), minVersion: 'TLSv1.2' })
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error)
    throw new StartFailure(`tls-cert and tls-key: wanted a certificate and its key (PEM), got ${got}`)
  }
}
