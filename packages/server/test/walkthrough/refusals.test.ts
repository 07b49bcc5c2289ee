import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import {
  pathsOf,
  type WalkRow,
  walkRoutes,
  walkRoutesPage,
} from '../../src/doors/pantahub/walkthrough/routes.ts'
import { type Ask, at, openWalk } from './support.ts'

/** Every route, for every caller it is not for; and what strangers send. */
const walk = await openWalk({}, afterAll)
const owner = await walk.person()
const stranger = await walk.person()
const device = await walk.deviceWithSteps(owner, 2)
const strangers = await walk.deviceWithSteps(stranger, 1)
const { sha } = await walk.object(owner.token, 'mine')

const rows = walkRoutes as readonly WalkRow[]
const guarded = rows.filter(({ who }) => !who.includes('none'))
const good = (path: string) => path.replace(':id', device.id).replace(':rev', '1').replace(':name', sha)
const urls = (row: WalkRow) => pathsOf(row).map(good)

// Each of these was good once, or is good elsewhere.
const late = await openWalk({}, afterAll)
const lateOwner = await late.person()
const lateDevice = await late.deviceWithTrail(lateOwner)
const revokedDevice = await walk.deviceWithTrail(owner)
await walk.must('DELETE', `/devices/${revokedDevice.id}`, { token: owner.token })
const refresh = String(at((await walk.logIn(owner.nick, owner.password)).json, 'refresh_token'))
const anonymous = await walk.enter('prn:pantahub.com:auth:/anon', '', 'trails.readonly objects.readonly')
const otherScope = await walk.enter(owner.nick, owner.password, 'user.readonly')

describe('who is refused', () => {
  const nobody: readonly { what: string; asked: Ask }[] = [
    { what: 'no login', asked: {} },
    { what: 'a bearer that is none', asked: { token: 'nonsense' } },
    { what: 'another scheme', asked: { headers: { authorization: 'Basic b2xpdmU6eA==' } } },
    { what: 'a revoked device', asked: { token: revokedDevice.token } },
    { what: 'a token of another house', asked: { token: lateOwner.token } },
    { what: 'a refresh token', asked: { token: refresh } },
    {
      what: 'a cookie that is none',
      asked: { headers: { cookie: 'X-pantahub-core-access_token=x; session=y' } },
    },
    {
      what: 'a cookie of a revoked device',
      asked: { headers: { cookie: `X-pantahub-core-access_token=${revokedDevice.token}` } },
    },
  ]
  for (const row of guarded)
    for (const { what, asked } of nobody)
      test(`[WT13] ${row.method} ${row.path} with ${what} is 401`, async () => {
        for (const url of urls(row)) {
          const said = await walk.ask(row.method, url, {
            ...asked,
            ...(row.method === 'GET' ? {} : { body: {} }),
          })
          expect([url, said.status, at(said.json, 'status')]).toEqual([url, 401, 401])
          expect(said.headers['www-authenticate']).toBe('Bearer realm="pantahub services"')
        }
      })

  test('[WT13] with an expired token every route is 401', async () => {
    late.pass(61 * 60_000)
    for (const row of guarded)
      for (const url of urls(row))
        for (const { token } of [lateOwner, lateDevice])
          expect([url, (await late.ask(row.method, url, { token })).status]).toEqual([url, 401])
  })

  const bodies: Readonly<Record<string, unknown>> = {
    announce: { rev: 0, device: device.id },
    putStep: { abort: true },
    postStep: {},
  }
  for (const row of guarded.filter(({ path }) => path.includes(':') || path === '/trails/'))
    test(`[WT13] ${row.method} ${row.path} by another owner, or a device of theirs, is refused or shows nothing of it`, async () => {
      for (const url of urls(row))
        for (const { token } of [stranger, strangers]) {
          const said = await walk.ask(row.method, url, {
            token,
            body: row.method === 'GET' ? undefined : bodies[row.handler],
          })
          const empty = row.handler === 'listTrails'
          const itself = row.handler === 'announce' && token === strangers.token
          expect([url, said.status]).toEqual([url, empty ? 200 : itself ? 400 : 403])
          if (empty) expect(said.text).not.toContain(device.id)
        }
    })

  for (const row of guarded)
    test(`[WT13] ${row.method} ${row.path} by somebody anonymous, or with a scope for something else, is 403`, async () => {
      for (const url of urls(row))
        for (const token of [anonymous, otherScope]) {
          const said = await walk.ask(row.method, url, { token, body: row.method === 'GET' ? undefined : {} })
          expect([url, said.status]).toEqual([url, 403])
        }
    })

  test('[WT13] a device may not ask what is a person’s', async () => {
    for (const row of guarded.filter(({ who }) => !who.includes('device')))
      for (const url of urls(row))
        expect([url, (await walk.ask(row.method, url, { token: device.token })).status]).toEqual([url, 403])
  })

  test('[WT13] absent and foreign answer alike', async () => {
    const absent = 'f'.repeat(24)
    for (const row of guarded.filter(({ path }) => path.includes(':id'))) {
      const ask = async (id: string) => {
        const [url = ''] = pathsOf(row).map((path) => path.replace(':id', id).replace(':rev', '1'))
        const said = await walk.ask(row.method, url, {
          token: stranger.token,
          body: row.method === 'GET' ? undefined : bodies[row.handler],
        })
        return [said.status, said.text.replaceAll(id, 'ID')]
      }
      expect(await ask(absent)).toEqual(await ask(device.id))
    }
  })
})

