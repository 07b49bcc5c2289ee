/**
 * Lists of what was asked, page by page, in order of time: an id begins with the time it was made at.
 *
 * A page costs about what it shows, however much was asked before. What concerns one device or one parent is found by it. A
 * fleet's are found state by state, each from its own end of an index, and laid together: to look for a handful of failures
 * among a million that are done would read them all.
 */
import type { DeviceId, TransactionId } from './ids.ts'
import type { Reader, Scalar } from './port.ts'
import { type Transaction, type TransactionState, transactions } from './records.ts'
import { hasEnded, lawfulMoves } from './transactions.ts'

export const transactionStates = Object.keys(lawfulMoves) as readonly TransactionState[]

export interface TransactionsAsked {
  readonly device?: DeviceId
  readonly parent?: TransactionId
  /** One state; or those of what is open, or has ended. */
  readonly state?: TransactionState
  readonly open?: boolean
  readonly kind?: string
  readonly newest?: boolean
  /** The id of the last one that was shown. */
  readonly after?: readonly (Scalar | null)[]
  readonly limit: number
}

/** At most `limit` transactions, by id. */
export async function listTransactions(
  reader: Reader,
  asked: TransactionsAsked,
): Promise<readonly Transaction[]> {
  const { device, parent, state, open, kind, newest = false, after, limit } = asked
  const find = (where: { readonly open?: boolean; readonly state?: TransactionState }) =>
    reader.find(transactions, {
      where: {
        ...(device === undefined ? {} : { device }),
        ...(parent === undefined ? {} : { parent }),
        ...(kind === undefined ? {} : { kind }),
        ...where,
      },
      order: [newest ? '-id' : 'id'],
      limit,
      ...(after === undefined ? {} : { after }),
    })
  const both = { ...(open === undefined ? {} : { open }), ...(state === undefined ? {} : { state }) }
  if (open === undefined || state !== undefined || device !== undefined || parent !== undefined)
    return find(both)
  const pages: (readonly Transaction[])[] = []
  for (const word of transactionStates) if (hasEnded(word) !== open) pages.push(await find({ state: word }))
  const turn = newest ? -1 : 1
  return pages
    .flat()
    .sort((a, b) => (a.id < b.id ? -turn : turn))
    .slice(0, limit)
}
