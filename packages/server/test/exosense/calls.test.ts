/** Calls to devices, what they say by themselves, and what back ends are told. Rules: RULES.md, TC, GC, UP and DL. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { deadLetters, deliveryLanes, deliveryPausesMs, redrive, tenants, transactions } from '@waymark/domain'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Outcome } from '../../src/links/link.ts'
import { type Back, dialIn, openBack, openSink, password } from './support.ts'

const demo = `module demo {
  namespace "urn:demo"; prefix d;
  import exosense { prefix exo; }
  rpc blink {
    exo:matching-notification "blink-callback";
    input { uses exo:std-request; leaf times { type uint8 { range "1..9"; } default 3; } leaf-list pins { type uint8; } }
    output { uses exo:std-response; }
  }
  notification blink-callback { leaf seen { type uint8; } uses exo:std-callback; }
  rpc quiet { input { uses exo:std-request; } }
  rpc now { input { leaf device-id { type string; } } output { leaf at { type uint64; } list rows { leaf a { type string; } } } }
  rpc at-once { input { uses exo:std-request; leaf how { type string; exo:semantics "protocol"; } } output { leaf at { type uint64; } } }
  notification alarm { leaf device-id { type string; } leaf level { type uint8; } }
  rpc report { input { leaf device-id { type string; } leaf level { type uint8; } } output { leaf heard { type boolean; } } }
  rpc plain { exo:rpc-include-module-name "false"; output { leaf heard { type boolean; } } }
}`

const done: Outcome = { kind: 'done' }
const blinked = (seen: number): Outcome => ({
  kind: 'done',
  notify: { method: 'blink-callback', params: { seen } },
})

/** An account with devices of one type, all of them in a set with the module `demo`. */
async function fleet(back: Back, names: readonly string[], more: { url?: string; protocol?: string } = {}) {
  const admin = await back.account('acme')
  const { protocol = 'exodm_bert', url } = more
  await back.ask(admin, 'exodm:create-device-type', { name: 't', protocol })
  for (const name of names)
    await back.ask(admin, 'exodm:create-device', {
      'device-id': name,
      'device-type': 't',
      'device-key': 1,
      'server-key': 2,
    })
  await back.ask(admin, 'exodm:create-yang-module', {
    repository: 'user',
    name: 'demo.yang',
    'yang-module': demo,
  })
  await back.ask(admin, 'exodm:create-config-set', {
    name: 'set',
    yang: 'demo.yang',
    ...(url === undefined ? {} : { 'notification-url': url }),
  })
  if (names.length > 0)
    await back.ask(admin, 'exodm:add-config-set-members', { name: 'set', 'device-id': [...names] })
  await back.tend()
  return admin
}

const texts = (bodies: readonly unknown[]) =>
  bodies.map((body) => JSON.parse(JSON.stringify(body)) as unknown)

