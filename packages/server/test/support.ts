import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Config, parseConfig } from '../src/config.ts'
import { createHttpApp, type HttpApp, type Listening } from '../src/http.ts'
import { createLog, type Log } from '../src/log.ts'
import { createMetrics, type Metrics } from '../src/metrics.ts'

/** A configuration from flags, on free ports, with everything else at its default. */
export function configOf(...flags: string[]): Config {
  const parsed = parseConfig({ flags: ['--http', '0', ...flags], env: {} })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  return parsed.value
}

/** A log that keeps its lines, parsed. */
export function keptLog(level: Config['logLevel'] = 'info'): { log: Log; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const log = createLog({ logLevel: level }, { write: (line) => lines.push(JSON.parse(line)) })
  return { log, lines }
}

export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'waymark-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export interface Started {
  readonly http: HttpApp
  readonly metrics: Metrics
  readonly at: Listening
  readonly lines: Record<string, unknown>[]
}

/** An HTTP app with the routes a test wants, listening on a free port, gone when the test ends. */
export async function startHttp(
  routes: (http: HttpApp) => void,
  { flags = [], sweepMs }: { flags?: string[]; sweepMs?: number } = {},
): Promise<Started> {
  const { log, lines } = keptLog()
  const metrics = createMetrics()
  const config = configOf(...flags)
  const http = createHttpApp({ config, log, metrics, ...(sweepMs === undefined ? {} : { sweepMs }) })
  routes(http)
  const at = await http.listen({ host: '127.0.0.1', port: 0 })
  onTestFinished(async () => {
    await http.drain(0)
  })
  return { http, metrics, at, lines }
}

/** Sends bytes over a socket of their own and answers everything that comes until the other side closes. */
export function exchange(port: number, ...pieces: string[]): Promise<string> {
  const { socket, all } = open(port)
  for (const piece of pieces) socket.write(piece)
  return all
}

/** An open socket whose answer is gathered. */
export function open(port: number): { socket: Socket; all: Promise<string>; soFar: () => string } {
  const socket = connect({ port, host: '127.0.0.1' })
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', (piece: string) => {
    text += piece
  })
  const all = new Promise<string>((resolve) => {
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
  onTestFinished(() => {
    socket.destroy()
  })
  return { socket, all, soFar: () => text }
}

/** Waits until something holds, looking again every few milliseconds; the test's own timeout is the bound. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}
