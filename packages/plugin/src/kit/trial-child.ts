/** The process that an author's devices run in: loads the trial, says what it is, starts and stops devices when told to. */
import type { Trial, TrialDevice, TrialIdentity } from './trial.ts'

export type ToTrial =
  | { readonly kind: 'start'; readonly id: number; readonly identity: TrialIdentity }
  | { readonly kind: 'wait'; readonly id: number; readonly identity: Omit<TrialIdentity, 'host' | 'port'> }
  | { readonly kind: 'stop'; readonly id: number; readonly device: number }

const devices = new Map<number, TrialDevice>()

async function load(path: string): Promise<Trial> {
  const loaded: { readonly default?: Trial } = await import(path)
  if (loaded.default === undefined) throw new Error('wanted a default export, got none')
  if (typeof loaded.default.start !== 'function') throw new Error('wanted start(identity), got none')
  return loaded.default
}

function told(id: number, doing: Promise<unknown>): void {
  doing.then(
    (value) => process.send?.({ kind: 'done', id, value }),
    (error: unknown) => process.send?.({ kind: 'failed', id, reason: reasonOf(error) }),
  )
}

async function carryOut(trial: Trial, message: ToTrial): Promise<unknown> {
  switch (message.kind) {
    case 'start':
      devices.set(message.id, await trial.start(message.identity))
      return undefined
    case 'wait': {
      const waiting = await trial.wait?.(message.identity)
      if (waiting === undefined) throw new Error('it has no wait(identity)')
      devices.set(message.id, waiting)
      return waiting.attributes
    }
    case 'stop':
      return devices.get(message.device)?.stop()
  }
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error)).slice(0, 500)

try {
  const trial = await load(process.argv[2] ?? '')
  const { start, wait, ...samples } = trial
  process.on('message', (message: ToTrial) => told(message.id, carryOut(trial, message)))
  process.on('disconnect', () => process.exit(0))
  process.send?.({ kind: 'hello', samples: { ...samples, waits: wait !== undefined } })
} catch (error) {
  process.send?.({ kind: 'refused', reason: reasonOf(error) }, () => process.exit(1))
}
