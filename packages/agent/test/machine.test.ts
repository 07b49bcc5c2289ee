import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { advance, newMachine } from '../src/machine.ts'
import type { Final, Found, Input, Machine, MachineSettings, Task, Wish } from '../src/model.ts'
import { backoffMs } from '../src/turn.ts'
import { spec } from './support/fake-hub.ts'

const settings: MachineSettings = {
  pollMs: 5000,
  userMetaMs: 5000,
  deviceMetaMs: 10_000,
  progressMs: 6000,
  revisionRetries: 10,
  lookUpTries: 3,
  backoffFirstMs: 1000,
  backoffCapMs: 60_000,
  offlineAfter: 0,
  untilIdle: false,
}
const sha = 'ab'.repeat(32)
const identity = {
  id: '5c0e00000000000000000001',
  prn: 'prn:::devices:/5c0e00000000000000000001',
  secret: 's',
}
const running = { rev: 1, stateSha: 'cd'.repeat(32) }
const stepTwo = { rev: 2, status: 'NEW', message: '', state: { '#spec': spec, 'app/root': sha } }

/** Plays a machine by hand: tells it things and shows what it wishes. */
function player(machine = newMachine(settings, 'start')) {
  let now = 1000
  const said: string[] = []
  const play = {
    machine,
    wishes: [] as readonly Wish[],
    tell(input: Input, laterMs = 10) {
      now += laterMs
      const turn = advance(play.machine, input, { now, luck: 0.5 })
      play.machine = turn.machine
      play.wishes = turn.wishes
      for (const wish of turn.wishes) {
        if (wish.wish === 'do') said.push(wish.task.do)
        if (wish.wish === 'chore' && wish.chore.chore === 'figures') said.push('figures')
      }
      return play
    },
    /** The task that was begun in the last turn. */
    task: (): Task | undefined => play.wishes.find((wish) => wish.wish === 'do')?.task,
    said,
  }
  return play
}

/** A machine that rests on revision 1. */
function resting(overrides: Partial<Machine> = {}) {
  const play = player()
  const owned = {
    id: identity.id,
    prn: identity.prn,
    owner: 'prn:::accounts:/1',
    nick: '',
    challenge: '',
    secret: '',
  }
  play.tell({ kind: 'start' })
  play.tell({
    kind: 'did',
    task: 'load',
    result: {
      identity: { identity, claimed: true },
      running,
      attempt: undefined,
      finals: [],
      factory: false,
    },
  })
  play.tell({ kind: 'did', task: 'login', result: null })
  play.tell({ kind: 'did', task: 'ask-device', result: owned })
  play.tell({ kind: 'did', task: 'list-trails', result: [identity.id] })
  play.tell({ kind: 'timer', timer: 'task' })
  expect(play.task()).toBe(undefined)
  play.tell({ kind: 'chore-over', chore: 'device-meta' })
  expect(play.task()?.do).toBe('poll')
  play.machine = { ...play.machine, ...overrides }
  return play
}

/** The same machine while it downloads 100 bytes for step 2. */
function downloading() {
  const play = resting()
  const missing = [{ sha, size: 100, getUrl: 'http://x' }]
  play.tell({ kind: 'did', task: 'poll', result: stepTwo })
  play.tell({ kind: 'did', task: 'keep-attempt', result: null })
  play.tell({ kind: 'did', task: 'report', result: null })
  play.tell({ kind: 'did', task: 'confirm', result: { ...stepTwo, status: 'QUEUED' } })
  play.tell({
    kind: 'did',
    task: 'look-up',
    result: { missing, reused: 0, requiredBytes: 100, availableBytes: 1e9 },
  })
  play.tell({ kind: 'did', task: 'report', result: null })
  expect(play.task()?.do).toBe('download')
  play.said.length = 0
  return play
}

