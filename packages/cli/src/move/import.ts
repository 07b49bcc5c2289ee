/**
 * From a folder into our server, through the fleet door. The server takes each device and each step once, whoever asks
 * again: what the folder remembers of it only saves asking. Objects go before the steps that name them, and those that
 * are there already are not sent.
 */
import { openAsBlob } from 'node:fs'
import { type Fleet, FleetFault, FleetProblem } from '@waymark/sdk'
import { failureOf } from '../fleet-access.ts'
import type { Outside } from '../outside.ts'
import type { Folder, FolderState, KeptStep } from './folder.ts'
import type { MovedDevice } from './records.ts'
import type { Tally } from './tally.ts'

export interface ImportNeeds {
  readonly folder: Folder
  readonly fleet: Fleet
  readonly outside: Outside
  readonly signal: AbortSignal
  readonly tally: Tally
}

/** What became of a device. */
export interface ImportOutcome {
  readonly id: string
  readonly nick: string
  /** Steps that are there now. */
  readonly steps: number
  /** `kept`: the device needs nothing but the new address; `new`: it needs the secret that the folder holds. */
  readonly secret: 'kept' | 'new'
  readonly notes: readonly string[]
  readonly failed?: string
}

/** After so many steps it is written down how far a device is. */
const stepsBetweenNotes = 20

/** Imports the devices of the folder, all or those named by id. */
export async function importDevices(needs: ImportNeeds, ids: readonly string[]): Promise<ImportOutcome[]> {
  await needs.folder.state()
  return needs.folder.alone(() => importAlone({ ...needs, there: new Set() }, ids))
}

interface Needs extends ImportNeeds {
  /** Objects that are known to be at the server, by sha256. */
  readonly there: Set<string>
}

async function importAlone(needs: Needs, ids: readonly string[]): Promise<ImportOutcome[]> {
  const { folder, fleet, tally } = needs
  const { tenant } = await fleet.whoAmI()
  const book = await bookOf(folder, `${fleet.url} ${tenant}`)
  tally.expect(ids.length)
  const outcomes: ImportOutcome[] = []
  for (const id of ids) {
    outcomes.push(await importDevice(needs, book, await folder.device(id)))
    tally.add({ devices: 1 })
  }
  return outcomes
}

async function importDevice(needs: Needs, book: Book, device: MovedDevice): Promise<ImportOutcome> {
  const { folder, fleet, signal, tally } = needs
  const { id, nick, createdAt, userMeta, deviceMeta } = device
  const secret = device.secret === undefined ? 'new' : 'kept'
  const notes: string[] = []
  let steps = 0
  try {
    const taken = await fleet.importDevice(
      {
        device: id,
        body: {
          nick,
          secret: device.secret ?? (await book.newSecret(id, needs.outside)),
          public: device.public,
          userMeta,
          deviceMeta,
          createdAt,
        },
      },
      { signal },
    )
    if (taken.existed && taken.device.nick !== nick) notes.push(`it is called ${taken.device.nick} there`)
    const known = taken.existed ? book.stepsOf(id) : 0
    for (const rev of await folder.revisions(id)) {
      // In order and without gaps: so many steps there are the first so many here.
      if (steps >= known) {
        const differs = await importStep(needs, id, await folder.step(id, rev))
        if (differs !== undefined) notes.push(differs)
        tally.add({ steps: 1 })
      }
      steps += 1
      if (steps > known && steps % stepsBetweenNotes === 0) await book.note(id, steps)
    }
    await book.note(id, steps)
    return { id, nick, steps, secret, notes }
  } catch (error) {
    // Whom the server refuses for good is refused for all; what does not answer will not answer for the next one.
    const ours = error instanceof FleetProblem && error.status !== 401
    const wrong = error instanceof FleetFault && error.kind === 'wrong-bytes'
    if (!ours && !wrong && !(error instanceof BadObject)) throw error
    const told = failureOf(error)
    return { id, nick, steps, secret, notes, failed: told instanceof Error ? told.message : String(told) }
  }
}

/** A file of the folder is not what its name says. */
class BadObject extends Error {
  override readonly name = 'BadObject'
}

/** Puts one step there; answers what is different there, if something is. */
async function importStep(needs: Needs, device: string, step: KeptStep): Promise<string | undefined> {
  const { fleet, signal } = needs
  for (const object of step.objects) await importObject(needs, object)
  const { rev, state, commitMsg, committer, meta, report, reportedAt, createdAt } = step
  const taken = await fleet.importStep(
    { device, rev, body: { state, commitMsg, committer, meta, report, reportedAt, createdAt } },
    { signal },
  )
  return step.stateSha === '' || taken.step.stateSha === step.stateSha
    ? undefined
    : `step ${rev} has another state-sha there: signatures over it will not hold`
}

