/**
 * The twin over a Mosquitto broker: an agent with a container, the controller beside it, and the service's half of the
 * twin played here, as no broker answers for it by itself.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runAgentCommand } from '@waymark/agent'
import { runTwinCommand } from '@waymark/twin'
import mqtt from 'mqtt'
import { type Report, scenario } from './report.ts'

/** Where the broker's program is; undefined when it is not installed. */
export const findMosquitto = (): string | undefined =>
  ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'].find((path) => existsSync(path))

const spec = 'pantavisor-service-system@1'
const device = { groups: [{ name: 'app', timeout: 10 }] }
const web = {
  '#spec': 'service-manifest-run@1',
  type: 'process',
  command: 'sleep',
  args: ['3600'],
  group: 'app',
}

export function twinByMosquitto(program: string): Promise<Report> {
  return scenario('mosquitto', async (step) => {
    const folder = await mkdtemp(join(tmpdir(), 'waymark-interop-'))
    const stop = new AbortController()
    const ended: Promise<unknown>[] = []
    const port = await freePort()
    const url = `mqtt://127.0.0.1:${port}`
    await writeFile(join(folder, 'mosquitto.conf'), `listener ${port} 127.0.0.1\nallow_anonymous true\n`)
    const startBroker = () => spawn(program, ['-c', join(folder, 'mosquitto.conf')], { stdio: 'ignore' })
    let broker = startBroker()
    try {
      await mkdir(join(folder, 'factory/web'), { recursive: true })
      await writeFile(join(folder, 'factory/device.json'), JSON.stringify(device))
      await writeFile(join(folder, 'factory/web/run.json'), JSON.stringify(web))
      await writeFile(join(folder, 'agent.config'), 'control.remote=0\nupdater.commit.delay=200ms\n')
      const quiet = { line: () => undefined, complain: () => undefined, signal: stop.signal }
      const flags = {
        hub: 'http://127.0.0.1:9',
        data: join(folder, 'data'),
        driver: 'process',
        factory: join(folder, 'factory'),
      }
      ended.push(runAgentCommand({ flags, configFile: join(folder, 'agent.config') }, quiet))
      const service = await serve(url)
      const env = { WAYMARK_CONTROL: join(folder, 'data/control/pv-ctrl'), WAYMARK_TWIN_USERNAME: 'device' }
      const args = [
        '--broker',
        url,
        '--device',
        'dev-1',
        '--data',
        join(folder, 'twin'),
        '--interval',
        '0.2',
        '--poll',
        '0.1',
      ]
      ended.push(runTwinCommand(args, env, quiet))
      await step('the twin is had, and the device reports', () =>
        until(() => service.reported().running === '0'),
      )
      const state = JSON.stringify({
        '#spec': spec,
        'device.json': device,
        'web/run.json': web,
        'web/a.json': { a: 1 },
      })
      await step('a wish is carried out and reported', async () => {
        service.want({ revision: { state } })
        await until(() => JSON.stringify(service.reported().revision ?? '').includes('"UPDATED"'))
      })
      await step('a method is answered', async () => {
        const { topic } = await service.call('containers')
        if (!topic.startsWith('$iothub/methods/res/200/')) throw new Error(`wanted 200, got ${topic}`)
      })
      await service.end()
      await step('a broker that goes away and comes back is found again', async () => {
        broker.kill()
        await once(broker, 'exit')
        broker = startBroker()
        const again = await serve(url)
        await until(() => typeof again.reported().running === 'string')
        await again.end()
      })
    } finally {
      stop.abort()
      await Promise.allSettled(ended)
      broker.kill()
      await rm(folder, { recursive: true, force: true })
    }
  })
}

/** The service's half: keeps both documents and answers for them. */
async function serve(url: string) {
  const client = await until(() =>
    mqtt.connectAsync(url, { reconnectPeriod: 0, connectTimeout: 2000 }).catch(() => undefined),
  )
  let desired: Record<string, unknown> = { $version: 1 }
  let reported: Record<string, unknown> = {}
  let answered: (topic: string) => void = () => undefined
  client.on('message', (topic, payload) => {
    const rid = /\$rid=(.+)$/.exec(topic)?.[1] ?? ''
    if (topic.includes('/twin/GET/'))
      client.publish(
        `$iothub/twin/res/200/?$rid=${rid}`,
        JSON.stringify({ desired, reported: { ...reported, $version: 1 } }),
      )
    if (topic.includes('/reported/')) {
      reported = { ...reported, ...(JSON.parse(payload.toString()) as Record<string, unknown>) }
      client.publish(`$iothub/twin/res/204/?$rid=${rid}&$version=2`, '')
    }
    if (topic.includes('/methods/res/')) answered(topic)
  })
  await client.subscribeAsync([
    '$iothub/twin/GET/#',
    '$iothub/twin/PATCH/properties/reported/#',
    '$iothub/methods/res/#',
  ])
  return {
    reported: () => reported,
    want(patch: Record<string, unknown>) {
      desired = { ...desired, ...patch, $version: Number(desired.$version) + 1 }
      client.publish(
        `$iothub/twin/PATCH/properties/desired/?$version=${desired.$version}`,
        JSON.stringify(desired),
      )
    },
    call(name: string): Promise<{ topic: string }> {
      const { promise, resolve } = Promise.withResolvers<{ topic: string }>()
      answered = (topic) => resolve({ topic })
      client.publish(`$iothub/methods/POST/${name}/?$rid=m1`, '{}')
      return promise
    },
    end: () => client.endAsync(),
  }
}

async function until<T>(look: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (let n = 0; n < 600; n++) {
    const found = await look()
    if (found) return found
    await new Promise((wait) => setTimeout(wait, 50))
  }
  throw new Error('waited 30 s in vain')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  return typeof address === 'object' && address ? address.port : 0
}
