/** Messages that were given up, sent again from the command line to an address that refuses first and takes later. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { deadLetters, deliveryPausesMs, tenants } from '@waymark/domain'
import { expect, onTestFinished, test } from 'vitest'
import { exosenseDoor } from '../../server/src/doors/exosense/door.ts'
import { fleetDoor } from '../../server/src/doors/fleet/door.ts'
import { openTestHouse } from '../../server/test/house.ts'
import { admin, password } from './fleet-support.ts'

const beacon = `module beacon { namespace "urn:beacon"; prefix b;
  rpc blink { input { leaf times { type uint8; } leaf transaction-id { type uint64; } leaf notification-url { type string; } } } }`

/** An address that answers with a status of the test's choosing; `came` are the transaction ids that it was told of. */
async function openAddress() {
  let status = 503
  const came: string[] = []
  const server = createServer(async (request, reply) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { params } = JSON.parse(Buffer.concat(parts).toString()) as { params: Record<string, unknown> }
    came.push(`${status} ${params['transaction-id']}`)
    reply.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    came,
    answers(next: number) {
      status = next
    },
  }
}

interface Letter {
  readonly lane: string
  readonly seq: number
  readonly reason: string
}
const named = (letter: Letter | undefined) => `${letter?.lane}/${letter?.seq}`

const longestPauseMs = Math.max(...deliveryPausesMs)

async function eventually(fact: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fact())) await new Promise((wait) => setTimeout(wait, 10))
}

test('[CL90] messages an address refused to the end are listed, shown and put back by name or all; what it takes then is gone', async () => {
  const held = await openTestHouse([fleetDoor, exosenseDoor], {
    flags: ['--http', '0', '--allow-private-targets'],
    env: { WAYMARK_ADMIN_PASSWORD: password },
  })
  onTestFinished(() => held.close())
  const { house } = held
  const server = { url: held.url, exoport: 0, stop: async () => {} }
  const address = await openAddress()
  const [main] = await house.store.readHouse().find(tenants, { where: { name: 'main' } })
  if (!main) throw new Error('no main')
  let person = await admin(server)
  const me = {
    run: (...args: string[]) => person.run(...args),
    async login() {
      person = await admin(server)
    },
  }
  const must = async (...args: string[]) => {
    const done = await me.run(...args)
    expect([args.join(' '), done.code, done.err]).toEqual([args.join(' '), 0, done.err])
    return done.out
  }
  const letters = async () =>
    (await must('dead-letter', 'ls', '--json')).map((line) => JSON.parse(line) as Letter)
  const tend = async () => {
    for (const { id } of await house.store.readHouse().find(tenants, {})) {
      await house.exchange.tend(id)
      house.exchange.send(id, 1e9)
    }
  }
  await must('device-type', 'create', 'station', 'exodm_bert')
  await must('rpc', 'create-yang-module', 'repository=user', 'name=beacon.yang', `yang-module=${beacon}`)
  await must('rpc', 'create-config-set', 'name=lights', 'yang=beacon.yang')
  await must('rpc', 'create-device', 'device-id=tower', 'device-type=station')
  await must('rpc', 'add-config-set-members', 'name=lights', 'device-id=tower')
  for (const id of [1, 2]) {
    await must(
      'rpc',
      'beacon:blink',
      'device-id=tower',
      'times=1',
      `transaction-id=${id}`,
      `notification-url=${address.url}`,
    )
  }
  const asked = await must('tx', 'ls', '--device', 'tower', '--json')
  for (const line of asked.toReversed()) await must('tx', 'cancel', (JSON.parse(line) as { id: string }).id)
  /** Hours go by until so many messages lie aside. */
  const givenUp = async (count: number) => {
    await eventually(async () => {
      held.pass(longestPauseMs)
      await tend()
      return (await deadLetters(house.store.read(main.id), { limit: 10 })).length === count
    })
    // So long does no login last.
    await me.login()
  }
  await givenUp(2)
  const tries = deliveryPausesMs.length + 1
  expect(address.came).toEqual([...Array(tries).fill('503 1'), ...Array(tries).fill('503 2')])
  const [one, two] = await letters()
  expect([one, two]).toMatchObject([{ reason: 'answered 503' }, { reason: 'answered 503' }])
  expect((await must('dead-letter', 'show', named(one))).join('\n')).toMatch(/given up +answered 503/)

  // Put back too early it is refused and put aside once more, under a new number.
  expect(await must('dead-letter', 'redrive', named(one))).toEqual([`put back ${named(one)}`])
  await givenUp(2)
  expect(address.came).toHaveLength(3 * tries)
  expect((await letters()).map(named)).toEqual([named(two), expect.not.stringMatching(named(one))])

  address.came.splice(0)
  address.answers(200)
  expect(await must('dead-letter', 'redrive', '--all')).toHaveLength(2)
  await tend()
  await eventually(() => address.came.length === 2)
  expect(address.came).toEqual(['200 2', '200 1'])
  expect(await letters()).toEqual([])
  expect((await me.run('dead-letter', 'redrive', named(two))).code).toBe(1)
}, 30_000)
