import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mainCollections, type Store, telemetryCollections } from '@waymark/domain'
import { createMemoryObjectBytes, createMemoryStore } from '@waymark/store'
import { expect, onTestFinished, test } from 'vitest'
import { composeHouse } from '../src/compose.ts'
import { parseConfig } from '../src/config.ts'
import { createHttpApp } from '../src/http.ts'
import { createLog } from '../src/log.ts'
import { createMetrics } from '../src/metrics.ts'

/** Starts of one server on one store; `cut` makes a start end in the commit that makes the first people. */
function scene() {
  const kept = createMemoryStore({ collections: mainCollections })
  const folder = mkdtempSync(join(tmpdir(), 'waymark-first-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const config = parseConfig({ flags: ['--data', folder, '--log-level', 'silent'], env: {} })
  if (!config.ok) throw new Error(JSON.stringify(config.refusal))
  return async (cut?: 'before' | 'after') => {
    const said: string[] = []
    const transactHouse: Store['transactHouse'] = async (body) => {
      if (cut === 'before') throw new Error('cut off')
      const done = await kept.transactHouse(body)
      if (cut === 'after') throw new Error('cut off')
      return done
    }
    const store = new Proxy<Store>(kept, {
      get(of, name) {
        if (name === 'transactHouse') return transactHouse
        const held: unknown = Reflect.get(of, name)
        return typeof held === 'function' ? held.bind(of) : held
      },
    })
    const log = createLog(config.value)
    const metrics = createMetrics()
    const http = createHttpApp({ config: config.value, log, metrics })
    const services = {
      log,
      metrics,
      http,
      version: { name: 'waymark' as const, version: '0.0.0-test', node: process.versions.node },
      draining: http.draining,
      publicUrl: () => 'http://127.0.0.1',
      urls: () => new Map(),
      announce: (line: string) => {
        said.push(line)
      },
    }
    const telemetry = createMemoryStore({ collections: telemetryCollections })
    const composed = await composeHouse(
      config.value,
      services,
      { store, telemetry, bytes: createMemoryObjectBytes() },
      [],
    ).catch(() => undefined)
    await http.drain(0)
    const password = said.map((line) => /password (\S{20})$/.exec(line)?.[1]).find(Boolean) ?? ''
    const login = { kind: 'user', name: 'admin', password } as const
    const asked = { scopes: [], peer: '192.0.2.1' }
    return { said, password, lets: async (as = login) => (await composed?.house.access.login(as, asked))?.ok }
  }
}

test('[CH4] a start that is cut off before the commit tells a password that is void; the next one tells one that counts', async () => {
  const start = scene()
  const first = await start('before')
  expect(first.password).toHaveLength(20)
  const second = await start()
  expect(second.password).not.toBe(first.password)
  expect(await second.lets()).toBe(true)
  expect((await start()).said).toEqual([])
})

test('[CH4] a start that is cut off behind the commit has told the password that counts', async () => {
  const start = scene()
  const first = await start('after')
  expect(first.password).toHaveLength(20)
  const second = await start()
  expect(second.said).toEqual([])
  expect(await second.lets({ kind: 'user', name: 'admin', password: first.password })).toBe(true)
})
