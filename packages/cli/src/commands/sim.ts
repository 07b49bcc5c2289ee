/**
 * `waymark sim`: a fleet of simulated devices against a real server, for as long as nobody stops it.
 *
 * What a fleet is made of stands in one table, `kinds`: `devices` follow trails as `waymark agent` does, `exoport` calls in,
 * `weather` are stations of the plugin in `examples/weather`. A kind brings its own options' meaning and its own counts; this file has what they share, which is the server, the login and the line
 * that tells how it goes.
 */
import type { Counts, ProfileName } from '@waymark/sim'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { reporter } from '../show/report.ts'

interface Flags extends FleetFlags {
  readonly devices: string
  readonly interval: string
  readonly profile: string
  readonly seed: string
  readonly report: string
  readonly joinToken?: string
  readonly claim?: true
  readonly account?: string
  readonly exoport?: string
  readonly weather?: string
  readonly cut: string
}

interface Asked {
  readonly flags: Flags
  readonly io: Io
  readonly outside: Outside
  readonly signal: AbortSignal
}

/** What a fleet may be made of. */
const kinds: Readonly<Record<string, (asked: Asked) => Promise<void>>> = {
  devices: simulateDevices,
  async exoport({ flags, ...asked }) {
    const { simulateExoPort } = await import('./sim-exoport.ts')
    await simulateExoPort({ flags, ...figuresOf(flags), ...asked })
  },
  async weather({ flags, ...asked }) {
    const { simulateWeather } = await import('./sim-weather.ts')
    await simulateWeather({ flags, ...figuresOf(flags), ...asked })
  },
}

const devicesMax = 100_000
const claimsAtOnce = 8

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  return runFleetCommand(args, context, () =>
    withFleetFlags(namedCommand('sim'))
      .description('Runs a fleet of simulated devices against a server, until it is stopped.')
      .argument('[kind]', `what the fleet is made of: ${Object.keys(kinds).join(', ')}`, 'devices')
      .option('--devices <count>', 'how many', '1000')
      .option('--join-token <token>', 'devices come in by this token; else one is made with your login')
      .option('--claim', 'devices come in without an owner and are claimed with your login')
      .option('--interval <time>', 'how often each of them polls: 500ms, 5s, 1min', '5s')
      .option('--profile <name>', 'what they are like: steady, flaky, slow, failing, mixed', 'steady')
      .option(
        '--account <name>',
        'exoport, weather: the account that devices call in to; else the only one of your login',
      )
      .option('--exoport <address>', 'exoport: where they dial in, HOST:PORT; else port 9900 of the server')
      .option('--weather <address>', 'weather: where they dial in, HOST:PORT; else port 9911 of the server')
      .option('--cut <count>', 'weather: how many lose their line once in mid-transfer', '0')
      .option('--seed <text>', 'the same seed gives the same luck', '1')
      .option('--report <time>', 'how often a line tells how it goes', '5s')
      .action(async (kind: string, flags: Flags) => {
        const simulate = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
        if (!simulate)
          throw new Failure(2, `kind: wanted one of ${Object.keys(kinds).join(', ')}, got ${kind}`)
        await simulate({ flags, io: context.io, outside, signal: context.io.stopSignal() })
      }),
  )
}

async function simulateDevices({ flags, io, outside, signal }: Asked): Promise<void> {
  const sim = await import('@waymark/sim')
  const { devices, intervalMs, reportMs } = figuresOf(flags)
  const profile = profileOf(flags.profile, [...sim.profileNames, 'mixed'])
  const { fleet } = await connect(flags, io, outside)
  const made =
    flags.joinToken === undefined && flags.claim === undefined
      ? await fleet.createJoinToken({ body: { nick: 'waymark sim' } })
      : undefined
  const joinToken = flags.joinToken ?? made?.token
  const claims = createClaims(
    (device, challenge) => fleet.claimDevice({ device, body: { challenge } }),
    signal,
  )
  const { transport, close } = sim.createPooledTransport()
  const simulated = await sim.createFleet(
    {
      server: fleet.url,
      devices,
      intervalMs,
      profile,
      seed: flags.seed,
      ...(joinToken === undefined || flags.claim ? {} : { joinToken }),
    },
    {
      transport,
      clock: sim.clockOf(outside),
      steadyNow: () => performance.now(),
      ...(flags.claim ? { onChallenge: ({ id, challenge }) => claims.add(id, challenge) } : {}),
    },
  )
  const report = reporter<Counts>(io, outside, flags.json === true, {
    counts: simulated.counts,
    line({ polling, updating, missed, lost, refused, stepsDone, stepsFailed, polls }, before) {
      const perSecond = ((polls - before.counts.polls) * 1000) / before.ms
      return (
        `${polling} of ${devices} devices poll, ${updating} update; ${perSecond.toFixed(1)} polls/s, ${missed} missed; ` +
        `${stepsDone} steps done, ${stepsFailed} failed; ${lost} requests lost, ${refused} refused`
      )
    },
    end: ({ polls, missed, stepsDone, stepsFailed, requests }) =>
      `stopped: ${requests} requests, ${polls} polls, ${missed} missed, ${stepsDone} steps done, ${stepsFailed} failed`,
  })
  try {
    const running = simulated.run(signal)
    const telling = setInterval(report.tell, reportMs)
    await running.finally(() => clearInterval(telling))
  } finally {
    close()
    report.end()
    // The token was this fleet's own; nobody else may come in by it once the fleet is gone.
    if (made) await fleet.disableJoinToken({ id: made.joinToken.id }).catch(() => undefined)
  }
}

// ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }

function figuresOf({ devices, interval, report }: Flags) {
  const count = Number(devices)
  if (!Number.isSafeInteger(count) || count < 1 || count > devicesMax)
    throw new Failure(2, `--devices: wanted a number from 1 to ${devicesMax}, got ${devices}`)
  return {
    devices: count,
    intervalMs: timeOf('--interval', interval),
    reportMs: timeOf('--report', report),
  }
}

/** A time such as `500ms`, `5s`, `2min`, in milliseconds; from a tenth of a second to a day. */
function timeOf(flag: string, raw: string): number {
  const [, digits, unit = 's'] = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s|min|h)?$/.exec(raw) ?? []
  const ms = Math.round(Number(digits) * (units[unit] ?? Number.NaN))
  if (!(ms >= 100 && ms <= 86_400_000))
    throw new Failure(2, `${flag}: wanted a time from 100ms to 24h, got ${raw}`)
  return ms
}

function profileOf(raw: string, names: readonly (ProfileName | 'mixed')[]): ProfileName | 'mixed' {
  const found = names.find((name) => name === raw)
  if (!found) throw new Failure(2, `--profile: wanted one of ${names.join(', ')}, got ${raw}`)
  return found
}

// ── claiming ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Claims devices a few at a time; one that fails is tried again when its turn comes round. */
function createClaims(claim: (device: string, challenge: string) => Promise<unknown>, signal: AbortSignal) {
  const waiting: { device: string; challenge: string; tries: number }[] = []
  let busy = 0
  function next(): void {
    const one = busy < claimsAtOnce && !signal.aborted ? waiting.shift() : undefined
    if (!one) return
    busy++
    claim(one.device, one.challenge)
      .catch(() => {
        if (one.tries < 10) waiting.push({ ...one, tries: one.tries + 1 })
      })
      .finally(() => {
        busy--
        next()
      })
  }
  return {
    add(device: string, challenge: string): void {
      waiting.push({ device, challenge, tries: 0 })
      next()
    },
  }
}
