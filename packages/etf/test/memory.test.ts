import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { decode } from '@waymark/etf'
import { describe, expect, test } from 'vitest'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

/** Bytes that a decoded message still holds after a collection, other things of the process aside. */
function kept(message: Uint8Array): number {
  if (typeof collect !== 'function') throw new Error('the runtime collects on request')
  const taken = () => {
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  collect()
  const before = taken()
  const term = decode(message)
  collect()
  const bytes = taken() - before
  expect(term).toBeDefined()
  return bytes
}

/** A list of so many such elements. */
function listOf(element: string, count = 30_000): Uint8Array {
  const one = Buffer.from(element.replaceAll(' ', ''), 'hex')
  const head = Buffer.from([131, 108, 0, 0, 0, 0])
  head.writeUInt32BE(count, 2)
  return Buffer.concat([head, Buffer.alloc(count * one.length, one), Buffer.from([106])])
}

describe('[ET25] a term takes at most 64 times the memory of its bytes', () => {
  const rows: [what: string, element: string][] = [
    ['empty lists', '6a'],
    ['empty tuples', '6800'],
    ['empty binaries', '6d00000000'],
    ['empty maps', '7400000000'],
    ['empty atoms', '7700'],
    ['small integers', '6101'],
    ['big integers', '6e0900010203040506070809'],
    ['floats', '463ff8000000000000'],
    ['lists of one byte', '6b000101'],
    ['tuples of one atom', '6801 7700'],
    ['tuples within tuples', '6801 6801 6800'],
    ['improper lists', '6c00000001 6101 6102'],
    ['maps of one entry', '7400000001 6101 6102'],
    ['bit strings', '4d000000010480'],
  ]
  for (const [what, element] of rows)
    test(what, () => {
      const message = listOf(element)
      expect(kept(message) / message.length).toBeLessThan(64)
    })
})
