/**
 * What is asked of a group: a parent whose membership is fixed in its own commit, and children that follow it slice by
 * slice, each slice one commit, restartable anywhere.
 *
 * Fixing a membership of any size costs one row: a group counts the changes of its membership, and a parent keeps the
 * count it was made at. Who joined later has a higher `since`; who has left since then is remembered with an `until`
 * until no parent needs it. The first slice is submitted with the parent, so that a small group is asked in one commit.
 */
import { type Env, newId } from './env.ts'
import { type DeviceId, Instant, TransactionId } from './ids.ts'
import { actingOn, lastingly } from './journal.ts'
import type { Json } from './json.ts'
import { beginPackage } from './package-begin.ts'
import type { AskedPackage } from './package-plan.ts'
import type { Reader, Tx } from './port.ts'
import {
  devices,
  type GroupMember,
  type GroupWork,
  groupMembers,
  groupSlices,
  groups,
  groupWorks,
  type Transaction,
  trailWorks,
  transactions,
} from './records.ts'
import { ok, type Result, refuse } from './result.ts'
import {
  endParent,
  finish,
  kindName,
  type Submission,
  submitToMany,
  system,
  type TransactionRefusal,
  transactionKinds,
} from './transactions.ts'
import { trailType } from './words.ts'

/** Members a slice: small enough that a slice's commit holds nobody up. */
export const sliceSize = 200

export type GroupSubmission = Omit<Submission, 'device' | 'parent' | 'seq' | 'online'> & {
  readonly group: Transaction['group'] & string
}

/** Whoever hands children to devices within the commit that submits them. */
export interface Taker {
  /** Whether a child at this place in its lane begins as sent: it is the head, and somebody waits for it. */
  takes(device: DeviceId, lane: string, seq: number): boolean
  /** They are submitted, as sent where they were taken; `payload` is what they ask. */
  submitted(tx: Tx, children: readonly Transaction[], payload: Json): Promise<void>
}

/** Asks something of every member a group has now. */
export async function submitToGroup(
  tx: Tx,
  env: Env,
  asked: GroupSubmission,
): Promise<Result<Transaction, TransactionRefusal>> {
  const group = await tx.get(groups, { id: asked.group })
  if (!group) return refuse({ kind: 'no-such-group', got: asked.group })
  const id = newId(env, TransactionId.parse)
  const parent: Transaction = {
    id,
    kind: asked.kind,
    lane: transactionKinds[asked.kind].lane,
    seq: 0,
    state: 'in-progress',
    open: true,
    percent: 0,
    payload: asked.payload,
    by: lastingly(asked.by),
    group: asked.group,
    attempts: 0,
    createdAt: env.now,
    ...(asked.notify === undefined ? {} : { notify: asked.notify }),
  }
  const work: GroupWork = {
    parent: id,
    group: asked.group,
    version: group.version,
    members: group.size,
    slices: 0,
    slicesEnded: 0,
    failed: 0,
    submitted: false,
    ...(asked.ttlMs === undefined ? {} : { expiresAt: Instant.after(env.now, asked.ttlMs) }),
  }
  await tx.put(transactions, parent)
  await tx.put(groupWorks, work)
  await tx.put(groups, { ...group, open: group.open + 1 })
  actingOn(tx, env, asked.by).note('transaction.submitted', {
    transaction: id,
    kind: asked.kind,
    group: asked.group,
    members: group.size,
  })
  await submitSlice(tx, env, parent, work)
  return ok((await tx.get(transactions, { id })) ?? parent)
}

/** Parents whose children have not all been submitted: work left over, also from before a crash. */
export async function worksToDo(reader: Reader, limit: number): Promise<readonly GroupWork[]> {
  return reader.find(groupWorks, { where: { submitted: false }, order: ['submitted', 'parent'], limit })
}

/**
 * Submits a parent's next slice, all of it in this commit or none; answers whether there is more. When the parent has
 * ended before (called off, timed out) its open children end as it did instead, a slice at a time. `taker` may hand out
 * each child within the same commit.
 */
