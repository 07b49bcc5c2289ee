/**
 * The world: a real server, real agents and their operators under one simulated clock, and everything that can go
 * wrong between them, drawn from a seed.
 *
 * A world has a stormy part, in which faults come as the seed wills, and a calm one, in which every device gets one
 * more step that it can run. Rules are checked while it runs and at its end (see RULES.md). The same seed gives the same
 * moves, byte for byte.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createAccount,
  Instant,
  type Principal,
  settled,
  type TenantId,
  unclaimedTenant,
} from '@waymark/domain'
import { createWorldClock } from './clock.ts'
import { createDevice, type WorldDevice } from './device.ts'
import { acknowledged, committedInOrder, converged, foldsToRecords, watchJournal } from './invariants.ts'
import { createLedger, createSecrets, shaOf } from './ledger.ts'
import { createLuck, type Luck } from './luck.ts'
import { createNetwork, fair, type Line, type Weather } from './network.ts'
import { createOperator, type Operator } from './operator.ts'
import { createWorldServer } from './server.ts'

/** What came of a world. */
export interface Told {
  readonly seed: string
  /** Everything that happened, one line a move. */
  readonly moves: readonly string[]
  /** What is broken, each beginning with the number of its rule. */
  readonly broken: readonly string[]
  readonly counts: Readonly<Record<string, number>>
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** How fast a world lives. Milliseconds. */
interface Pace {
  readonly lastsMs: number
  readonly pollMs: number
  readonly patienceMs: number
  readonly operatorMs: number
  readonly downMs: number
  readonly choreFloorMs: number
}
const paces = {
  minutes: {
    lastsMs: 8 * minute,
    pollMs: 6 * second,
    patienceMs: 15 * second,
    operatorMs: 10 * second,
    downMs: 20 * second,
    choreFloorMs: 20 * second,
  },
  days: {
    lastsMs: day,
    pollMs: 18 * minute,
    patienceMs: 30 * second,
    operatorMs: 30 * minute,
    downMs: hour,
    choreFloorMs: hour,
  },
  month: {
    lastsMs: 30 * day,
    pollMs: 9 * hour,
    patienceMs: minute,
    operatorMs: 15 * hour,
    downMs: 12 * hour,
    choreFloorMs: day,
  },
} as const satisfies Record<string, Pace>

/** Plays one world to its end. */
export async function playWorld(seed: string): Promise<Told> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-world-'))
  try {
    return await play(seed, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function play(seed: string, folder: string): Promise<Told> {
  const luck = createLuck(seed)
  const shape = luck.fork('shape')
  const pace: Pace = paces[shape.weighed({ minutes: 5, days: 3, month: 2 })]
  const startMs = Date.UTC(2026, 0, 1)
  const clock = createWorldClock(startMs)
  const moves: string[] = []
  const broken: string[] = []
  const counts = { requests: 0, deviceDeaths: 0, serverDeaths: 0, steps: 0 }
  const tell = (line: string): void =>
    void moves.push(`${((clock.now() - startMs) / 1000).toFixed(3)} ${line}`)
  const fault = (what: string): void => {
    if (broken.includes(what)) return
    broken.push(what)
    tell(`BROKEN ${what}`)
  }

  const storm = new AbortController()
  const serverLuck = luck.fork('server')
  const server = createWorldServer({
    clock,
    luck: serverLuck,
    folder,
    choreFloorMs: pace.choreFloorMs,
    tell,
    onDeath() {
      counts.serverDeaths++
      clock.after(serverLuck.pause(pace.downMs / 4), () => void server.start())
    },
  })

  // ── two tenants, and what may never cross between them ──────────────────────────────────────────────────────

  const ledger = createLedger()
  const secrets = createSecrets()
  const named = new Map<string, Set<string>>()
  const tenantOf = new Map<string, string>()
  const env = { now: Instant.of(startMs), random: (count: number) => luck.fork('accounts').bytes(count) }
  const accountLuck = luck.fork('accounts')
  const houses: { name: string; tenant: TenantId; principal: Principal }[] = []
  for (const name of ['amber', 'birch']) {
    const made = await server.store.transactHouse((house) =>
      createAccount(
        house,
        { ...env, random: (count) => accountLuck.bytes(count) },
        {
          nick: `owner-of-${name}`,
          tenantName: `tenant-${name}`,
          passwordHash: 'nobody logs in with a password here',
          verified: true,
        },
      ),
    )
    if (!made.ok) throw new Error(made.refusal.kind)
    houses.push({ name, tenant: made.value.tenant.id, principal: made.value.principal })
    for (const word of [made.value.tenant.id, `owner-of-${name}`, `mark-of-${name}`]) secrets.add(name, word)
  }

  const network = createNetwork({
    clock,
    server: () => server.reachable,
    tell,
    arrived(line, { method, path, body }) {
      counts.requests++
      const [, device] = /^\/devices\/(\w+)\/device-meta$/.exec(path) ?? []
      if (device === undefined || method !== 'PUT') return
      const revs = named.get(device) ?? new Set()
      named.set(
        device,
        revs.add(String((JSON.parse(body.toString()) as Record<string, unknown>)['pantavisor.revision'])),
      )
      void line
    },
    heard(line, asked, answered) {
      const tenant = tenantOf.get(line.name) ?? ''
      const word = secrets.leak(tenant, asked, answered)
      if (word !== undefined)
        fault(`[W5] ${line.name} was told ${word}, which is another tenant's: ${asked.method} ${asked.path}`)
      if (answered.status >= 500)
        fault(`[W9] ${asked.method} ${asked.path} answered ${answered.status}: ${answered.body.toString()}`)
      if (asked.method === 'POST' && asked.path === '/devices/' && answered.status === 200) {
        const { id, secret, challenge } = JSON.parse(answered.body.toString()) as Record<string, unknown>
        for (const each of [id, secret, challenge]) if (typeof each === 'string') secrets.add(tenant, each)
      }
      if (asked.method === 'PUT' && asked.path.startsWith('/local-s3/') && answered.status === 200)
        secrets.add(tenant, shaOf(asked.body))
    },
    learnt: (line, asked, answered) => ledger.learnt(line, asked, answered),
  })

  const journals = [unclaimedTenant, ...houses.map(({ tenant }) => tenant)].map((tenant) =>
    watchJournal(server.store, tenant, named),
  )
  let news = true
  server.store.onCommit(() => {
    news = true
  })
  clock.onRest(async () => {
    if (!news) return
    news = false
    for (const journal of journals) for (const what of await journal.follow()) fault(what)
  })

  // ── actors ──────────────────────────────────────────────────────────────────────────────────────────────────

  await server.start()
  const weatherOf = (name: string): Weather => {
    const draw = luck.fork(`weather/${name}`)
    const wild = draw.pick([0, 0.3, 1, 2])
    const each = (most: number): number => draw.next() * most * wild
    return {
      dropRequest: each(0.04),
      dropReply: each(0.06),
      duplicate: each(0.03),
      delay: each(0.04),
      cut: each(0.05),
      corrupt: each(0.1),
    }
  }
  const lines: Line[] = []
  function lineOf(name: string, tenant: string): Line {
    const line = network.connect({
      name,
      address: `10.0.0.${lines.length + 1}`,
      luck: luck.fork(`line/${name}`),
      delayMs: 2 * pace.patienceMs,
    })
    tenantOf.set(name, tenant)
    line.weather = weatherOf(name)
    lines.push(line)
    return line
  }

  const devices: WorldDevice[] = []
  const operators: { operator: Operator; devices: WorldDevice[] }[] = []
  for (const { name, principal } of houses) {
    const own: WorldDevice[] = []
    const operator = createOperator({
      clock,
      luck: luck.fork(`operator/${name}`),
      line: lineOf(`operator-${name}`, name),
      mark: `mark-of-${name}`,
      devices: own,
      foreign: () =>
        operators
          .filter((other) => other.operator !== operator)
          .flatMap((other) => other.devices.map(({ id }) => ({ device: id, sha: other.operator.anObject }))),
      login: () => server.house?.access.tokenFor(principal),
      paceMs: pace.operatorMs,
      patienceMs: pace.patienceMs,
      tell,
      fault: (what) => fault(`[W5] ${what}`),
    })
    operators.push({ operator, devices: own })
  }

  async function buildDevice(index: number): Promise<void> {
    const at = operators[index % 2]
    const house = houses[index % 2]
    if (!at || !house) return
    const name = `device-${index + 1}`
    const own = luck.fork(name)
    const joins = own.chance(0.35)
    const device = await createDevice({
      clock,
      luck: own,
      name,
      tenant: house.name,
      line: lineOf(name, house.name),
      config: agentConfig(pace, own),
      joinToken: joins ? await at.operator.joinToken(storm.signal) : undefined,
      capacityBytes: own.chance(0.25) ? own.between(200_000, 500_000) : undefined,
      factory: {
        'bsp/run.json': JSON.stringify({ mark: `mark-of-${house.name}` }),
        'bsp/kernel.img': `mark-of-${house.name} kernel of ${name} `.repeat(own.between(1, 200)),
        'app-0/root.squashfs': `mark-of-${house.name} first`,
      },
      downMs: pace.downMs,
      tell,
    })
    devices.push(device)
    at.devices.push(device)
    device.start()
    void stormOverDevice(device, own.fork('storm'))
  }

  // ── the storm ───────────────────────────────────────────────────────────────────────────────────────────────

  async function stormOverDevice(device: WorldDevice, draw: Luck): Promise<void> {
    for (;;) {
      await clock.sleep(draw.pause(pace.lastsMs / 10), storm.signal)
      if (storm.signal.aborted) return
      const what = draw.weighed({ partition: 3, kill: 2, doom: 5, restart: 1, full: 2, jump: 2 })
      tell(`storm: ${what} over ${device.name}`)
      switch (what) {
        case 'partition':
          device.line.up = false
          device.line.breakAll('network unreachable')
          await clock.sleep(draw.pause(pace.lastsMs / 30), storm.signal)
          device.line.up = true
          break
        case 'kill':
          device.kill()
          break
        case 'doom':
          device.doom(draw.between(1, 150))
          break
        case 'restart':
          device.restart()
          break
        case 'full':
          device.disk.full = true
          await clock.sleep(draw.pause(pace.lastsMs / 40), storm.signal)
          device.disk.full = false
          break
        case 'jump':
          device.skewMs += draw.pick([-1, 1]) * draw.pick([minute, hour, 400 * day])
      }
    }
  }

  async function stormOverServer(draw: Luck): Promise<void> {
    for (;;) {
      await clock.sleep(draw.pause(pace.lastsMs / 6), storm.signal)
      if (storm.signal.aborted) return
      const what = draw.weighed({ crash: 2, doom: 5, jump: 1 })
      tell(`storm: ${what} over the server`)
      if (what === 'crash') server.crash()
      else if (what === 'doom') server.crash(draw.between(1, 120))
      else server.skewMs += draw.pick([-1, 1]) * draw.between(1, 3 * hour)
    }
  }

  void stormOverServer(luck.fork('storm'))
  const working = operators.map(({ operator }) => operator.work(storm.signal))
  const deviceCount = Number(shape.weighed({ 1: 3, 2: 4, 3: 2, 4: 1, 5: 1 }))
  // Names and lines are given in a fixed order, whoever gets the join token first.
  const building = (async () => {
    for (let index = 0; index < deviceCount; index++) await buildDevice(index)
  })()

  await clock.run(startMs + pace.lastsMs)

  // ── the calm ────────────────────────────────────────────────────────────────────────────────────────────────

  tell('the storm is over')
  storm.abort()
  server.spare()
  for (const line of lines) {
    line.weather = fair
    line.up = true
  }
  for (const device of devices) {
    device.spare()
    device.disk.full = false
  }
  await clock.run(clock.now() + 4 * pace.patienceMs + 2 * pace.downMs)
  const calm = new AbortController()
  let parted = 0
  for (const { operator } of operators) void operator.farewell(calm.signal).then(() => parted++)
  await clock.run(clock.now() + 100 * pace.pollMs + hour, () => parted === operators.length)

  const open = async (): Promise<string[]> => {
    const left: string[] = []
    for (const device of devices) {
      const house = houses.find(({ name }) => name === device.tenant)
      if (house) left.push(...(await converged(server.store, house.tenant, device)))
    }
    return left
  }
  if (parted < operators.length) fault('[W7] a farewell was never accepted')
  let left = await open()
  for (let slice = 0; slice < 60 && left.length > 0; slice++) {
    await clock.run(clock.now() + 2 * pace.pollMs)
    left = await open()
  }
  for (const what of left) fault(what)

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────

  calm.abort()
  for (const journal of journals) for (const what of await journal.follow()) fault(what)
  const tenants = [unclaimedTenant, ...houses.map(({ tenant }) => tenant)]
  for (const what of await acknowledged(ledger, journals, server.telemetry, tenants)) fault(what)
  for (const [i, journal] of journals.entries()) {
    const tenant = tenants[i]
    if (tenant !== undefined)
      for (const what of await foldsToRecords(server.store, tenant, journal)) fault(what)
  }
  for (const device of devices) {
    for (const what of committedInOrder(device)) fault(what)
    for (const what of device.disk.faults) fault(`[W8] ${device.name}: ${what}`)
    for (const what of device.faults) fault(`[W7] ${what}`)
    counts.deviceDeaths += device.lives - 1
    counts.steps += device.disk.history.length
  }
  for (const line of server.defects) fault(`[W9] the server logged an error: ${line}`)
  await server.stop()
  void [building, working, settled]
  return { seed, moves, broken, counts }
}

function agentConfig(pace: Pace, luck: Luck) {
  return {
    userAgent: 'waymark-agent/world',
    identity: undefined,
    untilIdle: false,
    pollMs: pace.pollMs,
    userMetaMs: 3 * pace.pollMs,
    deviceMetaMs: 2 * pace.pollMs,
    progressMs: 6000,
    patienceMs: pace.patienceMs,
    revisionRetries: 10,
    offlineAfter: 0,
    parallel: luck.between(1, 5),
    spareBytes: 0,
    logPush: luck.chance(0.7),
    logMs: pace.pollMs,
    lookUpTries: 10,
    corruptTries: 3,
    refusedTries: 10,
    backoffFirstMs: 1000,
    backoffCapMs: pace.pollMs,
    tellMovedMs: 1000,
  }
}
