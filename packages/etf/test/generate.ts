/** Any term in the one form that `decode` gives it, so that what comes back can be compared as it is. */
import {
  Atom,
  BitBinary,
  Export,
  encode,
  equalTerms,
  Float,
  ImproperList,
  type Term,
  Tuple,
} from '@waymark/etf'
import fc from 'fast-check'

const integer = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.maxSafeInteger(),
  fc.bigInt().filter((n) => n > 9007199254740991n || n < -9007199254740991n),
  fc.constantFrom(...[31, 32, 53, 63, 64, 2039, 2040, 3000].flatMap(around)),
)

function around(power: number): (number | bigint)[] {
  const exact = [-1n, 0n, 1n].flatMap((d) => [(1n << BigInt(power)) + d, -(1n << BigInt(power)) + d])
  return exact.map((n) => (n <= 9007199254740991n && n >= -9007199254740991n ? Number(n) : n))
}

const float = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => new Float(value))

const name = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ maxLength: 12, unit: 'binary' }),
  fc.constantFrom('ok', 'é', 'ÿ', 'Ā', 'λ'.repeat(200), 'a'.repeat(255), '🚚'.repeat(255)),
)

const bits = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 7 }))
  .map(([data, count]) => {
    const last = data.length - 1
    return new BitBinary(
      data.map((byte, i) => (i === last ? byte & (0xff << (8 - count)) : byte)),
      count,
    )
  })

const leaf: fc.Arbitrary<Term> = fc.oneof(
  integer,
  float,
  name.map((text) => new Atom(text)),
  fc.uint8Array({ maxLength: 40 }),
  bits,
  fc.tuple(name, name, fc.nat(255)).map(([m, f, a]) => new Export(m, f, a)),
  fc.array(fc.nat(255), { maxLength: 20 }),
)

const { term } = fc.letrec<{ term: Term }>((tie) => ({
  term: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    leaf,
    fc.array(tie('term'), { maxLength: 6 }),
    fc.array(tie('term'), { maxLength: 6 }).map((elements) => new Tuple<Term>(elements)),
    fc
      .tuple(fc.array(tie('term'), { minLength: 1, maxLength: 4 }), tie('term'))
      .map(([elements, tail]) => listOf(elements, tail)),
    fc.array(fc.tuple(tie('term'), tie('term')), { maxLength: 5 }).map(distinct),
  ),
}))

/** The list of these elements before this tail, as Erlang sees it. */
function listOf(elements: Term[], tail: Term): Term {
  if (Array.isArray(tail)) return [...elements, ...tail]
  if (tail instanceof ImproperList) return new ImproperList<Term>([...elements, ...tail.elements], tail.tail)
  return new ImproperList<Term>(elements, tail)
}

/** A map of pairs with keys that are all different terms: 0.0 and -0.0 count as one, as they did before OTP 27. */
function distinct(pairs: [Term, Term][]): Map<Term, Term> {
  const kept: [Term, Term][] = []
  for (const pair of pairs)
    if (!kept.some(([key]) => equalTerms(unsigned(key), unsigned(pair[0])))) kept.push(pair)
  return new Map(kept)
}

function unsigned(key: Term): Term {
  const spelled = Buffer.from(encode(key))
    .toString('latin1')
    .replaceAll('F\x80\0\0\0\0\0\0\0', 'F\0\0\0\0\0\0\0\0')
  return new Uint8Array(Buffer.from(spelled, 'latin1'))
}

export const anyTerm: fc.Arbitrary<Term> = term
