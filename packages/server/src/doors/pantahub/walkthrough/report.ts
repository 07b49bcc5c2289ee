/**
 * A device's report, as it comes in by the walkthrough: status, progress, message, error, log, debug files.
 *
 * Members that are not sent stay as they were. What is kept has the names of today's forms where those have one
 * (`status-msg` for the message), so that every door shows the same report. Texts are bounded; a debug file over a limit
 * becomes an object of the owner's, named in its place, and when there is no room for it, its beginning is kept: the
 * report of a failure is worth more than the file that comes with it.
 */
import {
  type Actor,
  debugFilesMax,
  ObjectSha,
  ok,
  type Result,
  registerObject,
  type TenantId,
  type WalkReport,
  type WalkWord,
  walkWord,
  walkWords,
} from '@waymark/domain'
import { isJsonObject, type JsonObject, type JsonValue, Prn, parsePrn, Sha256 } from '@waymark/pantahub'
import type { House } from '../../../house.ts'
import { quotaOf } from '../../../object-room.ts'
import { described } from '../bodies.ts'
import { type BadValue, badValue } from '../errors.ts'
import { objectPrn, percentIn } from './form.ts'

const messageMax = 16 * 1024
const logMax = 256 * 1024
/** Bytes of a debug file that are kept in the report itself. */
export const inlineBytesMax = 16 * 1024
const fileNameMax = 255

/** One debug file: its text, or an object that the device has uploaded. */
type DebugFile = { readonly name: string } & ({ readonly text: string } | { readonly sha: ObjectSha })

export interface ReadReport {
  readonly word: WalkWord
  readonly deviceAbort: boolean | undefined
  /** Undefined: nothing was said of files. */
  readonly files: readonly DebugFile[] | undefined
  compose(before: JsonObject, files: JsonObject | undefined): ReturnType<WalkReport['compose']>
}

/** Reads a report; unknown members are left alone, as they are in a step that was read and put back. */
export function readReport(asked: JsonObject): Result<ReadReport, BadValue> {
  const word = walkWord(asked.status)
  if (word === undefined)
    return badValue('status', Object.keys(walkWords).join(', '), described(asked.status))
  const percent = percentGiven(asked.progress)
  if (!percent.ok) return percent
  const message = textGiven(asked, 'message', messageMax)
  if (!message.ok) return message
  const error = textGiven(asked, 'error', messageMax)
  if (!error.ok) return error
  const log = textGiven(asked, 'log', logMax)
  if (!log.ok) return log
  const deviceAbort = asked['device-abort'] ?? undefined
  if (deviceAbort !== undefined && typeof deviceAbort !== 'boolean')
    return badValue('device-abort', 'true or false', described(deviceAbort))
  if (word === 'ABORTED' && deviceAbort === false)
    return badValue('device-abort', 'true with ABORTED', 'false')
  if (word === 'DONE' && deviceAbort === true)
    return badValue('device-abort', 'false with DONE: what was applied was not given up', 'true')
  const files = filesGiven(asked.debugfiles)
  if (!files.ok) return files
  return ok({
    word,
    deviceAbort: word === 'ABORTED' ? true : deviceAbort,
    files: files.value,
    compose(before, shown) {
      const progress = percent.value ?? (word === 'DONE' ? 100 : percentIn(before))
      const report: JsonObject = {
        ...before,
        status: word,
        progress,
        ...(message.value === undefined ? {} : { 'status-msg': message.value }),
        ...(error.value === undefined ? {} : { error: error.value }),
        ...(log.value === undefined ? {} : { log: log.value }),
        ...(shown === undefined ? {} : { debugfiles: shown }),
      }
      return { report, percent: progress, message: error.value || message.value || '' }
    },
  })
}

export interface SettledFiles {
  /** What the report says of the files. */
  readonly shown: JsonObject
  /** Those that are objects. */
  readonly objects: readonly { readonly name: string; readonly sha: ObjectSha }[]
}

