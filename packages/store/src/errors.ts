/**
 * What can go wrong with keeping things that is neither a caller's refusal nor a defect of ours: the disk is full, the
 * database is gone, the file belongs to somebody else. Each has a name, so that a door can say it and an operator can
 * act on it; the driver's own error stays attached as the cause.
 */

export type StoreErrorKind =
  /** No room left: nothing of the commit was kept; the store goes on and works again once there is room. */
  | 'disk-full'
  /** The disk or its file system failed while reading or writing. */
  | 'io'
  /** The database cannot be reached, or was lost on the way and could not be reached again. */
  | 'unreachable'
  /** The connection was lost during the commit and nobody could tell what became of it. */
  | 'unknown-outcome'
  /** Others kept changing the same rows; the body was run again as often as is allowed. */
  | 'conflict'
  /** More bodies wait than the store takes on. */
  | 'overloaded'
  /** The store is closed or closing. */
  | 'closed'
  /** Another process holds the file. */
  | 'held-elsewhere'
  /** The file or database holds something that is not a Waymark store. */
  | 'not-a-store'
  /** The file is damaged. */
  | 'damaged'
  /** Written by a newer Waymark than this one. */
  | 'newer-format'
  /** The declared collections differ from the kept ones in a way that needs a numbered migration. */
  | 'needs-migration'
  /** The database server is too old. */
  | 'unsupported'
  /** A restore into it did not end: it is not whole. */
  | 'unfinished'
  /** A record is larger than a store keeps. */
  | 'too-large'

/** A failure of the store itself, named; `message` tells the thing, what was wanted and what came. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly kind: StoreErrorKind

  constructor(kind: StoreErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
  }
}

/** Where a store tells what an operator should know: backups made, migrations run, connections lost. pino fits. */
export interface StoreLog {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
}

export const silent: StoreLog = { info: () => {}, warn: () => {} }

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
