/**
 * Carries a wanted revision out through the control socket, from its objects to its last word.
 *
 *     begun     objects that are not there are fetched and put; then the state under its name
 *     ordered   LOCAL_RUN is in the slot; this program may end here, and comes back to the next line
 *     ended     DONE, UPDATED, WONTGO or ERROR was read; an ERROR is not tried again by itself
 *
 * A device that does not answer is starting anew and is waited for; `Retry-After` is obeyed. Each stage is in the memory
 * before its act.
 */
import { Away, type ControlAnswer, type ControlClient, refusalOf } from './control.ts'
import { objectsOf, type WantedRevision } from './desired.ts'
import type { Attempt, Memory } from './memory.ts'
import { isObject } from './topics.ts'

export interface FollowPorts {
  readonly control: ControlClient
  readonly memory: Memory
  /** Fetches an address; rejects without a good answer. */
  readonly fetch: (
    url: string,
    signal: AbortSignal,
  ) => Promise<{ readonly bytes: AsyncIterable<Uint8Array>; readonly length: number | undefined }>
  readonly sleep: (ms: number) => Promise<void>
  readonly signal: AbortSignal
  /** Something is worth reporting. */
  readonly onStage: () => void
  readonly log: (line: string) => void
}

/** Times in milliseconds. */
export interface FollowSettings {
  readonly pollMs: number
  readonly fetchTries: number
  /** The longest pause between tries of anything. */
  readonly pauseCapMs: number
}

const finalWords = ['DONE', 'UPDATED', 'WONTGO', 'ERROR']

class GivenUp extends Error {}

/** Resolves when the attempt has ended, or the signal is aborted. Never rejects for what the device or a server does. */
export async function followRevision(
  wanted: WantedRevision,
  version: number,
  ports: FollowPorts,
  settings: FollowSettings,
): Promise<void> {
  const { memory, signal } = ports
  const known = memory.attempt?.key === wanted.key ? memory.attempt : undefined
  if (known?.stage === 'ended') return
  let attempt: Attempt = known ?? {
    key: wanted.key,
    name: wanted.name,
    version,
    stage: 'begun',
    status: 'BEGUN',
    message: '',
  }
  const keep = async (next: Partial<Attempt>): Promise<void> => {
    attempt = { ...attempt, ...next }
    await memory.keep(attempt)
    ports.onStage()
  }
  try {
    if (attempt.stage === 'begun') {
      if (!known) await keep({})
      if (await runsAlready(wanted, ports, settings)) {
        await keep({ stage: 'ended', status: 'DONE', message: 'Runs already' })
        return
      }
      await bringObjects(wanted, ports, settings)
      await putState(wanted, ports, settings)
      await keep({ stage: 'ordered', status: 'ORDERED' })
      await orderRun(wanted, ports, settings)
    }
    await awaitEnd(wanted, ports, settings, keep)
  } catch (cause) {
    if (signal.aborted) return
    if (!(cause instanceof GivenUp)) throw cause
    ports.log(`${wanted.name}: ${cause.message}`)
    await keep({ stage: 'ended', status: 'ERROR', message: cause.message })
  }
}

/** Asks until the device answers and has time; any other answer is the caller's. */
async function insist(
  ask: () => Promise<ControlAnswer>,
  ports: FollowPorts,
  { pollMs, pauseCapMs }: FollowSettings,
): Promise<ControlAnswer> {
  for (;;) {
    let pauseMs = pollMs
    try {
      const answer = await ask()
      if (answer.status !== 503) return answer
      pauseMs = answer.retryAfterMs ?? pollMs
    } catch (cause) {
      if (!(cause instanceof Away)) throw cause
    }
    if (ports.signal.aborted) throw new GivenUp('stopped')
    await ports.sleep(Math.min(pauseMs, pauseCapMs))
    if (ports.signal.aborted) throw new GivenUp('stopped')
  }
}

