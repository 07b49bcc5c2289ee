/**
 * A fleet of ExoPort devices in one process: each dials, stays connected, answers what it is asked, takes what is pushed,
 * and says something by itself every so often. They are the SDK's device, unchanged; this file gives each its address and
 * keys, and counts. It opens no socket of its own and draws its luck from a seed.
 */
import { createExoPortDevice, type ExoPortDevice, type ExoPortOutside } from '@waymark/sdk/exoport'
import { pause } from './pause.ts'
import { createSeeded } from './seeded.ts'

export interface ExoPortSettings {
  readonly host: string
  readonly port: number
  readonly account: string
  readonly devices: readonly ExoPortIdentity[]
  /** How often a device says something by itself. Milliseconds. */
  readonly intervalMs: number
  /** The same seed gives the same devices the same luck. */
  readonly seed: string
}

export interface ExoPortIdentity {
  readonly name: string
  readonly deviceKey: bigint
  readonly serverKey: bigint
}

/** Counts of one fleet. Sums since its start, unless they say how things stand now. */
export interface ExoPortCounts {
  /** Now: logged in. */
  readonly connected: number
  /** Calls of the server that were carried out. */
  readonly called: number
  /** Configurations that were taken. */
  readonly configured: number
  /** What devices said by themselves and the server took. */
  readonly told: number
  /** What it did not take. */
  readonly refused: number
  /** Connections that ended unasked. */
  readonly lost: number
}

export interface ExoPortFleet {
  /** Runs all devices until the signal. Resolves when the last has hung up. */
  run(signal: AbortSignal): Promise<void>
  counts(): ExoPortCounts
}

/** The module that simulated devices have: what they may be asked, what they say, what they can be configured by. */
export const simModule = `module waymark-sim {
  namespace "urn:waymark:sim"; prefix s;
  import exosense { prefix exo; }
  leaf pace { type uint16 { range "1..1000"; } default 10; }
  rpc blink {
    exo:matching-notification "blinked";
    input { uses exo:std-request; leaf times { type uint8; default 3; } }
    output { uses exo:std-response; }
  }
  notification blinked { uses exo:std-callback; leaf seen { type uint8; } }
  notification measured { leaf device-id { type string; } leaf value { type uint32; } }
}`

/** Makes a fleet; nothing happens until `run`. `RangeError` for names and keys that are none. */
export function createExoPortFleet(settings: ExoPortSettings, outside?: ExoPortOutside): ExoPortFleet {
  const { host, port, account, intervalMs } = settings
  const counts = { called: 0, configured: 0, told: 0, refused: 0, lost: 0 }
  const devices = settings.devices.map(({ name, deviceKey, serverKey }) =>
    createExoPortDevice({
      ...{ host, port, account, device: name, deviceKey, serverKey },
      ...(outside === undefined ? {} : { outside }),
      operations: {
        'waymark-sim:blink': ({ times }) => {
          counts.called += 1
          const seen = typeof times === 'bigint' || typeof times === 'number' ? times : 3
          return { notify: 'blinked', params: { 'rpc-status': 'complete', final: true, seen } }
        },
      },
      configured() {
        counts.configured += 1
      },
      happened(event) {
        if (event.kind === 'disconnected' && event.retryMs !== undefined) counts.lost += 1
      },
    }),
  )

  async function live(device: ExoPortDevice, number: number, signal: AbortSignal): Promise<void> {
    const luck = createSeeded(`${settings.seed}/${number}`)
    // Spread over one interval, so that they do not all come at once, now or ever after.
    await pause(luck.next() * intervalMs, signal)
    if (!signal.aborted) device.start()
    while (!signal.aborted) {
      await pause(intervalMs, signal)
      if (!device.connected || signal.aborted) continue
      const value = Math.floor(luck.next() * 1000)
      device.notify('waymark-sim', 'measured', { value }).then(
        () => {
          counts.told += 1
        },
        () => {
          counts.refused += 1
        },
      )
    }
    device.stop()
  }

  return {
    async run(signal) {
      await Promise.all(devices.map((device, number) => live(device, number, signal)))
    },
    counts: () => ({ ...counts, connected: devices.filter(({ connected }) => connected).length }),
  }
}
