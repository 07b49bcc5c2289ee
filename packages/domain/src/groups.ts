/**
 * Groups: devices that are managed as one. All members are of one type, the first one's; a device may be in several
 * groups, one of them its primary. Group names and the names that back ends give devices are one name space.
 *
 * A membership is never rewritten: who leaves keeps a row with `until` while a transaction of the group may need it.
 */
import type { Target } from './back-end-records.ts'
import { type Env, newId } from './env.ts'
import { type DeviceId, GroupId } from './ids.ts'
import { actingOn } from './journal.ts'
import type { Actor, Reader, Tx } from './port.ts'
import { deviceNames, devices, type Group, type GroupMember, groupMembers, groups } from './records.ts'
import { ok, type Result, refuse } from './result.ts'

export type GroupRefusal =
  | { readonly kind: 'bad-name'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'name-taken'; readonly got: string }
  | { readonly kind: 'no-such-group'; readonly got: string }
  | { readonly kind: 'no-such-device'; readonly got: string }
  | {
      readonly kind: 'another-type'
      readonly device: DeviceId
      readonly wanted: string
      readonly got: string
    }

/** A name that back ends give: 1–64 characters, none of them a control character. */
export function isBackEndName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  return name.length >= 1 && name.length <= 64 && !/[\u0000-\u001f\u007f]/.test(name)
}

/** The door under which a device keeps the name that back ends know it by. */
export const backEndNames = 'exosense'

/** What begins the names of groups that stand for something else: shown nowhere. */
const hidden = '\u0001'

/** Makes a group. Hidden ones (`for`) hold the members of something else and have no name of their own. */
export async function createGroup(
  tx: Tx,
  env: Env,
  asked: { readonly name: string; readonly target?: Target; readonly hidden?: true; readonly by: Actor },
): Promise<Result<Group, GroupRefusal>> {
  if (!asked.hidden && !isBackEndName(asked.name))
    return refuse({ kind: 'bad-name', wanted: '1 to 64 characters', got: asked.name })
  const name = asked.hidden ? hidden + asked.name : asked.name
  const taken =
    (await groupByName(tx, name)) ?? (asked.hidden ? undefined : await deviceIdByBackEndName(tx, name))
  if (taken) return refuse({ kind: 'name-taken', got: asked.name })
  const group: Group = {
    id: newId(env, GroupId.parse),
    name,
    createdAt: env.now,
    size: 0,
    version: 0,
    open: 0,
    ...(asked.target === undefined ? {} : { target: asked.target }),
  }
  await tx.put(groups, group)
  actingOn(tx, env, asked.by).note('group.created', { group: group.id, name })
  return ok(group)
}

/** Sets where what its members say by themselves goes; null takes the address away. */
export async function retargetGroup(
  tx: Tx,
  env: Env,
  asked: { readonly id: GroupId; readonly target: Target | null; readonly by: Actor },
): Promise<Result<Group, GroupRefusal>> {
  const held = await tx.get(groups, { id: asked.id })
  if (!held) return refuse({ kind: 'no-such-group', got: asked.id })
  const { target: _, ...rest } = held
  const group: Group = asked.target === null ? rest : { ...rest, target: asked.target }
  await tx.put(groups, group)
  actingOn(tx, env, asked.by).note('group.changed', { group: group.id, target: asked.target !== null })
  return ok(group)
}

/** Removes a group: its devices stay. What was asked of it goes on by itself. Rows go in slices (`sweepMembers`). */
export async function removeGroup(
  tx: Tx,
  env: Env,
  asked: { readonly id: GroupId; readonly by: Actor },
): Promise<Result<Group, GroupRefusal>> {
  const held = await tx.get(groups, { id: asked.id })
  if (!held) return refuse({ kind: 'no-such-group', got: asked.id })
  await tx.remove(groups, { id: asked.id })
  actingOn(tx, env, asked.by).note('group.removed', { group: asked.id, name: held.name })
  return ok(held)
}

/**
 * Adds devices, all or none of them; who is a member already stays one. `primary` makes this the group whose answer
 * counts for each of them, and no other.
 */
export async function addToGroup(
  tx: Tx,
  env: Env,
  asked: {
    readonly group: GroupId
    readonly devices: readonly DeviceId[]
    readonly primary?: boolean
    readonly by: Actor
  },
): Promise<Result<Group, GroupRefusal>> {
  const held = await tx.get(groups, { id: asked.group })
  if (!held) return refuse({ kind: 'no-such-group', got: asked.group })
  let group = held
  let added = 0
  for (const id of asked.devices) {
    const device = await tx.get(devices, { id })
    if (!device || device.garbage) return refuse({ kind: 'no-such-device', got: id })
    if (!isHidden(group) && group.type !== undefined && group.type !== device.type)
      return refuse({ kind: 'another-type', device: id, wanted: group.type, got: device.type })
    if (asked.primary) await dropPrimary(tx, id)
    const member = await memberOf(tx, group.id, id)
    if (member) {
      if (asked.primary) await tx.put(groupMembers, { ...member, primary: true })
      continue
    }
    group = { ...group, type: device.type, size: group.size + 1, version: group.version + 1 }
    added += 1
    await tx.put(groupMembers, {
      group: group.id,
      device: id,
      since: group.version,
      current: true,
      primary: asked.primary ?? false,
    })
  }
  await tx.put(groups, group)
  actingOn(tx, env, asked.by).note('group.changed', { group: group.id, added, size: group.size })
  return ok(group)
}

