/** Rules of what strangers do to a listener, and of the end. */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { answers, Broken, type Ground, pause, workOf } from './ground.ts'
import { mutantsOf } from './mutants.ts'

const lineBytes = 16 * 1024 * 1024
const longLines = 32
const silentCalls = 1000
const fewCalls = 20
const slowMs = 50
const mutants = 200
/** How long a mutant may have an answer that nobody waits for, milliseconds. */
const mutantMs = 300
const lookMs = 50
/** What its process may have while strangers do this, MiB: its heap's bound, and half as much again for all else. */
export const memoryMostMib = 384
/** How long it may take to close, milliseconds. */
const closeMs = 2000

/** Garbage, half lines, long lines, slow and silent callers: it lives, in its bounds, and serves who is good. */
export async function judgeHostile(ground: Ground): Promise<void> {
  const { house, samples } = ground
  const sockets = new Set<Socket>()
  const stopping = new AbortController()
  let most = 0
  const watching = setInterval(() => {
    most = Math.max(most, ground.memoryMib() ?? 0)
  }, lookMs)
  const dial = () => {
    const socket = connect(samples.address)
    socket.on('error', () => {})
    sockets.add(socket)
    return socket
  }
  const said = await saidByGood(ground)
  for (const mutant of mutantsOf(said, mutants, 1)) dial().end(mutant)
  await pause(mutantMs)
  const slow = Array.from({ length: fewCalls }, dial)
  const dripping = setInterval(() => {
    for (const socket of slow) if (!socket.destroyed) socket.write('h')
  }, slowMs)
  try {
    const silent = Array.from({ length: silentCalls }, dial)
    await allThere(silent, ground.patienceMs)
    for (let count = 0; count < fewCalls; count++) {
      dial().end(randomBytes(64 * 1024))
      const half = dial()
      half.write('hel', () => half.destroy())
    }
    const long = Promise.all(Array.from({ length: longLines }, () => writeLong(dial(), stopping.signal)))
    const { device } = await ground.caller()
    for (const call of samples.calls)
      await ground.ended(house.queue(device, workOf(call)), 'a good device served meanwhile')
    await Promise.race([long, pause(ground.patienceMs, stopping.signal)])
    most = Math.max(most, ground.memoryMib() ?? 0)
    // Whoever serves now is the process that stood it, or the one after it, and then that is known.
    for (const call of samples.calls)
      await ground.ended(house.queue(device, workOf(call)), 'a good device served afterwards')
    if (most > memoryMostMib)
      throw new Broken(`at most ${memoryMostMib} MiB of memory`, `${Math.round(most)} MiB`)
    const others = house.there().filter((each) => each !== device).length
    if (others > 0) throw new Broken('no session for who has said nothing good', `${others}`)
  } finally {
    stopping.abort()
    clearInterval(watching)
    clearInterval(dripping)
    for (const socket of sockets) socket.destroy()
  }
}

/** What a good device says, from its call to its answers. */
async function saidByGood({ caller, house, samples, ended }: Ground): Promise<Buffer> {
  const { device, relay, stop } = await caller()
  const tasks = samples.calls.map((call) => house.queue(device, workOf(call)))
  for (const task of tasks) await ended(task, 'a good device served before')
  await stop()
  return relay.wires[0]?.said ?? Buffer.alloc(0)
}

/** Waits until all are connected, or have been turned away. */
async function allThere(sockets: readonly Socket[], ms: number): Promise<void> {
  for (const end = performance.now() + ms; sockets.some(({ connecting }) => connecting); await pause(lookMs))
    if (performance.now() > end) return
}

/** Writes a line that does not end, until it is all written or the other end has had enough. */
async function writeLong(socket: Socket, signal: AbortSignal): Promise<void> {
  const piece = Buffer.alloc(64 * 1024, 'a')
  for (let sent = 0; sent < lineBytes && !socket.destroyed && !signal.aborted; sent += piece.length)
    if (!socket.write(piece))
      await new Promise<void>((resolve) => {
        const done = () => {
          socket.off('drain', done).off('close', done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        socket.once('drain', done).once('close', done)
        signal.addEventListener('abort', done)
      })
}

/** It asked nothing that was refused. */
export function judgeAsked({ house }: Ground): Promise<void> {
  const [first] = house.refusals
  if (first === undefined) return Promise.resolve()
  const more = house.refusals.length > 1 ? `, and ${house.refusals.length - 1} more` : ''
  return Promise.reject(new Broken('no question that the server refuses', `${first}${more}`))
}

/** It closes in time with a device there, and its port is free again. */
export async function judgeClose(ground: Ground): Promise<void> {
  const { host, port } = ground.samples.address
  const { relay } = await ground.caller()
  relay.shut()
  const beganAt = performance.now()
  await ground.plugin.close()
  const tookMs = performance.now() - beganAt
  if (tookMs >= closeMs)
    throw new Broken(`closed in ${closeMs} ms`, `it had to be ended after ${Math.round(tookMs)} ms`)
  if (await answers(host, port)) throw new Broken(`port ${port} free again`, 'somebody who answers there')
}
