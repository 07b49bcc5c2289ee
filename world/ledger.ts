/**
 * What actors rely on, and what they must never see.
 *
 * Every reply that says a write was accepted becomes a claim on the journal: this entry is there, so many times. And
 * every id and secret of a tenant becomes a word that no reply to the other tenant may hold, unless the request
 * itself did.
 */
import { createHash } from 'node:crypto'
import type { JournalRow } from '@waymark/domain'
import { stateSha } from '@waymark/pantahub'
import type { Answered, Asked } from './network.ts'

/** A claim: an entry of the journal, in one line. */
export function claimOf(row: Pick<JournalRow, 'kind' | 'device' | 'data'>): readonly string[] {
  const { kind, device, data } = row
  switch (kind) {
    case 'step.posted':
      return [`${kind} ${device} ${data.rev} ${data.stateSha}`]
    case 'step.reported':
      return [`${kind} ${device} ${data.rev} ${data.status} ${data.percent}`]
    case 'step.changed':
      return [`${kind} ${device} ${data.rev} ${data.stateSha ?? data.status ?? 'meta'}`]
    case 'device.renamed':
      return [`${kind} ${device} ${data.nick}`]
    case 'device.wanted':
    case 'device.arrived':
    case 'device.registered':
    case 'device.labelled':
    case 'device.published':
    case 'device.unpublished':
    case 'device.deleted':
    case 'trail.closed':
      return [`${kind} ${device}`]
    case 'step.abort-asked':
    case 'step.cleared':
      return [`${kind} ${device} ${data.rev}`]
    case 'trail.begun':
      return [`${kind} ${device} ${data.stateSha}`]
    case 'object.registered':
    case 'object.stored':
      return [`${kind} ${data.sha}`]
    default:
      return []
  }
}

interface Rule {
  readonly method: string
  readonly path: RegExp
  /** The claim that an accepted request makes. `at` is what the path's groups matched. */
  claim(at: readonly string[], asked: Asked, answer: () => Record<string, unknown>): string
  /** An accepted repetition need not have written again. */
  readonly once?: true
}

const jsonIn = (body: Buffer): Record<string, unknown> => JSON.parse(body.toString())

/** Which entry stands behind which accepted request. */
const rules: readonly Rule[] = [
  {
    method: 'POST',
    path: /^\/devices\/$/,
    claim: (_, __, answer) => `device.registered ${answer().id}`,
  },
  {
    method: 'PUT',
    path: /^\/devices\/(\w+)\?challenge=/,
    claim: ([id]) => `device.arrived ${id}`,
    once: true,
  },
  {
    method: 'POST',
    path: /^\/fleet\/v1\/devices\/(\w+)\/claim$/,
    claim: ([id]) => `device.arrived ${id}`,
    once: true,
  },
  { method: 'PUT', path: /^\/devices\/(\w+)\/user-meta$/, claim: ([id]) => `device.wanted ${id}` },
  { method: 'PATCH', path: /^\/devices\/(\w+)\/user-meta$/, claim: ([id]) => `device.wanted ${id}` },
  {
    method: 'PATCH',
    path: /^\/fleet\/v1\/devices\/(\w+)$/,
    claim: ([id], asked) => {
      const { nick } = jsonIn(asked.body)
      return nick === undefined ? `device.labelled ${id}` : `device.renamed ${id} ${nick}`
    },
    once: true,
  },
  {
    method: 'POST',
    path: /^\/trails\/$/,
    claim: (_, asked, answer) => `trail.begun ${answer().id} ${stateSha(asked.body.toString())}`,
    once: true,
  },
  {
    method: 'POST',
    path: /^\/trails\/(\w+)\/steps$/,
    claim: ([id], _, answer) => `step.posted ${id} ${answer().rev} ${answer()['state-sha']}`,
  },
  {
    method: 'POST',
    path: /^\/fleet\/v1\/devices\/(\w+)\/steps$/,
    claim: ([id], _, answer) => `step.posted ${id} ${answer().rev} ${answer().stateSha}`,
    once: true,
  },
  {
    method: 'PUT',
    path: /^\/trails\/(\w+)\/steps\/(\d+)\/progress$/,
    claim: ([id, rev], asked) => {
      const { status, progress } = jsonIn(asked.body)
      return `step.reported ${id} ${rev} ${status} ${progress}`
    },
  },
  {
    method: 'PUT',
    path: /^\/trails\/(\w+)\/steps\/(\d+)\/state$/,
    claim: ([id, rev], _, answer) => `step.changed ${id} ${rev} ${stateSha(JSON.stringify(answer()))}`,
  },
  {
    method: 'PUT',
    path: /^\/trails\/(\w+)\/steps\/(\d+)\/cancel$/,
    claim: ([id, rev]) => `step.changed ${id} ${rev} CANCEL`,
  },
  {
    method: 'POST',
    path: /^\/fleet\/v1\/devices\/(\w+)\/steps\/(\d+)\/cancel$/,
    claim: ([id, rev]) => `step.changed ${id} ${rev} CANCEL`,
    once: true,
  },
  {
    method: 'PUT',
    path: /^\/trails\/(\w+)\/steps\/(\d+)\/wontgo$/,
    claim: ([id, rev]) => `step.changed ${id} ${rev} WONTGO`,
  },
  { method: 'PUT', path: /^\/devices\/(\w+)\/public$/, claim: ([id]) => `device.published ${id}` },
  { method: 'DELETE', path: /^\/devices\/(\w+)\/public$/, claim: ([id]) => `device.unpublished ${id}` },
  { method: 'DELETE', path: /^\/devices\/(\w+)$/, claim: ([id]) => `device.deleted ${id}`, once: true },
  {
    method: 'DELETE',
    path: /^\/fleet\/v1\/devices\/(\w+)$/,
    claim: ([id]) => `device.deleted ${id}`,
    once: true,
  },
  { method: 'DELETE', path: /^\/api\/v1\/trails\/(\w+)$/, claim: ([id]) => `trail.closed ${id}` },
  {
    method: 'PUT',
    path: /^\/api\/v1\/trails\/(\w+)\/steps\/(\d+)$/,
    claim: ([id, rev], asked) =>
      `step.${jsonIn(asked.body).abort === true ? 'abort-asked' : 'cleared'} ${id} ${rev}`,
    once: true,
  },
  {
    method: 'POST',
    path: /^\/objects\/$/,
    claim: (_, asked) => `object.registered ${jsonIn(asked.body).sha256sum}`,
    once: true,
  },
  {
    method: 'PUT',
    path: /^\/local-s3\//,
    claim: (_, asked) => `object.stored ${shaOf(asked.body)}`,
    once: true,
  },
  {
    method: 'PUT',
    path: /^\/fleet\/v1\/objects\/(\w+)/,
    claim: ([sha]) => `object.stored ${sha}`,
    once: true,
  },
]

