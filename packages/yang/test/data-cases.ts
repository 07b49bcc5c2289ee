/**
 * Documents with their verdicts, by rule. A verdict is `ok` or the faults as `code path`.
 *
 * The tests hold the validator against them; `interop-data.ts` holds yanglint against the same table.
 * Where yanglint is known to judge otherwise, `yanglint` says how and why.
 */
import type { DocumentType } from '../src/data/index.ts'

export type DataCase = {
  readonly doc: string
  readonly verdict: 'ok' | readonly string[]
  readonly yanglint?: { readonly ok: boolean; readonly why: string }
}

export type DataSuite = {
  /** Quotes the rule of RULES-DATA.md. */
  readonly rule: string
  readonly module: string
  readonly type?: DocumentType
  readonly cases: readonly DataCase[]
}

const types = `module t {
  yang-version 1.1; namespace urn:t; prefix t;
  identity animal; identity plant;
  identity dog { base animal; } identity puppy { base dog; }
  identity moss { base animal; base plant; }
  container v {
    leaf i8 { type int8; }
    leaf i8r { type int8 { range "-5..-1 | 1..5" { error-message "small, and not zero"; error-app-tag "small"; } } }
    leaf u16 { type uint16; }
    leaf i32 { type int32; }
    leaf u32 { type uint32; }
    leaf i64 { type int64; }
    leaf u64 { type uint64; }
    leaf u64r { type uint64 { range "18446744073709551614..max"; } }
    leaf dec { type decimal64 { fraction-digits 2; range "-1.50..1.5 | 10..max"; } }
    leaf dec18 { type decimal64 { fraction-digits 18; } }
    leaf str { type string { length "1..3 | 5"; } }
    leaf any { type string; }
    leaf pat { type string { pattern '[a-z]+'; pattern '.*x' { modifier invert-match; error-message "no x at the end"; } } }
    leaf bool { type boolean; }
    leaf enu { type enumeration { enum one { value 1; } enum two; enum "a b"; } }
    leaf bit { type bits { bit zero; bit two { position 2; } bit one { position 1; } } }
    leaf bin { type binary { length "0 | 2..4"; } }
    leaf emp { type empty; }
    leaf idr { type identityref { base animal; } }
    leaf both { type identityref { base animal; base plant; } }
    leaf uni { type union { type uint8 { range "0..9"; } type enumeration { enum none; } type boolean; type string { length 4; } } }
    leaf ii { type instance-identifier { require-instance false; } }
  }
}`

const tree = `module s {
  yang-version 1.1; namespace urn:s; prefix s;
  container box {
    leaf must-have { type string; mandatory true; }
    container deep { container deeper { leaf also { type int8; mandatory true; } } }
    container maybe { presence "it is on"; leaf needed { type int8; mandatory true; } }
  }
  container lists {
    list user { key "name dom"; unique "uid"; unique "info/mail info/tel";
      leaf name { type string; } leaf dom { type uint8; } leaf uid { type int32; }
      container info { leaf mail { type string; } leaf tel { type string; } } }
    list few { key k; min-elements 2; max-elements 3; leaf k { type string; } }
    leaf-list tag { type string; max-elements 2; }
    leaf-list seen { config false; type string; }
    list log { config false; leaf text { type string; } }
  }
  container pick {
    choice way { mandatory true;
      case road { leaf car { type string; } leaf speed { type uint8; } }
      case air { leaf plane { type string; mandatory true; } leaf seats { type uint16; } }
      case sea { choice kind { leaf boat { type string; } leaf raft { type empty; } } }
    }
  }
  leaf state { config false; type string; }
  anydata stuff; anyxml thing;
}`

