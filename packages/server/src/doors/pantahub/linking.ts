/**
 * Posting states whose objects others have published (Pantahub wire facts 4.2): what the owner does not have is linked in
 * the commit that posts, so that a state can be copied between owners without moving a byte; and what a published
 * device's new state names can be linked to from then on.
 */
import {
  type Actor,
  type DeviceId,
  forgetUnused,
  indexState,
  type LinkRefusal,
  linkMissing,
  objectsOfStep,
  type PostedState,
  type Result,
  type Revision,
  type TenantId,
  type Tx,
} from '@waymark/domain'
import type { House } from '../../house.ts'
import { quotaOf } from '../../object-room.ts'

export interface Posting {
  readonly tenant: TenantId
  readonly device: DeviceId
  readonly state: PostedState
  readonly by: Actor
  /** The step whose state is replaced. */
  readonly replaces?: Revision
}

/** Runs what keeps a state, with links made before it and the index brought up to date after it: one commit, or none. */
export async function transactLinked<T, R>(
  house: House,
  { tenant, device, state, by, replaces }: Posting,
  post: (tx: Tx) => Promise<Result<T, R>>,
): Promise<Result<T, R | LinkRefusal>> {
  const quotaBytes = await quotaOf(house, tenant)
  return house.store.transactHouse<T, R | LinkRefusal>(async (all) => {
    const tx = all.tenant(tenant)
    const before = replaces === undefined ? undefined : await objectsOfStep(tx, device, replaces)
    const linked = await linkMissing(all, house.env(), { tenant, state, quotaBytes, by })
    if (!linked.ok) return linked
    const posted = await post(tx)
    if (!posted.ok) return posted
    await indexState(all, tenant, device, state)
    if (before) await forgetUnused(all, tenant, device, before)
    return posted
  })
}
