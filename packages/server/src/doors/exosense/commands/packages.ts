/** Packages: made, allowed, installed, upgraded and removed on devices and groups. */
import {
  type AskedPackage,
  allowedPackages,
  allowPackage,
  cancel,
  changeMembers,
  createPackage,
  type DeviceId,
  devicePackages,
  devices,
  deviceTypes,
  disallowPackage,
  type Group,
  groups,
  type Notify,
  nextCallId,
  ok,
  type PackageRefusal,
  packages,
  parseSchemaName,
  type Reader,
  type Result,
  refuse,
  removePackage,
  submitPackage,
  submitPackageToAll,
  submitToGroup,
  type Transaction,
  type Tx,
  trailType,
  transactions,
} from '@waymark/domain'
import { type JsonValue, parseJson, printJson } from '@waymark/yang'
import { schemaOfPackage } from '../../../links/software.ts'
import {
  type CommandAnswer,
  type Commands,
  type Context,
  type Params,
  pageNames,
  pageOf,
} from '../command.ts'
import { isJsonObject } from '../json-rpc.ts'
import { codeOf } from '../refusals.ts'
import { memberNames } from './groups.ts'
import { idsOfDevices, namesOfDevices } from './naming.ts'
import { imageIn } from './package-image.ts'
import { everyDevice, targetsIn } from './targets.ts'

const manage = ['master', 'admin'] as const
const change = ['master', 'admin', 'device'] as const
const look = ['master', 'admin', 'view', 'device'] as const

