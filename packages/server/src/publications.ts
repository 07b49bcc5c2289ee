/**
 * The index of published objects, for stores from before there was one: once in a store's life every published device is
 * looked at, and from then on the commits that publish keep it. That it is done is a setting; asking is cheap.
 */
import {
  actingOn,
  type DeviceId,
  ok,
  reindexPublished,
  settings,
  settled,
  type TenantId,
} from '@waymark/domain'
import type { House } from './house.ts'

const settingName = 'published-index'
/** Raised when the index has to be made again. */
const version = 1
/** Devices whose objects are indexed in one commit. */
const pageSize = 20

/** Indexes what is published, if that has not been done in this store; answers whether it was. */
export async function indexPublications(
  { store, env }: Pick<House, 'store' | 'env'>,
  eachTenant: (visit: (tenant: TenantId) => Promise<void>) => Promise<void>,
): Promise<boolean> {
  const done = await store.readHouse().get(settings, { name: settingName })
  if (done?.value === version) return false
  await eachTenant(async (tenant) => {
    let after: DeviceId | undefined
    do {
      const from = after
      const page = await store.transactHouse(async (house) =>
        ok(
          await reindexPublished(house, tenant, {
            limit: pageSize,
            ...(from === undefined ? {} : { after: from }),
          }),
        ),
      )
      after = settled(page)
    } while (after !== undefined)
  })
  await store.transactHouse(async (house) => {
    await house.put(settings, { name: settingName, value: version })
    actingOn(house, env(), { kind: 'system', id: 'publications' }).note('setting.changed', {
      name: settingName,
    })
    return ok(undefined)
  })
  return true
}
