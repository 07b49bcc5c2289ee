/** Scenarios: one line an action, in the words of the domain. Only this file touches the operations. */
import { createMemoryStore } from '@waymark/store'
import {
  type Actor,
  announce,
  askAbort,
  cancelStep,
  claimDevice,
  clearStep,
  closeTrail,
  createAccount,
  type Device,
  type DeviceId,
  devices,
  type Env,
  Instant,
  mainCollections,
  noteRunning,
  offeredSteps,
  openTrail,
  type PostedState,
  postStep,
  type Reading,
  type Result,
  Revision,
  registerDevice,
  replaceState,
  reportInTurn,
  reportStep,
  type Store,
  stateOf,
  stepOf,
  type TenantId,
  transactions,
  unclaimedTenant,
  walkWord,
} from '../src/index.ts'

/** Randomness that repeats: a small linear generator, good for nothing but tests. */
export function seededBytes(seed: number): (count: number) => Uint8Array {
  let state = seed >>> 0 || 1
  return (count) => {
    const bytes = new Uint8Array(count)
    for (let i = 0; i < count; i++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      state >>>= 0
      bytes[i] = state & 0xff
    }
    return bytes
  }
}

export interface Stage {
  readonly store: Store
  readonly env: Env & { now: Instant }
  readonly owner: TenantId
  readonly by: Actor
  pass(ms: number): void
}

export async function stage(seed = 7): Promise<Stage> {
  const store = createMemoryStore({ collections: mainCollections })
  const env = { now: Instant.of(Date.UTC(2026, 0, 1)), random: seededBytes(seed) }
  const account = await store.transactHouse((house) =>
    createAccount(house, env, { nick: 'olive', passwordHash: 'x', verified: true }),
  )
  if (!account.ok) throw new Error(account.refusal.kind)
  return {
    store,
    env,
    owner: account.value.tenant.id,
    by: { kind: 'user', id: account.value.principal.id },
    pass: (ms) => {
      env.now = Instant.after(env.now, ms)
    },
  }
}

export async function makeDevice(on: Stage, nick: string): Promise<Device> {
  const made = await on.store.transactHouse((house) =>
    registerDevice(house, on.env, {
      tenant: on.owner,
      nick,
      by: on.by,
      seal: (secret) => `sealed:${secret}`,
    }),
  )
  if (!made.ok) throw new Error(made.refusal.kind)
  return made.value.device
}

export async function makeUnclaimed(on: Stage): Promise<Device> {
  const made = await on.store.transactHouse((house) =>
    registerDevice(house, on.env, { tenant: unclaimedTenant, seal: (secret) => `sealed:${secret}` }),
  )
  if (!made.ok) throw new Error(made.refusal.kind)
  return made.value.device
}

/** A state without objects whose text says which revision it was made for. */
export function plainState(name: string, objects: PostedState['objects'] = []): PostedState {
  const text = `{"#spec":"pantavisor-service-system@1","name.json":${JSON.stringify(name)}}`
  return { text, sha: name, objects }
}

const readings: Record<string, Reading['meaning']> = {
  NEW: 'waiting',
  QUEUED: 'waiting',
  INPROGRESS: 'working',
  DONE: { end: 'done' },
  ERROR: { end: 'failed' },
  WONTGO: { end: 'failed' },
}

export function reading(word: string, percent = 0, message = ''): Reading {
  return { word, percent, message, meaning: readings[word] ?? 'unknown' }
}

/**
 * Plays lines like `owner posts rev 2`, `device reports rev 2 ERROR bad checksum`, `device runs rev 1`,
 * `owner cancels rev 2`, `owner resets`, `device announces`; after `refused: kind` a line must be refused so.
 * Then `rev 2 is failed ERROR` claims the outcome and the reported word.
 */
