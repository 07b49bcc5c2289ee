import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { tarMembers } from '../../src/tar.ts'
import { at, factory, openDoor, sha256 } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person()
const stranger = await door.person()
const device = await door.deviceWithTrail(owner)
const kernel = await door.upload(owner.token, Buffer.from('the kernel'))
const root = await door.upload(owner.token, Buffer.from('the root'))
const state = {
  ...factory,
  'bsp/kernel.img': kernel,
  'app/root.squashfs': root,
  'app/copy.squashfs': root,
  'app/run.json': { name: 'app' },
}
await door.post(owner, device, state)

const path = (filename: string, rev: string | number = 1) =>
  `/exports/${owner.nick}/${device.nick}/${rev}/${filename}`

async function bytes(url: string, token?: string): Promise<Buffer> {
  const answer = await fetch(door.url + url, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  })
  expect(answer.status).toBe(200)
  return Buffer.from(await answer.arrayBuffer())
}

async function members(archive: Buffer): Promise<[string, string][]> {
  const found: [string, string][] = []
  for await (const { name, bytes } of tarMembers(Readable.from([archive]))) {
    const pieces: Uint8Array[] = []
    for await (const piece of bytes) pieces.push(Uint8Array.from(piece))
    found.push([name, Buffer.concat(pieces).toString()])
  }
  return found
}

test('[EX1] an export holds the canonical state, then each object once in the order of the paths', async () => {
  const answer = await fetch(door.url + path('step.tar'), {
    headers: { authorization: `Bearer ${owner.token}` },
  })
  expect(answer.headers.get('content-type')).toBe('application/x-tar')
  expect(answer.headers.get('content-disposition')).toBe('attachment; filename="step.tar"')
  const archive = Buffer.from(await answer.arrayBuffer())
  expect(answer.headers.get('content-length')).toBe(String(archive.length))
  const { text } = await door.must('GET', `/trails/${device.id}/steps/1/state`, { token: owner.token })
  expect(await members(archive)).toEqual([
    ['json', text],
    [`objects/${root}`, 'the root'],
    [`objects/${kernel}`, 'the kernel'],
  ])
})

test('[EX2] two exports of one step are equal byte for byte, packed or not, by number or as the latest', async () => {
  for (const filename of ['a.tar', 'b.tar.gz', 'c.tgz']) {
    const first = await bytes(path(filename), owner.token)
    door.pass(5000)
    expect(await bytes(path(filename, 'latest'), owner.token)).toEqual(first)
    const plain = filename === 'a.tar' ? first : gunzipSync(first)
    expect(plain).toEqual(await bytes(path('a.tar'), owner.token))
  }
})

describe('[EX3] parts', () => {
  for (const [parts, left] of [
    ['app', ['#spec', 'app/copy.squashfs', 'app/root.squashfs', 'app/run.json']],
    ['-app', ['#spec', 'bsp/kernel.img', 'bsp/run.json']],
    ['bsp,-bsp/run.json', ['#spec', 'bsp/kernel.img']],
    ['nothing', ['#spec']],
  ] as const)
    test(`${parts}`, async () => {
      const found = await members(await bytes(`${path('a.tar')}?parts=${parts}`, owner.token))
      expect(Object.keys(JSON.parse(found[0]?.[1] ?? '{}'))).toEqual(left)
      const needed = left.some((one) => one.startsWith('app/'))
        ? [root]
        : left.length > 2 || left[1] === 'bsp/kernel.img'
          ? [kernel]
          : []
      expect(found.slice(1).map(([name]) => name)).toEqual(needed.map((sha) => `objects/${sha}`))
    })
})

test('[EX4] without a login, and by strangers, public devices alone are exported; the rest is 404', async () => {
  for (const token of [undefined, stranger.token])
    expect((await door.call('GET', path('a.tar'), { token })).status).toBe(404)
  expect((await bytes(path('a.tar'), device.token)).length).toBeGreaterThan(1024)
  const other = await door.deviceWithTrail(owner)
  await door.must('PUT', `/devices/${other.id}/public`, { token: owner.token })
  const url = `/exports/${owner.nick}/${other.nick}/0/a.tar`
  expect(await bytes(url)).toEqual(await bytes(url, owner.token))
  expect(await bytes(url)).toEqual(await bytes(url, stranger.token))
  // Another owner's nick in front of a public device leads nowhere.
  expect(
    (await door.call('GET', url.replace(owner.nick, stranger.nick).replace(other.nick, other.id))).status,
  ).toBe(404)
})

test('[EX4] what is not there is 404, what is malformed 400', async () => {
  const { token } = owner
  for (const [url, status] of [
    [path('a.tar', 9), 404],
    [path('a.tar', 'newest'), 400],
    [`/exports/nobody/${device.nick}/1/a.tar`, 404],
    [`/exports/${owner.nick}/nothing/1/a.tar`, 404],
    [path('a%2Fb.tar'), 400],
    [path('a%0ab.tar'), 400],
    [`${path('a.tar')}?parts=${'x,'.repeat(3000)}`, 400],
  ] as const) {
    const answer = await door.call('GET', url, { token })
    expect([url.slice(0, 80), answer.status]).toEqual([url.slice(0, 80), status])
    expect(at(answer.json, 'msg')).toBeTypeOf('string')
  }
  const answer = await door.call('GET', path('f%C3%BCr.tar'), { token })
  expect(answer.headers.get('content-disposition')).toBe(
    'attachment; filename="f_r.tar"; filename*=UTF-8\'\'f%C3%BCr.tar',
  )
})

test('[EX5] who reads slowly or leaves holds no memory up and harms nobody', async () => {
  const size = 24 * 1024 * 1024
  const large = Buffer.alloc(size, 7)
  const sha = await door.upload(owner.token, large, 'large')
  await door.post(owner, device, { ...factory, 'app/large.img': sha })
  const url = path('large.tar', 'latest')
  const leaving = new AbortController()
  const answer = await fetch(door.url + url, {
    headers: { authorization: `Bearer ${owner.token}` },
    signal: leaving.signal,
  })
  const reader = answer.body?.getReader()
  await reader?.read()
  leaving.abort()
  const whole = await bytes(url, owner.token)
  const [, [, text = ''] = ['', '']] = await members(whole)
  expect(createHash('sha256').update(Buffer.from(text)).digest('hex')).toBe(sha256(large))
})
