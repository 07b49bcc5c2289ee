/**
 * The journal folded to the state: every entry in order, and what stands after the last one.
 *
 * One table from kind to what it changes; a new kind does not compile until somebody has decided. What comes out are
 * the facts that the journal promises to hold (who lives here, how every step and transaction stands, which objects
 * there are), not whole records: texts, secrets and telemetry are elsewhere. Audit, time travel and the simulated
 * world rest on it: where fold and records differ, an operation has changed something without saying so.
 *
 * A fold begins at a journal's first entry, or at a snapshot that an earlier fold has made.
 */
import { type JournalKind, journalKinds } from './journal.ts'
import type { Json, JsonObject } from './json.ts'
import type { JournalEntry } from './port.ts'
import { invariant } from './result.ts'

export interface FoldedDevice {
  nick: string
  type: string
  labels: JsonObject
  published: boolean
  deleted: boolean
  /** The trail it walks; absent before its first announce. */
  generation?: number
}
export interface FoldedTrail {
  closed: boolean
  /** Final words that came after the outcome and said otherwise. */
  contradictions: number
}
export interface FoldedStep {
  stateSha: string
  status: string
  transaction: string
}
export interface FoldedTransaction {
  kind: string
  device?: string
  lane: string
  state: string
  open: boolean
  percent: number
  reason?: string
  proof?: string
}
export interface FoldedObject {
  size: number
  name: string
  stored: boolean
}

/** What stands. Trails by `device/generation`, steps by `device/generation/rev`, memberships by `principal/tenant`. */
export interface Folded {
  readonly tenants: Map<string, { name: string }>
  readonly principals: Map<string, { nick: string; kind: string }>
  readonly memberships: Map<string, readonly string[]>
  readonly joinTokens: Map<string, { nick: string; disabled: boolean }>
  readonly devices: Map<string, FoldedDevice>
  readonly trails: Map<string, FoldedTrail>
  readonly steps: Map<string, FoldedStep>
  readonly transactions: Map<string, FoldedTransaction>
  readonly objects: Map<string, FoldedObject>
}

/** Nothing has happened yet. */
export function emptyFold(): Folded {
  return {
    tenants: new Map(),
    principals: new Map(),
    memberships: new Map(),
    joinTokens: new Map(),
    devices: new Map(),
    trails: new Map(),
    steps: new Map(),
    transactions: new Map(),
    objects: new Map(),
  }
}

/**
 * Folds entries, oldest first, onto what stood before them (changed in place) and answers it. An entry that cannot
 * follow from the ones before it is a defect: the history has a hole.
 */
export function foldJournal(entries: Iterable<JournalEntry>, onto: Folded = emptyFold()): Folded {
  for (const entry of entries) {
    invariant(isKind(entry.kind), `journal kind ${entry.kind} is one of ours`)
    reducers[entry.kind](onto, entry, facts(entry))
  }
  return onto
}

type Reduce = (state: Folded, entry: JournalEntry, facts: Facts) => void

/** A kind that tells something, but changes nothing that is folded. */
const remark: Reduce = () => {}

