import { afterAll, describe, expect, test } from 'vitest'
import { type Answer, at, factory, openDoor, sha256 } from './support.ts'

/**
 * The table of visibility (Pantahub wire facts 13), walked: every row for every caller. A cell says how a request is
 * answered; `yes` is 200, `no` is 403, `empty` is 200 with an empty array.
 */
const door = await openDoor({}, afterAll)
const owner = await door.person()
const stranger = await door.person()
const strangersDevice = await door.deviceWithTrail(stranger)
const anonymous = await door.enter(
  'prn:pantahub.com:auth:/anon',
  '',
  'devices.readonly trails.readonly objects.readonly',
)
const session = String(at((await door.must('POST', '/auth/sessions')).json, 'token'))

async function made(published: boolean) {
  const device = await door.deviceOf(owner)
  const sha = await door.upload(device.token, Buffer.from('seen by some'))
  await door.must('POST', '/trails/', { token: device.token, body: { ...factory, 'a.bin': sha } })
  await door.must('PUT', `/devices/${device.id}/user-meta`, {
    token: owner.token,
    body: { 'user.private': 'hidden' },
  })
  await door.must('PUT', `/devices/${device.id}/device-meta`, {
    token: device.token,
    body: { 'device.private': 'hidden' },
  })
  await door.must('POST', '/logs/', { token: device.token, body: { msg: 'hidden' } })
  await door.post(owner, device)
  if (published) await door.must('PUT', `/devices/${device.id}/public`, { token: owner.token })
  return { ...device, sha }
}
const devices = { private: await made(false), public: await made(true) }
type Made = Awaited<ReturnType<typeof made>>

const callers = {
  owner: () => owner.token,
  'the device': (device: Made) => device.token,
  'another user': () => stranger.token,
  'another device': () => strangersDevice.token,
  'a session': () => session,
  anonymous: () => anonymous,
} as const
type Who = keyof typeof callers
const strangers = [
  'another user',
  'another device',
  'a session',
  'anonymous',
] as const satisfies readonly Who[]

type Cell = 'yes' | 'no' | 'empty'
interface Row {
  readonly what: string
  readonly method: string
  readonly path: (device: Made) => string
  readonly body?: unknown
  /** Answers: of the owner, of the device, of others on a public and on a private device. */
  readonly cells: readonly [Cell, Cell, Cell, Cell]
}

const step = (device: Made, rest = '') => `/trails/${device.id}/steps/0${rest}`
// biome-ignore format: the table is read across
const table: readonly Row[] = [
  { what: 'device record', method: 'GET', path: ({ id }) => `/devices/${id}`, cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'trail', method: 'GET', path: ({ id }) => `/trails/${id}`, cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'its remote', method: 'GET', path: ({ id }) => `/trails/${id}/.pvrremote`, cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'its summary', method: 'GET', path: ({ id }) => `/trails/${id}/summary`, cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'steps', method: 'GET', path: ({ id }) => `/trails/${id}/steps`, cells: ['yes', 'yes', 'yes', 'empty'] },
  { what: 'a step', method: 'GET', path: (device) => step(device), cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'its remote', method: 'GET', path: (device) => step(device, '/.pvrremote'), cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'its state', method: 'GET', path: (device) => step(device, '/state'), cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'its meta', method: 'GET', path: (device) => step(device, '/meta'), cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'its objects', method: 'GET', path: (device) => step(device, '/objects'), cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'one of them', method: 'GET', path: (device) => step(device, `/objects/${device.sha}`), cells: ['yes', 'yes', 'yes', 'no'] },
  { what: 'a new step', method: 'POST', path: ({ id }) => `/trails/${id}/steps`, body: { rev: -1, state: factory }, cells: ['yes', 'yes', 'no', 'no'] },
  { what: 'a state replaced', method: 'PUT', path: ({ id }) => `/trails/${id}/steps/1/state`, body: factory, cells: ['yes', 'no', 'no', 'no'] },
  { what: 'a step’s meta replaced', method: 'PUT', path: (device) => step(device, '/meta'), body: {}, cells: ['yes', 'no', 'no', 'no'] },
  { what: 'progress', method: 'PUT', path: (device) => step(device, '/progress'), body: { status: 'DONE' }, cells: ['no', 'yes', 'no', 'no'] },
  { what: 'user-meta', method: 'GET', path: ({ id }) => `/devices/${id}/user-meta`, cells: ['yes', 'yes', 'no', 'no'] },
  { what: 'user-meta replaced', method: 'PUT', path: ({ id }) => `/devices/${id}/user-meta`, body: { 'user.private': 'hidden' }, cells: ['yes', 'yes', 'no', 'no'] },
  { what: 'user-meta merged', method: 'PATCH', path: ({ id }) => `/devices/${id}/user-meta`, body: {}, cells: ['yes', 'no', 'no', 'no'] },
  { what: 'device-meta replaced', method: 'PUT', path: ({ id }) => `/devices/${id}/device-meta`, body: { 'device.private': 'hidden' }, cells: ['no', 'yes', 'no', 'no'] },
  { what: 'device-meta merged', method: 'PATCH', path: ({ id }) => `/devices/${id}/device-meta`, body: {}, cells: ['no', 'yes', 'no', 'no'] },
]

