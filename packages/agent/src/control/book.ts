/**
 * The book of revisions: what the control socket knows of each beyond its state.
 *
 * A local revision is called `locals/NAME` by people and programs, and has a number like any other inside: one beyond
 * all that a hub gives, and never given twice. So a name that is used again for another state is another revision, and
 * whatever is true of numbered revisions (trials, marks, rollback, folders) is true of local ones without a word more.
 * The hub never hears of such a number.
 *
 * One JSON file, replaced as a whole. A file that cannot be read counts as empty: states and folders are elsewhere.
 */
import { writeDurably } from '../durable.ts'
import type { Disk } from '../ports.ts'
import { asObject } from '../wire.ts'

/** The first number of a local revision. A hub that offers a step from here on is refused. */
export const localBase = 1_000_000_000_000

/** Whether a revision was put through the control socket. */
export const isLocal = (rev: number): boolean => rev >= localBase

/** The longest name behind `locals/`. */
const nameLength = 64

/** The entries kept; beyond, the oldest of those that do not matter any more goes. */
export const bookLimit = 128

/** How far a revision has come; the members are those of a step's progress. */
export interface LocalProgress {
  readonly status: string
  readonly 'status-msg': string
  readonly progress: number
  /** The last lines of what failed. */
  readonly logs?: string
}

/** `at`: when it came or was last begun, milliseconds since 1970. */
export interface BookEntry {
  readonly rev: number
  readonly name: string
  readonly at: number
  readonly commitMessage: string
  readonly progress: LocalProgress | undefined
}

export interface Book {
  /** Reads the file; before that the book is empty. */
  load(): Promise<void>
  /** Oldest first. */
  all(): readonly BookEntry[]
  of(rev: number): BookEntry | undefined
  /** The newest revision of this name. */
  named(name: string): BookEntry | undefined
  /** How a revision is called on the socket: `locals/a`, or its number. */
  nameOf(rev: number): string
  /** A number that no local revision has had. */
  nextLocal(): number
  /** Adds an entry or replaces the one of its number. Resolves once it is safe. */
  put(entry: BookEntry): Promise<void>
  /** Notes how far a revision has come. Resolves once it is safe. */
  note(rev: number, progress: LocalProgress, now: number): Promise<void>
  forget(revs: readonly number[]): Promise<void>
}

const path = 'control/steps.json'

/** `locals/NAME`, when it is one: 1 to 64 visible characters without a slash, not a dot or two. */
export function parseLocalName(raw: string): string | undefined {
  const name = raw.startsWith('locals/') ? raw.slice('locals/'.length) : ''
  const fits = name.length >= 1 && name.length <= nameLength && /^[!-.0-~]+$/.test(name)
  return fits && name !== '.' && name !== '..' ? raw : undefined
}

/** The book on a disk. */
export function createBook(disk: Disk): Book {
  let entries: readonly BookEntry[] = []
  let last = localBase
  let turn: Promise<unknown> = Promise.resolve()

  /** One write after the other; what is read is changed at once. */
  function change(next: readonly BookEntry[]): Promise<void> {
    entries = next
    const written = turn.then(() => writeDurably(disk, path, `${JSON.stringify({ last, entries })}\n`))
    turn = written.catch(() => undefined)
    return written
  }

  const book: Book = {
    async load() {
      const raw = asObject(parse(await disk.readText(path)))
      entries = Array.isArray(raw?.entries) ? raw.entries.flatMap(parseEntry) : []
      const numbers = entries.map((entry) => entry.rev).filter(isLocal)
      last = Math.max(localBase, typeof raw?.last === 'number' ? raw.last : 0, ...numbers)
    },
    all: () => entries,
    of: (rev) => entries.find((entry) => entry.rev === rev),
    named: (name) => entries.findLast((entry) => entry.name === name),
    nameOf: (rev) => book.of(rev)?.name ?? (isLocal(rev) ? `locals/${rev - localBase}` : String(rev)),
    nextLocal() {
      last += 1
      return last
    },
    put: (entry) => change([...entries.filter((each) => each.rev !== entry.rev), entry]),
    note(rev, progress, now) {
      const before = book.of(rev)
      const entry = before ?? { rev, name: book.nameOf(rev), at: now, commitMessage: '', progress: undefined }
      return book.put({ ...entry, progress })
    },
    forget: (revs) => change(entries.filter((entry) => !revs.includes(entry.rev))),
  }
  return book
}

function parseEntry(raw: unknown): readonly BookEntry[] {
  const { rev, name, at, commitMessage, progress } = asObject(raw) ?? {}
  if (typeof rev !== 'number' || !Number.isSafeInteger(rev) || typeof name !== 'string') return []
  if (typeof at !== 'number' || typeof commitMessage !== 'string') return []
  return [{ rev, name, at, commitMessage, progress: parseProgress(progress) }]
}

function parseProgress(raw: unknown): LocalProgress | undefined {
  const { status, 'status-msg': message, progress, logs } = asObject(raw) ?? {}
  if (typeof status !== 'string' || typeof message !== 'string' || typeof progress !== 'number')
    return undefined
  const known = { status, 'status-msg': message, progress }
  return typeof logs === 'string' ? { ...known, logs } : known
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
