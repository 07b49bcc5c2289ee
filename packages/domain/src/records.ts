/**
 * The records that are kept, and the collections they are kept in: the left column of the vocabulary, as types.
 *
 * House collections are the *directory*: principals, credentials, names, memberships, where a device lives. Tenant
 * collections hold everything a tenant owns. Wire shapes are the doors' business and look different.
 */
import {
  configurationSets,
  configurationTargets,
  counters,
  deliveries,
  deliveryLanes,
  deviceConfigurations,
  deviceFacts,
  deviceTypes,
  executionPermissions,
  schemas,
  systemSchemas,
  type Target,
  userFacts,
} from './back-end-records.ts'
import type {
  DeviceId,
  Generation,
  GroupId,
  Instant,
  JoinTokenId,
  ObjectSha,
  PrincipalId,
  Revision,
  TenantId,
  TransactionId,
} from './ids.ts'
import type { Json, JsonObject } from './json.ts'
import {
  accessTokens,
  apps,
  emailChallenges,
  globalMetas,
  identities,
  loginCodes,
  outgoingMails,
  profiles,
  publishedObjects,
} from './login-records.ts'
import {
  allowedPackages,
  configurationVersions,
  devicePackages,
  packageConfigurations,
  packages,
  transfers,
} from './package-records.ts'
import { type Actor, type AnyCollection, collection } from './port.ts'
import type { Role } from './roles.ts'

// ── the directory ────────────────────────────────────────────────────────────────────────────────────────────────

/** Owns everything and isolates everything. */
export interface Tenant {
  readonly id: TenantId
  readonly name: string
  /** What the Pantahub door calls the account: the nick of the user it was made for. */
  readonly nick: string
  readonly createdAt: Instant
  /** Most bytes of objects this tenant may register; absent: the server's default. */
  readonly objectBytesMax?: number
  /** Most devices it may have; absent: the server's default. */
  readonly devicesMax?: number
  /** Requests it may make in a second, on average; absent: the server's default. 0: as many as it likes. */
  readonly requestRateMax?: number
  /** Bytes of bodies and objects it may move in a second, on average; absent: the server's default. 0: any. */
  readonly byteRateMax?: number
  /** What its limits follow from; absent: it was never put on a plan. */
  readonly plan?: Plan
  /** How its back ends want it; absent: as the doors' facts say. */
  readonly exchange?: TenantExchange
}
export interface TenantExchange {
  /** Messages about what was asked go to the device's groups too, as the 1.x server did. */
  readonly groupsToo?: boolean
  /** Devices come in by TLS or not at all. */
  readonly tlsOnly?: boolean
}
export interface Plan {
  readonly name: string
  /** As they are told: `2GiB`, `25`. */
  readonly attributes: {
    readonly OBJECTS: string
    readonly BANDWIDTH: string
    readonly DEVICES: string
  }
  readonly since: Instant
}
export const tenants = collection<Tenant>()({
  name: 'tenants',
  scope: 'house',
  key: ['id'],
  columns: { id: 'text', name: 'text', nick: 'text' },
  indexes: [
    { on: ['name'], unique: true },
    { on: ['nick'], unique: true },
  ],
})

/** Somebody who can log in and is not a device. */
export interface Principal {
  readonly id: PrincipalId
  readonly kind: 'user' | 'session' | 'service'
  readonly nick: string
  readonly email?: string
  /** The tenant a login leads to when it names none. */
  readonly home: TenantId
  /** Runs the installation: may act in any tenant, audited. */
  readonly houseAdmin: boolean
  /** Absent until the e-mail address has been confirmed; nobody logs in before. */
  readonly verifiedAt?: Instant
  readonly disabled: boolean
  /** Raised by every change of a credential: tokens of older versions are void. */
  readonly credentialVersion: number
  readonly createdAt: Instant
  readonly modifiedAt: Instant
}
export const principals = collection<Principal>()({
  name: 'principals',
  scope: 'house',
  key: ['id'],
  columns: { id: 'text', kind: 'text', nick: 'text', email: 'text', home: 'text' },
  indexes: [{ on: ['nick'], unique: true }, { on: ['email'], unique: true }, { on: ['home'] }],
})

/** What a principal proves itself with, kept apart from the principal so that no listing can show it. */
export interface Credential {
  readonly principal: PrincipalId
  readonly kind: 'password' | 'secret'
  /** PHC string of argon2id. */
  readonly hash: string
  readonly changedAt: Instant
}
export const credentials = collection<Credential>()({
  name: 'credentials',
  scope: 'house',
  key: ['principal', 'kind'],
  columns: { principal: 'text', kind: 'text' },
})

