import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type AgentConfig, type AgentEvent, createAgent } from '../src/index.ts'
import { createRealDisk } from '../src/real/disk.ts'
import { type FakeHub, owner, sha256, spec, startFakeHub } from './support/fake-hub.ts'
import { quick, realPorts, runUntilIdle, temporaryFolder } from './support/rig.ts'

/** The owner reads the challenge and claims, once the device has shown it. */
function claimWhenShown(hub: FakeHub) {
  return (event: AgentEvent): void => {
    const device = event.event === 'challenge' ? hub.devices.get(event.id) : undefined
    if (device && event.event === 'challenge' && event.challenge === device.challenge) hub.claim(device)
  }
}

async function factoryIn(path: string): Promise<void> {
  await mkdir(join(path, 'bsp'))
  await writeFile(join(path, 'bsp', 'run.json'), '{ "kernel": "kernel.img" }')
  await writeFile(join(path, 'bsp', 'kernel.img'), 'the first kernel')
  await writeFile(join(path, 'bsp', 'copy.img'), 'the first kernel')
}

/** Everything one life needs; the device is claimed as soon as it shows its challenge. */
async function life(overrides: Partial<AgentConfig> = {}) {
  const hub = await startFakeHub()
  const folder = await temporaryFolder()
  const factory = await temporaryFolder()
  await factoryIn(factory.path)
  // Logs have a rhythm of their own; where requests are counted they stay out of it.
  const config: AgentConfig = { ...quick, hub: hub.base, logPush: false, ...overrides }
  const ports = realPorts(folder.path)
  const claim = claimWhenShown(hub)
  const all = {
    ...ports,
    factory: createRealDisk(factory.path),
    onEvent(event: AgentEvent) {
      ports.events.push(event)
      claim(event)
    },
  }
  return {
    hub,
    folder: folder.path,
    config,
    ports: all,
    events: ports.events,
    names: () => ports.events.map((event) => event.event),
    run: () => runUntilIdle(config, all),
    requests: (method: string, path: RegExp) =>
      hub.seen.filter((each) => each.method === method && path.test(each.path)),
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
      await factory[Symbol.asyncDispose]()
    },
  }
}

test('[AG1] the states are passed in order', async () => {
  await using one = await life()
  await one.run()
  const device = one.hub.device()
  one.hub.addStep(device, { '#spec': spec, 'a.json': {} })
  await one.run()
  const states = one.events.flatMap((event) => (event.event === 'state' ? [event.state] : []))
  const first = states.filter((state, i) => states.indexOf(state) === i)
  expect(first).toEqual(['init', 'register', 'claim', 'sync', 'idle', 'update'])
  const stages = one.events.flatMap((event) => (event.event === 'state' && event.stage ? [event.stage] : []))
  expect(stages).toEqual(['wait-hub', 'prep-download', 'download', 'report'])
})

test('[AG2] the registering POST has neither body nor bearer, and the identity is kept for its owner alone', async () => {
  await using one = await life()
  const controller = new AbortController()
  const ports = {
    ...one.ports,
    onEvent: (event: AgentEvent) => {
      if (event.event === 'challenge') controller.abort()
    },
  }
  expect(await createAgent(one.config, ports).run(controller.signal)).toEqual({ kind: 'stopped' })
  const [registering] = one.requests('POST', /^\/devices\/$/)
  expect(registering?.body).toBe('')
  expect(registering?.headers.authorization).toBeUndefined()
  expect(registering?.headers['content-type']).toBeUndefined()
  const device = one.hub.device()
  const path = join(one.folder, 'phconfig/unclaimed.config')
  const text = await readFile(path, 'utf8')
  for (const line of [
    `PH_CREDS_ID=${device.id}`,
    `PH_CREDS_PRN=${device.prn}`,
    `PH_CREDS_SECRET=${device.secret}`,
  ])
    expect(text.split('\n')).toContain(line)
  expect((await stat(path)).mode & 0o077).toBe(0)
  expect(await readFile(join(one.folder, 'challenge'), 'utf8')).toBe('likely-creative-troll\n')
  // The next start goes on with the same identity.
  await one.run()
  expect(one.hub.devices.size).toBe(1)
})

test('[AG3] a join token makes the device owned without a challenge', async () => {
  await using one = await life({ joinToken: 'c29tZSB0b2tlbg==' })
  one.hub.joinTokens.add('c29tZSB0b2tlbg==')
  await one.run()
  expect(one.names()).not.toContain('challenge')
  expect(one.events).toContainEqual({ event: 'claimed', id: one.hub.device().id, owner })
})

