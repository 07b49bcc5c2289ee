/**
 * What the commands that talk to a server need beyond `Io`: a network, a clock, somebody to ask, and terminals to draw
 * on. Handed in, so that tests run every command in process.
 */
import { homedir } from 'node:os'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { realOutside, type Outside as SdkOutside } from '@waymark/sdk'
import { Failure } from './io.ts'

/** A terminal that takes escape sequences. */
export interface Screen {
  write(text: string): void
  readonly columns: number
  readonly rows: number
}

export interface Outside extends SdkOutside {
  readonly fetch: typeof fetch
  /** The folder that `~` stands for. */
  readonly home: string
  /** Whether somebody is there who can be asked. */
  readonly interactive: boolean
  /** A line typed by a person; `hidden`: without showing it. */
  ask(question: string, how: { hidden: boolean }): Promise<string>
  /** All of stdin, which may hold so many bytes at most. */
  readInput(bytesMax: number): Promise<string>
  /** Writes bytes to stdout, as fast as they are taken. */
  writeBytes(bytes: Uint8Array): Promise<void>
  /** Where progress is drawn: stderr, when it is a terminal. */
  readonly bars: Screen | undefined
  /** Where tables are redrawn: stdout, when it is a terminal. */
  readonly screen: Screen | undefined
}

/** The world as it is. */
export function processOutside(): Outside {
  if (!process.stdout.listeners('error').includes(onOutputError)) process.stdout.on('error', onOutputError)
  return {
    ...realOutside,
    fetch: (input, init) => fetch(input, init),
    home: homedir(),
    interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
    ask,
    readInput,
    writeBytes,
    bars: screenOf(process.stderr),
    screen: screenOf(process.stdout),
  }
}

/** Whoever read our output has left (`waymark device ls | head`): there is nobody to tell, and nothing left to do. */
function onOutputError(error: Error): void {
  if ('code' in error && error.code === 'EPIPE') process.exit(1)
  throw error
}

function screenOf(stream: NodeJS.WriteStream): Screen | undefined {
  if (!stream.isTTY || process.env.TERM === 'dumb') return undefined
  return {
    write: (text) => void stream.write(text),
    get columns() {
      return stream.columns || 80
    },
    get rows() {
      return stream.rows || 24
    },
  }
}

function ask(question: string, { hidden }: { hidden: boolean }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const output = hidden ? new Writable({ write: (_piece, _encoding, done) => done() }) : process.stderr
  const lines = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 })
  let answered = false
  process.stderr.write(question)
  lines.on('SIGINT', () => lines.close())
  lines.on('line', (line) => {
    answered = true
    lines.close()
    if (hidden) process.stderr.write('\n')
    resolve(line)
  })
  lines.on('close', () => {
    if (answered) return
    process.stderr.write('\n')
    reject(new Failure(1, 'stopped'))
  })
  return promise
}

async function readInput(bytesMax: number): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of process.stdin as AsyncIterable<Uint8Array>) {
    bytes += piece.byteLength
    if (bytes > bytesMax) throw new Failure(2, `standard input: wanted at most ${bytesMax} bytes, got more`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function writeBytes(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}
