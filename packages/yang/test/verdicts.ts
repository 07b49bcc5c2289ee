/**
 * Modules of our own with the verdict they deserve.
 *
 * `npm test` holds the compiler to them; the interop run holds yanglint and pyang to them as well, so the list
 * stands in for the tools where they are not installed. A row is a rule, a verdict and the body of a module
 * `t`; a row about several modules gives them all, the module under test first.
 */

import { agreed, other as helper } from './agreed.ts'

export interface Verdict {
  readonly rule: string
  readonly valid: boolean
  /** By name; the first is the one under test. */
  readonly modules: readonly { readonly name: string; readonly text: string }[]
}

type Row = readonly [rule: string, valid: boolean, body: string, ...others: string[]]

const module11 = (body: string) =>
  `module t {\n  yang-version 1.1;\n  namespace "urn:t";\n  prefix t;\n  ${body}\n}\n`
const module10 = (body: string) => `module t {\n  namespace "urn:t";\n  prefix t;\n  ${body}\n}\n`
const nameOf = (text: string) => /^\s*(?:sub)?module\s+"?([\w-]+)/.exec(text)?.[1] ?? 't'

const verdict = ([rule, valid, ...texts]: Row): Verdict => ({
  rule,
  valid,
  modules: texts.map((text, at) => ({ name: at === 0 ? 't' : nameOf(text), text })),
})

const yes = true
const no = false

