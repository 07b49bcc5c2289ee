/**
 * The agent's settings: one table of names, three sources, every fault named with the nearest right name.
 *
 * Flags win over the environment, the environment over the file, the file over the default. Keys and aliases
 * are Pantavisor's where it has them, so that its configuration files can be read as they are; what this agent does not
 * do is accepted and told. Pure: the caller reads the file.
 */
import type { SignatureMode } from '@waymark/pantahub'
import type { AgentConfig } from './agent.ts'
import type { ShownSetting } from './control/door.ts'
import { parseKeyValues } from './credentials.ts'
import type { Identity } from './hub.ts'

/** One setting. `flag` is what stands behind `--`; `WAYMARK_AGENT_<FLAG>` is its environment name. */
export interface AgentSetting {
  readonly key: string
  readonly flag?: string
  /** Further names, as Pantavisor writes them in files and in the environment. */
  readonly names?: readonly string[]
  readonly kind: 'text' | 'seconds' | 'count' | 'switch'
  /** A time that may be zero. */
  readonly zero?: boolean
  readonly choices?: readonly string[]
  /** What a text has to be like, and that in words. */
  readonly pattern?: readonly [RegExp, string]
  readonly fallback?: string
  readonly about: string
}

/** All settings, in the order a help text shows them. */
export const agentSettings: readonly AgentSetting[] = [
  {
    key: 'hub',
    flag: 'hub',
    kind: 'text',
    about: "the hub's address, as http://host:port or https://host:port",
  },
  {
    key: 'hub.forms',
    flag: 'hub-forms',
    kind: 'text',
    choices: ['auto', 'today', 'walkthrough'],
    fallback: 'auto',
    about:
      "how trails are spoken of: in Pantahub's forms of today, in those of its walkthrough of 2016, or as is found: " +
      'as the registry says, else in those of today unless the hub knows only the older ones',
  },
  {
    key: 'hub.registry',
    flag: 'hub-registry',
    kind: 'text',
    about: 'a registry of 2016 that is asked first in which forms the hub serves this device',
  },
  {
    key: 'data',
    flag: 'data',
    kind: 'text',
    fallback: './agent',
    about: 'the folder the agent keeps everything in',
  },
  { key: 'factory', flag: 'factory', kind: 'text', about: 'a folder whose files are the factory state' },
  {
    key: 'factory.autotok',
    flag: 'token',
    names: ['PH_FACTORY_AUTOTOK'],
    kind: 'text',
    about: 'a join token: the device is owned as soon as it registers',
  },
  { key: 'account.id', flag: 'account-id', kind: 'text', about: 'the account that must own this device' },
  {
    key: 'trail.id',
    flag: 'trail-id',
    kind: 'text',
    about: 'the id that this device and its trail must have',
  },
  {
    key: 'updater.interval',
    flag: 'interval',
    names: ['PH_UPDATER_INTERVAL'],
    kind: 'seconds',
    fallback: '5',
    about: 'how often to ask for steps, and for the claim (5, 500ms, 2m)',
  },
  {
    key: 'until-idle',
    flag: 'until-idle',
    kind: 'switch',
    fallback: '0',
    about: 'end when nothing is left to do',
  },
  {
    key: 'creds.host',
    names: ['PH_CREDS_HOST'],
    kind: 'text',
    about: "the hub's host, when hub is not given",
  },
  { key: 'creds.port', names: ['PH_CREDS_PORT'], kind: 'count', fallback: '443', about: "the hub's port" },
  { key: 'creds.id', names: ['PH_CREDS_ID'], kind: 'text', about: "this device's id" },
  { key: 'creds.prn', names: ['PH_CREDS_PRN'], kind: 'text', about: "this device's prn" },
  { key: 'creds.secret', names: ['PH_CREDS_SECRET'], kind: 'text', about: "this device's secret" },
  {
    key: 'creds.type',
    names: ['PH_CREDS_TYPE'],
    kind: 'text',
    pattern: [/^(builtin|ext-[A-Za-z0-9_][A-Za-z0-9._-]*)$/, 'builtin or ext-<name of a helper>'],
    fallback: 'builtin',
    about:
      'how the device gets its credentials: from the hub, or by a helper that registers and logs in (ext-<name>)',
  },
  {
    key: 'creds.helpers',
    kind: 'text',
    fallback: '/usr/lib/waymark/creds',
    about: 'the folder of the helpers',
  },
  {
    key: 'creds.proxy.host',
    names: ['PH_CREDS_PROXY_HOST'],
    kind: 'text',
    about: 'a proxy on the way to the hub and its stores',
  },
  {
    key: 'creds.proxy.port',
    names: ['PH_CREDS_PROXY_PORT'],
    kind: 'count',
    fallback: '3218',
    about: "the proxy's port",
  },
  {
    key: 'creds.proxy.noproxyconnect',
    names: ['PH_CREDS_PROXY_NOPROXYCONNECT'],
    kind: 'switch',
    fallback: '0',
    about: 'ask the proxy for https addresses too, without a tunnel through it',
  },
  {
    key: 'creds.proxy.except',
    names: ['NO_PROXY', 'no_proxy'],
    kind: 'text',
    about: 'hosts that are reached without the proxy, between commas',
  },
  {
    key: 'metadata.usrmeta.interval',
    names: ['PH_METADATA_USRMETA_INTERVAL'],
    kind: 'seconds',
    fallback: '5',
    about: 'how often to fetch user-meta',
  },
  {
    key: 'metadata.devmeta.interval',
    names: ['PH_METADATA_DEVMETA_INTERVAL'],
    kind: 'seconds',
    fallback: '10',
    about: 'how often to look whether device-meta has changed',
  },
  {
    key: 'updater.progress.interval',
    kind: 'seconds',
    fallback: '6',
    about: 'how often to report the figures of a download',
  },
  {
    key: 'updater.transfer_max_count',
    names: ['PH_UPDATER_TRANSFER_MAX_COUNT'],
    kind: 'count',
    fallback: '5',
    about: 'objects downloaded at once',
  },
  {
    key: 'online.request_threshold',
    names: ['PH_ONLINE_REQUEST_THRESHOLD'],
    kind: 'count',
    fallback: '0',
    about: 'requests without a reply that are forgiven before the device calls itself offline',
  },
  {
    key: 'libevent.http.timeout',
    names: ['PH_LIBEVENT_HTTP_TIMEOUT'],
    kind: 'seconds',
    fallback: '60',
    about: 'how long a request may go without a byte',
  },
  {
    key: 'revision.retries',
    names: ['PV_REVISION_RETRIES'],
    kind: 'count',
    fallback: '10',
    about: 'how often a step is begun before it is given up',
  },
  {
    key: 'driver',
    flag: 'driver',
    kind: 'text',
    choices: ['files', 'process', 'oci'],
    fallback: 'files',
    about: 'what a revision is: files alone, containers that run as processes, or those of podman or docker',
  },
  {
    key: 'updater.commit.delay',
    flag: 'commit-delay',
    names: ['PV_UPDATER_COMMIT_DELAY'],
    kind: 'seconds',
    zero: true,
    about: 'how long a new revision is tested before it is kept; 25 with drivers that run things, else 0',
  },
  {
    key: 'updater.goals.timeout',
    names: ['PV_UPDATER_GOALS_TIMEOUT'],
    kind: 'seconds',
    fallback: '120',
    about: 'how long containers have for their status goals, when their group does not say',
  },
  {
    key: 'updater.network_timeout',
    names: ['PH_UPDATER_NETWORK_TIMEOUT'],
    kind: 'seconds',
    fallback: '120',
    about: 'how long a revision that came with a restart may take to reach the hub',
  },
  {
    key: 'secureboot.mode',
    flag: 'secureboot-mode',
    names: ['PV_SECUREBOOT_MODE'],
    kind: 'text',
    choices: ['disabled', 'audit', 'lenient', 'strict'],
    fallback: 'lenient',
    about: 'how signatures of states are taken',
  },
  {
    key: 'secureboot.keys',
    flag: 'secureboot-keys',
    kind: 'text',
    about: 'a PEM file of a public key that is trusted to sign states, or a folder of them',
  },
  {
    key: 'storage.spare',
    kind: 'count',
    fallback: '262144',
    about:
      'bytes that updates and logs leave free, kept in a file that is given up when state has to be written; 0: none',
  },
  {
    key: 'control',
    flag: 'control',
    kind: 'text',
    about: 'the folder of the local control sockets, or off (default: control in the data folder)',
  },
  {
    key: 'control.remote',
    names: ['PV_CONTROL_REMOTE'],
    kind: 'switch',
    fallback: '1',
    about: 'whether the built-in client of the hub may work',
  },
  {
    key: 'control.remote.always',
    names: ['PV_CONTROL_REMOTE_ALWAYS'],
    kind: 'switch',
    fallback: '0',
    about: 'whether it works with local revisions too',
  },
  {
    key: 'log.push',
    names: ['PV_LOG_PUSH'],
    kind: 'switch',
    fallback: '1',
    about: 'send the logs to the hub',
  },
]

