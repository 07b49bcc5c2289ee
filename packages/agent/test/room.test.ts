import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { writeDurably } from '../src/durable.ts'
import { createMemoryDisk, type Disk } from '../src/index.ts'
import { keepFinals, readFinals } from '../src/keep.ts'
import { createLogSpool } from '../src/logs.ts'
import { createRealDisk } from '../src/real/disk.ts'
import { createRoomyDisk, reservePath } from '../src/room.ts'
import type { LogEntry } from '../src/wire.ts'

const spare = 64 * 1024
const line = (msg: string): LogEntry => ({
  src: 'app',
  msg,
  lvl: 'INFO',
  tsec: 0,
  tnano: 0,
  rev: '1',
  plat: 'x',
})
const final = {
  rev: 3,
  stateSha: 'ab'.repeat(32),
  sent: false,
  progress: {
    status: 'ERROR',
    'status-msg': 'no room',
    progress: 100,
    retries: 0,
    data: null,
    logs: 'x'.repeat(2000),
  },
} as const

/** Writes until nothing more fits; so many bytes went in. */
async function fill(disk: Disk, path: string): Promise<number> {
  await disk.makeFolder(path.slice(0, path.lastIndexOf('/')))
  const file = await disk.open(path)
  let written = 0
  try {
    for (;;) {
      await file.write(new Uint8Array(4096).fill(7))
      written += 4096
    }
  } catch (cause) {
    expect(cause).toMatchObject({ code: 'ENOSPC' })
  } finally {
    await file.close()
  }
  return written
}

/** A file system of its own of one megabyte, where the system gives one without being asked for a password. */
async function smallFileSystem() {
  const folder = await mkdtemp(join(tmpdir(), 'waymark-small-'))
  const path = join(folder, 'disk')
  await mkdir(path)
  const made = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'waymark-small', path]).status === 0
  return {
    path: made ? path : undefined,
    async [Symbol.asyncDispose]() {
      if (made) spawnSync('umount', [path])
      await rm(folder, { recursive: true, force: true })
    },
  }
}
const probe = await smallFileSystem()
const mounts = probe.path !== undefined
await probe[Symbol.asyncDispose]()

/** What is true of every disk, small in memory or small for real. */
async function staysWritable(inner: Disk): Promise<void> {
  const disk = createRoomyDisk(inner, spare)
  await disk.refill()
  expect((await inner.stat(reservePath))?.size).toBe(spare)
  expect(await disk.freeBytes()).toBe((await inner.freeBytes()) + spare)

  // A download takes all it can get, and somebody else on this disk the rest.
  await fill(disk, 'objects/partial/big')
  expect((await inner.stat(reservePath))?.size).toBe(spare)
  await fill(inner, 'volumes/database')

  await keepFinals(disk, [final])
  expect(await readFinals(disk)).toEqual([final])
  expect(await inner.stat(reservePath)).toBe(undefined)

  // What can do without has none of what was given up.
  expect(await fill(disk, 'output/web/0.log')).toBe(0)
  for (let i = 0; i < 20; i++)
    await writeDurably(disk, 'update/attempt.json', `${JSON.stringify({ rev: i })}\n`)

  // Once there is room, it is kept again.
  await inner.remove('objects/partial/big')
  await inner.remove('volumes')
  await disk.refill()
  expect((await inner.stat(reservePath))?.size).toBe(spare)
}

describe('[AG46] a full disk takes what has to be written', () => {
  test('a small disk in memory', () => staysWritable(createMemoryDisk({ capacityBytes: 400_000 })))

  test.skipIf(!mounts)('a file system of one megabyte (where tmpfs can be mounted)', async () => {
    await using small = await smallFileSystem()
    await staysWritable(createRealDisk(small.path ?? ''))
  })

  test('without room for a reserve there is none, and nothing fails', async () => {
    const inner = createMemoryDisk({ capacityBytes: spare })
    const disk = createRoomyDisk(inner, spare)
    await disk.refill()
    expect(await inner.list('.')).toEqual([])
    await keepFinals(disk, [final])
    expect(await readFinals(disk)).toEqual([final])
  })

  test('a reserve of nothing is none', async () => {
    const inner = createMemoryDisk({ capacityBytes: 10_000 })
    const disk = createRoomyDisk(inner, 0)
    await disk.refill()
    expect(await inner.list('.')).toEqual([])
    expect(await fill(disk, 'objects/partial/big')).toBe(8192)
  })
})

test('[AG43] on a full disk the oldest lines make room, and how many are gone is said', async () => {
  const inner = createMemoryDisk({ capacityBytes: 700_000 })
  const disk = createRoomyDisk(inner, spare)
  await disk.refill()
  const spool = createLogSpool(disk)
  for (let i = 0; i < 200; i++) await spool.add(line(`${i} ${'x'.repeat(7000)}`))
  const sent: LogEntry[] = []
  await spool.drain(async (entries) => {
    sent.push(...entries)
    return undefined
  })
  const numbers = sent.filter(({ src }) => src === 'app').map(({ msg }) => Number.parseInt(msg, 10))
  expect(numbers.at(-1)).toBe(199)
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  const gone = sent.filter(({ src }) => src === 'agent').map(({ msg }) => Number.parseInt(msg, 10))
  expect(gone.reduce((sum, each) => sum + each, 0) + numbers.length).toBe(200)
  expect((await inner.stat(reservePath))?.size).toBe(spare)
})
