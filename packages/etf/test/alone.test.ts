import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { main } from '../interop.ts'

const source = join(import.meta.dirname, '../src')

test('[ET60] the package stands alone: it imports its own files and Node’s, nothing else', () => {
  for (const file of readdirSync(source)) {
    const text = readFileSync(join(source, file), 'utf8')
    const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name)
    for (const name of imported) expect(name).toMatch(/^(\.\/|node:(buffer|zlib)$)/)
  }
})

test('[ET61] where Erlang is missing, talking to it is skipped by name', async () => {
  const report = await main({ erl: '/nonexistent/erl' })
  expect(report).toEqual({ passed: [], failed: [], skipped: [expect.stringContaining('Erlang')] })
})
