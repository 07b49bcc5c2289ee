/**
 * The kinds of values a setting can have: how each is read from text, and what is said to be wanted when the text is
 * something else. A value comes from the command line, the environment or a file; all three are brought to text
 * first, so that `8080` means the same wherever it stands.
 */
import { BlockList, isIP } from 'node:net'

/** What a kind needs to know besides the text: the bounds and schemes its row names. */
export interface Bounds {
  readonly min?: number
  readonly max?: number
  readonly schemes?: readonly string[]
  readonly choices?: readonly string[]
}

/** A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address. */
export interface Cidr {
  readonly address: string
  readonly bits: number
  readonly family: 'ipv4' | 'ipv6'
}

/** `off` where a listener, a limit or a job does not exist. */
export type Off = 'off'

interface Kind<T> {
  /** Ends the sentence "wanted …". */
  wanted(bounds: Bounds): string
  /** The value, or undefined when the text is not one. */
  read(text: string, bounds: Bounds): T | undefined
}

export const kinds = {
  path: { wanted: () => 'a path', read: (text) => (text.includes('\0') ? undefined : text) } as Kind<string>,
  text: { wanted: () => 'a text', read: (text) => text } as Kind<string>,
  host: {
    wanted: () => 'a host name or an IP address',
    read: (text) =>
      isIP(text) !== 0 || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text) ? text : undefined,
  } as Kind<string>,
  port: {
    wanted: () => 'a port (0 picks a free one) or off',
    read: (text) => (text === 'off' ? text : wholeNumber(text, { min: 0, max: 65_535 })),
  } as Kind<number | Off>,
  switch: {
    wanted: () => 'true or false',
    read: (text) => switches.get(text.toLowerCase()),
  } as Kind<boolean>,
  count: { wanted: wantedNumber, read: wholeNumber } as Kind<number>,
  countOrOff: {
    wanted: (bounds) => `${wantedNumber(bounds)} or off`,
    read: (text, bounds) => (text === 'off' ? text : wholeNumber(text, bounds)),
  } as Kind<number | Off>,
  bytes: {
    wanted: (bounds) => `a size such as 512KiB or 2GiB${range(bounds)}`,
    read: bytes,
  } as Kind<number>,
  bytesOrOff: {
    wanted: (bounds) => `a size such as 512KiB or 2GiB${range(bounds)}, or off`,
    read: (text, bounds) => (text === 'off' ? text : bytes(text, bounds)),
  } as Kind<number | Off>,
  choice: {
    wanted: (bounds) => `one of ${(bounds.choices ?? []).join(', ')}`,
    read: (text, bounds) => (bounds.choices?.includes(text) ? text : undefined),
  } as Kind<string>,
  url: {
    wanted: (bounds) => `a URL beginning with ${(bounds.schemes ?? []).map((s) => `${s}:`).join(' or ')}`,
    read: url,
  } as Kind<string>,
  /** An address clients put paths behind: no query, no fragment, and no slash at the end. */
  base: {
    wanted: () => 'a URL beginning with http: or https:, without query or fragment',
    read: (text) => {
      const read = url(text, { schemes: ['http', 'https'] })
      if (read === undefined || /[?#]/.test(read)) return undefined
      return read.replace(/\/+$/, '')
    },
  } as Kind<string>,
  list: {
    wanted: () => 'names separated by commas',
    read: (text) => parts(text),
  } as Kind<readonly string[]>,
  cidrs: {
    wanted: () => 'addresses or ranges separated by commas, such as 10.0.0.0/8,::1',
    read: (text) => {
      const read = parts(text).map(readCidr)
      return read.every((cidr) => cidr !== undefined) ? read : undefined
    },
  } as Kind<readonly Cidr[]>,
} as const

export type KindName = keyof typeof kinds
export type ValueOfKind<K extends KindName> = (typeof kinds)[K] extends Kind<infer T> ? T : never

/** Reads `10.0.0.0/8`, `::1` and the like; undefined when it is no address. */
export function readCidr(text: string): Cidr | undefined {
  const [address = '', bitsText, more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more !== undefined || address.includes('%')) return undefined
  const widest = version === 4 ? 32 : 128
  const bits = bitsText === undefined ? widest : wholeNumber(bitsText, { min: 0, max: widest })
  return bits === undefined ? undefined : { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' }
}

/** Ranges as Node's own matcher of addresses. */
export function blockListOf(cidrs: readonly Cidr[]): BlockList {
  const list = new BlockList()
  for (const { address, bits, family } of cidrs) list.addSubnet(address, bits, family)
  return list
}

const switches = new Map([
  ...['true', '1', 'on', 'yes'].map((text) => [text, true] as const),
  ...['false', '0', 'off', 'no'].map((text) => [text, false] as const),
])

const units = new Map([
  ['', 1],
  ['b', 1],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
])

function wholeNumber(text: string, bounds: Bounds): number | undefined {
  return /^\d{1,15}$/.test(text) ? within(Number(text), bounds) : undefined
}

function bytes(text: string, bounds: Bounds): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,15})\s*([a-z]*)$/i.exec(text) ?? []
  const factor = units.get(unit.toLowerCase())
  if (digits === undefined || factor === undefined) return undefined
  const value = Number(digits) * factor
  return Number.isSafeInteger(value) ? within(value, bounds) : undefined
}

function within(value: number, { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds): number | undefined {
  return value >= min && value <= max ? value : undefined
}

function wantedNumber(bounds: Bounds): string {
  return `a whole number${range(bounds)}`
}

function range({ min, max }: Bounds): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`
  if (min !== undefined) return ` of at least ${min}`
  return max === undefined ? '' : ` of at most ${max}`
}

function url(text: string, { schemes = [] }: Bounds): string | undefined {
  if (!URL.canParse(text)) return undefined
  return schemes.includes(new URL(text).protocol.slice(0, -1)) ? text : undefined
}

function parts(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
