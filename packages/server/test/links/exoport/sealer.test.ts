/** Tokens that threads make: what the connection would have made itself (packages/exoport/RULES.md, XP10). */
import { randomBytes } from 'node:crypto'
import { Seal } from '@waymark/exoport'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { createSealer, shared } from '../../../src/links/exoport/sealer.ts'

const sealer = createSealer(2)
afterAll(() => sealer.close())

test('[XP10] a token that was made by a thread is the one that vouches for the payload', async () => {
  const bytes = fc.uint8Array({ minLength: 0, maxLength: 100_000 })
  const seals = fc.array(fc.constant(undefined), { minLength: 1, maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 4 }), seals, async (payloads, many) => {
      const all = payloads.map(shared).flatMap((payload) =>
        many.map(async () => {
          const seal = new Seal(randomBytes(8), randomBytes(4))
          const token = await sealer.token(seal.salt, payload)
          return seal.vouchesFor(Buffer.concat([token ?? Buffer.alloc(4), payload]))
        }),
      )
      expect(new Set(await Promise.all(all))).toEqual(new Set([true]))
    }),
    { numRuns: 30 },
  )
})

test('[XP10] what was under way when the threads ended is made without them, and later they are there again', async () => {
  const seal = new Seal(randomBytes(8), randomBytes(4))
  const payload = shared(randomBytes(32 * 1024 * 1024))
  const cut = sealer.token(seal.salt, payload)
  await new Promise((resolve) => setImmediate(resolve))
  await sealer.close()
  expect(await cut).toBeUndefined()
  const small = shared(randomBytes(10))
  expect([...((await sealer.token(seal.salt, small)) ?? [])]).toEqual([...seal.token(small)])
})
