/**
 * Load on a fixed schedule: requests are due at even distances whether or not the ones before were answered, and each
 * one's time runs from when it was due. A server that stalls is so charged for everybody who came meanwhile.
 */
import { connect, type Socket } from 'node:net'

export interface Schedule {
  readonly port: number
  /** Requests due a second. */
  readonly rate: number
  /** Keep-alive connections, each with one request in flight; what finds none free waits. */
  readonly connections: number
  /** Requests, whole. Answers have to have a Content-Length and the status 200. */
  next(): string
  /** Goes on until this is true. */
  ended(): boolean
}

/** When a request was due (`performance.now()`), and when it was answered. */
export interface Answered {
  readonly due: number
  readonly answered: number
}

/** Runs a schedule; answers when each request was due and answered, in milliseconds. */
export async function onSchedule(schedule: Schedule): Promise<readonly Answered[]> {
  const took: Answered[] = []
  const due: number[] = []
  let failed: unknown
  const lines = await Promise.all(
    Array.from({ length: schedule.connections }, () =>
      open(schedule.port, (error) => {
        failed ??= error
      }),
    ),
  )
  const free = [...lines]
  const start = performance.now()
  let made = 0
  const send = () => {
    for (;;) {
      const at = due[0]
      // In turn: a server ends connections on which nothing is asked.
      const line = at === undefined ? undefined : free.shift()
      if (at === undefined || line === undefined) return
      due.shift()
      line.ask(schedule.next(), () => {
        took.push({ due: at, answered: performance.now() })
        free.push(line)
        send()
      })
    }
  }
  try {
    while (!schedule.ended()) {
      if (failed !== undefined) throw failed
      const now = performance.now()
      for (; made < ((now - start) * schedule.rate) / 1000; made++)
        due.push(start + (made * 1000) / schedule.rate)
      send()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    while (took.length < made && failed === undefined) await new Promise((resolve) => setTimeout(resolve, 1))
    if (failed !== undefined) throw failed
    return took
  } finally {
    for (const line of lines) line.close()
  }
}

/** A share of the values lies at or below the answer: 0.99 for the 99th percentile. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

interface Line {
  ask(request: string, answered: () => void): void
  close(): void
}

function open(port: number, failed: (error: Error) => void): Promise<Line> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let text = ''
    let told: () => void = () => {}
    socket.on('error', (error) => {
      reject(error)
      failed(error)
    })
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1])
      if (!text.startsWith('HTTP/1.1 200') || Number.isNaN(length))
        return failed(new Error(`wanted 200 with a length, got ${text.slice(0, 200)}`))
      if (text.length < end + 4 + length) return
      text = ''
      told()
    })
    socket.on('connect', () =>
      resolve({
        ask(request, answered) {
          told = answered
          socket.write(request)
        },
        close: () => socket.destroy(),
      }),
    )
  })
}
