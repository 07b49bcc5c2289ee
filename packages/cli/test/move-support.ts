/** A source with something in it: devices, trails and objects, put there as their owner and the devices would. */
import { createHash } from 'node:crypto'
import { password, type TestServer } from './fleet-support.ts'

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

export interface Furnished {
  readonly id: string
  readonly secret: string
}

/** Asks the Pantahub door; answers the JSON, or throws with the status. */
export async function ask(
  server: Pick<TestServer, 'url'>,
  method: string,
  path: string,
  options: { token?: string; body?: unknown } = {},
): Promise<unknown> {
  const answer = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

/** A token of the Pantahub door. */
export async function tokenAt(
  server: Pick<TestServer, 'url'>,
  username = 'admin',
  secret = password,
): Promise<string> {
  return (
    (await ask(server, 'POST', '/auth/login', { body: { username, password: secret } })) as { token: string }
  ).token
}

/** Stores bytes as the owner, as pvr does. */
export async function store(server: TestServer, token: string, name: string, bytes: Buffer): Promise<string> {
  const sha = sha256(bytes)
  const made = (await ask(server, 'POST', '/objects/', {
    token,
    body: { objectname: name, size: String(bytes.length), sha256sum: sha },
  })) as { 'signed-puturl': string }
  const put = await fetch(made['signed-puturl'], { method: 'PUT', body: Uint8Array.from(bytes) })
  if (!put.ok) throw new Error(`PUT: ${put.status}`)
  return sha
}

/** A device of the admin's with a trail: each word is the status of a step, from rev 0 on. */
export async function furnish(
  server: TestServer,
  nick: string,
  words: readonly string[],
  objects: readonly string[] = [],
): Promise<Furnished> {
  const owner = await tokenAt(server)
  const secret = `secret-of-${nick}`
  const made = (await ask(server, 'POST', '/devices/', {
    token: owner,
    body: { nick, secret, 'user-meta': { 'pvr-sdk.authorized_keys': 'ssh', n: 1 } },
  })) as { id: string; prn: string }
  const { id } = made
  const device = await tokenAt(server, made.prn, secret)
  await ask(server, 'PUT', `/devices/${id}/device-meta`, {
    token: device,
    body: { 'pantavisor.mode': 'remote' },
  })
  const state = (rev: number) => ({
    '#spec': 'pantavisor-service-system@1',
    'app/run.json': { '#spec': 'service-manifest-run@1', rev, weight: 1.5 },
    ...Object.fromEntries(objects.map((sha, i) => [`app/part${i}.bin`, sha])),
  })
  for (const [rev, status] of words.entries()) {
    if (rev === 0) await ask(server, 'POST', '/trails/', { token: device, body: state(0) })
    else
      await ask(server, 'POST', `/trails/${id}/steps`, {
        token: owner,
        body: { rev: -1, 'commit-msg': `step ${rev}`, state: state(rev), meta: { rev } },
      })
    if (status === 'CANCEL') await ask(server, 'PUT', `/trails/${id}/steps/${rev}/cancel`, { token: owner })
    else if (rev > 0 && status !== 'NEW')
      await ask(server, 'PUT', `/trails/${id}/steps/${rev}/progress`, {
        token: device,
        body: { status, progress: 60, 'status-msg': `said ${status}`, data: { retries: 2 } },
      })
  }
  return { id, secret }
}

/** What the Pantahub door tells of a device and its trail, without what belongs to the server. */
export async function told(server: TestServer, id: string): Promise<{ device: unknown; steps: unknown[] }> {
  const token = await tokenAt(server)
  const rows = (await ask(server, 'GET', '/devices/', { token })) as Record<string, unknown>[]
  const {
    owner: _,
    'owner-nick': __,
    'time-modified': ___,
    ...device
  } = rows.find((row) => row.id === id) ?? {}
  const all = `progress.status=${encodeURIComponent('{"$ne":"-"}')}`
  const steps = (await ask(server, 'GET', `/trails/${id}/steps?${all}`, { token }).catch(() => [])) as Record<
    string,
    unknown
  >[]
  return {
    device,
    steps: steps.map(({ owner: _o, used_objects: _u, 'time-modified': _m, 'trail-id': _t, ...step }) => step),
  }
}
