import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ask, groups, sleeper, startControlRig, until } from './support/control-rig.ts'
import { sha256, spec } from './support/fake-hub.ts'

const factory = {
  'device.json': groups,
  'web/run.json': sleeper(),
  'base/run.json': sleeper('', { group: 'base', restart_policy: 'system', roles: [] }),
}
const state = (more: Readonly<Record<string, unknown>> = {}) => ({ '#spec': spec, ...factory, ...more })

/** Ends at once. */
const fails = (code: number) => ({
  ...sleeper(),
  command: '/bin/sh',
  args: ['-c', `echo no good; exit ${code}`],
})
const slowly = { config: ['updater.commit.delay=1s'] }

describe('local revisions', () => {
  test('[LC20] [LC23] a local revision is put, run live and kept; the hub never hears of it', async () => {
    await using rig = await startControlRig({ factory })
    await rig.synced()
    await rig.settled()
    const object = await rig.putObject(Buffer.from('hello'))
    const wanted = state({ 'web/data': object })
    expect(await rig.run('locals/a', wanted)).toEqual({
      status: 'UPDATED',
      'status-msg': 'Update finished',
      progress: 100,
    })
    const meta = await rig.ask('GET', '/device-meta')
    expect(meta.json).toMatchObject({ 'pantavisor.revision': 'locals/a', 'pantavisor.mode': 'local' })
    expect((await rig.ask('GET', '/steps/current')).json).toEqual(wanted)
    expect((await rig.ask('GET', '/steps/locals/a')).json).toEqual(wanted)
    expect(await readFile(join(rig.data, 'current/web/data'), 'utf8')).toBe('hello')
    // The built-in client is still with a local revision.
    const seen = rig.hub.seen.length
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(rig.hub.seen.length).toBe(seen)
    expect(JSON.stringify(rig.hub.seen).includes('locals/')).toBe(false)
    expect(rig.hub.device().steps).toHaveLength(1)
  })

  test('[LC21] what a trial finds wrong comes back by itself: a crash, a missing object, a state that cannot be run', async () => {
    await using rig = await startControlRig({ factory, ...slowly })
    await rig.synced()
    const before = (await rig.ask('GET', '/steps/current')).json
    const crash = state({ 'web/run.json': { ...fails(3), auto_recovery: { policy: 'no' } } })
    expect(await rig.run('locals/crash', crash)).toMatchObject({
      status: 'ERROR',
      'status-msg': expect.stringMatching(/^Container web exited with code 3/),
      logs: expect.stringMatching(/no good/),
    })
    const nowhere = sha256(Buffer.from('nowhere'))
    expect(await rig.run('locals/missing', state({ 'web/data': nowhere }))).toMatchObject({
      status: 'ERROR',
      'status-msg': `Object validation went wrong: ${nowhere} is not here`,
    })
    expect(
      await rig.run('locals/wrong', state({ 'web/run.json': sleeper('', { group: 'none' }) })),
    ).toMatchObject({ status: 'WONTGO' })
    expect((await rig.ask('GET', '/steps/current')).json).toEqual(before)
    await rig.settled()
    // A failed one may be run again, and is then tried again.
    expect((await rig.command('LOCAL_RUN', 'locals/crash')).status).toBe(200)
    await until(async () => rig.events.filter((event) => event.event === 'rolling-back').length === 2)
    // The old revision was the hub's, so the built-in client goes on.
    const step = rig.hub.addStep(rig.hub.device(), state({ 'web/run.json': sleeper('1') }))
    await until(() => ['DONE', 'UPDATED'].includes(String(step.progress.status)))
  })

  test('[LC22] with LOCAL_RUN_COMMIT, or when the system changes, a fresh start tries it and it ends DONE', async () => {
    await using rig = await startControlRig({ factory, ...slowly })
    await rig.synced()
    expect(
      await rig.run('locals/commit', state({ 'web/run.json': sleeper('2') }), 'LOCAL_RUN_COMMIT'),
    ).toMatchObject({ status: 'DONE' })
    await rig.up()
    const base = sleeper('3', { group: 'base', restart_policy: 'system', roles: [] })
    expect(await rig.run('locals/base', state({ 'base/run.json': base }))).toMatchObject({ status: 'DONE' })
    await rig.up()
    const dies = { ...fails(4), group: 'base', restart_policy: 'system', roles: [] }
    expect(await rig.run('locals/dies', state({ 'base/run.json': dies }))).toMatchObject({
      status: 'ERROR',
      'status-msg': expect.stringMatching(/^Container base exited with code 4/),
    })
    await rig.up()
    expect((await rig.ask('GET', '/device-meta')).json).toMatchObject({
      'pantavisor.revision': 'locals/base',
    })
    expect(rig.hub.device().steps).toHaveLength(1)
  })

  test('[LC24] the built-in client is still from GO_LOCAL to GO_REMOTE, over restarts; then the trail goes on', async () => {
    await using rig = await startControlRig({ factory })
    await rig.synced()
    expect((await rig.command('GO_LOCAL')).status).toBe(200)
    await until(() =>
      rig.events.some(
        (event) => event.event === 'order' && event.order === 'go-local' && event.stage === 'done',
      ),
    )
    expect((await rig.command('GO_LOCAL')).status).toBe(204)
    const step = rig.hub.addStep(rig.hub.device(), state({ 'web/run.json': sleeper('5') }))
    const quiet = async () => {
      const seen = rig.hub.seen.length
      await new Promise((resolve) => setTimeout(resolve, 400))
      return rig.hub.seen.length === seen
    }
    expect(await quiet()).toBe(true)
    await rig.stop()
    rig.start()
    await rig.up()
    expect(await quiet()).toBe(true)
    expect(await rig.run('locals/meanwhile', state({ 'web/run.json': sleeper('6') }))).toMatchObject({
      status: 'UPDATED',
    })
    expect(step.progress.status).toBe('NEW')
    expect((await rig.command('GO_REMOTE')).status).toBe(200)
    await until(() => step.progress.status === 'UPDATED')
    expect((await rig.command('GO_REMOTE')).status).toBe(204)
    expect((await rig.ask('GET', '/device-meta')).json).toMatchObject({
      'pantavisor.revision': '1',
      'pantavisor.mode': 'remote',
    })
    // Back and forth by number, still without a word to the hub.
    expect(await rig.run('locals/again', state({ 'web/run.json': sleeper('7') }))).toMatchObject({
      status: 'UPDATED',
    })
    expect((await rig.command('LOCAL_RUN', '1')).status).toBe(200)
    await until(async () => (await rig.ask('GET', '/device-meta')).json['pantavisor.mode'] === 'remote')
    const next = rig.hub.addStep(rig.hub.device(), state({ 'web/run.json': sleeper('8') }))
    await until(() => next.progress.status === 'UPDATED')
  })

  test('[LC24] switched off before it has ever reached its hub, and on again, the device finds its way', async () => {
    await using rig = await startControlRig({ factory })
    expect((await rig.command('GO_LOCAL')).status).toBe(200)
    await until(() =>
      rig.events.some(
        (event) => event.event === 'order' && event.order === 'go-local' && event.stage === 'done',
      ),
    )
    expect((await rig.command('GO_REMOTE')).status).toBe(200)
    await rig.synced()
    const step = rig.hub.addStep(rig.hub.device(), state({ 'web/run.json': sleeper('1') }))
    await until(() => step.progress.status === 'UPDATED')
    // A new device with a local revision: what its trail begins with is the factory's.
    await using other = await startControlRig({
      factory,
      config: ['PV_CONTROL_REMOTE_ALWAYS=1'],
      claimed: false,
    })
    expect(await other.run('locals/a', state({ 'web/run.json': sleeper('2') }))).toMatchObject({
      status: 'UPDATED',
    })
    await until(() => other.hub.device().challenge)
    other.hub.claim(other.hub.device())
    await other.synced()
    expect(other.hub.device().steps?.map((each) => each.state)).toEqual([state()])
    expect((await other.ask('GET', '/device-meta')).json).toMatchObject({
      'pantavisor.revision': 'locals/a',
      'pantavisor.mode': 'remote',
    })
  })

  test('[LC25] with the setting control.remote off no hub is ever spoken to, and GO_REMOTE is refused', async () => {
    await using rig = await startControlRig({ factory, config: ['PV_CONTROL_REMOTE=0'] })
    await rig.settled()
    expect(await rig.command('GO_REMOTE')).toMatchObject({
      status: 409,
      json: { Error: 'Remote control is disabled by configuration' },
    })
    expect(await rig.run('locals/a', state({ 'web/run.json': sleeper('1') }))).toMatchObject({
      status: 'UPDATED',
    })
    expect(rig.hub.seen).toEqual([])
  })

  test('[LC26] MAKE_FACTORY makes what runs revision 0, which is then what runs; not on a claimed device', async () => {
    await using rig = await startControlRig({ factory, claimed: false })
    await rig.settled()
    const wanted = state({ 'web/run.json': sleeper('1') })
    expect(await rig.run('locals/a', wanted)).toMatchObject({ status: 'UPDATED' })
    expect((await rig.command('MAKE_FACTORY')).status).toBe(200)
    await until(
      async () =>
        (await rig.ask('GET', '/device-meta').catch(() => undefined))?.json?.['pantavisor.revision'] === '0',
    )
    expect((await rig.ask('GET', '/steps/0')).json).toEqual(wanted)
    // A fresh start has it too.
    await rig.stop()
    rig.start()
    await rig.up()
    expect((await rig.ask('GET', '/steps/current')).json).toEqual(wanted)
    await using other = await startControlRig({ factory })
    await other.synced()
    expect((await other.command('MAKE_FACTORY')).status).toBe(409)
  })

  test('[LC27] names, commit messages, the list; a name used again for another state is another revision', async () => {
    await using rig = await startControlRig({ factory })
    await rig.synced()
    await rig.ask('PUT', '/steps/locals/a', JSON.stringify(state()))
    expect((await rig.ask('PUT', '/steps/locals/a/commitmsg', 'the first')).status).toBe(200)
    expect((await rig.ask('GET', '/steps/locals/a/progress')).json).toEqual({
      status: 'NEW',
      'status-msg': 'Update ready to be run',
      progress: 0,
    })
    const list = await rig.ask('GET', '/steps')
    expect(list.json).toEqual([
      expect.objectContaining({ name: '0' }),
      {
        name: 'locals/a',
        date: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        commitmsg: 'the first',
        progress: { status: 'NEW', 'status-msg': 'Update ready to be run', progress: 0 },
      },
    ])
    const other = state({ 'web/run.json': sleeper('other') })
    await rig.ask('PUT', '/steps/locals/a', JSON.stringify(other))
    expect((await rig.ask('GET', '/steps/locals/a')).json).toEqual(other)
    expect((await rig.ask('GET', '/steps')).json).toHaveLength(2)
    for (const [name, status] of [
      ['locals/a/b', 400],
      [`locals/${'x'.repeat(65)}`, 400],
      ['locals/..', 400],
      ['7', 400],
      ['current', 400],
    ])
      expect([name, (await rig.ask('PUT', `/steps/${name}`, JSON.stringify(state()))).status]).toEqual([
        name,
        status,
      ])
    expect(await rig.ask('PUT', '/steps/locals/bad', '{')).toMatchObject({
      status: 422,
      json: { Error: 'Parser: State JSON has bad format' },
    })
    expect(
      (
        await rig.ask(
          'PUT',
          '/steps/locals/bad',
          JSON.stringify({ '#spec': spec, '../x': sha256(Buffer.from('')) }),
        )
      ).status,
    ).toBe(422)
    for (const path of ['/steps/locals/bad', '/steps/9', '/steps/9/progress'])
      expect((await rig.ask('GET', path)).status).toBe(404)
    expect((await rig.command('LOCAL_RUN', 'locals/none')).status).toBe(404)
  })
})

