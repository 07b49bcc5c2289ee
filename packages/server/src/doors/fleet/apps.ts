/** Apps of third parties at the fleet door: registered by people, who may let them in with the scopes named here. */
import { Type } from '@sinclair/typebox'
import {
  type App,
  type AppFacts,
  AppId,
  appByNick,
  apps,
  appsMax,
  changeApp,
  createApp,
  Instant,
  ok,
  type Reader,
  type Result,
  refuse,
  removeApp,
} from '@waymark/domain'
import { Prn } from '@waymark/pantahub'
import type { UserCaller } from '../../access.ts'
import { appSecretPurpose, isRedirect, newAppSecret } from '../../handed-on.ts'
import type { House } from '../../house.ts'
import * as wire from './account-schemas.ts'
import { appScope, knownScopes, ownLogin, prnOfAppScope, scopeSaid } from './handing-on.ts'
import { changing, type Operation, reading } from './operation.ts'
import type { DoorRefusal, FleetRefusal } from './refusals.ts'

const Named = Type.Object({ app: Type.String({ minLength: 1, maxLength: 128, description: 'id or nick' }) })

/** The nick that scopes of our own stand under. */
const reservedNick = 'base'

export const appOperations: readonly Operation[] = [
  reading({
    id: 'listApps',
    method: 'GET',
    path: '/apps',
    tag: 'apps',
    summary: 'One’s own apps, without their secrets',
    right: 'any',
    answer: Type.Object({ items: Type.Array(wire.App) }),
    async run({ house, caller }) {
      const own = await house.store.readHouse().find(apps, {
        where: { principal: caller.principal.id },
        order: ['principal', 'id'],
        limit: appsMax,
      })
      return ok({ items: own.map(view) })
    },
  }),

  changing({
    id: 'createApp',
    method: 'POST',
    path: '/apps',
    tag: 'apps',
    summary: 'Registers an app; a confidential one’s secret is shown this once',
    right: 'any',
    body: wire.NewApp,
    answer: wire.AppMade,
    status: 201,
    async run({ house, caller, body }) {
      const allowed = ownLogin(caller)
      if (!allowed.ok) return allowed
      if (body.nick === reservedNick) return refuse({ kind: 'app-nick-taken', got: body.nick })
      const told = factsIn(body)
      if (!told.ok) return told
      return ok(async (directory) => {
        const secret = body.type === 'confidential' ? newAppSecret(house.env()) : undefined
        const made = await createApp(directory, house.env(), {
          principal: caller.principal.id,
          tenant: caller.tenant,
          facts: {
            nick: body.nick,
            name: body.name ?? body.nick,
            logo: '',
            type: typeOf(body.type),
            redirectUris: [],
            scopes: [],
            exposedScopes: [],
            ...told.value,
            ...hashed(house, secret),
          },
          by: caller.actor,
        })
        return made.ok ? ok(shown(made.value, secret)) : made
      })
    },
  }),

  changing({
    id: 'changeApp',
    method: 'PATCH',
    path: '/apps/:app',
    tag: 'apps',
    summary: 'Changes an app of one’s own; its nick stays',
    right: 'any',
    params: Named,
    body: wire.AppChange,
    answer: wire.AppMade,
    async run({ house, caller, params, body }) {
      const allowed = ownLogin(caller)
      if (!allowed.ok) return allowed
      const told = factsIn(body)
      if (!told.ok) return told
      return ok(async (directory) => {
        const found = await ownApp(directory, caller, params.app)
        if (!found.ok) return found
        const { id, hash, name, logo, type, redirectUris, scopes, exposedScopes } = found.value
        const now = body.type === undefined ? type : typeOf(body.type)
        if (body.newSecret && now !== 'confidential')
          return refuse({ kind: 'bad-value', thing: 'newSecret', wanted: 'a confidential app', got: now })
        const fresh = now === 'confidential' && (hash === undefined || body.newSecret === true)
        const secret = fresh ? newAppSecret(house.env()) : undefined
        const kept = now === 'confidential' && !fresh && hash !== undefined ? { hash } : {}
        const changed = await changeApp(directory, house.env(), {
          id,
          principal: caller.principal.id,
          facts: {
            name: body.name ?? name,
            logo,
            type: now,
            redirectUris,
            scopes,
            exposedScopes,
            ...told.value,
            ...kept,
            ...hashed(house, secret),
          },
          by: caller.actor,
        })
        return changed.ok ? ok(shown(changed.value, secret)) : changed
      })
    },
  }),

  changing({
    id: 'removeApp',
    method: 'DELETE',
    path: '/apps/:app',
    tag: 'apps',
    summary: 'Removes an app of one’s own: its codes and the tokens given to it are void',
    right: 'any',
    params: Named,
    answer: wire.App,
    async run({ house, caller, params }) {
      return ok(async (directory) => {
        const found = await ownApp(directory, caller, params.app)
        if (!found.ok) return found
        const { id } = found.value
        const gone = await removeApp(directory, house.env(), {
          id,
          principal: caller.principal.id,
          by: caller.actor,
        })
        return gone.ok ? ok(view(gone.value)) : gone
      })
    },
  }),
]

/** An app of the caller's, by id or nick. */
async function ownApp(reader: Reader, caller: UserCaller, named: string): Promise<Result<App, FleetRefusal>> {
  const id = AppId.parse(named)
  const app = id ? await reader.get(apps, { id }) : await appByNick(reader, named)
  return app && app.principal === caller.principal.id ? ok(app) : refuse({ kind: 'no-such-app', got: named })
}

/** What is asked for of scopes and redirects, if it is. */
function factsIn(asked: {
  readonly redirectUris?: readonly string[]
  readonly scopes?: readonly string[]
}): Result<Partial<Pick<AppFacts, 'redirectUris' | 'scopes'>>, DoorRefusal> {
  const bad = asked.redirectUris?.find((uri) => !isRedirect(uri))
  if (bad !== undefined)
    return refuse({
      kind: 'bad-value',
      thing: 'redirectUris',
      wanted: 'absolute http(s) URLs without user, query and fragment',
      got: bad.slice(0, 128),
    })
  const scopes = asked.scopes === undefined ? undefined : knownScopes(asked.scopes)
  if (scopes && !scopes.ok) return scopes
  return ok({
    ...(asked.redirectUris === undefined ? {} : { redirectUris: asked.redirectUris }),
    ...(scopes === undefined ? {} : { scopes: scopes.value.map(appScope) }),
  })
}

function hashed(house: House, secret: string | undefined): { hash?: string } {
  return secret === undefined ? {} : { hash: house.keys.lookup(appSecretPurpose, secret) }
}

function typeOf(word: string): App['type'] {
  return word === 'confidential' || word === 'pkce' ? word : 'public'
}

function shown(app: App, secret: string | undefined) {
  return { app: view(app), ...(secret === undefined ? {} : { secret }) }
}

function view(app: App) {
  return {
    id: app.id,
    nick: app.nick,
    prn: Prn.app(app.nick),
    name: app.name,
    type: app.type,
    redirectUris: [...app.redirectUris],
    scopes: app.scopes.map((scope) => scopeSaid(prnOfAppScope(scope))),
    createdAt: Instant.format(app.createdAt),
    modifiedAt: Instant.format(app.modifiedAt),
  }
}