/** Bodies of a YANG 1.1 module. */
const bodies11: readonly Row[] = [
  ['M1 a module may be empty', yes, ''],
  ['M2 statements have arguments', no, 'leaf { type string; }'],
  ['M2 arguments are followed by ; or {', no, 'leaf a { type string }'],
  ['M2 unknown statements are refused', no, 'leaf a { type string; colour red; }'],
  ['M2 a statement may only stand where the grammar has it', no, 'leaf a { type string; key a; }'],
  ['M2 a statement that may occur once occurs once', no, 'leaf a { type string; type int8; }'],
  ['M2 a leaf needs a type', no, 'leaf a;'],
  ['M2 identifiers begin with a letter or underscore', no, 'leaf 1a { type string; }'],
  ['M2 identifiers may hold dots and dashes', yes, 'leaf _a.b-c1 { type string; }'],
  ['M2 config is true or false', no, 'leaf a { type string; config yes; }'],
  ['M2 dates have the form of dates', no, 'revision 2020-1-1;'],
  ['M3 sections stand in order', no, 'leaf a { type string; } revision 2020-01-01;'],
  ['M4 double-quoted strings know four escapes', no, 'description "a\\qb";'],
  ['M4 single-quoted strings know none', yes, "description 'a\\qb';"],
  ['M4 quoted strings are joined by +', yes, `description "a" + 'b' + "c";`],
  ['M4 unquoted strings hold no quotes', no, 'description a"b;'],
  [
    'N1 a key has no condition from its uses',
    no,
    'grouping g { leaf a { type string; } } list l { key a; uses g { when "true()"; } }',
  ],
  [
    'N1 a key has no condition from refine',
    no,
    'feature f; grouping g { leaf a { type string; } } list l { key a; uses g { refine a { if-feature f; } } }',
  ],
  [
    'T8 a default enum does not stand under a feature',
    no,
    'feature f; leaf l { type enumeration { enum a { if-feature f; } enum b; } default a; }',
  ],
  [
    'L1 a path has no white space around it',
    no,
    'leaf a { type string; } leaf l { type leafref { path " ../a "; } }',
  ],
  ['R1 a grouping brings no action into an rpc', no, 'grouping g { action a; } rpc r { input { uses g; } }'],
  ['R1 a grouping brings no action to the top', no, 'grouping g { action a; } uses g;'],
  [
    'I1 identities may lean on deprecated ones',
    yes,
    'identity a { status deprecated; } identity b { base a; }',
  ],
  ['M5 a name is taken once below a parent', no, 'leaf a { type string; } leaf a { type string; }'],
  [
    'M5 names in cases share the name space',
    no,
    'choice c { leaf a { type string; } case d { leaf a { type string; } } }',
  ],
  ['M5 the same name may stand below different parents', yes, 'container a { leaf a { type string; } }'],
  ['M5 data and rpcs share a name space', no, 'leaf a { type string; } rpc a;'],
  [
    'T1 typedefs lead to a built-in type',
    yes,
    'typedef a { type b; } typedef b { type int8; } leaf l { type a; }',
  ],
  [
    'T1 typedefs do not lead back to themselves',
    no,
    'typedef a { type b; } typedef b { type a; } leaf l { type a; }',
  ],
  ['T1 a type must exist', no, 'leaf l { type nothing; }'],
  ['T1 typedefs are found in scope', yes, 'container c { typedef a { type int8; } leaf l { type a; } }'],
  [
    'T1 typedefs are not found out of scope',
    no,
    'container c { typedef a { type int8; } } leaf l { type a; }',
  ],
  [
    'T1 a typedef may not hide another',
    no,
    'typedef a { type int8; } container c { typedef a { type int8; } leaf l { type a; } }',
  ],
  ['T1 a typedef has a name of its own', no, 'typedef a { type int8; } typedef a { type int16; }'],
  ['T1 a typedef does not have the name of a built-in type', no, 'typedef string { type int8; }'],
  ['T2 ranges lie within the type', no, 'leaf l { type int8 { range "0..128"; } }'],
  ['T2 ranges ascend', no, 'leaf l { type int8 { range "5..10 | 1..3"; } }'],
  ['T2 ranges do not overlap', no, 'leaf l { type int8 { range "1..5 | 5..10"; } }'],
  [
    'T2 ranges narrow',
    yes,
    'typedef a { type int8 { range "1..10 | 20..max"; } } leaf l { type a { range "2..3 | 20"; } }',
  ],
  [
    'T2 ranges do not bridge a gap',
    no,
    'typedef a { type int8 { range "1..10 | 20..30"; } } leaf l { type a { range "5..25"; } }',
  ],
  [
    'T2 min and max are those of the type below',
    yes,
    'typedef a { type int8 { range "1..10"; } } leaf l { type a { range "min..5"; } }',
  ],
  ['T2 ranges are for numbers', no, 'leaf l { type string { range "1..5"; } }'],
  ['T2 64-bit ends are exact', yes, 'leaf l { type uint64 { range "18446744073709551615"; } }'],
  ['T2 64-bit ends are exact', no, 'leaf l { type uint64 { range "18446744073709551616"; } }'],
  ['T3 decimal64 needs fraction-digits', no, 'leaf l { type decimal64; }'],
  ['T3 fraction-digits are 1 to 18', no, 'leaf l { type decimal64 { fraction-digits 19; } }'],
  [
    'T3 fraction-digits belong to the built-in type',
    no,
    'typedef a { type decimal64 { fraction-digits 2; } } leaf l { type a { fraction-digits 2; } }',
  ],
  [
    'T3 decimal ranges are in the value space',
    no,
    'leaf l { type decimal64 { fraction-digits 2; range "1.001..2"; } }',
  ],
  [
    'T3 decimal ranges are in the value space',
    yes,
    'leaf l { type decimal64 { fraction-digits 2; range "-1.25..2 | 3.5"; } }',
  ],
  ['T4 lengths are for strings and binary', no, 'leaf l { type int8 { length "1"; } }'],
  ['T4 lengths are not negative', no, 'leaf l { type string { length "-1..2"; } }'],
  [
    'T4 lengths narrow',
    no,
    'typedef a { type string { length "1..4"; } } leaf l { type a { length "1..5"; } }',
  ],
  [
    'T5 patterns are XML Schema expressions',
    yes,
    "leaf l { type string { pattern '[\\i-[:]][\\c-[:]]*'; } }",
  ],
  ['T5 patterns are well formed', no, "leaf l { type string { pattern '(a'; } }"],
  ['T5 patterns may be inverted', yes, "leaf l { type string { pattern 'a.*' { modifier invert-match; } } }"],
  ['T6 enums are unique', no, 'leaf l { type enumeration { enum a; enum a; } }'],
  [
    'T6 enum values are unique',
    no,
    'leaf l { type enumeration { enum a { value 1; } enum b { value 1; } } }',
  ],
  [
    'T6 an enum after the highest value needs one',
    no,
    'leaf l { type enumeration { enum a { value 2147483647; } enum b; } }',
  ],
  ['T6 an enumeration has enums', no, 'leaf l { type enumeration; }'],
  ['T6 enum names are not empty', no, 'leaf l { type enumeration { enum ""; } }'],
  [
    'T6 enumerations may be narrowed',
    yes,
    'typedef e { type enumeration { enum a; enum b; } } leaf l { type e { enum b; } }',
  ],
  [
    'T6 enumerations may not be widened',
    no,
    'typedef e { type enumeration { enum a; } } leaf l { type e { enum b; } }',
  ],
  [
    'T6 narrowed enums keep their values',
    no,
    'typedef e { type enumeration { enum a; enum b; } } leaf l { type e { enum b { value 7; } } }',
  ],
  ['T7 bits are unique', no, 'leaf l { type bits { bit a; bit a; } }'],
  ['T7 positions are unique', no, 'leaf l { type bits { bit a { position 0; } bit b { position 0; } } }'],
  ['T7 bits have bits', no, 'leaf l { type bits; }'],
  ['T8 a default fits its type', no, 'leaf l { type int8; default 128; }'],
  ['T8 a default fits its type', yes, 'leaf l { type int8; default -128; }'],
  ['T8 integers may be hexadecimal', yes, 'leaf l { type uint8; default 0xff; }'],
  [
    'T8 a default of an enumeration is one of its names',
    no,
    'leaf l { type enumeration { enum a; } default b; }',
  ],
  [
    'T8 a default fits later restrictions',
    no,
    'typedef a { type int8; default 50; } leaf l { type a { range "1..10"; } }',
  ],
  ['T8 a default matches the patterns', no, 'leaf l { type string { pattern "a+"; } default b; }'],
  ['T8 empty has no default', no, 'leaf l { type empty; default ""; }'],
  [
    'T8 a default of a union fits a member',
    yes,
    'leaf l { type union { type int8; type enumeration { enum x; } } default x; }',
  ],
  [
    'T8 a default of a union fits a member',
    no,
    'leaf l { type union { type int8; type enumeration { enum x; } } default y; }',
  ],
  ['T8 a default of bits names bits', no, 'leaf l { type bits { bit a; } default "a b"; }'],
  ['T8 a typedef default fits its type', no, 'typedef a { type boolean; default maybe; } leaf l { type a; }'],
  [
    'T8 a leafref default fits the target',
    no,
    'leaf a { type int8; } leaf b { type leafref { path "../a"; } default x; }',
  ],
  ['T9 a union has members', no, 'leaf l { type union; }'],
  [
    'T9 unions may hold empty and leafrefs',
    yes,
    'leaf a { type int8; } leaf l { type union { type empty; type leafref { path "../a"; } } }',
  ],
  [
    'I1 identities are derived from identities',
    yes,
    'identity a; identity b { base a; } leaf l { type identityref { base a; } default b; }',
  ],
  ['I1 a base must exist', no, 'identity b { base a; }'],
  ['I1 identities do not derive from themselves', no, 'identity a { base b; } identity b { base a; }'],
  ['I1 an identityref has a base', no, 'leaf l { type identityref; }'],
  ['I1 the base itself is no value', no, 'identity a; leaf l { type identityref { base a; } default a; }'],
  [
    'I1 a value is derived from all bases',
    no,
    'identity a; identity b; identity c { base a; } leaf l { type identityref { base a; base b; } default c; }',
  ],
  [
    'I1 a value is derived from all bases',
    yes,
    'identity a; identity b; identity c { base a; base b; } leaf l { type identityref { base a; base b; } default c; }',
  ],
  ['L1 a leafref has a path', no, 'leaf l { type leafref; }'],
  ['L1 a leafref leads to a leaf', yes, 'leaf a { type int8; } leaf l { type leafref { path "../a"; } }'],
  ['L1 a leafref leads to a leaf', no, 'container a; leaf l { type leafref { path "../a"; } }'],
  ['L1 a leafref leads somewhere', no, 'leaf l { type leafref { path "../a"; } }'],
  [
    'L1 choices and cases are not on the path',
    yes,
    'choice c { case d { leaf a { type int8; } } } leaf l { type leafref { path "../a"; } }',
  ],
  [
    'L1 leafrefs do not go in circles',
    no,
    'leaf a { type leafref { path "../b"; } } leaf b { type leafref { path "../a"; } }',
  ],
  [
    'L1 conditions on the path name keys',
    yes,
    'list i { key n; leaf n { type string; } leaf v { type int8; } } leaf k { type leafref { path "/i/n"; } } leaf l { type leafref { path "/i[n = current()/../k]/v"; } }',
  ],
  [
    'L1 configuration does not point at state',
    no,
    'leaf a { type int8; config false; } leaf l { type leafref { path "../a"; } }',
  ],
  [
    'L1 it may when no instance is required',
    yes,
    'leaf a { type int8; config false; } leaf l { type leafref { path "../a"; require-instance false; } }',
  ],
  [
    'L1 inside an rpc the path stays on its side',
    yes,
    'rpc r { input { leaf a { type int8; } leaf b { type leafref { path "../a"; } } } }',
  ],
  ['N1 a list of configuration has a key', no, 'list l { leaf a { type string; } }'],
  ['N1 a list of state need not', yes, 'list l { config false; leaf a { type string; } }'],
  ['N1 a key is a leaf of the list', no, 'list l { key b; leaf a { type string; } }'],
  [
    'N1 a key is a leaf right below the list',
    no,
    'list l { key a; container c { leaf a { type string; } } }',
  ],
  ['N1 a key is named once', no, 'list l { key "a a"; leaf a { type string; } }'],
  ['N1 a key has the config of its list', no, 'list l { key a; leaf a { type string; config false; } }'],
  ['N1 keys have no conditions', no, 'list l { key a; leaf a { when "true()"; type string; } }'],
  ['N1 a key may be empty', yes, 'list l { key a; leaf a { type empty; } }'],
  [
    'N2 unique names leafs',
    yes,
    'list l { key a; unique "b c/d"; leaf a { type string; } leaf b { type string; } container c { leaf d { type string; } } }',
  ],
  ['N2 unique names leafs', no, 'list l { key a; unique b; leaf a { type string; } container b; }'],
  [
    'N2 unique leafs have one config',
    no,
    'list l { key a; unique "b c"; leaf a { type string; } leaf b { type string; } leaf c { type string; config false; } }',
  ],
  ['N3 a mandatory leaf has no default', no, 'leaf a { type string; mandatory true; default x; }'],
  [
    'N3 min-elements is at most max-elements',
    no,
    'leaf-list a { type string; min-elements 3; max-elements 2; }',
  ],
  ['N3 max-elements is positive', no, 'leaf-list a { type string; max-elements 0; }'],
  ['N3 a leaf-list may have defaults', yes, 'leaf-list a { type string; default x; default y; }'],
  [
    'N3 defaults and min-elements exclude each other',
    no,
    'leaf-list a { type string; default x; min-elements 1; }',
  ],
  [
    'N3 configuration does not stand below state',
    no,
    'container a { config false; leaf b { type string; config true; } }',
  ],
  ['N4 the default of a choice is a case', no, 'choice c { default x; leaf a { type string; } }'],
  ['N4 the default of a choice is a case', yes, 'choice c { default a; leaf a { type string; } }'],
  [
    'N4 a mandatory choice has no default',
    no,
    'choice c { default a; mandatory true; leaf a { type string; } }',
  ],
  [
    'N4 a default case holds nothing mandatory',
    no,
    'choice c { default a; case a { leaf a { type string; mandatory true; } } }',
  ],
  ['N4 a choice may stand in a choice', yes, 'choice c { choice d { leaf a { type string; } } }'],
  [
    'N4 cases have names of their own',
    no,
    'choice c { case a { leaf a { type string; } } case a { leaf b { type string; } } }',
  ],
  ['G1 a grouping must exist', no, 'uses g;'],
  ['G1 groupings do not use themselves', no, 'grouping g { uses h; } grouping h { uses g; } uses g;'],
  [
    'G1 groupings may be nested',
    yes,
    'grouping g { grouping h { leaf a { type string; } } uses h; } uses g;',
  ],
  ['G1 a grouping nobody uses is checked', no, 'grouping g { leaf a { type nothing; } }'],
  ['G1 a grouping may be used once at a place', no, 'grouping g { leaf a { type string; } } uses g; uses g;'],
  [
    'G2 refine leads to a node of the grouping',
    no,
    'grouping g { leaf a { type string; } } uses g { refine b { default x; } }',
  ],
  [
    'G2 refine may set a default',
    yes,
    'grouping g { leaf a { type string; } } uses g { refine a { default x; } }',
  ],
  [
    'G2 a refined default fits the type',
    no,
    'grouping g { leaf a { type int8; } } uses g { refine a { default x; } }',
  ],
  [
    'G2 refine suits the node',
    no,
    'grouping g { leaf a { type string; } } uses g { refine a { presence x; } }',
  ],
  [
    'G2 refine may make a node mandatory',
    yes,
    'grouping g { leaf a { type string; } } uses g { refine a { mandatory true; } }',
  ],
  [
    'G3 uses may augment',
    yes,
    'grouping g { container c; } uses g { augment c { leaf a { type string; } } }',
  ],
  [
    'G3 uses augments what is there',
    no,
    'grouping g { container c; } uses g { augment d { leaf a { type string; } } }',
  ],
  ['A1 augment leads to a node', no, 'augment "/a" { leaf b { type string; } }'],
  ['A1 augment adds to containers', yes, 'container a; augment "/a" { leaf b { type string; } }'],
  [
    'A1 augment does not add to leafs',
    no,
    'leaf a { type string; } augment "/a" { leaf b { type string; } }',
  ],
  [
    'A1 what is augmented may be augmented, in any order',
    yes,
    'container a; augment "/a/b" { leaf c { type string; } } augment "/a" { container b; }',
  ],
  [
    'A1 augment does not take a name twice',
    no,
    'container a { leaf b { type string; } } augment "/a" { leaf b { type string; } }',
  ],
  [
    'A1 augment adds cases to choices',
    yes,
    'choice c { leaf a { type string; } } augment "/c" { case d { leaf b { type string; } } }',
  ],
  ['A1 augment adds to the input of an rpc', yes, 'rpc r; augment "/r/input" { leaf b { type string; } }'],
  ['A1 a case goes only to a choice', no, 'container a; augment "/a" { case d { leaf b { type string; } } }'],
  ['F1 a feature must exist', no, 'leaf a { if-feature f; type string; }'],
  [
    'F1 features may be joined',
    yes,
    'feature f; feature g; leaf a { if-feature "f and (not g or f)"; type string; }',
  ],
  ['F1 the expression is well formed', no, 'feature f; leaf a { if-feature "f and"; type string; }'],
  ['F1 features do not depend on themselves', no, 'feature f { if-feature g; } feature g { if-feature f; }'],
  ['R1 an rpc may have neither side', yes, 'rpc r;'],
  ['R1 an input has nodes', no, 'rpc r { input; }'],
  [
    'R1 actions stand in containers and lists',
    yes,
    'container c { action a { input { leaf b { type string; } } } }',
  ],
  ['R1 actions do not stand at the top', no, 'action a;'],
  ['R1 actions do not stand in rpcs', no, 'rpc r { input { container c { action a; } } }'],
  ['R1 actions do not stand in lists without keys', no, 'list l { config false; action a; }'],
  [
    'R1 notifications may stand in the tree',
    yes,
    'container c { notification n { leaf b { type string; } } }',
  ],
  ['X1 conditions are XPath', no, 'leaf a { type string; must "1 +"; }'],
  ['X1 conditions use known prefixes', no, 'leaf a { type string; must "x:b"; }'],
  [
    'X1 conditions are XPath',
    yes,
    `leaf a { type string; must "count(../b) > 0 and . != 'x'"; } leaf b { type int8; }`,
  ],
  ['E1 an extension must exist', no, 't:foo bar;'],
  ['E1 an extension has an argument or not', no, 'extension e; t:e bar;'],
  ['E1 an extension may be used', yes, 'extension e { argument a; } t:e bar;'],
  [
    'S1 a current definition does not lean on a deprecated one',
    no,
    'typedef a { type string; status deprecated; } leaf l { type a; }',
  ],
  [
    'S1 a deprecated one may',
    yes,
    'typedef a { type string; status deprecated; } leaf l { type a; status deprecated; }',
  ],
  [
    'S1 a list does not lean on a deprecated key',
    no,
    'list l { key a; leaf a { type string; status deprecated; } }',
  ],
  [
    'S1 a list does not lean on a deprecated unique leaf',
    no,
    'list l { key a; unique b; leaf a { type string; } leaf b { type string; status deprecated; } }',
  ],
  [
    'S1 a leafref does not lean on a deprecated leaf',
    no,
    'leaf a { type string; status deprecated; } leaf l { type leafref { path "../a"; } }',
  ],
  [
    'S1 a worse status is not undone below',
    no,
    'container a { status obsolete; leaf b { type string; status current; } }',
  ],
]

