/** What `device set` is told, as the changes the server is asked for. Pure. */
import { Failure } from '../io.ts'

export interface ChangeFlags {
  readonly nick?: string
  readonly label?: readonly string[]
  readonly unlabel?: readonly string[]
  readonly public?: boolean
  readonly private?: boolean
}

/** Nick, labels and visibility; undefined when none of them is to change. */
export function changeOf(flags: ChangeFlags) {
  if (flags.public && flags.private) throw new Failure(2, 'device set: wanted one of --public and --private')
  const labels: Record<string, string | null> = {}
  for (const text of flags.label ?? []) {
    const at = text.indexOf('=')
    if (at < 1) throw new Failure(2, `device set --label: wanted label=value, got ${text}`)
    labels[text.slice(0, at)] = text.slice(at + 1)
  }
  for (const label of flags.unlabel ?? []) labels[label] = null
  const change = {
    ...(flags.nick === undefined ? {} : { nick: flags.nick }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(flags.public ? { public: true } : flags.private ? { public: false } : {}),
  }
  return Object.keys(change).length === 0 ? undefined : change
}

/** `key=text` and `key:=json` as what goes into a user-meta; undefined when there is none. `what`: the command. */
export function metaOf(
  assignments: readonly string[],
  what = 'device set',
): Record<string, unknown> | undefined {
  const meta: [string, unknown][] = assignments.map((text) => {
    const [, key, colon, value = ''] = /^([^=]+?)(:?)=(.*)$/s.exec(text) ?? []
    if (key === undefined) throw new Failure(2, `${what}: wanted key=value or key:=json, got ${text}`)
    if (colon === '') return [key, value]
    try {
      return [key, JSON.parse(value) as unknown]
    } catch {
      throw new Failure(2, `${what} ${key}: wanted JSON behind :=, got ${value}`)
    }
  })
  return meta.length === 0 ? undefined : Object.fromEntries(meta)
}
