/**
 * How values of a configuration set are merged: objects member by member, anything else replaces; an array is added to an
 * array, where an element that is an object with one member takes the place of the one with the same member.
 */
import { JsonDecimal, type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'

/** Merges what is on top into what is below; both stay as they are. */
export function mergeValues(below: JsonValue | undefined, onTop: JsonValue): JsonValue {
  if (isObject(below) && isObject(onTop)) {
    const merged = new Map(Object.entries(below))
    for (const [name, value] of Object.entries(onTop)) merged.set(name, mergeValues(merged.get(name), value))
    return Object.fromEntries(merged)
  }
  if (Array.isArray(below) && Array.isArray(onTop)) {
    const merged = [...below]
    for (const element of onTop) {
      const name = onlyMember(element)
      const place = name === undefined ? -1 : merged.findIndex((each) => onlyMember(each) === name)
      if (place < 0) merged.push(element)
      else merged[place] = element
    }
    return merged
  }
  return onTop
}

/** The same on JSON texts, where an empty one is nothing. */
export function mergeTexts(below: string, onTop: string): string {
  if (below === '') return onTop
  if (onTop === '') return below
  const [a, b] = [parseJson(below), parseJson(onTop)]
  if (!a.ok || !b.ok) throw new Error('a kept JSON text does not parse')
  return printJson(mergeValues(a.value, b.value))
}

function onlyMember(value: JsonValue): string | undefined {
  if (!isObject(value)) return undefined
  const names = Object.keys(value)
  return names.length === 1 ? names[0] : undefined
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonDecimal)
  )
}