/** Bodies of a YANG 1.0 module. */
const bodies10: readonly Row[] = [
  ['V1 1.0 knows no anydata', no, 'anydata a;'],
  ['V1 1.0 knows no actions', no, 'container c { action a; }'],
  ['V1 1.0 keeps unknown escapes', yes, 'description "a\\qb";'],
  ['V1 1.0 has no defaults of leaf-lists', no, 'leaf-list a { type string; default x; }'],
  ['V1 1.0 has one base', no, 'identity a; identity b; identity c { base a; base b; }'],
  [
    'V1 1.0 has no features in expressions',
    no,
    'feature f; feature g; leaf a { if-feature "f and g"; type string; }',
  ],
  [
    'V1 1.0 has no leafrefs in unions',
    no,
    'leaf a { type int8; } leaf l { type union { type leafref { path "../a"; } type string; } }',
  ],
  ['V1 1.0 has no empty in unions', no, 'leaf l { type union { type empty; type string; } }'],
  ['V1 1.0 has no empty keys', no, 'list l { key a; leaf a { type empty; } }'],
  [
    'V1 1.0 does not narrow enumerations',
    no,
    'typedef e { type enumeration { enum a; enum b; } } leaf l { type e { enum b; } }',
  ],
  ['V1 1.0 has no modifier', no, "leaf l { type string { pattern 'a' { modifier invert-match; } } }"],
  ['V1 1.0 has no quotes in unquoted strings either', no, 'description a"b;'],
  [
    'V1 1.0 has no features on keys',
    no,
    'feature f; list l { key a; leaf a { if-feature f; type string; } }',
  ],
  ['V1 1.0 has no names that begin with xml', no, 'leaf xmlfoo { type string; }'],
  ['V1 1.0 has no must in inputs', no, 'rpc r { input { must "true()"; leaf a { type string; } } }'],
]

