/**
 * Simulated stations judged as devices: the example's plugin keeps its rules with them, of which cuts in mid-image and checksums that
 * are wrong once or always are the station's side as well. Rules: ../RULES.md.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { testPlugin } from '@waymark/plugin/kit'
import { expect, onTestFinished, test } from 'vitest'

test('[SM9] the example’s plugin keeps every rule of the kit with simulated stations, over cuts and wrong checksums', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-stations-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(fileURLToPath(new URL('../../../examples/weather', import.meta.url)), folder, { recursive: true })
  const port = await freePort()
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ host: '127.0.0.1', port }))
  const trial = new URL('./weather-trial.ts', import.meta.url)
  trial.searchParams.set('port', String(port))
  const { verdicts } = await testPlugin(join(folder, 'index.js'), trial.href)
  expect(verdicts.filter(({ result }) => result === 'failed')).toEqual([])
  const kept = verdicts.filter(({ result }) => result === 'ok').map(({ rule }) => rule)
  expect(kept).toEqual(expect.arrayContaining(['KT4', 'KT5', 'KT6', 'KT7', 'KT8', 'KT9', 'KT10', 'KT14']))
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
