/** Cursors of lists: the order fields of the last row, as JSON in base64url. They hold no secret and grant nothing. */
import { ok, type Result, refuse, type Scalar } from '@waymark/domain'

/** The row a page goes on behind, with as many fields as the order has; refused when it is no such cursor. */
export function readCursor(
  text: string | undefined,
  form: readonly ('string' | 'number' | 'boolean')[],
): Result<readonly Scalar[] | undefined, { kind: 'bad-cursor'; got: string }> {
  if (text === undefined) return ok(undefined)
  const values = decoded(text)
  const fits =
    Array.isArray(values) &&
    values.length === form.length &&
    values.every(
      (value, i) => typeof value === form[i] && (typeof value !== 'number' || Number.isSafeInteger(value)),
    )
  return fits ? ok(values as Scalar[]) : refuse({ kind: 'bad-cursor', got: text.slice(0, 64) })
}

export function writeCursor(values: readonly Scalar[]): string {
  return Buffer.from(JSON.stringify(values)).toString('base64url')
}

function decoded(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return undefined
  }
}

/** Of one row more than a page holds: the page, and the cursor behind its last row when there was one more. */
export function pageOf<R>(rows: readonly R[], limit: number, fields: (row: R) => readonly Scalar[]) {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, ...(rows.length > limit && last !== undefined ? { next: writeCursor(fields(last)) } : {}) }
}
