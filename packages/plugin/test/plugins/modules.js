// Its modules are the set that is written in below.
const module = (name, body) => ({
  name,
  source: `module ${name} { namespace "urn:${name}"; prefix p; ${body} }`,
})
const set = 'SET'
const sets = {
  good: [
    module('station_types', 'typedef place { type string { length "1..20"; } }'),
    module(
      'station_attributes',
      'import station_types { prefix t; } container attributes { leaf place { type t:place; } leaf height { type int16; default 5; } }',
    ),
  ],
  broken: [module('station_attributes', '\n leaf place { type nothing; }')],
  syntax: [{ name: 'station_attributes', source: 'module station_attributes {\n  leaf }' }],
  cycle: [module('a', 'import b { prefix b; }'), module('b', 'import a { prefix a; }')],
  groups: [module('a', 'grouping g { uses h; } grouping h { uses g; } container c { uses g; }')],
  renamed: [{ ...module('other', ''), name: 'station_attributes' }],
  system: [module('exodm', '')],
  twice: [module('a', ''), module('a', '')],
  missing: [module('a', 'import nowhere { prefix n; }')],
  large: [module('a', ' '.repeat(1_000_001))],
  name: [{ name: '../../etc/passwd', source: '' }],
  many: Array.from({ length: 33 }, (_, each) => module(`m${each}`, '')),
}

export default {
  apiVersion: 1,
  name: 'modules',
  protocols: [{ name: 'modules_v1', delivery: 'queued' }],
  modules: sets[set],
  open: async () => ({ close: async () => {} }),
}
