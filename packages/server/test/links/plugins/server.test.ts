import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openBack } from '../../exosense/support.ts'
import { until } from '../../support.ts'

const at = (name: string) =>
  fileURLToPath(new URL(`../../../../plugin/test/plugins/${name}`, import.meta.url))

test('[PL9] a server started with a plugin knows its protocol, as a device type names it', async () => {
  const back = await openBack({ flags: ['--plugin', at('lines.ts')] })
  const admin = await back.account('acme')
  const make = (name: string, protocol: string) =>
    back.ask(admin, 'exodm:create-device-type', { name, protocol })
  expect(await make('weather', 'lines_v1')).toMatchObject({ result: 'ok' })
  expect(await make('other', 'nobodys_v1')).toMatchObject({ result: 'validation-failed' })
})

for (const [plugin, says] of [
  ['newer.js', /wanted apiVersion 1, got 2/],
  ['throws.js', /does not load: no such luck/],
  ['nowhere.js', /Cannot find module/],
] as const)
  test(`[PL9] a server does not start with ${plugin}: ${says.source}`, async () => {
    await expect(openBack({ flags: ['--plugin', at(plugin)] })).rejects.toThrow(says)
  })

test('[PL15] what a plugin prints stands in the log with its name, stdout as info and stderr as a warning', async () => {
  const back = await openBack({ flags: ['--log-level', 'info', '--plugin', at('speaks.js')] })
  const said = () =>
    back.test
      .logged()
      .split('\n')
      .filter((line) => line.includes('"plugin":"speaks"'))
      .map((line) => JSON.parse(line))
  await until(() => said().length >= 2)
  expect(said()).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ level: 'info', msg: 'good morning' }),
      expect.objectContaining({ level: 'warn', msg: 'a cloud; password=[redacted]' }),
    ]),
  )
})
