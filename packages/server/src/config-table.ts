/**
 * Every setting of the server, one row each. Flags, environment names, keys of the file, defaults, `--help`,
 * `waymark config print` and docs/configuration.md all come from here and from nowhere else.
 *
 * A setting `some-name` is the flag `--some-name`, the environment variable `WAYMARK_SOME_NAME`, the key `some-name`
 * of the file and the property `someName` of `Config`. Defaults are written as somebody would write them; null means
 * "not set". Secrets are no flags: a command line is read by every user of a machine.
 */
import type { Bounds, KindName, ValueOfKind } from './config-kinds.ts'

export interface Row extends Bounds {
  readonly name: string
  readonly kind: KindName
  readonly default: string | null
  readonly help: string
  readonly group: Group
  /** What stands for the value in the help: `--data DIR`. */
  readonly shows: string
  /** The listener this setting opens or belongs to. */
  readonly listener?: string
  /** Never shown, never a flag. */
  readonly secret?: true
  /** The flag may be given several times; the values are gathered. */
  readonly repeated?: true
}

export const groups = {
  listeners: 'Listeners',
  storage: 'Where things are kept',
  network: 'Neighbours and addresses',
  identity: 'Keys, passwords and tokens',
  limits: 'Limits',
  retention: 'Retention',
  running: 'Logs and life cycle',
} as const
export type Group = keyof typeof groups

