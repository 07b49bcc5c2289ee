/** Changes that share a body: what one that fails means for the others. */
import type { Result, Store, TenantId, Tx } from '@waymark/domain'
import { expect, test } from 'vitest'
import { createSharedCommits } from '../../src/links/shared-commits.ts'

const tenant = 'a'.repeat(24) as TenantId
const nothing = { begin: () => undefined, end: () => Promise.resolve() }

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
  const share = createSharedCommits(store, nothing)
  const wanted = Array.from({ length: 100 }, (_, i) => share(tenant, async () => i))
  expect(await Promise.all(wanted)).toEqual(Array.from({ length: 100 }, (_, i) => i))
  expect(store.ran()).toBe(4)
  expect(await share(tenant, async () => 'later')).toBe('later')
  expect(store.ran()).toBe(5)
})

test('one that fails is alone in it: the others are made by themselves', async () => {
  const share = createSharedCommits(slowStore(), nothing)
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

test('what changes of a body gather is dealt with once, within the body; of one that failed, with each alone', async () => {
  const gathered: number[][] = []
  const share = createSharedCommits(slowStore(), {
    begin: (): number[] => [],
    end: async (_, numbers) => {
      gathered.push(numbers)
    },
  })
  const add = (one: number) =>
    share(tenant, async (_, numbers) => {
      if (one === 5) throw new Error('not this one')
      numbers.push(one)
    })
  await Promise.all([1, 2, 3].map(add))
  expect(gathered).toEqual([[1, 2, 3]])
  await Promise.allSettled([4, 5, 6].map(add))
  expect(gathered.slice(1).sort()).toEqual([[4], [6]])
})

test('a store that refuses altogether is told to each', async () => {
  const share = createSharedCommits({ transact: () => Promise.reject(new Error('closed')) }, nothing)
  const answers = await Promise.allSettled([share(tenant, async () => 1), share(tenant, async () => 2)])
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})
