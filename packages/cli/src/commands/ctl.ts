/**
 * `waymark ctl`: sees and steers the agent of this machine through its control socket. It works on Pantavisor's own
 * `pv-ctrl` as well, but for what is marked as this agent's in CONTROL.md.
 */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { controlOperations } from '@waymark/agent'
import { nearest } from '@waymark/server/nearest'
import type { Command } from 'commander'
import { type CtlClient, type CtlReply, createCtlClient, refusalOf, socketOf } from '../ctl-client.ts'
import { namedCommand } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Column, sheetLines, sortedEntries, tableLines } from '../show/table.ts'
import { printable } from '../show/words.ts'
import { withCommander } from '../with-commander.ts'

interface Flags {
  readonly socket?: string
  readonly json?: boolean
}

type Row = Readonly<Record<string, unknown>>

export function run(args: readonly string[], { io }: Context): Promise<number> {
  const ctl = namedCommand('ctl').description(
    'Sees and steers the agent of this machine, over its control socket.',
  )
  /** One sub-command: its words, what it is, what it does with a client. */
  function add<F extends Flags>(
    usage: string,
    about: string,
    act: (client: CtlClient, words: readonly string[], flags: F) => Promise<void>,
  ): Command {
    return ctl
      .command(usage)
      .description(about)
      .option('--socket <path>', 'the socket; else WAYMARK_CONTROL, else where one is usually found')
      .option('--json', 'JSON, as the socket has it')
      .action(async (...given: unknown[]) => {
        // Commander hands over the arguments, the flags, and the command.
        const flags = given.at(-2) as F
        const words = given
          .slice(0, -2)
          .flat()
          .map((word) => String(word ?? ''))
        await act(createCtlClient(socketOf(flags.socket, io.env)), words, flags)
      })
  }

  add('containers', 'Lists containers with their states.', (client, _, flags) =>
    list(io, client, '/containers', containerColumns, flags),
  )
  add('groups', 'Lists groups with their states.', (client, _, flags) =>
    list(io, client, '/groups', groupColumns, flags),
  )
  for (const action of ['start', 'stop', 'restart'])
    add(
      `${action} <container>`,
      `Has a container ${action === 'stop' ? 'stopped' : `${action}ed`}; it takes effect a moment later.`,
      async (client, [name = '']) => {
        const reply = await client.ask('PUT', `/containers/${segment(name)}`, JSON.stringify({ action }))
        if (reply.status === 404)
          throw new Failure(1, `${action}: no container ${printable(name)}${await meant(client, name)}`)
        accept(`${action} ${name}`, reply)
        io.err(`${name}: ${action} taken`)
      },
    )
  add(
    'signal <type>',
    'Signals for the container whose socket it is: ready.',
    async (client, [type = '']) => {
      accept(`signal ${type}`, await client.ask('POST', '/signal', JSON.stringify({ type, payload: '' })))
    },
  )
  add('objects', 'Lists the objects of the pool.', (client, _, flags) =>
    list(io, client, '/objects', objectColumns, flags),
  )
  add(
    'object-put <file...>',
    'Stores files as objects; prints the sha256 of each.',
    async (client, files, flags) => {
      for (const file of files) {
        const sha256 = await putObject(client, file)
        io.out(flags.json ? JSON.stringify({ file, sha256 }) : `${sha256}  ${file}`)
      }
    },
  )
  add<Flags & { output?: string }>(
    'object-get <sha256>',
    'Fetches an object into a file.',
    async (client, [sha = ''], { output }) => {
      if (output === undefined) throw new Failure(2, 'object-get: wanted -o FILE')
      await pipeline(await client.bytes(`/objects/${segment(sha)}`), createWriteStream(output))
    },
  ).option('-o, --output <file>', 'where to')
  add('steps', 'Lists revisions with their progress.', (client, _, flags) =>
    list(io, client, '/steps', stepColumns, flags),
  )
  add(
    'step <rev>',
    'Prints the state of a revision: a number, current, or locals/NAME.',
    async (client, [rev = '']) => {
      io.out(JSON.stringify(await json(client, `/steps/${revision(rev)}`), undefined, 2))
    },
  )
  add('progress <rev>', 'Tells how far a revision has come.', async (client, [rev = ''], flags) => {
    const progress = await json(client, `/steps/${revision(rev)}/progress`)
    print(io, flags.json, { data: progress, lines: () => [progressSaid(progress)] })
  })
  add<Flags & { message?: string }>(
    'put <state> <name> [files...]',
    'Keeps a state (a JSON file) as locals/NAME, the objects it names stored first.',
    async (client, [state = '', name = '', ...files], { message }) => {
      for (const file of files) await putObject(client, file)
      const text = await readFile(state, 'utf8').catch((cause: unknown) => {
        throw new Failure(1, `put: ${cause instanceof Error ? cause.message : String(cause)}`)
      })
      const rev = revision(name.startsWith('locals/') ? name : `locals/${name}`)
      accept(`put ${rev}`, await client.ask('PUT', `/steps/${rev}`, text))
      if (message !== undefined)
        accept(`message ${rev}`, await client.ask('PUT', `/steps/${rev}/commitmsg`, message))
      io.out(rev)
    },
  ).option('-m, --message <text>', 'its commit message')
  add(
    'message <rev> <text>',
    'Sets the commit message of a revision.',
    async (client, [rev = '', text = '']) => {
      accept(`message ${rev}`, await client.ask('PUT', `/steps/${revision(rev)}/commitmsg`, text))
    },
  )
  add<Flags & { commit?: boolean; wait?: boolean }>(
    'run <rev>',
    'Tries a revision; it is kept when it proves itself.',
    async (client, [rev = ''], flags) => {
      await order(io, client, flags.commit ? 'LOCAL_RUN_COMMIT' : 'LOCAL_RUN', rev)
      if (flags.wait) await follow(io, client, rev, flags)
    },
  )
    .option('--commit', 'by a fresh start of all, so that it can end DONE')
    .option('--wait', 'until it has ended; 1 when it was not kept')
  add(
    'remote <on-or-off>',
    'Switches the built-in client of the hub on, or off until it is switched on again.',
    async (client, [word = '']) => {
      if (word !== 'on' && word !== 'off')
        throw new Failure(2, `remote: wanted on or off, got ${printable(word)}`)
      await order(io, client, word === 'on' ? 'GO_REMOTE' : 'GO_LOCAL', '')
    },
  )
  const orders = [
    ['reboot', 'REBOOT_DEVICE', 'Starts the agent and all containers anew.'],
    ['poweroff', 'POWEROFF_DEVICE', 'Stops the agent and all containers.'],
    [
      'make-factory [rev]',
      'MAKE_FACTORY',
      'Makes a revision, or the running one, the factory’s; not once claimed.',
    ],
    ['unclaim', 'UNCLAIM', 'Forgets the identity at the hub.'],
  ] as const
  for (const [usage, op, about] of orders)
    add(usage, about, (client, [payload = '']) => order(io, client, op, payload))
  add('gc', 'Removes what nothing needs, and tells how much that was.', async (client, _, flags) => {
    const reply = accept('gc', await client.ask('POST', '/storage/gc'))
    const data = parsed(reply.text)
    print(io, flags.json, { data, lines: () => [`${String(rowOf(data).reclaimed)} bytes reclaimed`] })
  })
  add(
    'command <op> [payload]',
    'Sends any operation by its own name.',
    async (client, [op = '', payload = '']) => {
      const known = controlOperations.map((each) => each.op)
      const name = known.find((each) => each === op.toUpperCase().replaceAll('-', '_'))
      if (name === undefined) {
        const near = nearest(op.toUpperCase().replaceAll('-', '_'), known)
        throw new Failure(
          2,
          `command: unknown operation ${printable(op)}${near === undefined ? '' : ` (did you mean ${near}?)`}`,
        )
      }
      await order(io, client, name, payload)
    },
  )
  for (const map of ['user-meta', 'device-meta'])
    add<Flags & { delete?: string }>(
      `${map} [assignments...]`,
      `Shows ${map}, or sets keys by key=value.`,
      async (client, assignments, flags) => {
        for (const assignment of assignments) {
          const [, key = '', value = ''] = /^([^=]+)=([\s\S]+)$/.exec(assignment) ?? []
          if (key === '') throw new Failure(2, `${map}: wanted key=value, got ${printable(assignment)}`)
          accept(`${map} ${key}`, await client.ask('PUT', `/${map}/${segment(key)}`, value))
        }
        if (flags.delete !== undefined)
          accept(`${map} ${flags.delete}`, await client.ask('DELETE', `/${map}/${segment(flags.delete)}`))
        if (assignments.length === 0 && flags.delete === undefined) await sheet(io, client, `/${map}`, flags)
      },
    ).option('--delete <key>', 'removes a key')
  add('config', 'Shows the settings of the agent, without secrets.', (client, _, flags) =>
    list(io, client, '/config2', configColumns, flags),
  )
  add('buildinfo', 'Tells what the agent is.', async (client) => {
    io.out(accept('buildinfo', await client.ask('GET', '/buildinfo')).text.trimEnd())
  })
  add(
    'logs [name]',
    'Prints the kept output of a container, or names those that have any.',
    async (client, [name = ''], flags) => {
      if (name === '') {
        const names = await json(client, '/logs')
        print(io, flags.json, { data: names, lines: () => (Array.isArray(names) ? names.map(String) : []) })
        return
      }
      const { text } = accept(`logs ${name}`, await client.ask('GET', `/logs/${segment(name)}`))
      for (const line of text.split('\n').filter((each) => each !== '')) io.out(printable(line))
    },
  )
  return withCommander(ctl, args, io)
}

