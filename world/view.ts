/**
 * What the server says of a device against what the device is: at every poll that is answered, after every report that
 * is, and once everything has come to rest. Looks, and changes nothing.
 *
 * A device polls only while it rests, and it rests only when its last words have been heard. So a poll that comes back
 * is the moment at which the server has to know everything: which revision runs, that its step has ended well, and that
 * nothing before it is open. What is still on its way then is a delay in the agent or a loss in the server, and a fault
 * (W15). How long it may take until the next such moment is W16's.
 */
import {
  deviceMetas,
  devices,
  type Reader,
  type Step,
  type Store,
  steps,
  stepWords,
  type TenantId,
  transactions,
  userMetas,
} from '@waymark/domain'
import { canonicalJson } from '@waymark/pantahub'
import type { WorldDevice } from './device.ts'
import type { InForce } from './disk.ts'
import { everything, type JournalWatch } from './invariants.ts'

/** A poll that was answered, and what was in force on the device then. */
export interface Polled {
  readonly device: WorldDevice
  readonly id: string
  readonly truth: InForce | undefined
  /** Its last words as they stood on its disk. */
  readonly finals: Promise<string | undefined>
  /** The newest word on its metadata that the server has is one the network held back or repeated. */
  readonly metaLate: boolean
}

/** A report that was answered with 200. */
export interface Reported {
  readonly device: WorldDevice
  readonly id: string
  readonly rev: number
  readonly status: string
}

/** A trail as the server has it. */
interface View {
  readonly trail: readonly Step[]
  /** The newest step that is done, also one whose owner gave it up too late. */
  readonly newest: Step | undefined
  stateOf(step: Step): string | undefined
  reasonOf(step: Step): string | undefined
  proofOf(step: Step): string | undefined
  isOpen(step: Step): boolean
}

async function viewOf(
  reader: Reader,
  { rows }: Pick<JournalWatch, 'rows'>,
  id: string,
): Promise<View | undefined> {
  const record = (await everything(reader, devices)).find((each) => each.id === id)
  if (!record || record.garbage) return undefined
  const trail = (await everything(reader, steps)).filter(
    (step) => step.device === id && step.generation === record.generation,
  )
  const asked = new Map((await everything(reader, transactions)).map((each) => [String(each.id), each]))
  // The first final word stands. An owner who gave up while the device was switching is contradicted in the journal.
  const gaveUpTooLate = (step: Step): boolean =>
    asked.get(step.transaction)?.reason?.startsWith(stepWords.abandoned) === true &&
    rows.some(
      ({ kind, device: of, data }) =>
        kind === 'step.contradicted' && of === id && data.rev === step.rev && data.says === 'done',
    )
  const stateOf = (step: Step) => asked.get(step.transaction)?.state
  const newest = trail
    .filter((step) => stateOf(step) === 'done' || gaveUpTooLate(step))
    .sort((a, b) => b.rev - a.rev)[0]
  return {
    trail,
    newest,
    stateOf,
    proofOf: (step) => asked.get(step.transaction)?.proof,
    reasonOf: (step) => asked.get(step.transaction)?.reason,
    isOpen: (step) => step.open || asked.get(step.transaction)?.open !== false,
  }
}

const named = (one: { readonly rev: number; readonly stateSha: string } | undefined): string =>
  one ? `${one.rev} (${one.stateSha.slice(0, 8)})` : 'nothing'

/** W15: at a poll that was answered the server's view is the device's truth. */
export async function knownAtPoll(
  store: Store,
  tenant: TenantId,
  journal: Pick<JournalWatch, 'rows'>,
  { device, id, truth, finals, metaLate }: Polled,
): Promise<string[]> {
  const about = `[W15] ${device.name}, when its poll was answered,`
  const reader = store.read(tenant)
  const view = await viewOf(reader, journal, id)
  // Its trail was closed meanwhile, or the device taken from its owner: the next poll will hear of it.
  if (!view || view.trail.length === 0 || !truth) return []
  const broken: string[] = []
  for (const { rev, stateSha } of JSON.parse((await finals) ?? '[]') as readonly InForce[]) {
    const open = view.trail.find(
      (step) => step.rev === rev && step.stateSha === stateSha && view.isOpen(step),
    )
    if (open) broken.push(`${about} had said its last word on step ${rev}, which was open (${open.status})`)
  }
  if (device.temper !== 'liar') {
    if (view.newest?.rev !== truth.rev || view.newest.stateSha !== truth.stateSha)
      broken.push(`${about} ran ${named(truth)}, the server said ${named(view.newest)}`)
    else if (view.proofOf(view.newest) === 'claimed')
      broken.push(`${about} ran ${truth.rev}, which nobody had seen`)
    for (const step of view.trail)
      if (step.rev <= truth.rev && view.isOpen(step))
        broken.push(`${about} ran ${truth.rev}, and step ${step.rev} was open (${step.status})`)
  }
  const told = (await everything(reader, deviceMetas)).find((each) => each.device === id)?.meta
  if (!metaLate && told?.['pantavisor.revision'] !== String(truth.rev))
    broken.push(`${about} ran ${truth.rev}, its metadata named ${told?.['pantavisor.revision']}`)
  return broken
}

