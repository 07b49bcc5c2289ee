/**
 * Connections to PostgreSQL: how they are configured, how rows come back (as arrays of kept values), statements
 * prepared once under a name of their own, and the server's error codes in the store's words.
 */
import type pg from 'pg'
import { messageOf, StoreError } from './errors.ts'
import type { Kept, Row } from './table.ts'

const int8 = 20
const bool = 16

/** Values as a table keeps them: numbers for integers, 0 and 1 for booleans, texts for the rest. */
const types = {
  getTypeParser: (oid: number) => {
    if (oid === int8) return Number
    if (oid === bool) return (text: string) => (text === 't' ? 1 : 0)
    return (text: string) => text
  },
}

/** The driver, read from disk by those who use it: most installations have no PostgreSQL. */
export async function driver(): Promise<typeof pg> {
  return (await import('pg')).default
}

export const statementTimeoutMs = 30_000

export function clientConfig(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: 'waymark',
    connectionTimeoutMillis: 10_000,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: 2 * statementTimeoutMs,
    keepAlive: true,
  }
}

/** A statement that is prepared once on each connection. Made once and kept: the name is what the server knows it by. */
export interface Statement {
  readonly name: string
  readonly text: string
}

let statements = 0

export function statement(text: string): Statement {
  return { name: `w${++statements}`, text }
}

export interface Queryable {
  query(config: pg.QueryArrayConfig): Promise<pg.QueryArrayResult>
}

/** Runs a prepared statement; rows come as arrays. */
export async function run(
  on: Queryable,
  prepared: Statement,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const config = {
    name: prepared.name,
    text: prepared.text,
    values: [...values],
    rowMode: 'array' as const,
    types,
  }
  const result = await on.query(config)
  return result.rows as Kept[][]
}

/** What to do about an error: `again` from the start, look for another connection, or tell the caller. */
export type Remedy = 'again' | 'reconnect' | 'unique' | 'tell'

export function remedyFor(error: unknown): Remedy {
  const code = codeOf(error)
  if (code === '40001' || code === '40P01') return 'again'
  if (code === '23505') return 'unique'
  return isLost(error) ? 'reconnect' : 'tell'
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

const lostCodes = new Set([
  '57P01',
  '57P02',
  '57P03',
  '25P03',
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
])

function isLost(error: unknown): boolean {
  const code = codeOf(error)
  if (lostCodes.has(code) || code.startsWith('08')) return true
  return (
    code === '' &&
    /connection (terminated|timeout|error|ended)|client has encountered|was closed|not queryable|timeout expired/i.test(
      messageOf(error),
    )
  )
}

/** The server's codes in the store's words; what is named already stays as it is. */
export function translated(store: string, error: unknown): unknown {
  if (error instanceof StoreError) return error
  const code = codeOf(error)
  const told = `store ${store}: ${messageOf(error)}`
  if (code === '53100') return new StoreError('disk-full', told, error)
  if (code === '40001' || code === '40P01') return new StoreError('conflict', told, error)
  if (code.startsWith('58') || code === '57014' || code.startsWith('53'))
    return new StoreError('io', told, error)
  if (code.startsWith('XX')) return new StoreError('damaged', told, error)
  return isLost(error) ? new StoreError('unreachable', told, error) : error
}

/** A URL without its password, for messages. */
export function safeUrl(url: string): string {
  try {
    const parsed = new URL(url)
    parsed.password = ''
    parsed.search = ''
    return parsed.href
  } catch {
    return 'postgres://…'
  }
}
