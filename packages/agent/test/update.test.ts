import { createHash } from 'node:crypto'
import { chmod, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createFilesDriver } from '../src/files-driver.ts'
import { type AgentConfig, type AgentPorts, createAgent } from '../src/index.ts'
import { type FakeStep, owner, spec, startFakeHub, wordsOf } from './support/fake-hub.ts'
import { quick, realPorts, runUntilIdle, temporaryFolder } from './support/rig.ts'

/** A device that is owned and has walked to revision 1, which holds one small file. */
async function walker(overrides: Partial<AgentConfig> = {}) {
  const hub = await startFakeHub()
  const folder = await temporaryFolder()
  const device = hub.register(owner)
  const { id, prn, secret } = device
  const config: AgentConfig = { ...quick, hub: hub.base, identity: { id, prn, secret }, ...overrides }
  const ports = realPorts(folder.path)
  const run = (other: Partial<AgentPorts> = {}, settings: Partial<AgentConfig> = {}) =>
    runUntilIdle({ ...config, ...settings }, { ...ports, ...other })
  await run()
  const old = hub.putObject(Buffer.from('the old app'))
  hub.addStep(device, { '#spec': spec, 'app/root': old })
  expect(await run()).toEqual({ kind: 'idle', rev: 1 })
  ports.events.length = 0
  hub.seen.length = 0
  return {
    hub,
    device,
    config,
    ports,
    run,
    folder: folder.path,
    post: (state: object): FakeStep => hub.addStep(device, { '#spec': spec, ...state }),
    ranges: () => hub.seen.filter((each) => each.path.includes('/get-')).map((each) => each.headers.range),
    running: () => readlink(join(folder.path, 'current')),
    read: (path: string) => readFile(join(folder.path, 'current', path), 'utf8'),
    last: (step: FakeStep) =>
      step.progress as { status: string; 'status-msg': string; [key: string]: unknown },
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Bytes that no two places share, so that a wrong offset shows. */
function bytesOf(size: number, seed = 'x'): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i * 32 < size; i++) parts.push(createHash('sha256').update(`${seed}${i}`).digest())
  return Buffer.concat(parts).subarray(0, size)
}

test('[AG20] a step is reported QUEUED, DOWNLOADING, INPROGRESS, DONE, with figures and evidence', async () => {
  await using one = await walker()
  const big = one.hub.putObject(bytesOf(400_000))
  const step = one.post({ 'app/root': big, 'app/run.json': { name: 'app', n: 1.5 } })
  expect(await one.run()).toEqual({ kind: 'idle', rev: 2 })
  expect(wordsOf(step)).toEqual(['QUEUED', 'DOWNLOADING', 'INPROGRESS', 'DONE'])
  const first = step.history.find((each) => each.status === 'DOWNLOADING')
  expect(first).toMatchObject({
    progress: 25,
    downloads: { total: { total_size: 400_000, total_downloaded: 0 } },
  })
  expect(one.last(step)).toMatchObject({ progress: 100, data: { revision: 2, health: ['files in place'] } })
  expect(await one.read('app/run.json')).toBe('{"n":1.5E0,"name":"app"}')
  expect(await readlink(join(one.folder, 'previous'))).toBe('revisions/1')
  const { ino } = await stat(join(one.folder, 'current/app/root'))
  expect((await stat(join(one.folder, 'objects', big.slice(0, 2), big))).ino).toBe(ino)
})

test('[AG20] several steps are walked one after the other, in order', async () => {
  await using one = await walker()
  const steps = [2, 3, 4].map((n) => one.post({ 'n.json': { n } }))
  expect(await one.run()).toEqual({ kind: 'idle', rev: 4 })
  for (const step of steps) expect(step.progress.status).toBe('DONE')
  const order = one.ports.events.flatMap((event) => (event.event === 'switched' ? [event.rev] : []))
  expect(order).toEqual([2, 3, 4])
})

