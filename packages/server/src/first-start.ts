/**
 * The first start of an installation: who is there before anybody else is. Nobody has a fixed password.
 */
import {
  type AccountRefusal,
  accountByName,
  createAccount,
  createUser,
  type DirectoryRefusal,
  houseAccount,
  letters,
  ok,
  openAccount,
  principals,
  setMembership,
} from '@waymark/domain'
import type { House } from './house.ts'
import type { Services } from './serve.ts'

/**
 * On an empty house: the tenant `main` and its `admin`; and the account `exodm` with `exodm-admin` and `sysadm`, also on a
 * house from before there were back ends. All have one password, which is given or made and shown once.
 */
export async function firstStart(house: House, services: Pick<Services, 'announce'>): Promise<void> {
  const directory = house.store.readHouse()
  const empty = (await directory.count(principals, {})) === 0
  if (!empty && (await accountByName(directory, houseAccount))) return
  const given = house.config.adminPassword
  const password =
    given ?? letters(house.env(), 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789', 20)
  const passwordHash = await house.passwords.hash(password)
  const by = { kind: 'system', id: 'first-start' } as const
  // Told before it counts: whoever is cut off between the two has a password that is void and is given another at the
  // next start, and nobody has one that was never told.
  if (given === undefined)
    services.announce(`${empty ? 'admin' : 'exodm-admin and sysadm'} password ${password}`)
  const made = await house.store.transactHouse<undefined, DirectoryRefusal | AccountRefusal>(async (tx) => {
    const env = house.env()
    if (empty) {
      const main = await createAccount(tx, env, {
        nick: 'admin',
        tenantName: 'main',
        passwordHash,
        verified: true,
        houseAdmin: true,
      })
      if (!main.ok) return main
    }
    const asked = { passwordHash, facts: {}, houseAdmin: true, by }
    const account = await openAccount(tx, env, { ...asked, account: houseAccount, name: 'exodm-admin' })
    if (!account.ok) return account
    const { id } = account.value.tenant
    const sysadm = await createUser(tx, env, { ...asked, name: 'sysadm', home: id })
    if (!sysadm.ok) return sysadm
    const member = { principal: sysadm.value.id, tenant: id, roles: ['owner'], by } as const
    const joined = await setMembership(tx, env, member)
    return joined.ok ? ok(undefined) : joined
  })
  // Of two processes that start at once on one database the other was first.
  if (!made.ok && given === undefined)
    services.announce('that password is void: another process was first, and told the one that counts')
}
