/** Sets of configuration, and the fleet that is one. Rules: RULES.md, CS and OF. */
import { readFile } from 'node:fs/promises'
import { deviceConfigurations, tenants } from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import { describe, expect, test } from 'vitest'
import { mergeValues } from '../../src/links/merge.ts'
import { type Back, dialIn, openBack, openSink } from './support.ts'

/** Figure 5: a set with a position to send and keys to know. */
const basic = `module basic_cfg {
  namespace "urn:basic"; prefix b;
  container keys { leaf private { type string; } leaf public { type string; } }
  leaf cap { type uint32 { range "0..100"; } }
  leaf-list tags { type string; }
  leaf big { type uint64; }
  list rows { key name; leaf name { type string; } leaf n { type uint8; mandatory true; } }
  rpc request-waypoint {
    input { leaf device-id { type string; } leaf stream-waypoints { type boolean; } }
    output { leaf latitude { type decimal64 { fraction-digits 6; } } leaf longitude { type decimal64 { fraction-digits 6; } } }
  }
}`

async function withSet(back: Back, devices: readonly string[], url?: string) {
  const admin = await back.account('acme')
  await back.ask(admin, 'exodm:create-device-type', { name: 't', protocol: 'exodm_bert' })
  for (const name of devices)
    await back.ask(admin, 'exodm:create-device', {
      'device-id': name,
      'device-type': 't',
      'device-key': 1,
      'server-key': 2,
    })
  await back.ask(admin, 'exodm:create-yang-module', {
    repository: 'user',
    name: 'basic_cfg.yang',
    'yang-module': basic,
  })
  await back.ask(admin, 'exodm:create-config-set', {
    name: 'A',
    yang: 'basic_cfg.yang',
    ...(url === undefined ? {} : { 'notification-url': url }),
  })
  if (devices.length > 0)
    await back.ask(admin, 'exodm:add-config-set-members', { name: ['A'], 'device-id': [...devices] })
  const area = async (name: string) => {
    const { result, values } = await back.ask(admin, 'exodm:read-config-set-data', { name: 'A', area: name })
    return result === 'ok' ? values : result
  }
  const update = (values: JsonObject) => back.ask(admin, 'exodm:update-config-set', { name: 'A', values })
  const push = (more: JsonObject = {}) => back.ask(admin, 'exodm:push-config-set', { name: 'A', ...more })
  return { admin, area, update, push }
}

