/**
 * Two generations on one account: a back end that only knows 1.x beside one that only knows 2.x, each in its own words, about
 * the same things. Rules: RULES.md, GN.
 */
import type { JsonObject } from '@waymark/yang'
import { expect, test } from 'vitest'
import { type Back, dialIn, openBack, openSink } from './support.ts'

const module_ = `module lamp { namespace "urn:lamp"; prefix l;
  container lamp { leaf level { type uint8; default 3; } }
  rpc blink { input { leaf times { type uint8; mandatory true; } } } }`

interface Line {
  readonly says: string
  /** As a client of 1.x asks it, and what it looks for in the answer. */
  readonly one: readonly [method: string, params: JsonObject, shows?: JsonObject]
  /** As a client of 2.x asks the same of another thing, or of the same one. */
  readonly two: readonly [method: string, params: JsonObject, shows?: JsonObject]
}

const page = { n: 10, previous: '' }

/** `deprecated` in 2.x are sets of configuration, `added` packages: those are played below, each by its own generation. */
const lines: readonly Line[] = [
  {
    says: 'a module is uploaded',
    one: ['create-yang-module', { repository: 'user', name: 'lamp.yang', 'yang-module': module_ }],
    two: [
      'create-yang-module',
      { repository: 'account', name: 'lamp2.yang', 'yang-module': module_.replaceAll('lamp', 'lamp2') },
    ],
  },
  {
    says: 'modules are listed, whoever uploaded them',
    one: [
      'list-yang-modules',
      { repository: 'user', ...page },
      { 'yang-modules': ['lamp2@.yang', 'lamp@.yang'] },
    ],
    two: ['list-yang-modules', { ...page }, { 'yang-modules': ['lamp2@.yang', 'lamp@.yang'] }],
  },
  {
    says: 'a device type is made',
    one: ['create-device-type', { name: 'one', protocol: 'exodm_bert' }],
    two: [
      'create-device-type',
      {
        name: 'two',
        protocol: 'exodm_bert',
        'yang-specification': 'lamp2.yang',
        'attribute-container': 'lamp2',
      },
    ],
  },
  {
    says: 'a device is made: 1.x names its leaves, 2.x the attributes of its type',
    one: [
      'provision-device',
      {
        'dev-id': 'old',
        'device-type': 'one',
        'server-key': 2,
        'device-key': 1,
        msisdn: '+461',
        'session-timeout': 60,
      },
    ],
    two: [
      'create-device',
      {
        'device-id': 'new',
        'device-type': 'two',
        'server-key': 2,
        'device-key': 1,
        attributes: { level: 7 },
      },
    ],
  },
  {
    says: 'a device is looked up: 1.x finds its leaves, 2.x its attributes',
    one: [
      'lookup-device',
      { 'device-id': 'old' },
      { devices: [expect.objectContaining({ 'device-id': 'old', msisdn: '+461', 'session-timeout': 60 })] },
    ],
    two: [
      'lookup-device',
      { 'device-id': 'new' },
      { devices: [expect.objectContaining({ 'device-id': 'new', attributes: { level: 7 } })] },
    ],
  },
  {
    says: 'attributes are asked for by name: texts for 1.x',
    one: [
      'lookup-device-attributes',
      { 'device-id': 'old', attributes: ['msisdn', 'is-connected', 'nothing'] },
      {
        attributes: [
          { name: 'msisdn', val: '+461' },
          { name: 'is-connected', val: 'false' },
        ],
      },
    ],
    two: [
      'list-devices',
      { ...page },
      {
        devices: [
          expect.objectContaining({ 'device-id': 'new' }),
          expect.objectContaining({ 'device-id': 'old' }),
        ],
      },
    ],
  },
  {
    says: 'a group is made: its address was mandatory in 1.x',
    one: ['create-device-group', { name: 'ones', 'notification-url': 'http://127.0.0.1:9/' }],
    two: ['create-device-group', { 'group-name': 'twos' }],
  },
  {
    says: 'members are added: `group-id` in 1.x, `group-name` in 2.x',
    one: ['add-device-group-members', { 'group-id': ['ones'], 'device-id': ['old'] }],
    two: ['add-device-group-members', { 'group-name': 'twos', 'device-id': ['new'], primary: true }],
  },
  {
    says: 'groups are listed under both names',
    one: [
      'list-device-groups',
      { ...page },
      {
        'device-groups': [
          expect.objectContaining({ 'group-id': 'ones' }),
          expect.objectContaining({ 'group-id': 'twos' }),
        ],
      },
    ],
    two: [
      'list-device-groups',
      { ...page },
      {
        'device-groups': [
          expect.objectContaining({ 'group-name': 'ones' }),
          expect.objectContaining({ 'group-name': 'twos' }),
        ],
      },
    ],
  },
  {
    says: 'members are listed as texts for 1.x, as objects for 2.x',
    one: ['list-device-group-members', { name: 'twos', ...page }, { 'device-group-members': ['new'] }],
    two: [
      'list-device-group-members',
      { 'group-name': 'twos', ...page },
      { devices: [{ 'device-id': 'new', primary: true }] },
    ],
  },
  {
    says: 'devices of a type are listed by either name of the command',
    one: ['list-device-type-members', { name: 'two', ...page }, { 'device-type-members': ['new'] }],
    two: ['list-device-type-devices', { name: 'one', ...page }, { 'device-type-members': ['old'] }],
  },
  {
    says: 'a user is made and gets a role',
    one: ['create-user', { uname: 'ann', email: 'a@example.com', password: 'a good password' }],
    two: ['create-user', { uname: 'bob', email: 'b@example.com', password: 'a good password' }],
  },
  {
    says: 'roles are given: to `unames` of an account in 1.x, to users of a role in 2.x',
    one: ['add-account-users', { account: 'acme', role: 'view', unames: ['ann'] }],
    two: ['add-user-to-role', { account: 'acme', role: 'execute', uname: 'bob' }],
  },
  {
    says: 'an operation is permitted to a role, and permissions are listed: texts for 1.x, by role for 2.x',
    one: [
      'add-execution-permission',
      { repository: 'user', name: 'lamp.yang', rpcname: 'blink', role: 'execute' },
    ],
    two: ['add-execution-permission', { name: 'lamp2.yang', rpcname: 'blink', role: 'execute' }],
  },
  {
    says: 'permissions of a module',
    one: [
      'list-execution-permission',
      { repository: 'user', modulename: 'lamp2.yang', rpcname: 'blink' },
      { roles: ['execute'] },
    ],
    two: [
      'list-execution-permissions',
      { name: 'lamp.yang' },
      { roles: [{ name: 'execute', rpcs: ['blink'] }] },
    ],
  },
  {
    says: 'a device is changed',
    one: ['update-device', { 'device-id': 'new', description: 'by 1.x' }],
    two: ['update-device', { 'device-id': 'old', description: 'by 2.x' }],
  },
  {
    says: 'each sees what the other changed',
    one: [
      'lookup-device',
      { 'dev-id': 'old' },
      { devices: [expect.objectContaining({ description: 'by 2.x', msisdn: '+461' })] },
    ],
    two: [
      'lookup-device',
      { 'device-id': 'new' },
      { devices: [expect.objectContaining({ description: 'by 1.x', attributes: { level: 7 } })] },
    ],
  },
]

