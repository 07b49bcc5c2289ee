/**
 * The thread that writes a SQLite file: what it is given at once is one transaction, and is on disk, or nothing of it is
 * kept, when it answers. It decides nothing and imports nothing but the platform.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

/** What the thread is opened with. */
export interface WriterOpened {
  readonly file: string
  /** Said to the connection, one by one. */
  readonly pragmas: readonly string[]
}

/** What it is told. Statements are numbered in the order in which their texts come. */
export type WriterTold =
  | {
      readonly kind: 'commit'
      /** Statements that were not told before. */
      readonly texts: readonly { readonly text: string; readonly width: number }[]
      /** A statement's number, the values it takes, the next one's number, and so on. */
      readonly runs: readonly (string | number | null)[]
    }
  /** Moves what is left in the write-ahead log into the file. */
  | { readonly kind: 'move' }
  | { readonly kind: 'end' }

/** One answer to each, `end` excepted. `code` is SQLite's own, 0 where there is none. */
export type WriterSaid = { readonly kind: 'done' } | WriterFailure

export interface WriterFailure {
  readonly kind: 'failed'
  readonly code: number
  readonly message: string
}

const port = parentPort
if (port === null) throw new Error('this is the code of a thread')
const { file, pragmas } = workerData as WriterOpened
/** The texts of all statements, and those that were made of them. */
const texts: { readonly text: string; readonly width: number }[] = []
const statements: StatementSync[] = []
let opened: ReturnType<typeof open> | undefined

port.on('message', (told: WriterTold) => {
  if (told.kind === 'end') {
    opened?.db.close()
    port.close()
    return
  }
  if (told.kind === 'commit') texts.push(...told.texts)
  let said: WriterSaid = { kind: 'done' }
  try {
    opened ??= open()
    if (told.kind === 'commit') commit(opened, told.runs)
    else opened.db.exec('PRAGMA wal_checkpoint(PASSIVE)')
  } catch (error) {
    said = failure(error)
  }
  port.postMessage(said)
})

function open() {
  const db = new DatabaseSync(file, { timeout: 5000 })
  for (const pragma of pragmas) db.exec(pragma)
  return {
    db,
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
  }
}

function commit(
  { db, begin, commit, rollback }: ReturnType<typeof open>,
  runs: readonly (string | number | null)[],
): void {
  begin.run()
  try {
    for (let at = 0; at < runs.length; ) {
      const number = runs[at] as number
      const { text, width } = texts[number] as (typeof texts)[number]
      let statement = statements[number]
      if (statement === undefined) {
        statement = db.prepare(text)
        statements[number] = statement
      }
      // Nothing is asked of it: `get` steps it to its end, and makes no account of what it did.
      statement.get(...runs.slice(at + 1, at + 1 + width))
      at += 1 + width
    }
    commit.run()
  } catch (error) {
    // A full disk may have ended it already.
    if (db.isTransaction) rollback.run()
    throw error
  }
}

function failure(error: unknown): WriterFailure {
  const isError = error instanceof Error
  const code = isError && 'errcode' in error ? Number(error.errcode) : 0
  return { kind: 'failed', code, message: isError ? error.message : String(error) }
}
