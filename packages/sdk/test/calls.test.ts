import { describe, expect, test } from 'vitest'
import { waitBefore } from '../src/retry.ts'
import {
  failure,
  fakeOutside,
  fakeServer,
  fleetAt,
  gathered,
  hangUp,
  inTurn,
  json,
  problem,
} from './support.ts'

const me = { id: 'a', nick: 'ann', tenant: 't', roles: [], admin: false, expiresAt: '2026-01-01T00:00:00Z' }

describe('operations', () => {
  test('[S1] an operation goes to its path with parameters, query and body in place', async () => {
    const { url, received } = await fakeServer(json(200, { items: [] }))
    const fleet = fleetAt(`${url}/`)
    await fleet.listSteps({ device: 'pump 1', limit: 3, open: true })
    await fleet.changeDevice({ device: 'pump', body: { labels: { site: 'north', old: null } } })
    expect(received.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /fleet/v1/devices/pump%201/steps?limit=3&open=true',
      'PATCH /fleet/v1/devices/pump',
    ])
    expect(JSON.parse(String(received[1]?.body))).toEqual({ labels: { site: 'north', old: null } })
    expect(received[0]?.headers['content-type']).toBeUndefined()
    expect(received[1]?.headers['content-type']).toBe('application/json')
  })

  const names = [
    { name: '../../me', path: '/fleet/v1/devices/..%2F..%2Fme' },
    { name: '..', path: '/fleet/v1/devices/%20' },
    { name: '.', path: '/fleet/v1/devices/%20' },
    { name: 'a?b#c', path: '/fleet/v1/devices/a%3Fb%23c' },
    { name: 'größe', path: '/fleet/v1/devices/gr%C3%B6%C3%9Fe' },
  ]
  for (const { name, path } of names)
    test(`[S3] a device called ${name} stays in its place`, async () => {
      const { url, received } = await fakeServer(json(200, {}))
      await fleetAt(url).getDevice({ device: name })
      expect(received[0]?.url).toBe(path)
    })

  test('[S3] undefined members are left out', async () => {
    const { url, received } = await fakeServer(json(200, { items: [] }))
    await fleetAt(url).listDevices({ label: undefined, limit: 1 })
    expect(received[0]?.url).toBe('/fleet/v1/devices?limit=1')
  })

  test('[S2] a refusal has a name, a status, a sentence and its facts', async () => {
    const { url } = await fakeServer(problem(409, 'wrong-revision', { wanted: 5, got: 7, device: 'abc' }))
    expect(await failure(fleetAt(url).whoAmI())).toMatchObject({
      name: 'FleetProblem',
      kind: 'wrong-revision',
      status: 409,
      message: 'it is wrong-revision',
      facts: { wanted: 5, got: 7, device: 'abc' },
    })
  })

  const strangers = [
    { is: 'a page', type: 'text/html', text: '<html>', status: 200, fails: { kind: 'unexpected-answer' } },
    { is: 'nothing', type: 'text/plain', text: '', status: 200, fails: { kind: 'unexpected-answer' } },
    {
      is: 'a page that refuses',
      type: 'text/html',
      text: '<p>',
      status: 403,
      fails: { kind: 'about:blank', status: 403 },
    },
    {
      is: 'a list that refuses',
      type: 'application/json',
      text: '[1]',
      status: 400,
      fails: { kind: 'about:blank' },
    },
  ]
  for (const { is, type, text, status, fails } of strangers)
    test(`[S2] ${is} instead of an answer is told as what it is`, async () => {
      const { url } = await fakeServer((_request, response) => {
        response.writeHead(status, { 'content-type': type }).end(text)
      })
      expect(await failure(fleetAt(url).whoAmI())).toMatchObject(fails)
    })

  test('[S2] nobody there is told with address and reason', async () => {
    const { url } = await fakeServer(hangUp)
    const port = new URL(url).port
    expect(await failure(fleetAt(url).whoAmI())).toMatchObject({
      name: 'FleetFault',
      kind: 'unreachable',
      thing: `GET http://127.0.0.1:${port}/fleet/v1/me`,
    })
  })
})