/** Takes devices out; who is none of its members is passed over. An empty group may take any type again. */
export async function removeFromGroup(
  tx: Tx,
  env: Env,
  asked: { readonly group: GroupId; readonly devices: readonly DeviceId[]; readonly by: Actor },
): Promise<Result<Group, GroupRefusal>> {
  const held = await tx.get(groups, { id: asked.group })
  if (!held) return refuse({ kind: 'no-such-group', got: asked.group })
  let group = held
  for (const id of asked.devices) {
    const member = await memberOf(tx, group.id, id)
    if (member) group = await leave(tx, group, member)
  }
  await tx.put(groups, group)
  actingOn(tx, env, asked.by).note('group.changed', {
    group: group.id,
    removed: held.size - group.size,
    size: group.size,
  })
  return ok(group)
}

/** A device is gone: out of all its groups. */
export async function leaveAllGroups(tx: Tx, env: Env, device: DeviceId, by: Actor): Promise<void> {
  for (;;) {
    const page = await tx.find(groupMembers, {
      where: { device, current: true },
      order: ['device', 'current', 'group', 'since'],
      limit: 100,
    })
    for (const member of page) {
      const group = await tx.get(groups, { id: member.group })
      if (!group) {
        await tx.remove(groupMembers, member)
        continue
      }
      const left = await leave(tx, group, member)
      await tx.put(groups, left)
      actingOn(tx, env, by).note('group.changed', { group: group.id, removed: 1, size: left.size })
    }
    if (page.length < 100) return
  }
}

async function leave(tx: Tx, group: Group, member: GroupMember): Promise<Group> {
  const version = group.version + 1
  const size = group.size - 1
  if (group.open > 0)
    await tx.put(groupMembers, { ...member, until: version, current: false, primary: false })
  else await tx.remove(groupMembers, member)
  const { type: _, ...untyped } = group
  return size === 0 ? { ...untyped, version, size } : { ...group, version, size }
}

/** Forgets who has left groups that nothing waits for, and members of groups that are gone; at most `limit` rows. */
export async function sweepMembers(tx: Tx, group: GroupId, limit: number): Promise<number> {
  const held = await tx.get(groups, { id: group })
  if (held && held.open > 0) return 0
  const rows = await tx.find(groupMembers, {
    where: { group, ...(held ? { current: false } : {}) },
    order: ['group', 'current', 'device', 'since'],
    limit,
  })
  for (const row of rows) await tx.remove(groupMembers, row)
  return rows.length
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

export async function groupByName(reader: Reader, name: string): Promise<Group | undefined> {
  return (await reader.find(groups, { where: { name }, limit: 1 }))[0]
}

/** Groups that people made, in the order of their names, after one of them (or before it, descending). */
export async function groupsByName(
  reader: Reader,
  ask: { readonly previous: string; readonly limit: number; readonly descending?: boolean },
): Promise<readonly Group[]> {
  const before = ask.descending && ask.previous !== ''
  return reader.find(groups, {
    where: { name: before ? { lt: ask.previous, gt: '\u0002' } : { gt: ask.previous || '\u0002' } },
    order: [ask.descending ? '-name' : 'name'],
    limit: ask.limit,
  })
}

export function isHidden(group: Group): boolean {
  return group.name.startsWith(hidden)
}

/** A device's membership of a group, while it has one. */
export async function memberOf(
  reader: Reader,
  group: GroupId,
  device: DeviceId,
): Promise<GroupMember | undefined> {
  return (await reader.find(groupMembers, { where: { device, current: true, group }, limit: 1 }))[0]
}

/** The memberships a device has now. */
export async function membershipsOf(reader: Reader, device: DeviceId): Promise<readonly GroupMember[]> {
  return reader.find(groupMembers, {
    where: { device, current: true },
    order: ['device', 'current', 'group', 'since'],
  })
}

/** Members a group has now, by device id, after one of them. */
export async function membersOf(
  reader: Reader,
  group: GroupId,
  ask: { readonly after?: Pick<GroupMember, 'device' | 'since'>; readonly limit: number },
): Promise<readonly GroupMember[]> {
  return reader.find(groupMembers, {
    where: { group, current: true },
    order: ['group', 'current', 'device', 'since'],
    limit: ask.limit,
    ...(ask.after === undefined ? {} : { after: [group, true, ask.after.device, ask.after.since] }),
  })
}

/** The device that back ends know by a name; else the one that people call so. */
export async function deviceIdByBackEndName(reader: Reader, name: string): Promise<DeviceId | undefined> {
  const own = await reader.get(deviceNames, { door: backEndNames, name })
  return (own ?? (await reader.get(deviceNames, { door: 'nick', name })))?.device
}

/** What back ends call a device. */
export async function backEndNameOf(
  reader: Reader,
  device: { readonly id: DeviceId; readonly nick: string },
): Promise<string> {
  const names = await reader.find(deviceNames, { where: { device: device.id }, limit: 10 })
  return names.find(({ door }) => door === backEndNames)?.name ?? device.nick
}

async function dropPrimary(tx: Tx, device: DeviceId): Promise<void> {
  for (const member of await membershipsOf(tx, device))
    if (member.primary) await tx.put(groupMembers, { ...member, primary: false })
}
