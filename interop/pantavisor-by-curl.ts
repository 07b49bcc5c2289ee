/**
 * What a Pantavisor sends, from its first registration to an update that is DONE, sent by curl: absolute-form targets over
 * HTTP/1.0 from its one client, `Connection: close` over HTTP/1.1 from the other, over TLS where a certificate can be
 * made. Answers are read the way Pantavisor reads them: flat, the text after the first string of a name.
 */
import { canonicalJson, flatRead } from '@waymark/pantahub'
import { type Answer, type Ask, at, type Curl, createCurl, okay, sha256, textAt } from './curl.ts'
import { hold, type Report, type Step, same, scenario } from './report.ts'
import type { Server } from './server.ts'

const agent = 'Pantavisor/2 (Linux; aarch64) PV/029-rc1 Date/20260101'
/** Bytes of `Bearer …` it has room for. */
const bearerRoom = 1024
/** An answer that is larger is no answer to it. */
const answerRoom = 2 * 2 ** 20

export async function pantavisorByCurl(server: Server): Promise<Report> {
  return scenario('curl as Pantavisor', async (step) => {
    const device = createDevice(server)
    const owner = createOwner(server)
    await register(step, server, device)
    await claim(step, device, owner)
    await sync(step, device)
    await idle(step, device, owner)
    await update(step, device, owner)
    await older(step, device, owner)
    await joined(step, server, device)
  })
}

type Device = ReturnType<typeof createDevice>
type Owner = ReturnType<typeof createOwner>

function createDevice(server: Server) {
  const curl = createCurl(server, agent)
  const { host, origin } = new URL(server.url)
  const known = { id: '', prn: '', secret: '', token: '' }

  /** The client that registers, claims, syncs and sends logs: HTTP/1.0, the whole URL as target. */
  async function first(method: string, path: string, ask: Ask = {}): Promise<Answer> {
    const target = ['--http1.0', '--request-target', `${origin}${path}`]
    const headers = [`Host: ${host}`, 'Connection: close', ...(ask.headers ?? [])]
    const answer = await curl(method, `${origin}/`, { ...ask, headers, args: target })
    same('Transfer-Encoding', answer.headers.get('transfer-encoding') ?? null, null)
    same('Connection', answer.headers.get('connection'), 'close')
    return readable(answer)
  }

  /** The client that polls: HTTP/1.1, a path as target, one connection a request. */
  async function second(method: string, path: string, ask: Ask = {}): Promise<Answer> {
    const headers = ['Connection: close', ...(ask.headers ?? [])]
    return readable(
      await curl(method, path, { ...ask, headers, args: ['--http1.1', '--globoff', ...(ask.args ?? [])] }),
    )
  }

  return {
    known,
    curl,
    first,
    second,
    withToken: (ask: Ask = {}): Ask => ({ ...ask, token: known.token }),
    async login() {
      const json = JSON.stringify({ username: known.prn, password: known.secret })
      const { text } = await okay(first('POST', '/auth/login', { json }))
      known.token = tokenIn(text)
      hold('a bearer that fits', `Bearer ${known.token}`.length < bearerRoom, known.token.length)
    },
  }
}

function readable(answer: Answer): Answer {
  hold('an answer of 2 MiB or less', answer.bytes.length <= answerRoom, answer.bytes.length)
  return answer
}

/** Its reading of a login: the last string behind any that begins with `token`. */
function tokenIn(text: string): string {
  const strings = [...text.matchAll(/"([^"]*)"/g)].map(([, inside = '']) => inside)
  hold('a string that begins with token', strings.findIndex((found) => found.startsWith('token')) >= 0, text)
  const last = strings.at(-1) ?? ''
  hold('a JWT as the last string', /^[\w-]+\.[\w-]+\.[\w-]+$/.test(last), text)
  same('the same by name', flatRead(text, 'token'), last)
  return last
}

