/**
 * Follows each device's own loop from outside: which of its polls and reports were answered, what was true of it at that
 * moment, and how long it was silent. Holds the server's view against it as it goes (`view.ts`).
 */
import type { Store, TenantId } from '@waymark/domain'
import type { WorldDevice } from './device.ts'
import type { JournalWatch } from './invariants.ts'
import type { Answered, Asked } from './network.ts'
import { knownAtPoll, knownAtReport, type Polled, type Reported } from './view.ts'

/** Whose device it is, and where that is written down. */
export interface Home {
  readonly device: WorldDevice
  readonly tenant: TenantId
  readonly journal: Pick<JournalWatch, 'rows'>
}

export interface Polls {
  /** The server has answered. `late`: a copy of a request, or one whose sender no longer waits. */
  answered(home: Home, asked: Asked, said: Answered, late: boolean): void
  /** An answer has reached its device whole. */
  learnt(home: Home, asked: Asked, said: Answered): void
  /** Once all is at rest: what is broken by what was learnt since. */
  look(store: Store): Promise<readonly string[]>
  /** From now on nobody may be silent for longer than that. Milliseconds. */
  calm(mostMs: number): void
  /** When the device was last answered that there is nothing for it to do; undefined: not since `calm`. */
  restedAt(device: WorldDevice): number | undefined
  /** Who has been silent for too long by now. */
  silent(device: WorldDevice): readonly string[]
  /** How many views were held against the truth. */
  readonly count: number
}

const stepsPath = /^\/trails\/(\w+)\/steps\?/
const reportPath = /^\/trails\/(\w+)\/steps\/(\d+)\/progress$/
export function createPolls(now: () => number): Polls {
  /** Whose newest word was late: what was held back or repeated is not what the device said last. */
  const lateLast = new Set<string>()
  const heardAt = new Map<WorldDevice, number>()
  const restedAt = new Map<WorldDevice, number>()
  let polled: (Polled & Pick<Home, 'tenant' | 'journal'>)[] = []
  let reported: (Reported & Pick<Home, 'tenant' | 'journal'>)[] = []
  let calm: { readonly since: number; readonly mostMs: number } | undefined
  let count = 0
  const tooLong: string[] = []

  function silence(device: WorldDevice): string | undefined {
    if (!calm) return undefined
    const ms = now() - Math.max(calm.since, heardAt.get(device) ?? 0, device.troubledAt)
    return ms > calm.mostMs
      ? `[W16] ${device.name} neither asked nor reported for ${(ms / 1000).toFixed(0)} s, at most ${calm.mostMs / 1000} s are right`
      : undefined
  }
  function heard(device: WorldDevice): void {
    const long = silence(device)
    if (long !== undefined) tooLong.push(long)
    heardAt.set(device, now())
  }

  return {
    answered(_home, { method, path }, { status }, late) {
      if (method !== 'PUT' || status !== 200) return
      if (late) lateLast.add(path)
      else lateLast.delete(path)
    },
    learnt({ device, tenant, journal }, { method, path, body }, { status, body: answer }) {
      const [, id] = stepsPath.exec(path) ?? []
      // Asked again in the midst of an update, it is no poll.
      if (method === 'GET' && id !== undefined && id === device.id && device.state === 'idle') {
        heard(device)
        if (status !== 200) return
        const offered: unknown = JSON.parse(answer.toString())
        if (calm && Array.isArray(offered) && offered.length === 0) restedAt.set(device, now())
        const truth = device.disk.history.at(-1)
        const finals = device.disk.raw.readText('update/finals.json')
        polled.push({
          device,
          tenant,
          journal,
          id,
          truth,
          finals,
          metaLate: lateLast.has(`/devices/${id}/device-meta`),
        })
      }
      const [, of, rev] = reportPath.exec(path) ?? []
      if (method === 'PUT' && of !== undefined && of === device.id) {
        heard(device)
        if (status !== 200 || lateLast.has(path)) return
        const { status: word } = JSON.parse(body.toString()) as { readonly status: string }
        reported.push({ device, tenant, journal, id: of, rev: Number(rev), status: word })
      }
    },
    async look(store) {
      const broken = tooLong.splice(0)
      const [polls, reports] = [polled, reported]
      polled = []
      reported = []
      count += polls.length + reports.length
      for (const each of polls) broken.push(...(await knownAtPoll(store, each.tenant, each.journal, each)))
      for (const each of reports)
        broken.push(...(await knownAtReport(store, each.tenant, each.journal, each)))
      return broken
    },
    calm(mostMs) {
      calm = { since: now(), mostMs }
      restedAt.clear()
    },
    restedAt: (device) => restedAt.get(device),
    silent(device) {
      const long = silence(device)
      return long === undefined ? [] : [long]
    },
    get count() {
      return count
    },
  }
}