describe('a set of configuration', () => {
  test('[CS1] is edited, pushed to each member, and installed when the last has confirmed', async () => {
    const back = await openBack()
    const sink = await openSink()
    const { area, update, push } = await withSet(back, ['d1', 'd2'], sink.url)
    await back.tend()
    expect(await area('staged')).toBe('object-not-found')
    await update({ cap: 18, keys: { public: 'p' } })
    await update({ keys: { private: 'q' }, tags: ['a'] })
    await update({ tags: ['b'] })
    const values = { cap: 18, keys: { public: 'p', private: 'q' }, tags: ['a', 'b'] }
    expect(await area('staged')).toEqual(values)
    expect(await push({ 'transaction-id': 5 })).toEqual({ result: 'ok' })
    expect(await area('staged')).toBe('object-not-found')
    expect(await area('pending')).toEqual(values)
    const carried = await (await dialIn(back, 'acme', 'd1')).serve(() => ({ kind: 'done' }))
    expect(carried).toMatchObject({ kind: 'configuration', name: 'A', values, callId: 5 })
    expect(await area('installed')).toBe('object-not-found')
    await (await dialIn(back, 'acme', 'd2')).serve(() => ({ kind: 'done' }))
    expect(await area('pending')).toBe('object-not-found')
    expect(await area('installed')).toEqual(values)
    const told = await sink.until(2)
    expect(told).toMatchObject([
      {
        method: 'exodm:push-config-set-callback',
        params: { name: 'A', 'transaction-id': 5, 'rpc-status': 'complete', final: true },
      },
      {
        method: 'exodm:push-config-set-callback',
        params: { name: 'A', 'transaction-id': 5, 'rpc-status': 'complete', final: true },
      },
    ])
    expect(told.map(({ params }) => (params as JsonObject)['device-id']).sort()).toEqual(['d1', 'd2'])
    const { house } = back.test
    const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
    expect(acme && (await house.store.read(acme.id).count(deviceConfigurations, { name: 'A' }))).toBe(2)
  })

  test('[CS2] with nothing staged or no members a push does nothing', async () => {
    const back = await openBack()
    const { area, update, push, admin } = await withSet(back, [])
    expect(await push()).toEqual({ result: 'ok' })
    await update({ cap: 1 })
    expect(await push()).toEqual({ result: 'ok' })
    expect(await area('staged')).toEqual({ cap: 1 })
    expect(await back.ask(admin, 'exodm:push-config-set', { name: 'none' })).toEqual({
      result: 'object-not-found',
    })
  })

  test('[CS3] on failure what was installed stays, and what was pushed can be corrected and pushed again', async () => {
    const back = await openBack()
    const { area, update, push } = await withSet(back, ['d1'])
    const device = await dialIn(back, 'acme', 'd1')
    await update({ cap: 1 })
    await push()
    await device.serve(() => ({ kind: 'done' }))
    await update({ cap: 2, keys: { public: 'x' } })
    await push()
    await update({ cap: 3 })
    await device.serve(() => ({ kind: 'failed', reason: 'no' }))
    expect(await area('installed')).toEqual({ cap: 1 })
    expect(await area('staged')).toEqual({ cap: 3, keys: { public: 'x' } })
    await push()
    await device.serve(() => ({ kind: 'done' }))
    expect(await area('installed')).toEqual({ cap: 3, keys: { public: 'x' } })
  })

  test('[CS4] values are judged by the module, and numbers of any size are kept exactly', async () => {
    const back = await openBack()
    const { area, update } = await withSet(back, ['d1'])
    expect(await update({ cap: 101 })).toMatchObject({
      result: 'validation-failed',
      reason: expect.stringContaining('101'),
    })
    expect(await update({ lid: 1 })).toMatchObject({ result: 'validation-failed' })
    // Part of a configuration: what is mandatory may follow.
    expect(await update({ rows: [{ name: 'r' }], big: 18446744073709551615n })).toEqual({ result: 'ok' })
    expect(await area('staged')).toEqual({ rows: [{ name: 'r' }], big: 18446744073709551615n })
  })

  test('[CS5] a member has the module’s operations; another device has not', async () => {
    const back = await openBack()
    const { admin } = await withSet(back, ['d1'])
    await back.ask(admin, 'exodm:create-device', { 'device-id': 'd9', 'device-type': 't' })
    const call = (name: string) =>
      back.call(admin, 'basic_cfg:request-waypoint', { 'device-id': name, 'stream-waypoints': true })
    expect((await call('d1')).result).toMatchObject({ 'rpc-status': 'accepted' })
    expect((await call('d9')).error).toMatchObject({ code: -32601 })
  })

  test('[CS6] a set with members, a module with a set, a type with devices are not removed', async () => {
    const back = await openBack()
    const { admin } = await withSet(back, ['d1'])
    const ask = (method: string, params: JsonObject) => back.ask(admin, `exodm:${method}`, params)
    expect(await ask('delete-config-set', { name: 'A' })).toEqual({ result: 'object-not-empty' })
    expect(await ask('delete-yang-module', { repository: 'user', name: 'basic_cfg.yang' })).toEqual({
      result: 'object-not-empty',
    })
    expect(await ask('delete-device-type', { name: 't' })).toEqual({ result: 'object-not-empty' })
    await ask('remove-config-set-members', { name: 'A', 'device-id': 'd1' })
    expect(await ask('delete-config-set', { name: 'A' })).toEqual({ result: 'ok' })
    expect(await ask('delete-yang-module', { repository: 'user', name: 'basic_cfg@.yang' })).toEqual({
      result: 'ok',
    })
    await ask('delete-device', { 'device-id': 'd1' })
    expect(await ask('delete-device-type', { name: 't' })).toEqual({ result: 'ok' })
  })

  test('[CS7] the historic names lead to the same commands', async () => {
    const back = await openBack()
    const { admin } = await withSet(back, ['d1'])
    expect(
      await back.ask(admin, 'exodm:update-config-data', { 'config-data': 'A', values: { cap: 4 } }),
    ).toEqual({ result: 'ok' })
    expect(await back.ask(admin, 'exodm:push-config-data', { 'config-data': 'A' })).toEqual({ result: 'ok' })
  })

  test('[CS8] objects merge, scalars replace, arrays grow, and one-member elements take their namesake’s place', () => {
    expect(mergeValues({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: 9 }, d: [2], e: null })).toEqual({
      a: { b: 9, c: 2 },
      d: [1, 2],
      e: null,
    })
    expect(mergeValues([{ x: 1 }, { y: 1 }], [{ x: 2 }, { z: 3 }])).toEqual([{ x: 2 }, { y: 1 }, { z: 3 }])
    expect(mergeValues({ a: [1] }, { a: 5 })).toEqual({ a: 5 })
  })
})

