/** From an empty house to a call that a device answers. */
import { expect, test } from 'vitest'
import { basic, dialIn, master, openBack, openSink } from './support.ts'

const demo = `module demo {
  namespace "http://example.com/demo"; prefix d;
  import exosense { prefix exo; }
  rpc blink {
    exo:matching-notification "blink-callback";
    input { uses exo:std-request; leaf times { type uint8; default 3; } }
    output { uses exo:std-response; }
  }
  notification blink-callback { uses exo:std-callback; leaf seen { type uint8; } }
  notification alarm { leaf device-id { type string; } leaf level { type uint8; } }
  rpc report { input { leaf device-id { type string; } leaf level { type uint8; } } output { leaf heard { type boolean; } } }
}`

test('a back end makes an account, a device and a set, calls the device and is told how it went', async () => {
  const back = await openBack()
  const sink = await openSink((body) =>
    body.method === 'demo:report'
      ? { body: { jsonrpc: '2.0', id: body.id ?? null, result: { heard: true } } }
      : undefined,
  )
  const admin = await back.account('acme')
  expect((await back.post(undefined, '{}')).status).toBe(401)
  expect(await back.ask(admin, 'exodm:create-device-type', { name: 't1', protocol: 'exodm_bert' })).toEqual({
    result: 'ok',
  })
  expect(
    await back.ask(admin, 'exodm:create-device', {
      'device-id': 'd1',
      'device-type': 't1',
      'device-key': '18446744073709551615',
      'server-key': 2,
    }),
  ).toEqual({ result: 'ok' })
  expect(await back.ask(admin, 'exodm:lookup-device', { 'device-id': 'd1' })).toEqual({
    result: 'ok',
    devices: [{ 'device-id': 'd1', 'device-type': 't1', 'session-timeout': 0 }],
  })
  expect(
    await back.ask(admin, 'exodm:create-yang-module', {
      repository: 'user',
      name: 'demo.yang',
      'yang-module': demo,
    }),
  ).toEqual({ result: 'ok' })
  expect(
    await back.ask(admin, 'exodm:create-config-set', {
      name: 'set',
      yang: 'demo.yang',
      'notification-url': sink.url,
    }),
  ).toEqual({ result: 'ok' })
  expect(await back.ask(admin, 'exodm:add-config-set-members', { name: 'set', 'device-id': 'd1' })).toEqual({
    result: 'ok',
  })
  await back.tend()
  const accepted = await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'transaction-id': 42 })
  expect(accepted).toMatchObject({ 'transaction-id': 42, 'rpc-status': 'accepted', final: false })
  const device = await dialIn(back, 'acme', 'd1')
  const carried = await device.serve(() => ({
    kind: 'done',
    notify: { method: 'blink-callback', params: { 'rpc-status': 1, final: true, seen: 3 } },
  }))
  expect(carried).toMatchObject({ kind: 'rpc', input: { times: 3, 'device-id': 'd1', 'transaction-id': 42 } })
  expect((await sink.until(1))[0]).toEqual({
    jsonrpc: '2.0',
    method: 'demo:blink-callback',
    params: {
      'transaction-id': 42,
      'rpc-status': 'complete',
      'rpc-status-string': 'The operation has completed successfully.',
      final: true,
      seen: 3,
    },
  })
  expect(await device.call({ module: 'demo', method: 'alarm', params: { level: 9 } })).toEqual({
    kind: 'taken',
  })
  expect((await sink.until(2))[1]).toEqual({
    jsonrpc: '2.0',
    method: 'demo:alarm',
    params: { 'device-id': 'd1', level: 9 },
  })
  expect(await device.call({ module: 'demo', method: 'report', params: { level: 1 } })).toMatchObject({
    kind: 'output',
    output: { heard: true },
  })
  await device.close()
  expect(basic(master)).toContain('Basic')
})