describe('a call to one device', () => {
  test('[TC1] is accepted at once, kept while the device is away, and told of when the device has done it', async () => {
    const back = await openBack()
    const sink = await openSink()
    const admin = await fleet(back, ['d1'])
    expect(await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'notification-url': sink.url })).toEqual({
      'transaction-id': '1',
      'rpc-status': 'accepted',
      'rpc-status-string': 'Operation has been accepted and is in progress.',
      final: false,
    })
    await back.tend()
    expect(sink.came).toHaveLength(0)
    const carried = await (await dialIn(back, 'acme', 'd1')).serve(() => blinked(3))
    expect(carried).toMatchObject({
      module: 'demo',
      method: 'blink',
      callId: '1',
      attempt: 0,
      input: { 'device-id': 'd1', times: 3, 'transaction-id': '1', 'notification-url': sink.url },
    })
    expect(texts(await sink.until(1))).toEqual([
      {
        jsonrpc: '2.0',
        method: 'demo:blink-callback',
        params: {
          seen: 3,
          'transaction-id': '1',
          'rpc-status': 'complete',
          'rpc-status-string': 'The operation has completed successfully.',
          final: true,
        },
      },
    ])
  })

  test('[TC2] is named as the caller names it, with the type that was used', async () => {
    const back = await openBack()
    const admin = await fleet(back, ['d1'])
    for (const id of [42, '42', 18446744073709551615n]) {
      const answer = await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'transaction-id': id })
      expect(answer['transaction-id']).toBe(id)
    }
    const device = await dialIn(back, 'acme', 'd1')
    for (const id of [42, '42', 18446744073709551615n])
      expect((await device.serve(() => done)).callId).toBe(id)
  })

  test('[TC3] has a typo, a value out of bounds, or no such operation: refused, and nothing is kept', async () => {
    const back = await openBack()
    const admin = await fleet(back, ['d1'])
    const error = async (method: string, params: Parameters<Back['call']>[2]) =>
      (await back.call(admin, method, params)).error
    expect(await error('demo:blink', { 'device-id': 'd1', time: 1 })).toMatchObject({ code: -32602 })
    expect(await error('demo:blink', { 'device-id': 'd1', times: 10 })).toMatchObject({ code: -32602 })
    expect(await error('demo:blink', { 'device-id': 'd1', timeout: 'soon' })).toMatchObject({ code: -32602 })
    expect(await error('demo:fly', { 'device-id': 'd1' })).toMatchObject({ code: -32601, data: 'demo:fly' })
    expect(await error('demo:alarm', { 'device-id': 'd1' })).toMatchObject({ code: -32601 })
    expect(await error('demo:blink', { 'device-id': 'nobody' })).toMatchObject({ code: -32601 })
    expect(await error('demo:blink', {})).toMatchObject({ code: -32601 })
    const { house } = back.test
    for (const { id } of await house.store.readHouse().find(tenants, {}))
      expect(await house.store.read(id).count(transactions, {})).toBe(0)
  })

  test('[TC4] without an output is answered "ok"', async () => {
    const back = await openBack()
    const admin = await fleet(back, ['d1'])
    expect((await back.call(admin, 'demo:quiet', { 'device-id': 'd1' })).result).toBe('ok')
  })

  test('[TC5] waits its turn: in order, one at a time, and is sent again after a cut', async () => {
    const back = await openBack()
    const admin = await fleet(back, ['d1'])
    for (const id of [1, 2, 3])
      await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'transaction-id': id })
    const first = await dialIn(back, 'acme', 'd1')
    expect((await first.next(1000))?.callId).toBe(1)
    expect(await first.next(20)).toBeUndefined()
    await first.close()
    const again = await dialIn(back, 'acme', 'd1')
    const seen: unknown[] = []
    const attempts: number[] = []
    for (let i = 0; i < 3; i++) {
      const carried = await again.serve(() => done)
      seen.push(carried.callId)
      attempts.push(carried.attempt)
    }
    expect(seen).toEqual([1, 2, 3])
    expect(attempts).toEqual([1, 0, 0])
  })

  test('[TC5] a new session of the same device replaces the old one, which gets nothing any more', async () => {
    const back = await openBack()
    const admin = await fleet(back, ['d1'])
    await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'transaction-id': 7 })
    const old = await dialIn(back, 'acme', 'd1')
    const held = await old.next(1000)
    const young = await dialIn(back, 'acme', 'd1')
    expect(old.open).toBe(false)
    expect(await old.next(1000)).toBeUndefined()
    const carried = await young.serve(() => done)
    expect(carried.callId).toBe(7)
    // What the old one says of it now is too late, and changes nothing.
    if (held) await old.settle(held, { kind: 'failed', reason: 'late' })
    const { house } = back.test
    const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
    const [asked] = acme ? await house.store.read(acme.id).find(transactions, {}) : []
    expect(asked?.state).toBe('done')
  })

  test('[TC6] fails by the device’s word: told so, and the next has its turn', async () => {
    const back = await openBack()
    const sink = await openSink()
    const admin = await fleet(back, ['d1'], { url: sink.url })
    for (const id of [1, 2]) await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'transaction-id': id })
    const device = await dialIn(back, 'acme', 'd1')
    await device.serve(() => ({ kind: 'failed', reason: 'no lamp' }))
    await device.serve(() => ({
      kind: 'done',
      notify: { method: 'blink-callback', params: { seen: 'red' } },
    }))
    expect(texts(await sink.until(2))).toMatchObject([
      { params: { 'transaction-id': 1, 'rpc-status': 'device-error', final: true } },
      { params: { 'transaction-id': 2, 'rpc-status': 'format-error', final: true } },
    ])
  })

  test('[TC7] times out, whether it was sent or not; an answer after that is ignored', async () => {
    const back = await openBack()
    const sink = await openSink()
    const admin = await fleet(back, ['d1'], { url: sink.url })
    for (const id of [1, 2])
      await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'transaction-id': id, timeout: '1000' })
    const device = await dialIn(back, 'acme', 'd1')
    const held = await device.next(1000)
    back.test.pass(1001)
    await expire(back)
    expect(texts(await sink.until(2))).toMatchObject([
      {
        params: {
          'transaction-id': 1,
          'rpc-status': 'time-out',
          'rpc-status-string': 'Operation has timed out.',
          final: true,
        },
      },
      { params: { 'transaction-id': 2, 'rpc-status': 'time-out', final: true } },
    ])
    if (held) await device.settle(held, blinked(1))
    expect(await device.next(20)).toBeUndefined()
    expect(sink.came).toHaveLength(2)
  })

  test('[TC8] a device that is only away never loses anything', async () => {
    const back = await openBack()
    const admin = await fleet(back, ['d1'])
    await back.ask(admin, 'demo:blink', { 'device-id': 'd1' })
    back.test.pass(300 * 24 * 3600_000)
    await expire(back)
    expect((await (await dialIn(back, 'acme', 'd1')).serve(() => done)).kind).toBe('rpc')
  })

  test('[TC9] an operation without a matching notification gets one all the same when an address was given', async () => {
    const back = await openBack()
    const sink = await openSink()
    const admin = await fleet(back, ['d1'])
    await back.call(admin, 'demo:quiet', { 'device-id': 'd1', 'notification-url': sink.url })
    await (await dialIn(back, 'acme', 'd1')).serve(() => done)
    expect(texts(await sink.until(1))).toMatchObject([
      { method: 'demo:quiet-callback', params: { 'rpc-status': 'complete', final: true } },
    ])
  })

  test('[TC10] is made at once where the protocol is direct: the device’s output, or device-error with empty lists', async () => {
    const back = await openBack()
    const admin = await fleet(back, ['d1'], { protocol: 'exodm_bert_direct' })
    expect(await back.ask(admin, 'demo:now', { 'device-id': 'd1' })).toEqual({
      rows: [],
      'rpc-status-string': 'device-error',
      final: true,
    })
    const device = await dialIn(back, 'acme', 'd1')
    const asked = back.ask(admin, 'demo:now', { 'device-id': 'd1' })
    await device.serve(() => ({ kind: 'replied', output: { at: 18446744073709551615n } }))
    expect(await asked).toEqual({
      at: 18446744073709551615n,
      rows: [],
      'rpc-status-string': 'complete',
      final: true,
    })
  })

  test('[TC10] the operation’s own protocol goes before that of the type', async () => {
    const back = await openBack()
    const admin = await fleet(back, ['d1'])
    const device = await dialIn(back, 'acme', 'd1')
    const asked = back.ask(admin, 'demo:at-once', { 'device-id': 'd1', how: 'exodm_bert_direct' })
    await device.serve(() => ({ kind: 'replied', output: { at: 5 } }))
    expect(await asked).toMatchObject({ at: 5, final: true })
  })

  test('[TC11] who has no permission is refused; a role that was permitted is not', async () => {
    const back = await openBack()
    const admin = await fleet(back, ['d1'])
    for (const role of ['view', 'execute']) {
      const uname = `u-${role}`
      await back.ask(admin, 'exodm:create-user', { uname, password })
      await back.ask(admin, 'exodm:add-user-to-role', { role, names: [uname] })
    }
    const as = async (user: string) =>
      (await back.call(user, 'demo:blink', { 'device-id': 'd1' })).error ?? 'ok'
    expect(await as('u-execute')).toMatchObject({ code: -32000, message: 'permission denied' })
    await back.ask(admin, 'exodm:add-execution-permission', {
      repository: 'user',
      name: 'demo.yang',
      rpcname: 'blink',
      role: 'execute',
    })
    expect(await as('u-execute')).toBe('ok')
    expect(await as('u-view')).toMatchObject({ code: -32000 })
    expect(
      await back.ask(admin, 'exodm:list-execution-permission', {
        repository: 'user',
        modulename: 'demo.yang',
        rpcname: 'blink',
      }),
    ).toEqual({
      result: 'ok',
      roles: ['execute'],
    })
    await back.ask(admin, 'exodm:remove-execution-permission', {
      name: 'demo',
      rpcname: 'demo:blink',
      role: 'execute',
    })
    expect(await as('u-execute')).toMatchObject({ code: -32000 })
    await back.ask(admin, 'exodm:add-role-execution-rights', {
      role: 'execute',
      'package-name': 'demo',
      'rpc-name': 'demo:blink',
    })
    expect(await as('u-execute')).toBe('ok')
  })

  test('[TC12] a device that is deleted with something queued: told that it is unknown', async () => {
    const back = await openBack()
    const sink = await openSink()
    const admin = await fleet(back, ['d1'], { url: sink.url })
    await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'notification-url': sink.url })
    const device = await dialIn(back, 'acme', 'd1')
    await back.ask(admin, 'exodm:delete-devices', { 'device-id': ['d1', 'never'] })
    expect(device.open).toBe(false)
    expect(texts(await sink.until(1))).toMatchObject([
      { params: { 'rpc-status': 'device-unknown', final: true } },
    ])
  })
})

