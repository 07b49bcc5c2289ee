/** The agent as the device of the 2016 walkthrough, against a whole server: what it says of which step, in order. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { runAgentCommand } from '@waymark/agent'
import { expect, onTestFinished, test } from 'vitest'
import { admin, startServer, temporaryFolder } from './fleet-support.ts'

interface Heard {
  readonly line: string
  readonly body: Record<string, unknown>
}

/** Hands requests on to the server, and remembers what is said of steps. `hold` may keep one waiting. */
async function startEar(server: string) {
  const heard: Heard[] = []
  const urls: string[] = []
  let hold: (line: string) => Promise<void> | void = () => undefined
  let lacks: RegExp | undefined
  const ear = createServer(async (asked, answer) => {
    const parts: Buffer[] = []
    for await (const part of asked) parts.push(part as Buffer)
    const body = Buffer.concat(parts)
    urls.push(asked.url ?? '')
    if (lacks?.test(asked.url ?? '')) {
      answer.writeHead(404).end()
      return
    }
    const step = /^\/v1\/trails\/[0-9a-f]+\/steps\/(\d+)$/.exec(asked.url ?? '')?.[1]
    const said =
      step !== undefined && asked.method === 'PUT' ? (JSON.parse(`${body}`) as Heard['body']) : undefined
    if (said) await hold(`${step} ${said.status}`)
    const on = request(
      new URL(asked.url ?? '/', server),
      { method: asked.method, headers: asked.headers },
      (came) => {
        if (said && came.statusCode === 200) heard.push({ line: `${step} ${said.status}`, body: said })
        answer.writeHead(came.statusCode ?? 500, came.headers)
        came.pipe(answer)
      },
    )
    on.on('error', () => answer.destroy())
    on.end(body)
  })
  await new Promise<void>((listening) => ear.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    ear.closeAllConnections()
    ear.close()
  })
  return {
    url: `http://127.0.0.1:${(ear.address() as AddressInfo).port}`,
    heard,
    /** What was asked for, by its path. */
    urls,
    /** From now on the server has no such calls. */
    lack(what: RegExp) {
      lacks = what
    },
    holdAt(next: typeof hold) {
      hold = next
    },
    /** The lines so far, each once in a row; from now on a new page. */
    page(): string[] {
      const lines = heard.splice(0).map(({ line }) => line)
      return lines.filter((line, i) => line !== lines[i - 1])
    },
  }
}

async function world(forms: Record<string, string> = { hubForms: 'walkthrough' }) {
  const server = await startServer()
  onTestFinished(() => server.stop())
  const ear = await startEar(server.url)
  const me = await admin(server)
  const { token } = (await me.run('join-token', 'create', '--json')).json() as { token: string }
  const home = temporaryFolder()
  const groups = JSON.stringify({ groups: [{ name: 'app', timeout: 20 }] })
  let made = 0
  const state = (command: string): string => {
    const folder = join(home, `state-${made++}`)
    mkdirSync(join(folder, 'core'), { recursive: true })
    writeFileSync(join(folder, 'device.json'), groups)
    const run = {
      '#spec': 'service-manifest-run@1',
      type: 'process',
      command: 'sh',
      args: ['-c', command],
      env: { N: `${made}` },
    }
    writeFileSync(join(folder, 'core', 'run.json'), JSON.stringify(run))
    return folder
  }
  const config = join(home, 'agent.config')
  const times = {
    'updater.interval': '50ms',
    'metadata.devmeta.interval': '50ms',
    'updater.commit.delay': '100ms',
  }
  writeFileSync(
    config,
    Object.entries(times)
      .map((pair) => `${pair.join('=')}\n`)
      .join(''),
  )
  const data = join(home, 'data')
  const flags = {
    hub: ear.url,
    ...forms,
    data,
    token,
    driver: 'process',
    factory: state('sleep 3600'),
  }
  let device = ''
  /** One life of the agent, until it has nothing to do; or until `stop` is aborted. */
  const live = async (stop?: AbortController) => {
    const complaints: string[] = []
    const code = await runAgentCommand(
      { flags: { ...flags, untilIdle: stop === undefined }, configFile: config },
      {
        line: () => undefined,
        complain: (line) => complaints.push(line),
        signal: stop?.signal ?? AbortSignal.timeout(25_000),
        onEvent: (event) => {
          if (event.event === 'synced') device = event.id
        },
      },
    )
    expect({ code, complaints }).toEqual({ code: 0, complaints: [] })
  }
  const post = async (command: string) => {
    expect(await me.run('trail', 'post', device, state(command), '--replace')).toMatchObject({
      code: 0,
      err: [],
    })
  }
  const wish = async (what: 'abort' | 'clear', rev: number) => {
    expect(await me.run('trail', what, device, `${rev}`)).toMatchObject({ code: 0 })
  }
  const queue = () => JSON.parse(readFileSync(join(data, 'update/queue.json'), 'utf8')) as { held: number[] }
  return { me, ear, live, post, wish, queue, device: () => device, data }
}

test('[AG101] [AG102] a device announces, queues all there is before it works, and walks its trail in turn', async () => {
  const { ear, live, post, queue, me, device } = await world()
  await live()
  for (let n = 0; n < 3; n++) await post('exec sleep 3600')
  const queues: number[][] = []
  ear.holdAt((line) => {
    if (line.endsWith('QUEUED')) queues.push(queue().held)
  })
  await live()
  expect(ear.page()).toEqual([
    ...['1 QUEUED', '2 QUEUED', '3 QUEUED', '1 QUEUED', '1 INPROGRESS', '1 DONE'],
    ...['2 QUEUED', '2 INPROGRESS', '2 DONE', '3 QUEUED', '3 INPROGRESS', '3 DONE'],
  ])
  // What is said to be queued is on disk by then.
  expect(queues[0]).toEqual([1, 2, 3])
  const shown = (await me.run('device', 'show', device(), '--json')).json() as { trail: unknown }
  expect(shown.trail).toMatchObject({ running: 3, head: { rev: 3, outcome: 'done' } })
}, 40_000)

