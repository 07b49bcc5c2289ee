/**
 * Apps of third parties (Pantahub wire facts 2.5): registered by people, let in by others. An app names the scopes it
 * may ask for and where people are sent back to, at least one of each. A confidential one has a secret, shown once and
 * kept as a keyed hash.
 */
import {
  type App,
  type AppFacts,
  AppId,
  type AppScope,
  appByNick,
  apps,
  changeApp,
  createApp,
  Instant,
  ok,
  type Result,
  refuse,
  removeApp,
} from '@waymark/domain'
import { isJsonObject, type JsonObject, Prn, parsePrn, scopeWords } from '@waymark/pantahub'
import { ownerPrn, type UserCaller } from '../../access.ts'
import { appSecretPurpose, isRedirect, newAppSecret } from '../../handed-on.ts'
import type { House } from '../../house.ts'
import { type Handlers, say } from './answer.ts'
import { described, objectOf, textAt } from './bodies.ts'
import { type BadValue, badValue } from './errors.ts'
import { ownLogin } from './own-login.ts'

const baseService = 'prn:pantahub.com:apis:/base'
const nickForm = /^[a-z0-9][a-z0-9-]{2,62}$/
const logoBytesMax = 15 * 1024
const entriesMax = 32
const reservedNicks: readonly string[] = ['base']
const types = ['public', 'confidential', 'pkce'] as const

export function appHandlers(
  house: House,
): Pick<Handlers, 'listApps' | 'createApp' | 'listScopes' | 'readApp' | 'changeApp' | 'removeApp'> {
  return {
    async listApps({ caller }) {
      // One person has at most as many as one page holds.
      const own = await house.store.readHouse().find(apps, {
        where: { principal: caller.principal.id },
        order: ['principal', 'id'],
      })
      return say(await Promise.all(own.map((app) => wire(app, caller))))
    },

    async createApp({ caller, body }) {
      const allowed = ownLogin(caller)
      if (!allowed.ok) return allowed
      const asked = objectOf(body, 'app')
      if (!asked.ok) return asked
      const told = factsIn(asked.value)
      if (!told.ok) return told
      const nick = nickIn(asked.value, told.value.name)
      if (!nick.ok) return nick
      const secret = told.value.type === 'confidential' ? newSecret() : ''
      const facts = { ...told.value, nick: nick.value, ...hashed(secret) }
      const made = await house.store.transactHouse((tx) =>
        createApp(tx, house.env(), {
          principal: caller.principal.id,
          tenant: caller.tenant,
          facts,
          by: caller.actor,
        }),
      )
      return made.ok ? say({ ...(await wire(made.value, caller)), secret }) : made
    },

    async listScopes({ query }) {
      const named = query.serviceID ?? query.service
      if (named === undefined || named === '' || named === baseService) return say(baseScopes)
      const prn = parsePrn(named)
      const app = prn?.kind === 'app' ? await appByNick(house.store.readHouse(), prn.name) : undefined
      return say(app?.exposedScopes ?? [])
    },

    async readApp({ caller, params }) {
      const app = await own(caller, params.id)
      return app ? say(await wire(app, caller)) : refuse({ kind: 'no-such-app', got: String(params.id) })
    },

    async changeApp({ caller, params, body }) {
      const allowed = ownLogin(caller)
      if (!allowed.ok) return allowed
      const held = await own(caller, params.id)
      if (!held) return refuse({ kind: 'no-such-app', got: String(params.id) })
      const asked = objectOf(body, 'app')
      if (!asked.ok) return asked
      const told = factsIn(asked.value)
      if (!told.ok) return told
      const confidential = told.value.type === 'confidential'
      const secret = confidential && held.hash === undefined ? newSecret() : ''
      const kept = confidential && held.hash !== undefined ? { hash: held.hash } : hashed(secret)
      const changed = await house.store.transactHouse((tx) =>
        changeApp(tx, house.env(), {
          id: held.id,
          principal: caller.principal.id,
          facts: { ...told.value, ...kept },
          by: caller.actor,
        }),
      )
      return changed.ok ? say({ ...(await wire(changed.value, caller)), secret }) : changed
    },

    async removeApp({ caller, params }) {
      const held = await own(caller, params.id)
      if (!held) return refuse({ kind: 'no-such-app', got: String(params.id) })
      const asked = { id: held.id, principal: caller.principal.id, by: caller.actor }
      const gone = await house.store.transactHouse((tx) => removeApp(tx, house.env(), asked))
      return gone.ok ? say(await wire(gone.value, caller)) : gone
    },
  }

  /** An app of the caller's, by id, nick or prn. */
  async function own(caller: UserCaller, raw: string | undefined): Promise<App | undefined> {
    const id = AppId.parse(raw)
    const prn = parsePrn(raw)
    const reader = house.store.readHouse()
    const app = id
      ? await reader.get(apps, { id })
      : await appByNick(reader, prn?.kind === 'app' ? prn.name : String(raw))
    return app && app.principal === caller.principal.id ? app : undefined
  }

  function newSecret(): string {
    return newAppSecret(house.env())
  }

  function hashed(secret: string): { hash?: string } {
    return secret === '' ? {} : { hash: house.keys.lookup(appSecretPurpose, secret) }
  }
}