const other = (body: string, header = '') =>
  `module o {\n  yang-version 1.1;\n  namespace "urn:o";\n  prefix o;\n  ${header}\n  ${body}\n}\n`

/** Several modules; the first is under test. */
const families: readonly Row[] = [
  ['K1 an import must be found', no, module11('import missing { prefix x; }')],
  [
    'K1 what is imported may be used',
    yes,
    module11('import o { prefix o; } leaf a { type o:u; }'),
    other('typedef u { type int8; }'),
  ],
  [
    'K1 what is not imported may not',
    no,
    module11('leaf a { type o:u; }'),
    other('typedef u { type int8; }'),
  ],
  ['K1 prefixes are taken once', no, module11('import o { prefix t; }'), other('')],
  [
    'K1 imports do not go in circles',
    no,
    module11('import o { prefix o; }'),
    other('', 'import t { prefix t; }'),
  ],
  [
    'K1 an import by revision gets that revision',
    no,
    module11('import o { prefix o; revision-date 2019-01-01; }'),
    other('revision 2020-01-01;'),
  ],
  [
    'K1 an import by revision gets that revision',
    yes,
    module11('import o { prefix o; revision-date 2020-01-01; }'),
    other('revision 2020-01-01;'),
  ],
  [
    'K2 submodules are part of the module',
    yes,
    module11('include s; leaf a { type u; }'),
    'submodule s { yang-version 1.1; belongs-to t { prefix t; } typedef u { type int8; } }',
  ],
  [
    'K2 submodules see the module',
    yes,
    module11('include s; typedef u { type int8; }'),
    'submodule s { yang-version 1.1; belongs-to t { prefix t; } leaf a { type u; } }',
  ],
  [
    'K2 a module includes all its submodules itself',
    no,
    module11('include s;'),
    'submodule s { yang-version 1.1; belongs-to t { prefix t; } include r; }',
    'submodule r { yang-version 1.1; belongs-to t { prefix t; } }',
  ],
  [
    'K2 a submodule belongs to its module',
    no,
    module11('include s;'),
    'submodule s { yang-version 1.1; belongs-to w { prefix w; } }',
  ],
  [
    'K2 a submodule has the version of its module',
    no,
    module11('include s;'),
    'submodule s { belongs-to t { prefix t; } }',
  ],
  [
    'K2 names are shared among submodules',
    no,
    module11('include s; leaf a { type string; }'),
    'submodule s { yang-version 1.1; belongs-to t { prefix t; } leaf a { type string; } }',
  ],
  [
    'A2 another module may be augmented',
    yes,
    module11('import o { prefix o; } augment "/o:c" { leaf a { type string; } }'),
    other('container c;'),
  ],
  [
    'A2 names of another module need their prefix',
    no,
    module11('import o { prefix o; } augment "/c" { leaf a { type string; } }'),
    other('container c;'),
  ],
  [
    'A2 the same name in another name space is another',
    yes,
    module11('import o { prefix o; } augment "/o:c" { leaf a { type string; } }'),
    other('container c { leaf a { type string; } }'),
  ],
  [
    'A2 mandatory nodes need a condition',
    no,
    module11('import o { prefix o; } augment "/o:c" { leaf a { type string; mandatory true; } }'),
    other('container c;'),
  ],
  [
    'A2 mandatory nodes need a condition',
    yes,
    module11(
      'import o { prefix o; } augment "/o:c" { when "true()"; leaf a { type string; mandatory true; } }',
    ),
    other('container c;'),
  ],
  [
    'D1 a deviation may remove',
    yes,
    module11('import o { prefix o; } deviation /o:c/o:a { deviate not-supported; }'),
    other('container c { leaf a { type string; } }'),
  ],
  [
    'D1 a deviation leads to a node',
    no,
    module11('import o { prefix o; } deviation /o:c/o:b { deviate not-supported; }'),
    other('container c { leaf a { type string; } }'),
  ],
  [
    'D1 adding wants nothing there',
    no,
    module11('import o { prefix o; } deviation /o:a { deviate add { default x; } }'),
    other('leaf a { type string; default y; }'),
  ],
  [
    'D1 replacing wants something there',
    no,
    module11('import o { prefix o; } deviation /o:a { deviate replace { default x; } }'),
    other('leaf a { type string; }'),
  ],
  [
    'D1 a replaced default fits',
    no,
    module11('import o { prefix o; } deviation /o:a { deviate replace { default x; } }'),
    other('leaf a { type int8; default 1; }'),
  ],
  [
    'D1 replacing wants something there',
    no,
    module11('import o { prefix o; } deviation /o:a { deviate replace { mandatory true; } }'),
    other('leaf a { type string; }'),
  ],
  [
    'D1 a type may be replaced',
    yes,
    module11('import o { prefix o; } deviation /o:a { deviate replace { type int8; } }'),
    other('leaf a { type string; }'),
  ],
  [
    'D1 deleting wants the same there',
    no,
    module11('import o { prefix o; } deviation /o:a { deviate delete { default x; } }'),
    other('leaf a { type string; default y; }'),
  ],
  [
    'D1 what a leafref needs may not be removed',
    no,
    module11('import o { prefix o; } deviation /o:a { deviate not-supported; }'),
    other('leaf a { type string; } leaf b { type leafref { path "/o:a"; } }'),
  ],
  [
    'L2 a leafref may lead to another module',
    yes,
    module11('import o { prefix o; } leaf l { type leafref { path "/o:a"; } }'),
    other('leaf a { type string; }'),
  ],
  [
    'I2 identities cross modules',
    yes,
    module11(
      'import o { prefix o; } identity b { base o:a; } leaf l { type identityref { base o:a; } default b; }',
    ),
    other('identity a;'),
  ],
]

function agreedText(body: string): string {
  if (body.startsWith('whole ')) return body.slice(6)
  const linked = (rest: string) => `import o { prefix o; } ${rest}`
  return body.startsWith('10 ') ? module10(linked(body.slice(3))) : module11(linked(body))
}

export const verdicts: readonly Verdict[] = [
  ...bodies11.map(([rule, valid, body, ...others]) => verdict([rule, valid, module11(body), ...others])),
  ...bodies10.map(([rule, valid, body, ...others]) => verdict([rule, valid, module10(body), ...others])),
  ...families.map(verdict),
  ...agreed.map(([valid, body]) =>
    verdict(['Z1 where both tools agree, so do we', valid, agreedText(body), helper]),
  ),
]
