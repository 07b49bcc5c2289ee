/**
 * The table of settings, told: as the help of `waymark up`, as what `waymark config print` shows, and as
 * docs/configuration.md. Nothing here knows a setting by name.
 */

import { maskUrl, type Settings, type Source } from './config.ts'
import type { Cidr } from './config-kinds.ts'
import { environmentName, type Group, groups, propertyOf, type Row, table } from './config-table.ts'

const rows: readonly Row[] = table

/** A setting with its value as text: secrets as `***`, passwords in URLs cut out, nothing for what is not set. */
export interface ShownSetting {
  readonly name: string
  readonly value: string | null
  readonly source: Source
}

/** Every setting with its value and where it came from, in the table's order. */
export function showSettings({ config, sources }: Settings): ShownSetting[] {
  const values: Readonly<Record<string, unknown>> = config
  return table.map((row: Row, index) => {
    const value = values[propertyOf(row.name)]
    const text = value === undefined ? null : row.secret ? '***' : maskUrl(textOf(value))
    return { name: row.name, value: text, source: sources[table[index]?.name ?? 'data'] }
  })
}

/** `name = value  (source)`, one per line, aligned. */
export function settingsText(settings: Settings): string {
  const shown = showSettings(settings)
  const width = Math.max(...shown.map(({ name }) => name.length))
  return shown
    .map(({ name, value, source }) => `${name.padEnd(width)} = ${value ?? '(not set)'}  (${source})`)
    .join('\n')
}

/** The flags of `waymark up` as help, grouped. */
export function settingsHelp(): string {
  const flags = rows.filter((row) => !row.secret)
  const shown = new Map(flags.map((row) => [row.name, `--${row.name}${row.shows ? ` ${row.shows}` : ''}`]))
  const width = Math.max(...Array.from(shown.values(), (text) => text.length))
  const line = (row: Row) => `  ${(shown.get(row.name) ?? '').padEnd(width)}  ${row.help}${defaultNote(row)}`
  const sections = eachGroup().map(
    ([group, title]) =>
      `${title}:\n${flags
        .filter((row) => row.group === group)
        .map(line)
        .join('\n')}`,
  )
  const config = `  ${'--config FILE'.padEnd(width)}  read settings from a JSON file; flags and environment win over it`
  return `${sections.join('\n\n')}\n\nOther:\n${config}`
}

/** The whole of docs/configuration.md. */
export function settingsMarkdown(): string {
  const sections = eachGroup().map(([group, title]) => {
    const listed = rows.filter((row) => row.group === group)
    return `## ${title}\n\n| setting | value | default | what it does |\n| --- | --- | --- | --- |\n${listed.map(markdownRow).join('\n')}\n`
  })
  return `${markdownHead}\n${sections.join('\n')}`
}

const markdownHead = `# Configuration

<!-- Made from the table in packages/server/src/config-table.ts: npx waymark config docs > docs/configuration.md -->

A setting \`some-name\` is the flag \`--some-name\` of \`waymark up\`, the environment variable \`WAYMARK_SOME_NAME\`
and the key \`some-name\` of the JSON file that \`--config FILE\` (or \`WAYMARK_CONFIG\`) names. A flag wins over the
environment, the environment over the file, the file over the default; an empty variable counts as not set. Names
that are not in these tables are refused, with the nearest one that is. Secrets are not taken as flags.

A port of 0 picks a free one, \`off\` disables the listener. \`waymark config print\` shows every setting with its
value and where it came from; \`waymark config check\` tells what is wrong without starting anything.
`

function markdownRow(row: Row): string {
  const value = row.kind === 'switch' ? '`true` or `false`' : code(row.shows)
  const setting = row.secret ? code(environmentName(row.name)) : code(row.name)
  const help = row.listener && row.kind !== 'port' ? `${row.help} (listener \`${row.listener}\`)` : row.help
  return `| ${setting} | ${value} | ${row.default ? code(row.default) : ''} | ${help.replaceAll('|', '\\|')} |`
}

function code(text: string): string {
  return `\`${text}\``
}

function defaultNote(row: Row): string {
  return row.default && row.kind !== 'switch' ? ` [${row.default}]` : ''
}

function eachGroup(): [Group, string][] {
  return (Object.keys(groups) as Group[]).map((group) => [group, groups[group]])
}

function textOf(value: unknown): string {
  if (!Array.isArray(value)) return String(value)
  return value
    .map((part: string | Cidr) => (typeof part === 'string' ? part : `${part.address}/${part.bits}`))
    .join(',')
}
