/** Where the settings say that things are kept, for those who look at them from beside a server. */
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { BackupFault } from './format.ts'

export type Places =
  | {
      readonly kind: 'sqlite'
      readonly main: string
      readonly telemetry: string
      readonly objects: string
    }
  | {
      readonly kind: 'postgresql'
      readonly url: string
      readonly schemas: { readonly main: string; readonly telemetry: string }
      readonly objects: string
    }

/** The same places as `openHomes` opens. Refuses what lives in memory. */
export function placesOf(config: Config): Places {
  const { database, data } = config
  if (config.objects !== undefined && !config.objects.startsWith('file:'))
    throw new BackupFault(`objects ${config.objects}: wanted file:…`)
  const objects = config.objects === undefined ? join(data, 'objects') : new URL(config.objects).pathname
  if (database?.startsWith('memory:'))
    throw new BackupFault('database: wanted one that outlives its process, got one in memory')
  if (database?.startsWith('postgres'))
    return {
      kind: 'postgresql',
      url: database,
      schemas: { main: 'waymark', telemetry: 'waymark_telemetry' },
      objects,
    }
  const main = database === undefined ? join(data, 'waymark.db') : new URL(database).pathname
  return { kind: 'sqlite', main, telemetry: main.replace(/(\.db)?$/, '-telemetry.db'), objects }
}
