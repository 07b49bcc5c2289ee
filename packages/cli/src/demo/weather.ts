/**
 * The demo's other half: a back end with weather stations that call in over ExoPort. A configuration is pushed to three of
 * them while one is away; a station is asked for a scan; one raises an alarm; and two packages, one of which needs the other,
 * go to all three, over a line that is cut in the middle of the image.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createFleet, type Fleet } from '@waymark/sdk'
import { createExoPortDevice, type ExoPortDevice, type ImageStore, memoryImages } from '@waymark/sdk/exoport'
import { Failure } from '../io.ts'
import { type Cable, layCable } from './cable.ts'

const MiB = 1024 * 1024
const stations = ['cliff', 'harbour', 'summit'] as const
type Station = (typeof stations)[number]
/** Is away when the configuration is pushed. */
const away: Station = 'summit'
/** Its line is cut in the middle of an image. */
const cutOff: Station = 'harbour'
const imageBytes = 8 * MiB
const cutAfter = 3 * MiB
const patienceMs = 30_000

const weather = `module weather {
  namespace "urn:weather"; prefix w;
  import exosense { prefix exo; }
  leaf sample-rate { type uint16 { range "1..1000"; } default 10; }
  rpc get-scan {
    exo:matching-notification "scanned";
    input { uses exo:std-request; }
    output { uses exo:std-response; }
  }
  notification scanned { uses exo:std-callback; leaf degrees { type decimal64 { fraction-digits 1; } } }
  notification alarm { leaf device-id { type string; } leaf wind { type uint8; } }
}`

export interface WeatherNeeds {
  say(who: string, what: string): void
  /** Of the whole installation, to make the account with. */
  readonly adminPassword: string
  readonly url: string
  /** Where devices dial in. */
  readonly exoport: number
}

/** What became of it, for the table at the end. */
export interface WeatherOutcome {
  readonly station: Station
  sampleRate?: string
  resumedAt?: number
  installed: string[]
}

/** Plays it; answers what became of each station. */
export async function playWeather(needs: WeatherNeeds): Promise<readonly WeatherOutcome[]> {
  const stage = await openStage(needs)
  try {
    await makeAccount(stage)
    for (const station of stations) if (station !== away) stage.devices.get(station)?.start()
    await pushToAll(stage)
    await askForScan(stage)
    await raiseAlarm(stage)
    await installOnAll(stage)
    return [...stage.outcomes.values()]
  } finally {
    for (const device of stage.devices.values()) device.stop()
    stage.cable.close()
    await stage.backEnd.close()
  }
}

interface Stage {
  readonly needs: WeatherNeeds
  readonly cable: Cable
  readonly backEnd: BackEnd
  readonly devices: ReadonlyMap<Station, ExoPortDevice>
  readonly outcomes: ReadonlyMap<Station, WeatherOutcome>
  /** Calls the door as the account's admin, or as another user. */
  ask(method: string, params: object, login?: { user: string; password: string }): Promise<Answer>
  /** The fleet's own door, for the account's admin: large images go in there. */
  fleet(): Promise<Fleet>
  /** Waits until something holds, looking again whenever a station or the back end has heard something. */
  until(what: string, holds: () => boolean): Promise<void>
}

type Answer = Readonly<Record<string, unknown>>

async function openStage(needs: WeatherNeeds): Promise<Stage> {
  const password = randomBytes(12).toString('base64url')
  const changes = new Set<() => void>()
  const changed = () => {
    for (const wake of changes) wake()
  }
  const cable = await layCable()
  cable.plugInto(needs.exoport)
  const backEnd = await openBackEnd(changed)
  const outcomes = new Map(
    stations.map((station) => [station, { station, installed: [] as string[] } as WeatherOutcome]),
  )
  const devices = new Map(
    stations.map((station) => [station, makeStation(station, { needs, cable, outcomes, changed })] as const),
  )
  return {
    needs,
    cable,
    backEnd,
    devices,
    outcomes,
    async ask(method, params, login = { user: 'weather-admin', password }) {
      const given = method === 'exodm:create-account' ? { ...params, password } : params
      const credentials = Buffer.from(`${login.user}:${login.password}`).toString('base64')
      const reply = await fetch(`${needs.url}/exodm/rpc`, {
        method: 'POST',
        headers: { authorization: `Basic ${credentials}`, 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: given }),
      })
      const { result, error } = (await reply.json()) as { result?: Answer; error?: { message: string } }
      const code = result?.result ?? result?.['rpc-status'] ?? 'ok'
      if (error || (code !== 'ok' && code !== 'accepted'))
        throw new Failure(1, `${method}: ${error?.message ?? JSON.stringify(result)}`)
      return result ?? {}
    },
    async fleet() {
      const { url } = needs
      const body = { name: 'weather-admin', password }
      const { token } = await createFleet({ url }).login({ body })
      return createFleet({ url, token })
    },
    async until(what, holds) {
      const deadline = performance.now() + patienceMs
      while (!holds()) {
        const left = deadline - performance.now()
        if (left <= 0) throw new Failure(1, `waited ${patienceMs / 1000} s in vain until ${what}`)
        await new Promise<void>((resolve) => {
          const done = () => {
            clearTimeout(timer)
            changes.delete(done)
            resolve()
          }
          const timer = setTimeout(done, Math.min(left, 200))
          changes.add(done)
        })
      }
    },
  }
}

