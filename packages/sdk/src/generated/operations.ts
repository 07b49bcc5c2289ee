// Generated from docs/openapi.json by tools/generate-sdk.ts: change the schemas of the fleet door instead.

export type Token = {
  readonly token: string
  readonly expiresAt: string
}

export type Me = {
  readonly id: string
  readonly nick: string
  readonly tenant: string
  readonly roles: readonly string[]
  readonly admin: boolean
  readonly expiresAt: string
}

export type JoinToken = {
  /** 24 hex digits */
  readonly id: string
  readonly nick: string
  readonly disabled: boolean
  readonly defaultUserMeta: { readonly [key: string]: unknown }
  readonly createdAt: string
}

export type AccessToken = {
  /** 24 hex digits */
  readonly id: string
  /** the name to log in with */
  readonly name: string
  readonly scopes: readonly string[]
  readonly expiresAt: string
  readonly createdAt: string
}

export type App = {
  /** 24 hex digits */
  readonly id: string
  readonly nick: string
  /** the name it logs in with */
  readonly prn: string
  readonly name: string
  /** confidential apps have a secret */
  readonly type: 'public' | 'confidential' | 'pkce'
  readonly redirectUris: readonly string[]
  readonly scopes: readonly string[]
  readonly createdAt: string
  readonly modifiedAt: string
}

export type User = {
  /** 24 hex digits */
  readonly id: string
  readonly nick: string
  readonly email?: string
  readonly roles: readonly ('owner' | 'operator' | 'viewer')[]
  /** runs the installation */
  readonly admin: boolean
  readonly disabled: boolean
  /** may log in; an invitation that was not taken up yet is false */
  readonly verified: boolean
  /** the tenant that decides about the login */
  readonly home: string
  readonly createdAt: string
}

export type Device = {
  /** 24 hex digits */
  readonly id: string
  readonly nick: string
  /** names the link that carries its transactions */
  readonly type: string
  /** up to 64 */
  readonly labels: { readonly [key: string]: string }
  readonly public: boolean
  readonly createdAt: string
  readonly modifiedAt: string
  readonly claimedAt?: string
  readonly lastSeenAt?: string
  /** where it was last seen from */
  readonly address?: string
  /** of one device that is connected to; not in lists */
  readonly link?: {
    /** its type’s; absent while the type has none */
    readonly protocol?: string
    readonly connected: boolean
    /** asked of it and not ended; 1001 stands for more than 1000 */
    readonly waiting: number
  }
}

export type LogLine = {
  readonly id: string
  readonly at: string
  readonly source: string
  readonly level: string
  readonly platform: string
  readonly revision: string
  readonly message: string
}

export type Step = {
  /** 24 hex digits */
  readonly device: string
  readonly generation: number
  readonly rev: number
  /** 24 hex digits */
  readonly transaction: string
  readonly commitMsg: string
  /** sha256, hex */
  readonly stateSha: string
  /** the device’s latest word, verbatim */
  readonly status: string
  readonly report: { readonly [key: string]: unknown }
  /** ours: the first final word fixes it */
  readonly outcome: 'queued' | 'sent' | 'in-progress' | 'done' | 'failed' | 'timed-out' | 'cancelled'
  readonly percent: number
  /** how we know that it is done */
  readonly proof?: 'claimed' | 'seen' | 'verified'
  readonly reason?: string
  readonly abortAskedAt?: string
  /** the device gave it up because it was asked to, before it was applied */
  readonly deviceAbort?: boolean
  readonly clearedAt?: string
  readonly meta: { readonly [key: string]: unknown }
  readonly createdAt: string
  readonly modifiedAt: string
  readonly reportedAt?: string
}

export type Trail = {
  /** 24 hex digits */
  readonly device: string
  readonly generation: number
  readonly createdAt: string
  readonly head: Step
  /** the newest revision that ended done */
  readonly running?: number
  readonly touchedAt?: string
}

export type StoredObject = {
  /** sha256, hex */
  readonly sha256: string
  readonly size: number
  readonly name: string
  readonly mimeType: string
  /** its bytes are here and agree with the sha256 */
  readonly stored: boolean
  readonly createdAt: string
  readonly modifiedAt: string
}

export type ObjectUsage = {
  readonly bytes: number
  readonly count: number
  /** bytes; absent: none */
  readonly quota?: number
}

export type JournalEntry = {
  readonly cursor: string
  readonly kind: string
  readonly at: string
  readonly by: {
    readonly kind: string
    readonly id: string
  }
  /** 24 hex digits */
  readonly device?: string
  readonly data: { readonly [key: string]: unknown }
}

export type Transaction = {
  /** 24 hex digits */
  readonly id: string
  readonly kind: string
  /** 24 hex digits */
  readonly device?: string
  /** 24 hex digits */
  readonly parent?: string
  /** 24 hex digits */
  readonly group?: string
  readonly lane: string
  readonly seq: number
  /** ours: the first final word fixes it */
  readonly state: 'queued' | 'sent' | 'in-progress' | 'done' | 'failed' | 'timed-out' | 'cancelled'
  readonly percent: number
  readonly reason?: string
  readonly proof?: string
  readonly attempts: number
  readonly createdAt: string
  readonly endedAt?: string
  readonly expiresAt?: string
}

export type Why = {
  /** 24 hex digits */
  readonly device: string
  readonly nick: string
  /** the step that is explained */
  readonly rev?: number
  /** the effect first, then what causes it */
  readonly chain: readonly {
    /** names the cause: `waits`, `waits-behind`, `silent`, … */
    readonly kind: string
    /** a sentence for people */
    readonly says: string
    readonly rev?: number
    /** of the journal’s entries that show it */
    readonly cursors: readonly string[]
  }[]
}