// biome-ignore format: one setting, one line
export const table = [
  { name: 'host', kind: 'host', default: '127.0.0.1', shows: 'ADDRESS', group: 'listeners', help: 'address all listeners bind to' },
  { name: 'http', kind: 'port', default: '8080', shows: 'PORT', group: 'listeners', listener: 'http', help: 'HTTP: console, fleet, Pantahub, JSON-RPC, WAMP over WebSocket' },
  { name: 'https', kind: 'port', default: 'off', shows: 'PORT', group: 'listeners', listener: 'https', help: 'the same over TLS; needs tls-cert and tls-key' },
  { name: 'iottalk-http', kind: 'port', default: '9992', shows: 'PORT', group: 'listeners', listener: 'iottalk-http', help: 'IoTtalk: registration of device applications' },
  { name: 'iottalk-v1', kind: 'port', default: 'off', shows: 'PORT', group: 'listeners', listener: 'iottalk-v1', help: 'IoTtalk: the first version of the device interface' },
  { name: 'ccm', kind: 'port', default: '7788', shows: 'PORT', group: 'listeners', listener: 'ccm', help: 'IoTtalk: creation, configuration and management' },
  { name: 'mqtt', kind: 'port', default: '1883', shows: 'PORT', group: 'listeners', listener: 'mqtt', help: 'MQTT broker' },
  { name: 'mqtt-ws', kind: 'port', default: '1884', shows: 'PORT', group: 'listeners', listener: 'mqtt-ws', help: 'MQTT broker over WebSocket' },
  { name: 'exoport', kind: 'port', default: '9900', shows: 'PORT', group: 'listeners', listener: 'exoport', help: 'ExoPort devices (BERT-RPC over TCP)' },
  { name: 'exoport-http', kind: 'port', default: 'off', shows: 'PORT', group: 'listeners', listener: 'exoport-http', help: 'ExoPort devices over HTTP' },
  { name: 'wamp-raw', kind: 'port', default: 'off', shows: 'PORT', group: 'listeners', listener: 'wamp-raw', help: 'WAMP over raw sockets' },
  { name: 'tls-cert', kind: 'path', default: null, shows: 'FILE', group: 'listeners', listener: 'https', help: 'certificate chain (PEM)' },
  { name: 'tls-key', kind: 'path', default: null, shows: 'FILE', group: 'listeners', listener: 'https', help: 'private key of the certificate (PEM)' },
  { name: 'client-ca', kind: 'path', default: null, shows: 'FILE', group: 'listeners', listener: 'https', help: 'authorities (PEM) whose client certificates log devices in' },
  { name: 'client-crl', kind: 'path', default: null, shows: 'FILE', group: 'listeners', listener: 'https', help: 'revocation lists (PEM) of those authorities; read again when the file changes' },

  { name: 'data', kind: 'path', default: './data', shows: 'DIR', group: 'storage', help: 'the data folder: database, objects, logs and keys' },
  { name: 'database', kind: 'url', schemes: ['postgres', 'postgresql', 'sqlite', 'memory'], default: null, shows: 'URL', group: 'storage', help: 'PostgreSQL instead of SQLite in the data folder' },
  { name: 'objects', kind: 'url', schemes: ['file', 's3', 'http', 'https'], default: null, shows: 'URL', group: 'storage', help: 'S3-compatible store instead of files in the data folder' },

  { name: 'public-url', kind: 'base', default: null, shows: 'URL', group: 'network', help: "address others reach this server by; default: the HTTP listener's own" },
  { name: 'bus', kind: 'url', schemes: ['nats', 'tls', 'ws', 'wss', 'postgres', 'postgresql'], default: null, shows: 'URL', group: 'network', help: 'bus between several server processes; default: in memory' },
  { name: 'mqtt-url', kind: 'url', schemes: ['mqtt', 'mqtts', 'tcp', 'ssl', 'ws', 'wss'], default: null, shows: 'URL', group: 'network', help: 'external MQTT broker instead of the embedded one' },
  { name: 'smtp', kind: 'url', schemes: ['smtp', 'smtps'], default: null, shows: 'URL', group: 'network', help: 'mail server for confirmations and password resets' },
  { name: 'plugin', kind: 'list', default: '', shows: 'PACKAGE', group: 'network', repeated: true, help: 'protocol plugin to load; may be repeated' },
  { name: 'trusted-proxies', kind: 'cidrs', default: '', shows: 'CIDR,…', group: 'network', help: 'whose X-Forwarded-For and X-Forwarded-Proto are believed' },
  { name: 'allow-private-targets', kind: 'switch', default: 'false', shows: '', group: 'network', help: 'let notification and webhook URLs point to loopback and private addresses' },

  { name: 'admin-password', kind: 'text', default: null, shows: 'TEXT', group: 'identity', secret: true, help: 'first password of admin on an empty data folder; default: generated and printed once' },
  { name: 'saadmin-secret', kind: 'text', default: null, shows: 'TEXT', group: 'identity', secret: true, help: "what the installation's own services show as saadmin (Pantahub's healthz, callbacks, cron); default: nobody gets in" },
  { name: 'tls-proxy-token', kind: 'text', default: null, shows: 'TEXT', group: 'identity', secret: true, help: 'by which a trusted proxy proves that it checked the client certificate it passes on' },
  { name: 'master-key-file', kind: 'path', default: null, shows: 'FILE', group: 'identity', help: 'the master key; default: keys/master.key in the data folder. Processes of one fleet share it' },
  { name: 'openid-providers', kind: 'path', default: null, shows: 'FILE', group: 'identity', help: 'JSON: providers of logins (google, github, gitlab, entraid, others) with their client ids and secrets' },
  { name: 'master-from', kind: 'choice', choices: ['anywhere', 'local'], default: 'anywhere', shows: 'WHERE', group: 'identity', help: "from where Exosense's master commands are taken: local means this machine alone" },
  { name: 'sign-up', kind: 'choice', choices: ['open', 'closed'], default: 'open', shows: 'WHICH', group: 'identity', help: 'whether anybody may make an account; closed: only members are made, by owners and administrators' },
  { name: 'captcha-verify', kind: 'url', schemes: ['https', 'http'], default: null, shows: 'URL', group: 'identity', help: 'who judges captchas of new accounts, by the form of reCAPTCHA, hCaptcha and Turnstile; default: none is asked for' },
  { name: 'captcha-secret', kind: 'text', default: null, shows: 'TEXT', group: 'identity', secret: true, help: 'what captcha-verify knows this installation by' },
  { name: 'captcha-page', kind: 'base', default: null, shows: 'URL', group: 'identity', help: 'page where people solve the captcha; default: /signup below public-url' },
  { name: 'token-epoch', kind: 'count', min: 1, max: 1_000_000, default: '1', shows: 'N', group: 'identity', help: 'raise it to make every token issued before worthless' },
  { name: 'token-life', kind: 'count', min: 1, max: 525_600, default: '60', shows: 'MINUTES', group: 'identity', help: 'how long a login token is good' },
  { name: 'token-refresh', kind: 'count', min: 1, max: 525_600, default: '1440', shows: 'MINUTES', group: 'identity', help: 'how long after the login a token can be renewed' },
  { name: 'object-url-life', kind: 'count', min: 1, max: 10_080, default: '360', shows: 'MINUTES', group: 'identity', help: 'how long a signed object URL is good' },
  { name: 'guess-limit', kind: 'count', min: 1, max: 1_000_000, default: '10', shows: 'N', group: 'identity', help: 'wrong passwords per minute for one name from one address before it is slowed' },

  { name: 'body-limit', kind: 'bytes', min: 1024, max: 2 ** 30, default: '4MiB', shows: 'SIZE', group: 'limits', help: 'largest request body that is not an object' },
  { name: 'header-limit', kind: 'bytes', min: 1024, max: 2 ** 20, default: '16KiB', shows: 'SIZE', group: 'limits', help: 'largest set of request headers' },
  { name: 'header-timeout', kind: 'count', min: 1, max: 3600, default: '20', shows: 'SECONDS', group: 'limits', help: 'until when the headers of a request have to be there' },
  { name: 'body-rate', kind: 'count', max: 2 ** 20, default: '256', shows: 'BYTES', group: 'limits', help: 'bytes per second below which a request body is cut off' },
  { name: 'idle-timeout', kind: 'count', min: 1, max: 86_400, default: '120', shows: 'SECONDS', group: 'limits', help: 'how long a connection may be silent within a request' },
  { name: 'keep-alive', kind: 'count', min: 1, max: 86_400, default: '75', shows: 'SECONDS', group: 'limits', help: 'how long a connection is kept between requests' },
  { name: 'max-connections', kind: 'count', min: 1, max: 10_000_000, default: '20000', shows: 'N', group: 'limits', help: 'open connections per listener' },
  { name: 'max-streams', kind: 'count', min: 1, max: 1_000_000, default: '1000', shows: 'N', group: 'limits', help: 'live event streams open at once' },
  { name: 'object-limit', kind: 'bytes', min: 1, default: '16GiB', shows: 'SIZE', group: 'limits', help: 'largest object' },
  { name: 'object-quota', kind: 'bytesOrOff', default: 'off', shows: 'SIZE', group: 'limits', help: 'bytes of objects one tenant may keep' },
  { name: 'device-quota', kind: 'countOrOff', default: 'off', shows: 'N', group: 'limits', help: 'devices one tenant may have' },
  { name: 'tenant-rate', kind: 'countOrOff', min: 1, default: 'off', shows: 'N', group: 'limits', help: 'requests per second of one tenant, on average' },
  { name: 'tenant-bandwidth', kind: 'bytesOrOff', min: 1024, default: 'off', shows: 'SIZE', group: 'limits', help: 'bytes per second that one tenant may send and be sent in bodies and objects, on average' },
  { name: 'registration-rate', kind: 'countOrOff', min: 1, default: '600', shows: 'N', group: 'limits', help: 'devices and accounts registered per minute from one address' },

  { name: 'log-retention', kind: 'countOrOff', min: 1, default: '30', shows: 'DAYS', group: 'retention', help: "how long devices' logs are kept" },
  { name: 'log-quota', kind: 'bytesOrOff', min: 65_536, default: '64MiB', shows: 'SIZE', group: 'retention', help: 'logs kept per device' },
  { name: 'journal-retention', kind: 'countOrOff', min: 1, default: '365', shows: 'DAYS', group: 'retention', help: 'how long the journal is kept' },
  { name: 'object-grace', kind: 'count', min: 1, default: '24', shows: 'HOURS', group: 'retention', help: 'how long an object nothing refers to is kept' },

  { name: 'log-level', kind: 'choice', choices: ['debug', 'info', 'warn', 'error', 'silent'], default: 'info', shows: 'LEVEL', group: 'running', help: 'what is logged (JSON lines on stderr)' },
  { name: 'log-requests', kind: 'choice', choices: ['off', 'errors', 'sampled', 'all'], default: 'errors', shows: 'WHICH', group: 'running', help: 'which requests are logged: answers from 500 on, one in log-sample, or all' },
  { name: 'log-sample', kind: 'count', min: 1, default: '100', shows: 'N', group: 'running', help: 'one request in so many, when log-requests is sampled' },
  { name: 'drain-delay', kind: 'count', max: 20, default: '0', shows: 'SECONDS', group: 'running', help: 'how long /readyz says 503 before connections are refused, at the end' },
  { name: 'drain-timeout', kind: 'count', max: 25, default: '20', shows: 'SECONDS', group: 'running', help: 'how long requests in flight may take to finish, at the end' },
] as const satisfies readonly Row[]

