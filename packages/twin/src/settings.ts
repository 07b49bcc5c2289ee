/**
 * The settings of the program: one table; flags win over the environment.
 *
 * Secrets come by the environment or from files, never as flags, where every process of the machine could read them.
 */
export interface TwinSetting {
  readonly flag: string
  readonly about: string
  readonly fallback?: string
  /** Only by the environment. */
  readonly secret?: boolean
}

/** Each is also `WAYMARK_TWIN_<FLAG>`. */
export const twinSettings: readonly TwinSetting[] = [
  { flag: 'broker', about: 'mqtts://host:8883, or mqtt:// where the way is safe by itself' },
  { flag: 'device', about: 'the id of the device at the hub' },
  { flag: 'hub', about: 'the name of the hub as access is signed for (default: the host of broker)' },
  { flag: 'key', about: 'the shared access key of the device, base64', secret: true },
  { flag: 'key-file', about: 'a file with the shared access key' },
  { flag: 'cert', about: 'a file with the certificate of the device, PEM' },
  { flag: 'cert-key', about: 'a file with the key of that certificate, PEM' },
  { flag: 'username', about: 'a plain user name, for a broker that wants one' },
  { flag: 'password', about: 'the plain password', secret: true },
  { flag: 'ca', about: 'a file with the authorities to trust, PEM (default: the system’s)' },
  { flag: 'socket', about: 'the control socket (default: WAYMARK_CONTROL, else /pantavisor/pv-ctrl)' },
  { flag: 'data', about: 'the folder to remember in', fallback: './twin' },
  { flag: 'interval', about: 'seconds between looks at the device', fallback: '10' },
  { flag: 'poll', about: 'seconds between looks at an update under way', fallback: '1' },
]

export type Values = ReadonlyMap<string, string>

export type SettingsRead =
  | { readonly ok: true; readonly values: Values }
  | { readonly ok: false; readonly refusals: readonly string[] }

/** Reads flags (`--device d` or `--device=d`) and environment; all faults come together. */
export function readSettings(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): SettingsRead {
  const values = new Map<string, string>()
  const refusals: string[] = []
  for (const { flag, fallback } of twinSettings) {
    const given = env[`WAYMARK_TWIN_${flag.toUpperCase().replaceAll('-', '_')}`] ?? fallback
    if (given !== undefined && given !== '') values.set(flag, given)
  }
  for (let i = 0; i < args.length; i++) {
    const [, name = '', joined] = /^--([a-z-]+)(?:=([\s\S]*))?$/.exec(args[i] ?? '') ?? []
    const setting = twinSettings.find((each) => each.flag === name)
    const value = joined ?? args[++i]
    if (!setting)
      refusals.push(
        `${args[joined === undefined ? i - 1 : i]}: wanted one of ${twinSettings.map((each) => `--${each.flag}`).join(' ')}`,
      )
    else if (setting.secret)
      refusals.push(
        `--${name}: wanted by the environment (WAYMARK_TWIN_${name.toUpperCase()}), not as a flag`,
      )
    else if (value === undefined || value === '') refusals.push(`--${name}: wanted a value, got none`)
    else values.set(name, value)
  }
  const url = URL.parse(values.get('broker') ?? '')
  if (!url || !/^mqtts?:$/.test(url.protocol))
    refusals.push(`broker: wanted mqtts://host:port, got ${values.get('broker') ?? 'nothing'}`)
  if (!/^[A-Za-z0-9\-.:_%+=@!*'()~]{1,128}$/.test(values.get('device') ?? ''))
    refusals.push(`device: wanted its id, got ${values.get('device') ?? 'nothing'}`)
  for (const flag of ['interval', 'poll']) {
    const seconds = Number(values.get(flag))
    if (!(seconds > 0 && seconds <= 86_400)) refusals.push(`${flag}: wanted seconds, got ${values.get(flag)}`)
  }
  const ways = [['key', 'key-file'], ['cert'], ['username']].filter((names) =>
    names.some((name) => values.has(name)),
  )
  if (ways.length !== 1) refusals.push(`access: wanted one of key, cert and username, got ${ways.length}`)
  if (values.has('cert') !== values.has('cert-key')) refusals.push('cert: wanted cert and cert-key together')
  return refusals.length > 0 ? { ok: false, refusals } : { ok: true, values }
}

/** The help text. */
export function helpText(): string {
  const width = Math.max(...twinSettings.map(({ flag }) => flag.length))
  const lines = twinSettings.map(
    ({ flag, about, fallback, secret }) =>
      `  ${secret ? '  ' : '--'}${flag.padEnd(width)}  ${about}${fallback === undefined ? '' : ` (default: ${fallback})`}${secret ? ' (environment only)' : ''}`,
  )
  return `waymark-twin: drives a device from an MQTT twin, through its control socket\n\nEach is also WAYMARK_TWIN_<NAME>.\n\n${lines.join('\n')}\n`
}
