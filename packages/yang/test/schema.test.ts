import { describe, expect, test } from 'vitest'
import { type Compiled, type CompileOptions, compile, type Schema, type SchemaNode } from '../src/index.ts'

const head = (name: string) => `yang-version 1.1; namespace "urn:${name}"; prefix ${name};`

/** Compiles `t` with the help of other modules, all by name. */
function compiled(modules: Record<string, string>, options: CompileOptions = {}): Compiled {
  const text = (name: string) => ({
    file: `${name}.yang`,
    text: `module ${name} { ${head(name)} ${modules[name]} }`,
  })
  return compile([text('t')], ({ name }) => (name in modules ? text(name) : undefined), options)
}

function schemaOf(modules: Record<string, string>, options: CompileOptions = {}): Schema {
  const result = compiled(modules, options)
  if (!result.ok) throw new Error(JSON.stringify(result.problems, undefined, 1))
  return result.schema
}

/** The node at `a/b/c` below a module, through choices and cases by name. */
function at(schema: Schema, module: string, path: string): SchemaNode {
  let level: readonly SchemaNode[] = rootsOf(schema, module)
  let node: SchemaNode | undefined
  for (const name of path.split('/')) {
    node = level.find((one) => one.name === name)
    if (!node) throw new Error(`no ${name} in ${level.map((one) => one.name).join(', ')}`)
    level = below(node)
  }
  if (!node) throw new Error('a path has steps')
  return node
}

function rootsOf(schema: Schema, module: string): SchemaNode[] {
  const found = schema.modules.get(module)
  return found ? [...found.children, ...found.rpcs, ...found.notifications] : []
}

function below(node: SchemaNode): readonly SchemaNode[] {
  if ('children' in node)
    return 'actions' in node ? [...node.children, ...node.actions, ...node.notifications] : node.children
  if (node.kind === 'choice') return node.cases
  return node.kind === 'rpc' || node.kind === 'action' ? [node.input, node.output] : []
}

function leaf(schema: Schema, path: string, module = 't') {
  const node = at(schema, module, path)
  if (node.kind !== 'leaf') throw new Error(`${path} is a ${node.kind}`)
  return node
}