async function importObject(
  { folder, fleet, signal, tally, there }: Needs,
  { sha256, name, mimeType }: KeptStep['objects'][number],
): Promise<void> {
  if (there.has(sha256)) return
  if (await storedThere(fleet, sha256, signal)) return void there.add(sha256)
  if (!(await folder.holds(sha256)))
    throw new BadObject(`object ${sha256}: wanted its bytes in ${folder.objectAt(sha256)}, got no file`)
  const blob = await openAsBlob(folder.objectAt(sha256))
  let sent = 0
  const stored = await fleet.putObject(blob, {
    name,
    mimeType,
    signal,
    onProgress({ stage, bytes }) {
      if (stage !== 'sending' || bytes <= sent) return
      tally.add({ bytes: bytes - sent })
      sent = bytes
    },
  })
  if (stored.sha256 !== sha256)
    throw new BadObject(`${folder.objectAt(sha256)}: wanted bytes of that sha256, got ${stored.sha256}`)
  there.add(sha256)
  tally.add({ objects: 1 })
}

/** Whether the server has an object's bytes. */
export async function storedThere(fleet: Fleet, sha256: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await fleet.getObjectInfo({ sha256 }, { signal })).stored
  } catch (error) {
    if (error instanceof FleetProblem && error.status === 404) return false
    throw error
  }
}

/** What would be done, and nothing of it done. */
export async function planImport(
  { folder, fleet, signal }: Omit<ImportNeeds, 'tally' | 'outside'>,
  ids: readonly string[],
): Promise<ImportPlan[]> {
  const plans: ImportPlan[] = []
  const counted = new Set<string>()
  for (const id of ids) {
    const { nick, secret } = await folder.device(id)
    const found = await deviceThere(fleet, id, signal)
    const failed = await refusedThere(fleet, { id, nick }, signal)
    const plan = { id, nick, steps: 0, objects: 0, bytes: 0, existed: found !== undefined }
    const held = found === undefined ? -1 : await headThere(fleet, id, signal)
    for (const rev of await folder.revisions(id)) {
      if (rev <= held) continue
      plan.steps += 1
      for (const { sha256, size } of (await folder.step(id, rev)).objects) {
        if (counted.has(sha256) || (await storedThere(fleet, sha256, signal))) continue
        counted.add(sha256)
        plan.objects += 1
        plan.bytes += size
      }
    }
    plans.push({
      ...plan,
      secret: secret === undefined ? 'new' : 'kept',
      ...(failed === undefined ? {} : { failed }),
    })
  }
  return plans
}

export interface ImportPlan {
  readonly id: string
  readonly nick: string
  readonly existed: boolean
  /** What would be sent. */
  readonly steps: number
  readonly objects: number
  readonly bytes: number
  readonly secret: 'kept' | 'new'
  /** Why it would be refused. */
  readonly failed?: string
}

/** Why a device would be refused at the server; undefined: it would not. */
export async function refusedThere(
  fleet: Fleet,
  { id, nick }: { readonly id: string; readonly nick: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  if (await deviceThere(fleet, id, signal)) return undefined
  const other = await deviceThere(fleet, nick, signal)
  return other && `${nick} is taken there by ${other.id}`
}

async function deviceThere(fleet: Fleet, name: string, signal: AbortSignal) {
  return absent(() => fleet.getDevice({ device: name }, { signal }))
}

/** The newest revision there; -1: it has no trail. */
async function headThere(fleet: Fleet, device: string, signal: AbortSignal): Promise<number> {
  return (await absent(() => fleet.getTrail({ device }, { signal })))?.head.rev ?? -1
}

async function absent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof FleetProblem && error.status === 404) return undefined
    throw error
  }
}

type Book = Awaited<ReturnType<typeof bookOf>>

/** The folder's memory of what is done at one server, written down before anything rests on it. */
async function bookOf(folder: Folder, server: string) {
  let state: FolderState = await folder.state()
  const done = (): Readonly<Record<string, number>> => state.imported[server] ?? {}
  async function keep(change: Partial<FolderState>): Promise<void> {
    state = { ...state, ...change }
    await folder.keepState(state)
  }
  return {
    stepsOf: (device: string): number => (Object.hasOwn(done(), device) ? (done()[device] ?? 0) : 0),
    note: (device: string, steps: number): Promise<void> =>
      keep({ imported: { ...state.imported, [server]: { ...done(), [device]: steps } } }),
    /** A secret for a device whose own is not known: the same one however often it is asked for. */
    async newSecret(device: string, outside: Pick<Outside, 'newKey'>): Promise<string> {
      const held = Object.hasOwn(state.newSecrets, device) ? state.newSecrets[device] : undefined
      if (held !== undefined) return held
      const made = outside.newKey()
      await keep({ newSecrets: { ...state.newSecrets, [device]: made } })
      return made
    },
  }
}
