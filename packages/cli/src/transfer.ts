/** Objects between files and a server: the part of a transfer that only a machine with a file system has. */
import { createReadStream, openAsBlob } from 'node:fs'
import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type Fleet, FleetFault, type StoredObject } from '@waymark/sdk'
import { Failure, type Io } from './io.ts'
import type { Outside } from './outside.ts'
import { progressOf } from './show/progress.ts'

interface Needs {
  readonly fleet: Fleet
  readonly io: Io
  readonly outside: Outside
}

/** Stores a file as an object. */
export async function upload({
  fleet,
  io,
  outside,
  file,
  name,
}: Needs & { file: string; name: string }): Promise<StoredObject> {
  const kind = await stat(file).catch(() => undefined)
  if (!kind?.isFile())
    throw new Failure(1, `${file}: wanted a file, got ${kind ? 'something else' : 'nothing'}`)
  const progress = progressOf(outside, name)
  try {
    const blob = await openAsBlob(file)
    return await fleet.putObject(blob, { name, signal: io.stopSignal(), onProgress: progress.onProgress })
  } finally {
    progress.end()
  }
}

/**
 * Fetches an object into a file. Until it is whole its bytes stand beside it in `….part`, where the next try goes on;
 * the file itself appears at once, whole, or not at all.
 */
export async function download({
  fleet,
  io,
  outside,
  sha256,
  file,
}: Needs & { sha256: string; file: string }): Promise<{ file: string; size: number }> {
  const target = (await isFolder(file)) ? join(file, sha256) : file
  const part = `${target}.${sha256.slice(0, 12)}.part`
  const progress = progressOf(outside, sha256.slice(0, 12))
  let handle: FileHandle | undefined
  try {
    const pieces = fleet.getObject(sha256, {
      held: bytesOf(part),
      signal: io.stopSignal(),
      onProgress: progress.onProgress,
    })
    for await (const piece of pieces) {
      handle ??= await open(part, 'a', 0o644)
      await handle.writeFile(piece)
    }
    handle ??= await open(part, 'a', 0o644)
    await handle.sync()
    const { size } = await handle.stat()
    await handle.close()
    handle = undefined
    await rename(part, target)
    return { file: target, size }
  } catch (error) {
    // What is known to be wrong is not gone on with.
    if (error instanceof FleetFault && error.kind === 'wrong-bytes') await unlink(part).catch(() => {})
    throw error
  } finally {
    await handle?.close()
    progress.end()
  }
}

/** The bytes of a file; of none, nothing. */
async function* bytesOf(file: string): AsyncGenerator<Uint8Array> {
  if (!(await stat(file).catch(() => undefined))?.isFile()) return
  for await (const piece of createReadStream(file, {
    highWaterMark: 1024 * 1024,
  }) as AsyncIterable<Uint8Array>)
    yield piece
}

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true
