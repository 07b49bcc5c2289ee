/**
 * `waymark trail post`: from a file or a folder to a step. Objects go up first, those that the server has already stay
 * where they are; the step comes last, so that nothing refers to what is not there.
 */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Fleet, Step } from '@waymark/sdk'
import type { FleetFlags } from '../fleet-access.ts'
import { Failure, type Io } from '../io.ts'
import type { Outside } from '../outside.ts'
import { type Packed, readFolder, readJsonFile } from '../pack.ts'
import { upload } from '../transfer.ts'
import { trailOf } from './trail-views.ts'

export interface PostFlags extends FleetFlags {
  readonly message?: string
  readonly replace?: boolean
  readonly watch?: boolean
}

const specDefault = 'pantavisor-service-system@1'

export async function postStep(
  fleet: Fleet,
  name: string,
  source: string,
  flags: PostFlags,
  io: Io,
  outside: Outside,
): Promise<Step> {
  const kind = await stat(source).catch(() => undefined)
  if (!kind) throw new Failure(1, `${source}: wanted a state in JSON or a folder, got nothing`)
  // Whatever is wrong with the files is told before anything is sent.
  const packed = kind.isDirectory() ? await readFolder(source) : undefined
  const whole = packed ? undefined : await readState(source)
  const { id: device } = await fleet.getDevice({ device: name })
  const commitMsg = flags.message
  if (whole) return fleet.postStep({ device, body: { state: whole, commitMsg } })

  const head = (await trailOf(fleet, device))?.head
  const below = flags.replace || !head ? {} : await fleet.getState({ device, rev: head.rev })
  const state = { '#spec': specDefault, ...below, ...(await packedState(packed, fleet, io, outside)) }
  // The next revision and no other: if somebody was quicker, their step is not lost under ours.
  return fleet.postStep({
    device,
    body: { state, commitMsg, ...(head && !flags.replace ? { rev: head.rev + 1 } : {}) },
  })
}

async function readState(file: string): Promise<Record<string, unknown>> {
  const value = await readJsonFile(file)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Failure(1, `${file}: wanted a state (a JSON object), got ${JSON.stringify(value).slice(0, 40)}`)
  return { ...value }
}

async function packedState(
  packed: Packed | undefined,
  fleet: Fleet,
  io: Io,
  outside: Outside,
): Promise<Record<string, unknown>> {
  const state: Record<string, unknown> = { ...packed?.documents }
  for (const { path, file } of packed?.files ?? []) {
    const stored = await upload({ fleet, io, outside, file, name: basename(path) })
    state[path] = stored.sha256
  }
  return state
}
