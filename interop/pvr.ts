/**
 * pvr itself, the published client: found on PATH, or installed with the Go toolchain into a folder of its own. It is
 * run on a terminal, asks for name and password, and does what its users do; after each command the server is asked
 * what came of it.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonValue } from '@waymark/pantahub'
import { at, createCurl, okay, sha256, textAt } from './curl.ts'
import { hold, type Report, type Step, same, scenario } from './report.ts'
import { type Server, versionOf } from './server.ts'
import { talk } from './terminal.ts'

const module = 'gitlab.com/pantacor/pvr@latest'

export interface FoundPvr {
  readonly program: string
  /** Removes what was installed. */
  release(): void
}

/** pvr on PATH, else by `go install`; else why there is none. */
export async function findPvr(): Promise<FoundPvr | { readonly missing: string }> {
  if (versionOf('python3', ['--version']) === undefined)
    return { missing: 'it asks on a terminal, and python3, which would give it one, is not installed' }
  if (versionOf('curl', ['--version']) === undefined) return { missing: 'curl is not installed' }
  if (versionOf('pvr', ['--version']) !== undefined) return { program: 'pvr', release: () => {} }
  if (versionOf('go', ['version']) === undefined) return { missing: 'neither pvr nor go is installed' }
  const folder = mkdtempSync(join(tmpdir(), 'waymark-pvr-'))
  const why = await install(folder)
  const program = join(folder, 'pvr')
  if (why === undefined && existsSync(program))
    return { program, release: () => rmSync(folder, { recursive: true, force: true }) }
  rmSync(folder, { recursive: true, force: true })
  return { missing: `not installed, and go install ${module} failed: ${why ?? 'it made no program'}` }
}

/** Answers why it failed. */
function install(folder: string): Promise<string | undefined> {
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-modcacherw' }
  return new Promise((resolve) => {
    execFile('go', ['install', module], { env, timeout: 300_000 }, (error, _stdout, stderr) => {
      // The reason is the end of its line; what comes before names the proxy that was asked.
      const [, reason = 'go says why not'] = /: (\d{3} .*|[^:\n]*)$/m.exec(stderr.trim()) ?? []
      resolve(error ? reason : undefined)
    })
  })
}

