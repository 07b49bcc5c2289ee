import { readFile } from 'node:fs/promises'
import {
  Atom,
  atom,
  createBerpReader,
  decode,
  defaultLimits,
  encode,
  encodeBerp,
  fromBert,
  parseRpc,
  rpcTerm,
  type Term,
  Tuple,
  toBert,
  tuple,
} from '@waymark/etf'
import { describe, expect, test } from 'vitest'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

/** Terms as the README shows them. */
function shown(term: Term): string {
  if (term instanceof Atom) return `Atom ${term.name}`
  if (term instanceof Tuple) return `Tuple [ ${term.elements.map(shown).join(', ')} ]`
  if (Array.isArray(term)) return `[ ${term.map(shown).join(', ')} ]`
  if (term instanceof Uint8Array) return `Uint8Array(${term.length})`
  return typeof term === 'string' ? `'${term}'` : String(term)
}

describe('[ET62] the README says what is so', () => {
  test('the first example', () => {
    expect(readme).toContain("encode(tuple(atom('reply'), [atom('ok'), 42, 'text']))")
    const bytes = encode(tuple(atom('reply'), [atom('ok'), 42, 'text']))
    const written = /^\/\/ <<(.*)>>$/m.exec(readme)?.[1] ?? ''
    const asErlangShows = written.replace(/"(\w*)"/g, (_, text: string) => [...Buffer.from(text)].join())
    expect([...bytes].join()).toBe(asErlangShows)
    expect(readme).toContain(`decode(bytes)\n// ${shown(decode(bytes))}\n`)
    expect(readme).toContain(
      `decode(bytes, { binaries: 'text' })\n// ${shown(decode(bytes, { binaries: 'text' }))}\n`,
    )
  })

  test('the example of BERT-RPC', () => {
    const reply = "rpcTerm({ kind: 'reply', result: toBert(true) })"
    expect(readme).toContain(`encodeBerp(${reply})) // {reply, {bert, true}}`)
    const bytes = encodeBerp(rpcTerm({ kind: 'reply', result: toBert(true) }))
    const [event, ...more] = [...createBerpReader().feed(bytes)]
    expect(more).toEqual([])
    if (event?.kind !== 'term') throw new Error('the frame is a term')
    expect(shown(event.term)).toBe('Tuple [ Atom reply, Tuple [ Atom bert, Atom true ] ]')
    const message = parseRpc(event.term)
    expect(message).toMatchObject({ ok: true, value: { kind: 'reply' } })
    expect(fromBert(toBert(true))).toBe(true)
    expect(readme).toMatch(/event\.kind === 'undecodable'.*\n.*event\.kind === 'broken'/)
  })

  test('every limit and its default', () => {
    const texts: Record<string, string> = {
      bytes: '16 MiB',
      inflatedBytes: '16 MiB',
      inflateRatio: '64',
      depth: '512',
      terms: '2 097 152',
      integerBytes: '64 KiB',
    }
    const inUnits = (value: number) => [value, value / 1024, value / 1024 / 1024]
    expect(Object.keys(texts).toSorted()).toEqual(Object.keys(defaultLimits).toSorted())
    for (const [name, value] of Object.entries(defaultLimits)) {
      const text = texts[name] ?? ''
      const row = readme.split('\n').find((line) => line.startsWith('|') && line.includes(`\`${name}\``))
      expect(row, name).toContain(text)
      expect(inUnits(value)).toContain(Number(text.replaceAll(' ', '').replace(/[KM]iB/, '')))
    }
  })
})
