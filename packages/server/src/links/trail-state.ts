/**
 * Software in the state of a trail: where a package and its configuration stand, and a state with them changed.
 *
 * A package is one file, `NAME/image`, whatever the image is: an image that happens to be a container of Pantavisor is not
 * taken apart, because what the device makes of it is the package's own affair. Its configuration is
 * `_config/NAME/config.json`. Paths of others are never touched: a name under which the state holds anything else is refused.
 */
import { ok, type Result, refuse } from '@waymark/domain'
import { JsonDecimal, type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import { mergeValues } from './merge.ts'

/** Where a package's image stands in a state. */
export function imagePath(name: string): string {
  return `${encodeURIComponent(name)}/image`
}

/** Where a set's or a package's values stand in a state. */
export function configurationPath(name: string): string {
  return `_config/${encodeURIComponent(name)}/config.json`
}

export interface StateChange {
  readonly operation: 'install' | 'upgrade' | 'uninstall'
  readonly package: string
  readonly from?: string
  /** SHA-256 of the image; an uninstall has none. */
  readonly image?: string
  /** The configuration as JSON text; absent: it has none. */
  readonly values?: string
}

export interface StateRefusal {
  readonly kind: 'not-ours'
  readonly package: string
  readonly wanted: string
  readonly got: string
}

/** A state with packages put in and taken out, in order. */
export function withPackages(text: string, changes: readonly StateChange[]): Result<string, StateRefusal> {
  const members = new Map(Object.entries(objectOf(text)))
  for (const change of changes) {
    const { operation, package: name, from, image, values } = change
    const foreign = foreignPath(members.keys(), name)
    if (foreign !== undefined)
      return refuse({ kind: 'not-ours', package: name, wanted: 'a name of its own', got: foreign })
    for (const gone of [from, ...(operation === 'uninstall' ? [name] : [])])
      if (gone !== undefined) for (const path of pathsOf(gone)) members.delete(path)
    if (image !== undefined) members.set(imagePath(name), image)
    if (values !== undefined) members.set(configurationPath(name), inDoubles(jsonOf(values)))
  }
  return ok(printJson(Object.fromEntries(members)))
}

/** A state with values merged into those of a name. */
export function withMerged(text: string, name: string, values: string): string {
  const members = objectOf(text)
  const path = configurationPath(name)
  return printJson({ ...members, [path]: mergeValues(members[path], inDoubles(jsonOf(values))) })
}

/** A state with the whole values of names. */
export function withValues(
  text: string,
  all: readonly { readonly package: string; readonly values: string }[],
): string {
  const put = all.map((each) => [configurationPath(each.package), inDoubles(jsonOf(each.values))] as const)
  return printJson({ ...objectOf(text), ...Object.fromEntries(put) })
}

function pathsOf(name: string): readonly string[] {
  return [imagePath(name), configurationPath(name)]
}

/** What stands under a package's name that is not the package; names of the system's own are foreign altogether. */
function foreignPath(paths: Iterable<string>, name: string): string | undefined {
  const folder = `${encodeURIComponent(name)}/`
  if (/^[._]/.test(folder) || folder === 'bsp/') return folder
  for (const path of paths) if (path.startsWith(folder) && path !== imagePath(name)) return path
  return undefined
}

/**
 * A state's numbers are doubles; one that is more exact stands as a text, as RFC 7951 has it for 64 bits.
 */
function inDoubles(value: JsonValue): JsonValue {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof JsonDecimal) return value.text
  if (Array.isArray(value)) return value.map(inDoubles)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, inDoubles(member)]))
}

function jsonOf(text: string): JsonValue {
  const parsed = parseJson(text)
  if (!parsed.ok) throw new Error('a kept JSON text does not parse')
  return parsed.value
}

function objectOf(text: string): JsonObject {
  return jsonOf(text) as JsonObject
}
