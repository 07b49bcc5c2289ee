/**
 * Logins that have been proved, and the accounts they led to: remembered until anything in the directory changes. Every
 * request logs in by itself, and most ask for the same few accounts; a change of a password, a role or a name is a commit
 * to the directory, and after it everything is looked up anew.
 *
 * What is kept of a login is a keyed hash of it.
 */
import { hash } from 'node:crypto'
import type { House } from '../../house.ts'
import { type AccountAnswer, accountOf, type Caller } from './login.ts'

/** Logins and accounts remembered; beyond, all are forgotten and come back as they are used. */
const mostRemembered = 10_000

export type Remembered = ReturnType<typeof createRemembered>

export function createRemembered({ store, env }: Pick<House, 'store' | 'env'>) {
  const secret = Buffer.from(env().random(32)).toString('base64')
  const callers = new Map<string, Caller>()
  const accounts = new Map<string, AccountAnswer>()
  let changes = 0

  function forget(): void {
    changes += 1
    callers.clear()
    accounts.clear()
  }
  store.onCommit(({ tenants }) => {
    if (tenants.has('house')) forget()
  })

  const nameOf = (header: string) => hash('sha256', secret + header, 'base64')

  return {
    caller: (header: string): Caller | undefined =>
      callers.size === 0 ? undefined : callers.get(nameOf(header)),
    /** Counts the changes of the directory: what was looked up before the last one is not kept. */
    changes: () => changes,
    keep(header: string, caller: Caller, asOf: number): void {
      if (asOf !== changes) return
      if (callers.size >= mostRemembered) forget()
      callers.set(nameOf(header), caller)
    },
    async account(
      caller: Caller,
      named: string | undefined,
      uname: string | undefined,
    ): Promise<AccountAnswer> {
      const directory = store.readHouse()
      if (uname !== undefined) return accountOf(directory, caller, named, uname)
      const key = `${caller.principal.id} ${caller.account ?? ''}\n${named ?? ''}`
      const known = accounts.get(key)
      if (known) return known
      const asOf = changes
      const found = await accountOf(directory, caller, named, undefined)
      if (asOf === changes && found.ok) {
        if (accounts.size >= mostRemembered) forget()
        accounts.set(key, found)
      }
      return found
    },
  }
}
