/** What is wrong with parameters, in words that name the one; a typo names the nearest there is. */
import { nearest } from '../../nearest.ts'
import type { Operation, SchemaFaults } from '../../schemas/schema-room.ts'

export function describeFault({ faults, first }: SchemaFaults, operation: Operation | undefined): string {
  const [fault] = faults
  const named = fault && /\/([^/[\]]+)$/.exec(fault.path)?.[1]
  if (named === undefined) return first
  if (fault?.code === 'missing-mandatory') return `missing parameter: ${named}`
  if (fault?.code !== 'unknown-member') return first
  const near = nearest(named, operation?.input.map(({ name }) => name) ?? [])
  return `unknown parameter: ${named}${near === undefined ? '' : `; did you mean ${near}?`}`
}
