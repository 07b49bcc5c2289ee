/** Logins of every kind and links between owners, on every store there is: one suite. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { emailChallenges, publishedObjects, type TenantId, tenants } from '@waymark/domain'
import { startPostgres } from '@waymark/store/testing'
import { afterAll, describe, expect, test } from 'vitest'
import { type Homes, openHomes } from '../../src/compose.ts'
import { parseConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { indexPublications } from '../../src/publications.ts'
import { at, type Door, factory, openDoor, type Person, sha256 } from './support.ts'

async function homesOf(...flags: string[]): Promise<Homes> {
  const data = mkdtempSync(join(tmpdir(), 'waymark-stores-'))
  afterAll(() => rmSync(data, { recursive: true, force: true }))
  const config = parseConfig({ flags: ['--data', data, ...flags], env: {} })
  if (!config.ok) throw new Error(JSON.stringify(config.refusal))
  return openHomes(config.value, { log: createLog({ logLevel: 'silent' }) })
}

const postgres = await startPostgres()
afterAll(() => postgres?.stop())

const stores: Readonly<Record<string, (() => Promise<Homes>) | undefined>> = {
  memory: () => homesOf('--database', 'memory:'),
  SQLite: () => homesOf(),
  PostgreSQL: postgres && (() => homesOf('--database', postgres.url)),
}

const back = 'http://127.0.0.1:4000/callback'

for (const [name, homes] of Object.entries(stores))
  describe.skipIf(homes === undefined)(`on ${name}`, async () => {
    const door: Door = homes
      ? await openDoor({ homes: await homes() }, afterAll)
      : await openDoor({}, afterAll)
    const owner = await door.person()
    const enters = async (username: string, password: string) =>
      (await door.call('POST', '/auth/login', { body: { username, password } })).status

    test(`[EV1] ${name}: people, devices, sessions and join tokens log in; whoever is wrong does not`, async () => {
      const device = await door.deviceOf(owner)
      expect(await enters(owner.nick, owner.password)).toBe(200)
      expect(await enters(owner.nick, 'wrong')).toBe(401)
      expect(await enters(device.prn, device.secret)).toBe(200)
      expect(await enters(device.prn, owner.password)).toBe(401)
      const session = String(at((await door.must('POST', '/auth/sessions')).json, 'token'))
      expect((await door.call('GET', '/devices/', { token: session })).status).toBe(200)
      const made = (await door.must('POST', '/devices/tokens', { token: owner.token, body: {} })).json
      const join = { 'pantahub-devices-auto-token-v1': String(at(made, 'token')) }
      const came = (await door.must('POST', '/devices/', { body: {}, headers: join })).json
      expect(at(came, 'owner')).toBe(owner.prn)
      await door.must('DELETE', `/devices/tokens/${at(made, 'id')}`, { token: owner.token })
      expect((await door.call('POST', '/devices/', { body: {}, headers: join })).status).toBe(400)
    })

    test(`[EV1] ${name}: a personal token logs in until it is removed, and no longer`, async () => {
      const made = (await door.must('POST', '/tokens/', { token: owner.token, body: { name: 'nightly' } }))
        .json
      const [id, secret] = [String(at(made, 'id')), String(at(made, 'secret'))]
      const token = await door.enter('nightly', secret)
      await door.must('GET', '/devices/', { token })
      await door.must('DELETE', `/tokens/${id}`, { token: owner.token })
      expect((await door.call('GET', '/devices/', { token })).status).toBe(401)
      expect(await enters('nightly', secret)).toBe(401)
    })

    test(`[EV1] ${name}: a code is good once, for its app; of two that bring it at once one gets in`, async () => {
      const facts = {
        nick: 'the-app',
        type: 'confidential',
        redirect_uris: ['https://app.example/'],
        scopes: ['devices'],
      }
      const app = (await door.must('POST', '/apps/', { token: owner.token, body: facts })).json
      const service = await door.enter(String(at(app, 'prn')), String(at(app, 'secret')))
      const given = await door.must('POST', '/auth/code', {
        token: owner.token,
        body: { service: at(app, 'prn'), redirect_uri: 'https://app.example/' },
      })
      const body = { 'access-code': at(given.json, 'code') }
      const taken = await Promise.all(
        [1, 2, 3].map(() => door.call('POST', '/auth/token', { token: service, body })),
      )
      expect(taken.map(({ status }) => status).sort()).toEqual([200, 401, 401])
      await door.must('DELETE', `/apps/${at(app, 'id')}`, { token: owner.token })
      const token = String(at(taken.find(({ status }) => status === 200)?.json, 'token'))
      expect((await door.call('GET', '/devices/', { token })).status).toBe(401)
    })

    test(`[EV1] ${name}: a code challenge leads to a token, with its verifier alone`, async () => {
      const facts = { nick: 'cli-app', type: 'pkce', redirect_uris: [back], scopes: ['devices.readonly'] }
      const app = (await door.must('POST', '/apps/', { token: owner.token, body: facts })).json
      const verifier = 'v'.repeat(43)
      const query = new URLSearchParams({
        client_id: String(at(app, 'prn')),
        redirect_uri: back,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      })
      const begun = await door.call('GET', `/auth/oauth/authorize?${query}`)
      const cookie = begun.headers
        .getSetCookie()
        .map((line) => line.split(';')[0])
        .join('; ')
      const given = await door.must('POST', '/auth/code', {
        token: owner.token,
        headers: { cookie },
        body: { service: at(app, 'prn'), redirect_uri: back },
      })
      const finish = {
        grant_type: 'authorization_code',
        'access-code': at(given.json, 'code'),
        redirect_uri: back,
      }
      const done = await door.must('POST', '/auth/oauth/token', {
        body: { ...finish, code_verifier: verifier },
      })
      expect((await door.call('GET', '/devices/', { token: String(at(done.json, 'token')) })).status).toBe(
        200,
      )
      const again = await door.call('POST', '/auth/oauth/token', {
        body: { ...finish, code_verifier: verifier },
      })
      expect(again.status).toBe(400)
    })

    test(`[EV1] ${name}: keys are rotated, and who was logged in stays so`, async () => {
      const by = { kind: 'system', id: 'test' } as const
      const before = await door.enter(owner.nick, owner.password)
      expect((await door.house.tokenKeys.rotate(by)).ok).toBe(true)
      const after = await door.enter(owner.nick, owner.password)
      expect(before.split('.')[0]).not.toBe(after.split('.')[0])
      for (const token of [before, after]) await door.must('GET', '/devices/', { token })
      expect(await door.house.store.readHouse().count(emailChallenges, {})).toBe(0)
    })

    test(`[EV2] ${name}: what somebody publishes is linked by others, also when the index had to be made anew`, async () => {
      const [giver, taker] = [await door.person(), await door.person()]
      const device = await door.deviceWithTrail(giver)
      const bytes = randomBytes(500)
      const sha = await door.upload(giver.token, bytes, 'theirs')
      await door.post(giver, device, { ...factory, 'a.bin': sha })
      const ask = (person: Person) =>
        door.call('POST', '/objects/', {
          token: person.token,
          body: { objectname: 'mine', size: String(bytes.length), sha256sum: sha256(bytes) },
        })
      expect((await ask(taker)).status).toBe(200)
      await door.must('PUT', `/devices/${device.id}/public`, { token: giver.token })
      const { store } = door.house
      await store.transactHouse(async (house) => {
        for (const row of await house.find(publishedObjects, {})) await house.remove(publishedObjects, row)
        return { ok: true, value: undefined } as const
      })
      const everyone = async (visit: (tenant: TenantId) => Promise<void>) => {
        for (const { id } of await store.readHouse().find(tenants, {})) await visit(id)
      }
      expect(await indexPublications(door.house, everyone)).toBe(true)
      const linked = await ask(await door.person())
      expect([linked.status, linked.headers.get('pantahub-object-type')]).toEqual([409, 'link'])
      const got = await fetch(String(at(linked.json, 'signed-geturl')))
      expect(sha256(Buffer.from(await got.arrayBuffer()))).toBe(sha)
    })
  })
