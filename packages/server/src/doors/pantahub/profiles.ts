/**
 * Profiles (Pantahub wire facts 10): what accounts tell of themselves to others who are logged in, and the owner's
 * *global meta*, which every device finds under its own user-meta.
 *
 * Nobody is listed who has not written a profile; e-mail addresses are told to nobody.
 */
import {
  globalMeta,
  Instant,
  ok,
  type Profile,
  profiles,
  type Result,
  refuse,
  setGlobalMeta,
  setProfile,
  type TenantId,
  type Where,
} from '@waymark/domain'
import type { JsonObject } from '@waymark/pantahub'
import { ownerPrn } from '../../access.ts'
import type { House } from '../../house.ts'
import { type Asked, type Handlers, say } from './answer.ts'
import { described, objectOf, textAt } from './bodies.ts'
import { type BadValue, badValue } from './errors.ts'
import { ownerNick } from './records.ts'

/** What a profile says, and how much of it, in characters. */
const facts = {
  fullName: 256,
  bio: 4096,
  picture: 16_384,
  website: 1024,
  location: 256,
  github: 256,
  gitlab: 256,
  company: 256,
  twitter: 256,
} as const satisfies Record<string, number>

/** Facts that others will follow or load: web addresses, a picture also in itself. */
const addressForms: Readonly<Record<string, RegExp>> = {
  website: /^https?:\/\/[\x21-\x7e]+$/i,
  picture: /^(https?:\/\/[\x21-\x7e]+|data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+)$/i,
}

const listedMax = 10_000
const limitMax = 100

export function profileHandlers(
  house: House,
): Pick<Handlers, 'listProfiles' | 'readProfile' | 'putProfile' | 'readGlobalMeta' | 'putGlobalMeta'> {
  return {
    async listProfiles({ query }) {
      const limit = wholeAt(query, 'limit', { least: 1, most: limitMax, usual: 20 })
      if (!limit.ok) return limit
      const page = wholeAt(query, 'page', { least: 0, most: listedMax, usual: 0 })
      if (!page.ok) return page
      const from = page.value * limit.value
      if (from + limit.value > listedMax)
        return badValue('page', `one within the first ${listedMax} profiles`, String(page.value))
      const found = await house.store.readHouse().find(profiles, {
        where: nickFilter(query.nick),
        order: ['nick', 'tenant'],
        limit: from + limit.value,
      })
      return say(found.slice(from).map(wire))
    },

    async readProfile({ caller, params }) {
      const nick = String(params.nick)
      const [found] = await house.store.readHouse().find(profiles, { where: { nick }, limit: 1 })
      if (found) return say(wire(found))
      // One's own is there before anything was written into it.
      const own = await ownerNick(house, caller.tenant)
      if (nick !== own) return refuse({ kind: 'absent', thing: 'profile', got: described(nick) })
      const { createdAt } = caller.principal
      return say(wire({ tenant: caller.tenant, nick, facts: {}, createdAt, modifiedAt: createdAt }))
    },

    async putProfile({ caller, body }) {
      const asked = objectOf(body, 'profile')
      if (!asked.ok) return asked
      const told = factsIn(asked.value)
      if (!told.ok) return told
      const nick = await ownerNick(house, caller.tenant)
      const wanted = { tenant: caller.tenant, nick, facts: told.value, by: caller.actor }
      const set = await house.store.transactHouse(async (tx) => ok(await setProfile(tx, house.env(), wanted)))
      return set.ok ? say(wire(set.value)) : set
    },

    async readGlobalMeta({ caller }) {
      return say(await readGlobal(caller.tenant))
    },

    async putGlobalMeta({ caller, body }) {
      const meta = objectOf(body, 'global meta')
      if (!meta.ok) return meta
      const wanted = { meta: meta.value, by: caller.actor }
      const set = await house.store.transact(caller.tenant, (tx) => setGlobalMeta(tx, house.env(), wanted))
      return set.ok ? say(set.value) : set
    },
  }

  async function readGlobal(tenant: TenantId): Promise<JsonObject> {
    return (await globalMeta(house.store.read(tenant))) ?? {}
  }
}

function wire(profile: Profile): Record<string, unknown> {
  const told = Object.keys(facts).map((name) => [name, profile.facts[name] ?? ''] as const)
  return {
    nick: profile.nick,
    prn: ownerPrn(profile.tenant),
    ...Object.fromEntries(told),
    'time-created': Instant.format(profile.createdAt),
    'time-modified': Instant.format(profile.modifiedAt),
  }
}

/** What is said, as far as profiles say it: clients send the record back as they got it. */
function factsIn(asked: JsonObject): Result<Record<string, string>, BadValue> {
  const told: Record<string, string> = {}
  for (const [name, most] of Object.entries(facts)) {
    const text = textAt(asked, name, most)
    if (!text.ok) return text
    if (text.value === undefined) continue
    const form = addressForms[name]
    if (form && !form.test(text.value)) return badValue(name, 'a web address', described(text.value))
    told[name] = text.value
  }
  return ok(told)
}

/** `x`, or `^x`: begins so, in any case. */
function nickFilter(raw: string | undefined): Where<Profile> {
  if (raw === undefined || raw === '' || raw === '^') return {}
  return { nick: raw.startsWith('^') ? { prefix: raw.slice(1) } : raw }
}

function wholeAt(
  query: Asked['query'],
  name: string,
  { least, most, usual }: { least: number; most: number; usual: number },
): Result<number, BadValue> {
  const raw = query[name]
  if (raw === undefined || raw === '') return ok(usual)
  const value = /^\d{1,9}$/.test(raw) ? Number(raw) : Number.NaN
  return value >= least && value <= most ? ok(value) : badValue(name, `${least} to ${most}`, described(raw))
}
