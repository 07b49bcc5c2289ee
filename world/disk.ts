/**
 * A device's disk in the world: the agent's own forgetful disk, seen through the gates of one life, with a watch on
 * what it holds for good.
 *
 * The watch knows the one promise that everything on a device rests on: once a revision has been in force there always
 * is one, whole, byte for byte what its state says. It looks after every change of the link `current` and after every
 * power cut, and writes down which revision was in force for good, in order.
 *
 * A disk may be told to lie: it takes a new link `current` as if it had, shows it until the agent is gone, and keeps
 * the old one. And it may be told to take a life's power at the n-th of its writes.
 */
import { createHash } from 'node:crypto'
import { createMemoryDisk, type Disk, type DiskFile, type MemoryDisk } from '@waymark/agent'
import { canonicalJson, parseStateText, stateSha } from '@waymark/pantahub'
import type { Life } from './life.ts'
import type { Luck } from './luck.ts'

/** A revision in force for good. */
export interface InForce {
  readonly rev: number
  readonly stateSha: string
}

export interface WorldDisk {
  /** The disk as one life sees it. With `cut`, that life loses its power at the `at`-th of its writes. */
  of(life: Life, cut?: { readonly at: number; readonly when: 'before' | 'after' }): Disk
  /** Nothing more can be written while it is full. */
  full: boolean
  /** Every revision that was in force for good, in order. */
  readonly history: readonly InForce[]
  /** What is in force now, or why it is not whole. */
  look(): Promise<{ readonly inForce: InForce | undefined } | { readonly broken: string }>
  /** The documents of the state in force; nothing before the first. */
  documents(): Promise<Readonly<Record<string, unknown>>>
  /** A reader past the gates. */
  readonly raw: MemoryDisk
  powerCut(luck: Luck): Promise<void>
  /** What was found broken. */
  readonly faults: readonly string[]
}

export function createWorldDisk(capacityBytes: number | undefined, { lies = false } = {}): WorldDisk {
  const raw = createMemoryDisk(capacityBytes === undefined ? {} : { capacityBytes })
  const history: InForce[] = []
  const faults: string[] = []
  let full = false

  async function look(): ReturnType<WorldDisk['look']> {
    const target = await raw.readLink('current')
    if (target === undefined)
      return history.length === 0 ? { inForce: undefined } : { broken: 'no revision is in force any more' }
    const folder = target.replace(/^revisions\//, '')
    const text = await raw.readText(`states/${folder}.json`)
    if (text === undefined) return { broken: `${target}: its state is not there` }
    const read = parseStateText(text)
    if (!read.ok) return { broken: `${target}: its state cannot be read` }
    const shas = new Map(
      [...read.state.objects, ...read.state.looseObjects].map((object) => [String(object.path), object.sha]),
    )
    for (const [path, value] of Object.entries(read.state.json)) {
      if (path === '#spec') continue
      const sha = shas.get(path)
      const at = `${target}/${path}`
      if ((await raw.stat(at))?.kind !== 'file') return { broken: `${at}: is not there` }
      if (sha === undefined && (await raw.readText(at)) !== canonicalJson(value))
        return { broken: `${at}: is not the document of the state` }
      if (sha !== undefined && (await shaOf(raw, at)) !== sha)
        return { broken: `${at}: its bytes do not hash to ${sha}` }
    }
    return { inForce: { rev: Number.parseInt(folder, 10), stateSha: stateSha(text) } }
  }

  /** Notes what is in force for good. */
  async function note(): Promise<void> {
    const seen = await look()
    if ('broken' in seen) return void faults.push(seen.broken)
    const last = history.at(-1)
    const { inForce } = seen
    if (inForce && (inForce.rev !== last?.rev || inForce.stateSha !== last.stateSha)) history.push(inForce)
  }

  const noSpace = (path: string): Error & { code: string } =>
    Object.assign(new Error(`ENOSPC: ${path}: no space left`), { code: 'ENOSPC' })

  async function documents(): ReturnType<WorldDisk['documents']> {
    const folder = (await raw.readLink('current'))?.replace(/^revisions\//, '')
    const read = parseStateText((await raw.readText(`states/${folder}.json`)) ?? '')
    return read.ok ? read.state.json : {}
  }

  function of(life: Life, cut?: { readonly at: number; readonly when: 'before' | 'after' }): Disk {
    /** What a lying disk shows as `current`. */
    let shown: string | undefined
    let writes = 0

    /** A change: the one at which the power is cut is the last thing this life does. */
    function change<T>(act: () => Promise<T>): Promise<T> {
      if (cut && ++writes === cut.at) life.doom(1, cut.when)
      return life.gate(act)
    }
    const fileOf = (file: DiskFile, path: string): DiskFile => ({
      write: (bytes) =>
        change(async () => {
          if (full) throw noSpace(path)
          await file.write(bytes)
        }),
      sync: () => change(() => file.sync()),
      close: () => life.gate(() => file.close()),
    })
    async function rename(from: string, to: string): Promise<void> {
      if (!lies || to !== 'current' || (await raw.readLink('current')) === undefined)
        return raw.rename(from, to)
      shown = await raw.readLink(from)
      await raw.remove(from)
    }
    return {
      readText: (path) => life.gate(() => raw.readText(path)),
      read: (path, from) => life.gateEach(raw.read(path, from)),
      open: async (path, how) => fileOf(await change(() => raw.open(path, how)), path),
      stat: (path) => life.gate(() => raw.stat(path)),
      list: (path) => life.gate(() => raw.list(path)),
      makeFolder: (path) => change(() => raw.makeFolder(path)),
      remove: (path) => change(() => raw.remove(path)),
      rename: (from, to) => change(() => rename(from, to)),
      link: (from, to) => change(() => raw.link(from, to)),
      symlink: (target, path) => change(() => raw.symlink(target, path)),
      readLink: (path) =>
        life.gate(async () => (path === 'current' && shown !== undefined ? shown : raw.readLink(path))),
      makeReadOnly: (path) => life.gate(() => raw.makeReadOnly(path)),
      syncFolder: (path) =>
        change(async () => {
          await raw.syncFolder(path)
          if (path === '.') await note()
        }),
      freeBytes: () => life.gate(async () => (full ? 0 : raw.freeBytes())),
    }
  }

  return {
    of,
    get full() {
      return full
    },
    set full(is) {
      full = is
    },
    history,
    look,
    documents,
    raw,
    async powerCut(luck) {
      raw.powerCut(luck)
      await note()
    },
    faults,
  }
}

async function shaOf(disk: MemoryDisk, path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of disk.read(path)) hash.update(piece)
  return hash.digest('hex')
}