/** What each operation is asked, and what it answers. Members of paths and queries stand side by side. */
export interface Operations {
  /** Name and password for a token. */
  readonly login: {
    readonly asked: {
      readonly body: {
        /** nick or e-mail address */
        readonly name: string
        readonly password: string
      }
    }
    readonly answer: Token
  }
  /** A fresh token for one that is still good. */
  readonly refreshToken: {
    readonly asked: Record<string, never>
    readonly answer: Token
  }
  /** Who the token stands for. */
  readonly whoAmI: {
    readonly asked: Record<string, never>
    readonly answer: Me
  }
  /** Join tokens, without the tokens themselves. */
  readonly listJoinTokens: {
    readonly asked: Record<string, never>
    readonly answer: {
      readonly items: readonly JoinToken[]
    }
  }
  /** A token by which devices register straight into the tenant; shown this once. */
  readonly createJoinToken: {
    readonly asked: {
      readonly body: {
        readonly nick?: string | undefined
        readonly defaultUserMeta?: { readonly [key: string]: unknown } | undefined
      }
    }
    readonly answer: {
      readonly joinToken: JoinToken
      /** shown this once */
      readonly token: string
    }
  }
  /** Lets nobody in by this token any more. */
  readonly disableJoinToken: {
    readonly asked: {
      /** 24 hex digits */
      readonly id: string
    }
    readonly answer: JoinToken
  }
  /** Sets one’s own password: every other login is void, the answer is a new one. */
  readonly changeOwnPassword: {
    readonly asked: {
      readonly body: {
        readonly current: string
        readonly password: string
      }
    }
    readonly answer: Token
  }
  /** Sets a password by the token of an invitation or a recovery. */
  readonly setPasswordByToken: {
    readonly asked: {
      readonly body: {
        readonly token: string
        readonly password: string
      }
    }
    readonly answer: {
      readonly nick: string
    }
  }
  /** One’s own personal tokens, without their secrets. */
  readonly listAccessTokens: {
    readonly asked: Record<string, never>
    readonly answer: {
      readonly items: readonly AccessToken[]
    }
  }
  /** Makes a personal token; its secret is shown this once. */
  readonly createAccessToken: {
    readonly asked: {
      readonly body: {
        /** 1 to 128 printable characters */
        readonly name: string
        /** words such as `devices.readonly`, or whole prns */
        readonly scopes?: readonly string[] | undefined
        /** RFC 3339, within ten years; absent: in a year */
        readonly expiresAt?: string | undefined
      }
    }
    readonly answer: {
      readonly token: AccessToken
      /** the password to log in with; shown this once */
      readonly secret: string
    }
  }
  /** Removes a personal token of one’s own: logins that stand on it are void. */
  readonly removeAccessToken: {
    readonly asked: {
      /** 24 hex digits */
      readonly id: string
    }
    readonly answer: AccessToken
  }
  /** One’s own apps, without their secrets. */
  readonly listApps: {
    readonly asked: Record<string, never>
    readonly answer: {
      readonly items: readonly App[]
    }
  }
  /** Registers an app; a confidential one’s secret is shown this once. */
  readonly createApp: {
    readonly asked: {
      readonly body: {
        readonly nick: string
        readonly name?: string | undefined
        /** confidential apps have a secret */
        readonly type: 'public' | 'confidential' | 'pkce'
        /** where people are sent back to: http(s) without user, query and fragment */
        readonly redirectUris: readonly string[]
        /** words such as `devices.readonly`, or whole prns */
        readonly scopes: readonly string[]
      }
    }
    readonly answer: {
      readonly app: App
      /** shown this once */
      readonly secret?: string
    }
  }
  /** Changes an app of one’s own; its nick stays. */
  readonly changeApp: {
    readonly asked: {
      /** id or nick */
      readonly app: string
      readonly body: {
        readonly name?: string | undefined
        /** confidential apps have a secret */
        readonly type?: 'public' | 'confidential' | 'pkce' | undefined
        /** where people are sent back to: http(s) without user, query and fragment */
        readonly redirectUris?: readonly string[] | undefined
        /** words such as `devices.readonly`, or whole prns */
        readonly scopes?: readonly string[] | undefined
        /** makes another secret; what logged in with the old one is void */
        readonly newSecret?: boolean | undefined
      }
    }
    readonly answer: {
      readonly app: App
      /** shown this once */
      readonly secret?: string
    }
  }
  /** Removes an app of one’s own: its codes and the tokens given to it are void. */
  readonly removeApp: {
    readonly asked: {
      /** id or nick */
      readonly app: string
    }
    readonly answer: App
  }
  /** Members of the tenant. */
  readonly listUsers: {
    readonly asked: {
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
      /** id or nick of another tenant: for who runs the installation */
      readonly tenant?: string | undefined
    }
    readonly answer: {
      readonly items: readonly User[]
      readonly next?: string
    }
  }
  /** Makes a member with a password. */
  readonly createUser: {
    readonly asked: {
      /** id or nick of another tenant: for who runs the installation */
      readonly tenant?: string | undefined
      readonly body: {
        readonly nick: string
        readonly email?: string | undefined
        readonly password: string
        readonly roles: readonly ('owner' | 'operator' | 'viewer')[]
      }
    }
    readonly answer: User
  }
  /** One member. */
  readonly getUser: {
    readonly asked: {
      /** id, nick or e-mail address */
      readonly user: string
      /** id or nick of another tenant: for who runs the installation */
      readonly tenant?: string | undefined
    }
    readonly answer: User
  }
  /** Makes a member who sets the password themselves, by mail where mail is sent. */
  readonly inviteUser: {
    readonly asked: {
      /** id or nick of another tenant: for who runs the installation */
      readonly tenant?: string | undefined
      readonly body: {
        readonly nick: string
        readonly email: string
        readonly roles: readonly ('owner' | 'operator' | 'viewer')[]
      }
    }
    readonly answer: {
      readonly user: User
      readonly expiresAt: string
      /** hand it over: no mail goes out from here; shown this once */
      readonly token?: string
    }
  }
  /** Sets a member’s roles. */
  readonly setUserRoles: {
    readonly asked: {
      /** id, nick or e-mail address */
      readonly user: string
      /** id or nick of another tenant: for who runs the installation */
      readonly tenant?: string | undefined
      readonly body: {
        readonly roles: readonly ('owner' | 'operator' | 'viewer')[]
      }
    }
    readonly answer: User
  }
  /** Keeps a member from logging in; every login is void at once. */
  readonly disableUser: {
    readonly asked: {
      /** id, nick or e-mail address */
      readonly user: string
      /** id or nick of another tenant: for who runs the installation */
      readonly tenant?: string | undefined
    }
    readonly answer: User
  }
  /** Lets a member log in again. */
  readonly enableUser: {
    readonly asked: {
      /** id, nick or e-mail address */
      readonly user: string
      /** id or nick of another tenant: for who runs the installation */
      readonly tenant?: string | undefined
    }
    readonly answer: User
  }
  /** Sets a member’s password; every login is void at once. */
  readonly setUserPassword: {
    readonly asked: {
      /** id, nick or e-mail address */
      readonly user: string
      /** id or nick of another tenant: for who runs the installation */
      readonly tenant?: string | undefined
      readonly body: {
        readonly password: string
      }
    }
    readonly answer: User
  }
  /** Devices, by nick; or those with a label. */
  readonly listDevices: {
    readonly asked: {
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
      /** begins so, whatever the case */
      readonly nick?: string | undefined
      readonly type?: string | undefined
      /** `label=value` */
      readonly label?: string | undefined
    }
    readonly answer: {
      readonly items: readonly Device[]
      readonly next?: string
    }
  }
  /** Makes a device of the tenant; its secret is shown this once. */
  readonly createDevice: {
    readonly asked: {
      readonly body: {
        readonly nick?: string | undefined
        /** up to 64 */
        readonly labels?: { readonly [key: string]: string } | undefined
      }
    }
    readonly answer: {
      readonly device: Device
      /** shown this once */
      readonly secret: string
    }
  }
  /** One device. */
  readonly getDevice: {
    readonly asked: {
      /** id or nick */
      readonly device: string
    }
    readonly answer: Device
  }
  /** Sets nick, labels or whether it is public. */
  readonly changeDevice: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly body: {
        readonly nick?: string | undefined
        /** null takes one away */
        readonly labels?: { readonly [key: string]: string | null } | undefined
        readonly public?: boolean | undefined
      }
    }
    readonly answer: Device
  }
  /** Deletes a device: gone from every list, refused at login. */
  readonly deleteDevice: {
    readonly asked: {
      /** id or nick */
      readonly device: string
    }
    readonly answer: Device
  }
  /** Claims an unclaimed device, by its id and challenge. */
  readonly claimDevice: {
    readonly asked: {
      /** 24 hex digits */
      readonly device: string
      readonly body: {
        readonly challenge: string
      }
    }
    readonly answer: Device
  }
  /** What the owner wants the device to know: its own user-meta over what all devices are told. */
  readonly getUserMeta: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      /** only what is said to this device alone */
      readonly own?: boolean | undefined
    }
    readonly answer: { readonly [key: string]: unknown }
  }
  /** Replaces what the owner wants the device to know. */
  readonly putUserMeta: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly body: { readonly [key: string]: unknown }
    }
    readonly answer: { readonly [key: string]: unknown }
  }
  /** Merges into what the owner wants the device to know. */
  readonly patchUserMeta: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly body: { readonly [key: string]: unknown }
    }
    readonly answer: { readonly [key: string]: unknown }
  }
  /** What the device says of itself. */
  readonly getDeviceMeta: {
    readonly asked: {
      /** id or nick */
      readonly device: string
    }
    readonly answer: { readonly [key: string]: unknown }
  }
  /** Log lines in the order of arrival: the newest ones, or those after a line. */
  readonly listLogs: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly limit?: number | undefined
      /** id of a line: what came later */
      readonly after?: string | undefined
      readonly level?: string | undefined
      readonly source?: string | undefined
    }
    readonly answer: {
      readonly items: readonly LogLine[]
    }
  }
  /** Where a device’s trail stands. */
  readonly getTrail: {
    readonly asked: {
      /** id or nick */
      readonly device: string
    }
    readonly answer: Trail
  }
  /** The steps of a trail, newest first. */
  readonly listSteps: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
      /** only those that have not ended */
      readonly open?: boolean | undefined
    }
    readonly answer: {
      readonly items: readonly Step[]
      readonly next?: string
    }
  }
  /** Posts a step behind the newest one. */
  readonly postStep: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly body: {
        /** paths to documents or object sha256s, with #spec */
        readonly state: { readonly [key: string]: unknown }
        /** must be the next one; absent: append */
        readonly rev?: number | undefined
        readonly commitMsg?: string | undefined
        readonly meta?: { readonly [key: string]: unknown } | undefined
      }
    }
    readonly answer: Step
  }
  /** One step. */
  readonly getStep: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly rev: number
    }
    readonly answer: Step
  }
  /** The state a step asks for. */
  readonly getState: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly rev: number
    }
    readonly answer: { readonly [key: string]: unknown }
  }
  /** Takes back a step that no device has taken yet. */
  readonly cancelStep: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly rev: number
    }
    readonly answer: Step
  }
  /** Asks the device to give up a step that has not ended. */
  readonly abortStep: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly rev: number
    }
    readonly answer: Step
  }
  /** Clears a failed step: it no longer holds back what follows. */
  readonly clearStep: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      readonly rev: number
    }
    readonly answer: Step
  }
  /** Objects of the tenant, longest unchanged first. */
  readonly listObjects: {
    readonly asked: {
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
    }
    readonly answer: {
      readonly items: readonly StoredObject[]
      readonly next?: string
    }
  }
  /** How much of the quota is used. */
  readonly getObjectUsage: {
    readonly asked: Record<string, never>
    readonly answer: ObjectUsage
  }
  /** Stores bytes: they appear once size and sha256 agree. Bytes already stored are answered at once. */
  readonly putObject: {
    readonly asked: {
      /** sha256, hex */
      readonly sha256: string
      readonly name?: string | undefined
      readonly mimeType?: string | undefined
      readonly body: Blob
    }
    readonly answer: StoredObject
  }
  /** The bytes of an object; a Range of them to resume. */
  readonly getObject: {
    readonly asked: {
      /** sha256, hex */
      readonly sha256: string
    }
    readonly answer: Uint8Array
  }
  /** Removes an object that no step refers to. */
  readonly deleteObject: {
    readonly asked: {
      /** sha256, hex */
      readonly sha256: string
    }
    readonly answer: StoredObject
  }
  /** What is known of an object. */
  readonly getObjectInfo: {
    readonly asked: {
      /** sha256, hex */
      readonly sha256: string
    }
    readonly answer: StoredObject
  }
  /** What happened, in order. */
  readonly readJournal: {
    readonly asked: {
      /** a cursor; absent: the oldest kept */
      readonly after?: string | undefined
      /** id or nick: only what concerns it */
      readonly device?: string | undefined
      readonly limit?: number | undefined
    }
    readonly answer: {
      readonly items: readonly JournalEntry[]
      /** go on from here with `after`, also when nothing came */
      readonly next: string
    }
  }
  /** The journal as server-sent events; resumes from Last-Event-ID or `after`. */
  readonly followJournal: {
    readonly asked: {
      /** a cursor; absent: from now on */
      readonly after?: string | undefined
      /** id or nick: only what concerns it */
      readonly device?: string | undefined
    }
    readonly answer: JournalEntry
  }
  /** What was asked of devices. */
  readonly listTransactions: {
    readonly asked: {
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
      readonly device?: string | undefined
      readonly open?: boolean | undefined
      /** 24 hex digits */
      readonly parent?: string | undefined
      /** ours: the first final word fixes it */
      readonly state?: 'queued' | 'sent' | 'in-progress' | 'done' | 'failed' | 'timed-out' | 'cancelled' | undefined
      /** such as `rpc` or `configuration` */
      readonly kind?: string | undefined
      /** the newest first; else the oldest */
      readonly newest?: boolean | undefined
    }
    readonly answer: {
      readonly items: readonly Transaction[]
      readonly next?: string
    }
  }
  /** One thing that was asked. */
  readonly getTransaction: {
    readonly asked: {
      /** 24 hex digits */
      readonly id: string
    }
    readonly answer: Transaction
  }
  /** Calls off something that has not ended; a group’s members are called off with it. */
  readonly cancelTransaction: {
    readonly asked: {
      /** 24 hex digits */
      readonly id: string
    }
    readonly answer: Transaction
  }
  /** Why a device or one of its steps stands where it stands. */
  readonly explainDevice: {
    readonly asked: {
      /** id or nick */
      readonly device: string
      /** the step; absent: the oldest that has not ended */
      readonly rev?: number | undefined
    }
    readonly answer: Why
  }
  /** Groups, by name. */
  readonly listGroups: {
    readonly asked: {
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
    }
    readonly answer: {
      readonly items: readonly {
        /** 24 hex digits */
        readonly id: string
        readonly name: string
        /** of all its members; absent while it has none */
        readonly type?: string
        readonly size: number
        /** transactions of the whole group that have not ended */
        readonly open: number
        readonly createdAt: string
      }[]
      readonly next?: string
    }
  }
  /** Makes a group, which has no members yet. */
  readonly createGroup: {
    readonly asked: {
      readonly body: {
        readonly name: string
      }
    }
    readonly answer: {
      /** 24 hex digits */
      readonly id: string
      readonly name: string
      /** of all its members; absent while it has none */
      readonly type?: string
      readonly size: number
      /** transactions of the whole group that have not ended */
      readonly open: number
      readonly createdAt: string
    }
  }
  /** One group. */
  readonly getGroup: {
    readonly asked: {
      /** id or name */
      readonly group: string
    }
    readonly answer: {
      /** 24 hex digits */
      readonly id: string
      readonly name: string
      /** of all its members; absent while it has none */
      readonly type?: string
      readonly size: number
      /** transactions of the whole group that have not ended */
      readonly open: number
      readonly createdAt: string
    }
  }
  /** Removes a group; its devices stay, and what was asked of it goes on. */
  readonly removeGroup: {
    readonly asked: {
      /** id or name */
      readonly group: string
    }
    readonly answer: {
      /** 24 hex digits */
      readonly id: string
      readonly name: string
      /** of all its members; absent while it has none */
      readonly type?: string
      readonly size: number
      /** transactions of the whole group that have not ended */
      readonly open: number
      readonly createdAt: string
    }
  }
  /** The devices of a group, by id. */
  readonly listGroupMembers: {
    readonly asked: {
      /** id or name */
      readonly group: string
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
    }
    readonly answer: {
      readonly items: readonly Device[]
      readonly next?: string
    }
  }
  /** Adds devices, all of them or none. */
  readonly addToGroup: {
    readonly asked: {
      /** id or name */
      readonly group: string
      readonly body: {
        readonly devices: readonly string[]
      }
    }
    readonly answer: {
      /** 24 hex digits */
      readonly id: string
      readonly name: string
      /** of all its members; absent while it has none */
      readonly type?: string
      readonly size: number
      /** transactions of the whole group that have not ended */
      readonly open: number
      readonly createdAt: string
    }
  }
  /** Takes devices out; who is no member is passed over. */
  readonly removeFromGroup: {
    readonly asked: {
      /** id or name */
      readonly group: string
      readonly body: {
        readonly devices: readonly string[]
      }
    }
    readonly answer: {
      /** 24 hex digits */
      readonly id: string
      readonly name: string
      /** of all its members; absent while it has none */
      readonly type?: string
      readonly size: number
      /** transactions of the whole group that have not ended */
      readonly open: number
      readonly createdAt: string
    }
  }
  /** Types of devices, by name. */
  readonly listDeviceTypes: {
    readonly asked: {
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
    }
    readonly answer: {
      readonly items: readonly {
        readonly name: string
        readonly protocol: string
        /** the module that describes attributes of its devices */
        readonly schema?: string
        readonly createdAt: string
      }[]
      readonly next?: string
    }
  }
  /** Makes a type of devices that are reached by a protocol. */
  readonly createDeviceType: {
    readonly asked: {
      readonly body: {
        readonly name: string
        /** such as exodm_bert */
        readonly protocol: string
      }
    }
    readonly answer: {
      readonly name: string
      readonly protocol: string
      /** the module that describes attributes of its devices */
      readonly schema?: string
      readonly createdAt: string
    }
  }
  /** One type of devices. */
  readonly getDeviceType: {
    readonly asked: {
      readonly type: string
    }
    readonly answer: {
      readonly name: string
      readonly protocol: string
      /** the module that describes attributes of its devices */
      readonly schema?: string
      readonly createdAt: string
    }
  }
  /** Removes a type that no device has. */
  readonly removeDeviceType: {
    readonly asked: {
      readonly type: string
    }
    readonly answer: {
      readonly name: string
      readonly protocol: string
      /** the module that describes attributes of its devices */
      readonly schema?: string
      readonly createdAt: string
    }
  }
  /** Packages, by name. */
  readonly listPackages: {
    readonly asked: {
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
    }
    readonly answer: {
      readonly items: readonly {
        readonly name: string
        /** sha256 */
        readonly image: string
        readonly size: number
        /** of its operations and configuration */
        readonly module?: string
        /** of its configuration, in the module */
        readonly container?: string
        readonly needs: readonly string[]
        readonly upgrades: readonly string[]
        readonly types?: readonly string[]
        readonly createdAt: string
      }[]
      readonly next?: string
    }
  }
  /** Makes a package of an object that is stored here. */
  readonly createPackage: {
    readonly asked: {
      readonly body: {
        readonly name: string
        /** sha256 of a stored object */
        readonly image: string
        readonly module?: string | undefined
        readonly container?: string | undefined
        readonly needs?: readonly string[] | undefined
        readonly upgrades?: readonly string[] | undefined
      }
    }
    readonly answer: {
      readonly name: string
      /** sha256 */
      readonly image: string
      readonly size: number
      /** of its operations and configuration */
      readonly module?: string
      /** of its configuration, in the module */
      readonly container?: string
      readonly needs: readonly string[]
      readonly upgrades: readonly string[]
      readonly types?: readonly string[]
      readonly createdAt: string
    }
  }
  /** One package, with the types of devices that may have it. */
  readonly getPackage: {
    readonly asked: {
      readonly package: string
    }
    readonly answer: {
      readonly name: string
      /** sha256 */
      readonly image: string
      readonly size: number
      /** of its operations and configuration */
      readonly module?: string
      /** of its configuration, in the module */
      readonly container?: string
      readonly needs: readonly string[]
      readonly upgrades: readonly string[]
      readonly types?: readonly string[]
      readonly createdAt: string
    }
  }
  /** Removes a package that no device has or is getting, no other needs and no type allows. */
  readonly removePackage: {
    readonly asked: {
      readonly package: string
    }
    readonly answer: {
      readonly name: string
      /** sha256 */
      readonly image: string
      readonly size: number
      /** of its operations and configuration */
      readonly module?: string
      /** of its configuration, in the module */
      readonly container?: string
      readonly needs: readonly string[]
      readonly upgrades: readonly string[]
      readonly types?: readonly string[]
      readonly createdAt: string
    }
  }
  /** How a package stands on each device that has it, had it, or is to have it. */
  readonly listPackageDevices: {
    readonly asked: {
      readonly package: string
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
    }
    readonly answer: {
      readonly items: readonly {
        /** 24 hex digits */
        readonly device: string
        readonly nick: string
        readonly package: string
        readonly installed: boolean
        readonly operation: string
        /** queued, completed, timeout, dependency-failure, other-error */
        readonly status: string
        /** 24 hex digits */
        readonly transaction: string
        readonly since: string
      }[]
      readonly next?: string
    }
  }
  /** Lets devices of a type have it. */
  readonly allowPackage: {
    readonly asked: {
      readonly package: string
      readonly body: {
        /** of devices; `pantahub`: on a trail */
        readonly type: string
        /** what the device’s installer is told */
        readonly installArguments?: string | undefined
        /** what the device’s installer is told */
        readonly upgradeArguments?: string | undefined
        /** what the device’s installer is told */
        readonly uninstallArguments?: string | undefined
      }
    }
    readonly answer: {
      readonly type: string
      readonly package: string
    }
  }
  /** Devices of a type may have it no longer; where it is installed it stays. */
  readonly disallowPackage: {
    readonly asked: {
      readonly package: string
      readonly body: {
        /** of devices; `pantahub`: on a trail */
        readonly type: string
      }
    }
    readonly answer: {
      readonly type: string
      readonly package: string
    }
  }
  /** Installs, upgrades to or uninstalls a package on devices and groups, as one transaction. */
  readonly operatePackage: {
    readonly asked: {
      readonly package: string
      readonly body: {
        readonly operation: 'transmit' | 'install' | 'upgrade' | 'uninstall'
        readonly devices?: readonly string[] | undefined
        readonly groups?: readonly string[] | undefined
        /** what an upgrade replaces */
        readonly from?: string | undefined
        /** install what it needs first */
        readonly recursive?: boolean | undefined
        /** uninstall what nothing needs any more; true for an uninstallation */
        readonly removeUnused?: boolean | undefined
        /** its first configuration, as JSON text */
        readonly values?: string | undefined
        /** a week, if nothing is said */
        readonly ttlMs?: number | undefined
      }
    }
    readonly answer: Transaction
  }
  /** Configuration of a device, by package. */
  readonly listDeviceConfig: {
    readonly asked: {
      /** id or name */
      readonly device: string
    }
    readonly answer: {
      readonly items: readonly {
        readonly package: string
        /** of what is confirmed; 0: nothing is */
        readonly version: number
        /** what the device has confirmed, or what members were sent last */
        readonly current?: string
        /** edited, and not pushed yet */
        readonly staged?: string
        /** what is staged takes the place of what is there, instead of being merged */
        readonly whole?: boolean
      }[]
    }
  }
  /** Configuration of one package for a device. */
  readonly getDeviceConfig: {
    readonly asked: {
      /** id or name */
      readonly device: string
      readonly package: string
    }
    readonly answer: {
      readonly package: string
      /** of what is confirmed; 0: nothing is */
      readonly version: number
      /** what the device has confirmed, or what members were sent last */
      readonly current?: string
      /** edited, and not pushed yet */
      readonly staged?: string
      /** what is staged takes the place of what is there, instead of being merged */
      readonly whole?: boolean
    }
  }
  /** Edits the configuration of a device: judged by the package’s module, merged, sent nowhere yet. */
  readonly stageDeviceConfig: {
    readonly asked: {
      /** id or name */
      readonly device: string
      readonly package: string
      readonly body: {
        /** JSON text, numbers exact */
        readonly values: string
      }
    }
    readonly answer: {
      readonly package: string
      /** of what is confirmed; 0: nothing is */
      readonly version: number
      /** what the device has confirmed, or what members were sent last */
      readonly current?: string
      /** edited, and not pushed yet */
      readonly staged?: string
      /** what is staged takes the place of what is there, instead of being merged */
      readonly whole?: boolean
    }
  }
  /** Sends what is staged for a device, of one package or all, as one transaction. */
  readonly pushDeviceConfig: {
    readonly asked: {
      /** id or name */
      readonly device: string
      readonly body: {
        readonly package?: string | undefined
        readonly ttlMs?: number | undefined
      }
    }
    readonly answer: {
      readonly transaction?: Transaction
    }
  }
  /** Configuration of a group’s members, by package. */
  readonly listGroupConfig: {
    readonly asked: {
      /** id or name */
      readonly group: string
    }
    readonly answer: {
      readonly items: readonly {
        readonly package: string
        /** of what is confirmed; 0: nothing is */
        readonly version: number
        /** what the device has confirmed, or what members were sent last */
        readonly current?: string
        /** edited, and not pushed yet */
        readonly staged?: string
        /** what is staged takes the place of what is there, instead of being merged */
        readonly whole?: boolean
      }[]
    }
  }
  /** Configuration of one package for a group’s members. */
  readonly getGroupConfig: {
    readonly asked: {
      /** id or name */
      readonly group: string
      readonly package: string
    }
    readonly answer: {
      readonly package: string
      /** of what is confirmed; 0: nothing is */
      readonly version: number
      /** what the device has confirmed, or what members were sent last */
      readonly current?: string
      /** edited, and not pushed yet */
      readonly staged?: string
      /** what is staged takes the place of what is there, instead of being merged */
      readonly whole?: boolean
    }
  }
  /** Edits the configuration of a group’s members: judged by the package’s module, merged, sent nowhere yet. */
  readonly stageGroupConfig: {
    readonly asked: {
      /** id or name */
      readonly group: string
      readonly package: string
      readonly body: {
        /** JSON text, numbers exact */
        readonly values: string
      }
    }
    readonly answer: {
      readonly package: string
      /** of what is confirmed; 0: nothing is */
      readonly version: number
      /** what the device has confirmed, or what members were sent last */
      readonly current?: string
      /** edited, and not pushed yet */
      readonly staged?: string
      /** what is staged takes the place of what is there, instead of being merged */
      readonly whole?: boolean
    }
  }
  /** Sends what is staged for a group’s members, of one package or all, as one transaction. */
  readonly pushGroupConfig: {
    readonly asked: {
      /** id or name */
      readonly group: string
      readonly body: {
        readonly package?: string | undefined
        readonly ttlMs?: number | undefined
      }
    }
    readonly answer: {
      readonly transaction?: Transaction
    }
  }
  /** What a device has confirmed of a package’s configuration, newest first. */
  readonly listDeviceConfigVersions: {
    readonly asked: {
      /** id or name */
      readonly device: string
      readonly package: string
      readonly limit?: number | undefined
    }
    readonly answer: {
      readonly items: readonly {
        readonly version: number
        readonly at: string
        /** JSON text, numbers exact */
        readonly values: string
        /** 24 hex digits */
        readonly transaction: string
      }[]
    }
  }
  /** Stages what a device had before, whole, to be pushed like any other edit. */
  readonly rollbackDeviceConfig: {
    readonly asked: {
      /** id or name */
      readonly device: string
      readonly package: string
      readonly body: {
        readonly version: number
      }
    }
    readonly answer: {
      readonly package: string
      /** of what is confirmed; 0: nothing is */
      readonly version: number
      /** what the device has confirmed, or what members were sent last */
      readonly current?: string
      /** edited, and not pushed yet */
      readonly staged?: string
      /** what is staged takes the place of what is there, instead of being merged */
      readonly whole?: boolean
    }
  }
  /** Messages to back ends that were given up, by lane. */
  readonly listDeadLetters: {
    readonly asked: {
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
    }
    readonly answer: {
      readonly items: readonly {
        /** the same for messages to the same address */
        readonly lane: string
        readonly seq: number
        /** `kind`, and what it tells of */
        readonly about: { readonly [key: string]: unknown }
        /** why it was given up */
        readonly reason?: string
        readonly createdAt: string
      }[]
      readonly next?: string
    }
  }
  /** One message that was given up. */
  readonly getDeadLetter: {
    readonly asked: {
      readonly lane: string
      readonly seq: number
    }
    readonly answer: {
      /** the same for messages to the same address */
      readonly lane: string
      readonly seq: number
      /** `kind`, and what it tells of */
      readonly about: { readonly [key: string]: unknown }
      /** why it was given up */
      readonly reason?: string
      readonly createdAt: string
    }
  }
  /** Puts a message that was given up at the end of its lane again. */
  readonly redriveDeadLetter: {
    readonly asked: {
      readonly lane: string
      readonly seq: number
    }
    readonly answer: {
      /** the same for messages to the same address */
      readonly lane: string
      readonly seq: number
      /** `kind`, and what it tells of */
      readonly about: { readonly [key: string]: unknown }
      /** why it was given up */
      readonly reason?: string
      readonly createdAt: string
    }
  }
  /** Calls a command of the JSON-RPC table, or an operation that a device’s modules define. */
  readonly callMethod: {
    readonly asked: {
      readonly body: {
        readonly method: string
        /** `name=value`, typed by the operation’s schema; `name:=JSON` as it stands */
        readonly params?: readonly string[] | undefined
      }
    }
    readonly answer: {
      /** no error, and no result code but `ok` */
      readonly ok: boolean
      /** the result or the error as JSON text, numbers exact */
      readonly text: string
      /** numbers that no double holds are texts */
      readonly result?: unknown
      readonly error?: {
        readonly code: number
        readonly message: string
        readonly data?: unknown
      }
      /** the id of what the call began, if it began something */
      readonly transaction?: string
    }
  }
  /** What can be called, with its parameters: the table’s commands and the operations of the tenant’s modules. */
  readonly listMethods: {
    readonly asked: {
      /** items a page */
      readonly limit?: number | undefined
      /** `next` of the page before */
      readonly cursor?: string | undefined
    }
    readonly answer: {
      readonly items: readonly {
        readonly method: string
        readonly description: string
        readonly params: readonly {
          readonly name: string
          readonly type: string
          readonly mandatory: boolean
        }[]
      }[]
      readonly next?: string
    }
  }
  /** Takes in a device of another server, with its id, its secret and what is known of it. */
  readonly importDevice: {
    readonly asked: {
      /** 24 hex digits */
      readonly device: string
      readonly body: {
        readonly nick: string
        /** its own; absent: a new one is made */
        readonly secret?: string | undefined
        readonly public: boolean
        readonly userMeta?: { readonly [key: string]: unknown } | undefined
        readonly deviceMeta?: { readonly [key: string]: unknown } | undefined
        /** RFC 3339 */
        readonly createdAt: string
      }
    }
    readonly answer: {
      readonly device: Device
      /** it was here before; nothing was changed */
      readonly existed: boolean
      /** a new one, where none was told; shown this once */
      readonly secret?: string
    }
  }
  /** Takes in a step of another server as it stands there, behind the newest one here. */
  readonly importStep: {
    readonly asked: {
      /** 24 hex digits */
      readonly device: string
      readonly rev: number
      readonly body: {
        /** paths to documents or object sha256s, with #spec */
        readonly state: { readonly [key: string]: unknown }
        readonly commitMsg?: string | undefined
        readonly committer?: string | undefined
        readonly meta?: { readonly [key: string]: unknown } | undefined
        /** the progress as the device told it, with its status word; absent: it has not spoken */
        readonly report?: { readonly [key: string]: unknown } | undefined
        /** RFC 3339 */
        readonly reportedAt?: string | undefined
        /** RFC 3339 */
        readonly createdAt: string
      }
    }
    readonly answer: {
      readonly step: Step
      /** it was here before; nothing was changed */
      readonly existed: boolean
    }
  }
  /** What people did, and from where: of the own tenant, for its owners; of another or of the house. */
  readonly readAudit: {
    readonly asked: {
      /** `house`, or another tenant’s id or nick: for administrators */
      readonly tenant?: string | undefined
      /** a cursor; absent: the oldest kept */
      readonly after?: string | undefined
      readonly limit?: number | undefined
    }
    readonly answer: {
      readonly items: readonly JournalEntry[]
      /** go on from here with `after`, also when nothing came */
      readonly next: string
    }
  }
  /** Begins a new key for logins; nobody is logged out. For administrators. */
  readonly rotateKeys: {
    readonly asked: Record<string, never>
    readonly answer: {
      /** from when logins are signed with the new key */
      readonly signsFrom: string
      /** until when the one before is believed */
      readonly olderUntil: string
    }
  }
  /** Collects what no step refers to and is older than the grace, or tells what it would; for administrators. */
  readonly collectObjects: {
    readonly asked: {
      readonly body: {
        /** only counts */
        readonly dryRun?: boolean | undefined
      }
    }
    readonly answer: {
      /** objects whose records went */
      readonly records: number
      /** what those records stood for */
      readonly bytes: number
      /** files without a record */
      readonly files: number
    }
  }
  /** Sets limits of a tenant; null takes its own away, what is not named stays. For administrators. */
  readonly setTenantLimits: {
    readonly asked: {
      /** id or nick */
      readonly tenant: string
      readonly body: {
        /** bytes of objects it may register */
        readonly objectBytesMax?: number | null | undefined
        /** devices it may have */
        readonly devicesMax?: number | null | undefined
        /** requests a second, on average; 0: any */
        readonly requestRateMax?: number | null | undefined
        /** bytes a second, on average; 0: any */
        readonly byteRateMax?: number | null | undefined
      }
    }
    readonly answer: {
      /** 24 hex digits */
      readonly tenant: string
      /** bytes of objects it may register */
      readonly objectBytesMax?: number | null
      /** devices it may have */
      readonly devicesMax?: number | null
      /** requests a second, on average; 0: any */
      readonly requestRateMax?: number | null
      /** bytes a second, on average; 0: any */
      readonly byteRateMax?: number | null
    }
  }
}

