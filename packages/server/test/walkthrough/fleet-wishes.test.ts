import { afterAll, expect, test } from 'vitest'
import { at, openWalk } from './support.ts'

/** Clearing and aborting, asked for at the fleet door. */
const walk = await openWalk({}, afterAll)
const owner = await walk.person()

const post = (device: { id: string }, rev: number, what: 'abort' | 'clear', token = owner.token) =>
  walk.ask('POST', `/fleet/v1/devices/${device.id}/steps/${rev}/${what}`, { token })

test('[FL12][PH-106] a failed step is cleared at the fleet door, and what waits behind it is offered again', async () => {
  const device = await walk.deviceWithSteps(owner, 2)
  await walk.report(device, 1, { status: 'QUEUED' })
  const early = await post(device, 1, 'clear')
  expect([early.status, at(early.json, 'type'), at(early.json, 'detail')]).toEqual([
    409,
    'urn:waymark:step-not-failed',
    `step 1 of ${device.id} is QUEUED, not one that failed`,
  ])
  await walk.report(device, 1, { status: 'ERROR', error: 'no space' })
  const first = await post(device, 1, 'clear')
  expect([first.status, at(first.json, 'outcome')]).toEqual([200, 'failed'])
  expect(at(first.json, 'clearedAt')).toMatch(/^\d{4}-/)
  walk.pass(1000)
  expect(at((await post(device, 1, 'clear')).json, 'clearedAt')).toBe(at(first.json, 'clearedAt'))
  expect(walk.revs(await walk.must('GET', walk.stepsOf(device), { token: device.token }))).toEqual([2])
})

test('[FL12][PH-113] an abort is asked for at the fleet door, and the device finds it in its list', async () => {
  const device = await walk.deviceWithSteps(owner, 1)
  await walk.report(device, 1, { status: 'QUEUED' })
  const asked = await post(device, 1, 'abort')
  expect([asked.status, at(asked.json, 'outcome'), at(asked.json, 'deviceAbort')]).toEqual([
    200,
    'queued',
    undefined,
  ])
  expect(walk.revs(await walk.must('GET', walk.stepsOf(device), { token: device.token }))).toEqual([1])
  await walk.report(device, 1, { status: 'ABORTED', 'device-abort': true })
  const step = await walk.must('GET', `/fleet/v1/devices/${device.id}/steps/1`, { token: owner.token })
  expect(step.json).toMatchObject({ outcome: 'cancelled', status: 'ABORTED', deviceAbort: true })
  expect(at((await post(device, 1, 'abort')).json, 'abortAskedAt')).toBe(at(step.json, 'abortAskedAt'))
})

test('[FL12][FL3] what has ended, is not there, or is another’s is refused', async () => {
  const device = await walk.deviceWithSteps(owner, 1)
  await walk.report(device, 1, { status: 'DONE' })
  const stranger = await walk.person()
  expect(at((await post(device, 1, 'abort')).json, 'type')).toBe('urn:waymark:step-ended')
  for (const what of ['abort', 'clear'] as const) {
    expect((await post(device, 9, what)).status).toBe(404)
    expect((await post(device, 1, what, stranger.token)).status).toBe(404)
    expect((await post(device, 1, what, device.token)).status).toBe(403)
  }
})