function createOwner(server: Server) {
  const curl: Curl = createCurl(server, 'go-resty/2.3.0 (https://github.com/go-resty/resty)')
  let token = ''
  return {
    async ask(method: string, path: string, json?: string): Promise<Answer> {
      if (token === '') {
        const login = JSON.stringify({ username: server.admin.name, password: server.admin.password })
        token = textAt((await okay(curl('POST', '/auth/login', { json: login }))).json, 'token')
      }
      return okay(curl(method, path, { token, ...(json === undefined ? {} : { json }) }))
    },
    async upload(name: string, bytes: Buffer): Promise<string> {
      const sha = sha256(bytes)
      const json = JSON.stringify({ objectname: name, size: String(bytes.length), sha256sum: sha })
      const made = await this.ask('POST', '/objects/', json)
      await okay(curl('PUT', textAt(made.json, 'signed-puturl'), { bytes }))
      return sha
    },
  }
}

/** What it takes from a record of a device. */
function readDevice(text: string) {
  const read = (name: string) => flatRead(text, name) ?? ''
  return {
    id: read('id'),
    prn: read('prn'),
    secret: read('secret'),
    owner: read('owner'),
    challenge: read('challenge'),
  }
}

async function register(step: Step, server: Server, device: Device): Promise<void> {
  const scheme = new URL(server.url).protocol.slice(0, -1)
  await step(
    `registers without a body and without a length (HTTP/1.0, ${scheme}://… as target)`,
    async () => {
      const answer = await okay(device.first('POST', '/devices/'))
      const record = readDevice(answer.text)
      hold('an id of 24 hex digits', /^[0-9a-f]{24}$/.test(record.id), record.id)
      same('prn', record.prn, `prn:::devices:/${record.id}`)
      same('owner', at(answer.json, 'owner'), '')
      const metas = answer.text.indexOf('"user-meta"')
      for (const name of ['id', 'prn', 'owner', 'secret', 'challenge'])
        hold(`${name} before the metas`, answer.text.indexOf(`"${name}"`) < metas, answer.text)
      Object.assign(device.known, record)
    },
  )
  await step('without a User-Agent it is 403', async () => {
    const args = ['-H', 'User-Agent:']
    same('status', (await device.second('POST', '/devices/', { args })).status, 403)
  })
}

async function claim(step: Step, device: Device, owner: Owner): Promise<void> {
  const path = () => `/devices/${device.known.id}`
  await step('waits for its claim: logs in, reads its record twice, shows the challenge', async () => {
    await device.login()
    for (let i = 0; i < 2; i++) {
      const record = readDevice((await okay(device.first('GET', path(), device.withToken()))).text)
      hold('a challenge', /^\w+-\w+-\w+$/.test(record.challenge), record.challenge)
      same('owner', record.owner, '')
    }
  })
  await step('is claimed: the owner is there at its next look, the challenge is gone', async () => {
    const { challenge } = readDevice((await device.first('GET', path(), device.withToken())).text)
    await owner.ask('PUT', `${path()}?challenge=${challenge}`)
    const { json } = await okay(device.first('GET', path(), device.withToken()))
    hold('an owner', textAt(json, 'owner').startsWith('prn:'))
    same('challenge', at(json, 'challenge') ?? null, null)
    await device.login()
  })
}

async function sync(step: Step, device: Device): Promise<void> {
  const kernel = Buffer.alloc(300_000, 'kernel ')
  const sha = sha256(kernel)
  await step('an empty list of trails means: not synced yet', async () => {
    same('trails', (await okay(device.first('GET', '/trails/', device.withToken()))).text.trim(), '[]')
  })
  await step(
    'syncs: registers an object, PUTs it at /local-s3 of its own host, 409 the second time',
    async () => {
      const json = JSON.stringify({
        objectname: 'bsp/kernel.img',
        size: String(kernel.length),
        sha256sum: sha,
      })
      const made = await okay(device.first('POST', '/objects/', device.withToken({ json })))
      const put = flatRead(made.text, 'signed-puturl') ?? ''
      const cut = put.indexOf('/local-s3')
      hold('/local-s3 in the put URL', cut > 0, put)
      // It labels bytes as JSON.
      const headers = ['Content-Type: application/json']
      await okay(device.first('PUT', put.slice(cut), { bytes: kernel, headers }))
      same('again', (await device.first('POST', '/objects/', device.withToken({ json }))).status, 409)
    },
  )
  await step('syncs: announces its factory state; then it has a trail', async () => {
    const json = canonicalJson({
      '#spec': 'pantavisor-service-system@1',
      'bsp/kernel.img': sha,
      'bsp/run.json': { kernel: 'kernel.img' },
    })
    await okay(device.first('POST', '/trails/', device.withToken({ json })))
    const { json: trails } = await okay(device.first('GET', '/trails/', device.withToken()))
    same('trails', Array.isArray(trails) ? trails.length : trails, 1)
  })
}

