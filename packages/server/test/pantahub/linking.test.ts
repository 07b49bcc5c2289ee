import { randomBytes } from 'node:crypto'
import { blobs, ObjectSha, objects, publishedObjects, type TenantId, tenants } from '@waymark/domain'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { indexPublications } from '../../src/publications.ts'
import {
  type Answer,
  at,
  type Door,
  factory,
  listOf,
  type OwnDevice,
  openDoor,
  type Person,
  sha256,
} from './support.ts'

const holdersOf = async (door: Door, sha: string) => {
  const named = ObjectSha.parse(sha)
  return named && (await door.house.store.readHouse().get(blobs, { sha: named }))?.holders
}
const ask = (door: Door, person: Pick<Person, 'token'>, bytes: Buffer, query = '') =>
  door.call('POST', `/objects/${query}`, {
    token: person.token,
    body: { objectname: 'mine', size: String(bytes.length), sha256sum: sha256(bytes) },
  })
const kind = (answer: Answer) => [answer.status, answer.headers.get('pantahub-object-type')]
const hour = 3600_000

/** Somebody who has published a device whose step 1, still NEW, names some bytes; and somebody else. */
async function publishing() {
  const door = await openDoor()
  const [giver, taker] = [await door.person(), await door.person()]
  const device = await door.deviceWithTrail(giver)
  const bytes = randomBytes(1000)
  const sha = await door.upload(giver.token, bytes, 'theirs')
  await door.post(giver, device, { ...factory, 'a.bin': sha })
  const publish = (method: 'PUT' | 'DELETE') =>
    door.must(method, `/devices/${device.id}/public`, { token: giver.token })
  await publish('PUT')
  const replace = (state: object) =>
    door.must('PUT', `/trails/${device.id}/steps/1/state`, { token: giver.token, body: state })
  return { door, giver, taker, device, bytes, sha, publish, replace }
}