describe('a call to a group', () => {
  test('[GC1] each member’s outcome is told with the group’s id and the device’s; the last message is of the whole', async () => {
    const back = await openBack()
    const sink = await openSink()
    const admin = await fleet(back, ['d1', 'd2', 'd3'])
    await back.ask(admin, 'exodm:create-device-group', { name: 'g' })
    await back.ask(admin, 'exodm:add-device-group-members', {
      'group-id': 'g',
      'device-id': ['d1', 'd2', 'd3'],
    })
    await back.ask(admin, 'demo:blink', {
      'device-id': 'g',
      'transaction-id': 111,
      'notification-url': sink.url,
      timeout: '5000',
    })
    for (const name of ['d1', 'd2']) await (await dialIn(back, 'acme', name)).serve(() => blinked(1))
    await sink.until(2)
    back.test.pass(5001)
    await expire(back)
    const told = texts(await sink.until(4)) as { params: Record<string, unknown> }[]
    expect(
      told
        .slice(0, 3)
        .map(({ params }) => [params['device-id'], params['rpc-status'], params.final])
        .sort(),
    ).toEqual([
      ['d1', 'complete', false],
      ['d2', 'complete', false],
      ['d3', 'time-out', false],
    ])
    expect(told[3]?.params).toMatchObject({
      'transaction-id': 111,
      'rpc-status': expect.not.stringContaining('complete'),
      final: true,
    })
    expect(told.every(({ params }) => params['transaction-id'] === 111)).toBe(true)
  })

  test('[GC2] a group of nobody completes at once', async () => {
    const back = await openBack()
    const sink = await openSink()
    const admin = await fleet(back, [])
    await back.ask(admin, 'exodm:create-device-group', { name: 'g' })
    await back.ask(admin, 'demo:blink', { 'device-id': 'g', 'notification-url': sink.url })
    await back.tend()
    expect(texts(await sink.until(1))).toMatchObject([{ params: { 'rpc-status': 'complete', final: true } }])
  })
})

