/**
 * What pvr's commands send, request by request, sent by curl. Each command starts without a bearer, as pvr's do: the
 * first answer has to be the 401 whose header says where to log in, read here the way pvr reads it.
 */
import { canonicalJson, type JsonObject, type JsonValue } from '@waymark/pantahub'
import { type Answer, at, createCurl, okay, sha256, textAt } from './curl.ts'
import { hold, type Report, type Step, same, scenario } from './report.ts'
import { type Server, versionOf } from './server.ts'

const goAgent = 'go-resty/2.3.0 (https://github.com/go-resty/resty)'
const anonymousScope = ['devices', 'objects', 'trails']
  .map((family) => `prn:pantahub.com:apis:/base/${family}.readonly`)
  .join(' ')

export function findCurl(): string | undefined {
  return versionOf('curl', ['--version'])
}

export async function pvrByCurl(server: Server): Promise<Report> {
  return scenario('curl as pvr', async (step) => {
    const pvr = createPvr(server)
    await step('login: 401 tells the endpoint, login gives a token, whoami knows it', async () => {
      await pvr.login()
      const who = await okay(pvr.curl('GET', `${pvr.endpoint()}/auth_status`, { token: pvr.token() }))
      same('type', at(who.json, 'type'), 'USER')
      same('nick', at(who.json, 'nick'), server.admin.name)
      hold('a prn', textAt(who.json, 'prn').startsWith('prn:'))
    })
    const device = await step('claim: PUT with the challenge and no body', () => claim(pvr))
    await accounts(step, pvr)
    await trail(step, pvr, device)
    await devices(step, pvr, device)
    await logs(step, pvr, device)
  })
}

interface Device {
  readonly id: string
  readonly prn: string
  readonly nick: string
  readonly token: string
}

type Pvr = ReturnType<typeof createPvr>

/** The state pvr keeps between commands, and how it asks. */
function createPvr(server: Server) {
  const curl = createCurl(server, goAgent)
  let endpoint = ''
  let token = ''

  /** One command's first request: bare, refused as pvr needs it, then with the stored token. */
  async function ask(method: string, url: string, json?: string): Promise<Answer> {
    const bare = await curl(method, url, json === undefined ? {} : { json })
    same(`${method} ${url} without a bearer`, bare.status, 401)
    endpoint = endpointOf(bare)
    return okay(curl(method, url, { token, ...(json === undefined ? {} : { json }) }))
  }

  return {
    server,
    curl,
    ask,
    endpoint: () => endpoint,
    token: () => token,
    async login() {
      const bare = await curl('GET', '/auth/auth_status')
      same('status', bare.status, 401)
      endpoint = endpointOf(bare)
      const json = JSON.stringify({ username: server.admin.name, password: server.admin.password, scope: '' })
      token = textAt((await okay(curl('POST', `${endpoint}/login`, { json }))).json, 'token')
      await okay(curl('GET', '/auth/auth_status', { token }))
    },
  }
}

/** pvr's reading: at the first space, at comma and space, at the equals sign; realm and ph-aeps have to be there. */
function endpointOf(answer: Answer): string {
  const header = answer.headers.get('www-authenticate') ?? ''
  const space = header.indexOf(' ')
  hold('JWT or Bearer', ['JWT', 'Bearer'].includes(header.slice(0, space)), header)
  const fields = new Map(
    header
      .slice(space + 1)
      .split(', ')
      .map((part) => part.split('=') as [string, string])
      .map(([name, value]) => [name, value.replace(/^"|"$/g, '')]),
  )
  hold('a realm', (fields.get('realm') ?? '') !== '', header)
  const [first = ''] = (fields.get('ph-aeps') ?? '').split(',')
  hold('ph-aeps with an endpoint', /^https?:\/\/.*\/auth$/.test(first), header)
  return first
}

/** A device that somebody claims: it registers by itself, then `pvr claim -c CHALLENGE URL`. */
async function claim(pvr: Pvr): Promise<Device> {
  const { curl } = pvr
  const { json } = await okay(curl('POST', '/devices/', { agent: 'Pantavisor/2 (Linux; aarch64) PV/029' }))
  const url = `/devices/${textAt(json, 'id')}?challenge=${textAt(json, 'challenge')}`
  const claimed = await pvr.ask('PUT', url)
  hold('an owner', textAt(claimed.json, 'owner').startsWith('prn:'))
  const login = { username: textAt(json, 'prn'), password: textAt(json, 'secret') }
  const entered = await okay(curl('POST', '/auth/login', { json: JSON.stringify(login) }))
  return {
    id: textAt(json, 'id'),
    prn: login.username,
    nick: textAt(claimed.json, 'nick'),
    token: textAt(entered.json, 'token'),
  }
}

