/**
 * The two ways in which an operation fails. A `FleetProblem` is the server's refusal: it has a name, and the facts that
 * are needed to act. A `FleetFault` is everything else: no answer, or none that this client can believe.
 */

/** What the server refused, as its problem details say (RFC 9457). */
export class FleetProblem extends Error {
  override readonly name = 'FleetProblem'
  /** The refusal's name, such as `no-such-device`; `about:blank` when the answer has none. */
  readonly kind: string
  readonly status: number
  /** A sentence for people. */
  readonly detail: string
  /** What was asked: method and address. Empty where an event told it. */
  readonly request: string
  /** The other members: mostly `wanted` and `got`, and what the refusal is about. */
  readonly facts: Readonly<Record<string, unknown>>
  /** How long the server asked to be left alone. */
  readonly retryAfterMs: number | undefined

  constructor(problem: {
    kind: string
    status: number
    detail: string
    request?: string
    facts?: Readonly<Record<string, unknown>>
    retryAfterMs?: number | undefined
  }) {
    super(problem.detail)
    this.kind = problem.kind
    this.status = problem.status
    this.detail = problem.detail
    this.request = problem.request ?? ''
    this.facts = problem.facts ?? {}
    this.retryAfterMs = problem.retryAfterMs
  }
}

export type FaultKind =
  /** Nobody answered, or not to the end, however often we asked. */
  | 'unreachable'
  /** Something answered that is no fleet door. */
  | 'unexpected-answer'
  /** An object's bytes are not those its name promises. */
  | 'wrong-bytes'

/** What went wrong on the way: thing, wanted, got. */
export class FleetFault extends Error {
  override readonly name = 'FleetFault'
  readonly kind: FaultKind
  readonly thing: string
  readonly wanted: string
  readonly got: string

  constructor(
    kind: FaultKind,
    facts: { thing: string; wanted: string; got: string },
    options?: { cause?: unknown },
  ) {
    super(`${facts.thing}: wanted ${facts.wanted}, got ${facts.got}`, options)
    this.kind = kind
    this.thing = facts.thing
    this.wanted = facts.wanted
    this.got = facts.got
  }
}

/** The innermost reason of a failed request, in a few words: `connect ECONNREFUSED 127.0.0.1:8080`. */
export function reasonOf(error: unknown): string {
  let reason = error instanceof Error ? error.message : String(error)
  let cause = error
  for (let depth = 0; depth < 8 && cause instanceof Error && cause.cause !== undefined; depth++) {
    cause = cause.cause
    const message = cause instanceof Error ? cause.message : String(cause)
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    reason = message === '' ? code || reason : message
  }
  return reason
}
