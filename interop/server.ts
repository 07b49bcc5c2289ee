/** A server to meet: a process of its own, on free ports and an empty folder, ended with the scenario. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const program = "import { main } from '@waymark/cli'; await main(process.argv.slice(1))"

export interface Server {
  /** Without a slash at its end. */
  readonly url: string
  /** Where ExoPort devices dial in. */
  readonly exoport: string
  readonly admin: { readonly name: string; readonly password: string }
  /** The certificate that vouches for it, when it speaks TLS. */
  readonly ca?: string
  /** A folder for whatever the client keeps; gone with the server. */
  readonly folder: string
  stop(): Promise<void>
}

/** Starts one on HTTP; with `tls`, on HTTPS alone, where there is an `openssl` to make the certificate. */
export async function startServer({ tls = false }: { tls?: boolean } = {}): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-interop-'))
  const files = tls ? makeCertificate(folder) : undefined
  const listen = files
    ? ['--http', 'off', '--https', '0', '--tls-cert', files.cert, '--tls-key', files.key]
    : ['--http', '0']
  const admin = { name: 'admin', password: 'correct horse battery' }
  const child = spawn(
    process.execPath,
    [
      '--conditions=source',
      '--input-type=module',
      '-e',
      program,
      '--',
      'up',
      '--data',
      join(folder, 'data'),
    ].concat(listen, ['--exoport', '0', '--allow-private-targets', '--log-level', 'warn']),
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, WAYMARK_ADMIN_PASSWORD: admin.password },
    },
  )
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const { url, exoport } = await new Promise<{ url: string; exoport: string }>((resolve, reject) => {
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
      const address = (name: RegExp) => name.exec(out)?.[1] ?? ''
      if (/^ready$/m.test(out))
        resolve({
          url: address(/^listening https? (\S+)$/m),
          exoport: address(/^listening exoport (\S+)$/m),
        })
    })
    child.on('close', (code) => reject(new Error(`the server ended with ${code} before it was ready`)))
  })
  return {
    url,
    exoport,
    admin,
    folder,
    ...(files ? { ca: files.cert } : {}),
    async stop() {
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function makeCertificate(folder: string): { cert: string; key: string } | undefined {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const made = spawnSync('openssl', ['req', ...kind, ...subject, '-out', cert, '-keyout', key], {
    stdio: 'ignore',
  })
  return made.status === 0 ? { cert, key } : undefined
}

/** The first line a program answers to such arguments; undefined where there is no such program. */
export function versionOf(command: string, args: readonly string[]): string | undefined {
  const asked = spawnSync(command, [...args], { encoding: 'utf8' })
  return asked.status === 0 ? asked.stdout.split('\n')[0]?.trim() : undefined
}
