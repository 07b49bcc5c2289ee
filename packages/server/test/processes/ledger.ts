/**
 * A server under load and the ledger of what it has acknowledged: workers write without pause until the server is gone,
 * each noting a write only when its answer has come; afterwards every line of the ledger is looked up over HTTP.
 *
 * Counters make it sharp: a report or a value of user-meta is written by one worker in ascending order, so what is read
 * back may be newer than the last acknowledged one (the answer was lost), never older.
 */
import {
  anyStatus,
  at,
  type Client,
  factory,
  type Json,
  listOf,
  sha256,
  textOf,
  Unexpected,
} from './client.ts'

interface Driven {
  readonly id: string
  readonly prn: string
  readonly secret: string
  token: string
  /** Newest acknowledged revision. */
  rev: number
  /** Revision → number of the last acknowledged report. */
  readonly reports: Map<number, number>
  /** Number of the last acknowledged value of user-meta, of device-meta. */
  userMeta: number
  deviceMeta: number
  /** Every acknowledged line of log. */
  readonly lines: string[]
}

export interface Ledger {
  readonly driven: Driven[]
  /** Claimed: ids. Registered only: what they log in with. */
  readonly claimed: string[]
  readonly registered: { readonly id: string; readonly prn: string; readonly secret: string }[]
  readonly objects: string[]
  /** Counters that never repeat, so that no two writes are alike. */
  count: number
}

/** Numbers from a seed (mulberry32): the same ones each time. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** Opens a ledger with so many devices that are claimed, logged in and have announced themselves. */
export async function openLedger(client: Client, token: string, count: number): Promise<Ledger> {
  const driven: Driven[] = []
  for (let i = 0; i < count; i++) {
    const device = await client.register()
    await client.claim(token, device)
    const own = await client.login(device.prn, device.secret)
    await client.must('POST', '/trails/', { token: own, body: factory })
    const { id, prn, secret } = device
    const none = { rev: 0, reports: new Map<number, number>(), userMeta: 0, deviceMeta: 0, lines: [] }
    driven.push({ id, prn, secret, token: own, ...none })
  }
  return { driven, claimed: [], registered: [], objects: [], count: 0 }
}

/** Writes until the server answers no more. What it answers has to be 200: anything else is thrown. */
export async function load(
  client: Client,
  token: string,
  ledger: Ledger,
  random: (below: number) => number,
): Promise<void> {
  const ends = await Promise.allSettled(
    workersOf(token, ledger, random).map(async (work) => {
      for (;;) await work(client)
    }),
  )
  for (const end of ends) if (end.status === 'rejected' && end.reason instanceof Unexpected) throw end.reason
}

/**
 * Writes until told to stop, as a fleet behind a balancer does: a worker that gets no answer tries the next client. What
 * is answered has to be 200.
 */