/** Its own way of asking: `$`, `:` and `,` as they are, the rest percent-encoded. */
const openSteps =
  '%7B%22$in%22:%5B%22NEW%22,%22DOWNLOADING%22,%22INPROGRESS%22,%22TESTING%22,%22QUEUED%22%5D%7D'

function poll(device: Device, query = openSteps): Promise<Answer> {
  const path = `/trails/${device.known.id}/steps?progress.status=${query}`
  return okay(device.second('GET', path, device.withToken()))
}

async function idle(step: Step, device: Device, owner: Owner): Promise<void> {
  const path = `/devices/${device.known.id}`
  await step('idle: no step, its user-meta, its device-meta put', async () => {
    same('steps', (await poll(device)).text, '[]')
    await owner.ask('PUT', `${path}/user-meta`, '{"pvr-sdk.authorized_keys":"ssh-ed25519 AAAA","note":"a/b"}')
    const meta = await okay(device.second('GET', `${path}/user-meta`, device.withToken()))
    same('user-meta', at(meta.json, 'pvr-sdk.authorized_keys'), 'ssh-ed25519 AAAA')
    hold('slashes as they are', meta.text.includes('"a/b"'), meta.text)
    const json = JSON.stringify({
      'pantahub.state': 'idle',
      'pantavisor.revision': '0',
      interfaces: { lo: ['127.0.0.1'] },
    })
    const put = await okay(device.second('PUT', `${path}/device-meta`, device.withToken({ json })))
    same('the reply', put.json, { status: 'ok' })
  })
  await step('sends 200 lines of log at once', async () => {
    const lines = Array.from({ length: 200 }, (_, i) => ({
      src: 'pantavisor',
      msg: `line ${i}`,
      lvl: 'DEBUG',
      tsec: 0,
      tnano: 0,
      rev: '0',
      plat: 'pantavisor',
    }))
    const sent = await okay(device.first('POST', '/logs/', device.withToken({ json: JSON.stringify(lines) })))
    same('the reply', sent.json, { status: 'ok' })
    const read = await owner.ask('GET', `/logs/?dev=${device.known.id}&page=500&sort=time-created`)
    const told = (at(read.json, 'entries') ?? []) as readonly { readonly msg: string }[]
    same(
      'lines in their order',
      told.map(({ msg }) => msg),
      lines.map(({ msg }) => msg),
    )
  })
}

