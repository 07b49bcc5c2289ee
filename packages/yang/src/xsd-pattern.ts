/**
 * Runs XML Schema regular expressions in time that grows with the text and never explodes.
 *
 * A pattern becomes a small automaton whose size is that of the pattern's text: counted repetitions
 * are not unrolled but kept as counters, so `(a{1000}){1000}` costs no more than it looks. The
 * automaton is walked with all its possibilities at once (there is nothing to back-track), and every
 * set of possibilities met is remembered as a state of a deterministic automaton built while reading;
 * ordinary values are then decided by one table look-up a character.
 *
 * The price of a text is counted, not timed: each move from one set of possibilities to another costs,
 * the first time within the text, as many steps as it takes to find. Texts that would cost more than
 * `matchBudget` are refused as `costly`; the verdict depends on the pattern and the text alone, whatever
 * is remembered from other texts. Only patterns such as `.*a.{1000}` get there. Who judges many texts may
 * hand in a meter besides, on which the steps really taken are counted together.
 * Memory is bounded by dropping the remembered states, between texts, when there are too many.
 */
import {
  type CharSet,
  onlyMember,
  type PatternNode,
  type PatternOptions,
  type PatternRefusal,
  parsePattern,
  setHas,
} from './xsd-pattern-parse.ts'

export type { PatternOptions, PatternRefusal } from './xsd-pattern-parse.ts'
export { patternLimits } from './xsd-pattern-parse.ts'

/** A pattern that is ready to use. */
export type CompiledPattern = {
  readonly ok: true
  /** Whether the whole text matches. A text too costly to decide counts as no match. */
  test(text: string, meter?: PatternMeter): boolean
  /** The same with the refusal told apart. */
  match(text: string, meter?: PatternMeter): MatchVerdict
}

export type MatchVerdict = 'match' | 'mismatch' | 'costly'

/**
 * Steps a match may cost: a base, and a share for every UTF-16 unit of the text. A step takes up to a quarter of a
 * microsecond, so that a match takes a few milliseconds at most, and no more than 100 for each million units.
 */
export const matchBudget = { base: 20_000, perUnit: 0.2 } as const

/** Steps that several matches may take together; matches that find none left are `costly`. */
export type PatternMeter = { left: number }

/**
 * Compiles an XML Schema regular expression (XML Schema Part 2, appendix F; RFC 7950 9.4.5).
 *
 * The expression is anchored at both ends. A refusal names the UTF-16 offset, what stands there and
 * what could. The matcher is built on first use, so compiling costs no more than reading the text.
 */
export function compilePattern(
  source: string,
  options: PatternOptions = {},
): CompiledPattern | PatternRefusal {
  const parsed = parsePattern(source, options)
  if (!parsed.ok) return parsed
  let machine: Machine | undefined
  const only = repeatedSet(parsed.tree)
  const match = (text: string, meter?: PatternMeter): MatchVerdict => {
    if (only) return matchRepeated(only, text)
    machine ??= createMachine(parsed.tree)
    return run(machine, text, meter ?? { left: Infinity })
  }
  return { ok: true, match, test: (text, meter) => match(text, meter) === 'match' }
}

// Patterns that are one set, so and so often: they need counting and no automaton. --------------------

type Repeated = { readonly set: CharSet; readonly min: number; readonly max: number }

function repeatedSet(tree: PatternNode): Repeated | undefined {
  if (tree.kind === 'sequence' && tree.items.length === 1 && tree.items[0]) return repeatedSet(tree.items[0])
  if (tree.kind !== 'repeat') return undefined
  const { body, min, max } = tree
  return body.kind === 'set' ? { set: body.set, min, max } : undefined
}

function matchRepeated({ set, min, max }: Repeated, text: string): MatchVerdict {
  let count = 0
  for (let i = 0; i < text.length; i++) {
    const codePoint = text.codePointAt(i) ?? 0
    if (codePoint > 0xffff) i++
    if (++count > max || !setHas(set, codePoint)) return 'mismatch'
  }
  return count >= min ? 'match' : 'mismatch'
}

// The program: what a thread of possibility does next. ------------------------------------------------

type Step =
  | { index: number; kind: 'accept' }
  | { index: number; kind: 'take'; set: number; next: Step }
  | { index: number; kind: 'fork'; left: Step; right: Step }
  /** Begins a counted repetition: pushes a counter. */
  | { index: number; kind: 'enter'; loop: Loop }
  /** Reached after each pass through the body. */
  | Loop

