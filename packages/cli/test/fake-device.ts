import type { TestServer } from './fleet-support.ts'

/** A device as the Pantahub door sees it: plain requests, nothing else. */
export interface FakeDevice {
  readonly id: string
  readonly challenge: string
  /** Announces a factory state. */
  announce(state: object): Promise<void>
  report(rev: number, status: string, rest?: object): Promise<void>
  log(...messages: string[]): Promise<void>
}

export async function fakeDevice(server: TestServer): Promise<FakeDevice> {
  const made = (await ask(server, 'POST', '/devices/', { secret: 'device secret' })) as {
    id: string
    prn: string
    challenge: string
  }
  let token: string | undefined
  async function tell(method: string, path: string, body: unknown): Promise<unknown> {
    token ??= (
      (await ask(server, 'POST', '/auth/login', { username: made.prn, password: 'device secret' })) as {
        token: string
      }
    ).token
    return ask(server, method, path, body, token)
  }
  return {
    id: made.id,
    challenge: made.challenge,
    announce: async (state) => void (await tell('POST', '/trails/', state)),
    report: async (rev, status, rest = {}) =>
      void (await tell('PUT', `/trails/${made.id}/steps/${rev}/progress`, {
        status,
        'status-msg': '',
        progress: 0,
        ...rest,
      })),
    log: async (...messages) =>
      void (await tell(
        'POST',
        '/logs/',
        messages.map((msg) => ({
          src: 'pantavisor',
          lvl: 'INFO',
          plat: 'linux',
          rev: '0',
          tsec: 1,
          tnano: 0,
          msg,
        })),
      )),
  }
}

async function ask(
  server: TestServer,
  method: string,
  path: string,
  body: unknown,
  token?: string,
): Promise<unknown> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return response.json()
}
