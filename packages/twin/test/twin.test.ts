import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { groups, sleeper, startControlRig, until } from '../../agent/test/support/control-rig.ts'
import { spec } from '../../agent/test/support/fake-hub.ts'
import { runTwinCommand } from '../src/index.ts'
import { isObject, type Json, type JsonObject } from '../src/topics.ts'
import { type FakeTwinHub, startTwinHub } from './support.ts'

const factory = { 'device.json': groups, 'web/run.json': sleeper() }
const state = (more: Readonly<Record<string, Json>> = {}): JsonObject =>
  JSON.parse(JSON.stringify({ '#spec': spec, ...factory, ...more })) as JsonObject
const nameOf = (wanted: JsonObject): string => {
  const sorted = (value: Json): Json =>
    Array.isArray(value)
      ? value.map(sorted)
      : isObject(value)
        ? Object.fromEntries(
            Object.keys(value)
              .sort()
              .map((key) => [key, sorted(value[key] ?? null)]),
          )
        : value
  return `locals/${createHash('sha256')
    .update(JSON.stringify(sorted(wanted)))
    .digest('hex')}`
}

/** The twin beside a device, in this process; `stop` ends it. */
function startTwin(
  hub: FakeTwinHub,
  socket: string,
  data: string,
  env: Readonly<Record<string, string>> = {},
) {
  const lines: string[] = []
  const stop = new AbortController()
  const ended = runTwinCommand(
    ['--broker', hub.url, '--device', 'dev-1', '--data', data, '--interval', '0.1', '--poll', '0.05'],
    { WAYMARK_CONTROL: socket, WAYMARK_TWIN_USERNAME: 'user', ...env },
    {
      line: (text) => lines.push(text),
      complain: (text) => lines.push(`complains: ${text}`),
      signal: stop.signal,
    },
  )
  return {
    lines,
    async stop() {
      stop.abort()
      return ended
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await ended
    },
  }
}

