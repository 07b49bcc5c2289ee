import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readSystem, type System } from '../src/process/manifest.ts'
import {
  type Happening,
  idleSupervisor,
  type SupervisorWish,
  standing,
  supervise,
} from '../src/process/supervisor.ts'
import { container, stateOf } from './support/trial-rig.ts'

function systemOf(containers: Readonly<Record<string, unknown>>, more = {}): System {
  const read = readSystem(stateOf(containers, more) as never, 30_000)
  if (!read.ok) throw new Error(JSON.stringify(read.refusal))
  return read.system
}

/** Plays a supervisor by hand; programs start when `up` says so. */
function player() {
  const play = {
    supervisor: idleSupervisor,
    wishes: [] as readonly SupervisorWish[],
    tell(happening: Happening) {
      const turn = supervise(play.supervisor, happening)
      play.supervisor = turn.supervisor
      play.wishes = turn.wishes
      return play
    },
    get: (name: string) => {
      const found = play.supervisor.containers.find((each) => each.spec.name === name)
      if (!found) throw new Error(`no ${name}`)
      return found
    },
    up: (name: string) => play.tell({ kind: 'spawned', name, run: play.get(name).run }),
    exit: (name: string) =>
      play.tell({
        kind: 'exited',
        name,
        run: play.get(name).run,
        how: 'exited with code 1',
        logs: 'last words',
      }),
    timer: (name: string, what: 'goal' | 'recover' | 'kill' | 'stable') =>
      play.tell({ kind: 'timer', name, run: play.get(name).run, what }),
    pause: (what: string) =>
      play.wishes.flatMap((wish) => (wish.wish === 'wake' && wish.what === what ? [wish.afterMs] : []))[0],
    statuses: () =>
      Object.fromEntries(play.supervisor.containers.map((each) => [each.spec.name, each.status])),
    signals: () =>
      play.wishes.flatMap((wish) => (wish.wish === 'signal' ? [`${wish.name} ${wish.signal}`] : [])),
  }
  return play
}

const base = (more = {}) => container('steady', { group: 'base', ...more })
const app = (more = {}) => container('steady', more)

describe('[AG90] groups start in order', () => {
  test('a group waits for the goals of those before it', () => {
    const play = player().tell({ kind: 'apply', system: systemOf({ b: base(), a: app() }) })
    expect(play.statuses()).toEqual({ b: 'STARTING', a: 'BLOCKED' })
    expect(play.up('b').statuses()).toEqual({ b: 'STARTED', a: 'STARTING' })
  })

  test('or until they have run out of time for them', () => {
    const play = player().tell({
      kind: 'apply',
      system: systemOf({ b: base({ status_goal: 'READY' }), a: app() }),
    })
    expect(play.up('b').statuses()).toEqual({ b: 'STARTED', a: 'BLOCKED' })
    expect(play.timer('b', 'goal').statuses()).toEqual({ b: 'STARTED', a: 'STARTING' })
    expect(standing(play.supervisor)).toBe('waiting')
  })

  test('or recover', () => {
    const play = player().tell({ kind: 'apply', system: systemOf({ b: base(), a: app() }) })
    expect(play.exit('b').statuses()).toEqual({ b: 'RECOVERING', a: 'STARTING' })
  })

  test('READY is reached by its word, MOUNTED without starting anything', () => {
    const play = player().tell({
      kind: 'apply',
      system: systemOf({ data: base({ status_goal: 'MOUNTED' }), a: app({ status_goal: 'READY' }) }),
    })
    expect(play.statuses()).toEqual({ data: 'MOUNTED', a: 'STARTING' })
    play.up('a').tell({ kind: 'ready', name: 'a' })
    expect(play.statuses()).toEqual({ data: 'MOUNTED', a: 'READY' })
    expect(standing(play.supervisor)).toBe('settled')
  })
})

