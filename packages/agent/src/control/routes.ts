/**
 * The control socket's table: what may be asked, by whom, and how long a request may be.
 *
 * Routing, permission, the bounds of bodies, CONTROL.md and the test of permissions are all read from here. Paths and
 * words are Pantavisor's; the rows marked `own` are not, and do no harm to a program that knows only those. Paths are not
 * percent-decoded, and none ends in a slash.
 */

export const methods = ['GET', 'PUT', 'POST', 'DELETE'] as const
export type Method = (typeof methods)[number]

/** `mgmt`: containers with that role, and programs of the host. */
export type Needs = 'mgmt' | 'anyone'

/** How a body is taken: none at all, text up to so many bytes, or a stream that is bounded by the disk. */
export type BodyRule = 'none' | 'stream' | { readonly bytes: number }

export interface Route {
  readonly name: string
  readonly method: Method
  /** Segments; `{rev}` is a number, `current` or `locals/NAME`, every other one is one segment. */
  readonly path: string
  readonly needs: Needs
  readonly body: BodyRule
  readonly about: string
  /** What may be answered beside 200. */
  readonly refuses: readonly number[]
  /** Not Pantavisor's. */
  readonly own?: boolean
}

const small = { bytes: 4096 }
const action = { bytes: 1024 }
const stateBody = { bytes: 8 * 1024 * 1024 }

export const routes = [
  row('containers', 'GET', '/containers', 'every container: group, status, goal, roles, recovery'),
  row(
    'container',
    'PUT',
    '/containers/{name}',
    '`{"action":"start"}`, `stop` or `restart`; takes effect later',
    action,
    [400, 403, 404],
  ),
  row('groups', 'GET', '/groups', 'every group: goal, policy, status'),
  {
    ...row(
      'signal',
      'POST',
      '/signal',
      '`{"type":"ready","payload":""}`: the caller has reached READY',
      small,
      [400, 500],
    ),
    needs: 'anyone',
  },
  row('objects', 'GET', '/objects', 'what the pool holds, sizes as text'),
  row('object', 'GET', '/objects/{sha}', 'the bytes of an object', 'none', [400]),
  row(
    'put-object',
    'PUT',
    '/objects/{sha}',
    'stores bytes under their sha256',
    'stream',
    [400, 422, 503, 507],
  ),
  row('steps', 'GET', '/steps', 'every revision: date, commit message, progress'),
  row('step', 'GET', '/steps/{rev}', 'the state of a revision', 'none', [404]),
  row(
    'put-step',
    'PUT',
    '/steps/{rev}',
    'keeps a whole state as `locals/NAME`; objects are looked for when it is run',
    stateBody,
    [400, 422, 507],
  ),
  row('progress', 'GET', '/steps/{rev}/progress', 'how far a revision has come', 'none', [404]),
  row(
    'put-message',
    'PUT',
    '/steps/{rev}/commitmsg',
    'the commit message, plain text',
    { bytes: 256 },
    [404],
  ),
  row(
    'commands',
    'POST',
    '/commands',
    '`{"op":"LOCAL_RUN","payload":"locals/a"}`; 200 means that it waits in the slot',
    small,
    [204, 400, 404, 409, 503],
  ),
  row('user-meta', 'GET', '/user-meta', 'what the owner tells the device'),
  row('put-user-meta', 'PUT', '/user-meta/{key}', 'sets a key until the hub says otherwise', small, [400]),
  row(
    'delete-user-meta',
    'DELETE',
    '/user-meta/{key}',
    'removes a key until the hub says otherwise',
    'none',
    [404],
  ),
  row('device-meta', 'GET', '/device-meta', 'what the device says of itself'),
  row(
    'put-device-meta',
    'PUT',
    '/device-meta/{key}',
    'sets a key; those of the agent itself win',
    small,
    [400],
  ),
  row('delete-device-meta', 'DELETE', '/device-meta/{key}', 'removes a key that was set here', 'none', [404]),
  row('buildinfo', 'GET', '/buildinfo', 'what this agent is, as text'),
  row('config', 'GET', '/config', 'settings as one object; secrets are withheld'),
  row('config2', 'GET', '/config2', 'settings as a list with their origin; secrets are withheld'),
  row('drivers', 'GET', '/drivers', 'kernel drivers of the caller: this agent manages none'),
  row('load-drivers', 'PUT', '/drivers/load', 'refused: this agent manages no kernel drivers', 'none', [400]),
  row(
    'unload-drivers',
    'PUT',
    '/drivers/unload',
    'refused: this agent manages no kernel drivers',
    'none',
    [400],
  ),
  row(
    'load-driver',
    'PUT',
    '/drivers/{name}/load',
    'refused: this agent manages no kernel drivers',
    'none',
    [404],
  ),
  row(
    'unload-driver',
    'PUT',
    '/drivers/{name}/unload',
    'refused: this agent manages no kernel drivers',
    'none',
    [404],
  ),
  row('daemons', 'GET', '/daemons', 'daemons of the runtime: this agent has none'),
  row('daemon', 'PUT', '/daemons/{name}', 'refused: this agent has no daemons', action, [404]),
  row('xconnect-graph', 'GET', '/xconnect-graph', 'links between containers: this agent makes none'),
  row('storage-gc', 'POST', '/storage/gc', 'removes what nothing needs; answers when done', small, [503]),
  row('wakelocks', 'GET', '/wakelocks', 'this agent holds none'),
  { ...row('logs', 'GET', '/logs', 'names of those whose output is kept'), own: true },
  {
    ...row(
      'log',
      'GET',
      '/logs/{name}',
      'the kept output of a container, or of the `agent` itself, as text',
      'none',
      [404],
    ),
    own: true,
  },
] as const satisfies readonly Route[]

export type RouteName = (typeof routes)[number]['name']

function row<const N extends string>(
  name: N,
  method: Method,
  path: string,
  about: string,
  body: BodyRule = 'none',
  refuses: readonly number[] = [],
): Route & { readonly name: N } {
  return { name, method, path, needs: 'mgmt', body, about, refuses }
}

/** The row a request names with the values of its path; or whether at least the path is known. */
export type Routed =
  | { readonly kind: 'route'; readonly route: (typeof routes)[number]; readonly values: readonly string[] }
  | { readonly kind: 'wrong-method' }
  | { readonly kind: 'unknown' }

/** Finds the row of a request. `path` comes as it was sent, without its query. */
export function findRoute(method: string, path: string): Routed {
  let known = false
  for (const route of routes) {
    const values = patternOf(route.path).exec(path)?.slice(1)
    if (!values) continue
    known = true
    if (route.method === method) return { kind: 'route', route, values }
  }
  return known ? { kind: 'wrong-method' } : { kind: 'unknown' }
}

const patterns = new Map<string, RegExp>()

function patternOf(path: string): RegExp {
  const found = patterns.get(path)
  if (found) return found
  const source = path.replace('{rev}', '(locals/[^/]+|[^/]+)').replace(/\{\w+\}/, '([^/]+)')
  const made = new RegExp(`^${source}$`)
  patterns.set(path, made)
  return made
}
