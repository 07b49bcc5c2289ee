/**
 * Documents made up from a schema: mostly true ones, some with a value out of range, two cases of a choice
 * or a reference that leads nowhere. Whether a document is valid is for those to say who are compared.
 */
import type { JsonObject, JsonValue } from '../src/data/json.ts'
import type { LeafCodec } from '../src/data/leaf-codec.ts'
import type { ChoicePlan, ParentPlan, Plan } from '../src/data/plan.ts'
import type { Interval, ResolvedType } from '../src/schema.ts'

export type Random = () => number

export type GenerateOptions = {
  /** Share of faults, from 0 to 1. */
  readonly faulty: number
  /** Leave out state. */
  readonly configOnly: boolean
}

/** The members of a root, container or list entry. */
export function generateMembers(
  plan: ParentPlan,
  random: Random,
  options: GenerateOptions,
  depth = 0,
): JsonObject {
  const object: JsonObject = {}
  const excluded = new Set<Plan>()
  for (const choice of plan.choices) excludeCases(choice, random, options, excluded)
  for (const child of plan.children) {
    if (excluded.has(child) || (options.configOnly && !child.config)) continue
    if (random() > shareOf(child, depth)) continue
    object[child.jsonName] = generateChild(child, random, options, depth)
  }
  return object
}

function excludeCases(
  choice: ChoicePlan,
  random: Random,
  options: GenerateOptions,
  excluded: Set<Plan>,
): void {
  const chosen = choice.cases[Math.floor(random() * choice.cases.length)]
  for (const one of choice.cases) {
    const isIn = one === chosen || random() < options.faulty / 4
    if (!isIn) for (const child of one.children) excluded.add(child)
    for (const inner of one.choices) {
      excludeCases(inner, random, options, excluded)
      if (!isIn)
        for (const innerCase of inner.cases) for (const child of innerCase.children) excluded.add(child)
    }
  }
}

function shareOf(plan: Plan, depth: number): number {
  switch (plan.kind) {
    case 'leaf':
      return plan.isKey ? 1 : plan.mandatory ? 0.97 : plan.whens.length > 0 ? 0.1 : 0.35
    case 'any':
      return plan.mandatory ? 0.97 : 0.2
    case 'container':
      return depth > 6 ? 0.1 : plan.weighty && !plan.presence ? 0.9 : 0.45
    case 'list':
      return plan.schema.minElements > 0 ? 0.97 : depth > 6 ? 0.05 : 0.4
    case 'leaf-list':
      return plan.schema.minElements > 0 ? 0.97 : 0.3
  }
}

function generateChild(plan: Plan, random: Random, options: GenerateOptions, depth: number): JsonValue {
  switch (plan.kind) {
    case 'leaf':
      return generateValue(plan.codec, plan.module, random, options)
    case 'leaf-list':
      return times(plan.schema.minElements, random, () =>
        generateValue(plan.codec, plan.module, random, options),
      )
    case 'any':
      return {}
    case 'container':
      return generateMembers(plan, random, options, depth + 1)
    case 'list':
      return times(plan.schema.minElements, random, () => generateMembers(plan, random, options, depth + 1))
  }
}

function times<T>(least: number, random: Random, make: () => T): T[] {
  return Array.from({ length: Math.max(1, least, Math.floor(random() * 3)) }, make)
}

const strangeValues: JsonValue[] = [-1, 256, 70_000, 1.5, '', 'x y', true, [null], {}, null, '::', '1.2.3']

export function generateValue(
  codec: LeafCodec,
  module: string,
  random: Random,
  options: GenerateOptions,
): JsonValue {
  if (random() < options.faulty / 6) return pick(strangeValues, random)
  const members = codec.members.length > 1 ? codec.members : [codec]
  const member = pick(members, random)
  const type = member.type.kind === 'union' ? pick(member.members, random).type : member.type
  const text = generateText(type, member, module, random)
  return text === undefined ? pick(strangeValues, random) : text
}

const samples = [
  'a',
  'b',
  'eth0',
  'main',
  '10.0.0.1',
  '192.0.2.0/24',
  '2001:db8::1',
  '2001:db8::/32',
  'example.org',
  '2024-02-29',
  '2024-02-29T12:00:00Z',
  '00:11:22:33:44:55',
  '00:11:22',
  'aa',
  'AAEC',
  '1.2.3',
  '1.3.6.1.2',
  'urn:example:x',
  'http://example.org/',
  '0',
  '1',
  '12',
  '65000:1',
  '65001',
  '0:65000:100',
  '2:1:1',
  '6:00-01-02-03-04-05',
  '100',
  '200',
  '1.2.3.4',
  '255.255.255.0',
  '0.0.0.1',
  '1-2',
  'c0a80101-0000-1000-8000-00805f9b34fb',
  '$0$clear',
  '12:30:00',
  '*',
  '/',
  'en',
  'any text at all',
]

function generateText(
  type: ResolvedType,
  codec: LeafCodec,
  module: string,
  random: Random,
): JsonValue | undefined {
  switch (type.kind) {
    case 'integer': {
      const number = within(pick(type.range.intervals, random), random)
      return type.base === 'int64' || type.base === 'uint64' ? number.toString() : Number(number)
    }
    case 'decimal64': {
      const units = within(pick(type.range.intervals, random), random)
      const digits = (units < 0n ? -units : units).toString().padStart(type.fractionDigits + 1, '0')
      return `${units < 0n ? '-' : ''}${digits.slice(0, -type.fractionDigits)}.${digits.slice(-type.fractionDigits)}`
    }
    case 'string': {
      // Strings whose prose says more than their type: libyang has rules of its own for them.
      if (type.typedefs.some((name) => /:(xpath1\.0|node-instance-identifier)$/.test(name))) return '/'
      const fitting = samples.filter((sample) => codec.fits(sample))
      return fitting.length > 0 ? pick(fitting.slice(0, 4), random) : undefined
    }
    case 'boolean':
      return random() < 0.5
    case 'enumeration':
      return pick([...type.enums.keys()], random)
    case 'bits':
      return [...type.bits.keys()].filter(() => random() < 0.4).join(' ')
    case 'binary':
      return pick(
        ['', 'AA==', 'AAEC', 'AAECAwQFBgc='].filter((sample) => codec.fits(sample)),
        random,
      )
    case 'identityref': {
      const [first, ...others] = type.bases
      const fitting = [...(first?.derived ?? [])].filter((identity) =>
        others.every((base) => base.derived.has(identity)),
      )
      const names = fitting.map((identity) => `${identity.module.name}:${identity.name}`)
      return names.length > 0 ? pick(names, random) : undefined
    }
    case 'empty':
      return [null]
    case 'instance-identifier':
      return `/${module}:nowhere`
    default:
      return undefined
  }
}

function within({ from, to }: Interval<bigint>, random: Random): bigint {
  const span = to - from
  const choice = random()
  if (choice < 0.2) return from
  if (choice < 0.4) return to
  return (
    from +
    (span < 10n ? BigInt(Math.floor(random() * (Number(span) + 1))) : BigInt(Math.floor(random() * 10)))
  )
}

function pick<T>(values: readonly T[], random: Random): T {
  const value = values[Math.floor(random() * values.length)]
  if (value === undefined) throw new RangeError('nothing to pick from')
  return value
}
