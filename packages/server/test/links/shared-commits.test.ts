/** Changes that share a body: what one that fails means for the others. */
import type { Result, Store, TenantId, Tx } from '@waymark/domain'
import { expect, test } from 'vitest'
import { createShared, createSharedCommits } from '../../src/links/shared-commits.ts'

const tenant = 'a'.repeat(24) as TenantId

/** A store that runs bodies one after another, some turns later, and counts them. */
function slowStore() {
  const bodies: (() => Promise<void>)[] = []
  let ran = 0
  const transact: Store['transact'] = <T, R>(_: TenantId, body: (tx: Tx) => Promise<Result<T, R>>) =>
    new Promise<Result<T, R>>((resolve, reject) => {
      bodies.push(() => body({} as Tx).then(resolve, reject))
      setImmediate(async () => {
        ran += 1
        await bodies.shift()?.()
      })
    })
  return { transact, ran: () => ran }
}

test('changes wanted at once share bodies, 32 in each, and each has its own answer', async () => {
  const store = slowStore()
  const share = createSharedCommits(store)
  const wanted = Array.from({ length: 100 }, (_, i) => share(tenant, async () => i))
  expect(await Promise.all(wanted)).toEqual(Array.from({ length: 100 }, (_, i) => i))
  expect(store.ran()).toBe(4)
  expect(await share(tenant, async () => 'later')).toBe('later')
  expect(store.ran()).toBe(5)
})

test('one that fails is alone in it: the others are made by themselves', async () => {
  const share = createSharedCommits(slowStore())
  const answers = await Promise.allSettled(
    [1, 2, 3].map((one) =>
      share(tenant, async () => {
        if (one === 2) throw new Error('not this one')
        return one
      }),
    ),
  )
  expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : 'failed'))).toEqual([
    1,
    'failed',
    3,
  ])
})

test('what shares a body is made together; of a body that failed, each alone', async () => {
  const made: number[][] = []
  const share = createShared<number>(slowStore(), async (_, numbers) => {
    if (numbers.includes(5)) throw new Error('not this one')
    made.push([...numbers])
  })
  await Promise.all([1, 2, 3].map((one) => share(tenant, one)))
  expect(made).toEqual([[1, 2, 3]])
  const answers = await Promise.allSettled([4, 5, 6].map((one) => share(tenant, one)))
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(made.slice(1).sort()).toEqual([[4], [6]])
})

test('a store that refuses altogether is told to each', async () => {
  const share = createSharedCommits({ transact: () => Promise.reject(new Error('closed')) })
  const answers = await Promise.allSettled([share(tenant, async () => 1), share(tenant, async () => 2)])
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})