describe('what is refused', () => {
  test('[WT13] unknown paths are 404, other methods 405 and told which are taken', async () => {
    for (const path of ['/v1/nothing', '/api/v1/trails/x/y/z', '/v1/', '/api/v1/objects//download'])
      expect([path, (await walk.ask('GET', path, { token: owner.token })).status]).toEqual([
        path,
        path.includes('//') ? 301 : 404,
      ])
    const said = await walk.ask('PATCH', `/v1/trails/${device.id}`, { token: owner.token })
    expect([said.status, said.headers.allow]).toEqual([405, 'GET, DELETE'])
    expect((await walk.ask('DELETE', '/resolve')).status).toBe(405)
  })

  test('[WT13] a mount without its slash leads to it', async () => {
    for (const path of ['/v1/trails', '/api/v1/trails'])
      expect((await walk.ask('GET', path, { token: owner.token })).headers.location).toBe(`${path}/`)
  })

  const nasty = [
    '',
    'null',
    '[]',
    '7',
    '"x"',
    '{',
    '[[[',
    '{"a":1e999}',
    '{"__proto__":{"polluted":true}}',
    '{"rev":0,"constructor":{"object":"prn:::objects:/x"}}',
    '['.repeat(5000),
    `{"a":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`,
    '\u0000',
    '{"rev":0,"\\ud800.json":1}',
    '{"status":{"$ne":null}}',
    '{"status":"DONE","debugfiles":{"__proto__":"x","a":{"object":7}}}',
  ]
  for (const row of rows.filter(({ method, bodyOnGet }) => method !== 'GET' || bodyOnGet))
    test(`[WT13] ${row.method} ${row.path} takes or refuses whatever body comes, and never breaks`, async () => {
      for (const url of urls(row))
        for (const token of [owner.token, device.token])
          for (const body of nasty) {
            if (row.handler === 'resetTrail') continue
            const said = await walk.ask(row.method, url, { token, body })
            expect([url, body.slice(0, 40), said.status < 500]).toEqual([url, body.slice(0, 40), true])
          }
      expect('polluted' in {}).toBe(false)
    })

  test('[WT13] generated reports, announces and names break nothing', async () => {
    const own = await walk.deviceWithSteps(owner, 1)
    const member = fc.constantFrom(
      'rev',
      'status',
      'progress',
      'error',
      'log',
      'debugfiles',
      'device-abort',
      'device',
      'kernel',
      'a.json',
      './x',
      'id',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(
          ['PUT', walk.stepsOf(own, '/1')],
          ['POST', walk.stepsOf(own)],
          ['POST', '/v1/trails/'],
          ['POST', '/resolve'],
          ['GET', '/resolve'],
          ['GET', '/v1/login'],
          ['POST', '/v1/auth'],
        ),
        fc.dictionary(
          member,
          fc.oneof(
            fc.json({ maxDepth: 2 }).map((text) => JSON.parse(text) as unknown),
            fc.constantFrom('QUEUED', 'DONE', '50', 'prn:::objects:/x', { object: 'prn:::objects:/x' }),
          ),
        ),
        fc.boolean(),
        async ([method = '', path = ''], body, byOwner) => {
          const said = await walk.ask(method, path, { token: byOwner ? owner.token : own.token, body })
          expect([method, path, JSON.stringify(body), said.status < 500]).toEqual([
            method,
            path,
            JSON.stringify(body),
            true,
          ])
        },
      ),
      { numRuns: 250 },
    )
  })

  for (const part of [
    '%00',
    '..%2f..%2fetc',
    '%2e%2e',
    'x'.repeat(2000),
    '-1',
    '1e9',
    'NaN',
    '%F0%9F%98%80',
    "'; drop table steps; --",
    '{"$gt":""}',
  ])
    test(`[WT13] ${part.slice(0, 24)} in the place of a name is a clear 4xx, on every route`, async () => {
      for (const row of guarded.filter(({ path }) => path.includes(':')))
        for (const name of [':id', ':rev', ':name']) {
          if (!row.path.includes(name)) continue
          for (const path of pathsOf(row)) {
            const url = encodeURI(good(path.replace(name, 'PART')).replace('PART', part)).replaceAll(
              '%25',
              '%',
            )
            const said = await walk.ask(row.method, url, {
              token: owner.token,
              body: row.method === 'GET' ? undefined : {},
            })
            expect([row.method, url.slice(0, 90), said.status >= 400 && said.status < 500]).toEqual([
              row.method,
              url.slice(0, 90),
              true,
            ])
          }
        }
    })

  test('[WT13] cookies of all sorts are cookies or nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 200 }), async (text) => {
        const cookie = text.replace(/[^\x20-\x7e]/g, '')
        const said = await walk.ask('GET', `/v1/trails/${device.id}`, { headers: { cookie } })
        expect([cookie, said.status]).toEqual([cookie, 401])
      }),
      { numRuns: 100 },
    )
  })

  test('[WT13] a body over the limit is 413', async () => {
    const small = await openWalk({ flags: ['--body-limit', '2KiB'] })
    const person = await small.person()
    const said = await small.ask('POST', '/v1/trails/', { token: person.token, body: 'x'.repeat(3000) })
    expect(said.status).toBe(413)
  })
})

test('[WT13] each row stands once, at the root or below both prefixes', () => {
  for (const row of rows) expect([row.path, pathsOf(row).length]).toEqual([row.path, row.atRoot ? 1 : 2])
  expect(new Set(rows.map(({ method, path }) => `${method} ${path}`)).size).toBe(rows.length)
})

test('[WT13] the page of routes is the one the table makes', () => {
  const page = new URL('../../src/doors/pantahub/walkthrough/ROUTES.md', import.meta.url)
  expect(readFileSync(page, 'utf8')).toBe(walkRoutesPage())
})
