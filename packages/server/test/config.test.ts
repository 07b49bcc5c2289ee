import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type ConfigInput,
  describeRefusal,
  loadConfig,
  maskUrl,
  parseConfig,
  parseSettings,
} from '../src/config.ts'
import { kinds, readCidr } from '../src/config-kinds.ts'
import { environmentName, propertyOf, type Row, table } from '../src/config-table.ts'
import { editDistance, nearest } from '../src/nearest.ts'
import { temporaryFolder } from './support.ts'

function parsed(input: Partial<ConfigInput>) {
  const result = parseConfig({ flags: [], env: {}, ...input })
  if (!result.ok) throw new Error(result.refusal.map(describeRefusal).join('\n'))
  return result.value
}

function refusals(input: Partial<ConfigInput>): string[] {
  const result = parseConfig({ flags: [], env: {}, ...input })
  return result.ok ? [] : result.refusal.map(describeRefusal)
}

const file = (content: unknown) => ({ file: { name: 'waymark.json', content } })

test('[CF1] the outside contract: every flag of the set, its environment name and its default', () => {
  const contract = {
    data: './data',
    host: '127.0.0.1',
    http: 8080,
    https: 'off',
    'iottalk-http': 9992,
    'iottalk-v1': 'off',
    ccm: 7788,
    mqtt: 1883,
    'mqtt-ws': 1884,
    exoport: 9900,
    'exoport-http': 'off',
    'wamp-raw': 'off',
    'tls-cert': undefined,
    'tls-key': undefined,
    database: undefined,
    objects: undefined,
    bus: undefined,
    'mqtt-url': undefined,
    'public-url': undefined,
    smtp: undefined,
    plugin: [],
    'trusted-proxies': [],
    'allow-private-targets': false,
  }
  const config: Record<string, unknown> = parsed({})
  for (const [name, value] of Object.entries(contract)) {
    expect(
      table.map((row) => row.name),
      name,
    ).toContain(name)
    expect(config[propertyOf(name)], name).toEqual(value)
  }
  expect(environmentName('iottalk-http')).toBe('WAYMARK_IOTTALK_HTTP')
})

test('[CF1] every default is a value of its kind, every name is unique and spelt for a command line', () => {
  const names = table.map((row) => row.name)
  expect(new Set(names).size).toBe(names.length)
  for (const row of table as readonly Row[]) {
    expect(row.name).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
    if (row.default !== null) expect(kinds[row.kind].read(row.default, row), row.name).not.toBe(undefined)
  }
})

test('[CF2] a flag wins over the environment, the environment over the file, the file over the default', () => {
  const all = { flags: ['--http', '1'], env: { WAYMARK_HTTP: '2' }, ...file({ http: 3 }) }
  expect(parsed(all).http).toBe(1)
  expect(parsed({ ...all, flags: [] }).http).toBe(2)
  expect(parsed({ ...all, flags: [], env: {} }).http).toBe(3)
  expect(parsed({}).http).toBe(8080)
})

test('[CF2] settings tell where each value came from', () => {
  const result = parseSettings({ flags: ['--http=1'], env: { WAYMARK_MQTT: '2' }, ...file({ ccm: 'off' }) })
  expect(result).toMatchObject({
    ok: true,
    value: {
      sources: { http: 'flag', mqtt: 'environment', ccm: 'file', exoport: 'default' },
      file: 'waymark.json',
    },
  })
})

const written: { says: string; input: Partial<ConfigInput>; gives: Record<string, unknown> }[] = [
  { says: 'a value behind =', input: { flags: ['--data=/srv/w'] }, gives: { data: '/srv/w' } },
  {
    says: 'a value with = in it',
    input: { flags: ['--database=postgres://h/d?a=b'] },
    gives: { database: 'postgres://h/d?a=b' },
  },
  { says: 'off', input: { flags: ['--http', 'off'] }, gives: { http: 'off' } },
  { says: 'a number in the file', input: file({ 'max-streams': 7 }), gives: { maxStreams: 7 } },
  { says: 'false in the file as off', input: file({ mqtt: false }), gives: { mqtt: 'off' } },
  { says: 'null in the file as not set', input: file({ mqtt: null }), gives: { mqtt: 1883 } },
  { says: 'a list in the file', input: file({ plugin: ['a', 'b'] }), gives: { plugin: ['a', 'b'] } },
  {
    says: 'a flag given again, gathered',
    input: { flags: ['--plugin', 'a', '--plugin', 'b'] },
    gives: { plugin: ['a', 'b'] },
  },
  {
    says: 'a flag given again, the last one',
    input: { flags: ['--http', '1', '--http', '2'] },
    gives: { http: 2 },
  },
  {
    says: 'a switch alone',
    input: { flags: ['--allow-private-targets'] },
    gives: { allowPrivateTargets: true },
  },
  {
    says: 'a switch said no to',
    input: { flags: ['--allow-private-targets=no'] },
    gives: { allowPrivateTargets: false },
  },
  {
    says: 'a switch in the environment',
    input: { env: { WAYMARK_ALLOW_PRIVATE_TARGETS: '1' } },
    gives: { allowPrivateTargets: true },
  },
  { says: 'a size with a unit', input: { flags: ['--body-limit', '2MiB'] }, gives: { bodyLimit: 2 ** 21 } },
  {
    says: 'a public URL without its last slash',
    input: { flags: ['--public-url', 'https://h/w/'] },
    gives: { publicUrl: 'https://h/w' },
  },
  {
    says: 'ranges',
    input: { flags: ['--trusted-proxies', '10.0.0.0/8, ::1'] },
    gives: {
      trustedProxies: [
        { address: '10.0.0.0', bits: 8, family: 'ipv4' },
        { address: '::1', bits: 128, family: 'ipv6' },
      ],
    },
  },
]
for (const { says, input, gives } of written)
  test(`[CF2] is understood: ${says}`, () => expect(parsed(input)).toMatchObject(gives))