/** An app as its owner is told; its secret is shown by whoever has just made it. */
async function wire(app: App, owner: UserCaller): Promise<Record<string, unknown>> {
  return {
    id: app.id,
    name: app.name,
    logo: app.logo,
    type: app.type,
    nick: app.nick,
    prn: Prn.app(app.nick),
    owner: ownerPrn(app.tenant),
    'owner-nick': owner.principal.nick,
    secret: '',
    redirect_uris: app.redirectUris,
    scopes: app.scopes,
    exposed_scopes: app.exposedScopes,
    'time-created': Instant.format(app.createdAt),
    'time-modified': Instant.format(app.modifiedAt),
  }
}

/** Base's scopes, as apps name them. */
const baseScopes: readonly AppScope[] = scopeWords.map(({ word, family, kind }) => ({
  id: word,
  service: baseService,
  description: family === undefined ? 'everything' : `${family}: ${kind ?? 'all'}`,
  required: false,
}))

/** A scope's full prn: its service's, a slash, and its id. */
export function scopePrn({ service, id }: Pick<AppScope, 'service' | 'id'>): string {
  return id.startsWith('prn:') ? id : `${service}/${id}`
}

function factsIn(asked: JsonObject): Result<Omit<AppFacts, 'nick' | 'hash'>, BadValue> {
  const name = textAt(asked, 'name', 128)
  if (!name.ok) return name
  const logo = textAt(asked, 'logo', logoBytesMax)
  if (!logo.ok) return logo
  if (Buffer.byteLength(logo.value ?? '') > logoBytesMax)
    return badValue('logo', `at most ${logoBytesMax} bytes`, 'more')
  const type = types.find((one) => one === asked.type)
  if (!type) return badValue('type', types.join(', '), described(asked.type))
  const redirectUris = redirectsIn(asked.redirect_uris)
  if (!redirectUris.ok) return redirectUris
  const scopes = scopesIn(asked.scopes, 'scopes')
  if (!scopes.ok) return scopes
  if (scopes.value.length === 0) return badValue('scopes', 'at least one', 'none')
  const exposed = scopesIn(asked.exposed_scopes ?? [], 'exposed_scopes')
  if (!exposed.ok) return exposed
  return ok({
    name: name.value ?? '',
    logo: logo.value ?? '',
    type,
    redirectUris: redirectUris.value,
    scopes: scopes.value,
    exposedScopes: exposed.value,
  })
}

/** The nick that is asked for, or one made from the name. */
function nickIn(asked: JsonObject, name: string): Result<string, BadValue> {
  const given = textAt(asked, 'nick', 63)
  if (!given.ok) return given
  const nick = (given.value ?? name)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return nickForm.test(nick) && !reservedNicks.includes(nick)
    ? ok(nick)
    : badValue('nick', 'a name of 3 to 63 letters and digits', described(given.value ?? name))
}

function redirectsIn(raw: unknown): Result<readonly string[], BadValue> {
  if (!Array.isArray(raw) || raw.length === 0 || raw.length > entriesMax)
    return badValue('redirect_uris', `1 to ${entriesMax} of them`, described(raw))
  for (const one of raw)
    if (typeof one !== 'string' || !isRedirect(one))
      return badValue(
        'redirect_uris',
        'absolute http(s) URLs without user, query and fragment',
        described(one),
      )
  return ok(raw as readonly string[])
}

function scopesIn(raw: unknown, thing: string): Result<readonly AppScope[], BadValue> {
  if (!Array.isArray(raw) || raw.length > entriesMax)
    return badValue(thing, `an array of at most ${entriesMax}`, described(raw))
  const scopes: AppScope[] = []
  for (const one of raw) {
    const given = typeof one === 'string' ? { id: one } : one
    if (!isJsonObject(given)) return badValue(thing, 'objects with id and service', described(one))
    const { id, service = baseService, description = '', required = false } = given
    const fits =
      typeof id === 'string' &&
      /^[\x21-\x7e]{1,200}$/.test(id) &&
      typeof service === 'string' &&
      (service === '' || parsePrn(service) !== undefined) &&
      typeof description === 'string' &&
      description.length <= 1024
    if (!fits) return badValue(thing, 'id, the prn of a service, and a short description', described(one))
    scopes.push({
      id,
      service: service === '' ? baseService : service,
      description,
      required: required === true,
    })
  }
  return ok(scopes)
}