// ── the stations ─────────────────────────────────────────────────────────────────────────────────────────────────

function makeStation(
  station: Station,
  on: {
    readonly needs: WeatherNeeds
    readonly cable: Cable
    readonly outcomes: ReadonlyMap<Station, WeatherOutcome>
    changed(): void
  },
): ExoPortDevice {
  const outcome = on.outcomes.get(station)
  if (!outcome) throw new Error(`there is no ${station}`)
  let wasCut = false
  const say = (what: string) => {
    on.needs.say(station, what)
    on.changed()
  }
  const port = station === cutOff ? Number(new URL(on.cable.url).port) : on.needs.exoport
  return createExoPortDevice({
    host: '127.0.0.1',
    port,
    account: 'weather',
    device: station,
    ...keysOf(station),
    patience: { firstRetry: 300, lastRetry: 1000 },
    happened(event) {
      if (event.kind === 'connected') say(wasCut ? 'called in again' : 'called in')
      else if (event.retryMs !== undefined) {
        wasCut = true
        say('lost its line')
      }
    },
    configured(configuration) {
      const rate = Object.entries(configuration.values).find(([path]) => path.includes('sample-rate'))?.[1]
      outcome.sampleRate = String(rate)
      say(`measures ${String(rate)} times a minute from now on`)
    },
    operations: {
      'weather:get-scan': () => {
        say('scans the sky')
        return { notify: 'scanned', params: { 'rpc-status': 'complete', final: true, degrees: '7.5' } }
      },
    },
    packages: {
      store: watched(memoryImages(), (from) => {
        if (!wasCut || outcome.resumedAt !== undefined || from === 0) return
        outcome.resumedAt = from
        say(`goes on with the image at ${(from / MiB).toFixed(1)} MiB`)
      }),
      install(names) {
        outcome.installed.push(...names)
        say(`installed ${names.join(', ')}`)
      },
      activate() {},
    },
  })
}

/** A store that tells where each part begins. */
function watched(store: ImageStore, tell: (offset: number) => void): ImageStore {
  return {
    begin: (image) => store.begin(image),
    held: (id) => store.held(id),
    bytes: (id) => store.bytes(id),
    remove: (id) => store.remove(id),
    write(id, offset, data) {
      tell(offset)
      return store.write(id, offset, data)
    },
  }
}

const keysOf = (station: Station) => ({
  deviceKey: 7001 + stations.indexOf(station),
  serverKey: 9001 + stations.indexOf(station),
})

// ── the back end ─────────────────────────────────────────────────────────────────────────────────────────────────

interface BackEnd {
  readonly url: string
  /** What was told, newest last. */
  readonly told: { readonly method: string; readonly params: Answer }[]
  close(): Promise<void>
}

