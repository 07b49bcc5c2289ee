/**
 * Schemas: YANG modules as they were uploaded, byte for byte. A tenant has its own; the system's are for all and only the
 * house changes them. A name with another revision is another module; a bare name means the newest.
 */
import {
  configurationSets,
  counters,
  deviceTypes,
  type StoredSchema,
  schemas,
  systemSchemas,
} from './back-end-records.ts'
import type { Env } from './env.ts'
import { actingOn } from './journal.ts'
import type { Actor, Reader, Tx } from './port.ts'
import { settings } from './records.ts'
import { ok, type Result, refuse } from './result.ts'

export type SchemaRefusal =
  | { readonly kind: 'no-such-schema'; readonly got: string }
  | { readonly kind: 'in-use'; readonly got: string; readonly by: string }
  | { readonly kind: 'too-many'; readonly wanted: number }

/** `NAME`, `NAME.yang`, `NAME@.yang`, `NAME@REVISION.yang` and without the ending. */
export interface SchemaName {
  readonly name: string
  /** Absent: the newest; empty: the one without a revision. */
  readonly revision?: string
}

export function parseSchemaName(text: string): SchemaName {
  const bare = text.endsWith('.yang') ? text.slice(0, -5) : text
  const at = bare.indexOf('@')
  return at < 0 ? { name: bare } : { name: bare.slice(0, at), revision: bare.slice(at + 1) }
}

/** As it is listed: the revision is empty where the module has none. */
export function schemaFileName({ name, revision }: Pick<StoredSchema, 'name' | 'revision'>): string {
  return `${name}@${revision}.yang`
}

/** Most modules a repository keeps. */
export const schemasMax = 5000

const collectionOf = { own: schemas, system: systemSchemas } as const
export type Repository = keyof typeof collectionOf

/** Keeps a module; one of the same name and revision is replaced. That it compiles has been seen to. */
export async function storeSchema(
  tx: Tx,
  env: Env,
  asked: Omit<StoredSchema, 'createdAt'> & { readonly repository: Repository; readonly by: Actor },
): Promise<Result<StoredSchema, SchemaRefusal>> {
  const { repository, by, ...told } = asked
  const into = collectionOf[repository]
  if (!(await tx.get(into, told)) && (await tx.count(into, {})) >= schemasMax)
    return refuse({ kind: 'too-many', wanted: schemasMax })
  const schema: StoredSchema = { ...told, createdAt: env.now }
  await tx.put(into, schema)
  await raiseVersion(tx, repository)
  actingOn(tx, env, by).note('schema.stored', { repository, name: told.name, revision: told.revision })
  return ok(schema)
}

/** Removes a module that nothing uses by its name, unless another revision of it stays. */
export async function removeSchema(
  tx: Tx,
  env: Env,
  asked: SchemaName & { readonly repository: Repository; readonly by: Actor },
): Promise<Result<StoredSchema, SchemaRefusal>> {
  const into = collectionOf[asked.repository]
  const held = await schemaByName(tx, asked.repository, asked)
  if (!held) return refuse({ kind: 'no-such-schema', got: asked.name })
  const others = await tx.count(into, { name: held.name })
  const user = asked.repository === 'own' && others === 1 ? await userOf(tx, held.name) : undefined
  if (user !== undefined) return refuse({ kind: 'in-use', got: held.name, by: user })
  await tx.remove(into, held)
  await raiseVersion(tx, asked.repository)
  actingOn(tx, env, asked.by).note('schema.removed', {
    repository: asked.repository,
    name: held.name,
    revision: held.revision,
  })
  return ok(held)
}

const versionName = 'schemas'

/** Goes up with every change of a repository: who keeps something made of its modules looks here first. */
export async function schemaVersion(reader: Reader, repository: Repository): Promise<number> {
  if (repository === 'own') return (await reader.get(counters, { name: versionName }))?.value ?? 0
  const held = await reader.get(settings, { name: versionName })
  return typeof held?.value === 'number' ? held.value : 0
}

async function raiseVersion(tx: Tx, repository: Repository): Promise<void> {
  const value = (await schemaVersion(tx, repository)) + 1
  if (repository === 'own') await tx.put(counters, { name: versionName, value })
  else await tx.put(settings, { name: versionName, value })
}

async function userOf(tx: Tx, schema: string): Promise<string | undefined> {
  const [set] = await tx.find(configurationSets, { where: { schema }, limit: 1, without: 'texts' })
  if (set) return `configuration set ${set.name}`
  for (let after: string | undefined; ; ) {
    const page = await tx.find(deviceTypes, {
      order: ['name'],
      limit: 500,
      ...(after === undefined ? {} : { after: [after] }),
    })
    const type = page.find((each) => each.schema === schema)
    if (type) return `device type ${type.name}`
    after = page.at(-1)?.name
    if (page.length < 500) return undefined
  }
}

/** A module by its name: without a revision the newest one. */
export async function schemaByName(
  reader: Reader,
  repository: Repository,
  { name, revision }: SchemaName,
): Promise<StoredSchema | undefined> {
  const from = collectionOf[repository]
  if (revision !== undefined && revision !== '') return reader.get(from, { name, revision })
  // `NAME@.yang` is how one without a revision is listed, and clients name the newest so as well.
  const exact = revision === '' ? await reader.get(from, { name, revision }) : undefined
  if (exact) return exact
  return (await reader.find(from, { where: { name }, order: ['-name', '-revision'], limit: 1 }))[0]
}

/** Modules in the order of name and revision, without their texts, after one of them. */
export async function schemasByName(
  reader: Reader,
  repository: Repository,
  ask: { readonly after?: Pick<StoredSchema, 'name' | 'revision'>; readonly limit: number },
): Promise<readonly StoredSchema[]> {
  return reader.find(collectionOf[repository], {
    order: ['name', 'revision'],
    limit: ask.limit,
    without: 'texts',
    ...(ask.after === undefined ? {} : { after: [ask.after.name, ask.after.revision] }),
  })
}
