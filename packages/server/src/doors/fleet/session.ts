/** Logging in at the fleet door, and the join tokens by which devices come in unattended. */
import { Type } from '@sinclair/typebox'
import {
  createJoinToken,
  disableJoinToken,
  JoinTokenId,
  type JsonObject,
  joinTokens,
  ok,
  refuse,
} from '@waymark/domain'
import { changing, type Operation, reading } from './operation.ts'
import * as wire from './schemas.ts'
import { joinTokenView } from './views.ts'

const time = (seconds: number): string => new Date(seconds * 1000).toISOString()

/** Join tokens a tenant may have; more is a mistake. */
const joinTokensMax = 1000

export const sessionOperations: readonly Operation[] = [
  reading({
    id: 'login',
    method: 'POST',
    path: '/login',
    tag: 'session',
    summary: 'Name and password for a token',
    right: 'none',
    body: wire.LoginAsked,
    answer: wire.Token,
    async run({ house, body, request }) {
      const login = await house.access.login(
        { kind: 'user', name: body.name, password: body.password },
        { scopes: [], peer: house.peerAddress(request) },
      )
      return login.ok ? ok({ token: login.value.token, expiresAt: time(login.value.claims.exp) }) : login
    },
  }),

  reading({
    id: 'refreshToken',
    method: 'POST',
    path: '/token',
    tag: 'session',
    summary: 'A fresh token for one that is still good',
    right: 'any',
    answer: wire.Token,
    async run({ house, request }) {
      const fresh = await house.access.refresh(bearerOf(request.headers.authorization) ?? '')
      return fresh.ok ? ok({ token: fresh.value.token, expiresAt: time(fresh.value.claims.exp) }) : fresh
    },
  }),

  reading({
    id: 'whoAmI',
    method: 'GET',
    path: '/me',
    tag: 'session',
    summary: 'Who the token stands for',
    right: 'any',
    answer: wire.Me,
    async run({ caller }) {
      return ok({
        id: caller.principal.id,
        nick: caller.principal.nick,
        tenant: caller.tenant,
        roles: [...caller.roles],
        admin: caller.principal.houseAdmin,
        expiresAt: time(caller.claims.exp),
      })
    },
  }),

  reading({
    id: 'listJoinTokens',
    method: 'GET',
    path: '/join-tokens',
    tag: 'session',
    summary: 'Join tokens, without the tokens themselves',
    right: 'devices.write',
    answer: Type.Object({ items: Type.Array(wire.JoinToken) }),
    async run({ house, caller }) {
      const rows = await house.store
        .readHouse()
        .find(joinTokens, { where: { tenant: caller.tenant }, order: ['id'], limit: joinTokensMax })
      return ok({ items: rows.map(joinTokenView) })
    },
  }),

  changing({
    id: 'createJoinToken',
    method: 'POST',
    path: '/join-tokens',
    tag: 'session',
    summary: 'A token by which devices register straight into the tenant; shown this once',
    right: 'devices.write',
    body: wire.NewJoinToken,
    answer: wire.JoinTokenMade,
    status: 201,
    async run({ house, caller, body }) {
      const token = Buffer.from(house.env().random(24)).toString('base64')
      return ok(async (directory) => {
        if ((await directory.count(joinTokens, { tenant: caller.tenant })) >= joinTokensMax)
          return refuse({ kind: 'too-many-join-tokens', wanted: joinTokensMax })
        const made = await createJoinToken(directory, house.env(), {
          tenant: caller.tenant,
          nick: body.nick ?? '',
          hash: house.keys.lookup('join-token', token),
          defaultUserMeta: (body.defaultUserMeta ?? {}) as JsonObject,
          by: caller.actor,
        })
        return made.ok ? ok({ joinToken: joinTokenView(made.value), token }) : made
      })
    },
  }),

  changing({
    id: 'disableJoinToken',
    method: 'DELETE',
    path: '/join-tokens/:id',
    tag: 'session',
    summary: 'Lets nobody in by this token any more',
    right: 'devices.write',
    params: Type.Object({ id: wire.Id }),
    answer: wire.JoinToken,
    async run({ house, caller, params }) {
      const id = JoinTokenId.parse(params.id)
      if (!id) return refuse({ kind: 'no-such-join-token', got: params.id })
      return ok(async (directory) => {
        const gone = await disableJoinToken(directory, house.env(), {
          id,
          tenant: caller.tenant,
          by: caller.actor,
        })
        return gone.ok ? ok(joinTokenView(gone.value)) : gone
      })
    },
  }),
]

/** The token of an `Authorization: Bearer` header. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer ([\w.-]+)$/.exec(header ?? '')?.[1]
}
