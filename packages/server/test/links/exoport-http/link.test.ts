import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { exoportHttpLink, type HttpLinkLimits } from '../../../src/links/exoport-http/link.ts'
import { temporaryFolder } from '../../support.ts'
import { createMemoryHouse } from '../memory-house.ts'

const truck = { name: { account: 'acme', device: 'h1' }, password: 'p:w', protocol: 'exoport_http' }
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

interface Message {
  readonly class: string
  readonly method: string
  readonly params: Record<string, unknown>
}

interface Answered {
  readonly result?: string | { readonly messages: readonly Message[] } | { readonly thanks: string }
  readonly error?: { readonly code: number }
}

async function openLink({
  limits = {},
  flags = [],
}: {
  limits?: Partial<HttpLinkLimits>
  flags?: string[]
} = {}) {
  const house = createMemoryHouse(flags)
  house.add(truck)
  const open = exoportHttpLink(limits).open(house)
  const [listener] = open.listeners
  if (!listener) throw new Error('no listener')
  const { url } = await listener.listen({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => open.close())
  const post = (
    body: string,
    {
      user = '*acme*h1',
      password = 'p:w',
      signal,
    }: { user?: string; password?: string; signal?: AbortSignal } = {},
  ) =>
    fetch(`${url}/exoport`, {
      method: 'POST',
      body,
      headers: { authorization: basic(user, password) },
      ...(signal ? { signal } : {}),
    })
  const call = async (method: string, params: object = {}, id: unknown = 1): Promise<Answered> => {
    const answer = await post(JSON.stringify({ jsonrpc: '2.0', method, params, id }))
    return (await answer.json()) as Answered
  }
  const messages = async (params: object = {}) => {
    const { result } = await call('exoport:get-messages', params)
    return typeof result === 'object' && 'messages' in result ? result.messages : []
  }
  return { house, open, listener, url, post, call, messages }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 2))
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn()
}

describe('who is let in', () => {
  const strangers: [string, { user?: string; password?: string }][] = [
    ['a wrong password', { password: 'x' }],
    ['no password', { password: '' }],
    ['an unknown device', { user: '*acme*nobody' }],
    ['an unknown account', { user: '*nobody*h1' }],
    ['a device of another protocol', { user: '*acme*bert' }],
    ['a device without a password', { user: '*acme*open', password: '' }],
    ['a name that is none', { user: 'h1' }],
  ]
  for (const [who, login] of strangers)
    test(`[XH1] ${who}: 401`, async () => {
      const { house, post } = await openLink()
      house.add({ ...truck, name: { account: 'acme', device: 'bert' }, protocol: 'exodm_bert' })
      house.add({ name: { account: 'acme', device: 'open' }, protocol: 'exoport_http' })
      const answer = await post('{}', login)
      expect([answer.status, await answer.text()]).toEqual([401, ''])
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /)
      expect(house.opened()).toBe(0)
    })

  test('[XH1] nothing but POST /exoport is there', async () => {
    const { url } = await openLink()
    expect((await fetch(`${url}/exoport`)).status).toBe(404)
    expect((await fetch(`${url}/`)).status).toBe(404)
  })

  test('[XH2] who has to wait hears for how long', async () => {
    const { house, post } = await openLink()
    house.throttleMs = 1500
    const answer = await post('{}')
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '2'])
    expect(house.attempts).toEqual([])
  })

  test('[XH1] over TLS with the server’s certificate; an account that wants TLS knows nobody without', async () => {
    const folder = temporaryFolder()
    const files = ['--tls-cert', join(folder, 'cert.pem'), '--tls-key', join(folder, 'key.pem')] as const
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
    execFileSync('openssl', ['req', ...kind, ...subject, '-out', files[1], '-keyout', files[3]], {
      stdio: 'ignore',
    })
    const { url, house } = await openLink({ flags: ['--exoport-http', '0', ...files] })
    house.add({ ...truck, tlsOnly: true })
    expect(url).toMatch(/^https:/)
    const status = await new Promise((resolve, reject) => {
      const asked = request(
        `${url}/exoport`,
        { method: 'POST', ca: readFileSync(files[1]), headers: { authorization: basic('*acme*h1', 'p:w') } },
        (answer) => resolve(answer.resume().statusCode),
      )
      asked.on('error', reject)
      asked.end('{"method":"exoport:get-messages","id":1}')
    })
    expect(status).toBe(200)
    const plain = await openLink()
    plain.house.add({ ...truck, tlsOnly: true })
    expect((await plain.post('{}')).status).toBe(401)
  })
})

