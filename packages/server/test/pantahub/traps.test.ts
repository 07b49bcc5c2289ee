import { canonicalJson, flatRead } from '@waymark/pantahub'
import { afterAll, expect, test } from 'vitest'
import { agent, at, factory, type JsonObject, listOf, openDoor, sha256 } from './support.ts'

/** The traps of the Pantahub wire facts (14), most costly first: a server that falls into one loses its clients. */
const door = await openDoor({ flags: ['--public-url', 'https://hub.example:8443'] }, afterAll)
const owner = await door.person('trapper')
const { call, must } = door

test('[trap 1] the 401 bears WWW-Authenticate in the one form that pvr takes apart', async () => {
  for (const headers of [{}, { authorization: 'Bearer stale.token.here' }] as Record<string, string>[])
    for (const path of [
      '/auth/auth_status',
      '/devices/x?owner-nick=y',
      '/trails/summary',
      '/trails/0/.pvrremote',
      '/logs/?cursor=true',
    ]) {
      const answer = await call('GET', path, { headers })
      const header = answer.headers.get('www-authenticate') ?? ''
      // As pvr reads it: at the first space, then at comma and space, then at the equals sign.
      const space = header.indexOf(' ')
      const parts = Object.fromEntries(
        header
          .slice(space + 1)
          .split(', ')
          .map((part) => {
            const [name = '', value = ''] = part.split('=')
            return [name, value.replaceAll('"', '')]
          }),
      )
      expect([path, answer.status, header.slice(0, space), parts]).toEqual([
        path,
        401,
        'JWT',
        { realm: 'pantahub services', 'ph-aeps': 'https://hub.example:8443/auth' },
      ])
    }
})

test('[trap 1] no first reply is 403: the bearer is asked for before anything else is looked at', async () => {
  for (const [method, path, body] of [
    ['GET', '/devices/not%20an%20id'],
    ['PUT', '/devices/x?challenge=y', 'not json'],
    ['POST', '/trails/x/steps', '{'],
    ['PATCH', '/devices/x/user-meta', '['],
    ['GET', '/trails/x/steps?progress.status={'],
    ['POST', '/objects/', ''],
  ] as const)
    expect([path, (await call(method, path, { body })).status]).toEqual([path, 401])
})

test('[trap 2] nothing follows the token in a login’s reply, and it fits Pantavisor’s buffer', async () => {
  const device = await door.deviceOf(owner)
  const { text } = await must('POST', '/auth/login', {
    body: { username: device.prn, password: device.secret },
  })
  // The careless reader: the last string after any that begins with `token`.
  const strings = [...text.matchAll(/"([^"]*)"/g)].map(([, string = '']) => string)
  const behind = strings.slice(strings.findIndex((string) => string.startsWith('token')) + 1)
  expect(behind).toEqual([at(JSON.parse(text), 'token')])
  expect(behind[0]?.length).toBeLessThanOrEqual(1016)
})

test('[trap 3] URLs hold their secret in the path, on the public https address; put URLs can be cut at /local-s3', async () => {
  const device = await door.deviceOf(owner)
  const bytes = Buffer.from('by careful steps')
  const made = await must('POST', '/objects/', {
    token: device.token,
    body: { objectname: 'a b?c#d&e', size: String(bytes.length), sha256sum: sha256(bytes) },
  })
  for (const key of ['signed-geturl', 'signed-puturl'])
    expect(at(made.json, key)).toMatch(/^https:\/\/hub\.example:8443\/local-s3\/[\w-]+\.[\w-]+\.[\w-]+$/)
  expect(made.text).not.toMatch(/\\/)
  const put = String(at(made.json, 'signed-puturl'))
  await must('PUT', put.slice(put.indexOf('/local-s3')), { body: bytes })
  const object = await must('GET', `/objects/${sha256(bytes)}`, { token: device.token })
  const url = new URL(String(at(object.json, 'signed-geturl')))
  const got = await call('GET', url.pathname)
  expect([got.status, got.text]).toEqual([200, 'by careful steps'])
})