describe('[AG91] stopping', () => {
  test('politely by its own signal, then for good; what it becomes waits for that', () => {
    const stop = { signal: 'SIGINT', grace: 2 }
    const play = player().tell({ kind: 'apply', system: systemOf({ a: app({ stop }) }) })
    play.up('a').tell({ kind: 'apply', system: systemOf({ a: app({ stop, env: { V: '2' } }) }) })
    expect(play.signals()).toEqual(['a SIGINT'])
    expect(play.pause('kill')).toBe(2000)
    expect(play.statuses()).toEqual({ a: 'STOPPING' })
    expect(play.timer('a', 'kill').signals()).toEqual(['a SIGKILL'])
    play.exit('a')
    expect(play.statuses()).toEqual({ a: 'STARTING' })
    expect(play.get('a').spec.env).toEqual({ V: '2' })
  })

  test('a removed container is gone once it has stopped; a change of mind meanwhile is heard', () => {
    const system = systemOf({ a: app() })
    const play = player().tell({ kind: 'apply', system }).up('a')
    play.tell({ kind: 'apply', system: systemOf({}) }).tell({ kind: 'apply', system })
    expect(play.exit('a').statuses()).toEqual({ a: 'STARTING' })
    play.up('a').tell({ kind: 'apply', system: systemOf({}) })
    expect(play.exit('a').statuses()).toEqual({})
  })
})

describe('[AG92] recovery', () => {
  const auto_recovery = {
    policy: 'on-failure',
    max_retries: 3,
    retry_delay: 2,
    backoff_factor: 3,
    stable_timeout: 9,
    backoff_policy: 'never',
  }
  test('each pause longer by its factor, then it stays stopped', () => {
    const play = player().tell({ kind: 'apply', system: systemOf({ a: app({ auto_recovery }) }) })
    const pauses: unknown[] = []
    for (let n = 0; n < 3; n++) {
      play.up('a').exit('a')
      pauses.push(play.pause('recover'))
      play.timer('a', 'recover')
    }
    expect(pauses).toEqual([2000, 6000, 18_000])
    expect(play.up('a').exit('a').statuses()).toEqual({ a: 'STOPPED' })
  })

  test('what has proved stable begins anew', () => {
    const play = player().tell({ kind: 'apply', system: systemOf({ a: app({ auto_recovery }) }) })
    play.up('a').exit('a')
    play.timer('a', 'recover').up('a')
    expect(play.get('a')).toMatchObject({ stable: false, retries: 1 })
    expect(play.pause('stable')).toBe(9000)
    expect(play.timer('a', 'stable').get('a')).toMatchObject({ stable: true, retries: 0 })
  })

  test('[AG93] without one, pauses grow to a minute outside of a trial, and in one the first exit is the fault', () => {
    const play = player().tell({ kind: 'apply', system: systemOf({ a: app() }) })
    const pauses: unknown[] = []
    for (let n = 0; n < 8; n++) {
      play.up('a').exit('a')
      pauses.push(play.pause('recover'))
      play.timer('a', 'recover')
    }
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
    play.tell({ kind: 'trial', on: true }).up('a').exit('a')
    expect(standing(play.supervisor)).toEqual({
      why: 'Container a exited with code 1',
      logs: 'last words',
    })
  })
})

const wrong = [
  { what: 'an unknown goal', run: { status_goal: 'UP' }, says: 'a/run.json status_goal' },
  { what: 'an unknown policy', run: { restart_policy: 'maybe' }, says: 'a/run.json restart_policy' },
  { what: 'another type', run: { type: 'lxc' }, says: 'a/run.json type' },
  { what: 'another spec', run: { '#spec': 'x' }, says: 'a/run.json #spec' },
  { what: 'no command', run: { command: '' }, says: 'a/run.json command' },
  { what: 'a way out of its folder', run: { command: '../../bin/sh' }, says: 'a/run.json command' },
  { what: 'arguments that are no texts', run: { args: [1] }, says: 'a/run.json args' },
  { what: 'an unknown signal', run: { stop: { signal: 'SIGSTOP' } }, says: 'a/run.json stop signal' },
  { what: 'a limit below one', run: { limits: { open_files: 0 } }, says: 'a/run.json limits open_files' },
  { what: 'an unknown limit', run: { limits: { beer: 1 } }, says: 'a/run.json limits beer' },
  { what: 'an environment that is none', run: { env: { 'A=B': '1' } }, says: 'a/run.json env A=B' },
  { what: 'a probe of nothing', run: { probes: [{}] }, says: 'a/run.json probes 0' },
  { what: 'a port beyond all', run: { probes: [{ tcp: 'h:70000' }] }, says: 'a/run.json probes 0 tcp' },
  {
    what: 'an address that is no http',
    run: { probes: [{ http: 'file:///etc' }] },
    says: 'a/run.json probes 0 http',
  },
  { what: 'a negative time', run: { stop: { grace: -1 } }, says: 'a/run.json stop grace' },
]
for (const { what, run, says } of wrong)
  test(`[AG81] ${what} spoils the state, by name`, () => {
    const read = readSystem(stateOf({ a: app(run) }) as never, 30_000)
    expect(read.ok ? undefined : read.refusal.thing).toBe(says)
  })

