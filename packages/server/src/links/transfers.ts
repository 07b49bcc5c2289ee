/**
 * Images on their way to a device, and the steps they are for: any part can be had, what the device has confirmed is on disk,
 * and each step is told of when it has ended.
 */
import {
  confirmTransfer,
  type Env,
  endPackageStep,
  finish,
  keepConfiguration,
  ok,
  restartTransfer,
  type Store,
  transactions,
} from '@waymark/domain'
import { printJson } from '@waymark/yang'
import type { KnownDevice } from './carrying.ts'
import type { ImageBytes } from './image-reader.ts'
import type { CarriedPackages, CarriedStep } from './link.ts'
import { createPace } from './pace.ts'
import type { ShareCommit } from './shared-commits.ts'

export interface TransfersNeeds {
  readonly store: Store
  readonly share: ShareCommit
  readonly bytes: ImageBytes
  env(): Env
}

export type Transfers = ReturnType<typeof createTransfers>

export function createTransfers({ store, share, bytes: images, env: now }: TransfersNeeds) {
  function stepOf(carried: CarriedPackages, step: number): CarriedStep {
    const found = carried.steps[step]
    if (!found) throw new RangeError(`there is no step ${step}`)
    return found
  }

  const pace = createPace()
  /** How far an image was handed out on this session, or had come on those before. */
  const handed = new WeakMap<object, number>()
  const handedOf = (of: NonNullable<CarriedStep['image']>) => handed.get(of) ?? of.confirmed

  async function image(
    carried: CarriedPackages,
    step: number,
    offset: number,
    length: number,
  ): Promise<Uint8Array> {
    const { image: of } = stepOf(carried, step)
    if (!of || offset < 0 || offset >= of.size || length <= 0) return new Uint8Array()
    const end = Math.min(offset + length, of.size)
    handed.set(of, Math.max(handedOf(of), end))
    return images.read(of.sha256, offset, end - offset)
  }

  async function confirmed(
    known: KnownDevice,
    carried: CarriedPackages,
    step: number,
    bytes: number,
  ): Promise<boolean> {
    const { image: of, package: name, operation } = stepOf(carried, step)
    const size = of && handedOf(of)
    await pace()
    return share(known.tenant, async (tx) => {
      const transaction = await tx.get(transactions, { id: carried.transaction })
      if (!transaction?.open) return false
      if (size === undefined) return true
      const taken = await confirmTransfer(tx, { transaction, package: name, size, bytes })
      if (taken.ok) return true
      const { wanted, got } = taken.refusal
      const env = now()
      await endPackageStep(
        tx,
        env,
        transaction,
        { operation, package: { name } },
        { done: false, last: true },
      )
      const reason = `device-error: ${operation} of ${name}: confirmed what it was not sent: wanted ${wanted}, got ${got}`
      await finish(tx, env, transaction.id, { state: 'failed', reason }, { kind: 'device', id: known.device })
      return false
    })
  }

  async function restart(known: KnownDevice, carried: CarriedPackages, step: number): Promise<void> {
    const { package: name } = stepOf(carried, step)
    await store.transact(known.tenant, async (tx) => {
      const asked = await tx.get(transactions, { id: carried.transaction })
      if (asked?.open) await restartTransfer(tx, asked, name)
      return ok(undefined)
    })
  }

  async function stepped(
    known: KnownDevice,
    carried: CarriedPackages,
    step: number,
    done: boolean,
    reason?: string,
  ): Promise<void> {
    const { operation, package: name, from, values } = stepOf(carried, step)
    await store.transact(known.tenant, async (tx) => {
      const env = now()
      const asked = await tx.get(transactions, { id: carried.transaction })
      if (!asked?.open) return ok(undefined)
      const what = { operation, package: { name }, ...(from === undefined ? {} : { from }) }
      const last = step === carried.steps.length - 1
      await endPackageStep(tx, env, asked, what, { done, last })
      if (done && values !== undefined)
        await keepConfiguration(tx, env, {
          device: known.device,
          package: name,
          values: printJson(values),
          transaction: asked.id,
        })
      if (!done) {
        const why = `device-error: ${operation} of ${name}: ${reason ?? 'the device could not'}`
        await finish(
          tx,
          env,
          asked.id,
          { state: 'failed', reason: why },
          { kind: 'device', id: known.device },
        )
      }
      return ok(undefined)
    })
  }

  return { image, confirmed, restart, stepped }
}
