/**
 * Every route of every door that speaks HTTP, for every caller.
 *
 * The rows are the doors' own tables: a route that is added to one of them is asked here without a word. What a name in
 * a path stands for is said in `named` below; a route with a name nobody has told of fails, and so does one that is open
 * in the server and stands in no table.
 */
import type { TSchema } from '@sinclair/typebox'
import {
  actingOn,
  changePassword,
  configurationVersions,
  credentials,
  DeviceId,
  deliveries,
  deliveryLanes,
  devicePackages,
  ok,
  PrincipalId,
  submit,
  tenants,
} from '@waymark/domain'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { exosenseDoor } from '../src/doors/exosense/door.ts'
import { fleetDoor, fleetOperations } from '../src/doors/fleet/door.ts'
import { type Row, routes } from '../src/doors/pantahub/routes.ts'
import { walkthroughDoor } from '../src/doors/pantahub/walkthrough/door.ts'
import { pathsOf, type WalkRow, walkRoutes } from '../src/doors/pantahub/walkthrough/routes.ts'
import type { Door as DoorOf } from '../src/house.ts'
import { adminPassword } from './house.ts'
import { type Answer, at, factory, openDoor, sha256 } from './pantahub/support.ts'

interface Asked {
  readonly door: 'pantahub' | 'walkthrough' | 'fleet'
  readonly method: string
  readonly path: string
  /** Whom the row lets in; `none`: it may be asked without a login. */
  readonly who: readonly string[]
  /** A user's token has to carry one of some words, or some right. */
  readonly narrow: boolean
  readonly body?: unknown
  /** Its answer does not end by itself. */
  readonly endless: boolean
}

/** What a row is asked with, where `{}` would say nothing. */
const bodies: Readonly<Record<string, unknown>> = {
  'POST /objects/': { objectname: 'a', size: '1', sha256sum: sha256('a') },
  'POST /trails/:id/steps': { rev: -1, state: factory },
  'POST /trails/:id/steps/:rev/objects': { objectname: 'a', size: '1', sha256sum: sha256('a') },
  'PATCH /devices/:id': { nick: 'another-name' },
  'POST /logs/': [],
  'PUT /trails/:id/steps/:rev/state': factory,
}

const pantahubRows = (routes as readonly Row[]).map(({ method, path, who, scope }): Asked => {
  const changes = method === 'POST' || method === 'PUT' || method === 'PATCH'
  const body = bodies[`${method} ${path}`] ?? (changes ? {} : undefined)
  return { door: 'pantahub', method, path, who, narrow: scope !== undefined, endless: false, body }
})

const walkRows = (walkRoutes as readonly WalkRow[]).flatMap((row) =>
  pathsOf(row).map((path): Asked => {
    const { method, who, scope } = row
    const body = method === 'POST' || method === 'PUT' ? {} : undefined
    return { door: 'walkthrough', method, path, who, narrow: scope !== undefined, endless: false, body }
  }),
)

const fleetRows = fleetOperations.map(
  ({ method, path, right, body, answer }): Asked => ({
    door: 'fleet',
    method,
    path: `/fleet/v1${path}`,
    who: right === 'none' ? ['none'] : ['user', 'session'],
    narrow: right !== 'none' && right !== 'any',
    endless: answer === 'events',
    ...(body === undefined ? {} : { body: sampleOf(body) }),
  }),
)

const rows = [...pantahubRows, ...walkRows, ...fleetRows]

/** What the server answers beside the doors' tables, and what it serves whatever the method (404 and 405 of a mount). */
const unlisted = ['/fleet/v1/openapi.json', '/exodm/rpc', '/exodm/test_callback', '/exodm/test_callback2']

// ── the scene ────────────────────────────────────────────────────────────────────────────────────────────────────

const opened: { readonly method: string | readonly string[]; readonly url: string }[] = []
const listening: DoorOf = async ({ app }) => {
  app.addHook('onRoute', ({ method, url }) => {
    opened.push({ method, url })
  })
}
const door = await openDoor(
  { flags: ['--guess-limit', '1000000'] },
  afterAll,
  [walkthroughDoor, fleetDoor, exosenseDoor],
  [listening],
)
const owner = await door.person('owner-of-all')
const stranger = await door.person('stranger')
await door.deviceWithTrail(stranger)

