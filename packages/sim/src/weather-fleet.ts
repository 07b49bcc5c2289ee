/**
 * A fleet of weather stations in one process: each calls in, is asked how the weather is, and installs what it is sent. This file
 * gives each its name, its weather and its luck, and counts.
 */
import { connect } from 'node:net'
import { pause } from './pause.ts'
import { createSeeded } from './seeded.ts'
import { createStation, type StationEvent } from './weather-station.ts'

export interface WeatherSettings {
  readonly host: string
  readonly port: number
  readonly account: string
  readonly stations: readonly { readonly name: string; readonly password: string }[]
  /** So many of them, the first, lose their line once in mid-transfer. */
  readonly cut: number
  /** How often the weather changes. Milliseconds. */
  readonly intervalMs: number
  /** The same seed gives the same stations the same luck, and weather. */
  readonly seed: string
}

/** Counts of one fleet. Sums since its start, unless they say how things stand now. */
export interface WeatherCounts {
  /** Now: let in. */
  readonly connected: number
  /** Calls that were answered. */
  readonly called: number
  readonly configured: number
  readonly installed: number
  readonly removed: number
  /** Bytes of images. */
  readonly received: number
  /** Lines that were cut in mid-transfer, on purpose. */
  readonly cut: number
  /** Images that went on where they had stopped. */
  readonly resumed: number
  /** Lines that ended, those that were cut among them. */
  readonly lost: number
  /** Times that a station was not let in. */
  readonly refused: number
}

export interface WeatherFleet {
  /** Runs all stations until the signal. Resolves when the last has hung up. */
  run(signal: AbortSignal): Promise<void>
  counts(): WeatherCounts
}

const skies = ['clear', 'fair', 'cloudy', 'rain', 'storm'] as const

/** Makes a fleet; nothing happens until `run`. */
export function createWeatherFleet(settings: WeatherSettings): WeatherFleet {
  const { account, host, port, intervalMs } = settings
  const counts = {
    ...{ called: 0, configured: 0, installed: 0, removed: 0, received: 0 },
    ...{ cut: 0, resumed: 0, lost: 0, refused: 0 },
  }
  let isOver = false

  function happened(event: StationEvent): void {
    switch (event.kind) {
      case 'connected':
        return
      case 'disconnected':
        if (!isOver) counts.lost += 1
        return
      case 'received':
        counts.received += event.bytes
        return
      default:
        counts[event.kind] += 1
    }
  }

  const stations = settings.stations.map(({ name, password }, number) => {
    const luck = createSeeded(`${settings.seed}/${number}`)
    let sky = Math.floor(luck.next() * skies.length)
    let degrees = Math.floor(luck.next() * 30) - 5
    const station = createStation({
      ...{ account, device: name, password, luck, happened },
      cut: number < settings.cut,
      dial: () => connect(port, host),
      look: () => `${skies[sky]}, ${degrees} degrees`,
    })
    return {
      station,
      luck,
      /** The sky is one worse, one better, or as it was; so is the temperature. */
      change() {
        sky = Math.max(0, Math.min(skies.length - 1, sky + Math.floor(luck.next() * 3) - 1))
        degrees = Math.max(-30, Math.min(45, degrees + Math.floor(luck.next() * 3) - 1))
      },
    }
  })

  return {
    async run(signal) {
      await Promise.all(
        stations.map(async ({ station, luck, change }) => {
          // Spread over one interval, so that they do not all come at once.
          await pause(luck.next() * intervalMs, signal)
          if (!signal.aborted) station.start()
          while (!signal.aborted) {
            await pause(intervalMs, signal)
            change()
          }
          isOver = true
          station.stop()
        }),
      )
    },
    counts: () => ({ ...counts, connected: stations.filter(({ station }) => station.connected).length }),
  }
}
