/** Rules of what a plugin answers on the server's own HTTP listener. */
import { randomBytes } from 'node:crypto'
import { isRecord } from '../messages.ts'
import type { HttpRequest } from '../plugin.ts'
import { Broken, type Ground } from './ground.ts'

const bodyMost = 1024 * 1024

const plain: HttpRequest = {
  ...{ method: 'GET', path: '/', query: '', headers: {}, body: new Uint8Array(0) },
  ...{ address: '127.0.0.1', secure: false },
}

/** What nobody foresaw: it is answered or refused, and ends nothing. */
const strange: readonly Partial<HttpRequest>[] = [
  { path: '/%' },
  { path: '/%00/../../etc' },
  { path: `/${'a'.repeat(8000)}` },
  { query: '%&=;&&=%ff' },
  { method: 'PROPFIND' },
  { headers: { authorization: 'Basic !' } },
  { headers: { authorization: `Basic ${'A'.repeat(8000)}` } },
  { headers: { 'content-type': 'application/json' }, method: 'POST', body: Buffer.from('{"half":') },
  { headers: { 'content-type': 'application/json' }, method: 'POST', body: Buffer.from('null') },
  { method: 'POST', body: new Uint8Array(randomBytes(bodyMost)) },
]

/** The trial's requests have the answers it names, and strange ones end nothing. */
export async function judgeHttp({ samples, plugin, patienceMs }: Ground): Promise<void> {
  for (const { status, body = '', ...asked } of samples.http) {
    const name = `${asked.method} ${asked.path}`
    const request = { ...plain, ...asked, body: Buffer.from(body) }
    const got = await plugin
      .do('http', request, patienceMs)
      .catch((error: unknown) => (error instanceof Error ? error.message : 'a rejection'))
    const said = isRecord(got) ? got.status : undefined
    if (said !== status)
      throw new Broken(`${name} answered ${status}`, typeof got === 'string' ? got : `${said ?? 'no status'}`)
  }
  for (const each of strange)
    for (const path of new Set(['/', ...samples.http.map((asked) => asked.path)]))
      await plugin.do('http', { ...plain, path, ...each }, patienceMs).catch(() => {})
}
