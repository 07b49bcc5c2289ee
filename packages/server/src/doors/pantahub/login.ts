/**
 * Logging in, staying so, and what a token says (Pantahub wire facts 2.1 and 2.2).
 *
 * The reply to a login holds the token and nothing else: one of Pantavisor's two readers takes for the token the last
 * string it meets after any that begins with `token`, and has room for 1016 bytes of it.
 */
import { DeviceId, PrincipalId, principals, type Result, refuse } from '@waymark/domain'
import { expandScopes, parsePrn } from '@waymark/pantahub'
import type { Claims, Login } from '../../access.ts'
import { appSecretPurpose, isTokenSecret, tokenSecretPurpose } from '../../handed-on.ts'
import type { House } from '../../house.ts'
import { type Answer, type Asked, type Handlers, say } from './answer.ts'
import { objectOf, textAt } from './bodies.ts'
import { type BadValue, badValue } from './errors.ts'

/** Pantavisor keeps `Bearer ` and the token in 1024 bytes. */
export const tokenBytesMax = 1016

const anonymousName = 'prn:pantahub.com:auth:/anon'

export function loginHandlers(house: House): Pick<Handlers, 'login' | 'refresh' | 'authStatus'> {
  return {
    async login(asked) {
      if (!asked.headers['user-agent']) return refuse({ kind: 'incompatible-client' })
      const body = objectOf(asked.body, 'login')
      if (!body.ok) return body
      const username = textAt(body.value, 'username', 512)
      if (!username.ok) return username
      const password = textAt(body.value, 'password')
      if (!password.ok) return password
      const scope = textAt(body.value, 'scope')
      if (!scope.ok) return scope

      const who = await whoIsMeant(username.value ?? '', password.value ?? '')
      if (!who) return refuse({ kind: 'wrong-credentials' })
      const scopes = expandScopes(scope.value)
      const entered = await house.access.login(who, { scopes, peer: asked.peer })
      return entered.ok ? tokenReply(entered.value.token) : entered
    },

    async refresh({ bearer }) {
      const fresh = await house.access.refresh(bearer)
      if (!fresh.ok) return refuse({ kind: 'login-too-old' })
      return tokenReply(fresh.value.token)
    },

    async authStatus({ caller }: Asked<{ readonly claims: Claims }>) {
      return say(publicClaims(caller.claims))
    },
  }

  /** Who a user name means; undefined when it is of a form that nobody here logs in by. */
  async function whoIsMeant(username: string, password: string): Promise<Login | undefined> {
    if (username === anonymousName) return { kind: 'anonymous' }
    const arrow = username.indexOf('==>')
    if (arrow > 0)
      return {
        kind: 'act-as',
        admin: await personMeant(username.slice(0, arrow)),
        user: await personMeant(username.slice(arrow + 3)),
        password,
      }
    const prn = username.startsWith('prn:') ? parsePrn(username) : undefined
    if (prn?.kind === 'device') {
      const device = DeviceId.parse(prn.name)
      return device && { kind: 'device', device, secret: password }
    }
    if (prn?.kind === 'app')
      return { kind: 'service', nick: prn.name, hash: house.keys.lookup(appSecretPurpose, password) }
    if (isTokenSecret(password))
      return {
        kind: 'access-token',
        name: username,
        hash: house.keys.lookup(tokenSecretPurpose, password),
      }
    return { kind: 'user', name: await personMeant(username), password }
  }

  /** The nick behind an account's prn; any other name as it is. One that nobody has is refused as slowly as a wrong password. */
  async function personMeant(name: string): Promise<string> {
    const prn = name.startsWith('prn:') ? parsePrn(name) : undefined
    const id = prn?.kind === 'account' ? PrincipalId.parse(prn.name) : undefined
    const person = id && (await house.store.readHouse().get(principals, { id }))
    return person?.nick ?? name
  }
}

/** `{"token": …}`, alone; refused when Pantavisor would cut it off. */
export function tokenReply(token: string): Result<Answer, BadValue> {
  const bytes = Buffer.byteLength(token)
  if (bytes > tokenBytesMax)
    return badValue('scope', `scopes that fit a token of ${tokenBytesMax} bytes`, `one of ${bytes} bytes`)
  return say({ token })
}

/** What a token says to its bearer, without what is ours alone. */
function publicClaims(claims: Claims | Omit<Claims, 'call-as'>): Record<string, unknown> {
  const { tn: _, cv: __, ...told } = claims
  const inner = 'call-as' in claims ? claims['call-as'] : undefined
  return inner ? { ...told, 'call-as': publicClaims(inner) } : told
}