const shown: Record<Cell, (answer: Answer) => boolean> = {
  yes: ({ status, text }) => status === 200 && text !== '[]',
  no: ({ status }) => status === 403,
  empty: ({ status, text }) => status === 200 && text === '[]',
}

for (const { what, method, path, body, cells } of table)
  for (const visibility of ['public', 'private'] as const)
    for (const who of Object.keys(callers) as Who[]) {
      const stranger = strangers.some((one) => one === who)
      const cell =
        who === 'owner' ? cells[0] : who === 'the device' ? cells[1] : cells[visibility === 'public' ? 2 : 3]
      test(`[VI1] ${what}, ${visibility}, ${method} by ${who}: ${cell}`, async () => {
        const device = devices[visibility]
        const answer = await door.call(method, path(device), { token: callers[who](device), body })
        expect([answer.status, answer.text, shown[cell](answer)]).toEqual([answer.status, answer.text, true])
        expect(answer.text).not.toContain(device.secret)
        if (stranger) expect(answer.text).not.toContain('hidden')
      })
    }

describe('what is inside a record', () => {
  test('[VI1] the owner and the device see both metas, others neither; the device alone its challenge', async () => {
    const device = devices.public
    for (const who of Object.keys(callers) as Who[]) {
      const { json } = await door.must('GET', `/devices/${device.id}`, { token: callers[who](device) })
      const knows = who === 'owner' || who === 'the device'
      expect([who, at(json, 'user-meta'), at(json, 'device-meta')]).toEqual([
        who,
        knows ? { 'user.private': 'hidden' } : {},
        knows ? { 'device.private': 'hidden' } : {},
      ])
      expect(at(json, 'secret')).toBeUndefined()
    }
    const free = await door.newDevice()
    const self = await door.enter(free.prn, free.secret)
    expect(at((await door.must('GET', `/devices/${free.id}`, { token: self })).json, 'challenge')).toBe(
      free.challenge,
    )
    for (const token of [owner.token, anonymous, strangersDevice.token])
      expect((await door.call('GET', `/devices/${free.id}`, { token })).status).toBe(403)
  })

  test('[VI1] logs are their owner’s', async () => {
    for (const [token, hidden] of [
      [owner.token, true],
      [stranger.token, false],
      [session, false],
    ] as const)
      expect((await door.must('GET', '/logs/', { token })).text.includes('hidden')).toBe(hidden)
  })

  test('[VI1] lists hold one’s own and nothing else', async () => {
    for (const path of ['/devices/', '/trails/', '/trails/summary', '/objects/']) {
      const seen = (await door.must('GET', path, { token: session })).text
      expect([path, seen]).toEqual([path, '[]'])
    }
  })
})

