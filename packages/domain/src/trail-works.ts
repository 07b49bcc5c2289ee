/**
 * Software on devices that follow a trail: what a step does with packages is kept beside it, and becomes true of the device in
 * the commit that ends the step. A device takes a step whole or stays on its last good revision, so that either every package
 * of a step is there or none is.
 */
import type { Env } from './env.ts'
import type { TransactionId } from './ids.ts'
import { keepConfiguration } from './package-confirmed.ts'
import { endPackageStep } from './package-ends.ts'
import type { Reader, Tx } from './port.ts'
import {
  type CarriedPackage,
  type Step,
  steps,
  type Trail,
  type Transaction,
  trailWorks,
  transactions,
} from './records.ts'

/** Steps looked at together on the way back to one that stands. */
const lookBack = 20

/**
 * The step that a change of software is made on: the newest that is done or may yet be. What failed, or was taken back, is
 * not on the device, and must not come back with whatever is asked next.
 */
export async function standingStep(reader: Reader, trail: Trail): Promise<Step | undefined> {
  const of = { device: trail.device, generation: trail.generation }
  let before: Step | undefined
  for (;;) {
    const found = await reader.find(steps, {
      where: before === undefined ? of : { ...of, rev: { lt: before.rev } },
      order: ['-rev'],
      limit: lookBack,
    })
    for (const step of found) {
      if (step.open) return step
      const life = await reader.get(transactions, { id: step.transaction })
      // Of a step whose life is kept no longer its place is all that is known.
      if (!life || life.state === 'done') return step
    }
    if (found.length < lookBack) return found.at(-1) ?? before
    before = found.at(-1)
  }
}

/**
 * A step that was made for packages has ended. Done: the device has what it holds, also when nobody waits for it any more (it
 * timed out, or was called off too late), of which nobody is told again. Otherwise the device is as it was.
 */
export async function endCarried(
  tx: Tx,
  env: Env,
  behalf: TransactionId,
  state: Transaction['state'],
): Promise<void> {
  const work = await tx.get(trailWorks, { transaction: behalf })
  const asked = work?.carried && (await tx.get(transactions, { id: behalf }))
  if (!work?.carried || !asked) return
  const { steps } = work.carried
  const quiet = !asked.open
  if (state === 'done')
    for (const [index, step] of steps.entries())
      await endPackageStep(tx, env, asked, stepOf(step), {
        done: true,
        last: index === steps.length - 1,
        quiet,
      })
  if (state === 'done')
    for (const { package: name, values } of steps)
      if (values !== undefined)
        await keepConfiguration(tx, env, { device: work.device, package: name, values, transaction: behalf })
  const last = steps.at(-1)
  if (state !== 'done' && last && !quiet)
    await endPackageStep(tx, env, asked, stepOf(last), { done: false, last: true })
  const { carried: _, ...rest } = work
  await tx.put(trailWorks, { ...rest, dueAt: env.now })
}

/** What was asked has ended: what is left to do of it is due now. */
export async function wakeTrailWork(tx: Tx, env: Env, transaction: TransactionId): Promise<void> {
  const work = await tx.get(trailWorks, { transaction })
  if (work && work.dueAt > env.now) await tx.put(trailWorks, { ...work, dueAt: env.now })
}

function stepOf({ operation, package: name, from }: CarriedPackage) {
  return { operation, package: { name }, ...(from === undefined ? {} : { from }) }
}
