/**
 * What a configuration finds on this machine, looked at without starting or making anything: `waymark config check`.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Config } from './config-table.ts'
import { readMasterKey } from './keys.ts'

export interface Finding {
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

/** Everything a start would stumble over. Empty when nothing is wrong. */
export function checkSurroundings(config: Config): Finding[] {
  const findings: Finding[] = []
  const find = (thing: string, wanted: string, look: () => void): void => {
    try {
      look()
    } catch (error) {
      findings.push({ thing, wanted, got: error instanceof Error ? error.message : String(error) })
    }
  }
  const readable = (path: string) => accessSync(path, constants.R_OK)
  if (config.tlsCert !== undefined) find('tls-cert', 'a readable file', () => readable(config.tlsCert ?? ''))
  if (config.tlsKey !== undefined) find('tls-key', 'a readable file', () => readable(config.tlsKey ?? ''))
  find(`data ${config.data}`, 'a folder that can be made or written to', () => {
    const existing = firstExisting(resolve(config.data))
    if (!statSync(existing).isDirectory()) throw new Error(`${existing} is no folder`)
    accessSync(existing, constants.W_OK | constants.X_OK)
  })
  const keyFile = config.masterKeyFile ?? join(config.data, 'keys', 'master.key')
  find(`master key ${keyFile}`, 'none, or a file with one that only its owner can read', () => {
    const key = readMasterKey(keyFile)
    if (key !== 'absent' && !key.ok) throw new Error(key.refusal.got)
  })
  return findings
}

/** The folder itself, or the nearest one above it that is there. */
function firstExisting(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })) return path
  const above = dirname(path)
  return above === path ? path : firstExisting(above)
}
