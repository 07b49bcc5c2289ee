/**
 * Which statement may stand where, how often, and since which version: the whole of RFC 7950 section 14 as one
 * table.
 *
 * A row reads `keyword: [clause, argument form, substatements]`. A substatement is followed by how often it may
 * occur: nothing for exactly once, `?` for at most once, `*` for any number, `+` for once or more. A leading
 * `^` marks what only YANG 1.1 allows. The table decides form only; what arguments mean is decided elsewhere.
 */

export interface StatementRule {
  readonly clause: string
  readonly argument: ArgumentForm | undefined
  /** By keyword. */
  readonly substatements: ReadonlyMap<string, Cardinality>
  /** True when some substatement must be there. */
  readonly required: readonly string[]
}

export interface Cardinality {
  readonly min: 0 | 1
  readonly max: 1 | undefined
  readonly since11: boolean
}

/** What the text after a keyword must look like. */
export type ArgumentForm =
  | 'text'
  | 'identifier'
  | 'reference' // an identifier, maybe with a prefix
  | 'date'
  | 'boolean'
  | 'status'
  | 'ordered-by'
  | 'version'
  | 'count' // a non-negative integer
  | 'max' // a positive integer or "unbounded"
  | 'integer'
  | 'digits' // 1…18
  | 'modifier'
  | 'deviate'
  | 'uri'
  | 'absolute-path'
  | 'descendant-path'
  | 'augment-path' // absolute at the top level, descendant under uses
  | 'key'
  | 'unique'

const definitions = 'container* leaf* leaf-list* list* choice* ^anydata* anyxml* uses*'
const scopes = 'typedef* grouping*'
const meta = 'status? description? reference?'
const common = `if-feature* ${meta}`
const errorTexts = 'error-message? error-app-tag? description? reference?'
const body = `extension* feature* identity* ${scopes} ${definitions} augment* rpc* notification* deviation*`
const header = 'organization? contact? description? reference? revision*'

const rows: Readonly<Record<string, readonly [string, ArgumentForm | undefined, string]>> = {
  module: ['7.1', 'identifier', `yang-version? namespace prefix import* include* ${header} ${body}`],
  submodule: ['7.2', 'identifier', `yang-version? belongs-to import* include* ${header} ${body}`],
  'yang-version': ['7.1.2', 'version', ''],
  namespace: ['7.1.3', 'uri', ''],
  prefix: ['7.1.4', 'identifier', ''],
  import: ['7.1.5', 'identifier', 'prefix revision-date? ^description? ^reference?'],
  include: ['7.1.6', 'identifier', 'revision-date? ^description? ^reference?'],
  'revision-date': ['7.1.5.1', 'date', ''],
  'belongs-to': ['7.2.2', 'identifier', 'prefix'],
  organization: ['7.1.7', 'text', ''],
  contact: ['7.1.8', 'text', ''],
  description: ['7.21.3', 'text', ''],
  reference: ['7.21.4', 'text', ''],
  revision: ['7.1.9', 'date', 'description? reference?'],
  extension: ['7.19', 'identifier', `argument? ${meta}`],
  argument: ['7.19.2', 'identifier', 'yin-element?'],
  'yin-element': ['7.19.2.2', 'boolean', ''],
  feature: ['7.20.1', 'identifier', common],
  'if-feature': ['7.20.2', 'text', ''],
  identity: ['7.18', 'identifier', `base* ^if-feature* ${meta}`],
  base: ['7.18.2', 'reference', ''],
  typedef: ['7.3', 'identifier', `type units? default? ${meta}`],
  type: [
    '7.4',
    'reference',
    'range? length? pattern* enum* bit* fraction-digits? path? require-instance? base* type*',
  ],
  units: ['7.3.3', 'text', ''],
  default: ['7.6.4', 'text', ''],
  range: ['9.2.4', 'text', errorTexts],
  length: ['9.4.4', 'text', errorTexts],
  pattern: ['9.4.5', 'text', `^modifier? ${errorTexts}`],
  modifier: ['9.4.6', 'modifier', ''],
  enum: ['9.6.4', 'text', `value? ^if-feature* ${meta}`],
  value: ['9.6.4.2', 'integer', ''],
  bit: ['9.7.4', 'identifier', `position? ^if-feature* ${meta}`],
  position: ['9.7.4.2', 'count', ''],
  'fraction-digits': ['9.3.4', 'digits', ''],
  path: ['9.9.2', 'text', ''],
  'require-instance': ['9.9.3', 'boolean', ''],
  grouping: ['7.12', 'identifier', `${meta} ${scopes} ${definitions} ^action* ^notification*`],
  uses: ['7.13', 'reference', `when? ${common} refine* augment*`],
  refine: [
    '7.13.2',
    'descendant-path',
    'must* presence? default* config? mandatory? min-elements? max-elements? ^if-feature* description? reference?',
  ],
  augment: ['7.17', 'augment-path', `when? ${common} ${definitions} case* ^action* ^notification*`],
  container: [
    '7.5',
    'identifier',
    `when? ${common} must* presence? config? ${scopes} ${definitions} ^action* ^notification*`,
  ],
  must: ['7.5.3', 'text', errorTexts],
  'error-message': ['7.5.4.1', 'text', ''],
  'error-app-tag': ['7.5.4.2', 'text', ''],
  presence: ['7.5.5', 'text', ''],
  leaf: ['7.6', 'identifier', `when? ${common} type units? must* default? config? mandatory?`],
  'leaf-list': [
    '7.7',
    'identifier',
    `when? ${common} type units? must* ^default* config? min-elements? max-elements? ordered-by?`,
  ],
  list: [
    '7.8',
    'identifier',
    `when? ${common} must* key? unique* config? min-elements? max-elements? ordered-by? ${scopes} ${definitions} ^action* ^notification*`,
  ],
  key: ['7.8.2', 'key', ''],
  unique: ['7.8.3', 'unique', ''],
  choice: [
    '7.9',
    'identifier',
    `when? ${common} default? config? mandatory? case* ^choice* container* leaf* leaf-list* list* ^anydata* anyxml*`,
  ],
  case: ['7.9.2', 'identifier', `when? ${common} ${definitions}`],
  anydata: ['7.10', 'identifier', `when? ${common} must* config? mandatory?`],
  anyxml: ['7.11', 'identifier', `when? ${common} must* config? mandatory?`],
  config: ['7.21.1', 'boolean', ''],
  mandatory: ['7.6.5', 'boolean', ''],
  status: ['7.21.2', 'status', ''],
  'min-elements': ['7.7.5', 'count', ''],
  'max-elements': ['7.7.6', 'max', ''],
  'ordered-by': ['7.7.7', 'ordered-by', ''],
  when: ['7.21.5', 'text', 'description? reference?'],
  rpc: ['7.14', 'identifier', `${common} ${scopes} input? output?`],
  action: ['7.15', 'identifier', `${common} ${scopes} input? output?`],
  input: ['7.14.2', undefined, `^must* ${scopes} ${definitions}`],
  output: ['7.14.3', undefined, `^must* ${scopes} ${definitions}`],
  notification: ['7.16', 'identifier', `${common} ^must* ${scopes} ${definitions}`],
  deviation: ['7.20.3', 'absolute-path', 'description? reference? deviate+'],
  deviate: [
    '7.20.3.2',
    'deviate',
    'type? units? must* unique* default* config? mandatory? min-elements? max-elements?',
  ],
}

