/** Progress of transfers: one line on stderr while it runs, gone when it has ended; nothing where no terminal is. */
import type { TransferProgress } from '@waymark/sdk'
import type { Outside } from '../outside.ts'
import { cut } from './table.ts'
import { printable, sizeSaid } from './words.ts'

/** At most so often is a line drawn. */
const drawEveryMs = 100
const barWidth = 24

const stageWords = { hashing: 'reading', sending: 'sending', receiving: 'receiving', done: 'done' } as const

export interface Progress {
  readonly onProgress: (progress: TransferProgress) => void
  /** Takes the line away. */
  end(): void
}

/** A line for one transfer. */
export function progressOf(outside: Pick<Outside, 'bars' | 'now'>, name: string): Progress {
  const { bars } = outside
  if (bars === undefined) return { onProgress: () => {}, end: () => {} }
  let drawnAt = Number.NEGATIVE_INFINITY
  let stage: TransferProgress['stage'] | undefined
  let begun = { at: 0, bytes: 0 }
  return {
    onProgress(progress) {
      if (progress.stage === 'done') return
      const now = outside.now()
      if (progress.stage !== stage) {
        stage = progress.stage
        // What had been there before is not counted into the speed.
        begun = { at: now, bytes: progress.stage === 'receiving' ? progress.bytes : 0 }
      } else if (now - drawnAt < drawEveryMs && progress.bytes < progress.total) return
      drawnAt = now
      bars.write(`\r\x1b[2K${cut(progressLine(name, progress, { ...begun, now }), bars.columns - 1)}`)
    },
    end: () => bars.write('\r\x1b[2K'),
  }
}

/** `sending  root.squashfs  [######……]  25 %  2.5 MB of 10 MB  1.2 MB/s` */
export function progressLine(
  name: string,
  { stage, bytes, total }: TransferProgress,
  begun: { at: number; bytes: number; now: number },
): string {
  const part = total === 0 ? 1 : Math.min(1, bytes / total)
  const filled = Math.floor(part * barWidth)
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}]`
  const seconds = (begun.now - begun.at) / 1000
  const speed = seconds < 0.5 ? [] : [`${sizeSaid(Math.round((bytes - begun.bytes) / seconds))}/s`]
  const percent = `${String(Math.floor(part * 100)).padStart(3)} %`
  return [
    stageWords[stage].padEnd(9),
    printable(name),
    bar,
    percent,
    `${sizeSaid(bytes)} of ${sizeSaid(total)}`,
    ...speed,
  ].join('  ')
}
