import { describe, expect, test } from 'vitest'
import { compile, formatProblem, type ModuleText } from '../src/index.ts'
import { verdicts } from './verdicts.ts'

describe('every module of the pinned list gets the verdict it deserves', () => {
  for (const { rule, valid, modules } of verdicts) {
    const [first, ...others] = modules
    const name = first?.text.replace(/\s+/g, ' ').slice(0, 120)
    test(`[${rule.slice(0, 2)}] ${rule.slice(3)}: ${valid ? 'accepts' : 'refuses'} ${name}`, () => {
      const texts = new Map(
        others.map((one): [string, ModuleText] => [one.name, { file: `${one.name}.yang`, text: one.text }]),
      )
      const compiled = compile([{ file: 't.yang', text: first?.text ?? '' }], (wanted) =>
        texts.get(wanted.name),
      )
      const errors = compiled.problems.filter(({ severity }) => severity === 'error')
      expect(compiled.ok, errors.map(formatProblem).join('\n')).toBe(valid)
      for (const problem of errors) {
        expect(problem.line).toBeGreaterThan(0)
        expect(problem.column).toBeGreaterThan(0)
        expect(problem.rfc).toMatch(/^(?:RFC \d+|XPath 1\.0,?) \d/)
      }
    })
  }
})
