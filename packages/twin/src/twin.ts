/**
 * One device held by its twin: the desired half in, the reported half out, methods answered.
 *
 *     link     opened anew after ever longer pauses; on each: subscribe, get the whole, only then believe patches
 *     wishes   the newest counts; a wish under way is brought to its end first
 *     reports  the difference to what the hub is known to have, one on its way at a time
 *
 * A patch that is not newer is dropped, one that leaves a gap makes the whole be asked for again. What the hub answers with
 * 429 or 5xx is sent again later, made afresh; what it refuses with another 4xx is not sent again until it changes.
 */
import { type BrokerSettings, type Link, openLink } from './broker.ts'
import { Away, type ControlAnswer, type ControlClient } from './control.ts'
import { readWanted, type Wanted } from './desired.ts'
import { type FollowPorts, type FollowSettings, followRevision } from './follow.ts'
import type { Memory } from './memory.ts'
import { callMethod } from './methods.ts'
import { type Complaint, reportedOf } from './report.ts'
import {
  type FromHub,
  getTopic,
  isObject,
  type JsonObject,
  merge,
  methodAnswerTopic,
  parseObject,
  parseTopic,
  patchFrom,
  reportTopic,
  subscriptions,
} from './topics.ts'

/** Times in milliseconds, sizes in bytes. */
export interface TwinSettings extends FollowSettings {
  /** The container this program runs as. */
  readonly self: string | undefined
  /** How often the device is looked at for something to report. */
  readonly reportMs: number
  readonly answerMs: number
  readonly firstPauseMs: number
}

export const twinLimits = { payloadBytes: 256 * 1024, methodsAtOnce: 8 }

