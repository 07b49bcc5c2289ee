/**
 * The fleet door's own shapes: what goes over the wire, once, for validation, types and OpenAPI alike. Times are RFC
 * 3339 in UTC; ids are 24 hex digits; sizes are bytes.
 */
import { type Static, type TSchema, Type } from '@sinclair/typebox'

export const Id = Type.String({ pattern: '^[0-9a-f]{24}$', description: '24 hex digits' })
const Time = Type.String({ format: 'date-time' })
const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'sha256, hex' })
const Document = Type.Record(Type.String(), Type.Unknown())

/** A page of a list: `next` is handed in as `cursor` to go on; without it the list has ended. */
export function Page<T extends TSchema>(item: T) {
  return Type.Object({ items: Type.Array(item), next: Type.Optional(Type.String()) })
}

export const Paging = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50, description: 'items a page' })),
  cursor: Type.Optional(Type.String({ maxLength: 512, description: '`next` of the page before' })),
}

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'urn:waymark:<kind>' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.Optional(Type.String()),
  },
  { additionalProperties: true, description: 'Problem details (RFC 9457)' },
)

// ── logging in ───────────────────────────────────────────────────────────────────────────────────────────────────

export const LoginAsked = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256, description: 'nick or e-mail address' }),
    password: Type.String({ minLength: 1, maxLength: 1024 }),
  },
  { additionalProperties: false },
)
export const Token = Type.Object({ token: Type.String(), expiresAt: Time })
export const Me = Type.Object({
  id: Type.String(),
  nick: Type.String(),
  tenant: Type.String(),
  roles: Type.Array(Type.String()),
  admin: Type.Boolean(),
  expiresAt: Time,
})

// ── devices ──────────────────────────────────────────────────────────────────────────────────────────────────────

const Labels = Type.Record(Type.String(), Type.String(), { description: 'up to 64' })
export const Device = Type.Object({
  id: Id,
  nick: Type.String(),
  type: Type.String({ description: 'names the link that carries its transactions' }),
  labels: Labels,
  public: Type.Boolean(),
  createdAt: Time,
  modifiedAt: Time,
  claimedAt: Type.Optional(Time),
  lastSeenAt: Type.Optional(Time),
  address: Type.Optional(Type.String({ description: 'where it was last seen from' })),
  link: Type.Optional(
    Type.Object(
      {
        protocol: Type.Optional(Type.String({ description: 'its type’s; absent while the type has none' })),
        connected: Type.Boolean(),
        waiting: Type.Integer({ description: 'asked of it and not ended; 1001 stands for more than 1000' }),
      },
      { description: 'of one device that is connected to; not in lists' },
    ),
  ),
})
export type Device = Static<typeof Device>
export const DeviceMade = Type.Object({
  device: Device,
  secret: Type.String({ description: 'shown this once' }),
})
export const NewDevice = Type.Object(
  { nick: Type.Optional(Type.String({ maxLength: 128 })), labels: Type.Optional(Labels) },
  { additionalProperties: false },
)
export const DeviceChange = Type.Object(
  {
    nick: Type.Optional(Type.String({ maxLength: 128 })),
    labels: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]), {
        description: 'null takes one away',
      }),
    ),
    public: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false, minProperties: 1 },
)
export const Claim = Type.Object(
  { challenge: Type.String({ minLength: 1, maxLength: 256 }) },
  { additionalProperties: false },
)
export const Meta = Type.Record(Type.String(), Type.Unknown(), {
  description: 'any JSON by key; dots mean nothing',
})

export const LogLine = Type.Object({
  id: Type.String(),
  at: Time,
  source: Type.String(),
  level: Type.String(),
  platform: Type.String(),
  revision: Type.String(),
  message: Type.String(),
})

// ── trails ───────────────────────────────────────────────────────────────────────────────────────────────────────

export const Outcome = Type.Union(
  ['queued', 'sent', 'in-progress', 'done', 'failed', 'timed-out', 'cancelled'].map((state) =>
    Type.Literal(state),
  ),
  { description: 'ours: the first final word fixes it' },
)
export const Step = Type.Object({
  device: Id,
  generation: Type.Integer(),
  rev: Type.Integer(),
  transaction: Id,
  commitMsg: Type.String(),
  stateSha: Sha256,
  status: Type.String({ description: 'the device’s latest word, verbatim' }),
  report: Document,
  outcome: Outcome,
  percent: Type.Integer(),
  proof: Type.Optional(
    Type.Union([Type.Literal('claimed'), Type.Literal('seen'), Type.Literal('verified')], {
      description: 'how we know that it is done',
    }),
  ),
  reason: Type.Optional(Type.String()),
  abortAskedAt: Type.Optional(Time),
  deviceAbort: Type.Optional(
    Type.Boolean({ description: 'the device gave it up because it was asked to, before it was applied' }),
  ),
  clearedAt: Type.Optional(Time),
  meta: Document,
  createdAt: Time,
  modifiedAt: Time,
  reportedAt: Type.Optional(Time),
})
export type Step = Static<typeof Step>
export const Trail = Type.Object({
  device: Id,
  generation: Type.Integer(),
  createdAt: Time,
  head: Step,
  running: Type.Optional(Type.Integer({ description: 'the newest revision that ended done' })),
  touchedAt: Type.Optional(Time),
})
export const NewStep = Type.Object(
  {
    state: Type.Record(Type.String(), Type.Unknown(), {
      description: 'paths to documents or object sha256s, with #spec',
    }),
    rev: Type.Optional(Type.Integer({ minimum: 0, description: 'must be the next one; absent: append' })),
    commitMsg: Type.Optional(Type.String({ maxLength: 4096 })),
    meta: Type.Optional(Document),
  },
  { additionalProperties: false },
)

// ── objects ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const StoredObject = Type.Object({
  sha256: Sha256,
  size: Type.Integer(),
  name: Type.String(),
  mimeType: Type.String(),
  stored: Type.Boolean({ description: 'its bytes are here and agree with the sha256' }),
  createdAt: Time,
  modifiedAt: Time,
})

// ── transactions and the journal ─────────────────────────────────────────────────────────────────────────────────

export const Transaction = Type.Object({
  id: Id,
  kind: Type.String(),
  device: Type.Optional(Id),
  parent: Type.Optional(Id),
  group: Type.Optional(Id),
  lane: Type.String(),
  seq: Type.Integer(),
  state: Outcome,
  percent: Type.Integer(),
  reason: Type.Optional(Type.String()),
  proof: Type.Optional(Type.String()),
  attempts: Type.Integer(),
  createdAt: Time,
  endedAt: Type.Optional(Time),
  expiresAt: Type.Optional(Time),
})

export const JournalEntry = Type.Object({
  cursor: Type.String(),
  kind: Type.String(),
  at: Time,
  by: Type.Object({ kind: Type.String(), id: Type.String() }),
  device: Type.Optional(Id),
  data: Document,
})
export const JournalPage = Type.Object({
  items: Type.Array(JournalEntry),
  next: Type.String({ description: 'go on from here with `after`, also when nothing came' }),
})

export const JoinToken = Type.Object({
  id: Id,
  nick: Type.String(),
  disabled: Type.Boolean(),
  defaultUserMeta: Document,
  createdAt: Time,
})
export const NewJoinToken = Type.Object(
  { nick: Type.Optional(Type.String({ maxLength: 128 })), defaultUserMeta: Type.Optional(Document) },
  { additionalProperties: false },
)
export const JoinTokenMade = Type.Object({
  joinToken: JoinToken,
  token: Type.String({ description: 'shown this once' }),
})
