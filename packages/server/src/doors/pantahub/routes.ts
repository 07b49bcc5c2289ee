/**
 * The Pantahub door's one table: what may be asked, by whom, with which scope, and who answers it.
 *
 * Routing, the check of the bearer and its scope, the 401 that pvr needs, CORS, 405s, the page of routes and the tests of
 * visibility are all read from here; a route that is not in the table does not exist. What a handler does is its
 * own file's business.
 *
 * Scopes are Pantahub Base's: creating and listing join tokens asks only for reading, disabling one for `change`.
 */
import type { Right } from '@waymark/domain'
import type { ScopeWanted } from '@waymark/pantahub'

/**
 * Who may call. `none` alone: a bearer is not looked at. `none` among others: a bearer may be left out, but one that is
 * sent has to be good. Without `none`: no bearer, no answer.
 */
export type Who = 'user' | 'session' | 'device' | 'service' | 'anonymous' | 'none'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface Row {
  readonly method: Method
  readonly path: string
  readonly who: readonly Who[]
  /** One match among the token's scopes is enough; absent: scopes are not looked at. */
  readonly scope?: ScopeWanted
  readonly handler: string
  /** What it is for, in words for people. */
  readonly says: string
}

/** How a mount speaks. Every mount ends in a slash; without it it is answered 301. */
export interface Mount {
  /** How its JSON is written: as it comes, indented by two, or canonical (and announced so). */
  readonly format: 'plain' | 'indented' | 'canonical'
  /** One slash more at the end of any path is tolerated. */
  readonly looseSlash?: true
  /** A body that is not declared to be JSON in UTF-8 is refused with 415. */
  readonly jsonOnly?: true
  /** Bodies are bytes: streamed, of any size, never parsed. */
  readonly bytes?: true
}

export const mounts = {
  '/auth/': { format: 'indented', jsonOnly: true },
  '/oauth2/': { format: 'plain' },
  '/tokens/': { format: 'plain' },
  '/apps/': { format: 'plain' },
  '/profiles/': { format: 'plain' },
  '/devices/': { format: 'plain' },
  '/objects/': { format: 'plain' },
  '/trails/': { format: 'canonical', looseSlash: true },
  '/logs/': { format: 'plain' },
  '/exports/': { format: 'plain' },
  '/dash/': { format: 'plain' },
  '/subscriptions/': { format: 'plain' },
  '/changes/': { format: 'plain' },
  '/callbacks/': { format: 'plain' },
  '/cron/': { format: 'plain' },
  '/healthz/': { format: 'plain' },
  '/plog/': { format: 'plain' },
  '/local-s3/': { format: 'plain', bytes: true },
} as const satisfies Record<`/${string}/`, Mount>
export type MountPath = keyof typeof mounts

const anyone = ['user', 'session', 'device', 'anonymous'] as const
const anyoneAtAll = ['user', 'session', 'device', 'anonymous', 'none'] as const
const people = ['user', 'session'] as const
const members = ['user', 'session', 'device'] as const
const userOnly = ['user'] as const
const deviceOnly = ['device'] as const
const nobody = ['none'] as const