export interface Membership {
  readonly principal: PrincipalId
  readonly tenant: TenantId
  readonly roles: readonly Role[]
}
export const memberships = collection<Membership>()({
  name: 'memberships',
  scope: 'house',
  key: ['principal', 'tenant'],
  columns: { principal: 'text', tenant: 'text' },
  indexes: [{ on: ['tenant'] }],
})

/** Where a device lives; the way from a bare device id to its tenant. */
export interface DeviceHome {
  readonly device: DeviceId
  readonly tenant: TenantId
  /** Readable by everyone who is logged in (Pantahub's public devices). */
  readonly published: boolean
}
export const deviceHomes = collection<DeviceHome>()({
  name: 'device_homes',
  scope: 'house',
  key: ['device'],
  columns: { device: 'text', tenant: 'text', published: 'bool' },
  indexes: [{ on: ['tenant', 'published', 'device'] }],
})

/** Lets a device register straight into a tenant. The token itself is shown once and kept as a keyed hash. */
export interface JoinToken {
  readonly id: JoinTokenId
  readonly tenant: TenantId
  readonly nick: string
  readonly hash: string
  readonly defaultUserMeta: JsonObject
  readonly disabled: boolean
  readonly createdAt: Instant
  readonly modifiedAt: Instant
}
export const joinTokens = collection<JoinToken>()({
  name: 'join_tokens',
  scope: 'house',
  key: ['id'],
  columns: { id: 'text', tenant: 'text', hash: 'text' },
  indexes: [{ on: ['hash'], unique: true }, { on: ['tenant'] }],
})

/** How many tenants' records stand on one blob. Bytes without a record are the collector's. */
export interface Blob {
  readonly sha: ObjectSha
  readonly size: number
  readonly holders: number
}
export const blobs = collection<Blob>()({
  name: 'blobs',
  scope: 'house',
  key: ['sha'],
  columns: { sha: 'text', holders: 'int' },
  journaled: false,
})

/** Small facts of the installation: the token epoch, the check of the sealing key. */
export interface Setting {
  readonly name: string
  readonly value: Json
}
export const settings = collection<Setting>()({
  name: 'settings',
  scope: 'house',
  key: ['name'],
  columns: { name: 'text' },
})

/** A long timer or a chore, held by one process for a while. */
export interface Lease {
  readonly name: string
  readonly holder: string
  readonly until: Instant
}
export const leases = collection<Lease>()({
  name: 'leases',
  scope: 'house',
  key: ['name'],
  columns: { name: 'text', until: 'int' },
  journaled: false,
})

/** A code that was good once: kept until it would have run out anyway, so that no process takes it again. */
export interface SpentCode {
  /** A keyed hash of the code. */
  readonly hash: string
  readonly expiresAt: Instant
}
export const spentCodes = collection<SpentCode>()({
  name: 'spent_codes',
  scope: 'house',
  key: ['hash'],
  columns: { hash: 'text', expiresAt: 'int' },
  indexes: [{ on: ['expiresAt', 'hash'] }],
  journaled: false,
})

// ── a tenant's own ───────────────────────────────────────────────────────────────────────────────────────────────

export interface Device {
  readonly id: DeviceId
  /** Unique in its tenant among the living. */
  readonly nick: string
  /** Names the link that carries its transactions. */
  readonly type: string
  readonly labels: Readonly<Record<string, string>>
  /** What the claimer has to know; gone once claimed. */
  readonly challenge?: string
  /** The device's secret, sealed: some doors have to show it again. */
  readonly sealedSecret: string
  readonly credentialVersion: number
  readonly published: boolean
  /** Deleted: gone from every listing, refused at login, swept later. */
  readonly garbage: boolean
  readonly generation: Generation
  readonly createdAt: Instant
  readonly modifiedAt: Instant
  readonly claimedAt?: Instant
}
export const devices = collection<Device>()({
  name: 'devices',
  scope: 'tenant',
  key: ['id'],
  columns: {
    id: 'text',
    nick: 'text',
    type: 'text',
    published: 'bool',
    garbage: 'bool',
    createdAt: 'int',
    modifiedAt: 'int',
    challenge: 'text',
  },
  indexes: [{ on: ['garbage', 'nick'] }, { on: ['garbage', 'type', 'nick'] }, { on: ['modifiedAt', 'id'] }],
})

