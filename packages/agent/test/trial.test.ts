import { generateKeyPairSync } from 'node:crypto'
import { parseState, signState } from '@waymark/pantahub'
import { describe, expect, test } from 'vitest'
import type { Disk } from '../src/index.ts'
import { spec, wordsOf } from './support/fake-hub.ts'
import { container, createTrialRig, stateOf, type TrialRig } from './support/trial-rig.ts'

const web = (version: number, command = 'steady', more = {}) =>
  container(command, { env: { VERSION: String(version) }, ...more })

/** Rests on revision 1 and is offered revision 2. */
async function offered(second: unknown, overrides = {}, first: unknown = stateOf({ web: web(1) })) {
  const rig = await createTrialRig(first, overrides)
  await rig.settle()
  expect(wordsOf(stepOf(rig, 1)).at(-1)).toMatch(/DONE|UPDATED/)
  rig.events.length = 0
  const step = rig.hub.addStep(rig.device, second)
  return { rig, step }
}

function stepOf(rig: TrialRig, rev: number) {
  const step = rig.device.steps?.[rev]
  if (!step) throw new Error(`no step ${rev}`)
  return step
}

const lastOf = (step: { progress: Record<string, unknown> }) => step.progress

describe('live', () => {
  test('[AG70] a change of containers alone is carried out live and ends UPDATED after the commit delay', async () => {
    const { rig, step } = await offered(stateOf({ web: web(2), extra: web(1) }))
    const before = rig.clock.now()
    expect(await rig.settle()).toEqual(['idle'])
    expect(wordsOf(step)).toEqual(['QUEUED', 'DOWNLOADING', 'INPROGRESS', 'TESTING', 'UPDATED'])
    expect(step.history.map((each) => each.progress)).toEqual([5, 25, 50, 75, 100])
    expect(rig.clock.now() - before).toBeGreaterThanOrEqual(25_000)
    expect(await rig.running()).toBe('2')
    expect(await rig.marked()).toBe(false)
  })

  test('[AG71] containers that did not change run on through an update', async () => {
    const first = stateOf({ still: web(1), web: web(1) })
    const rig = await createTrialRig(first, { untilIdle: false })
    let before: string[] = []
    let after: string[] = []
    const seen = () => {
      const word = wordsOf(stepOf(rig, 1)).at(-1)
      if (rig.device.steps?.length === 2 && (word === 'UPDATED' || word === 'DONE')) {
        before = rig.sim.alive()
        rig.hub.addStep(rig.device, stateOf({ still: web(1), web: web(2) }))
      }
      if (rig.device.steps?.[2]?.progress.status === 'UPDATED') after = rig.sim.alive()
      return after.length > 0
    }
    let end = await rig.live(undefined, seen)
    if (end === 'restart') end = await rig.live(undefined, seen)
    expect(end).toBe('killed')
    const named = (name: string, all: string[]) => all.filter((each) => each.startsWith(`${name}#`))
    expect(named('still', before)).toHaveLength(1)
    expect(named('still', after)).toEqual(named('still', before))
    expect(named('web', after)).toHaveLength(1)
    expect(named('web', after)).not.toEqual(named('web', before))
  })

  test('[AG72] a final word carries its evidence: state, start and what the probes said', async () => {
    const probed = web(2, 'steady', { probes: [{ http: 'http://127.0.0.1:8080/health' }] })
    const { rig, step } = await offered(stateOf({ web: probed }))
    await rig.settle()
    expect(lastOf(step)).toMatchObject({
      status: 'UPDATED',
      data: {
        revision: 2,
        'start-id': expect.stringMatching(/^life-\d+\/2$/),
        'state-sha': expect.stringMatching(/^[0-9a-f]{64}$/),
        health: ['files in place', 'web process: STARTED', 'web http http://127.0.0.1:8080/health: 200'],
      },
    })
  })

  const failures = [
    {
      what: 'a crash while testing',
      second: web(2, 'dies 8000'),
      says: /Container web exited with code 3/,
      logs: /web says hello/,
    },
    { what: 'a program that is not there', second: web(2, 'missing'), says: /could not be started/ },
    {
      what: 'a goal that is not reached in time',
      second: web(2, 'steady', { status_goal: 'READY' }),
      says: /Status goal not reached: container web is STARTED, wanted READY/,
    },
    {
      what: 'a probe that is refused',
      second: web(2, 'steady', { probes: [{ http: 'http://127.0.0.1:1/' }] }),
      says: /Health probe failed: web http .*500/,
      doors: 500,
    },
    {
      what: 'recovery that is exhausted',
      second: web(2, 'dies 100', {
        auto_recovery: { policy: 'on-failure', max_retries: 2, retry_delay: 1 },
      }),
      says: /Container web exited with code 3 after 2 retries/,
    },
  ]
  for (const { what, second, says, logs, doors } of failures)
    test(`[AG73] ${what} brings the previous revision back and ends ERROR`, async () => {
      const { rig, step } = await offered(stateOf({ web: second }))
      if (doors !== undefined) rig.sim.answer(doors)
      expect((await rig.settle()).at(-1)).toBe('idle')
      expect(lastOf(step).status).toBe('ERROR')
      expect(lastOf(step)['status-msg']).toMatch(says)
      if (logs) expect(lastOf(step).logs).toMatch(logs)
      expect(await rig.running()).toBe('1')
      expect(await rig.marked()).toBe(false)
      // What was started last is the old container.
      const names = rig.events.flatMap((each) => (each.event === 'rolling-back' ? [each.to] : []))
      expect(names).toEqual([1])
    })

  test('[AG74] losing the hub in TESTING does not commit', async () => {
    const { rig, step } = await offered(stateOf({ web: web(2) }))
    let cut = 0
    rig.hub.onRequest((seen) => {
      if (wordsOf(step).at(-1) !== 'TESTING' || !seen.path.endsWith('meta') || cut > 0) return undefined
      cut++
      return { cut: true }
    })
    await rig.settle()
    expect(cut).toBe(1)
    expect(lastOf(step)).toMatchObject({
      status: 'ERROR',
      'status-msg': expect.stringMatching(/^Hub communication not stable/),
    })
    expect(await rig.running()).toBe('1')
  })

  test('[AG74] a refusal in TESTING is a reply, and commits', async () => {
    const { rig, step } = await offered(stateOf({ web: web(2) }))
    rig.hub.onRequest((seen) =>
      wordsOf(step).at(-1) === 'TESTING' && seen.path.endsWith('device-meta') ? { status: 503 } : undefined,
    )
    await rig.settle()
    expect(lastOf(step).status).toBe('UPDATED')
  })
})

