/**
 * Why bytes were not taken as a term, or a value not written as one.
 *
 * A refusal names the thing, what was wanted of it, and what came; `at` is the offset in the input, where there
 * was one. Functions that decode and encode throw it inside a `TermRefused`; codecs that outlive one bad message
 * hand it out as a value.
 */
export type Refusal = {
  readonly kind: RefusalKind
  readonly thing: string
  readonly wanted: string
  readonly got: string
  readonly at?: number
}

export type RefusalKind =
  /** The input ends inside a term, or a count or length promises more than the input holds. */
  | 'truncated'
  /** Bytes follow the term. */
  | 'trailing-bytes'
  /** The first byte is not 131. */
  | 'bad-version'
  /** A tag that no Erlang/OTP reads in this place. */
  | 'unknown-tag'
  /** ATOM_CACHE_REF or a distribution header: it only has a meaning within one connection between two nodes. */
  | 'atom-cache'
  /** A tag's contents break its own rules: a NaN, a bit count of 9, a node name that is no atom. */
  | 'malformed'
  /** An atom or a text that is not UTF-8. */
  | 'bad-utf8'
  /** A map or dictionary names one key twice. */
  | 'duplicate-key'
  /** Compressed bytes that do not inflate, or not to the size they claim. */
  | 'bad-compression'
  /** A limit on bytes: of a message, an integer, or what a message inflates to. */
  | 'too-large'
  /** A limit on nesting. */
  | 'too-deep'
  /** A limit on the number of terms. */
  | 'too-many'
  /** A JavaScript value that is no term. */
  | 'not-a-term'
  /** A tuple `{bert, …}` that BERT does not define, or a value it cannot carry. */
  | 'bad-bert'
  /** A term that is no BERT-RPC message. */
  | 'bad-message'

/** The error that carries a refusal. */
export class TermRefused extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal, options?: ErrorOptions) {
    const place = refusal.at === undefined ? '' : ` at byte ${refusal.at}`
    super(`${refusal.thing}${place}: wanted ${refusal.wanted}, got ${refusal.got}`, options)
    this.name = 'TermRefused'
    this.refusal = refusal
  }
}

/** Throws a refusal; it never returns. */
export function refuse(kind: RefusalKind, thing: string, wanted: string, got: string, at?: number): never {
  throw new TermRefused(at === undefined ? { kind, thing, wanted, got } : { kind, thing, wanted, got, at })
}

/** What `attempt` found: the value, or the refusal. */
export type Attempt<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal }

/** Runs `work` and turns a `TermRefused` into a value; every other error goes on its way. */
export function attempt<T>(work: () => T): Attempt<T> {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    if (error instanceof TermRefused) return { ok: false, refusal: error.refusal }
    throw error
  }
}
