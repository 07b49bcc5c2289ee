/**
 * A folder of moved devices, which people can read: a file for each device, one for each of its steps, and the bytes of
 * every object once, under their sha256.
 *
 *     README.txt
 *     devices/<id>.json          nick, secret, visibility, metadata
 *     steps/<id>/<rev>.json      commit message, state, what the device said of it
 *     objects/<sha256>           bytes; while they come: <sha256>.part
 *     state.json                 what is done, so that whoever was cut off goes on
 *
 * Files appear whole or not at all. Secrets of devices are among them, so that only the owner of the folder reads it.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../io.ts'
import {
  isId,
  isRecord,
  isSha,
  type JsonRecord,
  type MovedDevice,
  type MovedObject,
  type MovedStep,
} from './records.ts'

const format = 'waymark-devices@1'

/** What is done with a folder. */
export interface FolderState {
  readonly format: typeof format
  /** Where it came from. */
  readonly from?: string
  /** When everything that was asked for had come. */
  readonly completeAt?: string
  /** By server: how many steps of each device have arrived there. */
  readonly imported: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** Secrets that were made for devices whose own the source does not show, by id. */
  readonly newSecrets: Readonly<Record<string, string>>
}

/** What is kept of an object beside its bytes. */
export type KeptObject = Omit<MovedObject, 'getUrl'>

/** A step as it is kept: with the names of the objects that came with it. */
export interface KeptStep extends MovedStep {
  readonly objects: readonly KeptObject[]
}

export type Folder = ReturnType<typeof folderAt>

/** Larger files are not ours: a state may have eight million bytes, a device's metadata two. */
const fileBytesMax = 64 * 1024 * 1024

const readme = `Devices with their trails, as waymark export wrote them.

devices/<id>.json       a device: nick, secret, visibility, metadata
steps/<id>/<rev>.json   a step of its trail: state, commit message, what the device said of it
objects/<sha256>        the bytes that states refer to, each once
state.json              what is done; whoever was cut off goes on from there

waymark import FOLDER puts them into a server. Keep this folder to yourself: the secrets of devices are in it.
`

export function folderAt(path: string) {
  const devicesAt = join(path, 'devices')
  const objectsAt = join(path, 'objects')
  const stepsOf = (device: string): string => join(path, 'steps', device)
  const stepAt = (device: string, rev: number): string => join(stepsOf(device), `${rev}.json`)
  const objectAt = (sha: string): string => join(objectsAt, sha)

  return {
    path,
    objectAt,

    /** Makes the folder, or opens one of ours; refuses one that holds something else. */
    async begin(): Promise<void> {
      await mkdir(path, { recursive: true, mode: 0o700 })
      // What says that the folder is ours comes first; a crash may leave a beginning of it.
      const held = (await readdir(path)).filter((name) => !/^state\.json\.\w+\.new$/.test(name))
      if (held.length > 0 && !held.includes('state.json'))
        throw new Failure(1, `${path}: wanted an empty folder, or one of waymark export, got another`)
      if (held.length === 0) await this.keepState({ format, imported: {}, newSecrets: {} })
      for (const below of [devicesAt, objectsAt, join(path, 'steps')]) await mkdir(below, { recursive: true })
      await writeWhole(join(path, 'README.txt'), readme)
    },

    /** Does work while nobody else works in this folder; refused while another process does. */
    async alone<T>(work: () => Promise<T>): Promise<T> {
      const lock = join(path, 'at-work.pid')
      await takeLock(lock, path)
      try {
        return await work()
      } finally {
        await unlink(lock).catch(() => {})
      }
    },

    async state(): Promise<FolderState> {
      const raw = await readJson(join(path, 'state.json'))
      if (!isRecord(raw) || raw.format !== format)
        throw new Failure(1, `${path}: wanted a folder that waymark export wrote, got none`)
      const { from, completeAt, imported, newSecrets } = raw
      return {
        format,
        ...(typeof from === 'string' ? { from } : {}),
        ...(typeof completeAt === 'string' ? { completeAt } : {}),
        imported: isRecord(imported) ? Object.fromEntries(Object.entries(imported).map(counts)) : {},
        newSecrets: isRecord(newSecrets) ? texts(newSecrets) : {},
      }
    },

    keepState: (state: FolderState): Promise<void> => writeWhole(join(path, 'state.json'), jsonOf(state)),

    /** The ids of the devices that are here, in order. */
    async deviceIds(): Promise<string[]> {
      const names = await readdir(devicesAt).catch(() => [])
      const ids = names.flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -5)] : []))
      return ids.filter(isId).sort()
    },

    async device(id: string): Promise<MovedDevice> {
      const file = join(devicesAt, `${id}.json`)
      const raw = await readJson(file)
      if (!isRecord(raw) || raw.id !== id || typeof raw.nick !== 'string')
        throw new Failure(1, `${file}: wanted device ${id}, got something else`)
      const { nick, secret, createdAt } = raw
      return {
        id,
        nick,
        ...(typeof secret === 'string' ? { secret } : {}),
        public: raw.public === true,
        userMeta: isRecord(raw.userMeta) ? raw.userMeta : {},
        deviceMeta: isRecord(raw.deviceMeta) ? raw.deviceMeta : {},
        createdAt: typeof createdAt === 'string' ? createdAt : '',
      }
    },

    keepDevice: (device: MovedDevice): Promise<void> =>
      writeWhole(join(devicesAt, `${device.id}.json`), jsonOf(device)),

    /** The revisions that are here, ascending. */
    async revisions(device: string): Promise<number[]> {
      const names = await readdir(stepsOf(device)).catch(() => [])
      const revs = names.flatMap((name) => (/^\d{1,7}\.json$/.test(name) ? [Number.parseInt(name, 10)] : []))
      return revs.sort((a, b) => a - b)
    },

    async step(device: string, rev: number): Promise<KeptStep> {
      const file = stepAt(device, rev)
      const raw = await readJson(file)
      if (!isRecord(raw) || raw.rev !== rev || !isRecord(raw.state))
        throw new Failure(1, `${file}: wanted step ${rev}, got something else`)
      return {
        rev,
        commitMsg: text(raw.commitMsg),
        committer: text(raw.committer),
        status: text(raw.status),
        ...(isRecord(raw.report) ? { report: raw.report } : {}),
        ...(typeof raw.reportedAt === 'string' ? { reportedAt: raw.reportedAt } : {}),
        createdAt: text(raw.createdAt),
        meta: isRecord(raw.meta) ? raw.meta : {},
        stateSha: text(raw.stateSha),
        state: raw.state,
        objects: Array.isArray(raw.objects) ? raw.objects.flatMap(keptObject) : [],
      }
    },

    dropStep: (device: string, rev: number): Promise<void> => unlink(stepAt(device, rev)),

    async keepStep(device: string, step: KeptStep): Promise<void> {
      await mkdir(stepsOf(device), { recursive: true })
      await writeWhole(stepAt(device, step.rev), jsonOf(step))
    },

    /** Whether an object's bytes are here, whole. */
    async holds(sha: string): Promise<boolean> {
      return (await stat(objectAt(sha)).catch(() => undefined))?.isFile() === true
    },

    /**
     * Begins, or goes on with, the bytes of an object: what had come before is read again, since the hash is over all.
     */
    async receive(object: KeptObject) {
      const part = `${objectAt(object.sha256)}.part`
      const hash = createHash('sha256')
      let bytes = 0
      if ((await stat(part).catch(() => undefined))?.isFile())
        for await (const piece of createReadStream(part) as AsyncIterable<Uint8Array>) {
          hash.update(piece)
          bytes += piece.byteLength
        }
      const handle: FileHandle = await open(part, 'a', 0o600)
      return {
        get bytes() {
          return bytes
        },
        async take(piece: Uint8Array): Promise<void> {
          hash.update(piece)
          bytes += piece.byteLength
          await handle.writeFile(piece)
        },
        /** Lets go without an end: the next try goes on. */
        leave: (): Promise<void> => handle.close(),
        /** Puts the bytes in their place if they are those of the sha256; else throws them away. Answers which. */
        async end(): Promise<boolean> {
          const good = bytes === object.size && hash.digest('hex') === object.sha256
          await handle.sync()
          await handle.close()
          if (good) await rename(part, objectAt(object.sha256))
          else await unlink(part)
          return good
        },
      }
    },
  }
}

