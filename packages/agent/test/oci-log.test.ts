import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createPlaceFile,
  type LogPlace,
  logStart,
  type Piece,
  placeWithin,
  readOn,
} from '../src/real/oci-log.ts'

async function* given(pieces: readonly Piece[]): AsyncGenerator<Piece> {
  yield* pieces
}

describe('[AG113] a log is read on where it was left', () => {
  test('whatever the pieces are, and wherever it was left: every byte comes once', async () => {
    const piece = fc.record({
      from: fc.constantFrom('out' as const, 'err' as const),
      bytes: fc.uint8Array({ maxLength: 9 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(piece), fc.array(piece), fc.nat(20), async (early, later, stop) => {
        const heard = { out: [] as number[], err: [] as number[] }
        let place: LogPlace = logStart
        let count = 0
        for await (const { from, bytes } of readOn(given(early), logStart, (next) => (place = next))) {
          if (count++ === stop) break
          heard[from].push(...bytes)
        }
        const all = [...early, ...later]
        for await (const { from, bytes } of readOn(given(all), place, () => undefined))
          heard[from].push(...bytes)
        for (const stream of ['out', 'err'] as const)
          expect(heard[stream]).toEqual(
            all.filter(({ from }) => from === stream).flatMap(({ bytes }) => [...bytes]),
          )
      }),
    )
  })

  test('a log that is shorter than its place was rotated: it is read from its beginning', () => {
    expect(placeWithin({ out: 5, err: 2 }, { out: 5, err: 2 })).toEqual({ out: 5, err: 2 })
    expect(placeWithin({ out: 5, err: 2 }, { out: 900, err: 1 })).toEqual(logStart)
  })

  test('the place is kept in a file; one that cannot be read is the beginning', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'waymark-place-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const path = join(folder, 'web', 'read.json')
    const file = createPlaceFile(path)
    expect(await file.read()).toEqual(logStart)
    file.note({ out: 1, err: 1 })
    file.note({ out: 7, err: 3 })
    await file.flush()
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ out: 7, err: 3 })
    expect(await createPlaceFile(path).read()).toEqual({ out: 7, err: 3 })
    for (const text of ['', '[]', '{"out":-1,"err":"2"}', 'null']) {
      await writeFile(path, text)
      expect(await file.read()).toEqual(logStart)
    }
    await file.forget()
    await expect(readFile(path)).rejects.toThrow()
  })
})
