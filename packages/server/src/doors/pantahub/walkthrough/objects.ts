/**
 * Objects, in the walkthrough's forms: their description by name, and the short way to their bytes.
 *
 * A name is a sha256, or what an object was uploaded as; the latter stands for the newest of that name whose bytes are
 * here. Where the bytes are is told by a signed URL that needs no further login, and is good for a while only: the 301
 * that leads there must not be remembered.
 */
import { type ObjectRecord, ObjectSha, objects, ok, type Result, refuse } from '@waymark/domain'
import type { JsonObject } from '@waymark/pantahub'
import type { DeviceCaller, UserCaller } from '../../../access.ts'
import type { House } from '../../../house.ts'
import { say } from '../answer.ts'
import type { Refusal } from '../errors.ts'
import type { ObjectUrls } from '../object-urls.ts'
import { objectWire } from '../records.ts'
import type { WalkHandlers } from './answer.ts'
import { newestNamed } from './form.ts'

export function walkObjectHandlers(
  house: House,
  urls: ObjectUrls,
): Pick<WalkHandlers, 'readObject' | 'downloadObject'> {
  return {
    async readObject({ caller, params }) {
      const found = await find(caller, params.name)
      if (!found.ok) return found
      const about = { tenant: caller.tenant, now: house.clock.now(), shown: 'both' } as const
      const object = JSON.parse(objectWire(urls, found.value, about)) as JsonObject
      return say({ ...object, get_object: object['signed-geturl'] ?? '' })
    },

    async downloadObject({ caller, params }) {
      const found = await find(caller, params.name)
      if (!found.ok) return found
      const { sha, size, name, stored } = found.value
      if (!stored) return refuse({ kind: 'absent', thing: `object ${sha}`, got: 'upload of its bytes yet' })
      const location = urls.url('GET', { tenant: caller.tenant, sha, size, name })
      return ok({ status: 301, headers: { location }, text: '' })
    },
  }

  /** Unknown and foreign answer alike: an object is looked for in the caller's own namespace only. */
  async function find(
    caller: UserCaller | DeviceCaller,
    name: string | undefined,
  ): Promise<Result<ObjectRecord, Refusal>> {
    const reader = house.store.read(caller.tenant)
    const sha = ObjectSha.parse(name)
    const object = sha ? await reader.get(objects, { sha }) : await newestNamed(reader, name ?? '')
    return object ? ok(object) : refuse({ kind: 'no-access', thing: `object ${(name ?? '').slice(0, 80)}` })
  }
}