test('[LC31] while a revision is tried no other is; steps of the hub are shown with their message and progress', async () => {
  await using rig = await startControlRig({ factory, ...slowly })
  await rig.synced()
  const step = rig.hub.addStep(rig.hub.device(), state({ 'web/run.json': sleeper('1') }), 'from the hub')
  await until(() => step.progress.status === 'TESTING')
  const busy = await rig.command('LOCAL_RUN', '0')
  expect([busy.status, busy.headers['retry-after']]).toEqual([503, '600'])
  expect((await rig.ask('GET', '/steps/1/progress')).json).toMatchObject({ status: 'TESTING', progress: 75 })
  expect((await rig.ask('POST', '/storage/gc')).status).toBe(503)
  await until(() => step.progress.status === 'UPDATED')
  const { json } = await rig.ask('GET', '/steps')
  expect(json.at(-1)).toMatchObject({
    name: '1',
    commitmsg: 'from the hub',
    progress: { status: 'UPDATED', 'status-msg': 'Update finished', progress: 100 },
  })
})

test('[LC31] an update that only waits for a lost hub gives way to the device itself', async () => {
  await using rig = await startControlRig({ factory })
  await rig.synced()
  // The hub hears no report any more.
  rig.hub.onRequest((request) => (request.path.endsWith('/progress') ? { status: 503 } : undefined))
  const step = rig.hub.addStep(rig.hub.device(), state({ 'web/run.json': sleeper('1') }))
  await until(() => rig.events.some((event) => event.event === 'trouble' && event.during === 'report'))
  expect(await rig.run('locals/a', state({ 'web/run.json': sleeper('2') }))).toMatchObject({
    status: 'UPDATED',
  })
  rig.hub.onRequest(() => undefined)
  expect((await rig.command('GO_REMOTE')).status).toBe(200)
  await until(() => step.progress.status === 'UPDATED')
})

