/** A package that is removed leaves nothing behind, however many devices had it once. Rules: doors/exosense, PK. */
import {
  createGroup,
  DeviceId,
  devicePackages,
  Instant,
  mainCollections,
  ObjectSha,
  ok,
  packages,
  removePackage,
  settled,
  TenantId,
  TransactionId,
} from '@waymark/domain'
import { createMemoryStore } from '@waymark/store'
import { expect, test } from 'vitest'

function id<T>(parser: { parse(got: unknown): T | undefined }, n: number, digits = 24): T {
  const parsed = parser.parse(n.toString(16).padStart(digits, '0'))
  if (parsed === undefined) throw new Error(`no id: ${n}`)
  return parsed
}

test('[PK1] a package that 1,200 devices had leaves nothing behind when it is removed', async () => {
  const store = createMemoryStore({ collections: mainCollections })
  const tenant = id(TenantId, 1)
  const env = { now: Instant.of(0), random: (count: number) => crypto.getRandomValues(new Uint8Array(count)) }
  const by = { kind: 'system', id: 'test' } as const
  settled(
    await store.transact(tenant, async (tx) => {
      const made = await createGroup(tx, env, { name: 'package/app', hidden: true, by })
      if (!made.ok) throw new Error(made.refusal.kind)
      const { id: members } = made.value
      await tx.put(packages, {
        name: 'app',
        image: id(ObjectSha, 1, 64),
        size: 1,
        prerequisites: [],
        upgradeFrom: [],
        members,
        createdAt: env.now,
      })
      for (let device = 1; device <= 1200; device++)
        await tx.put(devicePackages, {
          device: id(DeviceId, device),
          package: 'app',
          installed: false,
          operation: 'uninstall',
          status: 'completed',
          transaction: id(TransactionId, device),
          since: env.now,
        })
      return ok(undefined)
    }),
  )
  const removed = await store.transact(tenant, (tx) => removePackage(tx, env, { name: 'app', by }))
  expect(removed.ok).toBe(true)
  expect(await store.read(tenant).count(devicePackages, {})).toBe(0)
  expect(await store.read(tenant).count(packages, {})).toBe(0)
})
