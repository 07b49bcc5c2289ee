/** Following something that was asked, by the journal: of one device, or of a group's members beside the whole. */
import type { Fleet, Following, JournalEntry } from '@waymark/sdk'

/** Members of a group that are told of one by one. */
const membersMax = 10_000

const ends = ['done', 'failed', 'timed-out', 'cancelled']

/**
 * Hands on every `transaction.*` entry of a transaction and its members until it ends; answers how it ended, or undefined
 * when the following was stopped. `following` is opened before the transaction is submitted.
 */
export async function followTransaction(
  fleet: Fleet,
  following: Following,
  id: string,
  told: (entry: JournalEntry) => void,
): Promise<string | undefined> {
  const related = new Map<string, boolean>([[id, true]])
  for await (const entry of following) {
    const { transaction, state } = entry.data
    if (!entry.kind.startsWith('transaction.') || typeof transaction !== 'string') continue
    if (!(await isRelated(transaction))) continue
    told(entry)
    if (transaction === id && typeof state === 'string' && ends.includes(state)) return state
  }
  return undefined

  /** Whether it is the one, or a child of it; asked of the server once for each. */
  async function isRelated(other: string): Promise<boolean> {
    const known = related.get(other)
    if (known !== undefined) return known
    const found = (await fleet.getTransaction({ id: other })).parent === id
    if (related.size < membersMax) related.set(other, found)
    return found
  }
}

/** An entry in words: what happened, to what, how it ended. */
export function toldOf({ at, kind, device, data }: JournalEntry): string {
  const about = device === undefined ? '' : ` on ${device}`
  const facts = ['state', 'percent', 'reason'].flatMap((name) =>
    data[name] === undefined || data[name] === '' ? [] : [`${name} ${String(data[name])}`],
  )
  const said = facts.length === 0 ? '' : `: ${facts.join(', ')}`
  return `${at} ${kind.replace('transaction.', '')}${about}${said}`
}