/** Pantavisor's settings for what this agent does not do; they are accepted and have no effect. */
const withoutEffect: readonly string[] = ['PH_LIBEVENT_HTTP_RETRIES']

/** What is wrong with a setting: thing, wanted, got. */
export interface ConfigRefusal {
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

export type ConfigParsed =
  | {
      readonly ok: true
      readonly config: AgentConfig
      readonly dataFolder: string
      readonly factoryFolder: string | undefined
      readonly driver: 'files' | 'process' | 'oci'
      /** How long containers have for their goals. Milliseconds. */
      readonly goalsMs: number
      /** A helper for credentials: its name and folder. */
      readonly helper: { readonly name: string; readonly folder: string } | undefined
      readonly proxy:
        | {
            readonly host: string
            readonly port: number
            readonly noConnect: boolean
            readonly except: string
          }
        | undefined
      readonly signatureMode: SignatureMode
      /** A PEM file, or a folder of them. */
      readonly keys: string | undefined
      /** Where the control sockets are wanted: a folder, `off`, or undefined for the data folder's own. */
      readonly control: string | undefined
      /** All settings as they may be shown. */
      readonly shown: readonly ShownSetting[]
      readonly warnings: readonly string[]
    }
  | { readonly ok: false; readonly refusals: readonly ConfigRefusal[] }

/** Where settings come from. `file` is the text of a `KEY=value` file; flags may be spelt `untilIdle` or `until-idle`. */
export interface ConfigSources {
  readonly file?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly flags?: Readonly<Record<string, string | number | boolean | undefined>>
}

/**
 * Reads the settings. All faults come together, so that a file is corrected once.
 *
 *     parseAgentConfig({ flags: { hub: 'http://127.0.0.1:8080', data: '/var/lib/waymark' } })
 */
export function parseAgentConfig({ file = '', env = {}, flags = {} }: ConfigSources): ConfigParsed {
  const refusals: ConfigRefusal[] = []
  const warnings: string[] = []
  const given = new Map<string, { name: string; value: string }>()
  function take(names: ReadonlyMap<string, string>, name: string, value: string): void {
    const key = names.get(name)
    if (key !== undefined) given.set(key, { name, value })
    else if (withoutEffect.includes(name)) warnings.push(`${name}: has no effect here`)
    else {
      const nearest = nearestName(name, [...names.keys(), ...withoutEffect])
      const wanted = nearest === undefined ? 'a known setting' : `a known setting; the nearest is ${nearest}`
      refusals.push({ thing: `setting ${name}`, wanted, got: 'an unknown name' })
    }
  }

  for (const [name, value] of parseKeyValues(file)) take(fileNames, name, value)
  // Much else lives in an environment: only names that can be meant for us are judged.
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && (/^(PH_|WAYMARK_AGENT_)/.test(name) || envNames.has(name)))
      take(envNames, name, value)
  for (const [raw, value] of Object.entries(flags))
    if (value !== undefined)
      take(flagNames, kebab(raw), value === true ? '1' : value === false ? '0' : String(value))

