/** Rules of sessions: who gets one, who does not, and when it ends. */
import { connect } from 'node:net'
import { Broken, type Caller, type Ground, pause, workOf } from './ground.ts'
import type { Wire } from './relay.ts'

/** How long a device that is not let in is listened to, milliseconds. */
const quietMs = 300
/** How long a session may outlive its wire, milliseconds. */
const closeMs = 5000
const manyDevices = 20

/** A device with the right password has one session, and it is its own. */
export async function judgeLetIn(ground: Ground): Promise<void> {
  const { house, samples } = ground
  await ground.caller()
  // The kit's own knock at the listener says nothing, and some plugins ask about nobody then.
  const attempt = house.attempts.find(({ device }) => device === samples.device)
  if (attempt === undefined) throw new Broken(`a session for ${samples.device}`, 'none asked for')
  if (attempt.address === '') throw new Broken('an address where it called from', 'none')
  if (house.opened() !== 1) throw new Broken('one session', `${house.opened()}`)
}

/** A wrong password and an unknown device get nothing, and hear the same. */
export async function judgeKeptOut(ground: Ground): Promise<void> {
  const { house, samples } = ground
  house.add(samples.device)
  const heard: Buffer[] = []
  const opened = house.opened()
  for (const [who, device, password] of [
    ['with a wrong password', samples.device, `${samples.password}-not`],
    ['that is unknown', `${samples.device}-unknown`, samples.password],
  ] as const) {
    const before = house.attempts.length
    const caller = await ground.stranger(device, password)
    await ground.until(
      `a device ${who} asked about`,
      () => house.attempts.length > before,
      () => 'no question',
    )
    await allHeard(ground, caller)
    heard.push(caller.relay.wires[0]?.heard ?? Buffer.alloc(0))
    await caller.stop()
    if (house.opened() > opened) throw new Broken(`no session for a device ${who}`, 'one')
  }
  const [wrong = Buffer.alloc(0), unknown = Buffer.alloc(0)] = heard
  const isAlike = samples.varies ? wrong.length === unknown.length : wrong.equals(unknown)
  if (!isAlike)
    throw new Broken(
      'a wrong password and an unknown device to hear the same',
      `${quoted(wrong)} and ${quoted(unknown)}`,
    )
}

/** Waits until a device has heard what it is told, if that is anything. */
async function allHeard({ patienceMs }: Ground, { relay }: Caller): Promise<void> {
  const isTold = () => relay.wires.some(({ down, endedBy }) => down > 0 || endedBy === 'plugin')
  for (const end = performance.now() + patienceMs / 2; !isTold() && performance.now() < end; )
    await pause(quietMs / 10)
  await pause(quietMs)
}

/** Two calls of one device, the newer of which has the session. */
async function callTwice(ground: Ground) {
  const { house, samples } = ground
  const older = await ground.caller()
  const [wire] = older.relay.wires
  // Cut off, it would call again, and be the newer.
  older.relay.shut()
  const opened = house.opened()
  const newer = await ground.stranger(samples.device, samples.password)
  await ground.until(
    'a session for the newer of two calls',
    () => house.opened() > opened,
    () => 'none asked for',
  )
  return { older: wire, newer }
}

/** A newer session of a device replaces the older, and has what comes next. */
export async function judgeReplaced(ground: Ground): Promise<void> {
  const { house, samples } = ground
  const { newer } = await callTwice(ground)
  await pause(quietMs)
  for (const call of samples.calls)
    await ground.ended(house.queue(samples.device, workOf(call)), 'a call settled by the newer session')
  if (newer.relay.wires.length !== 1 || newer.relay.wires[0]?.endedBy !== undefined)
    throw new Broken('the newer wire kept', 'closed')
}

/** When the house ends a session, for a newer one or for good, the plugin closes its wire. */
export async function judgeEnded(ground: Ground): Promise<void> {
  const closed = (which: string, wire: Wire | undefined) =>
    ground.until(
      `the wire of ${which} closed by the plugin`,
      () => wire?.endedBy !== undefined,
      () => 'it is open still',
    )
  const { older, newer } = await callTwice(ground)
  await closed('a session that was replaced', older)
  newer.relay.shut()
  ground.house.end(newer.device)
  await closed('a session that was ended', newer.relay.wires.at(-1))
}

/** When wires go, sessions are closed: hung up, torn, or gone before their login was answered. */
export async function judgeClosed(ground: Ground): Promise<void> {
  const { house, samples } = ground
  const names = Array.from({ length: manyDevices }, (_, number) => `${samples.device}-${number}`)
  const callers = []
  for (const name of names) callers.push(await ground.caller(name))
  for (const [number, caller] of callers.entries()) {
    caller.relay.shut()
    if (number % 2 === 0) caller.relay.cut(true)
    await caller.stop()
  }
  // What good devices said when they called, by somebody who hangs up at once.
  for (const { relay } of callers)
    connect(samples.address)
      .on('error', () => {})
      .end(relay.wires[0]?.said ?? '')
  await pause(quietMs)
  await ground.until(
    `no session ${closeMs / 1000} s after the last of ${manyDevices} wires`,
    () => house.there().length === 0,
    () => `${house.there().length} sessions`,
    Math.min(closeMs, ground.patienceMs),
  )
}

/** A device that waits is called, has its session, and is served; a call in vain ends nothing. */
export async function judgeDialled(ground: Ground): Promise<void> {
  const { house, plugin, samples, patienceMs } = ground
  const { device, account } = samples
  const { attributes, stop } = await ground.waiting(device)
  const asked = house.attempts.length
  const protocol = plugin.protocols.find(({ dials }) => dials)?.name ?? ''
  const dial = () =>
    plugin
      .do('dial', { account, device, protocol, ticket: house.ticket(device), attributes }, patienceMs)
      .then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : 'failed'),
      )
  const reason = await dial()
  if (reason !== undefined) throw new Broken('a device that waits called', `a refusal: ${reason}`)
  await ground.until(
    'a session for a device that was called',
    () => house.there().includes(device),
    () => (house.attempts.length > asked ? 'one asked for with what is not right' : 'none asked for'),
  )
  for (const call of samples.calls)
    await ground.ended(house.queue(device, workOf(call)), 'a call settled by a device that was called')
  await stop()
  const opened = house.opened()
  // A refusal, or nothing: a plugin that sends messages to phones can not know.
  await dial()
  if (house.opened() > opened) throw new Broken('no session of who is not there', 'one')
}

const quoted = (bytes: Buffer) => JSON.stringify(bytes.subarray(0, 60).toString('latin1'))
