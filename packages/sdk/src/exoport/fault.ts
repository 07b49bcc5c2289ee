export type ExoPortFaultKind =
  /** The server, or whom it asked, does not want it. `got` is its own sentence. */
  | 'refused'
  /** The answer is none of the forms that exist, or what was asked could not be sent at all. */
  | 'bad-answer'
  /** Too much waits to be sent already. */
  | 'queue-full'
  /** The device was stopped before it could be sent. */
  | 'stopped'

/** Why something that a device had to say did not get through. */
export class ExoPortFault extends Error {
  override readonly name = 'ExoPortFault'
  readonly kind: ExoPortFaultKind
  readonly wanted: string
  readonly got: string
  constructor(kind: ExoPortFaultKind, wanted: string, got: string) {
    super(`${kind}: wanted ${wanted}, got ${got}`)
    this.kind = kind
    this.wanted = wanted
    this.got = got
  }
}
