/** What a real client made of us, rule by rule. */
export interface Report {
  readonly passed: string[]
  readonly failed: string[]
  readonly skipped: string[]
}

/** A client that is not on this machine. */
export function skipped(name: string, why: string): Report {
  return { passed: [], failed: [], skipped: [`${name} (${why})`] }
}

/** Says what is done and does it. */
export type Step = <T>(says: string, act: () => Promise<T>) => Promise<T>

class Stopped extends Error {}

/** Runs a scenario step by step; it ends with the first step that fails, for the next ones build on it. */
export async function scenario(name: string, run: (step: Step) => Promise<void>): Promise<Report> {
  const report: Report = { passed: [], failed: [], skipped: [] }
  const step: Step = async (says, act) => {
    try {
      const result = await act()
      report.passed.push(`${name}: ${says}`)
      return result
    } catch (error) {
      report.failed.push(`${name}: ${says}: ${error instanceof Error ? error.message : String(error)}`)
      throw new Stopped()
    }
  }
  try {
    await run(step)
  } catch (error) {
    if (!(error instanceof Stopped)) throw error
  }
  return report
}

/** Throws unless the two are the same JSON. */
export function same(what: string, got: unknown, wanted: unknown): void {
  const [g, w] = [JSON.stringify(got), JSON.stringify(wanted)]
  if (g !== w) throw new Error(`${what}: wanted ${w}, got ${g}`)
}

export function hold(what: string, holds: boolean, got: unknown = ''): asserts holds {
  if (!holds) throw new Error(`wanted ${what}, got ${typeof got === 'string' ? got : JSON.stringify(got)}`)
}
