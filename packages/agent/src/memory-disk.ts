/**
 * The disk port in memory, forgetful on purpose: what was not synced may be gone after a power cut.
 *
 * Each file has the bytes that programs see and those that a power cut leaves; each folder likewise with its
 * names. `powerCut` lets luck decide, folder by folder and file by file, whether unsynced work survives, is
 * lost, or survives with its end zeroed. Names within one folder change in the order in which they were changed, as a
 * journal keeps them: a cut may leave the first of them and not the rest.
 */
import type { Bytes, Disk, DiskEntry, DiskFile, Luck } from './ports.ts'

interface FileNode {
  readonly kind: 'file'
  bytes: Buffer
  size: number
  safe: Buffer
}
interface LinkNode {
  readonly kind: 'link'
  readonly target: string
}
interface FolderNode {
  readonly kind: 'folder'
  names: Map<string, Node>
  safe: Map<string, Node>
  /** Names changed since the last sync, in order; undefined: taken away. */
  changes: [string, Node | undefined][]
}
type Node = FileNode | LinkNode | FolderNode

/** A disk that forgets. Sizes in bytes. */
export interface MemoryDisk extends Disk {
  /** Everything unsynced is at the mercy of luck. Files open before it are dead. */
  powerCut(luck: Luck): void
}

const newFolder = (): FolderNode => ({ kind: 'folder', names: new Map(), safe: new Map(), changes: [] })

/** So many changes of a folder that is never synced are remembered; older ones reach the disk by themselves. */
const changesMax = 1000

function setName(folder: FolderNode, name: string, node: Node | undefined): void {
  if (folder.names.get(name) === node) return
  change(folder.names, name, node)
  folder.changes.push([name, node])
  if (folder.changes.length <= changesMax) return
  for (const [early, its] of folder.changes.splice(0, changesMax / 2)) change(folder.safe, early, its)
}

function change(names: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) names.delete(name)
  else names.set(name, node)
}

