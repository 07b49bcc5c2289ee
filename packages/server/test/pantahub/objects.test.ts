import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { rangeOf } from '../../src/doors/pantahub/local-s3.ts'
import { agent, at, factory, listOf, openDoor, sha256 } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person()
const stranger = await door.person()
const device = await door.deviceWithTrail(owner)
const { call, must } = door

const register = (bytes: Buffer, token = owner.token, more: object = {}) =>
  call('POST', '/objects/', {
    token,
    body: { objectname: 'a/b.bin', size: String(bytes.length), sha256sum: sha256(bytes), ...more },
  })
const putUrl = async (bytes: Buffer) => String(at((await register(bytes)).json, 'signed-puturl'))
const getUrl = async (sha: string) =>
  String(at((await must('GET', `/objects/${sha}`, { token: owner.token })).json, 'signed-geturl'))

describe('registering', () => {
  test('[OB1] a new object is 200 with a put URL, also again before its upload; then 409, both with the record', async () => {
    const bytes = randomBytes(1000)
    const first = await register(bytes)
    expect([first.status, first.headers.get('pantahub-object-type')]).toEqual([200, 'object'])
    expect((await register(bytes)).status).toBe(200)
    await must('PUT', String(at(first.json, 'signed-puturl')), { body: bytes })
    const again = await register(bytes)
    expect([again.status, again.headers.get('pantahub-object-type')]).toEqual([409, 'object'])
    expect(Object.keys(again.json as object).toSorted()).toEqual(Object.keys(first.json as object).toSorted())
    expect(at(again.json, 'id')).toBe(sha256(bytes))
    expect((await register(bytes, device.token)).status).toBe(409)
    expect((await register(bytes, stranger.token)).status).toBe(200)
  })

  test('[OB2] size, now and expire-time are texts', async () => {
    const { json } = await register(Buffer.from('texts'))
    expect([at(json, 'size'), at(json, 'sizeint'), at(json, 'expire-time')]).toEqual(['5', 5, '15'])
    expect(at(json, 'now')).toMatch(/^\d{10}$/)
    expect(at(json, 'storage-id')).toBe(sha256(`${owner.prn}/${sha256('texts')}`))
  })

  test('[OB1] keys that pvr sends empty are as if they were not there', async () => {
    const bytes = Buffer.from('of pvr')
    const empty = { id: '', owner: '', 'mime-type': '', 'signed-puturl': '', 'signed-geturl': '', now: '' }
    expect((await register(bytes, owner.token, empty)).status).toBe(200)
  })

  for (const [why, body] of [
    ['no sha', { size: '1' }],
    ['a short sha', { size: '1', sha256sum: 'abc' }],
    ['a capital sha', { size: '1', sha256sum: sha256('x').toUpperCase() }],
    ['another id', { size: '1', sha256sum: sha256('x'), id: sha256('y') }],
    ['no size', { sha256sum: sha256('x') }],
    ['a size that is none', { sha256sum: sha256('x'), size: '-1' }],
    ['a fraction for a size', { sha256sum: sha256('x'), size: 1.5 }],
    ['a size over the limit', { sha256sum: sha256('x'), size: '99999999999999' }],
    ['a name that is no text', { sha256sum: sha256('x'), size: '1', objectname: {} }],
    ['a name that is too long', { sha256sum: sha256('x'), size: '1', objectname: 'x'.repeat(1025) }],
  ] as const)
    test(`[SE5] ${why}: 400`, async () => {
      const answer = await call('POST', '/objects/', { token: owner.token, body })
      expect([answer.status, at(answer.json, 'msg')]).toEqual([400, expect.stringMatching(/wanted .+, got /)])
    })

  test('[OB6] over the quota is 500 and says so', async () => {
    const small = await openDoor({ flags: ['--object-quota', '1KiB'] })
    const person = await small.person()
    await small.upload(person.token, randomBytes(1000))
    const answer = await small.call('POST', '/objects/', {
      token: person.token,
      body: { size: '25', sha256sum: sha256('more') },
    })
    expect([answer.status, at(answer.json, 'msg')]).toEqual([
      500,
      'quota of objects exceeded: wanted at most 1024 bytes, got 1025',
    ])
  })

  test('[OB1] an unclaimed device registers nothing', async () => {
    const free = await door.newDevice()
    const token = await door.enter(free.prn, free.secret)
    expect((await register(Buffer.from('x'), token)).status).toBe(403)
  })
})

