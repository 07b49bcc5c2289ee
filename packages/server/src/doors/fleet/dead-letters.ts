/**
 * Messages to back ends that were given up and put aside. Where they were to go stays sealed: an address may hold
 * credentials. A lane names it, so that messages to one address are seen to belong together.
 */
import { Type } from '@sinclair/typebox'
import {
  actingOn,
  deadLetters,
  deliveries,
  Instant,
  type OutgoingMessage,
  ok,
  redrive,
  refuse,
} from '@waymark/domain'
import { changing, type Operation, reading } from './operation.ts'
import { pageOf, readCursor } from './paging.ts'
import * as wire from './schemas.ts'

const Named = Type.Object({
  lane: Type.String({ minLength: 1, maxLength: 128 }),
  seq: Type.Integer({ minimum: 0 }),
})
const Letter = Type.Object({
  lane: Type.String({ description: 'the same for messages to the same address' }),
  seq: Type.Integer(),
  about: Type.Record(Type.String(), Type.Unknown(), { description: '`kind`, and what it tells of' }),
  reason: Type.Optional(Type.String({ description: 'why it was given up' })),
  createdAt: Type.String({ format: 'date-time' }),
})

export const deadLetterOperations: readonly Operation[] = [
  reading({
    id: 'listDeadLetters',
    method: 'GET',
    path: '/dead-letters',
    tag: 'transactions',
    summary: 'Messages to back ends that were given up, by lane',
    right: 'journal.read',
    query: Type.Object({ ...wire.Paging }),
    answer: wire.Page(Letter),
    async run({ house, caller, query }) {
      const cursor = readCursor(query.cursor, ['string', 'number'])
      if (!cursor.ok) return cursor
      const [lane, seq] = cursor.value ?? []
      const limit = query.limit ?? 50
      const found = await deadLetters(house.store.read(caller.tenant), {
        limit: limit + 1,
        ...(lane === undefined ? {} : { after: { lane: String(lane), seq: Number(seq) } }),
      })
      const { items, ...more } = pageOf(found, limit, (letter) => [letter.lane, letter.seq])
      return ok({ items: items.map(view), ...more })
    },
  }),

  reading({
    id: 'getDeadLetter',
    method: 'GET',
    path: '/dead-letters/:lane/:seq',
    tag: 'transactions',
    summary: 'One message that was given up',
    right: 'journal.read',
    params: Named,
    answer: Letter,
    async run({ house, caller, params }) {
      const { lane, seq } = params
      const held = await house.store.read(caller.tenant).get(deliveries, { lane, seq })
      return held?.state === 'dead'
        ? ok(view(held))
        : refuse({ kind: 'no-such-delivery', got: `${lane}-${seq}` })
    },
  }),

  changing({
    id: 'redriveDeadLetter',
    method: 'POST',
    path: '/dead-letters/:lane/:seq/redrive',
    tag: 'transactions',
    summary: 'Puts a message that was given up at the end of its lane again',
    right: 'devices.write',
    params: Named,
    answer: Letter,
    async run({ house, caller, params }) {
      return ok(async (_directory, tx) => {
        const { lane, seq } = params
        const again = await redrive(tx, house.env(), { lane, seq })
        if (!again.ok) return again
        actingOn(tx, house.env(), caller.actor).note('delivery.redriven', { lane, seq })
        return ok(view(again.value))
      })
    },
  }),
]

function view({ lane, seq, about, reason, createdAt }: OutgoingMessage) {
  const shown = { lane, seq, about: { ...about }, createdAt: Instant.format(createdAt) }
  return reason === undefined ? shown : { ...shown, reason }
}
