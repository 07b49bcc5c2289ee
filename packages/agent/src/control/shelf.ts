/**
 * Files beside a container's sockets, where Pantavisor has them: who the device is, and both metadata maps, a file a key.
 *
 *     device-id, challenge, pantahub-host    for mgmt containers alone
 *     user-meta/KEY, device-meta/KEY         all keys for mgmt containers; of the others' only `NAME.KEY`, as `KEY`
 *
 * Laid when the container starts and whenever a map or the identity changed. A file is replaced by a rename, so a reader
 * sees the old or the new; what cannot be a file's name is left out. Nothing here is read back.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ControlHouse } from '../agent.ts'
import { type Meta, readOwnMeta, userMetaPath } from '../meta.ts'
import type { Json } from '../ports.ts'
import { rolesOf } from './views.ts'

export interface Shelf {
  /** Lays the files of a container into its folder. Never rejects: a container runs without them too. */
  lay(container: string, folder: string): Promise<void>
  /** Resolves when all that was asked for lies there. */
  settled(): Promise<void>
}

const identityFiles = ['device-id', 'challenge', 'pantahub-host'] as const

export function createShelf(
  house: ControlHouse,
  runningState: () => Promise<Parameters<typeof rolesOf>[0]>,
): Shelf {
  let turn: Promise<void> = Promise.resolve()

  async function layInTurn(container: string, folder: string): Promise<void> {
    const privileged = rolesOf(await runningState(), container)?.includes('mgmt') === true
    for (const name of identityFiles)
      await put(folder, name, privileged ? await house.disk.readText(name) : undefined)
    await putMap(
      join(folder, 'user-meta'),
      seenBy(container, privileged, await readOwnMeta(house.disk, userMetaPath)),
    )
    await putMap(join(folder, 'device-meta'), seenBy(container, privileged, await house.deviceMeta()))
  }

  return {
    lay(container, folder) {
      turn = turn.then(() => layInTurn(container, folder)).catch(() => undefined)
      return turn
    },
    settled: () => turn,
  }
}

/** What of a map a container is shown. */
function seenBy(container: string, privileged: boolean, meta: Meta): ReadonlyMap<string, string> {
  const own = `${container}.`
  return new Map(
    Object.entries(meta).flatMap(([key, value]) => {
      const name = privileged ? key : key.startsWith(own) ? key.slice(own.length) : ''
      return isFileName(name) && value !== null ? [[name, textOf(value)] as const] : []
    }),
  )
}

async function putMap(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const [name, text] of files) await put(folder, name, text)
  for (const name of await readdir(folder))
    if (!files.has(name)) await rm(join(folder, name), { force: true })
}

async function put(folder: string, name: string, text: string | undefined): Promise<void> {
  const path = join(folder, name)
  if (text === undefined) return rm(path, { force: true })
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return
  await writeFile(`${path}~`, text, { mode: 0o600 })
  await rename(`${path}~`, path)
}

const isFileName = (name: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._+:@-]{0,127}$/.test(name)

const textOf = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))
