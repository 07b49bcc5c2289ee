import {
  Atom,
  atom,
  type Bert,
  BertRegex,
  BertTime,
  decode,
  encode,
  fromBert,
  ImproperList,
  parseRpc,
  type RpcMessage,
  rpcTerm,
  type Term,
  TermRefused,
  Tuple,
  toBert,
  tuple,
} from '@waymark/etf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const bert = (...rest: Term[]) => tuple<Term>(atom('bert'), ...rest)
const bin = (text: string) => new Uint8Array(Buffer.from(text))

describe('[ET30] BERT’s own types travel as tuples that begin with bert', () => {
  const pairs: [string, Bert, Term][] = [
    ['true', true, bert(atom('true'))],
    ['false', false, bert(atom('false'))],
    ['the empty list', [], bert(atom('nil'))],
    [
      'a dictionary',
      new Map<Bert, Bert>([[atom('a'), true]]),
      bert(atom('dict'), [tuple<Term>(atom('a'), bert(atom('true')))]),
    ],
    ['an empty dictionary', new Map(), bert(atom('dict'), [])],
    ['a time', new BertTime(1255, 295581, 446228), bert(atom('time'), 1255, 295581, 446228)],
    [
      'a regular expression',
      new BertRegex(bin('^c(a*)t$'), [atom('caseless')]),
      bert(atom('regex'), bin('^c(a*)t$'), [atom('caseless')]),
    ],
    ['all the way down', tuple<Bert>(1, [true, []]), tuple<Term>(1, [bert(atom('true')), bert(atom('nil'))])],
    [
      'an improper list',
      new ImproperList<Bert>([true], false),
      new ImproperList<Term>([bert(atom('true'))], bert(atom('false'))),
    ],
    ['an atom of its own', atom('ok'), atom('ok')],
    ['a number', 5, 5],
  ]
  for (const [name, value, term] of pairs)
    test(`${name}, both ways`, () => {
      expect(toBert(value)).toEqual(term)
      expect(fromBert(term)).toEqual(value)
      expect(fromBert(decode(encode(toBert(value))))).toEqual(value)
    })

  test('[ET31] plain booleans, empty lists and maps are read as well', () => {
    expect(fromBert([atom('true'), [], atom('false')])).toEqual([true, [], false])
    expect(fromBert(new Map<Term, Term>([['a', bert(atom('nil'))]]))).toEqual(new Map([['a', []]]))
    expect(fromBert(bert(atom('dict'), bert(atom('nil'))))).toEqual(new Map())
  })

  test('[ET32] nil is the empty list, or null for those who ask', () => {
    expect(toBert(null)).toEqual(bert(atom('nil')))
    expect(fromBert(bert(atom('nil')), { nil: 'null' })).toBeNull()
    expect(toBert([], { nil: 'null' })).toEqual([])
    expect(fromBert([], { nil: 'null' })).toEqual([])
  })

  test('[ET33] a tuple that begins with bert and is none of BERT’s is refused, either way', () => {
    const wrong: Term[] = [
      bert(),
      bert(atom('nul')),
      bert(1),
      bert(atom('true'), 1),
      bert(atom('time'), 1, 2),
      bert(atom('time'), 1, 2, 'x'),
      bert(atom('dict'), 1),
      bert(atom('dict'), [1]),
      bert(atom('dict'), [tuple<Term>(1, 2, 3)]),
      bert(atom('regex'), 1, []),
      bert(atom('regex'), 'x', 1),
    ]
    for (const term of wrong) expect(() => fromBert(term)).toThrow(/bert|dictionary|time|regex/)
    expect(() => toBert(tuple<Bert>(atom('bert'), atom('true')))).toThrow(TermRefused)
  })

  test('[ET34] a dictionary with a key twice is refused', () => {
    for (const keys of [
      [1, 1],
      [atom('a'), atom('a')],
      [atom('true'), bert(atom('true'))],
    ])
      expect(() =>
        fromBert(
          bert(
            atom('dict'),
            keys.map((key) => tuple<Term>(key, 0)),
          ),
        ),
      ).toThrow(/key twice/)
  })

  test('[ET35] a time keeps its parts and knows its moment', () => {
    expect(BertTime.fromEpochMs(1255295581446.228)).toEqual(new BertTime(1255, 295581, 446228))
    expect(new BertTime(1255, 295581, 446228).epochMs).toBeCloseTo(1255295581446.228, 3)
    expect(BertTime.fromEpochMs(-1)).toEqual(new BertTime(-1, 999999, 999000))
    expect(fromBert(toBert(new BertTime(0, 5_000_000, 0)))).toEqual(new BertTime(0, 5_000_000, 0))
  })

  test('[ET36] any BERT value comes back as it went', () => {
    const { value } = fc.letrec<{ value: Bert }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.integer(),
        fc.boolean(),
        fc.string({ maxLength: 5 }).map((name) => new Atom(`a${name}`)),
        fc.uint8Array({ maxLength: 5 }),
        fc.tuple(fc.nat(), fc.nat(), fc.nat()).map(([a, b, c]) => new BertTime(a, b, c)),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.array(tie('value'), { maxLength: 4 }).map((items) => new Tuple<Bert>(items)),
        fc
          .dictionary(fc.string({ maxLength: 4 }), tie('value'), { maxKeys: 4 })
          .map(
            (entries) =>
              new Map<Bert, Bert>(Object.entries(entries).map(([key, item]) => [key.length, item])),
          ),
      ),
    }))
    fc.assert(
      fc.property(value, (sent) => {
        expect(fromBert(decode(encode(toBert(sent))))).toEqual(sent)
      }),
      { numRuns: 500 },
    )
  })

  test('[ET37] a value that contains itself is refused', () => {
    const circle: Bert[] = []
    circle.push(circle)
    expect(() => toBert(circle)).toThrow(/nesting/)
  })
})

