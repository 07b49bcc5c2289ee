import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { postgresPackage, startPostgres } from '@waymark/store/testing'
import { expect, onTestFinished, test } from 'vitest'
import { at, type Client, createClient, listOf } from './client.ts'
import { load, loadUntil, missing, openLedger, seeded } from './ledger.ts'
import { createYard, startOlder } from './server.ts'

const portOf = (url: string) => new URL(url).port
const asked = encodeURIComponent('{"$in":["NEW","DOWNLOADING","INPROGRESS","TESTING","QUEUED"]}')

/** A device that polls until it is told to stop, as a Pantavisor does: whoever gives no answer is asked again. */
function polling(client: Client, id: string, token: string, stopped: AbortSignal) {
  const seen = { polls: 0, revs: new Set<number>(), refused: new Set<number>() }
  const over = (async () => {
    while (!stopped.aborted) {
      const path = `/trails/${id}/steps?progress.status=${asked}`
      const answer = await client.call('GET', path, { token }).catch(() => undefined)
      if (answer?.status === 200) {
        seen.polls += 1
        for (const step of listOf(answer.json)) seen.revs.add(Number(at(step, 'rev')))
      } else if (answer) seen.refused.add(answer.status)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  return { seen, over }
}

test('[PR11] a store of an older version is upgraded under traffic: a copy first, nothing acknowledged is lost, devices go on', async () => {
  const yard = createYard()
  onTestFinished(() => yard.clear())
  const data = join(yard.folder(), 'data')
  const older = yard.keep(startOlder(['--data', data]))
  const url = await older.ready
  const client = createClient(url)
  const token = await client.login()
  const random = seeded(11)
  const ledger = await openLedger(client, token, 3)
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const [first] = ledger.driven
  if (!first) throw new Error('three devices')
  const device = polling(client, first.id, first.token, stop.signal)

  const writing = load(client, token, ledger, random)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(await older.stop()).toMatchObject({ code: 0 })
  await writing
  const written = ledger.count
  expect(written).toBeGreaterThan(20)
  expect(readdirSync(data).filter((name) => name.includes('.backup-'))).toEqual([])

  // On the same port, with the tokens of before.
  const newer = yard.start(['--data', data, '--http', portOf(url), '--log-level', 'info'])
  expect(await newer.ready).toBe(url)
  const copies = readdirSync(data).filter((name) => name.includes('.backup-'))
  expect(copies.filter((name) => name.startsWith('waymark.db.backup-'))).toHaveLength(1)
  for (const copy of copies) expect(newer.err()).toContain(copy)
  expect(await missing(client, token, ledger)).toEqual([])

  const going = new AbortController()
  const more = loadUntil(going.signal, [client], token, ledger, random)
  const before = device.seen.polls
  await new Promise((resolve) => setTimeout(resolve, 1000))
  going.abort()
  await more
  stop.abort()
  await device.over
  expect(device.seen.polls).toBeGreaterThan(before)
  expect([...device.seen.refused]).toEqual([])
  expect(device.seen.revs.size).toBeGreaterThan(0)
  expect(ledger.count).toBeGreaterThan(written)
  expect(await missing(client, token, ledger)).toEqual([])
  // What the older version did not know is there.
  const app = { nick: 'after', type: 'public', redirect_uris: ['https://a.example/'], scopes: ['devices'] }
  expect((await client.call('POST', '/apps/', { token, body: app })).status).toBe(200)
  expect(await newer.stop()).toMatchObject({ code: 0 })

  // The way back, while nothing but additions came: another copy, and nothing is lost either.
  const back = yard.keep(startOlder(['--data', data, '--http', portOf(url), '--log-level', 'info']))
  expect(await back.ready).toBe(url)
  expect(readdirSync(data).filter((name) => name.startsWith('waymark.db.backup-'))).toHaveLength(2)
  expect(await missing(client, token, ledger)).toEqual([])
  expect(await back.stop()).toMatchObject({ code: 0 })
}, 60_000)

test('[PR13] keys are rotated under load: nobody is logged out, and new logins are signed with the new key, also after a restart', async () => {
  const yard = createYard()
  onTestFinished(() => yard.clear())
  const flags = ['--data', join(yard.folder(), 'data')]
  const server = yard.start(flags)
  const client = createClient(await server.ready)
  const token = await client.login()
  const ledger = await openLedger(client, token, 2)
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  // Any answer but 200 is thrown: a 401 would be.
  const writing = loadUntil(stop.signal, [client], token, ledger, seeded(13))
  const headers = new Set([token.split('.')[0]])
  for (let turn = 0; turn < 3; turn++) {
    await client.must('POST', '/fleet/v1/keys/rotate', { token })
    const fresh = await client.login()
    headers.add(fresh.split('.')[0])
    await client.must('GET', '/devices/', { token: fresh })
    await client.must('GET', '/auth/login', { token })
  }
  stop.abort()
  await writing
  expect(headers.size).toBe(4)
  expect(await server.stop()).toMatchObject({ code: 0 })
  const again = createClient(await yard.start(flags).ready)
  expect(await missing(again, token, ledger, ledger.objects.length)).toEqual([])
  expect(headers).toContain((await again.login()).split('.')[0])
}, 60_000)

test('[PR12] two processes on one PostgreSQL are restarted one after the other under load: the other goes on, nothing is lost', async () => {
  const postgres = await startPostgres()
  if (postgres === undefined) throw new Error(`${postgresPackage} is not installed`)
  const yard = createYard()
  onTestFinished(async () => {
    await yard.clear()
    await postgres.stop()
  })
  const flags = ['--database', postgres.url, '--data', join(yard.folder(), 'data')]
  const started = [yard.start(flags), yard.start(flags)]
  const clients: Client[] = []
  for (const server of started) clients.push(createClient(await server.ready))
  const [one, other] = clients
  if (!one || !other) throw new Error('two of them')
  const token = await one.login()
  const ledger = await openLedger(one, token, 2)
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const writing = loadUntil(stop.signal, clients, token, ledger, seeded(12))
  for (const [place, client] of clients.entries()) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const before = ledger.count
    expect(await started[place]?.stop()).toMatchObject({ code: 0 })
    const again = yard.start([...flags, '--http', portOf(client.url)])
    expect(await again.ready).toBe(client.url)
    // The other one went on meanwhile.
    expect(ledger.count).toBeGreaterThan(before)
  }
  await new Promise((resolve) => setTimeout(resolve, 500))
  stop.abort()
  await writing
  expect(await missing(one, token, ledger)).toEqual([])
  expect(await missing(other, token, ledger, ledger.objects.length - 10)).toEqual([])
}, 90_000)
