/** Commands for what back ends work with: rpc, groups, device types, transactions, messages put aside. Rules: ../RULES.md. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { admin, type Person, startServer, type TestServer } from './fleet-support.ts'

const weather = `module weather { namespace "urn:weather"; prefix w;
  rpc blink { input { leaf times { type uint8; mandatory true; } } output { leaf done { type boolean; } } } }`

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

async function operator(...stations: string[]): Promise<Person> {
  const somebody = await admin(server)
  await somebody.run('device-type', 'create', 'station', 'exodm_bert')
  await somebody.run(
    'rpc',
    'create-yang-module',
    'repository=user',
    'name=weather.yang',
    `yang-module=${weather}`,
  )
  await somebody.run('rpc', 'create-config-set', 'name=sky', 'yang=weather.yang')
  for (const name of stations) {
    const made = await somebody.run('rpc', 'create-device', `device-id=${name}`, 'device-type=station')
    expect(made.code).toBe(0)
    await somebody.run('rpc', 'add-config-set-members', 'name=sky', `device-id=${name}`)
  }
  return somebody
}

describe('[CL80] rpc', () => {
  test('prints the result; a refusal ends with 1 and its words, a typo with the name that was meant', async () => {
    const somebody = await operator('mast')
    const found = await somebody.run('rpc', 'lookup-device', 'device-id=mast')
    expect([found.code, found.out.join('')]).toEqual([0, expect.stringContaining('"device-id":"mast"')])
    const again = await somebody.run('rpc', 'create-device', 'device-id=mast', 'device-type=station')
    expect([again.code, again.err.join('')]).toEqual([1, expect.stringContaining('object-exists')])
    const typo = await somebody.run('rpc', 'lookup-devise', 'device-id=mast')
    expect([typo.code, typo.err.join('')]).toEqual([
      1,
      expect.stringContaining('did you mean lookup-device?'),
    ])
    const wrong = await somebody.run('rpc', 'weather:blink', 'device-id=mast', 'tmes=1')
    expect([wrong.code, wrong.err.join('')]).toEqual([1, expect.stringContaining('did you mean times?')])
    expect((await somebody.run('rpc')).code).toBe(2)
  })

  test('--account names another account', async () => {
    const somebody = await operator()
    const elsewhere = await somebody.run('rpc', 'list-devices', 'n=1', 'previous=', '--account', 'no-such')
    expect([elsewhere.code, elsewhere.err.join('')]).toEqual([
      1,
      expect.stringContaining('account-not-specified'),
    ])
  })

  test('--words offers methods, and the parameters of one', async () => {
    const somebody = await operator('elm')
    const methods = await somebody.run('rpc', '--words')
    expect(methods.out).toEqual(expect.arrayContaining(['exodm:lookup-device', 'weather:blink']))
    expect((await somebody.run('rpc', '--words', 'weather:blink')).out).toEqual(['device-id=', 'times='])
  })

  test('--watch follows what it asked to its end; the exit code tells how that was', async () => {
    const somebody = await operator('oak')
    const watching = somebody.begin('rpc', 'weather:blink', 'device-id=oak', 'times=3', '--watch')
    await watching.shows(/submitted/)
    const listed = await somebody.run('tx', 'ls', '--device', 'oak', '--json')
    const { id } = JSON.parse(listed.out[0] ?? '{}') as { id: string }
    expect((await somebody.run('tx', 'cancel', id)).out).toEqual([`called off ${id} (rpc)`])
    const { code, out } = await watching.ended
    expect([code, out.at(-1)]).toEqual([1, expect.stringMatching(/ended.*cancelled, reason called off/)])
  })
})

test('[CL81] groups are made, filled, shown, emptied and deleted', async () => {
  const somebody = await operator('g-one', 'g-two')
  expect((await somebody.run('group', 'create', 'roof')).out[0]).toMatch(
    /^created roof \([0-9a-f]{24}\), 0 devices$/,
  )
  expect((await somebody.run('group', 'add', 'roof', 'g-one', 'g-two')).out[0]).toMatch(/2 devices$/)
  expect((await somebody.run('group', 'show', 'roof')).out.join('\n')).toMatch(
    /type +station[\s\S]*g-one[\s\S]*/,
  )
  expect((await somebody.run('group', 'rm', 'roof', 'g-one')).out[0]).toMatch(/1 devices$/)
  expect((await somebody.run('group', 'ls')).out.join('\n')).toContain('roof')
  const strange = await somebody.run('group', 'add', 'roof', 'nobody')
  expect([strange.code, strange.err]).toEqual([
    1,
    [expect.stringContaining('there is no device nobody here')],
  ])
  expect((await somebody.run('group', 'delete', 'roof', '--yes')).code).toBe(0)
  expect((await somebody.run('group', 'show', 'roof')).err.join('')).toContain('there is no group roof here')
})

