/**
 * States and steps in the walkthrough's notation, both ways.
 *
 * A state of ours is a flat object: paths to hashes or to documents, and `#spec`. The walkthrough writes named parts,
 * `kernel: {"object": "prn:::objects:/X"}`, beside the step's other members. The translation keeps every path:
 *
 *  - a part NAME with an object is the path NAME with that object's sha256; X is a sha256, or the name an object was
 *    uploaded under, which stands for the newest one of that name whose bytes are here, once and for all;
 *  - a part whose name ends in `.json` is that document itself;
 *  - `#spec` may be given, and is Pantavisor's of today when it is not;
 *  - a path that is spelt like a member of a step is written `./PATH`, which is no path otherwise.
 *
 * Shown back, each object is named by its sha256, so that what a device posts from what it was shown is the same state.
 */
import {
  Instant,
  type ObjectSha,
  objects,
  ok,
  type PostedState,
  type Reader,
  type Result,
  type Step,
  stateOf,
  type TenantId,
} from '@waymark/domain'
import {
  canonicalJson,
  epochTime,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  Prn,
  parsePrn,
  Sha256,
  stateSpecs,
  stepId,
} from '@waymark/pantahub'
import { hex, ownerPrn } from '../../../access.ts'
import { described } from '../bodies.ts'
import { badValue, type Refusal } from '../errors.ts'
import { shaOf } from '../records.ts'
import { revOf, stateIn } from '../trails.ts'

/** Parts of one state in this notation: each may cost a look-up by name. */
export const partsMax = 1024

/** The members of a step that are not parts of its state. */
export const stepMembers = [
  'rev',
  'id',
  'trail-id',
  'device',
  'owner',
  'status',
  'progress',
  'message',
  'error',
  'log',
  'debugfiles',
  'abort',
  'device-abort',
  'clear',
  'cleared',
  'cancel',
  'commit-msg',
  'state-sha',
  'step-time',
  'progress-time',
] as const
const members: ReadonlySet<string> = new Set(stepMembers)
const aside = './'

/** The state that a body's named parts make, with their objects found. Members that are not parts are left alone. */
export async function stateFromParts(
  reader: Reader,
  body: JsonObject,
): Promise<Result<PostedState, Refusal>> {
  const parts = Object.entries(body).filter(([name]) => !members.has(name))
  if (parts.length > partsMax) return badValue('parts', `at most ${partsMax}`, String(parts.length))
  const state: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>
  state['#spec'] = stateSpecs[0]
  for (const [name, value] of parts) {
    const path = name.startsWith(aside) ? name.slice(aside.length) : name
    if (path === '#spec' || path.endsWith('.json')) state[path] = value
    else {
      const sha = await objectMeant(reader, name, value)
      if (!sha.ok) return sha
      state[path] = sha.value
    }
  }
  return stateIn(state)
}

/** The object that `{"object": "prn:::objects:/X"}` names. */
async function objectMeant(reader: Reader, part: string, value: JsonValue): Promise<Result<string, Refusal>> {
  const thing = `part ${described(part)}`
  const wanted = '{"object": "prn:::objects:/<sha256 or name>"}'
  if (!isJsonObject(value)) return badValue(thing, wanted, described(value))
  const { object, ...rest } = value
  const prn = parsePrn(object)
  if (prn?.kind !== 'object' || Object.keys(rest).length > 0)
    return badValue(
      thing,
      wanted,
      prn?.kind === 'object' ? `also ${Object.keys(rest).join(', ')}` : described(object),
    )
  const sha = Sha256.parse(prn.name) ?? (await newestNamed(reader, prn.name))?.sha
  return sha ? ok(sha) : badValue(thing, 'an object whose bytes are here', described(prn.name))
}

/** The newest object of a name whose bytes are here. */
export async function newestNamed(reader: Reader, name: string) {
  const [object] = await reader.find(objects, {
    where: { name, stored: true },
    order: ['-modifiedAt', '-sha'],
    limit: 1,
  })
  return object
}

/** A state's canonical text as named parts. */
export function partsOf(stateText: string): JsonObject {
  const state = JSON.parse(stateText) as Record<string, JsonValue>
  const parts: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>
  for (const [path, value] of Object.entries(state)) {
    const sha = path.endsWith('.json') ? undefined : Sha256.parse(value)
    parts[members.has(path) ? aside + path : path] = sha === undefined ? value : { object: Prn.object(sha) }
  }
  return parts
}

/** The prn an object is shown under. */
export function objectPrn(sha: ObjectSha): string {
  return Prn.object(shaOf(sha))
}

/** One step as text: its members, and beside them the parts of its state. */
export async function stepForm(reader: Reader, tenant: TenantId, step: Step): Promise<string> {
  const { report } = step
  const rev = revOf(step.rev)
  const device = hex(step.device)
  const form: JsonObject = {
    ...partsOf(await stateOf(reader, step)),
    rev,
    id: stepId(device, rev),
    'trail-id': device,
    device: Prn.device(device),
    owner: ownerPrn(tenant),
    status: step.status,
    progress: percentIn(report),
    message: textIn(report, 'status-msg') || textIn(report, 'message'),
    error: textIn(report, 'error'),
    log: textIn(report, 'log'),
    debugfiles: isJsonObject(report.debugfiles) ? report.debugfiles : {},
    abort: step.abortAskedAt !== undefined,
    'device-abort': step.deviceAbort === true,
    cleared: step.clearedAt !== undefined,
    'commit-msg': step.commitMsg,
    'state-sha': step.stateSha,
    'step-time': Instant.format(step.createdAt),
    'progress-time': step.reportedAt === undefined ? epochTime : Instant.format(step.reportedAt),
  }
  return canonicalJson(form)
}

/** Per cent done, as a number, whatever form of it a report holds. */
export function percentIn(report: JsonObject): number {
  const raw = report.progress
  const percent = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw
  return typeof percent === 'number' && Number.isFinite(percent) ? percent : 0
}

function textIn(report: JsonObject, key: string): string {
  const value = report[key]
  return typeof value === 'string' ? value : ''
}