/** Makes the file that says who works here; one whose process is gone was left by a crash. */
async function takeLock(lock: string, folder: string): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      return await writeFile(lock, `${process.pid}\n`, { flag: 'wx', mode: 0o600 })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      const pid = Number.parseInt(await readFile(lock, 'utf8').catch(() => ''), 10)
      if (attempt > 3 || (Number.isSafeInteger(pid) && isAlive(pid)))
        throw new Failure(1, `${folder}: process ${pid} is at work there (if it is not: remove ${lock})`)
      await unlink(lock).catch(() => {})
    }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Writes a file whole or not at all; nobody else reads it. */
async function writeWhole(file: string, content: string): Promise<void> {
  const fresh = `${file}.${randomBytes(6).toString('hex')}.new`
  try {
    await writeFile(fresh, content, { mode: 0o600, flag: 'wx', flush: true })
    await rename(fresh, file)
  } catch (error) {
    await unlink(fresh).catch(() => {})
    throw error
  }
}

async function readJson(file: string): Promise<unknown> {
  const held = await stat(file).catch(() => undefined)
  if (!held?.isFile()) return undefined
  if (held.size > fileBytesMax)
    throw new Failure(1, `${file}: wanted at most ${fileBytesMax} bytes, got ${held.size}`)
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown
  } catch (error) {
    throw new Failure(1, `${file}: wanted JSON, got ${error instanceof Error ? error.message : error}`)
  }
}

function keptObject(raw: unknown): KeptObject[] {
  if (!isRecord(raw)) return []
  const { sha256, size, name, mimeType } = raw
  if (typeof sha256 !== 'string' || !isSha(sha256) || typeof size !== 'number') return []
  return [{ sha256, size, name: text(name), mimeType: text(mimeType) }]
}

function counts([server, devices]: [string, unknown]): [string, Record<string, number>] {
  const known = isRecord(devices) ? Object.entries(devices) : []
  return [server, Object.fromEntries(known.flatMap(([id, n]) => (typeof n === 'number' ? [[id, n]] : [])))]
}

function texts(record: JsonRecord): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record).flatMap(([id, value]) => (typeof value === 'string' ? [[id, value]] : [])),
  )
}

const text = (raw: unknown): string => (typeof raw === 'string' ? raw : '')
const jsonOf = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`
