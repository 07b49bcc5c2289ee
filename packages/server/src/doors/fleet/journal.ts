/** The journal at the fleet door: in pages, and live as server-sent events that resume from a cursor. */
import { once } from 'node:events'
import { Type } from '@sinclair/typebox'
import {
  cancel,
  DeviceId,
  type JournalRow,
  listTransactions,
  ok,
  type Reader,
  type Result,
  refuse,
  TransactionId,
  transactionStates,
  transactions,
} from '@waymark/domain'
import { followJournal } from '../../follow.ts'
import { namedDevice } from './devices.ts'
import { type Asked, changing, type Operation, reading, streaming } from './operation.ts'
import { pageOf, readCursor } from './paging.ts'
import type { FleetRefusal } from './refusals.ts'
import * as wire from './schemas.ts'
import { journalView, transactionView } from './views.ts'

/** A line that says nothing, so that a proxy does not take silence for death. */
const heartbeatMs = 15_000

const Following = Type.Object({
  after: Type.Optional(Type.String({ maxLength: 256, description: 'a cursor; absent: from now on' })),
  device: Type.Optional(Type.String({ maxLength: 128, description: 'id or nick: only what concerns it' })),
})

export const journalOperations: readonly Operation[] = [
  reading({
    id: 'readJournal',
    method: 'GET',
    path: '/journal',
    tag: 'journal',
    summary: 'What happened, in order',
    right: 'journal.read',
    query: Type.Object({
      ...Following.properties,
      after: Type.Optional(Type.String({ maxLength: 256, description: 'a cursor; absent: the oldest kept' })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
    }),
    answer: wire.JournalPage,
    async run({ house, caller, query }) {
      const device = await deviceAsked(house.store.read(caller.tenant), query.device)
      if (!device.ok) return device
      const read = await house.store.journal.read(caller.tenant, {
        limit: query.limit ?? 100,
        ...(query.after === undefined ? {} : { after: query.after }),
        ...(device.value === undefined ? {} : { device: device.value }),
      })
      return read.ok ? ok({ items: read.value.entries.map(journalView), next: read.value.next }) : read
    },
  }),

  streaming({
    id: 'followJournal',
    method: 'GET',
    path: '/events',
    tag: 'journal',
    summary: 'The journal as server-sent events; resumes from Last-Event-ID or `after`',
    right: 'journal.read',
    query: Following,
    answer: 'events',
    run: follow,
  }),

  reading({
    id: 'listTransactions',
    method: 'GET',
    path: '/transactions',
    tag: 'transactions',
    summary: 'What was asked of devices',
    right: 'trails.read',
    query: Type.Object({
      ...wire.Paging,
      device: Type.Optional(Type.String({ maxLength: 128 })),
      open: Type.Optional(Type.Boolean()),
      parent: Type.Optional(wire.Id),
      state: Type.Optional(wire.Outcome),
      kind: Type.Optional(Type.String({ maxLength: 64, description: 'such as `rpc` or `configuration`' })),
      newest: Type.Optional(Type.Boolean({ description: 'the newest first; else the oldest' })),
    }),
    answer: wire.Page(wire.Transaction),
    async run({ house, caller, query }) {
      const reader = house.store.read(caller.tenant)
      const device = await deviceAsked(reader, query.device)
      if (!device.ok) return device
      const after = readCursor(query.cursor, ['string'])
      if (!after.ok) return after
      const parent = TransactionId.parse(query.parent)
      const state = transactionStates.find((word) => word === query.state)
      const limit = query.limit ?? 50
      const rows = await listTransactions(reader, {
        ...(device.value === undefined ? {} : { device: device.value }),
        ...(query.open === undefined ? {} : { open: query.open }),
        ...(parent === undefined ? {} : { parent }),
        ...(state === undefined ? {} : { state }),
        ...(query.kind === undefined ? {} : { kind: query.kind }),
        ...(query.newest === undefined ? {} : { newest: query.newest }),
        ...(after.value === undefined ? {} : { after: after.value }),
        limit: limit + 1,
      })
      const page = pageOf(rows, limit, (row) => [row.id])
      return ok({ ...page, items: page.items.map(transactionView) })
    },
  }),

  reading({
    id: 'getTransaction',
    method: 'GET',
    path: '/transactions/:id',
    tag: 'transactions',
    summary: 'One thing that was asked',
    right: 'trails.read',
    params: Type.Object({ id: wire.Id }),
    answer: wire.Transaction,
    async run({ house, caller, params }) {
      const id = TransactionId.parse(params.id)
      const held = id && (await house.store.read(caller.tenant).get(transactions, { id }))
      return held ? ok(transactionView(held)) : refuse({ kind: 'no-such-transaction', got: params.id })
    },
  }),

  changing({
    id: 'cancelTransaction',
    method: 'POST',
    path: '/transactions/:id/cancel',
    tag: 'transactions',
    summary: 'Calls off something that has not ended; a group’s members are called off with it',
    right: 'trails.write',
    params: Type.Object({ id: wire.Id }),
    answer: wire.Transaction,
    async run({ house, caller, params }) {
      return ok(async (_directory, tx) => {
        const id = TransactionId.parse(params.id)
        const held = id && (await tx.get(transactions, { id }))
        if (!held) return refuse({ kind: 'no-such-transaction', got: params.id })
        // A step has its own way of being given up, which asks the device.
        if (held.kind === 'step')
          return refuse({
            kind: 'bad-value',
            thing: 'kind',
            wanted: 'none of a trail’s steps',
            got: held.kind,
          })
        const done = await cancel(tx, house.env(), held.id, caller.actor)
        return done.ok ? ok(transactionView(done.value)) : done
      })
    },
  }),
]

async function deviceAsked(
  reader: Reader,
  name: string | undefined,
): Promise<Result<DeviceId | undefined, FleetRefusal>> {
  if (name === undefined) return ok(undefined)
  const found = await namedDevice(reader, name)
  if (found.ok) return ok(found.value.id)
  // History outlives its device: a full id is taken as it is.
  const id = DeviceId.parse(name)
  return id ? ok(id) : found
}

async function follow({
  house,
  caller,
  query,
  request,
  reply,
}: Asked<undefined, { after?: string; device?: string }, undefined>): Promise<Result<unknown, FleetRefusal>> {
  if (house.streams.open >= house.config.maxStreams)
    return refuse({ kind: 'too-many-streams', wanted: house.config.maxStreams })
  const reader = house.store.read(caller.tenant)
  const device = await deviceAsked(reader, query.device)
  if (!device.ok) return device
  const lastSeen = request.headers['last-event-id']
  const after = typeof lastSeen === 'string' ? lastSeen : query.after
  // Asked once before the stream begins, so that a cursor that is too old is answered 410 and not with silence.
  const check =
    after === undefined ? undefined : await house.store.journal.read(caller.tenant, { after, limit: 1 })
  if (check && !check.ok) return check
  const follower = await followJournal(house.store, {
    tenant: caller.tenant,
    ...(after === undefined ? {} : { after }),
    ...(device.value === undefined ? {} : { device: device.value }),
  })
  house.streams.open += 1
  const { raw } = reply
  reply.hijack()
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  raw.write(`retry: 1000\nid: ${follower.cursor ?? ''}\n\n`)
  const heartbeat = setInterval(() => raw.write(':\n\n'), heartbeatMs)
  const stop = () => follower.stop()
  house.draining.addEventListener('abort', stop)
  raw.on('close', stop)
  try {
    for (;;) {
      const next = await follower.next()
      if (!next.ok) {
        raw.write(`event: gone\ndata: ${JSON.stringify(next.refusal)}\n\n`)
        break
      }
      if (next.value.length === 0) break
      if (!raw.write(next.value.map(eventText).join('')))
        await Promise.race([once(raw, 'drain'), once(raw, 'close')])
      if (!(await stillAllowed())) break
    }
  } finally {
    clearInterval(heartbeat)
    house.draining.removeEventListener('abort', stop)
    follower.stop()
    house.streams.open -= 1
    raw.end()
  }
  return ok(undefined)

  /** A stream outlives its request: what has been revoked since ends it. */
  async function stillAllowed(): Promise<boolean> {
    const now = await house.access.callerOf(request.headers.authorization?.slice('Bearer '.length) ?? '')
    return now.ok
  }
}

function eventText(row: JournalRow): string {
  return `id: ${row.cursor}\nevent: ${row.kind}\ndata: ${JSON.stringify(journalView(row))}\n\n`
}
