import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { compile, createValidator } from '../src/index.ts'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

/** Bytes that what `make` gives still holds after a collection, other things of the process aside. */
function kept(make: () => unknown): number {
  if (typeof collect !== 'function') throw new Error('the runtime collects on request')
  collect()
  const before = process.memoryUsage().heapUsed
  const held = make()
  collect()
  const bytes = process.memoryUsage().heapUsed - before
  expect(held).toBeDefined()
  return bytes
}

const many = (count: number, each: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => each(at)).join(' ')

describe('[ID89] a document keeps at most 90 times its text', () => {
  const schema = compile([
    {
      file: 'm.yang',
      text: `module m { yang-version 1.1; namespace "urn:m"; prefix m; container c { config false;
        list plain { leaf a { type string; } }
        list narrow { ${many(16, (at) => `leaf l${at} { type string; }`)} }
        list wide { ${many(2000, (at) => `leaf l${at} { type string; }`)} }
        leaf-list numbers { type uint8; } } }`,
    },
  ])
  if (!schema.ok) throw new Error('the schema does not compile')
  const validator = createValidator(schema.schema)
  const rows: [what: string, list: string, entry: string][] = [
    ['empty entries', 'plain', '{}'],
    ['empty entries of a list of sixteen', 'narrow', '{}'],
    ['empty entries of a list of two thousand', 'wide', '{}'],
    ['the last member of two thousand', 'wide', '{"l1999":""}'],
    ['a few members of two thousand', 'wide', '{"l7":"","l700":"","l1900":""}'],
    ['numbers of one digit', 'numbers', '1'],
  ]
  for (const [what, list, entry] of rows)
    test(what, () => {
      const text = `{"m:c":{"${list}":[${Array(20_000).fill(entry).join(',')}]}}`
      const bytes = kept(() => {
        const verdict = validator.validateText(text)
        return verdict.ok ? verdict.document : undefined
      })
      expect(bytes / text.length).toBeLessThan(90)
    })
})

describe('[H4] a compiled module keeps at most 150 times its text', () => {
  const rows: [what: string, body: string][] = [
    ['leafs', many(8000, (at) => `leaf a${at} { type string; }`)],
    ['empty containers', many(8000, (at) => `container a${at};`)],
    ['rpcs', many(8000, (at) => `rpc r${at};`)],
    [
      'a grouping used everywhere',
      `grouping g { ${many(300, (at) => `leaf l${at} { type string; }`)} } ${many(60, (at) => `container c${at} { uses g; }`)} ${many(8000, (at) => `leaf a${at} { type string; }`)}`,
    ],
  ]
  for (const [what, body] of rows)
    test(what, () => {
      const text = `module m { namespace "urn:m"; prefix m; ${body} }`
      const bytes = kept(() => {
        const compiled = compile([{ file: 'm.yang', text }])
        return compiled.ok ? compiled.schema : undefined
      })
      expect(bytes / text.length).toBeLessThan(150)
    })
})