async function play(back: Back, admin: string): Promise<void> {
  for (const { says, one, two } of lines)
    for (const [generation, [method, params, shows = {}]] of [
      ['1.x', one],
      ['2.x', two],
    ] as const)
      expect(await back.ask(admin, `exodm:${method}`, params), `${generation}: ${says}`).toMatchObject({
        result: 'ok',
        ...shows,
      })
}

test('[GN1] a back end of 1.x is served in its own words beside one of 2.x, and each sees what the other did', async () => {
  const back = await openBack()
  await play(back, await back.account('acme'))
})

test('[GN2] what 2.x put in the place of sets of configuration stands beside them: each generation configures its device', async () => {
  const back = await openBack()
  const [sink, other] = [await openSink(), await openSink()]
  const admin = await back.account('acme')
  await play(back, admin)
  const must = async (method: string, params: JsonObject) => {
    const answer = await back.ask(admin, `exodm:${method}`, params)
    expect(answer, method).toMatchObject({ result: 'ok' })
    return answer
  }
  // 1.x: a set with its own three areas, and its historic names.
  await must('create-config-data', { name: 'lights', yang: 'lamp.yang', 'notification-url': sink.url })
  await must('add-config-data-members', { name: ['lights'], 'device-id': ['old'] })
  await must('update-config-data', { name: 'lights', values: { lamp: { level: 5 } } })
  await must('push-config-data', { 'config-data': 'lights' })
  // 2.x: a package with its configuration, staged and pushed for the group.
  await must('create-package', {
    'package-name': 'lamp-1.0',
    'yang-specification': 'lamp2.yang',
    'configuration-container': 'lamp2',
    image: 'AAAA',
  })
  await must('add-package-to-device-type', { 'package-name': 'lamp-1.0', 'device-type': 'two' })
  await must('install-package', { 'package-name': 'lamp-1.0', targets: ['twos'] })
  await back.tend()
  const [first, second] = [await dialIn(back, 'acme', 'old'), await dialIn(back, 'acme', 'new')]
  expect(await first.serve(() => ({ kind: 'done' }))).toMatchObject({ kind: 'configuration', name: 'lights' })
  expect((await sink.until(1))[0]).toMatchObject({
    method: 'exodm:push-config-set-callback',
    params: { 'device-id': 'old', 'rpc-status': 'complete' },
  })
  expect(await must('read-config-set-data', { name: 'lights', area: 'installed' })).toMatchObject({
    values: { lamp: { level: 5 } },
  })
  const carried = await second.nextOfAll(5000)
  if (carried?.kind !== 'packages') throw new Error(`no packages but ${carried?.kind}`)
  await second.stepped(carried, 0, true)
  await second.settle(carried, { kind: 'done' })
  await must('update-config', { targets: ['twos'], 'package-name': 'lamp-1.0', values: { level: 9 } })
  // The same command without a set's name is the one of 2.x.
  await must('push-config-data', { targets: ['twos'], 'notification-url': other.url })
  await back.tend()
  const pushed = await second.nextOfAll(5000)
  expect(pushed).toMatchObject({ kind: 'package-configuration' })
  // An operation of either one's module, called the way both have in common.
  for (const [module, device] of [
    ['lamp', 'old'],
    ['lamp2', 'new'],
  ])
    expect(
      (await back.call(admin, `${module}:blink`, { 'device-id': device ?? '', times: 1 })).error,
    ).toBeUndefined()
})
