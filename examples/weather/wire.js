/**
 * `weather_proto_v1`, a line a message, both ways:
 *
 *     up    hello ACCOUNT DEVICE PASSWORD          down  welcome, or: no
 *     down  call MODULE METHOD JSON                up    reply JSON, or: failed TEXT
 *     down  configure NAME JSON                    up    ok, or: failed TEXT
 *     down  image PACKAGE SIZE SHA256 FROM         up    ok: parts follow from there
 *     down  part BASE64                            up    got BYTES (in all), or: failed TEXT
 *     down  sum                                    up    ok, or: wrong
 *     down  install|upgrade|uninstall PACKAGE FROM JSON   up    ok, or: failed TEXT
 *     up    say MODULE METHOD JSON                 down  heard, or: refused TEXT
 *     up    ping                                   down  pong
 *
 * A station that was dialled says no hello: it is who it was dialled as.
 */
/** Longest line, characters: a part of an image with room to spare. */
export const lineMost = 256 * 1024

/**
 * The lines of a socket, sorted by whether they answer something: `answer()` waits for the next answer (undefined: the line
 * is cut), everything else goes to `said(word, rest)`.
 */
export function linesOf(socket, answers, said) {
  const waiting = []
  let isOver = false
  let begun = ''
  socket.setEncoding('utf8')
  socket.on('data', (text) => {
    const lines = (begun + text).split('\n')
    begun = lines.pop()
    if (begun.length > lineMost) return socket.destroy()
    for (const line of lines) {
      const [word, ...rest] = line.trimEnd().split(' ')
      if (answers.includes(word)) waiting.shift()?.({ word, rest: rest.join(' ') })
      else said(word, rest.join(' '))
    }
  })
  socket.on('error', () => {})
  socket.once('close', () => {
    isOver = true
    for (const wait of waiting.splice(0)) wait(undefined)
  })
  return {
    write: (line) => socket.write(`${line}\n`),
    answer: () => (isOver ? Promise.resolve(undefined) : new Promise((resolve) => waiting.push(resolve))),
  }
}
