/** How an unfinished restore is known by those who open a store; `unfinished.ts` sets and removes the mark. */
import { StoreError } from './errors.ts'

/** Under this name it stands among what a store keeps about itself. */
export const unfinishedName = 'unfinished-restore'

/** Refuses a store that bears the mark; the value of the mark is the backup it came from. */
export function refuseUnfinished(store: string, source: string | undefined): void {
  if (source !== undefined)
    throw new StoreError(
      'unfinished',
      `store ${store}: a restore from ${source} was not finished, so this store is not whole: empty it and restore again`,
    )
}