export const packageCommands = {
  'create-package': {
    roles: manage,
    spellings: { name: 'package-name' },
    lists: ['prerequisite-packages', 'upgrade-from-packages'],
    prepare: prepareDependencies,
    async run(context, params) {
      const { house, tenant, actor } = context
      const file = params.maybeText('yang-specification')
      const container = params.maybeText('configuration-container')
      if (file !== undefined) {
        const schema = await house.exchange.schemas.open(tenant.id, parseSchemaName(file))
        if (!schema) return 'object-not-found'
        const there = schema.data.some(({ kind, name }) => kind === 'container' && name === container)
        if (container !== undefined && !there)
          return { result: 'validation-failed', reason: `${file} has no container ${container}` }
      }
      // Said before the image is kept: a name that is taken needs no upload.
      if (await context.reader.get(packages, { name: params.text('package-name') })) return 'object-exists'
      const image = await imageIn(context, params)
      if ('answer' in image) return image.answer
      const made = await house.store.transact(tenant.id, (tx) =>
        createPackage(tx, house.env(), {
          name: params.text('package-name'),
          image: image.sha,
          prerequisites: params.texts('prerequisite-packages'),
          upgradeFrom: params.texts('upgrade-from-packages'),
          by: actor,
          ...(file === undefined ? {} : { file }),
          ...(container === undefined ? {} : { container }),
        }),
      )
      return made.ok ? 'ok' : refused(made.refusal)
    },
  },
  'delete-package': {
    roles: manage,
    spellings: { name: 'package-name' },
    async run({ house, tenant, actor }, params) {
      const done = await house.store.transact(tenant.id, (tx) =>
        removePackage(tx, house.env(), { name: params.text('package-name'), by: actor }),
      )
      return done.ok ? 'ok' : refused(done.refusal)
    },
  },
  'list-packages': {
    roles: look,
    empty: 'packages',
    async run({ reader }, params) {
      const { n, previous, descending } = pageOf(params)
      const beyond = previous === '' ? {} : { name: descending ? { lt: previous } : { gt: previous } }
      const order = [descending ? '-name' : 'name'] as const
      const found = n === 0 ? [] : await reader.find(packages, { where: beyond, order, limit: n })
      return { result: 'ok', packages: found.map(({ name }) => name) }
    },
  },
  'add-package-to-device-type': {
    roles: change,
    aliases: ['add-device-type-package'],
    lists: ['package-name'],
    run: (context, params) =>
      eachAllowed(context, params, (tx, type, name) => {
        const [install, upgrade, uninstall] = ['install', 'upgrade', 'uninstall'].map((operation) =>
          params.maybeText(`${operation}-arguments`),
        )
        return allowPackage(tx, context.house.env(), {
          type,
          package: name,
          by: context.actor,
          ...(install === undefined ? {} : { installArguments: install }),
          ...(upgrade === undefined ? {} : { upgradeArguments: upgrade }),
          ...(uninstall === undefined ? {} : { uninstallArguments: uninstall }),
        })
      }),
  },
  'remove-package-from-device-type': {
    roles: change,
    aliases: ['remove-device-type-package'],
    lists: ['package-name'],
    run: (context, params) =>
      eachAllowed(context, params, (tx, type, name) =>
        disallowPackage(tx, context.house.env(), { type, package: name, by: context.actor }),
      ),
  },
  'list-device-types-with-package': {
    roles: look,
    aliases: ['get-package-device-types'],
    empty: 'device-types',
    async run({ reader }, params) {
      const rows = await reader.find(allowedPackages, { where: { package: params.text('package-name') } })
      return {
        result: 'ok',
        'device-types': pageNames(
          rows.map(({ type }) => type),
          (type) => type,
          pageOf(params),
        ),
      }
    },
  },
  'list-packages-on-device-type': {
    roles: look,
    aliases: ['list-device-type-packages'],
    empty: 'packages',
    async run({ reader }, params) {
      const rows = await reader.find(allowedPackages, { where: { type: params.text('device-type') } })
      const names = rows.map((row) => row.package)
      return { result: 'ok', packages: pageNames(names, (name) => name, pageOf(params)) }
    },
  },
  'list-devices-with-package': {
    roles: look,
    aliases: ['get-devices-with-package', 'get-package-devices'],
    empty: 'devices',
    async run({ reader }, params) {
      const found: { 'device-id': string; 'package-status': string }[] = []
      for await (const row of rowsOf(reader, params.text('package-name'))) {
        const waits = row.status === 'queued' && row.operation !== 'uninstall'
        const device = row.installed || waits ? await reader.get(devices, { id: row.device }) : undefined
        const [name] = device ? await namesOfDevices(reader, [device]) : []
        if (name !== undefined)
          found.push({ 'device-id': name, 'package-status': row.installed ? 'installed' : 'pending-install' })
      }
      return { result: 'ok', devices: pageNames(found, (each) => each['device-id'], pageOf(params)) }
    },
  },
  'install-package': {
    roles: change,
    lists: ['targets'],
    async run(context, params) {
      const name = params.text('package-name')
      const values = await initialIn(context, name, params.any('values'))
      if ('answer' in values) return values.answer
      return operate(context, params, name, {
        operation: 'install',
        package: name,
        recursive: params.flag('recursive-dependency-resolve'),
        removeUnused: false,
        ...(values.text === undefined ? {} : { values: values.text }),
      })
    },
  },
  'upgrade-package': {
    roles: change,
    lists: ['targets'],
    run: (context, params) =>
      operate(context, params, params.text('to-package-name'), {
        operation: 'upgrade',
        package: params.text('to-package-name'),
        from: params.text('from-package-name'),
        recursive: params.flag('recursive-dependency-resolve'),
        removeUnused: params.flag('remove-unused'),
      }),
  },
  'uninstall-package': {
    roles: change,
    lists: ['targets'],
    run: (context, params) =>
      operate(context, params, params.text('package-name'), {
        operation: 'uninstall',
        package: params.text('package-name'),
        recursive: false,
        removeUnused: params.flag('remove-unused'),
      }),
  },
  'add-package-members': {
    roles: change,
    lists: ['package-name', 'device-id'],
    run: (context, params) => eachMember(context, params, true),
  },
  'remove-package-members': {
    roles: change,
    lists: ['package-name', 'device-id'],
    run: (context, params) => eachMember(context, params, false),
  },
  'list-package-members': {
    roles: look,
    empty: 'package-members',
    async run({ reader }, params) {
      const held = await reader.get(packages, { name: params.text('package-name') })
      const members = held && (await reader.get(groups, { id: held.members }))
      if (!members) return { result: 'object-not-found', 'package-members': [] }
      const found = await memberNames(reader, members, pageOf(params))
      return { result: 'ok', 'package-members': found.map(({ name }) => name) }
    },
  },
  'push-package': {
    roles: change,
    run: pushPackage,
  },
  'get-package-status': {
    roles: look,
    empty: 'member-list',
    async run({ reader }, params) {
      const held = await reader.get(packages, { name: params.text('package-name') })
      if (!held) return { result: 'object-not-found', 'member-list': [] }
      const list: { 'device-id': string; operation: string; 'operation-status': string }[] = []
      for await (const row of rowsOf(reader, held.name)) {
        const device = await reader.get(devices, { id: row.device })
        const [name] = device && !device.garbage ? await namesOfDevices(reader, [device]) : []
        if (name !== undefined)
          list.push({ 'device-id': name, operation: row.operation, 'operation-status': row.status })
      }
      list.sort((a, b) => (a['device-id'] < b['device-id'] ? -1 : 1))
      return { result: 'ok', 'member-list': list }
    },
  },
} as const satisfies Commands

