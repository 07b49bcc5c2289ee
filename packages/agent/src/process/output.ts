/**
 * What containers write: to the hub's log line by line, and to a file of each container that is rotated.
 *
 * The next piece is taken only when the last one is written, so that a container that writes faster than the disk is
 * held up by its own pipe. A line without end is cut, never gathered.
 */
import { makeFolderDurably } from '../durable.ts'
import type { Disk } from '../ports.ts'
import type { LogEntry } from '../wire.ts'
import type { Launched } from './ports.ts'

/** Bounds. Sizes in bytes; lines in characters. */
export const outputLimits = { fileBytes: 256 * 1024, lineLength: 4096, tailLines: 20, tailLength: 2048 }

const folder = 'output'

export interface Output {
  /** Reads all a container writes. Resolves when it has closed its ends. Never rejects. */
  follow(name: string, rev: () => string, launched: Launched): Promise<void>
  /** Its last lines. */
  tail(name: string): string
}

export function createOutput(disk: Disk, log: (entry: LogEntry) => Promise<void>): Output {
  const tails = new Map<string, string[]>()
  const sizes = new Map<string, number>()

  /** `output/web/0.log`, and `1.log` before it. */
  async function keep(name: string, text: string): Promise<void> {
    const path = `${folder}/${name}/0.log`
    let size = sizes.get(name)
    if (size === undefined) {
      await makeFolderDurably(disk, `${folder}/${name}`)
      size = (await disk.stat(path))?.size ?? 0
    }
    const bytes = new TextEncoder().encode(text)
    if (size > 0 && size + bytes.length > outputLimits.fileBytes) {
      await disk.rename(path, `${folder}/${name}/1.log`)
      size = 0
    }
    const file = await disk.open(path, { append: true })
    try {
      await file.write(bytes)
    } finally {
      await file.close()
    }
    sizes.set(name, size + bytes.length)
  }

  async function take(name: string, rev: string, from: 'out' | 'err', lines: readonly string[]) {
    if (lines.length === 0) return
    const tail = [...(tails.get(name) ?? []), ...lines].slice(-outputLimits.tailLines)
    tails.set(name, tail)
    const lvl = from === 'err' ? 'WARN' : 'INFO'
    // A log that cannot be written must not stop the container, nor the agent.
    await keep(name, `${lines.join('\n')}\n`).catch(() =>
      disk.remove(`${folder}/${name}/1.log`).catch(() => {}),
    )
    for (const msg of lines)
      await log({ src: from === 'err' ? 'stderr' : 'stdout', msg, lvl, tsec: 0, tnano: 0, rev, plat: name })
  }

  return {
    async follow(name, rev, launched) {
      const rest = { out: '', err: '' }
      const decoders = { out: new TextDecoder(), err: new TextDecoder() }
      try {
        for await (const { from, bytes } of launched.output) {
          const lines = `${rest[from]}${decoders[from].decode(bytes, { stream: true })}`.split('\n')
          rest[from] = lines.pop() ?? ''
          while (rest[from].length > outputLimits.lineLength) {
            lines.push(rest[from].slice(0, outputLimits.lineLength))
            rest[from] = rest[from].slice(outputLimits.lineLength)
          }
          await take(name, rev(), from, lines)
        }
      } catch {
        // The pipe broke; what came is kept.
      }
      for (const from of ['out', 'err'] as const)
        if (rest[from] !== '') await take(name, rev(), from, [rest[from]])
    },
    tail: (name) => (tails.get(name) ?? []).join('\n').slice(-outputLimits.tailLength),
  }
}