const awkward: JsonObject = {
  '#spec': 'pantavisor-service-system@1',
  zebra: sha256('z'),
  'a/run.json': { 'b"': [1.5, 1e-7, 100, 250.5], '😀': '<&>/', '｡': '\u007f\u2028' },
  '_sigs/a.json': { '#spec': 'pvs@2' },
}

test('[trap 4] a state is served byte for byte canonical, wherever it stands, and its sha agrees', async () => {
  const device = await door.deviceOf(owner)
  await door
    .call('POST', '/objects/', { token: owner.token, body: { size: '1', sha256sum: sha256('z') } })
    .then((made) =>
      must('PUT', new URL(String(at(made.json, 'signed-puturl'))).pathname, { body: Buffer.from('z') }),
    )
  const shuffled = `{"zebra" : "${sha256('z')}",\n ${JSON.stringify(awkward)
    .slice(1)
    .replace(`"zebra":"${sha256('z')}",`, '')}`
  await must('POST', '/trails/', { token: device.token, body: shuffled })
  const canonical = canonicalJson(awkward)
  const step = await must('GET', `/trails/${device.id}/steps/0`, { token: device.token })
  expect(step.text).toContain(`"state":${canonical},`)
  expect(at(step.json, 'state-sha')).toBe(sha256(canonical))
  expect((await must('GET', `/trails/${device.id}/steps/0/state`, { token: owner.token })).text).toBe(
    canonical,
  )
})

test('[trap 5] read flat, a device record and a step tell the truth whatever people write into them', async () => {
  for (const nick of ['owner', 'challenge', 'secret', 'id', 'prn']) {
    const free = await must('POST', '/devices/', { body: { nick, 'device-meta': { owner: 'x', prn: 'y' } } })
    const id = String(at(free.json, 'id'))
    const secret = String(at(free.json, 'secret'))
    const token = await door.enter(String(at(free.json, 'prn')), secret)
    const read = await must('GET', `/devices/${id}`, { token })
    for (const text of [free.text, read.text]) {
      expect(flatRead(text, 'id')).toBe(id)
      expect(flatRead(text, 'prn')).toBe(`prn:::devices:/${id}`)
      expect(flatRead(text, 'owner')).toBe('')
      expect(flatRead(text, 'challenge')).toBe(at(free.json, 'challenge'))
    }
    expect(flatRead(free.text, 'secret')).toBe(secret)
  }
  const device = await door.deviceWithTrail(owner)
  for (const word of ['rev', 'state', 'progress', 'commit-msg']) {
    const body = {
      rev: -1,
      'commit-msg': word,
      committer: word,
      meta: { [word]: 99, rev: word },
      state: { ...factory, 'a.json': { rev: 77, state: {} } },
    }
    const posted = await must('POST', `/trails/${device.id}/steps`, { token: owner.token, body })
    const rev = Number(at(posted.json, 'rev'))
    const polled = await must(
      'GET',
      `/trails/${device.id}/steps?progress.status={"$in":["NEW"]}&page[offset]=${rev - 1}`,
      { token: device.token },
    )
    for (const text of [posted.text, polled.text]) {
      expect(flatRead(text, 'rev')).toBe(String(rev))
      expect(flatRead(text, 'state')).toBe(canonicalJson(body.state))
      expect(JSON.parse(flatRead(text, 'progress') ?? '')).toMatchObject({ status: 'NEW' })
    }
  }
})

