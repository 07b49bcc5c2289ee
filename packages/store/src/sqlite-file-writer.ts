/**
 * A connection that writes a SQLite file: what it is given at once is one transaction, and is on disk, or nothing of it is
 * kept, when it returns. It decides nothing and imports nothing but the platform: it works on any thread.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'

export interface FileOpened {
  readonly file: string
  /** Said to the connection, one by one. */
  readonly pragmas: readonly string[]
}

/** A statement by its text. */
export interface StatementText {
  readonly text: string
  /** How many values it takes: those of a row. */
  readonly width: number
  /** The same of so many rows, where it pays: stepping a statement costs as much as a row. */
  readonly many?: { readonly text: string; readonly rows: number }
}

/** A statement by its number, and the values of one or more rows for it, one row after another. */
export interface Run {
  readonly statement: number
  readonly values: (string | number | null)[]
}

interface Prepared {
  readonly one: StatementSync
  many: StatementSync | undefined
}

export class FileWriter {
  readonly #opened: FileOpened
  /** Numbered in their order; the list may grow. */
  readonly #texts: readonly StatementText[]
  #connection: ReturnType<typeof connect> | undefined

  /** Opens the file with the first commit. */
  constructor(opened: FileOpened, texts: readonly StatementText[]) {
    this.#opened = opened
    this.#texts = texts
  }

  commit(runs: readonly Run[]): void {
    this.#connection ??= connect(this.#opened)
    const { db, begin, commit, rollback, statements } = this.#connection
    begin.run()
    try {
      for (const { statement: number, values } of runs) {
        const { text, width, many } = this.#texts[number] as StatementText
        const prepared = statements[number] ?? { one: db.prepare(text), many: undefined }
        statements[number] = prepared
        let at = 0
        // Nothing is asked of them: `get` steps a statement to its end, and makes no account of what it did.
        if (many !== undefined && values.length >= width * many.rows) {
          prepared.many ??= db.prepare(many.text)
          const block = width * many.rows
          for (; at + block <= values.length; at += block) prepared.many.get(...values.slice(at, at + block))
        }
        for (; at < values.length; at += width) prepared.one.get(...values.slice(at, at + width))
      }
      commit.run()
    } catch (error) {
      // A full disk may have ended it already.
      if (db.isTransaction) rollback.run()
      throw error
    }
  }

  /** Moves what is left in the write-ahead log into the file, as far as readers allow. */
  move(): void {
    this.#connection ??= connect(this.#opened)
    this.#connection.db.exec('PRAGMA wal_checkpoint(PASSIVE)')
  }

  close(): void {
    this.#connection?.db.close()
    this.#connection = undefined
  }
}

function connect({ file, pragmas }: FileOpened) {
  const db = new DatabaseSync(file, { timeout: 5000 })
  for (const pragma of pragmas) db.exec(pragma)
  return {
    db,
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    statements: [] as Prepared[],
  }
}