describe('modules', () => {
  test('[YM1] the system’s own are served, by all the names the manual writes', async () => {
    const back = await openBack()
    const admin = await back.account('acme')
    const { 'yang-modules': names } = await back.ask(admin, 'exodm:list-yang-modules', {
      repository: 'system',
      n: 100,
      previous: '',
    })
    const manual = [
      'ietf-inet-types',
      'exodm',
      'exosense',
      'exodm_user',
      'exodm_config_set',
      'exodm_device',
      'exodm_device_group',
      'exodm_device_types',
      'exodm_package',
      'exodm_yang_module',
      'exodm_role_module',
      'exodm_type',
      'exodm_account',
    ]
    for (const name of manual) {
      expect(names).toContainEqual(expect.stringMatching(new RegExp(`^${name}@`)))
      const found = await back.ask(admin, 'exodm:lookup-yang-module', {
        repository: 'system',
        name: `${name}.yang`,
      })
      expect(found).toMatchObject({ result: 'ok', 'yang-modules': [expect.stringContaining(name)] })
    }
    for (const name of ['exodm_role', 'exodm_device_type.yang'])
      expect(await back.ask(admin, 'exodm:lookup-yang-module', { repository: 'system', name })).toMatchObject(
        { result: 'ok' },
      )
  })

  test('[YM4] what is served under a licence other than ours says so itself, and NOTICE lists it', async () => {
    const back = await openBack()
    const admin = await back.account('acme')
    const notice = await readFile(new URL('../../../../NOTICE', import.meta.url), 'utf8')
    const { 'yang-modules': names } = await back.ask(admin, 'exodm:list-yang-modules', {
      repository: 'system',
      n: 100,
      previous: '',
    })
    const said: Record<string, string> = {}
    for (const name of names as string[]) {
      const answer = await back.ask(admin, 'exodm:lookup-yang-module', { repository: 'system', name })
      const [text] = answer['yang-modules'] as string[]
      const licence = /^\/\/ SPDX-License-Identifier: (.+)$/m.exec(text ?? '')?.[1]
      const file = `${name.split('@')[0]}.yang`
      if (licence !== undefined) said[file] = licence
      expect(notice.includes(`packages/server/yang/${file}\n`), file).toBe(licence !== undefined)
      if (file === 'ietf-inet-types.yang')
        expect(text).toMatch(/Copyright \(c\) 2013 IETF Trust[^"]*\bBSD License\b[^"]*"/)
      if (file === 'exosense.yang') expect(text).toMatch(/Mozilla Public\s+License, version 2\.0/)
    }
    expect(said).toEqual({
      'ietf-inet-types.yang': 'BSD-3-Clause',
      'exosense.yang': 'MPL-2.0 OR Apache-2.0',
    })
  })

  test('[YM2] an account can neither shadow a module of the system nor change the repository', async () => {
    const back = await openBack()
    const admin = await back.account('acme')
    const put = (user: string, name: string, text: string, repository = 'user') =>
      back.ask(user, 'exodm:create-yang-module', { repository, name, 'yang-module': text })
    const own = (name: string) => `module ${name} { namespace "urn:x"; prefix x; }`
    expect(await put(admin, 'exodm.yang', own('exodm'))).toEqual({ result: 'object-exists' })
    expect(await put(admin, 'mine.yang', own('exodm'))).toEqual({ result: 'object-exists' })
    expect(await put(admin, 'exodm_type.yang', own('mine'))).toEqual({ result: 'object-exists' })
    expect(await put(admin, 'mine.yang', own('mine'), 'system')).toEqual({ result: 'permission-denied' })
    expect(await put('exodm-admin', 'shared.yang', own('shared'), 'system')).toEqual({ result: 'ok' })
    expect(
      await put(
        admin,
        'uses.yang',
        'module uses { namespace "urn:u"; prefix u; import shared { prefix s; } }',
      ),
    ).toEqual({ result: 'ok' })
    expect(await put(admin, 'shared.yang', own('shared'))).toEqual({ result: 'object-exists' })
    expect(
      await back.ask('exodm-admin', 'exodm:delete-yang-module', { repository: 'system', name: 'exodm.yang' }),
    ).toEqual({ result: 'permission-denied' })
  })

  test('[YM3] what does not compile is refused with the place; the newest revision answers to the bare name', async () => {
    const back = await openBack()
    const admin = await back.account('acme')
    const put = (text: string) =>
      back.ask(admin, 'exodm:create-yang-module', { repository: 'user', name: 'm.yang', 'yang-module': text })
    expect(await put('module m { namespace "urn:m"; prefix m; leaf a { type nothing; } }')).toMatchObject({
      result: 'validation-failed',
      reason: expect.stringMatching(/^line 1, column \d+: /),
    })
    const text = (revision: string, leaf: string) =>
      `module m { namespace "urn:m"; prefix m; revision ${revision}; leaf ${leaf} { type string; } }`
    await put(text('2013-01-01', 'old'))
    await put(text('2014-01-01', 'young'))
    const look = async (name: string) =>
      (await back.ask(admin, 'exodm:lookup-yang-module', { name }))['yang-modules']
    expect(await look('m.yang')).toEqual([text('2014-01-01', 'young')])
    expect(await look('m@2013-01-01.yang')).toEqual([text('2013-01-01', 'old')])
    expect(
      (await back.ask(admin, 'exodm:list-yang-modules', { n: 9, previous: '' }))['yang-modules'],
    ).toEqual(['m@2013-01-01.yang', 'm@2014-01-01.yang'])
  })
})