test('[AG76] a disk that will not take the mark ends the step in ERROR, with the old revision in force', async () => {
  for (const group of ['app', 'base']) {
    const core = (version: number) => stateOf({ core: web(version, 'steady', { group }) })
    const { rig, step } = await offered(core(2), {}, core(1))
    const full = {
      ...rig.disk,
      open: async (...[path, how]: Parameters<typeof rig.disk.open>) => {
        if (path.startsWith('update/try')) throw new Error('ENOSPC')
        return rig.disk.open(path, how)
      },
    }
    let end = await rig.live(() => full)
    if (end === 'restart') end = await rig.live(() => full)
    expect(end).toBe('idle')
    expect(lastOf(step).status).toBe('ERROR')
    expect(await rig.running()).toBe('1')
  }
})

describe('with a restart', () => {
  const system = (version: number, command = 'steady') =>
    stateOf({ core: container(command, { group: 'base', env: { V: String(version) } }) })

  test('[AG75] what needs a restart is tried by the next start, and ends DONE', async () => {
    const { rig, step } = await offered(system(2), {}, system(1))
    expect(await rig.settle()).toEqual(['restart', 'idle'])
    expect(wordsOf(step)).toEqual(['QUEUED', 'DOWNLOADING', 'INPROGRESS', 'TESTING', 'DONE'])
    expect(step.history.map((each) => each['status-msg'])).toEqual([
      'Retried 0 of 10',
      'Downloading objects',
      'Rebooting',
      'Trying new revision',
      'Testing revision',
      'Update finished',
    ])
    expect(await rig.running()).toBe('2')
  })

  test('[AG76] a crash on trial is told after the restart that rolled it back, with its last lines', async () => {
    const { rig, step } = await offered(system(2, 'dies 9000'), {}, system(1))
    expect(await rig.settle()).toEqual(['restart', 'restart', 'idle'])
    expect(lastOf(step)).toMatchObject({
      status: 'ERROR',
      'status-msg': 'Container core exited with code 3',
      logs: expect.stringContaining('core says hello'),
      data: { revision: 1 },
    })
    expect(await rig.running()).toBe('1')
    expect(await rig.marked()).toBe(false)
  })

  for (const word of ['INPROGRESS', 'TESTING'])
    test(`[AG77] an unexpected rollback becomes ERROR (the agent died at ${word})`, async () => {
      const { rig, step } = await offered(system(2), {}, system(1))
      expect(await rig.live()).toBe('restart')
      const trying = () => step.progress.status === word && step.progress['status-msg'] !== 'Rebooting'
      expect(await rig.live(undefined, trying)).toBe('killed')
      expect(await rig.settle()).toEqual(['idle'])
      expect(lastOf(step)).toMatchObject({
        status: 'ERROR',
        'status-msg': expect.stringMatching(/^Unexpected rollback/),
      })
      expect(await rig.running()).toBe('1')
      // Nothing of the tried revision runs on.
      expect(rig.sim.alive()).toEqual([])
    })

  for (const [kind, first, last] of [
    ['that came with a restart', () => [system(1), system(2)], 'DONE'],
    ['that came live', () => [stateOf({ web: web(1) }), stateOf({ web: web(2) })], 'UPDATED'],
  ] as const)
    test(`[AG85] an end that was asked for in the midst of testing leaves a revision ${kind} to the next start, which keeps it`, async () => {
      const [from, to] = first()
      const { rig, step } = await offered(to, {}, from)
      const stop = new AbortController()
      const testing = () => step.progress.status === 'TESTING'
      if (kind === 'that came with a restart') expect(await rig.live()).toBe('restart')
      expect(await rig.live(undefined, undefined, { stop, when: testing })).toBe('stopped')
      expect(rig.sim.alive()).toEqual([])
      expect(await rig.marked()).toBe(true)
      expect(await rig.settle()).toEqual(['idle'])
      expect(lastOf(step)).toMatchObject({ status: last, data: { revision: 2 } })
      expect(await rig.running()).toBe('2')
      expect(await rig.marked()).toBe(false)
    })

  test('[AG78] an INPROGRESS found at start does not loop: it is run once, concluded once', async () => {
    const { rig, step } = await offered(system(2), {}, system(1))
    await rig.live()
    await rig.live(undefined, () => step.progress['status-msg'] === 'Trying new revision')
    await rig.settle()
    const history = step.history.length
    // An owner's server that forgot the last word offers it again, as it was.
    for (const status of ['INPROGRESS', 'TESTING', 'QUEUED', 'NEW']) {
      step.progress = { status }
      expect(await rig.settle()).toEqual(['idle'])
      expect(lastOf(step).status).toBe('ERROR')
    }
    expect(step.history.slice(history).map((each) => each.status)).toEqual(Array(4).fill('ERROR'))
    expect(rig.events.filter((each) => each.event === 'step')).toHaveLength(1)
  })

  test('[AG79] a hub that a tried revision does not reach in time brings the previous one back', async () => {
    const { rig, step } = await offered(system(2), { hubWaitMs: 60_000 }, system(1))
    await rig.live()
    rig.hub.onRequest(() => ({ cut: true }))
    expect(await rig.live()).toBe('restart')
    expect(await rig.running()).toBe('2')
    rig.hub.onRequest(() => undefined)
    expect(await rig.settle()).toEqual(['idle'])
    expect(lastOf(step)).toMatchObject({ status: 'ERROR', 'status-msg': 'Hub not reachable' })
    expect(await rig.running()).toBe('1')
  })

  test('[AG79] an unclaimed device on a trial revision does not deadlock', async () => {
    const { rig } = await offered(system(2), { hubWaitMs: 60_000 }, system(1))
    await rig.live()
    // It has lost its identity with the hub: only a claim would let it report.
    rig.config = { ...rig.config, identity: undefined }
    expect(await rig.live()).toBe('restart')
    expect(rig.events.some((each) => each.event === 'challenge')).toBe(true)
    let claimed = false
    await rig.live(undefined, () => {
      const fresh = [...rig.hub.devices.values()].find((each) => each.owner === '')
      if (fresh) rig.hub.claim(fresh)
      claimed = rig.events.some((each) => each.event === 'claimed')
      return claimed
    })
    expect(claimed).toBe(true)
    expect(await rig.running()).toBe('1')
    expect(await rig.marked()).toBe(false)
  })
})

