import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const source = new URL('../src/', import.meta.url)
const files = readdirSync(source).map((name) => ({ name, text: readFileSync(new URL(name, source), 'utf8') }))

test('[PK1] nothing is imported but neighbours and node:crypto', () => {
  const imports = files.flatMap(({ text }) =>
    [...text.matchAll(/from '([^']+)'/g)].map(([, from]) => from ?? ''),
  )
  expect(imports.length).toBeGreaterThan(20)
  expect(imports.filter((from) => !from.startsWith('./') && from !== 'node:crypto')).toEqual([])
})

test('[PK1] no clock is read, no dice are rolled, nothing is kept in variables of a module', () => {
  const forbidden =
    /Date\.now|new Date|Math\.random|randomBytes|randomUUID|setTimeout|process\.|console\.|^(?:let|var) /m
  expect(files.filter(({ text }) => forbidden.test(text)).map(({ name }) => name)).toEqual([])
})
