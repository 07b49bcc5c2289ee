/**
 * Mail that goes out, and what it is for: to confirm an address.
 *
 * A mail is a row in the commit that wants it sent, so that an account is never made without its mail, nor a mail sent
 * for an account that was not made. Sending claims the row first: it pushes the row's next turn away, so that a second
 * process leaves it alone and a crash only delays it. A mail may so arrive twice, never not at all; it carries the same
 * name both times. After a day and a half of tries it is given up.
 */
import { type Env, newId } from './env.ts'
import { Instant, MailId, type PrincipalId } from './ids.ts'
import { actingOn } from './journal.ts'
import { emailChallenges, type OutgoingMail, outgoingMails } from './login-records.ts'
import type { HouseTx } from './port.ts'
import { type Principal, principals } from './records.ts'
import { ok, type Result, refuse } from './result.ts'

const minuteMs = 60_000

/** How long after each failed try the next one follows; after the last the mail is given up. */
export const mailRetryMs = [1, 5, 15, 60, 240, 720, 1080].map((minutes) => minutes * minuteMs)

/** How long a claimed mail is left to the process that sends it. */
export const mailClaimMs = 10 * minuteMs

/** Most mails that wait; beyond it none is taken. */
export const mailsMax = 100_000

/** Puts a mail into the queue; answers undefined, and keeps nothing, when too many wait. */
export async function queueMail(
  house: HouseTx,
  env: Env,
  asked: {
    readonly to: string
    readonly subject: string
    readonly text: string
    readonly seal: (text: string, mail: MailId) => string
  },
): Promise<OutgoingMail | undefined> {
  if ((await house.count(outgoingMails, {})) >= mailsMax) return undefined
  const id = newId(env, MailId.parse)
  const mail: OutgoingMail = {
    id,
    to: asked.to,
    subject: asked.subject,
    sealedText: asked.seal(asked.text, id),
    attempts: 0,
    dueAt: env.now,
    createdAt: env.now,
  }
  await house.put(outgoingMails, mail)
  return mail
}

/** Takes mails whose turn has come, at most `limit`, and leaves them to the caller for `mailClaimMs`. */
export async function claimMails(house: HouseTx, env: Env, limit: number): Promise<OutgoingMail[]> {
  const due = await house.find(outgoingMails, {
    where: { dueAt: { lte: env.now } },
    order: ['dueAt', 'id'],
    limit,
  })
  const claimed = due.map((mail) => ({
    ...mail,
    attempts: mail.attempts + 1,
    dueAt: Instant.after(env.now, mailClaimMs),
  }))
  for (const mail of claimed) await house.put(outgoingMails, mail)
  return claimed
}

/** What became of a claimed mail: taken by the mail server, or not now, or never. Answers whether it stays queued. */
export async function settleMail(
  house: HouseTx,
  env: Env,
  claimed: OutgoingMail,
  outcome: 'sent' | 'later' | 'never',
): Promise<boolean> {
  const wait = mailRetryMs[claimed.attempts - 1]
  if (outcome !== 'later' || wait === undefined) {
    await house.remove(outgoingMails, { id: claimed.id })
    return false
  }
  await house.put(outgoingMails, { ...claimed, dueAt: Instant.after(env.now, wait) })
  return true
}

/** Notes what a principal has to bring back to confirm its address; an earlier challenge is void. */
export async function challengeEmail(
  house: HouseTx,
  env: Env,
  asked: { readonly principal: PrincipalId; readonly hash: string },
): Promise<void> {
  await house.put(emailChallenges, { ...asked, createdAt: env.now })
}

export type VerifyRefusal =
  | { readonly kind: 'no-such-account' }
  /** Another one than was sent, or one that was brought before. */
  | { readonly kind: 'wrong-email-challenge' }

/** The owner of an address brought its challenge back: the account may be entered from now on. */
export async function verifyEmail(
  house: HouseTx,
  env: Env,
  asked: { readonly principal: PrincipalId; readonly hash: string },
): Promise<Result<Principal, VerifyRefusal>> {
  const held = await house.get(principals, { id: asked.principal })
  if (!held) return refuse({ kind: 'no-such-account' })
  const challenge = await house.get(emailChallenges, { principal: asked.principal })
  if (challenge?.hash !== asked.hash) return refuse({ kind: 'wrong-email-challenge' })
  const principal: Principal = { ...held, verifiedAt: env.now, modifiedAt: env.now }
  await house.put(principals, principal)
  await house.remove(emailChallenges, { principal: held.id })
  actingOn(house, env, { kind: 'user', id: held.id }).note('principal.verified', { principal: held.id })
  return ok(principal)
}