test('[CL81] device types are made, listed, shown and removed', async () => {
  const somebody = await operator('t-one')
  expect((await somebody.run('device-type', 'create', 'spare', 'exodm_bert')).out).toEqual([
    'created spare, reached by exodm_bert',
  ])
  expect((await somebody.run('device-type', 'ls')).out.join('\n')).toMatch(/spare +exodm_bert/)
  expect((await somebody.run('device-type', 'show', 'station')).out.join('\n')).toMatch(
    /protocol +exodm_bert/,
  )
  expect((await somebody.run('device-type', 'rm', 'station')).code).toBe(1)
  expect((await somebody.run('device-type', 'rm', 'spare')).code).toBe(0)
  expect((await somebody.run('device-type', 'create', 'odd', 'smoke')).code).toBe(1)
})

test('[CL81] what was asked is listed by state and kind, and shown', async () => {
  const somebody = await operator('x-one')
  await somebody.run('rpc', 'weather:blink', 'device-id=x-one', 'times=1')
  const listed = await somebody.run(
    'tx',
    'ls',
    '--device',
    'x-one',
    '--state',
    'queued',
    '--kind',
    'rpc',
    '--json',
  )
  const { id } = JSON.parse(listed.out[0] ?? '{}') as { id: string }
  expect((await somebody.run('tx', 'show', id)).out.join('\n')).toMatch(/state +queued, 0 %/)
  expect((await somebody.run('tx', 'ls', '--state', 'asleep')).code).toBe(2)
  const none = await somebody.run('tx', 'ls', '--device', 'x-one', '--kind', 'package')
  expect([none.out, none.err]).toEqual([[], ['nothing was asked']])
})

test('[CL81] messages put aside: none to list, and what is not there is refused by name', async () => {
  const somebody = await operator()
  expect((await somebody.run('dead-letter', 'ls')).err).toEqual(['no message was given up'])
  expect((await somebody.run('dead-letter', 'redrive', '--all')).code).toBe(0)
  expect((await somebody.run('dead-letter', 'redrive')).code).toBe(2)
  const absent = await somebody.run('dead-letter', 'show', 'lane/7')
  expect([absent.code, absent.err.join('')]).toEqual([1, expect.stringContaining('lane-7')])
})

test('[CL82] a device that back ends made is listed, shown with its link and its queue, and explained', async () => {
  const somebody = await operator('pole')
  await somebody.run('rpc', 'weather:blink', 'device-id=pole', 'times=1')
  expect((await somebody.run('device', 'ls')).out.join('\n')).toMatch(/pole/)
  const shown = (await somebody.run('device', 'show', 'pole')).out.join('\n')
  expect(shown).toMatch(/type +station/)
  expect(shown).toMatch(/link +exodm_bert, offline, 1 in its queue/)
  expect(shown).not.toContain('trail')
  const why = (await somebody.run('why', 'pole')).out
  expect(why[0]).toMatch(/^pole: 1 in its queue, the oldest since /)
  expect(why.at(-1)).toMatch(/never been heard of/)
})