test('[AG4] an unclaimed device forgotten by the hub registers anew; a failing hub is only asked again', async () => {
  await using one = await life()
  let failures = 0
  one.hub.onRequest(({ path, method }) => {
    const asks = method === 'GET' && /^\/devices\/[0-9a-f]{24}$/.test(path)
    if (asks && failures < 2) return ++failures === 1 ? { status: 503 } : { cut: true }
    return undefined
  })
  const claims = one.ports.onEvent
  let forgotten = false
  await runUntilIdle(one.config, {
    ...one.ports,
    onEvent(event) {
      if (event.event === 'challenge' && !forgotten) {
        forgotten = true
        expect(one.hub.devices.size).toBe(1)
        one.hub.devices.clear()
        one.hub.dropTokens()
        return
      }
      claims(event)
    },
  })
  expect(failures).toBe(2)
  expect(one.requests('POST', /^\/devices\/$/)).toHaveLength(2)
  expect(one.hub.devices.size).toBe(1)
  expect(one.names()).toContain('synced')
})

test('[AG5] a claimed device that the hub refuses keeps its identity and comes back by itself', async () => {
  await using one = await life()
  await one.run()
  let refusals = 0
  one.hub.dropTokens()
  one.hub.onRequest(({ path }) => (path === '/auth/login' && refusals++ < 3 ? { status: 401 } : undefined))
  await one.run()
  expect(refusals).toBe(4)
  expect(one.requests('POST', /^\/devices\/$/)).toHaveLength(1)
})

test('[AG6] once claimed the credentials move, and the device logs in anew before it announces', async () => {
  await using one = await life()
  await one.run()
  expect(await readdir(join(one.folder, 'phconfig'))).toEqual(['pantahub.config'])
  expect(await readFile(join(one.folder, 'challenge'), 'utf8')).toBe('')
  const paths = one.hub.seen.map((each) => `${each.method} ${each.path.replace(/[0-9a-f]{24}/, 'ID')}`)
  const logins = paths.flatMap((path, i) => (path === 'POST /auth/login' ? [i] : []))
  expect(logins).toHaveLength(2)
  expect(logins[1]).toBeGreaterThan(paths.indexOf('GET /devices/ID'))
  expect(logins[1]).toBeLessThan(paths.indexOf('POST /objects/'))
})

describe('[AG7] settings that the hub contradicts stop the agent', () => {
  const rows: { setting: Partial<AgentConfig>; thing: string }[] = [
    { setting: { accountId: '5f1a00000000000000000002' }, thing: 'account.id' },
    { setting: { accountId: '01' }, thing: 'account.id' },
    { setting: { trailId: 'ffffffffffffffffffffffff' }, thing: 'trail.id' },
  ]
  for (const { setting, thing } of rows)
    test(`${JSON.stringify(setting)} is refused`, async () => {
      await using one = await life(setting)
      const outcome = await one.run()
      expect(outcome.kind).toBe('refused')
      expect(outcome).toMatchObject({ refusal: { thing, wanted: Object.values(setting)[0] } })
      expect(one.requests('POST', /^\/trails\/$/)).toHaveLength(0)
    })

  for (const accountId of [owner, owner.slice(owner.lastIndexOf('/') + 1)])
    test(`account.id ${accountId} is the owner`, async () => {
      await using one = await life({ accountId })
      expect(await one.run()).toEqual({ kind: 'idle', rev: 0 })
    })

  test('a right trail.id with an identity from the settings reaches the trail at once', async () => {
    await using one = await life()
    const device = one.hub.register(owner)
    const { id, prn, secret } = device
    const config = { ...one.config, trailId: id, identity: { id, prn, secret } }
    expect(await runUntilIdle(config, one.ports)).toEqual({ kind: 'idle', rev: 0 })
    expect(one.requests('POST', /^\/devices\/$/)).toHaveLength(0)
    expect(device.steps).toHaveLength(1)
  })
})

