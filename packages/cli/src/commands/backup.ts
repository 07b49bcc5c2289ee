/** `waymark backup create|verify|restore`: everything in one file, and back, beside a running server. */
import { readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import type { Manifest } from '@waymark/server'
import { nearest } from '@waymark/server/nearest'
import { type Context, Failure, type Io, print } from '../io.ts'
import { lineOf, settingsOf } from '../server-settings.ts'
import { sizeSaid } from '../show/words.ts'

const help = `usage: waymark backup create FILE [--json] [flags of waymark up]    all records and objects into one file; the server may run
       waymark backup verify FILE [--json]                          reads the file through
       waymark backup restore FILE [--json] [flags of waymark up]   into an empty data folder or an empty database

The master key is not inside: keep a copy of it elsewhere, and put it back before the server starts.`

const actions = ['create', 'verify', 'restore'] as const

export async function run(args: readonly string[], { io }: Context): Promise<number> {
  const [action, ...rest] = args
  if (action === undefined) throw new Failure(2, `backup: wanted ${actions.join(', ')}`)
  if (action === '--help' || action === '-h' || rest.includes('--help') || rest.includes('-h')) {
    io.out(help)
    return 0
  }
  const json = rest.includes('--json')
  const [file, ...flags] = rest.filter((argument) => argument !== '--json')
  const known = actions.find((one) => one === action)
  if (known === undefined) {
    const meant = nearest(action, [...actions])
    throw new Failure(
      2,
      `backup ${action}: unknown command (${meant ? `did you mean ${meant}?` : `wanted ${actions.join(', ')}`})`,
    )
  }
  if (file === undefined || file.startsWith('-'))
    throw new Failure(2, `backup ${known}: wanted a file, got ${file ?? 'none'}`)
  if (known === 'verify' && flags[0] !== undefined)
    throw new Failure(2, `backup verify: unexpected ${flags[0]}`)
  try {
    await act(known, file, flags, io, json)
    return 0
  } catch (error) {
    throw lineOf(error)
  }
}

async function act(
  action: (typeof actions)[number],
  file: string,
  flags: readonly string[],
  io: Io,
  json: boolean,
) {
  const config = settingsOf(action === 'verify' ? [] : flags, io)
  // What is on its way to devices goes first: a backup takes what is left over.
  if (action === 'create') giveWay()
  const { createBackup, createLog, restoreBackup, verifyBackup } = await import('@waymark/server')
  const manifest =
    action === 'create'
      ? await createBackup(config, file)
      : action === 'verify'
        ? await verifyBackup(file)
        : await restoreBackup(config, file, { log: createLog(config) })
  const { members: _, ...told } = manifest
  print(io, json, { data: told, lines: () => lines(action, file, manifest) })
}

/**
 * The lowest priority, where that is allowed. Linux has one for each thread: those there are get it one by one, and those
 * they start from here on have it.
 */
function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW)
    for (const thread of readdirSync('/proc/self/task'))
      setPriority(Number(thread), constants.priority.PRIORITY_LOW)
  } catch {
    // A backup that is in the way is better than none; and where there is no such folder, a process has one priority.
  }
}

const done = { create: 'backed up to', verify: 'whole:', restore: 'restored from' } as const

function lines(action: keyof typeof done, file: string, { counts, begunAt, key }: Manifest): string[] {
  const { records, entries, objects, objectBytes } = counts
  const mark = key.mark === undefined ? '' : `, mark ${key.mark}`
  return [
    `${done[action]} ${file}, as of ${begunAt}`,
    `${records} records, ${entries} journal entries, ${objects} objects (${sizeSaid(objectBytes)})`,
    action === 'restore'
      ? `put the master key back before the server starts: it lay at ${key.at}${mark}`
      : `the master key is not inside: it lies at ${key.at}${mark}`,
  ]
}
