/**
 * From a source into a folder. Devices one after the other, each with its steps in order and the objects they need; a
 * device that cannot be had whole is named with the reason, and the others go on. What is in the folder is not fetched
 * again, unless it may have changed at the source since.
 */

import { Interrupted, sleep } from '@waymark/sdk'
import { nearest } from '@waymark/server/nearest'
import { Failure } from '../io.ts'
import type { Outside } from '../outside.ts'
import { printable } from '../show/words.ts'
import type { Folder, KeptObject, KeptStep } from './folder.ts'
import { isSha, type MovedDevice, type MovedObject, mayChange, objectsIn } from './records.ts'
import { type Source, SourceFault } from './source.ts'
import type { Tally } from './tally.ts'

export interface ExportNeeds {
  readonly source: Source
  readonly folder: Folder
  readonly outside: Outside
  readonly signal: AbortSignal
  readonly tally: Tally
  /** Ids or nicks; none: all. */
  readonly only: readonly string[]
}

/** What became of a device. */
export interface DeviceOutcome {
  readonly id: string
  readonly nick: string
  readonly steps: number
  /** Why it did not come whole. */
  readonly failed?: string
}

/** An object that breaks off is gone on with so often. */
const objectAttempts = 5
const progressBytes = 16 * 1024

export async function exportDevices(needs: ExportNeeds): Promise<DeviceOutcome[]> {
  await needs.folder.begin()
  return needs.folder.alone(() => exportAlone({ ...needs, known: new Map() }))
}

interface Needs extends ExportNeeds {
  /** Objects that were asked for in this run, by sha256. */
  readonly known: Map<string, KeptObject>
}

async function exportAlone(needs: Needs): Promise<DeviceOutcome[]> {
  const { source, folder, tally, outside } = needs
  const { completeAt: _, ...state } = await folder.state()
  if (state.from !== undefined && state.from !== source.url)
    throw new Failure(1, `${folder.path}: wanted a folder of ${source.url}, got one of ${state.from}`)
  await folder.keepState({ ...state, from: source.url })
  const { devices, trails, faults } = await wantedDevices(needs)
  tally.expect(devices.length)
  const outcomes: DeviceOutcome[] = faults.map((failed) => ({ id: '', nick: '', steps: 0, failed }))
  for (const device of devices) {
    await folder.keepDevice(device)
    outcomes.push(await exportDevice(needs, device, trails.has(device.id)))
    tally.add({ devices: 1 })
  }
  if (outcomes.every(({ failed }) => failed === undefined))
    await folder.keepState({
      ...(await folder.state()),
      completeAt: new Date(outside.now()).toISOString(),
    })
  return outcomes
}

/** The devices that are asked for, and which of them have trails. */
export async function wantedDevices({ source, only }: Pick<ExportNeeds, 'source' | 'only'>) {
  const { devices: all, faults } = await source.devices()
  const unknown = only.find((name) => !all.some(({ id, nick }) => id === name || nick === name))
  if (unknown !== undefined) {
    const meant = nearest(
      unknown,
      all.map(({ nick }) => nick),
    )
    const hint = meant === undefined ? '' : ` (did you mean ${printable(meant)}?)`
    throw new Failure(1, `--device ${printable(unknown)}: ${source.url} shows no such device of yours${hint}`)
  }
  const devices =
    only.length === 0 ? all : all.filter(({ id, nick }) => only.includes(id) || only.includes(nick))
  return { devices, trails: await source.trails(), faults: only.length === 0 ? faults : [] }
}

/** What of a device would be copied. */
export interface ExportPlan {
  readonly id: string
  readonly nick: string
  readonly steps: number
  readonly objects: number
  readonly secret: 'kept' | 'new'
  /** Why it would not come. */
  readonly failed?: string
}

/** What would be copied, and nothing of it done. `refused`: why a device would not be taken where it is to go. */
export async function planExport(
  { source, only }: Pick<ExportNeeds, 'source' | 'only'>,
  refused: (device: MovedDevice) => Promise<string | undefined>,
): Promise<{ plans: ExportPlan[]; faults: string[] }> {
  const { devices, trails, faults } = await wantedDevices({ source, only })
  const plans: ExportPlan[] = []
  for (const device of devices) {
    const { id, nick } = device
    const objects = new Set<string>()
    let steps = 0
    let failed: string | undefined
    try {
      for (const rev of trails.has(id) ? (await source.revisions(id)).keys() : []) {
        const wanted = objectsIn((await source.step(id, rev)).state)
        if (typeof wanted === 'string') throw new SourceFault(`step ${rev} of ${id}: ${wanted}`)
        for (const sha of wanted.needed) objects.add(sha)
        steps += 1
      }
      failed = await refused(device)
    } catch (error) {
      if (!(error instanceof SourceFault) || error.gone) throw error
      failed = error.message
    }
    plans.push({
      id,
      nick,
      steps,
      objects: objects.size,
      secret: device.secret === undefined ? 'new' : 'kept',
      ...(failed === undefined ? {} : { failed }),
    })
  }
  return { plans, faults }
}