/** A login that is over: made two hours ago, good for one. */
const hours = 3600 * 1000
door.pass(-2 * hours)
const expired = await door.enter(owner.nick, owner.password)
door.pass(2 * hours)

/** A login from before the password was set again, to the same. */
const revoked = owner.token
const id = PrincipalId.parse(idOf((await door.must('GET', '/auth/auth_status', { token: revoked })).json))
if (!id) throw new Error('the owner has an id')
await door.house.store.transactHouse(async (house) => {
  const held = await house.get(credentials, { principal: id, kind: 'password' })
  const by = { kind: 'user', id } as const
  return changePassword(house, door.house.env(), { principal: id, passwordHash: held?.hash ?? '', by })
})
let token = await door.enter(owner.nick, owner.password)
/** Carries a scope that no route asks for. */
let narrow = await door.enter(owner.nick, owner.password, 'metrics.readonly')
const admin = await door.enter('admin', adminPassword)

/** What the owner has, and the names in paths stand for. */
async function things() {
  const device = await door.deviceWithTrail({ ...owner, token })
  const rev = await door.post({ ...owner, token }, device)
  const sha = await door.upload(token, Buffer.from(`bytes for ${device.id}`))
  const made = async (path: string, body: object) => (await door.call('POST', path, { token, body })).json
  const accessToken = idOf(await made('/tokens/', { name: `token of ${device.id}` }))
  const app = idOf(
    await made('/apps/', {
      nick: `app-${device.id}`,
      type: 'public',
      redirect_uris: ['https://app.example.com/'],
      scopes: ['devices.readonly'],
      exposed_scopes: [],
    }),
  )
  const joinToken = idOf(await made('/devices/tokens', { nick: 'a join token' }))
  const roles = ['viewer']
  const member = { nick: `m-${device.id.slice(-12)}`, password: 'secret of a member', roles }
  const asked = await door.call('GET', `/fleet/v1/transactions?device=${device.id}`, { token })
  return {
    device,
    rev,
    sha,
    accessToken,
    app,
    joinToken,
    member: idOf(await made('/fleet/v1/users', member)),
    transaction: idOf(at(asked.json, 'items', 0)),
    package: String(
      at(await made('/fleet/v1/packages', { name: device.id, image: await imageOf(device.id) }), 'name'),
    ),
    group: idOf(await made('/fleet/v1/groups', { name: `group of ${device.id}` })),
    type: String(
      at(await made('/fleet/v1/device-types', { name: device.id, protocol: 'exodm_bert' }), 'name'),
    ),
    ...(await asksOf(device.id)),
  }
}

/** Bytes that a package is made of: an object of its own, since it is then held by the package. */
const imageOf = (name: string) => door.upload(token, Buffer.from(`image of ${name}`))

/** Something that waits in the device's queue, and a message that was put aside. */
async function asksOf(name: string) {
  const { house } = door
  const [mine] = await house.store.readHouse().find(tenants, { where: { nick: owner.nick } })
  const device = DeviceId.parse(name)
  if (!mine || !device) throw new Error('the owner has a tenant, and the device is theirs')
  const asked = await house.store.transact(mine.id, async (tx) => {
    const waits = await submit(tx, house.env(), {
      kind: 'rpc',
      device,
      payload: {},
      by: { kind: 'device', id: device },
    })
    if (!waits.ok) return waits
    const about = { kind: 'transaction', transaction: waits.value.id, final: true } as const
    const { now } = house.env()
    const lane = { lane: device, sealed: '', lastSeq: 1, waiting: false, attempts: 0, dueAt: now }
    await tx.put(deliveryLanes, lane)
    await tx.put(deliveries, { lane: device, seq: 1, about, state: 'dead', createdAt: now })
    return waits
  })
  if (!asked.ok) throw new Error(asked.refusal.kind)
  return { waiting: asked.value.id, lane: device }
}
type Things = Awaited<ReturnType<typeof things>>