async function startWorld(env?: Readonly<Record<string, string>>) {
  const stack = new AsyncDisposableStack()
  const hub = stack.use(await startTwinHub())
  const rig = stack.use(await startControlRig({ factory }))
  const data = join(rig.folder, 'twin')
  await rig.synced()
  const twin = stack.use(startTwin(hub, rig.socket, data, env))
  const revision = (): JsonObject => {
    const found = hub.reported().revision
    return isObject(found) ? found : {}
  }
  return {
    hub,
    rig,
    twin,
    data,
    revision,
    ended: (name: string, version: number) =>
      until(
        () =>
          revision().name === name &&
          revision().av === version &&
          Number(revision().ac) !== 202 &&
          revision(),
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

describe('a device held by its twin', () => {
  test('[TW1] [TW2] desired in, with its objects; reported out; meanwhile the built-in client is still', async () => {
    await using world = await startWorld()
    const { hub, rig } = world
    await until(() => hub.reported().hold === true)
    const seen = rig.hub.seen.length
    const bytes = Buffer.from('from a store')
    const sha = createHash('sha256').update(bytes).digest('hex')
    const store = createServer((_, reply) => reply.end(bytes)).listen(0, '127.0.0.1')
    await once(store, 'listening')
    const address = store.address()
    const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/object`
    const wanted = state({ 'web/data': sha })
    const version = hub.want({
      revision: { state: wanted, objects: { [sha]: url }, message: 'from the twin' },
    })
    expect(await world.ended(nameOf(wanted), version)).toMatchObject({
      status: 'UPDATED',
      ac: 200,
      av: version,
      progress: 100,
    })
    await until(() => hub.reported().running === nameOf(wanted))
    expect(hub.reported()).toMatchObject({
      hold: true,
      mode: 'local',
      containers: { web: { goal: 'STARTED' } },
    })
    expect((await rig.ask('GET', '/steps')).json).toContainEqual(
      expect.objectContaining({ name: nameOf(wanted), commitmsg: 'from the twin' }),
    )
    expect(rig.hub.seen.length - seen).toBeLessThan(3)
    expect(rig.hub.device().steps).toHaveLength(1)
    store.close()
  })

  test('[TW3] handed back, the built-in client walks its trail again', async () => {
    await using world = await startWorld()
    const { hub, rig } = world
    await until(() => hub.reported().hold === true)
    const step = rig.hub.addStep(
      rig.hub.device(),
      state({ 'web/run.json': JSON.parse(JSON.stringify(sleeper('9'))) as Json }),
    )
    const wanted = state({ 'web/extra.json': { a: 1 } })
    await world.ended(nameOf(wanted), hub.want({ revision: { state: JSON.stringify(wanted) } }))
    expect(step.progress.status).toBe('NEW')
    hub.want({ hold: false, revision: null })
    await until(() => step.progress.status === 'UPDATED')
    await until(
      () =>
        hub.reported().hold === false && hub.reported().mode === 'remote' && hub.reported().running === '1',
    )
  })

  test('[TW4] what fails is reported and not tried again until it is wished anew', async () => {
    await using world = await startWorld()
    const { hub, rig } = world
    await until(() => hub.reported().hold === true)
    const wanted = state({ 'web/data': 'f'.repeat(64) })
    const first = await world.ended(nameOf(wanted), hub.want({ revision: { state: JSON.stringify(wanted) } }))
    expect(first).toMatchObject({
      status: 'ERROR',
      ac: 500,
      message: `object ${'f'.repeat(64)}: not on the device, and no address was given`,
    })
    const bad = state({ 'web/run.json': JSON.parse(JSON.stringify(sleeper('', { group: 'none' }))) as Json })
    expect(
      await world.ended(nameOf(bad), hub.want({ revision: { state: JSON.stringify(bad), objects: null } })),
    ).toMatchObject({ status: 'WONTGO', ac: 500 })
    const orders = () => rig.events.filter((event) => event.event === 'order' && event.order === 'run').length
    const before = orders()
    hub.want({ userMeta: { color: 'red' } })
    await until(async () => (await rig.ask('GET', '/user-meta')).json.color === 'red')
    expect(orders()).toBe(before)
    hub.want({ revision: { attempt: 2 } })
    await until(() => orders() > before)
    // What cannot be read is complained of, and changes nothing.
    const version = hub.want({ revision: { state: 'no state' } })
    await until(() => isObject(hub.reported().complaint) && hub.reported().complaint)
    expect(hub.reported().complaint).toMatchObject({
      ac: 400,
      av: version,
      ad: 'revision.state: wanted an object, or one as text',
    })
    hub.want({ revision: null })
    await until(() => hub.reported().complaint === undefined)
  })

  test('[TW5] duplicates, old versions and gaps: the newest wish counts, once', async () => {
    await using world = await startWorld()
    const { hub, rig } = world
    await until(() => hub.reported().hold === true)
    const one = state({ 'web/n.json': { n: 1 } })
    const two = state({ 'web/n.json': { n: 2 } })
    const version = hub.want({ revision: { state: JSON.stringify(one) } })
    hub.tell({ revision: { state: JSON.stringify(one) }, $version: version })
    await world.ended(nameOf(one), version)
    hub.tell({ revision: { state: state({ 'web/n.json': { n: 0 } }) }, $version: version - 1 })
    const next = hub.want({ revision: { state: JSON.stringify(two) } })
    hub.tell({ revision: { state: JSON.stringify(one) }, $version: version })
    await world.ended(nameOf(two), next)
    expect(rig.events.filter((event) => event.event === 'done')).toHaveLength(2)
    // A patch that leaves a gap is not believed: the whole is asked for, which says nothing new.
    hub.tell({ revision: { state: JSON.stringify(one) }, $version: next + 5 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(hub.reported().running).toBe(nameOf(two))
  })

  test('[TW6] a broker that goes away and comes back: what was wished meanwhile is done, what happened is reported', async () => {
    await using world = await startWorld()
    const { hub, rig } = world
    await until(() => hub.reported().hold === true)
    await hub.close()
    const wanted = state({ 'web/n.json': { n: 3 } })
    const version = hub.want({ revision: { state: JSON.stringify(wanted) } })
    await rig.ask('PUT', '/device-meta/app.mood', 'fine')
    await hub.open()
    expect(await world.ended(nameOf(wanted), version)).toMatchObject({ status: 'UPDATED' })
    expect(hub.reported().device).toMatchObject({ app_mood: 'fine' })
    for (let n = 0; n < 3; n++) {
      const logins = hub.logins.length
      hub.cut()
      await until(() => hub.logins.length > logins)
    }
    // A login alone has not subscribed yet: what a hub asks before is asked of nobody.
    await until(() => hub.connected() === 1 && world.twin.lines.at(-1) === 'linked')
    expect((await hub.call('containers')).status).toBe(200)
  })

  test('[TW7] a refused report is made afresh later, or not until it changes', async () => {
    await using world = await startWorld()
    const { hub, rig } = world
    await until(() => hub.reported().hold === true)
    const device = () => (isObject(hub.reported().device) ? (hub.reported().device as JsonObject) : {})
    hub.answerNext([429, 0], 500, 412)
    await rig.ask('PUT', '/device-meta/a', '1')
    await until(() => device().a === '1')
    hub.answerNext(400)
    await rig.ask('PUT', '/device-meta/b', '1')
    await until(() => world.twin.lines.includes('report: status 400'))
    await rig.ask('PUT', '/device-meta/b', '2')
    await until(() => device().b === '2')
    await rig.ask('DELETE', '/device-meta/b')
    await until(() => !('b' in device()))
  })

  test('[TW8] methods are answered with the socket’s own status', async () => {
    await using world = await startWorld()
    const { hub, rig } = world
    await until(() => hub.reported().hold === true)
    await rig.settled()
    const rows: [string, Json, number, unknown][] = [
      ['containers', {}, 200, [expect.objectContaining({ name: 'web', status: 'STARTED' })]],
      ['container', { name: 'web', action: 'stop' }, 200, {}],
      ['container', { name: 'none', action: 'stop' }, 404, { Error: 'Resource does not exist' }],
      [
        'container',
        { name: '../x', action: 'stop' },
        400,
        { error: expect.stringContaining('does not fit') },
      ],
      ['command', { op: 'NONE' }, 400, { Error: 'Command has bad format' }],
      ['gc', {}, 200, { reclaimed: 0 }],
      ['steps', {}, 200, [expect.objectContaining({ name: '0' })]],
      ['logs', { name: 'agent' }, 200, { text: expect.stringContaining('"event"') }],
      ['dance', {}, 404, { error: expect.stringContaining('wanted one of reboot, poweroff') }],
      ['constructor', {}, 404, expect.anything()],
      ['run', { revision: 'locals/none' }, 404, expect.anything()],
    ]
    for (const [name, payload, status, body] of rows)
      expect([name, await hub.call(name, payload)]).toEqual([name, { status, body }])
    expect((await hub.call('reboot')).status).toBe(200)
    await until(() => rig.events.some((event) => event.event === 'stopped'))
    await until(async () => (await hub.call('containers')).status === 200)
  })

  test('[TW8] too many methods at once, and payloads that are too long, are refused; the link stays', async () => {
    await using world = await startWorld()
    const { hub } = world
    await until(() => hub.reported().hold === true)
    const logins = hub.logins.length
    const answers = await Promise.all(Array.from({ length: 40 }, () => hub.call('gc')))
    const statuses = new Set(answers.map(({ status }) => status))
    expect([...statuses].every((status) => [200, 429, 503].includes(status))).toBe(true)
    expect(statuses).toContain(429)
    expect(await hub.call('command', { op: 'x'.repeat(300_000) })).toMatchObject({ status: 413 })
    hub.tell({ revision: 'x'.repeat(300_000), $version: 99 })
    await until(async () => (await hub.call('containers')).status === 200)
    expect(hub.logins.length).toBe(logins)
    expect(hub.reported().complaint).toBeUndefined()
  })

  test('[TW9] a restart of the twin amid an update finishes it, and does not run it twice', async () => {
    await using world = await startWorld()
    const { hub, rig, data } = world
    await until(() => hub.reported().hold === true)
    for (const wait of [0, 20, 60, 150]) {
      const wanted = state({ 'web/n.json': { wait } })
      const version = hub.want({ revision: { state: JSON.stringify(wanted) } })
      await until(() => hub.desired().$version === version)
      await new Promise((resolve) => setTimeout(resolve, wait))
      await world.twin.stop()
      const again = startTwin(hub, rig.socket, data)
      expect(await world.ended(nameOf(wanted), version)).toMatchObject({ ac: 200 })
      await again.stop()
      await using _ = startTwin(hub, rig.socket, data)
      await until(() => hub.reported().running === nameOf(wanted))
    }
    // A wish that was stopped before it was begun is begun by the next; one that was ordered is only watched.
    expect(rig.events.filter((event) => event.event === 'done').length).toBeLessThanOrEqual(8)
    expect((await readFile(join(data, 'attempt.json'), 'utf8')).includes('"stage":"ended"')).toBe(true)
  })
})

describe('access', () => {
  test('[TW10] a shared access signature is made afresh for each connection', async () => {
    await using hub = await startTwinHub({
      admits: ({ password }) =>
        password.startsWith('SharedAccessSignature sr=hub.example%2Fdevices%2Fdev-1&sig='),
    })
    await using rig = await startControlRig({ factory })
    await using _ = startTwin(hub, rig.socket, join(rig.folder, 'twin'), {
      WAYMARK_TWIN_USERNAME: '',
      WAYMARK_TWIN_KEY: 'c2VjcmV0',
      WAYMARK_TWIN_HUB: 'hub.example',
    })
    await until(() => hub.reported().hold === true)
    expect(hub.logins[0]).toMatchObject({
      clientId: 'dev-1',
      username: 'hub.example/dev-1/?api-version=2021-04-12',
    })
  })

  const openssl = ['/usr/bin/openssl', '/bin/openssl'].find((path) => existsSync(path))
  test.skipIf(openssl === undefined)(
    '[TW11] by certificate over TLS, and never to a server that is not trusted',
    async () => {
      await using rig = await startControlRig({ factory })
      const file = (name: string) => join(rig.folder, name)
      const make = (name: string) =>
        execFileSync(
          openssl ?? '',
          [
            'req',
            '-x509',
            '-newkey',
            'ec',
            '-pkeyopt',
            'ec_paramgen_curve:P-256',
            '-nodes',
            '-days',
            '2',
            '-subj',
            `/CN=${name}`,
            '-addext',
            'subjectAltName=IP:127.0.0.1',
            '-keyout',
            file(`${name}.key`),
            '-out',
            file(`${name}.pem`),
          ],
          { stdio: 'ignore' },
        )
      for (const name of ['server', 'dev-1', 'other']) make(name)
      const read = (name: string) => readFile(file(name))
      await using hub = await startTwinHub({
        tls: {
          cert: await read('server.pem'),
          key: await read('server.key'),
          ca: await read('dev-1.pem'),
          requestCert: true,
          rejectUnauthorized: true,
        },
      })
      const env = {
        WAYMARK_TWIN_USERNAME: '',
        WAYMARK_TWIN_CERT: file('dev-1.pem'),
        WAYMARK_TWIN_CERT_KEY: file('dev-1.key'),
      }
      {
        await using wrong = startTwin(hub, rig.socket, file('twin'), {
          ...env,
          WAYMARK_TWIN_CA: file('other.pem'),
        })
        await until(() => wrong.lines.some((line) => /no link: .*certificate/.test(line)))
        expect(hub.logins).toEqual([])
      }
      await using _ = startTwin(hub, rig.socket, file('twin'), {
        ...env,
        WAYMARK_TWIN_CA: file('server.pem'),
      })
      await until(() => hub.reported().hold === true)
    },
  )

  test('[TW12] wrong settings are refused together, with 2; a secret is no flag', async () => {
    const complaints: string[] = []
    const io = {
      line: () => undefined,
      complain: (text: string) => complaints.push(text),
      signal: AbortSignal.timeout(5000),
    }
    expect(await runTwinCommand(['--brocker', 'x', '--key', 'secret', '--interval', 'often'], {}, io)).toBe(2)
    expect(complaints.map((line) => line.split(':')[0])).toEqual([
      '--brocker',
      '--key',
      'broker',
      'device',
      'interval',
      'access',
    ])
    expect(complaints.join('\n')).not.toContain('secret')
  })
})

test('[TW13] as a container of the very device it drives: told its socket by the agent, and replaced by its own update', async () => {
  await using hub = await startTwinHub()
  const program = join(import.meta.dirname, 'twin-program.ts')
  const twin = (data: string, more: Readonly<Record<string, string>> = {}) => ({
    ...sleeper(),
    args: ['--conditions=source', program],
    roles: ['mgmt'],
    env: {
      WAYMARK_TWIN_BROKER: hub.url,
      WAYMARK_TWIN_DEVICE: 'dev-1',
      WAYMARK_TWIN_USERNAME: 'user',
      WAYMARK_TWIN_DATA: data,
      WAYMARK_TWIN_INTERVAL: '0.2',
      WAYMARK_TWIN_POLL: '0.1',
      ...more,
    },
  })
  const data = `/tmp/${`waymark-twin-${process.pid}-${hub.port}`}`
  const own = { 'device.json': groups, 'twin/run.json': twin(data) }
  await using rig = await startControlRig({ factory: own, config: ['updater.commit.delay=300ms'] })
  await until(() => hub.reported().hold === true)
  const plain = (value: unknown): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject
  // A state without the twin would be the last it ever saw.
  hub.want({ revision: { state: JSON.stringify({ '#spec': spec, ...factory }) } })
  await until(() => isObject(hub.reported().complaint))
  const wanted = plain({ '#spec': spec, ...own, 'twin/run.json': twin(data, { GENERATION: '2' }) })
  const version = hub.want({ revision: { state: JSON.stringify(wanted) } })
  const ended = await until(() => {
    const { revision } = hub.reported()
    return isObject(revision) && revision.av === version && Number(revision.ac) !== 202 ? revision : undefined
  }, 20_000)
  expect(ended).toMatchObject({ status: 'UPDATED', name: nameOf(wanted) })
  await rig.stop()
  await (await import('node:fs/promises')).rm(data, { recursive: true, force: true })
}, 60_000)

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  return typeof address === 'object' && address ? address.port : 0
}

const mosquitto = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto'].find((path) => existsSync(path))
test.skipIf(mosquitto === undefined)(
  '[TW14] with a Mosquitto broker a link is made and wishes go through',
  async () => {
    await using rig = await startControlRig({ factory })
    const port = await freePort()
    const config = join(rig.folder, 'mosquitto.conf')
    await writeFile(config, `listener ${port} 127.0.0.1\nallow_anonymous true\n`)
    const broker = spawn(mosquitto ?? '', ['-c', config], { stdio: 'ignore' })
    try {
      const { default: mqtt } = await import('mqtt')
      const url = `mqtt://127.0.0.1:${port}`
      const service = await until(() =>
        mqtt.connectAsync(url, { reconnectPeriod: 0, connectTimeout: 2000 }).catch(() => undefined),
      )
      let reported: JsonObject = {}
      service.on('message', (topic, payload) => {
        const rid = /\$rid=(.+)$/.exec(topic)?.[1] ?? ''
        if (topic.includes('/GET/'))
          service.publish(
            `$iothub/twin/res/200/?$rid=${rid}`,
            JSON.stringify({ desired: { $version: 1 }, reported: { $version: 1 } }),
          )
        if (topic.includes('/reported/')) {
          reported = { ...reported, ...(JSON.parse(payload.toString()) as JsonObject) }
          service.publish(`$iothub/twin/res/204/?$rid=${rid}&$version=2`, '')
        }
      })
      await service.subscribeAsync(['$iothub/twin/GET/#', '$iothub/twin/PATCH/properties/reported/#'])
      const stop = new AbortController()
      const ended = runTwinCommand(
        [
          '--broker',
          `mqtt://127.0.0.1:${port}`,
          '--device',
          'dev-1',
          '--data',
          join(rig.folder, 'twin'),
          '--interval',
          '0.1',
          '--poll',
          '0.05',
        ],
        { WAYMARK_CONTROL: rig.socket, WAYMARK_TWIN_USERNAME: 'user' },
        { line: () => undefined, complain: () => undefined, signal: stop.signal },
      )
      await until(() => reported.hold === true)
      stop.abort()
      await ended
      await service.endAsync()
    } finally {
      broker.kill()
    }
  },
)