describe('the compiled schema', () => {
  test('[C1] nodes of an augment belong to the augmenting module, nodes of a grouping to the using one', () => {
    const schema = schemaOf({
      t: 'import o { prefix o; } augment "/o:c" { leaf a { type string; } } uses o:g;',
      o: 'container c; grouping g { leaf b { type u; } } typedef u { type int8; }',
    })
    expect(at(schema, 'o', 'c/a').module.name).toBe('t')
    expect(leaf(schema, 'b').module.name).toBe('t')
    expect(leaf(schema, 'b').type).toMatchObject({ kind: 'integer', base: 'int8', typedefs: ['o:u'] })
  })

  test('[C2] config is inherited, and says nothing below an rpc', () => {
    const schema = schemaOf({
      t: 'container c { config false; container d { leaf a { type string; } } } rpc r { input { leaf b { type string; config true; } } }',
    })
    expect(leaf(schema, 'c/d/a')).toMatchObject({ config: false, inTree: true })
    expect(leaf(schema, 'r/input/b')).toMatchObject({ inTree: false })
  })

  test('[C3] short-hand cases are written out', () => {
    const schema = schemaOf({ t: 'choice c { default a; leaf a { type string; } container b; }' })
    const choice = at(schema, 't', 'c')
    if (choice.kind !== 'choice') throw new Error('not a choice')
    expect(choice.cases.map(({ kind, name, children }) => [kind, name, children.length])).toEqual([
      ['case', 'a', 1],
      ['case', 'b', 1],
    ])
    expect(choice.defaultCase?.name).toBe('a')
  })

  test('[C4] a typedef default counts for optional leafs only', () => {
    const schema = schemaOf({
      t: `typedef u { type int8; default 5; units m; }
          list l { key k; leaf k { type u; } leaf a { type u; } leaf b { type u; mandatory true; } leaf c { type u; default 7; } }
          leaf-list d { type u; } leaf-list e { type u; min-elements 1; }`,
    })
    const defaults = ['l/k', 'l/a', 'l/b', 'l/c'].map((path) => leaf(schema, path).default?.text)
    expect(defaults).toEqual([undefined, '5', undefined, '7'])
    expect(leaf(schema, 'l/a').units).toBe('m')
    expect(leaf(schema, 'l/k').isKey).toBe(true)
    expect(at(schema, 't', 'd')).toMatchObject({ defaults: [{ text: '5' }] })
    expect(at(schema, 't', 'e')).toMatchObject({ defaults: [] })
  })

  test('[C5] what a feature that is off guards is not there: nodes, enums, identities, uses', () => {
    const modules = {
      t: `feature f; feature g { if-feature f; } grouping w { leaf c { type string; } }
          leaf a { if-feature f; type string; } leaf b { if-feature "not g"; type string; } uses w { if-feature g; }
          identity base; identity on { base base; } identity off { if-feature f; base base; }
          leaf e { type enumeration { enum x; enum y { if-feature f; } } } leaf i { type identityref { base base; } }`,
    }
    const all = schemaOf(modules)
    expect(rootsOf(all, 't').map(({ name }) => name)).toEqual(['a', 'c', 'e', 'i'])
    const none = schemaOf(modules, { features: () => false })
    expect(rootsOf(none, 't').map(({ name }) => name)).toEqual(['b', 'e', 'i'])
    const { type } = leaf(none, 'e')
    expect(type.kind === 'enumeration' && [...type.enums.keys()]).toEqual(['x'])
    const identities = leaf(none, 'i').type
    const derived = identities.kind === 'identityref' ? [...(identities.bases[0]?.derived ?? [])] : []
    expect(derived.map(({ name }) => name)).toEqual(['on'])
    expect([...(none.modules.get('t')?.features ?? [])]).toEqual([
      ['f', false],
      ['g', false],
    ])
  })

  const neededBy = [
    ['an augment', 'augment "/o:c" { leaf x { type string; } }', true],
    ['a deviation', 'deviation "/o:c" { deviate not-supported; }', true],
    ['a leafref', 'leaf x { type leafref { path "/o:a"; } }', true],
    ["another module's typedef with a leafref", 'leaf x { type o:r; }', true],
    ['a must', 'leaf x { type string; must "/o:a"; }', true],
    ['a typedef alone', 'leaf x { type o:u; }', false],
    ['a grouping alone', 'uses o:g;', false],
  ] as const
  for (const [what, body, implemented] of neededBy)
    test(`[C6] a module needed for ${what} is ${implemented ? '' : 'not '}implemented`, () => {
      const o =
        'container c; leaf a { type string; } typedef u { type int8; } typedef r { type leafref { path "/o:a"; } } grouping g { leaf z { type string; } }'
      const schema = schemaOf({ t: `import o { prefix o; } ${body}`, o })
      expect(schema.modules.has('o')).toBe(implemented)
      expect(schema.allModules.map(({ name }) => name)).toEqual(['o', 't'])
    })

  test('[C7] extension uses are kept, and travel with groupings', () => {
    const schema = schemaOf({
      t: 'import exo { prefix e; } grouping g { e:semantics timeout; leaf a { type string; e:semantics schedule; } } rpc r { input { uses g; } } e:flag;',
      exo: 'extension semantics { argument kind; } extension flag;',
    })
    const use = { module: 'exo', prefix: 'e', name: 'semantics' }
    expect(at(schema, 't', 'r/input').extensions).toMatchObject([{ ...use, argument: 'timeout' }])
    expect(leaf(schema, 'r/input/a').extensions).toMatchObject([{ ...use, argument: 'schedule' }])
    expect(schema.modules.get('t')?.extensions).toMatchObject([{ name: 'flag', argument: undefined }])
  })

  test('[C8] a when knows its context node, and names without prefix mean the module of the node', () => {
    const schema = schemaOf({
      t: `import o { prefix o; } container c { uses o:g { when "x"; } leaf b { when "y"; type string; } choice d { when "z"; leaf e { type string; } } }
          augment "/t:c" { when "w"; leaf f { type string; must "../b"; } }`,
      o: 'grouping g { leaf a { type string; when "v"; } }',
    })
    const whens = (path: string) =>
      at(schema, 't', path).when.map(({ text, context, moduleName }) => [text, context, moduleName])
    expect(whens('c/a')).toEqual([
      ['x', 'parent', 't'],
      ['v', 'self', 't'],
    ])
    expect(whens('c/b')).toEqual([['y', 'self', 't']])
    expect(whens('c/d')).toEqual([['z', 'parent', 't']])
    expect(whens('c/f')).toEqual([['w', 'parent', 't']])
    expect([...(leaf(schema, 'c/a').when[1]?.prefixes ?? [])]).toEqual([['o', 'o']])
  })

  test('[C9] deviations change what readers see', () => {
    const schema = schemaOf({
      t: `import o { prefix o; }
          deviation /o:l/o:a { deviate replace { type int8 { range "1..3"; } } deviate add { default 2; units s; must "true()"; } }
          deviation /o:l { deviate add { max-elements 4; unique "b"; } deviate delete { must "1"; } }
          deviation /o:l/o:c { deviate not-supported; }
          deviation /o:l/o:b { deviate replace { config false; } }
          deviation /o:h/o:x { deviate not-supported; }`,
      o: `list l { key k; config false; must "1"; leaf k { type string; } leaf a { type string; } leaf b { type string; } leaf c { type string; } }
          choice h { leaf x { type string; } leaf y { type string; } }`,
    })
    expect(leaf(schema, 'l/a', 'o')).toMatchObject({
      type: { kind: 'integer' },
      default: { text: '2' },
      units: 's',
    })
    const list = at(schema, 'o', 'l')
    if (list.kind !== 'list') throw new Error('not a list')
    expect(list.children.map(({ name }) => name)).toEqual(['k', 'a', 'b'])
    expect(list).toMatchObject({ maxElements: 4, must: [] })
    expect(list.unique.map(({ leafs }) => leafs.map(({ name }) => name))).toEqual([['b']])
    expect(below(at(schema, 'o', 'h')).map(({ name }) => name)).toEqual(['y'])
  })

  test('[L1] a leafref knows its target and the type at the end of the chain', () => {
    const schema = schemaOf({
      t: 'leaf a { type uint8; } leaf b { type leafref { path "../a"; } } leaf c { type union { type leafref { path "/t:b"; } type string; } }',
    })
    const b = leaf(schema, 'b').type
    expect(b.kind === 'leafref' && b.target.name).toBe('a')
    const c = leaf(schema, 'c').type
    const member = c.kind === 'union' ? c.types[0] : undefined
    expect(member?.kind === 'leafref' && member.targetType).toMatchObject({ kind: 'integer', base: 'uint8' })
  })

  test('[G2] refine changes the copy, not the grouping', () => {
    const schema = schemaOf({
      t: `grouping g { container c { leaf a { type int8; } leaf-list b { type string; } } }
          container x { uses g { refine c { presence p; } refine c/a { default 3; description d; must "1"; } refine c/b { min-elements 1; max-elements 2; } } }
          container y { uses g; }`,
    })
    expect(leaf(schema, 'x/c/a')).toMatchObject({
      default: { text: '3' },
      description: 'd',
      must: [{ text: '1' }],
    })
    expect(at(schema, 't', 'x/c/b')).toMatchObject({ minElements: 1, maxElements: 2 })
    expect(at(schema, 't', 'x/c')).toMatchObject({ presence: 'p' })
    expect(leaf(schema, 'y/c/a')).toMatchObject({ default: undefined, description: undefined, must: [] })
  })

  test('[K1] two revisions of a module may lend definitions, one may be implemented', () => {
    const texts = (revision: string, type: string) => ({
      file: `o@${revision}.yang`,
      text: `module o { ${head('o')} revision ${revision}; typedef u { type ${type}; } container c; }`,
    })
    const resolve = ({ revision }: { revision: string | undefined }) =>
      revision === '2019-01-01' ? texts('2019-01-01', 'int8') : texts('2020-01-01', 'string')
    const body =
      'import o { prefix n; } import o { prefix p; revision-date 2019-01-01; } leaf a { type n:u; } leaf b { type p:u; }'
    const lent = compile([{ file: 't.yang', text: `module t { ${head('t')} ${body} }` }], resolve)
    expect(lent.ok && [leaf(lent.schema, 'a').type.kind, leaf(lent.schema, 'b').type.kind]).toEqual([
      'string',
      'integer',
    ])
    const both = `${body} augment /n:c { leaf x { type string; } } augment /p:c { leaf y { type string; } }`
    const refused = compile([{ file: 't.yang', text: `module t { ${head('t')} ${both} }` }], resolve)
    expect(refused.ok).toBe(false)
    expect(refused.problems).toContainEqual(
      expect.objectContaining({ code: 'linkage', rfc: 'RFC 7950 5.6.5' }),
    )
  })
})
