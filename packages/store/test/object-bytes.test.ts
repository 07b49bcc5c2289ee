/** The suite of the bytes of objects (RULES.md, OB), on disk and in memory. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type ObjectSha, ok } from '@waymark/domain'
import { createMemoryObjectBytes, createObjectBytes, type ObjectBytes } from '@waymark/store'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'waymark-objects-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let now = 1_000_000

const shaOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex') as ObjectSha

async function* pieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size)
}

async function read(objects: ObjectBytes, sha: ObjectSha, range?: { start: number; end: number }) {
  const opened = await objects.open(sha, range)
  if (opened === undefined) return undefined
  const list: Uint8Array[] = []
  expect(opened.size).toBe(await objects.stat(sha))
  for await (const piece of opened.stream) list.push(piece)
  return Buffer.concat(list)
}

async function listed(objects: ObjectBytes): Promise<string[]> {
  const all: string[] = []
  for await (const { sha, size, modifiedAt } of objects.list()) {
    expect(size).toBe(await objects.stat(sha))
    expect(modifiedAt).toBeLessThanOrEqual(now)
    all.push(sha)
  }
  return all.sort()
}

const noise = (size: number, seed = 1) => {
  const bytes = Buffer.alloc(size)
  let x = seed
  for (let i = 0; i < size; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    bytes[i] = x >>> 16
  }
  return bytes
}

let folders = 0
const homes = {
  disk: () => createObjectBytes({ folder: join(folder, String(++folders)), now: () => now }),
  memory: async () => createMemoryObjectBytes(() => now),
}

for (const [home, make] of Object.entries(homes))
  describe(`bytes of objects in ${home}`, () => {
    let objects: ObjectBytes
    beforeEach(async () => {
      objects = await make()
    })

    for (const size of [0, 1, 999, 262_144, 262_145, 1_000_000])
      test(`[OB1] ${size} bytes come back as written`, async () => {
        const bytes = noise(size)
        const sha = shaOf(bytes)
        expect(await objects.write(sha, size, pieces(bytes))).toEqual(ok(undefined))
        expect(await objects.stat(sha)).toBe(size)
        expect((await read(objects, sha))?.equals(bytes)).toBe(true)
      })

    test('[OB1] any range comes back', async () => {
      const bytes = noise(5000)
      const sha = shaOf(bytes)
      await objects.write(sha, 5000, pieces(bytes))
      await fc.assert(
        fc.asyncProperty(fc.nat(6000), fc.nat(6000), async (start, end) => {
          const wanted = bytes.subarray(
            Math.min(start, 5000),
            Math.max(Math.min(start, 5000), Math.min(end + 1, 5000)),
          )
          expect((await read(objects, sha, { start, end }))?.equals(wanted)).toBe(true)
        }),
        { numRuns: 60 },
      )
      expect((await read(objects, sha, { start: 4990, end: 9999 }))?.equals(bytes.subarray(4990))).toBe(true)
    })

    test('[OB1] pieces of any size make the same bytes', async () => {
      const bytes = noise(600_000)
      const sha = shaOf(bytes)
      for (const size of [1 << 20, 262_144, 262_143, 70_001]) {
        expect(await objects.write(sha, bytes.length, pieces(bytes, size))).toEqual(ok(undefined))
        expect((await read(objects, sha))?.equals(bytes)).toBe(true)
      }
    })

    test('[OB1] a source that uses its piece again does no harm', async () => {
      const piece = Buffer.alloc(1000)
      const whole: Buffer[] = []
      async function* reusing() {
        for (let i = 0; i < 700; i++) {
          piece.fill(i % 251)
          yield piece
        }
      }
      for (let i = 0; i < 700; i++) whole.push(Buffer.alloc(1000, i % 251))
      const bytes = Buffer.concat(whole)
      expect(await objects.write(shaOf(bytes), bytes.length, reusing())).toEqual(ok(undefined))
      expect((await read(objects, shaOf(bytes)))?.equals(bytes)).toBe(true)
    })

    test('[OB1] many small pieces of uneven length come back as one', async () => {
      const bytes = noise(700_001)
      async function* uneven() {
        for (let from = 0, length = 1; from < bytes.length; from += length++)
          yield bytes.subarray(from, from + length)
      }
      expect(await objects.write(shaOf(bytes), bytes.length, uneven())).toEqual(ok(undefined))
      expect((await read(objects, shaOf(bytes)))?.equals(bytes)).toBe(true)
    })

    const lies: [string, number, (bytes: Buffer) => ObjectSha, object][] = [
      ['too short', 3001, shaOf, { kind: 'too-short', wanted: 3001, got: 3000 }],
      ['too long', 2500, shaOf, { kind: 'too-long', wanted: 2500, got: 3000 }],
      [
        'of another hash',
        3000,
        () => 'a'.repeat(64) as ObjectSha,
        { kind: 'wrong-hash', wanted: 'a'.repeat(64), got: shaOf(noise(3000)) },
      ],
    ]
    for (const [what, size, sha, refusal] of lies)
      test(`[OB2] bytes that are ${what} never appear`, async () => {
        const bytes = noise(3000)
        expect(await objects.write(sha(bytes), size, pieces(bytes))).toEqual({ ok: false, refusal })
        expect(await objects.open(sha(bytes))).toBeUndefined()
        expect(await objects.stat(sha(bytes))).toBeUndefined()
        expect(await listed(objects)).toEqual([])
      })

    test('[OB2] reading ends as soon as there is too much', async () => {
      let given = 0
      async function* endless() {
        for (;;) {
          given += 1000
          yield Buffer.alloc(1000)
        }
      }
      expect(await objects.write('b'.repeat(64) as ObjectSha, 2500, endless())).toMatchObject({ ok: false })
      expect(given).toBe(3000)
    })

    test('[OB2] a wrong upload leaves good bytes of that name alone', async () => {
      const bytes = noise(3000)
      const sha = shaOf(bytes)
      await objects.write(sha, 3000, pieces(bytes))
      await objects.write(sha, 3000, pieces(noise(3000, 7)))
      expect((await read(objects, sha))?.equals(bytes)).toBe(true)
    })

    test('[OB3] many writers of the same bytes end well', async () => {
      const bytes = noise(300_000)
      const sha = shaOf(bytes)
      const answers = await Promise.all(
        Array.from({ length: 12 }, () => objects.write(sha, bytes.length, pieces(bytes, 9999))),
      )
      expect(answers).toEqual(Array(12).fill(ok(undefined)))
      expect((await read(objects, sha))?.equals(bytes)).toBe(true)
      expect(await listed(objects)).toEqual([sha])
    })

    test('[OB4] a source that fails leaves nothing, and its error is told', async () => {
      async function* failing() {
        yield noise(1000)
        throw new Error('the caller went away')
      }
      const sha = shaOf(noise(2000))
      await expect(objects.write(sha, 2000, failing())).rejects.toThrow('the caller went away')
      expect(await objects.stat(sha)).toBeUndefined()
      expect(await listed(objects)).toEqual([])
    })

    test('[OB5] trash hides, gives back, and is emptied only of what is old enough', async () => {
      const [a, b] = [noise(100, 1), noise(100, 2)]
      for (const bytes of [a, b]) await objects.write(shaOf(bytes), 100, pieces(bytes))
      now = 2_000_000
      expect(await objects.toTrash(shaOf(a))).toBe(true)
      expect(await objects.toTrash(shaOf(a))).toBe(false)
      expect(await objects.open(shaOf(a))).toBeUndefined()
      now = 3_000_000
      await objects.toTrash(shaOf(b))
      expect(await listed(objects)).toEqual([])
      expect(await objects.restore(shaOf(a))).toBe(true)
      expect((await read(objects, shaOf(a)))?.equals(a)).toBe(true)
      expect(await objects.emptyTrash(3_000_000)).toBe(0)
      expect(await objects.emptyTrash(3_000_001)).toBe(1)
      expect(await objects.restore(shaOf(b))).toBe(false)
      expect(await listed(objects)).toEqual([shaOf(a)])
    })

    test('[OB5] what is brought back is as old as it was', async () => {
      const bytes = noise(100)
      now = 1_000_000
      await objects.write(shaOf(bytes), 100, pieces(bytes))
      now = 2_000_000
      await objects.toTrash(shaOf(bytes))
      await objects.restore(shaOf(bytes))
      for await (const { modifiedAt } of objects.list()) expect(modifiedAt).toBe(1_000_000)
    })

    test('[OB5] bytes that are in the trash can be written anew', async () => {
      const bytes = noise(100)
      await objects.write(shaOf(bytes), 100, pieces(bytes))
      await objects.toTrash(shaOf(bytes))
      await objects.write(shaOf(bytes), 100, pieces(bytes))
      expect(await objects.emptyTrash(now + 1)).toBe(1)
      expect((await read(objects, shaOf(bytes)))?.equals(bytes)).toBe(true)
    })

    test('[OB2] a name that is no sha256 is a defect, whatever path it may be', async () => {
      for (const name of ['', '../../etc/passwd', 'A'.repeat(64), `${'a'.repeat(63)}/`]) {
        await expect(objects.write(name, 0, pieces(Buffer.alloc(0)))).rejects.toThrow()
        await expect(objects.open(name)).rejects.toThrow()
        await expect(objects.toTrash(name)).rejects.toThrow()
      }
    })

    test('[OB6] list names everything that can be opened, once', async () => {
      const all = Array.from({ length: 30 }, (_, i) => noise(10, i + 1))
      for (const bytes of all) await objects.write(shaOf(bytes), 10, pieces(bytes))
      expect(await listed(objects)).toEqual(all.map(shaOf).sort())
    })
  })

describe('bytes of objects on disk alone', () => {
  test('[OB7] what a crashed upload left is removed at opening', async () => {
    const own = join(folder, 'crashed')
    mkdirSync(join(own, 'incoming'), { recursive: true })
    writeFileSync(join(own, 'incoming', '1-left'), 'half')
    await createObjectBytes({ folder: own, now: () => now })
    expect(readdirSync(join(own, 'incoming'))).toEqual([])
  })

  test('[OB7] in a shared folder a process that starts leaves the uploads of its neighbours alone', async () => {
    const own = join(folder, 'shared')
    const ours = await createObjectBytes({ folder: own, shared: true, now: () => now })
    const bytes = noise(3000)
    async function* slowly() {
      yield bytes.subarray(0, 1000)
      const neighbour = await createObjectBytes({ folder: own, shared: true, now: () => now })
      // The same bytes, sent to both at once.
      expect(await neighbour.write(shaOf(bytes), bytes.length, pieces(bytes))).toEqual(ok(undefined))
      yield bytes.subarray(1000)
    }
    expect(await ours.write(shaOf(bytes), bytes.length, slowly())).toEqual(ok(undefined))
    expect(await read(ours, shaOf(bytes))).toEqual(bytes)
  })

  test('[OB7] in a shared folder what has lain still is removed, at opening and with the trash', async () => {
    const own = join(folder, 'still')
    const incoming = join(own, 'incoming')
    const leave = (name: string, ms: number) => {
      writeFileSync(join(incoming, name), 'half')
      utimesSync(join(incoming, name), ms / 1000, ms / 1000)
    }
    const hour = 3600_000
    const open = (ms: number) => createObjectBytes({ folder: own, shared: true, now: () => ms })
    await open(0)
    leave('old', hour)
    leave('young', 2 * hour)
    const objects = await open(2 * hour + 1)
    expect(readdirSync(incoming)).toEqual(['young'])
    await objects.emptyTrash(2 * hour)
    expect(readdirSync(incoming)).toEqual(['young'])
    await objects.emptyTrash(2 * hour + 1)
    expect(readdirSync(incoming)).toEqual([])
  })

  test('[OB7] no way of ending a write leaves anything in incoming', async () => {
    const own = join(folder, 'tidy')
    const objects = await createObjectBytes({ folder: own, now: () => now })
    const bytes = noise(1000)
    await objects.write(shaOf(bytes), 1000, pieces(bytes))
    await objects.write(shaOf(bytes), 10, pieces(bytes))
    await objects.write('a'.repeat(64) as ObjectSha, 1000, pieces(bytes))
    expect(readdirSync(join(own, 'incoming'))).toEqual([])
  })

  test('[OB7] foreign files in the folders are not objects', async () => {
    const own = join(folder, 'foreign')
    const objects = await createObjectBytes({ folder: own, now: () => now })
    mkdirSync(join(own, 'ab', 'cd'), { recursive: true })
    writeFileSync(join(own, 'ab', 'cd', 'README'), '')
    expect(await listed(objects)).toEqual([])
  })

  test('[OB8] a full disk is refused by name and leaves nothing', async () => {
    const own = join(folder, 'full')
    const script = fileURLToPath(new URL('./children/full-disk.ts', import.meta.url))
    // The shell lets no file grow beyond 1 MiB, which is what a full disk looks like from inside.
    const { stdout } = await promisify(execFile)('/bin/sh', [
      '-c',
      'ulimit -f 2048; exec "$@"',
      'sh',
      process.execPath,
      '--conditions=source',
      script,
      own,
    ])
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, refusal: { kind: 'disk-full', wanted: 4_000_000 } })
    expect(readdirSync(join(own, 'incoming'))).toEqual([])
    const objects = await createObjectBytes({ folder: own, now: () => now })
    expect(await listed(objects)).toEqual([])
    expect(existsSync(join(own, 'trash'))).toBe(true)
  })

  test('[OB8] memory without room refuses alike', async () => {
    const objects = createMemoryObjectBytes(() => now, 2500)
    expect(await objects.write(shaOf(noise(3000)), 3000, pieces(noise(3000)))).toEqual({
      ok: false,
      refusal: { kind: 'disk-full', wanted: 3000, got: 2000 },
    })
  })
})
