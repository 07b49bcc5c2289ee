/**
 * The device's side: `node station.js ACCOUNT DEVICE PASSWORD [HOST:PORT]` is a weather station that calls in, `station()` for
 * programs; one with `listens` waits to be called instead, on that port. It installs what it is sent into memory and says what it does.
 */
import { createHash } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { linesOf } from './wire.js'

/**
 * A station. `kept` outlives its lines: images in transfer, packages, configuration. `told(line)` hears what it does;
 * `cutAfter`: its line is cut once, when so many bytes of an image have come; `hangUpMs`: one that listens hangs up when
 * nothing was said for so long.
 */
export function station({
  account,
  device,
  password,
  host = '127.0.0.1',
  port = 9911,
  told = () => {},
  cutAfter,
  listens,
  hangUpMs = 1000,
}) {
  const kept = { images: new Map(), packages: new Map(), configured: new Map(), lines: 0 }
  let cutAt = cutAfter
  let socket
  let isStopped = false
  let image

  const answers = {
    'get-scan': `reply ${JSON.stringify({ scan: `${device}: clear` })}`,
    'transfer-init': 'ok',
  }
  const handlers = {
    welcome: () => told('called in'),
    no: () => told('is not let in'),
    pong() {},
    heard() {},
    refused: (rest) => told(`was refused: ${rest}`),
    call(rest, wire) {
      const [module, method] = rest.split(' ')
      const answer = answers[method]
      if (answer) told(`does ${module}:${method}`)
      wire.write(answer ?? `failed ${method} is not for stations`)
    },
    configure(rest, wire) {
      const [name, ...text] = rest.split(' ')
      kept.configured.set(name, JSON.parse(text.join(' ')))
      wire.write('ok')
    },
    image(rest, wire) {
      const [name, size, sha256, from] = rest.split(' ')
      const parts = Number(from) === 0 ? [] : (kept.images.get(name)?.parts ?? [])
      image = { name, size: Number(size), sha256, parts }
      kept.images.set(name, image)
      if (Number(from) > 0) told(`goes on with ${name} at ${from}`)
      wire.write('ok')
    },
    part(rest, wire) {
      image.parts.push(Buffer.from(rest, 'base64'))
      const bytes = image.parts.reduce((sum, part) => sum + part.length, 0)
      wire.write(`got ${bytes}`)
      if (cutAt === undefined || bytes < cutAt) return
      cutAt = undefined
      told('its line is cut')
      // What it has said may still arrive.
      socket.end()
    },
    sum(_, wire) {
      const sum = createHash('sha256').update(Buffer.concat(image.parts)).digest('hex')
      wire.write(sum === image.sha256 ? 'ok' : 'wrong')
    },
    install: (rest, wire) => put(rest, wire, 'installed'),
    upgrade: (rest, wire) => put(rest, wire, 'upgraded to'),
    uninstall(rest, wire) {
      const [name] = rest.split(' ')
      kept.packages.delete(name)
      told(`removed ${name}`)
      wire.write('ok')
    },
  }

  function put(rest, wire, word) {
    const [name, from, ...text] = rest.split(' ')
    kept.packages.delete(from)
    kept.packages.set(name, Buffer.concat(kept.images.get(name)?.parts ?? []))
    kept.configured.set(name, JSON.parse(text.join(' ')))
    told(`${word} ${name}`)
    wire.write('ok')
  }

  function talk(line) {
    socket = line
    kept.lines += 1
    const wire = linesOf(line, [], (word, rest) => (handlers[word] ?? (() => line.destroy()))(rest, wire))
    return wire
  }
  function dial() {
    if (isStopped) return
    const wire = talk(connect(port, host))
    socket.once('connect', () => wire.write(`hello ${account} ${device} ${password}`))
    socket.once('close', () => setTimeout(dial, 100))
  }
  const server = createServer((line) => {
    told('is called')
    talk(line)
    line.setTimeout(hangUpMs, () => line.end())
  })
  if (listens === undefined) dial()
  else server.listen(listens, host)

  return {
    kept,
    /** The port of one that listens, once it does. */
    listening: new Promise((resolve) => server.once('listening', () => resolve(server.address().port))),
    say: (module, method, params) => socket.write(`say ${module} ${method} ${JSON.stringify(params)}\n`),
    stop() {
      isStopped = true
      server.close()
      socket?.destroy()
    },
  }
}

if (import.meta.filename === process.argv[1]) {
  const [account, device, password, at = '127.0.0.1:9911'] = process.argv.slice(2)
  const [host, port] = at.split(':')
  if (!password) throw new Error('usage: node station.js ACCOUNT DEVICE PASSWORD [HOST:PORT]')
  station({
    account,
    device,
    password,
    host,
    port: Number(port),
    told: (what) => console.log(`${device} ${what}`),
  })
}
