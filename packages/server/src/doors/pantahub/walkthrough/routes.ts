/**
 * The routes of the walkthrough of 2016, in one table: what may be asked, by whom, with which scope, and who answers.
 *
 * Paths stand below `/api/v1` and below `/v1` alike, the registry alone stands at the root. What is not in the table
 * does not exist here; objects are uploaded by today's forms, beside these.
 */
import type { Right } from '@waymark/domain'
import type { Method, Who } from '../routes.ts'

export interface WalkRow {
  readonly method: Method
  /** Below each prefix; of a row `atRoot`, the whole path. */
  readonly path: string
  readonly atRoot?: true
  readonly who: readonly Who[]
  readonly scope?: 'trails.readonly' | 'trails.write' | 'objects.readonly'
  /** Its GET may have a body, which is read. */
  readonly bodyOnGet?: true
  readonly handler: string
  readonly says: string
}

/** Where the same resources answer. */
export const prefixes = ['/api/v1', '/v1'] as const

const members = ['user', 'session', 'device'] as const
const people = ['user', 'session'] as const
const nobody = ['none'] as const

// biome-ignore format: one route, one line
export const walkRoutes = [
  { method: 'GET', path: '/resolve', atRoot: true, who: nobody, bodyOnGet: true, handler: 'resolve', says: 'where the provider of a name is, and by which API' },
  { method: 'POST', path: '/resolve', atRoot: true, who: nobody, handler: 'resolve', says: 'the same' },
  { method: 'GET', path: '/login', who: nobody, bodyOnGet: true, handler: 'login', says: 'both tokens, for identity and secret or for the refresh token' },
  { method: 'GET', path: '/auth', who: nobody, bodyOnGet: true, handler: 'authorize', says: 'where a browser proves itself for the service that sent it' },
  { method: 'POST', path: '/auth', who: nobody, handler: 'authorize', says: 'the same, from the page there' },
  { method: 'GET', path: '/objects/:name', who: members, scope: 'objects.readonly', handler: 'readObject', says: 'one object, by sha256 or by its name' },
  { method: 'GET', path: '/objects/:name/download', who: members, scope: 'objects.readonly', handler: 'downloadObject', says: '301 to its bytes' },
  { method: 'GET', path: '/trails/', who: members, scope: 'trails.readonly', handler: 'listTrails', says: 'own trails' },
  { method: 'POST', path: '/trails/', who: members, scope: 'trails.write', handler: 'announce', says: 'the factory state of a device, by itself or by its owner' },
  { method: 'GET', path: '/trails/:id', who: members, scope: 'trails.readonly', handler: 'readTrail', says: 'one trail' },
  { method: 'DELETE', path: '/trails/:id', who: people, scope: 'trails.write', handler: 'resetTrail', says: 'factory reset: the device may announce anew' },
  { method: 'GET', path: '/trails/:id/steps', who: members, scope: 'trails.readonly', handler: 'listSteps', says: 'what is NEW or to be aborted; with ?start= everything from there' },
  { method: 'POST', path: '/trails/:id/steps', who: members, scope: 'trails.write', handler: 'postStep', says: 'a step behind the newest one' },
  { method: 'GET', path: '/trails/:id/steps/:rev', who: members, scope: 'trails.readonly', handler: 'readStep', says: 'one step' },
  { method: 'PUT', path: '/trails/:id/steps/:rev', who: members, scope: 'trails.write', handler: 'putStep', says: 'a device’s report; an owner’s wish: abort, clear or cancel' },
] as const satisfies readonly WalkRow[]

export type WalkRoute = (typeof walkRoutes)[number]

/** The paths a row answers at. */
export function pathsOf(row: WalkRow): readonly string[] {
  return row.atRoot ? [row.path] : prefixes.map((prefix) => prefix + row.path)
}

const rights = {
  'trails.readonly': 'trails.read',
  'trails.write': 'trails.write',
  'objects.readonly': 'objects.read',
} as const satisfies Record<NonNullable<WalkRow['scope']>, Right>

/** The right a user needs in the own tenant: the one that belongs to the scope. */
export function rightFor({ scope }: WalkRow): Right | undefined {
  return scope === undefined ? undefined : rights[scope]
}

/** The table as a page for people. */
export function walkRoutesPage(): string {
  const rows = (walkRoutes as readonly WalkRow[]).map(
    ({ method, path, who, scope, says }) =>
      `| ${method} | \`${path}\` | ${who.join(', ')} | ${scope ?? ''} | ${says} |`,
  )
  return [
    '# The walkthrough of 2016: routes',
    '',
    'Made from `routes.ts`; a test keeps it so. All stand below `/api/v1` and below `/v1`, `/resolve` at the root.',
    '',
    '| method | path | who | scope | |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
