import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { table } from '../src/config-table.ts'
import { openTestHouse } from './house.ts'

const file = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

test('[OP1] the dashboard and the page of operations name figures that the server tells', async () => {
  const at = await openTestHouse([])
  const { body } = await at.house.metrics.text().finally(() => at.close())
  const told = new Set(
    [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
  const dashboard = JSON.parse(file('packaging/grafana-dashboard.json')) as {
    panels: { targets: { expr: string }[] }[]
  }
  const asked = [
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...file('docs/operations.md')
      .split('\n')
      .filter((line) => line.startsWith('| `')),
  ].flatMap((text) => text.match(/\b(waymark|process|nodejs)_[a-z0-9_]+/g) ?? [])
  expect(asked.length).toBeGreaterThan(12)
  expect(asked.filter((name) => !told.has(name))).toEqual([])
})

describe('settings', () => {
  test('[OP1] the installed settings are settings, and the unit starts with them', () => {
    const names = new Set<string>(table.map(({ name }) => name))
    const settings = Object.keys(JSON.parse(file('packaging/waymark.json')) as object)
    expect(settings.filter((name) => !names.has(name))).toEqual([])
    const unit = file('packaging/waymark.service')
    expect(unit).toMatch(/^ExecStart=.* up --config \/etc\/waymark\/waymark\.json$/m)
    // systemd waits longer than the longest drain that can be set.
    const longest = table.reduce(
      (sum, row) => (row.name.startsWith('drain-') && 'max' in row ? sum + row.max : sum),
      0,
    )
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(longest)
  })

  test('[OP1] the settings that the pages name are there', () => {
    const names = new Set<string>(table.map(({ name }) => name))
    const pages = ['docs/operations.md', 'docs/coming-from-pantahub.md'].map(file).join('\n')
    const named = [...pages.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(([, name = '']) => name)
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !names.has(name) && name !== 'user-meta')).toEqual([])
    for (const [, name = ''] of pages.matchAll(/\bWAYMARK_([A-Z_]+)/g))
      expect(names.has(name.toLowerCase().replaceAll('_', '-')) ? name : undefined).toBe(name)
  })
})

test('[OP2] systemd takes the unit as it is, with the programs it names in their place', (context) => {
  if (spawnSync('systemd-analyze', ['--version']).error)
    return context.skip('systemd-analyze is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'waymark-unit-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const unit = join(folder, 'waymark.service')
  writeFileSync(
    unit,
    file('packaging/waymark.service').replaceAll('/opt/waymark/node_modules/.bin/node', process.execPath),
  )
  const said = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' })
  expect([said.status, said.stderr]).toEqual([0, ''])
})
