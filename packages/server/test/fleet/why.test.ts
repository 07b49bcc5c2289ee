import { afterAll, beforeAll, expect, test } from 'vitest'
import { fleetDoor } from '../../src/doors/fleet/door.ts'
import { downloadOf } from '../../src/doors/fleet/why.ts'
import { pantahubDoor } from '../../src/doors/pantahub/door.ts'
import { openTestHouse, type TestHouse } from '../house.ts'

let at: TestHouse
let admin: string
beforeAll(async () => {
  at = await openTestHouse([fleetDoor, pantahubDoor])
  admin = await at.login()
})
afterAll(() => at.close())

async function ask(method: string, path: string, token: string | undefined, body?: unknown) {
  const answer = await fetch(`${at.url}${path}`, {
    method,
    headers: {
      'user-agent': 'test',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, json: (text === '' ? {} : JSON.parse(text)) as Record<string, string> }
}

interface Told {
  readonly rev?: number
  readonly chain: { kind: string; says: string; cursors: string[] }[]
}

async function why(device: string, rev?: number): Promise<Told> {
  const path = `/fleet/v1/devices/${device}/why${rev === undefined ? '' : `?rev=${rev}`}`
  const { status, json } = await ask('GET', path, admin)
  expect(status).toBe(200)
  return json as unknown as Told
}

const state = { '#spec': 'pantavisor-service-system@1', 'a.json': {} }

test('[FL11] a device is explained from its registration to its failure, with entries of the journal', async () => {
  const made = (await ask('POST', '/devices/', undefined, {})).json
  const { id = '', prn, secret, challenge } = made
  expect((await why(id)).chain[0]).toMatchObject({ kind: 'not-claimed' })
  await ask('POST', `/fleet/v1/devices/${id}/claim`, admin, { challenge })
  expect((await why(id)).chain.map(({ kind }) => kind)).toEqual(['never-announced', 'never-heard'])

  const enter = async () =>
    (await ask('POST', '/auth/login', undefined, { username: prn, password: secret })).json.token
  let token = await enter()
  await ask('POST', '/trails/', token, state)
  for (const _ of [1, 2]) await ask('POST', `/fleet/v1/devices/${id}/steps`, admin, { state })
  for (let i = 0; i < 10; i++) {
    at.pass(10_000)
    await ask('GET', `/trails/${id}/steps`, token)
  }
  at.pass(3 * 3600_000)
  admin = await at.login()
  token = await enter()
  const silent = (await why(id)).chain
  expect(silent.map(({ kind }) => kind)).toEqual(['waits', 'silent'])
  expect(silent[1]?.says).toBe('the device has been silent for 3 h against a usual 10 s')

  const total = { total_size: 1000, total_downloaded: 400, start_time: 100, current_time: 110 }
  await ask('PUT', `/trails/${id}/steps/1/progress`, token, { status: 'DOWNLOADING', downloads: { total } })
  const downloading = await why(id)
  expect(downloading.chain[0]?.says).toBe('step 1 is being downloaded: 40 % of 1.0 kB at 40 B/s')
  await ask('PUT', `/trails/${id}/steps/1/progress`, token, { status: 'ERROR', 'status-msg': 'bad checksum' })
  const failed = await why(id, 2)
  expect(failed.chain.map(({ says }) => says).slice(0, 2)).toEqual([
    'step 2 waits behind step 1, which failed',
    'step 1 failed: bad checksum',
  ])
  const journal = (await ask('GET', `/fleet/v1/journal?device=${id}&limit=500`, admin)).json as unknown as {
    items: { cursor: string; kind: string; data: { reason?: string } }[]
  }
  const shown = journal.items.find(({ cursor }) => cursor === failed.chain[1]?.cursors[0])
  expect(shown).toMatchObject({ kind: 'transaction.ended', data: { reason: 'bad checksum' } })
})

test('[FL11] a step that is not there is 404, and a revision that is none 400', async () => {
  const { json } = await ask('POST', '/fleet/v1/devices', admin, { nick: 'empty' })
  expect(json).toHaveProperty('device')
  expect(await ask('GET', '/fleet/v1/devices/empty/why?rev=7', admin)).toMatchObject({
    status: 404,
    json: { type: 'urn:waymark:no-such-step' },
  })
  expect((await ask('GET', '/fleet/v1/devices/empty/why?rev=x', admin)).status).toBe(400)
  expect((await ask('GET', '/fleet/v1/devices/nobody/why', admin)).status).toBe(404)
})

test('[FL11] a report that tells of no download, or nonsense, is no download', () => {
  const reports = [
    {},
    { downloads: null },
    { downloads: { total: 7 } },
    { downloads: { total: { total_size: 0, total_downloaded: 0 } } },
    { downloads: { total: { total_size: '9', total_downloaded: 1 } } },
    { downloads: { total: { total_size: 9, total_downloaded: -1 } } },
  ]
  for (const report of reports) expect(downloadOf({ report })).toBeUndefined()
  const total = { total_size: 9, total_downloaded: 1, start_time: 7, current_time: 3 }
  expect(downloadOf({ report: { downloads: { total } } })).toEqual({ total: 9, got: 1, seconds: 0 })
})
