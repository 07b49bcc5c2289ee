import { Atom, atom, decode, encode, Float, fromBert, toBert, tuple } from '@waymark/etf'
import {
  type Bert,
  confTree,
  delimiters,
  externalName,
  guessedValues,
  pairsOf,
  parseExternalName,
  pushCall,
  readAnswer,
  readConfTree,
  readDeviceCall,
  readPush,
  type Value,
  type ValueNode,
  type ValueObject,
  type ValueType,
  valuesOf,
} from '@waymark/exoport'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

/** Over the wire and back, as a peer reads it. */
const travel = (value: Bert): Bert => fromBert(decode(encode(toBert(value)), { binaries: 'text' }))

const leaf = (type: ValueType): ValueNode => ({ kind: 'leaf', name: 'x', type })
const leafList = (type: ValueType): ValueNode => ({ kind: 'leaf-list', name: 'x', type })
const string: ValueType = { kind: 'string' }
const integer: ValueType = { kind: 'integer' }
const decimal: ValueType = { kind: 'decimal64', fractionDigits: 2 }
const read = (term: Bert, node: ValueNode) => valuesOf(travel([tuple<Bert>(atom('x'), term)]), [node])
const chars = (text: string): Bert => [...text].map((letter) => letter.charCodeAt(0))

describe('from the device', () => {
  const rows: { rule: string; says: string; term: Bert; node: ValueNode; is: Value }[] = [
    { rule: 'XP30', says: 'text as a binary', term: 'hi', node: leaf(string), is: 'hi' },
    { rule: 'XP30', says: 'text as characters', term: chars('hi'), node: leaf(string), is: 'hi' },
    { rule: 'XP30', says: 'text as wide characters', term: [0x4e2d, 0x20ac], node: leaf(string), is: '中€' },
    { rule: 'XP30', says: 'text as an atom', term: atom('on'), node: leaf(string), is: 'on' },
    { rule: 'XP30', says: 'the text true as an atom', term: true, node: leaf(string), is: 'true' },
    { rule: 'XP30', says: 'empty text as {bert,nil}', term: [], node: leaf(string), is: '' },
    { rule: 'XP30', says: 'Latin-1 bytes', term: Uint8Array.of(0x67, 0xfc), node: leaf(string), is: 'gü' },
    {
      rule: 'XP30',
      says: 'a list of small numbers',
      term: [2, 4, 6],
      node: leafList(integer),
      is: [2, 4, 6],
    },
    { rule: 'XP30', says: 'the same list as text', term: [50, 52], node: leaf(string), is: '24' },
    { rule: 'XP30', says: 'an empty list', term: [], node: leafList(integer), is: [] },
    {
      rule: 'XP30',
      says: 'a list of texts of both kinds',
      term: ['a', chars('b')],
      node: leafList(string),
      is: ['a', 'b'],
    },
    { rule: 'XP31', says: 'a small integer', term: -5, node: leaf(integer), is: -5 },
    { rule: 'XP31', says: '2^64-1', term: 2n ** 64n - 1n, node: leaf(integer), is: 2n ** 64n - 1n },
    {
      rule: 'XP31',
      says: 'digits as text',
      term: '18446744073709551615',
      node: leaf(integer),
      is: 2n ** 64n - 1n,
    },
    { rule: 'XP31', says: 'digits as characters', term: chars('10'), node: leaf(integer), is: 10 },
    { rule: 'XP31', says: 'digits where text is wanted', term: '10', node: leaf(string), is: '10' },
    { rule: 'XP32', says: 'true', term: true, node: leaf({ kind: 'boolean' }), is: true },
    { rule: 'XP32', says: 'a boolean as a number', term: 1, node: leaf({ kind: 'boolean' }), is: 1 },
    { rule: 'XP32', says: 'null', term: atom('null'), node: leaf(integer), is: null },
    { rule: 'XP34', says: 'a float', term: new Float(21.5), node: leaf(decimal), is: '21.50' },
    { rule: 'XP34', says: 'a tiny float', term: new Float(1e-9), node: leaf(decimal), is: '0.00' },
    {
      rule: 'XP34',
      says: 'a huge float',
      term: new Float(1e22),
      node: leaf(decimal),
      is: '10000000000000000000000',
    },
    { rule: 'XP34', says: 'a whole number', term: 21, node: leaf(decimal), is: 21 },
    { rule: 'XP34', says: 'a decimal as text', term: '21.5', node: leaf(decimal), is: '21.5' },
    { rule: 'XP35', says: 'an enumeration by number', term: 1, node: leaf({ kind: 'enumeration' }), is: 1 },
    {
      rule: 'XP35',
      says: 'an enumeration by atom',
      term: atom('red'),
      node: leaf({ kind: 'enumeration' }),
      is: 'red',
    },
    { rule: 'XP35', says: 'an empty leaf', term: [], node: leaf({ kind: 'empty' }), is: [null] },
    {
      rule: 'XP30',
      says: 'a reference',
      term: chars('eth0'),
      node: leaf({ kind: 'leafref', targetType: string }),
      is: 'eth0',
    },
    {
      rule: 'XP30',
      says: 'a union’s text',
      term: chars('any'),
      node: leaf({ kind: 'union', types: [integer, string] }),
      is: 'any',
    },
    {
      rule: 'XP31',
      says: 'a union’s number',
      term: 7,
      node: leaf({ kind: 'union', types: [string, integer] }),
      is: 7,
    },
    {
      rule: 'XP32',
      says: 'a union’s boolean',
      term: true,
      node: leaf({ kind: 'union', types: [{ kind: 'boolean' }] }),
      is: true,
    },
  ]
  for (const { rule, says, term, node, is } of rows)
    test(`[${rule}] ${says}`, () => {
      expect(read(term, node)).toEqual({ ok: true, value: { x: is } })
    })

  const inner: ValueNode[] = [
    { kind: 'leaf', name: 'name', type: string },
    { kind: 'choice', name: 'how', cases: [{ children: [{ kind: 'leaf', name: 'level', type: integer }] }] },
  ]

  test('[XP33] lists of lists of pairs, under names of every kind', () => {
    const entry = [tuple<Bert>('name', chars('a')), tuple<Bert>(chars('level'), 3)]
    const nodes: ValueNode[] = [{ kind: 'list', name: 'x', children: inner }]
    const other = new Map<Bert, Bert>([[atom('name'), 'b']])
    expect(valuesOf(travel([tuple<Bert>(chars('x'), [entry, other])]), nodes)).toEqual({
      ok: true,
      value: { x: [{ name: 'a', level: 3 }, { name: 'b' }] },
    })
  })

  test('[XP33] a container is a list of pairs', () => {
    const nodes: ValueNode[] = [{ kind: 'container', name: 'x', children: inner }]
    const pairs = [tuple<Bert>(atom('x'), [tuple<Bert>(atom('level'), 9)])]
    expect(valuesOf(travel(pairs), nodes)).toEqual({ ok: true, value: { x: { level: 9 } } })
  })

  const refused: { says: string; term: Bert; node: ValueNode; thing: string }[] = [
    { says: 'a tuple for a text', term: tuple<Bert>(1, 2), node: leaf(string), thing: 'x' },
    { says: 'a list of lists for a number', term: [[1]], node: leaf(integer), thing: 'x' },
    { says: 'a number for a list', term: 1, node: leafList(integer), thing: 'x' },
    {
      says: 'a number for a container',
      term: 1,
      node: { kind: 'container', name: 'x', children: [] },
      thing: 'x',
    },
    {
      says: 'a list of numbers for a container',
      term: [1],
      node: { kind: 'container', name: 'x', children: [] },
      thing: 'x',
    },
  ]
  for (const { says, term, node, thing } of refused)
    test(`[XP35] ${says} is refused with its path`, () => {
      expect(read(term, node)).toMatchObject({ ok: false, refusal: { kind: 'bad-value', thing } })
    })

  test('[XP33] a name twice is refused, also in two spellings', () => {
    const pairs = [tuple<Bert>(atom('x'), 1), tuple<Bert>('x', 2)]
    expect(valuesOf(travel(pairs), [leaf(integer)])).toMatchObject({
      ok: false,
      refusal: { kind: 'duplicate-name' },
    })
  })

  test('[XP35] what has no node is read by its looks and left to the validator', () => {
    const pairs = [
      tuple<Bert>(atom('text'), 'a'),
      tuple<Bert>(atom('characters'), chars('abc')),
      tuple<Bert>(atom('numbers'), [1, 2, 3]),
      tuple<Bert>(atom('object'), [tuple<Bert>(atom('y'), true)]),
      tuple<Bert>(atom('__proto__'), new Float(0.5)),
    ]
    const found = guessedValues(travel(pairs))
    if (!found.ok) throw new Error(found.refusal.kind)
    const { text, characters, numbers, object } = found.value
    expect({ text, characters, numbers, object }).toEqual({
      text: 'a',
      characters: 'abc',
      numbers: [1, 2, 3],
      object: { y: true },
    })
    expect(Object.getOwnPropertyDescriptor(found.value, '__proto__')?.value).toBe(0.5)
  })

  test('[XP35] depth is refused, not walked', () => {
    let term: Bert = 1
    for (let level = 0; level < 200; level++) term = [tuple<Bert>(atom('a'), term)]
    expect(guessedValues(term)).toMatchObject({ ok: false, refusal: { kind: 'too-deep' } })
  })
})

