/** Rules of calls and configuration: what is carried, in which order, and what comes of a line that is cut. */
import { Broken, type Ground, judgeCall, judgeDone, shown, workOf } from './ground.ts'
import type { TrialCall } from './trial.ts'

/** Calls of one rule: samples are asked again and again. */
const callsOfRule = 12

/** Calls reach the device one at a time, in order, and each has its own answer. */
export async function judgeCalls(ground: Ground): Promise<void> {
  const samples = ground.samples.calls.filter(({ refused }) => !refused)
  const { device } = await ground.caller()
  const asked = Array.from({ length: callsOfRule }, (_, at) => samples[at % samples.length]).filter(
    (call): call is TrialCall => call !== undefined,
  )
  const tasks = asked.map((call) => ({ call, task: ground.house.queue(device, workOf(call)) }))
  for (const [at, { call, task }] of tasks.entries()) {
    judgeCall(call, await ground.ended(task, `call ${at + 1} of ${tasks.length} settled`))
    const before = tasks[at - 1]?.task.endedAs ?? 0
    if (task.endedAs <= before) throw new Broken('calls settled in order', `call ${at + 1} before call ${at}`)
  }
}

/** What the device refuses has failed. */
export async function judgeRefused(ground: Ground): Promise<void> {
  const { device } = await ground.caller()
  for (const call of ground.samples.calls) {
    if (!call.refused) continue
    const task = ground.house.queue(device, workOf(call))
    judgeCall(call, await ground.ended(task, 'a refused call settled'))
  }
}

/** A line that is cut before the answer settles nothing; the next session has the call again. */
export async function judgeCut(ground: Ground): Promise<void> {
  const { house, samples } = ground
  const call = samples.calls.find(({ refused }) => !refused) ?? samples.calls[0]
  if (call === undefined) return
  const { device, relay } = await ground.caller()
  // Whatever a plugin says to greet a device has passed once a first call is settled.
  await ground.ended(house.queue(device, workOf(call)), 'a call settled before the cut')
  relay.hold()
  const before = relay.wires[0]?.down ?? 0
  const task = house.queue(device, workOf(call))
  await ground.until(
    'a call on the wire',
    () => (relay.wires[0]?.down ?? 0) > before,
    () => (task.isTaken ? 'nothing: it was taken' : 'nothing: it was not taken'),
  )
  const opened = house.opened()
  relay.cut()
  await ground.until(
    'a wire that is cut to end',
    () => task.attempt > 0 || task.outcome !== undefined || relay.wires.length > 1,
    () => 'neither a closed session nor another call of the device',
  )
  relay.release()
  await ground.until(
    'a next session for the device that was cut',
    () => house.opened() > opened || task.outcome !== undefined,
    () => 'none',
  )
  if (task.outcome !== undefined && task.attempt === 0)
    throw new Broken('nothing settled of a call whose answer never came', shown(task.outcome))
  await ground.ended(task, 'the call settled by the next session')
  if (task.attempt !== 1) throw new Broken('the call taken twice', `${task.attempt + 1} times`)
}

/** A configuration that the device takes is done. */
export async function judgeConfiguration(ground: Ground): Promise<void> {
  const { configuration } = ground.samples
  if (configuration === undefined) return
  const { device } = await ground.caller()
  const task = ground.house.queue(device, { kind: 'configuration', ...configuration })
  judgeDone('a configuration', await ground.ended(task, 'a configuration settled'))
}

/** A kind that no plugin knows is answered as unsupported, and what is behind it is carried. */
export async function judgeUnknown(ground: Ground): Promise<void> {
  const { device } = await ground.caller()
  const task = ground.house.queue(device, { kind: 'kind-of-a-later-version' })
  const outcome = await ground.ended(task, 'an unknown kind settled')
  if (outcome.kind !== 'unsupported') throw new Broken('an unknown kind unsupported', shown(outcome))
}