function idOf(json: Parameters<typeof at>[0]): string {
  const found = at(json, 'id') ?? at(json, 'ID')
  if (typeof found !== 'string') throw new Error(`wanted something with an id, got ${JSON.stringify(json)}`)
  return found
}

/** Rows that an owner is let in to, and told 403 for what was asked: no cursor, no administrator, another password. */
const refusesItsOwner: ReadonlySet<string> = new Set([
  'GET /logs/cursor',
  'POST /logs/cursor',
  'PUT /subscriptions/admin/subscription',
  'PUT /fleet/v1/me/password',
  'POST /fleet/v1/keys/rotate',
  'POST /fleet/v1/objects/collect',
  'PUT /fleet/v1/tenants/:tenant/limits',
])

const nothing = '0123456789abcdef01234567'
/** The name of bytes that nobody has: each time of others, since whoever puts them has them. */
let shas = 0
const newSha = () => sha256(`nothing ${shas++}`)

/** What the names in paths stand for, by the path up to them; `absent`: such a name that nothing bears. */
const named: Readonly<
  Record<string, { readonly is: (own: Things) => string; readonly absent?: string | (() => string) }>
> = {
  '/auth/oauth/login/:service': { is: () => 'nobody' },
  '/auth/oauth/callback/:service': { is: () => 'nobody' },
  '/tokens/:id': { is: (own) => own.accessToken, absent: nothing },
  '/apps/:id': { is: (own) => own.app, absent: nothing },
  // What an account tells of itself it tells everybody.
  '/profiles/:nick': { is: () => owner.nick },
  '/devices/tokens/:id': { is: (own) => own.joinToken, absent: nothing },
  '/devices/np/:usernick': { is: () => owner.nick },
  '/devices/np/:usernick/:devicenick': { is: (own) => own.device.nick, absent: 'no-such-device' },
  '/devices/:id': { is: (own) => own.device.id, absent: nothing },
  '/objects/:sha': { is: (own) => own.sha, absent: newSha },
  '/local-s3/:token': { is: () => 'no-token' },
  '/trails/:id': { is: (own) => own.device.id, absent: nothing },
  '/trails/:id/steps/:rev': { is: (own) => String(own.rev), absent: '99' },
  '/trails/:id/steps/:rev/objects/:sha': { is: (own) => own.sha, absent: newSha },
  '/exports/:usernick': { is: () => owner.nick },
  '/exports/:usernick/:devicenick': { is: (own) => own.device.nick, absent: 'no-such-device' },
  '/exports/:usernick/:devicenick/:rev': { is: (own) => String(own.rev) },
  '/exports/:usernick/:devicenick/:rev/:filename': { is: () => 'state.tgz' },
  '/callbacks/devices/:id': { is: (own) => own.device.id, absent: nothing },
  '/callbacks/steps/:id': { is: (own) => `${own.device.id}-${own.rev}`, absent: `${nothing}-0` },
  '/objects/:name': { is: (own) => own.sha, absent: newSha },
  '/fleet/v1/join-tokens/:id': { is: (own) => own.joinToken, absent: nothing },
  '/fleet/v1/tokens/:id': { is: (own) => own.accessToken, absent: nothing },
  '/fleet/v1/apps/:app': { is: (own) => own.app, absent: nothing },
  '/fleet/v1/users/:user': { is: (own) => own.member, absent: nothing },
  '/fleet/v1/tenants/:tenant': { is: () => owner.nick, absent: 'nobody' },
  // Whoever brings a device brings its id: one that is taken is refused.
  '/fleet/v1/imports/:device': { is: (own) => own.device.id },
  '/fleet/v1/imports/:device/steps/:rev': { is: (own) => String(own.rev) },
  '/fleet/v1/devices/:device': { is: (own) => own.device.id, absent: nothing },
  '/fleet/v1/devices/:device/steps/:rev': { is: (own) => String(own.rev), absent: '99' },
  '/fleet/v1/objects/:sha256': { is: (own) => own.sha, absent: newSha },
  '/fleet/v1/groups/:group': { is: (own) => own.group, absent: nothing },
  '/fleet/v1/device-types/:type': { is: (own) => own.type, absent: nothing },
  '/fleet/v1/packages/:package': { is: (own) => own.package, absent: nothing },
  '/fleet/v1/devices/:device/config/:package': { is: (own) => own.package, absent: nothing },
  '/fleet/v1/groups/:group/config/:package': { is: (own) => own.package, absent: nothing },
  '/fleet/v1/dead-letters/:lane': { is: (own) => own.lane, absent: nothing },
  '/fleet/v1/dead-letters/:lane/:seq': { is: () => '1', absent: '99' },
  '/fleet/v1/transactions/:id': { is: (own) => own.transaction, absent: nothing },
}

