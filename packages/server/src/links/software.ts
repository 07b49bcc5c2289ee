/** What a package's configuration is by its schema, and what it begins with. */
import { ok, type Package, parseSchemaName, type Result, refuse, type TenantId } from '@waymark/domain'
import { type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import type { OpenSchema, SchemaRoom } from '../schemas/schema-room.ts'

/** What stands at the top of a package's configuration: its container, or the whole module. */
export interface PackageSchema {
  readonly schema: OpenSchema
  /** Values as the module has them, from values as the package has them; and back. */
  wrap(values: JsonObject): JsonObject
  unwrap(document: JsonObject): JsonObject
}

/** The schema of a package's configuration; undefined where it has none. */
export async function schemaOfPackage(
  schemas: SchemaRoom,
  tenant: TenantId,
  { file, container }: Pick<Package, 'file' | 'container'>,
): Promise<PackageSchema | undefined> {
  if (file === undefined) return undefined
  const schema = await schemas.open(tenant, parseSchemaName(file))
  if (!schema || schema.data.length === 0) return undefined
  return {
    schema,
    wrap: (values) => (container === undefined ? values : { [container]: values }),
    unwrap: (document) => (container === undefined ? document : objectOf(document[container])),
  }
}

export interface ValuesRefusal {
  readonly kind: 'bad-value'
  readonly thing: 'values'
  readonly wanted: string
  readonly got: string
}

/**
 * Values of a package's configuration, from JSON text, as its schema takes them: all of it, or an edit. Kept as they came,
 * because defaults are the schema's to say when they are sent.
 */
export async function judgeValues(
  schemas: SchemaRoom,
  tenant: TenantId,
  of: Package,
  { text, as }: { readonly text: string; readonly as: 'config' | 'edit' },
): Promise<Result<string, ValuesRefusal>> {
  const bad = (wanted: string, got: string) =>
    refuse({ kind: 'bad-value', thing: 'values', wanted, got } as const)
  const parsed = parseJson(text)
  const values = parsed.ok ? parsed.value : undefined
  if (typeof values !== 'object' || values === null || Array.isArray(values) || 'text' in values)
    return bad('an object of JSON', text.slice(0, 100))
  const found = await schemaOfPackage(schemas, tenant, of)
  if (!found) return bad(`a package with a configuration`, of.name)
  const judged = found.schema.judge({ as }, found.wrap(values))
  return judged.ok ? ok(printJson(values)) : bad(`what ${of.file} allows`, judged.refusal.first)
}

/** The configuration a package begins with: what was given, with the schema's defaults. */
export async function initialValues(
  schemas: SchemaRoom,
  tenant: TenantId,
  of: Package,
  given: string | undefined,
): Promise<string | undefined> {
  const found = await schemaOfPackage(schemas, tenant, of)
  const parsed = given === undefined ? undefined : parseJson(given)
  const values = parsed?.ok ? objectOf(parsed.value) : {}
  if (!found) return given
  const judged = found.schema.judge({ as: 'config' }, found.wrap(values))
  if (judged.ok) return printJson(found.unwrap(judged.value))
  // What another schema took and this one does not: the package begins as one that was given nothing.
  const bare = found.schema.judge({ as: 'config' }, found.wrap({}))
  return printJson(bare.ok ? found.unwrap(bare.value) : values)
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('text' in value)
    ? value
    : {}
}
