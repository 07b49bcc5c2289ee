import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type ConfigInput, parseSettings, type Settings } from '../src/config.ts'
import { settingsHelp, settingsMarkdown, settingsText, showSettings } from '../src/config-docs.ts'
import { type Row, table } from '../src/config-table.ts'

function settings(input: Partial<ConfigInput>): Settings {
  const parsed = parseSettings({ flags: [], env: {}, ...input })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  return parsed.value
}

test('[CF11] docs/configuration.md is what the table makes (npx waymark config docs > docs/configuration.md)', () => {
  const kept = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8')
  expect(kept).toBe(settingsMarkdown())
})

test('[CF1] the help names every flag once, with its default; secrets are no flags', () => {
  const help = settingsHelp()
  for (const row of table as readonly Row[]) {
    const lines = help.split('\n').filter((line) => line.startsWith(`  --${row.name} `))
    expect(lines, row.name).toHaveLength(row.secret ? 0 : 1)
    if (row.default && row.kind !== 'switch' && !row.secret) expect(lines[0]).toContain(`[${row.default}]`)
  }
})

test('[CF2] what is shown is every setting, its value and its source', () => {
  const shown = showSettings(settings({ flags: ['--http', 'off', '--trusted-proxies', '10.0.0.0/8,::1'] }))
  expect(shown).toHaveLength(table.length)
  expect(shown.find(({ name }) => name === 'http')).toEqual({ name: 'http', value: 'off', source: 'flag' })
  expect(shown.find(({ name }) => name === 'trusted-proxies')).toMatchObject({ value: '10.0.0.0/8,::1/128' })
  expect(shown.find(({ name }) => name === 'mqtt')).toEqual({
    name: 'mqtt',
    value: '1883',
    source: 'default',
  })
})

test('[CF8] no secret and no password is shown', () => {
  const env = {
    WAYMARK_ADMIN_PASSWORD: 'geheim',
    WAYMARK_DATABASE: 'postgres://u:geheim@h/d',
    WAYMARK_SMTP: 'smtps://u:geheim@h',
  }
  const text = settingsText(settings({ env }))
  expect(text).not.toContain('geheim')
  expect(text).toMatch(/^admin-password +=\s\*\*\* {2}\(environment\)$/m)
  expect(text).toContain('postgres://u:***@h/d')
})

test('[CF10] what is shown of one configuration, given as a file, is that configuration', () => {
  const flags = [
    '--http',
    '1',
    '--body-limit',
    '2MiB',
    '--plugin',
    'a',
    '--plugin',
    'b',
    '--allow-private-targets',
  ]
  const first = settings({ flags })
  const content = Object.fromEntries(showSettings(first).map(({ name, value }) => [name, value]))
  expect(settings({ file: { name: 'f', content } }).config).toEqual(first.config)
})
