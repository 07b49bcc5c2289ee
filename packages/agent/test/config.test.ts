import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { agentSettings, type ConfigSources, parseAgentConfig } from '../src/index.ts'

const hub = { flags: { hub: 'http://127.0.0.1:8080' } }

/** The configuration, or the refusals as lines. */
function parse(sources: ConfigSources) {
  const parsed = parseAgentConfig(sources)
  return parsed.ok ? parsed : parsed.refusals.map(({ thing, wanted, got }) => `${thing} | ${wanted} | ${got}`)
}

describe('[AG50] sources', () => {
  test('flags win over the environment, the environment over the file, the file over the default', () => {
    const file = 'updater.interval=1\nrevision.retries=2\nhub=http://file:1\nlog.push=off\n'
    const env = { PH_UPDATER_INTERVAL: '20', WAYMARK_AGENT_HUB: 'http://env:2' }
    expect(parse({ file, env, flags: { hub: 'http://flag:3' } })).toMatchObject({
      config: {
        hub: 'http://flag:3',
        pollMs: 20_000,
        revisionRetries: 2,
        logPush: false,
        deviceMetaMs: 10_000,
      },
    })
    expect(parse({ file, env })).toMatchObject({ config: { hub: 'http://env:2' } })
    expect(parse({ file })).toMatchObject({ config: { hub: 'http://file:1', pollMs: 1000 } })
  })

  test('a configuration file of Pantavisor is understood, by keys and by aliases', () => {
    const long = [
      '# claimed',
      'PH_CREDS_HOST=hub.example.com',
      'PH_CREDS_PORT=12366',
      'PH_CREDS_PRN=prn:::devices:/5c0e00000000000000000001',
      'PH_CREDS_SECRET=s3cret=',
      'PH_UPDATER_TRANSFER_MAX_COUNT=3',
      'PV_UPDATER_COMMIT_DELAY=25',
      'PV_SECUREBOOT_MODE=strict',
      'PH_LIBEVENT_HTTP_RETRIES=1',
    ].join('\n')
    expect(parse({ file: long })).toMatchObject({
      config: {
        hub: 'https://hub.example.com:12366',
        identity: {
          id: '5c0e00000000000000000001',
          prn: 'prn:::devices:/5c0e00000000000000000001',
          secret: 's3cret=',
        },
        parallel: 3,
        commitDelayMs: 25_000,
      },
      signatureMode: 'strict',
      warnings: ['PH_LIBEVENT_HTTP_RETRIES: has no effect here'],
    })
    // Nothing runs from files alone, so they are kept at once unless a delay is asked for.
    expect(parse({ flags: { hub: 'http://h:1' } })).toMatchObject({
      driver: 'files',
      config: { commitDelayMs: 0 },
    })
    expect(parse({ flags: { hub: 'http://h:1', driver: 'process' } })).toMatchObject({
      driver: 'process',
      config: { commitDelayMs: 25_000 },
    })
    expect(parse({ flags: { hub: 'http://h:1', driver: 'process', commitDelay: '0' } })).toMatchObject({
      config: { commitDelayMs: 0 },
    })
    const short = 'creds.host=hub.example.com\ncreds.id=5c0e00000000000000000001\ncreds.secret=x'
    expect(parse({ file: short })).toMatchObject({
      config: {
        hub: 'https://hub.example.com',
        identity: { prn: 'prn:::devices:/5c0e00000000000000000001' },
      },
    })
  })

  test('times take units, switches take words, flags may be written either way', () => {
    expect(parse({ flags: { ...hub.flags, interval: '500ms', untilIdle: true } })).toMatchObject({
      config: { pollMs: 500, untilIdle: true },
    })
    expect(parse({ flags: { ...hub.flags, interval: 2, 'until-idle': false } })).toMatchObject({
      config: { pollMs: 2000, untilIdle: false },
    })
    expect(parse({ ...hub, env: { PH_METADATA_USRMETA_INTERVAL: '2m' } })).toMatchObject({
      config: { userMetaMs: 120_000 },
    })
  })

  test('what else lies in an environment does not matter', () => {
    expect(parse({ ...hub, env: { PATH: '/bin', PV_SOMETHING: '1', WAYMARK_HTTP: '8080' } })).toMatchObject({
      ok: true,
    })
  })

  test('every setting has a default that its own rule accepts, or none', () => {
    expect(parse(hub)).toMatchObject({
      ok: true,
      dataFolder: './agent',
      factoryFolder: undefined,
      warnings: [],
    })
    expect(new Set(agentSettings.map((each) => each.key)).size).toBe(agentSettings.length)
  })
})

