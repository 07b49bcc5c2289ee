/** How far a move is: one line on a terminal while it runs, and the sums at its end. */
import type { Outside } from '../outside.ts'
import { cut } from '../show/table.ts'
import { sizeSaid } from '../show/words.ts'

const drawEveryMs = 100

export interface Counts {
  devices: number
  steps: number
  objects: number
  bytes: number
}

/** Counts, and draws what is counted where there is a terminal. */
export function tallyOf(outside: Pick<Outside, 'bars' | 'now'>, verb: string) {
  const counts: Counts = { devices: 0, steps: 0, objects: 0, bytes: 0 }
  let devicesInAll = 0
  let drawnAt = Number.NEGATIVE_INFINITY
  const { bars } = outside
  function draw(): void {
    if (bars === undefined) return
    const now = outside.now()
    if (now - drawnAt < drawEveryMs) return
    drawnAt = now
    bars.write(`\r\x1b[2K${cut(tallyLine(verb, counts, devicesInAll), bars.columns - 1)}`)
  }
  return {
    counts,
    expect(devices: number): void {
      devicesInAll = devices
      draw()
    },
    add(what: Partial<Counts>): void {
      counts.devices += what.devices ?? 0
      counts.steps += what.steps ?? 0
      counts.objects += what.objects ?? 0
      counts.bytes += what.bytes ?? 0
      draw()
    },
    end(): void {
      bars?.write('\r\x1b[2K')
    },
  }
}

export type Tally = ReturnType<typeof tallyOf>

/** `exporting  device 3 of 12  40 steps  9 objects  1.2 MB` */
export function tallyLine(verb: string, { devices, steps, objects, bytes }: Counts, all: number): string {
  return [
    verb,
    `device ${Math.min(devices + 1, all)} of ${all}`,
    said(steps, 'step'),
    said(objects, 'object'),
    sizeSaid(bytes),
  ].join('  ')
}

/** `12 devices, 40 steps, 9 objects (1.2 MB)` */
export function countsSaid({ devices, steps, objects, bytes }: Counts): string {
  return `${said(devices, 'device')}, ${said(steps, 'step')}, ${said(objects, 'object')} (${sizeSaid(bytes)})`
}

/** `1 step`, `2 steps`. */
export function said(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}
