import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createObjectBytes, createObjectCopies, type ObjectPlace } from '../src/index.ts'

/** A file of many objects behind each other, with a gap in front of each, and an empty folder. */
function objectsIn(sizes: readonly number[]) {
  const root = mkdtempSync(join(tmpdir(), 'waymark-copies-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const pieces: Buffer[] = []
  const places: ObjectPlace[] = []
  let at = 0
  for (const size of sizes) {
    const bytes = randomBytes(size)
    pieces.push(Buffer.alloc(7), bytes)
    places.push({ sha: createHash('sha256').update(bytes).digest('hex'), size, at: at + 7 })
    at += 7 + size
  }
  const from = join(root, 'from')
  writeFileSync(from, Buffer.concat(pieces))
  const folder = join(root, 'objects')
  mkdirSync(folder)
  return { from, folder, places, whole: Buffer.concat(pieces) }
}

for (const threads of [1, 3])
  test(`[OB9] ${threads} threads: every object is there as it was, whatever its size`, async () => {
    const sizes = [
      0,
      1,
      131_071,
      131_072,
      131_073,
      5_000_000,
      ...Array.from({ length: 300 }, (_, i) => i + 2),
    ]
    const { from, folder, places, whole } = objectsIn(sizes)
    expect(await createObjectCopies({ from, folder, threads }).copy(places)).toMatchObject({ ok: true })
    const bytes = await createObjectBytes({ folder })
    for (const { sha, size, at } of places) {
      const pieces: Buffer[] = []
      for await (const piece of (await bytes.open(sha))?.stream ?? []) pieces.push(piece as Buffer)
      expect(Buffer.concat(pieces).equals(whole.subarray(at, at + size))).toBe(true)
    }
  })

test('[OB9] no objects are copied well', async () => {
  const { from, folder } = objectsIn([])
  expect(await createObjectCopies({ from, folder }).copy([])).toMatchObject({ ok: true })
})

test('[OB9] what is not what its name says, or ends too early, is refused by name; undo leaves nothing', async () => {
  const { from, folder, places, whole } = objectsIn([9000, 700_000, 40])
  const changed = Buffer.from(whole)
  const [, second, third] = places
  const at = (second?.at ?? 0) + 600_000
  changed[at] = (changed[at] ?? 0) ^ 4
  writeFileSync(from, changed)
  const wrong = createObjectCopies({ from, folder })
  expect(await wrong.copy(places)).toMatchObject({
    ok: false,
    refusal: { kind: 'wrong-hash', sha: second?.sha, wanted: second?.sha },
  })
  await wrong.undo()
  expect(readdirSync(folder)).toEqual([])
  writeFileSync(from, whole.subarray(0, -3))
  const short = createObjectCopies({ from, folder })
  expect(await short.copy(places)).toMatchObject({
    ok: false,
    refusal: { kind: 'too-short', sha: third?.sha, wanted: 40, got: 37 },
  })
  await short.undo()
  expect(readdirSync(folder)).toEqual([])
})

test('[OB9] what is there already is not written over; names that are none are defects', async () => {
  const { from, folder, places } = objectsIn([10])
  await createObjectCopies({ from, folder }).copy(places)
  await expect(createObjectCopies({ from, folder }).copy(places)).rejects.toThrow(
    `object ${places[0]?.sha}: EEXIST`,
  )
  await expect(
    createObjectCopies({ from, folder }).copy([{ sha: '../../escaped', size: 1, at: 0 }]),
  ).rejects.toThrow('an object named "../../escaped"')
})