/** 1.x's form of prerequisites: `dependencies: [{package-name}]`. */
function prepareDependencies(params: Params['values']): Params['values'] {
  const { dependencies, ...rest } = params
  if (!Array.isArray(dependencies)) return params
  const names = dependencies.map(
    (each): JsonValue => (isJsonObject(each) ? (each['package-name'] ?? '') : each),
  )
  return { 'prerequisite-packages': names, ...rest }
}

async function* rowsOf(reader: Reader, name: string) {
  let after: DeviceId | undefined
  for (;;) {
    const page = await reader.find(devicePackages, {
      where: { package: name, ...(after === undefined ? {} : { device: { gt: after } }) },
      order: ['package', 'device'],
      limit: 500,
    })
    yield* page
    after = page.at(-1)?.device
    if (page.length < 500) return
  }
}

function refused(refusal: PackageRefusal): CommandAnswer {
  switch (refusal.kind) {
    case 'bad-name':
      return 'illegal-name'
    case 'name-taken':
      return 'object-exists'
    case 'no-such-package':
    case 'no-such-object':
      return 'object-not-found'
    case 'cycle':
      return { result: 'validation-failed', reason: `a cycle: ${refusal.chain.join(' needs ')}` }
    case 'not-empty':
      return { result: 'object-not-empty', reason: refusal.holds }
  }
}

/** Values that a package is to begin with, judged before anything is stored. */
async function initialIn(
  { house, tenant, reader }: Context,
  name: string,
  values: JsonValue | undefined,
): Promise<{ readonly text: string | undefined } | { readonly answer: CommandAnswer }> {
  if (values === undefined) return { text: undefined }
  const held = await reader.get(packages, { name })
  if (!held) return { answer: 'object-not-found' }
  const found = await schemaOfPackage(house.exchange.schemas, tenant.id, held)
  if (!isJsonObject(values) || !found)
    return { answer: { result: 'validation-failed', reason: `values: ${name} has no configuration` } }
  const judged = found.schema.judge({ as: 'config' }, found.wrap(values))
  return judged.ok
    ? { text: printJson(values) }
    : { answer: { result: 'validation-failed', reason: judged.refusal.first } }
}

/** Allows or disallows each of the named packages for a type: all or none. */
async function eachAllowed(
  { house, tenant }: Context,
  params: Params,
  change: (tx: Tx, type: string, name: string) => Promise<Result<unknown, PackageRefusal>>,
): Promise<CommandAnswer> {
  const type = params.text('device-type')
  const done = await house.store.transact<undefined, PackageRefusal>(tenant.id, async (tx) => {
    if (type !== trailType && !(await tx.get(deviceTypes, { name: type })))
      return refuse({ kind: 'no-such-package', got: type })
    for (const name of params.texts('package-name')) {
      const changed = await change(tx, type, name)
      if (!changed.ok) return changed
    }
    return ok(undefined)
  })
  return done.ok ? 'ok' : refused(done.refusal)
}

async function eachMember(
  { house, tenant, actor }: Context,
  params: Params,
  members: boolean,
): Promise<CommandAnswer> {
  let missing = false
  const done = await house.store.transact<undefined, PackageRefusal>(tenant.id, async (tx) => {
    const found = await idsOfDevices(tx, params.texts('device-id'))
    missing = 'missing' in found
    if ('missing' in found) return refuse({ kind: 'no-such-package', got: found.missing })
    for (const name of params.texts('package-name')) {
      const changed = await changeMembers(tx, house.env(), {
        package: name,
        devices: found.ids,
        members,
        by: actor,
      })
      if (!changed.ok) return changed
    }
    return ok(undefined)
  })
  return done.ok ? 'ok' : missing ? 'device-not-found' : refused(done.refusal)
}

type Unnamed = Omit<AskedPackage, 'callId'>

