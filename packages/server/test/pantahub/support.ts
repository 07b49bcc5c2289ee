/**
 * A house with the Pantahub door open, and people and devices to walk up to it: over real HTTP, as pvr and Pantavisor do.
 */
import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'
import { pantahubDoor } from '../../src/doors/pantahub/door.ts'
import { openTestHouse, type TestHouse } from '../house.ts'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON. */
  readonly json: Json
}

export interface Call {
  readonly token?: string | undefined
  /** Sent as JSON; a Buffer or a string is sent as it is. */
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

export const agent = 'Pantavisor/2 (Linux; aarch64) PV/029 Date/20260101'

/** A door that is closed when the test ends; with `afterAll`, when its file does. */
export async function openDoor(
  options: Parameters<typeof openTestHouse>[1] = {},
  atEnd: (close: () => Promise<void>) => void = onTestFinished,
  more: Parameters<typeof openTestHouse>[0] = [],
  before: Parameters<typeof openTestHouse>[0] = [],
): Promise<Door> {
  const test = await openTestHouse([...before, pantahubDoor, ...more], {
    ...options,
    flags: ['--http', '0', '--registration-rate', '100000', ...(options?.flags ?? [])],
  })
  atEnd(() => test.close())
  return doorOf(test)
}

export type Door = ReturnType<typeof doorOf>

function doorOf(test: TestHouse) {
  const { url } = test

  async function call(method: string, path: string, { token, body, headers }: Call = {}): Promise<Answer> {
    const raw = Buffer.isBuffer(body) || typeof body === 'string'
    const answer = await fetch(path.startsWith('http') ? path : url + path, {
      method,
      redirect: 'manual',
      headers: {
        'user-agent': agent,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined || method === 'GET'
        ? {}
        : { body: raw ? (body as string) : JSON.stringify(body) }),
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

  async function must(method: string, path: string, asked: Call = {}): Promise<Answer> {
    const answer = await call(method, path, asked)
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer
  }

  async function login(username: string, password: string, scope = ''): Promise<string> {
    const answer = await must('POST', '/auth/login', { body: { username, password, scope } })
    return String(at(answer.json, 'token'))
  }

  /** A person with an account of their own. */
  async function person(nick = `user-${randomBytes(4).toString('hex')}`): Promise<Person> {
    const password = `secret of ${nick}`
    const made = await must('POST', '/auth/accounts', {
      body: { nick, password, email: `${nick}@example.com` },
    })
    return { nick, password, prn: String(at(made.json, 'prn')), token: await login(nick, password) }
  }

  /** A device that nobody has claimed yet. */
  async function newDevice(): Promise<NewDevice> {
    const { json } = await must('POST', '/devices/')
    const [id, prn, secret] = ['id', 'prn', 'secret'].map((key) => String(at(json, key))) as [
      string,
      string,
      string,
    ]
    return { id, prn, secret, nick: String(at(json, 'nick')), challenge: String(at(json, 'challenge')) }
  }

  /** A device that the person owns, logged in after the claim. */
  async function deviceOf(owner: Person): Promise<OwnDevice> {
    const device = await newDevice()
    const claimed = await must('PUT', `/devices/${device.id}?challenge=${device.challenge}`, {
      token: owner.token,
    })
    const nick = String(at(claimed.json, 'nick'))
    return { ...device, nick, token: await login(device.prn, device.secret) }
  }

  /** Uploads bytes for a caller; answers their sha256. */
  async function upload(token: string, bytes: Buffer, name = 'file'): Promise<string> {
    const sha = sha256(bytes)
    const made = await call('POST', '/objects/', {
      token,
      body: { objectname: name, size: String(bytes.length), sha256sum: sha },
    })
    if (made.status === 409) return sha
    await must('PUT', String(at(made.json, 'signed-puturl')), { body: bytes })
    return sha
  }

  /** A device with a trail: its factory state is announced. */
  async function deviceWithTrail(owner: Person, state: JsonObject = factory): Promise<OwnDevice> {
    const device = await deviceOf(owner)
    await must('POST', '/trails/', { token: device.token, body: state })
    return device
  }

  /** Posts a step as its owner and answers its revision. */
  async function post(owner: Person, device: OwnDevice, state: JsonObject = factory): Promise<number> {
    const { json } = await must('POST', `/trails/${device.id}/steps`, {
      token: owner.token,
      body: { rev: -1, 'commit-msg': 'next', state },
    })
    return Number(at(json, 'rev'))
  }

  async function progress(device: OwnDevice, rev: number, status: string, percent = 0): Promise<Answer> {
    return call('PUT', `/trails/${device.id}/steps/${rev}/progress`, {
      token: device.token,
      body: { status, progress: percent, 'status-msg': `is ${status}` },
    })
  }

  return {
    ...test,
    call,
    must,
    enter: login,
    person,
    newDevice,
    deviceOf,
    deviceWithTrail,
    upload,
    post,
    progress,
    /** Sends bytes over a socket of its own and answers everything that comes until the other side closes. */
    raw: (text: string) => rawExchange(Number(new URL(url).port), text),
  }
}

export interface Person {
  readonly nick: string
  readonly password: string
  readonly prn: string
  readonly token: string
}

export interface NewDevice {
  readonly id: string
  readonly prn: string
  readonly secret: string
  readonly nick: string
  readonly challenge: string
}

export interface OwnDevice extends NewDevice {
  readonly token: string
}

export const factory: JsonObject = {
  '#spec': 'pantavisor-service-system@1',
  'bsp/run.json': { initrd: 'pantavisor' },
}

/** A member of a JSON object; undefined when there is none, or no object. */
export function at(json: Json | undefined, ...path: (string | number)[]): Json | undefined {
  let held: Json | undefined = json
  for (const key of path) {
    if (typeof held !== 'object' || held === null) return undefined
    held = (held as { [key: string]: Json })[key]
  }
  return held
}

export function listOf(answer: Answer): Json[] {
  if (!Array.isArray(answer.json)) throw new Error(`wanted an array, got ${answer.text}`)
  return answer.json
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function rawExchange(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.setEncoding('latin1')
  let got = ''
  socket.on('data', (piece: string) => {
    got += piece
  })
  socket.write(text)
  return new Promise((resolve) => {
    socket.on('error', () => {})
    socket.on('close', () => resolve(got))
  })
}
