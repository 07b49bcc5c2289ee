import { request } from 'node:http'
import { join } from 'node:path'
import { postgresPackage, startPostgres, type TestPostgres } from '@waymark/store/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { at, type Client, createClient, factory, listOf, sha256, textOf } from './client.ts'
import { follow, journalEnd, readJournal } from './events.ts'
import { createYard, type Started } from './server.ts'

let postgres: TestPostgres
let one: Client
let other: Client
const yard = createYard()
let flags: string[] = []

const open = '{"$in":["NEW","DOWNLOADING","INPROGRESS","TESTING","QUEUED"]}'

beforeAll(async () => {
  const started = await startPostgres()
  if (started === undefined) throw new Error(`${postgresPackage} is not installed`)
  postgres = started
  flags = ['--database', postgres.url, '--data', join(yard.folder(), 'data')]
  // Both at once, on an empty database and an empty folder.
  const [first, second] = [yard.start(flags), yard.start(flags)]
  one = createClient(await first.ready)
  other = createClient(await second.ready)
}, 60_000)

afterAll(async () => {
  await yard.clear()
  await postgres?.stop()
})

interface Device {
  readonly id: string
  readonly token: string
}

/** A device that registers and announces itself at one process and is claimed at another. */
async function deviceAt(here: Client, there: Client, token: string): Promise<Device> {
  const device = await here.register()
  await there.claim(token, device)
  const own = await here.login(device.prn, device.secret)
  await here.must('POST', '/trails/', { token: own, body: factory })
  return { id: device.id, token: own }
}

/** What a Pantavisor does: polls, reports what it is offered, until it has ended so many steps. */
async function work(client: Client, { id, token }: Device, steps: number): Promise<number[]> {
  const done: number[] = []
  while (done.length < steps) {
    const path = `/trails/${id}/steps?progress.status=${encodeURIComponent(open)}`
    const [offered] = listOf(await client.must('GET', path, { token }))
    if (offered === undefined) continue
    const rev = Number(at(offered, 'rev'))
    for (const [status, progress] of [
      ['QUEUED', 5],
      ['INPROGRESS', 50],
      ['DONE', 100],
    ] as const)
      await client.must('PUT', `/trails/${id}/steps/${rev}/progress`, {
        token,
        body: { status, progress, 'status-msg': '' },
      })
    done.push(rev)
  }
  return done
}

async function post(client: Client, token: string, device: Device, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const state = { ...(factory as object), 'app/run.json': { i } }
    await client.must('POST', `/trails/${device.id}/steps`, {
      token,
      body: { rev: -1, 'commit-msg': '', state },
    })
  }
}

test('[PR2] a claim, a secret, logs and bytes of one process are seen at once at the other, and its tokens are good there', async () => {
  const token = await one.login()
  expect(await other.must('GET', '/auth/auth_status', { token })).toMatchObject({ nick: 'admin' })
  const device = await one.register()
  const own = await other.login(device.prn, device.secret)
  expect(at(await other.must('GET', `/devices/${device.id}`, { token: own }), 'owner')).toBe('')
  await other.claim(token, device)
  expect(textOf(await one.must('GET', `/devices/${device.id}`, { token: own }), 'owner')).toMatch(/^prn:/)
  const again = await one.login(device.prn, device.secret)
  await one.must('POST', '/logs/', { token: again, body: { src: 'x', msg: 'said at one' } })
  const logs = await other.must('GET', `/logs/?dev=${device.id}`, { token })
  expect(at(logs, 'entries', 0, 'msg')).toBe('said at one')
  const bytes = Buffer.alloc(300_000, 'shared ')
  const sha = await one.upload(token, bytes)
  expect(await other.downloadedSha(token, sha)).toBe(sha)
  await other.must('PUT', `/devices/${device.id}/user-meta`, { token, body: { told: 'at the other' } })
  expect(await one.must('GET', `/devices/${device.id}/user-meta`, { token: again })).toEqual({
    told: 'at the other',
  })
})

