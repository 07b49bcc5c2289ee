/** Holds the author's devices in a process of their own: whatever they do, the judge keeps its own time. */
import { fork } from 'node:child_process'
import { isRecord } from '../messages.ts'
import {
  readSamples,
  TrialFailure,
  type TrialIdentity,
  type TrialSamples,
  type Values,
  values,
} from './trial.ts'
import type { ToTrial } from './trial-child.ts'

const helloMs = 10_000
const answerMs = 10_000
/** What is kept of what it writes to stderr, characters. */
const moanMost = 4000

export interface HostedTrial {
  readonly samples: TrialSamples
  /** Starts a device; what is returned stops it. Rejects with a `TrialFailure` if the program can not. */
  start(identity: TrialIdentity): Promise<() => Promise<void>>
  /** Starts a device that waits to be called; its attributes, and what stops it. */
  wait(
    identity: Omit<TrialIdentity, 'host' | 'port'>,
  ): Promise<{ attributes: Values; stop: () => Promise<void> }>
  /** Ends the process, and all devices with it. */
  close(): Promise<void>
}

/** Starts the trial at this URL. Rejects with a `TrialFailure` if it does not load, or lacks something. */
export async function hostTrial(url: string): Promise<HostedTrial> {
  const entry = new URL(
    import.meta.url.endsWith('.ts') ? './trial-child.ts' : './trial-child.js',
    import.meta.url,
  )
  const child = fork(entry, [url], {
    env: {},
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const hello = Promise.withResolvers<unknown>()
  let last = 0
  let moaned = ''

  child.stderr?.on('data', (bytes: Buffer) => {
    moaned = (moaned + bytes.toString()).slice(-moanMost)
  })
  const endedWhy = () => {
    const [line = ''] = moaned.split('\n').filter((each) => /Error/.test(each))
    return `its process ended${line === '' ? '' : `: ${line.trim()}`}`
  }
  child.on('error', (error) => hello.reject(new TrialFailure(`trial ${url}: ${error.message}`)))
  child.on('message', (raw) => {
    if (!isRecord(raw)) return
    if (raw.kind === 'hello') return hello.resolve(raw.samples)
    if (raw.kind === 'refused')
      return hello.reject(new TrialFailure(`trial ${url}: does not load: ${raw.reason}`))
    const answer = typeof raw.id === 'number' ? waiting.get(raw.id) : undefined
    if (raw.kind === 'done') answer?.resolve(raw.value)
    else answer?.reject(new TrialFailure(`trial: its device: ${raw.reason}`))
  })
  void exited.then(() => {
    hello.reject(new TrialFailure(`trial ${url}: before it said what it is ${endedWhy()}`))
    for (const answer of waiting.values()) answer.reject(new TrialFailure(`trial: ${endedWhy()}`))
  })

  async function ask(message: ToTrial): Promise<unknown> {
    const answer = Promise.withResolvers<unknown>()
    waiting.set(message.id, answer)
    const late = setTimeout(
      () => answer.reject(new TrialFailure(`trial: ${message.kind} took more than ${answerMs} ms`)),
      answerMs,
    )
    try {
      if (child.connected) child.send(message, () => {})
      else answer.reject(new TrialFailure(`trial: ${endedWhy()}`))
      return await answer.promise
    } finally {
      clearTimeout(late)
      waiting.delete(message.id)
    }
  }

  async function close(): Promise<void> {
    child.kill('SIGKILL')
    await exited
  }

  const late = setTimeout(
    () => hello.reject(new TrialFailure(`trial ${url}: said nothing in ${helloMs} ms`)),
    helloMs,
  )
  async function stop(device: number): Promise<void> {
    last += 1
    await ask({ kind: 'stop', id: last, device })
  }

  try {
    const samples = readSamples(await hello.promise)
    return {
      samples,
      async start(identity) {
        last += 1
        const device = last
        await ask({ kind: 'start', id: device, identity })
        return () => stop(device)
      },
      async wait(identity) {
        last += 1
        const device = last
        const attributes = await ask({ kind: 'wait', id: device, identity })
        return { attributes: values('wait: attributes', attributes), stop: () => stop(device) }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  } finally {
    clearTimeout(late)
  }
}
