/**
 * Revisions as the control socket reads and writes them: states, progress, commit messages.
 *
 * A state put here is judged (its form, and its signatures in the mode of the settings) before it is kept; whether its
 * objects are here is looked at when it is run, as Pantavisor does.
 */
import { checkSignatures, isJsonObject, type JsonObject, parseState, statusPercent } from '@waymark/pantahub'
import type { ControlHouse } from '../agent.ts'
import { removeDurably, writeDurably } from '../durable.ts'
import type { AgentEvent } from '../events.ts'
import type { Machine } from '../model.ts'
import type { Json, Revision } from '../ports.ts'
import { revisionOf } from '../revision.ts'
import { asObject } from '../wire.ts'
import { bookLimit, isLocal, type LocalProgress, parseLocalName } from './book.ts'
import { dateView } from './views.ts'

/** Local revisions kept; one more, and the oldest that is not needed goes. */
export const localsLimit = 32

const finalWords = ['DONE', 'UPDATED', 'ERROR', 'WONTGO']
const ready = {
  status: 'NEW',
  'status-msg': 'Update ready to be run',
  progress: statusPercent.NEW,
} as const

const ending = {
  status: 'INPROGRESS',
  'status-msg': 'Concluding update',
  progress: statusPercent.INPROGRESS,
} as const

export type StepKept = { readonly ok: true } | { readonly ok: false; readonly why: string }

export interface Steps {
  open(): Promise<void>
  /** The number of a revision by the name it has on the socket; undefined when there is none. */
  find(name: string): number | undefined
  /** The canonical state; undefined when it is not kept here. */
  stateText(rev: number): Promise<string | undefined>
  /** The state that runs; empty without one. */
  runningState(): Promise<JsonObject>
  /** A revision ready to be run as number `as`. */
  revision(rev: number, as?: number): Promise<Revision | undefined>
  list(): Promise<Json>
  progress(rev: number): LocalProgress | undefined
  /** Keeps a state under a local name. */
  put(name: string, text: string): Promise<StepKept>
  message(rev: number, text: string): Promise<void>
  /** Sets the progress of a local revision back to that of one not yet run; answers what it was, if it changed. */
  renew(rev: number): Promise<LocalProgress | undefined>
  restore(rev: number, progress: LocalProgress): Promise<void>
  /** Forgets local revisions that have ended, and neither run nor ran before. */
  forgetEnded(): Promise<void>
}

