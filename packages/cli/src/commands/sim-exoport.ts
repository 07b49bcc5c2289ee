/**
 * `waymark sim exoport`: devices that call in over ExoPort. The server is told of them with your login, as a back end would:
 * a type, a module, a set of configuration and a group, all called `waymark-sim`, and a device each with keys of its own.
 */
import { randomBytes } from 'node:crypto'
import type { ExoPortCounts, ExoPortIdentity } from '@waymark/sim'
import { connect, type FleetFlags } from '../fleet-access.ts'
import type { Io } from '../io.ts'
import type { Outside } from '../outside.ts'
import { reporter } from '../show/report.ts'
import { accountOf, addressOf, atOnce, type Call, caller, inBatches } from './sim-back-end.ts'

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
  const { host, port } = addressOf('--exoport', fleet.url, flags.exoport, portDefault)
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

async function makeDevices(call: Call, count: number): Promise<readonly ExoPortIdentity[]> {
  const devices = Array.from({ length: count }, (_, number) => ({
    name: `sim-${number}`,
    deviceKey: randomBytes(8).readBigUInt64BE(),
    serverKey: randomBytes(8).readBigUInt64BE(),
  }))
  await atOnce(devices, async ({ name, deviceKey, serverKey }) => {
    const keys = [`device-id=${name}`, `device-key=${deviceKey}`, `server-key=${serverKey}`]
    await call('create-device', ...keys, `device-type=${simName}`)
    // One that was there already gets this run's keys.
    await call('update-device', ...keys)
  })
  await inBatches(devices, async (names) => {
    await call('add-config-set-members', `name=${simName}`, names)
    await call('add-device-group-members', `group-id=${simName}`, names)
  })
  return devices
}