describe('[AG21] a state with tricks ends WONTGO and touches nothing', () => {
  const states: { name: string; state: Record<string, unknown> }[] = [
    { name: 'a path that climbs', state: { '../../evil.json': {} } },
    { name: 'a path that climbs inside', state: { 'app/../../evil.json': {} } },
    { name: 'an absolute path', state: { '/etc/evil.json': {} } },
    { name: 'a dot', state: { 'app/./evil.json': {} } },
    { name: 'an empty name', state: { 'app//evil.json': {} } },
    { name: 'a backslash', state: { 'app\\evil.json': {} } },
    { name: 'a NUL', state: { 'app/evil\u0000.json': {} } },
    { name: 'a value that is no hash', state: { 'app/root': 'evil' } },
    { name: 'a file that is a folder', state: { 'a.json': {}, 'a.json/b.json': {} } },
    { name: 'an unknown #spec', state: { '#spec': 'evil@1', 'a.json': {} } },
  ]
  for (const { name, state } of states)
    test(name, async () => {
      await using one = await walker()
      const before = await readdir(one.folder, { recursive: true })
      const step = one.hub.addStep(one.device, { '#spec': spec, ...state })
      expect(await one.run()).toEqual({ kind: 'idle', rev: 1 })
      expect(wordsOf(step)).toEqual(['WONTGO'])
      expect(one.last(step)['status-msg']).toMatch(/wanted .+, got .+/)
      const made = (await readdir(one.folder, { recursive: true })).filter((path) => !before.includes(path))
      expect(made.filter((path) => !/^(update|logs)(\/|$)/.test(path))).toEqual([])
    })
})

test('[AG22] what does not fit ends WONTGO with both figures before a byte is fetched', async () => {
  await using one = await walker()
  const step = one.post({ 'app/root': one.hub.putObject(bytesOf(5000)) })
  const disk = { ...one.ports.disk, freeBytes: async () => 4000 }
  expect(await one.run({ disk })).toEqual({ kind: 'idle', rev: 1 })
  expect(one.last(step)).toMatchObject({
    status: 'WONTGO',
    'status-msg': 'Space required 5000 B, available 4000 B',
  })
  expect(one.ranges()).toEqual([])
})

test('[AG23] a download that is cut resumes where it broke off', async () => {
  await using one = await walker()
  const content = bytesOf(1_000_000)
  const step = one.post({ 'app/root': one.hub.putObject(content) })
  let cuts = 0
  one.hub.onRequest(({ path }) => (path.includes('/get-') && cuts++ < 3 ? { cutAfter: 200_000 } : undefined))
  expect(await one.run()).toEqual({ kind: 'idle', rev: 2 })
  expect(step.progress.status).toBe('DONE')
  const ranges = one.ranges()
  expect(ranges[0]).toBeUndefined()
  const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(String(range))?.[1]))
  expect(starts.length).toBe(3)
  expect(starts.every((start, i) => start > (starts[i - 1] ?? 0))).toBe(true)
  expect((await readFile(join(one.folder, 'current/app/root'))).equals(content)).toBe(true)
})

test('[AG23] a hub that sends the whole again is taken at its word', async () => {
  await using one = await walker()
  const content = bytesOf(300_000)
  const step = one.post({ 'app/root': one.hub.putObject(content) })
  let cuts = 0
  one.hub.onRequest(({ path }) =>
    path.includes('/get-')
      ? { ignoreRange: true, ...(cuts++ === 0 ? { cutAfter: 100_000 } : {}) }
      : undefined,
  )
  await one.run()
  expect(step.progress.status).toBe('DONE')
  expect(one.ports.events.map((event) => event.event)).not.toContain('corrupt')
  expect((await readFile(join(one.folder, 'current/app/root'))).equals(content)).toBe(true)
})

test('[AG23] another range than asked for, or none, makes the download begin anew', async () => {
  for (const answer of [{ shiftRange: 7 }, { status: 416 }]) {
    await using one = await walker()
    const content = bytesOf(300_000)
    const step = one.post({ 'app/root': one.hub.putObject(content) })
    let asked = 0
    one.hub.onRequest(({ path, headers }) => {
      if (!path.includes('/get-')) return undefined
      if (asked++ === 0) return { cutAfter: 100_000 }
      return headers.range === undefined ? undefined : answer
    })
    expect(await one.run()).toEqual({ kind: 'idle', rev: 2 })
    expect(step.progress.status).toBe('DONE')
    expect(one.ports.events.map((event) => event.event)).not.toContain('corrupt')
  }
})

