/**
 * A disk that is small enough to be filled: a tmpfs in a mount namespace of its own, which nobody else sees and which is
 * gone with the process that holds it. Needs Linux, util-linux and the right to make namespaces.
 */
import { spawn } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  /** Its folder, as processes started with `within` see it. */
  readonly folder: string
  /** Goes before the command of a process that is to see the disk. */
  readonly within: readonly string[]
  /** Takes all room that is left but so many bytes. */
  fill(leaving: number): void
  /** Gives it back. */
  empty(): void
  end(): Promise<void>
}

/** Makes one of so many bytes; undefined where this machine does not let us. */
export async function makeSmallDisk(bytes: number): Promise<SmallDisk | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-disk-'))
  const root = process.getuid?.() === 0
  const script = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && read _'
  const args = [root ? '-m' : '-rm', 'sh', '-c', script, 'sh', String(bytes), folder]
  const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'ignore'] })
  const gone = new Promise<void>((resolve) => {
    holder.on('error', () => resolve()).on('close', () => resolve())
  })
  const mounted = await Promise.race([
    new Promise<boolean>((resolve) => holder.stdout?.once('data', () => resolve(true))),
    gone.then(() => false),
  ])
  const end = async () => {
    holder.stdin?.end()
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
  if (!mounted) {
    await end()
    return undefined
  }
  const filler = join(`/proc/${holder.pid}/root`, folder, 'filler')
  const user = root ? [] : ['-U', '--preserve-credentials']
  return {
    folder,
    within: ['nsenter', '-t', String(holder.pid), '-m', ...user, '--'],
    fill(leaving) {
      const file = openSync(filler, 'a')
      const piece = Buffer.alloc(4096, 1)
      try {
        for (;;) writeSync(file, piece)
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
      } finally {
        fsyncSync(file)
        closeSync(file)
      }
      truncateSync(filler, Math.max(0, statSync(filler).size - leaving))
    },
    empty: () => rmSync(filler, { force: true }),
    end,
  }
}
