/**
 * The server's log: JSON lines on stderr (pino), with no secret in them.
 *
 * Redaction does not trust the caller. Every object that is logged is walked (bounded in depth and breadth) and values
 * under names that sound secret are cut out; every text, message or stack is searched for the forms secrets take on
 * our wires: bearer and basic credentials, JSON Web Tokens, tokens of signed object URLs, secrets in query strings,
 * passwords in URLs. It costs something per line, which is why the hot paths log nothing (see `requestLog`).
 */
import pino from 'pino'
import type { Config } from './config-table.ts'

/** `log.info({ device }, 'claimed')` or `log.info('ready')`; an error goes under `err`. */
interface LogLine {
  (fields: object, text?: string): void
  (text: string): void
}

export interface Log {
  readonly debug: LogLine
  readonly info: LogLine
  readonly warn: LogLine
  readonly error: LogLine
  /** A log whose lines carry these fields as well. */
  child(fields: object): Log
}

/** Where log lines go: anything with `write(line)`. Default: stderr, synchronously, so that a crash loses none. */
export interface LogDestination {
  write(line: string): void
}

/** The log of one process. Times are RFC 3339 under `time`; levels are words under `level`. */
export function createLog(config: Pick<Config, 'logLevel'>, destination?: LogDestination): Log {
  const log = pino(
    {
      level: config.logLevel,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: scrubFields,
      },
      serializers: { err: (error: unknown) => error },
      hooks: {
        logMethod(args, method) {
          const [first, ...rest] = args as unknown[]
          const scrubbed = [
            typeof first === 'string' ? scrubText(first) : first,
            ...rest.map((part) => scrub(part)),
          ]
          // Without a text pino takes that of the error, as it stands.
          const error = errorOf(first)
          if (error !== undefined && scrubbed[1] === undefined) scrubbed[1] = scrubText(error.message)
          method.apply(this, scrubbed as Parameters<typeof method>)
        },
      },
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  )
  return logOf(log)
}

function logOf(log: pino.Logger): Log {
  const { debug, info, warn, error } = log
  return {
    debug: debug.bind(log),
    info: info.bind(log),
    warn: warn.bind(log),
    error: error.bind(log),
    // Pino takes a child's fields as they are: they are scrubbed before.
    child: (fields) => logOf(log.child(scrubFields(fields))),
  }
}

/** A text with everything cut out that has the form of a secret. */
export function scrubText(text: string): string {
  let scrubbed = text.length > longestText ? `${text.slice(0, longestText)}…` : text
  for (const { form, becomes } of secretForms) scrubbed = scrubbed.replace(form, becomes)
  return scrubbed
}

/** A copy of what is to be logged, without secrets; errors become `{ name, message, stack, cause }`. */
export function scrub(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return scrubText(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= deepest) return '[deeper]'
  if (value instanceof Error) return scrubError(value, depth)
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (value instanceof Date) return value
  if (Array.isArray(value)) return value.slice(0, widest).map((item) => scrub(item, depth + 1))
  const copy: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(value).slice(0, widest))
    copy[name] =
      secretName.test(name) && field !== undefined && field !== null ? '[redacted]' : scrub(field, depth + 1)
  return copy
}

/**
 * Which requests are logged: `(status)` answers whether this one is. Errors from 500 on are, unless requests are not
 * logged at all; `sampled` adds one in `log-sample`, counted, not drawn, so that tests and replays agree.
 */
export function requestSampler(
  config: Pick<Config, 'logRequests' | 'logSample'>,
): (status: number) => boolean {
  const { logRequests, logSample } = config
  if (logRequests === 'off') return () => false
  if (logRequests === 'all') return () => true
  if (logRequests === 'errors') return (status) => status >= 500
  let seen = 0
  return (status) => {
    seen = (seen + 1) % logSample
    return seen === 0 || status >= 500
  }
}

const deepest = 6
const widest = 64
const longestText = 8192

const secretName =
  /passw|secret|token|authorization|authentication|cookie|challenge|credential|private.?key|master.?key/i

const secretForms: readonly { form: RegExp; becomes: string }[] = [
  { form: /\b(bearer|basic|jwt)\s+[\w+/=.~-]{6,}/gi, becomes: '$1 [redacted]' },
  { form: /\beyJ[\w-]*\.[\w-]*\.[\w-]*/g, becomes: '[token]' },
  { form: /(\/(?:local-s3|s3)\/)[^\s/?#"']+/g, becomes: '$1[token]' },
  {
    form: /([?&;][\w.%-]*(?:token|secret|passw|signature|credential|code|key|auth)[\w.%-]*=)[^&;#\s"']*/gi,
    becomes: '$1[redacted]',
  },
  { form: /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/?#:@]*):[^\s/?#@]*@/gi, becomes: '$1:[redacted]@' },
  {
    form: /("?\b(?:password|secret|token|challenge|authorization|cookie)"?\s*[:=]\s*)("[^"]*"|[^\s,}&]+)/gi,
    becomes: '$1[redacted]',
  },
]

function errorOf(logged: unknown): Error | undefined {
  if (logged instanceof Error) return logged
  if (typeof logged !== 'object' || logged === null || !('err' in logged)) return undefined
  return logged.err instanceof Error ? logged.err : undefined
}

function scrubFields(fields: object): Record<string, unknown> {
  return scrub(fields) as Record<string, unknown>
}

function scrubError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  return {
    name,
    message: scrubText(message),
    ...code,
    ...(stack ? { stack: scrubText(stack) } : {}),
    ...(cause === undefined ? {} : { cause: scrub(cause, depth + 1) }),
  }
}
