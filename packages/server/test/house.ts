/** A whole house for tests: memory stores, real HTTP on a free port, a temporary folder, a clock that can be moved. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Instant, mainCollections, telemetryCollections } from '@waymark/domain'
import { createMemoryObjectBytes, createMemoryStore } from '@waymark/store'
import { composeHouse, type Homes } from '../src/compose.ts'
import { type Config, parseConfig } from '../src/config.ts'
import type { Door, House } from '../src/house.ts'
import { createHttpApp, type ListenAt, type Listening } from '../src/http.ts'
import { createLog } from '../src/log.ts'
import { createMetrics } from '../src/metrics.ts'

export interface TestHouse {
  readonly house: House
  readonly url: string
  /** Everything the server logged. */
  readonly logged: () => string
  /** Opens a further listener, with TLS. */
  listenTls(tls: NonNullable<ListenAt['tls']>): Promise<Listening>
  /** Opens the listener that a link brings along; answers its port. */
  listenFor(name: string): Promise<number>
  /** Moves the clock on, milliseconds. */
  pass(ms: number): void
  /** The token of `admin`. */
  login(name?: string, password?: string): Promise<string>
  close(): Promise<void>
}

export const adminPassword = 'correct horse battery'

export async function openTestHouse(
  doors: readonly Door[],
  options: { flags?: readonly string[]; env?: Record<string, string>; homes?: Homes } = {},
): Promise<TestHouse> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-house-'))
  const config = configOf(['--data', folder, ...(options.flags ?? [])], options.env)
  const lines: string[] = []
  const log = createLog(config, { write: (line: string) => lines.push(line) })
  const metrics = createMetrics()
  const http = createHttpApp({ config, log, metrics, sweepMs: 200 })
  let ahead = 0
  const openPorts: NonNullable<typeof opened.listeners>[number][] = []
  let url = ''
  const { house, opened } = await composeHouse(
    config,
    {
      log,
      metrics,
      http,
      version: { name: 'waymark', version: '0.0.0-test', node: process.versions.node },
      draining: http.draining,
      publicUrl: () => config.publicUrl ?? url,
      urls: () => new Map(),
      announce: () => {},
    },
    options.homes ?? {
      store: createMemoryStore({ collections: mainCollections }),
      telemetry: createMemoryStore({ collections: telemetryCollections }),
      bytes: createMemoryObjectBytes(),
    },
    doors,
    {
      clock: { now: () => Instant.of(Date.now() + ahead) },
      random: (count) => randomBytes(count),
      // Chores are run by hand in tests that need them.
      after: () => () => {},
    },
  )
  const listening = await http.listen({ host: '127.0.0.1', port: 0 })
  url = listening.url
  await opened.started?.()
  return {
    house,
    url,
    logged: () => lines.join(''),
    async listenFor(name) {
      const listener = opened.listeners?.find((each) => each.name === name)
      if (!listener) throw new Error(`no listener ${name}`)
      const { url: at } = await listener.listen({ host: '127.0.0.1', port: 0 })
      openPorts.push(listener)
      return Number(new URL(at).port)
    },
    listenTls: (tls) => http.listen({ host: '127.0.0.1', port: 0, tls }),
    pass: (ms) => {
      ahead += ms
    },
    async login(name = 'admin', password = adminPassword) {
      const answer = await fetch(`${url}/fleet/v1/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, password }),
      })
      if (!answer.ok) throw new Error(`login: ${answer.status} ${await answer.text()}`)
      return ((await answer.json()) as { token: string }).token
    },
    async close() {
      await Promise.all([http.drain(2000), ...openPorts.map((port) => port.drain(2000))])
      await opened.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function configOf(flags: readonly string[], env: Record<string, string> = {}): Config {
  const parsed = parseConfig({ flags, env: { WAYMARK_ADMIN_PASSWORD: adminPassword, ...env } })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  return parsed.value
}
