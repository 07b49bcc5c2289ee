/** Rules: RULES.md of packages/plugin. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { master, openBack } from '../../exosense/support.ts'
import { temporaryFolder } from '../../support.ts'

const source = readFileSync(
  fileURLToPath(new URL('../../../../plugin/test/plugins/modules.js', import.meta.url)),
  'utf8',
)

/** A package of its own, whose modules are this set. */
function withModules(set: string): string {
  const folder = join(temporaryFolder(), set)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'index.js'), source.replace("'SET'", `'${set}'`))
  return join(folder, 'index.js')
}
const start = (set: string) => openBack({ flags: ['--plugin', withModules(set)] })

describe('YANG modules that come with a plugin', () => {
  test('[PL21] every account reads them, types name them, and attributes are judged by them', async () => {
    const back = await start('good')
    for (const account of ['acme', 'beta']) {
      const admin = await back.account(account)
      const must = async (method: string, params = {}) =>
        expect(await back.ask(admin, `exodm:${method}`, params)).toMatchObject({ result: 'ok' })
      const found = await back.ask(admin, 'exodm:lookup-yang-module', {
        repository: 'system',
        name: 'station_attributes.yang',
      })
      expect(found).toMatchObject({
        result: 'ok',
        'yang-modules': [expect.stringMatching(/container attributes/)],
      })
      await must('create-device-type', {
        name: 'station',
        protocol: 'modules_v1',
        'yang-specification': 'station_attributes.yang',
        'attribute-container': 'attributes',
      })
      await must('create-device', {
        'device-id': 'd1',
        'device-type': 'station',
        attributes: { place: 'roof' },
      })
      expect(await back.ask(admin, 'exodm:lookup-device', { 'device-id': 'd1' })).toMatchObject({
        devices: [{ attributes: { place: 'roof', height: 5 } }],
      })
      expect(
        await back.ask(admin, 'exodm:create-device', {
          'device-id': 'd2',
          'device-type': 'station',
          attributes: { place: 'x'.repeat(21) },
        }),
      ).toMatchObject({ result: 'validation-failed' })
    }
  })

  test('[PL21] nobody changes them: not an account, not the master', async () => {
    const back = await start('good')
    const admin = await back.account('acme')
    const text = 'module station_types { namespace "urn:mine"; prefix m; }'
    const upload = { name: 'station_types.yang', 'yang-module': text }
    expect(
      await back.ask(admin, 'exodm:create-yang-module', { ...upload, repository: 'user' }),
    ).toMatchObject({
      result: 'object-exists',
    })
    expect(
      await back.ask(master, 'exodm:create-yang-module', { ...upload, repository: 'system' }),
    ).toMatchObject({
      result: 'object-exists',
    })
    expect(
      await back.ask(master, 'exodm:delete-yang-module', {
        name: 'station_types.yang',
        repository: 'system',
      }),
    ).toMatchObject({ result: 'permission-denied' })
  })

  const refused: [string, RegExp][] = [
    ['broken', /^plugin modules: module station_attributes: line 2, column \d+: found/],
    ['syntax', /^plugin modules: module station_attributes: line 2, column \d+: found/],
    ['cycle', /^plugin modules: module a: line 1, column \d+: found/],
    ['groups', /^plugin modules: module a: line 1, column \d+: found/],
    ['renamed', /^plugin modules: module station_attributes: wanted module station_attributes, got other$/],
    ['system', /^plugin modules: module exodm: wanted a name of its own/],
    ['twice', /^plugin modules: module a: wanted a name of its own/],
    ['missing', /^plugin modules: module a: line 1, column \d+: found/],
    ['large', /^plugin modules: module a: longer than 1000000 bytes$/],
    ['name', /wanted a name and protocols, got something else/],
    ['many', /wanted a name and protocols, got something else/],
  ]
  for (const [set, says] of refused)
    test(`[PL21] a server does not start with modules that are wrong (${set})`, async () => {
      const failure = await start(set).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(Error)
      expect((failure as Error).message).toMatch(says)
      expect((failure as Error).message).not.toContain('\n')
    })

  test('[PL21] a module of a name that was uploaded to the system before is refused at the next start', async () => {
    const { createSchemaRoom } = await import('../../../src/schemas/schema-room.ts')
    const back = await openBack()
    const text = 'module early { namespace "urn:e"; prefix e; }'
    const upload = { name: 'early.yang', 'yang-module': text, repository: 'system' }
    expect(await back.ask(master, 'exodm:create-yang-module', upload)).toMatchObject({ result: 'ok' })
    const room = createSchemaRoom({ store: back.test.house.store })
    expect(await room.takeUp([{ name: 'early', source: text }])).toMatchObject({
      ok: false,
      refusal: { module: 'early', why: expect.stringContaining('uploaded') },
    })
    expect(room.shipped.some(({ name }) => name === 'early')).toBe(false)
  })
})