type Loop = {
  index: number
  kind: 'loop'
  body: Step
  exit: Step
  min: number
  max: number
  /** The body can match nothing; a pass that took no character then leads nowhere new. */
  hollow: boolean
}

/** Every step has a number of its own, below `size`. */
type Program = { readonly start: Step; readonly sets: readonly CharSet[]; readonly size: number }

function compileProgram(tree: PatternNode): Program {
  const sets: CharSet[] = []
  const indexOf = new Map<string, number>()
  let size = 0
  const build = (node: PatternNode, next: Step): Step => {
    switch (node.kind) {
      case 'empty':
        return next
      case 'set': {
        let set = indexOf.get(node.text)
        if (set === undefined) {
          set = sets.push(node.set) - 1
          indexOf.set(node.text, set)
        }
        return { index: size++, kind: 'take', set, next }
      }
      case 'sequence':
        return node.items.reduceRight((after, item) => build(item, after), next)
      case 'choice':
        return node.branches
          .map((branch) => build(branch, next))
          .reduceRight((right, left) => ({ index: size++, kind: 'fork', left, right }))
      case 'repeat':
        return buildRepeat(node, next)
    }
  }
  const buildRepeat = (node: PatternNode & { kind: 'repeat' }, next: Step): Step => {
    const { body, max } = node
    const hollow = isNullable(body)
    // As many empty passes as the minimum asks for are always to be had.
    const min = hollow ? 0 : node.min
    if (max === 0) return next
    if (min === 1 && max === 1) return build(body, next)
    if (min === 0 && max === 1) return { index: size++, kind: 'fork', left: build(body, next), right: next }
    if (max === Infinity && min <= 1) {
      const again: Step = { index: size++, kind: 'fork', left: next, right: next }
      again.left = build(body, again)
      return min === 1 ? again.left : again
    }
    const loop: Loop = { index: size++, kind: 'loop', body: next, exit: next, min, max, hollow }
    loop.body = build(body, loop)
    return { index: size++, kind: 'enter', loop }
  }
  const start = build(tree, { index: size++, kind: 'accept' })
  return { start, sets, size }
}

function isNullable(node: PatternNode): boolean {
  switch (node.kind) {
    case 'empty':
      return true
    case 'set':
      return false
    case 'sequence':
      return node.items.every(isNullable)
    case 'choice':
      return node.branches.some(isNullable)
    case 'repeat':
      return node.min === 0 || isNullable(node.body)
  }
}

// Possibilities: a step with the counters of the loops around it. -------------------------------------

/** Counters, innermost first. Equal counters are one object within one memory. */
type Counters = {
  readonly count: number
  /** The present pass has taken a character, or need not prove it. */
  readonly took: boolean
  readonly outer: Counters | undefined
  /** This one and all outer ones took. */
  readonly settled: boolean
  /** Counters whose outer is this one, by count and `took`. */
  readonly inner: Map<number, Counters>
}

/** A step with the counters around it; one object within one memory. */
type Thread = {
  readonly id: number
  readonly step: Step
  readonly counters: Counters | undefined
  /** The closure that met it last. */
  seenIn: number
}

type State = {
  /** Those that take a character next, or accept. */
  readonly threads: readonly Thread[]
  readonly accepts: boolean
  /** The steps it takes to find the threads from the state before. */
  readonly cost: number
  /** By class of character. */
  readonly next: (State | undefined)[]
  /** By class of character: the match that has paid for the move. */
  readonly paidIn: number[]
}

type Machine = {
  readonly program: Program
  readonly classes: Classes
  /** Replaced whole when full. */
  memory: Memory
}

type Memory = {
  start: State | undefined
  readonly states: Map<string, State>
  /** By the number of the step: the thread without counters, and those with. */
  readonly plain: (Thread | undefined)[]
  readonly counted: (Map<Counters, Thread> | undefined)[]
  readonly roots: Map<number, Counters>
  threadCount: number
  closures: number
  matches: number
  size: number
}

/** Remembered threads, states and transitions of one pattern, beyond which the next text starts afresh. */
const memoryLimit = 100_000

function createMachine(tree: PatternNode): Machine {
  const program = compileProgram(tree)
  return { program, classes: createClasses(program.sets), memory: emptyMemory() }
}

function emptyMemory(): Memory {
  return {
    start: undefined,
    states: new Map(),
    plain: [],
    counted: [],
    roots: new Map(),
    threadCount: 0,
    closures: 0,
    matches: 0,
    size: 0,
  }
}