async function openBackEnd(changed: () => void): Promise<BackEnd> {
  const told: BackEnd['told'] = []
  const server = createServer(async (request, reply) => {
    const parts: Buffer[] = []
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part)
    told.push(JSON.parse(Buffer.concat(parts).toString()) as BackEnd['told'][number])
    reply.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    changed()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    told,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

// ── the acts ─────────────────────────────────────────────────────────────────────────────────────────────────────

async function makeAccount({ ask, needs, backEnd }: Stage): Promise<void> {
  const master = { user: 'exodm-admin', password: needs.adminPassword }
  await ask('exodm:create-account', { name: 'weather', email: 'weather@example.com' }, master)
  await ask('exodm:create-device-type', { name: 'station', protocol: 'exodm_bert' })
  await ask('exodm:create-yang-module', { repository: 'user', name: 'weather.yang', 'yang-module': weather })
  const told = { 'notification-url': backEnd.url }
  for (const station of stations) {
    const { deviceKey, serverKey } = keysOf(station)
    const keys = { 'device-key': deviceKey, 'server-key': serverKey }
    await ask('exodm:create-device', { 'device-id': station, 'device-type': 'station', ...keys, ...told })
  }
  await ask('exodm:create-device-group', { name: 'coast', ...told })
  await ask('exodm:add-device-group-members', { 'group-id': ['coast'], 'device-id': stations })
  await ask('exodm:create-config-set', { name: 'climate', yang: 'weather.yang', ...told })
  await ask('exodm:add-config-set-members', { name: ['climate'], 'device-id': stations })
  needs.say('back end', `made an account with ${stations.length} weather stations; ${away} is away`)
}

async function pushToAll(stage: Stage): Promise<void> {
  const { ask, needs, devices, outcomes, until } = stage
  await ask('exodm:update-config-set', { name: 'climate', values: { 'sample-rate': 60 } })
  await ask('exodm:push-config-set', { name: 'climate' })
  needs.say('back end', 'pushed a sample rate to all of them')
  const has = (station: Station) => outcomes.get(station)?.sampleRate !== undefined
  await until('the stations that are there have it', () =>
    stations.every((station) => station === away || has(station)),
  )
  needs.say('back end', `${away} has not got it: it waits in its queue`)
  devices.get(away)?.start()
  await until(`${away} has it`, () => has(away))
}

async function askForScan({ ask, needs, backEnd, until }: Stage): Promise<void> {
  await ask('weather:get-scan', { 'device-id': 'cliff', 'notification-url': backEnd.url })
  needs.say('back end', 'asked cliff for a scan')
  const scan = () => backEnd.told.find(({ method }) => method === 'weather:scanned')
  await until('the scan is told', () => scan() !== undefined)
  needs.say('back end', `was told: ${String(scan()?.params.degrees)} degrees`)
}

async function raiseAlarm({ devices, needs, backEnd, until }: Stage): Promise<void> {
  await devices.get('summit')?.notify('weather', 'alarm', { wind: 110 })
  needs.say('summit', 'raised an alarm')
  const alarm = () => backEnd.told.find(({ method }) => method === 'weather:alarm')
  await until('the alarm is told', () => alarm() !== undefined)
  const { 'device-id': from, wind } = alarm()?.params ?? {}
  needs.say('back end', `was told: wind ${String(wind)} at ${String(from)}`)
}

async function installOnAll(stage: Stage): Promise<void> {
  const { ask, needs, cable, outcomes, until } = stage
  const images = { runtime: randomBytes(256 * 1024), forecast: randomBytes(imageBytes) }
  const fleet = await stage.fleet()
  const make = async (name: keyof typeof images, needed: readonly string[]) => {
    const sha256 = createHash('sha256').update(images[name]).digest('hex')
    await fleet.putObject(new Uint8Array(images[name]), { name, sha256 })
    await ask('exodm:create-package', {
      'package-name': name,
      'image-sha256': sha256,
      ...(needed.length === 0 ? {} : { 'prerequisite-packages': needed }),
    })
  }
  await make('runtime', [])
  await make('forecast', ['runtime'])
  const both = { 'package-name': Object.keys(images), 'device-type': 'station' }
  await ask('exodm:add-package-to-device-type', both)
  const sum = createHash('sha256').update(images.forecast).digest('hex').slice(0, 8)
  needs.say('back end', `uploaded runtime, and forecast (8.0 MiB, ${sum}…), which needs it`)
  cable.snapAfter(cutAfter, (bytes) =>
    needs.say('cable', `snapped ${(bytes / MiB).toFixed(1)} MiB into ${cutOff}'s image`),
  )
  await ask('exodm:install-package', {
    'package-name': 'forecast',
    targets: ['coast'],
    'recursive-dependency-resolve': true,
  })
  needs.say('back end', 'asked for forecast on the whole coast')
  await until('every station has both', () =>
    [...outcomes.values()].every(({ installed }) => installed.length === 2),
  )
}
