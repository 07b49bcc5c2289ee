/**
 * The writing end of a SQLite file: one transaction at a time, and what became of it.
 *
 * A commit waits for the disk, and a disk may be slow or busy. Where that is little, it is done here: a thread costs memory,
 * and time to begin. Where commits have taken more than some share of a second, a thread makes them from then on
 * (`sqlite-writer-worker.ts`), so that who only reads does not wait with them; it ends when nothing is written for a while.
 */
import { Worker } from 'node:worker_threads'
import { messageOf, type StoreLog } from './errors.ts'
import { type FileOpened, FileWriter, type Run, type StatementText } from './sqlite-file-writer.ts'
import { putText, putTextsText, removeTexts, updateText } from './sqlite-schema.ts'
import type { WriterSaid, WriterTold } from './sqlite-writer-worker.ts'
import type { Table } from './table.ts'

/** Statements beyond which no further ones are made for every other set of changed columns. */
const statementsMax = 2000
const idleMs = 30_000
const ioError = 10

export interface WriterOptions extends FileOpened {
  /** A thread commits once commits have taken so many milliseconds of a second; 0: it makes all of them. */
  readonly threadAfterMs: number
  readonly log: StoreLog
}

export class Writer {
  readonly #options: WriterOptions
  readonly #numbers = new Map<string, number>()
  readonly #texts: StatementText[] = []
  readonly #here: FileWriter
  #thread: Thread | undefined
  /** The one before, on its way out. */
  #ending: Promise<void> | undefined
  #lost: Error | undefined
  #idle: NodeJS.Timeout | undefined
  /** What commits have taken here since a moment. */
  #spent = { since: 0, ms: 0 }
  /** A thread that could not be started is not tried again before this. */
  #noThreadUntil = 0

  constructor(options: WriterOptions) {
    this.#options = options
    this.#here = new FileWriter(options, this.#texts)
  }

  /** The number of a statement, by its text; `width` is how many values a row of it takes. */
  statement(text: string, width: number, many?: StatementText['many']): number {
    let number = this.#numbers.get(text)
    if (number === undefined) {
      number = this.#numbers.size
      this.#numbers.set(text, number)
      this.#texts.push({ text, width, ...(many && { many }) })
    }
    return number
  }

  /** Whether statements that serve few changes are still made. */
  get isRoomy(): boolean {
    return this.#numbers.size < statementsMax
  }

  /** Why nothing is written any more, if so. */
  get lost(): Error | undefined {
    return this.#lost
  }

  /**
   * Commits what statements do with their values. Resolves when it is on disk; rejects with an error that has SQLite's
   * `errcode`, and nothing is kept.
   */
  async commit(runs: readonly Run[]): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost
    if (this.#options.threadAfterMs === 0) this.#thread ??= this.#start()
    if (this.#thread?.isThere || this.#options.threadAfterMs === 0) {
      this.#idle?.refresh()
      return this.#thread?.commit(runs)
    }
    const began = performance.now()
    this.#here.commit(runs)
    this.#took(began, performance.now())
  }

  /** Moves what is left in the write-ahead log into the file, as far as readers allow. */
  async move(): Promise<void> {
    if (this.#thread?.isThere) return this.#thread.tell({ kind: 'move' })
    this.#here.move()
  }

  /** The file is closed then. */
  async close(): Promise<void> {
    clearTimeout(this.#idle)
    await this.#thread?.end()
    await this.#ending
    this.#here.close()
  }

  #took(began: number, now: number): void {
    if (began - this.#spent.since >= 1000) this.#spent = { since: began, ms: 0 }
    this.#spent.ms += now - began
    if (this.#spent.ms < this.#options.threadAfterMs || now < this.#noThreadUntil) return
    try {
      this.#thread ??= this.#start()
    } catch (err) {
      // The commit is on disk whatever becomes of this.
      this.#goOnHere(err)
    }
  }

  /** There is no thread to be had: commits go on as before. */
  #goOnHere(err: unknown): void {
    this.#thread = undefined
    this.#noThreadUntil = performance.now() + idleMs
    const { log, file } = this.#options
    log.warn({ err, store: file }, 'no thread could be started to write with; commits are made without')
  }

  #start(): Thread {
    const thread = new Thread(this.#options, this.#texts, {
      there: () => this.#here.close(),
      gone: (error, hasWritten) => {
        if (!hasWritten) this.#goOnHere(error)
        else if (this.#lost === undefined) {
          this.#lost = error
          const { log, file } = this.#options
          log.warn({ err: error, store: file }, 'nothing more is written until the store is opened again')
        }
      },
    })
    this.#idle = setTimeout(() => {
      if (this.#thread !== thread) return
      // Commits go on here, as in the beginning.
      this.#thread = undefined
      this.#ending = thread.end()
    }, idleMs).unref()
    return thread
  }
}

