/** Types of devices at the fleet door: a type names the protocol, and thereby the link, by which its devices are reached. */
import { Type } from '@sinclair/typebox'
import {
  createDeviceType,
  type DeviceType,
  deviceTypes,
  Instant,
  ok,
  refuse,
  removeDeviceType,
} from '@waymark/domain'
import { changing, type Operation, reading } from './operation.ts'
import { pageOf, readCursor } from './paging.ts'
import * as wire from './schemas.ts'

const Named = Type.Object({ type: Type.String({ minLength: 1, maxLength: 64 }) })
const TypeShown = Type.Object({
  name: Type.String(),
  protocol: Type.String(),
  schema: Type.Optional(Type.String({ description: 'the module that describes attributes of its devices' })),
  createdAt: Type.String({ format: 'date-time' }),
})

export const deviceTypeOperations: readonly Operation[] = [
  reading({
    id: 'listDeviceTypes',
    method: 'GET',
    path: '/device-types',
    tag: 'devices',
    summary: 'Types of devices, by name',
    right: 'devices.read',
    query: Type.Object({ ...wire.Paging }),
    answer: wire.Page(TypeShown),
    async run({ house, caller, query }) {
      const after = readCursor(query.cursor, ['string'])
      if (!after.ok) return after
      const limit = query.limit ?? 50
      const found = await house.store.read(caller.tenant).find(deviceTypes, {
        order: ['name'],
        limit: limit + 1,
        ...(after.value === undefined ? {} : { after: after.value }),
      })
      const { items, ...more } = pageOf(found, limit, ({ name }) => [name])
      return ok({ items: items.map(view), ...more })
    },
  }),

  reading({
    id: 'getDeviceType',
    method: 'GET',
    path: '/device-types/:type',
    tag: 'devices',
    summary: 'One type of devices',
    right: 'devices.read',
    params: Named,
    answer: TypeShown,
    async run({ house, caller, params }) {
      const found = await house.store.read(caller.tenant).get(deviceTypes, { name: params.type })
      return found ? ok(view(found)) : refuse({ kind: 'no-such-type', got: params.type })
    },
  }),

  changing({
    id: 'createDeviceType',
    method: 'POST',
    path: '/device-types',
    tag: 'devices',
    summary: 'Makes a type of devices that are reached by a protocol',
    right: 'devices.write',
    body: Type.Object(
      {
        name: Type.String({ minLength: 1, maxLength: 64 }),
        protocol: Type.String({ minLength: 1, maxLength: 64, description: 'such as exodm_bert' }),
      },
      { additionalProperties: false },
    ),
    answer: TypeShown,
    status: 201,
    async run({ house, caller, body }) {
      const { name, protocol } = body
      if (!house.exchange.protocol(protocol))
        return refuse({
          kind: 'bad-value',
          thing: 'protocol',
          wanted: 'one that a link speaks',
          got: protocol,
        })
      return ok(async (_directory, tx) => {
        const made = await createDeviceType(tx, house.env(), { name, protocol, by: caller.actor })
        return made.ok ? ok(view(made.value)) : made
      })
    },
  }),

  changing({
    id: 'removeDeviceType',
    method: 'DELETE',
    path: '/device-types/:type',
    tag: 'devices',
    summary: 'Removes a type that no device has',
    right: 'devices.write',
    params: Named,
    answer: TypeShown,
    async run({ house, caller, params }) {
      return ok(async (_directory, tx) => {
        const gone = await removeDeviceType(tx, house.env(), { name: params.type, by: caller.actor })
        return gone.ok ? ok(view(gone.value)) : gone
      })
    },
  }),
]

function view({ name, protocol, schema, createdAt }: DeviceType) {
  return { name, protocol, createdAt: Instant.format(createdAt), ...(schema === undefined ? {} : { schema }) }
}