describe('what waits', () => {
  test('[XH3] nothing is an empty list', async () => {
    const { post } = await openLink()
    const answer = await post('{"jsonrpc":"2.0","method":"exoport:get-messages","id":"a"}')
    expect(await answer.text()).toBe('{"result":{"result":"ok","messages":[]},"id":"a","jsonrpc":"2.0"}')
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  })

  test('[XH3] calls and configurations, with exact numbers, one lane after the other', async () => {
    const { house, post, messages } = await openLink()
    house.queueRpc('h1', 'blink', { times: 3, 'transaction-id': 18446744073709551615n })
    house.queueConfiguration('h1', 'net', { ip: '10.0.0.1' })
    const first = await (await post('{"method":"exoport:get-messages","id":1}')).text()
    expect(first).toContain(
      '{"class":"call","method":"fleet:blink","params":{"times":3,"transaction-id":18446744073709551615}}',
    )
    expect(await messages()).toEqual([
      { class: 'call', method: 'exodm:push_config_set', params: { name: 'net', values: { ip: '10.0.0.1' } } },
    ])
    await until(() => house.settled.length === 2)
    expect(house.settled.map(({ outcome }) => outcome)).toEqual([{ kind: 'done' }, { kind: 'done' }])
  })

  test('[XH3] a patient device gets it as soon as it is there', async () => {
    const { house, messages } = await openLink()
    const asked = messages({ timeout: 20_000 })
    await until(() => house.isThere('h1'))
    house.queueRpc('h1', 'blink', { times: 1 })
    expect(await asked).toHaveLength(1)
  })

  test('[XH3] n and timeout may be texts, and are checked', async () => {
    const { house, call, messages } = await openLink()
    house.queueRpc('h1', 'blink', { times: 1 })
    expect(await messages({ n: 0 })).toEqual([])
    expect(await messages({ n: '5', timeout: '1' })).toHaveLength(1)
    for (const params of [{ n: -1 }, { n: 'x' }, { timeout: 1.5 }, { timeout: null }])
      expect((await call('exoport:get-messages', params)).error?.code).toBe(-32602)
  })

  test('[XH4][XH5] a poll whose caller has hung up takes nothing away', async () => {
    const { house, post, messages } = await openLink()
    const hangUp = new AbortController()
    const asked = post('{"method":"exoport:get-messages","params":{"timeout":300},"id":1}', {
      signal: hangUp.signal,
    })
    await until(() => house.isThere('h1'))
    hangUp.abort()
    await expect(asked).rejects.toThrow()
    // Until the server has noticed: what it writes to a caller that is still there counts as delivered.
    const connections = /^waymark_http_connections\{listener="exoport-http"\} 0$/m
    while (!connections.test((await house.metrics.text()).body)) await turn()
    house.queueRpc('h1', 'blink', { times: 1 })
    const seen: unknown[] = []
    while (seen.length === 0) seen.push(...(await messages({ timeout: 100 })))
    expect(seen).toHaveLength(1)
    await until(() => house.settled.length === 1)
  })

  test('[XH5] two polls at once get one each', async () => {
    const { house, messages } = await openLink()
    const both = [messages({ timeout: 20_000 }), messages({ timeout: 20_000 })]
    await until(() => house.isThere('h1'))
    house.queueRpc('h1', 'blink', { times: 1 })
    house.queueRpc('h1', 'blink', { times: 2 })
    const seen = (await Promise.all(both)).flat()
    expect(seen.map(({ params }) => params.times).toSorted()).toEqual([1, 2])
  })

  test('[XH8] at the end of the server polls are answered at once', async () => {
    const { house, messages, listener } = await openLink()
    const asked = messages({ timeout: 20_000 })
    await until(() => house.isThere('h1'))
    await listener.drain(5000)
    expect(await asked).toEqual([])
  })

  test('[XH9] a device that asks for nothing for a while is away', async () => {
    const { house, messages } = await openLink({ limits: { restMs: 1, sweepMs: 1 } })
    await messages()
    await until(() => !house.isThere('h1'))
    await messages()
    expect(house.opened()).toBe(2)
  })

  test('[XH9] a session that the house has ended is not used again', async () => {
    const { house, messages } = await openLink()
    await messages()
    house.end('h1', 'changed')
    house.queueRpc('h1', 'blink', { times: 1 })
    expect(await messages()).toHaveLength(1)
  })
})

