import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSha256 } from '../src/index.ts'

test('[S20] pieces of any length give the digest of the whole', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 }), (pieces) => {
      const ours = createSha256()
      const theirs = createHash('sha256')
      for (const piece of pieces) {
        ours.update(piece)
        theirs.update(piece)
      }
      expect(ours.hex()).toBe(theirs.digest('hex'))
    }),
    { numRuns: 500 },
  )
})

for (const length of [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1_000_003])
  test(`[S20] ${length} bytes give the platform's digest`, () => {
    const bytes = new Uint8Array(length).map((_, i) => i * 31)
    const ours = createSha256()
    ours.update(bytes)
    expect(ours.hex()).toBe(createHash('sha256').update(bytes).digest('hex'))
  })
