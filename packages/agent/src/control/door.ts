/**
 * The control socket's answers: a caller and a request go in, a reply comes out.
 *
 * Who calls is known before (`server.ts`: by the socket that was called); what may be asked is in `routes.ts`, what is
 * shown in `views.ts`. Orders go into the machine's one slot. Knows no socket and no HTTP parser.
 */
import type { ControlHouse } from '../agent.ts'
import { keepOwnMeta, type Meta, ownMetaPath, presentKeys, readOwnMeta, userMetaPath } from '../meta.ts'
import { objectPath } from '../pool.ts'
import type { Bytes, Json } from '../ports.ts'
import { containerActions } from '../process/supervisor.ts'
import { isSha } from '../wire.ts'
import { type CommandBody, parseCommand, standsAgainst } from './commands.ts'
import type { Order } from './orders.ts'
import { findRoute, type RouteName } from './routes.ts'
import { createSteps, localName, objectOf, poolView, type Steps } from './steps.ts'
import type { Uploads } from './uploads.ts'
import { containersView, groupsView, metaValue, metaView, rolesOf } from './views.ts'

/** The host's programs, or a container by its name. */
export type Caller = { readonly kind: 'host' } | { readonly kind: 'container'; readonly name: string }

export interface ControlRequest {
  readonly caller: Caller
  readonly method: string
  /** As sent, without its query. */
  readonly path: string
  /** What was announced; undefined for a chunked body or none. */
  readonly length: number | undefined
  readonly body: Bytes
}

export type ControlReply =
  | { readonly status: 200; readonly json: Json }
  | { readonly status: 200; readonly text: string }
  | { readonly status: 200; readonly bytes: Bytes; readonly size: number }
  | { readonly status: 200 | 204 }
  | { readonly status: number; readonly error: string; readonly retryAfter?: number }

/** One setting as it is shown; secrets have been withheld before. */
export interface ShownSetting {
  readonly key: string
  /** The name Pantavisor's configuration has for it. */
  readonly alias: string
  readonly value: string | number | boolean
  /** Where it comes from. */
  readonly modified: string
}

export interface DoorSettings {
  readonly buildInfo: string
  readonly settings: readonly ShownSetting[]
  /** The identity is given by the settings, and cannot be dropped. */
  readonly fixedIdentity: boolean
  /** How long a small body may take. Milliseconds. */
  readonly bodyMs: number
}

/** Keys that programs may set in either map, and the length of a key. */
export const metaLimits = { keys: 256, keyLength: 256 }

/** After a full slot and during an update: seconds. */
const slotRetry = 120
const updateRetry = 600

const ok: ControlReply = { status: 200 }
const refused = (status: number, error: string, retryAfter?: number): ControlReply => ({
  status,
  error,
  ...(retryAfter === undefined ? {} : { retryAfter }),
})
const absent = refused(404, 'Resource does not exist')
const noSpace = refused(507, 'Not enough disk space available')
const badFormat = refused(400, 'Request has bad format')

interface Call {
  readonly request: ControlRequest
  readonly values: readonly string[]
  /** The body, for rows that bound it. */
  readonly text: string
}