const reducers = {
  'tenant.created': ({ tenants }, _entry, { text }) =>
    void tenants.set(text('tenant'), { name: text('name') }),
  'tenant.changed': remark,
  'principal.created': ({ principals }, _entry, { text }) =>
    void principals.set(text('principal'), { nick: text('nick'), kind: text('kind') }),
  'principal.changed': remark,
  'principal.verified': remark,
  'credential.changed': remark,
  'membership.changed': ({ memberships }, _entry, { text, texts }) =>
    void memberships.set(`${text('principal')}/${text('tenant')}`, texts('roles')),
  'join-token.created': ({ joinTokens }, _entry, { text }) =>
    void joinTokens.set(text('token'), { nick: text('nick'), disabled: false }),
  'join-token.disabled': ({ joinTokens }, _entry, { text }) => {
    held(joinTokens, text('token')).disabled = true
  },
  'access-token.created': remark,
  'access-token.removed': remark,
  'app.created': remark,
  'app.changed': remark,
  'app.removed': remark,
  'profile.changed': remark,
  'global-meta.changed': remark,
  'installation.restored': remark,
  'installation.collected': remark,
  'setting.changed': remark,

  'device.registered': deviceCame,
  'device.arrived': deviceCame,
  'device.imported': remark,
  'device.left': ({ devices }, entry) => void devices.delete(deviceOf(entry)),
  'device.renamed': ({ devices }, entry, { text }) => {
    held(devices, deviceOf(entry)).nick = text('nick')
  },
  'device.labelled': ({ devices }, entry, { object }) => {
    held(devices, deviceOf(entry)).labels = object('labels')
  },
  'device.published': ({ devices }, entry) => {
    held(devices, deviceOf(entry)).published = true
  },
  'device.unpublished': ({ devices }, entry) => {
    held(devices, deviceOf(entry)).published = false
  },
  'device.secret-changed': remark,
  'device.deleted': ({ devices }, entry) => {
    const device = held(devices, deviceOf(entry))
    device.deleted = true
    device.published = false
  },
  'device.wanted': remark,

  'trail.begun': ({ devices, trails }, entry, { number }) => {
    held(devices, deviceOf(entry)).generation = number('generation')
    trails.set(trailKey(entry, number('generation')), { closed: false, contradictions: 0 })
  },
  'trail.closed': ({ trails }, entry, { number }) => {
    held(trails, trailKey(entry, number('generation'))).closed = true
  },
  'step.posted': ({ steps }, entry, { number, text }) =>
    void steps.set(`${trailKey(entry, number('generation'))}/${number('rev')}`, {
      stateSha: text('stateSha'),
      status: text('status'),
      transaction: text('transaction'),
    }),
  'step.imported': remark,
  // What changed is named; the step is one of the trail that is walked.
  'step.changed': (state, entry, { number, maybeText }) => {
    const step = held(state.steps, `${trailKey(entry, generationOf(state, entry))}/${number('rev')}`)
    step.stateSha = maybeText('stateSha') ?? step.stateSha
    step.status = maybeText('status') ?? step.status
  },
  'step.reported': ({ steps }, entry, { number, text }) => {
    held(steps, `${trailKey(entry, number('generation'))}/${number('rev')}`).status = text('status')
  },
  'step.contradicted': (state, entry) => {
    held(state.trails, trailKey(entry, generationOf(state, entry))).contradictions += 1
  },
  'step.proved': ({ transactions }, _entry, { text }) => {
    held(transactions, text('transaction')).proof = text('proof')
  },
  'step.abort-asked': remark,
  'step.cleared': remark,

  'transaction.submitted': ({ transactions }, entry, { text, maybeText, maybeNumber }) => {
    const nobody = maybeNumber('members') === 0
    const group = maybeNumber('members') !== undefined
    const isSent = maybeNumber('attempt') !== undefined
    transactions.set(text('transaction'), {
      kind: text('kind'),
      ...(entry.device === undefined ? {} : { device: entry.device }),
      lane: maybeText('lane') ?? '',
      state: nobody ? 'done' : group ? 'in-progress' : isSent ? 'sent' : 'queued',
      open: !nobody,
      percent: nobody ? 100 : 0,
    })
  },
  'transaction.sent': ({ transactions }, _entry, { text }) => {
    held(transactions, text('transaction')).state = 'sent'
  },
  'transaction.progressed': ({ transactions }, _entry, { text, number }) => {
    const transaction = held(transactions, text('transaction'))
    transaction.state = 'in-progress'
    transaction.percent = number('percent')
  },
  'transaction.requeued': ({ transactions }, _entry, { text }) => {
    const transaction = held(transactions, text('transaction'))
    transaction.state = 'queued'
    transaction.percent = 0
  },
  'transaction.ended': ({ transactions }, _entry, { text, maybeText }) => {
    const transaction = held(transactions, text('transaction'))
    invariant(transaction.open, `transaction ${text('transaction')} ends once`)
    transaction.state = text('state')
    transaction.open = false
    if (transaction.state === 'done') transaction.percent = 100
    const reason = maybeText('reason')
    const proof = maybeText('proof')
    if (reason !== undefined) transaction.reason = reason
    if (proof !== undefined) transaction.proof = proof
  },
  'transaction.slice-dropped': remark,
  'delivery.redriven': remark,

  'object.registered': ({ objects }, _entry, { text, number }) =>
    void objects.set(text('sha'), { size: number('size'), name: text('name'), stored: false }),
  'object.stored': ({ objects }, _entry, { text }) => {
    held(objects, text('sha')).stored = true
  },
  'object.linked': ({ objects }, _entry, { text, number }) =>
    void objects.set(text('sha'), { size: number('size'), name: text('name'), stored: true }),
  'object.renamed': ({ objects }, _entry, { text }) => {
    held(objects, text('sha')).name = text('name')
  },
  'object.removed': objectWent,
  'object.collected': objectWent,

  'group.created': remark,
  'group.changed': remark,
  'group.removed': remark,
  'device-type.created': remark,
  'device-type.changed': remark,
  'device-type.removed': remark,
  'device.described': remark,
  'device.notified': remark,
  'schema.stored': remark,
  'schema.removed': remark,
  'configuration-set.created': remark,
  'configuration-set.changed': remark,
  'configuration-set.pushed': remark,
  'configuration-set.removed': remark,
  'configuration.confirmed': remark,
  'package.created': remark,
  'package.removed': remark,
  'package.allowed': remark,
  'package.moved': remark,
  'configuration.staged': remark,
  'permission.changed': remark,
  'tenant.removed': ({ tenants }, _entry, { text }) => void tenants.delete(text('tenant')),
  'principal.removed': ({ principals }, _entry, { text }) => void principals.delete(text('principal')),
} as const satisfies Record<JournalKind, Reduce>