describe('objects', () => {
  test('[LC30] bytes are kept under their sha256 or not at all, and what waits for its state is not collected', async () => {
    await using rig = await startControlRig({ factory })
    await rig.synced()
    const bytes = Buffer.alloc(3_000_000, 'x')
    const sha = await rig.putObject(bytes)
    expect((await rig.ask('PUT', `/objects/${sha}`, bytes)).status).toBe(200)
    expect((await rig.ask('GET', '/objects')).json).toEqual([{ sha256: sha, size: '3000000' }])
    expect((await rig.ask('GET', `/objects/${sha}`)).text).toBe(bytes.toString())
    const other = sha256(Buffer.from('other'))
    expect(await rig.ask('PUT', `/objects/${other}`, bytes)).toMatchObject({
      status: 422,
      json: { Error: 'Object has bad checksum' },
    })
    expect((await rig.ask('GET', `/objects/${other}`)).status).toBe(400)
    expect((await rig.ask('PUT', '/objects/short', bytes)).status).toBe(400)
    // A step of the hub ends, which collects; then the collector is called outright.
    const step = rig.hub.addStep(rig.hub.device(), state({ 'web/run.json': sleeper('1') }))
    await until(() => step.progress.status === 'UPDATED')
    expect((await rig.ask('POST', '/storage/gc')).json).toEqual({ reclaimed: 0 })
    expect((await rig.command('RUN_GC')).status).toBe(200)
    await until(
      async () =>
        rig.events.filter((event) => event.event === 'order' && event.stage === 'done').length === 2,
    )
    expect((await rig.ask('GET', '/objects')).json).toHaveLength(1)
    expect(await rig.run('locals/a', state({ 'web/data': sha }))).toMatchObject({ status: 'UPDATED' })
  })
})