describe('to the device', () => {
  test('[XP31] numbers as integers, whatever their size', () => {
    expect(pairsOf({ a: 1, b: 2n ** 63n })).toEqual([
      tuple<Bert>(atom('a'), 1),
      tuple<Bert>(atom('b'), 2n ** 63n),
    ])
  })

  test('[XP30] text as binaries, a server’s own transaction id among them', () => {
    const bytes = encode(
      toBert(pairsOf({ 'transaction-id': '10' }, [{ kind: 'leaf', name: 'transaction-id', type: integer }])),
    )
    expect(decode(bytes)).toEqual([tuple<Bert>(atom('transaction-id'), Uint8Array.of(49, 48))])
  })

  test('[XP32] booleans, empty lists and null travel as BERT’s tuples and an atom', () => {
    const term = decode(encode(toBert(pairsOf({ t: true, f: false, e: [], n: null }))))
    const bert = (name: string) => tuple<Bert>(atom('bert'), atom(name))
    expect(term).toEqual([
      tuple<Bert>(atom('t'), bert('true')),
      tuple<Bert>(atom('f'), bert('false')),
      tuple<Bert>(atom('e'), bert('nil')),
      tuple<Bert>(atom('n'), atom('null')),
    ])
  })

  test('[XP34] a decimal as a float where it says all digits, else as text', () => {
    const nodes: ValueNode[] = ['a', 'b'].map((name) => ({ kind: 'leaf', name, type: decimal }))
    expect(pairsOf({ a: '21.50', b: '12345678901234567.89' }, nodes)).toEqual([
      tuple<Bert>(atom('a'), new Float(21.5)),
      tuple<Bert>(atom('b'), '12345678901234567.89'),
    ])
  })

  const scalar: fc.Arbitrary<Value> = fc.oneof(
    fc.boolean(),
    fc.maxSafeInteger().map((n) => (n === 0 ? 0 : n)),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n }),
    fc.string({ unit: 'grapheme' }),
  )
  const name = fc.constantFrom('a', 'b-c', 'device-id', '__proto__')
  const { object } = fc.letrec<{ object: ValueObject; value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      scalar,
      tie('object'),
      fc.array(scalar, { minLength: 1, maxLength: 4 }),
      fc.array(tie('object'), { minLength: 1, maxLength: 3 }),
    ),
    object: fc.dictionary(name, tie('value'), { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
  }))

  /** Arrays of numbers that could be a text are what only a schema can tell. */
  const isAmbiguous = (value: Value): boolean =>
    Array.isArray(value)
      ? value.some(isAmbiguous) || value.every((item) => typeof item === 'number' && item >= 0)
      : typeof value === 'object' && value !== null && Object.values(value).some(isAmbiguous)

  test('[XP33] what is sent is read back by a device without a schema', () => {
    fc.assert(
      fc.property(
        object.filter((value) => !isAmbiguous(value)),
        (value) => {
          expect(guessedValues(travel(pairsOf(value)))).toEqual({ ok: true, value })
        },
      ),
    )
  })

  test('[XP36] a configuration comes back from its tree', () => {
    fc.assert(
      fc.property(object, (values) => {
        expect(readConfTree(travel(confTree('a*b', values)))).toEqual({ name: 'a*b', values })
      }),
    )
  })

  test('[XP36] nodes are sorted by the bytes of their keys, positions count from 1, texts are characters', () => {
    const tree = confTree('net', { b: 'hi', a: [{ z: 1 }, { y: true }], é: 3, 'a-b': [4, 5], none: [] })
    expect(tree).toEqual(
      tuple<Bert>(atom('conf_tree'), 'net*staged', [
        tuple<Bert>('a', [
          tuple<Bert>(1, [tuple<Bert>('z', [], 1)]),
          tuple<Bert>(2, [tuple<Bert>('y', [], true)]),
        ]),
        tuple<Bert>('a-b', [tuple<Bert>(1, [], 4), tuple<Bert>(2, [], 5)]),
        tuple<Bert>('b', [], [104, 105]),
        tuple<Bert>('é', [], 3),
      ]),
    )
  })

  test('[XP36] a push has one argument: a list that holds the property list', () => {
    const push = pushCall({ name: 'net', values: { ip: '10.0.0.1' } })
    expect(push).toMatchObject({ module: 'exoport_config', function: 'push_config_set', names: 'atoms' })
    const [argument] = push.args
    expect(argument).toEqual([
      [
        tuple<Bert>(atom('module'), 'exodm'),
        tuple<Bert>(atom('name'), 'net'),
        tuple<Bert>(atom('yang'), 'exodm.yang'),
        tuple<Bert>(atom('values'), confTree('net', { ip: '10.0.0.1' })),
      ],
    ])
    expect(readPush({ ...push, args: push.args.map(travel) })).toEqual({
      name: 'net',
      values: { ip: '10.0.0.1' },
    })
    expect(readPush({ module: 'fleet', function: 'blink', args: [] })).toBeUndefined()
    expect(readPush({ ...push, args: [tuple<Bert>(1)] })).toBeUndefined()
  })

  test('[XP36] what is no tree is none', () => {
    const broken: Bert[] = [
      1,
      tuple<Bert>(atom('conf_tree'), 'n', 1),
      tuple<Bert>(atom('conf_tree'), 'n', [tuple<Bert>(2, [], 1)]),
      tuple<Bert>(atom('conf_tree'), 'n', [tuple<Bert>('a', [], 1), tuple<Bert>('a', [], 2)]),
      tuple<Bert>(atom('conf_tree'), 'n', [tuple<Bert>('a', [], 1), tuple<Bert>(1, [], 2)]),
      tuple<Bert>(atom('conf_tree'), 'n', [tuple<Bert>('a')]),
    ]
    for (const term of broken) expect(readConfTree(term)).toBeUndefined()
  })
})