test('[AG12] an announce that fails again and again is made ever more slowly, though the hub answers in between', () => {
  const play = resting()
  const pauses: number[] = []
  play.tell({
    kind: 'failed',
    task: 'poll',
    failure: { kind: 'refused', call: 'steps', status: 404, detail: '' },
  })
  play.tell({ kind: 'timer', timer: 'task' })
  for (let i = 0; i < 8; i++) {
    play.tell({ kind: 'did', task: 'list-trails', result: [] })
    if (play.task()?.do === 'return-to-factory')
      play.tell({ kind: 'did', task: 'return-to-factory', result: { rev: 0, stateSha: sha } })
    expect(play.task()?.do).toBe('announce')
    play.tell({
      kind: 'failed',
      task: 'announce',
      failure: { kind: 'refused', call: 'announce', status: 400, detail: '' },
    })
    const wake = play.wishes.find((wish) => wish.wish === 'wake')
    pauses.push(wake?.wish === 'wake' ? wake.afterMs : 0)
    play.tell({ kind: 'timer', timer: 'task' })
    expect(play.task()?.do).toBe('list-trails')
  }
  expect(pauses).toEqual([750, 1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000])
})

describe('[AG45] the hub hears which revision runs before it is asked what comes next', () => {
  const unreachable = { kind: 'unreachable', detail: 'silence' } as const
  const metas = ({ wishes }: Pick<ReturnType<typeof player>, 'wishes'>) =>
    wishes.filter((wish) => wish.wish === 'chore' && wish.chore.chore === 'device-meta')
  /** A machine whose next poll is due, after another revision has come into force. */
  const withNews = () => {
    const play = resting({ running: { rev: 2, stateSha: 'ef'.repeat(32) } })
    play.tell({ kind: 'did', task: 'poll', result: undefined })
    return play.tell({ kind: 'timer', timer: 'task' })
  }

  test('nothing new: the poll goes out alone', () => {
    const play = resting()
    play.tell({ kind: 'did', task: 'poll', result: undefined })
    play.tell({ kind: 'timer', timer: 'task' })
    expect(play.task()?.do).toBe('poll')
    expect(metas(play)).toEqual([])
  })
  test('another revision: the poll waits for device-meta, and only once', () => {
    const play = withNews()
    expect(play.task()).toBe(undefined)
    expect(metas(play)).toMatchObject([{ chore: { about: { rev: 2 }, afresh: true } }])
    play.tell({ kind: 'timer', timer: 'device-meta' })
    expect(metas(play)).toEqual([])
    play.tell({ kind: 'chore-over', chore: 'device-meta' })
    expect(play.task()?.do).toBe('poll')
    play.tell({ kind: 'did', task: 'poll', result: undefined })
    expect(play.tell({ kind: 'timer', timer: 'task' }).task()?.do).toBe('poll')
  })
  test('without an answer both are tried again after a pause; a refusal lets the poll go on', () => {
    const play = withNews()
    play.tell({ kind: 'chore-over', chore: 'device-meta', failure: unreachable })
    expect(play.task()).toBe(undefined)
    play.tell({ kind: 'timer', timer: 'task' })
    expect(play.task()).toBe(undefined)
    expect(metas(play).length).toBe(1)
    const refused = { kind: 'refused', call: 'device-meta', status: 400, detail: '' } as const
    play.tell({ kind: 'chore-over', chore: 'device-meta', failure: refused })
    expect(play.task()?.do).toBe('poll')
  })
  test('back on what was told last, with another word on its way or lost: it is told again', () => {
    const play = resting({ running: { rev: 2, stateSha: 'ef'.repeat(32) } })
    play.tell({ kind: 'timer', timer: 'device-meta' })
    play.machine = { ...play.machine, running }
    play.tell({ kind: 'did', task: 'poll', result: undefined })
    play.tell({ kind: 'timer', timer: 'task' })
    expect(play.task()).toBe(undefined)
    play.tell({ kind: 'chore-over', chore: 'device-meta', failure: unreachable })
    play.tell({ kind: 'timer', timer: 'task' })
    expect(metas(play)).toMatchObject([{ chore: { about: { rev: 1 }, afresh: true } }])
    play.tell({ kind: 'chore-over', chore: 'device-meta' })
    expect(play.task()?.do).toBe('poll')
  })
})

