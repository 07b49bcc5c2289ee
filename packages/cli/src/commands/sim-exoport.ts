/**
 * `waymark sim exoport`: devices that call in over ExoPort. The server is told of them with your login, as a back end would:
 * a type, a module, a set of configuration and a group, all called `waymark-sim`, and a device each with keys of its own.
 */
import { randomBytes } from 'node:crypto'
import type { Fleet } from '@waymark/sdk'
import type { ExoPortCounts, ExoPortIdentity } from '@waymark/sim'
import { connect, type FleetFlags } from '../fleet-access.ts'
import { Failure, type Io } from '../io.ts'
import type { Outside } from '../outside.ts'
import { reporter } from '../show/report.ts'
import { printable } from '../show/words.ts'

export interface ExoPortFlags extends FleetFlags {
  readonly seed: string
  readonly account?: string
  readonly exoport?: string
}

export interface ExoPortAsked {
  readonly flags: ExoPortFlags
  readonly devices: number
  readonly intervalMs: number
  readonly reportMs: number
  readonly io: Io
  readonly outside: Outside
  readonly signal: AbortSignal
}

/** What everything on the server that belongs to the simulation is called. */
const simName = 'waymark-sim'
/** Devices a request names, and devices that are made at once. */
const namesAtOnce = 500
const madeAtOnce = 8
const portDefault = 9900

export async function simulateExoPort(asked: ExoPortAsked): Promise<void> {
  const { flags, io, outside, signal } = asked
  const sim = await import('@waymark/sim')
  const { fleet } = await connect(flags, io, outside)
  const account = await accountOf(fleet, flags.account)
  const call = caller(fleet, account)
  await call('create-device-type', `name=${simName}`, 'protocol=exodm_bert')
  const file = `${simName}.yang`
  await call('create-yang-module', 'repository=user', `name=${file}`, `yang-module=${sim.simModule}`)
  await call('create-config-set', `name=${simName}`, `yang=${file}`)
  await call('create-device-group', `name=${simName}`)
  const devices = await makeDevices(call, asked.devices)
  const { host, port } = addressOf(fleet.url, flags.exoport)
  const simulated = sim.createExoPortFleet({
    host,
    port,
    account,
    devices,
    intervalMs: asked.intervalMs,
    seed: flags.seed,
  })
  const report = reporter<ExoPortCounts>(io, outside, flags.json === true, {
    counts: simulated.counts,
    line: ({ connected, called, configured, told, refused, lost }, before) =>
      `${connected} of ${devices.length} devices connected; ${called} calls carried out, ${configured} configurations taken; ` +
      `${(((told - before.counts.told) * 1000) / before.ms).toFixed(1)} notifications/s, ${refused} refused; ${lost} connections lost`,
    end: ({ called, configured, told, lost }) =>
      `stopped: ${called} calls carried out, ${configured} configurations taken, ${told} notifications, ${lost} connections lost`,
  })
  const telling = setInterval(report.tell, asked.reportMs)
  try {
    await simulated.run(signal)
  } finally {
    clearInterval(telling)
    report.end()
  }
}

type Call = (method: string, ...params: string[]) => Promise<void>

/** Calls a command; what is there already is as good as made. */
function caller(fleet: Fleet, account: string): Call {
  return async (method, ...params) => {
    const { ok, text } = await fleet.callMethod({
      body: { method, params: [...params, `account=${account}`] },
    })
    if (!ok && !text.includes('object-exists')) throw new Failure(1, `${method}: ${printable(text)}`)
  }
}

/** The account that devices name when they call in: the one that was given, or the only one of this login. */
async function accountOf(fleet: Fleet, given: string | undefined): Promise<string> {
  if (given !== undefined) return given
  const { nick } = await fleet.whoAmI()
  const { result } = await fleet.callMethod({
    body: { method: 'list-user-accounts', params: [`uname=${nick}`] },
  })
  const { accounts = [] } = (result ?? {}) as { accounts?: readonly { readonly name: string }[] }
  const [only, ...others] = accounts
  if (!only || others.length > 0) {
    const names = accounts.map(({ name }) => name).join(', ')
    throw new Failure(2, `--account: wanted the account that devices call in to, of ${names || 'none'}`)
  }
  return only.name
}

async function makeDevices(call: Call, count: number): Promise<readonly ExoPortIdentity[]> {
  const devices = Array.from({ length: count }, (_, number) => ({
    name: `sim-${number}`,
    deviceKey: randomBytes(8).readBigUInt64BE(),
    serverKey: randomBytes(8).readBigUInt64BE(),
  }))
  const left = devices.values()
  const make = async () => {
    for (const { name, deviceKey, serverKey } of left) {
      const keys = [`device-id=${name}`, `device-key=${deviceKey}`, `server-key=${serverKey}`]
      await call('create-device', ...keys, `device-type=${simName}`)
      // One that was there already gets this run's keys.
      await call('update-device', ...keys)
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, madeAtOnce) }, make))
  for (let at = 0; at < count; at += namesAtOnce) {
    const names = `device-id:=${JSON.stringify(devices.slice(at, at + namesAtOnce).map(({ name }) => name))}`
    await call('add-config-set-members', `name=${simName}`, names)
    await call('add-device-group-members', `group-id=${simName}`, names)
  }
  return devices
}

/** Where devices dial in: `HOST:PORT`, `PORT`, or the server's own host at the usual port. */
function addressOf(url: string, given: string | undefined): { host: string; port: number } {
  const server = new URL(url).hostname.replace(/^\[|\]$/g, '')
  if (given === undefined) return { host: server, port: portDefault }
  const [, host = server, digits = ''] = /^(?:(.+):)?(\d{1,5})$/.exec(given) ?? []
  const port = Number(digits)
  if (digits === '' || port < 1 || port > 65_535)
    throw new Failure(2, `--exoport: wanted HOST:PORT or PORT, got ${given}`)
  return { host: host.replace(/^\[|\]$/g, ''), port }
}
