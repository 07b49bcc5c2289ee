/** The process that an author's devices run in: loads the trial, says what it is, starts and stops devices when told to. */
import type { Trial, TrialDevice, TrialIdentity } from './trial.ts'

export type ToTrial =
  | { readonly kind: 'start'; readonly id: number; readonly identity: TrialIdentity }
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
    () => process.send?.({ kind: 'done', id }),
    (error: unknown) => process.send?.({ kind: 'failed', id, reason: reasonOf(error) }),
  )
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error)).slice(0, 500)

try {
  const trial = await load(process.argv[2] ?? '')
  const { start, ...samples } = trial
  process.on('message', (message: ToTrial) => {
    if (message.kind === 'start')
      told(message.id, (async () => devices.set(message.id, await start.call(trial, message.identity)))())
    else told(message.id, (async () => devices.get(message.device)?.stop())())
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.({ kind: 'hello', samples })
} catch (error) {
  process.send?.({ kind: 'refused', reason: reasonOf(error) }, () => process.exit(1))
}