describe('what a device says by itself', () => {
  /** Back ends that answer a report with their own word. */
  const listener = (heard: boolean) =>
    openSink(({ id, method }) =>
      id === undefined
        ? undefined
        : { body: { jsonrpc: '2.0', id, result: method === 'plain' ? { heard } : { heard } } },
    )

  async function three() {
    const back = await openBack()
    const admin = await fleet(back, ['d1'])
    const [own, primary, other] = [await listener(true), await listener(false), await listener(false)]
    for (const [name, sink] of [
      ['a-primary', primary],
      ['b-other', other],
    ] as const)
      await back.ask(admin, 'exodm:create-device-group', { name, 'notification-url': sink.url })
    const join = (group: string, isPrimary: boolean) =>
      back.ask(admin, 'exodm:add-device-group-members', {
        'group-id': group,
        'device-id': 'd1',
        primary: isPrimary,
      })
    return { back, admin, own, primary, other, join, device: await dialIn(back, 'acme', 'd1') }
  }
  const report = { module: 'demo', method: 'report', params: { level: 3 } }

  test('[UP1] with an address of its own: asked there and at all groups, answered from there', async () => {
    const { back, admin, own, primary, other, join, device } = await three()
    await back.ask(admin, 'exodm:update-device', { 'device-id': 'd1', 'notification-url': own.url })
    await join('a-primary', true)
    await join('b-other', false)
    expect(await device.call(report)).toMatchObject({ kind: 'output', output: { heard: true } })
    for (const sink of [own, primary, other])
      expect(texts(await sink.until(1))).toMatchObject([
        { jsonrpc: '2.0', method: 'demo:report', params: { 'device-id': 'd1', level: 3 } },
      ])
  })

  test('[UP2] without: the primary group’s answer counts, the others’ are dropped', async () => {
    const { join, device, other } = await three()
    await join('a-primary', true)
    await join('b-other', false)
    expect(await device.call(report)).toMatchObject({ kind: 'output', output: { heard: false } })
    await other.until(1)
  })

  test('[UP3] in one group only, its answer counts, primary or not', async () => {
    const { join, device } = await three()
    await join('b-other', false)
    expect(await device.call(report)).toMatchObject({ kind: 'output' })
  })

  test('[UP4] in several without a primary: all are told, and the device gets an error', async () => {
    const { join, device, primary, other } = await three()
    await join('a-primary', false)
    await join('b-other', false)
    expect(await device.call(report)).toMatchObject({ kind: 'refused', reason: 'no-answer' })
    await Promise.all([primary.until(1), other.until(1)])
  })

  test('[UP5] with nobody to ask, an error', async () => {
    const { device } = await three()
    expect(await device.call(report)).toMatchObject({ kind: 'refused', reason: 'no-answer' })
  })

  test('[UP6] one address of several groups is asked once', async () => {
    const { back, admin, device, primary } = await three()
    for (const [name, url] of [
      ['x', primary.url],
      ['y', primary.url.replace(/\/$/, '')],
    ] as const) {
      await back.ask(admin, 'exodm:create-device-group', { name, 'notification-url': url })
      await back.ask(admin, 'exodm:add-device-group-members', {
        'group-id': name,
        'device-id': 'd1',
        primary: name === 'x',
      })
    }
    expect(await device.call(report)).toMatchObject({ kind: 'output' })
    expect(primary.came).toHaveLength(1)
  })

  test('[UP7] a notification is taken at once, delivered to all of them, and stands in the journal', async () => {
    const { back, join, device, primary, other } = await three()
    await join('a-primary', true)
    await join('b-other', false)
    await back.tend()
    expect(await device.call({ module: 'demo', method: 'alarm', params: { level: 9 } })).toEqual({
      kind: 'taken',
    })
    for (const sink of [primary, other])
      expect(texts(await sink.until(1))).toEqual([
        { jsonrpc: '2.0', method: 'demo:alarm', params: { 'device-id': 'd1', level: 9 } },
      ])
    const { house } = back.test
    const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
    const entries = acme ? await house.store.journal.read(acme.id, { limit: 200 }) : undefined
    expect(entries?.ok && entries.value.entries.some(({ kind }) => kind === 'device.notified')).toBe(true)
  })

  test('[UP8] what its modules do not define, and what does not fit, is refused', async () => {
    const { device } = await three()
    const refused = async (module: string, method: string, params = {}) =>
      device.call({ module, method, params })
    expect(await refused('demo', 'fly')).toMatchObject({ reason: 'not-defined' })
    expect(await refused('exodm', 'create-account')).toMatchObject({ reason: 'not-defined' })
    expect(await refused('demo', 'alarm', { level: 256 })).toMatchObject({ reason: 'bad-params' })
    expect(await refused('demo', 'alarm', { colour: 1 })).toMatchObject({ reason: 'bad-params' })
  })

  test('[UP9] an operation may be forwarded without its module', async () => {
    const { join, device, other } = await three()
    await join('b-other', false)
    expect(await device.call({ module: 'demo', method: 'plain', params: {} })).toMatchObject({
      kind: 'output',
    })
    expect(texts(other.came)).toMatchObject([{ method: 'plain' }])
  })

  test('[UP10] an answer that is none of ours, an error, or too late: an error for the device', async () => {
    for (const answer of [
      { body: { jsonrpc: '2.0', id: 'other', result: { heard: true } } },
      { body: { jsonrpc: '2.0', error: { code: 1, message: 'no' } } },
      { body: { jsonrpc: '2.0', result: { heard: 'perhaps' } } },
      { status: 500 },
      { status: 302 },
    ]) {
      const back = await openBack()
      const admin = await fleet(back, ['d1'])
      const sink = await openSink(() => answer)
      await back.ask(admin, 'exodm:update-device', { 'device-id': 'd1', 'notification-url': sink.url })
      const device = await dialIn(back, 'acme', 'd1')
      expect(await device.call(report)).toMatchObject({ kind: 'refused', reason: 'no-answer' })
    }
  })
})