export async function pvr(server: Server, { program }: FoundPvr): Promise<Report> {
  const home = join(server.folder, 'home')
  mkdirSync(home)
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    TERM: 'xterm',
    PVR_DISABLE_SELF_UPGRADE: '1',
    PVR_BASEURL: server.url,
  }
  const curl = createCurl(server, 'waymark-interop')
  const { name, password } = server.admin
  const asks = [
    ['(?i)user.*: *$', name],
    ['(?i)pass.*: *$', password],
  ] as const

  /** Runs `pvr …` in a folder; it has to end well. */
  async function run(cwd: string, args: readonly string[], limitMs?: number): Promise<string> {
    const how = { cwd, env, answers: asks, ...(limitMs === undefined ? {} : { limitMs }) }
    const { code, shown } = await talk([program, ...args], how)
    if (code !== 0 && !(code === 124 && limitMs !== undefined))
      throw new Error(`pvr ${args.join(' ')} ended with ${code}: ${shown.slice(-500)}`)
    return shown
  }

  let token = ''
  async function seen(path: string): Promise<JsonValue> {
    return (await okay(curl('GET', path, { token }))).json
  }

  return scenario('pvr', async (step: Step) => {
    await step('login through its prompts, whoami', async () => {
      await run(home, ['login'])
      const shown = await run(home, ['whoami'])
      hold('its user', shown.includes(name), shown)
      const json = JSON.stringify({ username: name, password })
      token = textAt((await okay(curl('POST', '/auth/login', { json }))).json, 'token')
    })

    const kernel = Buffer.alloc(100_000, 'kernel ')
    const device = await step('claim', async () => {
      const made = (await okay(curl('POST', '/devices/'))).json
      const id = textAt(made, 'id')
      await run(home, ['claim', '-c', textAt(made, 'challenge'), `${server.url}/devices/${id}`])
      hold('an owner', textAt(await seen(`/devices/${id}`), 'owner') !== '')
      const login = JSON.stringify({ username: textAt(made, 'prn'), password: textAt(made, 'secret') })
      const own = textAt((await okay(curl('POST', '/auth/login', { json: login }))).json, 'token')
      await announce(own, kernel)
      return { id, token: own, nick: textAt(await seen(`/devices/${id}`), 'nick') }
    })
    const url = `${server.url}/trails/${device.id}`
    const folder = join(home, 'device')

    await step('clone: the files of the factory state', async () => {
      await run(home, ['clone', url, folder])
      same('bsp/kernel.img', sha256(readFileSync(join(folder, 'bsp/kernel.img'))), sha256(kernel))
    })

    const app = Buffer.alloc(250_000, 'app ')
    await step('add, commit, post: a step with a new file', async () => {
      mkdirSync(join(folder, 'app'))
      writeFileSync(join(folder, 'app/root.squashfs'), app)
      writeFileSync(join(folder, 'app/run.json'), '{"#spec":"service-manifest-run@1","name":"app"}')
      await run(folder, ['add', '.'])
      await run(folder, ['commit'])
      await run(folder, ['post', '-m', 'posted by pvr', url])
      const posted = await seen(`/trails/${device.id}/steps/1`)
      same('commit-msg', at(posted, 'commit-msg'), 'posted by pvr')
      same('app/root.squashfs', at(posted, 'state', 'app/root.squashfs'), sha256(app))
    })

    await step('put: the state of the step that is still NEW', async () => {
      writeFileSync(join(folder, 'app/run.json'), '{"#spec":"service-manifest-run@1","name":"other"}')
      await run(folder, ['add', '.'])
      await run(folder, ['commit'])
      await run(folder, ['put', url])
      same('state', at(await seen(`/trails/${device.id}/steps/1/state`), 'app/run.json', 'name'), 'other')
    })

    await step('device create: a device with the state of the folder', async () => {
      await run(folder, ['device', 'create', 'made_by_pvr'])
      const made = await seen('/devices/made_by_pvr')
      const state = await seen(`/trails/${textAt(made, 'id')}/steps/0/state`)
      same('app/root.squashfs', at(state, 'app/root.squashfs'), sha256(app))
    })

    await step('device get, set, ps', async () => {
      hold('its id', (await run(home, ['device', 'get', device.nick])).includes(device.id))
      await run(home, ['device', 'set', device.nick, 'pvr-sdk.note=from pvr'])
      same('user-meta', at(await seen(`/devices/${device.id}/user-meta`), 'pvr-sdk.note'), 'from pvr')
      const listed = await run(home, ['device', 'ps'])
      hold('its id, cut', listed.includes(device.id.slice(0, 8)), listed)
    })

    await step('device logs: a line that is sent while it follows', async () => {
      const following = run(home, ['device', 'logs', device.nick], 8000)
      await new Promise((resolve) => setTimeout(resolve, 3000))
      const json = JSON.stringify([
        { src: 'app', msg: 'seen by pvr', lvl: 'INFO', tsec: 0, tnano: 0, rev: '0' },
      ])
      await okay(curl('POST', '/logs/', { token: device.token, json }))
      const shown = await following
      hold('the line', shown.includes('seen by pvr'), shown)
    })
  })

  async function announce(own: string, kernel: Buffer): Promise<void> {
    const sha = sha256(kernel)
    const json = JSON.stringify({ objectname: 'bsp/kernel.img', size: String(kernel.length), sha256sum: sha })
    const made = await okay(curl('POST', '/objects/', { token: own, json }))
    await okay(curl('PUT', textAt(made.json, 'signed-puturl'), { bytes: kernel }))
    const state = { '#spec': 'pantavisor-service-system@1', 'bsp/kernel.img': sha, 'bsp/run.json': {} }
    await okay(curl('POST', '/trails/', { token: own, json: JSON.stringify(state) }))
  }
}
