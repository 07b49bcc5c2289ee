import fc from 'fast-check'
import { expect, test } from 'vitest'
import { requestSampler, scrubText } from '../src/log.ts'
import { keptLog } from './support.ts'

const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IjEifQ.c2lnbmF0dXJl'

test('[LG1] a line is one JSON object with level and time', () => {
  const { log, lines } = keptLog()
  log.info({ device: 'x' }, 'claimed')
  expect(lines).toEqual([
    { level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/), device: 'x', msg: 'claimed' },
  ])
})

const secrets: { says: string; logged: object }[] = [
  { says: 'a password', logged: { password: 'geheim' } },
  { says: 'a nested token', logged: { a: { b: [{ accessToken: 'geheim' }] } } },
  { says: 'a header', logged: { headers: { Authorization: 'geheim', 'set-cookie': ['geheim'] } } },
  { says: 'a challenge', logged: { challenge: 'geheim' } },
  { says: 'a deep one', logged: { a: { a: { a: { a: { a: { a: { a: { secret: 'geheim' } } } } } } } } },
  { says: 'an error’s message', logged: { err: new Error('password=geheim was wrong') } },
  { says: 'an error’s cause', logged: { err: new Error('x', { cause: new Error('Bearer geheimgeheim') }) } },
  { says: 'a bearer in a text', logged: { line: 'sent Bearer geheimgeheim to x' } },
  { says: 'a URL with a password', logged: { database: 'postgres://u:geheim@h/d' } },
  { says: 'a query', logged: { url: '/x?access_token=geheim&b=1' } },
  { says: 'a signed object path', logged: { url: '/local-s3/geheim.x?y' } },
  { says: 'JSON in a text', logged: { body: '{"password":"geheim","a":1}' } },
  { says: 'bytes', logged: { body: Buffer.from('geheim') } },
  { says: 'a device secret in a record', logged: { device: { id: '1', secret: 'geheim' } } },
]
for (const { says, logged } of secrets)
  test(`[LG2] ${says} is not written`, () => {
    const { log, lines } = keptLog()
    log.warn(logged, 'and in the message: token=geheim')
    log.child({ cookie: 'geheim' }).warn(logged)
    expect(lines).toHaveLength(2)
    expect(JSON.stringify(lines)).not.toContain('geheim')
  })

test('[LG2] a JSON Web Token is cut out of every text', () => {
  expect(scrubText(`got ${jwt} from x`)).toBe('got [token] from x')
})

test('[LG2] an error keeps its name, message, code and stack', () => {
  const { log, lines } = keptLog()
  log.error({ err: Object.assign(new TypeError('no such thing'), { code: 'EX' }) }, 'failed')
  expect(lines[0]).toMatchObject({
    err: { name: 'TypeError', message: 'no such thing', code: 'EX', stack: expect.any(String) },
  })
})

const urls = [
  ['/devices/x?page=2', '/devices/x?page=2'],
  ['/local-s3/abc.def', '/local-s3/[token]'],
  ['/v1/auth?code=abc&state=1', '/v1/auth?code=[redacted]&state=1'],
  ['https://h/x?X-Amz-Signature=abc', 'https://h/x?X-Amz-Signature=[redacted]'],
  ['http://u:p@h/x', 'http://u:[redacted]@h/x'],
] as const
for (const [url, shown] of urls)
  test(`[LG3] ${url} is logged as ${shown}`, () => expect(scrubText(url)).toBe(shown))

test('[LG2] whatever is logged, the log does not throw and writes one line', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.anything({ withBigInt: true, withDate: true, withMap: true })),
      (fields) => {
        const { log, lines } = keptLog()
        log.info(fields, 'x')
        expect(lines).toHaveLength(1)
      },
    ),
  )
})

test('[LG2] a text of any length is cut to a bounded one', () => {
  expect(scrubText('x'.repeat(100_000)).length).toBeLessThan(10_000)
})

const sampled = [
  { logRequests: 'off', of: [200, 404, 500], logs: 0 },
  { logRequests: 'errors', of: [200, 404, 500], logs: 1 },
  { logRequests: 'all', of: [200, 404, 500], logs: 3 },
  { logRequests: 'sampled', of: Array.from({ length: 30 }, () => 200), logs: 3 },
  { logRequests: 'sampled', of: [500, 503], logs: 2 },
] as const
for (const { logRequests, of, logs } of sampled)
  test(`[LG4] ${logRequests}: of ${of.length} requests (${of[0]} …) ${logs} are logged`, () => {
    const logged = requestSampler({ logRequests, logSample: 10 })
    expect(of.filter((status) => logged(status))).toHaveLength(logs)
  })