const expressions = `module x {
  yang-version 1.1; namespace urn:x; prefix x;
  identity kind; identity fast { base kind; } identity faster { base fast; }
  container c {
    leaf mode { type enumeration { enum off { value 3; } enum slow { value 7; } enum quick { value 9; } } default slow; }
    leaf rate { when "../mode = 'quick'"; type uint32; mandatory true; must ". mod 10 = 0" { error-message "tens only"; error-app-tag "tens"; } }
    leaf low { type int32; must ". <= ../high" { error-message "low above high"; } }
    leaf high { type int32; default 10; }
    leaf ident { type identityref { base kind; } }
    leaf boost { when "derived-from-or-self(../ident, 'x:fast')"; type boolean; default true; }
    leaf turbo { when "derived-from(../ident, 'x:fast')"; type boolean; }
    leaf literal { when "../ident = 'x:faster'"; type boolean; }
    leaf flags { type bits { bit a; bit b; } }
    leaf withb { when "bit-is-set(../flags, 'b')"; type int8; }
    leaf enumed { when "enum-value(../mode) > 7"; type int8; }
    leaf matched { type string; must "re-match(., '[a-c]{2,3}')"; }
    leaf counted { type uint8; must "count(../item) = ."; }
    list item { key id; leaf id { type string; } leaf next { type leafref { path "../../item/id"; } }
      leaf size { type uint8; must ". < sum(../../item/size) or count(../../item) = 1"; }
      leaf nsize { type leafref { path "/c/item[id = current()/../next]/size"; } } }
    leaf best { type leafref { path "../item/id"; } }
    leaf loose { type leafref { path "../item/id"; require-instance false; } }
    leaf bestsize { type uint8; must "deref(../best)/../size = ."; }
    leaf byunion { type union { type leafref { path "/x:c/x:item/x:id"; } type uint8; } }
    leaf point { type instance-identifier; }
    leaf pos { type string; must "../item[position() = last()]/id = ."; }
    choice sel { when "mode != 'off'"; leaf a { type int8; } leaf b { type int8; } }
  }
}`

const operations = `module o {
  yang-version 1.1; namespace urn:o; prefix o;
  rpc ping {
    input { leaf host { type string; mandatory true; } leaf count { type uint8; default 3; must ". > 0"; }
      leaf-list via { type string; } list opt { leaf v { type int8; } } }
    output { leaf rtt { type decimal64 { fraction-digits 3; } } }
  }
  rpc bare;
  container server { list session { key id; leaf id { type uint32; }
    action kill { input { leaf why { type string; mandatory true; } } output { leaf done { type boolean; } } }
    notification closed { leaf reason { type string; mandatory true; } } } }
  notification alarm { leaf level { type uint8 { range 1..5; } mandatory true; } leaf text { type string; } must "level < 5 or text"; }
}`