describe('containers', () => {
  test('[LC40] containers and groups are shown as Pantavisor shows them, and started, stopped and restarted', async () => {
    await using rig = await startControlRig({ factory })
    await rig.settled()
    expect((await rig.ask('GET', '/containers')).json).toEqual([
      {
        name: 'base',
        group: 'base',
        status: 'STARTED',
        status_goal: 'STARTED',
        restart_policy: 'system',
        roles: [],
      },
      {
        name: 'web',
        group: 'app',
        status: 'STARTED',
        status_goal: 'STARTED',
        restart_policy: 'container',
        roles: ['mgmt'],
        user_stopped: 'false',
      },
    ])
    expect((await rig.ask('GET', '/groups')).json).toEqual([
      { name: 'base', status_goal: 'STARTED', restart_policy: 'system', status: 'READY' },
      { name: 'app', status_goal: 'STARTED', restart_policy: 'container', status: 'READY' },
    ])
    const act = (name: string, action: string) =>
      rig.ask('PUT', `/containers/${name}`, JSON.stringify({ action }))
    const status = async () => (await rig.ask('GET', '/containers')).json[1]
    const starts = () =>
      rig.events.filter(
        (event) => event.event === 'container' && event.name === 'web' && event.status === 'STARTED',
      ).length
    expect((await act('web', 'start')).status).toBe(200)
    expect((await act('web', 'stop')).status).toBe(200)
    await until(async () => (await status()).status === 'STOPPED')
    expect(await status()).toMatchObject({ user_stopped: 'true' })
    expect((await act('web', 'start')).status).toBe(200)
    await until(async () => (await status()).status === 'STARTED')
    const before = starts()
    expect((await act('web', 'restart')).status).toBe(200)
    await until(() => starts() === before + 1)
    expect(await status()).toMatchObject({ user_stopped: 'false' })
    expect((await act('web', 'dance')).status).toBe(400)
    expect((await act('none', 'stop')).status).toBe(404)
    expect((await act('base', 'stop')).status).toBe(403)
  })

  test('[LC41] a container says itself that it is ready, over its own socket', async () => {
    const signal = `const r = require('http').request({ socketPath: process.env.WAYMARK_CONTROL, method: 'POST', path: '/signal' }); r.end(JSON.stringify({ type: 'ready', payload: '' }))`
    await using rig = await startControlRig({
      factory: {
        'device.json': groups,
        'web/run.json': sleeper(signal, { status_goal: 'READY', roles: [] }),
        'log/run.json': sleeper(),
      },
    })
    await rig.settled()
    const body = JSON.stringify({ type: 'ready', payload: '' })
    expect((await rig.ask('POST', '/signal', body)).status).toBe(500)
    expect(await ask(rig.socketOf('log'), 'POST', '/signal', body)).toMatchObject({
      status: 500,
      json: { Error: 'Signal not expected from this platform' },
    })
    expect(
      (await ask(rig.socketOf('web'), 'POST', '/signal', JSON.stringify({ type: 'alive', payload: '' })))
        .status,
    ).toBe(500)
    expect((await ask(rig.socketOf('web'), 'POST', '/signal', '{}')).status).toBe(400)
  })

  test('[LC42] the sockets and their folders are open to the agent’s user alone', async () => {
    await using rig = await startControlRig({ factory })
    await rig.settled()
    for (const path of [rig.socket, rig.socketOf('web'), `${rig.socketOf('web')}-log`])
      expect([path, (await stat(path)).mode & 0o777]).toEqual([path, 0o600])
    for (const path of ['control', 'control/containers/web'])
      expect((await stat(join(rig.data, path))).mode & 0o777).toBe(0o700)
    await rig.stop()
    await expect(stat(rig.socket)).rejects.toThrow('ENOENT')
  })
})

