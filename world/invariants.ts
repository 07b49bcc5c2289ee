/**
 * What has to hold, whatever went wrong: the rules of RULES.md as checks. Each answers what is broken, in words that
 * begin with the rule's number; nothing here changes the world.
 */
import {
  type Collection,
  devices,
  emptyFold,
  type Folded,
  foldJournal,
  type JournalRow,
  logEntries,
  objects,
  type Reader,
  type Scalar,
  type Store,
  steps,
  type TenantId,
  trails,
  transactions,
} from '@waymark/domain'
import { canonicalJson } from '@waymark/pantahub'
import type { WorldDevice } from './device.ts'
import type { InForce } from './disk.ts'
import { claimOf, type Ledger } from './ledger.ts'

/** Follows one journal as it grows, entry by entry. */
export interface JournalWatch {
  readonly rows: readonly JournalRow[]
  readonly folded: Folded
  /** Reads what is new; answers what is broken by it. */
  follow(): Promise<readonly string[]>
}

/** What devices have said about themselves: device id → the revisions it has named as running. */
export type Named = ReadonlyMap<string, ReadonlySet<string>>

export function watchJournal(store: Store, tenant: TenantId, named: Named): JournalWatch {
  const rows: JournalRow[] = []
  const folded = emptyFold()
  let after: string | undefined

  return {
    rows,
    folded,
    async follow() {
      const broken: string[] = []
      for (;;) {
        const read = await store.journal.read(tenant, {
          limit: 200,
          ...(after === undefined ? {} : { after }),
        })
        if (!read.ok) return [`[W6] the journal cannot be read on: ${read.refusal.kind}`]
        after = read.value.next
        for (const row of read.value.entries) {
          rows.push(row)
          broken.push(...(await judge(row)))
        }
        if (read.value.entries.length < 200) return broken
      }
    },
  }

  /** The revision of a step by its transaction. */
  function revOf(transaction: string): string | undefined {
    for (const [key, step] of folded.steps) if (step.transaction === transaction) return key.split('/')[2]
    return undefined
  }

  async function judge(row: JournalRow): Promise<string[]> {
    const { kind, device, data } = row
    const broken: string[] = []
    if (kind === 'step.posted') {
      const before = `${device}/${data.generation}/${Number(data.rev) - 1}`
      if (data.rev !== 0 && !folded.steps.has(before))
        broken.push(`[W4] step ${device}-${data.rev} was posted over a gap`)
      if (folded.steps.has(`${device}/${data.generation}/${data.rev}`))
        broken.push(`[W4] step ${device}-${data.rev} was posted twice`)
    }
    if (data.proof === 'seen') {
      const rev = data.rev ?? revOf(String(data.transaction))
      if (!named.get(String(device))?.has(String(rev)))
        broken.push(`[W3] step ${device}-${rev} is ${data.proof}, but the device never named it`)
    }
    if (data.proof === 'verified') {
      const { transaction } = data
      const step = (await everything(store.read(tenant), steps)).find(
        (each) => each.transaction === transaction,
      )
      const evidence = step?.report.data
      const sha =
        typeof evidence === 'object' && evidence !== null && 'state-sha' in evidence
          ? evidence['state-sha']
          : undefined
      if (sha === undefined || sha !== step?.stateSha)
        broken.push(`[W3] transaction ${transaction} is verified without evidence`)
    }
    try {
      foldJournal([row], folded)
    } catch (error) {
      broken.push(`[W6] the journal does not fold: ${kind} ${JSON.stringify(data)}: ${String(error)}`)
    }
    return broken
  }
}

/** W1: what anybody was told is accepted is there. */
export async function acknowledged(
  ledger: Ledger,
  journals: readonly JournalWatch[],
  telemetry: Store,
  tenants: readonly TenantId[],
): Promise<string[]> {
  const there = new Map<string, number>()
  for (const { rows } of journals)
    for (const row of rows) for (const claim of claimOf(row)) there.set(claim, (there.get(claim) ?? 0) + 1)
  const broken: string[] = []
  for (const [claim, count] of ledger.claims) {
    const found = there.get(claim) ?? 0
    if (found < count)
      broken.push(`[W1] acknowledged, but gone: ${claim} (wanted ${count} entries, found ${found})`)
  }
  const lines = new Map<string, number>()
  for (const tenant of tenants)
    for (const { message } of await everything(telemetry.read(tenant), logEntries))
      lines.set(message, (lines.get(message) ?? 0) + 1)
  for (const [message, count] of ledger.logLines)
    if ((lines.get(message) ?? 0) < count)
      broken.push(
        `[W1] acknowledged log lines are gone: ${message} (wanted ${count}, found ${lines.get(message) ?? 0})`,
      )
  return broken
}

