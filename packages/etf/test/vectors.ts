/**
 * Bytes and the terms they spell, written down by Erlang/OTP 25: `hex` is what came out of `term_to_binary` (or was put
 * together by hand for tags that it no longer writes), `again` what OTP 25 writes after reading `hex`, where that is
 * something else. `refused` marks what OTP 25 does not read any more, or never did.
 */
import {
  Atom,
  atom,
  BitBinary,
  type EncodeOptions,
  Export,
  Float,
  Fun,
  ImproperList,
  LocalTerm,
  Pid,
  Port,
  Reference,
  type Term,
  tuple,
} from '@waymark/etf'

export type Vector = {
  readonly erlang: string
  readonly hex: string
  readonly term: Term
  readonly again?: string
  /** Options under which ours writes `hex` itself. */
  readonly as?: EncodeOptions
  readonly refused?: true
}

export const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
export const hex = (data: Uint8Array) => Buffer.from(data).toString('hex')
const utf8 = (text: string) => new Uint8Array(Buffer.from(text))

/** An opaque term whose bytes are those of its vector behind the version byte. */
const pid = (encoded: string, creation: number) => new Pid('a@b', 9, 1, creation, bytes(encoded))
const port = (encoded: string, id: bigint, creation: number) => new Port('a@b', id, creation, bytes(encoded))
const reference = (encoded: string, creation: number, words: number[]) =>
  new Reference('a@b', creation, words, bytes(encoded))

const funBytes =
  '700000004501717304e41e22c47c34dfab2807f4630e000000000000000064000167610062038b98275864000d6e6f6e6f6465406e6f686f7374000000090000000000000000'
const closureBytes =
  '70000000580103151a2a5aa52e3dbfd7225a13da222f000000000000000164000267326100620018a8d15864000d6e6f6e6f6465406e6f686f73740000000900000000000000006c0000000164000973656c665f746573746a'
const oldFunBytes = '7500000001676400036140620000000900000001036400016d61036200000400612a'

const fleets = Array.from({ length: 50 }, () => utf8('fleet'))

