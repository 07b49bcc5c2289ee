/**
 * A plugin that keeps every rule, unless its address names a fault: `frail.js?port=PORT&fault=FAULT`. A JSON document a line:
 * `{ hello }` up, `{ let: true }` or `{ let: false }` down, then `{ do }` down and `{ did }` up, and parts of images between.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const address = new URL(import.meta.url)
const port = Number(address.searchParams.get('port'))
const fault = address.searchParams.get('fault')
const lineMost = 256 * 1024
const partBytes = 16 * 1024
const hoard = []

if (fault === 'throws') throw new Error('no such luck')

export default {
  apiVersion: 1,
  name: 'frail',
  protocols: [{ name: 'frail_v1', delivery: 'queued', dials: true }],
  packages: true,
  async open(waymark) {
    if (fault === 'does not listen') return { close: async () => {} }
    const sockets = new Set()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      if (fault !== 'hears no errors') socket.on('error', () => {})
      serve(waymark, socket)
    })
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
    return {
      async dial({ account, device, ticket, attributes }) {
        if (fault === 'does not dial') return
        const socket = connect(attributes.port, '127.0.0.1')
        if (fault === 'falls over calls in vain')
          await new Promise((resolve) => socket.once('connect', resolve))
        else await once(socket, 'connect')
        socket.on('error', () => {})
        serve(waymark, socket, { account, device, dialled: ticket, address: 'called' })
      },
      async http({ method, path, body }) {
        if (path !== '/reading') return { status: 404 }
        if (method !== 'POST') return { status: fault === 'allows all methods' ? 200 : 405 }
        try {
          return { status: typeof JSON.parse(Buffer.from(body).toString())?.celsius === 'number' ? 200 : 400 }
        } catch (error) {
          if (fault === 'falls over a body')
            setTimeout(() => {
              throw error
            })
          return { status: 400 }
        }
      },
      async close() {
        if (fault === 'never closes') await new Promise(() => {})
        server.close()
        for (const socket of sockets) socket.destroy()
      },
    }
  },
}

const byDevice = new Map()

function serve(waymark, socket, dialled) {
  let begun = ''
  let session
  const answers = []
  const waiting = []
  const write = (message) => socket.write(`${JSON.stringify(message)}\n`)
  const answer = () =>
    answers.length > 0 || socket.destroyed
      ? Promise.resolve(answers.shift())
      : new Promise((resolve) => waiting.push(resolve))
  const ask = (message) => {
    write(message)
    return answer()
  }

  socket.setEncoding('utf8')
  socket.on('data', (text) => {
    if (fault === 'keeps all it hears') hoard.push(text)
    const lines = (begun + text).split('\n')
    begun = lines.pop()
    if (fault === 'keeps all it hears') begun = ''
    if (begun.length > lineMost) return socket.destroy()
    for (const line of lines) heard(line)
  })
  if (dialled) session = greet(dialled).catch(() => socket.destroy())
  socket.once('close', () => {
    for (const wait of waiting.splice(0)) wait(undefined)
  })

  function heard(line) {
    let message
    try {
      message = JSON.parse(line)
    } catch (error) {
      if (fault === 'falls over garbage') throw error
      return socket.destroy()
    }
    if (session === undefined && message?.hello) {
      session = greet(identityOf(message.hello)).catch(() => socket.destroy())
    } else if (waiting.length > 0) waiting.shift()(message)
    else answers.push(message)
  }

  function identityOf([account, device, password]) {
    const address = fault === 'hides addresses' ? '' : (socket.remoteAddress ?? '')
    return { account, device, password, address }
  }

  async function greet(identity) {
    const { device } = identity
    const ended = () => {
      if (fault === 'closes by name') setTimeout(() => byDevice.get(device)?.destroy(), 50)
      if (fault !== 'ignores an end') socket.destroy()
    }
    const opened = await waymark.open(identity, ended)
    if (!opened)
      return socket.end(JSON.stringify({ let: false, ...(fault === 'tells names' ? { device } : {}) }))
    byDevice.set(device, socket)
    write({ let: true })
    if (fault !== 'leaks sessions') {
      if (socket.destroyed) await opened.close()
      socket.once('close', () => setTimeout(() => opened.close(), fault === 'gives up' ? 200 : 0))
    }
    while (!socket.destroyed) {
      const carried = await opened.next(30_000)
      if (!carried) continue
      const outcome = await carry(opened, carried)
      if (!outcome) return
      await opened.settle(carried, outcome)
      if (fault === 'settles twice') await opened.settle(carried, outcome).catch(() => {})
    }
  }

  async function carry(opened, carried) {
    switch (carried.kind) {
      case 'rpc': {
        const said = outcomeOf(await ask({ do: carried.method, input: carried.input }))
        if (!said && fault === 'gives up') return { kind: 'failed', reason: 'gone' }
        if (fault === 'drops outputs' && said?.kind === 'replied') return { kind: 'done' }
        if (fault === 'is rosy' && said?.kind === 'failed') return { kind: 'done' }
        return said
      }
      case 'configuration':
        if (fault === 'configures nothing') return { kind: 'unsupported', reason: 'later' }
        return outcomeOf(await ask({ do: 'configure', input: carried.values }))
      case 'package-configuration':
        return outcomeOf(await ask({ do: 'configure', input: carried.packages[0].values }))
      case 'packages':
        return carrySteps(opened, carried)
      default:
        return fault === 'does what it does not know'
          ? { kind: 'done' }
          : { kind: 'unsupported', reason: `no ${carried.kind}` }
    }
  }

  async function carrySteps(opened, carried) {
    for (const [index, step] of carried.steps.entries()) {
      const outcome = step.image ? await bring(opened, carried, index, step.image) : { kind: 'done' }
      if (!outcome) return undefined
      if (fault !== 'tells no steps')
        await opened.stepped(carried, index, outcome.kind === 'done', outcome.reason)
      if (outcome.kind !== 'done') return outcome
    }
    return { kind: 'done' }
  }

  async function bring(opened, carried, index, image) {
    let from = fault === 'starts over' ? 0 : image.confirmed
    for (let tries = 0; tries < 3; tries++) {
      for (let at = from; at < image.size; ) {
        const part = await opened.image(carried, index, at, partBytes)
        const answered = await ask({ do: 'part', at, bytes: Buffer.from(part).toString('base64') })
        if (!answered) return undefined
        at += part.length
        if (!(await opened.confirmed(carried, index, at))) return { kind: 'failed', reason: 'called off' }
      }
      const sum = await ask({ do: 'sum', input: { sha256: image.sha256 } })
      if (!sum) return undefined
      if (sum.did === 'right' || fault === 'trusts') return { kind: 'done' }
      await opened.restart(carried, index)
      from = 0
    }
    return { kind: 'failed', reason: 'checksum' }
  }
}

function outcomeOf(answer) {
  if (answer === undefined) return undefined
  if (answer?.failed) return { kind: 'failed', reason: String(answer.failed) }
  return answer?.output ? { kind: 'replied', output: answer.output } : { kind: 'done' }
}
