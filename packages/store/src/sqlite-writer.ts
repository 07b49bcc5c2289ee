/**
 * The writing end of a SQLite file: hands transactions to the thread that writes it (`sqlite-writer-worker.ts`), one at a
 * time, and tells what became of each.
 *
 * A commit waits for the disk, and a disk may be slow or busy; whoever only reads need not wait with it. The thread is
 * started with the first commit.
 */
import { Worker } from 'node:worker_threads'
import { messageOf } from './errors.ts'
import { putText, putTextsText, removeTexts, updateText } from './sqlite-schema.ts'
import type { WriterOpened, WriterSaid, WriterTold } from './sqlite-writer-worker.ts'
import type { Kept, Table } from './table.ts'

/** Statements beyond which no further ones are made for every other set of changed columns. */
const statementsMax = 2000

export class Writer {
  readonly #opened: WriterOpened
  readonly #numbers = new Map<string, number>()
  /** Texts that the thread has not seen yet. */
  #texts: { text: string; width: number }[] = []
  #thread: Worker | undefined
  #answer: { done(): void; failed(error: Error): void } | undefined
  #gone: Error | undefined

  constructor(opened: WriterOpened) {
    this.#opened = opened
  }

  /** The number of a statement, by its text; `width` is how many values it takes. */
  statement(text: string, width: number): number {
    let number = this.#numbers.get(text)
    if (number === undefined) {
      number = this.#numbers.size
      this.#numbers.set(text, number)
      this.#texts.push({ text, width })
    }
    return number
  }

  /** Whether statements that serve few changes are still made. */
  get isRoomy(): boolean {
    return this.#numbers.size < statementsMax
  }

  /**
   * Commits what statements do with their values (a number, its values, the next number…). Resolves when it is on disk;
   * rejects with an error that has SQLite's `errcode`, and nothing is kept.
   */
  commit(runs: readonly Kept[]): Promise<void> {
    const texts = this.#texts
    this.#texts = []
    return this.#tell({ kind: 'commit', texts, runs })
  }

  /** Moves what is left in the write-ahead log into the file, as far as readers allow. */
  move(): Promise<void> {
    return this.#tell({ kind: 'move' })
  }

  /** Why nothing is written any more, if so. */
  get lost(): Error | undefined {
    return this.#gone
  }

  /** Ends the thread; the file is closed then. */
  async close(): Promise<void> {
    const thread = this.#thread
    if (thread === undefined || this.#gone !== undefined) return
    const ended = new Promise((resolve) => thread.once('exit', resolve))
    thread.ref()
    thread.postMessage({ kind: 'end' } satisfies WriterTold)
    await ended
  }

  #tell(told: WriterTold): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) return reject(this.#gone)
      this.#thread ??= this.#start()
      this.#answer = { done: resolve, failed: reject }
      // Whoever waits for a commit keeps the process alive; a store that lies still does not.
      this.#thread.ref()
      this.#thread.postMessage(told)
    })
  }

  #start(): Worker {
    const end = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const thread = new Worker(new URL(`./sqlite-writer-worker.${end}`, import.meta.url), {
      workerData: this.#opened,
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    })
    thread.on('message', (said: WriterSaid) => {
      const answer = this.#answer
      this.#answer = undefined
      thread.unref()
      if (said.kind === 'done') answer?.done()
      else answer?.failed(Object.assign(new Error(said.message), { errcode: said.code }))
    })
    thread.on('error', (error) => this.#lost(`the thread that writes has failed: ${messageOf(error)}`))
    thread.on('exit', () => this.#lost('the thread that writes has ended'))
    return thread
  }

  /** What was under way may or may not have been kept; nothing more is. */
  #lost(message: string): void {
    this.#gone ??= Object.assign(new Error(message), { errcode: ioError })
    this.#answer?.failed(this.#gone)
    this.#answer = undefined
  }
}

const ioError = 10

/** Rows that one statement writes, where there are so many: stepping a statement costs as much as a row. */
export const rowsTogether = 8

/** The numbers of the statements that write one table. */
export class TableStatements {
  readonly #table: Table
  readonly #writer: Writer
  readonly #keyWidth: number
  readonly #updates = new Map<string, { number: number; columns: readonly number[] }>()
  readonly put: number
  /** The same of `rowsTogether` rows. */
  readonly putTogether: number
  /** How many values a row is. */
  readonly width: number
  readonly putTexts: number
  readonly removes: readonly number[]

  constructor(writer: Writer, table: Table) {
    this.#writer = writer
    this.#table = table
    this.#keyWidth = table.keyWidth + (table.scope === 'tenant' ? 1 : 0)
    this.width = this.#keyWidth + table.bodyAt - table.keyWidth + 1
    this.put = writer.statement(putText(table), this.width)
    this.putTogether = writer.statement(putText(table, rowsTogether), this.width * rowsTogether)
    this.putTexts =
      table.texts.length === 0
        ? -1
        : writer.statement(putTextsText(table), this.#keyWidth + table.texts.length)
    this.removes = removeTexts(table).map((text) => writer.statement(text, this.#keyWidth))
  }

  /** The update of just these columns (and the body), or undefined where the whole row is to be put. */
  update(mask: string): { readonly number: number; readonly columns: readonly number[] } | undefined {
    let found = this.#updates.get(mask)
    if (found === undefined) {
      if (!this.#writer.isRoomy) return undefined
      const columns = [...mask].map((one) => one.charCodeAt(0))
      const text = updateText(this.#table, columns)
      found = { number: this.#writer.statement(text, columns.length + 1 + this.#keyWidth), columns }
      this.#updates.set(mask, found)
    }
    return found
  }
}