test('[trap 6] success is 200, never 201 or 204; stored objects are 409', async () => {
  const device = await door.deviceOf(owner)
  const bytes = Buffer.from('once only')
  const body = { objectname: 'x', size: String(bytes.length), sha256sum: sha256(bytes) }
  const made = await call('POST', '/objects/', { token: device.token, body })
  const put = await call('PUT', new URL(String(at(made.json, 'signed-puturl'))).pathname, { body: bytes })
  const again = await call('POST', '/objects/', { token: device.token, body })
  const trail = await call('POST', '/trails/', { token: device.token, body: factory })
  const step = await call('POST', `/trails/${device.id}/steps`, {
    token: owner.token,
    body: { rev: -1, state: factory },
  })
  const progress = await door.progress(device, 1, 'DONE')
  const others = await Promise.all([
    call('POST', '/auth/sessions'),
    call('POST', '/devices/'),
    call('POST', '/devices/tokens', { token: owner.token }),
    call('POST', '/logs/', { token: device.token, body: [] }),
    call('PUT', `/devices/${device.id}/device-meta`, { token: device.token, body: {} }),
    call('PUT', `/devices/${device.id}/user-meta`, { token: owner.token, body: {} }),
    call('PUT', `/devices/${device.id}`, { token: owner.token }),
  ])
  expect(again.status).toBe(409)
  expect([made, put, trail, step, progress, ...others].map(({ status }) => status)).toEqual(
    Array(12).fill(200),
  )
})

test('[trap 7] a Pantavisor’s old client is answered: full URL, HTTP/1.0, no body, no length; and the connection is closed at once', async () => {
  const head = (method: string, path: string, more = '') =>
    `${method} https://hub.example:8443${path} HTTP/1.0\r\nHost: hub.example:8443\r\nConnection: close\r\nUser-Agent: ${agent}\r\n${more}\r\n`
  const registered = await door.raw(head('POST', '/devices/'))
  const record = JSON.parse(registered.slice(registered.indexOf('\r\n\r\n')))
  expect(registered).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(registered.toLowerCase()).not.toContain('chunked')
  const token = await door.enter(record.prn, record.secret)
  const bearer = `Authorization: Bearer ${token}\r\n`
  const claim = await door.raw(head('GET', `/devices/${record.id}`, bearer))
  expect(claim).toContain(`"challenge":"${record.challenge}"`)
  const unknown = await door.raw(head('GET', '/devices/0123456789abcdef01234567', bearer))
  expect(unknown).toMatch(/^HTTP\/1\.1 403 /)
  const closing = await door.raw(
    `GET /trails/ HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\nUser-Agent: ${agent}\r\n${bearer}\r\n`,
  )
  expect(closing).toMatch(/\r\n\r\n\[\]$/)
})

test('[trap 8] a device’s default list is NEW alone and one alone; with $in the oldest comes first', async () => {
  const device = await door.deviceWithTrail(owner)
  for (let i = 0; i < 3; i++) await door.post(owner, device)
  await door.progress(device, 1, 'INPROGRESS')
  const revs = async (query = '') =>
    listOf(await must('GET', `/trails/${device.id}/steps${query}`, { token: device.token })).map((step) =>
      at(step, 'rev'),
    )
  expect(await revs()).toEqual([2])
  // As a Pantavisor writes it: `$`, `:` and `,` as they are, the rest encoded.
  expect(
    await revs(
      '?progress.status=%7B%22$in%22:%5B%22NEW%22,%22DOWNLOADING%22,%22INPROGRESS%22,%22TESTING%22,%22QUEUED%22%5D%7D',
    ),
  ).toEqual([1, 2, 3])
  expect(await revs('?progress.status=INPROGRESS')).toEqual([1])
})