/** W15: a report that was answered stands in the step's record, or a final word that came before it does. */
export async function knownAtReport(
  store: Store,
  tenant: TenantId,
  journal: Pick<JournalWatch, 'rows'>,
  { device, id, rev, status }: Reported,
): Promise<string[]> {
  const view = await viewOf(store.read(tenant), journal, id)
  const step = view?.trail.find((each) => each.rev === rev)
  if (!view || !step || step.status === status || !view.isOpen(step)) return []
  return [
    `[W15] ${device.name} was told that step ${rev} is ${status}, and the server says ${step.status} (${view.stateOf(step)})`,
  ]
}

/** W7: the server's view equals the device's truth, and nothing is left open. Empty once that is so. */
export async function converged(
  store: Store,
  tenant: TenantId,
  journal: Pick<JournalWatch, 'rows'>,
  device: WorldDevice,
): Promise<string[]> {
  const about = `[W7] ${device.name}`
  const { id } = device
  const reader = store.read(tenant)
  const view = id === undefined ? undefined : await viewOf(reader, journal, id)
  if (!view) return [`${about} never came to its owner`]
  if (!device.running) return [`${about} does not run`]
  const looked = await device.disk.look()
  if ('broken' in looked) return [`[W8] ${device.name}: ${looked.broken}`]
  const { inForce } = looked
  const { trail, newest, stateOf, reasonOf, isOpen } = view
  const broken: string[] = []
  for (const step of trail)
    if (isOpen(step))
      broken.push(`${about}: step ${step.rev} has not ended (${step.status}, ${stateOf(step)})`)
    else if (stateOf(step) !== 'done' && (reasonOf(step) ?? '') === '')
      broken.push(`${about}: step ${step.rev} is ${stateOf(step)} and nobody said why`)
  if (!newest) return [...broken, `${about}: nothing is done`]
  if (device.temper === 'liar') {
    // What it says is done is believed as far as it goes; what it shows tells that it is not so.
    for (const step of trail)
      if ((step.rev !== inForce?.rev || step.stateSha !== inForce.stateSha) && stateOf(step) === 'done')
        if (view.proofOf(step) !== 'claimed')
          broken.push(`[W3] ${device.name}: step ${step.rev} is ${view.proofOf(step)}, and a lie`)
  } else {
    if (newest.rev !== inForce?.rev || newest.stateSha !== inForce.stateSha)
      broken.push(`${about} runs ${named(inForce)}, the server says ${named(newest)}`)
    if (view.proofOf(newest) === 'claimed')
      broken.push(`${about}: revision ${newest.rev} is done, but was never seen`)
  }
  broken.push(...(await runsWhatItSays(device)))
  const told = (await everything(reader, deviceMetas)).find((each) => each.device === id)?.meta
  if (told?.['pantavisor.revision'] !== String(inForce?.rev))
    broken.push(`${about} runs ${inForce?.rev}, its metadata names ${told?.['pantavisor.revision']}`)
  const wanted = (await everything(reader, userMetas)).find((each) => each.device === id)?.meta ?? {}
  const known = (await device.disk.raw.readText('user-meta.json')) ?? '{}\n'
  if (known !== `${canonicalJson(wanted)}\n`) broken.push(`${about} does not know its user-meta: ${known}`)
  return broken
}

/** W13: the containers of the revision in force run, and nothing else does. */
async function runsWhatItSays({ name, driver, disk, machine }: WorldDevice): Promise<string[]> {
  if (driver !== 'process') return []
  const wanted = Object.keys(await disk.documents())
    .flatMap((path) => /^([^/]+)\/run\.json$/.exec(path)?.[1] ?? [])
    .filter((container) => container !== 'bsp')
    .sort()
  const running = machine.running()
  return String(running) === String(wanted)
    ? []
    : [`[W13] ${name} is to run ${wanted.join(' ')}, and runs ${running.join(' ')}`]
}
