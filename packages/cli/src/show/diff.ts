/** What an edit would change, one line for each value: `- path: before`, `+ path: after`. Values stay the texts they are. */
import { JsonDecimal, type JsonValue, parseJson, printJson } from '@waymark/yang'

/** Lines for what of `edits` differs from `before`, both JSON texts; what they do not name stays, unless they are the `whole`. */
export function diffLines(before: string, edits: string, whole = false): string[] {
  const [below, onTop] = [parseJson(before), parseJson(edits)]
  return below.ok && onTop.ok ? [...changes('', below.value, onTop.value, whole)] : []
}

function* changes(
  path: string,
  below: JsonValue | undefined,
  onTop: JsonValue,
  whole: boolean,
): Generator<string> {
  if (isObject(onTop)) {
    const members = isObject(below) ? below : {}
    for (const [name, value] of Object.entries(onTop))
      yield* changes(`${path}/${name}`, members[name], value, whole)
    if (whole)
      for (const [name, value] of Object.entries(members))
        if (!(name in onTop)) yield `- ${path}/${name}: ${printJson(value)}`
    return
  }
  const [was, is] = [below === undefined ? undefined : printJson(below), printJson(onTop)]
  if (was === is) return
  if (was !== undefined) yield `- ${path}: ${was}`
  yield `+ ${path}: ${is}`
}

function isObject(value: JsonValue | undefined): value is { readonly [name: string]: JsonValue } {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonDecimal)
  )
}