export const vectors: readonly Vector[] = [
  { erlang: '0', hex: '836100', term: 0 },
  { erlang: '255', hex: '8361ff', term: 255 },
  { erlang: '256', hex: '836200000100', term: 256 },
  { erlang: '-1', hex: '8362ffffffff', term: -1 },
  { erlang: '1 bsl 31 - 1', hex: '83627fffffff', term: 2147483647 },
  { erlang: '-(1 bsl 31)', hex: '836280000000', term: -2147483648 },
  { erlang: '1 bsl 31', hex: '836e040000000080', term: 2147483648 },
  { erlang: '-(1 bsl 31) - 1', hex: '836e040101000080', term: -2147483649 },
  { erlang: '1 bsl 53 - 1', hex: '836e0700ffffffffffff1f', term: 9007199254740991 },
  { erlang: '-(1 bsl 53) + 1', hex: '836e0701ffffffffffff1f', term: -9007199254740991 },
  { erlang: '1 bsl 53', hex: '836e070000000000000020', term: 9007199254740992n },
  { erlang: '-(1 bsl 64)', hex: '836e0901000000000000000001', term: -(1n << 64n) },
  { erlang: '1 bsl 2040 - 1', hex: `836eff00${'ff'.repeat(255)}`, term: (1n << 2040n) - 1n },
  { erlang: '-(1 bsl 2040)', hex: `836f0000010001${'00'.repeat(255)}01`, term: -(1n << 2040n) },
  { erlang: 'LARGE_BIG_EXT of 5', hex: '836f000000010005', term: 5, again: '836105' },
  { erlang: 'SMALL_BIG_EXT of -5 with sign byte 2', hex: '836e010205', term: -5, again: '8362fffffffb' },
  { erlang: 'SMALL_BIG_EXT without digits', hex: '836e0000', term: 0, again: '836100' },
  { erlang: 'INTEGER_EXT of 5', hex: '836200000005', term: 5, again: '836105' },

  { erlang: '1.5', hex: '83463ff8000000000000', term: new Float(1.5) },
  { erlang: '2.0', hex: '83464000000000000000', term: new Float(2) },
  { erlang: '-0.0', hex: '83468000000000000000', term: new Float(-0) },
  { erlang: '5.0e-324', hex: '83460000000000000001', term: new Float(5e-324) },
  {
    erlang: '1.5, minor_version 0',
    hex: '8363312e3530303030303030303030303030303030303030652b30300000000000',
    term: new Float(1.5),
    again: '83463ff8000000000000',
    as: { floats: 'text' },
  },
  {
    erlang: 'math:pow(2, -31), minor_version 0: half way between two texts',
    hex: '8363342e3635363631323837333037373339323537383132652d31300000000000',
    term: new Float(2 ** -31),
    again: '83463e00000000000000',
    as: { floats: 'text' },
  },
  {
    erlang: '-1.0e-7, minor_version 0',
    hex: '83632d392e3939393939393939393939393939393534373438652d303800000000',
    term: new Float(-1e-7),
    again: '8346be7ad7f29abcaf48',
    as: { floats: 'text' },
  },
  {
    erlang: '-0.0, minor_version 0',
    hex: '83632d302e3030303030303030303030303030303030303030652b303000000000',
    term: new Float(-0),
    again: '83468000000000000000',
    as: { floats: 'text' },
  },

  { erlang: 'ok', hex: '836400026f6b', term: atom('ok') },
  { erlang: "''", hex: '83640000', term: atom('') },
  { erlang: "'é'", hex: '83640001e9', term: atom('é') },
  { erlang: "'λ'", hex: '837702cebb', term: atom('λ') },
  { erlang: "'λ…', 200 times", hex: `83760190${'cebb'.repeat(200)}`, term: atom('λ'.repeat(200)) },
  { erlang: 'true', hex: '8364000474727565', term: new Atom('true') },
  {
    erlang: 'ok, minor_version 2',
    hex: '8377026f6b',
    term: atom('ok'),
    again: '836400026f6b',
    as: { atoms: 'utf8' },
  },
  {
    erlang: 'SMALL_ATOM_EXT ok',
    hex: '8373026f6b',
    term: atom('ok'),
    again: '836400026f6b',
    as: { atoms: 'small-latin1' },
  },
  { erlang: 'ATOM_UTF8_EXT ok', hex: '837600026f6b', term: atom('ok'), again: '836400026f6b' },

  { erlang: '[]', hex: '836a', term: [] },
  { erlang: '[1,2,3]', hex: '836b0003010203', term: [1, 2, 3] },
  { erlang: '"fleet"', hex: '836b0005666c656574', term: [102, 108, 101, 101, 116] },
  { erlang: '[1,256]', hex: '836c00000002610162000001006a', term: [1, 256] },
  {
    erlang: '[[],[1],[a]]',
    hex: '836c000000036a6b0001016c00000001640001616a6a',
    term: [[], [1], [atom('a')]],
  },
  { erlang: '[1,2|3]', hex: '836c00000002610161026103', term: new ImproperList<Term>([1, 2], 3) },
  {
    erlang: '[a|<<"x">>]',
    hex: '836c00000001640001616d0000000178',
    term: new ImproperList<Term>([atom('a')], utf8('x')),
  },
  {
    erlang: 'LIST_EXT whose tail is LIST_EXT',
    hex: '836c0000000162000001016c0000000161026a',
    term: [257, 2],
    again: '836c00000002620000010161026a',
  },
  {
    erlang: 'LIST_EXT whose tail is STRING_EXT',
    hex: '836c0000000161016b000141',
    term: [1, 65],
    again: '836b00020141',
  },
  { erlang: 'LIST_EXT of none, with a tail', hex: '836c000000006101', term: 1, again: '836101' },
  { erlang: 'STRING_EXT of none', hex: '836b0000', term: [], again: '836a' },

  { erlang: '{}', hex: '836800', term: tuple() },
  { erlang: '{reply,42}', hex: '8368026400057265706c79612a', term: tuple<Term>(atom('reply'), 42) },
  {
    erlang: '{1,1,…}, 256 times',
    hex: `836900000100${'6101'.repeat(256)}`,
    term: tuple(...Array(256).fill(1)),
  },
  { erlang: 'LARGE_TUPLE_EXT of 1', hex: '8369000000016101', term: tuple(1), again: '8368016101' },
  {
    erlang: '#{3 => #{}, a => 1, <<"b">> => [2.5]}',
    hex: '837400000003610374000000006400016161016d00000001626c000000014640040000000000006a',
    term: new Map<Term, Term>([
      [3, new Map()],
      [atom('a'), 1],
      [utf8('b'), [new Float(2.5)]],
    ]),
  },

  { erlang: '<<"fleet">>', hex: '836d00000005666c656574', term: utf8('fleet') },
  { erlang: '<<>>', hex: '836d00000000', term: utf8('') },
  { erlang: '<<"Dépôt"/utf8>>', hex: '836d0000000744c3a970c3b474', term: utf8('Dépôt') },
  { erlang: '<<1,7:3>>', hex: '834d000000020301e0', term: new BitBinary(Uint8Array.of(1, 0xe0), 3) },
  {
    erlang: 'BIT_BINARY_EXT of 8 bits',
    hex: '834d0000000108ff',
    term: Uint8Array.of(255),
    again: '836d00000001ff',
  },
  {
    erlang: 'BIT_BINARY_EXT with bits set beyond its end',
    hex: '834d0000000103ff',
    term: new BitBinary(Uint8Array.of(0xe0), 3),
    again: '834d0000000103e0',
  },

  {
    erlang: 'PID_EXT',
    hex: '8367640003614062000000090000000103',
    term: pid('67640003614062000000090000000103', 3),
  },
  {
    erlang: 'NEW_PID_EXT',
    hex: '8358640003614062000000090000000100000007',
    term: pid('58640003614062000000090000000100000007', 7),
  },
  { erlang: 'PORT_EXT', hex: '83666400036140620000000903', term: port('666400036140620000000903', 9n, 3) },
  {
    erlang: 'NEW_PORT_EXT',
    hex: '83596400036140620000000900000007',
    term: port('596400036140620000000900000007', 9n, 7),
  },
  {
    erlang: 'V4_PORT_EXT',
    hex: '8378640003614062000000010000000900000007',
    term: port('78640003614062000000010000000900000007', (1n << 32n) + 9n, 7),
  },
  {
    erlang: 'REFERENCE_EXT',
    hex: '83656400036140620000000903',
    term: reference('656400036140620000000903', 3, [9]),
  },
  {
    erlang: 'NEW_REFERENCE_EXT',
    hex: '8372000364000361406203000000090000000800000007',
    term: reference('72000364000361406203000000090000000800000007', 3, [9, 8, 7]),
  },
  {
    erlang: 'NEWER_REFERENCE_EXT',
    hex: '835a000364000361406200000005000000090000000800000007',
    term: reference('5a000364000361406200000005000000090000000800000007', 5, [9, 8, 7]),
  },
  {
    erlang: 'fun lists:map/2',
    hex: '83716400056c697374736400036d61706102',
    term: new Export('lists', 'map', 2),
  },
  {
    erlang: 'EXPORT_EXT with its arity as INTEGER_EXT',
    hex: '83716400056c697374736400036d61706200000002',
    term: new Export('lists', 'map', 2),
    again: '83716400056c697374736400036d61706102',
  },
  { erlang: 'fun (Y) -> … end', hex: `83${funBytes}`, term: new Fun('g', 1, bytes(funBytes)) },
  {
    erlang: 'a fun with a free variable',
    hex: `83${closureBytes}`,
    term: new Fun('g2', 1, bytes(closureBytes)),
  },
  {
    erlang: 'FUN_EXT',
    hex: `83${oldFunBytes}`,
    term: new Fun('m', undefined, bytes(oldFunBytes)),
    refused: true,
  },
  {
    erlang: 'LOCAL_EXT',
    hex: '8379deadbeef6101',
    term: new LocalTerm(bytes('79deadbeef6101')),
    refused: true,
  },

  {
    erlang: '<<"fleet">> 50 times, compressed',
    hex: '8350000001fa789ccb61606030ca0512ac6939a9a925a3ac91c2ca0200cb3b7e6d',
    term: fleets,
    again: `836c00000032${'6d00000005666c656574'.repeat(50)}6a`,
  },
  {
    erlang: '{call,exodm_rpc,ping,[]}',
    hex: '83680464000463616c6c64000965786f646d5f72706364000470696e676a',
    term: tuple<Term>(atom('call'), atom('exodm_rpc'), atom('ping'), []),
  },
]
