/**
 * What can be wrong with a document, as a value. Faults are gathered up to a limit rather than thrown:
 * whoever sends a configuration wants to hear of all mistakes at once.
 */

/** Stable names for programs; the other texts of a fault are for people. */
export type DataFaultCode =
  /** The text is no JSON, or too long or too deep. */
  | 'json'
  /** A member that the schema does not know here. */
  | 'unknown-member'
  /** A member given twice, plainly and with its module's name. */
  | 'duplicate-member'
  /** An object, array or value where the schema has another of them. */
  | 'shape'
  /** A value that its type does not hold. */
  | 'type'
  /** A key leaf that a list entry lacks. */
  | 'missing-key'
  /** Two entries with the same keys, or the same value twice in a leaf-list. */
  | 'duplicate-entry'
  | 'unique'
  | 'missing-mandatory'
  | 'missing-choice'
  | 'several-cases'
  | 'too-few'
  | 'too-many'
  | 'when'
  | 'must'
  /** A leafref or instance-identifier that leads nowhere. */
  | 'no-instance'
  /** State in a document of configuration. */
  | 'not-config'
  /** No operation or notification, or several, where the document is one. */
  | 'operation'
  /** An edit that does not fit the document. */
  | 'edit'
  /** Larger than the caller allows, or too costly to judge. */
  | 'limit'

export type DataFault = {
  readonly code: DataFaultCode
  /** The instance, as an instance-identifier of RFC 7951 6.11: `/m:system/user[name='a']/age`. */
  readonly path: string
  /** The schema node: `/m:system/user/age`. Empty for what has none. */
  readonly schemaPath: string
  readonly found: string
  readonly expected: string
  /** The clause that decided it. */
  readonly rfc: string
  /** The `error-app-tag` of the restriction, or the one RFC 7950 15 assigns. */
  readonly errorAppTag: string | undefined
  /** The module's own words. */
  readonly errorMessage: string | undefined
}

/** One line for people: `/m:a/b: found "x", expected 1..10 (RFC 7950 9.2.4)`. */
export function formatFault(fault: DataFault): string {
  const own = fault.errorMessage === undefined ? '' : `: ${fault.errorMessage}`
  return `${fault.path}: found ${fault.found}, expected ${fault.expected} (${fault.rfc})${own}`
}
