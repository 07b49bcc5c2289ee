/** The fleet door's shapes of what belongs to people: tokens, apps, users; and of what comes in from elsewhere. */
import { Type } from '@sinclair/typebox'
import { Device, Id, Step } from './schemas.ts'

const Time = Type.String({ format: 'date-time' })
/** A time that is handed in: what it says is read where it is used. */
const TimeTold = Type.String({ maxLength: 64, description: 'RFC 3339' })
const Document = Type.Record(Type.String(), Type.Unknown())
const Scopes = Type.Array(Type.String({ pattern: '^[!-~]{1,200}$' }), {
  minItems: 1,
  maxItems: 12,
  description: 'words such as `devices.readonly`, or whole prns',
})

// ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────

export const AccessToken = Type.Object({
  id: Id,
  name: Type.String({ description: 'the name to log in with' }),
  scopes: Type.Array(Type.String()),
  expiresAt: Time,
  createdAt: Time,
})
export const NewAccessToken = Type.Object(
  {
    name: Type.String({ pattern: '^[ -~]{1,128}$', description: '1 to 128 printable characters' }),
    scopes: Type.Optional(Scopes),
    expiresAt: Type.Optional(
      Type.String({ maxLength: 64, description: 'RFC 3339, within ten years; absent: in a year' }),
    ),
  },
  { additionalProperties: false },
)
export const AccessTokenMade = Type.Object({
  token: AccessToken,
  secret: Type.String({ description: 'the password to log in with; shown this once' }),
})

// ── apps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const AppType = Type.Union(
  ['public', 'confidential', 'pkce'].map((type) => Type.Literal(type)),
  { description: 'confidential apps have a secret' },
)
const Redirects = Type.Array(Type.String({ maxLength: 1024 }), {
  minItems: 1,
  maxItems: 32,
  description: 'where people are sent back to: http(s) without user, query and fragment',
})
export const App = Type.Object({
  id: Id,
  nick: Type.String(),
  prn: Type.String({ description: 'the name it logs in with' }),
  name: Type.String(),
  type: AppType,
  redirectUris: Type.Array(Type.String()),
  scopes: Type.Array(Type.String()),
  createdAt: Time,
  modifiedAt: Time,
})
export const NewApp = Type.Object(
  {
    nick: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{2,62}$' }),
    name: Type.Optional(Type.String({ maxLength: 128 })),
    type: AppType,
    redirectUris: Redirects,
    scopes: Scopes,
  },
  { additionalProperties: false },
)
export const AppChange = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 128 })),
    type: Type.Optional(AppType),
    redirectUris: Type.Optional(Redirects),
    scopes: Type.Optional(Scopes),
    newSecret: Type.Optional(
      Type.Boolean({ description: 'makes another secret; what logged in with the old one is void' }),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
)
export const AppMade = Type.Object({
  app: App,
  secret: Type.Optional(Type.String({ description: 'shown this once' })),
})

// ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────

const Role = Type.Union(['owner', 'operator', 'viewer'].map((role) => Type.Literal(role)))
const Roles = Type.Array(Role, { minItems: 1, maxItems: 3 })
const Email = Type.String({ minLength: 3, maxLength: 254 })
const NewPassword = Type.String({ minLength: 8, maxLength: 1024 })

export const User = Type.Object({
  id: Id,
  nick: Type.String(),
  email: Type.Optional(Type.String()),
  roles: Type.Array(Role),
  admin: Type.Boolean({ description: 'runs the installation' }),
  disabled: Type.Boolean(),
  verified: Type.Boolean({ description: 'may log in; an invitation that was not taken up yet is false' }),
  home: Type.String({ description: 'the tenant that decides about the login' }),
  createdAt: Time,
})
export const NewUser = Type.Object(
  {
    nick: Type.String({ minLength: 3, maxLength: 23 }),
    email: Type.Optional(Email),
    password: NewPassword,
    roles: Roles,
  },
  { additionalProperties: false },
)
export const Invitation = Type.Object(
  { nick: Type.String({ minLength: 3, maxLength: 23 }), email: Email, roles: Roles },
  { additionalProperties: false },
)
export const Invited = Type.Object({
  user: User,
  expiresAt: Time,
  token: Type.Optional(
    Type.String({ description: 'hand it over: no mail goes out from here; shown this once' }),
  ),
})
export const RolesWanted = Type.Object({ roles: Roles }, { additionalProperties: false })
export const PasswordWanted = Type.Object({ password: NewPassword }, { additionalProperties: false })
export const OwnPassword = Type.Object(
  { current: Type.String({ minLength: 1, maxLength: 1024 }), password: NewPassword },
  { additionalProperties: false },
)
export const PasswordByToken = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 4096 }), password: NewPassword },
  { additionalProperties: false },
)

// ── imports ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const DeviceImport = Type.Object(
  {
    nick: Type.String({ minLength: 1, maxLength: 128 }),
    secret: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'its own; absent: a new one is made' }),
    ),
    public: Type.Boolean(),
    userMeta: Type.Optional(Document),
    deviceMeta: Type.Optional(Document),
    createdAt: TimeTold,
  },
  { additionalProperties: false },
)
export const DeviceImported = Type.Object({
  device: Device,
  existed: Type.Boolean({ description: 'it was here before; nothing was changed' }),
  secret: Type.Optional(Type.String({ description: 'a new one, where none was told; shown this once' })),
})
export const StepImport = Type.Object(
  {
    state: Type.Record(Type.String(), Type.Unknown(), {
      description: 'paths to documents or object sha256s, with #spec',
    }),
    commitMsg: Type.Optional(Type.String({ maxLength: 16_384 })),
    committer: Type.Optional(Type.String({ maxLength: 512 })),
    meta: Type.Optional(Document),
    report: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'the progress as the device told it, with its status word; absent: it has not spoken',
      }),
    ),
    reportedAt: Type.Optional(TimeTold),
    createdAt: TimeTold,
  },
  { additionalProperties: false },
)
export const StepImported = Type.Object({
  step: Step,
  existed: Type.Boolean({ description: 'it was here before; nothing was changed' }),
})