test('[PR3] devices report at one, operators post at the other: both streams tell every entry, in order, once', async () => {
  const token = await one.login()
  const devices = await Promise.all(Array.from({ length: 4 }, () => deviceAt(one, other, token)))
  const from = await journalEnd(one.url, token)
  const streams = await Promise.all([follow(one.url, token, from), follow(other.url, token, from)])
  const steps = 6
  const [, ...done] = await Promise.all([
    Promise.all(devices.map((device) => post(other, token, device, steps))),
    ...devices.map((device) => work(one, device, steps)),
  ])
  for (const revs of done) expect(revs).toEqual([1, 2, 3, 4, 5, 6])
  const all = await readJournal(other.url, token, from)
  expect(all.length).toBeGreaterThanOrEqual(devices.length * steps * 2)
  await Promise.all(streams.map((stream) => stream.reach(all.length)))
  for (const stream of streams) {
    stream.stop()
    await stream.ended
    expect(stream.seen).toEqual(all)
  }
})

test('[PR5] an upload goes on while another process starts on the same folder', async () => {
  const token = await one.login()
  const bytes = Buffer.alloc(2_000_000, 'half and half ')
  const body = { objectname: 'slow', size: String(bytes.length), sha256sum: sha256(bytes) }
  const made = await one.must('POST', '/objects/', { token, body })
  const answered = Promise.withResolvers<number | undefined>()
  const put = request(textOf(made, 'signed-puturl'), {
    method: 'PUT',
    headers: { 'content-length': bytes.length },
  })
  put.on('response', (answer) => answered.resolve(answer.resume().statusCode)).on('error', answered.reject)
  put.write(bytes.subarray(0, 1_000_000))
  const third = createClient(await yard.start(flags).ready)
  put.end(bytes.subarray(1_000_000))
  expect(await answered.promise).toBe(200)
  expect(await third.downloadedSha(token, sha256(bytes))).toBe(sha256(bytes))
})

test('[PR4] one process dies in the midst of it, the other goes on, and a stream resumes there where it broke off', async () => {
  const mortal: Started = yard.start(flags)
  const dying = createClient(await mortal.ready)
  const token = await dying.login()
  const devices = await Promise.all(Array.from({ length: 3 }, () => deviceAt(dying, other, token)))
  const from = await journalEnd(other.url, token)
  const broken = await follow(dying.url, token, from)
  const whole = await follow(other.url, token, from)
  const posting = Promise.all(devices.map((device) => post(other, token, device, 5)))
  const reporting = Promise.allSettled(devices.map((device) => work(dying, device, 5)))
  await broken.reach(5)
  await mortal.kill()
  await Promise.all([posting, reporting, broken.ended])
  // Devices knock at the next door, with the tokens they have.
  for (const device of devices) {
    const path = `/trails/${device.id}/steps?progress.status=DONE`
    const done = listOf(await other.must('GET', path, { token: device.token })).length - 1
    await work(other, device, 5 - done)
  }
  const all = await readJournal(other.url, token, from)
  await whole.reach(all.length)
  whole.stop()
  expect(whole.seen).toEqual(all)
  const resumed = await follow(other.url, token, broken.seen.at(-1)?.cursor ?? from)
  await resumed.reach(all.length - broken.seen.length)
  resumed.stop()
  expect([...broken.seen, ...resumed.seen]).toEqual(all)
})

test('[PR14] keys are rotated at one process: both come to sign with the new key, and each believes the other all the while', async () => {
  const before = await one.login()
  const signedBy = (token: string) => token.split('.')[0]
  await one.must('POST', '/fleet/v1/keys/rotate', { token: before })
  const both = [one, other]
  for (let agreed = false; !agreed; ) {
    const fresh = await Promise.all(both.map((client) => client.login()))
    // Any answer but 200 is thrown: a 401 would be.
    for (const client of both)
      for (const token of [before, ...fresh]) await client.must('GET', '/auth/auth_status', { token })
    const [at, there] = fresh.map(signedBy)
    agreed = at === there && at !== signedBy(before)
    if (!agreed) await new Promise((resolve) => setTimeout(resolve, 500))
  }
}, 60_000)
