/**
 * Captchas for new accounts (Pantahub wire facts 2.3), where `captcha-verify` names who judges them.
 *
 * Whoever asks for an account without one gets the account back sealed, and the address of a page for people; that page
 * shows the provider's captcha and posts both. pvr prints that address. Nothing is kept of an account that was only asked
 * for: it is in what was sealed, which opens here alone and for an hour. The provider is asked by the form that
 * reCAPTCHA, hCaptcha and Turnstile share: `secret`, `response` and `remoteip`, and answers `success`.
 */
import { isJsonObject, ok, type Result, refuse } from '@waymark/domain'
import type { House } from '../../house.ts'
import { answerOf } from './asking.ts'
import type { DoorRefusal } from './errors.ts'

const place = 'sign-up'
const sealedForMs = 3600_000

/** An account as it was asked for. */
export interface AskedAccount {
  readonly nick: string
  readonly email: string
  readonly password: string
}

export function captchaNeeded({ config }: Pick<House, 'config'>): boolean {
  return config.captchaVerify !== undefined
}

/** What whoever asked without a captcha is told: the account, sealed, and where to go with it. */
export function sentToPage(
  house: Pick<House, 'config' | 'keys' | 'clock' | 'publicUrl'>,
  asked: AskedAccount,
) {
  const until = house.clock.now() + sealedForMs
  const token = house.keys.seal(JSON.stringify({ ...asked, until }), place)
  const page = house.config.captchaPage ?? `${house.publicUrl()}/signup`
  return { token, 'redirect-uri': `${page}#account=${token}` }
}

/** The account that was sealed here within the hour. */
export function unsealedAccount(
  house: Pick<House, 'keys' | 'clock'>,
  sealed: string,
): Result<AskedAccount, DoorRefusal> {
  const plain = house.keys.unseal(sealed, place)
  const found: unknown = plain.ok ? JSON.parse(plain.value) : undefined
  // Only what was sealed here opens, so its form is ours.
  if (!isJsonObject(found)) return unfit('encrypted-account', 'what was given out here', 'something else')
  const { nick, email, password, until } = found as unknown as AskedAccount & { readonly until: number }
  return until > house.clock.now()
    ? ok({ nick, email, password })
    : unfit('encrypted-account', 'one given out within the hour', 'an older one')
}

/** Asks the provider whether a captcha was solved from this address. */
export async function judgeCaptcha(
  { config }: Pick<House, 'config'>,
  captcha: string,
  peer: string,
): Promise<Result<void, DoorRefusal>> {
  const judged = await answerOf(config.captchaVerify ?? '', {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      secret: config.captchaSecret ?? '',
      response: captcha,
      remoteip: peer,
    }).toString(),
  })
  if (!judged.ok) return refuse({ kind: 'provider-failed', service: 'captcha', got: judged.refusal })
  return judged.value.success === true ? ok(undefined) : unfit('captcha', 'a solved one', 'one that is not')
}

function unfit(thing: string, wanted: string, got: string) {
  return refuse({ kind: 'unfit-account', thing, wanted, got } as const)
}
