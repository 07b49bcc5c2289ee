/**
 * A weather station, as `weather_proto_v1` has it: lines of text over TCP, of which the example's `wire.js` lists all. It calls in,
 * answers what it is asked, takes configuration, and really receives packages: every byte is kept in memory and hashed. Its memory
 * outlives its lines, so that a transfer that was cut goes on where it was.
 *
 * `examples/weather/station.js` is the shortest station there can be; this one is for fleets. It backs off, can be cut once, and
 * bounds what it keeps. It opens no socket by itself: `dial` is handed in.
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Luck } from '@waymark/agent'

/** Longest line that a server may send, characters. */
const lineMost = 1024 * 1024
/** Largest image that a station has room for, bytes. */
const imageMost = 64 * 1024 * 1024
const packagesMost = 32
const backOffMs = 250
const backOffMostMs = 30_000

export interface StationSettings {
  readonly account: string
  readonly device: string
  readonly password: string
  /** Its line is cut once, when it has half of an image. */
  readonly cut: boolean
  /** A connection to the server, not yet there. */
  readonly dial: () => Socket
  /** What it sees when it looks up. */
  readonly look: () => string
  readonly luck: Luck
  readonly happened: (what: StationEvent) => void
}

export type StationEvent =
  | { readonly kind: 'connected' | 'disconnected' | 'refused' | 'cut' | 'resumed' | 'removed' | 'configured' }
  | { readonly kind: 'called'; readonly method: string }
  | { readonly kind: 'received'; readonly bytes: number }
  | { readonly kind: 'installed'; readonly name: string; readonly sha256: string }

export interface Station {
  start(): void
  stop(): void
  readonly connected: boolean
}

interface Image {
  readonly name: string
  readonly size: number
  readonly sha256: string
  readonly parts: Buffer[]
  had: number
}

/** Makes a station; nothing happens until `start`. */
export function createStation(settings: StationSettings): Station {
  const { account, device, password, happened } = settings
  const images = new Map<string, Image>()
  const packages = new Map<string, Buffer>()
  const configured = new Map<string, unknown>()
  let image: Image | undefined
  let mayBeCut = settings.cut
  let socket: Socket | undefined
  let timer: NodeJS.Timeout | undefined
  let failures = 0
  let isLetIn = false
  let isStopped = true

  /** What each line of the server is answered with; undefined: nothing. */
  const does: Readonly<Record<string, (rest: string) => string | undefined>> = {
    welcome() {
      isLetIn = true
      failures = 0
      happened({ kind: 'connected' })
      return undefined
    },
    no() {
      happened({ kind: 'refused' })
      return undefined
    },
    call(rest) {
      const [, method = ''] = rest.split(' ')
      if (method !== 'get-scan' && method !== 'transfer-init') return `failed ${method} is not for stations`
      happened({ kind: 'called', method })
      return method === 'get-scan' ? `reply ${JSON.stringify({ scan: settings.look() })}` : 'ok'
    },
    configure(rest) {
      const [name = '', ...text] = rest.split(' ')
      configured.set(name, JSON.parse(text.join(' ')))
      happened({ kind: 'configured' })
      return 'ok'
    },
    image(rest) {
      const [name = '', size = '', sha256 = '', from = ''] = rest.split(' ')
      image = beginImage({ name, size: Number(size), sha256 }, Number(from))
      return image ? 'ok' : 'failed no room for it'
    },
    part: takePart,
    sum() {
      const right = image !== undefined && hashOf(image.parts) === image.sha256
      return right ? 'ok' : 'wrong'
    },
    install: put,
    upgrade: put,
    uninstall(rest) {
      const [name = ''] = rest.split(' ')
      packages.delete(name)
      configured.delete(name)
      happened({ kind: 'removed' })
      return 'ok'
    },
  }

  /** An image that begins, or goes on behind what is there; undefined: there is no room for it. */
  function beginImage(of: Pick<Image, 'name' | 'size' | 'sha256'>, from: number): Image | undefined {
    if (!Number.isSafeInteger(of.size) || of.size < 0 || of.size > imageMost) return undefined
    if (images.size >= packagesMost && !images.has(of.name)) return undefined
    const before = images.get(of.name)
    // Another image of that name, or one of which this memory knows less: its checksum will not be right, and it is begun again.
    const goesOn = from > 0 && before?.sha256 === of.sha256 && before.had >= from
    const parts = goesOn ? [Buffer.concat(before.parts).subarray(0, from)] : [Buffer.alloc(0)]
    if (goesOn) happened({ kind: 'resumed' })
    const begun = { ...of, parts, had: from }
    images.set(of.name, begun)
    return begun
  }

  function takePart(rest: string): string {
    if (image === undefined) return 'failed no image was begun'
    const part = Buffer.from(rest, 'base64')
    if (image.had + part.length > image.size) return 'failed more than was said'
    image.parts.push(part)
    image.had += part.length
    happened({ kind: 'received', bytes: part.length })
    if (mayBeCut && image.had >= image.size / 2 && image.had < image.size) {
      mayBeCut = false
      happened({ kind: 'cut' })
      // What it has said may still arrive, this part among it.
      setImmediate(() => socket?.end())
    }
    return `got ${image.had}`
  }

  function put(rest: string): string {
    const [name = '', from = '', ...text] = rest.split(' ')
    const kept = images.get(name)
    if (kept === undefined || kept.had !== kept.size) return `failed there is no image of ${name}`
    if (packages.size >= packagesMost) return 'failed no room for it'
    packages.delete(from)
    packages.set(name, Buffer.concat(kept.parts))
    configured.set(name, JSON.parse(text.join(' ')))
    // The image is in its place; what was transferred is no longer needed.
    images.delete(name)
    happened({ kind: 'installed', name, sha256: kept.sha256 })
    return 'ok'
  }

  function dial(): void {
    if (isStopped) return
    const line = settings.dial()
    socket = line
    readLines(line, (text) => {
      const [word = '', ...rest] = text.split(' ')
      const answer = Object.hasOwn(does, word) ? does[word]?.(rest.join(' ')) : undefined
      if (answer !== undefined) line.write(`${answer}\n`)
    })
    line.once('connect', () => line.write(`hello ${account} ${device} ${password}\n`))
    line.on('error', () => {})
    line.once('close', () => {
      if (isLetIn) happened({ kind: 'disconnected' })
      isLetIn = false
      if (isStopped) return
      const ms = Math.min(backOffMs * 2 ** failures, backOffMostMs)
      failures += 1
      timer = setTimeout(dial, ms / 2 + settings.luck.next() * (ms / 2))
    })
  }

  return {
    start() {
      if (!isStopped) return
      isStopped = false
      dial()
    },
    stop() {
      isStopped = true
      clearTimeout(timer)
      socket?.destroy()
    },
    get connected() {
      return isLetIn
    },
  }
}

/** Lines of a socket. One that is too long, or that nobody can do anything with, ends it. */
function readLines(socket: Socket, heard: (line: string) => void): void {
  let begun = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    const lines = (begun + text).split('\n')
    begun = lines.pop() ?? ''
    try {
      if (begun.length > lineMost) throw new RangeError('a line without an end')
      for (const line of lines) heard(line)
    } catch {
      socket.destroy()
    }
  })
}

function hashOf(parts: readonly Buffer[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