type Rows = (typeof table)[number]
export type SettingName = Rows['name']

/** `some-name` → `someName`. */
export type Camel<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S

type Value<R extends Row> = R extends { readonly choices: readonly (infer C)[] }
  ? C
  : R extends { readonly default: null }
    ? ValueOfKind<R['kind']> | undefined
    : ValueOfKind<R['kind']>

/** All settings, parsed: what the server is told. */
export type Config = { readonly [R in Rows as Camel<R['name']>]: Value<R> }

/** The property of `Config` a setting is found under. */
export function propertyOf<S extends string>(name: S): Camel<S> {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as Camel<S>
}

/** The environment variable of a setting: `iottalk-http` → `WAYMARK_IOTTALK_HTTP`. */
export function environmentName(name: string): string {
  return `WAYMARK_${name.toUpperCase().replaceAll('-', '_')}`
}

/** Names of the environment that begin with WAYMARK_ and are not settings of the server. */
export const otherEnvironment = [
  'WAYMARK_CONFIG',
  'WAYMARK_DEBUG',
  'WAYMARK_SERVER',
  'WAYMARK_TOKEN',
] as const

/** Names of our other programs, which may share an environment with a server. */
export const otherPrograms = ['WAYMARK_AGENT_', 'WAYMARK_NODE_', 'WAYMARK_SIM_', 'WAYMARK_BENCH_'] as const