async function accounts(step: Step, pvr: Pvr): Promise<void> {
  await step('register: a new account, or where to complete it; the same again is 412', async () => {
    const json = JSON.stringify({ nick: 'interop', email: 'interop@example.com', password: 'another horse' })
    const { json: made } = await okay(pvr.curl('POST', '/auth/accounts', { json }))
    hold(
      'an account or a redirect-uri',
      at(made, 'nick') === 'interop' || at(made, 'redirect-uri') !== undefined,
      made,
    )
    same('again', (await pvr.curl('POST', '/auth/accounts', { json })).status, 412)
  })
  await step('completion: GET /auth/login refreshes the token', async () => {
    textAt((await okay(pvr.curl('GET', '/auth/login', { token: pvr.token() }))).json, 'token')
  })
}

interface Remote {
  readonly json: JsonValue
  readonly state: JsonObject
}

/** `.pvrremote` and the state it points to. */
async function remote(pvr: Pvr, url: string): Promise<Remote> {
  const { json } = await pvr.ask('GET', `${url}/.pvrremote`)
  same('pvr-spec', at(json, 'pvr-spec'), 'pvr-pantahub-1')
  same('json-key', at(json, 'json-key'), 'state')
  same('post-fields', at(json, 'post-fields'), ['commit-msg'])
  same('post-fields-opt', at(json, 'post-fields-opt'), ['rev'])
  const state = await okay(pvr.curl('GET', textAt(json, 'json-get-url'), { token: pvr.token() }))
  same('the state is canonical', state.text, canonicalJson(state.json))
  return { json, state: state.json as JsonObject }
}

/** `objects-endpoint/` for one file: registered, uploaded, and 409 from then on. */
async function pushObject(pvr: Pvr, endpoint: string, name: string, bytes: Buffer): Promise<string> {
  const sha = sha256(bytes)
  // Every key of the record is sent, those that are not known as empty texts.
  const record = {
    id: '',
    'storage-id': '',
    owner: '',
    objectname: name,
    sha256sum: sha,
    size: String(bytes.length),
  }
  const rest = { 'mime-type': '', 'signed-puturl': '', 'signed-geturl': '', now: '', 'expire-time': '' }
  const json = JSON.stringify({ ...record, ...rest })
  const made = await okay(pvr.curl('POST', `${endpoint}/`, { token: pvr.token(), json }))
  same('Pantahub-Object-Type', made.headers.get('pantahub-object-type'), 'object')
  same('size', at(made.json, 'size'), String(bytes.length))
  same('sizeint', at(made.json, 'sizeint'), bytes.length)
  const put = await okay(
    pvr.curl('PUT', textAt(made.json, 'signed-puturl'), { bytes, agent: 'Go-http-client/1.1' }),
  )
  same('the body behind a PUT', put.text, '')
  const again = await pvr.curl('POST', `${endpoint}/`, { token: pvr.token(), json })
  same('registered again', [again.status, again.headers.get('pantahub-object-type')], [409, 'object'])
  hold('the record in the 409 (for -f)', textAt(again.json, 'signed-puturl').startsWith('http'))
  return sha
}