describe('asking again', () => {
  for (const [what, answer] of [
    ['no answer', hangUp],
    ['502', problem(502, 'x')],
    ['503', problem(503, 'busy')],
    ['504', problem(504, 'x')],
    ['429', problem(429, 'too-many-streams')],
  ] as const)
    test(`[S4] ${what} is asked again, later each time`, async () => {
      const { url, received } = await fakeServer(inTurn(answer, answer, answer, json(200, me)))
      const { outside, waits } = fakeOutside()
      expect(await fleetAt(url, { outside }).whoAmI()).toEqual(me)
      expect(received).toHaveLength(4)
      expect(waits).toEqual([150, 300, 600])
    })

  test('[S4] it is given up after a few times', async () => {
    const { url, received } = await fakeServer(problem(503, 'busy'))
    expect(await failure(fleetAt(url).whoAmI())).toMatchObject({ kind: 'busy' })
    expect(received).toHaveLength(4)
  })

  for (const status of [400, 401, 403, 404, 409, 410, 422, 500])
    test(`[S4] ${status} is not asked again`, async () => {
      const { url, received } = await fakeServer(problem(status, 'no'))
      await failure(fleetAt(url).whoAmI())
      expect(received).toHaveLength(1)
    })

  test('[S4] a body that breaks off is no answer', async () => {
    const { url, received } = await fakeServer(
      inTurn(
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
          response.write('{"id":')
          setImmediate(() => response.destroy())
        },
        json(200, me),
      ),
    )
    expect(await fleetAt(url).whoAmI()).toEqual(me)
    expect(received).toHaveLength(2)
  })

  test('[S5] a Retry-After in seconds or as a date is waited for to the letter', async () => {
    const date = new Date(1_700_000_000_000 + 3000).toUTCString()
    const { url } = await fakeServer(
      inTurn(
        problem(429, 'x', {}, { 'retry-after': '7' }),
        problem(503, 'x', {}, { 'retry-after': date }),
        json(200, me),
      ),
    )
    const { outside, waits } = fakeOutside()
    await fleetAt(url, { outside }).whoAmI()
    expect(waits).toEqual([7000, 3000])
  })

  test('[S5] a Retry-After beyond patience comes out as the refusal', async () => {
    const { url, received } = await fakeServer(
      problem(429, 'too-many-guesses', {}, { 'retry-after': '3600' }),
    )
    const error = await failure(fleetAt(url).login({ body: { name: 'ann', password: 'x' } }))
    expect(error).toMatchObject({ kind: 'too-many-guesses', retryAfterMs: 3_600_000 })
    expect(received).toHaveLength(1)
  })

  test('[S6] a POST is repeated under one idempotency key', async () => {
    const { url, received } = await fakeServer(inTurn(hangUp, problem(504, 'x'), json(201, {})))
    await fleetAt(url).postStep({ device: 'pump', body: { state: {} } })
    expect(received.map(({ headers }) => headers['idempotency-key'])).toEqual(['key-0', 'key-0', 'key-0'])
    await fleetAt(url).postStep({ device: 'pump', body: { state: {} } }, { idempotencyKey: 'mine' })
    expect(received.at(-1)?.headers['idempotency-key']).toBe('mine')
  })

  test('[S6] two calls have two keys', async () => {
    const { url, received } = await fakeServer(json(201, {}))
    const fleet = fleetAt(url)
    await fleet.createDevice({ body: {} })
    await fleet.createDevice({ body: {} })
    expect(received.map(({ headers }) => headers['idempotency-key'])).toEqual(['key-0', 'key-1'])
  })

  const withoutKey = [
    { after: 'no answer', answer: hangUp, asked: 1 },
    { after: '504', answer: problem(504, 'x'), asked: 1 },
    { after: '503', answer: problem(503, 'x'), asked: 4 },
    { after: '429', answer: problem(429, 'x'), asked: 4 },
  ]
  for (const { after, answer, asked } of withoutKey)
    test(`[S6] a POST without a key is sent ${asked} times after ${after}`, async () => {
      const { url, received } = await fakeServer(answer)
      await failure(fleetAt(url).login({ body: { name: 'ann', password: 'x' } }))
      expect(received).toHaveLength(asked)
      expect(received[0]?.headers['idempotency-key']).toBeUndefined()
    })

  test('[S7] the token is asked for before every attempt', async () => {
    const { url, received } = await fakeServer(inTurn(problem(503, 'x'), json(200, me)))
    let n = 0
    await fleetAt(url, { token: () => `t${++n}` }).whoAmI()
    expect(received.map(({ headers }) => headers.authorization)).toEqual(['Bearer t1', 'Bearer t2'])
  })

  test('[S7] a redirect is not followed, so that the token goes nowhere else', async () => {
    const elsewhere = await fakeServer(json(200, me))
    const { url } = await fakeServer((_request, response) => {
      response.writeHead(302, { location: `${elsewhere.url}/fleet/v1/me` }).end()
    })
    expect(await failure(fleetAt(url).whoAmI())).toMatchObject({ kind: 'unreachable' })
    expect(elsewhere.received).toEqual([])
  })

  test('[S8] an abort ends a wait at once', async () => {
    const ending = new AbortController()
    const { url, received } = await fakeServer(problem(503, 'busy'))
    const { outside } = fakeOutside()
    const patient = {
      ...outside,
      after: (ms: number, then: () => void) => {
        if (ms < 30_000) setImmediate(() => ending.abort(new Error('enough')))
        return outside.after(60_000, then)
      },
    }
    const error = await failure(fleetAt(url, { outside: patient }).whoAmI({}, { signal: ending.signal }))
    expect(error).toMatchObject({ message: 'enough' })
    expect(received).toHaveLength(1)
  })

  test('[S8] an abort ends a request under way', async () => {
    const ending = new AbortController()
    const { url } = await fakeServer(() => ending.abort(new Error('enough')))
    expect(await failure(fleetAt(url).whoAmI({}, { signal: ending.signal }))).toMatchObject({
      message: 'enough',
    })
  })

  test('[S9] a head that does not come is no answer', async () => {
    const { outside, runOut } = fakeOutside()
    const { url, received } = await fakeServer(inTurn(() => runOut(), json(200, me)))
    expect(await fleetAt(url, { outside }).whoAmI()).toEqual(me)
    expect(received).toHaveLength(2)
  })

  test('[S9] a body that falls silent is no answer', async () => {
    const { outside, runOut } = fakeOutside()
    const { url, received } = await fakeServer(
      inTurn(
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'application/json' })
          response.write('{')
          setTimeout(runOut, 50)
        },
        json(200, me),
      ),
    )
    expect(await fleetAt(url, { outside }).whoAmI()).toEqual(me)
    expect(received).toHaveLength(2)
  })

  test('[S10] an answer without end is not read to its end', async () => {
    const { url } = await fakeServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const piece = Buffer.alloc(4 * 1024 * 1024, 0x20)
      const more = (): void => {
        while (!response.destroyed && response.write(piece)) {
          // Until the line is full.
        }
      }
      response.on('drain', more)
      more()
    })
    expect(await failure(fleetAt(url).whoAmI())).toMatchObject({ kind: 'unexpected-answer', got: 'more' })
  })

  test('[S4] waits grow, have a cap, and spread by luck', () => {
    const policy = { attempts: 99, firstMs: 100, capMs: 1000, patienceMs: 1 }
    const wait = (attempt: number, luck: number) =>
      waitBefore({ kind: 'no-answer' }, { attempt, mayRepeat: true, random: () => luck, policy })
    expect([1, 2, 3, 4, 5, 90].map((attempt) => wait(attempt, 0))).toEqual([50, 100, 200, 400, 500, 500])
    expect([1, 2, 3, 4, 5, 90].map((attempt) => wait(attempt, 1))).toEqual([100, 200, 400, 800, 1000, 1000])
  })
})

describe('lists', () => {
  test('[S11] all pages are gone through, each asked for when it is needed', async () => {
    const { url, received } = await fakeServer(
      inTurn(
        json(200, { items: [{ id: '1' }, { id: '2' }], next: 'c/2' }),
        json(200, { items: [], next: 'c3' }),
        json(200, { items: [{ id: '3' }] }),
      ),
    )
    const devices = fleetAt(url).each('listDevices', { limit: 2 })
    expect((await devices.next()).value).toEqual({ id: '1' })
    expect(received).toHaveLength(1)
    expect(await gathered(devices)).toEqual([{ id: '2' }, { id: '3' }])
    expect(received.map(({ url }) => url)).toEqual([
      '/fleet/v1/devices?limit=2',
      '/fleet/v1/devices?limit=2&cursor=c%2F2',
      '/fleet/v1/devices?limit=2&cursor=c3',
    ])
  })
})