export async function workOn(tx: Tx, env: Env, parentId: TransactionId, taker?: Taker): Promise<boolean> {
  const work = await tx.get(groupWorks, { parent: parentId })
  const parent = await tx.get(transactions, { id: parentId })
  if (!work || !parent || work.submitted) return false
  return parent.open ? submitSlice(tx, env, parent, work, taker) : dropRest(tx, env, parent, work)
}

async function submitSlice(
  tx: Tx,
  env: Env,
  parent: Transaction,
  work: GroupWork,
  taker?: Taker,
): Promise<boolean> {
  const page = await membersAt(tx, work, sliceSize)
  const number = work.slices
  const more = page.length === sliceSize
  const last = page.at(-1)
  const moved: GroupWork = {
    ...work,
    submitted: !more,
    slices: page.length === 0 ? number : number + 1,
    ...(last === undefined ? {} : { after: last.device }),
  }
  await tx.put(groupWorks, moved)
  if (page.length > 0)
    await tx.put(groupSlices, { parent: parent.id, slice: number, waiting: page.length, failed: 0 })
  const ttlMs = work.expiresAt === undefined ? undefined : Math.max(0, work.expiresAt - env.now)
  const kind = kindName(parent.kind)
  const { lane } = transactionKinds[kind]
  const children = await submitToMany(
    tx,
    env,
    page.map(({ device }) => device),
    {
      kind,
      // The parent has it.
      payload: null,
      by: parent.by,
      parent: { id: parent.id, slice: number, group: work.group },
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(taker && { takes: (device: DeviceId, seq: number) => taker.takes(device, lane, seq) }),
    },
  )
  if (mayBeStep(kind))
    for (const child of children) {
      await leaveToTrail(tx, env, child)
      if (kind === 'package') await beginPackage(tx, env, child, parent.payload as unknown as AskedPackage)
    }
  await taker?.submitted(tx, children, parent.payload)
  if (!more && moved.slicesEnded === moved.slices) await endParent(tx, env, parent.id, moved)
  return more
}

/** Software and configuration of a device that follows a trail are to become a step of it: for the commit that asks. */
export async function leaveToTrail(tx: Tx, env: Env, asked: Transaction): Promise<void> {
  if (!mayBeStep(asked.kind) || asked.device === undefined) return
  const device = await tx.get(devices, { id: asked.device })
  if (device?.type === trailType)
    await tx.put(trailWorks, { transaction: asked.id, device: device.id, dueAt: env.now })
}

function mayBeStep(kind: string): boolean {
  return kind === 'configuration' || kind === 'package'
}

/** The parent has ended: no more children, and those there are end as it did. */
async function dropRest(tx: Tx, env: Env, parent: Transaction, work: GroupWork): Promise<boolean> {
  const open = await tx.find(transactions, {
    where: { parent: parent.id, open: true },
    order: ['parent', 'slice', 'id'],
    limit: sliceSize,
  })
  const state = parent.state === 'timed-out' ? 'timed-out' : 'cancelled'
  for (const child of open)
    await finish(tx, env, child.id, { state, reason: 'what was asked of its group had ended' }, system)
  const more = open.length === sliceSize
  if (!more) {
    const held = (await tx.get(groupWorks, { parent: parent.id })) ?? work
    await tx.put(groupWorks, { ...held, submitted: true })
    actingOn(tx, env, system).note('transaction.slice-dropped', { transaction: parent.id })
  }
  return more
}

/** The next members, as the membership was when the parent was made. */
async function membersAt(tx: Tx, work: GroupWork, limit: number): Promise<readonly GroupMember[]> {
  const found: GroupMember[] = []
  let last: GroupMember | undefined
  for (;;) {
    const page: readonly GroupMember[] = await tx.find(groupMembers, {
      where: { group: work.group, ...(work.after === undefined ? {} : { device: { gt: work.after } }) },
      order: ['group', 'device', 'since'],
      limit,
      ...(last === undefined ? {} : { after: [last.group, last.device, last.since] }),
    })
    for (const member of page) {
      const { since, until } = member
      if (since <= work.version && (until === undefined || until > work.version)) found.push(member)
      if (found.length === limit) return found
    }
    last = page.at(-1)
    if (page.length < limit) return found
  }
}