/** Asks an operation of all targets, as one transaction. */
async function operate(
  context: Context,
  params: Params,
  name: string,
  asked: Unnamed,
): Promise<CommandAnswer> {
  const { house, tenant, actor, reader } = context
  if (!(await reader.get(packages, { name }))) return 'object-not-found'
  const url = params.maybeText('notification-url') ?? params.maybeText('rpc-destination-url')
  const target = url === undefined ? undefined : house.exchange.keepTarget(tenant.id, url)
  if (target && !target.ok) return codeOf(target.refusal)
  const targets = await targetsIn(reader, params.texts('targets'))
  if (!targets) return 'object-not-found'
  const given = params.any('transaction-id')
  const method = 'exodm:package-operation-notification'
  const done = await house.store.transact<Transaction, { readonly kind: string }>(tenant.id, async (tx) => {
    const env = house.env()
    const callId = given === undefined ? await nextCallId(tx) : printJson(given)
    const notify: Notify = { method, callId, ...(target === undefined ? {} : { target: target.value }) }
    const submission = { notify, by: actor, ttlMs: params.number('timeout') * 1000 }
    const payload: AskedPackage = { ...asked, callId }
    const [only] = targets
    if (targets.length === 1 && only?.kind === 'device')
      return submitPackage(tx, env, { ...submission, device: only.id, payload })
    if (targets.length === 1 && only?.kind === 'group')
      return submitToGroup(tx, env, {
        ...submission,
        kind: 'package',
        group: only.group.id,
        payload: { ...payload },
      })
    return submitPackageToAll(tx, env, {
      ...submission,
      kind: 'package',
      devices: await everyDevice(tx, targets),
      payload: { ...payload },
      name: `${callId} ${env.now}`,
    })
  })
  if (!done.ok) return 'internal-error'
  context.began?.(done.value)
  return { result: 'ok', 'transaction-id': callIdOf(done.value) }
}

/** What a transaction is called, as a text. */
function callIdOf(asked: Transaction): string {
  const parsed = parseJson(asked.notify?.callId ?? 'null')
  const value = parsed.ok ? parsed.value : null
  return typeof value === 'string' ? value : printJson(value)
}

/** 1.x's way: the operation of a package on the devices that were selected for it. */
async function pushPackage(context: Context, params: Params): Promise<CommandAnswer> {
  const { house, tenant, actor, reader } = context
  const held = await reader.get(packages, { name: params.text('package-name') })
  if (!held) return 'object-not-found'
  const url = params.maybeText('notification-url')
  const target = url === undefined ? undefined : house.exchange.keepTarget(tenant.id, url)
  if (target && !target.ok) return codeOf(target.refusal)
  const word = params.text('operation')
  const operation = word === 'remove' || word === 'remove-recursively' ? 'uninstall' : word
  const asked: Unnamed = {
    operation: operation as AskedPackage['operation'],
    package: held.name,
    recursive: params.flag('auto-push-dependencies'),
    removeUnused: word === 'remove-recursively',
  }
  const given = params.any('transaction-id')
  const done = await house.store.transact<Transaction, { readonly kind: string }>(tenant.id, async (tx) => {
    const env = house.env()
    const devicesAsked = await everyDevice(tx, [
      {
        kind: 'group',
        group: (await tx.get(groups, { id: held.members })) ?? ({ id: held.members } as Group),
      },
    ])
    if (params.flag('replace-queue'))
      for (const device of devicesAsked) await callOff(tx, context, device, held.name)
    const callId = given === undefined ? await nextCallId(tx) : printJson(given)
    const method = 'exodm:push-package-notification'
    const notify: Notify = { method, callId, ...(target === undefined ? {} : { target: target.value }) }
    const submitted = await submitToGroup(tx, env, {
      kind: 'package',
      group: held.members,
      payload: { ...asked, callId },
      notify,
      ttlMs: params.number('timeout') * 1000,
      by: actor,
    })
    if (submitted.ok && params.flag('remove-after-operation'))
      await changeMembers(tx, env, { package: held.name, devices: devicesAsked, members: false, by: actor })
    return submitted
  })
  if (!done.ok) return 'internal-error'
  context.began?.(done.value)
  return { result: 'ok', 'transaction-id': callIdOf(done.value) }
}

/** Calls off what waits for a device of a package. */
async function callOff(tx: Tx, { house, actor }: Context, device: DeviceId, name: string): Promise<void> {
  const row = await tx.get(devicePackages, { device, package: name })
  if (row?.status !== 'queued') return
  const waiting = await tx.get(transactions, { id: row.transaction })
  if (waiting?.state === 'queued') await cancel(tx, house.env(), waiting.id, actor)
}
