/**
 * The queue of mails between the commits that want them sent and the mail server: durable rows, sent by a chore. Texts
 * are sealed while they wait, because they hold what only their receiver may know.
 */
import {
  claimMails,
  type Env,
  type HouseTx,
  type MailId,
  ok,
  queueMail,
  settled,
  settleMail,
} from '@waymark/domain'
import type { House } from './house.ts'
import { createMailer, mailServerOf, type SendMail } from './mail.ts'

/** Mails that are sent in one go: as many as surely fit the time a claim lasts. */
const batch = 3

/** Puts a mail into the queue; answers false when it is full. */
export async function postMail(
  house: Pick<House, 'keys'>,
  tx: HouseTx,
  env: Env,
  mail: { readonly to: string; readonly subject: string; readonly text: string },
): Promise<boolean> {
  const seal = (text: string, id: MailId) => house.keys.seal(text, mailPlace(id))
  return (await queueMail(tx, env, { ...mail, seal })) !== undefined
}

/** The configured mail server, if there is one. */
export function mailerOf(house: Pick<House, 'config' | 'publicUrl'>): SendMail | undefined {
  const { smtp } = house.config
  if (smtp === undefined) return undefined
  return createMailer({ server: mailServerOf(smtp, `waymark@${hostOf(house.publicUrl())}`) })
}

/** Sends what is due, batch by batch; answers how many were taken by the mail server. */
export async function sendDueMails(
  house: Pick<House, 'store' | 'keys' | 'env' | 'log' | 'draining'>,
  send: SendMail,
): Promise<number> {
  let sent = 0
  while (!house.draining.aborted) {
    const claimed = settled(
      await house.store.transactHouse(async (tx) => ok(await claimMails(tx, house.env(), batch))),
    )
    for (const mail of claimed) {
      const text = house.keys.unseal(mail.sealedText, mailPlace(mail.id))
      const came = text.ok
        ? await send({
            id: mail.id,
            to: mail.to,
            subject: mail.subject,
            text: text.value,
            at: mail.createdAt,
          })
        : undefined
      const outcome = came === undefined ? 'never' : came.ok ? 'sent' : outcomes[came.refusal.kind]
      if (outcome === 'sent') sent += 1
      const stays = settled(
        await house.store.transactHouse(async (tx) => ok(await settleMail(tx, house.env(), mail, outcome))),
      )
      const reason =
        came === undefined ? 'its text does not open: another master key?' : came.ok ? '' : came.refusal
      if (outcome !== 'sent')
        house.log.warn({ mail: mail.id, attempts: mail.attempts, stays, reason }, 'a mail was not sent')
    }
    if (claimed.length < batch) break
  }
  return sent
}

const outcomes = { 'mail-rejected': 'never', 'mail-delayed': 'later' } as const

function mailPlace(id: MailId): string {
  return `mail/${id}`
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : 'localhost'
}