async function exportDevice(needs: Needs, device: MovedDevice, hasTrail: boolean): Promise<DeviceOutcome> {
  const { source, folder, tally } = needs
  const { id, nick } = device
  let steps = 0
  try {
    const there = hasTrail ? await source.revisions(id) : new Map<number, string>()
    const here = new Set(await folder.revisions(id))
    // A trail that was begun anew is another one: what is no longer there goes.
    for (const rev of here) if (!there.has(rev)) await folder.dropStep(id, rev)
    for (const [rev, stateSha] of there) {
      const held = here.has(rev) ? await folder.step(id, rev) : undefined
      if (held === undefined || !(await isStill(folder, held, stateSha))) await exportStep(needs, id, rev)
      steps += 1
      tally.add({ steps: 1 })
    }
    return { id, nick, steps }
  } catch (error) {
    if (!(error instanceof SourceFault) || error.gone) throw error
    return { id, nick, steps: (await folder.revisions(id)).length, failed: error.message }
  }
}

async function exportStep(needs: Needs, device: string, rev: number): Promise<void> {
  const { source, folder } = needs
  const step = await source.step(device, rev)
  const wanted = objectsIn(step.state)
  if (typeof wanted === 'string') throw new SourceFault(`step ${rev} of ${device}: ${wanted}`)
  const objects: KeptObject[] = []
  for (const sha of wanted.needed) objects.push(await exportObject(needs, device, rev, sha))
  for (const sha of wanted.perhaps)
    try {
      objects.push(await exportObject(needs, device, rev, sha))
    } catch (error) {
      // A text that looks like a sha256 in a document need not be one.
      if (!(error instanceof SourceFault) || error.gone) throw error
    }
  // Last: a step that is here has its objects here too.
  await folder.keepStep(device, { ...step, objects })
}

/** Whether a step that is here is the one that is there, has ended, and has its objects. */
async function isStill(folder: Folder, held: KeptStep, stateSha: string): Promise<boolean> {
  const { status, objects } = held
  if (mayChange(status) || (stateSha !== '' && stateSha !== held.stateSha)) return false
  for (const { sha256 } of objects) if (!(await folder.holds(sha256))) return false
  return true
}

async function exportObject(needs: Needs, device: string, rev: number, sha: string): Promise<KeptObject> {
  const { known } = needs
  if (!isSha(sha)) throw new SourceFault(`object ${sha.slice(0, 80)}: wanted a sha256`)
  const kept = known.get(sha) ?? (await fetchObject(needs, device, rev, sha))
  known.set(sha, kept)
  return kept
}

async function fetchObject(needs: Needs, device: string, rev: number, sha: string): Promise<KeptObject> {
  const { source, folder, outside, signal, tally } = needs
  for (let attempt = 1; ; attempt++) {
    // Asked anew for each try: the address it is had from does not live for ever.
    const { getUrl, ...kept } = await source.object(device, rev, sha)
    if (await folder.holds(sha)) return kept
    const receiving = await folder.receive(kept)
    const before = receiving.bytes
    const broken = await filled(needs, { ...kept, getUrl }, receiving)
    if (broken === undefined) {
      const got = receiving.bytes
      if (await receiving.end()) {
        tally.add({ objects: 1 })
        return kept
      }
      const came = got > kept.size ? 'more' : 'others'
      throw new SourceFault(`object ${sha}: wanted ${kept.size} bytes of that sha256, got ${came}`)
    }
    await receiving.leave()
    signal.throwIfAborted()
    // What comes in pieces comes: only standing still counts against it.
    if (receiving.bytes - before >= progressBytes) attempt = 0
    else if (attempt >= objectAttempts) throw broken
    await sleep(outside, 100 * 2 ** attempt, signal)
  }
}

/** Takes bytes until there are enough, or one too many; answers why it broke off before. */
async function filled(
  { source, tally }: ExportNeeds,
  object: MovedObject,
  receiving: Awaited<ReturnType<Folder['receive']>>,
): Promise<SourceFault | undefined> {
  try {
    if (receiving.bytes < object.size)
      for await (const piece of source.bytes(object, receiving.bytes)) {
        // No more is taken than shows that there is too much, however much comes.
        await receiving.take(piece.subarray(0, object.size - receiving.bytes + 1))
        tally.add({ bytes: piece.byteLength })
        if (receiving.bytes > object.size) break
      }
  } catch (error) {
    if (error instanceof SourceFault) return error
    if (error instanceof Interrupted)
      return new SourceFault(
        `object ${object.sha256}: broke off at ${receiving.bytes} of ${object.size} bytes: ${error.message}`,
      )
    await receiving.leave()
    throw error
  }
  return receiving.bytes >= object.size
    ? undefined
    : new SourceFault(`object ${object.sha256}: ended at ${receiving.bytes} of ${object.size} bytes`)
}