test('[AG77] a disk without room for the reason does not keep the previous revision from running', async () => {
  const based = (version: number) =>
    stateOf({ core: container('steady', { group: 'base', env: { V: String(version) } }) })
  const { rig, step } = await offered(based(2), {}, based(1))
  expect(await rig.live()).toBe('restart')
  // The one start that may try it dies over it, and the next finds no room.
  await rig.live(undefined, () => true)
  for (const name of rig.sim.alive()) rig.sim.crash(name.replace(/#.*/, ''))
  const full = (disk: Disk): Disk => ({
    ...disk,
    async open(path, how) {
      if (path.startsWith('update/finals')) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
      return disk.open(path, how)
    },
  })
  let ran: string[] = []
  await rig.live(
    () => full(rig.disk),
    () => {
      ran = rig.sim.alive()
      return ran.length > 0
    },
  )
  expect(await rig.running()).toBe('1')
  expect(ran).toHaveLength(1)
  expect((await rig.settle()).at(-1)).toBe('idle')
  expect(lastOf(step)).toMatchObject({ status: 'ERROR' })
  expect(await rig.marked()).toBe(false)
})

describe('a trail that is closed', () => {
  test('[AG10] ends the trial it comes upon: revision 0 runs, and what is posted next is tried afresh', async () => {
    const based = (version: number) =>
      stateOf({ core: container('steady', { group: 'base', env: { V: String(version) } }) })
    const { rig } = await offered(based(2), {}, based(1))
    expect(await rig.live()).toBe('restart')
    rig.device.steps = undefined
    expect(await rig.settle()).toEqual(['idle'])
    expect(await rig.running()).toBe('0')
    expect(await rig.marked()).toBe(false)
    expect(rig.events.filter((each) => each.event === 'done' || each.event === 'error')).toEqual([])
    const next = rig.hub.addStep(rig.device, based(3))
    expect((await rig.settle()).at(-1)).toBe('idle')
    expect(lastOf(next)).toMatchObject({ status: 'DONE' })
  })

  test('[AG10] makes a device at revision 0 forget what it said: the same state is tried again', async () => {
    const rig = await createTrialRig(stateOf({ web: container('missing') }))
    await rig.settle()
    expect(lastOf(stepOf(rig, 1))).toMatchObject({ status: 'ERROR' })
    rig.device.steps = undefined
    await rig.settle()
    const again = rig.hub.addStep(rig.device, stateOf({ web: container('missing') }))
    await rig.settle()
    expect(again.history.map((each) => each.status)).toContain('INPROGRESS')
  })
})

describe('retries', () => {
  test('[AG28] the retry count survives on the device, and ends WONTGO', async () => {
    const { rig, step } = await offered(stateOf({ web: web(2) }), { revisionRetries: 3 })
    const counts: unknown[] = []
    for (let n = 0; n < 3; n++) {
      const before = step.history.length
      await rig.live(undefined, () => {
        const taken = step.history.length > before && step.progress.status === 'QUEUED'
        if (taken) counts.push(step.progress.retries)
        return taken
      })
      // A server that forgets does not set it back.
      step.progress = { status: 'NEW' }
    }
    expect(counts).toEqual([0, 1, 2])
    expect(await rig.settle()).toEqual(['idle'])
    expect(lastOf(step)).toMatchObject({ status: 'WONTGO', 'status-msg': 'Retried 3 of 3' })
  })
})

describe('state checks', () => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const others = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  function signed(key = keys.privateKey, include = ['**']) {
    const parsed = parseState(stateOf({ web: web(2) }))
    if (!parsed.ok) throw new Error(parsed.refusal.thing)
    const { path, document } = signState({
      state: parsed.state,
      name: 'maker',
      selection: { include, exclude: [] },
      key,
    })
    return { ...stateOf({ web: web(2) }), [path]: document }
  }
  const table = [
    { mode: 'disabled', state: 'by a stranger', ends: 'UPDATED' },
    { mode: 'audit', state: 'by a stranger', ends: 'UPDATED' },
    { mode: 'lenient', state: 'by a stranger', ends: 'WONTGO' },
    { mode: 'strict', state: 'by a stranger', ends: 'WONTGO' },
    { mode: 'lenient', state: 'by the maker', ends: 'UPDATED' },
    { mode: 'strict', state: 'by the maker', ends: 'UPDATED' },
    { mode: 'lenient', state: 'in part', ends: 'UPDATED' },
    { mode: 'strict', state: 'in part', ends: 'WONTGO' },
    { mode: 'lenient', state: 'not at all', ends: 'UPDATED' },
    { mode: 'strict', state: 'not at all', ends: 'WONTGO' },
  ] as const
  const states = {
    'by a stranger': () => signed(others.privateKey),
    'by the maker': () => signed(),
    'in part': () => signed(keys.privateKey, ['device.json']),
    'not at all': () => stateOf({ web: web(2) }),
  }
  for (const [mode, ends] of [
    ['lenient', 'UPDATED'],
    ['strict', 'WONTGO'],
  ] as const)
    test(`[AG80] a device without any key, in mode ${mode}: a signed state ends ${ends}, and what was seen is told`, async () => {
      const { rig, step } = await offered(signed())
      rig.config = { ...rig.config, signatures: { mode, trusted: [] } }
      await rig.settle()
      expect(lastOf(step).status).toBe(ends)
      expect(rig.events).toContainEqual(expect.objectContaining({ event: 'signatures', valid: 0 }))
    })

  for (const { mode, state, ends } of table)
    test(`[AG80] mode ${mode}: a state signed ${state} ends ${ends}`, async () => {
      const { rig, step } = await offered(states[state]())
      rig.config = {
        ...rig.config,
        signatures: { mode, trusted: [{ name: 'maker', key: keys.publicKey }] },
      }
      await rig.settle()
      expect(lastOf(step).status).toBe(ends)
      if (ends === 'WONTGO') {
        expect(lastOf(step)['status-msg']).toMatch(/^Signature check/)
        expect(wordsOf(step)).toEqual(['QUEUED', 'WONTGO'])
      }
    })

  test('[AG81] a state that cannot be run ends WONTGO before anything is fetched', async () => {
    const { rig, step } = await offered(stateOf({ web: { ...web(2), group: 'nowhere' } }))
    await rig.settle()
    expect(lastOf(step)).toMatchObject({
      status: 'WONTGO',
      'status-msg': 'web/run.json group: wanted one of base, app, got "nowhere"',
    })
    expect(wordsOf(step)).toEqual(['QUEUED', 'WONTGO'])
  })
})

describe('files alone', () => {
  test('[AG82] with a commit delay files are tried too; without one they are kept at once', async () => {
    for (const commitDelayMs of [0, 25_000]) {
      const rig = await createTrialRig({ '#spec': spec, 'a.json': 1 }, { commitDelayMs }, 'files')
      expect(await rig.settle()).toEqual(['idle'])
      const words = ['QUEUED', 'DOWNLOADING', 'INPROGRESS', ...(commitDelayMs > 0 ? ['TESTING'] : []), 'DONE']
      expect(wordsOf(stepOf(rig, 1))).toEqual(words)
    }
  })
})