async function trail(step: Step, pvr: Pvr, device: Device): Promise<void> {
  const { curl } = pvr
  const url = `${pvr.server.url}/trails/${device.id}`
  const kernel = Buffer.alloc(70_000, 'kernel ')
  await step('the device announces its factory state with a file', async () => {
    const sha = sha256(kernel)
    const json = JSON.stringify({ objectname: 'bsp/kernel.img', size: String(kernel.length), sha256sum: sha })
    const made = await okay(curl('POST', '/objects/', { token: device.token, json }))
    await okay(curl('PUT', textAt(made.json, 'signed-puturl'), { bytes: kernel }))
    const state = { '#spec': 'pantavisor-service-system@1', 'bsp/kernel.img': sha, 'bsp/run.json': {} }
    await okay(curl('POST', '/trails/', { token: device.token, json: JSON.stringify(state) }))
  })

  await step('clone: .pvrremote, the state, each object by its record and its signed URL', async () => {
    const { json, state } = await remote(pvr, url)
    for (const [key, sha] of Object.entries(state)) {
      if (key.endsWith('.json') || key === '#spec') continue
      const record = await okay(
        curl('GET', `${textAt(json, 'objects-endpoint')}/${sha}`, { token: pvr.token() }),
      )
      same('objectname', at(record.json, 'objectname'), key)
      const got = await okay(curl('GET', textAt(record.json, 'signed-geturl'), { agent: 'PVR client' }))
      same('sha256 of what came', sha256(got.bytes), sha as string)
      same('Content-Length', got.headers.get('content-length'), textAt(record.json, 'size'))
    }
  })

  await step('clone anonymously: a private trail is 403, so that pvr asks for a name', async () => {
    const json = JSON.stringify({
      username: 'prn:pantahub.com:auth:/anon',
      password: '',
      scope: anonymousScope,
    })
    const token = textAt((await okay(curl('POST', `${pvr.endpoint()}/login`, { json }))).json, 'token')
    same('status', (await curl('GET', `${url}/.pvrremote`, { token })).status, 403)
  })

  const posted = await step(
    'post: objects behind a slash, PUT, 409 the second time, a step at rev -1',
    async () => {
      const { json, state } = await remote(pvr, url)
      const sha = await pushObject(
        pvr,
        textAt(json, 'objects-endpoint'),
        'app/root.squashfs',
        Buffer.alloc(200_000, 'app '),
      )
      const next = {
        ...state,
        'app/root.squashfs': sha,
        'app/run.json': { '#spec': 'service-manifest-run@1', n: 1.5 },
      }
      const body = canonicalJson({ 'commit-msg': 'app added', rev: -1, [textAt(json, 'json-key')]: next })
      const made = await okay(curl('POST', textAt(json, 'post-url'), { token: pvr.token(), json: body }))
      same('rev', at(made.json, 'rev'), 1)
      same('trail-id', at(made.json, 'trail-id'), device.id)
      same('state-sha', at(made.json, 'state-sha'), sha256(canonicalJson(next)))
      same('status', at(made.json, 'progress', 'status'), 'NEW')
      return next
    },
  )

  await step('put: the newest step, still NEW, gets another state', async () => {
    const { json, state } = await remote(pvr, `${url}/steps/1`)
    same('the state that was posted', canonicalJson(state), canonicalJson(posted))
    const other = canonicalJson({ ...state, 'app/run.json': { '#spec': 'service-manifest-run@1', n: 2 } })
    await okay(curl('PUT', textAt(json, 'json-get-url'), { token: pvr.token(), json: other }))
    const { state: read } = await remote(pvr, url)
    same('the state now', canonicalJson(read), other)
  })

  await step('stepinfo: the parent of json-get-url', async () => {
    const { json } = await remote(pvr, url)
    const parent = textAt(json, 'json-get-url').replace(/\/state$/, '')
    same('step-get-url', at(json, 'step-get-url'), parent)
    same('rev', at((await okay(curl('GET', parent, { token: pvr.token() }))).json, 'rev'), 1)
  })
}

