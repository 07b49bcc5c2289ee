/**
 * The commands of `waymark`, one row each. A command is one file under `commands/` that exports `run`; it is loaded
 * when it is called and not before, so that help and the device-side programs start at once.
 */
import type { Context } from './io.ts'

export interface CommandModule {
  /** Runs with the arguments behind the command's name; answers the exit code, nothing meaning 0. May throw `Failure`. */
  run(args: readonly string[], context: Context): Promise<number | undefined> | Promise<void>
}

export interface CommandRow {
  readonly name: string
  /** For the list in `waymark help`. */
  readonly summary: string
  readonly load: () => Promise<CommandModule>
  /** Words of it come from the server: `waymark NAME --words [WORD]` prints those that may follow. */
  readonly offers?: true
}

export const commands: readonly CommandRow[] = [
  { name: 'up', summary: 'start a server', load: () => import('./commands/up.ts') },
  {
    name: 'config',
    summary: 'settings a server would start with; configuration of packages on devices',
    load: () => import('./commands/config.ts'),
  },
  { name: 'login', summary: 'log in to a server', load: () => import('./commands/login.ts') },
  {
    name: 'whoami',
    summary: 'tell whom the server takes us for',
    load: () => import('./commands/whoami.ts'),
  },
  {
    name: 'device',
    summary: 'list, show, claim, change and delete devices; read their logs',
    load: () => import('./commands/device.ts'),
  },
  {
    name: 'trail',
    summary: 'post steps to devices and see what came of them',
    load: () => import('./commands/trail.ts'),
  },
  {
    name: 'why',
    summary: 'tell why a device or a step stands where it stands',
    load: () => import('./commands/why.ts'),
  },
  {
    name: 'rpc',
    summary: 'call what back ends call: commands, and operations of devices',
    load: () => import('./commands/rpc.ts'),
    offers: true,
  },
  {
    name: 'group',
    summary: 'groups of devices that are asked together',
    load: () => import('./commands/group.ts'),
  },
  {
    name: 'device-type',
    summary: 'types of devices, and how they are reached',
    load: () => import('./commands/device-type.ts'),
  },
  {
    name: 'package',
    summary: 'software for devices: push, install, upgrade, uninstall',
    load: () => import('./commands/package.ts'),
  },
  {
    name: 'tx',
    summary: 'what was asked of devices: list, show, call off',
    load: () => import('./commands/tx.ts'),
  },
  {
    name: 'dead-letter',
    summary: 'messages to back ends that were given up: list, send again',
    load: () => import('./commands/dead-letter.ts'),
  },
  { name: 'object', summary: 'store and fetch files by sha256', load: () => import('./commands/object.ts') },
  { name: 'user', summary: 'members of the tenant, and passwords', load: () => import('./commands/user.ts') },
  {
    name: 'audit',
    summary: 'list what people did, and from where',
    load: () => import('./commands/audit.ts'),
  },
  {
    name: 'keys',
    summary: 'rotate the keys that logins are signed with',
    load: () => import('./commands/keys.ts'),
  },
  {
    name: 'token',
    summary: 'personal tokens, by which programs log in for you',
    load: () => import('./commands/token.ts'),
  },
  {
    name: 'join-token',
    summary: 'tokens by which devices register into the tenant',
    load: () => import('./commands/join-token.ts'),
  },
  {
    name: 'app',
    summary: 'apps of third parties, which people may let in',
    load: () => import('./commands/app.ts'),
  },
  {
    name: 'export',
    summary: 'copy devices with their trails out of another Pantahub server',
    load: () => import('./commands/export.ts'),
  },
  {
    name: 'import',
    summary: 'put devices with their trails into the server, from a folder or another server',
    load: () => import('./commands/import.ts'),
  },
  {
    name: 'agent',
    summary: 'follow a trail on this machine, as a device does',
    load: () => import('./commands/agent.ts'),
  },
  {
    name: 'sim',
    summary: 'run a fleet of simulated devices against a server',
    load: () => import('./commands/sim.ts'),
  },
  {
    name: 'plugin',
    summary: 'try a plugin for devices of a protocol of your own',
    load: () => import('./commands/plugin.ts'),
  },
  {
    name: 'ctl',
    summary: 'see and steer the agent of this machine',
    load: () => import('./commands/ctl.ts'),
  },
  {
    name: 'yang',
    summary: 'check YANG modules, validate documents, show trees, schemas, types and forms',
    load: () => import('./commands/yang.ts'),
  },
  {
    name: 'backup',
    summary: 'back up, verify and restore records and objects in one file',
    load: () => import('./commands/backup.ts'),
  },
  {
    name: 'gc',
    summary: 'collect objects that nothing refers to',
    load: () => import('./commands/gc.ts'),
  },
  {
    name: 'demo',
    summary: 'see it alive: a server and five devices at work',
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'completion',
    summary: 'a script that makes bash, zsh or fish complete commands',
    load: () => import('./commands/completion.ts'),
  },
  { name: 'version', summary: 'tell what is installed', load: () => import('./commands/version.ts') },
]
