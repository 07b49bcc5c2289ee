import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { compile, createValidator, defaultLimits, printTree } from '../src/index.ts'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

test('[W1] the first example of the README does what it says', () => {
  const text = /const text = `(.*?)`/s.exec(readme)?.[1] ?? ''
  const compiled = compile([{ file: 'lamp.yang', text }])
  const lamp = compiled.ok ? compiled.schema.modules.get('lamp') : undefined
  if (!compiled.ok || !lamp) throw new Error('the example does not compile')
  const shown = readme
    .split('\n')
    .filter((line) => line.startsWith('// ') && !line.startsWith('// →'))
    .map((line) => `${line.slice(3)}\n`)
  expect(printTree(compiled.schema, lamp)).toBe(shown.join(''))
  const document = /validateText\('(.*?)'\)/.exec(readme)?.[1] ?? ''
  const verdict = createValidator(compiled.schema).validateText(document)
  expect(verdict.ok ? [] : verdict.faults.map(({ path }) => path)).toEqual(['/lamp:lamp/level'])
})

test('[H1] the README states every limit and its default', () => {
  for (const [name, value] of Object.entries(defaultLimits)) {
    expect(readme).toContain(`\`${name}\``)
    const shown =
      name === 'maxTextBytes' ? '8 MiB' : String(value).replace(/\B(?=(\d{3})+$)/, value >= 10_000 ? ' ' : '')
    expect(readme, name).toContain(shown)
  }
})
