/** A plugin for Waymark: weather stations that speak `weather_proto_v1` (wire.js). */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { attributeModules } from './modules.js'
import { linesOf } from './wire.js'

const partBytes = 64 * 1024
const transferTries = 3
const settings = JSON.parse(readFileSync(new URL('./settings.json', import.meta.url), 'utf8'))
/** 64-bit numbers come as bigints; this wire has them as texts. */
const json = (value) => JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? String(one) : one))

export default {
  apiVersion: 1,
  name: 'weather-proto-v1',
  protocols: [{ name: 'weather_proto_v1', delivery: 'queued', dials: true }],
  packages: true,
  modules: attributeModules,
  async open(waymark) {
    const sockets = new Set()
    const keep = (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      return socket
    }
    const server = createServer((socket) => serve(waymark, keep(socket)))
    await new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(settings.port, settings.host, resolve)
    })
    return {
      /** A station that listens has its address among its attributes. */
      async dial({ account, device, ticket, attributes }) {
        const [, host, port] = /^(.+):(\d+)$/.exec(attributes.address ?? '') ?? []
        if (!host) throw new Error(`${device} has no address to be called at`)
        const socket = keep(connect(Number(port), host))
        await once(socket, 'connect')
        serve(waymark, socket, { account, device, dialled: ticket, address: attributes.address })
      },
      async close() {
        server.close()
        for (const socket of sockets) socket.destroy()
      },
    }
  },
}

/** One line to a station: it has called in, or it was dialled and is who it was called as. */
function serve(waymark, socket, dialled) {
  const wire = linesOf(socket, ['reply', 'ok', 'got', 'wrong', 'failed'], (word, rest) => {
    if (word === 'hello' && session === undefined) session = orHangUp(greet(rest))
    else if (word === 'ping') wire.write('pong')
    else if (word === 'say') orHangUp(say(rest))
    else socket.destroy()
  })
  let session = dialled && orHangUp(open(dialled))

  /** What a caller says wrong ends his line, and nothing else. */
  function orHangUp(doing) {
    doing.catch(() => socket.destroy())
    return doing
  }

  async function greet(rest) {
    const [account = '', device = '', password = ''] = rest.split(' ')
    return open({ account, device, password, address: socket.remoteAddress ?? '' })
  }

  async function open(identity) {
    const opened = await waymark.open(identity, () => socket.destroy())
    wire.write(opened ? 'welcome' : 'no')
    if (!opened) return socket.end()
    socket.once('close', () => void opened.close())
    // It may have hung up while the server looked for it.
    if (socket.destroyed) return opened.close()
    orHangUp(carryAll(opened))
    return opened
  }

  async function say(rest) {
    const [module = '', method = '', ...text] = rest.split(' ')
    const answer = await (await session)?.call(module, method, JSON.parse(text.join(' ') || '{}'))
    wire.write(answer && answer.kind !== 'refused' ? 'heard' : `refused ${answer?.reason ?? 'not logged in'}`)
  }

  async function carryAll(opened) {
    while (!socket.destroyed) {
      const carried = await opened.next(30_000)
      if (!carried) continue
      const outcome = await carry(opened, carried)
      // The line is cut: what is not settled is carried again.
      if (!outcome) return
      await opened.settle(carried, outcome)
    }
  }

  async function carry(opened, carried) {
    switch (carried.kind) {
      case 'rpc':
        wire.write(`call ${carried.module} ${carried.method} ${json(carried.input)}`)
        return outcomeOf(await wire.answer())
      case 'configuration':
        wire.write(`configure ${carried.name} ${json(carried.values)}`)
        return outcomeOf(await wire.answer())
      case 'package-configuration':
        for (const each of carried.packages) {
          wire.write(`configure ${each.package} ${json(each.values)}`)
          const outcome = outcomeOf(await wire.answer())
          if (outcome?.kind !== 'done') return outcome
        }
        return { kind: 'done' }
      case 'packages':
        return carrySteps(opened, carried)
      default:
        return { kind: 'unsupported', reason: `${carried.kind} has no line here` }
    }
  }

  async function carrySteps(opened, carried) {
    for (const [index, step] of carried.steps.entries()) {
      const brought = step.image ? await bring(opened, carried, index, step) : { kind: 'done' }
      if (!brought) return undefined
      let outcome = brought
      if (brought.kind === 'done' && step.operation !== 'transmit') {
        wire.write(`${step.operation} ${step.package} ${step.from ?? '-'} ${json(step.values ?? {})}`)
        outcome = outcomeOf(await wire.answer())
        if (!outcome) return undefined
      }
      await opened.stepped(carried, index, outcome.kind === 'done', outcome.reason)
      if (outcome.kind !== 'done') return outcome
    }
    return { kind: 'done' }
  }

  /** Brings an image from where it stopped; one whose checksum is wrong again and again has failed. */
  async function bring(opened, carried, index, { package: name, image }) {
    let from = image.confirmed
    for (let tries = 0; tries < transferTries; tries++) {
      wire.write(`image ${name} ${image.size} ${image.sha256} ${from}`)
      if (!(await wire.answer())) return undefined
      for (let at = from; at < image.size; ) {
        const part = await opened.image(carried, index, at, partBytes)
        wire.write(`part ${Buffer.from(part).toString('base64')}`)
        const answer = await wire.answer()
        if (!answer) return undefined
        at += part.length
        if (answer.word !== 'got' || Number(answer.rest) !== at)
          return { kind: 'failed', reason: `of ${at} bytes it said ${answer.word} ${answer.rest}` }
        if (!(await opened.confirmed(carried, index, at))) return { kind: 'failed', reason: 'called off' }
      }
      wire.write('sum')
      const answer = await wire.answer()
      if (!answer) return undefined
      if (answer.word === 'ok') return { kind: 'done' }
      await opened.restart(carried, index)
      from = 0
    }
    return { kind: 'failed', reason: `checksum-failure, ${transferTries} times` }
  }
}

/** What an answer means; undefined: there was none. */
function outcomeOf(answer) {
  switch (answer?.word) {
    case undefined:
      return undefined
    case 'ok':
      return { kind: 'done' }
    case 'reply':
      return { kind: 'replied', output: JSON.parse(answer.rest || '{}') }
    default:
      return { kind: 'failed', reason: answer.rest || answer.word }
  }
}