const wrong: { rule: string; input: Partial<ConfigInput>; says: string[] }[] = [
  { rule: 'CF3', input: { flags: ['--htpp', '80'] }, says: ['--htpp: unknown flag (did you mean --http?)'] },
  {
    rule: 'CF3',
    input: { flags: ['--exoprot=1'] },
    says: ['--exoprot: unknown flag (did you mean --exoport?)'],
  },
  { rule: 'CF3', input: { flags: ['--frobnicate'] }, says: ['--frobnicate: unknown flag'] },
  {
    rule: 'CF3',
    input: { env: { WAYMARK_MQQT: '1' } },
    says: ['WAYMARK_MQQT: unknown environment variable (did you mean WAYMARK_MQTT?)'],
  },
  {
    rule: 'CF3',
    input: file({ databse: 'x' }),
    says: ['databse in waymark.json: unknown key (did you mean database?)'],
  },
  {
    rule: 'CF4',
    input: { flags: ['--http', '70000'] },
    says: ['--http: wanted a port (0 picks a free one) or off, got 70000'],
  },
  {
    rule: 'CF4',
    input: { env: { WAYMARK_HTTP: '80a' } },
    says: ['WAYMARK_HTTP: wanted a port (0 picks a free one) or off, got 80a'],
  },
  {
    rule: 'CF4',
    input: file({ http: [80] }),
    says: ['http in waymark.json: wanted a port (0 picks a free one) or off, got an array'],
  },
  { rule: 'CF4', input: file([]), says: ['waymark.json: wanted a JSON object, got an array'] },
  {
    rule: 'CF4',
    input: { flags: ['--http'] },
    says: ['--http: wanted a port (0 picks a free one) or off, got nothing'],
  },
  { rule: 'CF4', input: { flags: ['--data', '--http', '1'] }, says: ['--data: wanted a path, got nothing'] },
  { rule: 'CF4', input: { flags: ['extra'] }, says: ['extra: unexpected argument'] },
  {
    rule: 'CF4',
    input: { flags: ['--trusted-proxies', '10.0.0.0/33'] },
    says: [
      '--trusted-proxies: wanted addresses or ranges separated by commas, such as 10.0.0.0/8,::1, got 10.0.0.0/33',
    ],
  },
  {
    rule: 'CF4',
    input: { flags: ['--log-level', 'loud'] },
    says: ['--log-level: wanted one of debug, info, warn, error, silent, got loud'],
  },
  {
    rule: 'CF10',
    input: { flags: ['--database', 'mysql://u:geheim@h/d'] },
    says: [
      '--database: wanted a URL beginning with postgres: or postgresql: or sqlite: or memory:, got mysql://u:***@h/d',
    ],
  },
  {
    rule: 'CF6',
    input: { flags: ['--mqtt', '8080'] },
    says: ['mqtt: wanted another port than that of http, got 8080'],
  },
  {
    rule: 'CF7',
    input: { flags: ['--https', '8443'] },
    says: ['https: wanted tls-cert with it, got none', 'https: wanted tls-key with it, got none'],
  },
  {
    rule: 'CF8',
    input: { flags: ['--admin-password', 'x'] },
    says: ['--admin-password: secrets are not taken from the command line; set WAYMARK_ADMIN_PASSWORD'],
  },
  {
    rule: 'CF4',
    input: { flags: ['--token-refresh', '5'] },
    says: ['token-refresh: wanted at least token-life (60), got 5'],
  },
]
for (const { rule, input, says } of wrong)
  test(`[${rule}] ${says[0]}`, () => expect(refusals(input)).toEqual(says))

test('[CF5] everything wrong is told at once', () => {
  expect(
    refusals({ flags: ['--htpp', '1', '--mqtt', 'x'], env: { WAYMARK_CMM: '1' }, ...file({ hots: 1 }) }),
  ).toHaveLength(4)
})

test('[CF6] several listeners may ask for a free port, or be off', () => {
  expect(parsed({ flags: ['--http', '0', '--mqtt', '0', '--ccm', 'off'] })).toMatchObject({
    http: 0,
    mqtt: 0,
    ccm: 'off',
  })
})