describe('what Base leaves open', () => {
  test('[SE1] no reply to anybody holds another’s secret, nor any hash of a credential', async () => {
    const own = await openDoor()
    const [first, second] = [await own.person(), await own.person()]
    const device = await own.deviceWithTrail(first)
    await own.must('PUT', `/devices/${device.id}/public`, { token: first.token })
    const join = at((await own.must('POST', '/devices/tokens', { token: first.token })).json, 'token')
    const admin = await own.enter('admin', (await import('../house.ts')).adminPassword)
    const other = await own.deviceOf(second)
    const nobody = await own.enter('prn:pantahub.com:auth:/anon', '', 'devices.readonly trails.readonly')
    const paths = [
      '/auth/',
      '/auth/accounts',
      '/auth/accounts?asadmin=1',
      '/auth/auth_status',
      '/devices/',
      `/devices/?owner=${first.prn}`,
      `/devices/?owner-nick=${first.nick}`,
      `/devices/${device.id}`,
      `/devices/${device.nick}?owner-nick=${first.nick}`,
      `/devices/np/${first.nick}/${device.nick}`,
      '/devices/tokens',
      '/objects/',
      '/trails/',
      '/trails/summary',
      `/trails/${device.id}`,
      `/trails/${device.id}/summary`,
      `/trails/${device.id}/steps`,
      `/trails/${device.id}/steps/0`,
      '/logs/',
      '/tokens/',
      '/apps/',
      '/apps/scopes',
      '/profiles/',
      `/profiles/${first.nick}`,
      '/profiles/config/meta',
    ]
    for (const [who, token] of Object.entries({
      second: second.token,
      other: other.token,
      nobody,
      admin,
      self: device.token,
      first: first.token,
    }))
      for (const path of paths) {
        const { text } = await own.call('GET', path, { token })
        expect([who, path, /\$argon2|w1\.|"hash"|password/i.test(text)]).toEqual([who, path, false])
        expect(text).not.toContain(String(join))
        if (who !== 'first') expect([who, path, text.includes(device.secret)]).toEqual([who, path, false])
        if (who !== 'first' && who !== 'self') expect(text).not.toContain(device.challenge)
      }
    const logged = own.logged()
    for (const secret of [device.secret, first.password, String(join), first.token])
      expect(logged).not.toContain(secret)
  })

  test('[SE4] absent and foreign answer alike', async () => {
    const device = devices.private
    const absent = '0123456789abcdef01234567'
    const shape = (answer: Answer) => [
      answer.status,
      answer.text.replaceAll(/REST-ERR-ID-\d+|[0-9a-f]{24}/g, '#'),
    ]
    for (const [method, path, body] of [
      ['GET', '/devices/ID'],
      ['PATCH', '/devices/ID', { nick: 'x' }],
      ['DELETE', '/devices/ID'],
      ['PUT', '/devices/ID', { nick: 'x' }],
      ['PUT', '/devices/ID?challenge=x'],
      ['PUT', '/devices/ID/public'],
      ['GET', '/devices/ID/user-meta'],
      ['PUT', '/devices/ID/user-meta', {}],
      ['GET', '/trails/ID'],
      ['GET', '/trails/ID/summary'],
      ['GET', '/trails/ID/.pvrremote'],
      ['GET', '/trails/ID/steps'],
      ['GET', '/trails/ID/steps/0'],
      ['GET', '/trails/ID/steps/99'],
      ['POST', '/trails/ID/steps', { rev: -1, state: factory }],
      ['PUT', '/trails/ID/steps/0/state', factory],
      ['PUT', '/trails/ID/steps/0/cancel'],
      ['GET', `/trails/ID/steps/0/objects/${sha256('x')}`],
      ['GET', `/trails/ID/steps/0/objects/${device.sha}`],
      ['POST', '/trails/ID/steps/0/objects', { size: '1', sha256sum: sha256('x') }],
    ] as const) {
      const ask = (id: string) => door.call(method, path.replace('ID', id), { token: stranger.token, body })
      expect([method, path, ...shape(await ask(device.id))]).toEqual([
        method,
        path,
        ...shape(await ask(absent)),
      ])
    }
  })
})
