/**
 * Logging in by another provider (Pantahub wire facts 2.5): `login` sends a browser there, `callback` takes it back with
 * a code, asks the provider who that was, and gives a token of ours.
 *
 * What has to come back unchanged travels sealed in `state` and is bound to a cookie, so that nobody can be made to log
 * in as somebody else; the code is asked for with a challenge (RFC 7636). What the provider says is read over TLS from
 * itself, bounded in size and time, and believed only as far as it says so: an address that it has not confirmed is
 * left out. Pantahub Base does not say what the callback answers; here it is the token, as a login's is.
 */
import { createHash } from 'node:crypto'
import {
  enterByIdentity,
  identities,
  letters,
  ok,
  type Principal,
  type Result,
  refuse,
} from '@waymark/domain'
import type { House } from '../../house.ts'
import { networkOf } from '../../throttle.ts'
import { signUpClosed } from './accounts.ts'
import type { Handlers } from './answer.ts'
import { answerOf } from './asking.ts'
import { cookieOf } from './codes.ts'
import type { DoorRefusal, Refusal } from './errors.ts'
import type { OpenidProvider } from './openid-providers.ts'

const place = 'openid-state'
const cookieName = 'openid_state'
const stateSeconds = 600
const secretLetters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const secretLength = 48

interface State {
  readonly service: string
  readonly cookie: string
  readonly verifier: string
  readonly until: number
}

export function openidHandlers(
  house: House,
  providers: readonly OpenidProvider[],
): Pick<Handlers, 'beginOpenid' | 'finishOpenid'> {
  return {
    async beginOpenid({ params }) {
      const provider = providerOf(params.service)
      if (!provider) return noProvider(params.service)
      const [cookie, verifier] = [newSecret(), newSecret()]
      const state: State = {
        service: provider.service,
        cookie: house.keys.lookup(place, cookie),
        verifier,
        until: house.clock.now() + stateSeconds * 1000,
      }
      const there = new URL(provider.authorizeUrl)
      const asked = {
        response_type: 'code',
        client_id: provider.clientId,
        redirect_uri: callbackOf(provider),
        scope: provider.scope,
        state: house.keys.seal(JSON.stringify(state), place),
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      }
      for (const [name, value] of Object.entries(asked)) there.searchParams.set(name, value)
      return ok({
        status: 302,
        headers: { location: there.href, 'set-cookie': cookieText(cookie, stateSeconds) },
        text: '',
      })
    },

    async finishOpenid({ params, query, headers, peer }) {
      const provider = providerOf(params.service)
      if (!provider) return noProvider(params.service)
      const state = stateOf(query.state)
      const cookie = cookieOf(headers.cookie, cookieName)
      const same = cookie !== undefined && state?.cookie === house.keys.lookup(place, cookie)
      if (!same || state.service !== provider.service || state.until <= house.clock.now())
        return refuse({ kind: 'bad-login-state' })
      if (query.code === undefined || query.code.length > 2048)
        return refuse({
          kind: 'not-allowed',
          thing: `login by ${provider.service}`,
          wanted: 'a code',
          got: (query.error ?? 'none').slice(0, 80),
        })
      const who = await whoIs(provider, query.code, state.verifier)
      if (!who.ok) return who
      const retryAfterMs = house.registrations.take(networkOf(peer))
      if (retryAfterMs > 0) return refuse({ kind: 'too-many-registrations', retryAfterMs })
      const passwordHash = await house.passwords.hash(newSecret())
      const closed = signUpClosed(house)
      const entered = await house.store.transactHouse<Principal, Refusal>(async (tx) => {
        const { service } = provider
        const known = closed && (await tx.get(identities, { provider: service, subject: who.value.subject }))
        if (closed && !known) return refuse(closed)
        return enterByIdentity(tx, house.env(), { provider: service, passwordHash, ...who.value })
      })
      if (!entered.ok) return entered
      if (entered.value.disabled) return refuse({ kind: 'wrong-credentials' })
      return ok({
        headers: { 'set-cookie': cookieText('', 0), 'cache-control': 'no-store' },
        value: { token: house.access.tokenFor(entered.value) },
      })
    },
  }

  function providerOf(service: string | undefined): OpenidProvider | undefined {
    return providers.find((one) => one.service === service)
  }

  function callbackOf({ service }: OpenidProvider): string {
    return `${house.publicUrl()}/auth/oauth/callback/${service}`
  }

  function newSecret(): string {
    return letters(house.env(), secretLetters, secretLength)
  }

  function cookieText(value: string, seconds: number): string {
    const secure = house.publicUrl().startsWith('https:') ? '; Secure' : ''
    return `${cookieName}=${value}; Path=/auth/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`
  }

  function stateOf(sealed: string | undefined): State | undefined {
    const plain = house.keys.unseal(sealed ?? '', place)
    // Only what was sealed here opens, so its form is ours.
    return plain.ok ? (JSON.parse(plain.value) as State) : undefined
  }

  /** Who came back with a code, as their provider says. */
  async function whoIs(
    provider: OpenidProvider,
    code: string,
    verifier: string,
  ): Promise<Result<{ subject: string; nick: string; email?: string }, DoorRefusal>> {
    const granted = await answerOf(provider.tokenUrl, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: callbackOf(provider),
        client_id: provider.clientId,
        client_secret: provider.clientSecret,
        code_verifier: verifier,
      }).toString(),
    })
    if (!granted.ok) return failed(provider, granted.refusal)
    const token = granted.value.access_token
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) return failed(provider, 'no access token')
    const told = await answerOf(provider.userUrl, {
      headers: { accept: 'application/json', authorization: `Bearer ${token}`, 'user-agent': 'waymark' },
    })
    if (!told.ok) return failed(provider, told.refusal)
    const { [provider.subjectKey]: raw, [provider.nickKey]: nick, [provider.emailKey]: email } = told.value
    const subject = typeof raw === 'number' ? String(raw) : raw
    if (typeof subject !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(subject))
      return failed(provider, `no ${provider.subjectKey}`)
    const confirmed = told.value[provider.verifiedKey] === true && isAddress(email)
    return ok({
      subject,
      nick: typeof nick === 'string' ? nick.slice(0, 64) : '',
      ...(confirmed ? { email } : {}),
    })
  }
}

function isAddress(text: unknown): text is string {
  return typeof text === 'string' && /^[\x21-\x7e]{1,64}@[a-z0-9.-]{1,190}$/i.test(text)
}

function noProvider(service: string | undefined) {
  return refuse({ kind: 'absent', thing: 'provider of logins', got: String(service).slice(0, 40) })
}

function failed({ service }: OpenidProvider, got: string) {
  return refuse({ kind: 'provider-failed', service, got })
}
