import { describe, expect, test } from 'vitest'
import { type Answer, type Door, type OwnDevice, openDoor, type Person } from './support.ts'

const words = '{"$in":["NEW","DOWNLOADING","INPROGRESS","TESTING","QUEUED"]}'

/** A device that has been told "nothing" twice: the second time from memory. */
async function idle(options: Parameters<typeof openDoor>[0] = {}) {
  const door = await openDoor(options)
  const owner = await door.person()
  const device = await door.deviceWithTrail(owner)
  const poll = (token = device.token) =>
    door.call('GET', `/trails/${device.id}/steps?progress.status=${encodeURIComponent(words)}`, { token })
  for (let i = 0; i < 3; i++) expect((await poll()).text).toBe('[]')
  return { door, owner, device, poll }
}

describe('polls with nothing new', () => {
  test('[PM1] the remembered answer is the same, byte for byte but for its run time', async () => {
    const { device, door, poll } = await idle()
    const told = (answer: Answer) =>
      [...answer.headers].filter(
        ([name]) => !['date', 'x-runtime', 'connection', 'keep-alive'].includes(name),
      )
    const remembered = await poll()
    const fresh = await door.call(
      'GET',
      `/trails/${device.id}/steps?progress.status=%7B%22%24in%22%3A%5B%22NEW%22%5D%7D`,
      {
        token: device.token,
      },
    )
    expect([remembered.status, remembered.text, told(remembered)]).toEqual([
      fresh.status,
      fresh.text,
      told(fresh),
    ])
  })

  const news: { what: string; make: (on: Scene) => Promise<unknown>; seen: string | number }[] = [
    { what: 'a step', make: ({ door, owner, device }) => door.post(owner, device), seen: '"rev":1' },
    {
      what: 'another secret',
      make: ({ door, owner, device }) =>
        door.must('PUT', `/devices/${device.id}`, {
          token: owner.token,
          body: { secret: 'quite another one' },
        }),
      seen: 401,
    },
    {
      what: 'a deletion',
      make: ({ door, owner, device }) => door.must('DELETE', `/devices/${device.id}`, { token: owner.token }),
      seen: 401,
    },
    {
      what: 'the end of its token',
      make: async ({ door }) => door.pass(61 * 60 * 1000),
      seen: 401,
    },
  ]
  for (const { what, make, seen } of news)
    test(`[PM2] ${what} is seen by the very next poll`, async () => {
      const scene = await idle()
      await make(scene)
      const answer = await scene.poll()
      if (typeof seen === 'number') expect(answer.status).toBe(seen)
      else expect(answer.text).toContain(seen)
    })

  test('[PM3] nobody else is answered from a device’s memory', async () => {
    const { door, device, poll } = await idle()
    const stranger = await door.person()
    const other = await door.deviceWithTrail(stranger)
    expect((await poll('nonsense')).status).toBe(401)
    expect((await poll(`${device.token.slice(0, -3)}AAA`)).status).toBe(401)
    const foreign = await poll(other.token)
    expect([foreign.status, foreign.text]).toEqual([200, '[]'])
    expect((await door.call('GET', `/trails/${device.id}/steps`)).status).toBe(401)
  })

  test('[PM4] a device that is remembered still counts as heard of', async () => {
    const { door, device, poll } = await idle()
    const before = await door.house.presence.lastSeen(device.id as never)
    door.pass(5000)
    await poll()
    const after = await door.house.presence.lastSeen(device.id as never)
    expect((after?.lastSeenAt ?? 0) - (before?.lastSeenAt ?? 0)).toBeGreaterThanOrEqual(5000)
  })
})

interface Scene {
  readonly door: Door
  readonly owner: Person
  readonly device: OwnDevice
}