test('[AG23] an address that has run out is asked for afresh', async () => {
  await using one = await walker()
  one.hub.signWith('-old')
  const step = one.post({ 'app/root': one.hub.putObject(bytesOf(1000)) })
  one.hub.onRequest(({ path }) => {
    if (!path.endsWith('-old')) return undefined
    one.hub.signWith('-new')
    return { status: 403 }
  })
  await one.run()
  expect(step.progress.status).toBe('DONE')
})

test('[AG24] a description of another object than asked for is not followed', async () => {
  await using one = await walker()
  const other = one.hub.putObject(bytesOf(1000, 'other'))
  const sha = one.hub.putObject(bytesOf(1000))
  const step = one.post({ 'app/root': sha })
  const record = { sha256sum: other, size: '1000', 'signed-geturl': `${one.hub.base}/local-s3/get-${other}` }
  one.hub.onRequest(({ path }) =>
    path === `/objects/${sha}` ? { status: 200, body: JSON.stringify(record) } : undefined,
  )
  await one.run()
  expect(one.last(step)).toMatchObject({ status: 'ERROR' })
  expect(one.ranges()).toEqual([])
})

test('[AG24] a hub that sends without end fills no disk', async () => {
  await using one = await walker()
  const sha = one.hub.putObject(bytesOf(1000))
  const step = one.post({ 'app/root': sha })
  one.hub.onRequest(({ path }) => (path.includes('/get-') ? { bytes: Buffer.alloc(3_000_000) } : undefined))
  let written = 0
  const disk: AgentPorts['disk'] = {
    ...one.ports.disk,
    async open(path, how) {
      const file = await one.ports.disk.open(path, how)
      const count = path.includes(sha)
      return {
        ...file,
        write(bytes) {
          if (count) written += bytes.length
          return file.write(bytes)
        },
      }
    },
  }
  await one.run({ disk })
  expect(one.last(step)).toMatchObject({ status: 'ERROR' })
  expect(written).toBeLessThanOrEqual(3 * 1000)
})

describe('[AG24] corrupt bytes never become a revision', () => {
  const spoils: { name: string; spoil: (content: Buffer) => Buffer }[] = [
    { name: 'other bytes of the same length', spoil: (content) => Buffer.alloc(content.length, 'z') },
    { name: 'too many bytes', spoil: (content) => Buffer.concat([content, Buffer.from('more')]) },
    { name: 'too few bytes', spoil: (content) => content.subarray(0, 10) },
    { name: 'no bytes', spoil: () => Buffer.alloc(0) },
  ]
  for (const { name, spoil } of spoils)
    test(`${name}: the step ends ERROR with the old revision in force`, async () => {
      await using one = await walker()
      const content = bytesOf(50_000)
      const sha = one.hub.putObject(content)
      const step = one.post({ 'app/root': sha, 'app/other': one.hub.putObject(bytesOf(10, 'good')) })
      one.hub.onRequest(({ path }) => (path.endsWith(`/get-${sha}`) ? { bytes: spoil(content) } : undefined))
      expect(await one.run()).toEqual({ kind: 'idle', rev: 1 })
      expect(one.last(step).status).toBe('ERROR')
      expect(one.last(step)['status-msg']).toContain(sha)
      expect(await one.running()).toBe('revisions/1')
      expect(await one.read('app/root')).toBe('the old app')
      expect(await readdir(join(one.folder, 'objects', 'partial'))).toEqual([])
    })

  test('one corrupt delivery is discarded and fetched again', async () => {
    await using one = await walker()
    const sha = one.hub.putObject(bytesOf(50_000))
    const step = one.post({ 'app/root': sha })
    let spoilt = 0
    one.hub.onRequest(({ path }) =>
      path.endsWith(`/get-${sha}`) && spoilt++ === 0 ? { bytes: Buffer.alloc(50_000) } : undefined,
    )
    expect(await one.run()).toEqual({ kind: 'idle', rev: 2 })
    expect(step.progress.status).toBe('DONE')
    expect(one.ports.events).toContainEqual(expect.objectContaining({ event: 'corrupt', sha, attempt: 1 }))
  })

  test('an object that the hub will not give ends the step', async () => {
    await using one = await walker()
    const missing = 'ab'.repeat(32)
    const step = one.post({ 'app/root': missing })
    expect(await one.run()).toEqual({ kind: 'idle', rev: 1 })
    expect(one.last(step)).toMatchObject({ status: 'ERROR' })
    expect(one.last(step)['status-msg']).toContain('403')
  })
})

