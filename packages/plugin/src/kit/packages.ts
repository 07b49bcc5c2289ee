/** Rules of packages: images arrive whole, from where they were confirmed, and never with a wrong checksum. */
import { randomBytes } from 'node:crypto'
import { Broken, type Ground, judgeDone, shown } from './ground.ts'
import type { Task, WorkImage } from './house.ts'

function install(ground: Ground, device: string, image: WorkImage): Task {
  const { name = '', values = {} } = ground.samples.package ?? {}
  return ground.house.queue(device, {
    kind: 'packages',
    steps: [{ operation: 'install', package: name, values, image }],
  })
}

const newImage = ({ samples }: Ground) => randomBytes(samples.package?.size ?? 1)

/** Each step ended as it should, before all of it was settled. */
function judgeSteps(task: Task): void {
  const told = task.stepped
    .map(({ step, done: isDone }) => `${step} ${isDone ? 'done' : 'failed'}`)
    .join(', ')
  if (told !== '0 done') throw new Broken('steps told: 0 done', told || 'none')
}

/** An image arrives whole, its configuration after it, and it can be removed. */
export async function judgeWhole(ground: Ground): Promise<void> {
  const { name = '', values = {} } = ground.samples.package ?? {}
  const { device } = await ground.caller()
  const image = newImage(ground)
  const task = install(ground, device, { bytes: image })
  judgeDone('an install', await ground.ended(task, 'an install settled'))
  judgeSteps(task)
  const [transfer] = task.images
  if (transfer?.confirmed !== image.length)
    throw new Broken(`${image.length} bytes confirmed`, `${transfer?.confirmed}`)
  judgeCovered(transfer.parts, image.length)
  const configured = ground.house.queue(device, {
    kind: 'package-configuration',
    packages: [{ package: name, values, edits: values }],
  })
  judgeDone('a package’s configuration', await ground.ended(configured, 'a package’s configuration settled'))
  const removed = ground.house.queue(device, {
    kind: 'packages',
    steps: [{ operation: 'uninstall', package: name }],
  })
  judgeDone('an uninstall', await ground.ended(removed, 'an uninstall settled'))
  judgeSteps(removed)
}

function judgeCovered(
  parts: readonly { readonly offset: number; readonly length: number }[],
  size: number,
): void {
  let at = 0
  for (const { offset, length } of [...parts].sort((a, b) => a.offset - b.offset))
    if (offset <= at) at = Math.max(at, offset + length)
  if (at < size) throw new Broken(`all ${size} bytes asked for`, `${at}, then a gap`)
}

/** A line that is cut in mid-image goes on behind what was confirmed. */
export async function judgeResumed(ground: Ground): Promise<void> {
  const caller = await ground.caller()
  const bytes = newImage(ground)
  let cutAt = 0
  const task = install(ground, caller.device, {
    bytes,
    onConfirmed(confirmed) {
      if (cutAt > 0 || confirmed >= bytes.length) return
      cutAt = confirmed
      caller.relay.cut()
    },
  })
  judgeDone('an install over a cut', await ground.ended(task, 'an install over a cut settled'))
  if (cutAt === 0)
    throw new Broken('a part confirmed before the whole', `all ${bytes.length} bytes confirmed at once`)
  const [transfer] = task.images
  const first = transfer?.parts.find(({ attempt }) => attempt > 0)
  if (first === undefined)
    throw new Broken(`the rest asked for from ${cutAt} on`, 'nothing asked for after the cut')
  if (first.offset < cutAt) throw new Broken(`the image gone on with at ${cutAt}`, `at ${first.offset}`)
}

/** A checksum that is wrong begins the image again; one that is never right has failed. */
export async function judgeChecksum(ground: Ground): Promise<void> {
  const { device } = await ground.caller()
  const once = install(ground, device, { bytes: newImage(ground), wrong: 1 })
  const outcome = await ground.ended(once, 'an image that was wrong once settled')
  if (once.images[0]?.restarts !== 1)
    throw new Broken(
      'an image with a wrong byte begun again, once',
      `${once.images[0]?.restarts} times, then ${shown(outcome)}`,
    )
  judgeDone('an image that was wrong once', outcome)
  const never = install(ground, device, { bytes: newImage(ground), wrong: Number.POSITIVE_INFINITY })
  const failed = await ground.ended(never, 'an image that is never right given up')
  if (failed.kind !== 'failed') throw new Broken('an image that is never right failed', shown(failed))
}
