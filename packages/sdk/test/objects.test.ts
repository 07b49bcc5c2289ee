import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { TransferProgress } from '../src/index.ts'
import {
  failure,
  fakeServer,
  fleetAt,
  gathered,
  type Handler,
  hangUp,
  inTurn,
  json,
  problem,
} from './support.ts'

const bytes = new Uint8Array(300_000).map((_, i) => (i * 7) % 251)
const sha256 = createHash('sha256').update(bytes).digest('hex')
const info = {
  sha256,
  size: bytes.length,
  name: '',
  mimeType: '',
  stored: true,
  createdAt: '',
  modifiedAt: '',
}

/** Answers `…/info` by itself, and everything else by the handler. */
const withInfo =
  (of: Handler, rest: Handler): Handler =>
  (request, response) =>
    request.url.endsWith('/info') ? of(request, response) : rest(request, response)

/** The bytes from where the Range asks, and at most so many of them before the line breaks. */
const piece =
  (most: number): Handler =>
  (request, response) => {
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    response.writeHead(request.headers.range ? 206 : 200, {
      'content-length': bytes.length - start,
      ...(request.headers.range
        ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }
        : {}),
    })
    const part = bytes.subarray(start, start + most)
    if (start + part.length === bytes.length) response.end(part)
    else response.write(part, () => setTimeout(() => response.destroy(), 20))
  }

function noted(): { seen: TransferProgress[]; onProgress: (progress: TransferProgress) => void } {
  const seen: TransferProgress[] = []
  return { seen, onProgress: (progress) => seen.push(progress) }
}

function countsUpwards(seen: readonly TransferProgress[], stage: TransferProgress['stage']): void {
  const counts = seen.filter((each) => each.stage === stage).map(({ bytes }) => bytes)
  expect(counts).toEqual(counts.toSorted((a, b) => a - b))
  expect(counts.at(-1)).toBe(bytes.length)
  expect(seen.at(-1)).toEqual({ stage: 'done', bytes: bytes.length, total: bytes.length })
}

describe('upload', () => {
  test('[S16] the bytes go out under their sha256, with their length and their name', async () => {
    const { url, received } = await fakeServer(withInfo(problem(404, 'no-such-object'), json(200, info)))
    const { seen, onProgress } = noted()
    expect(await fleetAt(url).putObject(bytes, { name: 'a b', mimeType: 'x/y', onProgress })).toEqual(info)
    expect(received[1]).toMatchObject({
      method: 'PUT',
      url: `/fleet/v1/objects/${sha256}?name=a%20b&mimeType=x%2Fy`,
      headers: { 'content-length': '300000', 'content-type': 'application/octet-stream' },
    })
    expect(received[1]?.body.equals(bytes)).toBe(true)
    countsUpwards(seen, 'hashing')
    countsUpwards(seen, 'sending')
  })

  test('[S16] where a stream may not say its length, the whole Blob goes out', async () => {
    const { url, received } = await fakeServer(withInfo(problem(404, 'no-such-object'), json(200, info)))
    const { seen, onProgress } = noted()
    await fleetAt(url, { streamUploads: false }).putObject(new Blob([bytes]), { onProgress })
    expect(received[1]?.headers).toMatchObject({ 'content-length': '300000' })
    expect(received[1]?.headers['transfer-encoding']).toBeUndefined()
    expect(received[1]?.body.equals(bytes)).toBe(true)
    expect(seen.at(-1)?.stage).toBe('done')
  })

  test('[S16] what is stored already is not sent', async () => {
    const { url, received } = await fakeServer(withInfo(json(200, info), problem(500, 'sent')))
    const { seen, onProgress } = noted()
    expect(await fleetAt(url).putObject(new Blob([bytes]), { onProgress })).toEqual(info)
    expect(received.map(({ method }) => method)).toEqual(['GET'])
    countsUpwards(seen, 'hashing')
  })

  test('[S16] what is registered but not stored is sent', async () => {
    const { url, received } = await fakeServer(
      withInfo(json(200, { ...info, stored: false }), json(200, info)),
    )
    await fleetAt(url).putObject(bytes, { sha256 })
    expect(received.map(({ method }) => method)).toEqual(['GET', 'PUT'])
  })

  test('[S4] an upload that breaks off is sent again, whole', async () => {
    const { url, received } = await fakeServer(
      withInfo(problem(404, 'no-such-object'), inTurn(hangUp, problem(503, 'busy'), json(200, info))),
    )
    await fleetAt(url).putObject(bytes)
    const puts = received.filter(({ method }) => method === 'PUT')
    expect(puts.map(({ body }) => body.equals(bytes))).toEqual([true, true, true])
  })

  test('[S2] a refused upload is a refusal', async () => {
    const { url } = await fakeServer(
      withInfo(problem(404, 'no-such-object'), problem(413, 'quota-exceeded', { wanted: 1, got: 2 })),
    )
    expect(await failure(fleetAt(url).putObject(bytes))).toMatchObject({ kind: 'quota-exceeded' })
  })

  test('[S16] nothing is an object too', async () => {
    const { url, received } = await fakeServer(withInfo(problem(404, 'no-such-object'), json(200, info)))
    await fleetAt(url).putObject(new Uint8Array())
    expect(received[1]?.url).toBe(`/fleet/v1/objects/${createHash('sha256').digest('hex')}`)
    expect(received[1]?.headers['content-length']).toBe('0')
  })
})

