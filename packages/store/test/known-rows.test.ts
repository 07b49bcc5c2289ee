/** What is remembered of a file's rows: never more than there is room for, and never a row that is not as it was kept. */
import type { TenantId } from '@waymark/domain'
import { collection } from '@waymark/domain'
import { expect, test } from 'vitest'
import { KnownRows } from '../src/known-rows.ts'
import { Table } from '../src/table.ts'

interface Thing {
  readonly id: string
  readonly text: string
}
const tableOf = (name: string) =>
  new Table(collection<Thing>()({ name, scope: 'tenant', key: ['id'], columns: { id: 'text' } }))
const [things, others] = [tableOf('things'), tableOf('others')]
const [ann, bob] = ['a'.repeat(24) as TenantId, 'b'.repeat(24) as TenantId]
const row = (id: string, text = '') => [id, JSON.stringify({ text })]

test('rows are known by collection, scope and key, as they were kept last', () => {
  const known = new KnownRows()
  known.keep(things, ann, 'x', row('x', 'first'))
  known.keep(things, ann, 'x', row('x', 'second'))
  known.keep(things, bob, 'x', row('x', 'bob'))
  known.keep(others, ann, 'x', row('x', 'other'))
  expect(known.get(things, ann, 'x')).toEqual(row('x', 'second'))
  expect(known.get(things, bob, 'x')).toEqual(row('x', 'bob'))
  known.drop(things, ann, 'x')
  known.drop(things, ann, 'y')
  expect(known.get(things, ann, 'x')).toBeUndefined()
  expect(known.get(others, ann, 'x')).toEqual(row('x', 'other'))
})

test('of too many rows the older ones are forgotten, of each collection', () => {
  const known = new KnownRows()
  known.keep(others, bob, 'one', row('one'))
  for (let i = 0; i < 100_000; i++) known.keep(things, ann, `${i}`, row(`${i}`))
  const left = Array.from({ length: 100_000 }, (_, i) => known.get(things, ann, `${i}`) !== undefined)
  expect(left.filter(Boolean).length).toBeLessThanOrEqual(32_768)
  expect(left.slice(-16_000).every(Boolean)).toBe(true)
  expect(known.get(others, bob, 'one')).toBeUndefined()
})

test('of rows that are too long together too; one that is written over and over stays', () => {
  const known = new KnownRows()
  for (let i = 0; i < 50; i++) known.keep(things, ann, `${i}`, row(`${i}`, 'x'.repeat(1024 * 1024)))
  const left = Array.from({ length: 50 }, (_, i) => known.get(things, ann, `${i}`) !== undefined)
  expect(left.filter(Boolean).length).toBeLessThanOrEqual(4)
  const few = new KnownRows()
  few.keep(things, bob, 'small', row('small', 'x'))
  for (let i = 0; i < 10_000; i++) few.keep(things, bob, 'often', row('often', 'x'.repeat(1024)))
  expect(few.get(things, bob, 'often')).toBeDefined()
  expect(few.get(things, bob, 'small')).toBeDefined()
})

test('a row that is longer than all of the room is not known for long', () => {
  const known = new KnownRows()
  known.keep(things, ann, 'long', row('long', 'x'.repeat(5 * 1024 * 1024)))
  expect(known.get(things, ann, 'long')).toBeUndefined()
})
