/**
 * Where logins are kept between commands: `~/.config/waymark/credentials.json`, readable by its owner alone. Several
 * servers stand side by side; the one that was logged in to last is taken when none is named.
 */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure } from './io.ts'

/** A login to one server. Times are milliseconds since 1970. */
export interface Login {
  readonly name: string
  readonly token: string
  readonly obtainedAt: number
  readonly expiresAt: number
}

export interface Credentials {
  /** The server that is meant when none is named. */
  readonly server?: string | undefined
  readonly logins: Readonly<Record<string, Login>>
}

export const noCredentials: Credentials = { logins: {} }

/** The file, below XDG_CONFIG_HOME or `~/.config`. */
export function credentialsFile(env: Readonly<Record<string, string | undefined>>, home: string): string {
  return join(env.XDG_CONFIG_HOME || join(env.HOME || home, '.config'), 'waymark', 'credentials.json')
}

/** The credentials with one login put in; it becomes the server that is meant when none is named. */
export function withLogin(credentials: Credentials, server: string, login: Login): Credentials {
  return { server, logins: { ...credentials.logins, [server]: login } }
}

/** Reads the file; none is no login. Refused when others can read it, and when it is not ours. */
export async function readCredentials(file: string): Promise<Credentials> {
  let text: string
  try {
    const { mode } = await stat(file)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new Failure(
        1,
        `${file}: wanted a file that only you can read (chmod 600), got mode ${(mode & 0o777).toString(8)}`,
      )
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return noCredentials
    throw error
  }
  const parsed = parseCredentials(text)
  if (parsed === undefined) throw new Failure(1, `${file}: wanted credentials as waymark login writes them`)
  return parsed
}

/** Writes the file whole or not at all, and never readable to others, not even for a moment. */
export async function writeCredentials(file: string, credentials: Credentials): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const fresh = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await writeFile(fresh, `${JSON.stringify(credentials, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' })
    await chmod(fresh, 0o600)
    await rename(fresh, file)
  } catch (error) {
    await unlink(fresh).catch(() => {})
    throw error
  }
}

/** Credentials from their text; undefined when it is anything else. */
export function parseCredentials(text: string): Credentials | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(value) || !isRecord(value.logins)) return undefined
  const { server } = value
  if (server !== undefined && typeof server !== 'string') return undefined
  const logins: Record<string, Login> = {}
  for (const [url, raw] of Object.entries(value.logins)) {
    if (!isRecord(raw)) return undefined
    const { name, token, obtainedAt, expiresAt } = raw
    if (typeof name !== 'string' || typeof token !== 'string') return undefined
    if (typeof obtainedAt !== 'number' || typeof expiresAt !== 'number') return undefined
    logins[url] = { name, token, obtainedAt, expiresAt }
  }
  return { ...(server === undefined ? {} : { server }), logins }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
