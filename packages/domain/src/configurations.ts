/**
 * Sets of configuration: values in the form of one schema, for the devices that are members of the set.
 *
 * Values are edited in one area (*staged*), copied to the next by a push (*pending*) and, once every member has confirmed,
 * merged into the last (*installed*). A push is one transaction for the set, with a child for each member; on failure what
 * was installed stays what it was, and what was pushed is back in *staged*, beneath what was edited since, to be corrected
 * and pushed again.
 *
 * Values are JSON texts here; how two of them merge is handed in, because their numbers may be larger than a double holds.
 */
import {
  type ConfigurationSet,
  configurationSets,
  configurationTargets,
  type Target,
} from './back-end-records.ts'
import type { Env } from './env.ts'
import { submitToGroup } from './group-transactions.ts'
import { createGroup, isBackEndName, memberOf, membershipsOf, removeGroup } from './groups.ts'
import type { DeviceId, GroupId } from './ids.ts'
import { actingOn } from './journal.ts'
import type { Actor, Reader, Tx } from './port.ts'
import { groups, type Notify, type Transaction, transactions } from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'
import { parseSchemaName } from './schemas.ts'

export type ConfigurationRefusal =
  | { readonly kind: 'bad-name'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'name-taken'; readonly got: string }
  | { readonly kind: 'no-such-set'; readonly got: string }
  | { readonly kind: 'no-such-device'; readonly got: string }
  | { readonly kind: 'not-empty'; readonly got: string; readonly members: number }

/** How two JSON texts become one: what is on top wins; either may be empty. */
export type Merge = (below: string, onTop: string) => string

/** What a push carries: the set's name and its values, as JSON text. */
export interface PushedConfiguration {
  readonly name: string
  readonly schema: string
  readonly values: string
  readonly callId: string
}

export async function createConfigurationSet(
  tx: Tx,
  env: Env,
  asked: {
    readonly name: string
    /** The module: `NAME.yang`, perhaps with a revision. */
    readonly file: string
    readonly target?: Target
    readonly values: string
    readonly by: Actor
  },
): Promise<Result<ConfigurationSet, ConfigurationRefusal>> {
  const { by, values, ...told } = asked
  if (!isBackEndName(told.name))
    return refuse({ kind: 'bad-name', wanted: '1 to 64 characters', got: told.name })
  if (await tx.get(configurationSets, { name: told.name }))
    return refuse({ kind: 'name-taken', got: told.name })
  const members = await createGroup(tx, env, { name: `set/${told.name}`, hidden: true, by })
  invariant(members.ok, 'a set that is new has no members yet')
  const set: ConfigurationSet = {
    ...told,
    schema: parseSchemaName(told.file).name,
    members: members.value.id,
    staged: values,
    pending: '',
    installed: '',
    createdAt: env.now,
    modifiedAt: env.now,
  }
  await tx.put(configurationSets, set)
  actingOn(tx, env, by).note('configuration-set.created', { set: set.name, schema: set.schema })
  return ok(set)
}

/** Changes where a set's messages go, and what is staged. */
export async function changeConfigurationSet(
  tx: Tx,
  env: Env,
  asked: {
    readonly name: string
    readonly target?: Target | null
    readonly staged?: string
    readonly by: Actor
  },
): Promise<Result<ConfigurationSet, ConfigurationRefusal>> {
  const held = await tx.get(configurationSets, { name: asked.name })
  if (!held) return refuse({ kind: 'no-such-set', got: asked.name })
  const { target, ...rest } = held
  const to = asked.target === undefined ? target : (asked.target ?? undefined)
  const set: ConfigurationSet = {
    ...rest,
    ...(to === undefined ? {} : { target: to }),
    staged: asked.staged ?? held.staged,
    modifiedAt: env.now,
  }
  await tx.put(configurationSets, set)
  actingOn(tx, env, asked.by).note('configuration-set.changed', { set: set.name })
  return ok(set)
}

/** Removes a set that has no members. */
export async function removeConfigurationSet(
  tx: Tx,
  env: Env,
  asked: { readonly name: string; readonly by: Actor },
): Promise<Result<ConfigurationSet, ConfigurationRefusal>> {
  const held = await tx.get(configurationSets, { name: asked.name })
  if (!held) return refuse({ kind: 'no-such-set', got: asked.name })
  const members = await tx.get(groups, { id: held.members })
  if (members && members.size > 0) return refuse({ kind: 'not-empty', got: held.name, members: members.size })
  await removeGroup(tx, env, { id: held.members, by: asked.by })
  for (const row of await tx.find(configurationTargets, { where: { set: held.name } }))
    await tx.remove(configurationTargets, row)
  await tx.remove(configurationSets, { name: held.name })
  actingOn(tx, env, asked.by).note('configuration-set.removed', { set: held.name })
  return ok(held)
}