describe('bytes in', () => {
  test('[OB3] a wrong hash is 400, a short body 500, a long one 400; nothing appears', async () => {
    const bytes = randomBytes(5000)
    const url = await putUrl(bytes)
    const flipped = Buffer.from(bytes)
    flipped[77] = (flipped[77] ?? 0) ^ 1
    expect((await call('PUT', url, { body: flipped })).status).toBe(400)
    expect((await call('PUT', url, { body: bytes.subarray(0, 4999) })).status).toBe(500)
    expect((await call('PUT', url, { body: Buffer.concat([bytes, bytes]) })).status).toBe(400)
    expect((await call('PUT', url)).status).toBe(500)
    expect((await call('GET', await getUrl(sha256(bytes)))).status).toBe(404)
    expect((await register(bytes)).status).toBe(200)
    const stored = await call('PUT', url, { body: bytes })
    expect([stored.status, stored.text]).toEqual([200, ''])
    expect((await call('GET', await getUrl(sha256(bytes)))).status).toBe(200)
  })

  test('[OB3] an upload whose connection breaks leaves nothing', async () => {
    const bytes = randomBytes(100_000)
    const path = new URL(await putUrl(bytes)).pathname
    const { connect } = await import('node:net')
    const socket = connect(Number(new URL(door.url).port), '127.0.0.1')
    socket.write(`PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`)
    socket.write(bytes.subarray(0, 50_000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    expect((await register(bytes)).status).toBe(200)
    expect((await call('GET', await getUrl(sha256(bytes)))).status).toBe(404)
  })

  test('[OB9] a body labelled JSON, in chunks, of a length that is not told, is taken as bytes', async () => {
    const bytes = Buffer.from('{"this is": not JSON')
    const path = new URL(await putUrl(bytes)).pathname
    const reply = await door.raw(
      `PUT ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${bytes.length.toString(16)}\r\n${bytes}\r\n0\r\n\r\n`,
    )
    expect(reply).toMatch(/^HTTP\/1\.1 200 /)
    expect((await call('GET', await getUrl(sha256(bytes)))).text).toBe(String(bytes))
  })

  test('[OB3] too many bytes in chunks are refused in words, not by a broken connection', async () => {
    const bytes = randomBytes(10)
    const path = new URL(await putUrl(bytes)).pathname
    const chunk = `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n`
    const reply = await door.raw(
      `PUT ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}0\r\n\r\n`,
    )
    expect(reply).toMatch(/^HTTP\/1\.1 400 /)
    expect(reply).toContain('wanted 10 bytes, got ')
  })

  test('[OB3] a refused token is told before the bytes are taken', async () => {
    const reply = await door.raw(
      `PUT /local-s3/not.a.token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n${'x'.repeat(2_000_000)}`,
    )
    expect(reply).toMatch(/^HTTP\/1\.1 403 /)
  })

  test('[OB3] an empty object is an object', async () => {
    const sha = await door.upload(owner.token, Buffer.alloc(0))
    const answer = await call('GET', await getUrl(sha))
    expect([answer.status, answer.text]).toEqual([200, ''])
  })
})

describe('bytes out', async () => {
  const bytes = randomBytes(300_000)
  const sha = await door.upload(owner.token, bytes, 'dir/the name.bin')
  const url = await getUrl(sha)
  const get = (headers: Record<string, string> = {}) =>
    fetch(url, { headers }).then(async (answer) => ({
      status: answer.status,
      headers: answer.headers,
      bytes: Buffer.from(await answer.arrayBuffer()),
    }))

  test('[OB4] a whole download has its length, its ETag and a name', async () => {
    const answer = await get()
    expect(answer.status).toBe(200)
    expect(answer.bytes.equals(bytes)).toBe(true)
    expect(answer.headers.get('content-length')).toBe('300000')
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="the_name.bin"')
    expect(answer.headers.get('accept-ranges')).toBe('bytes')
    expect(answer.headers.get('etag')).toBe(`"${sha}"`)
  })

  for (const [range, from, to] of [
    ['bytes=0-0', 0, 1],
    ['bytes=299999-', 299_999, 300_000],
    ['bytes=100000-', 100_000, 300_000],
    ['bytes=5-9', 5, 10],
    ['bytes=-7', 299_993, 300_000],
    ['bytes=-9999999', 0, 300_000],
    ['bytes=10-99999999', 10, 300_000],
  ] as const)
    test(`[OB4] ${range} is answered 206 with bytes ${from} to ${to - 1}`, async () => {
      const answer = await get({ range, 'if-range': `"${sha}"` })
      expect([answer.status, answer.headers.get('content-range')]).toEqual([
        206,
        `bytes ${from}-${to - 1}/300000`,
      ])
      expect(answer.headers.get('content-length')).toBe(String(to - from))
      expect(answer.bytes.equals(bytes.subarray(from, to))).toBe(true)
    })

  for (const range of ['bytes=300000-', 'bytes=999999-9999999', 'bytes=-0'])
    test(`[OB4] ${range} is outside: 416 with the size`, async () => {
      const answer = await get({ range })
      expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */300000'])
    })

  for (const headers of [
    { range: 'bytes=5-', 'if-range': '"another"' },
    { range: 'bytes=0-1,5-6' },
    { range: 'lines=1-2' },
    { range: 'bytes=9-5' },
    { range: 'bytes=-' },
  ])
    test(`[OB4] ${JSON.stringify(headers)} gives the whole`, async () => {
      const answer = await get(headers as Record<string, string>)
      expect([answer.status, answer.bytes.length]).toEqual([200, 300_000])
    })

  test('[OB4] whatever is asked, a range lies within the bytes', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat(), (noise, a, b, size) => {
        for (const header of [noise, `bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`, `bytes=${noise}`]) {
          const range = rangeOf(header, undefined, { size, etag: '"x"' })
          if (range === undefined || range === 'not-satisfiable') continue
          expect(range.start).toBeGreaterThanOrEqual(0)
          expect(range.end).toBeGreaterThanOrEqual(range.start)
          expect(range.end).toBeLessThan(size)
        }
      }),
    )
  })

  test('[OB5] HEAD and any other method on a URL is 403', async () => {
    for (const method of ['HEAD', 'PUT', 'POST', 'PATCH', 'DELETE']) {
      const answer = await call(method, url)
      expect([method, answer.status]).toEqual([method, 403])
    }
    const put = await putUrl(randomBytes(10))
    for (const method of ['GET', 'HEAD', 'PATCH', 'DELETE'])
      expect((await call(method, put)).status).toBe(403)
  })

  test('[OB5] a tampered URL, one of another house and one past its time are 403', async () => {
    const token = url.slice(url.lastIndexOf('/') + 1)
    const [head, claims, signature] = token.split('.')
    const changed = Buffer.from(
      JSON.stringify({ ...JSON.parse(String(Buffer.from(claims ?? '', 'base64url'))), Sha: sha256('x') }),
    )
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')
    for (const bad of [
      `${head}.${changed.toString('base64url')}.${signature}`,
      `${none}.${claims}.`,
      'x',
      owner.token,
    ])
      expect((await call('GET', `/local-s3/${bad}`)).status).toBe(403)
    const other = await openDoor()
    expect((await other.call('GET', `/local-s3/${token}`)).status).toBe(403)
    const person = await other.person()
    const own = await other.upload(person.token, Buffer.from('kept'))
    const fresh = String(
      at((await other.must('GET', `/objects/${own}`, { token: person.token })).json, 'signed-geturl'),
    )
    expect((await other.call('GET', fresh)).text).toBe('kept')
    other.pass(361 * 60_000)
    expect((await other.call('GET', fresh)).status).toBe(403)
  })

  test('[OB4] over HTTP/1.0 the bytes come whole, and the connection closes', async () => {
    const small = await door.upload(owner.token, Buffer.from('plain bytes'))
    const reply = await door.raw(
      `GET ${new URL(await getUrl(small)).pathname} HTTP/1.0\r\nUser-Agent: ${agent}\r\n\r\n`,
    )
    expect(reply.toLowerCase()).toContain('content-length: 11')
    expect(reply.endsWith('\r\n\r\nplain bytes')).toBe(true)
  })
})