  const values = new Map<string, string>()
  for (const setting of agentSettings) {
    const source = given.get(setting.key)
    const value = source?.value ?? setting.fallback
    if (value === undefined) continue
    const wanted = faultOf(setting, value)
    if (wanted === undefined) values.set(setting.key, value)
    else refusals.push({ thing: source?.name ?? setting.key, wanted, got: value === '' ? 'nothing' : value })
  }
  const hub = hubAddress(values)
  if ('wanted' in hub) refusals.push(hub)
  const registry = values.has('hub.registry')
    ? addressOf('hub.registry', values.get('hub.registry'))
    : undefined
  if (registry && 'wanted' in registry) refusals.push(registry)
  const identity = identityOf(values)
  if (identity && 'wanted' in identity) refusals.push(identity)
  if (
    refusals.length > 0 ||
    'wanted' in hub ||
    (identity && 'wanted' in identity) ||
    (registry && 'wanted' in registry)
  )
    return { ok: false, refusals }

  const text = (key: string): string | undefined => values.get(key)
  const ms = (key: string): number => durationMs(values.get(key) ?? '') ?? 0
  const count = (key: string): number => Number(values.get(key) ?? 0)
  const on = (key: string): boolean => isOn(values.get(key) ?? '0')
  const helper = /^ext-(.+)$/.exec(text('creds.type') ?? '')?.[1]
  const proxyHost = text('creds.proxy.host')
  const accountId = text('account.id')
  const trailId = text('trail.id')
  const driver = (['process', 'oci'] as const).find((each) => each === text('driver')) ?? 'files'
  const modes = ['disabled', 'audit', 'lenient', 'strict'] as const
  const signatureMode = modes.find((mode) => mode === text('secureboot.mode')) ?? 'strict'
  const config: AgentConfig = {
    hub: hub.base,
    forms: (['today', 'walkthrough'] as const).find((each) => each === text('hub.forms')) ?? 'auto',
    ...(registry === undefined ? {} : { registry: registry.base }),
    userAgent: 'waymark-agent/0.1',
    ...(accountId === undefined ? {} : { accountId }),
    ...(trailId === undefined ? {} : { trailId }),
    identity,
    joinToken: text('factory.autotok'),
    untilIdle: on('until-idle'),
    pollMs: ms('updater.interval'),
    userMetaMs: ms('metadata.usrmeta.interval'),
    deviceMetaMs: ms('metadata.devmeta.interval'),
    progressMs: ms('updater.progress.interval'),
    patienceMs: ms('libevent.http.timeout'),
    revisionRetries: count('revision.retries'),
    offlineAfter: count('online.request_threshold'),
    parallel: Math.max(1, count('updater.transfer_max_count')),
    // Files that nothing runs cannot fail a test by themselves: they are kept at once unless a delay is wanted.
    commitDelayMs: durationMs(text('updater.commit.delay') ?? (driver === 'files' ? '0' : '25'), 0) ?? 0,
    hubWaitMs: ms('updater.network_timeout'),
    spareBytes: count('storage.spare'),
    remote: on('control.remote'),
    remoteAlways: on('control.remote.always'),
    logPush: on('log.push'),
    logMs: 5000,
    lookUpTries: 10,
    corruptTries: 3,
    refusedTries: 10,
    backoffFirstMs: 1000,
    backoffCapMs: 60_000,
    tellMovedMs: 1000,
  }
  return {
    ok: true,
    config,
    dataFolder: text('data') ?? './agent',
    factoryFolder: text('factory'),
    driver,
    goalsMs: ms('updater.goals.timeout'),
    helper: helper === undefined ? undefined : { name: helper, folder: text('creds.helpers') ?? '' },
    proxy:
      proxyHost === undefined
        ? undefined
        : {
            host: proxyHost,
            port: count('creds.proxy.port'),
            noConnect: on('creds.proxy.noproxyconnect'),
            except: text('creds.proxy.except') ?? '',
          },
    signatureMode,
    keys: text('secureboot.keys'),
    control: text('control'),
    shown: agentSettings.flatMap((setting) => shownOf(setting, values, given.get(setting.key)?.name)),
    warnings,
  }
}