describe('[AG36] an update that was carried out is concluded, offered or not', () => {
  const attempt = { ...running, retries: 2 }
  const said: Final = {
    ...running,
    sent: true,
    progress: { status: 'DONE', 'status-msg': '', progress: 100, retries: 0 },
  }
  const starts = [
    { name: 'the attempt runs and nothing was said of it', attempt, finals: [], first: 'keep-final' },
    { name: 'its last word is known', attempt, finals: [said], first: undefined },
    { name: 'something else runs', attempt: { ...attempt, rev: 2 }, finals: [], first: undefined },
    {
      name: 'the same number runs with another state',
      attempt: { ...attempt, stateSha: sha },
      finals: [],
      first: undefined,
    },
    { name: 'nothing was attempted', attempt: undefined, finals: [], first: undefined },
  ] as const
  for (const { name, first, ...found } of starts)
    test(name, () => {
      const play = player()
      play.tell({ kind: 'start' })
      const result: Found = { identity: { identity, claimed: true }, running, factory: false, ...found }
      play.tell({ kind: 'did', task: 'load', result })
      play.tell({ kind: 'did', task: 'login', result: null })
      play.tell({
        kind: 'did',
        task: 'ask-device',
        result: { ...identity, owner: 'o', nick: '', challenge: '' },
      })
      play.tell({ kind: 'did', task: 'list-trails', result: [identity.id] })
      expect(play.task()?.do).toBe(first)
      if (first === undefined) return
      expect(play.task()).toMatchObject({ final: { rev: 1, progress: { status: 'DONE', retries: 2 } } })
      play.tell({ kind: 'did', task: 'keep-final', result: null })
      expect(play.task()).toMatchObject({ do: 'report', rev: 1, progress: { status: 'DONE' } })
    })
})

describe('[AG35] a step that changed before the hub heard QUEUED is not begun', () => {
  const lost = { kind: 'unreachable', detail: 'lost' } as const
  const gone = { kind: 'refused', call: 'steps', status: 404, detail: '' } as const
  const queued = { ...stepTwo, status: 'QUEUED' }
  const other = { '#spec': spec, 'app/root': 'ef'.repeat(32) }

  /** The same machine after the hub has answered QUEUED for step 2. */
  function asking() {
    const play = resting()
    play.tell({ kind: 'did', task: 'poll', result: stepTwo })
    play.tell({ kind: 'did', task: 'keep-attempt', result: null })
    play.tell({ kind: 'did', task: 'report', result: null })
    expect(play.task()).toEqual({ do: 'confirm', trail: identity.id })
    return play
  }

  const answers = [
    { name: 'the step as it was is begun', result: queued, next: 'look-up' },
    { name: 'a step that was cancelled is left', result: undefined, next: 'poll' },
    { name: 'a step with another state is read anew', result: { ...queued, state: other }, next: 'poll' },
    { name: 'another step is read anew', result: { ...queued, rev: 3 }, next: 'poll' },
    { name: 'a state that cannot be read is read anew', result: { ...queued, state: 7 }, next: 'poll' },
  ]
  for (const { name, result, next } of answers)
    test(name, () => {
      const play = asking()
      play.tell({ kind: 'did', task: 'confirm', result })
      if (next === 'poll') play.tell({ kind: 'timer', timer: 'task' })
      expect(play.task()?.do).toBe(next)
    })

  test('a lost network delays it and fails nothing; a trail that is gone is left', () => {
    const play = asking()
    for (let i = 0; i < 20; i++) {
      play.tell({ kind: 'failed', task: 'confirm', failure: lost })
      play.tell({ kind: 'timer', timer: 'task' })
      expect(play.task()?.do).toBe('confirm')
    }
    play.tell({ kind: 'failed', task: 'confirm', failure: gone })
    expect(play.machine.phase.state).toBe('idle')
  })
})