export async function loadUntil(
  stopped: AbortSignal,
  clients: readonly Client[],
  token: string,
  ledger: Ledger,
  random: (below: number) => number,
): Promise<void> {
  await Promise.all(
    workersOf(token, ledger, random).map(async (work, place) => {
      for (let turn = place; !stopped.aborted; ) {
        const client = clients[turn % clients.length]
        if (!client) return
        try {
          await work(client)
        } catch (error) {
          if (error instanceof Unexpected) throw error
          turn += 1
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
    }),
  )
}

type Worker = (client: Client) => Promise<void>

function workersOf(token: string, ledger: Ledger, random: (below: number) => number): readonly Worker[] {
  return [
    ...ledger.driven.flatMap((device): Worker[] => [
      (client) => postStep(client, token, ledger, device),
      (client) => report(client, ledger, device),
      (client) => sendLogs(client, ledger, device, random),
      (client) => setMeta(client, token, ledger, device),
    ]),
    (client) => register(client, token, ledger, random),
    (client) => register(client, token, ledger, random),
    (client) => upload(client, token, ledger, random),
    (client) => upload(client, token, ledger, random),
    (client) => upload(client, token, ledger, random),
    (client) => upload(client, token, ledger, random),
  ]
}

async function postStep(client: Client, token: string, ledger: Ledger, device: Driven): Promise<void> {
  const state = { ...(factory as object), 'app/run.json': { number: ++ledger.count } }
  const body = { rev: -1, 'commit-msg': `step ${ledger.count}`, state }
  const posted = await client.must('POST', `/trails/${device.id}/steps`, { token, body })
  device.rev = Number(at(posted, 'rev'))
}

async function report(client: Client, ledger: Ledger, device: Driven): Promise<void> {
  const { rev } = device
  const number = ++ledger.count
  await client.must('PUT', `/trails/${device.id}/steps/${rev}/progress`, {
    token: device.token,
    body: { status: 'INPROGRESS', progress: 50, 'status-msg': String(number) },
  })
  device.reports.set(rev, number)
}

async function sendLogs(
  client: Client,
  ledger: Ledger,
  device: Driven,
  random: (below: number) => number,
): Promise<void> {
  const lines = Array.from({ length: 1 + random(20) }, () => `line ${++ledger.count}`)
  const body = lines.map((msg) => ({ src: 'load', lvl: 'INFO', msg, tsec: 0, tnano: 0, rev: '0', plat: '' }))
  await client.must('POST', '/logs/', { token: device.token, body })
  device.lines.push(...lines)
}

async function setMeta(client: Client, token: string, ledger: Ledger, device: Driven): Promise<void> {
  const user = ++ledger.count
  await client.must('PATCH', `/devices/${device.id}/user-meta`, { token, body: { 'load.user': user } })
  device.userMeta = user
  const own = ++ledger.count
  const body = { 'load.device': own }
  await client.must('PUT', `/devices/${device.id}/device-meta`, { token: device.token, body })
  device.deviceMeta = own
}

async function register(
  client: Client,
  token: string,
  ledger: Ledger,
  random: (below: number) => number,
): Promise<void> {
  const { challenge, ...device } = await client.register()
  // Registered is acknowledged now; if the claim's answer is lost, either may be found.
  ledger.registered.push(device)
  if (random(2) === 0) return
  await client.claim(token, { id: device.id, challenge })
  ledger.claimed.push(device.id)
}

async function upload(
  client: Client,
  token: string,
  ledger: Ledger,
  random: (below: number) => number,
): Promise<void> {
  const bytes = Buffer.alloc(1 + random(60_000), `${++ledger.count} `)
  ledger.objects.push(await client.upload(token, bytes))
}

/** What of the ledger is not found; empty is right. Objects from this place of the ledger on are downloaded. */
export async function missing(
  client: Client,
  token: string,
  ledger: Ledger,
  objectsFrom = 0,
): Promise<string[]> {
  const wrong: string[] = []
  const devices = listOf(await client.must('GET', '/devices/', { token }))
  const listed = new Map(devices.map((device) => [textOf(device, 'id'), device]))
  for (const id of ledger.claimed) if (!listed.has(id)) wrong.push(`device ${id}: not claimed any more`)

  await inTurns(ledger.driven, async (device) => {
    wrong.push(...stepsMissing(device, await allSteps(client, token, device)))
    const sent = new Set(await allLines(client, token, device))
    for (const line of device.lines) if (!sent.has(line)) wrong.push(`device ${device.id}: no log "${line}"`)
    const record = listed.get(device.id) ?? null
    for (const [meta, key, wanted] of [
      ['user-meta', 'load.user', device.userMeta],
      ['device-meta', 'load.device', device.deviceMeta],
    ] as const) {
      const found = Number(at(record, meta, key) ?? 0)
      if (found < wanted) wrong.push(`device ${device.id}: ${meta} is ${found}, ${wanted} was acknowledged`)
    }
  })
  await inTurns(ledger.registered, async ({ id, prn, secret }) => {
    if (listed.has(id)) {
      if (textOf(listed.get(id) ?? null, 'secret') !== secret) wrong.push(`device ${id}: another secret`)
      return
    }
    const login = await client.call('POST', '/auth/login', { body: { username: prn, password: secret } })
    if (login.status !== 200)
      wrong.push(`device ${id}: registered, but its login is answered ${login.status}`)
  })
  await inTurns(ledger.objects.slice(objectsFrom), async (sha) => {
    const got = await client.downloadedSha(token, sha).catch(String)
    if (got !== sha) wrong.push(`object ${sha}: got ${got}`)
  })
  return wrong
}

async function allSteps(client: Client, token: string, device: Driven): Promise<Json[]> {
  return listOf(
    await client.must('GET', `/trails/${device.id}/steps?progress.status=${anyStatus}`, { token }),
  )
}

function stepsMissing(device: Driven, steps: readonly Json[]): string[] {
  const wrong: string[] = []
  if (steps.length <= device.rev)
    wrong.push(`trail ${device.id}: ${steps.length} steps, got as far as ${device.rev}`)
  for (const [place, step] of steps.entries()) {
    if (at(step, 'rev') !== place) wrong.push(`trail ${device.id}: step ${at(step, 'rev')} at place ${place}`)
    const wanted = device.reports.get(place) ?? 0
    const told = Number(at(step, 'progress', 'status-msg') ?? 0)
    if (place > 0 && told < wanted)
      wrong.push(`step ${device.id}-${place}: report ${told}, ${wanted} was acknowledged`)
    if (sha256(JSON.stringify(at(step, 'state'))) !== at(step, 'state-sha'))
      wrong.push(`step ${device.id}-${place}: its state is not that of its hash`)
  }
  return wrong
}

async function allLines(client: Client, token: string, device: Driven): Promise<string[]> {
  const lines: string[] = []
  let page = await client.must('GET', `/logs/?dev=${device.id}&page=5000&sort=time-created&cursor=true`, {
    token,
  })
  for (;;) {
    const entries = listOf(at(page, 'entries') ?? [])
    if (entries.length === 0) return lines
    lines.push(...entries.map((entry) => textOf(entry, 'msg')))
    const body = { 'next-cursor': textOf(page, 'next-cursor') }
    page = await client.must('POST', '/logs/cursor', { token, body })
  }
}

/** Eight at a time. */
async function inTurns<T>(all: readonly T[], visit: (one: T) => Promise<void>): Promise<void> {
  const queue = all.values()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const one of queue) await visit(one)
    }),
  )
}
