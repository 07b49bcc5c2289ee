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

/** A statement by its text, and how many values it takes. */
export interface StatementText {
  readonly text: string
  readonly width: number
}

/** A statement's number, the values it takes, the next one's number, and so on. */
export type Runs = readonly (string | number | null)[]

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

  commit(runs: Runs): void {
    this.#connection ??= connect(this.#opened)
    const { db, begin, commit, rollback, statements } = this.#connection
    begin.run()
    try {
      for (let at = 0; at < runs.length; ) {
        const number = runs[at] as number
        const { text, width } = this.#texts[number] as StatementText
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
    statements: [] as StatementSync[],
  }
}
