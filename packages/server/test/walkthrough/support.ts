/** A house with both ages of Pantahub open, and a client that speaks as the walkthrough prints it. */
import { type ClientRequest, request } from 'node:http'
import { onTestFinished } from 'vitest'
import { fleetDoor } from '../../src/doors/fleet/door.ts'
import { walkthroughDoor } from '../../src/doors/pantahub/walkthrough/door.ts'
import {
  at,
  type Door,
  type Json,
  type JsonObject,
  type OwnDevice,
  openDoor,
  type Person,
  sha256,
} from '../pantahub/support.ts'

export { at, type Json, type JsonObject, sha256 } from '../pantahub/support.ts'

export interface Said {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The body as JSON. */
  readonly json: Json
  /** Cookies that were set: name to value. */
  readonly cookies: Readonly<Record<string, string>>
  /** Those lines as they came. */
  readonly setCookie: readonly string[]
}

export interface Ask {
  readonly token?: string | undefined
  /** Sent as JSON, also with a GET; a string is sent as it is. */
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

export async function openWalk(
  options: Parameters<typeof openDoor>[0] = {},
  atEnd: (close: () => Promise<void>) => void = onTestFinished,
) {
  const door = await openDoor(options, atEnd, [walkthroughDoor, fleetDoor])
  return walkOf(door)
}

export type Walk = Awaited<ReturnType<typeof openWalk>>

function walkOf(door: Door) {
  const { hostname, port } = new URL(door.url)

  /** One request; nothing is followed. `fetch` cannot send a body with a GET, so this is node's own client. */
  function ask(method: string, path: string, { token, body, headers }: Ask = {}): Promise<Said> {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const asking: ClientRequest = request(
        {
          hostname,
          port,
          // As it is: `..` and doubled slashes are for the server to judge.
          path: path.startsWith(door.url) ? path.slice(door.url.length) : path,
          method,
          headers: {
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(text === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
            ...headers,
          },
        },
        (answer) => {
          const pieces: Buffer[] = []
          answer.on('data', (piece: Buffer) => pieces.push(piece))
          answer.on('error', reject)
          answer.on('end', () => {
            const said = Buffer.concat(pieces).toString('utf8')
            const setCookie = answer.headers['set-cookie'] ?? []
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              text: said,
              get json() {
                return JSON.parse(said) as Json
              },
              setCookie,
              cookies: Object.fromEntries(
                setCookie.map((line) => /^([^=]+)=([^;]*)/.exec(line)?.slice(1) ?? []),
              ),
            })
          })
        },
      )
      asking.on('error', reject)
      asking.end(text)
    })
  }

  /** A request that must be answered 200. */
  async function must(method: string, path: string, asked: Ask = {}): Promise<Said> {
    const said = await ask(method, path, asked)
    if (said.status !== 200) throw new Error(`${method} ${path}: ${said.status} ${said.text}`)
    return said
  }

  /** Logs in as printed: GET with identity and secret in its JSON body. */
  const logIn = (identity: string, secret: string, prefix = '/api/v1') =>
    ask('GET', `${prefix}/login`, { body: { identity, secret } })

  /** A device whose trail has `count` steps behind the factory state, all NEW. */
  async function deviceWithSteps(owner: Person, count: number): Promise<OwnDevice> {
    const device = await door.deviceWithTrail(owner)
    for (let i = 0; i < count; i += 1) await door.post(owner, device)
    return device
  }

  /** The revisions of a list of steps. */
  const revs = (said: Said): Json[] => (said.json as Json[]).map((step) => at(step, 'rev') ?? null)

  const stepsOf = (device: { id: string }, rest = '') => `/v1/trails/${device.id}/steps${rest}`

  /** A report, as printed: PUT on the step itself. */
  const report = (device: OwnDevice, rev: number, body: JsonObject) =>
    ask('PUT', stepsOf(device, `/${rev}`), { token: device.token, body })

  /** What an owner wishes of a step. */
  const wish = (owner: Person, device: OwnDevice, rev: number, body: JsonObject) =>
    ask('PUT', stepsOf(device, `/${rev}`), { token: owner.token, body })

  /** Uploads bytes under a name and answers the prn they are known by. */
  async function object(token: string, name: string, text = `the bytes of ${name}`) {
    const sha = await door.upload(token, Buffer.from(text), name)
    return { sha, prn: `prn:::objects:/${name}`, shown: `prn:::objects:/${sha}` }
  }

  return { ...door, ask, must, logIn, deviceWithSteps, revs, stepsOf, report, wish, object, sha256 }
}