/** Settings whose values nobody is shown. */
const secrets: readonly string[] = ['creds.secret', 'factory.autotok']

/** One setting as the control socket shows it; a secret only tells whether it is there. */
function shownOf(
  { key, names, kind }: AgentSetting,
  values: ReadonlyMap<string, string>,
  from: string | undefined,
): readonly ShownSetting[] {
  const value = values.get(key)
  if (value === undefined) return []
  const typed = kind === 'count' ? Number(value) : kind === 'switch' ? isOn(value) : value
  const shown = secrets.includes(key) ? '***' : typed
  return [{ key, alias: names?.[0] ?? key, value: shown, modified: from ?? 'default' }]
}

const fileNames = new Map(agentSettings.flatMap((each) => namesOf(each, each.key)))
const flagNames = new Map(
  agentSettings.flatMap((each) => (each.flag === undefined ? [] : [[each.flag, each.key]])),
)
const envNames = new Map(
  agentSettings.flatMap((each) => {
    const names = (each.names ?? []).map((name) => [name, each.key] as const)
    if (each.flag === undefined) return names
    return [...names, [`WAYMARK_AGENT_${each.flag.toUpperCase().replaceAll('-', '_')}`, each.key] as const]
  }),
)

function namesOf(setting: AgentSetting, key: string): (readonly [string, string])[] {
  return [setting.key, ...(setting.names ?? [])].map((name) => [name, key] as const)
}