describe('messages to back ends', () => {
  test('[DL1] go where the call said; else where the set says, for this device or at all; never to device or group', async () => {
    const back = await openBack()
    const [set, member, call, group, own] = [
      await openSink(),
      await openSink(),
      await openSink(),
      await openSink(),
      await openSink(),
    ]
    const admin = await fleet(back, ['d1', 'd2'], { url: set.url })
    await back.ask(admin, 'exodm:update-device', { 'device-id': 'd1', 'notification-url': own.url })
    await back.ask(admin, 'exodm:create-device-group', { name: 'g', 'notification-url': group.url })
    await back.ask(admin, 'exodm:add-device-group-members', { 'group-id': 'g', 'device-id': ['d1', 'd2'] })
    await back.ask(admin, 'exodm:add-notification-urls', {
      'device-id': 'd2',
      urls: [{ 'config-set': 'set', 'notification-url': member.url }],
    })
    await back.ask(admin, 'demo:blink', { 'device-id': 'd1' })
    await back.ask(admin, 'demo:blink', { 'device-id': 'd2' })
    await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'notification-url': call.url })
    const d1 = await dialIn(back, 'acme', 'd1')
    await d1.serve(() => done)
    await d1.serve(() => done)
    await (await dialIn(back, 'acme', 'd2')).serve(() => done)
    await Promise.all([set.until(1), member.until(1), call.until(1)])
    expect([set, member, call, group, own].map(({ came }) => came.length)).toEqual([1, 1, 1, 0, 0])
  })

  test('[DL1] go to the device’s groups as well where the account wants it as 1.x did', async () => {
    const back = await openBack()
    const [set, group] = [await openSink(), await openSink()]
    const admin = await fleet(back, ['d1'], { url: set.url })
    await back.ask(admin, 'exodm:create-device-group', { name: 'g', 'notification-url': group.url })
    await back.ask(admin, 'exodm:add-device-group-members', { 'group-id': 'g', 'device-id': ['d1'] })
    expect(
      await back.ask('exodm-admin', 'exodm:update-account', { name: 'acme', notifications: '1.x' }),
    ).toEqual({
      result: 'ok',
    })
    expect(await back.ask(admin, 'exodm:lookup-account', { name: 'acme' })).toMatchObject({
      accounts: [{ name: 'acme', notifications: '1.x', 'devices-by-tls': false }],
    })
    await back.ask(admin, 'demo:blink', { 'device-id': 'd1' })
    await (await dialIn(back, 'acme', 'd1')).serve(() => done)
    await Promise.all([set.until(1), group.until(1)])
  })

  test('[DL2] are signed, and carry the address’s credentials in the header alone', async () => {
    const back = await openBack()
    const sink = await openSink()
    const admin = await fleet(back, ['d1'])
    const url = sink.url.replace('http://', 'http://bob:s%40cret@')
    await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'notification-url': url })
    await (await dialIn(back, 'acme', 'd1')).serve(() => done)
    await sink.until(1)
    const [headers] = sink.headers
    expect(headers?.authorization).toBe(`Basic ${Buffer.from('bob:s@cret').toString('base64')}`)
    expect(headers?.['content-type']).toBe('application/json')
    const { createHmac } = await import('node:crypto')
    const { house } = back.test
    const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
    const key = house.exchange.signatureKey(acme?.id ?? ('' as never))
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers?.['waymark-signature'])) ?? []
    const { printJson } = await import('@waymark/yang')
    expect(
      createHmac('sha256', key)
        .update(`${t}.${printJson(sink.came[0] ?? null)}`)
        .digest('hex'),
    ).toBe(v1)
    expect(back.test.logged()).not.toContain('s@cret')
  })

  test('[DL3] are tried again with growing pauses, in order, and put aside after the last; put back, they go out', async () => {
    const back = await openBack()
    let up = false
    const sink = await openSink(() => (up ? undefined : { status: 503 }))
    const admin = await fleet(back, ['d1'], { url: sink.url })
    for (const id of [1, 2]) await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'transaction-id': id })
    const device = await dialIn(back, 'acme', 'd1')
    await device.serve(() => done)
    await device.serve(() => done)
    await sink.until(1)
    const { house } = back.test
    const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
    if (!acme) throw new Error('no acme')
    const lane = async () => (await house.store.read(acme.id).find(deliveryLanes, { limit: 1 }))[0]
    const until = async (fact: () => Promise<boolean>) => {
      while (!(await fact())) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    for (const [tried, pause] of deliveryPausesMs.entries()) {
      await until(async () => (await lane())?.attempts === tried + 1)
      await back.tend()
      expect(sink.came).toHaveLength(tried + 1)
      back.test.pass(pause)
      await back.tend()
      await sink.until(tried + 2)
    }
    const tries = deliveryPausesMs.length + 1
    await until(async () => (await deadLetters(house.store.read(acme.id), { limit: 10 })).length === 1)
    const dead = await deadLetters(house.store.read(acme.id), { limit: 10 })
    expect(dead).toMatchObject([{ state: 'dead', reason: 'answered 503' }])
    // The next one has its turn at once, and is refused as well.
    await sink.until(tries + 1)
    await until(async () => (await lane())?.attempts === 1)
    up = true
    back.test.pass(deliveryPausesMs[0])
    await back.tend()
    await sink.until(tries + 2)
    const [letter] = dead
    if (letter) await house.store.transact(acme.id, (tx) => redrive(tx, house.env(), letter))
    await back.tend()
    await sink.until(tries + 3)
    expect(texts(sink.came).at(-1)).toMatchObject({ params: { 'transaction-id': 1 } })
    expect(await deadLetters(house.store.read(acme.id), { limit: 10 })).toEqual([])
  })

  test('[DL4] an address that hangs holds up only itself', async () => {
    const back = await openBack()
    const hanging = await hang()
    const sink = await openSink()
    const admin = await fleet(back, ['d1', 'd2'])
    await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'notification-url': hanging })
    await back.ask(admin, 'demo:blink', { 'device-id': 'd2', 'notification-url': sink.url })
    for (const name of ['d1', 'd2']) await (await dialIn(back, 'acme', name)).serve(() => done)
    await sink.until(1)
  })

  const internal = [
    'http://127.0.0.1:1/',
    'http://localhost:1/',
    'http://[::1]:1/',
    'http://[::ffff:127.0.0.1]:1/',
    'http://10.1.2.3/',
    'http://169.254.169.254/latest/meta-data',
    'http://0x7f000001/',
    'http://2130706433/',
    'http://0.0.0.0/',
    'http://[fe80::1]/',
    'http://[fd00::1]/',
  ]
  test('[DL5] no address of this machine or a private network is called, unless that is allowed', async () => {
    const back = await openBack({ flags: ['--allow-private-targets=false'] })
    const admin = await fleet(back, ['d1'])
    for (const url of internal)
      await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'notification-url': url })
    const device = await dialIn(back, 'acme', 'd1')
    for (const _ of internal) await device.serve(() => done)
    const { house } = back.test
    const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
    if (!acme) throw new Error('no acme')
    for (let i = 0; i < 100; i++) {
      await back.tend()
      if ((await deadLetters(house.store.read(acme.id), { limit: 50 })).length === internal.length) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const dead = await deadLetters(house.store.read(acme.id), { limit: 50 })
    expect(dead.map(({ reason }) => reason)).toEqual(
      internal.map(() => expect.stringContaining('which is not allowed as a target')),
    )
  })

  for (const url of [
    'ftp://example.com/',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'nonsense',
    `http://e.com/${'x'.repeat(600)}`,
  ])
    test(`[DL6] ${url.slice(0, 40)} is no address`, async () => {
      const back = await openBack()
      const admin = await fleet(back, ['d1'])
      expect(
        (await back.call(admin, 'demo:blink', { 'device-id': 'd1', 'notification-url': url })).error,
      ).toMatchObject({
        code: -32602,
      })
    })
})

/** Lets what is due time out, as the chore does. */
async function expire(back: Back): Promise<void> {
  const { expireDue, ok } = await import('@waymark/domain')
  const { house } = back.test
  for (const { id } of await house.store.readHouse().find(tenants, {}))
    await house.store.transact(id, async (tx) => ok(await expireDue(tx, house.env(), 100)))
  await back.tend()
}

/** An address that takes connections and never answers. */
async function hang(): Promise<string> {
  const server: Server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
