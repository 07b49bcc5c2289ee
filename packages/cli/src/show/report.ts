/** How something that goes on is going: a line for people every so often, or a line of JSON. */
import type { Io } from '../io.ts'
import type { Outside } from '../outside.ts'

export interface Report<C> {
  counts(): C
  /** Said while it goes on; `before` are the counts of the line before, and how long ago that was. */
  line(said: C, before: { readonly counts: C; readonly ms: number }): string
  /** Said at the end. */
  end(said: C): string
}

/** Tells, redrawn where stderr is a terminal; and says the last word. */
export function reporter<C>(io: Io, { bars, now }: Outside, json: boolean, report: Report<C>) {
  let before = { at: now(), counts: report.counts() }
  return {
    tell(): void {
      const said = report.counts()
      const at = now()
      const line = json
        ? JSON.stringify(said)
        : report.line(said, { counts: before.counts, ms: Math.max(1, at - before.at) })
      before = { at, counts: said }
      if (json || !bars) io.out(line)
      else bars.write(`\r\x1b[2K${line.slice(0, bars.columns - 1)}`)
    },
    end(): void {
      const said = report.counts()
      bars?.write('\r\x1b[2K')
      io.out(json ? JSON.stringify(said) : report.end(said))
    },
  }
}