export const dataSuites: readonly DataSuite[] = [
  {
    rule: '[ID10] integers',
    module: types,
    cases: [
      { doc: '{}', verdict: 'ok' },
      { doc: '{"t:v":{}}', verdict: 'ok' },
      { doc: '{"t:v":{"i8":-128,"u16":65535,"i32":-2147483648,"u32":4294967295}}', verdict: 'ok' },
      { doc: '{"t:v":{"i8":128}}', verdict: ['type /t:v/i8'] },
      { doc: '{"t:v":{"i8":-129}}', verdict: ['type /t:v/i8'] },
      { doc: '{"t:v":{"i8":"5"}}', verdict: ['type /t:v/i8'] },
      { doc: '{"t:v":{"i8":1.5}}', verdict: ['type /t:v/i8'] },
      { doc: '{"t:v":{"i8":true}}', verdict: ['type /t:v/i8'] },
      { doc: '{"t:v":{"i8":null}}', verdict: ['type /t:v/i8'] },
      { doc: '{"t:v":{"i8":[1]}}', verdict: ['type /t:v/i8'] },
      { doc: '{"t:v":{"u16":-1}}', verdict: ['type /t:v/u16'] },
      { doc: '{"t:v":{"i8r":-5}}', verdict: 'ok' },
      { doc: '{"t:v":{"i8r":0}}', verdict: ['type /t:v/i8r'] },
      { doc: '{"t:v":{"i64":"-9223372036854775808","u64":"18446744073709551615"}}', verdict: 'ok' },
      { doc: '{"t:v":{"i64":"9223372036854775808"}}', verdict: ['type /t:v/i64'] },
      { doc: '{"t:v":{"u64":"18446744073709551616"}}', verdict: ['type /t:v/u64'] },
      { doc: '{"t:v":{"u64":"-1"}}', verdict: ['type /t:v/u64'] },
      { doc: '{"t:v":{"u64":1}}', verdict: ['type /t:v/u64'] },
      { doc: '{"t:v":{"u64":18446744073709551615}}', verdict: ['type /t:v/u64'] },
      { doc: '{"t:v":{"u64r":"18446744073709551613"}}', verdict: ['type /t:v/u64r'] },
      { doc: '{"t:v":{"u64r":"18446744073709551614"}}', verdict: 'ok' },
      { doc: '{"t:v":{"i64":"1.0"}}', verdict: ['type /t:v/i64'] },
      { doc: '{"t:v":{"i64":""}}', verdict: ['type /t:v/i64'] },
      {
        doc: '{"t:v":{"i64":"0x10"}}',
        verdict: ['type /t:v/i64'],
        yanglint: {
          ok: true,
          why: "it takes hexadecimal and octal everywhere; RFC 7950 9.2.1 allows them in a module's defaults only",
        },
      },
    ],
  },
  {
    rule: '[ID11] decimal64',
    module: types,
    cases: [
      { doc: '{"t:v":{"dec":"1.5"}}', verdict: 'ok' },
      { doc: '{"t:v":{"dec":"-1.50"}}', verdict: 'ok' },
      { doc: '{"t:v":{"dec":"1"}}', verdict: 'ok' },
      { doc: '{"t:v":{"dec":"1.51"}}', verdict: ['type /t:v/dec'] },
      { doc: '{"t:v":{"dec":"1.234"}}', verdict: ['type /t:v/dec'] },
      { doc: '{"t:v":{"dec":"1."}}', verdict: ['type /t:v/dec'] },
      { doc: '{"t:v":{"dec":".5"}}', verdict: ['type /t:v/dec'] },
      { doc: '{"t:v":{"dec":"1e1"}}', verdict: ['type /t:v/dec'] },
      { doc: '{"t:v":{"dec":1.5}}', verdict: ['type /t:v/dec'] },
      { doc: '{"t:v":{"dec":"92233720368547758.07"}}', verdict: 'ok' },
      { doc: '{"t:v":{"dec":"92233720368547758.08"}}', verdict: ['type /t:v/dec'] },
      { doc: '{"t:v":{"dec18":"9.223372036854775807"}}', verdict: 'ok' },
      { doc: '{"t:v":{"dec18":"9.223372036854775808"}}', verdict: ['type /t:v/dec18'] },
    ],
  },
  {
    rule: '[ID12] strings and patterns',
    module: types,
    cases: [
      { doc: '{"t:v":{"str":"a"}}', verdict: 'ok' },
      { doc: '{"t:v":{"str":""}}', verdict: ['type /t:v/str'] },
      { doc: '{"t:v":{"str":"abcd"}}', verdict: ['type /t:v/str'] },
      {
        doc: '{"t:v":{"str":"\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00"}}',
        verdict: 'ok',
        yanglint: { ok: false, why: 'it refuses surrogate pairs in escapes, which RFC 8259 7 prescribes' },
      },
      { doc: '{"t:v":{"str":"\u00e9\u00e9\u00e9\u00e9\u00e9"}}', verdict: 'ok' },
      { doc: '{"t:v":{"str":1}}', verdict: ['type /t:v/str'] },
      { doc: '{"t:v":{"any":"tab\\tand\\nline"}}', verdict: 'ok' },
      { doc: '{"t:v":{"any":"\\u0001"}}', verdict: ['type /t:v/any'] },
      { doc: '{"t:v":{"pat":"abc"}}', verdict: 'ok' },
      { doc: '{"t:v":{"pat":"abX"}}', verdict: ['type /t:v/pat'] },
      { doc: '{"t:v":{"pat":"abx"}}', verdict: ['type /t:v/pat'] },
    ],
  },
  {
    rule: '[ID13] boolean, enumeration, bits, binary, empty',
    module: types,
    cases: [
      { doc: '{"t:v":{"bool":true}}', verdict: 'ok' },
      { doc: '{"t:v":{"bool":"true"}}', verdict: ['type /t:v/bool'] },
      { doc: '{"t:v":{"bool":1}}', verdict: ['type /t:v/bool'] },
      { doc: '{"t:v":{"enu":"one"}}', verdict: 'ok' },
      { doc: '{"t:v":{"enu":"a b"}}', verdict: 'ok' },
      { doc: '{"t:v":{"enu":"three"}}', verdict: ['type /t:v/enu'] },
      { doc: '{"t:v":{"enu":"1"}}', verdict: ['type /t:v/enu'] },
      { doc: '{"t:v":{"enu":1}}', verdict: ['type /t:v/enu'] },
      { doc: '{"t:v":{"bit":""}}', verdict: 'ok' },
      { doc: '{"t:v":{"bit":"two zero"}}', verdict: 'ok' },
      { doc: '{"t:v":{"bit":"zero zero"}}', verdict: ['type /t:v/bit'] },
      { doc: '{"t:v":{"bit":"three"}}', verdict: ['type /t:v/bit'] },
      { doc: '{"t:v":{"bin":""}}', verdict: 'ok' },
      { doc: '{"t:v":{"bin":"AAE="}}', verdict: 'ok' },
      { doc: '{"t:v":{"bin":"AA=="}}', verdict: ['type /t:v/bin'] },
      { doc: '{"t:v":{"bin":"AAEC"}}', verdict: 'ok' },
      { doc: '{"t:v":{"bin":"AAECAwQ="}}', verdict: ['type /t:v/bin'] },
      { doc: '{"t:v":{"bin":"A"}}', verdict: ['type /t:v/bin'] },
      { doc: '{"t:v":{"bin":"AA*="}}', verdict: ['type /t:v/bin'] },
      { doc: '{"t:v":{"emp":[null]}}', verdict: 'ok' },
      { doc: '{"t:v":{"emp":null}}', verdict: ['type /t:v/emp'] },
      { doc: '{"t:v":{"emp":""}}', verdict: ['type /t:v/emp'] },
      { doc: '{"t:v":{"emp":[]}}', verdict: ['type /t:v/emp'] },
      { doc: '{"t:v":{"emp":[null,null]}}', verdict: ['type /t:v/emp'] },
    ],
  },
  {
    rule: '[ID14] identityref, union, instance-identifier',
    module: types,
    cases: [
      { doc: '{"t:v":{"idr":"dog"}}', verdict: 'ok' },
      { doc: '{"t:v":{"idr":"t:puppy"}}', verdict: 'ok' },
      { doc: '{"t:v":{"idr":"animal"}}', verdict: ['type /t:v/idr'] },
      { doc: '{"t:v":{"idr":"plant"}}', verdict: ['type /t:v/idr'] },
      { doc: '{"t:v":{"idr":"u:dog"}}', verdict: ['type /t:v/idr'] },
      { doc: '{"t:v":{"both":"moss"}}', verdict: 'ok' },
      {
        doc: '{"t:v":{"both":"dog"}}',
        verdict: ['type /t:v/both'],
        yanglint: { ok: true, why: 'it is content with one base; RFC 7950 9.10.2 asks for all of them' },
      },
      { doc: '{"t:v":{"uni":5}}', verdict: 'ok' },
      { doc: '{"t:v":{"uni":10}}', verdict: ['type /t:v/uni'] },
      { doc: '{"t:v":{"uni":"none"}}', verdict: 'ok' },
      { doc: '{"t:v":{"uni":true}}', verdict: 'ok' },
      { doc: '{"t:v":{"uni":"1234"}}', verdict: 'ok' },
      { doc: '{"t:v":{"uni":"12345"}}', verdict: ['type /t:v/uni'] },
      { doc: '{"t:v":{"ii":"/t:v/i8"}}', verdict: 'ok' },
      { doc: '{"t:v":{"ii":"/t:v/nowhere"}}', verdict: ['type /t:v/ii'] },
      { doc: '{"t:v":{"ii":"t:v"}}', verdict: ['type /t:v/ii'] },
      { doc: '{"t:v":{"ii":"/t:v/i8[1]"}}', verdict: ['type /t:v/ii'] },
    ],
  },
  {
    rule: '[ID1] names and shapes',
    module: types,
    cases: [
      { doc: '{"v":{}}', verdict: ['unknown-member /v'] },
      { doc: '{"t:w":{}}', verdict: ['unknown-member /t:w'] },
      { doc: '{"t:v":{"t:i8":1}}', verdict: 'ok' },
      { doc: '{"t:v":{"i9":1}}', verdict: ['unknown-member /t:v/i9'] },
      { doc: '{"t:v":{"u:i8":1}}', verdict: ['unknown-member /t:v/u:i8'] },
      { doc: '{"t:v":{"i8":1,"t:i8":1}}', verdict: ['duplicate-member /t:v/i8'] },
      { doc: '{"t:v":{"i8":1,"i8":1}}', verdict: ['json /'] },
      { doc: '{"t:v":[]}', verdict: ['shape /t:v'] },
      { doc: '{"t:v":1}', verdict: ['shape /t:v'] },
      { doc: '[]', verdict: ['shape /'] },
      { doc: '{"t:v":{"i8":1}', verdict: ['json /'] },
      { doc: '{"t:v":{"i8":01}}', verdict: ['json /'] },
      { doc: '', verdict: ['json /'] },
    ],
  },
  {
    rule: '[ID20] mandatory nodes, counts, keys, uniqueness',
    module: tree,
    cases: [
      {
        doc: '{}',
        verdict: [
          'missing-mandatory /s:box/must-have',
          'missing-mandatory /s:box/deep/deeper/also',
          'too-few /s:lists/few',
          'missing-choice /s:pick',
        ],
      },
      ...treeCases({
        '{"s:box":{"must-have":"x"}}': ['missing-mandatory /s:box/deep/deeper/also'],
        '{"s:box":{"must-have":"x","deep":{"deeper":{"also":1}},"maybe":{}}}': [
          'missing-mandatory /s:box/maybe/needed',
        ],
        '{"s:box":{"must-have":"x","deep":{"deeper":{"also":1}},"maybe":{"needed":1}}}': 'ok',
      }),
      ...treeCases({
        '{"s:lists":{"few":[{"k":"a"}]}}': ['too-few /s:lists/few'],
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"},{"k":"c"},{"k":"d"}]}}': ['too-many /s:lists/few'],
        '{"s:lists":{"few":[{"k":"a"},{"k":"a"}]}}': ["duplicate-entry /s:lists/few[k='a']"],
        '{"s:lists":{"few":[{"k":"a"},{}]}}': ['missing-key /s:lists/few[2]/k'],
        '{"s:lists":{"few":{"k":"a"}}}': ['shape /s:lists/few', 'too-few /s:lists/few'],
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"user":[{"name":"a","dom":1},{"name":"a","dom":2}]}}': 'ok',
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"user":[{"name":"a","dom":1},{"name":"a","dom":1}]}}': [
          "duplicate-entry /s:lists/user[name='a'][dom='1']",
        ],
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"user":[{"name":"a","dom":1,"uid":7},{"name":"b","dom":1,"uid":7}]}}':
          ["unique /s:lists/user[name='b'][dom='1']"],
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"user":[{"name":"a","dom":1,"info":{"mail":"m","tel":"t"}},{"name":"b","dom":1,"info":{"mail":"m","tel":"u"}}]}}':
          'ok',
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"user":[{"name":"a","dom":1,"info":{"mail":"m","tel":"t"}},{"name":"b","dom":1,"info":{"mail":"m","tel":"t"}}]}}':
          ["unique /s:lists/user[name='b'][dom='1']"],
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"user":[{"name":"a","dom":1,"info":{"mail":"m"}},{"name":"b","dom":1,"info":{"mail":"m"}}]}}':
          'ok',
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"tag":["a","b"]}}': 'ok',
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"tag":["a","a"]}}': ["duplicate-entry /s:lists/tag[.='a']"],
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"tag":["a","b","c"]}}': ['too-many /s:lists/tag'],
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"tag":"a"}}': ['shape /s:lists/tag'],
        '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"seen":["a","a"],"log":[{"text":"x"},{"text":"x"},{}]}}':
          'ok',
      }),
    ],
  },
  {
    rule: '[ID21] choices',
    module: tree,
    cases: treeCases({
      '{"s:pick":{}}': ['missing-choice /s:pick'],
      '{"s:pick":{"car":"c"}}': 'ok',
      '{"s:pick":{"speed":9}}': 'ok',
      '{"s:pick":{"plane":"p","seats":9}}': 'ok',
      '{"s:pick":{"seats":9}}': ['missing-mandatory /s:pick/plane'],
      '{"s:pick":{"car":"c","plane":"p"}}': ['several-cases /s:pick'],
      '{"s:pick":{"boat":"b"}}': 'ok',
      '{"s:pick":{"boat":"b","raft":[null]}}': ['several-cases /s:pick'],
      '{"s:pick":{"car":"c","raft":[null]}}': ['several-cases /s:pick'],
    }),
  },
  {
    rule: '[ID22] anydata and anyxml',
    module: tree,
    cases: treeCases({
      '{"s:stuff":{}}': 'ok',
      '{"s:stuff":{"a:b":[1,{"c":null}]}}': 'ok',
      '{"s:stuff":1}': ['shape /s:stuff'],
      '{"s:thing":{"a":1}}': 'ok',
      '{"s:thing":[1,2]}': 'ok',
      '{"s:thing":"text"}': 'ok',
    }),
  },
  {
    rule: '[ID23] configuration holds no state',
    module: tree,
    type: 'config',
    cases: treeCases({
      '{"s:state":"x"}': ['not-config /s:state'],
      '{"s:lists":{"few":[{"k":"a"},{"k":"b"}],"seen":["a"]}}': ['not-config /s:lists/seen'],
    }),
  },
  {
    rule: '[ID30] when',
    module: expressions,
    cases: [
      { doc: '{}', verdict: 'ok' },
      { doc: '{"x:c":{"mode":"quick"}}', verdict: ['missing-mandatory /x:c/rate'] },
      { doc: '{"x:c":{"mode":"quick","rate":20}}', verdict: 'ok' },
      { doc: '{"x:c":{"rate":20}}', verdict: ['when /x:c/rate'] },
      { doc: '{"x:c":{"ident":"fast","boost":false}}', verdict: 'ok' },
      { doc: '{"x:c":{"boost":false}}', verdict: ['when /x:c/boost'] },
      { doc: '{"x:c":{"ident":"faster","turbo":true,"literal":true}}', verdict: 'ok' },
      { doc: '{"x:c":{"ident":"fast","turbo":true}}', verdict: ['when /x:c/turbo'] },
      { doc: '{"x:c":{"ident":"fast","literal":true}}', verdict: ['when /x:c/literal'] },
      { doc: '{"x:c":{"flags":"a b","withb":1}}', verdict: 'ok' },
      { doc: '{"x:c":{"flags":"a","withb":1}}', verdict: ['when /x:c/withb'] },
      { doc: '{"x:c":{"enumed":1}}', verdict: ['when /x:c/enumed'] },
      { doc: '{"x:c":{"mode":"quick","rate":20,"enumed":1}}', verdict: 'ok' },
      { doc: '{"x:c":{"a":1}}', verdict: 'ok' },
      { doc: '{"x:c":{"mode":"off","a":1}}', verdict: ['when /x:c/a'] },
      { doc: '{"x:c":{"a":1,"b":1}}', verdict: ['several-cases /x:c'] },
    ],
  },
  {
    rule: '[ID31] must',
    module: expressions,
    cases: [
      { doc: '{"x:c":{"mode":"quick","rate":25}}', verdict: ['must /x:c/rate'] },
      { doc: '{"x:c":{"low":10}}', verdict: 'ok' },
      { doc: '{"x:c":{"low":11}}', verdict: ['must /x:c/low'] },
      { doc: '{"x:c":{"low":11,"high":11}}', verdict: 'ok' },
      { doc: '{"x:c":{"matched":"abc"}}', verdict: 'ok' },
      { doc: '{"x:c":{"matched":"abcd"}}', verdict: ['must /x:c/matched'] },
      { doc: '{"x:c":{"counted":0}}', verdict: 'ok' },
      { doc: '{"x:c":{"counted":2,"item":[{"id":"a"}]}}', verdict: ['must /x:c/counted'] },
      { doc: '{"x:c":{"item":[{"id":"a","size":4},{"id":"b","size":1}]}}', verdict: 'ok' },
      { doc: '{"x:c":{"item":[{"id":"a","size":4},{"id":"b"}]}}', verdict: ["must /x:c/item[id='a']/size"] },
      { doc: '{"x:c":{"best":"a","bestsize":4,"item":[{"id":"a","size":4}]}}', verdict: 'ok' },
      {
        doc: '{"x:c":{"best":"a","bestsize":5,"item":[{"id":"a","size":4}]}}',
        verdict: ['must /x:c/bestsize'],
      },
      { doc: '{"x:c":{"pos":"b","item":[{"id":"a"},{"id":"b"}]}}', verdict: 'ok' },
      { doc: '{"x:c":{"pos":"a","item":[{"id":"a"},{"id":"b"}]}}', verdict: ['must /x:c/pos'] },
    ],
  },
  {
    rule: '[ID32] references',
    module: expressions,
    cases: [
      { doc: '{"x:c":{"best":"a","item":[{"id":"a"}]}}', verdict: 'ok' },
      { doc: '{"x:c":{"best":"b","item":[{"id":"a"}]}}', verdict: ['no-instance /x:c/best'] },
      { doc: '{"x:c":{"loose":"b"}}', verdict: 'ok' },
      { doc: '{"x:c":{"item":[{"id":"a","next":"b"},{"id":"b","next":"a"}]}}', verdict: 'ok' },
      {
        doc: '{"x:c":{"item":[{"id":"a","next":"c"},{"id":"b"}]}}',
        verdict: ["no-instance /x:c/item[id='a']/next"],
      },
      {
        doc: '{"x:c":{"item":[{"id":"a","next":"b","nsize":1},{"id":"b","size":1},{"id":"c","size":9}]}}',
        verdict: 'ok',
      },
      {
        doc: '{"x:c":{"item":[{"id":"a","next":"b","nsize":9},{"id":"b","size":1},{"id":"c","size":9}]}}',
        verdict: ["no-instance /x:c/item[id='a']/nsize"],
      },
      { doc: '{"x:c":{"byunion":"a","item":[{"id":"a"}]}}', verdict: 'ok' },
      { doc: '{"x:c":{"byunion":"b","item":[{"id":"a"}]}}', verdict: ['no-instance /x:c/byunion'] },
      { doc: '{"x:c":{"byunion":5}}', verdict: 'ok' },
      { doc: '{"x:c":{"point":"/x:c/item[id=\'a\']","item":[{"id":"a"}]}}', verdict: 'ok' },
      {
        doc: '{"x:c":{"point":"/x:c/item[id=\'b\']","item":[{"id":"a"}]}}',
        verdict: ['no-instance /x:c/point'],
      },
      { doc: '{"x:c":{"point":"/x:c/item[1]","item":[{"id":"a"}]}}', verdict: ['type /x:c/point'] },
    ],
  },
  {
    rule: '[ID40] operations: input',
    module: operations,
    type: 'rpc',
    cases: [
      { doc: '{"o:ping":{"host":"h"}}', verdict: 'ok' },
      { doc: '{"o:ping":{"host":"h","count":0}}', verdict: ['must /o:ping/count'] },
      { doc: '{"o:ping":{}}', verdict: ['missing-mandatory /o:ping/host'] },
      { doc: '{"o:ping":{"host":"h","rtt":"1.0"}}', verdict: ['unknown-member /o:ping/rtt'] },
      { doc: '{"o:ping":{"host":"h","via":["a","a"],"opt":[{"v":1},{"v":1},{}]}}', verdict: 'ok' },
      { doc: '{"o:bare":{}}', verdict: 'ok' },
      { doc: '{"o:nothing":{}}', verdict: ['unknown-member /o:nothing', 'operation /'] },
      { doc: '{"o:server":{"session":[{"id":1,"kill":{"why":"w"}}]}}', verdict: 'ok' },
      {
        doc: '{"o:server":{"session":[{"id":1,"kill":{}}]}}',
        verdict: ["missing-mandatory /o:server/session[id='1']/kill/why"],
      },
    ],
  },
  {
    rule: '[ID41] operations: output',
    module: operations,
    type: 'reply',
    cases: [
      { doc: '{"o:ping":{"rtt":"1.25"}}', verdict: 'ok' },
      { doc: '{"o:ping":{}}', verdict: 'ok' },
      { doc: '{"o:ping":{"rtt":"1.2555"}}', verdict: ['type /o:ping/rtt'] },
      { doc: '{"o:server":{"session":[{"id":1,"kill":{"done":true}}]}}', verdict: 'ok' },
    ],
  },
  {
    rule: '[ID42] notifications',
    module: operations,
    type: 'notification',
    cases: [
      { doc: '{"o:alarm":{"level":1}}', verdict: 'ok' },
      { doc: '{"o:alarm":{"level":5}}', verdict: ['must /o:alarm'] },
      { doc: '{"o:alarm":{"level":5,"text":"t"}}', verdict: 'ok' },
      { doc: '{"o:alarm":{}}', verdict: ['missing-mandatory /o:alarm/level', 'must /o:alarm'] },
      { doc: '{"o:server":{"session":[{"id":1,"closed":{"reason":"r"}}]}}', verdict: 'ok' },
      {
        doc: '{"o:server":{"session":[{"id":1,"closed":{}}]}}',
        verdict: ["missing-mandatory /o:server/session[id='1']/closed/reason"],
      },
      { doc: '{"o:server":{}}', verdict: ['operation /'] },
    ],
  },
]

/** Documents of the tree module that only show one thing: what the rest of it asks for is added. */
function treeCases(docs: Record<string, DataCase['verdict']>): DataCase[] {
  const rest = {
    's:box': { 'must-have': 'x', deep: { deeper: { also: 1 } } },
    's:lists': { few: [{ k: 'a' }, { k: 'b' }] },
    's:pick': { car: 'c' },
  }
  return Object.entries(docs).map(([doc, verdict]) => ({
    doc: JSON.stringify({ ...rest, ...JSON.parse(doc) }),
    verdict,
  }))
}