test('[AG104] [AG106] an error empties the queue, brings code, text, log and files, and holds until it is cleared', async () => {
  const { ear, live, post, wish, queue } = await world()
  await live()
  await post('exec sleep 3600')
  await post('echo this is why; exit 3')
  await post('exec sleep 3600')
  await live()
  const error = ear.heard.find(({ line }) => line === '2 ERROR')?.body
  expect(error).toMatchObject({
    progress: expect.toBeOneOf([50, 75]),
    message: 'Container core exited with code 3',
    error: 'crash: Container core exited with code 3',
    log: expect.stringContaining('this is why'),
    debugfiles: { 'output/core.log': expect.stringContaining('this is why') },
  })
  expect(ear.page().slice(-3)).toEqual(['2 INPROGRESS', '2 ERROR', '3 NEW'])
  expect(queue().held).toEqual([])
  await live()
  expect(ear.page()).toEqual([])
  await wish('clear', 2)
  await live()
  expect(ear.page()).toEqual(['3 QUEUED', '3 INPROGRESS', '3 DONE'])
}, 40_000)

test('[AG105] an abort is honoured before work begins, and kept from what was begun; what follows goes on', async () => {
  const { ear, live, post, wish } = await world()
  await live()
  for (let n = 0; n < 3; n++) await post('exec sleep 3600')
  // 2 is aborted while it is queued, 1 while it is being worked on.
  ear.holdAt(async (line) => {
    if (line !== '1 INPROGRESS') return
    ear.holdAt(() => undefined)
    await wish('abort', 1)
    await wish('abort', 2)
  })
  await live()
  const abort = ear.heard.find(({ line }) => line === '2 ABORTED')?.body
  expect(abort).toEqual({ status: 'ABORTED', 'device-abort': true })
  expect(ear.heard.find(({ line }) => line === '1 DONE')?.body).toMatchObject({ 'device-abort': false })
  const said = ear.page()
  expect(said.filter((line) => /DONE|ABORTED/.test(line))).toEqual(['1 DONE', '2 ABORTED', '3 DONE'])
}, 40_000)

test('[AG103] a device that holds the wrong queue sets all of it to WONTGO, and empties it', async () => {
  const { ear, live, post, queue, data } = await world()
  await live()
  for (let n = 0; n < 2; n++) await post('exec sleep 3600')
  mkdirSync(join(data, 'update'), { recursive: true })
  writeFileSync(join(data, 'update/queue.json'), '{"held":[2]}')
  await live()
  expect(ear.page()).toEqual(['2 WONTGO'])
  expect(queue().held).toEqual([])
}, 40_000)

const lookUps = (urls: readonly string[]) => urls.filter((url) => url.startsWith('/resolve'))
const ofToday = (urls: readonly string[]) => urls.filter((url) => /^\/(auth|trails)\//.test(url))
const of2016 = (urls: readonly string[]) => urls.filter((url) => url.startsWith('/v1/'))

test('[AG107] by default a hub that speaks the forms of today is asked in those, and nothing else', async () => {
  const { ear, live, post, me, device } = await world({})
  await live()
  await post('exec sleep 3600')
  await live()
  expect(lookUps(ear.urls)).toEqual([])
  expect(of2016(ear.urls)).toEqual([])
  const shown = (await me.run('device', 'show', device(), '--json')).json() as { trail: unknown }
  expect(shown.trail).toMatchObject({ running: 1, head: { rev: 1, outcome: 'done' } })
}, 40_000)

test('[AG107] one that has only the forms of 2016 is found out, by one question at its first login', async () => {
  const { ear, live, post } = await world({})
  ear.lack(/^\/(auth|trails)\//)
  await live()
  await post('exec sleep 3600')
  await live()
  expect(ear.page()).toEqual(['1 QUEUED', '1 INPROGRESS', '1 DONE'])
  // Two lives: each asks once.
  expect(lookUps(ear.urls)).toEqual(Array(2).fill(expect.stringMatching(/^\/resolve\?id=prn/)))
}, 40_000)

test('[AG107] a registry that the settings name is asked first, and what it says is done', async () => {
  const elsewhere = await world({})
  const registry = await startEar(elsewhere.ear.url)
  const walked = await world({ hubRegistry: registry.url })
  // Another server's registry knows nothing of this device's hub; its word on the forms counts all the same.
  await walked.live()
  await walked.post('exec sleep 3600')
  await walked.live()
  expect(walked.ear.page()).toEqual(['1 QUEUED', '1 INPROGRESS', '1 DONE'])
  expect(ofToday(walked.ear.urls)).toEqual([])
  expect(lookUps(walked.ear.urls)).toEqual([])
  expect(lookUps(registry.urls).length).toBe(2)
  // No secret has gone there.
  expect(registry.urls.every((url) => url.startsWith('/resolve'))).toBe(true)
}, 40_000)

test('[AG107] a registry that is silent, or knows nothing, leaves it at the forms of today', async () => {
  const { ear, live } = await world({ hubRegistry: 'http://127.0.0.1:9' })
  await live()
  expect(of2016(ear.urls)).toEqual([])
  expect(ofToday(ear.urls)).not.toEqual([])
}, 40_000)