export function createSteps(house: ControlHouse): Steps {
  const { disk, book, clock } = house
  /** What the hub was told last of the step under way. */
  const live = new Map<number, LocalProgress>()
  let known = { rev: -1, sha: '', state: {} as JsonObject }

  house.hear((event: AgentEvent) => {
    if (event.event === 'reported') {
      live.clear()
      live.set(event.rev, { status: event.status, 'status-msg': '', progress: event.percent })
    }
    if (event.event === 'step') void noteStep(event.rev, event.message).catch(() => undefined)
  })

  async function noteStep(rev: number, commitMessage: string): Promise<void> {
    const before = book.of(rev)
    if (before?.commitMessage === commitMessage) return
    const entry = { rev, name: String(rev), at: clock.now(), progress: undefined }
    await book.put({ ...entry, ...before, commitMessage })
    const surplus = book.all().length - bookLimit
    if (surplus > 0)
      await book.forget(
        book
          .all()
          .filter((each) => !isLocal(each.rev))
          .slice(0, surplus)
          .map((each) => each.rev),
      )
  }

  /** Files of `states` by the revision they hold, the one in force preferred. */
  async function stateFiles(): Promise<ReadonlyMap<number, string>> {
    const files = new Map<number, string>()
    for (const { name } of await disk.list('states')) {
      const [, rev] = /^(\d+)(?:\.\d+)?\.json$/.exec(name) ?? []
      if (rev !== undefined) files.set(Number(rev), `states/${name}`)
    }
    const current = (await disk.readLink('current'))?.replace(/^revisions\//, '')
    const [, rev] = /^(\d+)(?:\.\d+)?$/.exec(current ?? '') ?? []
    if (rev !== undefined) files.set(Number(rev), `states/${current}.json`)
    return files
  }

  async function stateText(rev: number): Promise<string | undefined> {
    const path = (await stateFiles()).get(rev)
    return path === undefined ? undefined : disk.readText(path)
  }

  /** Numbers that must stay: what runs, what ran before, what is tried or waits. */
  async function needed(): Promise<ReadonlySet<number>> {
    const { running, trial, order, phase } = house.machine()
    const links = await Promise.all(['current', 'previous'].map((name) => disk.readLink(name)))
    const numbers = links.map((link) => Number.parseInt(link?.replace(/^revisions\//, '') ?? '', 10))
    const job = phase.state === 'update' ? phase.job?.revision.rev : undefined
    const ordered = order?.kind === 'run' ? order.revision.rev : undefined
    return new Set(
      [...numbers, running?.rev, trial?.mark.rev, trial?.mark.previous, job, ordered].filter(isNumber),
    )
  }

  async function forget(revs: readonly number[]): Promise<void> {
    if (revs.length === 0) return
    await book.forget(revs)
    for (const rev of revs) await removeDurably(disk, `states/${rev}.json`)
  }

  async function makeRoom(): Promise<void> {
    const kept = await needed()
    const locals = book.all().filter((each) => isLocal(each.rev))
    const free = locals.filter((each) => !kept.has(each.rev)).map((each) => each.rev)
    await forget(free.slice(0, Math.max(0, locals.length - localsLimit + 1)))
  }

  function progress(rev: number): LocalProgress | undefined {
    const { finals, running, phase } = house.machine()
    const concluding = phase.state === 'update' ? phase.concluding : undefined
    // Whoever reads an end may act on it: it is shown once all that it means is done.
    if (concluding?.quiet && concluding.rev === rev) return ending
    if (isLocal(rev)) return book.of(rev)?.progress
    const busy = phase.state === 'update' && phase.job?.revision.rev === rev
    const final = finals.find((each) => each.rev === rev)?.progress
    const last = concluding?.rev === rev ? concluding.progress : final
    const told = (busy && !concluding ? live.get(rev) : undefined) ?? last ?? book.of(rev)?.progress
    if (told) {
      const { status, 'status-msg': message, progress: percent, logs } = told
      return { status, 'status-msg': message, progress: percent, ...(logs === undefined ? {} : { logs }) }
    }
    if (running?.rev !== rev) return undefined
    return { status: 'DONE', 'status-msg': rev === 0 ? 'Factory revision' : '', progress: 100 }
  }

  return {
    async open() {
      // A state that was kept a moment before a power cut took its entry.
      await book.load()
      const kept = await needed()
      for (const { name } of await disk.list('states')) {
        const [, rev] = /^(\d+)\.json$/.exec(name) ?? []
        const number = Number(rev ?? Number.NaN)
        if (isLocal(number) && !book.of(number) && !kept.has(number)) await disk.remove(`states/${name}`)
      }
    },
    find(name) {
      if (name === 'current') return house.machine().running?.rev
      if (name.startsWith('locals/')) return book.named(name)?.rev
      const rev = Number(name)
      return /^\d{1,12}$/.test(name) && !isLocal(rev) ? rev : undefined
    },
    stateText,
    async runningState() {
      const { running } = house.machine()
      const now = await house.driver.current()
      if (!now) return {}
      if (known.rev === now.rev && known.sha === now.stateSha) return known.state
      const raw: unknown = JSON.parse(now.stateText)
      known = { rev: now.rev, sha: now.stateSha, state: isJsonObject(raw) ? raw : {} }
      return running ? known.state : {}
    },
    async revision(rev, as = rev) {
      const text = await stateText(rev)
      const read = text === undefined ? undefined : revisionOf(as, JSON.parse(text))
      return read?.ok ? read.revision : undefined
    },
    async list() {
      const revs = [...(await stateFiles()).keys()].sort((a, b) => a - b)
      return revs.map((rev) => {
        const entry = book.of(rev)
        const { logs: _, ...short } = progress(rev) ?? {}
        return {
          name: book.nameOf(rev),
          date: dateView(entry?.at ?? 0),
          commitmsg: entry?.commitMessage ?? '',
          progress: short,
        }
      })
    },
    progress,
    async put(name, text) {
      let raw: unknown
      try {
        raw = JSON.parse(text)
      } catch {
        return { ok: false, why: 'Parser: State JSON has bad format' }
      }
      const read = revisionOf(0, raw)
      if (!read.ok) {
        const { thing, wanted, got } = read.refusal
        return {
          ok: false,
          why: `Parser: State JSON has bad format (${thing}: wanted ${wanted}, got ${got})`,
        }
      }
      const unsigned = signatureFault(house.machine(), raw)
      if (unsigned !== undefined) return { ok: false, why: `Secureboot: ${unsigned}` }
      const { stateSha, stateText: canonical } = read.revision
      const before = book.named(name)
      // The same again is the same revision, with all that is known of it.
      if (before && (await stateText(before.rev)) === canonical) return { ok: true }
      await makeRoom()
      const rev = book.nextLocal()
      await writeDurably(disk, `states/${rev}.json`, canonical)
      await book.put({ rev, name, at: clock.now(), commitMessage: '', progress: ready })
      // Another state of this name was another revision: it stays only while it is needed.
      if (before && !(await needed()).has(before.rev)) await forget([before.rev])
      return stateSha === '' ? { ok: false, why: 'Storage: Cannot read state JSON' } : { ok: true }
    },
    async message(rev, text) {
      const entry = { rev, name: book.nameOf(rev), at: clock.now(), progress: undefined }
      await book.put({ ...entry, ...book.of(rev), commitMessage: text })
    },
    async renew(rev) {
      const before = isLocal(rev) ? book.of(rev)?.progress : undefined
      if (!before || before.status === ready.status) return undefined
      await book.note(rev, ready, clock.now())
      return before
    },
    restore: (rev, before) => book.note(rev, before, clock.now()),
    async forgetEnded() {
      const kept = await needed()
      await forget(
        book
          .all()
          .filter((each) => isLocal(each.rev) && !kept.has(each.rev))
          .filter((each) => finalWords.includes(each.progress?.status ?? ''))
          .map((each) => each.rev),
      )
    },
  }
}

/** A name that a step may be put under. */
export const localName = parseLocalName

function signatureFault({ settings }: Machine, raw: unknown): string | undefined {
  const { signatures } = settings
  const parsed = parseState(raw)
  if (!signatures || signatures.mode === 'disabled' || !parsed.ok) return undefined
  const report = checkSignatures({ state: parsed.state, ...signatures })
  if (report.accepted) return undefined
  const bad = report.verdicts.find((verdict) => !verdict.valid)
  if (!bad || bad.valid) return `${report.uncovered[0]}: wanted a signature that covers it, got none`
  return `${bad.path}: ${bad.refusal.thing}: wanted ${bad.refusal.wanted}, got ${bad.refusal.got}`
}

const isNumber = (value: number | undefined): value is number => value !== undefined && !Number.isNaN(value)

/** The objects of the pool with their sizes. */
export async function poolView(disk: ControlHouse['disk']): Promise<{ sha: string; size: number }[]> {
  const found: { sha: string; size: number }[] = []
  for (const folder of await disk.list('objects')) {
    if (!/^[0-9a-f]{2}$/.test(folder.name)) continue
    for (const { name, kind, size } of await disk.list(`objects/${folder.name}`))
      if (kind === 'file') found.push({ sha: name, size })
  }
  return found
}

/** Narrowing for bodies. */
export const objectOf = asObject
