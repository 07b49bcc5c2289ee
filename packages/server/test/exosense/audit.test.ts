/** What back ends do to an account stands in the journal under their name, command by command. Rule: RULES.md, AU. */
import { type JournalRow, principals, tenants } from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import { expect, test } from 'vitest'
import { commands } from '../../src/doors/exosense/table.ts'
import { basic, dialIn, master, openBack, password } from './support.ts'

const module_ = `module lamp { namespace "urn:lamp"; prefix l;
  container lamp { leaf level { type uint8; default 3; } }
  rpc blink { input { leaf times { type uint8; } } } }`
const secret = 'a secret of theirs'
const gone = 'http://user:hush@127.0.0.1:9/'

/** Each changing command once, in an order in which each can be done; what they are about is made by those before. */
const done: readonly [command: string, params: JsonObject, user?: string][] = [
  ['create-account', { name: 'third', password: secret, email: 'a@example.com' }, master],
  ['update-account', { name: 'third', 'new-name': 'fourth' }, master],
  ['create-user', { uname: 'ann', email: 'a@example.com', password: secret }],
  ['update-user', { uname: 'ann', phone: '+46', password: `${secret} too` }],
  ['add-user-to-account', { uname: 'ann' }],
  ['add-account-users', { account: 'acme', role: 'view', unames: ['ann'] }],
  ['add-user-to-role', { role: 'execute', uname: 'ann' }],
  ['remove-user-from-role', { role: 'execute', unames: ['ann'] }],
  ['remove-account-users', { account: 'acme', role: 'view', unames: ['ann'] }],
  ['remove-user-from-account', { uname: 'ann' }],
  ['delete-user', { uname: 'ann' }],
  [
    'set-mblox-parameters',
    { 'application-id': 'a', 'originating-msisdn': '1', 'consumer-key': 'k', 'secret-key': secret },
  ],
  ['delete-mblox-parameters', {}],
  ['create-yang-module', { name: 'lamp.yang', 'yang-module': module_ }],
  ['add-execution-permission', { name: 'lamp.yang', rpcname: 'blink', role: 'execute' }],
  ['remove-execution-permission', { name: 'lamp.yang', rpcname: 'blink', role: 'execute' }],
  ['create-device-type', { name: 't', protocol: 'exodm_bert' }],
  ['update-device-type', { name: 't', protocol: 'exodm_bert_direct' }],
  ['update-device-type', { name: 't', protocol: 'exodm_bert' }],
  ['create-device', { 'device-id': 'd', 'device-type': 't', 'device-key': 1, 'server-key': 2 }],
  ['update-device', { 'device-id': 'd', description: 'new', 'device-key': 987654321 }],
  ['create-device-group', { name: 'g', 'notification-url': gone }],
  ['update-device-group', { 'group-id': 'g', 'notification-url': `${gone}x` }],
  ['add-device-group-members', { 'group-id': 'g', 'device-id': 'd', primary: true }],
  ['remove-device-group-members', { 'group-id': 'g', 'device-id': 'd' }],
  ['delete-device-group', { 'group-id': 'g' }],
  ['create-config-set', { name: 's', yang: 'lamp.yang', 'notification-url': gone }],
  ['update-config-set', { name: 's', values: { lamp: { level: 5 } } }],
  ['add-config-set-members', { name: 's', 'device-id': 'd' }],
  ['add-notification-urls', { 'device-id': 'd', urls: [{ 'config-set': 's', 'notification-url': gone }] }],
  ['delete-notification-urls', { 'device-id': 'd', 'config-sets': ['s'] }],
  ['push-config-set', { name: 's' }],
  ['remove-config-set-members', { name: 's', 'device-id': 'd' }],
  ['delete-config-set', { name: 's' }],
  [
    'create-package',
    {
      'package-name': 'p',
      'yang-specification': 'lamp.yang',
      'configuration-container': 'lamp',
      image: 'AAAA',
    },
  ],
  ['create-package', { 'package-name': 'q', 'upgrade-from-packages': ['p'], image: 'BBBB' }],
  ['add-package-to-device-type', { 'package-name': ['p', 'q'], 'device-type': 't' }],
  ['add-role-execution-permission', { role: 'execute', 'package-name': 'p', 'rpc-name': 'lamp:blink' }],
  ['remove-role-execution-permission', { role: 'execute', 'package-name': 'p', 'rpc-name': 'lamp:blink' }],
  ['install-package', { 'package-name': 'p', targets: 'd' }],
  ['update-config', { 'device-id': 'd', 'package-name': 'p', values: { level: 6 } }],
  ['push-config-data', { 'device-id': 'd' }],
  ['update-package-config', { targets: 'd', 'package-name': 'p', values: { level: 7 } }],
  ['rollback-package-config', { 'device-id': 'd', 'package-name': 'p', version: 1 }],
  ['upgrade-package', { 'from-package-name': 'p', 'to-package-name': 'q', targets: 'd' }],
  ['uninstall-package', { 'package-name': 'q', targets: 'd' }],
  ['add-package-members', { 'package-name': 'q', 'device-id': 'd' }],
  ['push-package', { 'package-name': 'q', operation: 'install' }],
  ['remove-package-members', { 'package-name': 'q', 'device-id': 'd' }],
  ['remove-package-from-device-type', { 'package-name': ['p', 'q'], 'device-type': 't' }],
  ['delete-devices', { 'device-id': 'd' }],
  ['delete-device-type', { name: 't' }],
  ['delete-package', { 'package-name': 'q' }],
  ['delete-package', { 'package-name': 'p' }],
  ['delete-yang-module', { name: 'lamp.yang' }],
  ['delete-account', { name: 'fourth' }, master],
]

