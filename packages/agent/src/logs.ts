/**
 * The device's logs on their way to the hub: spooled on disk, sent in batches, dropped only when refused.
 *
 * Lines go into numbered files of bounded size; the oldest is read, sent and removed. A hub that cannot be
 * reached or is overwhelmed gets the same batch again; one that refuses a batch gets its lines one by one,
 * and a line it refuses is dropped (Pantavisor's rule). When the spool is full the oldest file goes, and a
 * line of the agent's own says so in its place. At most one batch is sent twice after a crash.
 */
import type { HubFailure } from './hub.ts'
import type { Disk } from './ports.ts'
import { isNoSpace } from './room.ts'
import { asObject, type LogEntry } from './wire.ts'

/** Bounds. Sizes in bytes. */
export const logLimits = {
  batchEntries: 200,
  batchBytes: 256 * 1024,
  fileBytes: 256 * 1024,
  files: 8,
  lineBytes: 8192,
}

/** What to do after a batch was answered. */
export type AfterShipping = 'sent' | 'again' | 'one-by-one' | 'drop'

/**
 * The re-send rule: silence, 401, 403, 408, 429 and 5xx mean again; any other refusal means line by line, and
 * a single line that is refused is dropped.
 */
export function afterShipping(failure: HubFailure | undefined, lines: number): AfterShipping {
  if (failure === undefined) return 'sent'
  if (failure.kind !== 'refused') return 'again'
  if (failure.status >= 500 || failure.status < 400 || [401, 403, 408, 429].includes(failure.status))
    return 'again'
  return lines > 1 ? 'one-by-one' : 'drop'
}

/** So many of the first entries make one batch; at least one. */
export function batchSize(entries: readonly LogEntry[]): number {
  let bytes = 0
  let count = 0
  for (const entry of entries) {
    bytes += Buffer.byteLength(JSON.stringify(entry))
    if (count > 0 && (count >= logLimits.batchEntries || bytes > logLimits.batchBytes)) break
    count++
  }
  return count
}

/** The spool of one device. */
export interface LogSpool {
  /** Adds a line; resolves when it is written. Never rejects: a log that fails must not stop an update. */
  add(entry: LogEntry): Promise<void>
  /** Sends what there is with `ship`, oldest first. Resolves with false as soon as something has to wait. */
  drain(ship: (entries: readonly LogEntry[]) => Promise<HubFailure | undefined>): Promise<boolean>
}

const folder = 'logs'
const nameOf = (number: number): string => `${String(number).padStart(10, '0')}.ndjson`

