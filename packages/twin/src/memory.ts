/**
 * What the controller remembers over its own restarts: the attempt under way, or the last one with its end.
 *
 * One small JSON file, written beside and renamed. It is written before each act that could be its last: a revision that
 * is run may well replace the container this program runs in.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isObject } from './topics.ts'

/** `begun`: objects and state are on their way. `ordered`: the device was told to run it. `ended`: there is a last word. */
export interface Attempt {
  readonly key: string
  readonly name: string
  /** The version of the desired half that asked for it. */
  readonly version: number
  readonly stage: 'begun' | 'ordered' | 'ended'
  readonly status: string
  readonly message: string
}

export interface Memory {
  readonly attempt: Attempt | undefined
  keep(attempt: Attempt): Promise<void>
}

/** Opens the file; one that cannot be read counts as absent. */
export async function openMemory(path: string): Promise<Memory> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  let attempt = parseAttempt(await readFile(path, 'utf8').catch(() => ''))
  return {
    get attempt() {
      return attempt
    },
    async keep(next) {
      const file = await open(`${path}.new`, 'w', 0o600)
      try {
        await file.writeFile(`${JSON.stringify(next)}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(`${path}.new`, path)
      attempt = next
    },
  }
}

function parseAttempt(text: string): Attempt | undefined {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(raw)) return undefined
  const { key, name, version, stage, status, message } = raw
  const at = (['begun', 'ordered', 'ended'] as const).find((each) => each === stage)
  if (typeof key !== 'string' || typeof name !== 'string' || typeof version !== 'number' || !at)
    return undefined
  if (typeof status !== 'string' || typeof message !== 'string') return undefined
  return { key, name, version, stage: at, status, message }
}
