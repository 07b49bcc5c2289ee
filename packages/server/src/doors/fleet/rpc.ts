/**
 * Calling what back ends call, by a fleet login. A person who is logged in to the fleet door would else need the JSON-RPC
 * endpoint's own Basic login for the very same account; and what types their words are the server's modules. Roles are the
 * manual's matrix, asked of the same table; because that can reach everything, a token has to carry all that its bearer may.
 */
import { Type } from '@sinclair/typebox'
import { ok, type Result, refuse, type Tenant, tenants } from '@waymark/domain'
import { printJson } from '@waymark/yang'
import { carries, type UserCaller } from '../../access.ts'
import { type BackEndCalls, plainJson } from '../../back-end-calls.ts'
import type { House } from '../../house.ts'
import { type Operation, reading } from './operation.ts'
import { pageOf, readCursor } from './paging.ts'
import type { FleetRefusal } from './refusals.ts'
import * as wire from './schemas.ts'

const Params = Type.Array(Type.String({ minLength: 1, maxLength: 1_000_000 }), {
  maxItems: 1000,
  description: '`name=value`, typed by the operation’s schema; `name:=JSON` as it stands',
})

const Called = Type.Object({
  ok: Type.Boolean({ description: 'no error, and no result code but `ok`' }),
  text: Type.String({ description: 'the result or the error as JSON text, numbers exact' }),
  result: Type.Optional(Type.Unknown({ description: 'numbers that no double holds are texts' })),
  error: Type.Optional(
    Type.Object({ code: Type.Integer(), message: Type.String(), data: Type.Optional(Type.Unknown()) }),
  ),
  transaction: Type.Optional(
    Type.String({ description: 'the id of what the call began, if it began something' }),
  ),
})

const Method = Type.Object({
  method: Type.String(),
  description: Type.String(),
  params: Type.Array(Type.Object({ name: Type.String(), type: Type.String(), mandatory: Type.Boolean() })),
})

export const rpcOperations: readonly Operation[] = [
  reading({
    id: 'callMethod',
    method: 'POST',
    path: '/rpc',
    tag: 'transactions',
    summary: 'Calls a command of the JSON-RPC table, or an operation that a device’s modules define',
    right: 'any',
    body: Type.Object(
      { method: Type.String({ minLength: 1, maxLength: 256 }), params: Type.Optional(Params) },
      { additionalProperties: false },
    ),
    answer: Called,
    async run({ house, caller, body, request }) {
      const found = await tableFor(house, caller)
      if (!found.ok) return found
      const { calls, tenant } = found.value
      const answer = await calls.call({
        caller,
        tenant,
        peer: house.peerAddress(request),
        method: body.method,
        params: body.params ?? [],
      })
      const { transaction } = answer
      const began = transaction === undefined ? {} : { transaction }
      if ('error' in answer) {
        const { code, message, data } = answer.error
        const error = { code, message, ...(data === undefined ? {} : { data: plainJson(data) }) }
        const exact = printJson({ code, message, ...(data === undefined ? {} : { data }) })
        return ok({ ok: false, text: exact, error, ...began })
      }
      const { result } = answer
      const plain = plainJson(result)
      return ok({ ok: wentWell(plain), text: printJson(result), result: plain, ...began })
    },
  }),

  reading({
    id: 'listMethods',
    method: 'GET',
    path: '/rpc/methods',
    tag: 'transactions',
    summary:
      'What can be called, with its parameters: the table’s commands and the operations of the tenant’s modules',
    right: 'any',
    query: Type.Object({ ...wire.Paging }),
    answer: wire.Page(Method),
    async run({ house, caller, query }) {
      const after = readCursor(query.cursor, ['string'])
      if (!after.ok) return after
      const found = await tableFor(house, caller)
      if (!found.ok) return found
      const [from = ''] = after.value ?? []
      const all = await found.value.calls.methods(found.value.tenant)
      const beyond = all.filter(({ method }) => method > String(from))
      return ok(pageOf(beyond, query.limit ?? 50, ({ method }) => [method]))
    },
  }),
]

/** The table, for callers whose login is good for everything they may. */
async function tableFor(
  house: House,
  caller: UserCaller,
): Promise<Result<{ readonly calls: BackEndCalls; readonly tenant: Tenant }, FleetRefusal>> {
  if (!carries(caller, 'all'))
    return refuse({ kind: 'no-right', wanted: 'scope all', got: caller.scopes.join(' ') })
  const tenant = await house.store.readHouse().get(tenants, { id: caller.tenant })
  if (!tenant) return refuse({ kind: 'no-such-tenant', got: caller.tenant })
  const { calls } = house.backEnd
  return calls ? ok({ calls, tenant }) : refuse({ kind: 'no-back-end' })
}

/** Whether a result is one of success: its code is `ok`, or it has none. */
function wentWell(result: unknown): boolean {
  if (typeof result === 'string') return result === 'ok' || result === ''
  if (typeof result !== 'object' || result === null) return true
  const code = 'result' in result ? result.result : undefined
  const status = 'rpc-status-string' in result ? result['rpc-status-string'] : undefined
  if (typeof code === 'string' && code !== 'ok') return false
  return typeof status !== 'string' || !('final' in result) || result.final !== true || status === 'complete'
}
