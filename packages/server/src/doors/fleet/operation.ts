/**
 * What an operation of the fleet door is: a row from which its route, its checks, its page in the OpenAPI document, the
 * SDK's method and the tests derive. The rows stand by subject in the files beside this one; `door.ts` gathers them.
 */
import type { Static, TObject, TSchema } from '@sinclair/typebox'
import type { HouseTx, Result, Right, Tx } from '@waymark/domain'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UserCaller } from '../../access.ts'
import type { House } from '../../house.ts'
import type { FleetRefusal } from './refusals.ts'

type Parsed<S> = S extends TSchema ? Static<S> : undefined

/** What a handler is given: everything parsed. */
export interface Asked<P = unknown, Q = unknown, B = unknown> {
  readonly house: House
  readonly caller: UserCaller
  readonly params: P
  readonly query: Q
  readonly body: B
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** The work of an operation that changes something, done within one commit. */
export type Work<T> = (house: HouseTx, tx: Tx) => Promise<Result<T, FleetRefusal>>

export interface Operation {
  /** Names it everywhere: `listDevices` is the SDK's method and the document's operationId. */
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below `/fleet/v1`. */
  readonly path: string
  readonly tag:
    | 'session'
    | 'devices'
    | 'trails'
    | 'objects'
    | 'transactions'
    | 'journal'
    | 'tokens'
    | 'apps'
    | 'users'
    | 'imports'
    | 'packages'
  readonly summary: string
  /** What the caller's roles have to carry; `none`: no login needed. */
  readonly right: Right | 'none' | 'any'
  /** A second right it needs beside. */
  readonly also?: Right
  readonly params?: TObject
  readonly query?: TObject
  readonly body?: TSchema
  /** The request's body is bytes, which the handler reads itself. */
  readonly takes?: 'bytes'
  /** The answer's shape, or what kind of stream it is. */
  readonly answer: TSchema | 'bytes' | 'events'
  readonly status: 200 | 201
  /** Repeating it with the same Idempotency-Key gives the first answer again. */
  readonly idempotent?: true
  run(asked: Asked<never, never, never>): Promise<unknown>
}

interface Shape<P, Q, B> {
  readonly params?: P
  readonly query?: Q
  readonly body?: B
}

type Fixed = Pick<Operation, 'id' | 'method' | 'path' | 'tag' | 'summary' | 'right' | 'also' | 'answer'>

/** Declares an operation that reads: answers the value or a refusal. */
export function reading<
  P extends TObject | undefined = undefined,
  Q extends TObject | undefined = undefined,
  B extends TSchema | undefined = undefined,
>(
  declared: Fixed &
    Shape<P, Q, B> & {
      run(asked: Asked<Parsed<P>, Parsed<Q>, Parsed<B>>): Promise<Result<unknown, FleetRefusal>>
    },
): Operation {
  return { status: 200, ...declared } as unknown as Operation
}

/** Declares an operation that changes something: answers the work, which runs in one commit with its idempotent reply. */
export function changing<
  P extends TObject | undefined = undefined,
  Q extends TObject | undefined = undefined,
  B extends TSchema | undefined = undefined,
>(
  declared: Fixed &
    Shape<P, Q, B> & { readonly status?: 200 | 201 } & {
      run(asked: Asked<Parsed<P>, Parsed<Q>, Parsed<B>>): Promise<Result<Work<unknown>, FleetRefusal>>
    },
): Operation {
  return { status: 200, idempotent: true, ...declared } as unknown as Operation
}

/** Declares an operation that writes its own answer (bytes, events). */
export function streaming<
  P extends TObject | undefined = undefined,
  Q extends TObject | undefined = undefined,
>(
  declared: Fixed &
    Pick<Operation, 'takes'> &
    Shape<P, Q, undefined> & {
      run(asked: Asked<Parsed<P>, Parsed<Q>, undefined>): Promise<Result<unknown, FleetRefusal>>
    },
): Operation {
  return { status: 200, ...declared } as unknown as Operation
}
