/**
 * Carries out the machine's tasks through the ports: dull on purpose, each task a few calls in a row.
 *
 * Whatever goes wrong comes back as a failure by name; nothing is decided here. The order of writes within a
 * task is what the promises about crashes rest on, and stands beside each.
 */
import type { Book } from './control/book.ts'
import { isLocal } from './control/book.ts'
import { forgetIdentity, keepIdentity, readIdentity } from './credentials.ts'
import { type DownloadSettings, type DownloadWatch, downloadObjects } from './download.ts'
import { removeDurably, writeDurably } from './durable.ts'
import type { AgentEvent } from './events.ts'
import { readFactory } from './factory.ts'
import type { Answer, Hub, Identity } from './hub.ts'
import { keepAttempt, keepFinals, readAttempt, readFinals } from './keep.ts'
import type { Attempt, Failure, Final, Input, Needed, Results, Task, TaskName } from './model.ts'
import { objectPath, type Pool } from './pool.ts'
import type { Clock, FactoryFolder, Luck, Passage, Revision, RevisionDriver } from './ports.ts'
import { objectsOf, revisionOf } from './revision.ts'
import type { RoomyDisk } from './room.ts'
import { forgetMark, judgeMark, keepMark, readMark, type TryMark } from './try-mark.ts'
import { finalOf } from './update.ts'
import type { ObjectRecord } from './wire.ts'

/** What tasks are carried out with. */
export interface CarryPorts {
  readonly hub: Hub
  readonly disk: RoomyDisk
  readonly factory: FactoryFolder | undefined
  readonly driver: RevisionDriver
  readonly pool: Pool
  /** Where the progress of quiet updates stands. */
  readonly book: Book
  readonly clock: Clock
  readonly luck: Luck
  readonly tell: (event: AgentEvent) => void
  readonly post: (input: Input) => void
}

export interface CarrySettings extends DownloadSettings {
  readonly hub: string
  /** An identity from the settings counts as claimed and is never replaced. */
  readonly identity: Identity | undefined
  readonly joinToken: string | undefined
  /** Bytes left free beside what an update needs, held by a file that is given up for what has to be written. */
  readonly spareBytes: number
  /** Names this run in the evidence of steps it finds half-way. */
  readonly startId?: string
  /** How often a tested revision is looked at; 5 s unless given. */
  readonly probeMs?: number
  /** How long beyond the commit delay containers may take to prove stable; 120 s unless given. */
  readonly stableMs?: number
  /** How often moving bytes are told. */
  readonly tellMovedMs: number
}

/** There while the built-in client is switched off. */
const remoteOffPath = 'control/remote-off'

/** A task ended without its result. */
class TaskFailed extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.kind)
    this.failure = failure
  }
}