/** The rule of each statement of the language, by keyword. */
export const grammar: ReadonlyMap<string, StatementRule> = new Map(
  Object.entries(rows).map(([keyword, [clause, argument, substatements]]) => [
    keyword,
    ruleOf(clause, argument, substatements),
  ]),
)

/** Substatements of each kind of `deviate` (RFC 7950 14). */
export const deviateSubstatements: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['not-supported', new Set<string>()],
  ['add', new Set('units must unique default config mandatory min-elements max-elements'.split(' '))],
  ['replace', new Set('type units default config mandatory min-elements max-elements'.split(' '))],
  ['delete', new Set('units must unique default'.split(' '))],
])

/** The sections of a module, in the order RFC 7950 7.1 asks for; what is not named here is the body. */
export const sectionOf: ReadonlyMap<string, number> = new Map([
  ['yang-version', 0],
  ['namespace', 0],
  ['prefix', 0],
  ['belongs-to', 0],
  ['import', 1],
  ['include', 1],
  ['organization', 2],
  ['contact', 2],
  ['description', 2],
  ['reference', 2],
  ['revision', 3],
])
export const sectionNames = ['header', 'linkage', 'meta', 'revision', 'body'] as const

/**
 * Extensions whose substatements are YANG themselves, by `module:extension`: RFC 8040 8, RFC 7952 3, RFC 8791 4.
 */
export const extensionGrammar: ReadonlyMap<string, StatementRule> = new Map(
  (
    [
      ['ietf-restconf:yang-data', '8', definitions],
      ['ietf-yang-metadata:annotation', '3', `${common} type units?`],
      ['ietf-yang-structure-ext:structure', '4', `must* ${meta} ${scopes} ${definitions}`],
    ] as const
  ).map(([name, clause, substatements]) => [name, ruleOf(clause, 'identifier', substatements)]),
)

function ruleOf(clause: string, argument: ArgumentForm | undefined, text: string): StatementRule {
  const substatements = parseSubstatements(text)
  const required = [...substatements].filter(([, { min }]) => min === 1).map(([keyword]) => keyword)
  return { clause, argument, substatements, required }
}

function parseSubstatements(text: string): Map<string, Cardinality> {
  const cardinalities = new Map<string, Cardinality>()
  for (const word of text.split(' ').filter((word) => word !== '')) {
    const since11 = word.startsWith('^')
    const mark = /[?*+]$/.exec(word)?.[0] ?? ''
    const keyword = word.slice(since11 ? 1 : 0, word.length - mark.length)
    const min = mark === '' || mark === '+' ? 1 : 0
    const max = mark === '' || mark === '?' ? 1 : undefined
    cardinalities.set(keyword, { min, max, since11 })
  }
  return cardinalities
}
