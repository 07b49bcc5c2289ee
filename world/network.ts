/**
 * The network between the actors and the server: requests travel, arrive, are answered, and any of it may go wrong.
 *
 * It carries HTTP in one piece on the server's side (its real app answers) and piece by piece on the way, so that a
 * body can break in the middle. What goes wrong is drawn from the line's own luck when a request is sent; a request
 * without a reply hangs until its sender loses patience, as on a real network, or is told that the connection is gone.
 * The network knows no meaning of what it carries, but for one thing: only bytes of objects are ever corrupted, since
 * everything else is guarded by the transport's own checks.
 */
import type { WorldClock } from './clock.ts'
import type { Luck } from './luck.ts'

export interface Asked {
  readonly method: string
  /** From the slash on. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** A reply on its way: its body comes in pieces and may break off, which rejects. */
export interface Arriving {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Uint8Array>
}

/** What stands at the other end. */
export interface Reachable {
  /** Answers; rejects when the server dies over it. `bytes` is the body as it arrives; it rejects when it breaks off. */
  handle(
    asked: Omit<Asked, 'body'>,
    bytes: Buffer | AsyncIterable<Uint8Array>,
    from: string,
  ): Promise<Answered>
  /** Who is told when this server dies. */
  onDeath(told: () => void): () => void
}

export interface NetworkNeeds {
  readonly clock: WorldClock
  /** The server as it stands now; undefined while it is down. */
  server(): Reachable | undefined
  /**
   * Every request that reached the server's door and what it said, as it was said. `late`: it is a copy, or whoever sent
   * it has given it up.
   */
  heard(line: Line, asked: Asked, answered: Answered, late: boolean): void
  /** Somebody on the way answers in the server's place. */
  instead?(asked: Asked): Answered | undefined
  /** A request reaches the server. */
  arrived(line: Line, asked: Asked): void
  /** A whole reply has reached whoever asked: from now on they rely on it. */
  learnt(line: Line, asked: Asked, answered: Answered): void
  tell(line: string): void
}

/** How bad a line is: probabilities a request. */
export interface Weather {
  readonly dropRequest: number
  readonly dropReply: number
  readonly duplicate: number
  readonly delay: number
  readonly cut: number
  readonly corrupt: number
}

export const fair: Weather = { dropRequest: 0, dropReply: 0, duplicate: 0, delay: 0, cut: 0, corrupt: 0 }

/** One actor's way to the server. */
export interface Line {
  readonly name: string
  readonly address: string
  weather: Weather
  /** How long a delayed request may take: longer than its sender's patience. Milliseconds. */
  readonly delayMs: number
  /** Nothing passes while it is down. */
  up: boolean
  /** Breaks everything that is on its way. */
  breakAll(why: string): void
  send(asked: Asked, signal?: AbortSignal): Promise<Arriving>
}

const pieceBytes = 16 * 1024
/** Bodies up to this size travel in one piece. */
const onePieceBytes = 2 * 1024

type Fate = keyof Weather | 'none'

export function createNetwork(needs: NetworkNeeds) {
  const { clock, tell } = needs
  let count = 0

  function connect(about: { name: string; address: string; luck: Luck; delayMs: number }): Line {
    const { luck } = about
    const open = new Set<(cause: Error) => void>()

    const line: Line = {
      name: about.name,
      address: about.address,
      delayMs: about.delayMs,
      weather: fair,
      up: true,
      breakAll(why) {
        for (const breakOne of [...open]) breakOne(new Error(why))
      },
      send: (asked, signal) => exchange(asked, signal),
    }

    function drawFate(asked: Asked): Fate {
      const { weather } = line
      let left = luck.next()
      for (const fate of Object.keys(weather) as (keyof Weather)[]) {
        left -= weather[fate]
        if (left >= 0) continue
        const bytes = asked.path.startsWith('/local-s3/')
        return fate === 'corrupt' && !bytes ? 'none' : fate
      }
      return 'none'
    }

    function exchange(asked: Asked, signal: AbortSignal | undefined): Promise<Arriving> {
      const number = ++count
      const fate = drawFate(asked)
      const called = `${line.name} #${number}`
      tell(
        `${called} ${asked.method} ${shown(asked.path)} ${wordOf(asked)}${fate === 'none' ? '' : ` [${fate}]`}`,
      )
      const { promise, resolve, reject } = Promise.withResolvers<Arriving>()
      let over = false
      let broken: Error | undefined
      const onBreak = new Set<(cause: Error) => void>()
      function breakIt(cause: Error): void {
        if (over) return
        over = true
        broken = cause
        open.delete(breakIt)
        signal?.removeEventListener('abort', onAbort)
        for (const told of onBreak) told(cause)
        reject(cause)
      }
      const onAbort = (): void => {
        tell(`${called} given up`)
        breakIt(signal?.reason instanceof Error ? signal.reason : new Error('aborted'))
      }
      function finish(): void {
        over = true
        open.delete(breakIt)
        signal?.removeEventListener('abort', onAbort)
      }
      open.add(breakIt)
      if (signal?.aborted) onAbort()
      else signal?.addEventListener('abort', onAbort)

      /** Half of what is lost is noticed by the sender, half only by its patience. */
      function lose(why: string): void {
        if (luck.chance(0.5)) clock.after(luck.between(5, 3000), () => breakIt(new Error(why)))
      }
      /** Waits on the way; rejects when the exchange breaks meanwhile. */
      function travel(ms: number): Promise<void> {
        if (broken) return Promise.reject(broken)
        const { promise: there, resolve: arrive, reject: lost } = Promise.withResolvers<void>()
        onBreak.add(lost)
        clock.after(ms, () => {
          onBreak.delete(lost)
          if (!line.up) breakIt(new Error('network unreachable'))
          if (broken) lost(broken)
          else arrive()
        })
        return there
      }

      async function* uploading(body: Buffer, cutAt: number): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < body.length; at += pieceBytes) {
          await travel(luck.between(1, 40))
          const end = Math.min(body.length, at + pieceBytes)
          if (cutAt < end) {
            if (cutAt > at) yield body.subarray(at, cutAt)
            breakIt(new Error('connection reset'))
            throw new Error('connection reset')
          }
          yield body.subarray(at, end)
        }
      }

      async function* downloading(
        body: Buffer,
        cutAt: number,
        whole: () => void,
      ): AsyncGenerator<Uint8Array> {
        const step = body.length <= onePieceBytes ? Math.max(1, body.length) : pieceBytes
        try {
          for (let at = 0; at < body.length; at += step) {
            if (body.length > onePieceBytes) await travel(luck.between(1, 40))
            const end = Math.min(body.length, at + step)
            if (cutAt < end) {
              if (cutAt > at) yield body.subarray(at, cutAt)
              breakIt(new Error('connection reset'))
            }
            if (broken) throw broken
            yield body.subarray(at, end)
          }
          if (broken) throw broken
          whole()
        } finally {
          finish()
        }
      }

      async function ask(sent: Asked, copy: boolean): Promise<Answered | undefined> {
        const server = needs.server()
        if (!server) {
          if (!copy) clock.after(luck.between(1, 50), () => breakIt(new Error('connection refused')))
          return undefined
        }
        const instead = needs.instead?.(sent)
        if (instead) return instead
        needs.arrived(line, sent)
        const late = copy || broken !== undefined
        const unhear = server.onDeath(() => {
          if (!copy) breakIt(new Error('connection reset by the server'))
        })
        try {
          const large = sent.body.length > onePieceBytes
          const cutAt = fate === 'cut' && !copy && large ? luck.below(sent.body.length) : Infinity
          const body = large ? uploading(sent.body, cutAt) : sent.body
          const { body: _, ...head } = sent
          const answered = server.handle(head, body, line.address)
          const said = await (large ? answered : clock.busy(answered))
          needs.heard(line, sent, said, late)
          return said
        } catch (cause) {
          if (!copy) breakIt(cause instanceof Error ? cause : new Error(String(cause)))
          return undefined
        } finally {
          unhear()
        }
      }

      async function go(): Promise<void> {
        const sent = fate === 'corrupt' && asked.method === 'PUT' ? corrupted(asked, luck) : asked
        if (!line.up) return lose('network unreachable')
        const pace = fate === 'delay' ? luck.between(1000, line.delayMs) : luck.between(1, 80)
        if (fate === 'duplicate')
          clock.after(pace + luck.between(1, 30_000), () => {
            if (!line.up) return
            tell(`${called} arrives again`)
            void ask(sent, true).then((said) => said && tell(`${called} again: ${said.status}`))
          })
        // What is delayed is not called back by a sender that has given up.
        if (fate === 'delay') await clock.sleep(pace)
        else await travel(pace)
        if (!line.up) return lose('network unreachable')
        if (fate === 'dropRequest') return lose('connection reset')
        const said = await ask(sent, false)
        if (!said) return
        tell(`${called} answered ${said.status}`)
        if (fate === 'dropReply') return lose('connection reset')
        await travel(luck.between(1, 80))
        const body = fate === 'corrupt' && asked.method === 'GET' ? flipped(said.body, luck) : said.body
        const cutAt = fate === 'cut' && body.length > 0 ? luck.below(body.length) : Infinity
        const whole = (): void => needs.learnt(line, asked, said)
        if (body.length === 0) {
          finish()
          whole()
        }
        resolve({ status: said.status, headers: said.headers, body: downloading(body, cutAt, whole) })
      }
      go().catch(breakIt)
      return promise
    }

    return line
  }

  return { connect }
}

/** Tokens in a path are long and say nothing to a reader. */
function shown(path: string): string {
  const short = path.startsWith('/local-s3/') ? '/local-s3/…' : path
  return short.replace(/\?progress\.status=.*/, '?open')
}

/** The status word of a report, which is what a reader looks for. */
function wordOf({ path, body }: Asked): string {
  return path.endsWith('/progress')
    ? (/"status":"(\w+)"/.exec(body.toString())?.[1] ?? '')
    : body.length > 0
      ? `(${body.length} B)`
      : ''
}

function corrupted(asked: Asked, luck: Luck): Asked {
  return { ...asked, body: flipped(asked.body, luck) }
}

function flipped(body: Buffer, luck: Luck): Buffer {
  if (body.length === 0) return body
  const bent = Buffer.from(body)
  const at = luck.below(bent.length)
  bent[at] = (bent[at] ?? 0) ^ (1 << luck.below(8))
  return bent
}
