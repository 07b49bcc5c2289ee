import { createMemoryDisk, type Disk } from '@waymark/agent'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLeanDisk, createShared } from '../src/index.ts'

const names = ['a', 'b', 'c'] as const
const paths = fc
  .array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'))
const operations = fc.oneof(
  fc.record({ op: fc.constant('write' as const), path: paths, text: fc.string(), append: fc.boolean() }),
  fc.record({
    op: fc.constantFrom('makeFolder', 'remove', 'syncFolder', 'stat', 'list', 'readText', 'readLink'),
    path: paths,
  }),
  fc.record({ op: fc.constantFrom('rename', 'link', 'symlink'), path: paths, to: paths }),
)

type Operation = typeof operations extends fc.Arbitrary<infer T> ? T : never

/** What an operation answers, or the code of its refusal. */
async function outcome(disk: Disk, asked: Operation): Promise<unknown> {
  try {
    if ('text' in asked) {
      const file = await disk.open(asked.path, { append: asked.append })
      await file.write(new TextEncoder().encode(asked.text))
      await file.sync()
      return await file.close()
    }
    if ('to' in asked) return await disk[asked.op as 'rename'](asked.path, asked.to)
    return await disk[asked.op as 'stat'](asked.path)
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}

/** Moving a folder into itself, or over something of another kind, is nothing that the agent does. */
const odd = (asked: Operation): boolean =>
  'to' in asked &&
  (asked.to === asked.path || asked.to.startsWith(`${asked.path}/`) || asked.path.startsWith(`${asked.to}/`))

test('[SM3] whatever is done, the lean disk answers as the other one does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operations, { maxLength: 40 }), async (sequence) => {
      const one = createLeanDisk(createShared())
      const other = createMemoryDisk()
      for (const asked of sequence) {
        if (odd(asked)) continue
        if ('to' in asked && asked.op === 'rename' && (await other.stat(asked.to)) !== undefined) {
          const kinds = [(await other.stat(asked.path))?.kind, (await other.stat(asked.to))?.kind]
          if (kinds[0] !== kinds[1] || kinds[0] === 'folder') continue
        }
        expect(await outcome(one, asked), JSON.stringify(asked)).toEqual(await outcome(other, asked))
      }
    }),
    { numRuns: 300 },
  )
})

test('[SM2] the same synced file is kept once for all disks; a small one is left alone', async () => {
  const shared = createShared()
  for (let i = 0; i < 5; i++) {
    const disk = createLeanDisk(shared)
    for (const [path, text] of [
      ['large', 'x'.repeat(5000)],
      ['small', 'y'],
    ] as const) {
      const file = await disk.open(path)
      await file.write(Buffer.from(text))
      await file.sync()
    }
    expect(await disk.readText('large')).toBe('x'.repeat(5000))
  }
  expect(shared.count()).toBe(1)
})

test('[SM2] [SM3] a full disk refuses, and what is removed makes room again, with its last name', async () => {
  const disk = createLeanDisk(createShared(), 1000)
  const put = async (path: string, bytes: number): Promise<void> =>
    (await disk.open(path)).write(new Uint8Array(bytes))
  await put('a', 700)
  expect(await disk.freeBytes()).toBe(300)
  await expect(put('b', 400)).rejects.toMatchObject({ code: 'ENOSPC' })
  await disk.link('a', 'c')
  await disk.remove('a')
  expect(await disk.freeBytes()).toBe(300)
  await disk.remove('c')
  expect(await disk.freeBytes()).toBe(1000)
})
