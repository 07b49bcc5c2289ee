import { describe, expect, test } from 'vitest'
import { compile } from '../src/index.ts'

const texts: Record<string, string> = {
  exosense:
    'module exosense { namespace "http://example.com/exo"; prefix exo; extension semantics { argument kind; } }',
  types:
    'module types { namespace "urn:types"; prefix y; typedef result-code { type enumeration { enum ok; } } }',
  door: 'module door { namespace "urn:door"; prefix d; import types { prefix y; } leaf last { type y:result-code; } }',
}

function judge(body: string, lenient: boolean, version = '1') {
  const text = `module t {\n  yang-version ${version};\n  namespace "urn:t";\n  prefix t;\n  ${body}\n}`
  const resolve = ({ name }: { name: string }) => {
    const found = texts[name]
    return found === undefined ? undefined : { file: `${name}.yang`, text: found }
  }
  return compile([{ file: 't.yang', text }], resolve, { lenient })
}

describe('lenient mode', () => {
  const tolerated = [
    ['mandatory in a leaf-list', 'leaf-list a { type string; mandatory true; }', '1'],
    [
      'a description in an input',
      'rpc r { input { description "what goes in"; leaf a { type string; } } }',
      '1',
    ],
    [
      'a description in an output',
      'rpc r { output { description "what comes out"; leaf a { type string; } } }',
      '1',
    ],
    ['an unknown escape in 1.1', String.raw`description "a\ b";`, '1.1'],
    ['a quote inside an unquoted string in 1.1', `leaf a { type string; default it's; }`, '1.1'],
    [
      "a type reached through another module's import",
      'import door { prefix d; } leaf a { type d:result-code; }',
      '1',
    ],
    ['an extension that does not exist', 'import exosense { prefix exo; } rpc r { exo:audience all; }', '1'],
  ] as const
  for (const [what, body, version] of tolerated)
    test(`[E2] ${what} is let pass with a warning, and refused when strict`, () => {
      const strict = judge(body, false, version)
      expect(strict.ok).toBe(false)
      const lenient = judge(body, true, version)
      expect(lenient.problems.map(({ severity, code }) => [severity, code])).toEqual([['warning', 'lenient']])
      expect(lenient.ok && lenient.schema.warnings).toEqual(lenient.problems)
    })

  test('[E2] what was let pass is ignored', () => {
    const compiled = judge('leaf-list a { type string; mandatory true; }', true)
    expect(compiled.ok && compiled.schema.modules.get('t')?.children).toMatchObject([
      { kind: 'leaf-list', minElements: 0 },
    ])
  })

  const lawful = [
    ['unknown escapes in 1.0', String.raw`leaf a { type string { pattern "\d+"; } }`],
    ['keyed lists without key in an rpc', 'rpc r { input { list l { leaf a { type string; } } } }'],
    ['a module without revision, under another file name', ''],
  ] as const
  for (const [what, body] of lawful)
    test(`[E2] ${what} are lawful anyway`, () => expect(judge(body, false).ok).toBe(true))

  const refused = [
    ['two nodes of one name', 'leaf a { type string; } leaf a { type int8; }'],
    ['fraction-digits on a string', 'leaf a { type string { fraction-digits 2; } }'],
    ['mandatory in a container', 'container a { mandatory true; }'],
    ['a type that no import leads to', 'import door { prefix d; } leaf a { type d:nowhere; }'],
    ['a missing semicolon', 'leaf a { type string }'],
  ] as const
  for (const [what, body] of refused)
    test(`[E3] ${what} is refused even so`, () => expect(judge(body, true).ok).toBe(false))
})
