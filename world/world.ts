/**
 * The world: a real server, real agents and their operators under one simulated clock, and everything that can go
 * wrong between them, drawn from a seed.
 *
 * A world has a stormy part, in which faults come as the seed wills, and a calm one, in which every device gets one
 * more step that it can run. Rules are checked while it runs and at its end (see RULES.md). The same seed gives the
 * same moves, byte for byte.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AgentConfig } from '@waymark/agent'
import { createAccount, Instant, type Principal, type TenantId, unclaimedTenant } from '@waymark/domain'
import { createWorldClock } from './clock.ts'
import { createDevice, goalsMs, type WorldDevice } from './device.ts'
import { acknowledged, committedInOrder, foldsToRecords, provedAndDone, watchJournal } from './invariants.ts'
import { createLedger, createSecrets, shaOf } from './ledger.ts'
import { createLuck, type Luck } from './luck.ts'
import { createNetwork, fair, type Line, type NetworkNeeds } from './network.ts'
import { createOperator, type Operator } from './operator.ts'
import { createPolls, type Home } from './polls.ts'
import { createWorldServer } from './server.ts'
import { factoryFiles } from './states.ts'
import { drawWeather, type Pace, paces, stormOverDevice, stormOverServer } from './storm.ts'
import { drawTemper, type TemperName, temperOf } from './tempers.ts'
import { converged } from './view.ts'

/** What came of a world. */
export interface Told {
  readonly seed: string
  /** Everything that happened, one line a move. */
  readonly moves: readonly string[]
  /** What is broken, each beginning with the number of its rule. */
  readonly broken: readonly string[]
  readonly counts: Readonly<Record<'requests' | 'revisions' | 'deviceDeaths' | 'serverDeaths', number>>
}

/** A tenant with its people and devices. */
interface Party {
  readonly name: string
  readonly tenant: TenantId
  readonly principal: Principal
  /** One or two, who know nothing of each other. */
  readonly operators: readonly Operator[]
  readonly devices: WorldDevice[]
}

/** Room that devices leave for what they write about an update themselves; without it a full disk is the end of them. */
const ownRoomBytes = 16_384

/** After so many polls everybody has come to rest: a dozen steps may wait, each to be tried for a while. */
const pollsToRest = 120

/** User-meta is asked for every third poll's time; device-meta that a late copy has overwritten is said again after six. */
const metaPolls = 7

/** A world in which more happens than this has somebody in it who goes round in circles. */
const movesMax = 100_000

/**
 * Plays one world to its end. With a profile all its devices are of that temperament. With `instead` somebody on the way
 * answers in the server's place: so worlds are broken on purpose, to see that it is found.
 */
