/** JSON-RPC as real clients speak it, and logins. Rules: src/doors/exosense/RULES.md, JR and LG. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readings } from '../../src/doors/exosense/login.ts'
import { parseTimer } from '../../src/doors/exosense/timer.ts'
import { type Back, basic, master, openBack, password } from './support.ts'

let back: Back
const closers: (() => Promise<void>)[] = []
beforeAll(async () => {
  back = await openBack({}, (close) => closers.push(close))
  await back.account('acme')
})
afterAll(async () => {
  for (const close of closers) await close()
})

const admin = 'acme-admin'
const raw = async (body: string, headers: Record<string, string> = {}) =>
  (await back.post(admin, body, headers)).text()
const list = '"method":"exodm:list-device-types","params":{"n":1,"previous":""}'

describe('the envelope', () => {
  const scenarios: readonly { name: string; body: string; reply: string }[] = [
    {
      name: 'a call is answered with result, id and jsonrpc in this order',
      body: `{"jsonrpc":"2.0",${list},"id":"1"}`,
      reply: '{"result":{"result":"ok","device-types":[]},"id":"1","jsonrpc":"2.0"}',
    },
    {
      name: 'jsonrpc may be missing',
      body: `{${list},"id":1}`,
      reply: '{"result":{"result":"ok","device-types":[]},"id":1,"jsonrpc":"2.0"}',
    },
    {
      name: 'it may be spelt json-rpc',
      body: `{"json-rpc":"2.0",${list},"id":1}`,
      reply: '{"result":{"result":"ok","device-types":[]},"id":1,"jsonrpc":"2.0"}',
    },
    {
      name: 'another version is refused',
      body: `{"jsonrpc":"1.0",${list},"id":1}`,
      reply:
        '{"id":1,"error":{"code":-32600,"message":"invalid request","data":"jsonrpc: wanted \\"2.0\\""},"jsonrpc":"2.0"}',
    },
    {
      name: 'an id of null is a call, and is answered',
      body: `{${list},"id":null}`,
      reply: '{"result":{"result":"ok","device-types":[]},"id":null,"jsonrpc":"2.0"}',
    },
    {
      name: 'a fractional id comes back as it was',
      body: `{${list},"id":1.5}`,
      reply: '{"result":{"result":"ok","device-types":[]},"id":1.5,"jsonrpc":"2.0"}',
    },
    {
      name: 'an id beyond what a double holds comes back exactly',
      body: `{${list},"id":18446744073709551617}`,
      reply: '{"result":{"result":"ok","device-types":[]},"id":18446744073709551617,"jsonrpc":"2.0"}',
    },
    { name: 'without an id it is a notification: nothing is answered', body: `{${list}}`, reply: '' },
    {
      name: 'what is no JSON is a parse error',
      body: '{"method":',
      reply:
        '{"id":null,"error":{"code":-32700,"message":"parse error","data":"line 1, column 11: wanted a JSON value, got the end of the text"},"jsonrpc":"2.0"}',
    },
    {
      name: 'a method that is no text is an invalid request',
      body: '{"method":1,"id":2}',
      reply:
        '{"id":2,"error":{"code":-32600,"message":"invalid request","data":"method: wanted a text"},"jsonrpc":"2.0"}',
    },
    {
      name: 'an unknown method is not found, and named',
      body: '{"method":"exodm:fly","id":2}',
      reply:
        '{"id":2,"error":{"code":-32601,"message":"method not found","data":"exodm:fly"},"jsonrpc":"2.0"}',
    },
    {
      name: 'parameters in an array are invalid',
      body: '{"method":"exodm:list-devices","params":[1],"id":2}',
      reply:
        '{"id":2,"error":{"code":-32602,"message":"invalid params","data":"params: wanted an object"},"jsonrpc":"2.0"}',
    },
    {
      name: 'an empty batch is an invalid request',
      body: '[]',
      reply:
        '{"id":null,"error":{"code":-32600,"message":"invalid request","data":"an empty batch"},"jsonrpc":"2.0"}',
    },
    {
      name: 'a batch is answered in order; what is no object has an entry without an id while the others run',
      body: `[{${list},"id":1},7,{${list}},{"method":"exodm:fly","id":2}]`,
      reply:
        '[{"result":{"result":"ok","device-types":[]},"id":1,"jsonrpc":"2.0"},{"id":null,"error":{"code":-32600,"message":"invalid request","data":"wanted an object"},"jsonrpc":"2.0"},{"id":2,"error":{"code":-32601,"message":"method not found","data":"exodm:fly"},"jsonrpc":"2.0"}]',
    },
    { name: 'a batch of notifications only has an empty answer', body: `[{${list}},{${list}}]`, reply: '' },
    {
      name: 'an unprefixed name of a command of the server’s own is taken',
      body: '{"method":"list-device-types","params":{"n":1,"previous":""},"id":1}',
      reply: '{"result":{"result":"ok","device-types":[]},"id":1,"jsonrpc":"2.0"}',
    },
    {
      name: 'names are compared as they are written',
      body: '{"method":"exodm:List-Devices","id":1}',
      reply:
        '{"id":1,"error":{"code":-32601,"message":"method not found","data":"exodm:List-Devices"},"jsonrpc":"2.0"}',
    },
  ]
  for (const { name, body, reply } of scenarios)
    test(`[JR1] ${name}`, async () => {
      expect(await raw(body)).toBe(reply)
    })

  test('[JR2] whatever the content type says, the body is JSON', async () => {
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'x/y'])
      expect(await raw(`{${list},"id":1}`, { 'content-type': type })).toContain('"ok"')
    const noType = await fetch(`${back.test.url}/exodm/rpc`, {
      method: 'POST',
      headers: { authorization: basic(admin) },
      body: new Uint8Array(Buffer.from(`{${list},"id":1}`)),
    })
    expect(await noType.text()).toContain('"ok"')
  })

  test('[JR2] percent signs and plus signs in texts are kept as they are', async () => {
    await back.ask(admin, 'exodm:create-device-type', { name: 'a%41+b', protocol: 'exodm_bert' })
    expect(await back.ask(admin, 'exodm:list-device-types', { n: 9, previous: '' })).toMatchObject({
      'device-types': [{ name: 'a%41+b', protocol: 'exodm_bert' }],
    })
    await back.ask(admin, 'exodm:delete-device-type', { name: 'a%41+b' })
  })

  test('[JR3] a typo in a parameter is refused and named, a mistyped or missing one as well', async () => {
    const data = async (params: Parameters<Back['call']>[2]) =>
      (await back.call(admin, 'exodm:list-devices', params)).error
    expect(await data({ n: 1, previous: '', bogus: 2 })).toMatchObject({
      code: -32602,
      data: 'unknown parameter: bogus',
    })
    expect(await data({ previous: '' })).toMatchObject({ code: -32602, data: 'missing parameter: n' })
    expect(await data({ n: 'many', previous: '' })).toMatchObject({
      code: -32602,
      data: expect.stringContaining('many'),
    })
  })

  test('[JR3] a typo names the parameter that was probably meant', async () => {
    const { error } = await back.call(admin, 'exodm:create-device-type', { name: 't', protocl: 'exodm_bert' })
    expect(error).toMatchObject({ data: 'unknown parameter: protocl; did you mean protocol?' })
  })

  test('[JR4] integers come as texts too, booleans and enumerations in all their spellings', async () => {
    for (const n of [10, '10'])
      for (const direction of ['descending', 1, '1'])
        expect(
          await back.ask(admin, 'exodm:list-account-users', { n, previous: '', direction }),
        ).toMatchObject({
          result: 'ok',
        })
    for (const primary of [true, 'true', '1', 1, 0])
      expect(
        await back.ask(admin, 'exodm:add-device-group-members', {
          'group-id': ['none'],
          'device-id': ['none'],
          primary,
        }),
      ).toEqual({ result: 'device-not-found' })
  })

  test('[JR5] thousands in one batch are answered in order', async () => {
    const batch = Array.from({ length: 3000 }, (_, id) => `{${list},"id":${id}}`)
    const answers = JSON.parse(await raw(`[${batch.join(',')}]`)) as { id: number }[]
    expect(answers.map(({ id }) => id)).toEqual(batch.map((_, id) => id))
  })

  test('[JR5] others are answered in the midst of a batch, also of one that is not answered at all', async () => {
    const crowd = await back.account('crowd')
    const raw = async (body: string) => (await back.post(crowd, body)).text()
    await back.ask(crowd, 'exodm:create-device-type', { name: 'many', protocol: 'exodm_bert' })
    for (let i = 0; i < 50; i++)
      await back.ask(crowd, 'exodm:create-device', { 'device-id': `many-${i}`, 'device-type': 'many' })
    const lists = '{"method":"exodm:list-devices","params":{"n":50,"previous":"many"}}'
    const ended: string[] = []
    const batch = raw(`[${Array(1000).fill(lists).join(',')}]`).then((answer) =>
      ended.push(`batch ${answer}`),
    )
    const one = raw(`{${list},"id":1}`).then(() => ended.push('one'))
    await Promise.all([batch, one])
    expect(ended).toEqual(['one', 'batch '])
  })

  test('[JR6] more values than ten for each request of the longest batch: a clear answer', async () => {
    const members = Array.from({ length: 100_000 }, (_, i) => `"a${i}":${i}`)
    expect(await raw(`{"method":"exodm:nothing","id":1,"params":{${members.join(',')}}}`)).toMatch(
      /-32700.*wanted at most 100000, got another value/,
    )
  })

  test('[JR6] more at once than are taken, a body too long, nesting without end: a clear answer', async () => {
    expect(await raw(`[${'1,'.repeat(10_000)}1]`)).toContain('at most 10000 requests')
    const long = await back.post(admin, `"${'x'.repeat(5 * 1024 * 1024)}"`)
    expect([long.status, await long.text()]).toEqual([
      413,
      expect.stringMatching(/at most \d+ bytes, or files as parts/),
    ])
    expect(await raw('['.repeat(100_000))).toContain('-32700')
    expect(await raw('')).toContain('-32700')
    expect(await raw('\u0000\u0001')).toContain('-32700')
  })

  test('[JR7] GET is not found; the sinks that do nothing answer', async () => {
    const get = await fetch(`${back.test.url}/exodm/rpc`, { headers: { authorization: basic(admin) } })
    expect(get.status).toBe(404)
    const sink = await fetch(`${back.test.url}/exodm/test_callback`, { method: 'POST', body: '{}' })
    expect(sink.status).toBe(200)
  })

  test('[JR8] a file beside the request stands where it is named', async () => {
    const form = new FormData()
    const module = 'module up { namespace "urn:up"; prefix u; rpc go; }'
    form.set(
      'jsonrpc',
      JSON.stringify({
        method: 'exodm:create-yang-module',
        id: 1,
        params: { name: 'up.yang', 'yang-module': 'file:up.yang', repository: 'user' },
      }),
    )
    form.set('file', new Blob([module], { type: 'application/octet-stream' }), 'up.yang')
    const send = (body: FormData) =>
      fetch(`${back.test.url}/exodm/rpc`, { method: 'POST', headers: { authorization: basic(admin) }, body })
    expect(await (await send(form)).json()).toMatchObject({ result: { result: 'ok' } })
    expect(await back.ask(admin, 'exodm:lookup-yang-module', { name: 'up.yang' })).toEqual({
      result: 'ok',
      'yang-modules': [module],
    })
    form.delete('file')
    expect(await (await send(form)).json()).toMatchObject({ result: { result: 'object-not-found' } })
    const broken = await fetch(`${back.test.url}/exodm/rpc`, {
      method: 'POST',
      headers: { authorization: basic(admin), 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x\r\nnonsense',
    })
    expect(broken.status).toBe(400)
  })
})

describe('logging in', () => {
  test('[LG1] missing and wrong logins are 401 with the realm that clients know', async () => {
    for (const header of [
      undefined,
      'Basic',
      'Basic !!!',
      'Bearer x',
      basic(admin, 'wrong'),
      basic('nobody'),
    ]) {
      const answer = await fetch(`${back.test.url}/exodm/rpc`, {
        method: 'POST',
        body: '{}',
        headers: header === undefined ? {} : { authorization: header },
      })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toBe('Basic realm="exodm@feuerlabs.com"')
      expect(answer.headers.get('content-type')).toContain('text/html')
    }
  })

  test('[LG2] a login reads as the user of an account, by any delimiter; else as it stands', () => {
    for (const delimiter of "*=#_-/&+!%^;.,()[]{}'`<>\\$")
      expect(readings(`${delimiter}acme${delimiter}bob`)[0]).toEqual({ account: 'acme', user: 'bob' })
    expect(readings('bob')).toEqual([{ user: 'bob' }])
    expect(readings('*acme*acme/admin')[0]).toEqual({ account: 'acme', user: 'acme-admin' })
    expect(readings('bob@acme')).toEqual([{ user: 'bob@acme' }, { user: 'bob', account: 'acme' }])
    expect(readings('')).toEqual([{ user: '' }])
  })

  test('[LG3] the account: by parameter, by login, by user name, or the only one; several and none named is an error', async () => {
    const second = await back.account('second')
    await back.ask(master, 'exodm:create-user', { uname: 'both', password, account: 'acme' })
    for (const [who, account] of [
      [admin, 'acme'],
      [second, 'second'],
    ] as const)
      expect(
        await back.ask(who, 'exodm:add-account-users', { account, role: 'view', unames: ['both'] }),
      ).toEqual({
        result: 'ok',
      })
    const list_ = (user: string, more: Record<string, string> = {}) =>
      back.ask(user, 'exodm:list-devices', { n: 1, previous: '', ...more })
    expect(await list_('both')).toEqual({ result: 'account-not-specified', devices: [] })
    expect(await list_('both', { account: 'second' })).toEqual({ result: 'ok', devices: [] })
    expect(await list_('*acme*both')).toEqual({ result: 'ok', devices: [] })
    expect(await list_('both@acme')).toEqual({ result: 'ok', devices: [] })
    expect(await list_('*acme*both', { account: 'nowhere' })).toEqual({
      result: 'account-not-specified',
      devices: [],
    })
    expect(await list_(second, { account: 'acme' })).toEqual({ result: 'permission-denied', devices: [] })
    expect(await list_('acme/admin')).toEqual({ result: 'ok', devices: [] })
  })

  test('[LG4] a user without any role cannot log in; with one they can; after their last is gone no longer', async () => {
    await back.ask(admin, 'exodm:create-user', { uname: 'lonely', password })
    expect((await back.post('lonely', '{}')).status).toBe(401)
    await back.ask(admin, 'exodm:add-user-to-role', { role: 'view', names: ['lonely'] })
    expect((await back.post('lonely', '{}')).status).toBe(200)
    await back.ask(admin, 'exodm:remove-user-from-account', { uname: 'lonely' })
    expect((await back.post('lonely', '{}')).status).toBe(401)
  })

  test('[LG5] a changed password counts from the next request on', async () => {
    await back.ask(admin, 'exodm:create-user', { uname: 'changing', password })
    await back.ask(admin, 'exodm:add-user-to-role', { role: 'view', names: ['changing'] })
    expect((await back.post('changing', '{}')).status).toBe(200)
    expect(
      await back.ask('changing', 'exodm:update-user', { uname: 'changing', password: 'another one' }),
    ).toEqual({
      result: 'ok',
    })
    expect((await back.post('changing', '{}')).status).toBe(401)
    const other = { authorization: basic('changing', 'another one') }
    expect((await back.post(undefined, '{}', other)).status).toBe(200)
  })

  test('[LG6] the initial admin and the account exodm cannot be removed, nor a first character be a delimiter', async () => {
    expect(await back.ask(admin, 'exodm:delete-user', { uname: admin })).toEqual({
      result: 'permission-denied',
    })
    expect(await back.ask(master, 'exodm:delete-account', { name: 'exodm' })).toEqual({
      result: 'permission-denied',
    })
    for (const uname of ['*bob', '/bob'])
      expect(await back.ask(admin, 'exodm:create-user', { uname, password })).toEqual({
        result: 'illegal-name',
      })
    expect(await back.ask(admin, 'exodm:create-user', { uname: 'none/bob', password })).toEqual({
      result: 'illegal-name',
    })
    expect(await back.ask(admin, 'exodm:create-user', { uname: 'acme/bob', password })).toEqual({
      result: 'ok',
    })
    expect(await back.ask(admin, 'exodm:create-user', { uname: 'silent' })).toEqual({
      result: 'missing-option',
    })
  })

  test('[LG7] both users of the house come with the first start, and sysadm makes accounts', async () => {
    expect(await back.ask('sysadm', 'exodm:create-account', { name: 'third', password })).toEqual({
      result: 'ok',
      'account-admin': 'third-admin',
    })
    expect(await back.ask('sysadm', 'exodm:create-account', { name: 'third', password })).toEqual({
      result: 'object-exists',
    })
    expect(await back.ask('third-admin', 'exodm:list-account-users', { n: 9, previous: '' })).toEqual({
      result: 'ok',
      users: [{ name: 'third-admin', roles: ['admin', 'initial-admin'] }],
    })
    expect(await back.ask(master, 'exodm:delete-account', { name: 'third' })).toEqual({ result: 'ok' })
    expect((await back.post('third-admin', '{}')).status).toBe(401)
  })

  test('[LG8] with master-from local, master commands from elsewhere are denied; a proxy passes on who asks', async () => {
    const strict = await openBack(
      { flags: ['--master-from', 'local', '--trusted-proxies', '127.0.0.1/32'] },
      (close) => closers.push(close),
    )
    const make = (headers: Record<string, string>, name: string) =>
      strict.post(
        master,
        JSON.stringify({ method: 'exodm:create-account', params: { name, password }, id: 1 }),
        headers,
      )
    expect(await (await make({}, 'near')).json()).toMatchObject({ result: { result: 'ok' } })
    expect(await (await make({ 'x-forwarded-for': '198.51.100.7' }, 'far')).json()).toMatchObject({
      result: { result: 'permission-denied' },
    })
  })

  test('[LG9] guesses are slowed down', async () => {
    const slow = await openBack({ flags: ['--guess-limit', '2'] }, (close) => closers.push(close))
    const statuses: number[] = []
    for (let i = 0; i < 4; i++)
      statuses.push((await slow.post(undefined, '{}', { authorization: basic(master, `no ${i}`) })).status)
    expect(statuses).toEqual([401, 401, 429, 429])
  })
})

describe('until when', () => {
  const now = Date.UTC(2026, 0, 31, 11, 0, 0)
  const lengths: readonly [string, number][] = [
    ['2000', 2000],
    ['0', 0],
    ['in 30 sec', 30_000],
    ['in 1 hr, 20 min', 4_800_000],
    ['{in 2 days; once}', 172_800_000],
    ['in 1 mo', Date.UTC(2026, 1, 28, 11, 0, 0) - now],
    ['in 1 yr', Date.UTC(2027, 0, 31, 11, 0, 0) - now],
    ['at 12:00:00', 3_600_000],
    ['at 10:00:00', 23 * 3_600_000],
    ['at 2027-01-31, 12:00:00', Date.UTC(2027, 0, 31, 12) - now],
    ['at 31/1/2027', Date.UTC(2027, 0, 31) - now],
    ['at 2020-01-01, 00:00:00', 0],
    ['{500; once}', 500],
  ]
  for (const [text, ms] of lengths)
    test(`[TM1] ${text}`, () => {
      expect(parseTimer(text, now)).toEqual({ ok: true, value: ms })
    })
  for (const text of [
    '',
    'soon',
    'in',
    'in 3 moons',
    'at 25:00:00',
    'at 31/4/2027',
    '1e9',
    '9'.repeat(16),
    '-5',
  ])
    test(`[TM2] ${JSON.stringify(text)} is refused`, () => {
      expect(parseTimer(text, now)).toMatchObject({ ok: false, refusal: { kind: 'bad-timer' } })
    })
})
