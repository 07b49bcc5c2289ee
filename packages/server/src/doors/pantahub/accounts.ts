/**
 * Accounts (Pantahub wire facts 2.3). Where no mail server is configured nobody could confirm an address, so an account
 * counts as confirmed at once. With one configured it waits for its confirmation, and logging in waits with it. Where
 * captchas are asked for, an account is made once one is solved (captcha.ts).
 */
import {
  createAccount,
  createSession,
  type DirectoryRefusal,
  Instant,
  type JsonObject,
  ok,
  type Principal,
  principals,
  type Result,
  refuse,
} from '@waymark/domain'
import { Prn } from '@waymark/pantahub'
import { hex, ownerPrn } from '../../access.ts'
import type { House } from '../../house.ts'
import { maxPasswordBytes } from '../../passwords.ts'
import { networkOf } from '../../throttle.ts'
import { type Handlers, say, sayArray } from './answer.ts'
import { objectOf, textAt } from './bodies.ts'
import { type AskedAccount, captchaNeeded, judgeCaptcha, sentToPage, unsealedAccount } from './captcha.ts'
import type { DoorRefusal } from './errors.ts'
import { tokenReply } from './login.ts'
import { pages } from './paging.ts'
import { askForConfirmation } from './recovery.ts'

/** Longest solved captcha, and longest sealed account, in characters. */
const captchaMax = 8192
const sealedMax = 8192

export function accountHandlers(
  house: House,
): Pick<Handlers, 'ownAccount' | 'listAccounts' | 'createAccount' | 'createSession'> {
  return {
    async ownAccount({ caller }) {
      return say(account(caller.principal))
    },

    async listAccounts({ caller, query }) {
      if (query.asadmin === undefined) return say([account(caller.principal)])
      if (!caller.principal.houseAdmin)
        return refuse({ kind: 'not-allowed', thing: 'all accounts', wanted: 'an administrator', got: 'none' })
      return sayArray(everyAccount())
    },

    async createAccount({ body, peer }) {
      const closed = signUpClosed(house)
      if (closed) return refuse(closed)
      const asked = objectOf(body, 'account')
      if (!asked.ok) return asked
      const captcha = textAt(asked.value, 'captcha', captchaMax)
      if (!captcha.ok) return captcha
      const given = accountOf(asked.value)
      if (!given.ok) return given
      const { nick, email, password } = given.value

      const retryAfterMs = house.registrations.take(networkOf(peer))
      if (retryAfterMs > 0) return refuse({ kind: 'too-many-registrations', retryAfterMs })
      if (captchaNeeded(house)) {
        if (captcha.value === undefined) return say(sentToPage(house, given.value))
        const judged = await judgeCaptcha(house, captcha.value, peer)
        if (!judged.ok) return judged
      }
      const wanted = {
        nick,
        email,
        passwordHash: await house.passwords.hash(password),
        verified: house.config.smtp === undefined,
      }
      const made = await house.store.transactHouse<Principal, DirectoryRefusal | QueueFull>(async (tx) => {
        const env = house.env()
        const created = await createAccount(tx, env, wanted)
        if (!created.ok) return created
        const { principal } = created.value
        if (!wanted.verified && !(await askForConfirmation(house, tx, env, principal)))
          return refuse({ kind: 'mail-queue-full' })
        return ok(principal)
      })
      if (made.ok) return say(account(made.value))
      return refuse(made.refusal.kind === 'mail-queue-full' ? made.refusal : unfitAccount(made.refusal))
    },

    async createSession({ peer }) {
      const closed = signUpClosed(house)
      if (closed) return refuse(closed)
      const retryAfterMs = house.registrations.take(networkOf(peer))
      if (retryAfterMs > 0) return refuse({ kind: 'too-many-registrations', retryAfterMs })
      const made = await house.store.transactHouse((tx) => createSession(tx, house.env()))
      if (!made.ok) return refuse(unfitAccount(made.refusal))
      return tokenReply(house.access.tokenFor(made.value.principal))
    },
  }

  /** The account that is asked for: in the open, or sealed here before. */
  function accountOf(asked: JsonObject): Result<AskedAccount, DoorRefusal> {
    const sealed = textAt(asked, 'encrypted-account', sealedMax)
    if (!sealed.ok) return sealed
    if (sealed.value !== undefined) return unsealedAccount(house, sealed.value)
    const nick = textAt(asked, 'nick')
    if (!nick.ok) return nick
    const email = textAt(asked, 'email')
    if (!email.ok) return email
    const password = textAt(asked, 'password', maxPasswordBytes)
    if (!password.ok) return password
    if (email.value === undefined) return unfit('email', 'an address', 'none')
    if (nick.value === undefined) return unfit('nick', 'a name of 3 to 23 characters', 'none')
    if (password.value === undefined) return unfit('password', 'one', 'none')
    if (Buffer.byteLength(password.value) > maxPasswordBytes)
      return unfit('password', `at most ${maxPasswordBytes} bytes`, 'more')
    return ok({ nick: nick.value, email: email.value, password: password.value })
  }

  async function* everyAccount(): AsyncGenerator<string> {
    for await (const page of pages(house.store.readHouse(), principals, { order: ['id'] }))
      for (const principal of page) yield JSON.stringify(account(principal), null, 2)
  }
}

/** The refusal of whoever would make an account where nobody may; undefined: they may. */
export function signUpClosed({ config }: Pick<House, 'config'>): DoorRefusal | undefined {
  if (config.signUp === 'open') return undefined
  return { kind: 'not-allowed', thing: 'sign-up', wanted: 'an account that an owner made', got: 'a new one' }
}

/** An account as it is told. Credentials are kept apart from principals: there is nothing here to blank. */
export function account(principal: Principal): Record<string, unknown> {
  const session = principal.kind === 'session'
  return {
    type: session ? 'SESSION' : principal.kind === 'service' ? 'SERVICE' : 'USER',
    email: principal.email ?? '',
    nick: principal.nick,
    prn: session ? Prn.session(hex(principal.id)) : ownerPrn(principal.home),
    'time-created': Instant.format(principal.createdAt),
    'time-modified': Instant.format(principal.modifiedAt),
  }
}

type QueueFull = Extract<DoorRefusal, { kind: 'mail-queue-full' }>

function unfit(thing: string, wanted: string, got: string) {
  return refuse({ kind: 'unfit-account', thing, wanted, got } as const)
}

/** What of the directory's refusals concerns a new account, told as Base does: 412. */
function unfitAccount(refusal: DirectoryRefusal): DoorRefusal {
  const kind = 'unfit-account'
  switch (refusal.kind) {
    case 'bad-nick':
      return {
        kind,
        thing: 'nick',
        wanted: `a name of 3 to 23 characters (${refusal.wanted})`,
        got: refusal.got,
      }
    case 'nick-taken':
      return { kind, thing: 'nick', wanted: 'one that is free', got: `${refusal.got}, which is taken` }
    case 'email-taken':
      return { kind, thing: 'email', wanted: 'one that is free', got: `${refusal.got}, which is taken` }
    default:
      return { kind, thing: 'email', wanted: 'an address', got: refusal.got }
  }
}
