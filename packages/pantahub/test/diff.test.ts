import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  exportTar,
  type JsonObject,
  parseState,
  restartPolicy,
  Sha256,
  type State,
  selectParts,
  stateDiff,
  stateSpecs,
  transition,
} from '../src/index.ts'

const sha = (text: string) => Sha256.of(text)

function stateOf(json: JsonObject): State {
  const parsed = parseState(json)
  if (!parsed.ok) throw new Error(`${parsed.refusal.thing}: ${parsed.refusal.got}`)
  return parsed.state
}

const running: JsonObject = {
  '#spec': stateSpecs[0],
  'bsp/run.json': {},
  'bsp/kernel': sha('kernel'),
  'web/run.json': { name: 'web', group: 'app', weight: 1.5 },
  'web/root.squashfs': sha('web'),
  'os/run.json': { name: 'os', restart_policy: 'system' },
  'os/root.squashfs': sha('os'),
  '_config/web/etc/web.conf': sha('conf'),
  'device.json': { groups: [{ name: 'app' }, { name: 'root', restart_policy: 'system' }] },
  '_sigs/web.json': { '#spec': 'pvs@2' },
}

const moves: { name: string; to: JsonObject; needs: string; touches: string }[] = [
  { name: 'nothing', to: running, needs: 'none', touches: '' },
  {
    name: 'the order of keys',
    to: Object.fromEntries(Object.entries(running).toReversed()),
    needs: 'none',
    touches: '',
  },
  {
    name: 'a new web',
    to: { ...running, 'web/root.squashfs': sha('web2') },
    needs: 'live web',
    touches: 'web:changed',
  },
  {
    name: 'an overlay of web',
    to: { ...running, '_config/web/etc/web.conf': sha('c2') },
    needs: 'live web',
    touches: 'web:changed',
  },
  {
    name: 'a document of web',
    to: { ...running, 'web/run.json': { name: 'web', group: 'app' } },
    needs: 'live web',
    touches: 'web:changed',
  },
  {
    name: 'the os',
    to: { ...running, 'os/root.squashfs': sha('os2') },
    needs: 'reboot',
    touches: 'os:changed',
  },
  { name: 'the kernel', to: { ...running, 'bsp/kernel': sha('k2') }, needs: 'reboot', touches: 'bsp' },
  {
    name: 'an overlay of the bsp',
    to: { ...running, '_config/bsp/x': sha('x') },
    needs: 'reboot',
    touches: 'bsp',
  },
  {
    name: 'a root file',
    to: { ...running, 'device.json': { groups: [{ name: 'app' }] } },
    needs: 'reboot',
    touches: 'root:device.json',
  },
  {
    name: 'an overlay of nothing',
    to: { ...running, '_config/ghost/x': sha('x') },
    needs: 'reboot',
    touches: 'root:_config/ghost/x',
  },
  {
    name: 'a signature',
    to: { ...running, '_sigs/web.json': { '#spec': 'pvs@2', more: 1 } },
    needs: 'none',
    touches: '',
  },
  {
    name: 'a container more',
    to: { ...running, 'db/run.json': { group: 'app' }, 'db/fs': sha('db') },
    needs: 'live db',
    touches: 'db:added',
  },
  {
    name: 'a system container more',
    to: { ...running, 'db/run.json': { group: 'root' } },
    needs: 'reboot',
    touches: 'db:added',
  },
  {
    name: 'a policy made system',
    to: { ...running, 'web/run.json': { restart_policy: 'system' } },
    needs: 'reboot',
    touches: 'web:changed',
  },
  {
    name: 'a policy no longer system',
    to: { ...running, 'os/run.json': { name: 'os', restart_policy: 'container' } },
    needs: 'reboot',
    touches: 'os:changed',
  },
  { name: 'another spec', to: { ...running, '#spec': stateSpecs[2] }, needs: 'reboot', touches: '' },
  {
    name: 'web gone',
    to: Object.fromEntries(Object.entries(running).filter(([path]) => !path.includes('web/'))),
    needs: 'live web',
    touches: 'web:removed',
  },
]
for (const { name, to, needs, touches } of moves)
  test(`[DF3] [DF4] changing ${name} needs ${needs} and touches ${touches || 'no part'}`, () => {
    const pair = { from: stateOf(running), to: stateOf(to) }
    const way = transition(pair)
    expect(way.kind === 'live' ? `live ${way.containers.join(' ')}` : way.kind).toBe(needs)
    const diff = stateDiff(pair)
    const parts = [
      ...(diff.bsp ? ['bsp'] : []),
      ...diff.containers.map(({ name: container, change }) => `${container}:${change}`),
      ...diff.root.map((path) => `root:${path}`),
    ]
    expect(parts.join(' ')).toBe(touches)
  })

