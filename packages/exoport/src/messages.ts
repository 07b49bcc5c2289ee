/**
 * BERT-RPC messages as ExoPort writes them: what a payload says, and back.
 *
 * Terms are mapped by BERT's conventions all the way down, so `true`, `false` and the empty list never travel bare.
 * Reading is wider than writing: names as atoms, binaries or lists of characters; booleans and empty lists in either
 * form; every tag Erlang knows but compressed terms. A payload that is no message spoils only itself.
 */
import {
  Atom,
  atom,
  type Bert,
  decode,
  encode,
  fromBert,
  parseRpc,
  type RpcError,
  TermRefused,
  textOf as termText,
  toBert,
  tuple,
} from '@waymark/etf'

export type { Bert, RpcError } from '@waymark/etf'

export type Message =
  | {
      readonly kind: 'call' | 'cast'
      readonly module: string
      readonly function: string
      readonly args: readonly Bert[]
    }
  | { readonly kind: 'reply'; readonly result: Bert }
  | { readonly kind: 'noreply' }
  | { readonly kind: 'error'; readonly error: RpcError }
  /** `callback`, `cache`, `stream`: nothing that a device or a server of this protocol acts on. */
  | { readonly kind: 'info'; readonly command: string }

/** How the names of a call are written: the stock server writes those of modules as binaries, its own as atoms. */
export type NameForm = 'atoms' | 'binaries'

/** Why a payload is no message, or a message could not be written: one line, with nothing of the payload in it. */
export interface Unreadable {
  readonly unreadable: string
}

/** What one message may cost in time and memory, besides the length of its frame. */
export interface MessageLimits {
  readonly depth: number
  readonly terms: number
}

/** Deep and many enough for any configuration; small enough that a message is read within a tenth of a second. */
export const defaultMessageLimits: MessageLimits = { depth: 256, terms: 262_144 }

/**
 * A message that is said again and again, as `{reply, ok}` is by nearly every device to nearly every call: it is written
 * once, and known again by its bytes.
 */
export function often<M extends Message>(message: M): M {
  const bytes = encodeMessage(message)
  written.set(message, bytes)
  known.push({ bytes, message })
  return message
}

const written = new WeakMap<Message, Uint8Array>()
const known: { readonly bytes: Uint8Array; readonly message: Message }[] = []

function knownBy(payload: Uint8Array): Message | undefined {
  next: for (const { bytes, message } of known) {
    if (bytes.length !== payload.length) continue
    for (let at = 0; at < bytes.length; at++) if (bytes[at] !== payload[at]) continue next
    return message
  }
  return undefined
}

/** The payload of a message. Throws `TermRefused` for what no term can carry (an atom of 256 characters). */
export function encodeMessage(message: Message, names: NameForm = 'atoms'): Uint8Array {
  return written.get(message)?.slice() ?? encode(toBert(messageTerm(message, names)))
}

function messageTerm(message: Message, names: NameForm): Bert {
  const name = (text: string): Bert => (names === 'atoms' ? atom(text) : text)
  switch (message.kind) {
    case 'call':
    case 'cast':
      return tuple<Bert>(atom(message.kind), name(message.module), name(message.function), [...message.args])
    case 'reply':
      return tuple<Bert>(atom('reply'), message.result)
    case 'noreply':
      return tuple<Bert>(atom('noreply'))
    case 'error': {
      const { type, code, class: kind, detail, trace } = message.error
      return tuple<Bert>(atom('error'), tuple<Bert>(atom(type), code, kind, detail, [...trace]))
    }
    case 'info':
      return tuple<Bert>(atom('info'), atom(message.command), [])
  }
}

/** What a payload says. */
export function decodeMessage(payload: Uint8Array, limits: MessageLimits): Message | Unreadable {
  const often = knownBy(payload)
  if (often !== undefined) return often
  try {
    const parsed = parseRpc(decode(payload, { binaries: 'text', limits: { ...limits, inflatedBytes: 1 } }))
    if (!parsed.ok) return unreadable(parsed.refusal)
    const message = parsed.value
    switch (message.kind) {
      case 'call':
      case 'cast':
        return { ...message, args: message.args.map((arg) => fromBert(arg)) }
      case 'reply':
        return { kind: 'reply', result: fromBert(message.result) }
      case 'info':
        return { kind: 'info', command: message.command }
      default:
        return message
    }
  } catch (error) {
    if (error instanceof TermRefused) return unreadable(error.refusal)
    throw error
  }
}

function unreadable({ thing, wanted, got }: { thing: string; wanted: string; got: string }): Unreadable {
  return { unreadable: `${thing}: wanted ${wanted}, got ${got}` }
}

/**
 * The text that a value stands for: a binary, an atom, a list of characters, or the empty list (the empty text). Bytes
 * that are not UTF-8 are read as Latin-1, which is what old programs mean by them. Undefined: it stands for none.
 */
export function textOf(value: Bert | undefined): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (value instanceof Atom) return value.name
  if (value instanceof Uint8Array) {
    let text = ''
    for (const byte of value) text += String.fromCharCode(byte)
    return text
  }
  if (Array.isArray(value))
    return value.every((item) => typeof item === 'number') ? termText(value) : undefined
  return undefined
}