describe('[AG20] reports never overtake each other', () => {
  test('figures go out when they are due, one at a time', () => {
    const play = downloading()
    play.tell({ kind: 'moved', bytes: 10, total: 100 }, 100)
    expect(play.said).toEqual([])
    play.tell({ kind: 'moved', bytes: 20, total: 100 }, 6000)
    play.tell({ kind: 'moved', bytes: 30, total: 100 }, 6000)
    expect(play.said).toEqual(['figures'])
    play.tell({ kind: 'chore-over', chore: 'figures' })
    play.tell({ kind: 'moved', bytes: 40, total: 100 }, 10)
    expect(play.said).toEqual(['figures', 'figures'])
  })

  test('the next word waits for figures that are on their way, and follows when they are answered or lost', () => {
    const play = downloading()
    play.tell({ kind: 'moved', bytes: 99, total: 100 }, 7000)
    play.tell({ kind: 'did', task: 'download', result: null })
    play.tell({ kind: 'did', task: 'prepare', result: null })
    expect(play.said).toEqual(['figures', 'prepare'])
    play.tell({ kind: 'chore-over', chore: 'figures', failure: { kind: 'unreachable', detail: '' } })
    expect(play.said).toEqual(['figures', 'prepare', 'report'])
    expect(play.task()).toMatchObject({ do: 'report', progress: { status: 'INPROGRESS' } })
  })

  test('bytes told after the download is over change nothing', () => {
    const play = downloading()
    play.tell({ kind: 'did', task: 'download', result: null })
    play.tell({ kind: 'moved', bytes: 100, total: 100 }, 9000)
    expect(play.wishes).toEqual([])
  })
})

test('[AG12] a task that fails is done again after pauses that double up to the cap; success sets them back', () => {
  const play = resting()
  const pauses: number[] = []
  for (let i = 0; i < 9; i++) {
    play.tell({ kind: 'failed', task: 'poll', failure: { kind: 'unreachable', detail: 'down' } })
    const wake = play.wishes.find((wish) => wish.wish === 'wake')
    pauses.push(wake?.wish === 'wake' ? wake.afterMs : -1)
    expect(play.task()).toBeUndefined()
    play.tell({ kind: 'timer', timer: 'task' })
    expect(play.task()?.do).toBe('poll')
  }
  expect(pauses).toEqual([750, 1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000, 45_000])
  play.tell({ kind: 'did', task: 'poll', result: undefined })
  play.tell({ kind: 'timer', timer: 'task' })
  play.tell({ kind: 'failed', task: 'poll', failure: { kind: 'unreachable', detail: 'down' } })
  expect(play.wishes).toContainEqual({ wish: 'wake', timer: 'task', afterMs: 750 })
})

test('[AG12] jitter spreads a fleet over half of the pause', () => {
  const machine = newMachine(settings, 'x')
  expect([backoffMs(machine, 3, 0), backoffMs(machine, 3, 0.999)]).toEqual([4000, 7996])
})

test('[AG4] a hub that registers a device and then denies it is not flooded with records', () => {
  const play = player()
  const record = { ...identity, owner: '', nick: '', challenge: 'a-b-c' }
  play.tell({ kind: 'start' })
  play.tell({
    kind: 'did',
    task: 'load',
    result: { identity: undefined, running, attempt: undefined, finals: [], factory: false },
  })
  const pauses: number[] = []
  for (let i = 0; i < 8; i++) {
    expect(play.task()?.do).toBe('register')
    play.tell({ kind: 'did', task: 'register', result: record })
    expect(play.task()?.do).toBe('keep-identity')
    play.tell({ kind: 'did', task: 'keep-identity', result: null })
    play.tell({
      kind: 'failed',
      task: 'ask-device',
      failure: { kind: 'login-refused', status: 401, detail: '' },
    })
    const wake = play.wishes.find((wish) => wish.wish === 'wake')
    pauses.push(wake?.wish === 'wake' ? wake.afterMs : -1)
    play.tell({ kind: 'timer', timer: 'task' })
  }
  expect(pauses).toEqual([1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000, 45_000])
})

test('[AG7] a trail with another id than the one in the settings stops the agent', () => {
  const play = resting({ settings: { ...settings, trailId: identity.id } })
  play.tell({
    kind: 'failed',
    task: 'poll',
    failure: { kind: 'refused', call: 'steps', status: 403, detail: '' },
  })
  play.tell({ kind: 'timer', timer: 'task' })
  play.tell({ kind: 'did', task: 'list-trails', result: ['5c0e00000000000000000002'] })
  const refusal = { thing: 'trail.id', wanted: identity.id, got: 'the trail 5c0e00000000000000000002' }
  expect(play.wishes).toEqual([{ wish: 'end', outcome: { kind: 'refused', refusal } }])
})