test('[DF3] a reboot says why', () => {
  const to = stateOf({ ...running, 'os/root.squashfs': sha('os2'), 'bsp/kernel': sha('k2') })
  expect(transition({ from: stateOf(running), to })).toEqual({
    kind: 'reboot',
    because: ['bsp changed', 'container os (restart policy system) changed'],
  })
})

test('[DF1] paths are added, removed or changed', () => {
  const { 'os/root.squashfs': _, ...rest } = running
  const to = stateOf({
    ...rest,
    'os/new': sha('n'),
    'web/run.json': { name: 'web', weight: 1.5, group: 'app' },
    'bsp/run.json': { a: 1 },
  })
  expect(stateDiff({ from: stateOf(running), to })).toMatchObject({
    added: ['os/new'],
    removed: ['os/root.squashfs'],
    changed: ['bsp/run.json'],
    objectsNeeded: [{ path: 'os/new', sha: sha('n') }],
    objectsLeft: [sha('os')],
  })
})

test('[DF2] bytes that lie elsewhere in the old state are not needed again, and twins only once', () => {
  const to = stateOf({
    ...running,
    'web/copy': sha('kernel'),
    'web/a': sha('new'),
    'web/b': sha('new'),
    'web/c.json': sha('loose'),
  })
  expect(stateDiff({ from: stateOf(running), to }).objectsNeeded).toEqual([
    { path: 'web/a', sha: sha('new') },
    { path: 'web/c.json', sha: sha('loose') },
  ])
  const fromNothing = stateDiff({ from: stateOf({}), to: stateOf(running) })
  expect(fromNothing.objectsNeeded).toEqual(stateOf(running).objects)
})

test('[DF1] [DF2] a diff and its reverse mirror each other, and none is none', () => {
  const path = fc.constantFrom('a/x', 'a/y', 'b/x', 'c', '_config/a/z', 'bsp/k')
  const some = fc
    .dictionary(path, fc.constantFrom('1', '2', '3').map(sha))
    .map((json) => stateOf({ '#spec': stateSpecs[0], ...json }))
  fc.assert(
    fc.property(some, some, (from, to) => {
      const there = stateDiff({ from, to })
      const back = stateDiff({ from: to, to: from })
      expect([there.added, there.removed, there.changed]).toEqual([back.removed, back.added, back.changed])
      expect(there.objectsNeeded.map((object) => object.sha).toSorted()).toEqual(
        [...back.objectsLeft].toSorted(),
      )
      expect(transition({ from, to: from })).toEqual({ kind: 'none' })
    }),
  )
})

