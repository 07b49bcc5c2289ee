/** A device that follows a trail, played: registered by the domain, announced by hand, its steps read and reported on. */
import {
  announce,
  devices,
  headStep,
  openTrail,
  Revision,
  registerDevice,
  reportStep,
  stateOf,
  tenants,
} from '@waymark/domain'
import { parseStateText } from '@waymark/pantahub'
import type { Back } from './support.ts'

export const factory = '{"#spec":"pantavisor-service-system@1","bsp/run.json":{"linux":"kernel.img"}}'

const readings = {
  QUEUED: undefined,
  INPROGRESS: undefined,
  DONE: 'done',
  ERROR: 'failed',
  WONTGO: 'failed',
} as const

/** Registers a device of the account and announces it with a state. */
export async function trailDevice(back: Back, nick: string, state = factory) {
  const { house } = back.test
  const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!acme) throw new Error('no acme')
  const made = await house.store.transactHouse((tx) =>
    registerDevice(tx, house.env(), { tenant: acme.id, nick, seal: (secret) => secret }),
  )
  if (!made.ok) throw new Error(made.refusal.kind)
  const { id } = made.value.device
  const parsed = parseStateText(state)
  if (!parsed.ok) throw new Error('the factory state parses')
  const posted = { text: parsed.state.canonical, sha: parsed.state.sha, objects: parsed.state.objects }
  const begun = await house.store.transact(acme.id, (tx) =>
    announce(tx, house.env(), { device: id, state: posted, by: { kind: 'device', id } }),
  )
  if (!begun.ok) throw new Error(begun.refusal.kind)
  const reader = house.store.read(acme.id)

  async function head() {
    const held = await reader.get(devices, { id })
    const trail = held && (await openTrail(reader, held))
    const step = trail && (await headStep(reader, trail))
    if (!step) throw new Error('no trail')
    return { rev: step.rev, status: step.status, about: step.commitMsg, state: await stateOf(reader, step) }
  }

  return {
    id,
    tenant: acme.id,
    reader,
    head,
    /** What the newest step holds, parsed. */
    async state(): Promise<Record<string, unknown>> {
      return JSON.parse((await head()).state) as Record<string, unknown>
    },
    async report(rev: number, word: keyof typeof readings) {
      const end = readings[word]
      const done = await house.store.transact(acme.id, (tx) =>
        reportStep(tx, house.env(), {
          device: id,
          rev: Revision.parse(rev) ?? Revision.first,
          report: { status: word },
          reading: {
            word,
            meaning: end === undefined ? 'working' : { end },
            percent: end === undefined ? 10 : 100,
            message: word,
          },
          by: { kind: 'device', id },
        }),
      )
      if (!done.ok) throw new Error(done.refusal.kind)
      await back.tend()
    },
  }
}
