/** The same client against the server it was generated from, whose data is in memory. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, openHouse, parseConfig, serve } from '@waymark/server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createFleet, type Fleet, type JournalEntry, operations, realOutside } from '../src/index.ts'
import { failure, gathered } from './support.ts'

const password = 'a password for tests'
const stopping = new AbortController()
let url = ''
let token = ''
let fleet: Fleet
let served: Promise<unknown>
let data = ''

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'waymark-sdk-'))
  const parsed = parseConfig({
    flags: [
      '--http',
      '0',
      '--exoport',
      'off',
      '--data',
      data,
      '--database',
      'memory:',
      '--log-level',
      'silent',
    ],
    env: { WAYMARK_ADMIN_PASSWORD: password },
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  const ready = Promise.withResolvers<string>()
  served = serve({
    config: parsed.value,
    open: openHouse,
    log: createLog({ logLevel: 'silent' }),
    signal: stopping.signal,
    out(line) {
      const [, name, at] = line.split(' ')
      if (name === 'http' && at !== undefined) url = at
      if (line === 'ready') ready.resolve(url)
    },
  })
  served.then((ended) => ready.reject(new Error(JSON.stringify(ended))), ready.reject)
  url = await ready.promise
  token = (await createFleet({ url }).login({ body: { name: 'admin', password } })).token
  fleet = createFleet({ url, token })
})

afterAll(async () => {
  stopping.abort()
  await served
  rmSync(data, { recursive: true, force: true })
})

describe('against the real door', () => {
  test('[S1] every operation is known there', async () => {
    const document = (await (await fetch(`${url}/fleet/v1/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { operationId: string }>>
    }
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    )
    expect(Object.keys(operations).sort()).toEqual(ids.sort())
  })

  test('[S2] who is not logged in, and who guesses, is refused by name', async () => {
    expect(await failure(createFleet({ url }).whoAmI())).toMatchObject({ kind: 'no-login', status: 401 })
    const guess = createFleet({ url }).login({ body: { name: 'admin', password: 'wrong' } })
    expect(await failure(guess)).toMatchObject({ kind: 'wrong-credentials' })
    expect(await failure(fleet.getDevice({ device: '..' }))).toMatchObject({
      kind: 'no-such-device',
      facts: { got: ' ' },
    })
    expect(await failure(fleet.getDevice({ device: '../me' }))).toMatchObject({
      kind: 'no-such-device',
      facts: { got: '../me' },
    })
  })

  test('[S6] a POST that is sent twice under one key makes one device', async () => {
    const asked = { body: { nick: 'twice', labels: { a: 'b' } } }
    const key = { idempotencyKey: 'one key' }
    const first = await fleet.createDevice(asked, key)
    expect(await fleet.createDevice(asked, key)).toEqual(first)
    expect(await failure(fleet.createDevice(asked))).toMatchObject({ kind: 'nick-taken' })
    expect(await failure(fleet.createDevice({ body: { nick: 'other' } }, key))).toMatchObject({
      kind: 'key-reused',
    })
  })

  test('[S11] all pages of a list, in order', async () => {
    const made = Array.from({ length: 7 }, (_, i) => `paged-${i}`)
    for (const nick of made) await fleet.createDevice({ body: { nick } })
    const found = await gathered(fleet.each('listDevices', { nick: 'paged-', limit: 2 }))
    expect(found.map(({ nick }) => nick)).toEqual(made)
  })

  test('[S12] [S13] nothing is missed between open and the first entry, nor over a new connection', async () => {
    const first = fleet.follow()
    const start = await first.open()
    const { device } = await fleet.createDevice({ body: { nick: 'followed' } })
    await fleet.changeDevice({ device: 'followed', body: { labels: { n: '1' } } })
    const kinds: string[] = []
    for await (const entry of first) {
      kinds.push(entry.kind)
      if (kinds.length === 2) break
    }
    expect(kinds).toEqual(['device.registered', 'device.labelled'])
    await fleet.patchUserMeta({ device: 'followed', body: { mode: 'eco' } })
    // A clock that runs away: every connection's time is up after its first piece.
    let now = 0
    const outside = { ...realOutside, now: () => (now += 3_600_000) }
    const again: JournalEntry[] = []
    const renewing = createFleet({ url, token, outside }).follow({ after: start, device: device.id })
    for await (const entry of renewing) {
      again.push(entry)
      if (entry.kind === 'device.wanted') break
    }
    const page = await fleet.readJournal({ after: start, device: 'followed' })
    expect(page.items).toEqual(again)
    expect(renewing.cursor).toBe(page.items.at(-1)?.cursor)
  })

  test('[S14] a cursor that is none is refused', async () => {
    const following = fleet.follow({ after: 'nonsense' })
    expect(await failure(following.open())).toMatchObject({ kind: 'not-a-cursor', status: 400 })
  })

  test('[S16] [S17] [S18] bytes up, and down again from anywhere', async () => {
    const bytes = new Uint8Array(2_500_000).map((_, i) => (i * 13) % 253)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(await fleet.putObject(bytes, { name: 'image', mimeType: 'application/x-image' })).toMatchObject({
      sha256,
      size: bytes.length,
      name: 'image',
      stored: true,
    })
    for (const start of [0, 1, 2_000_000, bytes.length]) {
      const held = (async function* () {
        yield bytes.slice(0, start)
      })()
      const rest = Buffer.concat(await gathered(fleet.getObject(sha256, { held })))
      expect(rest.equals(bytes.subarray(start))).toBe(true)
    }
    const wrong = fleet.putObject(bytes, { sha256: 'a'.repeat(64) })
    expect(await failure(wrong)).toMatchObject({ kind: 'wrong-hash', status: 422 })
    expect((await fleet.getObjectUsage()).count).toBeGreaterThan(0)
    await fleet.deleteObject({ sha256 })
    expect(await failure(gathered(fleet.getObject(sha256)))).toMatchObject({ kind: 'no-such-object' })
  })

  test('[S1] join tokens and a renewed login', async () => {
    const { joinToken, token: shown } = await fleet.createJoinToken({ body: { nick: 'hall' } })
    expect(shown).not.toBe('')
    expect((await fleet.listJoinTokens()).items).toContainEqual(joinToken)
    expect(await fleet.disableJoinToken({ id: joinToken.id })).toMatchObject({ disabled: true })
    const fresh = await fleet.refreshToken()
    expect(await createFleet({ url, token: fresh.token }).whoAmI()).toMatchObject({
      nick: 'admin',
      admin: true,
    })
  })
})
