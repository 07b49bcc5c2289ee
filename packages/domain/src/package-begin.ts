/** How an operation on packages begins. */
import type { Env } from './env.ts'
import { keepStatus } from './package-ends.ts'
import { type AskedPackage, describePlanRefusal, planFor } from './package-plan.ts'
import type { Tx } from './port.ts'
import type { Transaction } from './records.ts'
import { finish } from './transactions.ts'

/** What an operation begins with, for the commit that asks it: the device’s record shows it, or it has failed already. */
export async function beginPackage(
  tx: Tx,
  env: Env,
  asked: Transaction,
  payload: AskedPackage,
): Promise<void> {
  const { device } = asked
  if (device === undefined) return
  const plan = await planFor(tx, device, payload)
  if (!plan.ok) {
    await keepStatus(tx, env, asked, payload.package, {
      operation: payload.operation,
      status: plan.refusal.kind === 'dependency-failure' ? 'dependency-failure' : 'other-error',
    })
    await finish(
      tx,
      env,
      asked.id,
      { state: 'failed', reason: describePlanRefusal(plan.refusal) },
      { kind: 'system', id: 'packages' },
    )
    return
  }
  for (const step of plan.value)
    await keepStatus(tx, env, asked, step.package.name, { operation: step.operation, status: 'queued' })
}
