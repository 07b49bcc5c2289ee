import { describe, expect, test } from 'vitest'
import {
  expireDue,
  finish,
  hasEnded,
  lawfulMoves,
  linkLost,
  progress,
  settled,
  submit,
  type Transaction,
  type TransactionKind,
  type TransactionState,
  takeNext,
  transactions,
} from '../src/index.ts'
import { makeDevice, stage } from './play.ts'

describe('transactions', () => {
  for (const from of Object.keys(lawfulMoves) as TransactionState[])
    test(`[TX1] from ${from} it goes to ${lawfulMoves[from].join(', ') || 'nowhere: it has ended'}`, async () => {
      const { on, ask, held } = await desk()
      const { id } = await ask('rpc')
      const start: Transaction = { ...(await held(id)), state: from, open: !hasEnded(from) }
      await on.store.transact(on.owner, async (tx) => {
        await tx.put(transactions, start)
        tx.journal({ kind: 'transaction.sent', at: on.env.now, by: on.by, data: {} })
        return { ok: true, value: undefined }
      })
      const ended = await on.store.transact(on.owner, (tx) =>
        finish(tx, on.env, id, { state: 'done' }, on.by),
      )
      expect(ended.ok).toBe((lawfulMoves[from] as readonly string[]).includes('done'))
      if (!ended.ok) expect(await held(id)).toEqual(start)
      const moved = await on.store.transact(on.owner, (tx) => progress(tx, on.env, id, 50, on.by))
      expect(moved.ok).toBe(false)
    })

  test('[TX2] a queued kind goes out in order, one in flight; another lane is not held up', async () => {
    const { on, device, ask, take, end } = await desk()
    const first = await ask('rpc')
    const second = await ask('configuration')
    const step = await ask('step')
    expect((await take('queue'))?.id).toBe(first.id)
    expect(await take('queue')).toBeUndefined()
    expect((await take('trail'))?.id).toBe(step.id)
    await end(first.id)
    expect((await take('queue'))?.id).toBe(second.id)
    await end(second.id)
    expect(await take('queue')).toBeUndefined()
    expect(await on.store.read(on.owner).count(transactions, { device, open: true })).toBe(1)
  })

  test('[TX3] an immediate kind is refused while the device is offline and leaves nothing', async () => {
    const { on, device } = await desk()
    const asked = await on.store.transact(on.owner, (tx) =>
      submit(tx, on.env, { kind: 'direct-rpc', device, payload: null, by: on.by, online: false }),
    )
    expect(asked).toEqual({ ok: false, refusal: { kind: 'device-offline', device } })
    expect(await on.store.read(on.owner).find(transactions, {})).toEqual([])
  })

  test('[TX4] with the link lost, queued goes back, immediate fails unknown, pulled does not notice', async () => {
    const { on, device, ask, take, held } = await desk()
    const rpc = await ask('rpc')
    const direct = await ask('direct-rpc')
    const step = await ask('step')
    await take('queue')
    await take('direct')
    await take('trail')
    await on.store.transact(on.owner, async (tx) => {
      await linkLost(tx, on.env, device)
      return { ok: true, value: undefined }
    })
    expect(await held(rpc.id)).toMatchObject({ state: 'queued', attempts: 1 })
    expect(await held(direct.id)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('unknown'),
    })
    expect(await held(step.id)).toMatchObject({ state: 'sent' })
    expect(await take('queue')).toMatchObject({ id: rpc.id, attempts: 2 })
  })

  test('[TX5] what outlives its time to live times out, oldest first, a slice at a time', async () => {
    const { on, ask, held } = await desk()
    const long = await ask('rpc', 10_000)
    const short = await ask('rpc', 1000)
    const never = await ask('rpc')
    const expire = async (limit: number) =>
      settled(
        await on.store.transact(on.owner, async (tx) => ({
          ok: true,
          value: await expireDue(tx, on.env, limit),
        })),
      )
    on.pass(999)
    expect(await expire(10)).toBe(0)
    on.pass(100_000)
    expect(await expire(1)).toBe(1)
    expect(await held(short.id)).toMatchObject({ state: 'timed-out', open: false })
    expect(await expire(10)).toBe(1)
    expect(await held(long.id)).toMatchObject({ state: 'timed-out' })
    expect(await held(never.id)).toMatchObject({ state: 'queued' })
  })
})

async function desk() {
  const on = await stage()
  const { id: device } = await makeDevice(on, 'desk')
  const held = async (id: Transaction['id']): Promise<Transaction> => {
    const found = await on.store.read(on.owner).get(transactions, { id })
    if (!found) throw new Error(`no ${id}`)
    return found
  }
  return {
    on,
    device,
    held,
    ask: async (kind: TransactionKind, ttlMs?: number) => {
      const asked = await on.store.transact(on.owner, (tx) =>
        submit(tx, on.env, {
          kind,
          device,
          payload: null,
          by: on.by,
          online: true,
          ...(ttlMs === undefined ? {} : { ttlMs }),
        }),
      )
      if (!asked.ok) throw new Error(asked.refusal.kind)
      return asked.value
    },
    take: async (lane: string) =>
      settled(
        await on.store.transact(on.owner, async (tx) => ({
          ok: true,
          value: await takeNext(tx, on.env, device, lane),
        })),
      ),
    end: (id: Transaction['id']) =>
      on.store.transact(on.owner, (tx) => finish(tx, on.env, id, { state: 'done' }, on.by)),
  }
}
