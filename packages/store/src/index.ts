/** The menu of the store: its homes, its errors, and the bytes of objects. */
export { StoreError, type StoreErrorKind, type StoreLog } from './errors.ts'
export { createMemoryStore, type MemoryOptions } from './memory.ts'
export { createMemoryObjectBytes } from './memory-object-bytes.ts'
export type { Migration, MigrationSql } from './migrate.ts'
export {
  type BytesRefusal,
  createObjectBytes,
  type ObjectBytes,
  type ObjectBytesOptions,
  type OpenedBytes,
} from './object-bytes.ts'
export { type CopyRefusal, createObjectCopies, type ObjectCopies, type ObjectPlace } from './object-copies.ts'
export { openPostgresStore, type PostgresOptions } from './postgres.ts'
export { openSnapshot, type Snapshot } from './snapshot.ts'
export { openSqliteStore, type SqliteOptions } from './sqlite.ts'
export { markUnfinished, type StorePlace } from './unfinished.ts'
