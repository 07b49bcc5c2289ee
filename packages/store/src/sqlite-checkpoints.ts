/**
 * Moves what was committed from the write-ahead log into the database file, beside the work.
 *
 * SQLite would do it within whichever commit finds the log long enough, and everybody would wait until megabytes are
 * written and synced. A thread does most of it on a connection of its own, which hinders neither readers nor the writer;
 * what was committed meanwhile is little, and is moved by the writer between two commits, so that the log begins anew. The
 * thread is started when there is something to do and ends when there is nothing for a while. Should it fail, or not keep
 * up, the writer does what SQLite would have done.
 */
import type { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import type { StoreLog } from './errors.ts'

/** Rows written after which the log is worth moving: some 16 MiB. */
const rowsEvery = 8000
/** Pages in the log at which the writer moves it by itself. */
export const pagesMost = 16_000
const idleMs = 30_000

export class Checkpoints {
  readonly #file: string
  readonly #writer: DatabaseSync
  readonly #log: StoreLog
  #thread: Worker | undefined
  #rows = 0
  #state: 'rests' | 'moves' | 'finishes' = 'rests'
  #idle: NodeJS.Timeout | undefined

  /** `writer` is the connection that commits to the file. */
  constructor(of: { readonly file: string; readonly writer: DatabaseSync; readonly log: StoreLog }) {
    this.#file = of.file
    this.#writer = of.writer
    this.#log = of.log
  }

  /** A commit is on disk, and no reader of ours is under way. */
  committed(rows: number): void {
    this.#rows += rows
    if (this.#state === 'finishes') {
      this.#state = 'rests'
      this.#finish()
    } else if (this.#state === 'rests' && this.#rows >= rowsEvery) {
      this.#rows = 0
      this.#state = 'moves'
      clearTimeout(this.#idle)
      this.#thread ??= this.#start()
      this.#thread.postMessage('move')
    }
  }

  /** Ends the thread, once it has done what it is at. */
  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const thread = this.#thread
    if (thread === undefined) return
    const ended = new Promise((resolve) => thread.once('exit', resolve))
    thread.ref()
    thread.postMessage('end')
    await ended
  }

  /** A log that could not be moved stays, and what was committed is safe in it. */
  #finish(): void {
    try {
      this.#writer.exec('PRAGMA wal_checkpoint(PASSIVE)')
    } catch (err) {
      this.#log.warn({ err, store: this.#file }, 'the write-ahead log could not be moved into the file')
    }
  }

  #start(): Worker {
    const end = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const thread = new Worker(new URL(`./sqlite-checkpoint-worker.${end}`, import.meta.url), {
      workerData: this.#file,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
    })
    thread.unref()
    thread.on('message', () => {
      this.#state = 'finishes'
      this.#idle = setTimeout(() => thread.postMessage('end'), idleMs).unref()
    })
    thread.on('error', (err) => {
      this.#log.warn({ err, store: this.#file }, 'the thread that moves the write-ahead log has ended')
    })
    thread.on('exit', () => {
      if (this.#thread === thread) this.#thread = undefined
      if (this.#state === 'moves') this.#state = 'rests'
    })
    return thread
  }
}