const groups = {
  groups: [
    { name: 'root', restart_policy: 'system' },
    { name: 'plain' },
    { name: 'last', restart_policy: 'container' },
  ],
}
const policies: { name: string; state: JsonObject; policy: string | undefined }[] = [
  {
    name: 'its own',
    state: { 'c/run.json': { restart_policy: 'container', group: 'root' }, 'device.json': groups },
    policy: 'container',
  },
  { name: 'its group', state: { 'c/run.json': { group: 'root' }, 'device.json': groups }, policy: 'system' },
  {
    name: 'its group by the old key',
    state: { 'c/run.json': { runlevel: 'root' }, 'device.json': groups },
    policy: 'system',
  },
  {
    name: 'a group that says nothing',
    state: { 'c/run.json': { group: 'plain' }, 'device.json': groups },
    policy: 'container',
  },
  { name: 'the last group', state: { 'c/run.json': {}, 'device.json': groups }, policy: 'container' },
  {
    name: 'a group that is not there',
    state: { 'c/run.json': { group: 'x' }, 'device.json': groups },
    policy: 'system',
  },
  { name: 'the built-in app', state: { 'c/run.json': { group: 'app' } }, policy: 'container' },
  { name: 'the built-in platform', state: { 'c/run.json': { group: 'platform' } }, policy: 'system' },
  { name: 'no group at all', state: { 'c/run.json': {} }, policy: 'system' },
  { name: 'a word nobody knows', state: { 'c/run.json': { restart_policy: 'maybe' } }, policy: 'system' },
  { name: 'a folder without run.json', state: { 'c/file': sha('x') }, policy: 'system' },
  { name: 'no such container', state: { 'd/run.json': {} }, policy: undefined },
]
for (const { name, state, policy } of policies)
  test(`[DF5] by ${name} the policy is ${policy ?? 'none'}`, () =>
    expect(restartPolicy(state, 'c')).toBe(policy))

const sizes = new Map(['kernel', 'web', 'os', 'conf'].map((text, i) => [sha(text), 100 + i]))

test('[EX1] an export is the state, then each object once, by path, all of one time', () => {
  const state = stateOf({ ...running, 'web/again': sha('kernel'), 'web/loose.json': sha('nowhere') })
  const plan = exportTar({ state, objects: sizes, mtime: 1764000000.9 })
  if (!plan.ok) throw new Error(plan.refusal.thing)
  expect(plan.members.map(({ name }) => name)).toEqual([
    'json',
    ...['conf', 'kernel', 'os', 'web'].map((text) => `objects/${sha(text)}`),
  ])
  expect(new Set(plan.members.map(({ mtime }) => mtime))).toEqual(new Set([1764000000]))
  const [json, conf] = plan.members
  expect(json).toMatchObject({
    size: Buffer.byteLength(state.canonical),
    content: { kind: 'text', text: state.canonical },
  })
  expect(conf).toMatchObject({ size: 103, content: { kind: 'object', sha: sha('conf') } })
})

test('[EX1] a loose object goes along when it is at hand', () => {
  const state = stateOf({ '#spec': stateSpecs[0], 'a.json': sha('web') })
  expect(exportTar({ state, objects: sizes, mtime: 0 })).toMatchObject({
    ok: true,
    members: [{}, { size: 101 }],
  })
})

test('[EX2] a missing object is refused by the path that names it', () => {
  const state = stateOf({ ...running, 'web/gone': sha('gone') })
  expect(exportTar({ state, objects: sizes, mtime: 0 })).toEqual({
    ok: false,
    refusal: { kind: 'missing-object', thing: 'object of web/gone', wanted: sha('gone'), got: 'nothing' },
  })
})

const all = Object.keys(running).toSorted()
const parts = [
  { parts: undefined, keeps: all },
  { parts: '', keeps: all },
  { parts: 'bsp', keeps: ['#spec', 'bsp/kernel', 'bsp/run.json'] },
  { parts: 'bsp/', keeps: ['#spec', 'bsp/kernel', 'bsp/run.json'] },
  {
    parts: 'os,_config/web',
    keeps: ['#spec', '_config/web/etc/web.conf', 'os/root.squashfs', 'os/run.json'],
  },
  { parts: 'web,-web/run.json', keeps: ['#spec', 'web/root.squashfs'] },
  { parts: '-bsp,-os,-web,-_config,-_sigs', keeps: ['#spec', 'device.json'] },
  { parts: 'we', keeps: ['#spec'] },
  { parts: '-#spec', keeps: all },
]
for (const { parts: asked, keeps } of parts)
  test(`[EX3] parts=${asked ?? '(none)'} keeps ${keeps.length} keys`, () => {
    const selected = selectParts(stateOf(running), asked)
    expect(Object.keys(selected.json).toSorted()).toEqual(keeps)
    expect(selected).toEqual(stateOf(selected.json))
  })
