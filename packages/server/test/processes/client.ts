/** A caller of the doors: what devices, operators and pvr send, in as few words as tests like. */
import { createHash } from 'node:crypto'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Json
}

export interface Asked {
  readonly token?: string | undefined
  /** A Buffer is sent as it is, anything else as JSON. */
  readonly body?: unknown
}

export const userAgent = 'Pantavisor/2 (Linux; aarch64) PV/029 Date/20260101'

export const factory: Json = {
  '#spec': 'pantavisor-service-system@1',
  'bsp/run.json': { initrd: 'pantavisor' },
}

/** All words a step can have, as the list of steps is asked for. */
export const anyStatus = encodeURIComponent('{"$nin":["-"]}')

export class Unexpected extends Error {
  override readonly name = 'Unexpected'
}

export type Client = ReturnType<typeof createClient>

export function createClient(url: string) {
  async function call(method: string, path: string, { token, body }: Asked = {}): Promise<Answer> {
    const raw = Buffer.isBuffer(body)
    const answer = await fetch(path.startsWith('http') ? path : url + path, {
      method,
      redirect: 'manual',
      headers: {
        'user-agent': userAgent,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: raw ? new Uint8Array(body) : JSON.stringify(body) }),
    })
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      get json() {
        return JSON.parse(text) as Json
      },
    }
  }

  /** The JSON of a 200; everything else is thrown. */
  async function must(method: string, path: string, asked?: Asked): Promise<Json> {
    const answer = await call(method, path, asked)
    if (answer.status !== 200) throw new Unexpected(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.text === '' ? null : answer.json
  }

  async function login(username = 'admin', password = 'correct horse battery'): Promise<string> {
    return textOf(await must('POST', '/auth/login', { body: { username, password, scope: '' } }), 'token')
  }

  return {
    url,
    call,
    must,
    login,

    /** A new device that nobody owns. */
    async register() {
      const made = await must('POST', '/devices/')
      return {
        id: textOf(made, 'id'),
        prn: textOf(made, 'prn'),
        secret: textOf(made, 'secret'),
        challenge: textOf(made, 'challenge'),
      }
    },

    async claim(token: string, device: { id: string; challenge: string }): Promise<void> {
      await must('PUT', `/devices/${device.id}?challenge=${device.challenge}`, { token })
    },

    /** Registers and uploads bytes; answers when both are acknowledged. */
    async upload(token: string, bytes: Buffer, name = 'file'): Promise<string> {
      const sha = sha256(bytes)
      const body = { objectname: name, size: String(bytes.length), sha256sum: sha }
      const made = await call('POST', '/objects/', { token, body })
      if (made.status === 409) return sha
      if (made.status !== 200) throw new Unexpected(`POST /objects/: ${made.status} ${made.text}`)
      await must('PUT', textOf(made.json, 'signed-puturl'), { body: bytes })
      return sha
    },

    /** The sha256 of what is downloaded under that name. */
    async downloadedSha(token: string, sha: string): Promise<string> {
      // The signed URL names the listener that signed it, which is this one.
      const answer = await fetch(textOf(await must('GET', `/objects/${sha}`, { token }), 'signed-geturl'))
      if (answer.status !== 200) throw new Unexpected(`GET ${sha}: ${answer.status}`)
      return sha256(Buffer.from(await answer.arrayBuffer()))
    },
  }
}

/** A text somewhere in a JSON value; thrown when it is not there. */
export function textOf(json: Json, ...path: (string | number)[]): string {
  const found = at(json, ...path)
  if (typeof found !== 'string')
    throw new Unexpected(`no text at ${path.join('.')} of ${JSON.stringify(json)}`)
  return found
}

export function at(json: Json, ...path: (string | number)[]): Json | undefined {
  let held: Json | undefined = json
  for (const key of path) {
    if (typeof held !== 'object' || held === null) return undefined
    held = (held as { [key: string]: Json })[key]
  }
  return held
}

export function listOf(json: Json): Json[] {
  if (!Array.isArray(json)) throw new Unexpected(`no list: ${JSON.stringify(json).slice(0, 200)}`)
  return json
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