async function runsAlready(
  wanted: WantedRevision,
  ports: FollowPorts,
  settings: FollowSettings,
): Promise<boolean> {
  const answer = await insist(() => ports.control.ask('GET', '/device-meta'), ports, settings)
  return isObject(answer.json) && answer.json['pantavisor.revision'] === wanted.name
}

async function bringObjects(
  wanted: WantedRevision,
  ports: FollowPorts,
  settings: FollowSettings,
): Promise<void> {
  const listed = await insist(() => ports.control.ask('GET', '/objects'), ports, settings)
  const here = new Set(
    Array.isArray(listed.json) ? listed.json.map((each: unknown) => (isObject(each) ? each.sha256 : '')) : [],
  )
  for (const sha of objectsOf(wanted.stateText)) {
    if (here.has(sha)) continue
    const url = wanted.objects.get(sha)
    if (url === undefined) throw new GivenUp(`object ${sha}: not on the device, and no address was given`)
    await bringObject(sha, url, ports, settings)
  }
}

async function bringObject(
  sha: string,
  url: string,
  ports: FollowPorts,
  settings: FollowSettings,
): Promise<void> {
  let why = ''
  for (let n = 0; n < settings.fetchTries; n++) {
    if (n > 0) await ports.sleep(Math.min(settings.pollMs * 2 ** n, settings.pauseCapMs))
    if (ports.signal.aborted) throw new GivenUp('stopped')
    try {
      const { bytes, length } = await ports.fetch(url, ports.signal)
      const answer = await ports.control.send(`/objects/${sha}`, bytes, length)
      if (answer.status === 200) return
      why = refusalOf(answer)
      // A full disk does not get emptier by trying.
      if (answer.status === 507) break
    } catch (cause) {
      why = cause instanceof Error ? cause.message : String(cause)
    }
    ports.log(`object ${sha}: ${why}`)
  }
  throw new GivenUp(`object ${sha}: ${why}`)
}

async function putState(wanted: WantedRevision, ports: FollowPorts, settings: FollowSettings): Promise<void> {
  const put = await insist(
    () => ports.control.ask('PUT', `/steps/${wanted.name}`, wanted.stateText),
    ports,
    settings,
  )
  if (put.status !== 200) throw new GivenUp(refusalOf(put))
  if (wanted.message !== '')
    await insist(
      () => ports.control.ask('PUT', `/steps/${wanted.name}/commitmsg`, wanted.message),
      ports,
      settings,
    )
}

async function orderRun(wanted: WantedRevision, ports: FollowPorts, settings: FollowSettings): Promise<void> {
  const body = JSON.stringify({ op: wanted.commit ? 'LOCAL_RUN_COMMIT' : 'LOCAL_RUN', payload: wanted.name })
  const answer = await insist(() => ports.control.ask('POST', '/commands', body), ports, settings)
  if (answer.status !== 200) throw new GivenUp(refusalOf(answer))
}

/** Reads the progress until its last word. NEW means that the order was lost with whoever gave it: it is given again. */
async function awaitEnd(
  wanted: WantedRevision,
  ports: FollowPorts,
  settings: FollowSettings,
  keep: (next: Partial<Attempt>) => Promise<void>,
): Promise<void> {
  let shown = ''
  let waited = 0
  for (;;) {
    const answer = await insist(
      () => ports.control.ask('GET', `/steps/${wanted.name}/progress`),
      ports,
      settings,
    )
    if (answer.status !== 200) throw new GivenUp(refusalOf(answer))
    const progress = isObject(answer.json) ? answer.json : {}
    const status = String(progress.status ?? '')
    const message = String(progress['status-msg'] ?? '')
    if (finalWords.includes(status)) return keep({ stage: 'ended', status, message })
    if (status === 'NEW' && ++waited % 5 === 0) await orderRun(wanted, ports, settings)
    if (status !== shown) await keep({ status, message })
    shown = status
    await ports.sleep(settings.pollMs)
    if (ports.signal.aborted) throw new GivenUp('stopped')
  }
}