test('[AG1] a poll that finds nothing is made again only after the interval', () => {
  const play = resting()
  play.tell({ kind: 'did', task: 'poll', result: undefined })
  expect(play.wishes).toEqual([{ wish: 'wake', timer: 'task', afterMs: settings.pollMs }])
  play.tell({ kind: 'timer', timer: 'task' })
  expect(play.task()?.do).toBe('poll')
})

test('[AG10] a poll that is refused leads back to the question whether there is a trail', () => {
  const play = resting()
  play.tell({
    kind: 'failed',
    task: 'poll',
    failure: { kind: 'refused', call: 'steps', status: 403, detail: '' },
  })
  expect(play.wishes).toContainEqual({ wish: 'wake', timer: 'task', afterMs: 5000 })
  expect(play.machine.phase.state).toBe('sync')
  play.tell({ kind: 'timer', timer: 'task' })
  expect(play.task()?.do).toBe('list-trails')
})

test('[AG26] the last word is kept before it is sent', () => {
  const play = downloading()
  play.tell({ kind: 'did', task: 'download', result: null })
  play.tell({ kind: 'did', task: 'prepare', result: null })
  play.tell({ kind: 'did', task: 'report', result: null })
  play.tell({ kind: 'did', task: 'switch', result: { probes: [] } })
  play.tell({ kind: 'did', task: 'keep-final', result: null })
  play.tell({ kind: 'did', task: 'report', result: null })
  play.tell({ kind: 'did', task: 'keep-final', result: null })
  expect(play.said).toEqual(['prepare', 'report', 'switch', 'keep-final', 'report', 'keep-final'])
  expect(play.machine.finals).toMatchObject([{ rev: 2, sent: true, progress: { status: 'DONE' } }])
})

test('a result that nobody waits for changes nothing', () => {
  const play = resting()
  const before = play.machine
  play.tell({ kind: 'did', task: 'switch', result: { probes: [] } })
  play.tell({ kind: 'failed', task: 'announce', failure: { kind: 'disk', detail: 'x' } })
  expect(play.machine).toBe(before)
  // A timer that fires while its task runs does not begin it twice.
  play.tell({ kind: 'timer', timer: 'task' })
  expect(play.wishes).toEqual([])
})

test('the hub is called lost only after as many unanswered requests as are forgiven', () => {
  const play = player(newMachine({ ...settings, offlineAfter: 2 }, 'x'))
  const told = (reached: boolean) => {
    play.tell({ kind: 'contact', reached, detail: 'down' })
    return play.wishes.flatMap((wish) => (wish.wish === 'tell' ? [wish.event.event] : []))
  }
  expect([told(true), told(false), told(false), told(false), told(false), told(true)]).toEqual([
    ['online'],
    [],
    [],
    ['offline'],
    [],
    ['online'],
  ])
})