export interface Ledger {
  /** A reply has reached its asker: from now on they rely on it. */
  learnt(asked: Asked, answered: Answered): void
  /** Claims, with how many entries there must be. */
  readonly claims: ReadonlyMap<string, number>
  /** Log lines that devices were told are kept. */
  readonly logLines: ReadonlyMap<string, number>
}

export function createLedger(): Ledger {
  const claims = new Map<string, number>()
  const logLines = new Map<string, number>()
  return {
    claims,
    logLines,
    learnt(asked, answered) {
      if (answered.status < 200 || answered.status > 299) return
      if (asked.method === 'POST' && asked.path === '/logs/') {
        for (const entry of JSON.parse(asked.body.toString()) as { msg: string }[])
          logLines.set(entry.msg, (logLines.get(entry.msg) ?? 0) + 1)
        return
      }
      for (const rule of rules) {
        const found = rule.method === asked.method && rule.path.exec(asked.path)
        if (!found) continue
        const claim = rule.claim(found.slice(1), asked, () => jsonIn(answered.body))
        claims.set(claim, rule.once ? 1 : (claims.get(claim) ?? 0) + 1)
        return
      }
    },
  }
}

/** Words that belong to a tenant. */
export interface Secrets {
  /** What is `hidden` nobody else ever reads; the rest is told to everybody who reads something public. */
  add(tenant: string, word: string, how?: 'hidden'): void
  /** A word of another tenant in a reply, if there is one; `open`: what was asked for is public. */
  leak(tenant: string, asked: Asked, answered: Answered, open?: boolean): string | undefined
}

export function createSecrets(): Secrets {
  const words = new Map<string, { owner: string; hidden: boolean }>()
  return {
    add(tenant, word, how) {
      if (word.length >= 8) words.set(word, { owner: tenant, hidden: how === 'hidden' })
    },
    leak(tenant, asked, answered, open = false) {
      const said = answered.body.toString('latin1') + JSON.stringify(answered.headers)
      for (const [word, { owner, hidden }] of words)
        if (
          owner !== tenant &&
          (hidden || !open) &&
          said.includes(word) &&
          !asked.path.includes(word) &&
          !asked.body.includes(word)
        )
          return word
      return undefined
    },
  }
}

export function shaOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
