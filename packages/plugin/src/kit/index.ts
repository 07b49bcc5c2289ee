/**
 * The conformance kit: runs a plugin in its process, as a server does, against a house in memory and devices of its author's,
 * and judges it rule by rule.
 *
 * ```js
 * const { ok, verdicts } = await testPlugin('/home/me/lines/index.js', '/home/me/lines/trial.js')
 * ```
 */
import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hostPlugin, PluginFailure } from '../host.ts'
import { Broken, createGround, type Ground } from './ground.ts'
import { type Rule, rules } from './rules.ts'
import { hostTrial } from './trial-host.ts'

export { type Rule, rules } from './rules.ts'
export {
  type Trial,
  type TrialCall,
  type TrialDevice,
  TrialFailure,
  type TrialIdentity,
  type TrialRequest,
  type TrialSamples,
  type TrialWaiting,
} from './trial.ts'

export interface TestOptions {
  /** How long what is to come may take, milliseconds. */
  readonly patienceMs?: number
  /** Hears each verdict as it is reached. */
  readonly told?: (verdict: Verdict) => void
}

export type Verdict = { readonly rule: string; readonly says: string } & (
  | { readonly result: 'ok' }
  | { readonly result: 'failed'; readonly wanted: string; readonly got: string }
  | { readonly result: 'untried'; readonly why: string }
)

export interface TestReport {
  /** The plugin's name; empty where it did not load. */
  readonly plugin: string
  readonly verdicts: readonly Verdict[]
  /** No rule is broken. */
  readonly ok: boolean
}

const defaultPatienceMs = 10_000

/**
 * Tries the plugin at `plugin` with the trial at `trial`: absolute paths or URLs of modules. Rejects with a `TrialFailure` if
 * the trial can not be held; all that is the plugin's own fault is a verdict.
 */
export async function testPlugin(
  plugin: string,
  trial: string,
  { patienceMs = defaultPatienceMs, told = () => {} }: TestOptions = {},
): Promise<TestReport> {
  const verdicts: Verdict[] = []
  const reach = (verdict: Verdict) => {
    verdicts.push(verdict)
    told(verdict)
  }
  const devices = await hostTrial(urlOf(trial))
  try {
    const [first, ...others] = rules
    const hosted = await hostPlugin(urlOf(plugin), { helloMs: patienceMs, restartMs: 100 }).catch(
      (error: unknown) => {
        if (!(error instanceof PluginFailure)) throw error
        return error
      },
    )
    const giveUp = () => {
      for (const rule of others) reach({ ...head(rule), result: 'untried', why: 'there is nothing to try' })
    }
    if (hosted instanceof PluginFailure) {
      reach({ ...head(first), result: 'failed', wanted: 'a plugin', got: hosted.message })
      giveUp()
      return { plugin: '', verdicts, ok: false }
    }
    try {
      const ground = createGround(hosted, devices, patienceMs)
      hosted.open(ground.house.house)
      const began = await verdictOf(first, ground)
      reach(began)
      if (began.result === 'failed') giveUp()
      else for (const rule of others) reach(await verdictOf(rule, ground))
      return { plugin: hosted.name, verdicts, ok: verdicts.every(({ result }) => result !== 'failed') }
    } finally {
      await hosted.close()
    }
  } finally {
    await devices.close()
  }
}

const head = ({ id, says }: Rule) => ({ rule: id, says })

async function verdictOf(rule: Rule, ground: Ground): Promise<Verdict> {
  const ends = ground.house.gone.length
  const judgeAlive = () => {
    const [ended] = ground.house.gone.slice(ends)
    if (ended !== undefined && !rule.outlives) throw new Broken('a process that lasts', ended)
  }
  try {
    // One that has ended under an earlier rule is started again.
    await ground.listening()
    const why = rule.untried?.(ground)
    if (why !== undefined) return { ...head(rule), result: 'untried', why }
    await rule.judge(ground).finally(judgeAlive)
    return { ...head(rule), result: 'ok' }
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    return { ...head(rule), result: 'failed', wanted: error.wanted, got: error.got }
  } finally {
    await ground.clear()
  }
}

const urlOf = (path: string) => (isAbsolute(path) ? pathToFileURL(path).href : path)
