/**
 * Where schemas are compiled and kept ready: a tenant's own modules, those of the system, and what can be asked of them.
 *
 * A module is compiled when it is first needed and kept until something in its repository changes; compiled modules are
 * remembered up to a number, the longest unused going first. Texts that come from strangers are compiled leniently, with
 * YANG's limits, and never executed.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  ok,
  type Reader,
  type Result,
  refuse,
  type SchemaName,
  type Store,
  type StoredSchema,
  schemaByName,
  schemaVersion,
  type TenantId,
} from '@waymark/domain'
import {
  compileAsync,
  createValidator,
  type DataDefinition,
  type DataFault,
  type ExtensionUse,
  formatFault,
  type JsonObject,
  type ModuleText,
  type Problem,
  type SchemaModule,
  type Validator,
} from '@waymark/yang'

/** A module, ready to be asked. */
export interface OpenSchema {
  readonly name: string
  readonly revision: string
  readonly module: SchemaModule
  readonly operations: ReadonlyMap<string, Operation>
  /** What stands at the top of its data. */
  readonly data: readonly DataDefinition[]
  /** Judges a document: names without modules and numbers as texts are taken too. Defaults are filled in. */
  judge(what: Judged, document: JsonObject): Result<JsonObject, SchemaFaults>
}

/** An operation or a notification that a module defines. */
export interface Operation {
  readonly kind: 'rpc' | 'notification'
  readonly name: string
  readonly input: readonly DataDefinition[]
  readonly output: readonly DataDefinition[]
  readonly uses: readonly ExtensionUse[]
}

export type Judged =
  | { readonly as: 'input' | 'output' | 'notification'; readonly operation: string }
  | { readonly as: 'config' | 'data' }
  /** Part of a configuration: what is there has to fit, and what is missing may follow. */
  | { readonly as: 'edit' }

export interface SchemaFaults {
  readonly kind: 'does-not-fit'
  readonly faults: readonly DataFault[]
  /** The first of them, in one line for people. */
  readonly first: string
}

export interface BadSchema {
  readonly kind: 'bad-schema'
  readonly problems: readonly Problem[]
  readonly first: string
}

/** Why a module that came with a plugin can not be taken up. */
export interface BadModule {
  readonly kind: 'bad-module'
  readonly module: string
  readonly why: string
}

/** Most compiled modules remembered. */
const rememberedMax = 500
/** Longest module text, in bytes (Exosense's own limit is a tenth of it). */
export const schemaBytesMax = 1_000_000

export type SchemaRoom = ReturnType<typeof createSchemaRoom>