export async function playWorld(
  seed: string,
  profile?: TemperName,
  instead?: NetworkNeeds['instead'],
): Promise<Told> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-world-'))
  try {
    return await play(seed, profile, folder, instead)
  } catch (error) {
    // The world itself gave up: also that is told by its seed.
    const counts = { requests: 0, revisions: 0, deviceDeaths: 0, serverDeaths: 0 }
    return { seed, moves: [], broken: [`the world ended: ${String(error)}`], counts }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function play(
  seed: string,
  profile: TemperName | undefined,
  folder: string,
  instead: NetworkNeeds['instead'],
): Promise<Told> {
  const luck = createLuck(seed)
  const shape = luck.fork('shape')
  const months = profile !== undefined && temperOf(profile).months === true
  const drawn = shape.weighed({ minutes: 5, days: 3, month: 2, season: 0.7 })
  const paceName = months ? 'season' : drawn
  const pace: Pace = paces[paceName]
  const deviceCount = Number(shape.weighed({ 1: 3, 2: 4, 3: 2, 4: 1, 5: 1 }))
  const startMs = Date.UTC(2026, 0, 1)
  const clock = createWorldClock(startMs)
  const storm = new AbortController()
  const calm = new AbortController()
  const moves: string[] = []
  const broken: string[] = []
  const counts = { requests: 0, revisions: 0, deviceDeaths: 0, serverDeaths: 0 }
  function tell(line: string): void {
    moves.push(`${((clock.now() - startMs) / 1000).toFixed(3)} ${line}`)
    if (moves.length !== movesMax) return
    fault(`[W7] somebody never rests: ${movesMax} moves and no end`)
    clock.halt()
  }
  function fault(what: string): void {
    if (broken.includes(what)) return
    broken.push(what)
    tell(`BROKEN ${what}`)
  }
  const stormFor = (name: string) => ({ clock, luck: luck.fork(name), pace, signal: storm.signal, tell })

  // ── the server, and two tenants between whom nothing may cross ──────────────────────────────────────────────────

  const serverLuck = luck.fork('server')
  let serverBack: (() => void) | undefined
  function startServer(): void {
    serverBack?.()
    serverBack = undefined
    void server.start()
  }
  const server = createWorldServer({
    clock,
    luck: serverLuck,
    folder,
    choreFloorMs: pace.choreFloorMs,
    tell,
    onDeath() {
      counts.serverDeaths++
      serverBack = clock.after(serverLuck.pause(pace.downMs / 4), startServer)
    },
  })
  const ledger = createLedger()
  const secrets = createSecrets()
  const tenantOf = new Map<string, string>()
  const named = new Map<string, Set<string>>()
  const published = new Set<string>()
  const bound = new Set<string>()
  const polls = createPolls(clock.now)
  function homeOf({ name }: Pick<Line, 'name'>): Home | undefined {
    for (const { tenant, devices } of parties) {
      const device = devices.find((each) => each.name === name)
      const journal = journals.find((each) => each.tenant === tenant)?.watch
      if (device && journal) return { device, tenant, journal }
    }
    return undefined
  }
  const network = createNetwork({
    clock,
    server: () => server.reachable,
    ...(instead ? { instead } : {}),
    tell,
    arrived(_line, { method, path, body }) {
      counts.requests++
      const [, device] = /^\/devices\/(\w+)\/device-meta$/.exec(path) ?? []
      if (device === undefined || method !== 'PUT') return
      const meta = JSON.parse(body.toString()) as Readonly<Record<string, unknown>>
      named.set(device, (named.get(device) ?? new Set()).add(String(meta['pantavisor.revision'])))
    },
    heard(line, asked, answered, late) {
      const home = homeOf(line)
      if (home) polls.answered(home, asked, answered, late)
      const tenant = tenantOf.get(line.name) ?? ''
      const open = asked.method === 'GET' && [...published].some((id) => asked.path.includes(id))
      const word = secrets.leak(tenant, asked, answered, open)
      if (word !== undefined)
        fault(`[W5] ${line.name} was told ${word}, which is another tenant's: ${asked.method} ${asked.path}`)
      if (answered.status >= 500)
        fault(`[W9] ${asked.method} ${asked.path} answered ${answered.status}: ${answered.body.toString()}`)
      if (answered.status !== 200) return
      if (asked.method === 'POST' && asked.path === '/devices/') {
        const { id, secret, challenge } = JSON.parse(answered.body.toString()) as Record<string, unknown>
        if (typeof id === 'string') secrets.add(tenant, id)
        for (const each of [secret, challenge])
          if (typeof each === 'string') secrets.add(tenant, each, 'hidden')
      }
      if (asked.method === 'PUT' && asked.path.startsWith('/local-s3/'))
        secrets.add(tenant, shaOf(asked.body))
    },
    learnt(line, asked, answered) {
      ledger.learnt(asked, answered)
      const home = homeOf(line)
      if (home) polls.learnt(home, asked, answered)
    },
  })

  const lines: Line[] = []
  function lineOf(name: string, tenant: string, wild?: number): Line {
    const line = network.connect({
      name,
      address: `10.0.0.${lines.length + 1}`,
      luck: luck.fork(`line/${name}`),
      delayMs: 2 * pace.patienceMs,
    })
    line.weather = drawWeather(luck.fork(`weather/${name}`), wild)
    tenantOf.set(name, tenant)
    lines.push(line)
    return line
  }

  async function partyOf(name: string): Promise<Party> {
    const accountLuck = luck.fork(`account/${name}`)
    const made = await server.store.transactHouse((house) =>
      createAccount(
        house,
        { now: Instant.of(clock.now()), random: accountLuck.bytes },
        {
          nick: `owner-of-${name}`,
          tenantName: `tenant-${name}`,
          passwordHash: 'nobody logs in with a password here',
          verified: true,
        },
      ),
    )
    if (!made.ok) throw new Error(`tenant ${name}: ${made.refusal.kind}`)
    const { tenant, principal } = made.value
    for (const word of [tenant.id, `owner-of-${name}`, `mark-of-${name}`]) secrets.add(name, word)
    const devices: WorldDevice[] = []
    const removing = new Set<string>()
    const operators = Array.from({ length: accountLuck.chance(0.4) ? 2 : 1 }, (_, i) => {
      const nth = i === 0 ? '' : `-${i + 1}`
      return createOperator({
        clock,
        luck: luck.fork(`operator/${name}${nth}`),
        line: lineOf(`operator-${name}${nth}`, name),
        mark: `mark-of-${name}${nth}`,
        devices,
        foreign: () =>
          parties
            .filter((other) => other.name !== name)
            .flatMap(({ devices, operators }) =>
              devices.map(({ id }) => ({ device: id, sha: operators[0]?.anObject })),
            ),
        published,
        removing,
        bound: (sha) => void bound.add(sha),
        login: () => server.house?.access.tokenFor(principal),
        paceMs: pace.operatorMs,
        patienceMs: pace.patienceMs,
        tell,
        fault: (what) => fault(`[W5] ${what}`),
      })
    })
    return { name, tenant: tenant.id, principal, operators, devices }
  }

  const parties: Party[] = []
  for (const name of ['amber', 'birch']) parties.push(await partyOf(name))
  const tenants = [unclaimedTenant, ...parties.map(({ tenant }) => tenant)]
  const journals = tenants.map((tenant) => ({ tenant, watch: watchJournal(server.store, tenant, named) }))
  async function followJournals(): Promise<void> {
    for (const { watch } of journals) for (const what of await watch.follow()) fault(what)
  }
  let news = true
  server.store.onCommit(() => {
    news = true
  })
  clock.onRest(async () => {
    if (news) {
      news = false
      await followJournals()
    }
    for (const what of await polls.look(server.store)) fault(what)
  })

  // ── devices ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async function addDevice(number: number, party: Party): Promise<void> {
    const name = `device-${number}`
    const own = luck.fork(name)
    const temper = profile ?? drawTemper(own.fork('temper'), paceName === 'season')
    const is = temperOf(temper)
    const driver = is.driver === 'either' ? own.pick(['files', 'process'] as const) : is.driver
    const tries = driver === 'process' || own.chance(0.3)
    const roomy = own.chance(0.25) ? own.between(200_000, 500_000) : undefined
    tell(`${name} is ${temper}: ${is.about} (driver ${driver})`)
    const device = await createDevice({
      clock,
      luck: own,
      name,
      line: lineOf(name, party.name, is.wild),
      temper: { name: temper, is },
      driver,
      tries,
      config: agentConfig(pace, tries, own),
      joinToken: own.chance(0.35) ? await party.operators[0]?.joinToken(calm.signal) : undefined,
      capacityBytes: is.capacity?.(own) ?? roomy,
      factory: factoryFiles({ mark: `mark-of-${party.name}`, name, luck: own, driver }),
      downMs: pace.downMs,
      tell,
    })
    party.devices.push(device)
    device.start()
    void stormOverDevice(device, is, stormFor(`storm/${name}`))
  }

  let built = 0
  async function addDevices(): Promise<void> {
    for (; built < deviceCount; built++) {
      const party = parties[built % parties.length]
      if (party) await addDevice(built + 1, party)
    }
  }

  // ── storm and calm ──────────────────────────────────────────────────────────────────────────────────────────────

  // Starting takes commits, and commits take time.
  let started = false
  void server.start().then(() => {
    started = true
  })
  await clock.run(startMs + pace.lastsMs, () => started)
  void stormOverServer(server, stormFor('storm/server'))
  for (const { operators } of parties) for (const operator of operators) void operator.work(storm.signal)
  void addDevices()
  await clock.run(startMs + pace.lastsMs)

  tell('the storm is over')
  storm.abort()
  server.spare()
  if (serverBack) startServer()
  for (const line of lines) {
    line.weather = fair
    line.up = true
  }
  for (const { devices } of parties)
    for (const device of devices) {
      device.spare()
      device.disk.full = false
    }
  // In calm weather nobody is silent for longer than its pause, and what one step takes beside reports: goals, a trial.
  const silenceMost = pace.pollMs + pace.commitDelayMs + goalsMs + 2 * pace.patienceMs
  // What is still on its way arrives, and what is down comes up.
  await clock.run(clock.now() + 2 * pace.patienceMs)
  await clock.run(clock.now() + 20 * pace.patienceMs, () => built === deviceCount)
  await everyone('claimed all devices', (operator) => operator.claimAll(calm.signal))
  await converge()
  await everyone('posted a last step', (operator) => operator.farewell(calm.signal))
  await converge()
  calm.abort()

  async function everyone(did: string, act: (operator: Operator) => Promise<void>): Promise<void> {
    let done = 0
    for (const { operators } of parties) if (operators[0]) void act(operators[0]).then(() => done++)
    await clock.run(clock.now() + 100 * pace.pollMs, () => done === parties.length)
    if (done < parties.length) fault(`[W7] not everyone has ${did}, long after the storm`)
  }

  /**
   * Lets every device walk to the end of its trail: to the first poll that offers it nothing. By then the server's view
   * is its truth (W15); what does not hang on polls has as long as the device's other intervals last.
   */
  async function converge(): Promise<void> {
    polls.calm(silenceMost)
    const everybody = parties.flatMap(({ devices }) => devices)
    const resting = (): boolean => everybody.every((device) => polls.restedAt(device) !== undefined)
    await clock.run(clock.now() + pollsToRest * pace.pollMs, resting)
    for (const device of everybody) for (const what of polls.silent(device)) fault(what)
    let left = await notConverged()
    for (let polls = 0; polls < metaPolls && left.length > 0; polls++) {
      await clock.run(clock.now() + pace.pollMs)
      left = await notConverged()
    }
    for (const what of left) fault(what)
  }

  async function notConverged(): Promise<string[]> {
    const left: string[] = []
    for (const { tenant, devices } of parties) {
      const watch = journals.find((each) => each.tenant === tenant)?.watch
      if (watch)
        for (const device of devices) left.push(...(await converged(server.store, tenant, watch, device)))
    }
    return left
  }

  // ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────

  await followJournals()
  const watches = journals.map(({ watch }) => watch)
  for (const what of await acknowledged(ledger, watches, server.telemetry, tenants)) fault(what)
  for (const { tenant, watch } of journals)
    for (const what of await foldsToRecords(server.store, tenant, watch)) fault(what)
  for (const { tenant, devices } of parties) {
    for (const what of await provedAndDone(server.store, tenant, devices, bound)) fault(what)
    const rows = journals.find((each) => each.tenant === tenant)?.watch.rows ?? []
    for (const device of devices) {
      const closed = rows.filter((row) => row.kind === 'trail.closed' && device.ids.has(String(row.device)))
      for (const what of committedInOrder(device, { tries: device.tries, resets: closed.length })) fault(what)
      for (const disk of device.disks) {
        for (const what of disk.faults) fault(`[W8] ${device.name}: ${what}`)
        counts.revisions += disk.history.length
      }
      for (const what of device.machine.faults) fault(`[W13] ${device.name}: ${what}`)
      for (const what of device.faults) fault(what)
      counts.deviceDeaths += device.lives - 1
    }
  }
  for (const line of server.defects) fault(`[W9] the server logged an error: ${line}`)
  await server.stop()
  return { seed, moves, broken, counts }
}

function agentConfig(pace: Pace, tries: boolean, luck: Luck): Omit<AgentConfig, 'hub' | 'joinToken'> {
  return {
    commitDelayMs: tries ? pace.commitDelayMs : 0,
    userAgent: 'waymark-agent/world',
    identity: undefined,
    untilIdle: false,
    pollMs: pace.pollMs,
    userMetaMs: 3 * pace.pollMs,
    deviceMetaMs: pace.pollMs,
    progressMs: 6000,
    patienceMs: pace.patienceMs,
    revisionRetries: 10,
    offlineAfter: 0,
    parallel: luck.between(1, 5),
    spareBytes: ownRoomBytes,
    logPush: luck.chance(0.7),
    logMs: 2 * pace.pollMs,
    lookUpTries: 10,
    corruptTries: 3,
    refusedTries: 10,
    backoffFirstMs: 1000,
    backoffCapMs: pace.pollMs,
    tellMovedMs: 1000,
  }
}
