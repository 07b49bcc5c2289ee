/**
 * Reading without a bound on the whole and with one on the part: page by page, the next one asked for only when the
 * last has been used up.
 */
import type { Collection, Find, Reader, Scalar } from '@waymark/domain'

/** Every row that is found, in order, `size` at a time. `order` ends in the whole key and runs one way. */
export async function* pages<R extends object, K extends keyof R & string>(
  reader: Reader,
  from: Collection<R, K>,
  find: Omit<Find<NoInfer<R>>, 'limit' | 'after'> & {
    readonly order: NonNullable<Find<NoInfer<R>>['order']>
  },
  size = 100,
): AsyncGenerator<readonly R[]> {
  let after: readonly Scalar[] | undefined
  for (;;) {
    const page = await reader.find<R, K>(from, { ...find, limit: size, ...(after ? { after } : {}) })
    if (page.length > 0) yield page
    const last = page.at(-1)
    if (!last || page.length < size) return
    after = find.order.map((field) => last[field.replace(/^-/, '') as keyof R] as Scalar)
  }
}
