/** Many that come one by one go on together (packages/server/src/links/pace.ts). */
import { expect, test } from 'vitest'
import { createPace } from '../../src/links/pace.ts'

test('who comes alone does not wait', async () => {
  let now = 0
  const pace = createPace(() => now)
  for (; now < 100; now += 2) {
    const went = await Promise.race([pace().then(() => true), Promise.resolve().then(() => false)])
    expect(went).toBe(true)
  }
})

test('who comes together goes on together, and all of them do, in their order', async () => {
  const pace = createPace()
  const order: number[] = []
  let turns = 0
  let isCounted = false
  await Promise.all(
    Array.from({ length: 1000 }, async (_, number) => {
      await pace()
      order.push(number)
      if (!isCounted) {
        isCounted = true
        turns += 1
        setImmediate(() => {
          isCounted = false
        })
      }
    }),
  )
  expect(order).toEqual(Array.from({ length: 1000 }, (_, number) => number))
  // The first alone, the others behind it.
  expect(turns).toBeLessThanOrEqual(2)
})