/** The path with its names filled in; with `absent` the first name that can be absent is. */
function pathOf({ path }: Asked, own: Things, absent = false): string {
  let gone = !absent
  return path.replaceAll(/:[A-Za-z0-9]+/g, (name, at: number) => {
    const upTo = path.slice(0, at + name.length).replace(/^(\/api)?\/v1(?=\/)/, '')
    const known = named[upTo]
    if (!known) throw new Error(`say in \`named\` what ${name} of ${path} stands for`)
    if (gone || known.absent === undefined) return known.is(own)
    gone = true
    return typeof known.absent === 'string' ? known.absent : known.absent()
  })
}

/** Asks, and reads the answer; of one without an end only how it begins. */
async function ask(row: Asked, path: string, bearer: string | undefined): Promise<Answer> {
  const { method, body } = row
  if (!row.endless) return door.call(method, path, { token: bearer, body })
  const off = new AbortController()
  const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
  const answer = await fetch(door.url + path, { method, headers, signal: off.signal })
  const text = answer.ok ? '{}' : await answer.text()
  off.abort()
  return { status: answer.status, headers: answer.headers, text, json: JSON.parse(text) }
}

/** Whether a refusal has the form of its door. */
function formed(row: Asked, { status, text, headers }: Answer): boolean {
  const type = headers.get('content-type') ?? ''
  const body: Answer['json'] = text === '' ? null : JSON.parse(text)
  switch (row.door) {
    case 'fleet':
      return type.startsWith('application/problem+json') && at(body, 'status') === status
    case 'walkthrough':
      return type.startsWith('application/json') && at(body, 'status') === status
    case 'pantahub':
      return (
        type.startsWith('application/json') &&
        (typeof at(body, 'Error') === 'string' || at(body, 'code') === status)
      )
  }
}

/** An answer without what differs from one asking to the next. */
const masked = ({ status, text }: Answer) => [
  status,
  text.replaceAll(/REST-ERR-ID-\d+|[0-9a-f]{64}|[0-9a-f]{24}|no-such-device|[a-z]+(_[a-z0-9]+)+/g, '#'),
]

// ── the rules ────────────────────────────────────────────────────────────────────────────────────────────────────

test('[RO1] no route is open that stands in no table', () => {
  const bare = (url: string) => (url.length > 1 ? url.replace(/\/$/, '') : url)
  const listed = new Set(rows.map(({ method, path }) => `${method} ${bare(path)}`))
  const paths = new Set(rows.map(({ path }) => bare(path)))
  const strange = opened.filter(({ method, url }) => {
    if (url.endsWith('*') || unlisted.includes(url)) return false
    // Where a mount answers 405 for the methods that no row has, the path has rows.
    if (typeof method !== 'string') return !paths.has(bare(url))
    return method !== 'HEAD' && !listed.has(`${method} ${bare(url)}`)
  })
  expect(strange).toEqual([])
  expect(opened.length).toBeGreaterThan(rows.length)
})