/** Finds each file its place: in the report, or among the owner's objects. */
export async function settleFiles(
  house: House,
  tenant: TenantId,
  by: Actor,
  files: readonly DebugFile[] | undefined,
): Promise<Result<SettledFiles | undefined, never>> {
  if (files === undefined) return ok(undefined)
  const shown: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>
  const objects: { name: string; sha: ObjectSha }[] = []
  for (const file of files) {
    const { name } = file
    if ('sha' in file) {
      shown[name] = { object: objectPrn(file.sha) }
      objects.push({ name, sha: file.sha })
      continue
    }
    const bytes = Buffer.from(file.text)
    const sha = bytes.length > inlineBytesMax ? await storedAs(house, tenant, by, name, bytes) : undefined
    if (sha) {
      shown[name] = { object: objectPrn(sha), size: bytes.length }
      objects.push({ name, sha })
    } else shown[name] = beginningOf(file.text, bytes)
  }
  return ok({ shown, objects })
}

/** The object that holds these bytes, stored now or before; undefined when there is no room for it. */
async function storedAs(
  house: House,
  tenant: TenantId,
  by: Actor,
  name: string,
  bytes: Buffer,
): Promise<ObjectSha | undefined> {
  const sha = ObjectSha.parse(Sha256.of(bytes))
  if (!sha || bytes.length > house.config.objectLimit) return undefined
  const quotaBytes = await quotaOf(house, tenant)
  const asked = { sha, size: bytes.length, name, mimeType: 'text/plain', quotaBytes, by }
  const made = await house.store.transact(tenant, (tx) => registerObject(tx, house.env(), asked))
  if (!made.ok) return made.refusal.kind === 'already-stored' ? sha : undefined
  const source = (async function* () {
    yield bytes
  })()
  const received = await house.objects.receive({ tenant, sha, size: bytes.length, source, by })
  return received.ok ? sha : undefined
}

/** As much of a text as a report holds, and how much there was. */
function beginningOf(text: string, bytes: Buffer): string {
  if (bytes.length <= inlineBytesMax) return text
  const end = lastWhole(bytes, inlineBytesMax)
  return `${bytes.subarray(0, end).toString('utf8')}\n[${bytes.length - end} bytes more, and no room for them]`
}

/** The last place not behind `end` at which a character begins. */
function lastWhole(bytes: Buffer, end: number): number {
  let at = end
  while (at > 0 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1
  return at
}

function percentGiven(raw: JsonValue | undefined): Result<number | undefined, BadValue> {
  if (raw === undefined || raw === null) return ok(undefined)
  const percent = typeof raw === 'string' && /^\d{1,3}(\.\d{1,6})?$/.test(raw.trim()) ? Number(raw) : raw
  if (typeof percent !== 'number' || !(percent >= 0 && percent <= 100))
    return badValue('progress', 'per cent, 0 to 100', described(raw))
  return ok(percent)
}

/** A text that may be empty; a number, as some give an error's code, counts as its text. */
function textGiven(asked: JsonObject, key: string, max: number): Result<string | undefined, BadValue> {
  const raw = asked[key]
  if (raw === undefined || raw === null) return ok(undefined)
  const text = typeof raw === 'number' ? String(raw) : raw
  if (typeof text !== 'string') return badValue(key, 'a text', described(raw))
  return text.length > max
    ? badValue(key, `at most ${max} characters`, `${text.length} characters`)
    : ok(text)
}

function filesGiven(raw: JsonValue | undefined): Result<readonly DebugFile[] | undefined, BadValue> {
  if (raw === undefined || raw === null) return ok(undefined)
  if (!isJsonObject(raw)) return badValue('debugfiles', 'an object of names and texts', described(raw))
  const entries = Object.entries(raw)
  if (entries.length > debugFilesMax)
    return badValue('debugfiles', `at most ${debugFilesMax}`, String(entries.length))
  const files: DebugFile[] = []
  for (const [name, value] of entries) {
    if (name === '' || name.length > fileNameMax || /\p{Cc}|\p{Cs}/u.test(name))
      return badValue('debugfiles', `names of 1 to ${fileNameMax} plain characters`, described(name))
    const sha = isJsonObject(value) ? shaNamed(value.object) : undefined
    if (sha) files.push({ name, sha })
    else if (typeof value === 'string') files.push({ name, text: value })
    else
      return badValue(
        `debugfiles ${described(name)}`,
        `a text, or {"object": "${Prn.object(exampleSha)}"}`,
        described(value),
      )
  }
  return ok(files)
}

const exampleSha = Sha256.of('')

function shaNamed(prn: JsonValue | undefined): ObjectSha | undefined {
  const parsed = parsePrn(prn)
  return parsed?.kind === 'object' ? ObjectSha.parse(parsed.name) : undefined
}
