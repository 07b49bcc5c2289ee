/**
 * What the agent asks of the world: a transport, a disk, a clock, luck, a log, facts about the machine.
 *
 * Everything that acts arrives through these types. The agent itself opens no socket, reads no clock and
 * touches no file, so that one process can hold a thousand agents on simulated ports, a month of polling
 * runs in a moment, and every failure replays from its seed. The real ports are in `real/`.
 */
import type { Refusal } from './model.ts'
import type { ContainerAction, Supervised } from './process/supervisor.ts'

/** A JSON value as it comes off the wire. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Bytes that arrive piece by piece; nobody holds a whole file. */
export type Bytes = AsyncIterable<Uint8Array>

/** One HTTP request. `url` is absolute. A streamed body must come with its exact length. */
export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | { readonly length: number; readonly bytes: Bytes }
  readonly signal: AbortSignal
}

/** One HTTP reply. Header names are lower case. The body must be read to its end or cancelled by the signal. */
export interface TransportReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Bytes
}

/** Sends one request. Rejects when no reply came; any status at all is a reply. Follows no redirect. */
export type Transport = (request: TransportRequest) => Promise<TransportReply>

/** What lies at a path. Sizes are bytes. */
export interface DiskEntry {
  readonly name: string
  readonly kind: 'file' | 'folder' | 'link'
  readonly size: number
}

/** A file being written. Bytes are only safe from a power cut after `sync` has resolved. */
export interface DiskFile {
  write(bytes: Uint8Array): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/** How a file is opened for writing. */
export interface DiskOpen {
  /** Add to what is there instead of starting empty. */
  readonly append?: boolean
  /** Readable by the agent's user alone. */
  readonly secret?: boolean
}

/**
 * A folder that belongs to the agent. Paths are relative, parts joined by `/`; a path that would leave the
 * folder is a defect of the caller and rejects. A name (made, renamed, linked, removed) is only safe from a
 * power cut after `syncFolder` of its parent, a file's bytes only after its `sync`.
 */
export interface Disk {
  readText(path: string): Promise<string | undefined>
  /** Reads a file from byte `from` on; rejects when it is absent. */
  read(path: string, from?: number): Bytes
  open(path: string, how?: DiskOpen): Promise<DiskFile>
  stat(path: string): Promise<DiskEntry | undefined>
  /** Sorted by name; an absent folder is empty. */
  list(path: string): Promise<readonly DiskEntry[]>
  makeFolder(path: string): Promise<void>
  /** Removes a file or a whole folder; an absent one is no error. */
  remove(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** A second name for the same bytes. `false`: this file system cannot; copy instead. */
  link(from: string, to: string): Promise<boolean>
  symlink(target: string, path: string): Promise<void>
  readLink(path: string): Promise<string | undefined>
  makeReadOnly(path: string): Promise<void>
  syncFolder(path: string): Promise<void>
  /** Bytes that may still be written. */
  freeBytes(): Promise<number>
}

/** Where the factory files lie: the reading half of a disk, rooted at the factory folder. */
export type FactoryFolder = Pick<Disk, 'readText' | 'read' | 'list'>

/** Time, in milliseconds since 1970. */
export interface Clock {
  now(): number
  /** Resolves after `ms`, or at once when the signal is aborted. Never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** Luck, so that a run replays from its seed. */
export interface Luck {
  /** A number in [0, 1). */
  next(): number
}

/** What the agent says about itself; these lines are also what it ships to the hub. */
export type LogLevel = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR'

/** Takes one line of the agent's own log. Facts never hold a secret. */
export type Logger = (level: LogLevel, message: string, facts?: Readonly<Record<string, Json>>) => void

/** Facts about the machine, read afresh for every report; the keys are device-meta keys. */
export type SystemFacts = () => Promise<Readonly<Record<string, Json>>>

/** What a driver found when it looked whether the running revision is well. */
export type Health =
  | { readonly kind: 'healthy'; readonly probes: readonly string[] }
  /** Nothing is wrong, but something has not yet run for as long as its manifest wants. */
  | { readonly kind: 'unproven'; readonly why: string }
  | { readonly kind: 'ill'; readonly why: string }

/** The revision in force: its number and the sha256 of its canonical state. */
export interface RunningRevision {
  readonly rev: number
  readonly stateSha: string
}

/** One entry of a state, ready to be laid down: a file of the pool, or a document written out. */
export type RevisionFile =
  | { readonly kind: 'object'; readonly path: string; readonly sha: string }
  | { readonly kind: 'document'; readonly path: string; readonly text: string }

/** A revision as a driver takes it: every path already judged safe, every object already in the pool. */
export interface Revision extends RunningRevision {
  readonly stateText: string
  readonly files: readonly RevisionFile[]
}

/** The revision in force with its canonical state. */
export interface CurrentRevision extends RunningRevision {
  readonly stateText: string
}

/**
 * How a prepared revision comes into force. `switch`: by laying down alone, nothing runs. `live`: the named
 * containers are replaced, all else runs on. `restart`: the agent starts anew with it.
 */
export type Passage =
  | { readonly kind: 'switch' }
  | { readonly kind: 'live'; readonly containers: readonly string[] }
  | { readonly kind: 'restart'; readonly because: readonly string[] }

/** Why what runs is not fit to stay, with the last lines of whoever is to blame. */
export interface Fault {
  readonly why: string
  readonly logs: string
}

/** What a driver that runs things adds to the plain switch. */
export interface Trials {
  /** How the prepared revision would come into force, seen from the one that runs. */
  passage(rev: number): Promise<Passage>
  /** Makes a prepared revision the one that the next start runs; what runs now runs on. */
  arrange(rev: number): Promise<void>
  /** Runs what the revision in force names; what an earlier agent left running is stopped first. */
  start(): Promise<void>
  /** Stops all that runs, politely first. */
  stop(): Promise<void>
  /** From now on a crash or a missed goal is a fault; until `end`. */
  begin(): void
  end(): void
  /** Resolves with undefined once every goal is reached, or with the first fault. */
  settled(signal: AbortSignal): Promise<Fault | undefined>
  /** The first fault since `begin`. */
  fault(): Fault | undefined
}

/** The containers as the control socket sees and moves them. */
export interface ContainerDesk {
  containers(): readonly Supervised[]
  /** The container says that it is ready. */
  signalReady(name: string): void
  /** Takes effect later; a start of what runs and a stop of what does not change nothing. */
  act(name: string, action: ContainerAction): void
}

/**
 * Carries revisions out. `files` (materialise and switch) runs nothing; a driver that does also offers
 * `trials`.
 */
export interface RevisionDriver {
  /** Lays the revision down beside the running one. Rejects when that fails; nothing has changed then. */
  prepare(revision: Revision): Promise<void>
  /** Makes a prepared revision the running one: wholly or not at all, whatever happens meanwhile. */
  switchTo(rev: number): Promise<void>
  /** What runs now; undefined before the first switch. */
  current(): Promise<CurrentRevision | undefined>
  /** Whether what runs is well. */
  health(): Promise<Health>
  /** What of this state cannot be run, judged from the state alone before anything is fetched. */
  readonly judge?: (revision: Revision) => Refusal | undefined
  readonly trials?: Trials
  /** The containers at hand, of a driver that runs any. */
  readonly desk?: ContainerDesk
  /** The running revision is here to stay: what neither runs, ran before it, nor is the factory's may go. */
  forgetOld(): Promise<void>
}