test('[AG8] the first announce uploads each object once, skips what the hub has, and posts the state', async () => {
  await using one = await life()
  await one.run()
  const sha = sha256('the first kernel')
  expect(one.requests('POST', /^\/objects\/$/)).toHaveLength(1)
  expect(one.requests('PUT', /^\/local-s3\//)).toHaveLength(1)
  expect(one.hub.device().steps?.[0]?.state).toEqual({
    '#spec': spec,
    'bsp/copy.img': sha,
    'bsp/kernel.img': sha,
    'bsp/run.json': { kernel: 'kernel.img' },
  })
  await using other = await life()
  other.hub.putObject(Buffer.from('the first kernel'))
  await other.run()
  expect(other.requests('PUT', /^\/local-s3\//)).toHaveLength(0)
  expect(other.events).toContainEqual(expect.objectContaining({ event: 'uploaded', sent: false }))
})

test('[AG8] an announce whose answer was lost is not made twice', async () => {
  await using one = await life()
  one.hub.onRequest(({ method, path }) =>
    method === 'POST' && path === '/trails/' ? { loseReply: true } : undefined,
  )
  expect(await one.run()).toEqual({ kind: 'idle', rev: 0 })
  expect(one.requests('POST', /^\/trails\/$/)).toHaveLength(1)
})

test('[AG9] step 0 posted by the owner becomes the factory state', async () => {
  await using one = await life()
  const sha = one.hub.putObject(Buffer.from('what the owner wants'))
  const claim = one.ports.onEvent
  const outcome = await runUntilIdle(one.config, {
    ...one.ports,
    onEvent(event) {
      if (event.event === 'challenge') {
        const device = one.hub.device()
        one.hub.addStep(device, { '#spec': spec, 'app/wanted': sha }).progress = { status: 'DONE' }
      }
      claim(event)
    },
  })
  expect(outcome).toEqual({ kind: 'idle', rev: 0 })
  expect(one.requests('POST', /^\/(trails|objects)\/$/)).toHaveLength(0)
  expect(await readFile(join(one.folder, 'current/app/wanted'), 'utf8')).toBe('what the owner wants')
})

test('[AG9] a step 0 that cannot be had does not keep the device from the next step', async () => {
  await using one = await life()
  const device = one.hub.register(owner)
  const { id, prn, secret } = device
  const config = { ...one.config, identity: { id, prn, secret } }
  for (const state of [{ '#spec': spec, 'app/root': 'ab'.repeat(32) }, { '#spec': 'unknown' }]) {
    device.steps = undefined
    one.hub.addStep(device, state).progress = { status: 'DONE' }
    expect(await runUntilIdle(config, one.ports)).toEqual({ kind: 'idle', rev: 0 })
  }
  const step = one.hub.addStep(device, { '#spec': spec, 'a.json': {} })
  expect(await runUntilIdle(config, one.ports)).toEqual({ kind: 'idle', rev: 1 })
  expect(step.progress.status).toBe('DONE')
})

test('[AG10] a trail that is gone means a factory reset: revision 0 again, announced anew', async () => {
  await using one = await life()
  await one.run()
  const device = one.hub.device()
  one.hub.addStep(device, { '#spec': spec, 'a.json': { of: 'the first trail' } })
  expect(await one.run()).toEqual({ kind: 'idle', rev: 1 })
  device.steps = undefined
  expect(await one.run()).toEqual({ kind: 'idle', rev: 0 })
  expect(device.steps).toHaveLength(1)
  expect(await readFile(join(one.folder, 'current/bsp/kernel.img'), 'utf8')).toBe('the first kernel')
  // Nothing said on the old trail answers for the new one.
  const step = one.hub.addStep(device, { '#spec': spec, 'a.json': { of: 'the first trail' } })
  expect(await one.run()).toEqual({ kind: 'idle', rev: 1 })
  expect(step.history.map((each) => each.status)).toContain('INPROGRESS')
})

test('[AG11] a lost token costs one login, not one per call', async () => {
  await using one = await life()
  await one.run()
  const device = one.hub.device()
  const shas = Array.from({ length: 8 }, (_, i) => one.hub.putObject(Buffer.from(`object ${i}`)))
  one.hub.addStep(device, { '#spec': spec, ...Object.fromEntries(shas.map((sha, i) => [`o${i}`, sha])) })
  let dropped = 0
  one.hub.onRequest(({ path, method }) => {
    if (method === 'GET' && path.startsWith('/objects/') && dropped++ === 0) one.hub.dropTokens()
    return undefined
  })
  const before = one.requests('POST', /login/).length
  expect(await one.run()).toEqual({ kind: 'idle', rev: 1 })
  // One at the start of the run, one after the loss.
  expect(one.requests('POST', /login/).length - before).toBe(2)
})

test('[AG12] a hub that is silent counts as one that gave no answer', async () => {
  await using one = await life({ patienceMs: 40 })
  let silent = 0
  one.hub.onRequest(({ path }) => (path === '/trails/' && silent++ === 0 ? { silent: true } : undefined))
  expect(await one.run()).toEqual({ kind: 'idle', rev: 0 })
  expect(one.events).toContainEqual(
    expect.objectContaining({ event: 'trouble', detail: 'no reply from the hub: no byte within 40 ms' }),
  )
})

test('[AG40] device-meta is not sent again while nothing worth telling has changed, but for now and then', async () => {
  await using one = await life({ untilIdle: false, deviceMetaMs: 5 })
  const stop = new AbortController()
  let looks = 0
  const facts = async () => {
    if (++looks === 60) stop.abort()
    return { time: looks, sysinfo: looks, storage: looks }
  }
  await createAgent(one.config, { ...one.ports, facts }).run(stop.signal)
  const idle = one
    .requests('PUT', /device-meta$/)
    .filter((each) => each.body.includes('"pantahub.state":"idle"'))
  expect(idle.length).toBeGreaterThanOrEqual(2)
  expect(idle.length).toBeLessThanOrEqual(60 / 5)
})

test('[AG40] device-meta names state, revision and the facts of the machine', async () => {
  await using one = await life()
  await one.run()
  expect(one.hub.device().deviceMeta).toMatchObject({
    'pantahub.state': 'idle',
    'pantahub.claimed': '1',
    'pantahub.online': '1',
    'pantahub.address': one.hub.base,
    'pantavisor.mode': 'remote',
    'pantavisor.revision': '0',
    'pantavisor.arch': 'test',
  })
})

test('[AG41] user-meta is kept as the hub has it, without what is gone or null', async () => {
  await using one = await life()
  await one.run()
  const device = one.hub.device()
  device.userMeta = { 'pvr-sdk.authorized_keys': 'ssh-ed25519 AAAA', old: 'x', none: null }
  await one.run()
  const read = async () => JSON.parse(await readFile(join(one.folder, 'user-meta.json'), 'utf8')) as unknown
  expect(await read()).toEqual({ 'pvr-sdk.authorized_keys': 'ssh-ed25519 AAAA', old: 'x' })
  device.userMeta = { 'pvr-sdk.authorized_keys': 'ssh-ed25519 AAAA' }
  await one.run()
  expect(await read()).toEqual({ 'pvr-sdk.authorized_keys': 'ssh-ed25519 AAAA' })
})

test('[AG61] a reply that cannot be read is not shown: it may be half of a token', async () => {
  await using one = await life()
  const half = '{"token":"eyJhbGciOiJSUzI1NiJ9.half'
  const spoilt = new Set<string>()
  one.hub.onRequest(({ path, method }) => {
    const first = !spoilt.has(path) && method !== 'PUT' && path !== '/devices/'
    spoilt.add(path)
    return first ? { status: 200, body: half } : undefined
  })
  expect(await one.run()).toEqual({ kind: 'idle', rev: 0 })
  expect(one.names()).toContain('trouble')
  expect(JSON.stringify(one.events)).not.toContain('eyJ')
})

test('[AG61] neither secret nor token appears in what the agent says', async () => {
  await using one = await life({ logPush: true })
  const lines: string[] = []
  await runUntilIdle(one.config, { ...one.ports, logger: (_level, message) => lines.push(message) })
  const device = one.hub.device()
  const said = JSON.stringify([one.events, lines, one.hub.logs, device.deviceMeta])
  const bearers = one.hub.seen.flatMap((each) => String(each.headers.authorization ?? '').split(' ')[1] ?? [])
  expect(bearers.length).toBeGreaterThan(0)
  for (const secret of [device.secret, ...bearers]) expect(said).not.toContain(secret)
})

test('[AG1] every request of a whole life goes to the hub of the settings, and to no other', async () => {
  await using all = await life()
  const asked: string[] = []
  const { transport } = all.ports
  const ports = {
    ...all.ports,
    transport: (request: Parameters<typeof transport>[0]) => {
      asked.push(request.url)
      return transport(request)
    },
  }
  await runUntilIdle(all.config, ports)
  all.hub.addStep(all.hub.device(), { '#spec': spec, 'app/root': all.hub.putObject(Buffer.from('an app')) })
  await runUntilIdle(all.config, ports)
  const paths = asked.map((url) => new URL(url).pathname)
  for (const begun of ['/devices/', '/auth/login', '/objects/', '/local-s3/', '/trails/'])
    expect(paths.some((path) => path.startsWith(begun))).toBe(true)
  expect(asked.filter((url) => !url.startsWith(`${all.hub.base}/`))).toEqual([])
})
