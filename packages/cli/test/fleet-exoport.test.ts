/** One fleet: a station on a real ExoPort line, seen from the command line and the live journal. Rules: ../RULES.md. */
import { createFleet, type JournalEntry } from '@waymark/sdk'
import { createExoPortDevice, type ValueObject } from '@waymark/sdk/exoport'
import { expect, onTestFinished, test } from 'vitest'
import { admin, password, startServer } from './fleet-support.ts'

const lamp = `module lamp { namespace "urn:lamp"; prefix l;
  rpc blink { input { leaf times { type uint8; mandatory true; } } }
  notification alarm { leaf level { type uint8; } } }`

test('[CL82] a station on a real line is listed, labelled, searched, followed in the journal and explained like any other', async () => {
  const server = await startServer('--exoport', '0')
  onTestFinished(() => server.stop())
  const me = await admin(server)
  const must = async (...args: string[]) => {
    const done = await me.run(...args)
    expect([args.join(' '), done.code, done.err]).toEqual([args.join(' '), 0, []])
    return done.out
  }
  await must('device-type', 'create', 'tower', 'exodm_bert')
  await must('rpc', 'create-yang-module', 'repository=user', 'name=lamp.yang', `yang-module=${lamp}`)
  await must('rpc', 'create-config-set', 'name=lamps', 'yang=lamp.yang')
  await must('rpc', 'create-device', 'device-id=east', 'device-type=tower', 'device-key=7', 'server-key=8')
  await must('rpc', 'add-config-set-members', 'name=lamps', 'device-id=east')

  // The live journal, as a program of somebody else follows it.
  const { token } = await createFleet({ url: server.url }).login({ body: { name: 'admin', password } })
  const journal: JournalEntry[] = []
  const stop = new AbortController()
  const following = createFleet({ url: server.url, token }).follow({ device: 'east', signal: stop.signal })
  await following.open()
  const followed = (async () => {
    for await (const entry of following) journal.push(entry)
  })()
  onTestFinished(async () => {
    stop.abort()
    await followed
  })
  const heard = async (kind: string, count = 1) => {
    while (journal.filter((entry) => entry.kind === kind).length < count)
      await new Promise((wait) => setTimeout(wait, 10))
  }

  // What is asked while nobody is there waits, and is explained.
  await must('rpc', 'lamp:blink', 'device-id=east', 'times=3')
  expect(await must('why', 'east')).toEqual([
    expect.stringMatching(/^east: 1 in its queue, the oldest since /),
    expect.stringMatching(/the first of them, rpc, waits to be handed over$/),
    expect.stringMatching(/the device has never been heard of$/),
  ])

  const asked: ValueObject[] = []
  const answer = Promise.withResolvers<void>()
  const station = createExoPortDevice({
    ...{
      host: '127.0.0.1',
      port: server.exoport,
      account: 'main',
      device: 'east',
      deviceKey: 7,
      serverKey: 8,
    },
    operations: {
      async 'lamp:blink'(params) {
        asked.push(params)
        await answer.promise
        throw new Error('the lamp is broken')
      },
    },
  })
  onTestFinished(() => station.stop())
  station.start()
  await heard('transaction.sent')
  expect(asked).toMatchObject([{ times: 3 }])
  expect(await must('why', 'east')).toEqual([
    expect.stringMatching(/1 in its queue/),
    expect.stringMatching(/was handed over once and has not been answered$/),
    expect.stringMatching(/the device is connected$/),
  ])
  expect((await must('device', 'show', 'east')).join('\n')).toMatch(
    /link +exodm_bert, connected[^\n]*, 1 in its queue/,
  )

  answer.resolve()
  await heard('transaction.ended')
  expect((await must('why', 'east')).join('\n')).toMatch(/rpc, failed on .*: .*the lamp is broken/)
  await station.notify('lamp', 'alarm', { level: 2 })

  await must('device', 'set', 'east', '--label', 'site=coast')
  for (const search of [
    ['--nick', 'ea'],
    ['--type', 'tower'],
    ['--label', 'site=coast'],
  ])
    expect((await must('device', 'ls', ...search)).join('\n')).toMatch(/east/)
  expect((await me.run('device', 'ls', '--label', 'site=hill')).out).toEqual([])
  await heard('device.labelled')
  expect(journal.map(({ kind, by }) => `${by.kind}: ${kind}`)).toEqual([
    'user: transaction.submitted',
    'system: transaction.sent',
    'device: transaction.ended',
    'device: device.notified',
    'user: device.labelled',
  ])

  station.stop()
  let gone: string | undefined
  while (!gone?.includes('offline')) gone = (await must('why', 'east')).at(-1)
  expect(gone).toMatch(/the device is offline; it was last heard of on .* ago$/)
}, 30_000)