describe('every row', () => {
  let own: Things | undefined
  for (const row of rows) {
    const what = `${row.method} ${row.path}`
    test(`[RO2] ${what}`, async () => {
      own ??= await things()
      const path = pathOf(row, own)
      const said = async (bearer: string | undefined) => ask(row, path, bearer)
      const open = row.who.includes('none')
      const openOnly = open && row.who.length === 1

      // Nobody, and logins that are none: 401, in the door's form; where logins are not looked at, all alike.
      const nobody = await said(undefined)
      expect(nobody.status, 'nobody').toBeLessThan(500)
      if (!open) expect([nobody.status, formed(row, nobody)], 'nobody').toEqual([401, true])
      for (const [who, bearer] of Object.entries({ garbage: 'no.token.atall', expired, revoked })) {
        const answer = await said(bearer)
        if (openOnly) expect(answer.status, who).toBeLessThan(500)
        else {
          expect([who, answer.status, formed(row, answer)]).toEqual([who, 401, true])
          expect(answer.headers.get('www-authenticate'), who).toBeTruthy()
          // What was wrong with a login is nobody's business but the fleet door's, which names it.
          if (row.door !== 'fleet') expect(answer.text, who).toBe((await said('no.token.atall')).text)
        }
      }
      if (openOnly) return

      // A device where no device may: 403.
      const device = await said(own.device.token)
      if (row.who.includes('device')) {
        expect(device.status, 'device').not.toBe(401)
        expect(device.status, 'device').toBeLessThan(500)
      } else expect([device.status, formed(row, device)], 'device').toEqual([403, true])

      // A user where no user may, and one without the scope: 403.
      if (!row.who.includes('user')) {
        expect([(await said(token)).status], 'owner').toEqual([403])
        own = undefined
        return
      }
      if (row.narrow) {
        const answer = await said(narrow)
        expect([answer.status, formed(row, answer)], 'wrong scope').toEqual([403, true])
      }

      // Somebody else: nothing of the owner's is told, and what is there is as absent as what is not.
      const foreign = await said(stranger.token)
      expect(foreign.status, 'stranger').not.toBe(401)
      expect(foreign.status, 'stranger').toBeLessThan(500)
      const gone = pathOf(row, own, true)
      if (gone !== path) {
        expect(masked(foreign), 'not yours and absent').toEqual(masked(await ask(row, gone, stranger.token)))
      } else for (const name of [own.device.id, own.device.nick]) expect(foreign.text).not.toContain(name)

      // The owner: let in.
      const mine = await said(token)
      expect(mine.status, 'owner').not.toBe(401)
      expect(mine.status, mine.text).toBeLessThan(500)
      expect([mine.status === 403, mine.text]).toEqual([refusesItsOwner.has(what), mine.text])
      if (row.method !== 'GET') own = undefined
    })
  }
})

/** Rows that change nothing an audit would tell of, and why. */
const unaudited: Readonly<Record<string, string>> = {
  'POST /auth/code': 'gives a code; what is done with it is told as the app’s',
  'POST /auth/authorize': 'gives a login',
  'POST /logs/cursor': 'reads',
  'POST /fleet/v1/token': 'gives a login',
}

interface Prepared {
  readonly path?: string
  readonly body?: unknown
  /** Who does it; the owner where nothing is said. */
  readonly token?: string
}