/** Makes an empty disk that takes so many bytes. Links are refused when `links` is false. */
export function createMemoryDisk({ capacityBytes = Number.MAX_SAFE_INTEGER, links = true } = {}): MemoryDisk {
  let root = newFolder()
  let life = 0

  function partsOf(path: string): string[] {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.')
    if (path.startsWith('/') || parts.includes('..')) throw fault('EINVAL', `${path}: leaves the folder`)
    return parts
  }
  function find(path: string): Node | undefined {
    let node: Node | undefined = root
    for (const part of partsOf(path)) node = node?.kind === 'folder' ? node.names.get(part) : undefined
    return node
  }
  function folderAt(parts: readonly string[], path: string): FolderNode {
    const node = find(parts.join('/'))
    if (node?.kind !== 'folder') throw fault('ENOENT', `${path}: no such folder`)
    return node
  }
  function place(path: string): { folder: FolderNode; name: string } {
    const parts = partsOf(path)
    const name = parts.pop()
    if (name === undefined) throw fault('EINVAL', `${path}: has no name`)
    if (Buffer.byteLength(name) > 255) throw fault('ENAMETOOLONG', `${path}: name too long`)
    return { folder: folderAt(parts, path), name }
  }
  function usedBytes(node: Node, seen: Set<Node>): number {
    if (seen.has(node)) return 0
    seen.add(node)
    if (node.kind === 'file') return node.size
    if (node.kind === 'link') return 0
    return [...node.names.values()].reduce((sum, each) => sum + usedBytes(each, seen), 0)
  }
  const freeBytes = (): number => Math.max(0, capacityBytes - usedBytes(root, new Set()))

  async function* readFrom(path: string, from: number): Bytes {
    const node = find(path)
    if (node?.kind !== 'file') throw fault('ENOENT', `${path}: no such file`)
    for (let at = from; at < node.size; at += 65_536)
      yield node.bytes.subarray(at, Math.min(node.size, at + 65_536))
  }

  function writer(node: FileNode, path: string): DiskFile {
    const born = life
    const alive = (): void => {
      if (born !== life) throw fault('EIO', `${path}: the power was cut`)
    }
    return {
      async write(bytes) {
        alive()
        if (capacityBytes !== Number.MAX_SAFE_INTEGER && bytes.length > freeBytes())
          throw fault('ENOSPC', `${path}: no space left`)
        if (node.size + bytes.length > node.bytes.length) {
          const grown = Buffer.alloc(Math.max(256, node.bytes.length * 2, node.size + bytes.length))
          node.bytes.copy(grown, 0, 0, node.size)
          node.bytes = grown
        }
        node.bytes.set(bytes, node.size)
        node.size += bytes.length
      },
      async sync() {
        alive()
        node.safe = Buffer.from(node.bytes.subarray(0, node.size))
      },
      async close() {},
    }
  }

  return {
    async readText(path) {
      const node = find(path)
      return node?.kind === 'file' ? node.bytes.toString('utf8', 0, node.size) : undefined
    },
    read: (path, from = 0) => readFrom(path, from),
    async open(path, how = {}) {
      const { folder, name } = place(path)
      const old = folder.names.get(name)
      if (old && old.kind !== 'file') throw fault('EISDIR', `${path}: not a file`)
      const node: FileNode = old ?? { kind: 'file', bytes: Buffer.alloc(0), size: 0, safe: Buffer.alloc(0) }
      if (!how.append) {
        node.bytes = Buffer.alloc(0)
        node.size = 0
      }
      setName(folder, name, node)
      return writer(node, path)
    },
    async stat(path) {
      const node = find(path)
      return node && entryOf(path.slice(path.lastIndexOf('/') + 1), node)
    },
    async list(path) {
      const node = find(path)
      if (node?.kind !== 'folder') return []
      return [...node.names]
        .map(([name, each]) => entryOf(name, each))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    async makeFolder(path) {
      let folder = root
      for (const part of partsOf(path)) {
        const next = folder.names.get(part) ?? newFolder()
        if (next.kind !== 'folder') throw fault('ENOTDIR', `${path}: ${part} is not a folder`)
        setName(folder, part, next)
        folder = next
      }
    },
    async remove(path) {
      const parts = partsOf(path)
      const name = parts.pop()
      const folder = find(parts.join('/'))
      if (name !== undefined && folder?.kind === 'folder') setName(folder, name, undefined)
    },
    async rename(from, to) {
      const source = place(from)
      const target = place(to)
      const node = source.folder.names.get(source.name)
      if (!node) throw fault('ENOENT', `${from}: nothing there`)
      const old = target.folder.names.get(target.name)
      if (old?.kind === 'folder' && old.names.size > 0) throw fault('ENOTEMPTY', `${to}: not empty`)
      // A rename never loses both names: at worst a cut leaves both.
      setName(target.folder, target.name, node)
      if (source.folder !== target.folder || source.name !== target.name)
        setName(source.folder, source.name, undefined)
    },
    async link(from, to) {
      if (!links) return false
      const node = find(from)
      if (node?.kind !== 'file') throw fault('ENOENT', `${from}: no such file`)
      const { folder, name } = place(to)
      if (folder.names.has(name)) throw fault('EEXIST', `${to}: exists`)
      setName(folder, name, node)
      return true
    },
    async symlink(target, path) {
      const { folder, name } = place(path)
      if (folder.names.has(name)) throw fault('EEXIST', `${path}: exists`)
      setName(folder, name, { kind: 'link', target })
    },
    async readLink(path) {
      const node = find(path)
      return node?.kind === 'link' ? node.target : undefined
    },
    async makeReadOnly() {},
    async syncFolder(path) {
      const folder = folderAt(partsOf(path), path)
      folder.safe = new Map(folder.names)
      folder.changes = []
    },
    async freeBytes() {
      return freeBytes()
    },
    powerCut(luck) {
      life++
      const left = afterCut(root, luck, new Map()) as FolderNode
      // Room that names taken away had left, and others have filled since, was given for good: so were the names.
      root =
        usedBytes(left, new Set()) <= capacityBytes
          ? left
          : (afterCut(root, luck, new Map(), true) as FolderNode)
    },
  }
}

/** What a power cut leaves of a node; a file with two names stays one file. `named`: no change of a name is lost. */
function afterCut(node: Node, luck: Luck, done: Map<Node, Node>, named = false): Node {
  const known = done.get(node)
  if (known) return known
  if (node.kind === 'link') return node
  if (node.kind === 'file') {
    const left = luck.next() < 0.5 ? node.safe : tornBytes(node, luck)
    const file: FileNode = {
      kind: 'file',
      bytes: Buffer.from(left),
      size: left.length,
      safe: Buffer.from(left),
    }
    done.set(node, file)
    return file
  }
  const names = new Map(node.safe)
  // None, all, or the first of what was changed since the last sync.
  const draw = luck.next()
  const count =
    draw < 0.4 && !named
      ? 0
      : draw < 0.7 || named
        ? node.changes.length
        : Math.floor(luck.next() * node.changes.length)
  for (const [name, each] of node.changes.slice(0, count)) change(names, name, each)
  const left = new Map([...names].map(([name, each]) => [name, afterCut(each, luck, done, named)]))
  return { kind: 'folder', names: left, safe: new Map(left), changes: [] }
}

/** The bytes as programs saw them, but for an end that the disk had not got to when they were not synced. */
function tornBytes(node: FileNode, luck: Luck): Buffer {
  const bytes = Buffer.from(node.bytes.subarray(0, node.size))
  if (!bytes.equals(node.safe)) bytes.fill(0, Math.floor(bytes.length * luck.next()))
  return bytes
}

function entryOf(name: string, node: Node): DiskEntry {
  return { name, kind: node.kind, size: node.kind === 'file' ? node.size : 0 }
}

function fault(code: string, message: string): Error & { code: string } {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}