describe('[ET40] the messages of BERT-RPC', () => {
  const messages: [RpcMessage, Term][] = [
    [
      { kind: 'call', module: 'exodm_rpc', function: 'ping', args: [] },
      tuple<Term>(atom('call'), atom('exodm_rpc'), atom('ping'), []),
    ],
    [
      { kind: 'cast', module: 'm', function: 'f', args: [1] },
      tuple<Term>(atom('cast'), atom('m'), atom('f'), [1]),
    ],
    [{ kind: 'reply', result: atom('pong') }, tuple<Term>(atom('reply'), atom('pong'))],
    [{ kind: 'noreply' }, tuple<Term>(atom('noreply'))],
    [
      {
        kind: 'error',
        error: { type: 'server', code: 2, class: 'BERTError', detail: 'no such function', trace: ['a'] },
      },
      tuple<Term>(atom('error'), tuple<Term>(atom('server'), 2, 'BERTError', 'no such function', ['a'])),
    ],
    [{ kind: 'info', command: 'cache', options: [1] }, tuple<Term>(atom('info'), atom('cache'), [1])],
  ]
  for (const [message, term] of messages)
    test(`${message.kind}, both ways`, () => {
      expect(rpcTerm(message)).toEqual(term)
      expect(parseRpc(decode(encode(term)))).toEqual({ ok: true, value: message })
    })

  test('[ET41] names as binaries, nil for no arguments and the old spelling of protocol are understood', () => {
    expect(parseRpc(tuple<Term>(atom('call'), bin('fleet'), bin('blink'), bert(atom('nil'))))).toMatchObject({
      value: { module: 'fleet', function: 'blink', args: [] },
    })
    const error = tuple<Term>(atom('error'), tuple<Term>(atom('protcol'), 0, [100], 'x', bert(atom('nil'))))
    expect(parseRpc(error)).toMatchObject({ value: { error: { type: 'protocol', class: 'd', trace: [] } } })
  })

  test('[ET42] anything else is refused as no message', () => {
    const wrong: Term[] = [
      5,
      [],
      tuple(),
      tuple<Term>(1),
      tuple<Term>(atom('call')),
      tuple<Term>(atom('call'), atom('m'), atom('f'), 1),
      tuple<Term>(atom('call'), 1, atom('f'), []),
      tuple<Term>(atom('call'), [109], atom('f'), []),
      tuple<Term>(atom('reply')),
      tuple<Term>(atom('error'), 1),
      tuple<Term>(atom('error'), tuple<Term>(atom('server'), atom('x'), '', '', [])),
      tuple<Term>(atom('info'), 1, []),
    ]
    for (const term of wrong)
      expect(parseRpc(term)).toMatchObject({ ok: false, refusal: { kind: 'bad-message' } })
  })
})