export async function play(on: Stage, device: DeviceId, script: string): Promise<void> {
  const by: Actor = { kind: 'device', id: device }
  for (const line of script
    .split('\n')
    .map((text) => text.trim())
    .filter(Boolean)) {
    const [action = '', wanted] = line.split(' → ')
    const words = action.split(/\s+/)
    const rev = Revision.parse(words[words.indexOf('rev') + 1]) ?? Revision.first
    const rest = words.slice(words.indexOf('rev') + 2)
    const came = await on.store.transact(on.owner, async (tx): Promise<Result<unknown, { kind: string }>> => {
      switch (`${words[0]} ${words[1]}`) {
        case 'device announces':
          return announce(tx, on.env, { device, state: plainState('factory'), by })
        case 'owner posts':
          return postStep(tx, on.env, {
            device,
            rev: words.includes('rev') ? rev : 'append',
            state: plainState(`rev ${rev}`),
            commitMsg: '',
            committer: '',
            meta: {},
            by: on.by,
          })
        case 'device reports':
          return reportStep(tx, on.env, {
            device,
            rev,
            report: { status: rest[0] ?? '', note: rest.slice(1).join(' ') },
            reading: reading(rest[0] ?? '', 0, rest.slice(1).join(' ')),
            by,
          })
        case 'device walks': {
          const word = walkWord(rest[0])
          if (!word) throw new Error(`${line}: no word of the walkthrough`)
          return reportInTurn(tx, on.env, {
            device,
            rev,
            word,
            ...(word === 'ABORTED' ? { deviceAbort: true } : {}),
            compose: (before) => ({ report: { ...before, status: word }, percent: 0, message: '' }),
            by,
          })
        }
        case 'owner aborts':
          return askAbort(tx, on.env, { device, rev, by: on.by })
        case 'owner clears':
          return clearStep(tx, on.env, { device, rev, by: on.by })
        case 'device is': {
          // `device is offered 1 2`, `device is offered nothing`
          const record = await tx.get(devices, { id: device })
          const trail = record && (await openTrail(tx, record))
          const offered = trail ? await offeredSteps(tx, trail) : []
          const wanted = words.slice(3).join(' ')
          const is = offered.join(' ') || 'nothing'
          if (is !== wanted) throw new Error(`the device is offered ${is}, not ${wanted}`)
          return { ok: true, value: undefined }
        }
        case 'device runs': {
          const record = await tx.get(devices, { id: device })
          if (record) await noteRunning(tx, on.env, record, rev)
          return { ok: true, value: undefined }
        }
        case 'owner cancels':
          return cancelStep(tx, on.env, { device, rev, by: on.by })
        case 'owner replaces':
          return replaceState(tx, on.env, { device, rev, state: plainState('another'), by: on.by })
        case 'owner resets':
          return closeTrail(tx, on.env, { device, by: on.by })
        default:
          return check(on, device, words)
      }
    })
    const answer = came.ok ? 'ok' : came.refusal.kind
    if (answer !== (wanted ?? 'ok')) throw new Error(`${line}: answered ${answer}`)
    on.pass(1000)
  }
}

async function check(
  on: Stage,
  device: DeviceId,
  words: readonly string[],
): Promise<Result<unknown, { kind: string }>> {
  const rev = Revision.parse(words[1])
  if (words[0] !== 'rev' || rev === undefined || words[2] !== 'is')
    throw new Error(`no such line: ${words.join(' ')}`)
  const reader = on.store.read(on.owner)
  const step = await stepOf(reader, device, rev)
  if (!step.ok) return step
  await stateOf(reader, step.value)
  const transaction = await reader.get(transactions, { id: step.value.transaction })
  const is = [transaction?.state, step.value.status, transaction?.proof].filter((word) => word !== undefined)
  const claimed = words.slice(3)
  if (claimed.join(' ') !== is.slice(0, claimed.length).join(' '))
    throw new Error(`rev ${rev} is ${is.join(' ')}, not ${claimed.join(' ')}`)
  return { ok: true, value: undefined }
}

export async function claim(on: Stage, device: Device, challenge: string) {
  return on.store.transactHouse((house) =>
    claimDevice(house, on.env, { device: device.id, challenge, tenant: on.owner, by: on.by }),
  )
}