test('[AG90] without device.json the four groups are built in; who names none belongs to platform', () => {
  const read = readSystem(
    {
      a_b: 0,
      'a/run.json': container('x', { group: 'app' }),
      'b/run.json': { ...container('x'), group: 'root' },
    } as never,
    1,
  )
  expect(read.ok && read.system.groups).toEqual(['data', 'root', 'platform', 'app'])
  expect(read.ok && read.system.containers.map(({ name, restartPolicy }) => [name, restartPolicy])).toEqual([
    ['b', 'system'],
    ['a', 'container'],
  ])
})

test('whatever happens in whatever order: no container has two starts, and what waits has something to wait for', () => {
  const systems = [
    systemOf({ a: app(), b: base() }),
    systemOf({ a: app({ env: { V: '2' } }), c: app({ status_goal: 'READY' }) }),
    systemOf({ b: base({ auto_recovery: { policy: 'always', max_retries: 2 } }) }),
    systemOf({}),
  ]
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(9), fc.nat(99), fc.nat(3)), { maxLength: 120 }), (moves) => {
      const play = player()
      const alive = new Map<number, string>()
      const timers: Extract<SupervisorWish, { wish: 'wake' }>[] = []
      const hear = (happening: Happening): void => {
        play.tell(happening)
        for (const wish of play.wishes) {
          if (wish.wish === 'spawn') {
            expect([...alive.values()]).not.toContain(wish.container.name)
            alive.set(wish.run, wish.container.name)
          }
          if (wish.wish === 'signal') expect(alive.get(wish.run)).toBe(wish.name)
          if (wish.wish === 'wake') timers.push(wish)
        }
      }
      for (const [move, pick, which] of moves) {
        const [run, name] = [...alive][pick % Math.max(1, alive.size)] ?? [0, '']
        if (move < 2)
          hear({ kind: 'apply', system: systems[which] ?? systems[0] ?? { groups: [], containers: [] } })
        else if (move < 4) hear({ kind: 'spawned', name, run })
        else if (move < 6) {
          alive.delete(run)
          hear({ kind: 'exited', name, run, how: 'exited', logs: '' })
        } else if (move < 8 && timers.length > 0) {
          const [timer] = timers.splice(pick % timers.length, 1)
          if (timer) hear({ kind: 'timer', name: timer.name, run: timer.run, what: timer.what })
        } else if (move === 8) hear({ kind: 'ready', name: 'c' })
        else hear({ kind: 'trial', on: which > 1 })
        for (const each of play.supervisor.containers) {
          const { status, run: own } = each
          if (['STARTING', 'STARTED', 'READY', 'STOPPING'].includes(status)) expect(alive.has(own)).toBe(true)
          if (status === 'RECOVERING')
            expect(timers.some((timer) => timer.what === 'recover' && timer.run === own)).toBe(true)
        }
      }
      hear({ kind: 'stop' })
      for (const [run, name] of [...alive]) {
        alive.delete(run)
        hear({ kind: 'exited', name, run, how: 'exited', logs: '' })
      }
      expect(
        play.supervisor.containers.every((each) => ['STOPPED', 'INSTALLED', 'BLOCKED'].includes(each.status)),
      ).toBe(true)
    }),
    { numRuns: 300 },
  )
})