describe('[AG51] refusals', () => {
  const rows: { name: string; sources: ConfigSources; says: RegExp }[] = [
    { name: 'no hub', sources: {}, says: /^hub \| an address .* \| nothing$/ },
    { name: 'a hub that is none', sources: { flags: { hub: 'ftp://x' } }, says: /^hub .* \| ftp:\/\/x$/ },
    {
      name: 'a hub with a query',
      sources: { flags: { hub: 'http://x/?a' } },
      says: /^hub /,
    },
    {
      name: 'an unknown key',
      sources: { ...hub, file: 'updater.intervall=3' },
      says: /^setting updater.intervall \| a known setting; the nearest is updater.interval \|/,
    },
    {
      name: 'an unknown flag',
      sources: { flags: { ...hub.flags, trailid: 'x' } },
      says: /nearest is trail-id/,
    },
    {
      name: 'an unknown PH_ name',
      sources: { ...hub, env: { PH_CREDS_HOSTS: 'x' } },
      says: /nearest is PH_CREDS_HOST /,
    },
    {
      name: 'a name like no other',
      sources: { ...hub, file: 'zzzzzzzz=1' },
      says: /^setting zzzzzzzz \| a known setting \|/,
    },
    {
      name: 'a time of zero',
      sources: { ...hub, file: 'updater.interval=0' },
      says: /^updater.interval \| a time/,
    },
    {
      name: 'a time in weeks',
      sources: { ...hub, file: 'PH_UPDATER_INTERVAL=1w' },
      says: /^PH_UPDATER_INTERVAL \|/,
    },
    {
      name: 'a count below zero',
      sources: { ...hub, file: 'revision.retries=-1' },
      says: /a whole number \| -1$/,
    },
    { name: 'a switch that hangs', sources: { ...hub, file: 'log.push=maybe' }, says: /on or off \| maybe$/ },
    {
      name: 'an empty value',
      sources: { ...hub, file: 'account.id=' },
      says: /^account.id \| a value \| nothing$/,
    },
    {
      name: 'a helper with a path',
      sources: { ...hub, file: 'creds.type=ext-../x' },
      says: /^creds.type \| builtin or ext-<name of a helper> \| ext-..\/x$/,
    },
    {
      name: 'a port of a proxy that is none',
      sources: { ...hub, env: { PH_CREDS_PROXY_HOST: 'p', PH_CREDS_PROXY_PORT: 'x' } },
      says: /^PH_CREDS_PROXY_PORT \| a whole number/,
    },
    { name: 'a secret alone', sources: { ...hub, file: 'creds.secret=x' }, says: /^creds \| .* \| neither/ },
    {
      name: 'an id alone',
      sources: { ...hub, file: 'creds.id=x' },
      says: /^creds \| .* \| no creds.secret$/,
    },
  ]
  for (const { name, sources, says } of rows)
    test(`${name} is refused by name`, () => {
      const said = parse(sources)
      expect(Array.isArray(said) && said.length === 1 ? said[0] : said).toMatch(says)
    })

  test('all faults come together', () => {
    expect(parse({ file: 'updater.interval=x\nlog.push=x\nnope=1' })).toHaveLength(4)
  })

  test('no text whatever makes the parser throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.string()), (file, flags) => {
        const parsed = parseAgentConfig({ file, flags, env: flags })
        return parsed.ok || parsed.refusals.length > 0
      }),
    )
  })
})