describe('looking at objects', () => {
  test('[OB7] an object is found in the own namespace alone; unknown and foreign are 403 alike', async () => {
    const sha = await door.upload(owner.token, Buffer.from('mine alone'))
    expect((await call('GET', `/objects/${sha}`, { token: device.token })).status).toBe(200)
    const shape = (text: string) => text.replaceAll(/REST-ERR-ID-\d+|[0-9a-f]{64}/g, '#')
    const foreign = await call('GET', `/objects/${sha}`, { token: stranger.token })
    const unknown = await call('GET', `/objects/${sha256('nothing')}`, { token: stranger.token })
    expect([foreign.status, shape(foreign.text)]).toEqual([unknown.status, shape(unknown.text)])
    expect(foreign.status).toBe(403)
    for (const bad of ['x', 'A'.repeat(64), `${'a'.repeat(63)}g`])
      expect((await call('GET', `/objects/${bad}`, { token: owner.token })).status).toBe(400)
    const blob = await call('GET', `/objects/${sha}/blob`, { token: owner.token })
    expect(blob.status).toBe(302)
    expect((await call('GET', blob.headers.get('location') ?? '')).text).toBe('mine alone')
  })

  test('[OB7] the own list holds records without URLs', async () => {
    const person = await door.person()
    const sha = await door.upload(person.token, Buffer.from('listed'))
    const listed = listOf(await must('GET', '/objects/', { token: person.token }))
    expect(listed.map((one) => [at(one, 'id'), at(one, 'signed-geturl'), at(one, 'signed-puturl')])).toEqual([
      [sha, '', ''],
    ])
  })

  test('[OB8] a rename repeats owner and sha; a step’s object cannot be removed', async () => {
    const sha = await door.upload(owner.token, Buffer.from('to be renamed'))
    const path = `/objects/${sha}`
    const body = { owner: owner.prn, sha256sum: sha, objectname: 'new name' }
    expect(at((await must('PUT', path, { token: owner.token, body })).json, 'objectname')).toBe('new name')
    for (const wrong of [
      { ...body, owner: stranger.prn },
      { ...body, sha256sum: sha256('x') },
      { objectname: 'x' },
    ])
      expect((await call('PUT', path, { token: owner.token, body: wrong })).status).toBe(400)
    expect((await call('PUT', path, { token: stranger.token, body })).status).toBe(403)

    const rev = await door.post(owner, device, { ...factory, 'data.bin': sha })
    const refused = await call('DELETE', path, { token: owner.token })
    expect([refused.status, at(refused.json, 'msg')]).toEqual([
      409,
      `object ${sha}: step ${device.id}-${rev} needs it`,
    ])
    const free = await door.upload(owner.token, Buffer.from('needed by none'))
    expect((await call('DELETE', `/objects/${free}`, { token: stranger.token })).status).toBe(403)
    expect(at((await must('DELETE', `/objects/${free}`, { token: owner.token })).json, 'id')).toBe(free)
    expect((await call('GET', `/objects/${free}`, { token: owner.token })).status).toBe(403)
  })
})
