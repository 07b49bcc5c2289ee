/**
 * A map that keeps about the most recently used entries and forgets the rest: every memory that grows with what
 * callers send is one of these.
 *
 * It has two generations. Entries are written to the young one; when that is full it becomes the old one, and what the
 * old one held is forgotten. An entry found in the old one is moved to the young. So the last `limit` different keys
 * that were used are always there, at most twice as many are, and a hit among the young costs one look-up.
 */
export interface Recent<V> {
  get(key: string): V | undefined
  set(key: string, value: V): void
  delete(key: string): void
  /** Entries held now: at most twice the limit. */
  readonly size: number
}

export function createRecent<V>(limit: number): Recent<V> {
  let young = new Map<string, V>()
  let old = new Map<string, V>()
  const set = (key: string, value: V): void => {
    if (young.size >= limit && !young.has(key)) {
      old = young
      young = new Map()
    }
    young.set(key, value)
  }
  return {
    get(key) {
      const value = young.get(key)
      if (value !== undefined) return value
      const older = old.get(key)
      if (older === undefined) return undefined
      old.delete(key)
      set(key, older)
      return older
    },
    set(key, value) {
      old.delete(key)
      set(key, value)
    },
    delete(key) {
      young.delete(key)
      old.delete(key)
    },
    get size() {
      return young.size + old.size
    },
  }
}
