/** The kit judges the example right, and each broken plugin by the rule it breaks. Rules: RULES.md. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { rules, testPlugin, type Verdict } from '../src/kit/index.ts'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const failures = (verdicts: readonly Verdict[]) => verdicts.filter(({ result }) => result === 'failed')

describe('the kit', () => {
  test('[KT1] to [KT19] the example of weather stations keeps every rule', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'waymark-kit-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    cpSync(fileURLToPath(new URL('../../../examples/weather', import.meta.url)), folder, { recursive: true })
    writeFileSync(
      join(folder, 'settings.json'),
      JSON.stringify({ host: '127.0.0.1', port: await freePort() }),
    )
    const told: string[] = []
    const report = await testPlugin(join(folder, 'index.js'), join(folder, 'trial.js'), {
      told: ({ rule }) => told.push(rule),
    })
    expect(failures(report.verdicts)).toEqual([])
    const untried = report.verdicts.filter(({ result }) => result === 'untried')
    expect(untried).toEqual([expect.objectContaining({ rule: 'KT16', why: 'the plugin answers no HTTP' })])
    expect([report.ok, report.plugin]).toEqual([true, 'weather-proto-v1'])
    expect(told).toEqual(rules.map(({ id }) => id))
  })

  test('its rules are those of RULES.md', () => {
    const written = readFileSync(new URL('../RULES.md', import.meta.url), 'utf8')
    const listed = [...written.matchAll(/^\* \*\*(KT\d+)\*\* (.*)$/gm)].map(([, id, says]) => ({ id, says }))
    expect(listed).toEqual(rules.map(({ id, says }) => ({ id, says })))
  })
})
