/** ExoPort devices in a whole house: a back end on one side, programs of devices on the other, real sockets between. */
import { createExoPortDevice, type ExoPortOptions } from '@waymark/sdk/exoport'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openBack, openSink } from '../../exosense/support.ts'

const demo = `module demo {
  namespace "http://example.com/demo"; prefix d;
  import exosense { prefix exo; }
  rpc blink {
    exo:matching-notification "blink-callback";
    input { uses exo:std-request; leaf times { type uint8; default 3; } }
    output { uses exo:std-response; }
  }
  notification blink-callback { uses exo:std-callback; leaf seen { type uint8; } }
  rpc measure { input { uses exo:std-request; } output { uses exo:std-response; leaf degrees { type decimal64 { fraction-digits 2; } } } }
  notification alarm { leaf device-id { type string; } leaf level { type uint8; } leaf-list marks { type uint8; } }
  rpc report { input { leaf device-id { type string; } leaf level { type uint8; } } output { leaf heard { type boolean; } } }
  leaf ip { type string; }
  leaf-list ports { type uint16; }
}`

async function openFleet(protocol = 'exodm_bert', flags: string[] = []) {
  const back = await openBack({ flags })
  const sink = await openSink((body) =>
    body.method === 'demo:report'
      ? { body: { jsonrpc: '2.0', id: body.id ?? null, result: { heard: true } } }
      : undefined,
  )
  const admin = await back.account('acme')
  const ok = async (method: string, params: Parameters<typeof back.ask>[2]) =>
    expect(await back.ask(admin, method, params)).toEqual({ result: 'ok' })
  await ok('exodm:create-device-type', { name: 't', protocol })
  await ok('exodm:create-yang-module', { repository: 'user', name: 'demo.yang', 'yang-module': demo })
  await ok('exodm:create-config-set', {
    name: 'net',
    yang: 'demo.yang',
    'notification-url': sink.url,
    values: { ip: '10.0.0.1', ports: [80, 443] },
  })
  const addDevice = async (name: string) => {
    await ok('exodm:create-device', {
      'device-id': name,
      'device-type': 't',
      'device-key': '18446744073709551615',
      'server-key': 2,
    })
    await ok('exodm:add-config-set-members', { name: 'net', 'device-id': [name] })
    await back.tend()
  }
  await addDevice('d1')
  const port = await back.test.listenFor('exoport')
  const device = (options: Partial<ExoPortOptions> = {}) => {
    const made = createExoPortDevice({
      ...{ host: '127.0.0.1', port, account: 'acme', device: 'd1', deviceKey: 2n ** 64n - 1n, serverKey: 2 },
      ...options,
      patience: { firstRetry: 5, lastRetry: 20, ...options.patience },
    })
    onTestFinished(() => made.stop())
    return made
  }
  return { back, sink, admin, device, addDevice }
}

const gathered = <T>() => {
  const items: T[] = []
  return {
    items,
    push: (item: T) => void items.push(item),
    async until(count: number) {
      while (items.length < count) await new Promise((resolve) => setTimeout(resolve, 2))
      return items
    },
  }
}

