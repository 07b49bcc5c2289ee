/** Documents with one thing changed, the same ones every time. */

/** The document itself first, then `count` others that each differ from it in one place. */
export function mutants(document: object, count: number): unknown[] {
  const next = createRandom(1)
  const all: unknown[] = [document]
  while (all.length <= count) {
    const copy: unknown = structuredClone(document)
    const places = placesOf(copy)
    const place = places[Math.floor(next() * places.length)]
    if (place && change(place, next)) all.push(copy)
  }
  return all
}

/** Numbers from 0 to 1, by a linear congruence: enough to pick places. */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

type Place = { holder: unknown[] | Record<string, unknown>; key: string }

function placesOf(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return []
  const holder = value as Place['holder']
  return Object.entries(value).flatMap(([key, inner]) => [{ holder, key }, ...placesOf(inner)])
}

const strangers: unknown[] = [
  '',
  'x',
  '0',
  -1,
  0,
  1.5,
  70_000,
  true,
  null,
  [null],
  [],
  {},
  '192.0.2.300',
  '::1',
  'a b',
  'unknown:thing',
  '255.255.255.0',
  128,
  33,
]

/** Changes what stands in a place; false when nothing came of it. */
function change({ holder, key }: Place, next: () => number): boolean {
  const pick = next()
  if (Array.isArray(holder)) {
    const index = Number(key)
    if (pick < 0.3) holder.splice(index, 1)
    else if (pick < 0.6) holder.push(structuredClone(holder[index]))
    else holder[index] = strangers[Math.floor(next() * strangers.length)]
    return true
  }
  if (pick < 0.25) delete holder[key]
  else if (pick < 0.35) {
    holder[`${key}x`] = holder[key]
    delete holder[key]
  } else if (pick < 0.45) {
    const bare = key.replace(/^.*:/, '')
    if (bare === key) return false
    holder[bare] = holder[key]
    delete holder[key]
  } else {
    const stranger = strangers[Math.floor(next() * strangers.length)]
    if (JSON.stringify(stranger) === JSON.stringify(holder[key])) return false
    holder[key] = stranger
  }
  return true
}