describe('metadata, settings, logs', () => {
  test('[LC50] both maps are read and changed; what the hub says of user-meta comes last', async () => {
    await using rig = await startControlRig({ factory })
    await rig.synced()
    expect((await rig.ask('PUT', '/device-meta/app.color', 'blue')).status).toBe(200)
    expect((await rig.ask('PUT', '/device-meta/app.shape', '{"a":[1]}')).status).toBe(200)
    expect((await rig.ask('GET', '/device-meta')).json).toMatchObject({
      'app.color': 'blue',
      'app.shape': { a: [1] },
      'pantahub.claimed': '1',
    })
    await until(() => rig.hub.device().deviceMeta['app.color'] === 'blue')
    expect((await rig.ask('DELETE', '/device-meta/app.color')).status).toBe(200)
    expect((await rig.ask('DELETE', '/device-meta/app.color')).status).toBe(404)
    expect((await rig.ask('PUT', '/device-meta/empty', '')).status).toBe(400)
    expect((await rig.ask('PUT', '/device-meta/pantahub.claimed', '0')).status).toBe(200)
    expect((await rig.ask('GET', '/device-meta')).json).toMatchObject({ 'pantahub.claimed': '1' })
    expect((await rig.command('UPDATE_METADATA', { k: 'v' })).status).toBe(200)
    expect((await rig.ask('GET', '/device-meta')).json).toMatchObject({ k: 'v' })
    rig.hub.device().userMeta = { from: 'hub' }
    await until(async () => (await rig.ask('GET', '/user-meta')).json.from === 'hub')
    await rig.command('GO_LOCAL')
    await until(() => rig.events.some((event) => event.event === 'order' && event.stage === 'done'))
    expect((await rig.ask('PUT', '/user-meta/here', 'too')).status).toBe(200)
    expect((await rig.ask('GET', '/user-meta')).json).toEqual({ from: 'hub', here: 'too' })
    expect((await rig.ask('DELETE', '/user-meta/here')).status).toBe(200)
    expect((await rig.command('UPDATE_METADATA', { k: 'v' })).status).toBe(409)
  })

  test('[LC53] the maps lie beside a container’s socket, a file a key: all for mgmt, its own for the others', async () => {
    await using rig = await startControlRig({
      factory: { ...factory, 'plain/run.json': sleeper('', { roles: [] }) },
    })
    await rig.settled()
    await rig.synced()
    const read = (container: string, path: string) =>
      readFile(join(rig.data, 'control/containers', container, path), 'utf8').catch(() => undefined)
    rig.hub.device().userMeta = {
      color: 'red',
      'plain.color': 'green',
      'plain.map': { a: 1 },
      '../climbs': 'no',
    }
    await until(async () => (await read('web', 'user-meta/color')) === 'red')
    await until(async () => (await read('plain', 'user-meta/color')) === 'green')
    expect(await read('plain', 'user-meta/map')).toBe('{"a":1}')
    expect(await read('web', 'user-meta/plain.color')).toBe('green')
    expect((await read('web', 'device-id'))?.trim()).toBe(rig.hub.device().id)
    expect(await read('plain', 'device-id')).toBeUndefined()
    expect(await read('web', 'device-meta/pantavisor.version')).toMatch(/^waymark-agent/)
    await rig.ask('PUT', '/device-meta/plain.mood', 'fine')
    await until(async () => (await read('plain', 'device-meta/mood')) === 'fine')
    rig.hub.device().userMeta = {}
    await until(async () => (await read('plain', 'user-meta/color')) === undefined)
    expect(await read('web', '../climbs')).toBeUndefined()
  })

  test('[LC51] build info, settings without their secrets, logs of containers and of the agent', async () => {
    await using rig = await startControlRig({
      factory: { ...factory, 'web/run.json': sleeper('console.log("hello out there")') },
    })
    await rig.settled()
    expect((await rig.ask('GET', '/buildinfo')).text).toMatch(/^waymark-agent /)
    const config = await rig.ask('GET', '/config')
    expect(config.json).toMatchObject({
      PH_FACTORY_AUTOTOK: '***',
      PV_CONTROL_REMOTE: true,
      PV_REVISION_RETRIES: 10,
    })
    expect((await rig.ask('GET', '/config2')).json).toContainEqual({
      key: 'updater.commit.delay',
      value: '50ms',
      modified: 'updater.commit.delay',
    })
    expect(config.text).not.toContain('token"')
    await until(async () => (await rig.ask('GET', '/logs/web')).text === 'hello out there\n')
    expect((await rig.ask('GET', '/logs')).json).toEqual(expect.arrayContaining(['agent', 'web']))
    expect((await rig.ask('GET', '/logs/agent')).text).toContain('"event":"state"')
    expect((await rig.ask('GET', '/logs/none')).status).toBe(404)
    for (const [path, json] of [
      ['/drivers', {}],
      ['/daemons', []],
      ['/xconnect-graph', []],
    ])
      expect((await rig.ask('GET', String(path))).json).toEqual(json)
  })
})

test('[LC28] UNCLAIM forgets the identity, and the device registers anew', async () => {
  await using rig = await startControlRig({ factory })
  await rig.synced()
  expect((await rig.command('UNCLAIM')).status).toBe(200)
  await until(() => rig.events.filter((event) => event.event === 'synced').length === 2)
  expect(new Set(rig.events.flatMap((event) => (event.event === 'registered' ? [event.id] : []))).size).toBe(
    2,
  )
})

test('[LC29] REBOOT_DEVICE starts all anew, POWEROFF_DEVICE stops it', async () => {
  await using rig = await startControlRig({ factory })
  await rig.settled()
  expect((await rig.command('REBOOT_DEVICE', 'why not')).status).toBe(200)
  await until(() => rig.events.some((event) => event.event === 'stopped'))
  await rig.up()
  await rig.settled()
  expect((await rig.command('POWEROFF_DEVICE')).status).toBe(200)
  await until(() => rig.events.filter((event) => event.event === 'stopped').length === 2)
  await expect(rig.ask('GET', '/buildinfo')).rejects.toThrow()
})