describe('a device program of the stack meets the server', () => {
  test('[XL1] keys of 2^64-1 let it in; a key one less does not, and a name nobody has neither', async () => {
    const { device } = await openFleet()
    const right = device()
    right.start()
    await right.notify('demo', 'alarm', { level: 1 })
    expect(right.connected).toBe(true)
    const events = gathered<string>()
    for (const wrong of [{ deviceKey: 2n ** 64n - 2n }, { device: 'd2' }, { account: 'other' }]) {
      const before = events.items.length
      const stranger = device({ ...wrong, happened: ({ kind }) => events.push(kind) })
      stranger.start()
      await events.until(before + 1)
      stranger.stop()
    }
    expect(new Set(events.items)).toEqual(new Set(['disconnected']))
  })

  test('[XL2] who guesses keys is let in no more for a while, with the right one either; others of that address are', async () => {
    const { device, addDevice } = await openFleet('exodm_bert', ['--guess-limit', '3'])
    await addDevice('d2')
    const events = gathered<string>()
    const happened = ({ kind }: { kind: string }) => events.push(kind)
    const guesser = device({ deviceKey: 1, happened })
    guesser.start()
    await events.until(4)
    guesser.stop()
    const late = device({ happened })
    late.start()
    await events.until(5)
    late.stop()
    expect(new Set(events.items)).toEqual(new Set(['disconnected']))
    const other = device({ device: 'd2' })
    other.start()
    await other.notify('demo', 'alarm', { level: 1 })
  })

  test('[XL6] what was asked while it was away is carried when it calls in, with the defaults of the schema', async () => {
    const { back, sink, admin, device } = await openFleet()
    expect(await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'transaction-id': 42 })).toMatchObject({
      'rpc-status': 'accepted',
      final: false,
    })
    const asked = gathered<unknown>()
    device({
      operations: {
        'demo:blink'(params) {
          asked.push(params)
          return { notify: 'blink-callback', params: { 'rpc-status': 1, final: true, seen: 3 } }
        },
      },
    }).start()
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
    expect(asked.items).toEqual([{ 'device-id': 'd1', 'transaction-id': 42, times: 3 }])
  })

  test('[XL9] its notifications and RPCs reach the back end, with its name added', async () => {
    const { sink, device } = await openFleet()
    const truck = device()
    truck.start()
    await truck.notify('demo', 'alarm', { level: 9, marks: [104, 105] })
    expect((await sink.until(1))[0]).toMatchObject({
      method: 'demo:alarm',
      params: { 'device-id': 'd1', level: 9, marks: [104, 105] },
    })
    expect(await truck.rpc('demo', 'report', { level: 1 })).toEqual({ heard: true })
    await expect(truck.rpc('demo', 'nothing', {})).rejects.toMatchObject({ kind: 'refused' })
    await expect(truck.notify('demo', 'alarm', { level: 900 })).rejects.toMatchObject({ kind: 'refused' })
    await expect(truck.notify('os', 'cmd', {})).rejects.toMatchObject({ kind: 'refused' })
  })

  test('[XL7] a configuration is pushed in one piece, and what the device confirms is what the server records', async () => {
    const { back, sink, admin, device } = await openFleet()
    const taken = gathered<unknown>()
    let isWilling = false
    device({
      configured(configuration) {
        taken.push(configuration)
        if (!isWilling) throw new Error('not now')
      },
    }).start()
    await back.ask(admin, 'exodm:push-config-set', { name: 'net', 'notification-url': sink.url })
    await taken.until(1)
    isWilling = true
    await back.ask(admin, 'exodm:push-config-set', { name: 'net', 'notification-url': sink.url })
    await taken.until(2)
    const wanted = { name: 'net', values: { ip: '10.0.0.1', ports: [80, 443] } }
    expect(taken.items).toEqual([wanted, wanted])
    const said = await sink.until(2)
    const statuses = said.map(({ params }) => (params as { 'rpc-status'?: string })['rpc-status'])
    expect(statuses.toSorted()).toEqual(['complete', 'device-error'])
  })

  test('[XL5] cut off in the middle of a call, it is asked again, and the back end is told once', async () => {
    const { back, sink, admin, device } = await openFleet()
    const asked = gathered<unknown>()
    const first = device({
      operations: {
        'demo:blink': (params) => {
          asked.push(params)
          return new Promise(() => {})
        },
      },
    })
    first.start()
    await back.ask(admin, 'demo:blink', { 'device-id': 'd1', 'transaction-id': 7 })
    await asked.until(1)
    first.stop()
    device({
      operations: {
        'demo:blink': (params) => {
          asked.push(params)
          return { notify: 'blink-callback', params: { 'rpc-status': 'complete', final: true } }
        },
      },
    }).start()
    await sink.until(1)
    expect(asked.items).toEqual([asked.items[0], asked.items[0]])
    await back.tend()
    expect(sink.came).toHaveLength(1)
  })

  test('[XL14] a direct call is answered by the output, and fails at once while the device is away', async () => {
    const { back, admin, device } = await openFleet('exodm_bert_direct')
    expect(await back.ask(admin, 'demo:measure', { 'device-id': 'd1' })).toMatchObject({
      'rpc-status-string': 'device-error',
      final: true,
    })
    const truck = device({ operations: { 'demo:measure': () => ({ output: { degrees: 21.5 } }) } })
    truck.start()
    await truck.notify('demo', 'alarm', { level: 1 })
    expect(await back.ask(admin, 'demo:measure', { 'device-id': 'd1' })).toMatchObject({
      'rpc-status-string': 'complete',
      final: true,
      degrees: '21.50',
    })
  })
})

test('[XH3][XH6] a device of the HTTP protocol polls for what waits and says what it has to say', async () => {
  const back = await openBack({ flags: ['--exoport-http', '0'] })
  const sink = await openSink()
  const admin = await back.account('acme')
  await back.ask(admin, 'exodm:create-device-type', { name: 'h', protocol: 'exoport_http' })
  await back.ask(admin, 'exodm:create-device', { 'device-id': 'h1', 'device-type': 'h', password: 'secret' })
  await back.ask(admin, 'exodm:create-yang-module', {
    repository: 'user',
    name: 'demo.yang',
    'yang-module': demo,
  })
  await back.ask(admin, 'exodm:create-config-set', {
    name: 'net',
    yang: 'demo.yang',
    'notification-url': sink.url,
  })
  await back.ask(admin, 'exodm:add-config-set-members', { name: 'net', 'device-id': ['h1'] })
  await back.tend()
  const port = await back.test.listenFor('exoport-http')
  const post = async (method: string, params: object, secret = 'secret') => {
    const answer = await fetch(`http://127.0.0.1:${port}/exoport`, {
      method: 'POST',
      body: JSON.stringify({ method, params, id: 1 }),
      headers: { authorization: `Basic ${Buffer.from(`*acme*h1:${secret}`).toString('base64')}` },
    })
    return answer.status === 200 ? ((await answer.json()) as { result?: unknown }).result : answer.status
  }
  expect(await post('exoport:get-messages', {}, 'wrong')).toBe(401)
  const waiting = post('exoport:get-messages', { timeout: 20_000 })
  await back.ask(admin, 'demo:blink', { 'device-id': 'h1', 'transaction-id': 5 })
  expect(await waiting).toEqual({
    result: 'ok',
    messages: [
      { class: 'call', method: 'demo:blink', params: { 'device-id': 'h1', 'transaction-id': 5, times: 3 } },
    ],
  })
  expect(await post('demo:alarm', { level: 2 })).toBe('ok')
  // Delivered counts as done: the back end is told so as well.
  const alarm = (await sink.until(2)).find(({ method }) => method === 'demo:alarm')
  expect(alarm ?? sink.came).toMatchObject({ params: { 'device-id': 'h1', level: 2 } })
})