const text = (name: string, title = name.toUpperCase()): Column<Row> => ({
  title,
  cell: (row) => textOf(row[name]),
})
const containerColumns = [
  text('name'),
  text('group'),
  text('status'),
  text('status_goal', 'GOAL'),
  text('restart_policy', 'POLICY'),
  text('roles'),
]
const groupColumns = [
  text('name'),
  text('status'),
  text('status_goal', 'GOAL'),
  text('restart_policy', 'POLICY'),
]
const objectColumns = [text('sha256'), { ...text('size'), right: true as const }]
const configColumns = [text('key'), text('value'), text('modified', 'FROM')]
const stepColumns: readonly Column<Row>[] = [
  text('name'),
  text('date'),
  { title: 'PROGRESS', cell: (row) => progressSaid(row.progress) },
  text('commitmsg', 'MESSAGE'),
]

const textOf = (value: unknown): string =>
  Array.isArray(value)
    ? value.map(String).join(',')
    : typeof value === 'object' && value !== null
      ? JSON.stringify(value)
      : String(value ?? '')

function progressSaid(raw: unknown): string {
  const { status, progress, 'status-msg': message } = rowOf(raw)
  if (status === undefined) return 'unknown'
  return `${String(status)} ${String(progress ?? 0)} %${message ? `  ${String(message)}` : ''}`
}