function deviceCame({ devices }: Folded, entry: JournalEntry, { text }: Facts): void {
  devices.set(deviceOf(entry), {
    nick: text('nick'),
    type: text('type'),
    labels: {},
    published: false,
    deleted: false,
  })
}

function objectWent({ objects }: Folded, _entry: JournalEntry, { text }: Facts): void {
  objects.delete(text('sha'))
}

// ── reading entries ──────────────────────────────────────────────────────────────────────────────────────────────

type Facts = ReturnType<typeof facts>

/** The facts of an entry by name; one that is missing or of another type is a defect. */
function facts({ kind, data }: JournalEntry) {
  const maybe = (name: string, type: string): Json | undefined => {
    const value = data[name]
    invariant(value === undefined || typeof value === type, `${kind}: ${name} is a ${type}`)
    return value
  }
  const must = (name: string, type: string): Json => {
    const value = maybe(name, type)
    invariant(value !== undefined, `${kind}: ${name} is told`)
    return value
  }
  return {
    text: (name: string) => must(name, 'string') as string,
    number: (name: string) => must(name, 'number') as number,
    maybeText: (name: string) => maybe(name, 'string') as string | undefined,
    maybeNumber: (name: string) => maybe(name, 'number') as number | undefined,
    object: (name: string) => must(name, 'object') as JsonObject,
    texts: (name: string) => must(name, 'object') as readonly string[],
  }
}

function isKind(kind: string): kind is JournalKind {
  return Object.hasOwn(journalKinds, kind)
}

function deviceOf(entry: JournalEntry): string {
  invariant(entry.device !== undefined, `${entry.kind} names its device`)
  return entry.device
}

function trailKey(entry: JournalEntry, generation: number): string {
  return `${deviceOf(entry)}/${generation}`
}

function generationOf({ devices }: Folded, entry: JournalEntry): number {
  const { generation } = held(devices, deviceOf(entry))
  invariant(generation !== undefined, `${entry.kind}: device ${entry.device} has announced itself`)
  return generation
}

function held<T>(map: ReadonlyMap<string, T>, key: string): T {
  const value = map.get(key)
  invariant(value !== undefined, `what happens to ${key} follows its beginning`)
  return value
}
