/**
 * Certificates that are good no more: a file of revocation lists (RFC 5280 5, PEM), looked at again whenever it changes.
 *
 * Of a list only what it names is read: an issuer and serial numbers. Its signature is not checked, since the file lies
 * beside the authorities it is about and is the operator's own; and a list whose next update is overdue still revokes
 * what it names.
 */
import type { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'

/** A file of lists may be this large: some hundred thousand revoked certificates. */
const fileBytesMax = 16 * 2 ** 20

export interface Revocations {
  /** Whether one of the lists names this certificate. */
  revokes(certificate: X509Certificate): boolean
}

/**
 * Reads the file; throws when it cannot be read or holds no list. Later changes are taken up by themselves; a file that
 * is spoilt later is told of through `failed`, and what it said before stands.
 */
export function openRevocations(path: string, failed: (error: unknown) => void): Revocations {
  let seen = markOf(path)
  let revoked = readLists(path)
  return {
    revokes(certificate) {
      try {
        const mark = markOf(path)
        if (mark !== seen) {
          seen = mark
          revoked = readLists(path)
        }
      } catch (error) {
        failed(error)
      }
      return revoked.has(nameOf(issuerOf(certificate.raw), certificate.serialNumber))
    },
  }
}

function markOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path)
  return `${mtimeMs} ${size} ${ino}`
}

function readLists(path: string): ReadonlySet<string> {
  const { size } = statSync(path)
  if (size > fileBytesMax) throw new Error(`${path}: wanted at most ${fileBytesMax} bytes, got ${size}`)
  const blocks = readFileSync(path, 'latin1').matchAll(
    /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/g,
  )
  const revoked = new Set<string>()
  let lists = 0
  for (const [, text = ''] of blocks) {
    lists += 1
    const { issuer, serials } = readList(Buffer.from(text, 'base64'))
    for (const serial of serials) revoked.add(nameOf(issuer, serial))
  }
  if (lists === 0) throw new Error(`${path}: wanted lists of revoked certificates (PEM, X509 CRL), got none`)
  return revoked
}

/** Issuer and serial number name a certificate (RFC 5280 4.1.2.2); numbers as hex digits without leading zeros. */
function nameOf(issuer: Buffer, serial: string): string {
  return `${issuer.toString('base64')} ${serial.toUpperCase().replace(/^0+(?=.)/, '')}`
}

// ── DER, as much of it as this takes ─────────────────────────────────────────────────────────────────────────────

interface Value {
  readonly tag: number
  /** The value with its tag and length. */
  readonly whole: Buffer
  readonly content: Buffer
}

const integer = 0x02
const sequence = 0x30
const times: ReadonlySet<number> = new Set([0x17, 0x18])

/** CertificateList (RFC 5280 5.1): the issuer and the serial numbers of what it revokes. */
function readList(der: Buffer): { issuer: Buffer; serials: string[] } {
  const [toBeSigned] = within(only(der))
  const parts = within(toBeSigned)
  if (parts[0]?.tag === integer) parts.shift()
  const [, issuer, , ...rest] = parts
  if (issuer?.tag !== sequence) throw new Error('a revocation list has an issuer')
  const revoked = rest.find(({ tag }) => !times.has(tag))
  const entries = revoked?.tag === sequence ? within(revoked) : []
  const serials = entries.map((entry) => {
    const [serial] = within(entry)
    if (serial?.tag !== integer) throw new Error('a revoked certificate has a serial number')
    return serial.content.toString('hex')
  })
  return { issuer: issuer.whole, serials }
}

/** The issuer of a certificate (RFC 5280 4.1), as it stands there. */
function issuerOf(der: Buffer): Buffer {
  const [toBeSigned] = within(only(der))
  const parts = within(toBeSigned)
  // Version 1 has no version.
  const [, , issuer] = parts[0]?.tag === integer ? parts : parts.slice(1)
  if (issuer?.tag !== sequence) throw new Error('a certificate has an issuer')
  return issuer.whole
}

function only(der: Buffer): Value {
  return valueAt(der, 0)
}

function within(value: Value | undefined): Value[] {
  if (value?.tag !== sequence) throw new Error(`DER: wanted a sequence, got tag ${value?.tag}`)
  const values: Value[] = []
  for (let at = 0; at < value.content.length; ) {
    const next = valueAt(value.content, at)
    values.push(next)
    at += next.whole.length
  }
  return values
}

function valueAt(bytes: Buffer, at: number): Value {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined) throw new Error('DER: it ends in the middle')
  const wide = first < 0x80 ? 0 : first & 0x7f
  if (wide > 4 || first === 0x80 || at + 2 + wide > bytes.length) throw new Error('DER: not a length')
  const length = wide === 0 ? first : bytes.readUIntBE(at + 2, wide)
  const from = at + 2 + wide
  if (from + length > bytes.length) throw new Error('DER: it ends in the middle')
  return { tag, whole: bytes.subarray(at, from + length), content: bytes.subarray(from, from + length) }
}
