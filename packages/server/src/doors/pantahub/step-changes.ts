/**
 * Steps, posted and moved along (Pantahub wire facts 5.3): owners post, replace, cancel and give up; the device, and it
 * alone, reports.
 *
 * A report is kept and answered as it came, whatever words it uses: what follows from it is the domain's business. A
 * device that is testing a revision takes silence for failure and rolls back, so every report gets an answer.
 */
import {
  abandonStep,
  cancelStep,
  ok,
  type PostStep,
  postStep,
  type Reading,
  type Result,
  Revision,
  refuse,
  replaceState,
  reportStep,
  type Step,
  setStepMeta,
  type TrailRefusal,
  type Tx,
} from '@waymark/domain'
import {
  canonicalJson,
  isJsonObject,
  parseProgress,
  Rev,
  type StatusMeaning,
  statusMeaning,
} from '@waymark/pantahub'
import type { DeviceCaller, Opened, UserCaller } from '../../access.ts'
import type { House } from '../../house.ts'
import { type Asked, type Handlers, type Said, sayText } from './answer.ts'
import { described, jsonOf, objectAt, objectOf, textAt } from './bodies.ts'
import { badValue, type Refusal } from './errors.ts'
import { transactLinked } from './linking.ts'
import { progressOf, stepWire } from './steps.ts'
import { revision, stateIn, trailId } from './trails.ts'

/** Bytes of a step's meta and commit message: with its state they have to fit what a device can read. */
const stepMetaBytesMax = 64 * 1024
const commitMsgMax = 16 * 1024

export function stepChangeHandlers(
  house: House,
): Pick<Handlers, 'postStep' | 'putState' | 'putStepMeta' | 'putProgress' | 'cancelStep' | 'abandonStep'> {
  return {
    async postStep({ caller, params, body }) {
      const opened = await openOwn(caller, params.id)
      if (!opened.ok) return opened
      const wanted = newStep(body)
      if (!wanted.ok) return wanted
      const { device, tenant, reader } = opened.value
      const asked: PostStep = { ...wanted.value, device: device.id, by: caller.actor }
      const posted = await transactLinked(house, { tenant, ...asked }, (tx) =>
        postStep(tx, house.env(), asked),
      )
      return posted.ok ? sayText(await stepWire(reader, tenant, posted.value, undefined)) : posted
    },

    async putState({ caller, params, body }) {
      const json = jsonOf(body, 'state')
      if (!json.ok) return json
      const state = stateIn(json.value)
      if (!state.ok) return state
      const opened = await openOwn(caller, params.id)
      if (!opened.ok) return opened
      const rev = revision(params.rev)
      if (!rev.ok) return rev
      const { device, tenant } = opened.value
      const asked = { device: device.id, rev: rev.value, state: state.value, by: caller.actor }
      const put = await transactLinked(house, { tenant, replaces: rev.value, ...asked }, (tx) =>
        replaceState(tx, house.env(), asked),
      )
      return put.ok ? sayText(state.value.text) : put
    },

    async putStepMeta({ caller, params, body }) {
      const meta = objectOf(body, 'meta')
      if (!meta.ok) return meta
      const text = canonicalJson(meta.value)
      if (Buffer.byteLength(text) > stepMetaBytesMax)
        return badValue('meta', `at most ${stepMetaBytesMax} bytes`, 'more')
      const by = caller.actor
      const put = await change({ caller, params }, (tx, device, rev) =>
        setStepMeta(tx, house.env(), { device, rev, meta: meta.value, by }),
      )
      return put.ok ? sayText(text) : put
    },

    async putProgress({ caller, params, body }) {
      const { device, tenant } = caller
      if (params.id !== device.id) return refuse({ kind: 'no-access', thing: `trail ${params.id}` })
      const rev = revision(params.rev)
      if (!rev.ok) return rev
      const json = jsonOf(body, 'progress')
      if (!json.ok) return json
      const parsed = parseProgress(json.value)
      if (!parsed.ok) return parsed
      const { report, status, percent, statusMsg } = parsed
      const reading: Reading = {
        word: status,
        meaning: meaningOf(statusMeaning(status)),
        percent,
        message: statusMsg,
      }
      const asked = { device: device.id, rev: rev.value, report, reading, by: caller.actor }
      const reported = await house.store.transact(tenant, (tx) => reportStep(tx, house.env(), asked))
      if (reported.ok) return sayText(canonicalJson(reported.value.report))
      // Base: 400, and devices that ask for a step which is gone must not take it for a missing server.
      return reported.refusal.kind === 'no-such-step'
        ? badValue(`step ${device.id}-${rev.value}`, 'a step of the trail', 'none')
        : reported
    },

    async cancelStep(asked) {
      const by = asked.caller.actor
      return told(await change(asked, (tx, device, rev) => cancelStep(tx, house.env(), { device, rev, by })))
    },

    async abandonStep(asked) {
      const by = asked.caller.actor
      return told(await change(asked, (tx, device, rev) => abandonStep(tx, house.env(), { device, rev, by })))
    },
  }

  /** The device behind a path, if it is the caller's own or the caller itself. */
  async function openOwn(
    caller: UserCaller | DeviceCaller,
    raw: string | undefined,
  ): Promise<Result<Opened, Refusal>> {
    const id = trailId(raw)
    if (!id.ok) return id
    const opened = await house.access.openDevice(caller, id.value)
    if (!opened || opened.as === 'visitor') return refuse({ kind: 'no-access', thing: `trail ${id.value}` })
    return ok(opened)
  }

  async function change(
    { caller, params }: Pick<Asked<UserCaller>, 'caller' | 'params'>,
    act: (tx: Tx, device: Step['device'], rev: Revision) => Promise<Result<Step, TrailRefusal>>,
  ): Promise<Result<Step, Refusal>> {
    const opened = await openOwn(caller, params.id)
    if (!opened.ok) return opened
    const rev = revision(params.rev)
    if (!rev.ok) return rev
    const { device, tenant } = opened.value
    return house.store.transact(tenant, (tx) => act(tx, device.id, rev.value))
  }
}