/** The living devices' names: unique per tenant and door (`door: 'nick'` for the name people give). */
export interface DeviceName {
  readonly door: string
  readonly name: string
  readonly device: DeviceId
}
export const deviceNames = collection<DeviceName>()({
  name: 'device_names',
  scope: 'tenant',
  key: ['door', 'name'],
  columns: { door: 'text', name: 'text', device: 'text' },
  indexes: [{ on: ['device'] }],
})

export interface DeviceLabel {
  readonly device: DeviceId
  readonly label: string
  readonly value: string
}
export const deviceLabels = collection<DeviceLabel>()({
  name: 'device_labels',
  scope: 'tenant',
  key: ['device', 'label'],
  columns: { device: 'text', label: 'text', value: 'text' },
  indexes: [{ on: ['label', 'value', 'device'] }],
})

/** What the owner wants a device to know: desired state, latest wins. */
export interface UserMeta {
  readonly device: DeviceId
  readonly meta: JsonObject
  readonly modifiedAt: Instant
}
export const userMetas = collection<UserMeta>()({
  name: 'user_metas',
  scope: 'tenant',
  key: ['device'],
  columns: { device: 'text' },
})

/** What a device says of itself: telemetry, durable where acknowledged, not journaled. */
export interface DeviceMeta {
  readonly device: DeviceId
  readonly meta: JsonObject
  readonly modifiedAt: Instant
}
export const deviceMetas = collection<DeviceMeta>()({
  name: 'device_metas',
  scope: 'tenant',
  key: ['device'],
  columns: { device: 'text' },
  journaled: false,
})

/** The ordered desired states of one device. A factory reset closes one and lets the device begin the next. */
export interface Trail {
  readonly device: DeviceId
  readonly generation: Generation
  readonly createdAt: Instant
  /** Closed by a factory reset: history, no longer walked. */
  readonly closedAt?: Instant
}
export const trails = collection<Trail>()({
  name: 'trails',
  scope: 'tenant',
  key: ['device', 'generation'],
  columns: { device: 'text', generation: 'int', createdAt: 'int' },
  indexes: [{ on: ['createdAt', 'device', 'generation'] }],
})

/** One revision on a trail. Its life as a thing asked of the device is the transaction `transaction`. */
export interface Step {
  readonly device: DeviceId
  readonly generation: Generation
  readonly rev: Revision
  readonly transaction: TransactionId
  readonly commitMsg: string
  readonly committer: string
  readonly meta: JsonObject
  /** sha256 of the state's canonical text, hex. */
  readonly stateSha: string
  /** The status word of the latest report, verbatim: what the wire answers and filters by. */
  readonly status: string
  /** False once our outcome is fixed: what a poll for work looks at. */
  readonly open: boolean
  /** The latest report, verbatim, whole: replaced by each PUT. */
  readonly report: JsonObject
  readonly reportedAt?: Instant
  /** When its owner asked the device to give it up. */
  readonly abortAskedAt?: Instant
  /** The device gave it up because its owner asked, before it was applied. */
  readonly deviceAbort?: boolean
  /** When its owner cleared it, having failed: it no longer holds back what follows. */
  readonly clearedAt?: Instant
  readonly createdAt: Instant
  readonly modifiedAt: Instant
}
export const steps = collection<Step>()({
  name: 'steps',
  scope: 'tenant',
  key: ['device', 'generation', 'rev'],
  columns: {
    device: 'text',
    generation: 'int',
    rev: 'int',
    status: 'text',
    open: 'bool',
    reportedAt: 'int',
    modifiedAt: 'int',
  },
  indexes: [
    { on: ['device', 'generation', 'open', 'rev'] },
    { on: ['device', 'generation', 'reportedAt'] },
    { on: ['modifiedAt', 'device', 'generation', 'rev'] },
  ],
})

/** A step's state as canonical text, apart from the step so that a report never rewrites it. */
export interface StepState {
  readonly device: DeviceId
  readonly generation: Generation
  readonly rev: Revision
  readonly text: string
}
export const stepStates = collection<StepState>()({
  name: 'step_states',
  scope: 'tenant',
  key: ['device', 'generation', 'rev'],
  columns: { device: 'text', generation: 'int', rev: 'int' },
  texts: ['text'],
})