describe('what the device says', () => {
  test('[XH6] a notification is ok, an RPC its output', async () => {
    const { house, call } = await openLink()
    expect(await call('fleet:alarm', { level: 3 })).toEqual({ jsonrpc: '2.0', id: 1, result: 'ok' })
    expect(house.ups).toEqual([{ module: 'fleet', method: 'alarm', params: { level: 3 }, id: 1 }])
    const described = house.described('report')
    house.answer = () => ({ kind: 'output', output: { thanks: 'a lot' }, described })
    expect((await call('fleet:report')).result).toEqual({ thanks: 'a lot' })
    house.answer = () => ({ kind: 'output', output: {}, described: house.described('reset') })
    expect((await call('fleet:reset')).result).toBe('ok')
  })

  test('[XH6] what is refused is an error of JSON-RPC', async () => {
    const { house, call } = await openLink()
    const codes = {
      'not-defined': -32601,
      'bad-params': -32602,
      'no-answer': -32603,
      'too-many': -32000,
    } as const
    for (const [reason, code] of Object.entries(codes)) {
      house.answer = () => ({ kind: 'refused', reason: reason as keyof typeof codes, detail: 'why' })
      expect((await call('fleet:report')).error?.code).toBe(code)
    }
  })

  const bodies: [string, string, string][] = [
    ['no version', '{"method":"fleet:alarm","id":1}', '{"result":"ok","id":1,"jsonrpc":"2.0"}'],
    [
      'a misspelt one',
      '{"json-rpc":"2.0","method":"fleet:alarm","id":1.5}',
      '{"result":"ok","id":1.5,"jsonrpc":"2.0"}',
    ],
    ['an id of null', '{"method":"fleet:alarm","id":null}', '{"result":"ok","id":null,"jsonrpc":"2.0"}'],
    ['no id', '{"method":"fleet:alarm"}', ''],
    [
      'another version',
      '{"jsonrpc":"1.0","method":"fleet:alarm","id":1}',
      '{"id":1,"error":{"code":-32600,"message":"invalid request"},"jsonrpc":"2.0"}',
    ],
    ['no JSON', '{', '{"id":null,"error":{"code":-32700,"message":"parse error"},"jsonrpc":"2.0"}'],
    ['nothing', '', '{"id":null,"error":{"code":-32700,"message":"parse error"},"jsonrpc":"2.0"}'],
    [
      'an array of parameters',
      '{"method":"fleet:alarm","params":[],"id":1}',
      '{"id":1,"error":{"code":-32602,"message":"invalid params","data":"params: wanted an object"},"jsonrpc":"2.0"}',
    ],
    [
      'no module',
      '{"method":"alarm","id":1}',
      '{"id":1,"error":{"code":-32601,"message":"method not found","data":"alarm"},"jsonrpc":"2.0"}',
    ],
    [
      'an empty batch',
      '[]',
      '{"id":null,"error":{"code":-32600,"message":"invalid request"},"jsonrpc":"2.0"}',
    ],
    [
      'a batch',
      '[{"method":"fleet:alarm","id":1},7,{"method":"fleet:alarm"}]',
      '[{"result":"ok","id":1,"jsonrpc":"2.0"},{"id":null,"error":{"code":-32600,"message":"invalid request"},"jsonrpc":"2.0"}]',
    ],
    ['a batch of notifications', '[{"method":"fleet:alarm"}]', ''],
  ]
  for (const [what, body, answer] of bodies)
    test(`[XH7] ${what}`, async () => {
      const { post } = await openLink()
      const got = await post(body)
      expect([got.status, await got.text()]).toEqual([200, answer])
    })

  test('[XH8] a body beyond the limit is refused, and so is a batch', async () => {
    const { post } = await openLink({ limits: { bodyBytes: 5000 } })
    expect((await post(' '.repeat(5001))).status).toBe(413)
    const batch = JSON.stringify(Array.from({ length: 51 }, (_, id) => ({ method: 'a:b', id })))
    expect(await (await post(batch)).json()).toMatchObject({ error: { code: -32600 } })
  })
})
