/**
 * One message to one address: an HTTP POST that can take only so long and bring back only so much. Redirects are not
 * followed. The connection goes to an address that was judged as it was resolved, so that a name can not change its mind
 * in between.
 */
import { createHmac } from 'node:crypto'
import { type LookupAddress, lookup } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { ok, type Result, refuse } from '@waymark/domain'
import { Agent as HttpAgent, request as httpRequest } from '../node-http.ts'
import { isInternal, type ParsedTarget } from './target.ts'

export interface PostNeeds {
  readonly allowPrivate: boolean
  /** Milliseconds for the whole exchange. */
  readonly timeoutMs: number
  readonly now: () => number
}

export interface Posted {
  readonly status: number
  readonly body: string
}

export interface PostRefusal {
  readonly kind: 'not-posted'
  /** For people; names no credentials. */
  readonly reason: string
  /** Trying again makes no sense. */
  readonly forGood: boolean
}

/** Largest answer that is read. */
const answerBytesMax = 1024 * 1024

/** The header by which a receiver can tell that a message is ours: `t=SECONDS,v1=HEX` over `SECONDS.BODY`. */
export const signatureHeader = 'Waymark-Signature'

export type Post = ReturnType<typeof createPost>

/** A sender that keeps connections to the addresses it sends to. */
export function createPost(needs: PostNeeds) {
  const options = { keepAlive: true, maxSockets: 32, maxTotalSockets: 256, timeout: needs.timeoutMs }
  const http = new HttpAgent(options)
  const https = new HttpsAgent(options)

  const judgedLookup: LookupFunction = (hostname, asked, done) => {
    lookup(hostname, { ...asked, all: true }, (error, found: LookupAddress[]) => {
      if (error) return done(error, '', 0)
      const allowed = needs.allowPrivate ? found : found.filter(({ address }) => !isInternal(address))
      const [first] = allowed
      if (!first) return done(new InternalAddress(hostname), '', 0)
      return asked.all ? done(null, allowed) : done(null, first.address, first.family)
    })
  }

  async function post(
    { url, credentials }: ParsedTarget,
    body: string,
    key: string,
  ): Promise<Result<Posted, PostRefusal>> {
    const literal = url.hostname.replace(/^\[|\]$/g, '')
    if (!needs.allowPrivate && isIP(literal) !== 0 && isInternal(literal))
      return refuse({ kind: 'not-posted', reason: new InternalAddress(literal).message, forGood: true })
    const seconds = Math.floor(needs.now() / 1000)
    const signature = createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex')
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((resolve) => {
      const asked = send(url, {
        method: 'POST',
        agent: url.protocol === 'https:' ? https : http,
        lookup: judgedLookup,
        signal: AbortSignal.timeout(needs.timeoutMs),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'waymark',
          [signatureHeader]: `t=${seconds},v1=${signature}`,
          ...(credentials === undefined
            ? {}
            : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
        },
      })
      asked.on('error', (error) => resolve(refuse(failure(error))))
      asked.on('response', (answer) => {
        read(answer).then(
          (text) => resolve(ok({ status: answer.statusCode ?? 0, body: text })),
          (error: unknown) => resolve(refuse(failure(error))),
        )
      })
      asked.end(body)
    })
  }

  return {
    post,
    close(): void {
      http.destroy()
      https.destroy()
    },
  }
}

class InternalAddress extends Error {
  constructor(host: string) {
    super(`${host} leads to this machine or a private network, which is not allowed as a target`)
  }
}

function failure(error: unknown): PostRefusal {
  if (error instanceof InternalAddress) return { kind: 'not-posted', reason: error.message, forGood: true }
  const name = error instanceof Error ? error.name : ''
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  const reason =
    name === 'TimeoutError' || name === 'AbortError' ? 'no answer in time' : (code ?? 'connection failed')
  return { kind: 'not-posted', reason, forGood: false }
}

async function read(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > answerBytesMax) {
      answer.destroy()
      throw new Error('the answer is too long')
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
