/**
 * An external helper for credentials: a program that registers this device and logs it in, for secrets that the agent
 * should not see (a key in a chip, an authority of the maker's).
 *
 * `creds.type=ext-<name>` names the program of that name in the folder `creds.helpers`. It is run as `<program> register`
 * and `<program> login`, with `PH_CREDS_HOST` (the hub's address), and for a login `PH_CREDS_ID` and `PH_CREDS_PRN`, and
 * answers in `KEY=value` lines: `PH_CREDS_ID`, `PH_CREDS_PRN`, and when there are such things `PH_CREDS_SECRET` and
 * `CHALLENGE`; for a login `TOKEN`. An exit code other than 0 is no answer; the last line of its errors says why.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { parseKeyValues } from '../credentials.ts'
import type { CredentialHelper } from '../hub.ts'

/** So much a helper may say. Bytes. */
const saidMax = 64 * 1024

export interface HelperSettings {
  readonly name: string
  readonly folder: string
  readonly hub: string
  readonly timeoutMs: number
}

/** Makes the helper; the program is looked for when it is needed. */
export function createHelper({ name, folder, hub, timeoutMs }: HelperSettings): CredentialHelper {
  const program = join(folder, name)

  function ask(verb: string, about: Readonly<Record<string, string>>, signal: AbortSignal) {
    return new Promise<ReadonlyMap<string, string>>((resolve, reject) => {
      const child = spawn(program, [verb], {
        env: { PATH: process.env.PATH, PH_CREDS_HOST: hub, ...about },
        stdio: ['ignore', 'pipe', 'pipe'],
        signal,
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
      })
      const said = { out: '', err: '' }
      const hear = (from: 'out' | 'err') => (part: Buffer) => {
        said[from] += part.toString()
        if (said[from].length > saidMax) child.kill('SIGKILL')
      }
      child.stdout.on('data', hear('out'))
      child.stderr.on('data', hear('err'))
      child.once('error', (cause) => reject(new Error(`helper ${name}: ${cause.message}`)))
      child.once('close', (code, by) => {
        if (code === 0) return resolve(parseKeyValues(said.out))
        const why = said.err.trim().split('\n').at(-1) ?? ''
        reject(
          new Error(
            `helper ${name} ${verb}: ${code === null ? `ended by ${by}` : `exit code ${code}`} ${why}`.trim(),
          ),
        )
      })
    })
  }

  return {
    async register(signal) {
      const said = await ask('register', {}, signal)
      return {
        id: said.get('PH_CREDS_ID') ?? '',
        prn: said.get('PH_CREDS_PRN') ?? '',
        // Kept so that the identity is whole; a helper that holds it back is asked for every login all the same.
        secret: said.get('PH_CREDS_SECRET') || 'external',
        challenge: said.get('CHALLENGE') ?? '',
      }
    },
    async login({ id, prn }, signal) {
      return (await ask('login', { PH_CREDS_ID: id, PH_CREDS_PRN: prn }, signal)).get('TOKEN')
    },
  }
}
