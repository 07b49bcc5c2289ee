/** What the documents name is there. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { commands } from '../packages/cli/src/command-table.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const documents = [
  'README.md',
  ...readdirSync(`${root}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]
const textOf = (name: string) => readFileSync(`${root}${name}`, 'utf8')
const headingsOf = (name: string) =>
  [
    ...textOf(name)
      .replaceAll(/```[\s\S]*?```/g, '')
      .matchAll(/^#{2,3} (.+)$/gm),
  ].map(([, heading]) => heading)

/** Commands of ours within fenced code. */
function named(name: string): { readonly line: string; readonly command: string }[] {
  const fenced = [...textOf(name).matchAll(/```\w*\n([\s\S]*?)```/g)].map(([, code = '']) => code)
  return fenced
    .flatMap((code) => code.split('\n'))
    .flatMap((line) =>
      [...line.matchAll(/(?:^|[|;$#] |-- |npx )waymark ((?:-\S+ )*)([a-z][a-z-]*)/g)].map(
        ([, , command = '']) => ({
          line,
          command,
        }),
      ),
    )
}

test.each(documents)('[DO1] every command that %s names exists', (name) => {
  const known = new Set(commands.map((row) => row.name))
  expect(named(name).filter(({ command }) => !known.has(command))).toEqual([])
})

test('[DO1] the documents name commands at all', () => {
  expect(documents.flatMap(named).length).toBeGreaterThan(20)
})

test('[DO2] there is a procedure for installing, upgrading, backing up and restoring the system', () => {
  expect(headingsOf('docs/operations.md')).toEqual(
    expect.arrayContaining(['Install', 'Upgrade', 'Backup', 'Restore', 'Keys and tokens']),
  )
})

test('[DO3] every page that the README points to is there', () => {
  const pages = [...textOf('README.md').matchAll(/\]\(((?!https?:)[^)#]+)/g)].map(([, page = '']) => page)
  expect(pages.length).toBeGreaterThan(3)
  for (const page of pages) expect(() => readFileSync(`${root}${page}`)).not.toThrow()
})