async function devices(step: Step, pvr: Pvr, device: Device): Promise<void> {
  const { curl } = pvr
  const made = await step('device create: objects, an owned device, its login, its trail', async () => {
    same('objects without a bearer', (await curl('POST', '/objects/', { json: '{}' })).status, 401)
    const sha = await pushObject(pvr, '/objects', 'app/data', Buffer.from('data of a new device'))
    const asked = curl('POST', '/devices/', { token: pvr.token(), json: '{"nick":"made_by_pvr"}' })
    const { json } = await okay(asked)
    const login = JSON.stringify({ username: textAt(json, 'prn'), password: textAt(json, 'secret') })
    const token = textAt((await okay(curl('POST', '/auth/login', { json: login }))).json, 'token')
    const state = canonicalJson({ '#spec': 'pantavisor-service-system@1', 'app/data': sha })
    await okay(curl('POST', '/trails/', { token, json: state }))
    return textAt(json, 'id')
  })

  await step('fastcopy: the state of one trail posted to another, no object moved', async () => {
    const [source, target] = [await remote(pvr, `/trails/${device.id}`), await remote(pvr, `/trails/${made}`)]
    const json = canonicalJson({ 'commit-msg': 'copied', rev: -1, state: source.state })
    const copied = await okay(curl('POST', textAt(target.json, 'post-url'), { token: pvr.token(), json }))
    same('rev', at(copied.json, 'rev'), 1)
  })

  await step('device get: by nick and by id, never with the secret', async () => {
    for (const name of [device.nick, device.id, `${device.nick}?owner-nick=${pvr.server.admin.name}`]) {
      const { json } = await pvr.ask('GET', `/devices/${name}`)
      same('id', at(json, 'id'), device.id)
      same('secret', at(json, 'secret') ?? null, null)
    }
  })

  await step('device set: PATCH by nick, dots in keys, null without a value', async () => {
    same('type', at((await pvr.ask('GET', '/auth/auth_status')).json, 'type'), 'USER')
    const json = '{"pvr-sdk.authorized_keys":"ssh-ed25519 AAAA x@y","gone":null}'
    const path = `/devices/${device.nick}/user-meta`
    same(
      'the reply',
      canonicalJson((await okay(curl('PATCH', path, { token: pvr.token(), json }))).json),
      canonicalJson(JSON.parse(json)),
    )
    const meta = await okay(curl('GET', `/devices/${device.id}/user-meta`, { token: device.token }))
    same('what the device reads', at(meta.json, 'pvr-sdk.authorized_keys'), 'ssh-ed25519 AAAA x@y')
  })

  await step('device ps: ids long enough to be cut, revisions that are numbers', async () => {
    const { json } = await pvr.ask('GET', '/trails/summary')
    hold('two trails or more', Array.isArray(json) && json.length >= 2, json)
    for (const row of json as readonly JsonValue[]) {
      hold('a deviceid of 8 or more', textAt(row, 'deviceid').length >= 8)
      for (const key of ['revision', 'progress-revision', 'progress'])
        same(`the type of ${key}`, typeof at(row, key), 'number')
      for (const key of ['device-nick', 'status', 'status-msg', 'state-sha', 'timestamp']) textAt(row, key)
    }
  })

  await step('completion: own devices by the beginning of their nick', async () => {
    const { json } = await pvr.ask('GET', `/devices/?owner-nick=${pvr.server.admin.name}&nick=^made_by`)
    same(
      'found',
      (json as readonly JsonValue[]).map((found) => at(found, 'nick') ?? null),
      ['made_by_pvr'],
    )
  })
}

async function logs(step: Step, pvr: Pvr, device: Device): Promise<void> {
  const { curl } = pvr
  const say = (messages: readonly string[]) => {
    const lines = messages.map((msg) => ({
      src: 'lxc',
      msg,
      lvl: 'INFO',
      tsec: 0,
      tnano: 0,
      rev: '0',
      plat: 'app',
    }))
    return okay(curl('POST', '/logs/', { token: device.token, json: JSON.stringify(lines) }))
  }
  await step(
    'device logs: pages by cursor until one is empty, then on from the last line, strictly',
    async () => {
      same('the reply', (await say(['one', 'two', 'three'])).json, { status: 'ok' })
      const minuteAgo = new Date(Date.now() - 60_000).toISOString()
      const query = (after: string) =>
        `/logs/?cursor=true&page=2&sort=time-created&after=${encodeURIComponent(after)}&dev=${encodeURIComponent(device.prn)}`
      const read = async (after: string): Promise<JsonValue[]> => {
        const all: JsonValue[] = []
        let page = (await pvr.ask('GET', query(after))).json
        for (;;) {
          const entries = (at(page, 'entries') ?? []) as readonly JsonValue[]
          if (entries.length === 0) return all
          all.push(...entries)
          const json = JSON.stringify({ 'next-cursor': textAt(page, 'next-cursor') })
          page = (await okay(curl('POST', '/logs/cursor', { token: pvr.token(), json }))).json
        }
      }
      const first = await read(minuteAgo)
      same(
        'lines',
        first.map((line) => at(line, 'msg') ?? null),
        ['one', 'two', 'three'],
      )
      const last = textAt(first.at(-1) ?? null, 'time-created')
      same('after the last line', await read(last), [])
      await say(['four'])
      same(
        'and then',
        (await read(last)).map((line) => at(line, 'msg') ?? null),
        ['four'],
      )
    },
  )
}
