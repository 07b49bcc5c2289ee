/**
 * The messages of BERT-RPC 1.0, between terms and values with names.
 *
 * Module and function may come as atoms or binaries and are read as text; arguments, results and details stay terms,
 * because what they mean (and whether BERT's conventions apply to them) is the caller's to know. The error type
 * `protcol`, which old peers spell so, is read as `protocol`.
 */

import { textOf } from './reading.ts'
import { type Attempt, attempt, refuse } from './refusal.ts'
import { atom, isAtom, type Term, Tuple, tuple } from './term.ts'

export type RpcMessage =
  | {
      readonly kind: 'call'
      readonly module: string
      readonly function: string
      readonly args: readonly Term[]
    }
  | {
      readonly kind: 'cast'
      readonly module: string
      readonly function: string
      readonly args: readonly Term[]
    }
  | { readonly kind: 'reply'; readonly result: Term }
  | { readonly kind: 'noreply' }
  | { readonly kind: 'error'; readonly error: RpcError }
  /** `callback`, `cache`, `stream` or another; whoever does not know it may ignore it. */
  | { readonly kind: 'info'; readonly command: string; readonly options: Term }

export type RpcError = {
  readonly type: string
  readonly code: number
  readonly class: string
  readonly detail: string
  readonly trace: readonly string[]
}

/** The message that a term is, or the refusal `bad-message`. */
export function parseRpc(term: Term): Attempt<RpcMessage> {
  return attempt(() => read(term))
}

/** The term of a message. Names of modules and functions are written as atoms, texts as binaries. */
export function rpcTerm(message: RpcMessage): Term {
  switch (message.kind) {
    case 'call':
    case 'cast':
      return tuple<Term>(atom(message.kind), atom(message.module), atom(message.function), [...message.args])
    case 'reply':
      return tuple<Term>(atom('reply'), message.result)
    case 'noreply':
      return tuple<Term>(atom('noreply'))
    case 'error': {
      const { type, code, class: name, detail, trace } = message.error
      return tuple<Term>(atom('error'), tuple<Term>(atom(type), code, name, detail, [...trace]))
    }
    case 'info':
      return tuple<Term>(atom('info'), atom(message.command), message.options)
    default:
      return unreachable(message)
  }
}

function read(term: Term): RpcMessage {
  if (!(term instanceof Tuple) || !isAtom(term.at(0)))
    return refuse('bad-message', 'BERT-RPC message', 'a tuple that begins with an atom', 'another term')
  const [head, first, second, third] = term.elements as readonly [Term, Term, Term, Term]
  const form = `${textOf(head)}/${term.length - 1}`
  switch (form) {
    case 'call/3':
      return { kind: 'call', module: name(first), function: name(second), args: listOf(third, 'arguments') }
    case 'cast/3':
      return { kind: 'cast', module: name(first), function: name(second), args: listOf(third, 'arguments') }
    case 'reply/1':
      return { kind: 'reply', result: first }
    case 'noreply/0':
      return { kind: 'noreply' }
    case 'error/1':
      return { kind: 'error', error: readError(first) }
    case 'info/2':
      return { kind: 'info', command: name(first), options: second }
    default:
      return refuse(
        'bad-message',
        'BERT-RPC message',
        'call/3, cast/3, reply/1, noreply/0, error/1 or info/2',
        form,
      )
  }
}

function readError(term: Term): RpcError {
  if (!(term instanceof Tuple) || term.length !== 5)
    return refuse('bad-message', 'error', 'a tuple {Type, Code, Class, Detail, Trace}', 'another term')
  const [type, code, className, detail, trace] = term.elements as readonly [Term, Term, Term, Term, Term]
  if (typeof code !== 'number') return refuse('bad-message', 'error code', 'an integer', 'another term')
  const typeName = name(type)
  return {
    type: typeName === 'protcol' ? 'protocol' : typeName,
    code,
    class: textOf(className) ?? '',
    detail: textOf(detail) ?? '',
    trace: listOf(trace, 'trace').map((line) => textOf(line) ?? ''),
  }
}

/** A name comes as an atom or as a binary. */
function name(term: Term): string {
  const text = Array.isArray(term) ? undefined : textOf(term)
  return text ?? refuse('bad-message', 'name', 'an atom or a binary of text', 'another term')
}

/** A list, plain or as BERT's `{bert, nil}`. */
function listOf(term: Term, thing: string): readonly Term[] {
  if (Array.isArray(term)) return term
  if (term instanceof Tuple && term.length === 2 && isAtom(term.at(0), 'bert') && isAtom(term.at(1), 'nil'))
    return []
  return refuse('bad-message', thing, 'a list', 'another term')
}

function unreachable(message: never): never {
  throw new TypeError(`not a message: ${String(message)}`)
}
