/**
 * What has to change in a database so that it keeps the declared collections: a comparison of declarations, with no
 * SQL in it. Forward only. Additions and removals of columns, long texts and indexes are carried out by themselves
 * (rows are written again in the new layout, so no value is lost either way); whatever changes a key, a scope or a
 * column's type needs a numbered migration and is refused until there is one.
 */
import type { AnyCollection } from '@waymark/domain'
import { StoreError } from './errors.ts'
import { indexName } from './sql.ts'
import { Table } from './table.ts'

/** A migration written by hand; all with a version above the kept format run, in order, in one transaction. */
export interface Migration {
  /** The format the store has afterwards; the first hand-written one is 2. */
  readonly version: number
  readonly name: string
  up(sql: MigrationSql): Promise<void>
}

export interface MigrationSql {
  readonly dialect: 'sqlite' | 'postgres'
  exec(text: string): Promise<void>
  rows(text: string, values?: readonly (string | number | null)[]): Promise<Record<string, unknown>[]>
}

/** The format of a store that no hand-written migration has touched. */
export const formatFirst = 1

export function formatKnown(migrations: readonly Migration[]): number {
  return migrations.reduce((most, { version }) => Math.max(most, version), formatFirst)
}

/** The hand-written migrations a store of this format has yet to see; refuses a store that is newer than all. */
export function migrationsFrom(store: string, format: number, migrations: readonly Migration[]): Migration[] {
  const known = formatKnown(migrations)
  if (format > known)
    throw new StoreError(
      'newer-format',
      `store ${store} has format ${format}, this program knows ${known}: install a newer Waymark`,
    )
  return migrations.filter(({ version }) => version > format).sort((a, b) => a.version - b.version)
}

export interface TableChange {
  readonly before: Table
  readonly after: Table
  readonly addColumns: readonly string[]
  readonly dropColumns: readonly string[]
  readonly addTexts: readonly string[]
  readonly dropTexts: readonly string[]
}

export interface Changes {
  readonly newTables: readonly Table[]
  readonly tables: readonly TableChange[]
  readonly addIndexes: readonly { readonly table: Table; readonly index: AnyCollection['indexes'][number] }[]
  readonly dropIndexes: readonly string[]
  /** What is kept of collections that are no longer declared stays as it is. */
  readonly keptOn: readonly AnyCollection[]
}

/** Compares what is kept with what is declared. Refuses (`needs-migration`) what cannot be carried out by itself. */
export function changesBetween(
  store: string,
  kept: readonly AnyCollection[],
  declared: ReadonlyMap<string, Table>,
): Changes {
  const newTables: Table[] = []
  const tables: TableChange[] = []
  const addIndexes: Changes['addIndexes'][number][] = []
  const dropIndexes: string[] = []
  const byName = new Map(kept.map((one) => [one.name, one]))
  for (const after of declared.values()) {
    const old = byName.get(after.name)
    if (old === undefined) {
      newTables.push(after)
      for (const index of after.declared.indexes) addIndexes.push({ table: after, index })
      continue
    }
    const refuse = (what: string, was: unknown, is: unknown) => {
      throw new StoreError(
        'needs-migration',
        `store ${store}: ${after.name} has ${what} ${JSON.stringify(was)}, wanted ${JSON.stringify(is)}: this needs a numbered migration`,
      )
    }
    if (old.scope !== after.scope) refuse('the scope', old.scope, after.scope)
    if (JSON.stringify(old.key) !== JSON.stringify(after.declared.key))
      refuse('the key', old.key, after.declared.key)
    const before = new Table(old)
    const had = new Map(before.columns.map(({ field, type }) => [field, type]))
    const has = new Map(after.columns.map(({ field, type }) => [field, type]))
    for (const [field, type] of has) {
      const was = had.get(field)
      if (was !== undefined && was !== type) refuse(`in the column ${field} the type`, was, type)
    }
    const change: TableChange = {
      before,
      after,
      addColumns: [...has.keys()].filter((field) => !had.has(field)),
      dropColumns: [...had.keys()].filter((field) => !has.has(field)),
      addTexts: after.texts.filter((field) => !before.texts.includes(field)),
      dropTexts: before.texts.filter((field) => !after.texts.includes(field)),
    }
    if (
      change.addColumns.length +
        change.dropColumns.length +
        change.addTexts.length +
        change.dropTexts.length >
      0
    )
      tables.push(change)
    const wanted = new Map(after.declared.indexes.map((index) => [indexName(after.declared, index), index]))
    const present = new Set(old.indexes.map((index) => indexName(old, index)))
    for (const [name, index] of wanted) if (!present.has(name)) addIndexes.push({ table: after, index })
    for (const name of present) if (!wanted.has(name)) dropIndexes.push(name)
  }
  return {
    newTables,
    tables,
    addIndexes,
    dropIndexes,
    keptOn: kept.filter(({ name }) => !declared.has(name)),
  }
}

export function nothingIn(changes: Changes): boolean {
  return (
    changes.newTables.length +
      changes.tables.length +
      changes.addIndexes.length +
      changes.dropIndexes.length ===
    0
  )
}

/** A few words for the log. */
export function summaryOf(changes: Changes): string[] {
  return [
    ...changes.newTables.map(({ name }) => `new ${name}`),
    ...changes.tables.flatMap(({ after, addColumns, dropColumns, addTexts, dropTexts }) => [
      ...[...addColumns, ...addTexts].map((field) => `${after.name} gains ${field}`),
      ...[...dropColumns, ...dropTexts].map((field) => `${after.name}.${field} goes to the body`),
    ]),
    ...changes.addIndexes.map(({ table, index }) => `${table.name} indexed by ${index.on.join(', ')}`),
    ...changes.dropIndexes.map((name) => `without ${name}`),
  ]
}

/** A declaration as it is kept: only what tells how rows are laid out. */
export function keptDeclaration({
  name,
  scope,
  key,
  columns,
  texts,
  indexes,
  journaled,
}: AnyCollection): AnyCollection {
  return { name, scope, key, columns, texts, indexes, journaled }
}
