/** Types of devices. */
import {
  changeDeviceType,
  createDeviceType,
  devices,
  deviceTypes,
  parseSchemaName,
  removeDeviceType,
  trailType,
} from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import { type Commands, pageNames, pageOf } from '../command.ts'
import { codeOf } from '../refusals.ts'
import { namesOfDevices } from './naming.ts'

const change = ['master', 'admin', 'device'] as const
const look = ['master', 'admin', 'view', 'device'] as const

export const deviceTypeCommands = {
  'create-device-type': {
    roles: change,
    async run({ house, tenant, actor }, params) {
      const protocol = params.text('protocol')
      if (!house.exchange.protocol(protocol)) return 'validation-failed'
      const schema = params.maybeText('yang-specification')
      const container = params.maybeText('attribute-container')
      if (schema !== undefined) {
        const opened = await house.exchange.schemas.open(tenant.id, parseSchemaName(schema))
        if (!opened) return 'object-not-found'
        const there =
          container === undefined ||
          opened.data.some(({ kind, name }) => kind === 'container' && name === container)
        if (!there) return 'validation-failed'
      }
      const made = await house.store.transact(tenant.id, (tx) =>
        createDeviceType(tx, house.env(), {
          name: params.text('name'),
          protocol,
          by: actor,
          ...(schema === undefined ? {} : { schema: parseSchemaName(schema).name }),
          ...(container === undefined ? {} : { container }),
        }),
      )
      return made.ok ? 'ok' : codeOf(made.refusal)
    },
  },
  'update-device-type': {
    roles: change,
    async run({ house, tenant, actor }, params) {
      const protocol = params.maybeText('protocol')
      if (protocol !== undefined && !house.exchange.protocol(protocol)) return 'validation-failed'
      const done = await house.store.transact(tenant.id, (tx) =>
        changeDeviceType(tx, house.env(), {
          name: params.text('name'),
          by: actor,
          ...(protocol === undefined ? {} : { protocol }),
        }),
      )
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'delete-device-type': {
    roles: change,
    async run({ house, tenant, actor }, params) {
      const done = await house.store.transact(tenant.id, (tx) =>
        removeDeviceType(tx, house.env(), { name: params.text('name'), by: actor }),
      )
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'list-device-types': {
    roles: look,
    empty: 'device-types',
    async run({ reader }, params) {
      const { n, previous, descending } = pageOf(params)
      const beyond = previous === '' ? {} : { name: descending ? { lt: previous } : { gt: previous } }
      const found =
        n === 0
          ? []
          : await reader.find(deviceTypes, {
              where: beyond,
              order: [descending ? '-name' : 'name'],
              limit: n,
            })
      const types = found.map(
        ({ name, protocol, schema, container }): JsonObject => ({
          name,
          protocol,
          ...(schema === undefined ? {} : { 'yang-specification': schema }),
          ...(container === undefined ? {} : { 'attribute-container': container }),
        }),
      )
      return { result: 'ok', 'device-types': types }
    },
  },
  'list-device-type-members': {
    roles: look,
    aliases: ['list-device-type-devices'],
    empty: 'device-type-members',
    async run({ reader }, params) {
      const type = params.text('name')
      const known = type === trailType || (await reader.get(deviceTypes, { name: type }))
      if (!known) return { result: 'object-not-found', 'device-type-members': [] }
      const members: string[] = []
      let after: string | undefined
      for (;;) {
        const page = await reader.find(devices, {
          where: { garbage: false, type, ...(after === undefined ? {} : { nick: { gt: after } }) },
          order: ['garbage', 'type', 'nick', 'id'],
          limit: 1000,
        })
        members.push(...(await namesOfDevices(reader, page)))
        after = page.at(-1)?.nick
        if (page.length < 1000) break
        await new Promise((resolve) => setImmediate(resolve))
      }
      return { result: 'ok', 'device-type-members': pageNames(members, (name) => name, pageOf(params)) }
    },
  },
} as const satisfies Commands
