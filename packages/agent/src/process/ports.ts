/**
 * What the process driver asks of the machine: start a program, hear it, signal it; and a look at a door.
 */
import type { Image, Limits, StopSignal } from './manifest.ts'

/** A program to start. `cwd` is relative to the data folder; `env` is all it gets. */
export interface Launch {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly limits: Limits
  /** The same for as long as nothing of the container changes. */
  readonly fingerprint: string
  readonly image?: Image
  /** Its files under `_config`, laid over those it has: paths within both. */
  readonly overlay?: readonly string[]
  /** A probe: run beside the container's own program, where that one runs. */
  readonly beside?: true
}

/** A program that runs, with all it starts itself. */
export interface Launched {
  /** By this a later agent finds it again, should this one die. */
  readonly mark: string
  /** It was found running, from this folder. */
  readonly cwd?: string
  /** What it writes, as it comes. Nobody reading holds the program up, not the memory. */
  readonly output: AsyncIterable<{ readonly from: 'out' | 'err'; readonly bytes: Uint8Array }>
  /** How it ended, in words: `exited with code 3`, `was ended by SIGKILL`. */
  readonly exited: Promise<string>
  /** Signals it and all it started. */
  signal(signal: StopSignal): void
}

export interface Processes {
  /** Rejects when it cannot be started at all. */
  launch(launch: Launch): Promise<Launched>
  /** Ends what an earlier agent left running; one that is gone, or is somebody else by now, is left alone. */
  endLeftover(mark: string): Promise<void>
  /** Ends what an earlier agent started and had not marked yet when it died. */
  endStrays?(): Promise<void>
  /** Ends what is kept over from earlier runs and wanted no more, and forgets what only it needed. */
  tidy?(wanted: readonly { readonly name: string; readonly fingerprint: string }[]): Promise<void>
}

/** Looks at a door. Times in milliseconds. */
export interface Doors {
  /** The status of a GET; rejects without a reply. */
  http(url: string, timeoutMs: number): Promise<number>
  /** Resolves when the connection stands. */
  tcp(host: string, port: number, timeoutMs: number): Promise<void>
}
