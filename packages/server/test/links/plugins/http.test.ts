/** Rules: RULES.md of packages/plugin. */
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openBack } from '../../exosense/support.ts'
import { until } from '../../support.ts'

const at = (name: string) =>
  fileURLToPath(new URL(`../../../../plugin/test/plugins/${name}`, import.meta.url))

async function openWeb(...more: string[]) {
  const { test } = await openBack({ flags: ['--plugin', at('web.js'), ...more] })
  const get = (path: string, init: RequestInit = {}) => fetch(`${test.url}/plugins/web${path}`, init)
  await until(async () => (await get('/empty')).status !== 503)
  return { get, url: test.url, logged: test.logged }
}

describe('HTTP on the server for a plugin', () => {
  test('[PL20] what is asked reaches it, without cookies and without what belongs to the connection', async () => {
    const { get } = await openWeb()
    const answer = await get('/echo?a=1&a=2', {
      method: 'PUT',
      body: '{"broken',
      headers: {
        'content-type': 'application/json',
        authorization: 'Basic ZDE6cGFzcw==',
        cookie: 'session=mine',
        te: 'trailers',
        'x-own': 'yes',
      },
    })
    expect(answer.status).toBe(200)
    const asked = (await answer.json()) as { headers: object }
    expect(asked).toMatchObject({
      method: 'PUT',
      path: '/echo',
      query: 'a=1&a=2',
      body: '{"broken',
      secure: false,
      address: '127.0.0.1',
      headers: { authorization: 'Basic ZDE6cGFzcw==', 'x-own': 'yes', 'content-type': 'application/json' },
    })
    for (const name of ['cookie', 'te', 'connection', 'content-length'])
      expect(asked.headers).not.toHaveProperty(name)
  })

  test('[PL20] bytes come as they are, and an answer without a body has none', async () => {
    const { get } = await openWeb()
    const bytes = await get('/bytes')
    expect([bytes.status, bytes.headers.get('content-type')]).toEqual([201, 'application/octet-stream'])
    expect([...new Uint8Array(await bytes.arrayBuffer())]).toEqual([0, 255, 1])
    const empty = await get('/empty')
    expect([empty.status, await empty.text()]).toEqual([204, ''])
    expect((await get('')).status).toBe(404)
    expect((await get('/echo', { method: 'HEAD' })).status).toBe(200)
  })

  test('[PL20] what it says of the origin and the connection is dropped, and no script of it runs', async () => {
    const { get } = await openWeb()
    const { headers, status } = await get('/grabs')
    expect([status, headers.get('x-mine'), headers.get('content-type')]).toEqual([200, 'kept', 'text/html'])
    expect(headers.get('content-security-policy')).toMatch(/^sandbox;/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    for (const name of [
      'set-cookie',
      'access-control-allow-origin',
      'service-worker-allowed',
      'clear-site-data',
    ])
      expect(headers.get(name)).toBe(null)
    expect(headers.get('content-length')).toBe('24')
  })

  for (const path of ['splits', 'status', 'shape', 'headers', 'large', 'huge', 'class', 'throws'])
    test(`[PL20] an answer that can not be sent (${path}) is a bad gateway, and its words stay in the log`, async () => {
      const { get, logged } = await openWeb()
      const answer = await get(`/${path}`)
      expect(answer.status).toBe(502)
      expect(await answer.text()).not.toMatch(/secret/)
      expect(logged()).toContain('a plugin did not answer over HTTP')
      expect((await get('/bytes')).status).toBe(201)
    })

  test('[PL20] a body over a megabyte is refused before the plugin hears of it', async () => {
    const { get } = await openWeb()
    expect((await get('/echo', { method: 'POST', body: new Uint8Array(1024 * 1024 + 1) })).status).toBe(413)
    expect((await get('/echo', { method: 'POST', body: new Uint8Array(1024 * 1024) })).status).not.toBe(413)
  })

  test('[PL20] while its process is away: 503, and when to ask again', async () => {
    const { get } = await openWeb()
    expect((await get('/dies')).status).toBe(502)
    const away = await get('/bytes')
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '2'])
    await until(async () => (await get('/bytes')).status === 201)
  })

  test('[PL20] a hundred requests may be open at once; the next is told to come again, and other plugins answer', async () => {
    const { get, url } = await openWeb('--plugin', at('reads.js'))
    const stop = new AbortController()
    const { port } = new URL(url)
    const asked = Array.from({ length: 130 }, () => {
      const one = request({ port, path: '/plugins/web/never', signal: stop.signal, agent: false })
      one.on('error', () => {})
      one.end()
      return one
    })
    expect(asked).toHaveLength(130)
    await until(async () => (await get('/bytes')).status === 503)
    expect((await get('/bytes')).headers.get('retry-after')).toBe('1')
    expect((await fetch(`${url}/plugins/no-environment`)).status).toBe(404)
    stop.abort()
  })

  test('[PL20] a plugin that has no HTTP, and one that there is not: 404', async () => {
    const { url } = await openWeb('--plugin', at('reads.js'))
    for (const name of ['no-environment', 'nobody'])
      await until(async () => (await fetch(`${url}/plugins/${name}/x`)).status === 404)
  })
})