/** Sets where messages about one member go; null: where the set's go. */
export async function retargetMember(
  tx: Tx,
  env: Env,
  asked: {
    readonly set: string
    readonly device: DeviceId
    readonly target: Target | null
    readonly by: Actor
  },
): Promise<Result<void, ConfigurationRefusal>> {
  const held = await tx.get(configurationSets, { name: asked.set })
  if (!held) return refuse({ kind: 'no-such-set', got: asked.set })
  if (!(await memberOf(tx, held.members, asked.device)))
    return refuse({ kind: 'no-such-device', got: asked.device })
  const key = { set: asked.set, device: asked.device }
  if (asked.target === null) await tx.remove(configurationTargets, key)
  else await tx.put(configurationTargets, { ...key, target: asked.target })
  actingOn(tx, env, asked.by, asked.device).note('configuration-set.changed', { set: asked.set })
  return ok(undefined)
}

/**
 * Pushes what is staged to every member. With nothing staged or nobody to push to, nothing happens (undefined). A push
 * that has not ended is not waited for: its values are merged beneath the new ones, which is what devices see as well.
 */
export async function pushConfigurationSet(
  tx: Tx,
  env: Env,
  asked: {
    readonly name: string
    readonly callId: string
    readonly notify: Notify
    readonly ttlMs?: number
    readonly merge: Merge
    readonly by: Actor
  },
): Promise<Result<Transaction | undefined, ConfigurationRefusal>> {
  const held = await tx.get(configurationSets, { name: asked.name })
  if (!held) return refuse({ kind: 'no-such-set', got: asked.name })
  const members = await tx.get(groups, { id: held.members })
  if (held.staged === '' || !members || members.size === 0) return ok(undefined)
  const payload: PushedConfiguration = {
    name: held.name,
    schema: held.schema,
    values: held.staged,
    callId: asked.callId,
  }
  const pending = asked.merge(held.pending, held.staged)
  await tx.put(configurationSets, { ...held, pending, staged: '', modifiedAt: env.now })
  const pushed = await submitToGroup(tx, env, {
    kind: 'configuration',
    group: held.members,
    payload: { ...payload },
    notify: asked.notify,
    by: asked.by,
    ...(asked.ttlMs === undefined ? {} : { ttlMs: asked.ttlMs }),
  })
  invariant(pushed.ok, 'a set’s members are a group')
  const set = await tx.get(configurationSets, { name: held.name })
  if (set) await tx.put(configurationSets, { ...set, push: pushed.value.id })
  actingOn(tx, env, asked.by).note('configuration-set.pushed', {
    set: held.name,
    transaction: pushed.value.id,
    members: members.size,
  })
  return ok(pushed.value)
}

/**
 * Settles a set whose last push has ended: confirmed by all, what was pending is installed; else it goes back beneath what
 * is staged. While a push is open, and where there was none, nothing happens. Safe to call at any time.
 */
export async function settleConfigurationSet(
  tx: Tx,
  env: Env,
  asked: { readonly name: string; readonly merge: Merge },
): Promise<boolean> {
  const held = await tx.get(configurationSets, { name: asked.name })
  const push = held?.push === undefined ? undefined : await tx.get(transactions, { id: held.push })
  if (!held || !push || push.open) return false
  const { push: _, ...rest } = held
  const done = push.state === 'done'
  await tx.put(configurationSets, {
    ...rest,
    pending: '',
    installed: done ? asked.merge(held.installed, held.pending) : held.installed,
    staged: done ? held.staged : asked.merge(held.pending, held.staged),
    modifiedAt: env.now,
  })
  actingOn(tx, env, { kind: 'system', id: 'configurations' }).note('configuration-set.changed', {
    set: held.name,
    push: push.id,
    installed: done,
  })
  return true
}

/** Sets that wait for a push to end, so that one that ended without a device (timed out, called off) is settled too. */
export async function setsWaiting(reader: Reader, limit: number): Promise<readonly ConfigurationSet[]> {
  return reader.find(configurationSets, { where: { push: { not: null } }, limit, without: 'texts' })
}

/** The sets a device is a member of, at most 100, by name, without their values. */
export async function setsOfDevice(
  reader: Reader,
  device: DeviceId,
  setOf: (members: GroupId) => Promise<ConfigurationSet | undefined> = (group) => setOfMembers(reader, group),
): Promise<readonly ConfigurationSet[]> {
  const found: ConfigurationSet[] = []
  for (const { group } of await membershipsOf(reader, device)) {
    const set = await setOf(group)
    if (set) found.push(set)
    if (found.length === 100) break
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The set whose members are a group's, without its texts; undefined: the group is none of a set's. */
export async function setOfMembers(reader: Reader, group: GroupId): Promise<ConfigurationSet | undefined> {
  const where = { members: group }
  const [set] = await reader.find(configurationSets, { where, limit: 1, without: 'texts' })
  return set
}
