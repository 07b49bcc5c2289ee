/**
 * An operator: a person with a script drawn from a seed, who works through the server's own doors.
 *
 * Claims what stands on the labels of their devices, posts steps with objects, changes their mind, gives up, asks for
 * an abort, clears, renames, publishes, resets, deletes, reads, and now and then tries the neighbour's doors. Like a person they read before they write, and look again after
 * a reply that never came; nothing here knows what the server keeps.
 */
import type { WorldClock } from './clock.ts'
import type { WorldDevice } from './device.ts'
import { shaOf } from './ledger.ts'
import type { Luck } from './luck.ts'
import type { Line } from './network.ts'
import { hubUrl } from './server.ts'
import { createStateMaker } from './states.ts'

export interface OperatorNeeds {
  readonly clock: WorldClock
  readonly luck: Luck
  readonly line: Line
  /** Names the tenant in everything this operator writes. */
  readonly mark: string
  readonly devices: readonly WorldDevice[]
  /** Ids and objects of the other tenant, to try. */
  foreign(): readonly { readonly device: string | undefined; readonly sha: string | undefined }[]
  /** Devices that were ever asked to be public: everybody may read them. */
  readonly published: Set<string>
  /** Ids of devices that somebody has asked to be deleted, until it is known what came of it. */
  readonly removing: Set<string>
  /** Takes the hash of a state that can never be kept. */
  bound(sha: string): void
  /** A fresh login: undefined while the server is down. */
  login(): string | undefined
  /** How long between two actions, on average. Milliseconds. */
  readonly paceMs: number
  readonly patienceMs: number
  tell(line: string): void
  fault(what: string): void
}

export interface Operator {
  /** Acts until the signal. */
  work(signal: AbortSignal): Promise<void>
  /** Answers once all devices are claimed. */
  claimAll(signal: AbortSignal): Promise<void>
  /** Posts one last step that every device can run, and answers once each is accepted. */
  farewell(signal: AbortSignal): Promise<void>
  /** A join token for devices that are to be owned from the start. */
  joinToken(signal: AbortSignal): Promise<string>
  readonly claimed: ReadonlySet<string>
  /** An object of this tenant. */
  readonly anObject: string | undefined
}

type Said = {
  readonly status: number
  readonly json: Readonly<Record<string, unknown>>
  readonly text: string
}

const actions = {
  post: 40,
  cancel: 10,
  replace: 9,
  wish: 10,
  rename: 6,
  giveUp: 4,
  abort: 3,
  clear: 3,
  publish: 4,
  reset: 1,
  remove: 0.7,
  read: 12,
  trespass: 9,
} as const

const stepsMax = 12

