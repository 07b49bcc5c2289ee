/**
 * What the calls of this protocol mean: the three that a device may make, the ones a server makes, and what a device's
 * answer says.
 *
 * Names and elements stay terms until somebody knows the schema: the method decides which one, and only then can a list
 * of small numbers be read.
 */
import { atom, type Bert, isAtom, Tuple, tuple } from '@waymark/etf'
import { reply } from './conversation.ts'
import type { Answer, IncomingCall, OutgoingCall, Result } from './effects.ts'
import { often, textOf } from './messages.ts'

/** What a device asks of its server. */
export type DeviceCall =
  | { readonly kind: 'ping' }
  | {
      readonly kind: 'notification' | 'rpc'
      readonly module: string
      readonly method: string
      readonly elements: Bert
    }
  /** Not one of the three: refused, whatever it is. */
  | { readonly kind: 'other' }

const serverModule = 'exodm_rpc'

/** Reads a device's call. A method may carry its module, `MODULE:method`, which then wins. */
export function readDeviceCall({ module, function: name, args }: IncomingCall): DeviceCall {
  if (module !== serverModule) return { kind: 'other' }
  if (name === 'ping' && args.length === 0) return { kind: 'ping' }
  if ((name !== 'notification' && name !== 'rpc') || args.length !== 3) return { kind: 'other' }
  const [first, second, elements] = args
  const given = { module: textOf(first), method: textOf(second) }
  if (given.module === undefined || given.method === undefined || elements === undefined)
    return { kind: 'other' }
  const colon = given.method.indexOf(':')
  return colon <= 0
    ? { kind: name, module: given.module, method: given.method, elements }
    : { kind: name, module: given.method.slice(0, colon), method: given.method.slice(colon + 1), elements }
}

/** A device's own calls, as it makes them. */
export const deviceCall = {
  ping: (): Omit<OutgoingCall, 'id'> => ({ module: serverModule, function: 'ping', args: [] }),
  notification: (module: string, method: string, elements: Bert[]): Omit<OutgoingCall, 'id'> => ({
    module: serverModule,
    function: 'notification',
    args: [module, method, elements],
  }),
  rpc: (module: string, method: string, elements: Bert[]): Omit<OutgoingCall, 'id'> => ({
    module: serverModule,
    function: 'rpc',
    args: [module, method, elements],
  }),
}

/** A server's call of an operation: exactly one argument, the list of its parameters. */
export function operationCall(module: string, method: string, elements: Bert[]): Omit<OutgoingCall, 'id'> {
  return { module, function: method, args: [elements], names: 'binaries' }
}

const replyOk = often(reply(atom('ok')))

/** The answers a server gives. */
export const serverAnswer = {
  pong: often(reply(atom('pong'))),
  ok: replyOk,
  output: (elements: Bert[]): Result => reply(elements),
  notDefined: refusal(2, 'function not defined'),
  /** A call that is defined and did not work; `detail` is for the device's log. */
  failed: (detail: string): Result => refusal(2, detail),
}

/** A server error of BERT-RPC: codes 0 undesignated, 1 no such module, 2 no such function or failed. */
function refusal(code: number, detail: string): Result {
  return { kind: 'error', error: { type: 'server', code, class: 'BERTError', detail, trace: [] } }
}

/** What a device's answer to an operation or a push says. */
export type DeviceAnswer =
  /** Done, and this notification of the same module tells the rest. */
  | { readonly kind: 'notify'; readonly method: string; readonly elements: Bert }
  | { readonly kind: 'ok' }
  /** The operation's output. */
  | { readonly kind: 'output'; readonly elements: Bert }
  | { readonly kind: 'failed'; readonly reason: string }

/** Reads a device's answer; everything that is not one of the known forms is a failure. */
export function readAnswer(answer: Answer): DeviceAnswer {
  switch (answer.kind) {
    case 'reply':
      return readResult(answer.result)
    case 'error': {
      const { type, code, detail } = answer.error
      return { kind: 'failed', reason: clip(`${type} error ${code}${detail === '' ? '' : `: ${detail}`}`) }
    }
    case 'noreply':
      return { kind: 'failed', reason: 'the device answered a call as if it were a cast' }
    case 'timed-out':
      return { kind: 'failed', reason: 'the device did not answer in time' }
    case 'unsent':
      return { kind: 'failed', reason: unsentReasons[answer.reason] }
  }
}

const unsentReasons = {
  'queue-full': 'too much is waiting for the device already',
  'too-large': 'it does not fit into one frame',
  'not-a-term': 'no Erlang term can carry it',
  ended: 'the connection has ended',
} as const

function readResult(result: Bert): DeviceAnswer {
  if (isAtom(result, 'ok') || result === 'ok') return { kind: 'ok' }
  // The empty list is an output without members, and so is an empty dictionary.
  if (result instanceof Map || (Array.isArray(result) && result.every(isPair)))
    return { kind: 'output', elements: result }
  if (result instanceof Tuple) {
    const [head, method, elements] = result.elements
    const name = textOf(method)
    if (isAtom(head, 'notify') && result.length === 3 && name !== undefined && elements !== undefined) {
      const colon = name.indexOf(':')
      return { kind: 'notify', method: name.slice(colon + 1), elements }
    }
    if (isAtom(head, 'error')) return { kind: 'failed', reason: clip(`the device says ${wordOf(method)}`) }
  }
  return { kind: 'failed', reason: `the device answered ${wordOf(result)}` }
}

function isPair(term: Bert): boolean {
  return term instanceof Tuple && term.length === 2 && textOf(term.at(0)) !== undefined
}

/** A few words for a term, fit for a log. */
function wordOf(term: Bert | undefined): string {
  if (term instanceof Tuple && term.length > 0) return `{${wordOf(term.at(0))}, …}`
  return clip(textOf(term) ?? (typeof term === 'number' ? String(term) : 'another term'))
}

function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

/** What a device answers to an operation. */
export const operationAnswer = {
  ok: replyOk,
  notify: (method: string, elements: Bert[]): Result =>
    reply(tuple<Bert>(atom('notify'), atom(method), elements)),
  output: (elements: Bert[]): Result => reply(elements),
  /** The function is not on the device's list (what stock devices say). */
  accessDenied: refusal(2, 'access denied'),
  failed: (detail: string): Result => refusal(2, detail),
}
