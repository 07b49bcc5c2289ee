/** What is running: read from the package and, in a checkout, from git's files. */
import { readFileSync } from 'node:fs'

export interface Version {
  readonly name: 'waymark'
  readonly version: string
  readonly node: string
  /** The commit of the checkout the server runs from, where one can be read. */
  readonly commit?: string
}

/** Name, version, Node's version and, in a checkout, the commit. Reads two small files; never fails. */
export function readVersion(): Version {
  const own = readText(new URL('../package.json', import.meta.url))
  const version = /"version":\s*"([^"]+)"/.exec(own ?? '')?.[1] ?? 'unknown'
  const commit = readCommit(new URL('../../../.git/', import.meta.url))
  return {
    name: 'waymark',
    version,
    node: process.versions.node,
    ...(commit === undefined ? {} : { commit }),
  }
}

function readCommit(git: URL): string | undefined {
  const head = readText(new URL('HEAD', git))?.trim()
  if (head === undefined) return undefined
  const ref = /^ref: (refs\/[\w./-]+)$/.exec(head)?.[1]
  const commit = ref === undefined ? head : readText(new URL(ref, git))?.trim()
  return commit !== undefined && /^[0-9a-f]{40,64}$/.test(commit) ? commit : undefined
}

function readText(path: URL): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