function told(step: Result<Step, Refusal>): Said {
  return step.ok ? sayText(canonicalJson(progressOf(step.value))) : step
}

/** What a posted step says of itself. `rev` -1, or none, takes the next number. */
function newStep(body: Buffer | undefined): Result<Omit<PostStep, 'device' | 'by'>, Refusal> {
  const asked = objectOf(body, 'step')
  if (!asked.ok) return asked
  const given = asked.value
  const wanted = Rev.parseWanted(given.rev)
  if (wanted === undefined) return badValue('rev', 'a revision, or -1 for the next', described(given.rev))
  const commitMsg = textAt(given, 'commit-msg', commitMsgMax)
  if (!commitMsg.ok) return commitMsg
  const committer = textAt(given, 'committer', 512)
  if (!committer.ok) return committer
  const meta = objectAt(given, 'meta')
  if (!meta.ok) return meta
  if (meta.value && Buffer.byteLength(canonicalJson(meta.value)) > stepMetaBytesMax)
    return badValue('meta', `at most ${stepMetaBytesMax} bytes`, 'more')
  if (!isJsonObject(given.state)) return badValue('state', 'a JSON object', described(given.state))
  const state = stateIn(given.state)
  if (!state.ok) return state
  return ok({
    rev: wanted === 'append' ? wanted : (Revision.parse(wanted) ?? 'append'),
    state: state.value,
    commitMsg: commitMsg.value ?? '',
    committer: committer.value ?? '',
    meta: meta.value ?? {},
  })
}

/** What a word means, as the domain reads it: an ABORTED step was given up as its owner asked. */
function meaningOf(meaning: StatusMeaning): Reading['meaning'] {
  if (meaning.phase !== 'final') return meaning.known ? meaning.phase : 'unknown'
  return { end: meaning.outcome === 'passed' ? 'cancelled' : meaning.outcome }
}