export function createDoor(house: ControlHouse, uploads: Uploads, settings: DoorSettings) {
  const { disk, driver } = house
  const steps = createSteps(house)
  /** The agent's own last lines. */
  const said: string[] = []
  house.hear((event) => {
    if (event.event === 'challenge' || event.event === 'downloading') return
    said.push(JSON.stringify(event))
    if (said.length > 500) said.shift()
  })

  /** The machine knows what is on its disk; before that there is nothing true to be shown. */
  const started = Promise.withResolvers<void>()
  const heardOfStart = house.hear((event) => {
    if (event.event !== 'state' || event.state === 'init') return
    heardOfStart()
    started.resolve()
  })

  const handlers = createHandlers()

  async function answer(request: ControlRequest): Promise<ControlReply> {
    const { caller, method, path } = request
    const routed = findRoute(method, path)
    if (routed.kind === 'unknown') return refused(400, `unknown endpoint: ${path}`)
    if (routed.kind === 'wrong-method') return refused(400, `method ${method} is not known at ${path}`)
    const { route, values } = routed
    if (!(await hasStarted())) return refused(503, 'Still starting', 1)
    if (caller.kind === 'container') {
      const roles = rolesOf(await steps.runningState(), caller.name)
      if (!roles) return refused(500, 'Unknown platform')
      if (route.needs === 'mgmt' && !roles.includes('mgmt'))
        return refused(403, 'Request not sent from mgmt platform')
    }
    let text = ''
    if (typeof route.body === 'object') {
      const read = await readText(request, route.body.bytes)
      if (typeof read !== 'string') return read
      text = read
    }
    return handlers[route.name]({ request, values, text })
  }

  async function hasStarted(): Promise<boolean> {
    const isIn = (): boolean => house.machine().phase.state !== 'init'
    if (isIn()) return true
    const late = new AbortController()
    await Promise.race([started.promise, house.clock.sleep(settings.bodyMs, late.signal)])
    late.abort()
    return isIn()
  }

  function submit(order: Order): ControlReply {
    return house.submit(order) ? ok : refused(503, 'Another command is waiting', slotRetry)
  }

  async function command({ operation, text, meta }: CommandBody): Promise<ControlReply> {
    const against = standsAgainst(operation.op, house.machine(), settings.fixedIdentity)
    if (against?.status === 204) return { status: 204 }
    if (against) return refused(against.status, against.why)
    if (operation.update && house.updating()) return refused(503, 'An update is under way', updateRetry)
    switch (operation.op) {
      case 'LOCAL_RUN':
      case 'LOCAL_RUN_COMMIT':
      case 'LOCAL_APPLY':
      case 'TRY_ONCE':
        return run(steps.find(text), operation.op === 'LOCAL_RUN_COMMIT')
      case 'MAKE_FACTORY':
        return run(steps.find(text === '' ? 'current' : text), false, 0)
      case 'REBOOT_DEVICE':
        return submit({ kind: 'reboot', message: text })
      case 'POWEROFF_DEVICE':
        return submit({ kind: 'poweroff', message: text })
      case 'RUN_GC':
        await letGo()
        return submit({ kind: 'collect' })
      case 'GO_REMOTE':
        return submit({ kind: 'go-remote' })
      case 'GO_LOCAL':
        return submit({ kind: 'go-local' })
      case 'UNCLAIM':
        return submit({ kind: 'unclaim' })
      case 'UPDATE_METADATA': {
        const [first] = Object.entries(meta)
        // What JSON.parse gave is JSON all the way down.
        return first ? setMeta(ownMetaPath, first[0], first[1] as Json) : badCommand
      }
      default:
        return ok
    }
  }

  async function run(rev: number | undefined, rebooting: boolean, as?: number): Promise<ControlReply> {
    const revision = rev === undefined ? undefined : await steps.revision(rev, as)
    if (rev === undefined || !revision) return absent
    // An end of an earlier run must not be taken for that of this one.
    const before = await steps.renew(revision.rev)
    const reply = submit({ kind: 'run', revision, rebooting })
    if (reply !== ok && before) await steps.restore(revision.rev, before)
    return reply
  }

  /** What has come to its end may be collected. */
  async function letGo(): Promise<void> {
    await uploads.release(3_600_000)
    await steps.forgetEnded()
  }

  async function poolBytes(): Promise<number> {
    return (await poolView(disk)).reduce((sum, { size }) => sum + size, 0)
  }

  async function collect(): Promise<ControlReply> {
    if (house.updating()) return refused(503, 'An update is under way', updateRetry)
    const before = await poolBytes()
    await letGo()
    const { promise: done, resolve } = Promise.withResolvers<void>()
    const deaf = house.hear((event) => {
      if (event.event === 'order' && event.order === 'collect' && event.stage === 'done') resolve()
      if (event.event === 'stopped') resolve()
    })
    const taken = submit({ kind: 'collect' })
    if (taken === ok) await done
    deaf()
    if (taken !== ok) return taken
    return { status: 200, json: { reclaimed: Math.max(0, before - (await poolBytes())) } }
  }

  function mapOf(path: string): Promise<Meta> {
    return readOwnMeta(disk, path)
  }

  let turn: Promise<unknown> = Promise.resolve()
  let metaChanged = (): void => undefined

  /** What is read to be written again is changed by one caller at a time. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work)
    turn = next.catch(() => undefined)
    return next
  }

  function setMeta(path: string, key: string, value: Json): Promise<ControlReply> {
    return inTurn(() => setMetaInTurn(path, key, value))
  }

  async function setMetaInTurn(path: string, key: string, value: Json): Promise<ControlReply> {
    if (!isMetaKey(key)) return badFormat
    const meta = await mapOf(path)
    if (!Object.hasOwn(meta, key) && Object.keys(meta).length >= metaLimits.keys) return noSpace
    await keepOwnMeta(disk, presentKeys({ ...meta, [key]: value }), path)
    metaChanged()
    return ok
  }

  function deleteMeta(path: string, key: string): Promise<ControlReply> {
    return inTurn(async () => {
      const meta = await mapOf(path)
      if (!Object.hasOwn(meta, key)) return absent
      const { [key]: _, ...rest } = meta
      await keepOwnMeta(disk, rest, path)
      metaChanged()
      return ok
    })
  }

  function putMeta(path: string) {
    return ({ values: [key = ''], text }: Call): Promise<ControlReply> =>
      text === '' ? Promise.resolve(badFormat) : setMeta(path, key, metaValue(text))
  }

  function createHandlers(): Readonly<Record<RouteName, (call: Call) => Promise<ControlReply>>> {
    const containers = () => driver.desk?.containers() ?? []
    const revOf = (name: string | undefined) => steps.find(name ?? '')
    return {
      containers: async () => ({
        status: 200,
        json: containersView(await steps.runningState(), containers()),
      }),
      container: async ({ values: [name = ''], text }) => {
        const found = containers().find((each) => each.spec.name === name)
        if (!found) return absent
        if (found.spec.restartPolicy === 'system') return refused(403, 'Container restart policy is system')
        const action = containerActions.find((each) => each === objectOf(parsed(text))?.action)
        if (!action) return badFormat
        if (action !== 'stop' && ['INSTALLED', 'MOUNTED', 'BLOCKED'].includes(found.status))
          return refused(400, `Container is ${found.status}`)
        driver.desk?.act(name, action)
        return ok
      },
      groups: async () => ({ status: 200, json: groupsView(await steps.runningState(), containers()) }),
      signal: async ({ request: { caller }, text }) => {
        const type = objectOf(parsed(text))?.type
        if (typeof type !== 'string') return badFormat
        const found =
          caller.kind === 'container' && containers().find((each) => each.spec.name === caller.name)
        if (type !== 'ready' || !found || found.spec.goal !== 'READY')
          return refused(500, 'Signal not expected from this platform')
        driver.desk?.signalReady(found.spec.name)
        return ok
      },
      objects: async () => ({
        status: 200,
        json: (await poolView(disk)).map(({ sha, size }) => ({ sha256: sha, size: String(size) })),
      }),
      object: async ({ values: [sha = ''] }) => {
        const size = isSha(sha) ? (await disk.stat(objectPath(sha)))?.size : undefined
        return size === undefined
          ? refused(400, 'Object does not exist')
          : { status: 200, bytes: disk.read(objectPath(sha)), size }
      },
      'put-object': async ({ request, values: [sha = ''] }) => {
        if (!isSha(sha)) return refused(400, 'Object has bad name')
        const stored = await uploads.put(sha, request.length, request.body)
        switch (stored.kind) {
          case 'stored':
            return ok
          case 'bad-checksum':
            return refused(422, 'Object has bad checksum')
          case 'no-space':
            return noSpace
          case 'busy':
            return refused(503, 'Too many uploads at once', 1)
        }
      },
      steps: async () => ({ status: 200, json: await steps.list() }),
      step: async ({ values: [name] }) => {
        const rev = revOf(name)
        const text = rev === undefined ? undefined : await steps.stateText(rev)
        // It was judged to be JSON when it was kept.
        return text === undefined ? absent : { status: 200, json: JSON.parse(text) as Json }
      },
      'put-step': async ({ values: [name = ''], text }) => {
        const fits = localName(name)
        if (fits === undefined) return refused(400, 'Step has bad name')
        const kept = await inTurn(() => steps.put(fits, text))
        return kept.ok ? ok : refused(422, kept.why)
      },
      progress: async ({ values: [name] }) => {
        const rev = revOf(name)
        const progress = rev === undefined ? undefined : steps.progress(rev)
        return progress ? { status: 200, json: { ...progress } } : absent
      },
      'put-message': async ({ values: [name], text }) => {
        const rev = revOf(name)
        if (rev === undefined || (await steps.stateText(rev)) === undefined) return absent
        await steps.message(rev, text)
        return ok
      },
      commands: async ({ text }) => {
        const body = parseCommand(text)
        return body ? command(body) : badCommand
      },
      'user-meta': async () => ({ status: 200, json: metaView(await mapOf(userMetaPath)) }),
      'put-user-meta': putMeta(userMetaPath),
      'delete-user-meta': ({ values: [key = ''] }) => deleteMeta(userMetaPath, key),
      'device-meta': async () => ({ status: 200, json: metaView(await house.deviceMeta()) }),
      'put-device-meta': putMeta(ownMetaPath),
      'delete-device-meta': ({ values: [key = ''] }) => deleteMeta(ownMetaPath, key),
      buildinfo: async () => ({ status: 200, text: settings.buildInfo }),
      config: async () => ({
        status: 200,
        json: Object.fromEntries(settings.settings.map(({ alias, value }) => [alias, value])),
      }),
      config2: async () => ({
        status: 200,
        json: settings.settings.map(({ key, value, modified }) => ({ key, value: String(value), modified })),
      }),
      drivers: async () => ({ status: 200, json: {} }),
      'load-drivers': async () => refused(400, 'No manual drivers'),
      'unload-drivers': async () => refused(400, 'No manual drivers'),
      'load-driver': async () => absent,
      'unload-driver': async () => absent,
      daemons: async () => ({ status: 200, json: [] }),
      daemon: async () => absent,
      'xconnect-graph': async () => ({ status: 200, json: [] }),
      'storage-gc': collect,
      wakelocks: async () => ({ status: 200, json: noWakelocks }),
      logs: async () => ({
        status: 200,
        json: ['agent', ...(await disk.list('output')).map(({ name }) => name)],
      }),
      log: async ({ values: [name = ''] }) => logOf(name),
    }
  }

  async function logOf(name: string): Promise<ControlReply> {
    if (name === 'agent') return { status: 200, text: said.map((line) => `${line}\n`).join('') }
    const kept = (await disk.list('output')).some((each) => each.name === name && each.kind === 'folder')
    if (!kept) return absent
    const parts = await Promise.all(['1.log', '0.log'].map((file) => disk.readText(`output/${name}/${file}`)))
    return { status: 200, text: parts.join('') }
  }

  /** The whole of a small body, in its time. */
  async function readText({ length, body }: ControlRequest, limit: number): Promise<string | ControlReply> {
    if (length !== undefined && length > limit) return noSpace
    const late = new AbortController()
    const read = async (): Promise<string | ControlReply> => {
      const parts: Uint8Array[] = []
      let size = 0
      for await (const part of body) {
        size += part.length
        if (size > limit) return noSpace
        parts.push(part)
      }
      return Buffer.concat(parts).toString('utf8')
    }
    const reading = read()
    reading.catch(() => undefined)
    const waiting = house.clock.sleep(settings.bodyMs, late.signal).then(() => tooSlow)
    try {
      return await Promise.race([reading, waiting])
    } finally {
      late.abort()
    }
  }

  return {
    answer,
    steps: steps as Pick<Steps, 'open' | 'runningState'>,
    /** Calls when a program has changed one of the maps. */
    onMeta(listener: () => void) {
      metaChanged = listener
    },
  }
}

const tooSlow = refused(408, 'Request was not sent in time')
const badCommand = refused(400, 'Command has bad format')

const noWakelocks = {
  mode: 'none',
  count: 0,
  degraded: false,
  autosleep: false,
  settling: false,
  polling: false,
  run_window: 0,
  held: {},
}

const isMetaKey = (key: string): boolean =>
  key.length >= 1 && key.length <= metaLimits.keyLength && /^[!-.0-~]+$/.test(key) && key !== '__proto__'

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
