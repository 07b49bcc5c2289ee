/**
 * Finds the name somebody meant. Used wherever a flag, an environment variable, a key of a file or a command is
 * unknown: the refusal then says what comes closest, or nothing when nothing does.
 */

/** Longer texts than any name we have are not compared: the work is quadratic. */
const longestCompared = 64

/**
 * The known name closest to what was written, or undefined when none is close: at most a third of its letters
 * (rounded up, at least one) may be wrong, missing, surplus or swapped with a neighbour. Case does not count; of equals
 * the first known wins. `nearest('databse', ['data', 'database'])` is `'database'`.
 */
export function nearest(written: string, known: Iterable<string>): string | undefined {
  if (written.length > longestCompared) return undefined
  const wanted = written.toLowerCase()
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const name of known) {
    const far = Math.max(1, Math.ceil(Math.min(wanted.length, name.length) / 3))
    if (Math.abs(name.length - wanted.length) > far) continue
    const distance = editDistance(wanted, name.toLowerCase())
    if (distance <= far && distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/**
 * The Damerau-Levenshtein distance (optimal string alignment): how many single letters have to be changed, added,
 * dropped or swapped with their neighbour to make one text the other.
 */
export function editDistance(from: string, to: string): number {
  let twoBack: number[] = []
  let oneBack = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const changed = from[row - 1] === to[column - 1] ? 0 : 1
      let least = Math.min(
        at(oneBack, column) + 1,
        at(current, column - 1) + 1,
        at(oneBack, column - 1) + changed,
      )
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped) least = Math.min(least, at(twoBack, column - 2) + 1)
      current.push(least)
    }
    twoBack = oneBack
    oneBack = current
  }
  return at(oneBack, to.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
