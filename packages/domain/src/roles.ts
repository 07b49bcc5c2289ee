/**
 * Who may do what in a tenant: one table. A membership carries roles, a role carries rights, a door asks for a right.
 *
 * Doors with role models of their own (Exosense's six, the devops door's five) map them onto these rights.
 */

export type Right =
  | 'devices.read'
  | 'devices.write'
  | 'trails.read'
  | 'trails.write'
  | 'objects.read'
  | 'objects.write'
  | 'journal.read'
  | 'members.write'

/** `device`, `config` and `execute` are Exosense's own: what they open is its matrix's to say, and little elsewhere. */
export type Role = 'owner' | 'operator' | 'viewer' | 'device' | 'config' | 'execute'

export const roleRights = {
  owner: [
    'devices.read',
    'devices.write',
    'trails.read',
    'trails.write',
    'objects.read',
    'objects.write',
    'journal.read',
    'members.write',
  ],
  operator: [
    'devices.read',
    'devices.write',
    'trails.read',
    'trails.write',
    'objects.read',
    'objects.write',
    'journal.read',
  ],
  viewer: ['devices.read', 'trails.read', 'objects.read', 'journal.read'],
  device: ['devices.read', 'devices.write'],
  config: [],
  execute: [],
} as const satisfies Record<Role, readonly Right[]>

/** Whether any of the roles carries the right. */
export function mayDo(roles: readonly Role[], right: Right): boolean {
  return roles.some((role) => (roleRights[role] as readonly Right[]).includes(right))
}