// biome-ignore format: one route, one line
export const routes = [
  { method: 'GET', path: '/auth/', who: people, scope: 'user.readonly', handler: 'ownAccount', says: 'the own account' },
  { method: 'POST', path: '/auth/login', who: nobody, handler: 'login', says: 'a token for name and password' },
  { method: 'GET', path: '/auth/login', who: [...anyone, 'service'], handler: 'refresh', says: 'a new token for one that is still good' },
  { method: 'GET', path: '/auth/auth_status', who: [...anyone, 'service'], handler: 'authStatus', says: 'what the token says' },
  { method: 'GET', path: '/auth/accounts', who: people, scope: 'user.readonly', handler: 'listAccounts', says: 'the own account; with asadmin all' },
  { method: 'POST', path: '/auth/accounts', who: nobody, handler: 'createAccount', says: 'a new account' },
  { method: 'GET', path: '/auth/verify', who: nobody, handler: 'verifyAccount', says: 'confirms an e-mail address by its challenge' },
  { method: 'POST', path: '/auth/recover', who: nobody, handler: 'recoverAccount', says: 'mails a token that sets a new password' },
  { method: 'POST', path: '/auth/password', who: nobody, handler: 'setPassword', says: 'a new password for such a token' },
  { method: 'POST', path: '/auth/code', who: userOnly, handler: 'giveCode', says: 'a code that lets an app in, once, for five minutes' },
  { method: 'POST', path: '/auth/authorize', who: userOnly, handler: 'giveToken', says: 'a token that lets an app in, for its redirect' },
  { method: 'POST', path: '/auth/token', who: ['service'], handler: 'redeemCode', says: 'the app’s token for a code' },
  { method: 'GET', path: '/auth/oauth/authorize', who: nobody, handler: 'beginPkce', says: 'begins a login with a code challenge (S256): 307 to where consent is asked' },
  { method: 'POST', path: '/auth/oauth/token', who: nobody, handler: 'finishPkce', says: 'the token for a code and its verifier' },
  { method: 'GET', path: '/auth/oauth/login/:service', who: nobody, handler: 'beginOpenid', says: 'sends a browser to another provider of logins' },
  { method: 'GET', path: '/auth/oauth/callback/:service', who: nobody, handler: 'finishOpenid', says: 'takes it back: a token for whom the provider vouches for' },
  { method: 'POST', path: '/auth/x509/login', who: nobody, handler: 'loginByCertificate', says: 'a device’s token for its client certificate' },
  { method: 'POST', path: '/auth/sessions', who: nobody, handler: 'createSession', says: 'a token of a new account without a password' },

  { method: 'GET', path: '/oauth2/authorize', who: nobody, handler: 'askConsent', says: 'for browsers: the page where a person lets an app in' },
  { method: 'POST', path: '/oauth2/authorize', who: nobody, handler: 'takeConsent', says: 'the answer from that page: 303 back to the app' },

  { method: 'GET', path: '/tokens/', who: userOnly, handler: 'listAccessTokens', says: 'own personal tokens' },
  { method: 'POST', path: '/tokens/', who: userOnly, handler: 'createAccessToken', says: 'a new personal token, its secret shown once' },
  { method: 'GET', path: '/tokens/:id', who: userOnly, handler: 'readAccessToken', says: 'one personal token' },
  { method: 'DELETE', path: '/tokens/:id', who: userOnly, handler: 'removeAccessToken', says: 'removes one; logins by it are void' },

  { method: 'GET', path: '/apps/', who: userOnly, handler: 'listApps', says: 'own apps' },
  { method: 'POST', path: '/apps/', who: userOnly, handler: 'createApp', says: 'registers an app of a third party, its secret shown once' },
  { method: 'GET', path: '/apps/scopes', who: nobody, handler: 'listScopes', says: 'the scopes there are; with serviceID= those an app exposes' },
  { method: 'GET', path: '/apps/:id', who: userOnly, handler: 'readApp', says: 'one own app' },
  { method: 'PUT', path: '/apps/:id', who: userOnly, handler: 'changeApp', says: 'changes it; a new secret when it becomes confidential' },
  { method: 'DELETE', path: '/apps/:id', who: userOnly, handler: 'removeApp', says: 'removes it; tokens given to it are void' },

  { method: 'GET', path: '/profiles/', who: people, scope: 'profile.readonly', handler: 'listProfiles', says: 'accounts that tell of themselves' },
  { method: 'PUT', path: '/profiles/', who: people, scope: 'profile', handler: 'putProfile', says: 'what the own account tells of itself' },
  { method: 'GET', path: '/profiles/config/meta', who: people, scope: 'profile.readonly', handler: 'readGlobalMeta', says: 'what all own devices are to know' },
  { method: 'PUT', path: '/profiles/config/meta', who: people, scope: 'profile', handler: 'putGlobalMeta', says: 'replaces what all own devices are to know' },
  { method: 'GET', path: '/profiles/:nick', who: people, scope: 'profile.readonly', handler: 'readProfile', says: 'what one account tells of itself' },

  { method: 'GET', path: '/devices/', who: members, scope: 'devices.readonly', handler: 'listDevices', says: 'own devices, or the public ones of an owner' },
  { method: 'POST', path: '/devices/', who: ['user', 'session', 'none'], scope: 'devices.write', handler: 'registerDevice', says: 'a new device' },
  { method: 'GET', path: '/devices/auth_status', who: anyone, handler: 'authStatus', says: 'what the token says' },
  { method: 'GET', path: '/devices/tokens', who: people, scope: 'devices.readonly', handler: 'listJoinTokens', says: 'own join tokens' },
  { method: 'POST', path: '/devices/tokens', who: people, scope: 'devices.readonly', handler: 'createJoinToken', says: 'a new join token, shown once' },
  { method: 'DELETE', path: '/devices/tokens/:id', who: people, scope: 'devices.change', handler: 'disableJoinToken', says: 'disables a join token' },
  { method: 'GET', path: '/devices/np/:usernick/:devicenick', who: anyone, scope: 'devices.readonly', handler: 'readDeviceByNicks', says: 'one device, by its owner’s nick and its own' },
  { method: 'GET', path: '/devices/:id', who: anyone, scope: 'devices.readonly', handler: 'readDevice', says: 'one device, by id or nick' },
  { method: 'PUT', path: '/devices/:id', who: members, scope: 'devices.write', handler: 'putDevice', says: 'claims with ?challenge=, or overlays the record' },
  { method: 'PATCH', path: '/devices/:id', who: members, scope: 'devices.write', handler: 'patchDevice', says: 'renames' },
  { method: 'DELETE', path: '/devices/:id', who: people, scope: 'devices.write', handler: 'deleteDevice', says: 'deletes' },
  { method: 'PUT', path: '/devices/:id/public', who: people, scope: 'devices.write', handler: 'publishDevice', says: 'lets everybody who is logged in read it' },
  { method: 'DELETE', path: '/devices/:id/public', who: people, scope: 'devices.write', handler: 'unpublishDevice', says: 'takes that back' },
  { method: 'GET', path: '/devices/:id/user-meta', who: members, scope: 'devices.readonly', handler: 'readUserMeta', says: 'what the device is to know' },
  { method: 'PUT', path: '/devices/:id/user-meta', who: members, scope: 'devices.write', handler: 'putUserMeta', says: 'replaces what the device is to know' },
  { method: 'PATCH', path: '/devices/:id/user-meta', who: people, scope: 'devices.write', handler: 'patchUserMeta', says: 'merges into what the device is to know' },
  { method: 'PUT', path: '/devices/:id/device-meta', who: deviceOnly, scope: 'devices.write', handler: 'putDeviceMeta', says: 'replaces what the device says of itself' },
  { method: 'PATCH', path: '/devices/:id/device-meta', who: deviceOnly, scope: 'devices.write', handler: 'patchDeviceMeta', says: 'merges into what the device says of itself' },

  { method: 'GET', path: '/objects/', who: members, scope: 'objects.readonly', handler: 'listObjects', says: 'own objects' },
  { method: 'POST', path: '/objects/', who: members, scope: 'objects.write', handler: 'registerObject', says: 'registers an object; 409 when its bytes are here' },
  { method: 'GET', path: '/objects/auth_status', who: anyone, handler: 'authStatus', says: 'what the token says' },
  { method: 'GET', path: '/objects/:sha', who: members, scope: 'objects.readonly', handler: 'readObject', says: 'one object with its signed URLs' },
  { method: 'PUT', path: '/objects/:sha', who: members, scope: 'objects.write', handler: 'renameObject', says: 'renames' },
  { method: 'DELETE', path: '/objects/:sha', who: people, scope: 'objects.write', handler: 'removeObject', says: 'removes one that no step needs' },
  { method: 'GET', path: '/objects/:sha/blob', who: members, scope: 'objects.readonly', handler: 'redirectToObject', says: '302 to the bytes' },

  { method: 'GET', path: '/local-s3/:token', who: nobody, handler: 'sendBytes', says: 'the bytes of an object, or a range of them' },
  { method: 'PUT', path: '/local-s3/:token', who: nobody, handler: 'takeBytes', says: 'takes the bytes of an object' },
  { method: 'POST', path: '/local-s3/:token', who: nobody, handler: 'takeBytes', says: 'takes the bytes of an object' },
  { method: 'HEAD', path: '/local-s3/:token', who: nobody, handler: 'refuseBytes', says: 'always 403, as for any other method' },
  { method: 'PATCH', path: '/local-s3/:token', who: nobody, handler: 'refuseBytes', says: 'always 403' },
  { method: 'DELETE', path: '/local-s3/:token', who: nobody, handler: 'refuseBytes', says: 'always 403' },

  { method: 'GET', path: '/trails/', who: members, scope: 'trails.readonly', handler: 'listTrails', says: 'own trails' },
  { method: 'POST', path: '/trails/', who: deviceOnly, scope: 'trails.write', handler: 'announceTrail', says: 'a device announces its factory state' },
  { method: 'GET', path: '/trails/auth_status', who: anyone, handler: 'authStatus', says: 'what the token says' },
  { method: 'GET', path: '/trails/summary', who: people, scope: 'trails.readonly', handler: 'listSummaries', says: 'how far each own device is' },
  { method: 'GET', path: '/trails/:id', who: anyone, scope: 'trails.readonly', handler: 'readTrail', says: 'one trail' },
  { method: 'GET', path: '/trails/:id/summary', who: anyone, scope: 'trails.readonly', handler: 'readSummary', says: 'how far one device is' },
  { method: 'GET', path: '/trails/:id/.pvrremote', who: anyone, scope: 'trails.readonly', handler: 'trailRemote', says: 'where pvr reads and posts: the newest step' },
  { method: 'GET', path: '/trails/:id/steps', who: anyone, scope: 'trails.readonly', handler: 'listSteps', says: 'steps, oldest first' },
  { method: 'POST', path: '/trails/:id/steps', who: members, scope: 'trails.write', handler: 'postStep', says: 'posts a step' },
  { method: 'GET', path: '/trails/:id/steps/:rev', who: anyone, scope: 'trails.readonly', handler: 'readStep', says: 'one step' },
  { method: 'GET', path: '/trails/:id/steps/:rev/.pvrremote', who: anyone, scope: 'trails.readonly', handler: 'stepRemote', says: 'where pvr reads and posts: this step' },
  { method: 'GET', path: '/trails/:id/steps/:rev/state', who: anyone, scope: 'trails.readonly', handler: 'readState', says: 'its state alone' },
  { method: 'PUT', path: '/trails/:id/steps/:rev/state', who: people, scope: 'trails.write', handler: 'putState', says: 'replaces the state of a step that is NEW' },
  { method: 'GET', path: '/trails/:id/steps/:rev/meta', who: anyone, scope: 'trails.readonly', handler: 'readStepMeta', says: 'its meta alone' },
  { method: 'PUT', path: '/trails/:id/steps/:rev/meta', who: people, scope: 'trails.write', handler: 'putStepMeta', says: 'replaces its meta' },
  { method: 'PUT', path: '/trails/:id/steps/:rev/progress', who: deviceOnly, scope: 'trails.write', handler: 'putProgress', says: 'the device reports' },
  { method: 'PUT', path: '/trails/:id/steps/:rev/cancel', who: people, scope: 'trails.write', handler: 'cancelStep', says: 'takes back a step that is NEW' },
  { method: 'PUT', path: '/trails/:id/steps/:rev/wontgo', who: people, scope: 'trails.write', handler: 'abandonStep', says: 'gives up on a step that is INPROGRESS' },
  { method: 'GET', path: '/trails/:id/steps/:rev/objects', who: anyone, scope: 'trails.readonly', handler: 'listStepObjects', says: 'the objects it needs' },
  { method: 'POST', path: '/trails/:id/steps/:rev/objects', who: members, scope: 'trails.write', handler: 'registerStepObject', says: 'registers an object under its owner' },
  { method: 'GET', path: '/trails/:id/steps/:rev/objects/:sha', who: anyone, scope: 'trails.readonly', handler: 'readStepObject', says: 'one object it needs' },
  { method: 'GET', path: '/trails/:id/steps/:rev/objects/:sha/blob', who: anyone, scope: 'trails.readonly', handler: 'redirectToStepObject', says: '302 to the bytes' },

  { method: 'GET', path: '/logs/', who: people, handler: 'listLogs', says: 'log lines of own devices' },
  { method: 'POST', path: '/logs/', who: deviceOnly, handler: 'postLogs', says: 'a device’s log lines' },
  { method: 'GET', path: '/logs/cursor', who: people, handler: 'continueLogs', says: 'the next page behind ?next-cursor=' },
  { method: 'POST', path: '/logs/cursor', who: people, handler: 'continueLogs', says: 'the next page behind a cursor' },

  { method: 'GET', path: '/exports/:usernick/:devicenick/:rev/:filename', who: anyoneAtAll, scope: 'trails.readonly', handler: 'exportStep', says: 'a step as one archive' },

  { method: 'GET', path: '/dash/', who: people, scope: 'devices.readonly', handler: 'readDash', says: 'what the account uses, and its most recent devices' },
  { method: 'GET', path: '/subscriptions/', who: people, scope: 'user.readonly', handler: 'listSubscriptions', says: 'the plan the account is on' },
  { method: 'PUT', path: '/subscriptions/admin/subscription', who: people, scope: 'user.write', handler: 'setSubscription', says: 'an administrator puts an account on a plan' },
  { method: 'GET', path: '/changes/devices', who: people, scope: 'devices.readonly', handler: 'changedDevices', says: 'own devices by the time of their change' },
  { method: 'GET', path: '/changes/steps', who: people, scope: 'trails.readonly', handler: 'changedSteps', says: 'own steps by the time of their change' },
  { method: 'GET', path: '/changes/trails', who: people, scope: 'trails.readonly', handler: 'changedTrails', says: 'own trails by the time they began' },
  { method: 'GET', path: '/plog/posts', who: people, scope: 'trails.readonly', handler: 'listPosts', says: 'posts made of the newest steps' },
  { method: 'PUT', path: '/callbacks/devices/:id', who: nobody, handler: 'deviceCallback', says: 'the installation’s own: a device changed' },
  { method: 'PUT', path: '/callbacks/steps/:id', who: nobody, handler: 'stepCallback', says: 'the installation’s own: a step changed' },
  { method: 'PUT', path: '/cron/public/devices', who: nobody, handler: 'cronJob', says: 'the installation’s own: brings public devices up to date' },
  { method: 'PUT', path: '/cron/public/steps', who: nobody, handler: 'cronJob', says: 'the installation’s own: brings public steps up to date' },
  { method: 'GET', path: '/healthz/', who: nobody, handler: 'readHealth', says: 'the installation’s own: whether it is well' },
] as const satisfies readonly Row[]