/** `untilIdle` → `until-idle`. */
const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** What a value would have to be, when it is not. */
export function faultOf(setting: AgentSetting, value: string): string | undefined {
  if (setting.pattern && !setting.pattern[0].test(value)) return setting.pattern[1]
  if (setting.choices && !setting.choices.includes(value)) return `one of ${setting.choices.join(', ')}`
  switch (setting.kind) {
    case 'text':
      return value === '' ? 'a value' : undefined
    case 'seconds':
      if (setting.zero)
        return durationMs(value, 0) === undefined ? 'a time such as 0, 25, 500ms or 2m' : undefined
      return durationMs(value) === undefined ? 'a time above zero, such as 5, 500ms or 2m' : undefined
    case 'count':
      return /^\d{1,15}$/.test(value) ? undefined : 'a whole number'
    case 'switch':
      return /^(0|1|true|false|on|off|yes|no)$/i.test(value) ? undefined : 'on or off'
  }
}

/** Whether a switch's value means on. */
export const isOn = (value: string): boolean => /^(1|true|on|yes)$/i.test(value)

/** `5` and `5s` are seconds; `500ms`, `2m`, `1h` say their unit. Undefined for anything else, and below `least`. */
export function durationMs(value: string, least = 1): number | undefined {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value)
  if (!found) return undefined
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[found[2] ?? 's'] ?? 1000
  const ms = Math.round(Number(found[1]) * unit)
  return ms >= least && ms <= 365 * 24 * 3_600_000 ? ms : undefined
}

/** `hub`, or `creds.host` with `creds.port`: a bare host is spoken to over TLS, as Pantavisor does. */
function hubAddress(values: ReadonlyMap<string, string>): { readonly base: string } | ConfigRefusal {
  const host = values.get('creds.host')
  const thing = values.has('hub') || host === undefined ? 'hub' : 'creds.host'
  const raw =
    values.get('hub') ??
    (host?.includes('://') === false ? `https://${host}:${values.get('creds.port')}` : host)
  return addressOf(thing, raw)
}

/** An address of this kind: a scheme, a host, perhaps a path; neither credentials nor a query. */
function addressOf(thing: string, raw: string | undefined): { readonly base: string } | ConfigRefusal {
  const wanted = 'an address such as https://hub.example.com or http://127.0.0.1:8080'
  if (raw === undefined) return { thing, wanted, got: 'nothing' }
  const url = URL.parse(raw)
  if (
    !url ||
    !/^https?:$/.test(url.protocol) ||
    url.hostname === '' ||
    url.search !== '' ||
    url.username !== ''
  )
    return { thing, wanted, got: raw }
  return { base: `${url.origin}${url.pathname}`.replace(/\/+$/, '') }
}

/** An identity from the settings: the secret with an id or a prn, each of which gives the other. */
function identityOf(values: ReadonlyMap<string, string>): Identity | ConfigRefusal | undefined {
  const secret = values.get('creds.secret')
  const id =
    values.get('creds.id') ?? /^prn:::devices:\/([0-9a-f]{24})$/.exec(values.get('creds.prn') ?? '')?.[1]
  const prn = values.get('creds.prn') ?? (id === undefined ? undefined : `prn:::devices:/${id}`)
  if (secret === undefined && id === undefined && prn === undefined) return undefined
  if (secret === undefined || id === undefined || prn === undefined)
    return {
      thing: 'creds',
      wanted: 'creds.secret together with creds.id or creds.prn',
      got: secret === undefined ? 'no creds.secret' : 'neither creds.id nor the prn of a device',
    }
  return { id, prn, secret }
}

/** The nearest of the names, when one is near enough to be meant. */
function nearestName(name: string, names: readonly string[]): string | undefined {
  let best: { name: string; far: number } | undefined
  for (const each of names) {
    const far = distance(name.toLowerCase(), each.toLowerCase())
    if (!best || far < best.far) best = { name: each, far }
  }
  return best && best.far <= Math.max(2, Math.floor(name.length / 3)) ? best.name : undefined
}

/** Edits between two short texts. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      )
    row = next
  }
  return row[b.length] ?? 0
}
