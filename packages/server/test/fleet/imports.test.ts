import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRoom, type Room } from './support.ts'

let at: Room
beforeAll(async () => {
  at = await openRoom(['--device-quota', '3'])
})
afterAll(() => at.close())

const id = '5c0e5c0e5c0e5c0e5c0e5c0e'
const createdAt = '2019-05-06T07:08:09.123Z'
const reportedAt = '2019-06-07T08:09:10.000Z'
const device = {
  nick: 'far-away',
  secret: 'its-own-secret',
  public: true,
  userMeta: { 'pvr-sdk.authorized_keys': 'ssh' },
  deviceMeta: { 'pantavisor.mode': 'remote' },
  createdAt,
}
const state = (n: number) => ({ '#spec': 'pantavisor-service-system@1', 'a.json': { n } })

/** What the Pantahub door answers a device that logs in with its id and secret. */
async function asDevice(secret: string): Promise<string | number> {
  const answer = await fetch(`${at.url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'test' },
    body: JSON.stringify({ username: `prn:::devices:/${id}`, password: secret }),
  })
  return answer.status === 200 ? ((await answer.json()) as { token: string }).token : answer.status
}

describe('imports', () => {
  test('[FL17] a device comes in with all it has, logs in as it always did, and comes in once', async () => {
    const put = await at.ask('PUT', `/imports/${id}`, { body: device })
    expect(put).toMatchObject({
      status: 200,
      body: { existed: false, device: { id, nick: 'far-away', public: true, createdAt } },
    })
    expect(put.body.secret).toBeUndefined()
    expect((await at.ask('GET', `/devices/${id}/user-meta`)).body).toEqual(device.userMeta)
    expect((await at.ask('GET', `/devices/${id}/device-meta`)).body).toEqual(device.deviceMeta)
    expect(typeof (await asDevice(device.secret))).toBe('string')
    const again = await at.ask('PUT', `/imports/${id}`, {
      body: { ...device, nick: 'another', secret: 'another' },
    })
    expect(again).toMatchObject({ status: 200, body: { existed: true, device: { nick: 'far-away' } } })
    expect(await asDevice('another')).toBe(401)
    const stranger = await at.makeUser('importer')
    expect(await at.ask('PUT', `/imports/${id}`, { token: stranger, body: device })).toMatchObject({
      status: 409,
      body: { type: 'urn:waymark:id-taken' },
    })
  })

  test('[FL17] steps come in as they stood, in their turn and once; the device goes on from there', async () => {
    const step = (rev: number, body: object) =>
      at.ask('PUT', `/imports/${id}/steps/${rev}`, { body: { state: state(rev), createdAt, ...body } })
    const report = (status: string, progress: number) => ({
      status,
      progress,
      'status-msg': 'so',
      data: { n: 1 },
    })
    expect((await step(1, {})).body).toMatchObject({ type: 'urn:waymark:wrong-revision', wanted: 0 })
    expect(await step(0, { commitMsg: 'factory', report: report('DONE', 100), reportedAt })).toMatchObject({
      status: 200,
      body: {
        existed: false,
        step: { rev: 0, outcome: 'done', commitMsg: 'factory', createdAt, reportedAt },
      },
    })
    expect((await step(1, { report: report('ERROR', 60), reportedAt })).body).toMatchObject({
      step: { outcome: 'failed', reason: 'so', status: 'ERROR', report: report('ERROR', 60) },
    })
    expect((await step(2, { meta: { a: 1 }, committer: 'carol' })).body).toMatchObject({
      step: { outcome: 'queued', status: 'NEW', meta: { a: 1 } },
    })
    expect((await step(2, {})).body).toMatchObject({ existed: true })
    expect((await step(2, { state: state(9) })).body).toMatchObject({ type: 'urn:waymark:step-differs' })
    expect((await at.ask('GET', `/devices/${id}/trail`)).body).toMatchObject({ createdAt, running: 0 })

    const token = await asDevice(device.secret)
    const polled = await fetch(`${at.url}/trails/${id}/steps`, {
      headers: { authorization: `Bearer ${token}`, 'user-agent': 'test' },
    })
    expect(await polled.json()).toMatchObject([
      { rev: 2, 'commit-msg': '', committer: 'carol', state: state(2) },
    ])
  })

  test('[FL17] without a secret a new one is made and shown', async () => {
    const { secret: _, ...rest } = device
    const other = 'aaaaaaaaaaaaaaaaaaaaaaaa'
    const put = await at.ask('PUT', `/imports/${other}`, { body: { ...rest, nick: 'second' } })
    expect(put.body.secret).toMatch(/^[a-z0-9]{15}$/)
  })

  const bad = [
    { what: 'a time that is none', body: { ...device, createdAt: 'yesterday' }, status: 422 },
    { what: 'a nick that is taken', body: { ...device, nick: 'far-away' }, status: 409 },
    { what: 'a nick with a space', body: { ...device, nick: 'far away' }, status: 422 },
    { what: 'an unknown member', body: { ...device, owner: 'me' }, status: 400 },
  ]
  for (const { what, body, status } of bad)
    test(`[FL4] a device with ${what} is answered ${status}`, async () => {
      expect((await at.ask('PUT', `/imports/${'b'.repeat(24)}`, { body })).status).toBe(status)
    })

  const badSteps = [
    {
      what: 'an object that is not here',
      body: { state: { ...state(3), 'a.bin': 'a'.repeat(64) } },
      status: 422,
    },
    { what: 'a state that is none', body: { state: { 'a.bin': 7 } }, status: 422 },
    { what: 'a report without end', body: { report: { status: 'x'.repeat(65) } }, status: 422 },
    { what: 'meta beyond what a device reads', body: { meta: { x: 'x'.repeat(65_536) } }, status: 413 },
  ]
  for (const { what, body, status } of badSteps)
    test(`[FL4] a step with ${what} is answered ${status}`, async () => {
      const asked = { state: state(3), createdAt, ...body }
      expect((await at.ask('PUT', `/imports/${id}/steps/3`, { body: asked })).status).toBe(status)
    })

  test('[FL4] no more devices come in than the tenant may have', async () => {
    const take = (digit: string) =>
      at.ask('PUT', `/imports/${digit.repeat(24)}`, { body: { ...device, nick: `quota-${digit}` } })
    expect((await take('c')).status).toBe(200)
    expect(await take('d')).toMatchObject({ status: 413, body: { type: 'urn:waymark:too-many-devices' } })
    expect((await at.ask('GET', `/devices/${'d'.repeat(24)}`)).status).toBe(404)
  })

  test('[FL2] a step needs the right to devices beside that to trails', async () => {
    const login = await at.house.access.login(
      { kind: 'user', name: 'admin', password: 'correct horse battery' },
      { scopes: ['prn:pantahub.com:apis:/base/trails'], peer: '127.0.0.1' },
    )
    if (!login.ok) throw new Error(login.refusal.kind)
    const asked = { token: login.value.token, body: { state: state(3), createdAt } }
    expect(await at.ask('PUT', `/imports/${id}/steps/3`, asked)).toMatchObject({
      status: 403,
      body: { wanted: 'scope devices.write' },
    })
  })
})
