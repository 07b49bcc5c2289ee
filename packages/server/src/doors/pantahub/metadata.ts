/**
 * The two maps of a device (Pantahub wire facts 3.6): what its owner wants it to know, and what it says of itself. Keys
 * are kept as they came, dots and all.
 *
 * A device that says which revision it runs proves what it claimed: that is noted in the commit that keeps the map.
 */
import {
  globalMeta,
  type JsonObject,
  noteRunning,
  ok,
  patchDeviceMeta,
  patchUserMeta,
  Revision,
  refuse,
  setDeviceMeta,
  setUserMeta,
  userMetas,
  withGlobal,
} from '@waymark/domain'
import type { DeviceCaller } from '../../access.ts'
import type { House } from '../../house.ts'
import type { Asked, Handlers, Said } from './answer.ts'
import { say } from './answer.ts'
import { objectOf } from './bodies.ts'
import { noDevice, openNamed } from './device-reads.ts'

/** Under this key a Pantavisor says which revision it runs. */
const runningKey = 'pantavisor.revision'

export function metadataHandlers(
  house: House,
): Pick<Handlers, 'readUserMeta' | 'putUserMeta' | 'patchUserMeta' | 'putDeviceMeta' | 'patchDeviceMeta'> {
  return {
    async readUserMeta({ caller, params }) {
      const opened = await openNamed(house, caller, params.id ?? '')
      if (!opened.ok) return opened
      if (opened.value.as === 'visitor') return noDevice(params.id)
      const held = await opened.value.reader.get(userMetas, { device: opened.value.device.id })
      return say(withGlobal(await globalMeta(opened.value.reader), held?.meta) ?? {})
    },

    async putUserMeta({ caller, params, body }) {
      const opened = await openNamed(house, caller, params.id ?? '')
      if (!opened.ok) return opened
      if (opened.value.as === 'visitor') return noDevice(params.id)
      const meta = objectOf(body, 'user-meta')
      if (!meta.ok) return meta
      const { device, tenant } = opened.value
      const wanted = { device, meta: meta.value, by: caller.actor }
      const set = await house.store.transact(tenant, (tx) => setUserMeta(tx, house.env(), wanted))
      return set.ok ? say(set.value) : set
    },

    async patchUserMeta({ caller, params, body }) {
      const opened = await openNamed(house, caller, params.id ?? '')
      if (!opened.ok) return opened
      if (opened.value.as === 'visitor') return noDevice(params.id)
      const patch = objectOf(body, 'user-meta')
      if (!patch.ok) return patch
      const { device, tenant } = opened.value
      const wanted = { device, patch: patch.value, by: caller.actor }
      const set = await house.store.transact(tenant, (tx) => patchUserMeta(tx, house.env(), wanted))
      return set.ok ? say(patch.value) : set
    },

    putDeviceMeta: (asked) => keepDeviceMeta(asked, 'replace'),
    patchDeviceMeta: (asked) => keepDeviceMeta(asked, 'merge'),
  }

  async function keepDeviceMeta(
    { caller, params, body }: Asked<DeviceCaller>,
    how: 'replace' | 'merge',
  ): Promise<Said> {
    const { device, tenant } = caller
    if (params.id !== device.id && params.id !== device.nick)
      return refuse({ kind: 'no-access', thing: `device ${params.id}` })
    const given = objectOf(body, 'device-meta')
    if (!given.ok) return given
    const running = runningRevision(given.value)
    const kept = await house.store.transact(tenant, async (tx) => {
      const env = house.env()
      const set =
        how === 'replace'
          ? await setDeviceMeta(tx, env, { device: device.id, meta: given.value })
          : await patchDeviceMeta(tx, env, { device: device.id, patch: given.value })
      if (!set.ok) return set
      // Not only when it changed: a device may name its revision before it says DONE, and only what is said after counts.
      if (running !== undefined) await noteRunning(tx, env, device, running)
      return ok(undefined)
    })
    return kept.ok ? say({ status: 'ok' }) : kept
  }
}

/** The revision a device says it runs; undefined when it says none of the trail's (`locals/…`). */
function runningRevision(meta: JsonObject): Revision | undefined {
  return Revision.parse(meta[runningKey])
}