/** The thread: what it is told is answered in turn. */
class Thread {
  readonly #worker: Worker
  readonly #texts: readonly StatementText[]
  readonly #ended: Promise<void>
  #told = 0
  #isThere = false
  #isEnding = false
  /** It was given something to commit. */
  #hasWritten = false
  #answers: { done(): void; failed(error: Error): void }[] = []

  constructor(
    opened: FileOpened,
    texts: readonly StatementText[],
    hears: { there(): void; gone(error: Error, hasWritten: boolean): void },
  ) {
    this.#texts = texts
    const end = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const { file, pragmas } = opened
    const worker = new Worker(new URL(`./sqlite-writer-worker.${end}`, import.meta.url), {
      workerData: { file, pragmas },
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    })
    this.#worker = worker
    worker.on('message', (said: WriterSaid) => {
      const answer = this.#answers.shift()
      // Whoever waits for a commit keeps the process alive; a store that lies still does not.
      if (this.#answers.length === 0) worker.unref()
      if (said.kind === 'done') answer?.done()
      else answer?.failed(Object.assign(new Error(said.message), { errcode: said.code }))
    })
    // What was under way may or may not have been kept; nothing more is.
    const lose = (message: string) => {
      const error = Object.assign(new Error(message), { errcode: ioError })
      if (!this.#isEnding) hears.gone(error, this.#hasWritten)
      for (const answer of this.#answers.splice(0)) answer.failed(error)
    }
    worker.on('error', (error) => lose(`the thread that writes has failed: ${messageOf(error)}`))
    this.#ended = new Promise((resolve) => {
      worker.on('exit', () => {
        lose('the thread that writes has ended')
        resolve()
      })
    })
    this.tell({ kind: 'hello' }).then(
      () => {
        this.#isThere = true
        hears.there()
      },
      () => {},
    )
    worker.unref()
  }

  get isThere(): boolean {
    return this.#isThere && !this.#isEnding
  }

  commit(runs: readonly Run[]): Promise<void> {
    this.#hasWritten = true
    const texts = this.#texts.slice(this.#told)
    this.#told = this.#texts.length
    return this.tell({ kind: 'commit', texts, runs })
  }

  tell(told: WriterTold): Promise<void> {
    return new Promise((done, failed) => {
      this.#answers.push({ done, failed })
      this.#worker.ref()
      this.#worker.postMessage(told)
    })
  }

  /** Resolves when it is gone, and the file closed. */
  end(): Promise<void> {
    if (!this.#isEnding) {
      this.#isEnding = true
      this.#worker.ref()
      this.#worker.postMessage({ kind: 'end' } satisfies WriterTold)
    }
    return this.#ended
  }
}

/** Rows that one statement writes, where there are so many. */
export const rowsTogether = 8

/** The numbers of the statements that write one table. */
export class TableStatements {
  readonly #table: Table
  readonly #writer: Writer
  readonly #keyWidth: number
  readonly #updates = new Map<number, { number: number; columns: readonly number[] }>()
  readonly put: number
  readonly putTexts: number
  readonly removes: readonly number[]

  constructor(writer: Writer, table: Table) {
    this.#writer = writer
    this.#table = table
    this.#keyWidth = table.keyWidth + (table.scope === 'tenant' ? 1 : 0)
    const width = this.#keyWidth + table.bodyAt - table.keyWidth + 1
    const many = { text: putText(table, rowsTogether), rows: rowsTogether }
    this.put = writer.statement(putText(table), width, many)
    this.putTexts =
      table.texts.length === 0
        ? -1
        : writer.statement(putTextsText(table), this.#keyWidth + table.texts.length)
    this.removes = removeTexts(table).map((text) => writer.statement(text, this.#keyWidth))
  }

  /** The update of just the columns whose bits are in `mask` (and the body), or undefined where the whole row is to be put. */
  update(mask: number): { readonly number: number; readonly columns: readonly number[] } | undefined {
    let found = this.#updates.get(mask)
    if (found === undefined) {
      if (!this.#writer.isRoomy) return undefined
      const columns = this.#table.columns.flatMap((_, at) =>
        Math.trunc(mask / 2 ** at) % 2 === 1 ? [at] : [],
      )
      const text = updateText(this.#table, columns)
      found = { number: this.#writer.statement(text, columns.length + 1 + this.#keyWidth), columns }
      this.#updates.set(mask, found)
    }
    return found
  }
}
