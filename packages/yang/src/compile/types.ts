/**
 * Types: from a `type` statement to a built-in type with its restrictions (RFC 7950 7.3, 7.4, 9).
 *
 * A typedef is worked out once and shared by all who use it. Only leafrefs need a copy for each leaf, because
 * where a relative path leads depends on where the leaf stands. Ranges, enums, bits and the members of unions
 * each have their file; this one follows the chain of typedefs and joins what each link adds.
 */

import { parseLeafrefPath } from '../arguments.ts'
import type {
  DefaultValue,
  Identity,
  IntegerBase,
  Pattern,
  ResolvedType,
  Status,
  StringType,
  UnionType,
} from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import type { Definition, ModuleFile } from '../unit.ts'
import type { Context } from './context.ts'
import { type DraftModule, PendingLeafref } from './draft.ts'
import { bitsFrom, enumsFrom, type FeatureTest } from './enums.ts'
import { errorTexts, integerRange, narrowLength, narrowRange, wholeDecimalRange } from './ranges.ts'
import { checkValue } from './values.ts'

/** A type with what its typedefs say beside. */
export interface Typed {
  readonly type: ResolvedType
  readonly default: DefaultValue | undefined
  readonly units: string | undefined
}

interface Typedef extends Typed {
  readonly status: Status
}

const anyString: StringType = { kind: 'string', typedefs: [], length: undefined, patterns: [] }
/** Stands in where a type could not be worked out; the finding has been made. */
const unknown: Typed = { type: anyString, default: undefined, units: undefined }

const integers: ReadonlySet<string> = new Set('int8 int16 int32 int64 uint8 uint16 uint32 uint64'.split(' '))
/** The names of the built-in types, which no typedef may take. */
export const builtins: ReadonlySet<string> = new Set([
  ...integers,
  ...'decimal64 string boolean enumeration bits binary leafref identityref empty union instance-identifier'.split(
    ' ',
  ),
])

function isInteger(name: string): name is IntegerBase {
  return integers.has(name)
}

/** Restrictions by the kind of type they may stand on (RFC 7950 9, table in 14). */
const restrictionsOf: Readonly<Record<ResolvedType['kind'], readonly string[]>> = {
  integer: ['range'],
  decimal64: ['fraction-digits', 'range'],
  string: ['length', 'pattern'],
  boolean: [],
  enumeration: ['enum'],
  bits: ['bit'],
  binary: ['length'],
  leafref: ['path', 'require-instance'],
  identityref: ['base'],
  empty: [],
  union: ['type'],
  'instance-identifier': ['require-instance'],
}
/** Restrictions that only the built-in type itself may carry, not a type derived from it. */
const onlyOnBuiltin: ReadonlySet<string> = new Set(['fraction-digits', 'path', 'base', 'type'])

export class Types {
  readonly #context: Context
  readonly #identity: (definition: Definition) => Identity
  readonly #feature: FeatureTest
  readonly #typedefs = new Map<Statement, Typedef | 'open'>()
  readonly #unionSizes = new WeakMap<ResolvedType, number>()
  /** How many typedefs a type went through, members of unions counted at their deepest. */
  readonly #depths = new WeakMap<ResolvedType, number>()
  #chain = 0

  constructor(context: Context, identity: (definition: Definition) => Identity, feature: FeatureTest) {
    this.#context = context
    this.#identity = identity
    this.#feature = feature
  }

  /** The type of a leaf or leaf-list whose names belong to `home`. */
  ofNode(statement: Statement, file: ModuleFile, home: DraftModule): Typed {
    const typed = this.#read(statement, file)
    const type = this.#settleIn(typed.type, home, statement)
    return type === typed.type ? typed : { ...typed, type }
  }

  /** Works a typedef out even if nobody uses it, so that its faults are found. */
  checkTypedef(statement: Statement, file: ModuleFile): void {
    this.#typedef({ statement, file }, statement)
  }