function run(machine: Machine, text: string, meter: PatternMeter): MatchVerdict {
  const { classes } = machine
  // Only between texts: what a text costs must not depend on when the memory happened to be full.
  if (machine.memory.size > memoryLimit) machine.memory = emptyMemory()
  const { memory } = machine
  const match = ++memory.matches
  let left = matchBudget.base + matchBudget.perUnit * text.length
  memory.start ??= closure(memory, [[machine.program.start, undefined]], left, meter)
  let state = memory.start
  if (!state) return 'costly'
  left -= state.cost
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    let charClass: number
    if (unit < 128) {
      charClass = classes.ascii[unit] ?? -1
      if (charClass < 0) charClass = classify(classes, unit)
    } else {
      const codePoint = text.codePointAt(i) ?? unit
      if (codePoint > 0xffff) i++
      const place = codePoint & (rememberedCodePoints - 1)
      charClass =
        classes.otherPoints[place] === codePoint
          ? (classes.otherClasses[place] ?? -1)
          : classify(classes, codePoint)
    }
    const next: State | undefined = state.next[charClass] ?? advance(machine, state, charClass, left, meter)
    if (!next) return 'costly'
    if (next.threads.length === 0) return 'mismatch'
    if (state.paidIn[charClass] !== match) {
      state.paidIn[charClass] = match
      left -= next.cost
      if (left < 0) return 'costly'
    }
    state = next
  }
  return state.accepts ? 'match' : 'mismatch'
}

type Seed = [Step, Counters | undefined]

/** The state after one more character; undefined when finding it would cost more than `allowed` steps. */
function advance(
  machine: Machine,
  state: State,
  charClass: number,
  allowed: number,
  meter: PatternMeter,
): State | undefined {
  const { memory } = machine
  const members = machine.classes.members[charClass]
  const seeds: Seed[] = []
  for (const { step, counters } of state.threads)
    if (step.kind === 'take' && members?.has(step.set)) seeds.push([step.next, taken(memory, counters)])
  const next = closure(memory, seeds, allowed, meter)
  if (!next) return undefined
  state.next[charClass] = next
  memory.size++
  return next
}

/** Follows everything that takes no character, from the seeds to the threads that wait for one. */
function closure(memory: Memory, seeds: Seed[], allowed: number, meter: PatternMeter): State | undefined {
  const turn = ++memory.closures
  const found: Thread[] = []
  let accepts = false
  let cost = 1
  const stack = seeds
  for (let top = stack.pop(); top; top = stack.pop()) {
    const [step, counters] = top
    if (++cost > allowed || --meter.left < 0) return undefined
    const thread = threadOf(memory, step, counters)
    if (thread.seenIn === turn) continue
    thread.seenIn = turn
    switch (step.kind) {
      case 'accept':
        accepts = true
        found.push(thread)
        break
      case 'take':
        found.push(thread)
        break
      case 'fork':
        stack.push([step.right, counters], [step.left, counters])
        break
      case 'enter': {
        const { loop } = step
        if (loop.min === 0) stack.push([loop.exit, counters])
        stack.push([loop.body, push(memory, counters, 0, !loop.hollow)])
        break
      }
      case 'loop':
        pass(memory, step, counters, stack)
        break
    }
  }
  found.sort((a, b) => a.id - b.id)
  // The same threads may be found at another cost; the cost must not depend on what was read before.
  const key = `${cost}:${found.map((thread) => thread.id).join(',')}`
  const known = memory.states.get(key)
  if (known) return known
  const state: State = { threads: found, accepts, cost, next: [], paidIn: [] }
  memory.states.set(key, state)
  memory.size += found.length + 4
  return state
}

/** A pass through a loop's body has ended: go round again, leave, or both. */
function pass(memory: Memory, loop: Loop, counters: Counters | undefined, stack: Seed[]): void {
  if (!counters?.took) return
  const outer = counters.outer
  // Beyond the minimum of an unbounded loop, counts are all alike.
  const count = loop.max === Infinity ? Math.min(counters.count + 1, loop.min) : counters.count + 1
  if (count >= loop.min) stack.push([loop.exit, outer])
  if (count < loop.max) stack.push([loop.body, push(memory, outer, count, !loop.hollow)])
}