test('[trap 9] rev -1 appends; rev and sizeint are numbers, size, now and a log line’s rev are texts', async () => {
  const device = await door.deviceWithTrail(owner)
  const step = await must('POST', `/trails/${device.id}/steps`, {
    token: owner.token,
    body: { rev: -1, state: factory },
  })
  expect(at(step.json, 'rev')).toBe(1)
  const object = await must('POST', '/objects/', {
    token: owner.token,
    body: { size: '7', sha256sum: sha256('seven') },
  })
  expect([at(object.json, 'size'), at(object.json, 'sizeint'), typeof at(object.json, 'now')]).toEqual([
    '7',
    7,
    'string',
  ])
  await must('POST', '/logs/', { token: device.token, body: [{ msg: 'x', rev: '1' }] })
  const logs = await must('GET', `/logs/?dev=${device.id}`, { token: owner.token })
  expect(at(logs.json, 'entries', 0, 'rev')).toBe('1')
  const summary = await must('GET', `/trails/${device.id}/summary`, { token: owner.token })
  expect([typeof at(summary.json, 'revision'), typeof at(summary.json, 'progress-revision')]).toEqual([
    'number',
    'number',
  ])
})

test('[trap 10] objects are posted with a trailing slash; dots in metadata keys survive', async () => {
  const device = await door.deviceWithTrail(owner)
  const body = { objectname: 'x', size: '3', sha256sum: sha256('abc') }
  await must('POST', `/trails/${device.id}/steps/0/objects/`, { token: owner.token, body })
  const meta = {
    'pvr-sdk.authorized_keys': 'ssh-ed25519 AAAA',
    'pantavisor.mode': 'remote',
    'a..b': 1,
    '.': 2,
  }
  expect(
    (await must('PUT', `/devices/${device.id}/user-meta`, { token: owner.token, body: meta })).json,
  ).toEqual(meta)
  expect((await must('GET', `/devices/${device.id}/user-meta`, { token: device.token })).json).toEqual(meta)
})

test('[trap 11] a device that tests a revision gets a whole HTTP reply, whatever it sends', async () => {
  const device = await door.deviceWithTrail(owner)
  const rev = await door.post(owner, device)
  await door.progress(device, rev, 'TESTING', 75)
  const path = `/trails/${device.id}/steps/${rev}/progress`
  const send = (body: string, more = '', length = Buffer.byteLength(body)) =>
    door.raw(
      `PUT ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: ${agent}\r\nAuthorization: Bearer ${device.token}\r\n${more}Content-Length: ${length}\r\n\r\n${body}`,
    )
  for (const [body, status] of [
    ['{"status":"TESTING"}', 200],
    ['{"status":', 400],
    ['', 400],
    ['[]', 400],
    [`{"status":"${'X'.repeat(100)}"}`, 400],
    [JSON.stringify({ status: 'TESTING', logs: 'x'.repeat(3_000_000) }), 200],
    [JSON.stringify({ status: 'TESTING', logs: 'x'.repeat(5_000_000) }), 413],
  ] as const) {
    const reply = await send(body)
    expect([body.length, reply.slice(0, 12)]).toEqual([body.length, `HTTP/1.1 ${status}`])
    const length = Number(/content-length: (\d+)/i.exec(reply)?.[1])
    expect(reply.slice(reply.indexOf('\r\n\r\n') + 4)).toHaveLength(length)
  }
  expect(await send('{"status":"TESTING"}', 'X-Junk: 1\r\n')).toMatch(/^HTTP\/1\.1 200 /)
})

test('[trap 12] owner is present and empty before the claim; a login after it carries the owner', async () => {
  const device = await door.newDevice()
  const before = await door.enter(device.prn, device.secret)
  expect(at((await must('GET', `/devices/${device.id}`, { token: before })).json, 'owner')).toBe('')
  expect(at((await must('GET', '/auth/auth_status', { token: before })).json, 'owner')).toBe('')
  await must('PUT', `/devices/${device.id}?challenge=${device.challenge}`, { token: owner.token })
  expect(at((await must('GET', `/devices/${device.id}`, { token: before })).json, 'owner')).toBe(owner.prn)
  const after = await door.enter(device.prn, device.secret)
  expect(at((await must('GET', '/auth/auth_status', { token: after })).json, 'owner')).toBe(owner.prn)
  await must('POST', '/trails/', { token: after, body: factory })
})
