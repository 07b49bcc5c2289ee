/** Fleets for measuring: devices with a trail each, written straight into a store. */
import {
  type Device,
  type DeviceId,
  deviceHomes,
  deviceNames,
  devices,
  Generation,
  Id24,
  Instant,
  ok,
  type Revision,
  type Step,
  type Store,
  stepStates,
  steps,
  type TenantId,
  type TransactionId,
  trails,
  transactions,
} from '@waymark/domain'

let made = 0

/** Ids in rising order: rows are appended and a million of them are there in minutes. What a look-up costs is the same. */
function nextId(now: Instant): string {
  made += 1
  const random = new Uint8Array(6)
  new DataView(random.buffer).setUint32(2, made)
  return Id24.make(now, random)
}

const stateText = '{"#spec":"pantavisor-service-system@1","bsp/run.json":{"linux":"kernel.img"}}'
const stateSha = '0'.repeat(64)

export const cannedStep: Step = {
  device: '0'.repeat(24) as DeviceId,
  generation: Generation.first,
  rev: 1 as Revision,
  transaction: '0'.repeat(24) as TransactionId,
  commitMsg: '',
  committer: '',
  meta: {},
  stateSha,
  status: 'INPROGRESS',
  open: true,
  report: { status: 'INPROGRESS', progress: 50, 'status-msg': 'bench' },
  createdAt: Instant.of(0),
  modifiedAt: Instant.of(0),
}

/** Devices with a trail each: step 0 done, and with `open` a step 1 that waits. */
export async function seed(
  store: Store,
  tenant: TenantId,
  count: number,
  open: boolean,
): Promise<DeviceId[]> {
  const now = Instant.of(Date.now())
  const ids: DeviceId[] = []
  const slice = 1000
  for (let from = 0; from < count; from += slice)
    await store.transactHouse(async (directory) => {
      const tx = directory.tenant(tenant)
      for (let i = from; i < Math.min(count, from + slice); i++) {
        const id = nextId(now) as DeviceId
        ids.push(id)
        const device: Device = {
          id,
          nick: `bench-${id}`,
          type: 'pantahub',
          labels: {},
          sealedSecret: 'w1.none',
          credentialVersion: 1,
          published: false,
          garbage: false,
          generation: Generation.first,
          createdAt: now,
          modifiedAt: now,
        }
        await tx.put(devices, device)
        await tx.put(deviceNames, { door: 'nick', name: device.nick, device: id })
        await directory.put(deviceHomes, { device: id, tenant, published: false })
        await tx.put(trails, { device: id, generation: Generation.first, createdAt: now })
        for (const rev of open ? [0, 1] : [0]) {
          const done = rev === 0
          const transaction = nextId(now) as TransactionId
          await tx.put(steps, {
            ...cannedStep,
            device: id,
            rev: rev as Revision,
            transaction,
            status: done ? 'DONE' : 'NEW',
            open: !done,
            report: { status: done ? 'DONE' : 'NEW', progress: 0 },
            createdAt: now,
            modifiedAt: now,
          })
          await tx.put(stepStates, {
            device: id,
            generation: Generation.first,
            rev: rev as Revision,
            text: stateText,
          })
          await tx.put(transactions, {
            id: transaction,
            kind: 'step',
            device: id,
            lane: 'trail',
            seq: rev,
            state: done ? 'done' : 'queued',
            open: !done,
            percent: done ? 100 : 0,
            payload: { rev },
            by: { kind: 'device', id },
            attempts: 0,
            createdAt: now,
          })
        }
      }
      tx.journal({ kind: 'device.registered', at: now, by: { kind: 'system', id: 'bench' }, data: { from } })
      directory.journal({
        kind: 'tenant.changed',
        at: now,
        by: { kind: 'system', id: 'bench' },
        data: { from },
      })
      return ok(undefined)
    })
  return ids
}