/** How each operation goes over the wire. */
export const operations = {
  login: { method: 'POST', path: '/fleet/v1/login', params: [], query: [], body: 'json', answer: 'json', paged: false, key: false, open: true },
  refreshToken: { method: 'POST', path: '/fleet/v1/token', params: [], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  whoAmI: { method: 'GET', path: '/fleet/v1/me', params: [], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  listJoinTokens: { method: 'GET', path: '/fleet/v1/join-tokens', params: [], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  createJoinToken: { method: 'POST', path: '/fleet/v1/join-tokens', params: [], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  disableJoinToken: { method: 'DELETE', path: '/fleet/v1/join-tokens/{id}', params: ['id'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  changeOwnPassword: { method: 'PUT', path: '/fleet/v1/me/password', params: [], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  setPasswordByToken: { method: 'POST', path: '/fleet/v1/password', params: [], query: [], body: 'json', answer: 'json', paged: false, key: false, open: true },
  listAccessTokens: { method: 'GET', path: '/fleet/v1/tokens', params: [], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  createAccessToken: { method: 'POST', path: '/fleet/v1/tokens', params: [], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  removeAccessToken: { method: 'DELETE', path: '/fleet/v1/tokens/{id}', params: ['id'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  listApps: { method: 'GET', path: '/fleet/v1/apps', params: [], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  createApp: { method: 'POST', path: '/fleet/v1/apps', params: [], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  changeApp: { method: 'PATCH', path: '/fleet/v1/apps/{app}', params: ['app'], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  removeApp: { method: 'DELETE', path: '/fleet/v1/apps/{app}', params: ['app'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  listUsers: { method: 'GET', path: '/fleet/v1/users', params: [], query: ['limit', 'cursor', 'tenant'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  createUser: { method: 'POST', path: '/fleet/v1/users', params: [], query: ['tenant'], body: 'json', answer: 'json', paged: false, key: true, open: false },
  getUser: { method: 'GET', path: '/fleet/v1/users/{user}', params: ['user'], query: ['tenant'], body: 'none', answer: 'json', paged: false, key: false, open: false },
  inviteUser: { method: 'POST', path: '/fleet/v1/invitations', params: [], query: ['tenant'], body: 'json', answer: 'json', paged: false, key: true, open: false },
  setUserRoles: { method: 'PUT', path: '/fleet/v1/users/{user}/roles', params: ['user'], query: ['tenant'], body: 'json', answer: 'json', paged: false, key: false, open: false },
  disableUser: { method: 'POST', path: '/fleet/v1/users/{user}/disable', params: ['user'], query: ['tenant'], body: 'none', answer: 'json', paged: false, key: true, open: false },
  enableUser: { method: 'POST', path: '/fleet/v1/users/{user}/enable', params: ['user'], query: ['tenant'], body: 'none', answer: 'json', paged: false, key: true, open: false },
  setUserPassword: { method: 'PUT', path: '/fleet/v1/users/{user}/password', params: ['user'], query: ['tenant'], body: 'json', answer: 'json', paged: false, key: false, open: false },
  listDevices: { method: 'GET', path: '/fleet/v1/devices', params: [], query: ['limit', 'cursor', 'nick', 'type', 'label'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  createDevice: { method: 'POST', path: '/fleet/v1/devices', params: [], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  getDevice: { method: 'GET', path: '/fleet/v1/devices/{device}', params: ['device'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  changeDevice: { method: 'PATCH', path: '/fleet/v1/devices/{device}', params: ['device'], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  deleteDevice: { method: 'DELETE', path: '/fleet/v1/devices/{device}', params: ['device'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  claimDevice: { method: 'POST', path: '/fleet/v1/devices/{device}/claim', params: ['device'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  getUserMeta: { method: 'GET', path: '/fleet/v1/devices/{device}/user-meta', params: ['device'], query: ['own'], body: 'none', answer: 'json', paged: false, key: false, open: false },
  putUserMeta: { method: 'PUT', path: '/fleet/v1/devices/{device}/user-meta', params: ['device'], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  patchUserMeta: { method: 'PATCH', path: '/fleet/v1/devices/{device}/user-meta', params: ['device'], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  getDeviceMeta: { method: 'GET', path: '/fleet/v1/devices/{device}/device-meta', params: ['device'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  listLogs: { method: 'GET', path: '/fleet/v1/devices/{device}/logs', params: ['device'], query: ['limit', 'after', 'level', 'source'], body: 'none', answer: 'json', paged: false, key: false, open: false },
  getTrail: { method: 'GET', path: '/fleet/v1/devices/{device}/trail', params: ['device'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  listSteps: { method: 'GET', path: '/fleet/v1/devices/{device}/steps', params: ['device'], query: ['limit', 'cursor', 'open'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  postStep: { method: 'POST', path: '/fleet/v1/devices/{device}/steps', params: ['device'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  getStep: { method: 'GET', path: '/fleet/v1/devices/{device}/steps/{rev}', params: ['device', 'rev'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  getState: { method: 'GET', path: '/fleet/v1/devices/{device}/steps/{rev}/state', params: ['device', 'rev'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  cancelStep: { method: 'POST', path: '/fleet/v1/devices/{device}/steps/{rev}/cancel', params: ['device', 'rev'], query: [], body: 'none', answer: 'json', paged: false, key: true, open: false },
  abortStep: { method: 'POST', path: '/fleet/v1/devices/{device}/steps/{rev}/abort', params: ['device', 'rev'], query: [], body: 'none', answer: 'json', paged: false, key: true, open: false },
  clearStep: { method: 'POST', path: '/fleet/v1/devices/{device}/steps/{rev}/clear', params: ['device', 'rev'], query: [], body: 'none', answer: 'json', paged: false, key: true, open: false },
  listObjects: { method: 'GET', path: '/fleet/v1/objects', params: [], query: ['limit', 'cursor'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  getObjectUsage: { method: 'GET', path: '/fleet/v1/objects/usage', params: [], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  putObject: { method: 'PUT', path: '/fleet/v1/objects/{sha256}', params: ['sha256'], query: ['name', 'mimeType'], body: 'bytes', answer: 'json', paged: false, key: false, open: false },
  getObject: { method: 'GET', path: '/fleet/v1/objects/{sha256}', params: ['sha256'], query: [], body: 'none', answer: 'bytes', paged: false, key: false, open: false },
  deleteObject: { method: 'DELETE', path: '/fleet/v1/objects/{sha256}', params: ['sha256'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  getObjectInfo: { method: 'GET', path: '/fleet/v1/objects/{sha256}/info', params: ['sha256'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  readJournal: { method: 'GET', path: '/fleet/v1/journal', params: [], query: ['after', 'device', 'limit'], body: 'none', answer: 'json', paged: false, key: false, open: false },
  followJournal: { method: 'GET', path: '/fleet/v1/events', params: [], query: ['after', 'device'], body: 'none', answer: 'events', paged: false, key: false, open: false },
  listTransactions: { method: 'GET', path: '/fleet/v1/transactions', params: [], query: ['limit', 'cursor', 'device', 'open', 'parent', 'state', 'kind', 'newest'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  getTransaction: { method: 'GET', path: '/fleet/v1/transactions/{id}', params: ['id'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  cancelTransaction: { method: 'POST', path: '/fleet/v1/transactions/{id}/cancel', params: ['id'], query: [], body: 'none', answer: 'json', paged: false, key: true, open: false },
  explainDevice: { method: 'GET', path: '/fleet/v1/devices/{device}/why', params: ['device'], query: ['rev'], body: 'none', answer: 'json', paged: false, key: false, open: false },
  listGroups: { method: 'GET', path: '/fleet/v1/groups', params: [], query: ['limit', 'cursor'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  createGroup: { method: 'POST', path: '/fleet/v1/groups', params: [], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  getGroup: { method: 'GET', path: '/fleet/v1/groups/{group}', params: ['group'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  removeGroup: { method: 'DELETE', path: '/fleet/v1/groups/{group}', params: ['group'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  listGroupMembers: { method: 'GET', path: '/fleet/v1/groups/{group}/devices', params: ['group'], query: ['limit', 'cursor'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  addToGroup: { method: 'POST', path: '/fleet/v1/groups/{group}/add', params: ['group'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  removeFromGroup: { method: 'POST', path: '/fleet/v1/groups/{group}/remove', params: ['group'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  listDeviceTypes: { method: 'GET', path: '/fleet/v1/device-types', params: [], query: ['limit', 'cursor'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  createDeviceType: { method: 'POST', path: '/fleet/v1/device-types', params: [], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  getDeviceType: { method: 'GET', path: '/fleet/v1/device-types/{type}', params: ['type'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  removeDeviceType: { method: 'DELETE', path: '/fleet/v1/device-types/{type}', params: ['type'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  listPackages: { method: 'GET', path: '/fleet/v1/packages', params: [], query: ['limit', 'cursor'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  createPackage: { method: 'POST', path: '/fleet/v1/packages', params: [], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  getPackage: { method: 'GET', path: '/fleet/v1/packages/{package}', params: ['package'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  removePackage: { method: 'DELETE', path: '/fleet/v1/packages/{package}', params: ['package'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  listPackageDevices: { method: 'GET', path: '/fleet/v1/packages/{package}/devices', params: ['package'], query: ['limit', 'cursor'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  allowPackage: { method: 'POST', path: '/fleet/v1/packages/{package}/allow', params: ['package'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  disallowPackage: { method: 'POST', path: '/fleet/v1/packages/{package}/disallow', params: ['package'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  operatePackage: { method: 'POST', path: '/fleet/v1/packages/{package}/operate', params: ['package'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  listDeviceConfig: { method: 'GET', path: '/fleet/v1/devices/{device}/config', params: ['device'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  getDeviceConfig: { method: 'GET', path: '/fleet/v1/devices/{device}/config/{package}', params: ['device', 'package'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  stageDeviceConfig: { method: 'PATCH', path: '/fleet/v1/devices/{device}/config/{package}', params: ['device', 'package'], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  pushDeviceConfig: { method: 'POST', path: '/fleet/v1/devices/{device}/config/push', params: ['device'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  listGroupConfig: { method: 'GET', path: '/fleet/v1/groups/{group}/config', params: ['group'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  getGroupConfig: { method: 'GET', path: '/fleet/v1/groups/{group}/config/{package}', params: ['group', 'package'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  stageGroupConfig: { method: 'PATCH', path: '/fleet/v1/groups/{group}/config/{package}', params: ['group', 'package'], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  pushGroupConfig: { method: 'POST', path: '/fleet/v1/groups/{group}/config/push', params: ['group'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  listDeviceConfigVersions: { method: 'GET', path: '/fleet/v1/devices/{device}/config/{package}/versions', params: ['device', 'package'], query: ['limit'], body: 'none', answer: 'json', paged: false, key: false, open: false },
  rollbackDeviceConfig: { method: 'POST', path: '/fleet/v1/devices/{device}/config/{package}/rollback', params: ['device', 'package'], query: [], body: 'json', answer: 'json', paged: false, key: true, open: false },
  listDeadLetters: { method: 'GET', path: '/fleet/v1/dead-letters', params: [], query: ['limit', 'cursor'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  getDeadLetter: { method: 'GET', path: '/fleet/v1/dead-letters/{lane}/{seq}', params: ['lane', 'seq'], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  redriveDeadLetter: { method: 'POST', path: '/fleet/v1/dead-letters/{lane}/{seq}/redrive', params: ['lane', 'seq'], query: [], body: 'none', answer: 'json', paged: false, key: true, open: false },
  callMethod: { method: 'POST', path: '/fleet/v1/rpc', params: [], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  listMethods: { method: 'GET', path: '/fleet/v1/rpc/methods', params: [], query: ['limit', 'cursor'], body: 'none', answer: 'json', paged: true, key: false, open: false },
  importDevice: { method: 'PUT', path: '/fleet/v1/imports/{device}', params: ['device'], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  importStep: { method: 'PUT', path: '/fleet/v1/imports/{device}/steps/{rev}', params: ['device', 'rev'], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  readAudit: { method: 'GET', path: '/fleet/v1/audit', params: [], query: ['tenant', 'after', 'limit'], body: 'none', answer: 'json', paged: false, key: false, open: false },
  rotateKeys: { method: 'POST', path: '/fleet/v1/keys/rotate', params: [], query: [], body: 'none', answer: 'json', paged: false, key: false, open: false },
  collectObjects: { method: 'POST', path: '/fleet/v1/objects/collect', params: [], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
  setTenantLimits: { method: 'PUT', path: '/fleet/v1/tenants/{tenant}/limits', params: ['tenant'], query: [], body: 'json', answer: 'json', paged: false, key: false, open: false },
} as const