/** An object registered by a tenant; its bytes lie in the object store under the same sha once `stored`. */
export interface ObjectRecord {
  readonly sha: ObjectSha
  readonly size: number
  readonly name: string
  readonly mimeType: string
  readonly stored: boolean
  /** The bytes were not uploaded: this tenant had published them. */
  readonly linkedTo?: TenantId
  readonly createdAt: Instant
  readonly modifiedAt: Instant
}
export const objects = collection<ObjectRecord>()({
  name: 'objects',
  scope: 'tenant',
  key: ['sha'],
  columns: { sha: 'text', name: 'text', stored: 'bool', modifiedAt: 'int' },
  indexes: [{ on: ['modifiedAt', 'sha'] }, { on: ['name', 'modifiedAt', 'sha'] }],
})

/** That a step needs an object: what keeps the collector away. */
export interface ObjectUse {
  readonly sha: ObjectSha
  readonly device: DeviceId
  readonly generation: Generation
  readonly rev: Revision
  readonly path: string
}
export const objectUses = collection<ObjectUse>()({
  name: 'object_uses',
  scope: 'tenant',
  key: ['sha', 'device', 'generation', 'rev', 'path'],
  columns: { sha: 'text', device: 'text', generation: 'int', rev: 'int', path: 'text' },
  indexes: [{ on: ['device', 'generation', 'rev', 'path'] }],
})

/** Running totals of a tenant, changed in the commit that changes what they count. */
export interface Usage {
  readonly what: 'objects'
  readonly bytes: number
  readonly count: number
}
export const usages = collection<Usage>()({
  name: 'usages',
  scope: 'tenant',
  key: ['what'],
  columns: { what: 'text' },
})

// ── things asked of devices ──────────────────────────────────────────────────────────────────────────────────────

/** Where a transaction is in its life; `transactions.ts` holds the lawful moves. */
export type TransactionState =
  | 'queued'
  | 'sent'
  | 'in-progress'
  | 'done'
  | 'failed'
  | 'timed-out'
  | 'cancelled'

/** How we know that it is done: the device said so; it was seen running; its evidence was checked. */
export type Proof = 'claimed' | 'seen' | 'verified'

/** Who is told how a transaction goes. */
export interface Notify {
  /** Where the caller wants it. */
  readonly target?: Target
  /** Else: the set of configuration that knows where, for each device. */
  readonly set?: string
  /** And to the groups of the device, as the 1.x server did. */
  readonly groupsToo?: boolean
  /** Of a group: each member's message is its last, and none tells of the whole. */
  readonly each?: boolean
  /** What the message is called, and what the caller calls the transaction (JSON text), for who writes it. */
  readonly method: string
  readonly callId: string
}

export interface Transaction {
  readonly id: TransactionId
  /** One of `transactionKinds`. */
  readonly kind: string
  /** The device it is asked of; absent on the parent of a group's. */
  readonly device?: DeviceId
  readonly lane: string
  /** Counts within device and lane: the order of a queue. */
  readonly seq: number
  readonly state: TransactionState
  /** False once it has ended. */
  readonly open: boolean
  readonly percent: number
  /** In plain words, why it failed or ended otherwise. */
  readonly reason?: string
  readonly proof?: Proof
  readonly payload: Json
  readonly answer?: Json
  readonly by: Actor
  /** Who is told how it goes. On a group's children: nobody, the parent's is told. */
  readonly notify?: Notify
  readonly group?: GroupId
  readonly parent?: TransactionId
  /** What ends with it, as it ends: configuration that a device takes as a step of its trail. */
  readonly behalf?: TransactionId
  /** On a parent: which slice of the membership a child belongs to. */
  readonly slice?: number
  /** How often it was handed to the device. */
  readonly attempts: number
  readonly createdAt: Instant
  readonly sentAt?: Instant
  readonly endedAt?: Instant
  /** When it times out if it has not ended by then. */
  readonly expiresAt?: Instant
}
export const transactions = collection<Transaction>()({
  name: 'transactions',
  scope: 'tenant',
  key: ['id'],
  columns: {
    id: 'text',
    kind: 'text',
    device: 'text',
    lane: 'text',
    seq: 'int',
    state: 'text',
    open: 'bool',
    parent: 'text',
    slice: 'int',
    expiresAt: 'int',
  },
  indexes: [
    { on: ['device', 'lane', 'open', 'seq'] },
    { on: ['parent', 'slice'] },
    { on: ['open', 'expiresAt'], sparse: true },
    // A handful of failures among a million that are done are found without reading those.
    { on: ['state'] },
  ],
})