test('whatever happens in whatever order, one thing at most is under way and something always follows', () => {
  const anyFailure = fc.constantFrom<Extract<Input, { kind: 'failed' }>['failure']>(
    { kind: 'unreachable', detail: '' },
    { kind: 'login-refused', status: 401, detail: '' },
    { kind: 'refused', call: 'x', status: 403, detail: '' },
    { kind: 'refused', call: 'x', status: 400, detail: '' },
    { kind: 'refused', call: 'x', status: 500, detail: '' },
    { kind: 'garbled', call: 'x', detail: '' },
    { kind: 'disk', detail: 'ENOSPC' },
    { kind: 'object', sha, detail: 'corrupt' },
    { kind: 'driver', detail: 'ill' },
  )
  const record = { ...identity, owner: '', nick: '', challenge: 'a-b-c' }
  const results: { [K in Task['do']]: fc.Arbitrary<unknown> } = {
    load: fc.constant({
      running: undefined,
      identity: undefined,
      attempt: undefined,
      finals: [],
      factory: true,
    }),
    'install-factory': fc.constant({ rev: 0, stateSha: sha }),
    register: fc.constant(record),
    'keep-identity': fc.constant(null),
    login: fc.constant(null),
    'ask-device': fc.constantFrom(record, { ...record, owner: 'prn:::accounts:/1' }),
    'list-trails': fc.constantFrom([], [identity.id]),
    'read-factory-step': fc.constantFrom({ ...stepTwo, rev: 0 }, { ...stepTwo, rev: 0, state: 7 }),
    adopt: fc.constant(null),
    'return-to-factory': fc.constant({ rev: 0, stateSha: sha }),
    announce: fc.constant(null),
    poll: fc.constantFrom(
      undefined,
      stepTwo,
      { ...stepTwo, status: 'INPROGRESS' },
      { ...stepTwo, rev: 3, state: {} },
      {
        ...stepTwo,
        state: { '../x': sha },
      },
    ),
    confirm: fc.constantFrom(undefined, { ...stepTwo, status: 'QUEUED' }, { ...stepTwo, state: {} }),
    'keep-attempt': fc.constant(null),
    note: fc.constant(null),
    'look-over': fc.constantFrom([], [sha]),
    obey: fc.constant(null),
    report: fc.constant(null),
    'look-up': fc.constantFrom(
      { missing: [], reused: 1, requiredBytes: 0, availableBytes: 10 },
      { missing: [{ sha, size: 9, getUrl: 'x' }], reused: 0, requiredBytes: 9, availableBytes: 10 },
      { missing: [{ sha, size: 99, getUrl: 'x' }], reused: 0, requiredBytes: 99, availableBytes: 10 },
    ),
    download: fc.constant(null),
    prepare: fc.constantFrom(null, { kind: 'live', containers: ['a'] }),
    switch: fc.constant({ probes: [] }),
    settle: fc.constantFrom(null, { why: 'crashed', logs: 'x' }),
    test: fc.constantFrom({ probes: [] }, { why: 'ill', logs: '' }),
    'ask-hub': fc.constant(null),
    'roll-back': fc.constantFrom({ rev: 0, stateSha: sha }, { rev: 1, stateSha: sha }),
    'keep-final': fc.constant(null),
  }
  fc.assert(
    fc.property(
      fc.infiniteStream(fc.tuple(fc.nat(99), anyFailure)),
      fc.infiniteStream(fc.nat()),
      (dice, picks) => {
        const play = player()
        play.tell({ kind: 'start' })
        let underWay: Task | undefined = play.task()
        let pending = false
        const told: string[] = []
        for (let i = 0; i < 150; i++) {
          const [roll, failure] = dice.next().value
          const { behindMeta } = play.machine
          const input: Input = behindMeta
            ? { kind: 'chore-over', chore: 'device-meta', ...(roll < 30 ? { failure } : {}) }
            : underWay === undefined
              ? { kind: 'timer', timer: 'task' }
              : roll < 30
                ? { kind: 'failed', task: underWay.do, failure }
                : ({
                    kind: 'did',
                    task: underWay.do,
                    result: fc.sample(results[underWay.do], { numRuns: 1, seed: picks.next().value })[0],
                  } as Input)
          told.push(`${input.kind} ${underWay?.do ?? ''}`)
          play.tell(input, 100)
          const begun = play.wishes.filter((wish) => wish.wish === 'do')
          const wakes = play.wishes.some((wish) => wish.wish === 'wake' && wish.timer === 'task')
          expect(begun.length, told.join('\n')).toBeLessThanOrEqual(1)
          underWay = begun[0]?.task
          pending = wakes
          const held = play.machine.behindMeta && play.machine.metaOut !== undefined
          expect(underWay !== undefined || pending || held, told.join('\n')).toBe(true)
          // Nothing is done by a device that nobody owns.
          if (underWay?.do === 'poll' || underWay?.do === 'announce')
            expect(play.machine.me?.claimed, told.join('\n')).toBe(true)
        }
      },
    ),
    { numRuns: 200 },
  )
})
