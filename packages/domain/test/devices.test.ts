import { describe, expect, test } from 'vitest'
import {
  announce,
  type Device,
  deleteDevice,
  deviceByNick,
  deviceMetas,
  devices,
  homeOf,
  labelDevice,
  livingDevice,
  ok,
  patchDeviceMeta,
  patchUserMeta,
  postStep,
  publishDevice,
  registerDevice,
  renameDevice,
  setDeviceMeta,
  settled,
  steps,
  submit,
  sweepUnclaimed,
  transactions,
  unclaimedAgeMaxMs,
  unclaimedTenant,
  userMetas,
} from '../src/index.ts'
import { claim, makeDevice, makeUnclaimed, plainState, type Stage, stage } from './play.ts'

const dayMs = 24 * 3600 * 1000

describe('devices', () => {
  test('[DV1] a device comes in unclaimed with a challenge, or into a tenant without one', async () => {
    const on = await stage()
    const unclaimed = await makeUnclaimed(on)
    expect(unclaimed.challenge).toMatch(/^[a-z]+-[a-z]+-[a-z]+$/)
    expect(unclaimed.nick).toMatch(/^__unregistered__[a-z]+_[a-z]{10}$/)
    const owned = await makeDevice(on, 'mine')
    expect(owned.challenge).toBeUndefined()
    expect(await homeOf(on.store.readHouse(), owned.id)).toMatchObject({ tenant: on.owner })
    expect(await homeOf(on.store.readHouse(), unclaimed.id)).toMatchObject({ tenant: unclaimedTenant })
  })

  test('[DV1] the secret is kept sealed: the journal and the record hold no other form of it', async () => {
    const on = await stage()
    const made = await on.store.transactHouse((house) =>
      registerDevice(house, on.env, { tenant: on.owner, secret: 'opensesame', seal: () => 'SEALED' }),
    )
    expect(made.ok && made.value.secret).toBe('opensesame')
    const journal = await on.store.journal.read(on.owner, { limit: 100 })
    expect(JSON.stringify([made.ok && made.value.device, journal])).not.toContain('opensesame')
  })

  test('[DV2] a wrong challenge changes nothing; the right one moves the device with all that is said of it', async () => {
    const on = await stage()
    const device = await makeUnclaimed(on)
    await on.store.transact(unclaimedTenant, (tx) =>
      setDeviceMeta(tx, on.env, { device: device.id, meta: { 'pantavisor.mode': 'remote' } }),
    )
    expect(await claim(on, device, 'wrong-wrong-wrong')).toEqual({
      ok: false,
      refusal: { kind: 'wrong-challenge', device: device.id },
    })
    expect(await livingDevice(on.store.read(unclaimedTenant), device.id)).toMatchObject({ ok: true })

    const claimed = await claim(on, device, device.challenge ?? '')
    expect(claimed).toMatchObject({ ok: true, value: { id: device.id, claimedAt: on.env.now } })
    expect(claimed.ok && claimed.value.challenge).toBeUndefined()
    expect(claimed.ok && claimed.value.nick).not.toContain('__unregistered__')
    expect(await on.store.read(unclaimedTenant).get(devices, { id: device.id })).toBeUndefined()
    expect(await on.store.read(on.owner).get(deviceMetas, { device: device.id })).toMatchObject({
      meta: { 'pantavisor.mode': 'remote' },
    })
    expect(await homeOf(on.store.readHouse(), device.id)).toMatchObject({ tenant: on.owner })
    expect(await claim(on, device, device.challenge ?? '')).toMatchObject({
      refusal: { kind: 'already-claimed' },
    })
  })

  test('[DV3] living devices of a tenant have different nicks; the unclaimed do not matter', async () => {
    const on = await stage()
    const first = await makeDevice(on, 'same')
    const again = await on.store.transactHouse((house) =>
      registerDevice(house, on.env, { tenant: on.owner, nick: 'same', seal: () => '' }),
    )
    expect(again).toEqual({ ok: false, refusal: { kind: 'nick-taken', got: 'same' } })
    const elsewhere = await on.store.transactHouse((house) =>
      registerDevice(house, on.env, { tenant: unclaimedTenant, nick: 'same', seal: () => '' }),
    )
    expect(elsewhere.ok).toBe(true)
    const other = await makeDevice(on, 'other')
    expect(await rename(on, other, 'same')).toMatchObject({ refusal: { kind: 'nick-taken' } })
    expect(await rename(on, first, 'free-again')).toMatchObject({ ok: true })
    expect(await rename(on, other, 'same')).toMatchObject({ ok: true })
    expect((await deviceByNick(on.store.read(on.owner), 'same'))?.id).toBe(other.id)
  })

  const badNicks = ['', 'with space', 'slash/ed', '../up', 'ümlaut', 'x'.repeat(129), 'new\nline']
  for (const nick of badNicks)
    test(`[DV3] ${JSON.stringify(nick.slice(0, 12))} is no nick`, async () => {
      const on = await stage()
      const device = await makeDevice(on, 'good')
      expect(await rename(on, device, nick)).toMatchObject({ refusal: { kind: 'bad-nick', got: nick } })
    })

  test('[DV4] a deleted device is gone and its name is free', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'brief')
    await on.store.transact(on.owner, (tx) =>
      labelDevice(tx, on.env, { device: device.id, labels: { site: 'north' }, by: on.by }),
    )
    await on.store.transactHouse((house) =>
      publishDevice(house, on.env, { device: device.id, tenant: on.owner, published: true, by: on.by }),
    )
    const deleted = await on.store.transactHouse((house) =>
      deleteDevice(house, on.env, { device: device.id, tenant: on.owner, by: on.by }),
    )
    expect(deleted).toMatchObject({
      ok: true,
      value: { garbage: true, published: false, credentialVersion: 2 },
    })
    expect(await livingDevice(on.store.read(on.owner), device.id)).toMatchObject({ ok: false })
    expect(await deviceByNick(on.store.read(on.owner), 'brief')).toBeUndefined()
    expect((await homeOf(on.store.readHouse(), device.id))?.published).toBe(false)
    await makeDevice(on, 'brief')
  })

  test('[DV4] what was asked of a device that is deleted has ended: calls, and steps it had not done', async () => {
    const on = await stage()
    const { id: device } = await makeDevice(on, 'brief')
    const reader = on.store.read(on.owner)
    await on.store.transact(on.owner, async (tx) => {
      const { by } = on
      await announce(tx, on.env, { device, state: plainState('factory'), by })
      for (const state of ['one', 'two'])
        await postStep(tx, on.env, {
          ...{ device, rev: 'append', state: plainState(state), by },
          ...{ commitMsg: '', committer: '', meta: {} },
        })
      await submit(tx, on.env, { kind: 'rpc', device, payload: {}, by })
      return ok(undefined)
    })
    expect(await reader.count(transactions, { open: true })).toBe(3)
    await on.store.transactHouse((house) =>
      deleteDevice(house, on.env, { device, tenant: on.owner, by: on.by }),
    )
    const left = await reader.find(transactions, { where: { device }, order: ['id'] })
    expect(left.map(({ kind, state, reason }) => [kind, state, reason]).sort()).toEqual([
      ['rpc', 'failed', 'device-unknown'],
      ['step', 'cancelled', 'the trail was closed'],
      ['step', 'cancelled', 'the trail was closed'],
      ['step', 'done', undefined],
    ])
    expect(await reader.count(steps, { device, open: true })).toBe(0)
  })

  test('[DV5] merging user-meta keeps null, merging device-meta removes by null; dots and odd keys survive', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'meta')
    const key = 'pvr-sdk.authorized_keys'
    await on.store.transact(on.owner, (tx) =>
      patchUserMeta(tx, on.env, { device, patch: { [key]: 'ssh', a: 1 }, by: on.by }),
    )
    await on.store.transact(on.owner, (tx) =>
      patchUserMeta(tx, on.env, { device, patch: { a: null }, by: on.by }),
    )
    expect((await on.store.read(on.owner).get(userMetas, { device: device.id }))?.meta).toEqual({
      [key]: 'ssh',
      a: null,
    })
    const patch = (text: string) =>
      on.store.transact(on.owner, (tx) =>
        patchDeviceMeta(tx, on.env, { device: device.id, patch: JSON.parse(text) as Record<string, never> }),
      )
    await patch('{"pantavisor.mode":"remote","__proto__":{"x":1},"constructor":2}')
    await patch('{"constructor":null}')
    const meta = (await on.store.read(on.owner).get(deviceMetas, { device: device.id }))?.meta ?? {}
    expect(JSON.stringify(meta)).toBe('{"pantavisor.mode":"remote","__proto__":{"x":1}}')
  })

  test('[DV5] a map that is too large is refused with both figures', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'meta')
    const meta = { big: 'x'.repeat(1024 * 1024) }
    const set = await on.store.transact(on.owner, (tx) =>
      setDeviceMeta(tx, on.env, { device: device.id, meta }),
    )
    expect(set).toMatchObject({ refusal: { kind: 'too-large', wanted: 1024 * 1024, got: 1024 * 1024 + 10 } })
  })

  test('[DV6] devices unclaimed for five days are swept, others are not', async () => {
    const on = await stage()
    const old = await makeUnclaimed(on)
    on.pass(unclaimedAgeMaxMs - dayMs)
    const young = await makeUnclaimed(on)
    const owned = await makeDevice(on, 'owned')
    on.pass(2 * dayMs)
    const swept = settled(
      await on.store.transactHouse(async (house) => ({
        ok: true,
        value: await sweepUnclaimed(house, on.env, 10),
      })),
    )
    expect(swept).toBe(1)
    expect((await livingDevice(on.store.read(unclaimedTenant), old.id)).ok).toBe(false)
    expect((await livingDevice(on.store.read(unclaimedTenant), young.id)).ok).toBe(true)
    expect((await livingDevice(on.store.read(on.owner), owned.id)).ok).toBe(true)
  })
})

function rename(on: Stage, device: Device, nick: string) {
  return on.store.transact(on.owner, (tx) => renameDevice(tx, on.env, { device: device.id, nick, by: on.by }))
}
