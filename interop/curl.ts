/** curl as a client: each call is a process, each answer is taken apart here. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonValue } from '@waymark/pantahub'
import type { Server } from './server.ts'

export interface Answer {
  readonly status: number
  /** As the status line says: HTTP/1.0 or HTTP/1.1. */
  readonly version: string
  /** Names in small letters. */
  readonly headers: ReadonlyMap<string, string>
  /** The body; a transfer coding is undone. */
  readonly bytes: Buffer
  readonly text: string
  readonly json: JsonValue
}

export interface Ask {
  readonly token?: string | undefined
  /** Sent as JSON text. */
  readonly json?: string
  /** Sent as it is. */
  readonly bytes?: Buffer
  readonly headers?: readonly string[]
  /** Further arguments of curl. */
  readonly args?: readonly string[]
  readonly agent?: string
}

export type Curl = (method: string, url: string, ask?: Ask) => Promise<Answer>

/** A curl that speaks to this server, with a User-Agent of its own. */
export function createCurl(server: Server, agent: string): Curl {
  let files = 0
  return (method, url, ask = {}) => {
    const args = ['-sS', '-i', '--max-time', '30', '-X', method, '-A', ask.agent ?? agent]
    if (server.ca !== undefined) args.push('--cacert', server.ca)
    if (ask.token !== undefined) args.push('-H', `Authorization: Bearer ${ask.token}`)
    if (ask.json !== undefined) args.push('-H', 'Content-Type: application/json')
    const body = ask.bytes ?? (ask.json === undefined ? undefined : Buffer.from(ask.json))
    if (body !== undefined) {
      const file = join(server.folder, `body-${agent.length}-${++files}`)
      writeFileSync(file, body)
      // Go sends no Expect; curl would, and the answer would wait for it.
      args.push('--data-binary', `@${file}`, '-H', 'Expect:')
      if (ask.json === undefined) args.push('-H', 'Content-Type:')
    }
    for (const header of ask.headers ?? []) args.push('-H', header)
    args.push(...(ask.args ?? []), url.startsWith('/') ? server.url + url : url)
    return new Promise((resolve, reject) => {
      execFile('curl', args, { encoding: 'buffer', maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) => {
        if (error) reject(new Error(`curl ${method} ${url}: ${stderr.toString().trim() || error.message}`))
        else resolve(answerOf(stdout))
      })
    })
  }
}

function answerOf(raw: Buffer): Answer {
  const end = raw.indexOf('\r\n\r\n')
  const [line = '', ...lines] = raw.subarray(0, end).toString('latin1').split('\r\n')
  const [, version = '', status = ''] = /^(HTTP\/\S+) (\d+)/.exec(line) ?? []
  const bytes = raw.subarray(end + 4)
  if (status === '100') return answerOf(bytes)
  return {
    status: Number(status),
    version,
    headers: new Map(
      lines.map((header) => {
        const colon = header.indexOf(':')
        return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()]
      }),
    ),
    bytes,
    get text() {
      return bytes.toString('utf8')
    },
    get json() {
      return JSON.parse(bytes.toString('utf8')) as JsonValue
    },
  }
}

/** The answer, if it is a 200. */
export async function okay(asked: Promise<Answer>): Promise<Answer> {
  const answer = await asked
  if (answer.status !== 200) throw new Error(`wanted 200, got ${answer.status} ${answer.text.slice(0, 300)}`)
  return answer
}

/** A member somewhere in a JSON value. */
export function at(json: JsonValue | undefined, ...path: (string | number)[]): JsonValue | undefined {
  let held = json
  for (const key of path) {
    if (typeof held !== 'object' || held === null) return undefined
    held = (held as { readonly [key: string]: JsonValue })[key]
  }
  return held
}

/** A text somewhere in a JSON value; it has to be there. */
export function textAt(json: JsonValue, ...path: (string | number)[]): string {
  const found = at(json, ...path)
  if (typeof found !== 'string')
    throw new Error(`wanted a text at ${path.join('.')}, got ${JSON.stringify(json)}`)
  return found
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
