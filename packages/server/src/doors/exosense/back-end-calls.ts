/**
 * The table of commands, for logins of the fleet door: the same rows, roles and judge as at `/exodm/rpc`, with parameters as
 * people type them. A login stands in its tenant there, so that is where it acts unless `account` names another.
 */
import type { Tenant, TenantId, Transaction } from '@waymark/domain'
import { deviceIdByBackEndName, schemasByName } from '@waymark/domain'
import type { DataDefinition, JsonObject } from '@waymark/yang'
import type { BackEndCall, BackEndCalls, CallAnswer, CallMethod } from '../../back-end-calls.ts'
import type { House } from '../../house.ts'
import { nearest } from '../../nearest.ts'
import { type RpcOutcome, rpcError } from './json-rpc.ts'
import { type Caller, rolesWith } from './login.ts'
import type { Run } from './runner.ts'
import { commandOf, commands } from './table.ts'
import { dataNodes, typedParams } from './typed-params.ts'

import type { FilePart } from './upload.ts'

const noFiles: ReadonlyMap<string, FilePart> = new Map()

/** Modules of an account whose operations are listed, at most. */
const modulesMax = 500

export function createBackEndCalls(house: House, run: Run): BackEndCalls {
  const { schemas } = house.exchange
  const { store } = house
  return { call, methods }

  async function call(asked: BackEndCall): Promise<CallAnswer> {
    const { tenant, method } = asked
    const principal = asked.caller.principal
    const caller: Caller = {
      principal,
      actor: asked.caller.actor,
      master: principal.houseAdmin,
      place: { ok: true, tenant, roles: rolesWith(principal.houseAdmin, asked.caller.roles) },
    }
    const named = commandOf(method, {})
    const found = named
      ? (await schemas.open('house', { name: 'exodm' }))?.operations.get(named.name)
      : await ownOperation(tenant.id, method)
    const params = typedParams(
      asked.params,
      found?.input ?? [],
      named?.command.spellings ?? { 'dev-id': 'device-id' },
    )
    if (!params.ok) {
      const { thing, wanted, got } = params.refusal
      return rpcError('invalidParams', `${thing}: wanted ${wanted}, got ${got}`)
    }
    let began: Transaction | undefined
    const outcome = await run(
      caller,
      asked.peer,
      { method, params: params.value },
      noFiles,
      (transaction) => {
        began = transaction
      },
    )
    const answer = 'error' in outcome ? await meant(outcome, tenant, method, params.value) : outcome
    return began === undefined ? answer : { ...answer, transaction: began.id }
  }

  /** A method that nobody has, beside the nearest one; one that a device lacks, with that said. */
  async function meant(
    outcome: Extract<RpcOutcome, { readonly error: unknown }>,
    tenant: Tenant,
    method: string,
    params: JsonObject,
  ): Promise<RpcOutcome> {
    if (outcome.error.code !== -32601) return outcome
    const known = (await methods(tenant)).map((each) => each.method)
    if (known.includes(method)) {
      const device = params['device-id'] ?? params['dev-id']
      const reader = store.read(tenant.id)
      if (typeof device !== 'string')
        return rpcError('methodNotFound', `${method}: wanted device-id=NAME, got none`)
      const there = await deviceIdByBackEndName(reader, device)
      return rpcError(
        'methodNotFound',
        there ? `${method}: no module of ${device} defines it` : `${method}: there is no ${device} here`,
      )
    }
    // Without a prefix a method of the server's own is meant.
    const spelt = method.includes(':') ? known : known.map((each) => each.replace(/^exodm:/, ''))
    const near = nearest(method, spelt)
    return rpcError('methodNotFound', near === undefined ? method : `${method}; did you mean ${near}?`)
  }

  async function ownOperation(tenant: TenantId, method: string) {
    const colon = method.indexOf(':')
    if (colon <= 0) return undefined
    const schema = await schemas.open(tenant, { name: method.slice(0, colon) })
    return schema?.operations.get(method.slice(colon + 1))
  }

  async function methods(tenant: Tenant): Promise<readonly CallMethod[]> {
    const system = await schemas.open('house', { name: 'exodm' })
    const found: CallMethod[] = Object.keys(commands).map((name) => ({
      method: `exodm:${name}`,
      description: firstSentence(system?.module.rpcs.find((rpc) => rpc.name === name)?.description),
      params: paramsOf(system?.operations.get(name)?.input ?? []),
    }))
    const own = await schemasByName(store.read(tenant.id), 'own', { limit: modulesMax })
    for (const name of new Set(own.map((stored) => stored.name))) {
      const schema = await schemas.open(tenant.id, { name })
      for (const { name: rpc, description, input } of schema?.module.rpcs ?? [])
        found.push({
          method: `${name}:${rpc}`,
          description: firstSentence(description),
          params: [
            { name: 'device-id', type: 'string', mandatory: true },
            ...paramsOf(input.children).filter((param) => param.name !== 'device-id'),
          ],
        })
    }
    return found.sort((a, b) => (a.method < b.method ? -1 : 1))
  }
}

function paramsOf(input: readonly DataDefinition[]): CallMethod['params'] {
  return dataNodes(input).map((node) => ({
    name: node.name,
    type: typeNamed(node),
    mandatory: node.kind === 'leaf' && node.mandatory,
  }))
}

function firstSentence(text: string | undefined): string {
  return (
    (text ?? '')
      .replace(/\s+/g, ' ')
      .trim()
      .split(/(?<=\.)\s/)[0] ?? ''
  )
}

/** A parameter's type in YANG's words. */
function typeNamed(node: ReturnType<typeof dataNodes>[number]): string {
  if (node.kind !== 'leaf' && node.kind !== 'leaf-list') return node.kind
  const name = node.type.kind === 'integer' ? node.type.base : node.type.kind
  return node.kind === 'leaf' ? name : `${name}, any number`
}