export function createOperator(needs: OperatorNeeds): Operator {
  const { clock, luck, line, mark, tell } = needs
  const claimed = new Set<string>()
  const states = createStateMaker({ luck, mark, bound: needs.bound, upload })
  let token: string | undefined
  let made = 0

  /** One request; undefined when no reply came. A token that is void is renewed. */
  async function ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Said | undefined> {
    for (let tries = 0; tries < 3; tries++) {
      token ??= needs.login()
      if (token === undefined) return undefined
      const bytes = Buffer.isBuffer(body)
        ? body
        : body === undefined
          ? Buffer.alloc(0)
          : Buffer.from(JSON.stringify(body))
      const type: Record<string, string> =
        body === undefined
          ? {}
          : { 'content-type': Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json' }
      const said = await once({
        method,
        path,
        headers: {
          'user-agent': 'operator',
          ...(path.startsWith('/local-s3/') ? {} : { authorization: `Bearer ${token}` }),
          ...(bytes.length > 0 ? { 'content-length': String(bytes.length) } : {}),
          ...type,
          ...headers,
        },
        body: bytes,
      })
      if (said?.status !== 401) return said
      token = undefined
    }
    return undefined
  }

  async function once(asked: Parameters<Line['send']>[0]): Promise<Said | undefined> {
    const patience = new AbortController()
    const callOff = clock.after(needs.patienceMs, () => patience.abort(new Error('out of patience')))
    try {
      const reply = await line.send(asked, patience.signal)
      const pieces: Uint8Array[] = []
      for await (const piece of reply.body) pieces.push(piece)
      const text = Buffer.concat(pieces).toString()
      return { status: reply.status, json: objectIn(text), text }
    } catch {
      return undefined
    } finally {
      callOff()
    }
  }

  const ownDevices = (): WorldDevice[] =>
    needs.devices.filter((device) => device.id !== undefined && claimed.has(device.id))

  /** Claims what has come; answers whether it is known of all devices whether they are still there. */
  async function claimLabels(): Promise<boolean> {
    const known = await flashDeleted()
    for (const { label, name, id: registered, owned } of needs.devices) {
      if (owned && registered !== undefined) claimed.add(registered)
      if (!label || claimed.has(label.id)) continue
      const { id, challenge } = label
      const said = luck.chance(0.5)
        ? await ask('PUT', `/devices/${id}?challenge=${challenge}`)
        : await ask('POST', `/fleet/v1/devices/${id}/claim`, { challenge })
      if (said === undefined) continue
      // A claim whose reply was lost is found done.
      const mine = said.status < 300 || (await ask('GET', `/fleet/v1/devices/${id}`))?.status === 200
      if (!mine) continue
      tell(`${line.name} has claimed ${name}`)
      claimed.add(id)
    }
    return known
  }

  /**
   * Whoever deletes a device for good has it flashed, else it would ask for ever to be let in. Answers whether it is
   * known of all that were to go; one that is still there may go later, when the request was on its way yet.
   */
  async function flashDeleted(): Promise<boolean> {
    let known = true
    for (const id of [...needs.removing]) {
      const status = (await ask('GET', `/fleet/v1/devices/${id}`))?.status
      if (status !== 404) {
        known &&= status === 200
        continue
      }
      needs.removing.delete(id)
      needs.devices.find((each) => each.id === id)?.flash()
    }
    return known
  }

  /** Where a trail stands, as the server says. */
  async function headOf(id: string): Promise<{ rev: number; status: string; commitMsg: string } | undefined> {
    const said = await ask('GET', `/fleet/v1/devices/${id}/trail`)
    const head = said?.status === 200 ? said.json.head : undefined
    if (typeof head !== 'object' || head === null) return undefined
    const { rev, status, commitMsg } = head as Record<string, unknown>
    return typeof rev === 'number' && typeof status === 'string' && typeof commitMsg === 'string'
      ? { rev, status, commitMsg }
      : undefined
  }

  /** Bytes on the server; undefined when that did not work out. */
  async function upload(bytes: Buffer): Promise<string | undefined> {
    const sha = shaOf(bytes)
    if (luck.chance(0.4)) {
      const said = await ask('PUT', `/fleet/v1/objects/${sha}?name=file`, bytes)
      return said?.status === 200 ? sha : undefined
    }
    const offered = await ask('POST', '/objects/', {
      objectname: 'file',
      size: String(bytes.length),
      sha256sum: sha,
    })
    if (offered?.status === 409) return sha
    const url = offered?.json['signed-puturl']
    if (offered?.status !== 200 || typeof url !== 'string') return undefined
    const put = await ask('PUT', url.slice(hubUrl.length), bytes)
    return put?.status === 200 ? sha : undefined
  }

  /** Posts a step, by either door. True when it is known to be posted. */
  async function post(device: WorldDevice, state: Record<string, unknown>, about: string): Promise<boolean> {
    const { id } = device
    if (id === undefined) return false
    const head = await headOf(id)
    if (!head) return false
    if (head.commitMsg === about) return true
    if (head.rev >= stepsMax && !about.includes('farewell')) return true
    if (luck.chance(0.5)) {
      const said = await ask('POST', `/trails/${id}/steps`, { rev: head.rev + 1, 'commit-msg': about, state })
      if (said) return said.status === 200
    } else {
      const key = { 'idempotency-key': shaOf(about).slice(0, 16) }
      for (let tries = 0; tries < 2; tries++) {
        const said = await ask('POST', `/fleet/v1/devices/${id}/steps`, { commitMsg: about, state }, key)
        if (said) return said.status === 201
      }
    }
    return (await headOf(id))?.commitMsg === about
  }

  async function act(device: WorldDevice): Promise<void> {
    const { id } = device
    if (id === undefined) return
    switch (luck.weighed(actions)) {
      case 'post': {
        const state = await states.make(device, 'any')
        if (state) await post(device, state, `${mark} step ${++made}`)
        return
      }
      case 'cancel': {
        const head = await headOf(id)
        if (!head || head.rev === 0) return
        if (luck.chance(0.5)) await ask('PUT', `/trails/${id}/steps/${head.rev}/cancel`)
        else await ask('POST', `/fleet/v1/devices/${id}/steps/${head.rev}/cancel`)
        return
      }
      case 'replace': {
        const head = await headOf(id)
        const state = head?.status === 'NEW' ? await states.make(device, 'any') : undefined
        if (head && state) await ask('PUT', `/trails/${id}/steps/${head.rev}/state`, state)
        return
      }
      case 'wish': {
        const method = luck.pick(['PUT', 'PATCH'])
        await ask(method, `/devices/${id}/user-meta`, { [`wish.${luck.below(3)}`]: `${mark} ${++made}` })
        return
      }
      case 'rename': {
        const change = luck.chance(0.5)
          ? { nick: `${mark}-${++made}` }
          : { labels: { place: `${mark}-${++made}` } }
        await ask('PATCH', `/fleet/v1/devices/${id}`, change)
        return
      }
      case 'giveUp': {
        const head = await headOf(id)
        if (head) await ask('PUT', `/trails/${id}/steps/${head.rev}/wontgo`)
        return
      }
      case 'abort':
      case 'clear': {
        // The wishes of the 2016 walkthrough, which has a form of its own for them.
        const head = await headOf(id)
        const wish = luck.chance(0.5) ? { abort: true } : { clear: true }
        if (head && head.rev > 0)
          await ask('PUT', `/api/v1/trails/${id}/steps/${luck.between(1, head.rev)}`, wish)
        return
      }
      case 'publish': {
        needs.published.add(id)
        await ask(luck.pick(['PUT', 'PUT', 'DELETE']), `/devices/${id}/public`)
        return
      }
      case 'reset':
        await ask('DELETE', `/api/v1/trails/${id}`)
        return
      case 'remove': {
        needs.removing.add(id)
        await ask('DELETE', luck.pick([`/devices/${id}`, `/fleet/v1/devices/${id}`]))
        await flashDeleted()
        return
      }
      case 'read':
        await ask(
          'GET',
          luck.pick([
            '/devices/',
            '/trails/',
            '/objects/',
            '/trails/summary',
            '/logs/',
            `/trails/${id}/steps`,
            '/fleet/v1/devices',
            `/fleet/v1/devices/${id}/steps`,
            `/fleet/v1/devices/${id}/logs`,
            '/fleet/v1/objects',
          ]),
        )
        return
      case 'trespass':
        await trespass()
    }
  }

  /** Tries what is the other tenant's: nothing of it may answer as if it were one's own. */
  async function trespass(): Promise<void> {
    const others = needs.foreign()
    if (others.length === 0) return
    const { device, sha } = luck.pick(others)
    const doors = [
      ...(device === undefined
        ? []
        : ([
            ['GET', `/devices/${device}`],
            ['GET', `/trails/${device}`],
            ['GET', `/trails/${device}/steps/0`],
            ['GET', `/devices/${device}/user-meta`],
            ['PUT', `/devices/${device}/user-meta`, { taken: mark }],
            ['PUT', `/trails/${device}/steps/1/cancel`],
            ['GET', `/fleet/v1/devices/${device}`],
            ['GET', `/fleet/v1/devices/${device}/device-meta`],
            ['POST', `/fleet/v1/devices/${device}/steps`, { state: {} }],
            ['DELETE', `/fleet/v1/devices/${device}`],
            ['GET', `/logs/?dev=prn:::devices:/${device}`],
          ] as const)),
      ...(sha === undefined
        ? []
        : ([
            ['GET', `/objects/${sha}`],
            ['GET', `/fleet/v1/objects/${sha}`],
            ['GET', `/fleet/v1/objects/${sha}/info`],
            ['DELETE', `/objects/${sha}`],
          ] as const)),
    ]
    if (doors.length === 0) return
    const [method, path, body] = luck.pick(doors)
    const said = await ask(method, path, body)
    const empty = path.startsWith('/logs/') && said?.json.count === 0
    const open = method === 'GET' && device !== undefined && needs.published.has(device)
    if (said && said.status < 400 && !empty && !open)
      needs.fault(`${line.name} was let in: ${method} ${path} answered ${said.status} ${said.text}`)
  }

  return {
    claimed,
    get anObject() {
      return states.anObject
    },
    async work(signal) {
      while (!signal.aborted) {
        await clock.sleep(luck.pause(needs.paceMs), signal)
        if (signal.aborted) return
        await claimLabels()
        const devices = ownDevices()
        if (devices.length > 0) await act(luck.pick(devices))
      }
    },
    async claimAll(signal) {
      while (!signal.aborted) {
        const known = await claimLabels()
        if (known && ownDevices().length === needs.devices.length) return
        await clock.sleep(needs.patienceMs / 4, signal)
      }
    },
    async farewell(signal) {
      const left = new Set(needs.devices)
      const made = new Map<WorldDevice, Record<string, unknown>>()
      while (left.size > 0 && !signal.aborted) {
        await clock.sleep(needs.patienceMs / 4, signal)
        for (const device of left) {
          const state = made.get(device) ?? (await states.make(device, 'small'))
          if (!state) continue
          made.set(device, state)
          if (await post(device, state, `${mark} farewell ${device.name}`)) left.delete(device)
        }
      }
    },
    async joinToken(signal) {
      while (!signal.aborted) {
        const said = await ask('POST', '/devices/tokens', { nick: mark })
        if (said?.status === 200 && typeof said.json.token === 'string') return said.json.token
        await clock.sleep(1000, signal)
      }
      throw new Error('no join token')
    },
  }
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
