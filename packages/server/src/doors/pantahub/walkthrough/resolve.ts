/**
 * The registry: which service is the provider of a name, by which API, and where.
 *
 * It knows the forms of names and nothing else. It is asked before anybody has logged in, so it must not tell who or what
 * exists: a name of the right form is answered alike whether or not there is somebody behind it.
 */
import { DeviceId, ok, refuse, unreachable } from '@waymark/domain'
import { type ParsedPrn, parsePrn } from '@waymark/pantahub'
import type { House } from '../../../house.ts'
import { say } from '../answer.ts'
import { described, objectOf } from '../bodies.ts'
import { badValue } from '../errors.ts'
import type { WalkHandlers } from './answer.ts'

const idLengthMax = 512

interface Provider {
  readonly api: string
  /** Below the public address. */
  readonly endpoint: string
  readonly resource?: string
}

export function resolveHandlers(house: House): Pick<WalkHandlers, 'resolve'> {
  return {
    async resolve({ body, query }) {
      const given = idIn(body, query)
      if (!given.ok) return given
      const id = given.value
      if (typeof id !== 'string' || id === '' || id.length > idLengthMax || !id.isWellFormed())
        return badValue(
          'id',
          `a login id, a trail’s id or a prn, at most ${idLengthMax} characters`,
          described(id),
        )
      const provider = providerOf(id)
      if (!provider) return refuse({ kind: 'no-provider', got: described(id) })
      const base = house.publicUrl()
      const { api, endpoint, resource } = provider
      return say({
        id,
        api,
        endpoint: base + endpoint,
        ...(resource === undefined ? {} : { resource: base + resource }),
      })
    },
  }
}

function idIn(body: Buffer | undefined, query: Readonly<Record<string, string | undefined>>) {
  if (body === undefined || body.length === 0) return ok<unknown>(query.id)
  const from = objectOf(body, 'resolve')
  return from.ok ? ok<unknown>(from.value.id ?? query.id) : from
}

/** The provider of a name, by its form alone. */
export function providerOf(id: string): Provider | undefined {
  if (id.startsWith('prn:')) {
    const prn = parsePrn(id)
    return prn && providerOfPrn(prn)
  }
  return DeviceId.parse(id) ? trail(id) : login
}

const login: Provider = { api: 'prn:::login:/v1', endpoint: '/api/v1/login' }

function trail(id: string): Provider {
  return { api: 'prn:::trails:/v1', endpoint: '/v1/trails/', resource: `/v1/trails/${id}` }
}

/** A part of today's forms, which have no numbered API. */
function today(section: string, name?: string): Provider {
  const endpoint = `/${section}/`
  return {
    api: `prn:::${section}:/base`,
    endpoint,
    ...(name === undefined ? {} : { resource: endpoint + encodeURIComponent(name) }),
  }
}

function providerOfPrn({ kind, name }: ParsedPrn): Provider | undefined {
  switch (kind) {
    case 'account':
    case 'session':
    case 'device':
    case 'builtIn':
    case 'anonymous':
      return login
    case 'trail':
      return trail(name)
    case 'object':
      return {
        api: 'prn:::objects:/v1',
        endpoint: '/v1/objects/',
        resource: `/v1/objects/${encodeURIComponent(name)}`,
      }
    case 'joinToken':
      return { ...today('devices'), endpoint: '/devices/tokens', resource: `/devices/tokens/${name}` }
    case 'subscription':
    case 'plan':
      return today('subscriptions')
    case 'accessToken':
    case 'scope':
    case 'app':
      return today('auth')
    case 'other':
      return undefined
    default:
      return unreachable(kind)
  }
}