/** What it takes for a row to do what it is for, where its names and `bodies` are not enough. */
const prepared: Readonly<Record<string, (own: Things) => Promise<Prepared>>> = {
  'POST /tokens/': async () => ({ body: { name: 'another' } }),
  'POST /apps/': async () => ({ body: appFacts('another-app') }),
  'PUT /apps/:id': async (own) => ({ body: appFacts(`app-${own.device.id}`) }),
  'POST /fleet/v1/packages': async (own) => ({ body: { name: `another ${own.package}`, image: own.sha } }),
  'POST /fleet/v1/packages/:package/allow': async (own) => ({ body: { type: own.type } }),
  'POST /fleet/v1/packages/:package/disallow': async (own) => {
    const body = { type: own.type }
    await door.must('POST', `/fleet/v1/packages/${own.package}/allow`, { token, body })
    return { body }
  },
  'POST /fleet/v1/packages/:package/operate': async (own) => ({
    body: { operation: 'install', devices: [own.device.id] },
  }),
  'PATCH /fleet/v1/devices/:device/config/:package': async (own) => ({
    path: `/fleet/v1/devices/${own.device.id}/config/${await configured(own)}`,
    body: { values: '{"rate":2}' },
  }),
  'PATCH /fleet/v1/groups/:group/config/:package': async (own) => ({
    path: `/fleet/v1/groups/${own.group}/config/${await configured(own)}`,
    body: { values: '{"rate":2}' },
  }),
  'POST /fleet/v1/devices/:device/config/push': async (own) => {
    await configured(own, `/fleet/v1/devices/${own.device.id}`)
    return { body: {} }
  },
  'POST /fleet/v1/groups/:group/config/push': async (own) => {
    await configured(own, `/fleet/v1/groups/${own.group}`)
    return { body: {} }
  },
  'POST /fleet/v1/devices/:device/config/:package/rollback': async (own) => ({
    path: `/fleet/v1/devices/${own.device.id}/config/${await configured(own)}/rollback`,
    body: { version: 1 },
  }),
  'PUT /objects/:sha': async (own) => {
    const object = (await door.must('GET', `/objects/${own.sha}`, { token })).json as object
    return { body: { ...object, objectname: 'another name' } }
  },
  'POST /objects/': async () => ({ body: { objectname: 'b', size: '1', sha256sum: sha256('b') } }),
  'PUT /devices/:id': async (own) => ({ body: { nick: `put-${own.rev}` } }),
  'PATCH /devices/:id': async (own) => ({ body: { nick: `patched-${own.rev}` } }),
  'POST /fleet/v1/users/:user/enable': async (own) => {
    await door.must('POST', `/fleet/v1/users/${own.member}/disable`, { token })
    return {}
  },
  'PUT /trails/:id/steps/:rev/wontgo': async (own) => {
    await door.progress(own.device, own.rev, 'INPROGRESS')
    return {}
  },
  'PUT /subscriptions/admin/subscription': async () => ({
    token: admin,
    body: { subject: owner.prn, plan: 'VIP', attrs: { DEVICES: '9999' } },
  }),
  'POST /api/v1/trails/': newTrail,
  'POST /v1/trails/': newTrail,
  'PUT /api/v1/trails/:id/steps/:rev': async () => ({ body: { abort: true } }),
  'PUT /v1/trails/:id/steps/:rev': async () => ({ body: { abort: true } }),
  'PUT /fleet/v1/me/password': async () => ({ body: { current: owner.password, password: owner.password } }),
  'POST /fleet/v1/apps': async () => ({
    body: { nick: 'fleet-app', type: 'public', redirectUris: ['https://app.example/'], scopes: ['devices'] },
  }),
  'POST /fleet/v1/users': async () => ({
    body: { nick: 'a-new-user', password: 'secret of a user', roles: ['viewer'] },
  }),
  'POST /fleet/v1/invitations': async () => ({
    body: { nick: 'invited', email: 'invited@example.com', roles: ['viewer'] },
  }),
  'PATCH /fleet/v1/devices/:device': async () => ({ body: { nick: 'a-third-name' } }),
  'POST /fleet/v1/devices/:device/claim': async () => {
    const { id, challenge } = await door.newDevice()
    return { path: `/fleet/v1/devices/${id}/claim`, body: { challenge } }
  },
  'POST /fleet/v1/devices/:device/steps': async () => ({ body: { state: factory } }),
  'POST /fleet/v1/devices/:device/steps/:rev/clear': async (own) => {
    await door.progress(own.device, own.rev, 'ERROR')
    return {}
  },
  'PUT /fleet/v1/objects/:sha256': async () => {
    const bytes = Buffer.from('bytes nobody has brought before')
    return { path: `/fleet/v1/objects/${sha256(bytes)}`, body: bytes }
  },
  'PUT /fleet/v1/imports/:device': async () => ({
    path: `/fleet/v1/imports/${'5'.repeat(24)}`,
    body: { nick: 'imported', public: false, createdAt: '2020-01-01T00:00:00Z' },
  }),
  'PUT /fleet/v1/imports/:device/steps/:rev': async (own) => ({
    path: `/fleet/v1/imports/${own.device.id}/steps/${own.rev + 1}`,
    body: { state: factory, createdAt: '2020-01-01T00:00:00Z' },
  }),
  'POST /fleet/v1/device-types': async (own) => ({
    body: { name: `new ${own.device.id}`, protocol: 'exodm_bert' },
  }),
  'POST /fleet/v1/groups': async (own) => ({ body: { name: `new ${own.device.id}` } }),
  'POST /fleet/v1/groups/:group/add': async (own) => ({ body: { devices: [own.device.id] } }),
  'POST /fleet/v1/groups/:group/remove': async (own) => ({ body: { devices: [own.device.id] } }),
  'POST /fleet/v1/transactions/:id/cancel': async (own) => ({
    path: `/fleet/v1/transactions/${own.waiting}/cancel`,
  }),
  'POST /fleet/v1/rpc': async (own) => ({
    body: { method: 'create-device-group', params: [`name=called ${own.device.id}`] },
  }),
  'POST /fleet/v1/keys/rotate': async () => ({ token: admin }),
  'POST /fleet/v1/objects/collect': async () => ({ token: admin, body: {} }),
  'PUT /fleet/v1/tenants/:tenant/limits': async () => ({ token: admin, body: { devicesMax: 9999 } }),
}