function push(memory: Memory, outer: Counters | undefined, count: number, took: boolean): Counters {
  const siblings = outer ? outer.inner : memory.roots
  const key = took ? 2 * count + 1 : 2 * count
  let counters = siblings.get(key)
  if (!counters) {
    counters = { count, took, outer, settled: took && (outer?.settled ?? true), inner: new Map() }
    siblings.set(key, counters)
    memory.size++
  }
  return counters
}

/** The counters after a character: every pass under way has taken one. Found anew in this memory. */
function taken(memory: Memory, counters: Counters | undefined): Counters | undefined {
  // Equal counters are one object, so those of which all took would only be found again.
  if (!counters || counters.settled) return counters
  return push(memory, taken(memory, counters.outer), counters.count, true)
}

function threadOf(memory: Memory, step: Step, counters: Counters | undefined): Thread {
  const { index } = step
  let known = memory.plain[index]
  if (counters) {
    let byCounters = memory.counted[index]
    if (!byCounters) {
      byCounters = new Map()
      memory.counted[index] = byCounters
    }
    known = byCounters.get(counters)
    if (known) return known
    const thread: Thread = { id: memory.threadCount++, step, counters, seenIn: 0 }
    byCounters.set(counters, thread)
    memory.size++
    return thread
  }
  if (!known) {
    known = { id: memory.threadCount++, step, counters, seenIn: 0 }
    memory.plain[index] = known
    memory.size++
  }
  return known
}

// Classes of characters: code points that no set of the pattern tells apart. --------------------------

type Classes = {
  /** Sets of one code point, by it. */
  readonly singles: ReadonlyMap<number, readonly number[]>
  /** Sets of several, with their numbers. */
  readonly others: readonly (readonly [number, CharSet])[]
  /** Class of each ASCII character, -1 where not asked yet. */
  readonly ascii: Int32Array
  /** The code points met last outside ASCII, each at the place of its lowest bits, and beside them their classes. */
  otherPoints: Int32Array
  otherClasses: Int32Array
  readonly byMembership: Map<number | string, number>
  /** For each class, the sets that hold it. */
  readonly members: ReadonlySet<number>[]
}

/** Code points outside ASCII whose class is remembered; a power of two. */
const rememberedCodePoints = 4096
const noneRemembered = new Int32Array(0)

function createClasses(sets: readonly CharSet[]): Classes {
  const singles = new Map<number, number[]>()
  const others: [number, CharSet][] = []
  sets.forEach((set, index) => {
    const only = onlyMember(set)
    if (only === undefined) others.push([index, set])
    else singles.set(only, [...(singles.get(only) ?? []), index])
  })
  const ascii = new Int32Array(128).fill(-1)
  return {
    singles,
    others,
    ascii,
    otherPoints: noneRemembered,
    otherClasses: noneRemembered,
    byMembership: new Map(),
    members: [],
  }
}

function classify(classes: Classes, codePoint: number): number {
  const charClass = classOf(classes, codePoint)
  if (codePoint < 128) {
    classes.ascii[codePoint] = charClass
    return charClass
  }
  if (classes.otherPoints === noneRemembered) {
    classes.otherPoints = new Int32Array(rememberedCodePoints)
    classes.otherClasses = new Int32Array(rememberedCodePoints)
  }
  const place = codePoint & (rememberedCodePoints - 1)
  classes.otherPoints[place] = codePoint
  classes.otherClasses[place] = charClass
  return charClass
}

/** The class of the code points that the same sets hold. */
function classOf(classes: Classes, codePoint: number): number {
  const { singles, others, byMembership, members } = classes
  // With few sets and no character named by itself, the membership is a number: a bit for each set.
  if (others.length <= 30 && !singles.has(codePoint)) {
    let bits = 0
    for (let i = 0; i < others.length; i++) {
      const other = others[i]
      if (other && setHas(other[1], codePoint)) bits |= 1 << i
    }
    let charClass = byMembership.get(bits)
    if (charClass === undefined) {
      const held = others.filter((_, i) => (bits & (1 << i)) !== 0)
      charClass = members.push(new Set(held.map(([index]) => index))) - 1
      byMembership.set(bits, charClass)
    }
    return charClass
  }
  const membership = [...(singles.get(codePoint) ?? [])]
  for (const [index, set] of others) if (setHas(set, codePoint)) membership.push(index)
  const key = membership.join(',')
  let charClass = byMembership.get(key)
  if (charClass === undefined) {
    charClass = members.push(new Set(membership)) - 1
    byMembership.set(key, charClass)
  }
  return charClass
}
