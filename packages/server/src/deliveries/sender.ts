/**
 * Sends what waits to be sent: of every lane the first message, then the next, many lanes at once. What is not taken is
 * tried again later; nothing here holds a device's queue up, and a lane that hangs holds up only itself.
 *
 * A turn looks at the lanes that are due and works on each until it is empty, fails, or its share of the turn is used up.
 */
import {
  type DeliveryLane,
  type DeliveryMatter,
  delivered,
  type Env,
  headOf,
  lanesDue,
  notDelivered,
  type OutgoingMessage,
  ok,
  type Store,
  type TenantId,
} from '@waymark/domain'
import type { Keys } from '../keys.ts'
import type { Log } from '../log.ts'
import type { Post } from './post.ts'
import { openTarget, parseTarget, signatureKey } from './target.ts'

export interface SenderNeeds {
  readonly store: Store
  readonly keys: Keys
  readonly post: Post
  readonly log: Log
  env(): Env
  /** The text of a message; undefined when what it was about is gone, and nobody is to be told. */
  render(tenant: TenantId, about: DeliveryMatter): Promise<string | undefined>
  /** Aborted when the server begins to stop. */
  readonly draining: AbortSignal
}

/** Lanes worked on at once. */
const lanesAtOnce = 32
/** Messages of one lane before others have their turn. */
const share = 200

export function createSender(needs: SenderNeeds) {
  const { store } = needs
  const busy = new Set<string>()

  /** Sends what is due for a tenant; answers how many messages were taken. */
  async function turn(tenant: TenantId): Promise<number> {
    const due = await lanesDue(store.read(tenant), needs.env().now, lanesAtOnce * 2)
    const mine = due.filter(({ lane }) => !busy.has(`${tenant} ${lane}`)).slice(0, lanesAtOnce)
    const counts = await Promise.all(mine.map((lane) => workOn(tenant, lane)))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  async function workOn(tenant: TenantId, lane: DeliveryLane): Promise<number> {
    const key = `${tenant} ${lane.lane}`
    busy.add(key)
    let sent = 0
    try {
      const target = parseTarget(openTarget(needs.keys, tenant, lane))
      const signature = signatureKey(needs.keys, tenant)
      while (sent < share && !needs.draining.aborted) {
        const [head] = await headOf(store.read(tenant), lane.lane, 1)
        if (!head) break
        const failure = target.ok
          ? await attempt(tenant, head, (body) => needs.post.post(target.value, body, signature))
          : { reason: `bad target: wanted ${target.refusal.wanted}`, forGood: true }
        if (!failure) {
          await store.transact(tenant, async (tx) => ok(await delivered(tx, needs.env(), lane.lane, [head])))
          sent += 1
          continue
        }
        const then = await store.transact(tenant, async (tx) =>
          ok(await notDelivered(tx, needs.env(), lane.lane, { seq: head.seq, ...failure })),
        )
        const dead = then.ok && then.value === 'dead'
        needs.log[dead ? 'warn' : 'info'](
          { tenant, lane: lane.lane, seq: head.seq, reason: failure.reason },
          dead ? 'a message was given up and put aside' : 'a message was not taken; it will be tried again',
        )
        if (!dead) break
      }
    } finally {
      busy.delete(key)
    }
    return sent
  }

  async function attempt(
    tenant: TenantId,
    { about }: OutgoingMessage,
    send: (body: string) => ReturnType<Post['post']>,
  ): Promise<{ reason: string; forGood: boolean } | undefined> {
    const body = await needs.render(tenant, about)
    if (body === undefined) return undefined
    const posted = await send(body)
    if (!posted.ok) return posted.refusal
    const { status } = posted.value
    if (status >= 200 && status < 300) return undefined
    // The receiver's own word that it will never take it; anything else may pass.
    return { reason: `answered ${status}`, forGood: status === 410 }
  }

  return { turn }
}
