/**
 * Every command, for every role, in the caller's own account and in another one. What the manual prints (its table 2, and
 * our reading for commands that it has no row for) stands here once more, apart from the code, so that the two can differ.
 */
import type { JsonObject } from '@waymark/yang'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commands } from '../../src/doors/exosense/table.ts'
import { type Back, master, openBack, password } from './support.ts'

/** Roles in the manual's columns: master, admin, view, device, config, execute. */
const manual = `
create-account               M
update-account               M
delete-account               M
add-user-to-account          MA
remove-user-from-account     MA
list-account-users           MAV
create-user                  MA
delete-user                  MA
list-users                   MAV
create-device-type           MAD
update-device-type           MAD
delete-device-type           MAD
list-device-types            MAVD
list-device-type-members     MAVD
create-device-group          MAD
update-device-group          MAD
delete-device-group          MAD
list-device-groups           MAVD
list-device-group-members    MAVD
add-device-group-members     MAD
remove-device-group-members  MAD
create-yang-module           MA
delete-yang-module           MA
list-yang-modules            MAV
create-package               MA
add-package-members          MAD
push-package                 MAD
list-packages                MAVD
get-package-status           MAVD
create-config-set            MADC
update-config-set            MADC
delete-config-set            MADC
list-config-sets             MAVDC
list-config-set-members      MAVDC
add-config-set-members       MADC
remove-config-set-members    MADC
push-config-set              MADC
create-device                MAD
lookup-device                MAVD
list-devices                 MAVD
delete-devices               MAD
add-user-to-role             MA
remove-user-from-role        MA
add-execution-permission     MA
remove-execution-permission  MA
list-execution-permissions   MAV
`
/** Commands of the schemas that the manual's table has no row for. */
const readings = `
lookup-account               MA
list-accounts                M
add-account-users            MA
remove-account-users         MA
list-account-roles           MAV
set-mblox-parameters         MAC
get-mblox-parameters         MAC
delete-mblox-parameters      MAC
update-user                  MA
lookup-user                  MA
list-user-accounts           MA
add-role-execution-permission     MA
remove-role-execution-permission  MA
list-rpc-roles               MAV
update-device                MAD
lookup-device-attributes     MAVD
list-devices-attributes      MAVD
lookup-yang-module           MAV
read-config-set-data         MAVDC
delete-package               MA
add-package-to-device-type         MAD
remove-package-from-device-type    MAD
list-device-types-with-package     MAVD
list-packages-on-device-type       MAVD
list-devices-with-package          MAVD
install-package              MAD
upgrade-package              MAD
uninstall-package            MAD
remove-package-members       MAD
list-package-members         MAVD
update-config                MADC
push-config-data             MADC
update-package-config        MADC
read-package-config          MAVDC
rollback-package-config      MADC
add-notification-urls        MAC
delete-notification-urls     MAC
`
/** The manual's own spellings, where they are others. */
const printed = {
  'remove-user-to-account': 'remove-user-from-account',
  'list-user': 'list-users',
  'delete-device': 'delete-devices',
  'list-execution-permissions': 'list-execution-permissions',
} as const

const letters = { M: 'master', A: 'admin', V: 'view', D: 'device', C: 'config', E: 'execute' } as const
type Letter = keyof typeof letters
const everybody = Object.keys(letters) as Letter[]

const matrix = new Map(
  `${manual}\n${readings}`
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((row): row is [string, string] => row.length === 2)
    .map(([name, roles]) => [name, [...roles] as Letter[]]),
)