test('[AG25] a lost network delays a step and never fails it', async () => {
  await using one = await walker({ refusedTries: 2, lookUpTries: 2, revisionRetries: 1 })
  const step = one.post({ 'app/root': one.hub.putObject(bytesOf(100_000)) })
  const lost = new Map<string, number>()
  one.hub.onRequest(({ method, path }) => {
    const name = `${method} ${path}`
    const before = lost.get(name) ?? 0
    lost.set(name, before + 1)
    return before < 6 ? { cut: true } : undefined
  })
  expect(await one.run()).toEqual({ kind: 'idle', rev: 2 })
  expect(step.progress.status).toBe('DONE')
  expect(one.ports.events.map((event) => event.event)).toContain('offline')
})

test('[AG26] a last word that was not heard is sent again after a restart, and the step is not run again', async () => {
  await using one = await walker()
  const step = one.post({ 'app/root': one.hub.putObject(bytesOf(1000)) })
  const stop = new AbortController()
  one.hub.onRequest(({ body }) => {
    if (!body.includes('"status":"DONE"')) return undefined
    stop.abort()
    return { cut: true }
  })
  expect(await createAgent(one.config, one.ports).run(stop.signal)).toEqual({ kind: 'stopped' })
  expect(step.progress.status).toBe('INPROGRESS')
  one.hub.onRequest(() => undefined)
  one.ports.events.length = 0
  expect(await one.run()).toEqual({ kind: 'idle', rev: 2 })
  expect(step.progress.status).toBe('DONE')
  expect(one.ports.events.map((event) => event.event)).not.toContain('switched')
})

test('[AG26] a step still offered although its last word was heard is answered with that word', async () => {
  await using one = await walker()
  const step = one.post({ 'app/root': 'cd'.repeat(32) })
  await one.run()
  expect(step.progress.status).toBe('ERROR')
  step.progress = { status: 'NEW' }
  step.history.length = 0
  await one.run()
  expect(wordsOf(step)).toEqual(['ERROR'])
})

describe('[AG27] a step found half-way is concluded by what runs', () => {
  for (const status of ['INPROGRESS', 'TESTING'])
    test(`${status} and not running: ERROR, once`, async () => {
      await using one = await walker()
      const step = one.post({ 'a.json': {} })
      step.progress = { status }
      expect(await one.run()).toEqual({ kind: 'idle', rev: 1 })
      expect(wordsOf(step)).toEqual(['ERROR'])
      expect(one.last(step)['status-msg']).toContain('revision 1 runs')
      expect(step.history).toHaveLength(1)
    })

  test('INPROGRESS and running, with no word kept: DONE', async () => {
    await using one = await walker()
    const step = one.device.steps?.[1]
    if (!step) throw new Error('no step')
    step.progress = { status: 'INPROGRESS' }
    step.history.length = 0
    await writeFile(join(one.folder, 'update/finals.json'), '[]')
    expect(await one.run()).toEqual({ kind: 'idle', rev: 1 })
    expect(wordsOf(step)).toEqual(['DONE'])
  })
})

test('[AG28] retries are counted on the disk; at the limit the step ends WONTGO', async () => {
  await using one = await walker({ revisionRetries: 3 })
  const step = one.post({ 'app/root': one.hub.putObject(bytesOf(1000)) })
  for (let life = 0; life < 3; life++) {
    const stop = new AbortController()
    one.hub.onRequest(({ path }) => {
      if (!path.includes('/get-')) return undefined
      stop.abort()
      return { cut: true }
    })
    await createAgent(one.config, one.ports).run(stop.signal)
  }
  const queued = step.history.filter((each) => each.status === 'QUEUED').map((each) => each['status-msg'])
  expect(queued).toEqual(['Retried 0 of 3', 'Retried 1 of 3', 'Retried 2 of 3'])
  await one.run()
  expect(one.last(step)).toMatchObject({ status: 'WONTGO', 'status-msg': 'Retried 3 of 3', retries: 3 })
})