test('[AU1] every command that changes something is played here', () => {
  const changing = Object.keys(commands).filter((name) => !/^(list|lookup|read|get)-/.test(name))
  expect([...new Set(done.map(([command]) => command))].sort()).toEqual(changing.sort())
})

test('[AU1] each leaves an entry with who and from where, and no secret', async () => {
  const back = await openBack()
  const admin = await back.account('acme')
  const { store } = back.test.house
  /** What has been added to every journal there is since it was asked last. */
  const heads = new Map<string, string>()
  const added = async (): Promise<JournalRow[]> => {
    const all = [...(await store.readHouse().find(tenants, {})).map(({ id }) => id), 'house'] as const
    const found: JournalRow[] = []
    for (const journal of all) {
      const after = heads.get(journal)
      const read = await store.journal.read(journal, {
        ...(after === undefined ? {} : { after }),
        limit: 1000,
      })
      if (read.ok) found.push(...read.value.entries)
      heads.set(journal, await store.journal.head(journal))
    }
    return found
  }
  const idOf = async (nick: string) => (await store.readHouse().find(principals, { where: { nick } }))[0]?.id
  const who = { [admin]: await idOf(admin), [master]: await idOf(master) }
  /** What waits for the device is done by it. */
  const serve = async () => {
    const session = await dialIn(back, 'acme', 'd')
    for (let carried = await session.nextOfAll(50); carried; carried = await session.nextOfAll(50)) {
      if (carried.kind === 'packages')
        for (const [index] of carried.steps.entries()) await session.stepped(carried, index, true)
      await session.settle(carried, { kind: 'done' })
    }
    await session.close()
  }
  const silent: string[] = []
  await added()
  for (const [command, params, user = admin] of done) {
    expect(await back.ask(user, `exodm:${command}`, params), command).toMatchObject({ result: 'ok' })
    const entries = await added()
    const its = entries.filter(({ by, data }) => by.id === who[user] && data.address === '127.0.0.1')
    if (its.length === 0) silent.push(`${command}: ${JSON.stringify(entries)}`)
    const told = JSON.stringify(entries)
    for (const hidden of [secret, password, 'hush', '987654321', basic(user)])
      expect(told, `${command} tells a secret`).not.toContain(hidden)
    if (/install-package|upgrade-package|push-|update-package-config|rollback/.test(command)) {
      await back.tend()
      await serve()
      await added()
    }
  }
  expect(silent).toEqual([])
})
