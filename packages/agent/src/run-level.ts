/**
 * What an owner may change from afar, while the agent runs: settings of the running level, in user-meta.
 *
 * A key counts by the setting's own name or with `pantahub.` before it (Pantavisor's `pantahub.log.push`). It holds until
 * it is removed from user-meta; then what the device was started with counts again. A value that the setting would refuse
 * changes nothing. Who is talked to, where things lie and what is trusted cannot be changed from afar.
 */
import { agentSettings, durationMs, faultOf, isOn } from './config.ts'
import type { Meta } from './meta.ts'
import type { MachineSettings } from './model.ts'

/** Settings that user-meta may override. */
export const runLevelKeys = [
  'log.push',
  'updater.interval',
  'updater.commit.delay',
  'updater.progress.interval',
  'metadata.usrmeta.interval',
  'metadata.devmeta.interval',
  'revision.retries',
] as const
type RunLevelKey = (typeof runLevelKeys)[number]

export interface RunLevel {
  readonly machine: Partial<
    Pick<
      MachineSettings,
      'pollMs' | 'userMetaMs' | 'deviceMetaMs' | 'progressMs' | 'revisionRetries' | 'commitDelayMs'
    >
  >
  readonly logPush?: boolean
  /** What was meant for a setting and is no value for it: thing, wanted, got, in words. */
  readonly refused: readonly string[]
}

/** Reads the overrides of a map of user-meta. */
export function runLevelOf(meta: Meta): RunLevel {
  const values = new Map<RunLevelKey, string>()
  const refused: string[] = []
  for (const key of runLevelKeys)
    for (const name of [key, `pantahub.${key}`]) {
      const value = meta[name]
      if (value === undefined || value === null) continue
      const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
      const setting = agentSettings.find((each) => each.key === key)
      const wanted = setting ? faultOf(setting, text) : 'a setting'
      if (wanted === undefined) values.set(key, text)
      else refused.push(`user-meta ${name}: wanted ${wanted}, got ${text.slice(0, 80)}`)
    }
  const ms = (key: RunLevelKey, name: keyof RunLevel['machine'], least = 1) => {
    const value = values.get(key)
    return value === undefined ? {} : { [name]: durationMs(value, least) }
  }
  const push = values.get('log.push')
  const retries = values.get('revision.retries')
  return {
    machine: {
      ...ms('updater.interval', 'pollMs'),
      ...ms('updater.commit.delay', 'commitDelayMs', 0),
      ...ms('updater.progress.interval', 'progressMs'),
      ...ms('metadata.usrmeta.interval', 'userMetaMs'),
      ...ms('metadata.devmeta.interval', 'deviceMetaMs'),
      ...(retries === undefined ? {} : { revisionRetries: Number(retries) }),
    },
    ...(push === undefined ? {} : { logPush: isOn(push) }),
    refused,
  }
}