/** W6: the journal folds to the records. */
export async function foldsToRecords(
  store: Store,
  tenant: TenantId,
  { folded }: JournalWatch,
): Promise<string[]> {
  const reader = store.read(tenant)
  const [kept, walked, posted, asked, held] = await Promise.all([
    everything(reader, devices),
    everything(reader, trails),
    everything(reader, steps),
    everything(reader, transactions),
    everything(reader, objects),
  ])
  const stepOpen = (id: string): boolean => folded.transactions.get(id)?.open ?? false
  return [
    ...differences(
      'device',
      new Map(
        [...folded.devices].map(([id, device]) => [id, { ...device, generation: device.generation ?? 0 }]),
      ),
      new Map(
        kept.map(({ id, nick, type, labels, published, garbage, generation }) => [
          id,
          { nick, type, labels, published, deleted: garbage, generation },
        ]),
      ),
    ),
    ...differences(
      'trail',
      new Map([...folded.trails].map(([key, { closed }]) => [key, { closed }])),
      new Map(
        walked.map(({ device, generation, closedAt }) => [
          `${device}/${generation}`,
          { closed: closedAt !== undefined },
        ]),
      ),
    ),
    ...differences(
      'step',
      new Map([...folded.steps].map(([key, step]) => [key, { ...step, open: stepOpen(step.transaction) }])),
      new Map(
        posted.map(({ device, generation, rev, stateSha, status, transaction, open }) => [
          `${device}/${generation}/${rev}`,
          { stateSha, status, transaction, open },
        ]),
      ),
    ),
    ...differences(
      'transaction',
      folded.transactions,
      new Map(
        asked.map(({ id, kind, device, lane, state, open, percent, reason, proof }) => [
          id,
          {
            kind,
            ...(device === undefined ? {} : { device }),
            lane,
            state,
            open,
            percent,
            ...(reason === undefined ? {} : { reason }),
            ...(proof === undefined ? {} : { proof }),
          },
        ]),
      ),
    ),
    ...differences(
      'object',
      folded.objects,
      new Map(held.map(({ sha, size, name, stored }) => [sha, { size, name, stored }])),
    ),
  ]
}

function differences(
  thing: string,
  folded: ReadonlyMap<string, object>,
  kept: ReadonlyMap<string, object>,
): string[] {
  const broken: string[] = []
  for (const key of new Set([...folded.keys(), ...kept.keys()])) {
    const told = said(folded.get(key))
    const is = said(kept.get(key))
    if (told !== is) broken.push(`[W6] ${thing} ${key}: the journal tells ${told}, the record says ${is}`)
  }
  return broken
}

const said = (value: object | undefined): string =>
  value === undefined ? 'nothing' : canonicalJson(JSON.parse(JSON.stringify(value)))

/**
 * W2: a device puts each revision in force at most once, ascending. The one way back is to what ran before, by a device
 * that tries its revisions; and to revision 0, once for each time that its trail was closed.
 */
export function committedInOrder(
  { name, disks }: Pick<WorldDevice, 'name' | 'disks'>,
  { tries, resets }: { readonly tries: boolean; readonly resets: number },
): string[] {
  let resetsLeft = resets
  const broken: string[] = []
  for (const { history } of disks) {
    let now: InForce | undefined
    let before: InForce | undefined
    let newest = -1
    for (const next of history) {
      const back = tries && before?.rev === next.rev && before.stateSha === next.stateSha
      if (next.rev > newest) {
        before = now
        newest = next.rev
      } else if (back) before = undefined
      else if (resetsLeft > 0 && (next.rev === 0 || now?.rev === 0)) {
        // One that ran revision 0 when its trail was closed shows it only by the next.
        resetsLeft--
        before = next.rev === 0 ? undefined : now
        newest = next.rev
      } else broken.push(`[W2] ${name} committed revision ${next.rev} after revision ${now?.rev}`)
      now = next
    }
  }
  return broken
}

/** W3 and W14: what is proved was in force, and what can never be kept was never done. */
export async function provedAndDone(
  store: Store,
  tenant: TenantId,
  devices: readonly Pick<WorldDevice, 'name' | 'ids' | 'disks'>[],
  bound: ReadonlySet<string>,
): Promise<string[]> {
  const reader = store.read(tenant)
  const asked = new Map((await everything(reader, transactions)).map((each) => [String(each.id), each]))
  const broken: string[] = []
  for (const { device, rev, stateSha, transaction } of await everything(reader, steps)) {
    const { state, proof } = asked.get(transaction) ?? {}
    if (state !== 'done') continue
    const owner = devices.find(({ ids }) => ids.has(device))
    if (bound.has(stateSha)) broken.push(`[W14] ${owner?.name}: step ${rev} cannot be kept, but is done`)
    const ran = owner?.disks.some(({ history }) =>
      history.some((each) => each.rev === rev && each.stateSha === stateSha),
    )
    if (proof !== 'claimed' && !ran)
      broken.push(`[W3] ${owner?.name}: step ${rev} is ${proof}, but was never in force`)
  }
  return broken
}

/** All rows of a collection. */
export async function everything<R extends object, K extends keyof R & string>(
  reader: Reader,
  from: Collection<R, K>,
): Promise<R[]> {
  const all: R[] = []
  let after: readonly Scalar[] | undefined
  for (;;) {
    const page = await reader.find(from, {
      order: from.key as readonly (keyof R & string)[],
      limit: 1000,
      ...(after === undefined ? {} : { after }),
    })
    all.push(...page)
    const last = page.at(-1)
    if (!last || page.length < 1000) return all
    after = from.key.map((field) => last[field] as Scalar)
  }
}