describe('download', () => {
  test('[S17] what breaks off goes on where it stopped, and is whole in the end', async () => {
    const { url, received } = await fakeServer(withInfo(json(200, info), piece(70_000)))
    const { seen, onProgress } = noted()
    const pieces = await gathered(fleetAt(url).getObject(sha256, { onProgress }))
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
    expect(received.slice(1).map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=70000-',
      'bytes=140000-',
      'bytes=210000-',
      'bytes=280000-',
    ])
    countsUpwards(seen, 'receiving')
  })

  test('[S17] what was held is not asked for again', async () => {
    const { url, received } = await fakeServer(withInfo(json(200, info), piece(1e9)))
    const held = (async function* () {
      yield bytes.slice(0, 100_000)
      yield bytes.slice(100_000, 250_000)
    })()
    const rest = Buffer.concat(await gathered(fleetAt(url).getObject(sha256, { held })))
    expect(rest.equals(bytes.subarray(250_000))).toBe(true)
    expect(received[1]?.headers.range).toBe('bytes=250000-')
  })

  test('[S17] when all was held nothing is asked for', async () => {
    const { url, received } = await fakeServer(withInfo(json(200, info), problem(500, 'asked')))
    const held = (async function* () {
      yield bytes
    })()
    expect(await gathered(fleetAt(url).getObject(sha256, { held }))).toEqual([])
    expect(received).toHaveLength(1)
  })

  test('[S17] a server that answers the whole instead of a part is read from where we were', async () => {
    const whole: Handler = (_request, response) => void response.writeHead(200).end(bytes)
    const { url } = await fakeServer(withInfo(json(200, info), inTurn(piece(70_000), whole)))
    const pieces = await gathered(fleetAt(url).getObject(sha256))
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
  })

  test('[S17] it is given up when nothing more comes', async () => {
    const { url, received } = await fakeServer(withInfo(json(200, info), piece(0)))
    expect(await failure(gathered(fleetAt(url).getObject(sha256)))).toMatchObject({
      kind: 'unreachable',
      wanted: '300000 bytes',
    })
    expect(received).toHaveLength(1 + 4)
  })

  const wrong = [
    { is: 'another byte', sends: bytes.with(5, 0), says: /sha256/ },
    { is: 'a byte too many', sends: Uint8Array.from([...bytes, 1]), says: /300000 bytes/ },
  ]
  for (const { is, sends, says } of wrong)
    test(`[S18] ${is} ends in wrong-bytes`, async () => {
      const { url } = await fakeServer(
        withInfo(json(200, info), (_request, response) => void response.writeHead(200).end(sends)),
      )
      const error = await failure(gathered(fleetAt(url).getObject(sha256)))
      expect(error).toMatchObject({ name: 'FleetFault', kind: 'wrong-bytes' })
      expect(String(error)).toMatch(says)
    })

  test('[S18] what was held and is not a part of it ends in wrong-bytes', async () => {
    const { url } = await fakeServer(withInfo(json(200, info), piece(1e9)))
    const held = (async function* () {
      yield new Uint8Array(250_000)
    })()
    expect(await failure(gathered(fleetAt(url).getObject(sha256, { held })))).toMatchObject({
      kind: 'wrong-bytes',
    })
  })

  test('[S18] a part from somewhere else is not taken', async () => {
    const elsewhere: Handler = (_request, response) =>
      void response.writeHead(206, { 'content-range': 'bytes 7-8/300000' }).end('xx')
    const { url } = await fakeServer(withInfo(json(200, info), inTurn(piece(70_000), elsewhere)))
    expect(await failure(gathered(fleetAt(url).getObject(sha256)))).toMatchObject({
      kind: 'unexpected-answer',
    })
  })

  test('[S2] an object that is not there is a refusal', async () => {
    const { url } = await fakeServer(problem(404, 'no-such-object', { got: sha256 }))
    expect(await failure(gathered(fleetAt(url).getObject(sha256)))).toMatchObject({ kind: 'no-such-object' })
  })
})
