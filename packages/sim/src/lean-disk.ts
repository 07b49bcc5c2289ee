/**
 * A disk in memory that costs little: for a thousand devices in one process that all hold the same files.
 *
 * Paths stand in one flat map. A large file that has been synced is kept once for all disks that share a store of
 * contents, by its sha256, for as long as one of them holds it. It forgets nothing at a power cut, since nobody cuts its
 * power; the forgetful disk of the agent's own tests is another one.
 */
import { createHash } from 'node:crypto'
import type { Bytes, Disk, DiskEntry, DiskFile } from '@waymark/agent'

/** Contents that several disks hold. */
export interface Shared {
  /** The one copy of these bytes. */
  one(bytes: Uint8Array): Uint8Array
  /** How many different contents are held. */
  count(): number
}

/** Files smaller than this are not worth the search. Bytes. */
const sharedFromBytes = 1024

export function createShared(): Shared {
  const held = new Map<string, WeakRef<Uint8Array>>()
  const gone = new FinalizationRegistry<string>((sha) => {
    if (held.get(sha)?.deref() === undefined) held.delete(sha)
  })
  return {
    one(bytes) {
      if (bytes.length < sharedFromBytes) return bytes
      const sha = createHash('sha256').update(bytes).digest('base64')
      const known = held.get(sha)?.deref()
      if (known) return known
      held.set(sha, new WeakRef(bytes))
      gone.register(bytes, sha)
      return bytes
    },
    count: () => held.size,
  }
}

interface FileNode {
  readonly kind: 'file'
  /** What was written, in order; joined and shared once it is synced. */
  pieces: Uint8Array[]
  size: number
}
type Node = FileNode | { readonly kind: 'folder' } | { readonly kind: 'link'; readonly target: string }

const folderNode: Node = { kind: 'folder' }

/** Makes an empty disk that takes so many bytes. */
export function createLeanDisk(shared: Shared, capacityBytes = 256 * 1024 * 1024): Disk {
  const nodes = new Map<string, Node>([['', folderNode]])
  let used = 0

  function pathOf(path: string): string {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.')
    if (path.startsWith('/') || parts.includes('..')) throw fault('EINVAL', `${path}: leaves the folder`)
    return parts.join('/')
  }
  const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))

  /** A path whose folder is there. */
  function placeOf(path: string): string {
    const at = pathOf(path)
    if (nodes.get(parentOf(at))?.kind !== 'folder') throw fault('ENOENT', `${path}: no such folder`)
    return at
  }
  /** Everything below a folder. */
  const below = (at: string): string[] => [...nodes.keys()].filter((path) => path.startsWith(`${at}/`))

  /** The bytes of a file as one piece. */
  function whole(node: FileNode): Uint8Array {
    const [first] = node.pieces
    if (first && node.pieces.length === 1) return first
    const all = Buffer.concat(node.pieces)
    node.pieces = [all]
    return all
  }

  /** Takes a name away; the bytes are freed with the last one. */
  function drop(at: string): void {
    const node = nodes.get(at)
    nodes.delete(at)
    if (node?.kind === 'file' && ![...nodes.values()].includes(node)) used -= node.size
  }

  async function* readFrom(path: string, from: number): Bytes {
    const node = nodes.get(pathOf(path))
    if (node?.kind !== 'file') throw fault('ENOENT', `${path}: no such file`)
    const bytes = whole(node)
    for (let at = from; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
  }

  function writer(node: FileNode, path: string): DiskFile {
    return {
      async write(bytes) {
        if (used + bytes.length > capacityBytes) throw fault('ENOSPC', `${path}: no space left`)
        node.pieces.push(Uint8Array.from(bytes))
        node.size += bytes.length
        used += bytes.length
      },
      async sync() {
        node.pieces = [shared.one(whole(node))]
      },
      async close() {},
    }
  }

  return {
    async readText(path) {
      const node = nodes.get(pathOf(path))
      return node?.kind === 'file' ? new TextDecoder().decode(whole(node)) : undefined
    },
    read: (path, from = 0) => readFrom(path, from),
    async open(path, how = {}) {
      const at = placeOf(path)
      const old = nodes.get(at)
      if (old && old.kind !== 'file') throw fault('EISDIR', `${path}: not a file`)
      if (old && how.append) return writer(old, path)
      if (old) {
        used -= old.size
        old.pieces = []
        old.size = 0
      }
      const node: FileNode = old ?? { kind: 'file', pieces: [], size: 0 }
      nodes.set(at, node)
      return writer(node, path)
    },
    async stat(path) {
      const at = pathOf(path)
      const node = nodes.get(at)
      return node && entryOf(at.slice(at.lastIndexOf('/') + 1), node)
    },
    async list(path) {
      const at = pathOf(path)
      const prefix = at === '' ? '' : `${at}/`
      const found: DiskEntry[] = []
      for (const [each, node] of nodes)
        if (each !== '' && each.startsWith(prefix) && !each.includes('/', prefix.length))
          found.push(entryOf(each.slice(prefix.length), node))
      return found.sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    async makeFolder(path) {
      let at = ''
      for (const part of pathOf(path).split('/')) {
        at = at === '' ? part : `${at}/${part}`
        const node = nodes.get(at) ?? folderNode
        if (node.kind !== 'folder') throw fault('ENOTDIR', `${path}: ${part} is not a folder`)
        nodes.set(at, node)
      }
    },
    async remove(path) {
      const at = pathOf(path)
      if (nodes.get(at)?.kind === 'folder') for (const each of below(at)) drop(each)
      drop(at)
    },
    async rename(from, to) {
      const [source, target] = [placeOf(from), placeOf(to)]
      const node = nodes.get(source)
      if (!node) throw fault('ENOENT', `${from}: nothing there`)
      if (node.kind === 'folder') {
        if (below(target).length > 0) throw fault('ENOTEMPTY', `${to}: not empty`)
        for (const each of below(source)) {
          const inside = nodes.get(each)
          nodes.delete(each)
          if (inside) nodes.set(`${target}${each.slice(source.length)}`, inside)
        }
      }
      nodes.delete(source)
      if (nodes.has(target)) drop(target)
      nodes.set(target, node)
    },
    async link(from, to) {
      const node = nodes.get(pathOf(from))
      if (node?.kind !== 'file') throw fault('ENOENT', `${from}: no such file`)
      const at = placeOf(to)
      if (nodes.has(at)) throw fault('EEXIST', `${to}: exists`)
      nodes.set(at, node)
      return true
    },
    async symlink(target, path) {
      const at = placeOf(path)
      if (nodes.has(at)) throw fault('EEXIST', `${path}: exists`)
      nodes.set(at, { kind: 'link', target })
    },
    async readLink(path) {
      const node = nodes.get(pathOf(path))
      return node?.kind === 'link' ? node.target : undefined
    },
    async makeReadOnly() {},
    async syncFolder(path) {
      if (nodes.get(pathOf(path))?.kind !== 'folder') throw fault('ENOENT', `${path}: no such folder`)
    },
    freeBytes: async () => Math.max(0, capacityBytes - used),
  }
}

function entryOf(name: string, node: Node): DiskEntry {
  return { name, kind: node.kind, size: node.kind === 'file' ? node.size : 0 }
}

function fault(code: string, message: string): Error & { code: string } {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}
