import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type AgentEvent, describeEvent, runAgentCommand } from '../src/index.ts'
import { createRealTransport } from '../src/real/transport.ts'
import { owner, spec, startFakeHub } from './support/fake-hub.ts'
import { temporaryFolder } from './support/rig.ts'

/** Runs the program and hears what it says. */
async function program(command: Parameters<typeof runAgentCommand>[0], signal = AbortSignal.timeout(20_000)) {
  const lines: string[] = []
  const complaints: string[] = []
  const events: AgentEvent[] = []
  const code = await runAgentCommand(command, {
    line: (text) => lines.push(text),
    complain: (text) => complaints.push(text),
    onEvent: (event) => events.push(event),
    signal,
  })
  return { code, lines, complaints, events }
}

test('[AG1] the program runs from registration to a finished step and says so in plain lines', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  hub.joinTokens.add('token')
  const flags = {
    hub: hub.base,
    data: join(folder.path, 'data'),
    token: 'token',
    interval: '20ms',
    untilIdle: true,
  }
  const first = await program({ flags })
  expect(first).toMatchObject({ code: 0, complaints: [] })
  const device = hub.device()
  expect(first.lines).toEqual(
    expect.arrayContaining([
      `registered as ${device.id}`,
      `claimed by ${owner}`,
      'synced, running revision 0',
    ]),
  )
  hub.addStep(device, { '#spec': spec, app: hub.putObject(Buffer.alloc(100_000)) }, 'a new app')
  const second = await program({ flags, json: true })
  const events = second.lines.map((line) => JSON.parse(line) as AgentEvent)
  expect(events).toEqual(second.events)
  expect(events).toContainEqual(expect.objectContaining({ event: 'done', rev: 2 - 1 }))
  expect(device.deviceMeta).toMatchObject({ 'pantavisor.version': 'waymark-agent 0.1.0' })
  expect(Object.keys(device.deviceMeta)).toEqual(
    expect.arrayContaining([
      'pantavisor.arch',
      'pantavisor.uname',
      'interfaces',
      'storage',
      'sysinfo',
      'time',
    ]),
  )
})

test('the signal ends the program with 0, whatever it is doing', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  hub.onRequest(() => ({ silent: true }))
  const stop = new AbortController()
  const flags = { hub: hub.base, data: folder.path }
  const running = program({ flags }, stop.signal)
  while (hub.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  stop.abort()
  expect((await running).code).toBe(0)
})

test('[AG51] wrong settings end it with 2 and a line for each, before anything is touched', async () => {
  await using folder = await temporaryFolder()
  const rows: [Parameters<typeof runAgentCommand>[0], RegExp][] = [
    [{ flags: { hubb: 'x' } }, /nearest is hub/],
    [{ flags: { hub: 'http://x' }, configFile: join(folder.path, 'none') }, /^config file .*none/],
    [{ flags: { hub: 'http://x', factory: join(folder.path, 'none') } }, /^factory .*wanted a folder/],
    [{ flags: { hub: 'http://x', data: join(folder.path, 'file/data') } }, /^data .*wanted a folder/],
  ]
  await writeFile(join(folder.path, 'file'), '')
  for (const [command, says] of rows) {
    const { code, complaints } = await program(command)
    expect(code).toBe(2)
    expect(complaints[0]).toMatch(says)
  }
})

test('[AG7] a setting that the hub contradicts ends it with 1', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  hub.joinTokens.add('token')
  const file = join(folder.path, 'agent.config')
  await writeFile(
    file,
    `hub=${hub.base}\nPH_FACTORY_AUTOTOK=token\naccount.id=someone\ndata=${folder.path}/data\n`,
  )
  const { code, complaints } = await program({ flags: {}, configFile: file })
  expect(code).toBe(1)
  expect(complaints).toEqual([`account.id: wanted someone, got a device owned by ${owner}`])
})

test('the challenge is written for programs on the device', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  const stop = new AbortController()
  await runAgentCommand(
    { flags: { hub: hub.base, data: folder.path, interval: '20ms' } },
    {
      line: () => undefined,
      complain: () => undefined,
      signal: stop.signal,
      onEvent: (event) => event.event === 'challenge' && stop.abort(),
    },
  )
  expect(await readFile(join(folder.path, 'challenge'), 'utf8')).toBe('likely-creative-troll\n')
  expect(await readFile(join(folder.path, 'device-id'), 'utf8')).toBe(`${hub.device().id}\n`)
})

test('the transport refuses what is not HTTP and follows no redirect', async () => {
  const { transport } = createRealTransport()
  const signal = AbortSignal.timeout(5000)
  await expect(transport({ method: 'GET', url: 'file:///etc/passwd', headers: {}, signal })).rejects.toThrow(
    'file:',
  )
  await using hub = await startFakeHub()
  hub.onRequest(() => ({ status: 302 }))
  const reply = await transport({ method: 'GET', url: `${hub.base}/x`, headers: {}, signal })
  expect(reply.status).toBe(302)
  expect(hub.seen).toHaveLength(1)
})

test('figures are shown in units a person reads', () => {
  const event = {
    event: 'downloading',
    rev: 3,
    bytes: 5,
    total: 10,
    percent: 50,
    bytesPerSecond: 3_456_789,
  } as const
  expect(describeEvent(event)).toBe('step 3 downloading 50 % at 3.5 MB/s')
})
