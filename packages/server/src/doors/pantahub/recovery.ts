/**
 * Accounts that are proved by mail (Pantahub wire facts 2.3): an address is confirmed by the challenge that was sent to
 * it, a forgotten password is replaced by whoever reads the account's mail.
 *
 * A challenge is kept as a keyed hash. A recovery token is signed, lives an hour, and stands on the version of the
 * account's credential: the password it sets makes it, and every other one that was sent, worthless. That an address
 * is unknown is told, as Base does; asking is slowed by address, and one account is not written to more than once a
 * minute, however often it is asked.
 */
import {
  challengeEmail,
  changePassword,
  type Env,
  type HouseTx,
  letters,
  type Principal,
  PrincipalId,
  principalByLogin,
  principals,
  refuse,
  verifyEmail,
} from '@waymark/domain'
import { createPasswordTokens, recoveryLifeMs } from '../../handed-on.ts'
import type { House } from '../../house.ts'
import { postMail } from '../../mail-queue.ts'
import { maxPasswordBytes } from '../../passwords.ts'
import { createThrottle, networkOf } from '../../throttle.ts'
import { account } from './accounts.ts'
import { type Handlers, say } from './answer.ts'
import { objectOf, textAt } from './bodies.ts'
import { badValue, type Refusal } from './errors.ts'

const challengeLetters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const challengeLength = 15
const challengePurpose = 'email-challenge'

export function recoveryHandlers(
  house: House,
): Pick<Handlers, 'verifyAccount' | 'recoverAccount' | 'setPassword'> {
  const tokens = createPasswordTokens(house)
  const written = createThrottle({ clock: house.clock, perMinute: 1 })

  return {
    async verifyAccount({ query }) {
      const principal = PrincipalId.parse(query.id)
      if (!principal) return refuse({ kind: 'no-such-account' })
      const hash = house.keys.lookup(challengePurpose, `${principal} ${query.challenge ?? ''}`)
      const verified = await house.store.transactHouse((tx) =>
        verifyEmail(tx, house.env(), { principal, hash }),
      )
      return verified.ok ? say(account(verified.value)) : verified
    },

    async recoverAccount({ body, peer }) {
      const asked = objectOf(body, 'recovery')
      if (!asked.ok) return asked
      const email = textAt(asked.value, 'email', 254)
      if (!email.ok) return email
      if (!email.value?.includes('@')) return badValue('email', 'an address', email.value ?? 'none')
      if (house.config.smtp === undefined)
        return refuse({ kind: 'absent', thing: 'recovery by mail', got: 'mail server' })
      const retryAfterMs = house.registrations.take(networkOf(peer))
      if (retryAfterMs > 0) return refuse({ kind: 'too-many-registrations', retryAfterMs })
      const found = await principalByLogin(house.store.readHouse(), email.value)
      if (!found || found.disabled) return refuse({ kind: 'absent', thing: 'account', got: 'such e-mail' })
      // Asked again within the minute, the mail that was sent is the answer.
      if (written.take(found.id) > 0) return say(true)
      const token = tokens.issueFor(found, recoveryLifeMs)
      const posted = await house.store.transactHouse(async (tx) =>
        (await sendRecovery(tx, house.env(), found, token))
          ? { ok: true, value: undefined }
          : refuse({ kind: 'mail-queue-full' }),
      )
      return posted.ok ? say(true) : posted
    },

    async setPassword({ body }) {
      const asked = objectOf(body, 'password')
      if (!asked.ok) return asked
      const token = textAt(asked.value, 'token')
      if (!token.ok) return token
      const password = textAt(asked.value, 'password', maxPasswordBytes)
      if (!password.ok) return password
      if (password.value === undefined || Buffer.byteLength(password.value) > maxPasswordBytes)
        return badValue('password', `one of at most ${maxPasswordBytes} bytes`, 'none, or more')
      const claims = tokens.verify(token.value ?? '')
      const principal = claims.ok ? PrincipalId.parse(claims.value.sub) : undefined
      const held = principal && (await house.store.readHouse().get(principals, { id: principal }))
      // Looked at before the hashing, which is dear, and again in the commit, where it counts.
      if (!claims.ok || held?.credentialVersion !== claims.value.cv || held.disabled)
        return refuse({ kind: 'bad-recovery-token' })
      const passwordHash = await house.passwords.hash(password.value)
      const changed = await house.store.transactHouse<Principal, Refusal>(async (tx) => {
        const now = await tx.get(principals, { id: held.id })
        if (now?.credentialVersion !== claims.value.cv) return refuse({ kind: 'bad-recovery-token' })
        const by = { kind: 'user', id: held.id } as const
        return changePassword(tx, house.env(), { principal: held.id, passwordHash, by, verifies: true })
      })
      return changed.ok ? say(true) : changed
    },
  }

  function sendRecovery(tx: HouseTx, env: Env, to: Principal, token: string): Promise<boolean> {
    return postMail(house, tx, env, {
      to: to.email ?? '',
      subject: 'A new password for your account',
      text: [
        `Somebody, hopefully you, asked for a new password for ${to.nick} on ${house.publicUrl()}.`,
        '',
        'To set it, send this token with the new password, within an hour:',
        '',
        `  ${token}`,
        '',
        `  POST ${house.publicUrl()}/auth/password`,
        '  {"token": "<the token>", "password": "<the new password>"}',
        '',
        'If it was not you, nothing has changed and nothing needs to be done.',
        '',
      ].join('\n'),
    })
  }
}

/** For the commit that makes an account: its challenge, and the mail that tells it. Answers false when no mail is taken. */
export async function askForConfirmation(
  house: Pick<House, 'keys' | 'publicUrl'>,
  tx: HouseTx,
  env: Env,
  principal: Principal,
): Promise<boolean> {
  const challenge = letters(env, challengeLetters, challengeLength)
  const hash = house.keys.lookup(challengePurpose, `${principal.id} ${challenge}`)
  await challengeEmail(tx, env, { principal: principal.id, hash })
  return postMail(house, tx, env, {
    to: principal.email ?? '',
    subject: 'Confirm your e-mail address',
    text: [
      `Welcome, ${principal.nick}. To confirm your address, and to be let in, open`,
      '',
      `  ${house.publicUrl()}/auth/verify?id=${principal.id}&challenge=${challenge}`,
      '',
      'If you did not ask for an account, do nothing.',
      '',
    ].join('\n'),
  })
}