describe('linking', () => {
  test('[OB10] what was published before there was an index is found after a chore has looked for it, once', async () => {
    const { door, taker, bytes } = await publishing()
    const { store } = door.house
    await store.transactHouse(async (house) => {
      for (const row of await house.find(publishedObjects, {})) await house.remove(publishedObjects, row)
      return { ok: true, value: undefined } as const
    })
    expect((await ask(door, taker, bytes)).status).toBe(200)
    const everyone = async (visit: (tenant: TenantId) => Promise<void>) => {
      for (const { id } of await store.readHouse().find(tenants, {})) await visit(id)
    }
    expect(await indexPublications(door.house, everyone)).toBe(true)
    expect(await indexPublications(door.house, everyone)).toBe(false)
    expect(kind(await ask(door, taker, bytes))).toEqual([409, 'link'])
  })

  test('[OB10] what somebody has published is 409 link: an own record that leads to their bytes', async () => {
    const { door, giver, taker, bytes, sha } = await publishing()
    const theirs = (await door.must('GET', `/objects/${sha}`, { token: giver.token })).json
    const linked = await ask(door, taker, bytes)
    expect(kind(linked)).toEqual([409, 'link'])
    expect([at(linked.json, 'owner'), at(linked.json, 'objectname'), at(linked.json, 'size')]).toEqual([
      taker.prn,
      'mine',
      '1000',
    ])
    expect(at(linked.json, 'storage-id')).toBe(at(theirs, 'storage-id'))
    const got = await fetch(String(at(linked.json, 'signed-geturl')))
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true)
    // Asked again it is still a link.
    expect(kind(await ask(door, taker, bytes))).toEqual([409, 'link'])
    expect(await holdersOf(door, sha)).toBe(2)
    expect(listOf(await door.must('GET', '/objects/', { token: taker.token }))).toHaveLength(1)
  })

  test('[OB10] the size is that of the bytes, whatever is said', async () => {
    const { door, taker, sha } = await publishing()
    const body = { objectname: 'x', size: '5', sha256sum: sha }
    const linked = await door.call('POST', '/objects/', { token: taker.token, body })
    expect([linked.status, at(linked.json, 'sizeint')]).toEqual([409, 1000])
  })

  test('[OB10] a record that waited for its bytes becomes the link', async () => {
    const { door, taker, bytes, sha } = await publishing()
    expect(kind(await ask(door, taker, bytes, '?autolink=no'))).toEqual([200, 'object'])
    expect(kind(await ask(door, taker, bytes))).toEqual([409, 'link'])
    expect(await holdersOf(door, sha)).toBe(2)
  })

  test('[OB11] only what a step of a published device names is linked', async () => {
    const { door, giver, taker, device, bytes, sha, publish, replace } = await publishing()
    expect(kind(await ask(door, taker, bytes, '?autolink=no'))).toEqual([200, 'object'])
    const lonely = randomBytes(10)
    await door.upload(giver.token, lonely)
    expect(kind(await ask(door, taker, lonely))).toEqual([200, 'object'])
    await publish('DELETE')
    expect(kind(await ask(door, taker, bytes))).toEqual([200, 'object'])
    await publish('PUT')
    await replace(factory)
    expect(kind(await ask(door, taker, bytes))).toEqual([200, 'object'])
    await replace({ ...factory, 'b.bin': sha })
    expect(kind(await ask(door, await door.person(), bytes))).toEqual([409, 'link'])
    const later = randomBytes(10)
    const laterSha = await door.upload(giver.token, later)
    await door.post(giver, device, { ...factory, 'c.bin': laterSha })
    expect(kind(await ask(door, taker, later))).toEqual([409, 'link'])
    await door.must('DELETE', `/devices/${device.id}`, { token: giver.token })
    expect(kind(await ask(door, await door.person(), bytes))).toEqual([200, 'object'])
    expect(await door.house.store.readHouse().count(publishedObjects, {})).toBe(0)
  })

  test('[OB11] an announced factory state is linked to as well, once its device is published', async () => {
    const door = await openDoor()
    const [giver, taker] = [await door.person(), await door.person()]
    const bytes = randomBytes(20)
    const device = await door.deviceOf(giver)
    const sha = await door.upload(device.token, bytes)
    await door.must('PUT', `/devices/${device.id}/public`, { token: giver.token })
    await door.must('POST', '/trails/', { token: device.token, body: { ...factory, 'a.bin': sha } })
    expect(kind(await ask(door, taker, bytes))).toEqual([409, 'link'])
    expect(kind(await ask(door, giver, bytes))).toEqual([409, 'object'])
  })

  test('[OB12] what is put to a link is compared and not kept', async () => {
    const { door, taker, bytes, sha } = await publishing()
    const url = String(at((await ask(door, taker, bytes)).json, 'signed-puturl'))
    const claims = JSON.parse(Buffer.from(url.split('.').at(-2) ?? '', 'base64url').toString()) as {
      aud: string
    }
    expect(claims.aud).toBe('SHAONLY')
    const put = (body: Buffer) => door.call('PUT', url, { body })
    const before = await door.house.bytes.stat(sha)
    expect((await put(bytes)).status).toBe(200)
    expect((await put(Buffer.alloc(1000))).status).toBe(400)
    expect((await put(Buffer.alloc(1001))).status).toBe(400)
    expect((await put(Buffer.alloc(999))).status).toBe(500)
    expect(await door.house.bytes.stat(sha)).toBe(before)
    expect(await holdersOf(door, sha)).toBe(2)
  })

  test('[OB13] a link holds the bytes: they stay when the first owner lets go, and go with the last', async () => {
    const { door, giver, taker, bytes, sha, replace } = await publishing()
    const linked = await ask(door, taker, bytes)
    await replace(factory)
    await door.must('DELETE', `/objects/${sha}`, { token: giver.token })
    const own = await door.deviceWithTrail(taker)
    await door.post(taker, own, { ...factory, 'kept.bin': sha })
    door.pass(100 * hour)
    await door.house.objects.collect(hour)
    expect(await holdersOf(door, sha)).toBe(1)
    expect((await fetch(String(at(linked.json, 'signed-geturl')))).status).toBe(403)
    const token = await door.enter(taker.nick, taker.password)
    const now = await door.must('GET', `/objects/${sha}`, { token })
    const got = await fetch(String(at(now.json, 'signed-geturl')))
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true)
    await door.must('PUT', `/trails/${own.id}/steps/1/state`, { token, body: factory })
    await door.must('DELETE', `/objects/${sha}`, { token })
    expect(await holdersOf(door, sha)).toBeUndefined()
  })

  test('[OB13] whatever is published, linked, uploaded, removed and collected: holders are the records that stand', async () => {
    const { door, giver, taker, device, bytes, sha, publish, replace } = await publishing()
    const third = await door.person()
    const people = [giver, taker, third]
    const moves = {
      link: (who: Person) => ask(door, who, bytes),
      upload: (who: Person) => door.upload(who.token, bytes),
      remove: (who: Person) => door.call('DELETE', `/objects/${sha}`, { token: who.token }),
      publish: () => publish('PUT'),
      unpublish: () => publish('DELETE'),
      drop: () => replace(factory),
      name: () =>
        door.call('PUT', `/trails/${device.id}/steps/1/state`, {
          token: giver.token,
          body: { ...factory, 'a.bin': sha },
        }),
      collect: async () => void (await door.house.objects.collect(-hour)),
    } as const
    const move = fc.record({
      what: fc.constantFrom(...(Object.keys(moves) as (keyof typeof moves)[])),
      who: fc.constantFrom(0, 1, 2),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 12 }), async (all) => {
        for (const { what, who } of all) await moves[what](people[who] as Person)
        const { store } = door.house
        let stored = 0
        const named = ObjectSha.parse(sha)
        for (const { id } of await store.readHouse().find(tenants, {}))
          if (named && (await store.read(id).get(objects, { sha: named }))?.stored) stored += 1
        expect((await holdersOf(door, sha)) ?? 0).toBe(stored)
        if (stored > 0) expect(await door.house.bytes.stat(sha)).toBe(1000)
      }),
      { numRuns: 25 },
    )
  })

  test('[OB14] links count against the quota', async () => {
    const door = await openDoor({ flags: ['--object-quota', '1500'] })
    const [giver, taker] = [await door.person(), await door.person()]
    const device = await door.deviceWithTrail(giver)
    const bytes = randomBytes(1000)
    const sha = await door.upload(giver.token, bytes)
    await door.post(giver, device, { ...factory, 'a.bin': sha })
    await door.must('PUT', `/devices/${device.id}/public`, { token: giver.token })
    await door.upload(taker.token, randomBytes(600))
    const over = await ask(door, taker, bytes)
    expect([over.status, String(at(over.json, 'msg'))]).toEqual([
      500,
      expect.stringContaining('quota of objects'),
    ])
    const own = await door.deviceWithTrail(taker)
    const post = await door.call('POST', `/trails/${own.id}/steps`, {
      token: taker.token,
      body: { rev: -1, state: { ...factory, 'a.bin': sha } },
    })
    expect(post.status).toBe(500)
  })
})

