/**
 * Between what the house carries and what an ExoPort device is told, both ways. Pure: no socket, no session.
 *
 * Values go by the schema that the house describes (compiled YANG is what the codec wants, as it is). The wire has no
 * exact decimals of its own, so those become texts before.
 */

import { TermRefused } from '@waymark/etf'
import {
  type DeviceAnswer,
  encodedCall,
  guessedValues,
  type OutgoingCall,
  operationCall,
  pairsOf,
  pushCall,
  type Result,
  serverAnswer,
  type Value,
  type ValueObject,
  type ValueResult,
  valuesOf,
} from '@waymark/exoport'
import { JsonDecimal, type JsonObject, type JsonValue } from '@waymark/yang'
import type { Carried, Described, Outcome, UpAnswer } from '../link.ts'

type Call = Omit<OutgoingCall, 'id'>

/**
 * `callOf` for many connections: what a group's call asks is one value for all its members, and is written once. A new
 * memory for each port.
 */
export function createCalls(): (carried: Carried) => Call | { readonly unsendable: string } {
  const written = new WeakMap<JsonObject, { readonly described: Described; readonly call: Call }>()
  return (carried) => {
    if (carried.kind !== 'rpc') return callOf(carried)
    const { input, described } = carried
    const held = written.get(input)
    if (held?.described.input === described.input) return held.call
    const call = callOf(carried)
    if ('unsendable' in call) return call
    try {
      const whole = { ...call, payload: encodedCall(call) }
      written.set(input, { described, call: whole })
      return whole
    } catch (error) {
      // What no term can carry is refused where the call is made.
      if (error instanceof TermRefused) return call
      throw error
    }
  }
}

/** The call that carries it, or why none can: nested deeper than any term may be. */
export function callOf(carried: Carried): Call | { readonly unsendable: string } {
  try {
    return written(carried)
  } catch (error) {
    if (error instanceof RangeError) return { unsendable: error.message }
    throw error
  }
}

function written(carried: Carried): Call {
  if (carried.kind === 'configuration')
    return pushCall({ name: carried.name, values: plainObject(carried.values) })
  const { module, method, input, described } = carried
  return operationCall(module, method, pairsOf(plainObject(input), described.input))
}

/**
 * What a device's answer means for what was carried. `describe` finds the schema of the notification that the device
 * names; one that no module has is handed on as it looks, for the house to refuse.
 */
export function outcomeOf(
  carried: Carried,
  answer: DeviceAnswer,
  describe: (module: string, name: string) => Promise<Described | undefined>,
): Outcome | Promise<Outcome> {
  switch (answer.kind) {
    case 'ok':
      return done
    case 'failed':
      return { kind: 'failed', reason: answer.reason }
    case 'output':
      if (carried.kind === 'configuration') return done
      return fitted(valuesOf(answer.elements, carried.described.output), (output) => ({
        kind: 'replied',
        output,
      }))
    case 'notify': {
      const { method, elements } = answer
      if (carried.kind === 'configuration') return fitted(guessedValues(elements), confirmationOf)
      return describe(carried.module, method).then((described) => {
        const params = described ? valuesOf(elements, described.input) : guessedValues(elements)
        return fitted(params, (params) => ({ kind: 'done', notify: { method, params } }))
      })
    }
  }
}

const done: Outcome = { kind: 'done' }

/**
 * A configuration is confirmed by a notification of the protocol's own, whose transaction id is whatever the device put
 * there: nothing but its status is listened to.
 */
function confirmationOf(params: JsonObject): Outcome {
  const status = params['rpc-status']
  const isTaken = status === undefined || completed.includes(String(status))
  return isTaken
    ? { kind: 'done' }
    : { kind: 'failed', reason: `the device says rpc-status ${describeStatus(status)}` }
}

/** accepted and complete, by name and by number. */
const completed: readonly string[] = ['0', '1', 'accepted', 'complete']

function describeStatus(status: JsonValue): string {
  return typeof status === 'object' ? 'of a form of its own' : String(status).slice(0, 40)
}

function fitted(read: ValueResult<ValueObject>, then: (value: JsonObject) => Outcome): Outcome {
  if (read.ok) return then(read.value)
  const { thing, wanted, got } = read.refusal
  return { kind: 'failed', reason: `format-error: ${thing}: wanted ${wanted}, got ${got}` }
}

/** What the device hears of its own notification or RPC. */
export function answerOf(answer: UpAnswer): Result {
  try {
    return writtenAnswer(answer)
  } catch (error) {
    if (error instanceof RangeError) return serverAnswer.failed(error.message)
    throw error
  }
}

function writtenAnswer(answer: UpAnswer): Result {
  switch (answer.kind) {
    case 'taken':
      return serverAnswer.ok
    case 'output':
      return answer.described.output.length === 0
        ? serverAnswer.ok
        : serverAnswer.output(pairsOf(plainObject(answer.output), answer.described.output))
    case 'refused':
      return answer.reason === 'not-defined'
        ? serverAnswer.notDefined
        : serverAnswer.failed(`${answer.reason}: ${answer.detail}`.slice(0, 500))
  }
}

/** JSON as the wire's codec takes it. */
function plainObject(object: JsonObject): ValueObject {
  return plain(object) as ValueObject
}

function plain(value: JsonValue): Value {
  if (value instanceof JsonDecimal) return value.text
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  // Entries keep `__proto__` a member like any other.
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]))
}
