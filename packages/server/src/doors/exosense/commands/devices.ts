/** Devices. */
import {
  type DeviceFacts,
  type DeviceId,
  describeDevice,
  deviceTypes,
  factsOf,
  parseSchemaName,
  provisionDevice,
  removeDevice,
  type ToldFacts,
  typedAttributes,
} from '@waymark/domain'
import { type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import { devicePlace } from '../../../house.ts'
import { keyPlace } from '../../../links/link-house.ts'
import { type Commands, type Context, type Params, pageOf, type ResultCode } from '../command.ts'
import { isJsonObject } from '../json-rpc.ts'
import { codeOf } from '../refusals.ts'
import { deviceByName, devicesByName, idsOfDevices, type NamedDevice } from './naming.ts'

const change = ['master', 'admin', 'device'] as const
const look = ['master', 'admin', 'view', 'device'] as const

/** Attributes that every device may have, whatever its type. */
const plainAttributes = ['msisdn', 'imsi', 'imei', 'latitude', 'longitude'] as const

export const deviceCommands = {
  'create-device': {
    roles: change,
    aliases: ['provision-device'],
    spellings: { 'dev-id': 'device-id' },
    async run(context, params) {
      const { house, tenant, actor } = context
      const facts = await factsIn(context, params, params.text('device-type'))
      if ('code' in facts) return facts.code
      const made = await house.store.transactHouse((tx) =>
        provisionDevice(tx, house.env(), {
          tenant: tenant.id,
          name: params.text('device-id'),
          type: params.text('device-type'),
          facts: (device) => facts.told(device),
          seal: (secret, device) => house.keys.seal(secret, devicePlace(device)),
          by: actor,
        }),
      )
      if (made.ok) return 'ok'
      return made.refusal.kind === 'no-such-type' ? 'validation-failed' : codeOf(made.refusal)
    },
  },
  'update-device': {
    roles: change,
    spellings: { 'dev-id': 'device-id' },
    async run(context, params) {
      const { house, tenant, actor, reader } = context
      const found = await deviceByName(reader, params.text('device-id'))
      if (!found) return 'device-not-found'
      const facts = await factsIn(context, params, found.device.type)
      if ('code' in facts) return facts.code
      const told = facts.told(found.device.id)
      const done = await house.store.transact(tenant.id, (tx) =>
        describeDevice(tx, house.env(), { device: found.device.id, facts: told, by: actor }),
      )
      if (!done.ok) return codeOf(done.refusal)
      // What the device proves itself by, or how long it may be silent, is asked when a session begins.
      const proofs = ['sealedDeviceKey', 'sealedServerKey', 'sealedPassword', 'sessionTimeout'] as const
      if (proofs.some((name) => told[name] !== undefined))
        house.exchange.sessions.end(found.device.id, 'changed')
      return 'ok'
    },
  },
  'lookup-device': {
    roles: look,
    spellings: { 'dev-id': 'device-id' },
    empty: 'devices',
    async run(context, params) {
      const name = params.text('device-id')
      const view = await context.views.view(context.tenant.id, name, async () => {
        const found = await deviceByName(context.reader, name)
        return found && { device: found.device.id, view: await shown(context, found) }
      })
      return view ? { result: 'ok', devices: [view] } : { result: 'device-not-found', devices: [] }
    },
  },
  'lookup-device-attributes': {
    roles: look,
    spellings: { 'dev-id': 'device-id' },
    lists: ['attributes'],
    empty: 'attributes',
    async run(context, params) {
      const found = await deviceByName(context.reader, params.text('device-id'))
      if (!found) return { result: 'device-not-found', attributes: [] }
      return { result: 'ok', attributes: await attributesOf(context, found, params.texts('attributes')) }
    },
  },
  'list-devices': {
    roles: look,
    empty: 'devices',
    async run(context, params) {
      const found = await devicesByName(context.reader, pageOf(params))
      const devices: JsonObject[] = []
      for (const named of found) devices.push(await shown(context, named))
      return { result: 'ok', devices }
    },
  },
  'list-devices-attributes': {
    roles: look,
    lists: ['attributes'],
    empty: 'devices',
    async run(context, params) {
      const pattern = params.maybeText('pattern') ?? '*'
      const found = await devicesByName(context.reader, pageOf(params), ({ name }) => matches(pattern, name))
      const devices: JsonObject[] = []
      for (const named of found)
        devices.push({
          'device-id': named.name,
          attributes: await attributesOf(context, named, params.texts('attributes')),
        })
      return { result: 'ok', devices }
    },
  },
  'delete-devices': {
    roles: change,
    aliases: ['delete-device', 'deprovision-device', 'deprovision-devices'],
    spellings: { 'dev-id': 'device-id' },
    lists: ['device-id'],
    async run({ house, tenant, actor, reader }, params) {
      for (const name of params.texts('device-id')) {
        const found = await idsOfDevices(reader, [name])
        // Who is not there need not be deleted.
        if ('missing' in found) continue
        for (const device of found.ids) {
          await house.store.transactHouse((tx) =>
            removeDevice(tx, house.env(), { device, tenant: tenant.id, by: actor }),
          )
          house.exchange.sessions.end(device, 'deleted')
        }
      }
      return 'ok'
    },
  },
} as const satisfies Commands

/** What the parameters tell of a device; the code that refuses them. */
async function factsIn(
  { house, tenant }: Context,
  params: Params,
  type: string,
): Promise<{ readonly told: (device: DeviceId) => ToldFacts } | { readonly code: ResultCode }> {
  const attributes: Record<string, string> = {}
  for (const name of plainAttributes) {
    const value = params.maybeText(name)
    if (value !== undefined) attributes[name] = value
  }
  const own = params.any('attributes')
  if (own !== undefined) {
    const judged = await judgeAttributes(house, tenant.id, type, own)
    if (!judged) return { code: 'validation-failed' }
    attributes[typedAttributes] = printJson(judged)
  }
  const url = params.maybeText('notification-url')
  const target = url === undefined ? undefined : house.exchange.keepTarget(tenant.id, url)
  if (target && !target.ok) return { code: codeOf(target.refusal) }
  const description = params.maybeText('description')
  const deviceKey = params.maybeBig('device-key')
  const serverKey = params.maybeBig('server-key')
  const password = params.maybeText('password')
  const timeout = params.maybeNumber('session-timeout')
  const hex = (key: bigint) => key.toString(16).padStart(16, '0')
  const seal = (plain: string, device: DeviceId, what: 'device-key' | 'server-key' | 'password') =>
    house.keys.seal(plain, keyPlace(tenant.id, device, what))
  return {
    told: (device) => ({
      ...(description === undefined ? {} : { description }),
      ...(deviceKey === undefined ? {} : { sealedDeviceKey: seal(hex(deviceKey), device, 'device-key') }),
      ...(serverKey === undefined ? {} : { sealedServerKey: seal(hex(serverKey), device, 'server-key') }),
      ...(password === undefined ? {} : { sealedPassword: seal(password, device, 'password') }),
      ...(timeout === undefined ? {} : { sessionTimeout: timeout }),
      ...(target === undefined ? {} : { target: target.value }),
      attributes,
    }),
  }
}

async function judgeAttributes(
  house: Context['house'],
  tenant: Context['tenant']['id'],
  typeName: string,
  own: JsonValue,
): Promise<JsonObject | undefined> {
  if (!isJsonObject(own)) return undefined
  const type = await house.store.read(tenant).get(deviceTypes, { name: typeName })
  if (type?.schema === undefined) return Object.keys(own).length === 0 ? own : undefined
  const schema = await house.exchange.schemas.open(tenant, parseSchemaName(type.schema))
  if (!schema) return undefined
  const document = type.container === undefined ? own : { [type.container]: own }
  const judged = schema.judge({ as: 'data' }, document)
  if (!judged.ok) return undefined
  const inside = type.container === undefined ? judged.value : (judged.value[type.container] ?? {})
  return isJsonObject(inside) ? inside : undefined
}

/** A device as it is shown: absent leaves are left out, `session-timeout` is always there, keys never. */
async function shown({ house, tenant, reader }: Context, { name, device }: NamedDevice): Promise<JsonObject> {
  const facts = await factsOf(reader, device.id)
  const { description, target } = facts
  const own = ownAttributes(facts)
  return {
    'device-id': name,
    'device-type': device.type,
    ...(description === undefined ? {} : { description }),
    'session-timeout': facts.sessionTimeout,
    ...plain(facts),
    ...(target === undefined ? {} : { 'notification-url': house.exchange.openTarget(tenant.id, target) }),
    ...(own === undefined ? {} : { attributes: own }),
  }
}

function plain({ attributes }: DeviceFacts): JsonObject {
  const found: JsonObject = {}
  for (const name of plainAttributes) {
    const value = attributes[name]
    if (typeof value === 'string') found[name] = value
  }
  return found
}

function ownAttributes({ attributes }: DeviceFacts): JsonObject | undefined {
  const text = attributes[typedAttributes]
  if (typeof text !== 'string') return undefined
  const parsed = parseJson(text)
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : undefined
}

/** Attributes by name, as texts; names that there are not are left out. */
async function attributesOf(
  { house, tenant, reader }: Context,
  { name, device }: NamedDevice,
  wanted: readonly string[],
): Promise<JsonObject[]> {
  const facts = await factsOf(reader, device.id)
  const own = ownAttributes(facts) ?? {}
  const open = (sealed: string | undefined, what: 'device-key' | 'server-key'): string | undefined => {
    const plainText =
      sealed === undefined ? undefined : house.keys.unseal(sealed, keyPlace(tenant.id, device.id, what))
    return plainText?.ok ? BigInt(`0x${plainText.value}`).toString() : undefined
  }
  const known: Record<string, () => string | undefined> = {
    'device-id': () => name,
    'device-type': () => device.type,
    description: () => facts.description,
    'session-timeout': () => String(facts.sessionTimeout),
    'device-key': () => open(facts.sealedDeviceKey, 'device-key'),
    'server-key': () => open(facts.sealedServerKey, 'server-key'),
    'notification-url': () => facts.target && house.exchange.openTarget(tenant.id, facts.target),
    'is-connected': () => String(house.exchange.sessions.isConnected(device.id)),
  }
  return wanted.flatMap((attribute) => {
    const text = Object.hasOwn(known, attribute)
      ? known[attribute]?.()
      : textOf(own[attribute] ?? plain(facts)[attribute])
    return text === undefined ? [] : [{ name: attribute, val: text }]
  })
}

function textOf(value: JsonValue | undefined): string | undefined {
  if (value === undefined) return undefined
  return typeof value === 'string' ? value : printJson(value)
}

/** A text in which `*` stands for any characters. */
function matches(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  if (!name.startsWith(first)) return false
  if (rest.length === 0) return name === first
  let at = first.length
  const last = rest.pop() ?? ''
  for (const part of rest) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return name.length - last.length >= at && name.endsWith(last)
}
