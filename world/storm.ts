/**
 * What goes wrong: how fast a world lives, how bad its lines are, and what happens to its devices and its server.
 */
import type { WorldClock } from './clock.ts'
import type { WorldDevice } from './device.ts'
import type { Luck } from './luck.ts'
import type { Weather } from './network.ts'
import type { WorldServer } from './server.ts'
import type { Temper } from './tempers.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** How fast a world lives. Milliseconds. */
export interface Pace {
  /** How long the storm lasts. */
  readonly lastsMs: number
  readonly pollMs: number
  readonly patienceMs: number
  /** Between two actions of an operator, on average. */
  readonly operatorMs: number
  /** After a death, until it is turned on again: at most. */
  readonly downMs: number
  /** The server's chores come no more often than this. */
  readonly choreFloorMs: number
  /** How long a tried revision is watched. */
  readonly commitDelayMs: number
}

export const paces = {
  minutes: {
    lastsMs: 6 * minute,
    pollMs: 7 * second,
    patienceMs: 10 * second,
    operatorMs: 8 * second,
    downMs: 12 * second,
    choreFloorMs: 20 * second,
    commitDelayMs: 8 * second,
  },
  days: {
    lastsMs: day,
    pollMs: 28 * minute,
    patienceMs: 30 * second,
    operatorMs: 30 * minute,
    downMs: hour,
    choreFloorMs: hour,
    commitDelayMs: 25 * second,
  },
  month: {
    lastsMs: 30 * day,
    pollMs: 14 * hour,
    patienceMs: minute,
    operatorMs: 15 * hour,
    downMs: 12 * hour,
    choreFloorMs: day,
    commitDelayMs: 25 * second,
  },
  season: {
    lastsMs: 200 * day,
    pollMs: 37 * hour,
    patienceMs: minute,
    operatorMs: 60 * hour,
    downMs: 2 * day,
    choreFloorMs: day,
    commitDelayMs: 25 * second,
  },
} as const satisfies Record<string, Pace>

/** A quarter of all lines is fair, the others are bad to worse, unless `wild` says how bad. */
export function drawWeather(luck: Luck, wild = luck.pick([0, 0.3, 1, 2])): Weather {
  const upTo = (most: number): number => luck.next() * most * wild
  return {
    dropRequest: upTo(0.04),
    dropReply: upTo(0.06),
    duplicate: upTo(0.03),
    delay: upTo(0.04),
    cut: upTo(0.05),
    corrupt: upTo(0.1),
  }
}

export interface StormNeeds {
  readonly clock: WorldClock
  readonly luck: Luck
  readonly pace: Pace
  /** Ends the storm. */
  readonly signal: AbortSignal
  tell(line: string): void
}

const sleepMs = 60 * day
/** Longer than that, and what tries every minute to run fills the story. */
const fullMsMax = 2 * day

/** Partitions, deaths, full disks, clocks that jump and long sleeps, as its temperament has it, until the signal. */
export async function stormOverDevice(
  device: WorldDevice,
  { misfortunes, often }: Temper,
  needs: StormNeeds,
): Promise<void> {
  const { clock, luck, pace, signal, tell } = needs
  for (;;) {
    await clock.sleep(luck.pause(pace.lastsMs / (10 * often)), signal)
    if (signal.aborted) return
    const what = luck.weighed({ ...misfortunes })
    tell(`storm: ${what} over ${device.name}`)
    switch (what) {
      case 'partition':
        device.line.up = false
        device.line.breakAll('network unreachable')
        await clock.sleep(luck.pause(pace.lastsMs / 30), signal)
        device.line.up = true
        break
      case 'kill':
        device.kill()
        break
      case 'doom':
        device.doom(luck.between(1, 150))
        break
      case 'restart':
        device.restart()
        break
      case 'full':
        device.disk.full = true
        await clock.sleep(Math.min(luck.pause(pace.lastsMs / 40), fullMsMax), signal)
        device.disk.full = false
        break
      case 'sleep':
        device.sleep(sleepMs)
        break
      case 'jump':
        device.skewMs += luck.pick([-1, 1]) * luck.pick([minute, hour, 400 * day])
    }
  }
}

/** Crashes at once or at some await, and a clock that is set by hours, until the signal. */
export async function stormOverServer(server: WorldServer, needs: StormNeeds): Promise<void> {
  const { clock, luck, pace, signal, tell } = needs
  for (;;) {
    await clock.sleep(luck.pause(pace.lastsMs / 4), signal)
    if (signal.aborted) return
    const what = luck.weighed({ crash: 2, doom: 5, jump: 1 })
    tell(`storm: ${what} over the server`)
    if (what === 'crash') server.crash()
    else if (what === 'doom') server.crash(luck.between(1, 120))
    else server.skewMs += luck.pick([-1, 1]) * luck.between(1, 3 * hour)
  }
}