async function update(step: Step, device: Device, owner: Owner): Promise<void> {
  const rootfs = Buffer.alloc(3_000_000, 'rootfs ')
  const sha = await step('its owner posts a step with a file', async () => {
    const sha = await owner.upload('app/root.squashfs', rootfs)
    const state = {
      '#spec': 'pantavisor-service-system@1',
      'app/root.squashfs': sha,
      'app/run.json': { n: 0.25 },
    }
    const json = JSON.stringify({ rev: -1, 'commit-msg': 'rev', meta: { state: 'x', rev: 9 }, state })
    await owner.ask('POST', `/trails/${device.known.id}/steps`, json)
    return sha
  })
  await step('is offered the step, and reads rev, progress and state flat', async () => {
    const { text } = await poll(device)
    same('rev', flatRead(text, 'rev'), '1')
    same('progress', flatRead(flatRead(text, 'progress') ?? '', 'status'), 'NEW')
    const state = flatRead(text, 'state') ?? ''
    same('state-sha of the text as it came', sha256(state), flatRead(text, 'state-sha'))
    hold('the state canonical', state.includes('"n":2.5E-1'), state)
  })
  await step('prepares and downloads: the record, then the signed URL alone, the hash right', async () => {
    const { text } = await okay(device.second('GET', `/objects/${sha}`, device.withToken()))
    same('sha256sum', flatRead(text, 'sha256sum'), sha)
    same('size', flatRead(text, 'size'), String(rootfs.length))
    const url = (flatRead(text, 'signed-geturl') ?? '').replaceAll('\\u0026', '&')
    hold('the secret in the path, nothing in the query', !url.includes('?'), url)
    const got = await okay(device.curl('GET', url, { headers: ['Connection: close'] }))
    same('sha256 of what came', sha256(got.bytes), sha)
    same('Content-Length', got.headers.get('content-length'), String(rootfs.length))
  })
  await step('goes on with a download that broke off', async () => {
    const { text } = await okay(device.second('GET', `/objects/${sha}`, device.withToken()))
    const half = await device.curl('GET', flatRead(text, 'signed-geturl') ?? '', {
      headers: ['Range: bytes=1000000-'],
    })
    same('status', half.status, 206)
    same('the rest', sha256(half.bytes), sha256(rootfs.subarray(1_000_000)))
  })
  const total = {
    object_name: 'total',
    object_id: 'none',
    total_size: rootfs.length,
    total_downloaded: 1_000_000,
  }
  for (const [status, progress, more] of [
    ['QUEUED', 5, { 'status-msg': 'Retried 1 of 10', retries: 1 }],
    [
      'DOWNLOADING',
      25,
      { 'status-msg': '', downloads: { total: { ...total, start_time: 1, current_time: 2 } } },
    ],
    ['INPROGRESS', 50, { 'status-msg': 'Transitioning to new revision without rebooting' }],
    ['TESTING', 75, { 'status-msg': 'Awaiting to see if update is stable' }],
    ['UPDATED', 100, { 'status-msg': 'Update finished, revision not set as rollback point' }],
  ] as const)
    await step(`reports ${status}`, async () => {
      const json = JSON.stringify({ status, progress, ...more })
      const path = `/trails/${device.known.id}/steps/1/progress`
      const told = await okay(device.second('PUT', path, device.withToken({ json })))
      same('status', at(told.json, 'status'), status)
      const { json: seen } = await owner.ask('GET', `/trails/${device.known.id}/summary`)
      same(
        'what the owner sees',
        [at(seen, 'status') ?? null, at(seen, 'progress') ?? null],
        [status, progress],
      )
    })
  await step('is offered nothing any more', async () => {
    same('steps', (await poll(device)).text, '[]')
  })
}

async function older(step: Step, device: Device, owner: Owner): Promise<void> {
  await step('an older one: a poll per status, device-meta merged, user-meta from the record', async () => {
    const json = JSON.stringify({
      rev: 2,
      'commit-msg': 'older',
      state: { '#spec': 'pantavisor-service-system@1' },
    })
    await owner.ask('POST', `/trails/${device.known.id}/steps`, json)
    for (const word of ['INPROGRESS', 'DOWNLOADING', 'QUEUED'])
      same(word, (await poll(device, word)).text, '[]')
    same('NEW', flatRead((await poll(device, 'NEW')).text, 'rev'), '2')
    const path = `/devices/${device.known.id}`
    const patch = device.withToken({ json: '{"pantavisor.version":"old","pantahub.state":null}' })
    await okay(device.second('PATCH', `${path}/device-meta`, patch))
    const { json: record } = await okay(device.second('GET', path, device.withToken()))
    same('user-meta', at(record, 'user-meta', 'note'), 'a/b')
    same('device-meta', at(record, 'device-meta', 'pantavisor.version'), 'old')
    same('the key that was null', at(record, 'device-meta', 'pantahub.state') ?? null, null)
    const told = JSON.stringify({
      status: 'ERROR',
      'status-msg': 'Hub not reachable',
      progress: 0,
      data: '3',
    })
    await okay(
      device.second('PUT', `/trails/${device.known.id}/steps/2/progress`, device.withToken({ json: told })),
    )
    same('NEW then', (await poll(device, 'NEW')).text, '[]')
  })
}

async function joined(step: Step, server: Server, device: Device): Promise<void> {
  const owner = createOwner(server)
  await step(
    'registers with a join token: owned at once, the default user-meta there, no challenge',
    async () => {
      const made = await owner.ask('POST', '/devices/tokens', '{"default-user-meta":{"site":"lab"}}')
      const token = textAt(made.json, 'token')
      hold('a token of 64 characters or less', token.length <= 64, token.length)
      const headers = [`Pantahub-Devices-Auto-Token-V1: ${token}`]
      const { json } = await okay(device.first('POST', '/devices/', { headers }))
      hold('an owner', textAt(json, 'owner').startsWith('prn:'))
      same('challenge', at(json, 'challenge') ?? null, null)
      same('user-meta', at(json, 'user-meta', 'site'), 'lab')
    },
  )
}
