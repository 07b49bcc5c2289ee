/**
 * The 2016 walkthrough's forms: its login, its steps with their named parts, its reports.
 *
 * A state is written as named parts beside the step's other members: `kernel: {"object": "prn:::objects:/<sha256>"}`, or
 * a document under a name that ends in `.json`. A part that is spelt like a member of a step is written `./log`. The
 * translation keeps every path, so that the hash of a state is the same on both sides.
 */
import type { Identity, LoginForm } from '../hub.ts'
import type { Json } from '../ports.ts'
import { asObject, isSha, type OfferedStep, type Progress } from '../wire.ts'
import type { WalkedStep } from './queue.ts'

/** What a step has beside the parts of its state. */
const members: ReadonlySet<string> = new Set([
  ...[
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
  ],
  ...['abort', 'device-abort', 'clear', 'cleared', 'cancel', 'commit-msg', 'state-sha', 'step-time'],
  'progress-time',
])
const aside = './'
const objectPrn = 'prn:::objects:/'

/** GET with identity and secret in a JSON body; `access_token` comes back. */
export const walkLogin: LoginForm = {
  request: (base: string, { prn, secret }: Identity) => ({
    method: 'GET',
    url: `${base}/v1/login`,
    body: JSON.stringify({ identity: prn, secret }),
  }),
  token(raw: unknown) {
    const token = asObject(raw)?.access_token
    return typeof token === 'string' && token !== '' ? token : undefined
  },
}

/** A step with what the queue and what the update want to know of it. */
export interface WalkStep extends WalkedStep {
  readonly offered: OfferedStep
}

/** Reads a step; refuses one without a whole `rev`. */
export function parseWalkStep(raw: unknown): WalkStep | undefined {
  const step = asObject(raw)
  if (!step || typeof step.rev !== 'number' || !Number.isSafeInteger(step.rev) || step.rev < 0)
    return undefined
  const status = typeof step.status === 'string' ? step.status : ''
  const message = typeof step['commit-msg'] === 'string' ? step['commit-msg'] : ''
  return {
    rev: step.rev,
    status,
    abort: step.abort === true,
    cleared: step.cleared === true,
    offered: { rev: step.rev, status, message, state: stateOfParts(step) },
  }
}

/** A list of steps; one unreadable step spoils the list. */
export function parseWalkSteps(raw: unknown): readonly WalkStep[] | undefined {
  if (!Array.isArray(raw)) return undefined
  const steps = raw.map(parseWalkStep)
  return steps.every((step) => step !== undefined) ? steps : undefined
}

function stateOfParts(step: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const state: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, value] of Object.entries(step)) {
    if (members.has(name)) continue
    const path = name.startsWith(aside) ? name.slice(aside.length) : name
    const object = path.endsWith('.json') ? undefined : asObject(value)?.object
    state[path] =
      typeof object === 'string' && object.startsWith(objectPrn) ? object.slice(objectPrn.length) : value
  }
  return state
}

/** A state as the body of the first announce. */
export function announcement(stateText: string): string {
  const parts: Record<string, unknown> = { rev: 0 }
  for (const [path, value] of Object.entries(asObject(JSON.parse(stateText)) ?? {}))
    parts[members.has(path) ? aside + path : path] =
      !path.endsWith('.json') && isSha(value) ? { object: objectPrn + value } : value
  return JSON.stringify(parts)
}

/** The seven words there are, for those that are reported today. */
const words: Readonly<Record<Progress['status'], 'QUEUED' | 'INPROGRESS' | 'DONE' | 'ERROR' | 'WONTGO'>> = {
  QUEUED: 'QUEUED',
  DOWNLOADING: 'INPROGRESS',
  INPROGRESS: 'INPROGRESS',
  TESTING: 'INPROGRESS',
  DONE: 'DONE',
  UPDATED: 'DONE',
  ERROR: 'ERROR',
  WONTGO: 'WONTGO',
}

/** What goes beside an error: texts, or objects that have been uploaded, by their names. */
export type DebugFiles = Readonly<Record<string, string | { readonly object: string }>>

/** An uploaded file among the debug files. */
export const uploaded = (sha: string): { readonly object: string } => ({ object: objectPrn + sha })

/**
 * A report. `percent` is how far the step had come: an error leaves it where the work stopped. What went wrong is one
 * text, `code: message`. What was applied has not been given up: DONE says `device-abort` false.
 */
export function walkReport(
  progress: Progress,
  percent: number,
  files: DebugFiles,
): Readonly<Record<string, Json>> {
  const status = words[progress.status]
  const failed = status === 'ERROR' || status === 'WONTGO'
  return {
    status,
    progress: failed ? percent : progress.progress,
    message: progress['status-msg'],
    error: failed ? `${codeOf(progress)}: ${progress['status-msg']}` : '',
    log: progress.logs ?? '',
    ...(failed ? { debugfiles: files } : {}),
    ...(status === 'DONE' ? { 'device-abort': false } : {}),
  }
}

/** Codes of errors, by how their messages begin. */
const codes: readonly (readonly [code: string, begins: RegExp])[] = [
  ['rollback', /^(Unexpected rollback|Interrupted)/],
  ['hub-lost', /^Hub /],
  ['goal', /^Status goal/],
  ['crash', /^Container /],
  ['probe', /^Health probe/],
  ['object', /^object /],
  ['disk', /^disk:/],
  ['space', /^Space /],
  ['signature', /^Signature /],
  ['retries', /^Retried /],
]

/** The code of an error, in one word; what is not known better is `state` when refused and `failed` when tried. */
export function codeOf({ status, 'status-msg': message }: Pick<Progress, 'status' | 'status-msg'>): string {
  return codes.find(([, begins]) => begins.test(message))?.[0] ?? (status === 'WONTGO' ? 'state' : 'failed')
}
