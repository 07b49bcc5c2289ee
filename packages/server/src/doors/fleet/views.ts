/** From records to what the fleet door shows of them. Secrets have no field here. */
import {
  type Device,
  Instant,
  type JoinToken,
  type JournalRow,
  type LogEntry,
  type ObjectRecord,
  type Presence,
  type Reader,
  type Step,
  type Transaction,
  transactions,
} from '@waymark/domain'
import type * as wire from './schemas.ts'

const time = Instant.format

export function deviceView(device: Device, seen: Presence | undefined): wire.Device {
  return {
    id: device.id,
    nick: device.nick,
    type: device.type,
    labels: { ...device.labels },
    public: device.published,
    createdAt: time(device.createdAt),
    modifiedAt: time(device.modifiedAt),
    ...(device.claimedAt === undefined ? {} : { claimedAt: time(device.claimedAt) }),
    ...(seen === undefined ? {} : { lastSeenAt: time(seen.lastSeenAt), address: seen.address }),
  }
}

export function stepView(step: Step, transaction: Transaction | undefined) {
  return {
    device: step.device,
    generation: step.generation,
    rev: step.rev,
    transaction: step.transaction,
    commitMsg: step.commitMsg,
    stateSha: step.stateSha,
    status: step.status,
    report: step.report,
    outcome: transaction?.state ?? 'queued',
    percent: transaction?.percent ?? 0,
    ...(transaction?.proof === undefined ? {} : { proof: transaction.proof }),
    ...(transaction?.reason === undefined ? {} : { reason: transaction.reason }),
    ...(step.abortAskedAt === undefined ? {} : { abortAskedAt: time(step.abortAskedAt) }),
    ...(step.deviceAbort === undefined ? {} : { deviceAbort: step.deviceAbort }),
    ...(step.clearedAt === undefined ? {} : { clearedAt: time(step.clearedAt) }),
    meta: step.meta,
    createdAt: time(step.createdAt),
    modifiedAt: time(step.modifiedAt),
    ...(step.reportedAt === undefined ? {} : { reportedAt: time(step.reportedAt) }),
  }
}

/** Steps with their transactions beside them. */
export async function stepViews(reader: Reader, steps: readonly Step[]) {
  return Promise.all(
    steps.map(async (step) => stepView(step, await reader.get(transactions, { id: step.transaction }))),
  )
}

export function objectView(object: ObjectRecord) {
  return {
    sha256: object.sha,
    size: object.size,
    name: object.name,
    mimeType: object.mimeType,
    stored: object.stored,
    createdAt: time(object.createdAt),
    modifiedAt: time(object.modifiedAt),
  }
}

export function transactionView(transaction: Transaction) {
  const { id, kind, device, lane, seq, state, percent, reason, proof, attempts } = transaction
  return {
    id,
    kind,
    ...(device === undefined ? {} : { device }),
    ...(transaction.parent === undefined ? {} : { parent: transaction.parent }),
    ...(transaction.group === undefined ? {} : { group: transaction.group }),
    lane,
    seq,
    state,
    percent,
    ...(reason === undefined ? {} : { reason }),
    ...(proof === undefined ? {} : { proof }),
    attempts,
    createdAt: time(transaction.createdAt),
    ...(transaction.endedAt === undefined ? {} : { endedAt: time(transaction.endedAt) }),
    ...(transaction.expiresAt === undefined ? {} : { expiresAt: time(transaction.expiresAt) }),
  }
}

export function journalView(row: JournalRow) {
  return {
    cursor: row.cursor,
    kind: row.kind,
    at: time(row.at),
    by: { ...row.by },
    ...(row.device === undefined ? {} : { device: row.device }),
    data: row.data,
  }
}

export function logView(entry: LogEntry) {
  return {
    id: entry.id,
    at: time(entry.createdAt),
    source: entry.source,
    level: entry.level,
    platform: entry.platform,
    revision: entry.revision,
    message: entry.message,
  }
}

export function joinTokenView(token: JoinToken) {
  return {
    id: token.id,
    nick: token.nick,
    disabled: token.disabled,
    defaultUserMeta: token.defaultUserMeta,
    createdAt: time(token.createdAt),
  }
}