/** The last number given out in a lane: one owner for the order of a queue. */
export interface Lane {
  readonly device: DeviceId
  readonly lane: string
  readonly lastSeq: number
}
export const lanes = collection<Lane>()({
  name: 'lanes',
  scope: 'tenant',
  key: ['device', 'lane'],
  columns: { device: 'text', lane: 'text' },
  journaled: false,
})

/** Devices that are managed as one. */
export interface Group {
  readonly id: GroupId
  /** Unique in its tenant; that of a set of configuration begins with a control character and is shown nowhere. */
  readonly name: string
  /** The type all its members have: the first one's; absent while there are none. */
  readonly type?: string
  /** Where what its members say by themselves goes. */
  readonly target?: Target
  readonly createdAt: Instant
  /** Members now. */
  readonly size: number
  /** Counts changes of the membership: a number names the membership as it was then. */
  readonly version: number
  /** Transactions of the whole group that have not ended: while there are any, who has left is remembered. */
  readonly open: number
}
export const groups = collection<Group>()({
  name: 'device_groups',
  scope: 'tenant',
  key: ['id'],
  columns: { id: 'text', name: 'text' },
  indexes: [{ on: ['name'], unique: true }],
})

/** That a device is, or was, in a group: a member at version v if `since` ≤ v and `until` is absent or above v. */
export interface GroupMember {
  readonly group: GroupId
  readonly device: DeviceId
  readonly since: number
  readonly until?: number
  /** While it has not left. */
  readonly current: boolean
  /** The group whose answer a device's own call gets, where several are asked. */
  readonly primary: boolean
}
export const groupMembers = collection<GroupMember>()({
  name: 'group_memberships',
  scope: 'tenant',
  key: ['group', 'device', 'since'],
  columns: { group: 'text', device: 'text', since: 'int', until: 'int', current: 'bool' },
  indexes: [{ on: ['device', 'current', 'group', 'since'] }, { on: ['group', 'current', 'device', 'since'] }],
  // What changed is told by the group's entry; forgetting who has left is no change.
  journaled: false,
})

/** A parent's work: the membership it was addressed to, worked off slice by slice. */
export interface GroupWork {
  readonly parent: TransactionId
  readonly group: GroupId
  /** The membership as it was when the parent was made. */
  readonly version: number
  readonly members: number
  /** When its members time out, each for itself; the parent ends with the last of them. */
  readonly expiresAt?: Instant
  /** Behind whom the next slice begins. */
  readonly after?: DeviceId
  /** Slices made, and those of them whose children have all ended. */
  readonly slices: number
  readonly slicesEnded: number
  readonly failed: number
  /** All slices have been made. */
  readonly submitted: boolean
}
export const groupWorks = collection<GroupWork>()({
  name: 'group_works',
  scope: 'tenant',
  key: ['parent'],
  columns: { parent: 'text', submitted: 'bool' },
  indexes: [{ on: ['submitted', 'parent'] }],
  journaled: false,
})

/** A piece of the membership whose children were submitted in one commit. */
export interface GroupSlice {
  readonly parent: TransactionId
  readonly slice: number
  /** Children still open; counted down as they end. */
  readonly waiting: number
  readonly failed: number
}
export const groupSlices = collection<GroupSlice>()({
  name: 'group_pieces',
  scope: 'tenant',
  key: ['parent', 'slice'],
  columns: { parent: 'text', slice: 'int' },
  journaled: false,
})

/** Configuration asked of a device that follows a trail: to be made a step. */
export interface TrailWork {
  readonly transaction: TransactionId
  readonly device: DeviceId
  /** When it is looked at next: a device that has announced nothing yet is waited for. */
  readonly dueAt: Instant
  /** Software that a step of the trail holds by now: what the device has when the step is done. */
  readonly carried?: {
    readonly rev: Revision
    readonly steps: readonly CarriedPackage[]
  }
}

/** What a step of a trail does with one package. */
export interface CarriedPackage {
  readonly operation: 'install' | 'upgrade' | 'uninstall'
  readonly package: string
  /** What an upgrade replaces. */
  readonly from?: string
  /** The configuration that the package has from then on, as JSON text. */
  readonly values?: string
}
export const trailWorks = collection<TrailWork>()({
  name: 'trail_works',
  scope: 'tenant',
  key: ['transaction'],
  columns: { transaction: 'text', dueAt: 'int' },
  indexes: [{ on: ['dueAt', 'transaction'] }],
  journaled: false,
})

