/**
 * The server's keys: one master key in a file, and everything else derived from it.
 *
 * Each purpose (token signing, sealing, object URLs, look-up hashes) has a key of its own by HKDF (RFC 5869), so that
 * none can stand in for another and only one secret has to be kept, moved and backed up. Processes of one fleet share
 * the file. Whoever reads it reads every device's secret, which is why a file open to others stops the start.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  timingSafeEqual,
} from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { ok, type Result, refuse } from '@waymark/domain'

export type Random = (count: number) => Uint8Array

export interface Keys {
  /** The HS256 key of one label (an epoch, see `token-keys.ts`) and the name it goes by in a token's header. */
  tokenKey(label: number | string): TokenKey
  /** The key that object URLs are signed with. */
  readonly objectUrls: Uint8Array
  /** A keyed hash to look secrets up by, 64 hex digits: equal for equal values of one purpose, worthless elsewhere. */
  lookup(purpose: string, value: string): string
  /**
   * Encrypts a text for one place (`device/<id>`): `w1.<base64url>`. Every call gives another text. It opens only with
   * the same place, so that a sealed secret copied to another record stays shut.
   */
  seal(plain: string, place: string): string
  unseal(sealed: string, place: string): Result<string, UnsealRefusal>
}

export interface TokenKey {
  readonly kid: string
  readonly secret: Uint8Array
}

export type UnsealRefusal =
  | { readonly kind: 'not-sealed'; readonly wanted: string }
  /** Another key, another place, or changed on the way: the cipher does not say which. */
  | { readonly kind: 'does-not-open'; readonly wanted: string }

export type KeyFileRefusal = {
  readonly kind: 'key-file-open' | 'key-file-malformed' | 'key-file-unreadable'
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

const masterBytes = 32
const nonceBytes = 12
const tagBytes = 16
const sealedForm = /^w1\.([\w-]{38,})$/

export function createKeys(master: Uint8Array, random: Random): Keys {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', master, new Uint8Array(), `waymark/1/${purpose}`, 32))
  const sealing = derive('sealing')
  const lookups = derive('lookup')
  return {
    objectUrls: derive('object-urls'),
    tokenKey(label) {
      const secret = derive(`tokens/${label}`)
      // Part of a hash of the key: two houses with the same epoch do not take each other's tokens for their own.
      const print = createHash('sha256').update(secret).digest('base64url').slice(0, 6)
      return { kid: `${label}-${print}`, secret }
    },
    lookup(purpose, value) {
      return createHmac('sha256', lookups).update(`${purpose}\0${value}`).digest('hex')
    },
    seal(plain, place) {
      const nonce = random(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce)
      cipher.setAAD(Buffer.from(place))
      const sealed = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `w1.${sealed.toString('base64url')}`
    },
    unseal(sealed, place) {
      const [, text] = sealedForm.exec(sealed) ?? []
      if (text === undefined) return refuse({ kind: 'not-sealed', wanted: 'w1.<base64url>' })
      const bytes = Buffer.from(text, 'base64url')
      const decipher = createDecipheriv('aes-256-gcm', sealing, bytes.subarray(0, nonceBytes), {
        authTagLength: tagBytes,
      })
      decipher.setAAD(Buffer.from(place))
      decipher.setAuthTag(bytes.subarray(-tagBytes))
      try {
        const plain = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
        return ok(Buffer.concat([plain, decipher.final()]).toString('utf8'))
      } catch {
        return refuse({ kind: 'does-not-open', wanted: place })
      }
    },
  }
}

/** Whether two secrets are equal, in a time that does not tell where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

/**
 * The master key of a file; made (mode 0600, in a folder of mode 0700) when the file is not there. The key is written
 * whole and on disk before it gets its name, so that two processes starting at once end up with one key, and a crash
 * with none or a whole one.
 */
export function openMasterKey(path: string, random: Random): Result<Uint8Array, KeyFileRefusal> {
  try {
    const found = readMasterKey(path)
    if (found !== 'absent') return found
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeMasterKey(path, random)
    const made = readMasterKey(path)
    if (made !== 'absent') return made
    throw new Error('it is gone again')
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error)
    return refuse({ kind: 'key-file-unreadable', thing: path, wanted: 'a file we may read and write', got })
  }
}

/** One line for people. */
export function describeKeyFileRefusal({ thing, wanted, got }: KeyFileRefusal): string {
  return `master key ${thing}: wanted ${wanted}, got ${got}`
}

/** The key in the file, why it is not taken, or `absent`. Makes nothing; throws the file system's error. */
export function readMasterKey(path: string): Result<Uint8Array, KeyFileRefusal> | 'absent' {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'absent'
    throw error
  }
  try {
    const mode = fstatSync(file).mode & 0o777
    // Windows has no such bits to look at.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      return refuse({
        kind: 'key-file-open',
        thing: path,
        wanted: 'mode 600, for its owner alone (chmod 600)',
        got: `mode ${mode.toString(8)}`,
      })
    const text = readFileSync(file, 'utf8').trim()
    const key = Buffer.from(text, 'base64')
    if (key.length !== masterBytes || key.toString('base64') !== text)
      return refuse({
        kind: 'key-file-malformed',
        thing: path,
        wanted: `${masterBytes} bytes in base64`,
        got: `${text.length} characters that are not`,
      })
    return ok(key)
  } finally {
    closeSync(file)
  }
}

function writeMasterKey(path: string, random: Random): void {
  const unnamed = `${path}.${Buffer.from(random(6)).toString('hex')}`
  const file = openSync(unnamed, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
  try {
    writeSync(file, `${Buffer.from(random(masterBytes)).toString('base64')}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  chmodSync(unnamed, 0o600)
  try {
    linkSync(unnamed, path)
  } catch (error) {
    // Another process was first: its key is the key.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    unlinkSync(unnamed)
  }
  syncFolder(dirname(path))
}

function syncFolder(path: string): void {
  if (process.platform === 'win32') return
  const folder = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