  #typedef(definition: Definition, user: Statement): Typedef | undefined {
    const { statement, file } = definition
    const known = this.#typedefs.get(statement)
    if (known === 'open') {
      const found = `the typedef "${statement.text}", which is built on itself`
      this.#context.error(user, 'cycle', found, 'a type that leads to a built-in one', '7.3')
      return undefined
    }
    if (known) return known
    const typeStatement = statement.find('type')
    if (!typeStatement) return undefined
    const { maxChain } = this.#context.settings.limits
    if (++this.#chain > maxChain)
      this.#context.stop(
        statement,
        `typedefs built on each other ${this.#chain} deep`,
        `no more than ${maxChain}`,
        'maxChain',
      )
    this.#typedefs.set(statement, 'open')
    const below = this.#read(typeStatement, file)
    this.#chain--
    const depth = 1 + (this.#depths.get(below.type) ?? 0)
    if (depth > maxChain)
      this.#context.stop(
        statement,
        `typedefs built on each other ${depth} deep`,
        `no more than ${maxChain}`,
        'maxChain',
      )
    const name = `${file.unit.name}:${statement.text}`
    const type = named(below.type, name)
    this.#depths.set(type, depth)
    const size = this.#unionSizes.get(below.type)
    if (size !== undefined) this.#unionSizes.set(type, size)
    const own = statement.find('default')
    const typedef: Typedef = {
      type,
      default: own ? this.#context.defaultValue(own, file) : below.default,
      units: statement.argumentOf('units') ?? below.units,
      status: statusOf(statement),
    }
    this.#typedefs.set(statement, typedef)
    this.#checkTypedefDefault(typedef, own, typeStatement)
    return typedef
  }

  /** RFC 7950 7.3.4: a default must fit the type, also when a restriction came later than the default. */
  #checkTypedefDefault(typedef: Typedef, own: Statement | undefined, typeStatement: Statement): void {
    if (!typedef.default || mentionsLeafref(typedef.type)) return
    const wrong = checkValue(typedef.type, typedef.default, this.#context)
    if (wrong)
      this.#context.error(own ?? typeStatement, 'type', `the default ${wrong.found}`, wrong.expected, '7.3.4')
  }

  #read(statement: Statement, file: ModuleFile): Typed {
    const name = statement.text
    if (builtins.has(name))
      return { type: this.#builtin(name, statement, file), default: undefined, units: undefined }
    const definition = this.#context.definition('typedef', name, file, statement, '7.3')
    if (!definition) return unknown
    const typedef = this.#typedef(definition, statement)
    if (!typedef) return unknown
    checkStatus(this.#context, statement, file, typedef.status, definition, `typedef "${name}"`)
    const type = this.#restrict(typedef.type, statement, file)
    this.#depths.set(type, this.#depths.get(typedef.type) ?? 0)
    return type === typedef.type ? typedef : { type, default: typedef.default, units: typedef.units }
  }

  #builtin(name: string, statement: Statement, file: ModuleFile): ResolvedType {
    const typedefs: readonly string[] = []
    if (isInteger(name))
      return this.#restrict(
        { kind: 'integer', base: name, typedefs, range: integerRange(name) },
        statement,
        file,
        true,
      )
    switch (name) {
      case 'decimal64': {
        const digits = this.#required('fraction-digits', statement, '9.3.4')
        const fractionDigits = digits && /^([1-9]|1[0-8])$/.test(digits.text) ? Number(digits.text) : 1
        return this.#restrict(
          { kind: 'decimal64', typedefs, fractionDigits, range: wholeDecimalRange },
          statement,
          file,
          true,
        )
      }
      case 'string':
        return this.#restrict(anyString, statement, file, true)
      case 'binary':
        return this.#restrict({ kind: 'binary', typedefs, length: undefined }, statement, file, true)
      case 'enumeration':
        this.#required('enum', statement, '9.6.4')
        this.#refuseOthers('enumeration', statement, true)
        return {
          kind: 'enumeration',
          typedefs,
          enums: enumsFrom(statement, file, undefined, this.#context, this.#feature),
        }
      case 'bits':
        this.#required('bit', statement, '9.7.4')
        this.#refuseOthers('bits', statement, true)
        return {
          kind: 'bits',
          typedefs,
          bits: bitsFrom(statement, file, undefined, this.#context, this.#feature),
        }
      case 'leafref':
        return this.#leafref(statement, file)
      case 'identityref':
        return this.#identityref(statement, file)
      case 'union':
        return this.#union(statement, file)
      case 'instance-identifier':
        this.#refuseOthers('instance-identifier', statement, true)
        return {
          kind: 'instance-identifier',
          typedefs,
          requireInstance: statement.argumentOf('require-instance') !== 'false',
        }
      case 'empty':
        this.#refuseOthers('empty', statement, true)
        return { kind: 'empty', typedefs }
      default:
        this.#refuseOthers('boolean', statement, true)
        return { kind: 'boolean', typedefs }
    }
  }

  /** What the substatements of `type` add to the type it names. */
  #restrict(type: ResolvedType, statement: Statement, file: ModuleFile, builtin = false): ResolvedType {
    if (statement.substatements.length === 0) return type
    this.#refuseOthers(type.kind, statement, builtin)
    switch (type.kind) {
      case 'integer':
      case 'decimal64': {
        const range = statement.find('range')
        return range ? { ...type, range: narrowRange(type, range, this.#context) } : type
      }
      case 'binary': {
        const length = statement.find('length')
        return length ? { ...type, length: narrowLength(type.length, length, this.#context) } : type
      }
      case 'string': {
        const length = statement.find('length')
        const patterns = statement.all('pattern')
        if (!length && patterns.length === 0) return type
        return {
          ...type,
          length: length ? narrowLength(type.length, length, this.#context) : type.length,
          patterns:
            patterns.length === 0
              ? type.patterns
              : [...type.patterns, ...patterns.map((p) => this.#pattern(p))],
        }
      }
      case 'enumeration':
        if (!this.#only11('enum', statement, file)) return type
        return { ...type, enums: enumsFrom(statement, file, type.enums, this.#context, this.#feature) }
      case 'bits':
        if (!this.#only11('bit', statement, file)) return type
        return { ...type, bits: bitsFrom(statement, file, type.bits, this.#context, this.#feature) }
      case 'leafref': {
        const require = statement.find('require-instance')
        if (!require || !(type instanceof PendingLeafref)) return type
        return new PendingLeafref(type.path, type.parsed, require.text !== 'false', type.typedefs)
      }
      case 'instance-identifier': {
        const require = statement.find('require-instance')
        return require ? { ...type, requireInstance: require.text !== 'false' } : type
      }
      default:
        return type
    }
  }

  #pattern(statement: Statement): Pattern {
    const compiled = this.#context.pattern(statement.text)
    if (!compiled.ok)
      this.#context.error(
        statement,
        'type',
        `${compiled.found} at offset ${compiled.at} of the pattern "${brief(statement.text)}"`,
        compiled.expected,
        '9.4.5',
      )
    const invert = statement.argumentOf('modifier') === 'invert-match'
    return {
      source: compiled.ok ? statement.text : '[\\s\\S]*',
      invert,
      position: statement,
      ...errorTexts(statement),
    }
  }

  #leafref(statement: Statement, file: ModuleFile): ResolvedType {
    this.#refuseOthers('leafref', statement, true)
    const require = statement.find('require-instance')
    if (require && !file.is11)
      this.#context.error(
        require,
        'type',
        '"require-instance" on a leafref of a YANG 1.0 module',
        '"yang-version 1.1" for it',
        '9.9.3',
      )
    const path = this.#required('path', statement, '9.9.2')
    if (!path) return anyString
    const parsed = parseLeafrefPath(path.text)
    if (!parsed) {
      const found = `"${brief(path.text)}"`
      this.#context.error(path, 'argument', found, 'a leafref path', '9.9.2')
      return anyString
    }
    const source = { text: path.text, prefixes: file.prefixNames, moduleName: file.unit.name, position: path }
    for (const { prefix } of parsed.steps)
      if (prefix !== undefined && !this.#context.unitOf(prefix, file, path)) return anyString
    return new PendingLeafref(source, parsed, require?.text !== 'false', [])
  }

  #identityref(statement: Statement, file: ModuleFile): ResolvedType {
    this.#refuseOthers('identityref', statement, true)
    this.#required('base', statement, '9.10.2')
    const bases: Identity[] = []
    for (const base of statement.all('base')) {
      const definition = this.#context.definition('identity', base.text, file, base, '9.10.2')
      if (definition) bases.push(this.#identity(definition))
    }
    return bases.length === 0 ? anyString : { kind: 'identityref', typedefs: [], bases }
  }

  #union(statement: Statement, file: ModuleFile): ResolvedType {
    this.#refuseOthers('union', statement, true)
    this.#required('type', statement, '9.12')
    const types: ResolvedType[] = []
    let size = 0
    let depth = 0
    for (const member of statement.all('type')) {
      const { type } = this.#read(member, file)
      if (!file.is11 && (type.kind === 'empty' || type.kind === 'leafref')) {
        const found = `"${type.kind}" as a member of a union in a YANG 1.0 module`
        this.#context.error(member, 'type', found, 'another type, or "yang-version 1.1"', '9.12')
      }
      types.push(type)
      size += this.#unionSizes.get(type) ?? 1
      depth = Math.max(depth, this.#depths.get(type) ?? 0)
    }
    const { maxUnionMembers } = this.#context.settings.limits
    if (size > maxUnionMembers)
      this.#context.stop(
        statement,
        `a union of ${size} members`,
        `no more than ${maxUnionMembers}`,
        'maxUnionMembers',
      )
    if (types.length === 0) return anyString
    const union: UnionType = { kind: 'union', typedefs: [], types }
    this.#unionSizes.set(union, size)
    this.#depths.set(union, depth)
    return union
  }

  /** Copies what holds leafrefs, so that each leaf has its own. */
  #settleIn(type: ResolvedType, home: DraftModule, place: Statement): ResolvedType {
    if (type instanceof PendingLeafref) {
      this.#context.spend(1, place)
      // Names without a prefix belong to the module the typedef is used in (RFC 7950 6.4.1).
      const path = { ...type.path, moduleName: home.name }
      if (type.path.text.includes(':'))
        for (const prefix of type.path.text.matchAll(/([\w.-]+):/g)) {
          const unit = this.#unitFor(prefix[1] ?? '', type)
          if (unit) this.#context.implement(unit)
        }
      return new PendingLeafref(path, type.parsed, type.requireInstance, type.typedefs)
    }
    if (type.kind !== 'union' || !mentionsLeafref(type)) return type
    return { ...type, types: type.types.map((member) => this.#settleIn(member, home, place)) }
  }

  #unitFor(prefix: string, type: PendingLeafref) {
    const name = type.path.prefixes.get(prefix)
    for (const unit of this.#context.modules.keys()) if (unit.name === name) return unit
    return undefined
  }

  #required(keyword: string, statement: Statement, clause: string): Statement | undefined {
    const found = statement.find(keyword)
    if (!found)
      this.#context.error(
        statement,
        'type',
        `"${statement.text}" without "${keyword}"`,
        `a "${keyword}" statement`,
        clause,
      )
    return found
  }

  #only11(keyword: string, statement: Statement, file: ModuleFile): boolean {
    const first = statement.find(keyword)
    if (first && !file.is11)
      this.#context.error(
        first,
        'type',
        `"${keyword}" on a derived type of a YANG 1.0 module`,
        '"yang-version 1.1" for it',
        '9.6.3',
      )
    return first !== undefined
  }

  #refuseOthers(kind: ResolvedType['kind'], statement: Statement, builtin: boolean): void {
    const allowed = restrictionsOf[kind]
    for (const sub of statement.substatements) {
      const { keyword } = sub
      if (keyword.includes(':')) continue
      if (allowed.includes(keyword) && (builtin || !onlyOnBuiltin.has(keyword))) continue
      if (!anyRestriction.has(keyword)) continue
      const fits = allowed.filter((word) => builtin || !onlyOnBuiltin.has(word))
      const expected = fits.length === 0 ? 'no restriction' : `only ${fits.join(', ')}`
      this.#context.error(sub, 'type', `"${keyword}" on the type "${brief(statement.text)}"`, expected, '7.4')
    }
  }
}

const anyRestriction: ReadonlySet<string> = new Set(Object.values(restrictionsOf).flat())
const leafrefHolders = new WeakMap<ResolvedType, boolean>()

/** True for a leafref and for a union that holds one. */
export function mentionsLeafref(type: ResolvedType): boolean {
  if (type.kind === 'leafref') return true
  if (type.kind !== 'union') return false
  let known = leafrefHolders.get(type)
  if (known === undefined) {
    known = type.types.some(mentionsLeafref)
    leafrefHolders.set(type, known)
  }
  return known
}

function named(type: ResolvedType, name: string): ResolvedType {
  const typedefs = [name, ...type.typedefs]
  return type instanceof PendingLeafref
    ? new PendingLeafref(type.path, type.parsed, type.requireInstance, typedefs)
    : { ...type, typedefs }
}

export function statusOf(statement: Statement): Status {
  const text = statement.argumentOf('status')
  return text === 'deprecated' || text === 'obsolete' ? text : 'current'
}

const partsOfDefinitions: ReadonlySet<string> = new Set(['type', 'base', 'if-feature'])
export const statusRank: Readonly<Record<Status, number>> = { current: 0, deprecated: 1, obsolete: 2 }

/** RFC 7950 7.21.2: within one module a definition may not lean on one of a worse status. */
export function checkStatus(
  context: Context,
  user: Statement,
  file: ModuleFile,
  used: Status,
  definition: Definition,
  name: string,
): void {
  if (used === 'current' || definition.file.unit !== file.unit) return
  // Status is not inherited: what counts is what the definition that refers says of itself.
  let referrer: Statement | undefined = user
  while (referrer && partsOfDefinitions.has(referrer.keyword)) referrer = referrer.parent
  const own = referrer ? statusOf(referrer) : 'current'
  if (statusRank[used] > statusRank[own])
    context.error(
      user,
      'tree',
      `${name}, which is ${used}`,
      `a definition that is ${own}, as this one`,
      '7.21.2',
    )
}