/** What an idempotency key was answered with: the same key gives the same answer, once. */
export interface IdempotentReply {
  readonly key: string
  /** Digest of the request, so that a key used for something else is refused. */
  readonly request: string
  readonly status: number
  readonly body: string
  readonly expiresAt: Instant
}
export const idempotentReplies = collection<IdempotentReply>()({
  name: 'idempotent_replies',
  scope: 'tenant',
  key: ['key'],
  columns: { key: 'text', expiresAt: 'int' },
  texts: ['body'],
  indexes: [{ on: ['expiresAt'] }],
  journaled: false,
})

/** Everything the main store keeps. */
export const mainCollections: readonly AnyCollection[] = [
  tenants,
  principals,
  credentials,
  memberships,
  deviceHomes,
  joinTokens,
  blobs,
  settings,
  leases,
  spentCodes,
  devices,
  deviceNames,
  deviceLabels,
  userMetas,
  deviceMetas,
  trails,
  steps,
  stepStates,
  objects,
  objectUses,
  usages,
  transactions,
  lanes,
  groups,
  groupMembers,
  groupWorks,
  groupSlices,
  trailWorks,
  deviceTypes,
  deviceFacts,
  packages,
  allowedPackages,
  devicePackages,
  transfers,
  packageConfigurations,
  configurationVersions,
  schemas,
  systemSchemas,
  configurationSets,
  configurationTargets,
  deviceConfigurations,
  executionPermissions,
  userFacts,
  counters,
  deliveries,
  deliveryLanes,
  idempotentReplies,
  outgoingMails,
  emailChallenges,
  accessTokens,
  apps,
  loginCodes,
  identities,
  profiles,
  globalMetas,
  publishedObjects,
]

// ── telemetry: durable where acknowledged, kept apart, never journaled ──────────────────────────────────────────

/** When a device was last heard of, and from where. Coalesced: written at most every few seconds a device. */
export interface Presence {
  readonly device: DeviceId
  readonly lastSeenAt: Instant
  readonly address: string
  /** Milliseconds that usually lie between two visits, as learned from them; absent until there were two. */
  readonly usualMs?: number
}
export const presences = collection<Presence>()({
  name: 'presences',
  scope: 'house',
  key: ['device'],
  columns: { device: 'text', lastSeenAt: 'int' },
  journaled: false,
})

/** One line of a device's log, in the order of arrival (`id` sorts so). */
export interface LogEntry {
  readonly id: string
  readonly device: DeviceId
  readonly createdAt: Instant
  readonly source: string
  readonly level: string
  readonly platform: string
  readonly revision: string
  /** The device's own clock: seconds and nanoseconds, often zero. */
  readonly seconds: number
  readonly nanoseconds: number
  readonly message: string
  /** What it counts against its device's quota; absent in lines from before there was one. */
  readonly bytes?: number
}
export const logEntries = collection<LogEntry>()({
  name: 'log_entries',
  scope: 'tenant',
  key: ['id'],
  columns: {
    id: 'text',
    device: 'text',
    createdAt: 'int',
    source: 'text',
    level: 'text',
    platform: 'text',
    revision: 'text',
    seconds: 'int',
    nanoseconds: 'int',
    bytes: 'int',
  },
  texts: ['message'],
  indexes: [{ on: ['device', 'createdAt', 'id'] }, { on: ['createdAt', 'id'] }],
  journaled: false,
})

/** What a device's log lines add up to. */
export interface LogVolume {
  readonly device: DeviceId
  readonly bytes: number
}
export const logVolumes = collection<LogVolume>()({
  name: 'log_volumes',
  scope: 'tenant',
  key: ['device'],
  columns: { device: 'text', bytes: 'int' },
  indexes: [{ on: ['bytes', 'device'] }],
  journaled: false,
})

/** What a tenant has moved within one month (UTC, `2026-11`): the bytes of objects and exports, up and down. */
export interface Traffic {
  readonly month: string
  readonly bytes: number
}
export const traffics = collection<Traffic>()({
  name: 'traffics',
  scope: 'tenant',
  key: ['month'],
  columns: { month: 'text' },
  journaled: false,
})

export const telemetryCollections: readonly AnyCollection[] = [presences, logEntries, logVolumes, traffics]
