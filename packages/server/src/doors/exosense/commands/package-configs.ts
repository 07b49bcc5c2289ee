/** Configuration of packages: edited, pushed, looked at, taken back. */
import {
  type AskedPackage,
  configurationOf,
  type Notify,
  nextCallId,
  ok,
  type PackageConfigurationRefusal,
  packages,
  pushPackageConfigurations,
  type Result,
  type Subject,
  stageConfiguration,
  stageVersion,
  type Transaction,
  type Tx,
  versionsOf,
} from '@waymark/domain'
import { type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import { mergeTexts } from '../../../links/merge.ts'
import { schemaOfPackage } from '../../../links/software.ts'
import type { CommandAnswer, Commands, Context, Params, ResultCode } from '../command.ts'
import { isJsonObject } from '../json-rpc.ts'
import { codeOf } from '../refusals.ts'
import { deviceByName } from './naming.ts'
import { targetsIn } from './targets.ts'

const change = ['master', 'admin', 'device', 'config'] as const
const look = ['master', 'admin', 'view', 'device', 'config'] as const
const spellings = { 'device-id': 'targets', 'dev-id': 'targets', 'group-id': 'targets' }

export const packageConfigCommands = {
  'update-config': {
    roles: change,
    spellings,
    lists: ['targets'],
    run: (context, params) =>
      edit(context, params, async (tx, subject, values) => {
        const staged = await stage(context, tx, subject, params, values)
        return staged.ok ? ok(undefined) : staged
      }),
  },
  'push-config-data': {
    roles: change,
    aliases: ['push-config'],
    spellings,
    lists: ['targets'],
    run: (context, params) => push(context, params),
  },
  'update-package-config': {
    roles: change,
    spellings,
    lists: ['targets'],
    run: (context, params) =>
      edit(context, params, async (tx, subject, values) => {
        const staged = await stage(context, tx, subject, params, values)
        return staged.ok ? pushOne(context, tx, subject, params) : staged
      }),
  },
  'read-package-config': {
    roles: look,
    async run({ reader }, params) {
      const [subject] = (await subjectsIn(reader, [params.text('target')])) ?? []
      if (!subject) return 'object-not-found'
      const name = params.text('package-name')
      const held = await configurationOf(reader, subject.id, name)
      const history =
        subject.kind === 'device' && params.number('versions') > 0
          ? await versionsOf(reader, subject.id, name, params.number('versions'))
          : []
      return {
        result: 'ok',
        version: held.version,
        ...(held.staged === '' ? {} : { staged: jsonOf(held.staged) }),
        ...(held.current === '' ? {} : { values: jsonOf(held.current) }),
        history: history.map(({ version, at, values }) => ({
          version,
          at: new Date(at).toISOString(),
          values: jsonOf(values),
        })),
      }
    },
  },
  'rollback-package-config': {
    roles: change,
    spellings: { 'dev-id': 'device-id' },
    async run({ house, tenant, actor, reader }, params) {
      const found = await deviceByName(reader, params.text('device-id'))
      if (!found) return 'device-not-found'
      const done = await house.store.transact(tenant.id, (tx) =>
        stageVersion(tx, house.env(), {
          device: found.device.id,
          package: params.text('package-name'),
          version: params.number('version'),
          by: actor,
        }),
      )
      return done.ok ? 'ok' : 'object-not-found'
    },
  },
} as const satisfies Commands

type Change = (
  tx: Tx,
  subject: Subject,
  values: string,
) => Promise<Result<Transaction | undefined, PackageConfigurationRefusal>>

/** Judges the values, and does the same for each of the targets: all or none. */
async function edit(context: Context, params: Params, change: Change): Promise<CommandAnswer> {
  const { house, tenant, reader } = context
  const subjects = await subjectsIn(reader, params.texts('targets'))
  if (!subjects) return 'object-not-found'
  const values = await judged(context, params.text('package-name'), params.any('values'))
  if ('answer' in values) return values.answer
  const target = targetIn(context, params)
  if (target && !target.ok) return codeOf(target.refusal)
  let last: Transaction | undefined
  const done = await house.store.transact<undefined, PackageConfigurationRefusal>(tenant.id, async (tx) => {
    for (const subject of subjects) {
      const changed = await change(tx, subject, values.text)
      if (!changed.ok) return changed
      last = changed.value ?? last
    }
    return ok(undefined)
  })
  if (!done.ok) return refused(done.refusal)
  if (last) context.began?.(last)
  return begun(last)
}

async function push(context: Context, params: Params): Promise<CommandAnswer> {
  const { house, tenant, reader } = context
  const subjects = await subjectsIn(reader, params.texts('targets'))
  if (!subjects) return 'object-not-found'
  const target = targetIn(context, params)
  if (target && !target.ok) return codeOf(target.refusal)
  let last: Transaction | undefined
  const done = await house.store.transact<undefined, PackageConfigurationRefusal>(tenant.id, async (tx) => {
    for (const subject of subjects) {
      const pushed = await pushOne(context, tx, subject, params)
      if (!pushed.ok) return pushed
      last = pushed.value ?? last
    }
    return ok(undefined)
  })
  return done.ok ? begun(last) : refused(done.refusal)
}

async function pushOne(
  context: Context,
  tx: Tx,
  subject: Subject,
  params: Params,
): Promise<Result<Transaction | undefined, PackageConfigurationRefusal>> {
  const { house, actor } = context
  const given = params.any('transaction-id')
  const callId = given === undefined ? await nextCallId(tx) : printJson(given)
  const target = targetIn(context, params)
  const notify: Notify = {
    method: 'exodm:push-config-data-notification',
    callId,
    ...(target?.ok ? { target: target.value } : {}),
  }
  const name = params.maybeText('package-name')
  return pushPackageConfigurations(tx, house.env(), {
    subject,
    callId,
    notify,
    merge: mergeTexts,
    ttlMs: params.number('timeout') * 1000,
    by: actor,
    ...(name === undefined ? {} : { package: name }),
  })
}

function stage({ house, actor }: Context, tx: Tx, subject: Subject, params: Params, values: string) {
  return stageConfiguration(tx, house.env(), {
    subject,
    package: params.text('package-name'),
    values,
    merge: mergeTexts,
    by: actor,
  })
}

/** Values that fit the package's schema, as JSON text: what is there, not what may follow. */
async function judged(
  { house, tenant, reader }: Context,
  name: string,
  values: JsonValue | undefined,
): Promise<{ readonly text: string } | { readonly answer: CommandAnswer }> {
  const held = await reader.get(packages, { name })
  if (!held) return { answer: 'object-not-found' }
  const found = await schemaOfPackage(house.exchange.schemas, tenant.id, held)
  if (!found || !isJsonObject(values))
    return { answer: { result: 'validation-failed', reason: `values: ${name} has no configuration` } }
  const fits = found.schema.judge({ as: 'edit' }, found.wrap(values))
  return fits.ok
    ? { text: printJson(values) }
    : { answer: { result: 'validation-failed', reason: fits.refusal.first } }
}

async function subjectsIn(
  reader: Context['reader'],
  names: readonly string[],
): Promise<readonly Subject[] | undefined> {
  const targets = await targetsIn(reader, names)
  return targets?.map((target) =>
    target.kind === 'device' ? { kind: 'device', id: target.id } : { kind: 'group', id: target.group.id },
  )
}

function targetIn({ house, tenant }: Context, params: Params) {
  const url = params.maybeText('notification-url')
  return url === undefined ? undefined : house.exchange.keepTarget(tenant.id, url)
}

function begun(asked: Transaction | undefined): CommandAnswer {
  if (!asked) return 'ok'
  const { callId } = asked.payload as unknown as Pick<AskedPackage, 'callId'>
  const value = jsonOf(callId)
  return { result: 'ok', 'transaction-id': typeof value === 'string' ? value : printJson(value) }
}

function refused(refusal: PackageConfigurationRefusal): ResultCode {
  return refusal.kind === 'no-such-package' || refusal.kind === 'not-installed'
    ? 'object-not-found'
    : 'validation-failed'
}

function jsonOf(text: string): JsonValue {
  const parsed = parseJson(text)
  return parsed.ok ? parsed.value : ({} satisfies JsonObject)
}
