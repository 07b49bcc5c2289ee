import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { type Row, routes } from '../../src/doors/pantahub/routes.ts'
import { at, openDoor, sha256 } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person()
const device = await door.deviceWithTrail(owner)
await door.post(owner, device)
const rows = (routes as readonly Row[]).filter(({ path }) => !path.startsWith('/local-s3/'))

const good = (path: string) =>
  path
    .replace(':id', device.id)
    .replace(':rev', '1')
    .replace(':sha', sha256('x'))
    .replace(':usernick', 'u')
    .replace(':devicenick', 'd')

describe('bodies', () => {
  const nasty = [
    '',
    'null',
    '[]',
    '7',
    '"x"',
    'true',
    '{',
    '[[[',
    '{"a":1e999}',
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    `${'['.repeat(5000)}`,
    `{"a":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`,
    '{"nick":{"$ne":null},"state":{"$where":"1"}}',
    '\u0000',
    '{"nick":"\\ud800"}',
    '{"rev":"1","state":"x","size":{},"sha256sum":[],"status":{},"msg":{}}',
  ]
  for (const { method, path, who } of rows.filter(({ method }) => method !== 'GET'))
    test(`[SE5] ${method} ${path} takes or refuses whatever body comes, and never breaks`, async () => {
      const token = who.includes('user') ? owner.token : who.includes('device') ? device.token : undefined
      for (const body of nasty) {
        const answer = await door.call(method, good(path), {
          token,
          body,
          headers: { 'content-type': 'application/json' },
        })
        expect([body, answer.status < 500]).toEqual([body, true])
      }
      expect(Object.keys({})).toEqual([])
      expect('polluted' in {}).toBe(false)
    })

  test('[SE5] generated JSON breaks no handler', async () => {
    const targets = rows.filter(({ method }) => method === 'POST' || method === 'PUT' || method === 'PATCH')
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...targets),
        fc.json({ maxDepth: 3 }),
        async ({ method, path, who }, body) => {
          const token = who.includes('user') ? owner.token : who.includes('device') ? device.token : undefined
          if (path === '/devices/:id' || path.startsWith('/auth/')) return
          const answer = await door.call(method, good(path), { token, body })
          expect([path, body, answer.status < 500]).toEqual([path, body, true])
        },
      ),
      { numRuns: 150 },
    )
  })

  test('[SE5] a body over the limit is 413 and says the limit, in every mount', async () => {
    const small = await openDoor({ flags: ['--body-limit', '2KiB'] })
    const person = await small.person()
    for (const [method, path] of [
      ['POST', '/auth/login'],
      ['POST', '/devices/'],
      ['POST', '/objects/'],
      ['POST', '/trails/x/steps'],
      ['POST', '/logs/'],
    ] as const) {
      const answer = await small.call(method, path, {
        token: person.token,
        body: 'x'.repeat(3000),
        headers: { 'content-type': 'application/json' },
      })
      expect([path, answer.status, at(answer.json, 'code')]).toEqual([path, 413, 413])
      expect(at(answer.json, 'msg')).toBe('body: wanted at most 2048 bytes, got more')
    }
  })
})

describe('paths and queries', () => {
  for (const part of [
    '%00',
    '..%2f..%2fetc',
    '%2e%2e',
    'x'.repeat(2000),
    '-1',
    '1e9',
    '00',
    'NaN',
    '%F0%9F%98%80',
    "'; drop table steps; --",
    '{"$gt":""}',
  ])
    test(`[SE5] ${part.slice(0, 24)} in the place of a name is a clear 4xx, on every route`, async () => {
      for (const { method, path, who } of rows) {
        if (!path.includes(':')) continue
        const token = who.includes('user') ? owner.token : device.token
        for (const name of ['id', 'rev', 'sha', 'usernick', 'devicenick']) {
          if (!path.includes(`:${name}`)) continue
          const url = good(path.replace(`:${name}`, 'PART')).replace(
            'PART',
            encodeURI(part).replaceAll('%25', '%'),
          )
          const answer = await door.call(method, url, { token, body: {} })
          expect([method, url.slice(0, 80), answer.status >= 400 && answer.status < 500]).toEqual([
            method,
            url.slice(0, 80),
            true,
          ])
        }
      }
    })

  test('[SE5] a broken percent-encoding is 400', async () => {
    expect(
      (await door.raw(`GET /devices/%E0%A4%A HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).slice(0, 12),
    ).toBe('HTTP/1.1 400')
  })

  test('[SE2] generated queries break no list', async () => {
    const lists = [
      '/devices/',
      `/trails/${device.id}/steps`,
      '/trails/summary',
      '/logs/',
      '/objects/',
      '/trails/',
      `/devices/${device.id}`,
    ]
    const key = fc.constantFrom(
      'nick',
      'owner',
      'owner-nick',
      'progress.status',
      'fields',
      'page[size]',
      'page[offset]',
      'sort',
      'filter',
      'dev',
      'after',
      'before',
      'start',
      'page',
      'cursor',
      'src',
      '$where',
    )
    const value = fc.oneof(
      fc.string(),
      fc.json({ maxDepth: 2 }),
      fc.constantFrom('^', '!', '-', ',', '{"$in":[1]}', '%', '_', '\\'),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...lists),
        fc.array(fc.tuple(key, value), { maxLength: 4 }),
        async (path, pairs) => {
          const query = pairs
            .map(([name, text]) => `${encodeURIComponent(name)}=${encodeURIComponent(text.toWellFormed())}`)
            .join('&')
          const answer = await door.call('GET', `${path}?${query}`, { token: owner.token })
          expect([path, query, answer.status < 500]).toEqual([path, query, true])
        },
      ),
      { numRuns: 200 },
    )
  })

  test('[SE2] a key given twice counts once', async () => {
    const answer = await door.must('GET', '/devices/?nick=a&nick=b', { token: owner.token })
    expect(answer.text).toBe('[]')
  })
})

test('[GR9] a defect of ours is 500 in the framework’s shape, tells nothing, and is logged', async () => {
  const own = await openDoor()
  const person = await own.person()
  Object.assign(own.house.objects, { open: () => Promise.reject(new Error('the inside of things')) })
  const sha = await own.upload(person.token, Buffer.from('x'))
  const object = await own.must('GET', `/objects/${sha}`, { token: person.token })
  const answer = await own.call('GET', String(at(object.json, 'signed-geturl')))
  expect([answer.status, answer.text]).toEqual([500, '{"Error":"Internal Server Error"}'])
  expect(own.logged()).toContain('the inside of things')
})