describe('copying a state between owners, as pvr fastcopy does', () => {
  async function fastcopy(door: Door, taker: Person, from: OwnDevice, to: OwnDevice) {
    const remote = async (id: string) =>
      (await door.must('GET', `/trails/${id}/.pvrremote`, { token: taker.token })).json
    const [source, target] = [await remote(from.id), await remote(to.id)]
    const state = (await door.must('GET', String(at(source, 'json-get-url')), { token: taker.token })).text
    return door.call('POST', String(at(target, 'post-url')), {
      token: taker.token,
      body: `{"commit-msg":"copied","rev":-1,"${String(at(target, 'json-key'))}":${state}}`,
      headers: { 'content-type': 'application/json' },
    })
  }

  test('[OB15] one post is enough: objects are linked, and the device fetches them', async () => {
    const { door, taker, device, bytes, sha } = await publishing()
    const own = await door.deviceWithTrail(taker)
    const posted = await fastcopy(door, taker, device, own)
    expect([posted.status, at(posted.json, 'state', 'a.bin')]).toEqual([200, sha])
    const [object] = listOf(await door.must('GET', `/trails/${own.id}/steps/1/objects`, { token: own.token }))
    const got = await fetch(String(at(object, 'signed-geturl')))
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true)
    expect(await holdersOf(door, sha)).toBe(2)
  })

  test('[OB15] a private state cannot be copied by its hashes, and a refused post leaves no link behind', async () => {
    const { door, taker, bytes, sha, publish } = await publishing()
    const own = await door.deviceWithTrail(taker)
    const post = (state: object) =>
      door.call('POST', `/trails/${own.id}/steps`, { token: taker.token, body: { rev: -1, state } })
    const half = await post({ ...factory, 'a.bin': sha, 'b.bin': sha256('nobody has this') })
    expect([half.status, await holdersOf(door, sha)]).toEqual([400, 1])
    await publish('DELETE')
    const refused = await post({ ...factory, 'a.bin': sha })
    expect([refused.status, String(at(refused.json, 'msg'))]).toEqual([
      400,
      expect.stringContaining('uploaded, got none'),
    ])
    expect(kind(await ask(door, taker, bytes))).toEqual([200, 'object'])
  })
})
