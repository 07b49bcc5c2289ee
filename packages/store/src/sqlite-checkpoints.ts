/**
 * Moves what was committed from the write-ahead log into the database file, beside the work.
 *
 * SQLite would do it within whichever commit finds the log long enough, and all commits would wait until megabytes are
 * written and synced. A thread does most of it on a connection of its own, which hinders neither readers nor the writer;
 * what was committed meanwhile is little, and is moved by the writer between two commits, so that the log begins anew. The
 * thread is started when there is something to do and ends when there is nothing for a while. Should it fail, or not keep
 * up, the writer does what SQLite would have done.
 */
import { Worker } from 'node:worker_threads'
import type { StoreLog } from './errors.ts'

/** Rows written after which the log is worth moving: some 32 MiB. */
const rowsEvery = 16_000
/** Pages in the log at which the writer moves it by itself. */
export const pagesMost = 16_000
const idleMs = 30_000

export class Checkpoints {
  readonly #file: string
  readonly #log: StoreLog
  #thread: Worker | undefined
  #rows = 0
  #state: 'rests' | 'moves' | 'finishes' = 'rests'
  #idle: NodeJS.Timeout | undefined

  constructor(of: { readonly file: string; readonly log: StoreLog }) {
    this.#file = of.file
    this.#log = of.log
  }

  /** A commit of so many rows is on disk. Answers whether the writer is to move the rest before the next one. */
  committed(rows: number): boolean {
    this.#rows += rows
    if (this.#state === 'finishes') {
      this.#state = 'rests'
      return true
    }
    if (this.#state === 'rests' && this.#rows >= rowsEvery) {
      this.#rows = 0
      this.#state = 'moves'
      clearTimeout(this.#idle)
      this.#thread ??= this.#start()
      this.#thread.postMessage('move')
    }
    return false
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
