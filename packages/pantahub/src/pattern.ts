/**
 * Path patterns of signatures: `**` matches any run of characters, `*` any run without `/`, `?` one character other than
 * `/`; every other character matches itself.
 *
 * Patterns come from signed headers that nobody has verified yet, so matching must not be made slow by them: it walks all
 * possibilities side by side, in time pattern × path at worst, and says beforehand what it will cost.
 */

export interface Pattern {
  matches(path: string): boolean
  /** Upper bound of the comparisons that `matches` makes for this path. */
  cost(path: string): number
}

/** Longest pattern accepted, in UTF-16 units. */
export const patternLengthMax = 4096

/** Reads a pattern; undefined when it is empty or too long. */
export function compilePattern(text: string): Pattern | undefined {
  if (text === '' || text.length > patternLengthMax) return undefined
  const inside = text.endsWith('**') ? text.slice(0, -2) : text
  if (!/[*?]/.test(inside)) {
    // The common forms, `app/run.json` and `app/**`, need one comparison.
    const matches =
      inside === text ? (path: string) => path === text : (path: string) => path.startsWith(inside)
    return { matches, cost: () => inside.length + 1 }
  }
  const tokens = text.match(/\*\*+|[\s\S]/g) ?? []
  return { matches: (path) => walk(tokens, path), cost: (path) => (tokens.length + 1) * (path.length + 1) }
}

/** `reached[i]`: the first `i` tokens can match what was read so far. */
function walk(tokens: readonly string[], path: string): boolean {
  let reached = [true]
  for (const token of tokens) reached.push(reached.at(-1) === true && token.startsWith('*'))
  for (let at = 0; at < path.length; at++) reached = step(tokens, reached, path[at] ?? '')
  return reached[tokens.length] === true
}

function step(tokens: readonly string[], before: readonly boolean[], sign: string): boolean[] {
  const after = [false]
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] ?? ''
    const run = token.length > 1 || (token === '*' && sign !== '/')
    const one = token === sign ? token !== '*' && token !== '?' : token === '?' && sign !== '/'
    const skipped = token.startsWith('*') && after[i] === true
    after.push(
      skipped ||
        (run && before[i + 1] === true) ||
        (run && before[i] === true) ||
        (one && before[i] === true),
    )
  }
  return after
}
