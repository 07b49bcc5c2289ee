/**
 * The suite of the port: what every home of the store promises (RULES.md, ST). A home gives a fresh, empty store each
 * time it is asked.
 */
import type { Store } from '@waymark/domain'
import { describe } from 'vitest'
import { commitSuite } from './suite-commits.ts'
import { journalSuite } from './suite-journal.ts'
import { questionSuite } from './suite-questions.ts'
import { recordSuite } from './suite-records.ts'

export interface Home {
  readonly name: string
  open(): Promise<Store>
}

export function storeSuite(home: Home): void {
  describe(`the port, kept in ${home.name}`, () => {
    recordSuite(home)
    questionSuite(home)
    commitSuite(home)
    journalSuite(home)
  })
}
