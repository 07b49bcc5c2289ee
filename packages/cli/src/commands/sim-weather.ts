/**
 * `waymark sim weather`: weather stations that speak to the plugin of `examples/weather`. The server is told of them with your login,
 * as a back end would: both types, three packages with their modules, and a group of each type's stations, called as the type.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { WeatherCounts, WeatherPackage } from '@waymark/sim'
import { connect, type FleetFlags } from '../fleet-access.ts'
import { Failure, type Io } from '../io.ts'
import type { Outside } from '../outside.ts'
import { reporter } from '../show/report.ts'
import { sizeSaid } from '../show/words.ts'
import { accountOf, addressOf, atOnce, type Call, caller, inBatches } from './sim-back-end.ts'

export interface WeatherFlags extends FleetFlags {
  readonly seed: string
  readonly account?: string
  readonly weather?: string
  readonly cut: string
}

export interface WeatherAsked {
  readonly flags: WeatherFlags
  readonly devices: number
  readonly intervalMs: number
  readonly reportMs: number
  readonly io: Io
  readonly outside: Outside
  readonly signal: AbortSignal
}

const portDefault = 9911

interface NewStation {
  readonly name: string
  readonly password: string
  readonly type: string
}

export async function simulateWeather(asked: WeatherAsked): Promise<void> {
  const { flags, io, outside, signal } = asked
  const cut = Number(flags.cut)
  if (!Number.isSafeInteger(cut) || cut < 0 || cut > asked.devices)
    throw new Failure(2, `--cut: wanted a number up to ${asked.devices}, got ${flags.cut}`)
  const sim = await import('@waymark/sim')
  const { fleet } = await connect(flags, io, outside)
  const address = addressOf('--weather', fleet.url, flags.weather, portDefault)
  const account = await accountOf(fleet, flags.account)
  const call = caller(fleet, account)
  for (const [name, text] of Object.entries(sim.weatherModules))
    await call('create-yang-module', 'repository=user', `name=${name}`, `yang-module=${text}`)
  for (const type of sim.weatherTypes) await makeType(call, type, sim.weatherProtocol)
  for (const each of sim.weatherPackages) await makePackage(call, each)
  const stations = await makeStations(call, asked.devices, sim.weatherTypes)
  const simulated = sim.createWeatherFleet({
    ...address,
    account,
    stations,
    cut,
    intervalMs: asked.intervalMs,
    seed: flags.seed,
  })
  const report = reporter<WeatherCounts>(io, outside, flags.json === true, {
    counts: simulated.counts,
    line: (said) =>
      `${said.connected} of ${stations.length} stations connected; ${did(said)}; ${said.refused} refused, ${said.lost} lines lost`,
    end: (said) => `stopped: ${did(said)}; ${said.lost} lines lost`,
  })
  const telling = setInterval(report.tell, asked.reportMs)
  try {
    await simulated.run(signal)
  } finally {
    clearInterval(telling)
    report.end()
  }
}

const did = ({ called, configured, installed, removed, received, cut, resumed }: WeatherCounts) =>
  `${called} calls answered, ${configured} configurations taken, ${installed} packages installed, ${removed} removed, ` +
  `${sizeSaid(received)} received; ${cut} cut in mid-transfer, ${resumed} gone on`

/** A type of stations. A server that does not know the protocol is the likeliest reason for it not to be made. */
async function makeType(call: Call, type: string, protocol: string): Promise<void> {
  const named = [`name=${type}`, `protocol=${protocol}`]
  const described = [`yang-specification=${type}_attributes.yang`, 'attribute-container=attributes']
  await call('create-device-type', ...named, ...described).catch((error: unknown) => {
    const got = error instanceof Failure ? error.message : String(error)
    throw new Failure(1, `${protocol}: wanted a server with --plugin ./examples/weather, got ${got}`)
  })
}

/** A package of the figures, its image the same whenever it is made, and allowed for its types. */
async function makePackage(call: Call, wanted: WeatherPackage): Promise<void> {
  const { name, module, container, prerequisites, size, types } = wanted
  await call(
    'create-package',
    `package-name=${name}`,
    `yang-specification=${module}`,
    `configuration-container=${container}`,
    `image=${imageOf(name, size).toString('base64')}`,
    ...prerequisites.map((each) => `prerequisite-packages=${each}`),
  )
  for (const type of types)
    await call('add-package-to-device-type', `device-type=${type}`, `package-name=${name}`)
}

function imageOf(name: string, size: number): Buffer {
  const pieces = Array.from({ length: Math.ceil(size / 32) }, (_, at) =>
    createHash('sha256').update(`${name}/${at}`).digest(),
  )
  return Buffer.concat(pieces).subarray(0, size)
}

/** Stations of both types by turns, each with a password of this run. */
async function makeStations(
  call: Call,
  count: number,
  types: readonly [string, ...string[]],
): Promise<readonly NewStation[]> {
  const stations = Array.from({ length: count }, (_, number) => ({
    name: `weather-${number}`,
    password: randomBytes(12).toString('hex'),
    type: types[number % types.length] ?? types[0],
  }))
  await atOnce(stations, async ({ name, password, type }) => {
    const proof = [`device-id=${name}`, `password=${password}`]
    await call(
      'create-device',
      ...proof,
      `device-type=${type}`,
      'attributes.location=here',
      'attributes.msisdn=+46',
    )
    // One that was there already gets this run's password.
    await call('update-device', ...proof)
  })
  for (const type of types) {
    await call('create-device-group', `name=${type}`)
    const members = stations.filter((each) => each.type === type)
    await inBatches(members, (names) => call('add-device-group-members', `group-id=${type}`, names))
  }
  return stations
}