test('[CF8] the admin password comes from the environment, and a wrong secret is not shown', () => {
  expect(parsed({ env: { WAYMARK_ADMIN_PASSWORD: 'x' } }).adminPassword).toBe('x')
})

test('[CF3] names of our other programs in the same environment are left to them', () => {
  const env = {
    WAYMARK_AGENT_HUB: 'x',
    WAYMARK_TOKEN: 'x',
    WAYMARK_SERVER: 'x',
    WAYMARK_DEBUG: '1',
    OTHER: 'x',
  }
  expect(refusals({ env })).toEqual([])
})

test('[CF9] an empty environment variable counts as not set', () => {
  expect(parsed({ env: { WAYMARK_HTTP: '', WAYMARK_DATABASE: '' } })).toMatchObject({
    http: 8080,
    database: undefined,
  })
})

const masked = [
  ['postgres://u:secret@h:5/d', 'postgres://u:***@h:5/d'],
  ['postgres://u@h/d', 'postgres://u@h/d'],
  ['https://h/x?secretKey=abc&a=1', 'https://h/x?secretKey=***&a=1'],
  ['plain text', 'plain text'],
]
for (const [url = '', shown] of masked)
  test(`[CF10] ${url} is shown as ${shown}`, () => expect(maskUrl(url)).toBe(shown))

test('[CF2] the file named by --config or WAYMARK_CONFIG is read; the flag wins', () => {
  const folder = temporaryFolder()
  const [one, two] = [join(folder, 'one.json'), join(folder, 'two.json')]
  writeFileSync(one, '{"http": 1}')
  writeFileSync(two, '{"http": 2}')
  expect(loadConfig(['--config', one], { WAYMARK_CONFIG: two })).toMatchObject({
    ok: true,
    value: { config: { http: 1 } },
  })
  expect(loadConfig([], { WAYMARK_CONFIG: two })).toMatchObject({
    ok: true,
    value: { config: { http: 2 }, file: two },
  })
})

const badFiles = [
  { says: 'a file that is not there', content: undefined },
  { says: 'a file that is not JSON', content: '{"http": ' },
  { says: 'a file that is too large', content: `{"data": "${'x'.repeat(2 ** 20)}"}` },
]
for (const { says, content } of badFiles)
  test(`[CF4] ${says} is one refusal that names it`, () => {
    const path = join(temporaryFolder(), 'waymark.json')
    if (content !== undefined) writeFileSync(path, content)
    expect(loadConfig(['--config', path], {})).toMatchObject({
      ok: false,
      refusal: [{ kind: 'unreadable-file', thing: path }],
    })
  })

test('[CF4] --config without a path is refused', () => {
  expect(loadConfig(['--config'], {})).toMatchObject({
    ok: false,
    refusal: [{ kind: 'missing-value', thing: '--config' }],
  })
})

test('[CF4] no command line, environment or file makes the parser throw', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(...table.map((row) => `--${row.name}`)),
    fc.constantFrom('--', '-', '=', '--='),
  )
  const values = fc.dictionary(
    fc.constantFrom(...table.map((row) => row.name), '__proto__', 'x'),
    fc.jsonValue(),
  )
  fc.assert(
    fc.property(fc.array(word), values, (flags, content) => {
      const env = Object.fromEntries(
        Object.entries(content).map(([key, value]) => [`WAYMARK_${key}`, JSON.stringify(value)]),
      )
      const result = parseConfig({ flags, env, ...file(content) })
      if (!result.ok) for (const refusal of result.refusal) expect(describeRefusal(refusal)).toMatch(/\S/)
    }),
  )
})

const near = [
  ['htpp', 'http'],
  ['HTTP', 'http'],
  ['databse', 'database'],
  ['data-base', 'database'],
  ['exprot', 'exoport'],
  ['zzz', undefined],
  ['x'.repeat(1000), undefined],
] as const
for (const [from, to] of near)
  test(`[CF3] nearest to ${from.slice(0, 20)} is ${to}`, () =>
    expect(nearest(from, ['data', 'database', 'http', 'https', 'exoport'])).toBe(to))

test('[CF3] the distance is zero only between equals, the same both ways, and at most the longer length', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b)
      expect(distance === 0).toBe(a === b)
      expect(editDistance(b, a)).toBe(distance)
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length))
    }),
  )
  expect(editDistance('ab', 'ba')).toBe(1)
  expect(editDistance('kitten', 'sitting')).toBe(3)
})

const cidrs = [
  ['10.0.0.0/8', { address: '10.0.0.0', bits: 8, family: 'ipv4' }],
  ['fd00::/8', { address: 'fd00::', bits: 8, family: 'ipv6' }],
  ['::1', { address: '::1', bits: 128, family: 'ipv6' }],
  ['fe80::1%eth0', undefined],
  ['10.0.0.0/8/8', undefined],
  ['10.0.0/8', undefined],
  ['localhost', undefined],
  ['1.2.3.4/', undefined],
] as const
for (const [text, cidr] of cidrs)
  test(`[CF4] ${text} is ${cidr ? 'a' : 'no'} range`, () => expect(readCidr(text)).toEqual(cidr))