test('[AG30] the previous revision and the factory stay, older ones and unnamed objects go', async () => {
  await using one = await walker()
  const shas = ['two', 'three'].map((name) => one.hub.putObject(bytesOf(2000, name)))
  for (const sha of shas) {
    one.post({ 'app/root': sha })
    await one.run()
  }
  expect(await readdir(join(one.folder, 'revisions'))).toEqual(['0', '2', '3'])
  const kept = (await readdir(join(one.folder, 'objects'), { recursive: true })).filter(
    (path) => path.length > 60,
  )
  expect(kept.map((path) => path.slice(3)).sort()).toEqual([...shas].sort())
})

test('[AG30] nothing goes before the hub has heard the last word', async () => {
  await using one = await walker()
  one.post({ 'n.json': { n: 2 } })
  await one.run()
  one.post({ 'n.json': { n: 3 } })
  const stop = new AbortController()
  one.hub.onRequest(({ body }) => {
    if (!body.includes('"status":"DONE"')) return undefined
    stop.abort()
    return { cut: true }
  })
  await createAgent(one.config, one.ports).run(stop.signal)
  expect(await readdir(join(one.folder, 'revisions'))).toEqual(['0', '1', '2', '3'])
  one.hub.onRequest(() => undefined)
  await one.run()
  expect(await readdir(join(one.folder, 'revisions'))).toEqual(['0', '2', '3'])
})

test('[AG30] while a kept state cannot be read, no object goes', async () => {
  await using one = await walker()
  const before = await readdir(join(one.folder, 'objects'), { recursive: true })
  await writeFile(join(one.folder, 'states/0.json'), '{"torn":')
  for (const n of [2, 3]) {
    one.post({ 'n.json': { n } })
    await one.run()
  }
  expect(await readdir(join(one.folder, 'objects'), { recursive: true })).toEqual(before)
})

test('[AG31] an object passes through in pieces', async () => {
  await using one = await walker()
  const size = 24 * 1024 * 1024
  const step = one.post({ 'app/root': one.hub.putObject(Buffer.alloc(size, 'q')) })
  let largest = 0
  const disk: AgentPorts['disk'] = {
    ...one.ports.disk,
    async open(path, how) {
      const file = await one.ports.disk.open(path, how)
      return {
        ...file,
        write(bytes) {
          largest = Math.max(largest, bytes.length)
          return file.write(bytes)
        },
      }
    },
  }
  await one.run({ disk })
  expect(step.progress.status).toBe('DONE')
  expect(largest).toBeLessThanOrEqual(1024 * 1024)
  expect(one.ports.events).toContainEqual(
    expect.objectContaining({ event: 'downloading', bytes: size, percent: 100 }),
  )
})

test('[AG32] an object that has rotted on the disk is fetched anew', async () => {
  await using one = await walker()
  const sha = one.device.steps?.[1]?.state as { 'app/root': string }
  const path = join(one.folder, 'objects', sha['app/root'].slice(0, 2), sha['app/root'])
  await chmod(path, 0o644)
  await writeFile(path, 'the bad app')
  const step = one.post({ 'app/root': sha['app/root'], 'more.json': {} })
  await one.run()
  expect(step.progress.status).toBe('DONE')
  expect(await one.read('app/root')).toBe('the old app')
})

test('[AG33] when what was switched to is not well, the previous revision runs again', async () => {
  await using one = await walker()
  const step = one.post({ 'a.json': {} })
  const files = createFilesDriver(one.ports.disk)
  const driver: AgentPorts['driver'] = {
    ...files,
    health: async () => ({ kind: 'ill', why: 'probe http: wanted 200, got 502' }),
  }
  expect(await one.run({ driver })).toEqual({ kind: 'idle', rev: 1 })
  expect(one.last(step)).toMatchObject({
    status: 'ERROR',
    'status-msg': 'revision 2: probe http: wanted 200, got 502',
  })
  expect(await one.running()).toBe('revisions/1')
})

test('[AG34] a step the hub has withdrawn is left alone, and nothing is repeated without pause', async () => {
  await using one = await walker()
  const step = one.post({ 'a.json': {} })
  let refused = 0
  one.hub.onRequest(({ path, method }) => {
    if (method !== 'PUT' || !path.endsWith('/progress')) return undefined
    if (++refused === 2) step.progress = { status: 'CANCEL' }
    return { status: 400 }
  })
  expect(await one.run()).toEqual({ kind: 'idle', rev: 1 })
  expect(refused).toBe(2)
  expect(await one.running()).toBe('revisions/1')
})