/** Makes the function that carries out one task and brings back what came of it. Never rejects. */
export function createCarrier(settings: CarrySettings, ports: CarryPorts) {
  const { hub, disk, driver, pool } = ports
  /** The last words as they stand on disk. */
  let finals: readonly Final[] = []

  async function load(): Promise<Results['load']> {
    const stored = settings.identity
      ? { identity: settings.identity, claimed: true }
      : await readIdentity(disk)
    hub.identify(stored?.identity)
    await settleNames()
    await disk.refill()
    finals = await readFinals(disk)
    await ports.book.load()
    const trying = await settleMark()
    await endUnbegun(trying)
    await driver.trials?.start()
    return {
      identity: stored,
      running: running(await driver.current()),
      attempt: await readAttempt(disk),
      finals,
      factory: ports.factory !== undefined,
      ...(trying ? { trying } : {}),
      ...((await disk.stat(remoteOffPath)) ? { remoteOff: true } : {}),
    }
  }

  /**
   * What a killed run has renamed may be seen, but not be on the disk yet: a link it switched, a last word it kept, a
   * folder it made. This run builds on what it sees, and tells the hub of it, so that it must be safe first.
   */
  async function settleNames(): Promise<void> {
    for (const folder of ['.', 'update'])
      if (folder === '.' || (await disk.stat(folder))?.kind === 'folder') await disk.syncFolder(folder)
  }

  /**
   * What the mark of an earlier start means for this one. All of it is done before anything runs and before the hub is
   * asked, so that a device without hub or owner comes back too.
   */
  async function settleMark(): Promise<TryMark | undefined> {
    const verdict = judgeMark(await readMark(disk), running(await driver.current()), finals)
    switch (verdict.kind) {
      case 'none':
        return undefined
      case 'kept':
        await forgetMark(disk)
        return undefined
      case 'try': {
        // From here on a start that finds the mark knows that this one died.
        const trying: TryMark = { ...verdict.mark, stage: 'trying' }
        try {
          await keepMark(disk, trying)
        } catch (cause) {
          // What cannot be noted must not be tried: that it had died over it would go unseen.
          await fallBack(verdict.mark, `Not tried: ${messageOf(cause)}`, '')
          return undefined
        }
        driver.trials?.begin()
        return trying
      }
      case 'roll-back':
        await fallBack(verdict.mark, verdict.why, verdict.logs)
        return undefined
    }
  }

  /** A quiet update that an earlier run had begun, and not yet marked: nothing of it is in force. */
  async function endUnbegun(trying: TryMark | undefined): Promise<void> {
    for (const { rev, progress } of ports.book.all())
      if (isLocal(rev) && rev !== trying?.rev && ['INPROGRESS', 'TESTING'].includes(progress?.status ?? '')) {
        const message = 'Interrupted before it was tried'
        await ports.book.note(
          rev,
          { status: 'ERROR', 'status-msg': message, progress: 100 },
          ports.clock.now(),
        )
      }
  }

  /** The previous revision is in force again, then the reason is kept, then the mark goes: each may be repeated. */
  async function fallBack(mark: TryMark, why: string, logs: string): Promise<void> {
    const now = await driver.current()
    if (mark.previous !== undefined && now?.rev !== mark.previous)
      await (driver.trials?.arrange(mark.previous) ?? driver.switchTo(mark.previous))
    const back = running(await driver.current())
    const { rev, retries } = mark
    const startId = settings.startId ?? ''
    const final: Final = finalOf(mark, 'ERROR', why, { running: back, startId, retries, probes: [], logs })
    let kept = true
    if (mark.quiet) await note(rev, final.progress)
    else {
      finals = [...finals.filter((each) => each.rev !== rev), final].slice(-32)
      kept = await keepWords().then(
        () => true,
        () => false,
      )
    }
    // Without room for the reason the mark stays, and the next start says it again: what ran before runs in any case.
    if (kept) await forgetMark(disk)
    ports.tell({ event: 'error', rev, status: 'ERROR', message: why, running: back?.rev })
  }

  const keepWords = (): Promise<void> => cleared(() => keepFinals(disk, finals))

  /** Writes what has to be written; a disk without room is first cleared of what neither runs nor ran before. */
  async function cleared(write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch {
      await driver.forgetOld()
      await write()
    }
  }

  /** What another attempt has left is of no use to this one, and may be what leaves it no room. */
  async function keepNewAttempt(attempt: Attempt): Promise<void> {
    const before = await readAttempt(disk)
    await cleared(() => keepAttempt(disk, attempt))
    if (before?.rev !== attempt.rev || before.stateSha !== attempt.stateSha)
      await driver.forgetOld().catch(() => undefined)
  }

  async function installFactory(): Promise<Results['install-factory']> {
    let revision: Revision
    try {
      revision = await readFactory(ports.factory, pool)
    } catch (cause) {
      throw new TaskFailed({ kind: 'factory', detail: messageOf(cause) })
    }
    await driver.prepare(revision)
    await driver.switchTo(0)
    return { rev: 0, stateSha: revision.stateSha }
  }

  /**
   * Back to revision 0. What was said on the deleted trail is forgotten first, lest it answer a new one, and so is a
   * trial: what it would fall back to belongs to that trail as well.
   */
  async function returnToFactory(): Promise<Results['return-to-factory']> {
    finals = []
    await keepFinals(disk, finals)
    await forgetMark(disk)
    driver.trials?.end()
    try {
      await driver.switchTo(0)
    } catch {
      return installFactory()
    }
    return running(await driver.current()) ?? installFactory()
  }

  /** The state of revision 0, the newest when another was made the factory's. */
  async function factoryText(): Promise<string | undefined> {
    const names = (await disk.list('states')).map(({ name }) => name)
    const newest = names.filter((name) => /^0(\.\d+)?\.json$/.test(name)).at(-1)
    return newest === undefined ? undefined : disk.readText(`states/${newest}`)
  }

  async function announce(signal: AbortSignal): Promise<null> {
    const current = await driver.current()
    if (!current) throw new TaskFailed({ kind: 'factory', detail: 'wanted a running revision, got none' })
    // No hub hears of a local revision: its trail begins with the factory's.
    const stateText = isLocal(current.rev) ? await factoryText() : current.stateText
    if (stateText === undefined)
      throw new TaskFailed({ kind: 'factory', detail: 'wanted revision 0, got none' })
    const read = revisionOf(isLocal(current.rev) ? 0 : current.rev, JSON.parse(stateText))
    if (!read.ok) throw new TaskFailed({ kind: 'factory', detail: read.refusal.thing })
    const seen = new Set<string>()
    for (const file of read.revision.files) {
      if (file.kind !== 'object' || seen.has(file.sha)) continue
      seen.add(file.sha)
      await upload(file.path, file.sha, signal)
    }
    return value(await hub.postTrail(stateText, signal))
  }

  async function upload(name: string, sha: string, signal: AbortSignal): Promise<void> {
    if (!(await pool.holds(sha)))
      throw new TaskFailed({ kind: 'object', sha, detail: `factory file ${name} no longer has these bytes` })
    const size = (await disk.stat(objectPath(sha)))?.size ?? 0
    const offered = value(await hub.offerObject({ name, sha, size }, signal))
    const sent = offered !== 'stored'
    if (sent) value(await hub.putObject(offered.putUrl, size, disk.read(objectPath(sha)), signal))
    ports.tell({ event: 'uploaded', name, sha, size, sent })
  }

  async function lookUp(revision: Revision, signal: AbortSignal): Promise<Needed> {
    const wanted: string[] = []
    const all = objectsOf(revision)
    for (const sha of all) if (!(await pool.holds(sha))) wanted.push(sha)
    const missing: ObjectRecord[] = []
    const left = [...wanted]
    async function work(): Promise<void> {
      for (let sha = left.shift(); sha !== undefined; sha = left.shift()) {
        const record = value(await hub.object(sha, signal))
        if (record.sha !== sha)
          throw new TaskFailed({
            kind: 'garbled',
            call: 'object',
            detail: `asked for ${sha}, got ${record.sha}`,
          })
        missing.push(record)
      }
    }
    await Promise.all(Array.from({ length: Math.min(settings.parallel, left.length) }, work))
    missing.sort((a, b) => (a.sha < b.sha ? -1 : 1))
    let requiredBytes = 0
    for (const { sha, size } of missing) requiredBytes += Math.max(0, size - (await pool.partialBytes(sha)))
    const documents = revision.files.reduce((sum, f) => sum + (f.kind === 'document' ? f.text.length : 0), 0)
    return {
      missing,
      reused: all.length - missing.length,
      requiredBytes: requiredBytes + documents + settings.spareBytes,
      availableBytes: await disk.freeBytes(),
    }
  }

  async function download(objects: readonly ObjectRecord[], signal: AbortSignal): Promise<null> {
    const total = objects.reduce((sum, object) => sum + object.size, 0)
    let bytes = 0
    for (const { sha, size } of objects) bytes += Math.min(size, await pool.partialBytes(sha))
    let toldAt = ports.clock.now()
    const moved = (count: number): void => {
      bytes = Math.max(0, bytes + count)
      const now = ports.clock.now()
      if (bytes < total && now - toldAt < settings.tellMovedMs) return
      toldAt = now
      ports.post({ kind: 'moved', bytes, total })
    }
    const watch: DownloadWatch = {
      onBytes: moved,
      onDiscarded: (count) => moved(-count),
      onResumed: (sha, from, size) => ports.tell({ event: 'resumed', sha, from, size }),
      onCorrupt: (sha, got, attempt) => ports.tell({ event: 'corrupt', sha, got, attempt }),
      onTrouble: (sha, detail, againInMs) =>
        ports.tell({ event: 'trouble', during: `download of ${sha.slice(0, 12)}`, detail, againInMs }),
    }
    const failure = await downloadObjects(objects, ports, settings, watch, signal)
    if (failure) throw new TaskFailed(failure)
    return null
  }

  async function prepare(revision: Revision): Promise<Passage | null> {
    try {
      await driver.prepare(revision)
      return (await driver.trials?.passage(revision.rev)) ?? null
    } catch (cause) {
      throw new TaskFailed({ kind: 'driver', detail: `revision ${revision.rev}: ${messageOf(cause)}` })
    }
  }

  /** Switches to a revision that is only tried. What it replaced is brought back by `rollBack`, not here. */
  async function tryOut(mark: TryMark): Promise<Results['switch']> {
    await keepMark(disk, mark)
    driver.trials?.begin()
    try {
      if (mark.passage === 'restart') await driver.trials?.arrange(mark.rev)
      else await driver.switchTo(mark.rev)
    } catch (cause) {
      throw new TaskFailed({ kind: 'driver', detail: `revision ${mark.rev}: ${messageOf(cause)}` })
    }
    return { probes: [] }
  }

  async function settle(signal: AbortSignal): Promise<Results['settle']> {
    const fault = await driver.trials?.settled(signal)
    // Nobody has settled when the waiting was broken off.
    if (signal.aborted) throw new TaskFailed({ kind: 'driver', detail: 'stopped' })
    return fault ?? null
  }

  /** Watches for the commit delay, and longer while something has yet to prove stable; at least one look. */
  async function test(forMs: number, signal: AbortSignal): Promise<Results['test']> {
    let left = forMs
    let patience = settings.stableMs ?? 120_000
    for (;;) {
      const health = await driver.health()
      const fault = driver.trials?.fault()
      if (fault) return fault
      if (health.kind === 'ill') return { why: health.why, logs: '' }
      if (left <= 0) {
        if (health.kind === 'healthy') return { probes: health.probes }
        if (patience <= 0) return { why: health.why, logs: '' }
      }
      // Counted in time slept, so that a clock that is set meanwhile changes nothing.
      const nap = Math.max(1, Math.min(left > 0 ? left : patience, settings.probeMs ?? 5000))
      await ports.clock.sleep(nap, signal)
      if (signal.aborted) throw new TaskFailed({ kind: 'driver', detail: 'stopped' })
      if (left > 0) left -= nap
      else patience -= nap
    }
  }

  /** Gives a tried revision up. The reason is on disk before anything moves, and survives what comes next. */
  async function rollBack(mark: TryMark): Promise<Results['roll-back']> {
    // A disk that will not take the reason must not keep the device on what it has given up: the start would roll back
    // all the same, only without saying why.
    await keepMark(disk, mark).catch(() => undefined)
    if (mark.passage === 'restart') return undefined
    driver.trials?.end()
    const now = await driver.current()
    if (mark.previous !== undefined && now?.rev !== mark.previous) await driver.switchTo(mark.previous)
    return running(await driver.current())
  }

  /** Switches and looks whether what runs is well; when it is not, the previous revision runs again. */
  async function switchTo(rev: number, previous: number | undefined): Promise<Results['switch']> {
    try {
      await driver.switchTo(rev)
      const health = await driver.health()
      if (health.kind !== 'ill') return { probes: health.kind === 'healthy' ? health.probes : [] }
      throw new Error(health.why)
    } catch (cause) {
      const now = await driver.current().catch(() => undefined)
      if (previous !== undefined && now?.rev !== previous) await driver.switchTo(previous)
      throw new TaskFailed({ kind: 'driver', detail: `revision ${rev}: ${messageOf(cause)}` })
    }
  }

  async function adopt(revision: Revision, signal: AbortSignal): Promise<null> {
    const needed = await lookUp(revision, signal)
    if (needed.requiredBytes > needed.availableBytes)
      throw new TaskFailed({
        kind: 'disk',
        detail: `Space required ${needed.requiredBytes} B, available ${needed.availableBytes} B`,
      })
    await download(needed.missing, signal)
    await prepare(revision)
    await driver.switchTo(revision.rev)
    return null
  }

  /** Any reply at all will do. */
  async function askHub(signal: AbortSignal): Promise<null> {
    const answer = await hub.trails(signal)
    if (!answer.ok && answer.failure.kind === 'unreachable') throw new TaskFailed(answer.failure)
    return null
  }

  async function note(rev: number, progress: Final['progress']): Promise<null> {
    const { status, 'status-msg': message, progress: percent, logs } = progress
    const known = {
      status,
      'status-msg': message,
      progress: percent,
      ...(logs === undefined ? {} : { logs }),
    }
    await ports.book.note(rev, known, ports.clock.now())
    return null
  }

  /**
   * The last word on a quiet update: the word first, then the mark goes, which is what keeps the revision. A cut in
   * between is a rollback, and the word is replaced by that.
   */
  async function keepQuietFinal(final: Final): Promise<null> {
    await note(final.rev, final.progress)
    await forgetMark(disk)
    driver.trials?.end()
    await driver.forgetOld().catch(() => undefined)
    return null
  }

  /** Every object is hashed: what is missing or rotten is named before anything moves. */
  async function lookOver(revision: Revision): Promise<readonly string[]> {
    const missing: string[] = []
    for (const sha of objectsOf(revision)) if (!(await pool.holds(sha))) missing.push(sha)
    return missing
  }

  async function obey(order: Extract<Task, { do: 'obey' }>['order']): Promise<null> {
    switch (order) {
      case 'collect':
        await driver.forgetOld()
        return null
      case 'go-local':
        await writeDurably(disk, remoteOffPath, 'off\n')
        return null
      case 'go-remote':
        await removeDurably(disk, remoteOffPath)
        return null
      case 'unclaim':
        await forgetIdentity(disk)
        hub.identify(undefined)
        finals = []
        await keepFinals(disk, finals)
        return null
    }
  }

  async function keepFinal(final: Final): Promise<null> {
    if (final.quiet) return keepQuietFinal(final)
    finals = [...finals.filter((each) => each.rev !== final.rev), final].slice(-32)
    await keepWords()
    // The last word is what keeps a revision or gives it up; its mark has served.
    if (!final.sent) {
      await forgetMark(disk)
      driver.trials?.end()
    }
    // The hub has heard it, so nothing will ask for the older revisions again.
    if (final.sent) {
      await driver.forgetOld().catch(() => undefined)
      await disk.refill()
    }
    return null
  }

  async function carry(task: Task, signal: AbortSignal): Promise<Input> {
    switch (task.do) {
      case 'load':
        return did(task.do, await load())
      case 'install-factory':
        return did(task.do, await installFactory())
      case 'register':
        return did(task.do, value(await hub.register(settings.joinToken, signal)))
      case 'keep-identity':
        await keepIdentity(disk, task.stored, { hub: settings.hub, challenge: task.challenge })
        hub.identify(task.stored.identity)
        return did(task.do, null)
      case 'login':
        return did(task.do, value(await hub.login(signal)))
      case 'ask-device':
        return did(task.do, value(await hub.device(task.id, signal)))
      case 'list-trails':
        return did(task.do, value(await hub.trails(signal)))
      case 'read-factory-step':
        return did(task.do, value(await hub.step(task.trail, 0, signal)))
      case 'adopt':
        return did(task.do, await adopt(task.revision, signal))
      case 'return-to-factory':
        return did(task.do, await returnToFactory())
      case 'announce':
        return did(task.do, await announce(signal))
      case 'poll':
      case 'confirm':
        return did(task.do, value(await hub.openSteps(task.trail, signal))[0])
      case 'keep-attempt':
        await keepNewAttempt(task.attempt)
        return did(task.do, null)
      case 'report':
        return did(task.do, value(await hub.report(task.trail, task.rev, task.progress, signal)))
      case 'look-up':
        return did(task.do, await lookUp(task.revision, signal))
      case 'download':
        return did(task.do, await download(task.objects, signal))
      case 'prepare':
        return did(task.do, await prepare(task.revision))
      case 'switch':
        return did(task.do, task.mark ? await tryOut(task.mark) : await switchTo(task.rev, task.previous))
      case 'settle':
        return did(task.do, await settle(signal))
      case 'test':
        return did(task.do, await test(task.forMs, signal))
      case 'ask-hub':
        return did(task.do, await askHub(signal))
      case 'roll-back':
        return did(task.do, await rollBack(task.mark))
      case 'keep-final':
        return did(task.do, await keepFinal(task.final))
      case 'note':
        return did(task.do, await note(task.rev, task.progress))
      case 'look-over':
        return did(task.do, await lookOver(task.revision))
      case 'obey':
        return did(task.do, await obey(task.order))
    }
  }

  return async (task: Task, signal: AbortSignal): Promise<Input> => {
    try {
      return await carry(task, signal)
    } catch (cause) {
      const failure: Failure =
        cause instanceof TaskFailed ? cause.failure : { kind: 'disk', detail: messageOf(cause) }
      return { kind: 'failed', task: task.do, failure }
    }
  }
}

/** The value of an answer; a failure ends the task. */
function value<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value
  throw new TaskFailed(answer.failure)
}

function did<K extends TaskName>(task: K, result: Results[K]): Input {
  // The pair is right by this function's own type; the union cannot see that by itself.
  return { kind: 'did', task, result } as Input
}

const running = (current: { rev: number; stateSha: string } | undefined) =>
  current && { rev: current.rev, stateSha: current.stateSha }

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
