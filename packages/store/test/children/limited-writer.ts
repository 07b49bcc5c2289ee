/** Writes rows under a limit on the size of files; prints which were kept and what the others were refused with. */
import { openSqliteStore, StoreError } from '@waymark/store'
import { ann, collections, keep, things } from '../fixture.ts'

const [file = ''] = process.argv.slice(2)
const store = await openSqliteStore({ file, collections })
const kept: string[] = []
const refused = new Set<string>()
for (let round = 0; round < 30; round++) {
  const ids = Array.from({ length: 8 }, (_, i) => `${round}.${i}`)
  const answers = await Promise.allSettled(ids.map((id) => keep(store, ann, { id, state: 'x'.repeat(4000) })))
  answers.forEach((answer, i) => {
    if (answer.status === 'fulfilled') kept.push(ids[i] as string)
    else refused.add(answer.reason instanceof StoreError ? answer.reason.kind : String(answer.reason))
  })
}
// What is committed can still be read, and nothing else.
const found = await store.read(ann).find(things, { without: 'texts' })
console.log(JSON.stringify({ kept, refused: [...refused], found: found.map(({ id }) => id) }))
process.exit(0)
