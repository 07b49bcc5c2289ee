/** The collections and helpers that the store's tests share. */
import {
  type Actor,
  type Cursor,
  collection,
  type DeviceId,
  type Instant,
  type JournalEntry,
  ok,
  type Result,
  type Store,
  TenantId,
  type Tx,
} from '@waymark/domain'

export interface Thing {
  id: string
  name?: string | null
  size?: number | null
  on?: boolean | null
  state?: string
  extra?: unknown
}

export const things = collection<Thing>()({
  name: 'things',
  scope: 'tenant',
  key: ['id'],
  columns: { id: 'text', name: 'text', size: 'int', on: 'bool' },
  texts: ['state'],
  indexes: [{ on: ['name'], unique: true }, { on: ['size'] }, { on: ['on', 'size'] }],
})

/** Telemetry: changes need no journal entry. */
export interface Note {
  topic: string
  no: number
  text?: string
}

export const notes = collection<Note>()({
  name: 'notes',
  scope: 'tenant',
  key: ['topic', 'no'],
  columns: { topic: 'text', no: 'int' },
  journaled: false,
})

export interface Person {
  login: string
  tenant: string
  badge?: number
}

export const people = collection<Person>()({
  name: 'people',
  scope: 'house',
  key: ['login'],
  columns: { login: 'text', badge: 'int', tenant: 'text' },
  indexes: [{ on: ['badge'], unique: true }, { on: ['tenant'] }],
})

export const collections = [things, notes, people]

export const ann = tenant('a')
export const bob = tenant('b')

export function tenant(digit: string): TenantId {
  const id = TenantId.parse(digit.repeat(24))
  if (id === undefined) throw new Error(`${digit} is no hex digit`)
  return id
}

export const system: Actor = { kind: 'system', id: 'test' }

export function entry(
  kind: string,
  more: { at?: number; device?: string; by?: Actor; data?: JournalEntry['data'] } = {},
): JournalEntry {
  const made = { kind, at: (more.at ?? 1000) as Instant, by: more.by ?? system, data: more.data ?? {} }
  return more.device === undefined ? made : { ...made, device: more.device as DeviceId }
}

/** Puts a thing with an entry, as every orderly body does. */
export function keep(store: Store, of: TenantId, thing: Thing): Promise<Result<undefined, never>> {
  return store.transact(of, async (tx: Tx) => {
    await tx.put(things, thing)
    tx.journal(entry('thing.kept', { data: { id: thing.id } }))
    return ok(undefined)
  })
}

/** Everything that a follower sees who reads on until nothing comes. */
export async function follow(
  store: Store,
  of: TenantId | 'house',
  from?: string,
  limit = 7,
): Promise<JournalEntry[]> {
  const seen: JournalEntry[] = []
  let after: string | undefined = from
  for (;;) {
    const read = await store.journal.read(of, after === undefined ? { limit } : { after, limit })
    if (!read.ok) throw new Error(`refused: ${JSON.stringify(read.refusal)}`)
    for (const { cursor: _cursor, ...rest } of read.value.entries) seen.push(rest)
    after = read.value.next as Cursor
    if (read.value.entries.length === 0) return seen
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until something is so, for at most ten seconds. */
export async function until(so: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (await so()) return
    await pause(5)
  }
  throw new Error(`waited in vain for ${so}`)
}