async function newTrail(): Promise<Prepared> {
  const device = await door.deviceOf({ ...owner, token })
  return { body: { device: device.id, rev: 0 } }
}

function appFacts(nick: string) {
  const redirect_uris = ['https://app.example.com/']
  return { nick, type: 'public', redirect_uris, scopes: ['devices.readonly'], exposed_scopes: [] }
}

/** A package with a configuration, which the device has; edited, where it is said of whom. Answers its name. */
async function configured(own: Things, edited?: string): Promise<string> {
  const name = `app-${own.device.id}`
  const text = 'module app { namespace "urn:app"; prefix a; container app { leaf rate { type uint8; } } }'
  const params = ['repository=user', 'name=app.yang', `yang-module=${text}`]
  await door.must('POST', '/fleet/v1/rpc', { token, body: { method: 'create-yang-module', params } })
  const body = { name, image: await imageOf(own.device.id), module: 'app.yang', container: 'app' }
  await door.call('POST', '/fleet/v1/packages', { token, body })
  const { house } = door
  const [mine] = await house.store.readHouse().find(tenants, { where: { nick: owner.nick } })
  const device = DeviceId.parse(own.device.id)
  if (!mine || !device) throw new Error('the owner has a tenant, and the device is theirs')
  await house.store.transact(mine.id, async (tx) => {
    const at = house.env().now
    const row = { device, package: name, transaction: own.waiting }
    await tx.put(devicePackages, {
      ...row,
      installed: true,
      operation: 'install',
      status: 'completed',
      since: at,
    })
    await tx.put(configurationVersions, { ...row, version: 1, values: '{"rate":1}', at })
    const by = { kind: 'device', id: device } as const
    actingOn(tx, house.env(), by, device).note('configuration.confirmed', { name, push: own.waiting })
    return ok(undefined)
  })
  if (edited !== undefined)
    await door.must('PATCH', `${edited}/config/${name}`, { token, body: { values: '{"rate":2}' } })
  return name
}