/** Parameters that every command takes: with them a command fails, if at all, for another reason than its roles. */
const page = { n: 1, previous: '' }
const nobody = { uname: 'nobody' }
const params: Record<string, JsonObject> = {
  'create-account': { name: 'acme', password },
  'update-account': { name: 'nowhere' },
  'delete-account': { name: 'nowhere' },
  'lookup-account': { name: 'nowhere' },
  'list-accounts': page,
  'add-user-to-account': nobody,
  'add-account-users': { ...nobody, role: 'view' },
  'remove-user-from-account': nobody,
  'remove-account-users': { ...nobody, role: 'view' },
  'list-account-users': page,
  'list-account-roles': page,
  'set-mblox-parameters': {
    'application-id': 'a',
    'originating-msisdn': '1',
    'consumer-key': 'k',
    'secret-key': 's',
  },
  'get-mblox-parameters': {},
  'delete-mblox-parameters': {},
  'create-user': { uname: 'exodm-admin', password },
  'update-user': nobody,
  'delete-user': nobody,
  'lookup-user': nobody,
  'list-user-accounts': nobody,
  'list-users': page,
  'add-user-to-role': { role: 'view', names: ['nobody'] },
  'remove-user-from-role': { role: 'view', names: ['nobody'] },
  'add-role-execution-permission': { role: 'execute', 'package-name': 'p', 'rpc-name': 'm:r' },
  'remove-role-execution-permission': { role: 'execute', 'package-name': 'p', 'rpc-name': 'm:r' },
  'list-rpc-roles': { 'package-name': 'p', 'rpc-name': 'm:r' },
  'add-execution-permission': { name: 'm', rpcname: 'r', role: 'execute' },
  'remove-execution-permission': { name: 'm', rpcname: 'r', role: 'execute' },
  'list-execution-permissions': { name: 'm' },
  'create-device-type': { name: 't', protocol: 'nothing' },
  'update-device-type': { name: 'none' },
  'delete-device-type': { name: 'none' },
  'list-device-types': page,
  'list-device-type-members': { name: 'none', ...page },
  'create-device': { 'device-id': 'd', 'device-type': 'none' },
  'update-device': { 'device-id': 'none' },
  'lookup-device': { 'device-id': 'none' },
  'lookup-device-attributes': { 'device-id': 'none' },
  'list-devices': page,
  'list-devices-attributes': page,
  'delete-devices': { 'device-id': ['none'] },
  'create-device-group': { name: 'g', 'notification-url': 'ftp://nowhere' },
  'update-device-group': { 'group-id': 'none' },
  'delete-device-group': { 'group-id': 'none' },
  'list-device-groups': page,
  'list-device-group-members': { 'group-id': 'none', ...page },
  'add-device-group-members': { 'group-id': 'none', 'device-id': 'none' },
  'remove-device-group-members': { 'group-id': 'none', 'device-id': 'none' },
  'create-yang-module': { name: 'm.yang', 'yang-module': 'no module' },
  'delete-yang-module': { name: 'none' },
  'lookup-yang-module': { name: 'none' },
  'list-yang-modules': page,
  'create-package': { 'package-name': 'p' },
  'delete-package': { 'package-name': 'none' },
  'list-packages': page,
  'add-package-to-device-type': { 'package-name': 'none', 'device-type': 'none' },
  'remove-package-from-device-type': { 'package-name': 'none', 'device-type': 'none' },
  'list-device-types-with-package': { 'package-name': 'none' },
  'list-packages-on-device-type': { 'device-type': 'none' },
  'list-devices-with-package': { 'package-name': 'none' },
  'install-package': { 'package-name': 'none', targets: 'none' },
  'upgrade-package': { 'from-package-name': 'none', 'to-package-name': 'none', targets: 'none' },
  'uninstall-package': { 'package-name': 'none', targets: 'none' },
  'add-package-members': { 'package-name': 'none', 'device-id': 'none' },
  'remove-package-members': { 'package-name': 'none', 'device-id': 'none' },
  'list-package-members': { 'package-name': 'none' },
  'push-package': { 'package-name': 'none', operation: 'install' },
  'get-package-status': { 'package-name': 'none' },
  'update-config': { 'device-id': 'none', 'package-name': 'none', values: {} },
  'push-config-data': { 'device-id': 'none' },
  'update-package-config': { targets: 'none', 'package-name': 'none', values: {} },
  'read-package-config': { target: 'none', 'package-name': 'none' },
  'rollback-package-config': { 'device-id': 'none', 'package-name': 'none', version: 1 },
  'create-config-set': { name: 's', yang: 'none' },
  'update-config-set': { name: 'none' },
  'delete-config-set': { name: 'none' },
  'list-config-sets': page,
  'list-config-set-members': { name: 'none', ...page },
  'add-config-set-members': { name: 'none', 'device-id': 'none' },
  'remove-config-set-members': { name: 'none', 'device-id': 'none' },
  'read-config-set-data': { name: 'none', area: 'staged' },
  'push-config-set': { name: 'none' },
  'add-notification-urls': { 'device-id': 'none', urls: [] },
  'delete-notification-urls': { 'device-id': 'none', 'config-sets': ['none'] },
}

let back: Back
beforeAll(async () => {
  const closers: (() => Promise<void>)[] = []
  back = await openBack({}, (close) => closers.push(close))
  afterAll(async () => {
    for (const close of closers) await close()
  })
  for (const account of ['acme', 'other']) await back.account(account)
  for (const role of ['view', 'device', 'config', 'execute']) {
    const uname = `acme-${role}`
    await back.ask(master, 'exodm:create-user', { uname, password, account: 'acme' })
    await back.ask('acme-admin', 'exodm:add-user-to-role', { role, names: [uname] })
  }
})

const userOf = (letter: Letter) => (letter === 'M' ? master : `acme-${letters[letter]}`)

test('[XR1] every command has its row, and every row its command', () => {
  expect(Object.keys(commands).sort()).toEqual([...matrix.keys()].sort())
  expect(Object.keys(params).sort()).toEqual([...matrix.keys()].sort())
})

test('[XR1] the names that the manual prints lead to the same commands', () => {
  for (const [name, command] of Object.entries(printed))
    expect(name === command || commands[command]?.aliases?.includes(name)).toBe(true)
})

for (const [name, roles] of matrix)
  describe(`exodm:${name}`, () => {
    for (const letter of everybody) {
      const may = roles.includes(letter)
      test(`[XR2] ${may ? 'open' : 'refused'} to ${letters[letter]} in their own account`, async () => {
        const own = commands[name]?.where === 'house' ? {} : { account: letter === 'M' ? 'exodm' : 'acme' }
        const { result } = await back.ask(userOf(letter), `exodm:${name}`, { ...own, ...params[name] })
        if (may) expect(result).not.toBe('permission-denied')
        else expect(result).toBe('permission-denied')
      })
      if (letter === 'M' || commands[name]?.where === 'house') continue
      test(`[XR3] refused to ${letters[letter]} of another account`, async () => {
        const { result } = await back.ask(userOf(letter), `exodm:${name}`, {
          account: 'other',
          ...params[name],
        })
        expect(result).toBe('permission-denied')
      })
    }
    if (commands[name]?.where !== 'house')
      test('[XR4] an account that is not there is not specified', async () => {
        const { result } = await back.ask(master, `exodm:${name}`, { account: 'nowhere', ...params[name] })
        expect(result).toBe('account-not-specified')
      })
  })