async function list(
  io: Io,
  client: CtlClient,
  path: string,
  columns: readonly Column<Row>[],
  flags: Flags,
): Promise<void> {
  const data = await json(client, path)
  const rows = Array.isArray(data) ? data.map(rowOf) : []
  print(io, flags.json, { data, lines: () => tableLines(columns, rows) })
}

async function sheet(io: Io, client: CtlClient, path: string, flags: Flags): Promise<void> {
  const data = await json(client, path)
  print(io, flags.json, {
    data,
    lines: () => sheetLines(sortedEntries(rowOf(data)).map(([key, value]) => [key, textOf(value)])),
  })
}

/** Puts an operation into the agent's slot; waits its turn a few times when the slot is taken. */
async function order(io: Io, client: CtlClient, op: string, payload: string): Promise<void> {
  const body = JSON.stringify({ op, payload })
  let reply = await client.ask('POST', '/commands', body)
  for (let tries = 0; reply.status === 503 && tries < 5; tries++) {
    await new Promise((wait) => setTimeout(wait, 500))
    reply = await client.ask('POST', '/commands', body)
  }
  if (reply.status === 204) io.err(`${op}: nothing to do`)
  else {
    accept(op, reply)
    io.err(`${op} taken`)
  }
}

/** Prints each step of a revision's progress until its last word. A socket that is away means a restart. */
async function follow(io: Io, client: CtlClient, rev: string, flags: Flags): Promise<void> {
  const stop = io.stopSignal()
  let shown = ''
  while (!stop.aborted) {
    const reply = await client.ask('GET', `/steps/${revision(rev)}/progress`).catch(() => undefined)
    if (reply?.status === 200) {
      const progress = parsed(reply.text)
      const said = flags.json ? JSON.stringify(progress) : progressSaid(progress)
      if (said !== shown) io.out(said)
      shown = said
      const { status } = rowOf(progress)
      if (status === 'DONE' || status === 'UPDATED') return
      if (status === 'ERROR' || status === 'WONTGO') throw new Failure(1, `run ${rev}: not kept`)
    } else if (reply && reply.status < 500) throw refusalOf(`run ${rev}`, reply)
    await new Promise((wait) => setTimeout(wait, 200))
  }
}

async function putObject(client: CtlClient, file: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(file), hash)
  } catch (cause) {
    throw new Failure(1, `${file}: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  const sha = hash.digest('hex')
  accept(`object ${file}`, await client.ask('PUT', `/objects/${sha}`, { file }))
  return sha
}

async function meant(client: CtlClient, name: string): Promise<string> {
  const listed = await json(client, '/containers')
  const names = Array.isArray(listed) ? listed.map((row) => textOf(rowOf(row).name)) : []
  const near = nearest(name, names)
  return near === undefined ? '' : ` (did you mean ${near}?)`
}

async function json(client: CtlClient, path: string): Promise<unknown> {
  return parsed(accept(path.slice(1), await client.ask('GET', path)).text)
}

function accept(thing: string, reply: CtlReply): CtlReply {
  if (reply.status !== 200) throw refusalOf(thing, reply)
  return reply
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const rowOf = (raw: unknown): Row => (typeof raw === 'object' && raw !== null ? (raw as Row) : {})

/** A word that stands as one segment of a path, as it is: nothing is decoded there. */
function segment(word: string): string {
  if (!/^[!-.0-~]+$/.test(word) || /[?#]/.test(word))
    throw new Failure(2, `wanted a plain name, got ${printable(word)}`)
  return word
}

function revision(word: string): string {
  return word.startsWith('locals/') ? `locals/${segment(word.slice('locals/'.length))}` : segment(word)
}