export interface TwinPorts {
  readonly control: ControlClient
  readonly memory: Memory
  readonly fetch: FollowPorts['fetch']
  readonly now: () => number
  /** In [0, 1). */
  readonly luck: () => number
  /** Resolves after so long, or when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly log: (line: string) => void
}

interface Answer {
  readonly head: Extract<FromHub, { kind: 'answer' }>
  readonly body: JsonObject | undefined
}

/** Runs until the signal. Never rejects for what a hub, a broker or a device does. */
export async function runTwin(
  broker: BrokerSettings,
  settings: TwinSettings,
  ports: TwinPorts,
  signal: AbortSignal,
): Promise<void> {
  const { control, memory, log } = ports
  /** The desired half as last known; undefined before the first. */
  let desired: { readonly version: number; readonly document: JsonObject } | undefined
  /** The reported half as the hub has it. */
  let reported: JsonObject | undefined
  let refusedPatch = ''
  let complaint: Complaint | undefined
  let held: boolean | undefined
  let link: Link | undefined
  let methodsOut = 0
  let count = 0
  let wakeWork: () => void = () => undefined
  let wakeReport: () => void = () => undefined
  const waiting = new Map<string, (answer: Answer | undefined) => void>()

  const nap = (ms: number): Promise<void> => ports.sleep(ms, signal)

  // ── the hub ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Asks the hub and waits for its answer; undefined when none came, or the link was lost meanwhile. */
  async function askHub(
    on: Link,
    topic: (rid: string) => string,
    payload: string,
  ): Promise<Answer | undefined> {
    const rid = (++count).toString(16)
    const { promise, resolve } = Promise.withResolvers<Answer | undefined>()
    waiting.set(rid, resolve)
    const late = new AbortController()
    void ports.sleep(settings.answerMs, AbortSignal.any([signal, late.signal])).then(() => resolve(undefined))
    try {
      await on.publish(topic(rid), payload)
      return await promise
    } finally {
      late.abort()
      waiting.delete(rid)
    }
  }

  async function getWhole(on: Link): Promise<boolean> {
    const answer = await askHub(on, getTopic, '')
    const { desired: wish, reported: known } = answer?.body ?? {}
    if (answer?.head.status !== 200 || !isObject(wish)) {
      log(`the twin was not had: ${answer ? `status ${answer.head.status}` : 'no answer'}`)
      return false
    }
    reported = isObject(known) ? known : {}
    refusedPatch = ''
    takeWish(versionOf(wish), wish)
    return true
  }

  function takeWish(version: number, document: JsonObject): void {
    const { $version: _, ...members } = document
    desired = { version, document: members }
    wakeWork()
    wakeReport()
  }

  function onMessage(on: () => Link | undefined, topic: string, payload: Uint8Array): void {
    const head = parseTopic(topic)
    if (!head) return
    if (payload.length > twinLimits.payloadBytes) {
      log(`${head.kind}: wanted at most ${twinLimits.payloadBytes} bytes, got ${payload.length}`)
      if (head.kind === 'method') void answerMethod(on(), 413, head.rid, { error: 'too long' })
      return
    }
    const body = parseObject(payload)
    switch (head.kind) {
      case 'answer':
        waiting.get(head.rid)?.({ head, body })
        return
      case 'method':
        void method(on(), head.name, head.rid, body)
        return
      case 'desired': {
        // Before the whole is there a patch says nothing.
        if (!body || !desired || reported === undefined) return
        const version = head.version ?? versionOf(body)
        if (version <= desired.version) return
        const now = on()
        if (version > desired.version + 1 && now) void getWhole(now).catch(() => undefined)
        else {
          const merged = merge(desired.document, body)
          if (isObject(merged)) takeWish(version, merged)
        }
      }
    }
  }

  async function method(
    on: Link | undefined,
    name: string,
    rid: string,
    payload: JsonObject | undefined,
  ): Promise<void> {
    if (methodsOut >= twinLimits.methodsAtOnce)
      return answerMethod(on, 429, rid, { error: 'too many at once' })
    methodsOut++
    const { status, body } = await callMethod(name, payload, control)
    methodsOut--
    log(`method ${name}: ${status}`)
    await answerMethod(on, status, rid, body)
    wakeReport()
  }

  async function answerMethod(
    on: Link | undefined,
    status: number,
    rid: string,
    body: unknown,
  ): Promise<void> {
    // A link that is lost takes the question with it.
    await on?.publish(methodAnswerTopic(status, rid), JSON.stringify(body)).catch(() => undefined)
  }

  /** Keeps a link open: one after the other, each with the whole twin first. */
  async function keepLinked(): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      const lost = Promise.withResolvers<string>()
      try {
        const mine = await openLink(
          broker,
          subscriptions,
          {
            onMessage: (topic, payload) => onMessage(() => link ?? undefined, topic, payload),
            onLost(why) {
              lost.resolve(why)
              // What was asked over it is answered by nobody any more.
              for (const answer of waiting.values()) answer(undefined)
            },
          },
          ports.now(),
        )
        link = mine
        reported = undefined
        if (await getWhole(mine)) {
          failures = 0
          log('linked')
          wakeReport()
          const stop = () => lost.resolve('asked to stop')
          signal.addEventListener('abort', stop, { once: true })
          log(`link lost: ${await lost.promise}`)
          signal.removeEventListener('abort', stop)
        }
        link = undefined
        await mine.close()
      } catch (cause) {
        log(`no link: ${messageOf(cause)}`)
      }
      link = undefined
      if (signal.aborted) return
      const whole = Math.min(settings.pauseCapMs, settings.firstPauseMs * 2 ** Math.min(failures++, 20))
      await nap(whole / 2 + (whole / 2) * ports.luck())
    }
  }

  // ── the device ────────────────────────────────────────────────────────────────────────────────────────────

  /** Does what is wanted, the newest first, one wish after the other. */
  async function work(): Promise<void> {
    let done = -1
    while (!signal.aborted) {
      const wish = desired
      if (!wish || wish.version === done) {
        await new Promise<void>((wake) => {
          wakeWork = wake
          signal.addEventListener('abort', () => wake(), { once: true })
        })
        continue
      }
      try {
        await fulfil(wish.version, wish.document)
        done = wish.version
      } catch (cause) {
        if (!(cause instanceof Away)) log(`wish ${wish.version}: ${messageOf(cause)}`)
        await nap(settings.pollMs)
      }
      wakeReport()
    }
  }

  async function fulfil(version: number, document: JsonObject): Promise<void> {
    const read = readWanted(document, settings.self)
    complaint = read.ok ? undefined : { version, why: read.why }
    if (!read.ok) return
    const { wanted } = read
    await hold(wanted, version)
    for (const [key, value] of Object.entries(wanted.userMeta)) {
      const path = `/user-meta/${key}`
      if (value === null) await control.ask('DELETE', path)
      else
        refuse(
          await control.ask('PUT', path, typeof value === 'string' ? value : JSON.stringify(value)),
          version,
          path,
        )
    }
    if (!wanted.revision || !wanted.hold) return
    await followRevision(
      wanted.revision,
      version,
      {
        control,
        memory,
        fetch: ports.fetch,
        sleep: nap,
        signal,
        onStage: () => wakeReport(),
        log,
      },
      settings,
    )
  }

  /** The built-in client is still while the twin holds the device, and works once it is handed back. */
  async function hold(wanted: Wanted, version: number): Promise<void> {
    const op = wanted.hold ? 'GO_LOCAL' : 'GO_REMOTE'
    for (;;) {
      const answer = await control.ask('POST', '/commands', JSON.stringify({ op, payload: '' }))
      if (answer.status !== 503 || signal.aborted) {
        if (answer.status === 200 || answer.status === 204) held = wanted.hold
        else refuse(answer, version, op)
        return
      }
      await nap(Math.min(answer.retryAfterMs ?? settings.pollMs, settings.pollMs * 5))
    }
  }

  function refuse(answer: ControlAnswer, version: number, what: string): void {
    if (answer.status >= 400)
      complaint = { version, why: `${what}: ${answer.text.slice(0, 200)} (${answer.status})` }
  }

  /** Looks at the device now and then, and tells the hub what has changed. */
  async function report(): Promise<void> {
    let pauseMs = 0
    while (!signal.aborted) {
      const woken = new AbortController()
      if (pauseMs === 0) wakeReport = () => woken.abort()
      await ports.sleep(pauseMs || settings.reportMs, AbortSignal.any([signal, woken.signal]))
      wakeReport = () => undefined
      pauseMs = 0
      if (signal.aborted) return
      try {
        pauseMs = await reportOnce()
      } catch (cause) {
        if (!(cause instanceof Away)) log(`report: ${messageOf(cause)}`)
        // A pause, so that a device that is away is not asked in a tight circle.
        pauseMs = settings.pollMs
      }
    }
  }

  /** Answers how long to wait before the next; 0: as usual. */
  async function reportOnce(): Promise<number> {
    const on = link
    if (!on || reported === undefined) return 0
    const read = async (path: string): Promise<unknown> => (await control.ask('GET', path)).json
    const { attempt } = memory
    const seen = {
      containers: await read('/containers'),
      deviceMeta: await read('/device-meta'),
      progress:
        attempt && attempt.stage !== 'ended' ? await read(`/steps/${attempt.name}/progress`) : undefined,
    }
    const known = reported
    const now = reportedOf(seen, attempt, complaint, held)
    const patch = patchFrom(known, now)
    const text = JSON.stringify(patch)
    if (!patch || text === refusedPatch || link !== on) return 0
    const answer = await askHub(on, reportTopic, text)
    if (!answer) return settings.pollMs
    const { status, retryAfterMs } = answer.head
    if (status === 200 || status === 204) {
      const merged = merge(known, patch)
      if (reported === known && isObject(merged)) reported = merged
      return 0
    }
    log(`report: status ${status}`)
    if (status === 429 || status >= 500)
      return Math.min(retryAfterMs ?? settings.pollMs * 5, settings.pauseCapMs)
    // What the hub has is not what we took it to have: the whole is asked for again.
    if (status === 412) await getWhole(on)
    else refusedPatch = text
    return settings.pollMs
  }

  await Promise.all([keepLinked(), work(), report()])
}

const versionOf = (half: JsonObject): number => (typeof half.$version === 'number' ? half.$version : 0)

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