describe('the audit', () => {
  const changing = rows.filter(({ method, who }) => method !== 'GET' && who.includes('user'))
  for (const row of changing) {
    const what = `${row.method} ${row.path}`
    if (what in unaudited) continue
    test(`[AD1] ${what} leaves an entry with who and from where, and no secret`, async () => {
      const own = await things()
      const {
        path = pathOf(row, own),
        body = row.body,
        token: by = token,
      } = (await prepared[what]?.(own)) ?? {}
      const known = await door.house.access.callerOf(by)
      if (!known.ok || known.value.kind !== 'user') throw new Error('they are logged in')
      const { store } = door.house
      const [mine] = await door.house.store.readHouse().find(tenants, { where: { nick: owner.nick } })
      if (!mine) throw new Error('the owner has a tenant')
      const journals = [mine.id, 'house'] as const
      const before = await Promise.all(journals.map((journal) => store.journal.head(journal)))

      const answer = await ask({ ...row, body }, path, by)
      expect([answer.status, answer.text]).toEqual([answer.status < 300 ? answer.status : 200, answer.text])

      const after = await Promise.all(
        journals.map((journal, i) => store.journal.read(journal, { after: String(before[i]), limit: 100 })),
      )
      const entries = after.flatMap((read) => (read.ok ? read.value.entries : []))
      const { id: who } = known.value.principal
      const its = entries.filter((entry) => entry.by.id === who && entry.data.address === '127.0.0.1')
      expect([its.length > 0, entries]).toEqual([true, entries])
      const told = JSON.stringify(entries)
      for (const secret of [owner.password, own.device.secret, 'secret of a', 'argon2', by])
        expect(told).not.toContain(secret)
      // It is read at the fleet door by whoever may, and by nobody else.
      if (what !== 'PUT /fleet/v1/me/password') return
      token = await door.enter(owner.nick, owner.password)
      narrow = await door.enter(owner.nick, owner.password, 'metrics.readonly')
    })
  }

  test('[AD2] owners read it of their tenant, administrators of any and of the house, and devices’ reports are not in it', async () => {
    const own = await things()
    await door.progress(own.device, own.rev, 'INPROGRESS')
    const audit = async (bearer: string, query = '') => {
      const answer = await door.call('GET', `/fleet/v1/audit?limit=500${query}`, { token: bearer })
      return {
        status: answer.status,
        kinds: new Set((at(answer.json, 'items') as { kind: string }[])?.map((e) => e.kind)),
      }
    }
    const mine = await audit(token)
    expect(mine.kinds).toContain('step.posted')
    expect(mine.kinds).not.toContain('step.reported')
    expect((await audit(admin, `&tenant=${owner.nick}`)).kinds).toEqual(mine.kinds)
    expect((await audit(admin, '&tenant=house')).kinds).toContain('credential.changed')
    expect((await audit(token, '&tenant=house')).status).toBe(403)
    expect((await audit(token, `&tenant=${stranger.nick}`)).status).toBe(403)
    expect((await audit(narrow)).status).toBe(403)
    expect((await audit(admin, '&tenant=nobody')).status).toBe(404)
    const first = await door.must('GET', '/fleet/v1/audit?limit=1', { token })
    const next = await door.must('GET', `/fleet/v1/audit?limit=1&after=${at(first.json, 'next')}`, { token })
    expect(at(first.json, 'items', 0, 'kind')).toBe('tenant.created')
    expect(at(next.json, 'items', 0, 'cursor')).not.toBe(at(first.json, 'items', 0, 'cursor'))
  })

  test('[AD3] what an administrator does as somebody else stands in their journal under the administrator’s name', async () => {
    const as = await door.enter(`admin==>${stranger.nick}`, adminPassword)
    await door.must('POST', '/devices/tokens', { token: as, body: { nick: 'by the administrator' } })
    const read = await door.must('GET', '/fleet/v1/audit?limit=500', { token: stranger.token })
    const items = at(read.json, 'items') as {
      kind: string
      by: { id: string }
      data: { address?: string; nick?: string }
    }[]
    const made = items.find(({ data }) => data.nick === 'by the administrator')
    const known = await door.house.access.callerOf(admin)
    expect(made?.by.id).toBe(known.ok && known.value.kind === 'user' && known.value.principal.id)
    expect(made?.data.address).toBe('127.0.0.1')
  })
})

/** A value that fits a schema: of an object what it has to have, of a choice the first. */
function sampleOf(schema: TSchema): unknown {
  if ('const' in schema) return schema.const
  const [choice] = (schema.anyOf ?? []) as TSchema[]
  if (choice) return sampleOf(choice)
  switch (schema.type) {
    case 'object': {
      const properties = (schema.properties ?? {}) as Record<string, TSchema>
      const wanted: string[] = schema.required ?? []
      const names = wanted.length > 0 || !schema.minProperties ? wanted : Object.keys(properties).slice(0, 1)
      return Object.fromEntries(names.map((name) => [name, sampleOf(properties[name] ?? ({} as TSchema))]))
    }
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 }, () => sampleOf(schema.items as TSchema))
    case 'string':
      if (schema.format === 'date-time') return '2026-01-01T00:00:00Z'
      if (schema.pattern === undefined) return 'x'.repeat(schema.minLength ?? 0)
      return fc.sample(fc.stringMatching(new RegExp(schema.pattern)), { numRuns: 1, seed: 1 })[0]
    case 'integer':
    case 'number':
      return schema.minimum ?? 0
    case 'boolean':
      return false
    default:
      return null
  }
}