export type Route = (typeof routes)[number]
export type HandlerName = Route['handler']

/** The mount a path lies under. */
export function mountOf(path: string): MountPath {
  const found = (Object.keys(mounts) as MountPath[]).find((mount) => path.startsWith(mount))
  if (found === undefined) throw new Error(`${path} lies under no mount`)
  return found
}

/** The methods a mount answers, for CORS. */
export function methodsOf(mount: MountPath): readonly Method[] {
  return [...new Set(routes.filter(({ path }) => path.startsWith(mount)).map(({ method }) => method))]
}

const rights: Partial<Record<string, { readonly read: Right; readonly write: Right }>> = {
  devices: { read: 'devices.read', write: 'devices.write' },
  objects: { read: 'objects.read', write: 'objects.write' },
  // What an owner tells its devices stands in the same section, and asks for as much.
  profiles: { read: 'devices.read', write: 'devices.write' },
  trails: { read: 'trails.read', write: 'trails.write' },
  exports: { read: 'trails.read', write: 'trails.write' },
  changes: { read: 'trails.read', write: 'trails.write' },
  plog: { read: 'trails.read', write: 'trails.write' },
  dash: { read: 'devices.read', write: 'devices.write' },
}

/** The right a user needs in the own tenant: derived from mount and method. Undefined: none beyond being known. */
export function rightFor({ method, path }: Row): Right | undefined {
  const section = path.split('/')[1] ?? ''
  const found = rights[section === 'logs' ? 'devices' : section]
  return method === 'GET' || section === 'logs' ? found?.read : found?.write
}

/** The table as a page for people. */
export function routesPage(): string {
  const rows = (routes as readonly Row[]).map(
    ({ method, path, who, scope, says }) =>
      `| ${method} | \`${path}\` | ${who.join(', ')} | ${scope ?? ''} | ${says} |`,
  )
  return [
    '# The Pantahub door: routes',
    '',
    'Made from `routes.ts`; a test keeps it so. `none` alone: a bearer is not looked at; among others: it may be left out.',
    '',
    '| method | path | who | scope | |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