describe('[XP37] what a device may call, and what its answers say', () => {
  const call = (module: string, name: string, ...args: Bert[]) =>
    readDeviceCall({ module, function: name, args })

  test('three calls, in names of every kind; a method may carry its module', () => {
    expect(call('exodm_rpc', 'ping')).toEqual({ kind: 'ping' })
    expect(call('exodm_rpc', 'notification', atom('fleet'), chars('alarm'), [])).toEqual({
      kind: 'notification',
      module: 'fleet',
      method: 'alarm',
      elements: [],
    })
    expect(call('exodm_rpc', 'rpc', 'fleet', 'other:report', [])).toEqual({
      kind: 'rpc',
      module: 'other',
      method: 'report',
      elements: [],
    })
  })

  test('everything else is other', () => {
    const others = [
      call('os', 'cmd', 'id'),
      call('erlang', 'halt'),
      call('exodm_rpc', 'stop'),
      call('exodm_rpc', 'ping', 1),
      call('exodm_rpc', 'rpc', 'a', 'b'),
      call('exodm_rpc', 'rpc', 1, 2, []),
    ]
    for (const other of others) expect(other).toEqual({ kind: 'other' })
  })

  const error = { type: 'server', code: 2, class: 'x', detail: 'access denied', trace: [] }
  const answers: [string, Parameters<typeof readAnswer>[0], string][] = [
    ['a notification', { kind: 'reply', result: tuple<Bert>(atom('notify'), atom('m:cb'), []) }, 'notify'],
    ['ok', { kind: 'reply', result: atom('ok') }, 'ok'],
    ['an output', { kind: 'reply', result: [tuple<Bert>(atom('a'), 1)] }, 'output'],
    ['an empty output', { kind: 'reply', result: [] }, 'output'],
    [
      'an error inside a reply',
      { kind: 'reply', result: tuple<Bert>(atom('error'), atom('busy')) },
      'failed',
    ],
    ['an error', { kind: 'error', error }, 'failed'],
    ['a number', { kind: 'reply', result: 17 }, 'failed'],
    ['a list of numbers', { kind: 'reply', result: [1, 2] }, 'failed'],
    [
      'a notification without elements',
      { kind: 'reply', result: tuple<Bert>(atom('notify'), atom('cb')) },
      'failed',
    ],
    ['a receipt', { kind: 'noreply' }, 'failed'],
    ['nothing in time', { kind: 'timed-out' }, 'failed'],
    ['never sent', { kind: 'unsent', reason: 'too-large' }, 'failed'],
  ]
  for (const [says, answer, kind] of answers)
    test(`${says} is ${kind}`, () => {
      const read = readAnswer(answer)
      expect(read.kind).toBe(kind)
      if (read.kind === 'notify') expect(read.method).toBe('cb')
      if (read.kind === 'failed') expect(read.reason.length).toBeGreaterThan(8)
    })
})

describe('[XP6] names', () => {
  test('the first delimiter that neither part has', () => {
    expect(externalName({ account: 'acme', device: 'd1' })).toBe('*acme*d1')
    expect(externalName({ account: 'a*=', device: 'd#' })).toBe('_a*=_d#')
    expect(externalName({ account: delimiters, device: 'd' })).toBeUndefined()
    expect(externalName({ account: '', device: 'd' })).toBeUndefined()
  })

  test('any character splits: also one that is in no list, and one of two units', () => {
    expect(parseExternalName('xacmexd1')).toEqual({ account: 'acme', device: 'd1' })
    expect(parseExternalName('🚚acme🚚d1')).toEqual({ account: 'acme', device: 'd1' })
  })

  test('what is built is read', () => {
    const part = fc.string({ minLength: 1, maxLength: 20, unit: 'binary' })
    fc.assert(
      fc.property(part, part, (account, device) => {
        const built = externalName({ account, device })
        if (built !== undefined) expect(parseExternalName(built)).toEqual({ account, device })
      }),
    )
  })
})

test('an atom is an atom wherever it is read', () => {
  expect(travel(atom('x'))).toBeInstanceOf(Atom)
})
