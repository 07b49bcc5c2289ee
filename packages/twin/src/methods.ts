/**
 * Direct methods: what the service may ask for at once, as one table.
 *
 * Each becomes one request at the control socket; the answer is its status and what it said. A device that does not answer
 * is 503, a method that is not known 404 with the names of those that are.
 */
import { Away, type ControlClient } from './control.ts'
import type { Json, JsonObject } from './topics.ts'

export interface MethodAnswer {
  readonly status: number
  readonly body: Json
}

interface Asked {
  readonly method: string
  readonly path: string
  readonly body?: string
}

const command = (op: string, payload: Json = ''): Asked => ({
  method: 'POST',
  path: '/commands',
  body: JSON.stringify({ op, payload }),
})

/** What each asks of the socket; undefined for a payload that does not fit. */
const methods: Readonly<Record<string, (payload: JsonObject) => Asked | undefined>> = {
  reboot: ({ message = '' }) => command('REBOOT_DEVICE', message),
  poweroff: ({ message = '' }) => command('POWEROFF_DEVICE', message),
  gc: () => ({ method: 'POST', path: '/storage/gc' }),
  run: ({ revision }) => (isName(revision, true) ? command('LOCAL_RUN', revision) : undefined),
  command: ({ op, payload = '' }) => (typeof op === 'string' ? command(op, payload) : undefined),
  container: ({ name, action }) =>
    isName(name) && typeof action === 'string'
      ? { method: 'PUT', path: `/containers/${name}`, body: JSON.stringify({ action }) }
      : undefined,
  containers: () => ({ method: 'GET', path: '/containers' }),
  steps: () => ({ method: 'GET', path: '/steps' }),
  progress: ({ revision }) =>
    isName(revision, true) ? { method: 'GET', path: `/steps/${revision}/progress` } : undefined,
  deviceMeta: () => ({ method: 'GET', path: '/device-meta' }),
  config: () => ({ method: 'GET', path: '/config' }),
  logs: ({ name }) => (isName(name) ? { method: 'GET', path: `/logs/${name}` } : undefined),
}

export const methodNames: readonly string[] = Object.keys(methods)

/** The longest answer of a method, in bytes; of a log it is the end that is kept. */
const answerLimit = 128 * 1024 - 1024

/** Carries one out. Never rejects. */
export async function callMethod(
  name: string,
  payload: JsonObject | undefined,
  control: ControlClient,
): Promise<MethodAnswer> {
  const build = Object.hasOwn(methods, name) ? methods[name] : undefined
  if (!build)
    return { status: 404, body: { error: `method ${name}: wanted one of ${methodNames.join(', ')}` } }
  const asked = payload && build(payload)
  if (!asked) return { status: 400, body: { error: `method ${name}: the payload does not fit` } }
  try {
    const { status, text, json } = await control.ask(asked.method, asked.path, asked.body)
    // What JSON.parse gave is JSON all the way down.
    if (json !== undefined && text.length <= answerLimit) return { status, body: json as Json }
    return { status, body: text === '' ? {} : { text: text.slice(-answerLimit / 2) } }
  } catch (cause) {
    if (!(cause instanceof Away))
      return { status: 500, body: { error: cause instanceof Error ? cause.message : String(cause) } }
    return { status: 503, body: { error: 'the device does not answer' } }
  }
}

function isName(raw: Json | undefined, local = false): raw is string {
  if (typeof raw !== 'string' || raw.length > 128) return false
  return (local ? /^(locals\/)?[A-Za-z0-9._-]+$/ : /^[A-Za-z0-9._-]+$/).test(raw) && !raw.includes('..')
}