/** Opens the spool on a disk; what an earlier run left is sent first. */
export function createLogSpool(disk: Disk): LogSpool {
  let files: number[] | undefined
  let size = 0
  /** Lines that were dropped and not yet told of. */
  let unsaid = 0
  let turn: Promise<unknown> = Promise.resolve()

  /** One at a time: adding and draining never touch a file together. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work)
    turn = next.catch(() => undefined)
    return next
  }

  async function known(): Promise<number[]> {
    if (files) return files
    await disk.makeFolder(folder)
    const names = (await disk.list(folder)).map((entry) => /^(\d{10})\.ndjson$/.exec(entry.name)?.[1])
    files = names.flatMap((digits) => (digits === undefined ? [] : [Number(digits)]))
    // A new run writes a new file: the last one may end in half a line.
    size = logLimits.fileBytes
    return files
  }

  async function addInTurn(entry: LogEntry): Promise<void> {
    const list = await known()
    if (size >= logLimits.fileBytes || list.length === 0) {
      list.push((list.at(-1) ?? 0) + 1)
      size = 0
    }
    let lost = 0
    while (list.length > logLimits.files) {
      const oldest = list.shift() ?? 0
      lost += lostWith(await read(oldest))
      await disk.remove(`${folder}/${nameOf(oldest)}`)
    }
    lost += unsaid
    unsaid = 0
    const msg =
      entry.msg.length > logLimits.lineBytes ? `${entry.msg.slice(0, logLimits.lineBytes)}…` : entry.msg
    const said = lost > 0 ? `${JSON.stringify(lossOf(entry, lost))}\n` : ''
    const bytes = new TextEncoder().encode(`${said}${JSON.stringify({ ...entry, msg })}\n`)
    if (!(await append(bytes, list.at(-1) ?? 1))) {
      // Without room the oldest lines make room for the newest; the newest is dropped only when it stands alone.
      const oldest = list.length > 1 ? list.shift() : undefined
      unsaid = lost + (oldest === undefined ? 1 : lostWith(await read(oldest)))
      if (oldest === undefined) return
      await disk.remove(`${folder}/${nameOf(oldest)}`)
      return addInTurn(entry)
    }
  }

  /** False: there is no room. */
  async function append(bytes: Uint8Array, number: number): Promise<boolean> {
    try {
      const file = await disk.open(`${folder}/${nameOf(number)}`, { append: true })
      try {
        await file.write(bytes)
        size += bytes.length
      } finally {
        await file.close()
      }
      return true
    } catch (cause) {
      if (!isNoSpace(cause)) throw cause
      return false
    }
  }

  async function read(number: number): Promise<LogEntry[]> {
    const text = (await disk.readText(`${folder}/${nameOf(number)}`)) ?? ''
    return text.split('\n').flatMap((line) => {
      const entry = parseEntry(line)
      return entry ? [entry] : []
    })
  }

  return {
    add: (entry) => inTurn(() => addInTurn(entry)).catch(() => undefined),
    async drain(ship) {
      for (;;) {
        // The oldest file is closed to writers before it is sent, so that nothing is added behind our back.
        const number = await inTurn(async () => {
          const list = await known()
          if (list.length === 1) size = logLimits.fileBytes
          return list[0]
        })
        if (number === undefined) return true
        let rest = await inTurn(() => read(number))
        while (rest.length > 0) {
          const sent = await shipSome(rest, ship)
          if (sent === 0) {
            await inTurn(() => keepRest(number, rest))
            return false
          }
          rest = rest.slice(sent)
        }
        await inTurn(async () => {
          await disk.remove(`${folder}/${nameOf(number)}`)
          files = files?.filter((each) => each !== number)
        })
      }
    },
  }

  /** Leaves in the file what has not been sent. */
  async function keepRest(number: number, rest: readonly LogEntry[]): Promise<void> {
    const path = `${folder}/${nameOf(number)}`
    if ((await disk.stat(path)) === undefined) return
    const file = await disk.open(`${path}.new`)
    try {
      for (const entry of rest) await file.write(new TextEncoder().encode(`${JSON.stringify(entry)}\n`))
    } finally {
      await file.close()
    }
    await disk.rename(`${path}.new`, path)
  }
}

const lossWords = 'lines of log were dropped: there was no room for more until they could be sent'

/** How many lines are lost with these: where one of them tells of others, those are lost once more. */
function lostWith(entries: readonly LogEntry[]): number {
  return entries.reduce((sum, { src, msg }) => {
    const told = src === 'agent' && msg.endsWith(lossWords) ? Number.parseInt(msg, 10) : 1
    return sum + told
  }, 0)
}

/** What stands in place of lines that are gone. */
function lossOf({ tsec, tnano, rev }: LogEntry, lost: number): LogEntry {
  const msg = `${lost} ${lossWords}`
  return { src: 'agent', msg, lvl: 'WARN', tsec, tnano, rev, plat: 'waymark' }
}

/** Sends the first batch, split where it is refused. So many entries are done with. */
async function shipSome(
  entries: readonly LogEntry[],
  ship: (entries: readonly LogEntry[]) => Promise<HubFailure | undefined>,
): Promise<number> {
  const count = batchSize(entries)
  const after = afterShipping(await ship(entries.slice(0, count)), count)
  if (after === 'again') return 0
  if (after !== 'one-by-one') return count
  for (let done = 0; done < count; done++)
    if (afterShipping(await ship(entries.slice(done, done + 1)), 1) === 'again') return done
  return count
}

function parseEntry(line: string): LogEntry | undefined {
  try {
    const entry = asObject(JSON.parse(line))
    const { src, msg, lvl, tsec, tnano, rev, plat } = entry ?? {}
    return typeof src === 'string' &&
      typeof msg === 'string' &&
      typeof lvl === 'string' &&
      typeof tsec === 'number' &&
      typeof tnano === 'number' &&
      typeof rev === 'string' &&
      typeof plat === 'string'
      ? { src, msg, lvl, tsec, tnano, rev, plat }
      : undefined
  } catch {
    return undefined
  }
}