export function createSchemaRoom({ store }: { readonly store: Store }) {
  const remembered = new Map<string, Promise<OpenSchema | undefined>>()
  const shipped = new Map(readShipped())

  /** A module as a tenant sees it: the system's before its own; undefined when there is none. */
  async function open(tenant: TenantId | 'house', asked: SchemaName): Promise<OpenSchema | undefined> {
    // Modules lean on each other by name, so that a change of any may touch all of that repository.
    const system = await schemaVersion(store.readHouse(), 'system')
    const own = tenant === 'house' ? 0 : await schemaVersion(store.read(tenant), 'own')
    const key = `${tenant} ${system} ${own} ${asked.name} ${asked.revision ?? '-'}`
    const held = remembered.get(key)
    if (held) {
      remembered.delete(key)
      remembered.set(key, held)
      return held
    }
    const opened = openNow(tenant, asked)
    remembered.set(key, opened)
    opened.catch(() => remembered.delete(key))
    if (remembered.size > rememberedMax)
      for (const oldest of remembered.keys()) {
        remembered.delete(oldest)
        break
      }
    return opened
  }

  async function openNow(tenant: TenantId | 'house', asked: SchemaName): Promise<OpenSchema | undefined> {
    const found = await textOf(tenant, asked)
    if (!found) return undefined
    const compiled = await compileText(tenant, found)
    return compiled.ok ? compiled.value : undefined
  }

  /** Compiles a text that somebody wants to upload; nothing is kept. */
  async function tryOut(
    tenant: TenantId | 'house',
    text: string,
    file = 'upload.yang',
  ): Promise<Result<OpenSchema & { readonly warnings: readonly Problem[] }, BadSchema>> {
    if (Buffer.byteLength(text) > schemaBytesMax)
      return refuse({ kind: 'bad-schema', problems: [], first: `longer than ${schemaBytesMax} bytes` })
    return compileText(tenant, { file, text })
  }

  async function compileText(
    tenant: TenantId | 'house',
    text: ModuleText,
  ): Promise<Result<OpenSchema & { readonly warnings: readonly Problem[] }, BadSchema>> {
    const compiled = await compileAsync(
      [text],
      ({ name, revision }) => textOf(tenant, revision === undefined ? { name } : { name, revision }),
      { lenient: true, limits: { maxTextBytes: schemaBytesMax, maxFiles: 200 } },
    )
    if (!compiled.ok) return refuse(badSchema(compiled.problems))
    const [module] = [...compiled.schema.modules.values()].filter(
      ({ position }) => position.file === text.file,
    )
    if (!module) return refuse({ kind: 'bad-schema', problems: [], first: 'a submodule, not a module' })
    return ok({ ...opened(module, createValidator(compiled.schema)), warnings: compiled.schema.warnings })
  }

  async function textOf(tenant: TenantId | 'house', asked: SchemaName): Promise<ModuleText | undefined> {
    const system = await systemText(asked)
    if (system) return system
    if (tenant === 'house') return undefined
    const own = await schemaByName(store.read(tenant), 'own', asked)
    return own && { file: `${own.name}.yang`, text: own.text }
  }

  async function systemText(asked: SchemaName): Promise<ModuleText | undefined> {
    const ours = shipped.get(asked.name)
    if (ours && (asked.revision === undefined || asked.revision === '' || asked.revision === ours.revision))
      return { file: `${ours.name}.yang`, text: ours.text }
    const uploaded = await schemaByName(store.readHouse(), 'system', asked)
    return uploaded && { file: `${uploaded.name}.yang`, text: uploaded.text }
  }

  /**
   * Takes up modules that come with a plugin, all of them or none: they are the system's from then on, to be read by every
   * account and changed by none. They may lean on each other and on the system's. The refusal says which, and where.
   */
  async function takeUp(
    modules: readonly { readonly name: string; readonly source: string }[],
  ): Promise<Result<void, BadModule>> {
    const added: string[] = []
    const refused = (module: string, why: string) => {
      for (const name of added) shipped.delete(name)
      return refuse({ kind: 'bad-module', module, why } as const)
    }
    for (const { name, source } of modules) {
      if (shipped.has(name))
        return refused(name, 'wanted a name of its own, got one that the system or a plugin has')
      if (await schemaByName(store.readHouse(), 'system', { name }))
        return refused(name, 'wanted a name of its own, got one that was uploaded to the system repository')
      const revision = /\brevision\s+"?(\d{4}-\d\d-\d\d)/.exec(source)?.[1] ?? ''
      shipped.set(name, { name, revision, text: source })
      added.push(name)
    }
    for (const { name, source } of modules) {
      const tried = await tryOut('house', source, `${name}.yang`)
      if (!tried.ok) return refused(name, tried.refusal.first)
      if (tried.value.name !== name) return refused(name, `wanted module ${name}, got ${tried.value.name}`)
    }
    return ok(undefined)
  }

  return {
    open,
    tryOut,
    takeUp,
    /** The modules that come with the product and its plugins, in the order of their names. */
    get shipped(): readonly ShippedSchema[] {
      return [...shipped.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    /** Whether a name is one of the system's: an account may not take it. */
    async isSystem(name: string, reader: Reader = store.readHouse()): Promise<boolean> {
      return shipped.has(name) || (await schemaByName(reader, 'system', { name })) !== undefined
    },
  }
}

export type ShippedSchema = Pick<StoredSchema, 'name' | 'revision' | 'text'>

/** The modules that lie beside the code. */
function readShipped(): ReadonlyMap<string, ShippedSchema> {
  const folder = fileURLToPath(new URL('../../yang/', import.meta.url))
  const found = new Map<string, ShippedSchema>()
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yang'))) {
    const text = readFileSync(join(folder, file), 'utf8')
    const name = basename(file, '.yang')
    found.set(name, { name, revision: /\brevision\s+"?(\d{4}-\d\d-\d\d)/.exec(text)?.[1] ?? '', text })
  }
  return found
}

function opened(module: SchemaModule, validator: Validator): OpenSchema {
  const operations = new Map<string, Operation>()
  for (const { name, input, output, extensions } of module.rpcs)
    operations.set(name, {
      kind: 'rpc',
      name,
      input: input.children,
      output: output.children,
      uses: extensions,
    })
  for (const { name, children, extensions } of module.notifications)
    operations.set(name, { kind: 'notification', name, input: children, output: [], uses: extensions })
  return {
    name: module.name,
    revision: module.revision ?? '',
    module,
    operations,
    data: module.children,
    judge(what, document) {
      const judged = validator.validate(document, {
        loose: true,
        maxFaults: what.as === 'edit' ? 1000 : 5,
        type: documentTypes[what.as],
        ...('operation' in what ? { operation: `${module.name}:${what.operation}` } : {}),
      })
      if (judged.ok)
        return ok(judged.document.toJson({ form: 'bare', defaults: 'all', emptyLists: what.as === 'output' }))
      const faults =
        what.as === 'edit' ? judged.faults.filter(({ code }) => !missing.has(code)) : judged.faults
      if (faults.length === 0) return ok(document)
      const [first] = faults
      return refuse({ kind: 'does-not-fit', faults, first: first ? formatFault(first) : 'it does not fit' })
    },
  }
}

const documentTypes = {
  input: 'rpc',
  output: 'reply',
  notification: 'notification',
  config: 'config',
  data: 'data',
  edit: 'config',
} as const

/** Faults of a document that is only part of one. */
const missing: ReadonlySet<string> = new Set(['missing-mandatory', 'missing-choice', 'too-few'])

function badSchema(problems: readonly Problem[]): BadSchema {
  const first = problems.find(({ severity }) => severity === 'error') ?? problems[0]
  return {
    kind: 'bad-schema',
    problems,
    first: first
      ? `line ${first.line}, column ${first.column}: found ${first.found}, expected ${first.expected}`
      : 'it does not compile',
  }
}
