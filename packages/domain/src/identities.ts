/**
 * Logins that another provider vouches for. Whoever comes for the first time gets an account of their own.
 *
 * An existing account is never taken for theirs because the e-mail address is the same: where addresses were not
 * confirmed, whoever registered somebody else's address first would share the account. An address that is taken is
 * left out instead.
 */
import {
  createAccount,
  type DirectoryRefusal,
  nickForm,
  principalByLogin,
  tenantByNick,
} from './directory.ts'
import type { Env } from './env.ts'
import { actingOn } from './journal.ts'
import { identities } from './login-records.ts'
import type { HouseTx } from './port.ts'
import { type Principal, principals } from './records.ts'
import { invariant, ok, type Result } from './result.ts'

/** The principal an identity stands for, made on the spot when it is new. */
export async function enterByIdentity(
  house: HouseTx,
  env: Env,
  asked: {
    readonly provider: string
    readonly subject: string
    /** What they would like to be called. */
    readonly nick: string
    /** An address that the provider has confirmed. */
    readonly email?: string
    /** Of a password nobody knows. */
    readonly passwordHash: string
  },
): Promise<Result<Principal, DirectoryRefusal>> {
  const { provider, subject, passwordHash } = asked
  const known = await house.get(identities, { provider, subject })
  if (known) {
    const principal = await house.get(principals, { id: known.principal })
    invariant(principal, 'an identity stands for a principal that is there')
    return ok(principal)
  }
  const taken = asked.email !== undefined && (await principalByLogin(house, asked.email)) !== undefined
  const made = await createAccount(house, env, {
    nick: await freeNick(house, asked.nick, subject),
    passwordHash,
    verified: true,
    ...(asked.email === undefined || taken ? {} : { email: asked.email }),
  })
  if (!made.ok) return made
  const { principal } = made.value
  await house.put(identities, { provider, subject, principal: principal.id, createdAt: env.now })
  actingOn(house, env, { kind: 'user', id: principal.id }).note('principal.changed', {
    principal: principal.id,
    provider,
  })
  return ok(principal)
}

/** The nick that is wished for, or one like it that nobody has. */
async function freeNick(house: HouseTx, wished: string, subject: string): Promise<string> {
  const plain = wished.replace(/[^A-Za-z0-9_.+-]/g, '').replace(/^[^A-Za-z0-9]+/, '')
  const root = nickForm.test(plain) ? plain : `user-${plain}`.slice(0, 20)
  for (let count = 1; count <= 100; count++) {
    const nick = count === 1 ? root.slice(0, 23) : `${root.slice(0, 19)}-${count}`
    const taken = (await principalByLogin(house, nick)) ?? (await tenantByNick(house, nick))
    if (nickForm.test(nick) && !taken) return nick
  }
  return `user-${subject.replace(/[^A-Za-z0-9]/g, '').slice(-18)}`
}
