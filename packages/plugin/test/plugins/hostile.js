// What this one does once it is open is chosen by the fragment of its URL. It speaks on the channel by itself.
import { writeSync } from 'node:fs'

const evil = new URL(import.meta.url).hash.slice(1)
const frame = (body) => {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}
const text = (said) => Buffer.concat([frame(Buffer.from(said))])
const pair = (name, value) => Buffer.concat([text(name), value])
const number = (value) => {
  const bytes = Buffer.alloc(9)
  bytes[0] = 4
  bytes.writeDoubleBE(value, 1)
  return bytes
}
const word = (said) => Buffer.concat([Buffer.from([6]), text(said)])
const object = (...pairs) => Buffer.concat([Buffer.from([9, 0, 0, 0, pairs.length]), ...pairs])
const ask = (id, method) =>
  frame(
    object(
      pair('kind', word('ask')),
      pair('id', number(id)),
      pair('method', word(method)),
      pair('args', Buffer.from([8, 0, 0, 0, 0])),
    ),
  )
const write = (bytes) => {
  for (let at = 0; at < bytes.length; )
    try {
      at += writeSync(3, bytes, at)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
}

const deeds = {
  // A length of four gigabytes, and nothing after it.
  lies: () => write(Buffer.from([255, 255, 255, 255])),
  // A list of four billion values in nine bytes.
  counts: () => write(frame(Buffer.from([8, 255, 255, 255, 255]))),
  // A list in a list, a hundred thousand times.
  nests: () => write(frame(Buffer.concat(Array(100_000).fill(Buffer.from([8, 0, 0, 0, 1]))))),
  // No value at all.
  rubbish: () => write(frame(Buffer.from('GET / HTTP/1.1'))),
  // What V8 would have built gigabytes from.
  holes: () => write(frame(Buffer.from('ff0f6180e8920e40008080e8920e', 'hex'))),
  // Questions without end, and no ear for the answers.
  floods() {
    for (let id = 1; ; id += 1) write(ask(id, 'image'))
  },
  // Memory outside the heap.
  grows() {
    const held = []
    setInterval(() => held.length < 30 && held.push(Buffer.alloc(16 * 1024 * 1024, 1)), 10)
  },
  prints() {
    const line = `${'x'.repeat(1_048_575)}\n`
    for (let each = 0; each < 100; each += 1) writeSync(1, line)
    for (let each = 0; each < 1000; each += 1) writeSync(2, `line ${each}\n`)
    process.exit(0)
  },
  speaks() {
    console.log('good morning')
    throw new Error('no breakfast')
  },
}

export default {
  apiVersion: 1,
  name: 'hostile',
  protocols: [{ name: 'hostile_v1', delivery: 'queued' }],
  async open() {
    setTimeout(() => deeds[evil](), 10)
    return { close: async () => {} }
  },
}
