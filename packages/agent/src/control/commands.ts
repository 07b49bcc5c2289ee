/**
 * The operations of `POST /commands`, one row each: what they become, and when they are refused.
 *
 * A 200 only says that the order waits in its slot. An operation marked `update` is refused while an update is under way
 * (503, `Retry-After: 600`); any is refused while the slot is taken (503, `Retry-After: 120`).
 */
import type { Machine } from '../model.ts'
import { asObject } from '../wire.ts'

export interface Operation {
  readonly op: string
  /** What its payload is. */
  readonly payload: 'rev' | 'rev-or-nothing' | 'text' | 'meta'
  /** Refused while an update is under way. */
  readonly update: boolean
  readonly about: string
  /** Not Pantavisor's. */
  readonly own?: boolean
}

export const operations = [
  op('LOCAL_RUN', 'rev', true, 'tries a revision and keeps it when it proves itself'),
  op('LOCAL_RUN_COMMIT', 'rev', true, 'the same by a fresh start, so that it can end DONE'),
  op('LOCAL_APPLY', 'rev', true, 'as LOCAL_RUN'),
  op('TRY_ONCE', 'rev', true, 'as LOCAL_RUN: every revision is tried once'),
  op('REBOOT_DEVICE', 'text', true, 'the agent and all containers start anew'),
  op('POWEROFF_DEVICE', 'text', true, 'the agent and all containers stop'),
  op(
    'MAKE_FACTORY',
    'rev-or-nothing',
    true,
    'makes a revision (nothing: the running one) revision 0 and runs that; 409 when claimed',
  ),
  op('RUN_GC', 'text', true, 'removes what nothing needs'),
  op(
    'GO_REMOTE',
    'text',
    false,
    'the built-in client works again; 204 when it does, 409 when the settings forbid it',
  ),
  {
    ...op(
      'GO_LOCAL',
      'text',
      false,
      'the built-in client is still until GO_REMOTE, over restarts; 204 when it was switched off before',
    ),
    own: true,
  },
  op(
    'UNCLAIM',
    'text',
    true,
    'forgets the identity at the hub; 204 when there is none, 409 when the settings give it',
  ),
  op('UPDATE_METADATA', 'meta', false, '`{"k":"v"}`: the first pair into device-meta; 409 in local mode'),
  op('ENABLE_SSH', 'text', false, '409: this agent has no SSH server'),
  op('DISABLE_SSH', 'text', false, '409: this agent has no SSH server'),
  op('DEFER_REBOOT', 'text', false, '409: this agent has no debug shell'),
  op('XCONNECT_GRAPH', 'text', false, 'accepted, and of no effect'),
] as const satisfies readonly Operation[]

export type OperationName = (typeof operations)[number]['op']

export interface CommandBody {
  readonly operation: (typeof operations)[number]
  readonly text: string
  readonly meta: Readonly<Record<string, unknown>>
}

/** Reads the body of a command; undefined: `Command has bad format`. */
export function parseCommand(text: string): CommandBody | undefined {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    return undefined
  }
  const { op, payload } = asObject(raw) ?? {}
  const operation = operations.find((each) => each.op === op)
  if (!operation || payload === undefined) return undefined
  if (operation.payload === 'meta') {
    const meta = asObject(payload) ?? asObject(typeof payload === 'string' ? parsed(payload) : undefined)
    return meta && { operation, text: '', meta }
  }
  if (typeof payload !== 'string' || (operation.payload === 'rev' && payload === '')) return undefined
  return { operation, text: payload, meta: {} }
}

/** Why an operation cannot be now, whatever its payload; 204 means that there is nothing to do. */
export function standsAgainst(
  name: OperationName,
  { me, remote, remoteOff, settings }: Machine,
  fixedIdentity: boolean,
): { readonly status: 204 | 409; readonly why: string } | undefined {
  switch (name) {
    case 'GO_REMOTE':
      if (settings.remote === false)
        return { status: 409, why: 'Remote control is disabled by configuration' }
      return remote ? { status: 204, why: 'Already in remote mode' } : undefined
    case 'GO_LOCAL':
      return remoteOff ? { status: 204, why: 'Already switched off' } : undefined
    case 'UNCLAIM':
      if (fixedIdentity) return { status: 409, why: 'The identity comes from the configuration' }
      return me ? undefined : { status: 204, why: 'Not claimed' }
    case 'MAKE_FACTORY':
      return me?.claimed ? { status: 409, why: 'Device is already claimed' } : undefined
    case 'UPDATE_METADATA':
      return remote ? undefined : { status: 409, why: 'Not in remote mode' }
    case 'ENABLE_SSH':
    case 'DISABLE_SSH':
      return { status: 409, why: 'No SSH server here' }
    case 'DEFER_REBOOT':
      return { status: 409, why: 'No debug shell here' }
    default:
      return undefined
  }
}

function op<const N extends string>(
  name: N,
  payload: Operation['payload'],
  update: boolean,
  about: string,
): Operation & { readonly op: N } {
  return { op: name, payload, update, about }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
