/**
 * The life of a device on its trail: init, register, claim, sync, idle, update.
 *
 * Pure. What happened and when goes in; a new machine and its wishes come out. It knows no socket, no file
 * and no clock; the shell in `agent.ts` carries the wishes out and brings back what came of them. The states
 * stand in the order of the Pantavisor book; the requests of each are those of Pantavisor's client.
 *
 * Two promises hold everywhere. Nothing is ever given up for want of a network: whatever has no answer is
 * asked again, ever more slowly. And a claimed identity is never thrown away: only an unclaimed device that
 * the hub no longer knows registers anew.
 */
import { isLocal } from './control/book.ts'
import {
  isRemote,
  obeyed,
  ordered,
  restLocally,
  resumeQuietTrial,
  takeOrder,
  type Ways,
} from './control/orders.ts'
import type { AgentState } from './events.ts'
import type {
  AboutDevice,
  Chore,
  Failure,
  Found,
  Input,
  Machine,
  MachineSettings,
  Moment,
  Task,
  Turn,
} from './model.ts'
import { revisionOf } from './revision.ts'
import { beginTrial, lostContact, resumeTrial, trialDue } from './trial.ts'
import {
  again,
  andThen,
  backoffMs,
  begin,
  beginLater,
  end,
  isFinalRefusal,
  tell,
  tellTrouble,
  turn,
} from './turn.ts'
import {
  concludeQuietly,
  concludeUnsaid,
  didInUpdate,
  failedInUpdate,
  figuresMoved,
  offer,
  resendFinal,
} from './update.ts'
import type { DeviceRecord, OfferedStep } from './wire.ts'

/** A machine that has not started. `startId` names this run in the evidence of finished steps. */
export function newMachine(settings: MachineSettings, startId: string): Machine {
  return {
    settings,
    startId,
    phase: { state: 'init' },
    task: undefined,
    failures: 0,
    waiting: false,
    behindFigures: false,
    figuresOut: false,
    me: undefined,
    trail: undefined,
    running: undefined,
    attempt: undefined,
    trial: undefined,
    finals: [],
    hasFactory: false,
    registrations: 0,
    unanswered: 0,
    online: false,
    choresStarted: false,
    shown: undefined,
    metaOut: undefined,
    behindMeta: false,
    askedUserMeta: false,
    order: undefined,
    remote: settings.remote !== false,
    remoteOff: false,
  }
}

/** One turn: what happened goes in, what to do comes out. */
export function advance(machine: Machine, input: Input, moment: Moment): Turn {
  return andThen(happened(machine, input, moment), (m) => takeOrder(m, moment, ways))
}

function happened(machine: Machine, input: Input, moment: Moment): Turn {
  switch (input.kind) {
    case 'start':
      return andThen(showState(machine), (m) => begin(m, { do: 'load' }))
    case 'did':
      // A result that nobody waits for any more changes nothing.
      if (machine.task?.do !== input.task || machine.waiting) return turn(machine)
      return did({ ...machine, failures: 0 }, input, moment)
    case 'failed':
      if (machine.task?.do !== input.task || machine.waiting) return turn(machine)
      return failed(machine, input.failure, moment)
    case 'timer':
      if (input.timer === 'task') return taskDue(machine)
      if (input.timer === 'trial') return trialDue(machine)
      return startChore(machine, input.timer)
    case 'chore-over':
      return choreOver(machine, input, moment)
    case 'moved':
      return figuresMoved(machine, input, moment)
    case 'contact':
      return contact(machine, input)
    case 'settings':
      return turn({ ...machine, settings: { ...machine.settings, ...input.settings } })
    case 'order':
      return ordered(machine, input.order)
  }
}

function taskDue(machine: Machine): Turn {
  const { task, waiting } = machine
  if (!task || !waiting) return turn(machine)
  const due = { ...machine, waiting: false }
  return task.do === 'poll' ? pollDue(due, task) : turn(due, { wish: 'do', task })
}

function did(machine: Machine, input: Extract<Input, { kind: 'did' }>, moment: Moment): Turn {
  switch (input.task) {
    case 'load':
      return loaded(machine, input.result)
    case 'install-factory':
      return machine.phase.state === 'sync'
        ? announce({ ...machine, running: input.result })
        : enterByMode({ ...machine, running: input.result })
    case 'register':
      return registered(machine, input.result)
    case 'keep-identity':
      return identityKept(machine)
    case 'login':
      return machine.phase.state === 'claim' ? enterSync(machine) : askDevice(machine)
    case 'ask-device':
      return deviceSeen(machine, input.result)
    case 'list-trails':
      return trailsListed(machine, input.result)
    case 'read-factory-step':
      return factoryStepRead(machine, input.result)
    case 'adopt':
      return machine.task?.do === 'adopt'
        ? enterIdle({ ...machine, running: machine.task.revision })
        : turn(machine)
    case 'return-to-factory':
      return announce({ ...machine, running: input.result, finals: [], attempt: undefined, trial: undefined })
    case 'announce':
      return begin(
        { ...machine, phase: { state: 'sync', announced: true, failures: 0 } },
        { do: 'list-trails' },
      )
    case 'poll':
      return polled(machine, input.result, moment)
    case 'obey':
      return obeyed(machine, ways)
    default:
      return didInUpdate(machine, input, moment, enterIdle)
  }
}

// ── init ────────────────────────────────────────────────────────────────────────────────────────────────────

function loaded(machine: Machine, found: Found): Turn {
  const { identity, factory, trying, remoteOff = false, ...rest } = found
  const remote = isRemote(machine.settings, remoteOff, found.running?.rev)
  const known = { ...machine, ...rest, me: identity, hasFactory: factory, remote, remoteOff }
  if (known.running === undefined && (factory || !remote)) return begin(known, { do: 'install-factory' })
  if (trying?.quiet) return resumeQuietTrial(known, trying)
  return trying ? andThen(beginTrial(known, trying), enterRegister) : enterByMode(known)
}

const enterByMode = (machine: Machine): Turn =>
  machine.remote ? enterRegister(machine) : restLocally(machine)

const ways: Ways = {
  register: (machine) => enterRegister(machine),
  idle: (machine) => enterIdle(machine),
  conclude: (machine, revision, status, message) => concludeQuietly(machine, revision, status, message),
}

function refuse(machine: Machine, thing: string, wanted: string, got: string): Turn {
  return end(machine, { kind: 'refused', refusal: { thing, wanted, got } })
}

// ── register ────────────────────────────────────────────────────────────────────────────────────────────────

function enterRegister(machine: Machine): Turn {
  return andThen(showState({ ...machine, phase: { state: 'register' } }), (m) =>
    begin(m, { do: m.me ? 'login' : 'register' }),
  )
}

function registered(machine: Machine, record: DeviceRecord): Turn {
  const { id, prn, secret, challenge } = record
  const stored = { identity: { id, prn, secret }, claimed: false }
  return begin(
    { ...machine, me: stored, registrations: machine.registrations + 1 },
    { do: 'keep-identity', stored, challenge },
  )
}

/** Registers once more because the hub no longer knows an identity that nobody has claimed. */
function registerAnew(machine: Machine, failure: Failure, moment: Moment): Turn {
  // Growing pauses: a hub that registers and then denies must not be flooded with records.
  const afterMs = backoffMs(machine, machine.registrations, moment.luck)
  const fresh: Machine = { ...machine, me: undefined, phase: { state: 'register' } }
  return andThen(
    andThen(tellTrouble(machine, failure, afterMs), () => showState(fresh, machine.phase.state)),
    (m) => beginLater(m, { do: 'register' }, afterMs),
  )
}

// ── claim ───────────────────────────────────────────────────────────────────────────────────────────────────

function identityKept(machine: Machine): Turn {
  const { me, task } = machine
  if (!me || task?.do !== 'keep-identity') return turn(machine)
  // The owner is frozen into a token at login, so a device logs in anew once it is claimed.
  if (me.claimed) return begin(machine, { do: 'login' })
  const told = tell(machine, { event: 'registered', id: me.identity.id, prn: me.identity.prn })
  return andThen(
    andThen(told, (m) => enterClaim(m, task.challenge)),
    askDevice,
  )
}

function enterClaim(machine: Machine, challenge: string): Turn {
  const before = machine.phase.state === 'claim' ? machine.phase.challenge : ''
  const entered = showState({ ...machine, phase: { state: 'claim', challenge } }, machine.phase.state)
  const id = machine.me?.identity.id
  return challenge === '' || challenge === before || id === undefined
    ? entered
    : andThen(entered, (m) => tell(m, { event: 'challenge', id, challenge }))
}

function askDevice(machine: Machine): Turn {
  return machine.me
    ? begin(machine, { do: 'ask-device', id: machine.me.identity.id })
    : enterRegister(machine)
}

function deviceSeen(machine: Machine, record: DeviceRecord): Turn {
  const { me, settings } = machine
  if (!me) return enterRegister(machine)
  // A trail has the id of its device, so a wrong one is known before anybody claims.
  if (settings.trailId !== undefined && settings.trailId !== record.id)
    return refuse(machine, 'trail.id', settings.trailId, `the trail of device ${record.id}`)
  if (record.owner === '') {
    const task = { do: 'ask-device', id: me.identity.id } as const
    return andThen(enterClaim(machine, record.challenge), (m) => beginLater(m, task, settings.pollMs))
  }
  const wanted = settings.accountId
  if (wanted !== undefined && wanted !== record.owner && !record.owner.endsWith(`:/${wanted}`))
    return refuse(machine, 'account.id', wanted, `a device owned by ${record.owner}`)
  const told = andThen(enterClaim(machine, ''), (m) =>
    tell(m, { event: 'claimed', id: me.identity.id, owner: record.owner }),
  )
  if (me.claimed) return andThen(told, enterSync)
  const stored = { ...me, claimed: true }
  return andThen(told, (m) => begin({ ...m, me: stored }, { do: 'keep-identity', stored, challenge: '' }))
}

// ── sync ────────────────────────────────────────────────────────────────────────────────────────────────────

function enterSync(machine: Machine): Turn {
  return andThen(
    showState({ ...machine, phase: { state: 'sync', announced: false, failures: 0 } }, machine.phase.state),
    (m) => begin(m, { do: 'list-trails' }),
  )
}

function trailsListed(machine: Machine, ids: readonly string[]): Turn {
  const { me, running, settings } = machine
  if (!me) return enterRegister(machine)
  const mine = ids.includes(me.identity.id) ? me.identity.id : ids[0]
  if (mine === undefined) {
    // No trail at all: the first announce. A device that has walked further had its trail deleted, which
    // means a factory reset: it goes back to revision 0 and announces that.
    if (running === undefined) return begin(machine, { do: 'install-factory' })
    // A local revision has walked nowhere: it stays, and the trail begins with the factory's.
    const untold = (running.rev === 0 || isLocal(running.rev)) && machine.finals.length === 0
    return untold ? announce(machine) : begin(machine, { do: 'return-to-factory' })
  }
  if (settings.trailId !== undefined && settings.trailId !== mine)
    return refuse(machine, 'trail.id', settings.trailId, `the trail ${mine}`)
  const known = { ...machine, trail: mine }
  const announced = machine.phase.state === 'sync' && machine.phase.announced
  if (announced || (running !== undefined && running.rev > 0)) return enterIdle(known)
  return begin(known, { do: 'read-factory-step', trail: mine })
}

/** An owner may have announced on the device's behalf: step 0 is then the factory state. */
function factoryStepRead(machine: Machine, step: OfferedStep): Turn {
  const read = revisionOf(0, step.state)
  if (!read.ok) {
    // The next step may well be better than step 0, so the device goes on without it.
    const { thing, wanted, got } = read.refusal
    const detail = `step 0: ${thing}: wanted ${wanted}, got ${got}`
    return andThen(tellTrouble(machine, { kind: 'factory', detail }, 0), (m) => enterIdle(m))
  }
  return read.revision.stateSha === machine.running?.stateSha
    ? enterIdle(machine)
    : begin(machine, { do: 'adopt', revision: read.revision })
}

function announce(machine: Machine): Turn {
  const { running } = machine
  if (!running) return begin(machine, { do: 'install-factory' })
  return andThen(tell(machine, { event: 'announcing', stateSha: running.stateSha }), (m) =>
    begin(m, { do: 'announce', rev: running.rev }),
  )
}

// ── idle ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Rest: say the last word again if the hub has not heard it, then ask for steps. */
function enterIdle(machine: Machine, pollAfterMs = 0): Turn {
  const { me, trail, running } = machine
  if (!machine.remote) return restLocally(machine)
  if (!me || trail === undefined) return enterRegister(machine)
  const before = machine.phase.state
  // A trail may have begun anew meanwhile: what was said before is no word on it, nor what is on its way.
  const unheard = { shown: undefined, metaOut: machine.metaOut && { running: undefined } }
  const resting: Machine = { ...machine, ...(before === 'sync' ? unheard : {}), phase: { state: 'idle' } }
  const shown = showState(resting, before)
  const synced =
    before === 'sync'
      ? andThen(shown, (m) => tell(m, { event: 'synced', id: me.identity.id, rev: running?.rev ?? 0 }))
      : shown
  const { trial } = machine
  if (trial) return andThen(andThen(synced, wakeChores), (m) => resumeTrial(m, trial))
  const unsent = machine.finals.find((final) => !final.sent)
  return andThen(andThen(synced, wakeChores), (m) =>
    unsent
      ? resendFinal(m, unsent)
      : (concludeUnsaid(m) ?? beginLater(m, { do: 'poll', trail }, pollAfterMs)),
  )
}

/**
 * Asks for steps, once the hub has heard which revision runs: what it offers, and whatever people read there, rests on
 * that. A hub that cannot be reached with it is not asked either; one that refuses it is.
 */
function pollDue(machine: Machine, task: Task): Turn {
  if (isShown(machine) || !machine.choresStarted) return turn(machine, { wish: 'do', task })
  return startChore({ ...machine, behindMeta: true }, 'device-meta')
}

function polled(machine: Machine, step: OfferedStep | undefined, moment: Moment): Turn {
  const { settings, trail, running } = machine
  if (trail === undefined) return enterSync(machine)
  // Numbers of local revisions are this device's own to give.
  if (step && !isLocal(step.rev)) return offer(machine, step, moment)
  const told = isShown(machine) && machine.askedUserMeta
  if (settings.untilIdle && told) return end(machine, { kind: 'idle', rev: running?.rev })
  return beginLater(machine, { do: 'poll', trail }, settings.pollMs)
}

// ── failures ────────────────────────────────────────────────────────────────────────────────────────────────

function failed(machine: Machine, failure: Failure, moment: Moment): Turn {
  const { task, me, settings } = machine
  switch (task?.do) {
    case 'login':
      if (failure.kind === 'login-refused' && me && !me.claimed) return registerAnew(machine, failure, moment)
      break
    case 'ask-device': {
      const gone = failure.kind === 'refused' && [403, 404].includes(failure.status)
      if ((gone || failure.kind === 'login-refused') && me && !me.claimed)
        return registerAnew(machine, failure, moment)
      break
    }
    case 'adopt':
      if (failure.kind === 'unreachable') return again(machine, failure, moment)
      return andThen(tellTrouble(machine, failure, 0), (m) => enterIdle(m))
    case 'announce':
    case 'read-factory-step': {
      // Back to waiting for the hub: an announce whose reply was lost has in truth succeeded. The hub's answer to that
      // question is no success of the announce, so the pauses go on growing.
      const { phase } = machine
      const failures = phase.state === 'sync' ? phase.failures : 0
      const counted = phase.state === 'sync' ? { ...phase, failures: failures + 1 } : phase
      return again({ ...machine, phase: counted, failures }, failure, moment, { do: 'list-trails' })
    }
    case 'poll': {
      if (!isFinalRefusal(failure)) break
      const unsure: Machine = { ...machine, phase: { state: 'sync', announced: false, failures: 0 } }
      return andThen(
        andThen(tellTrouble(machine, failure, settings.pollMs), () => showState(unsure, 'idle')),
        (m) => beginLater(m, { do: 'list-trails' }, settings.pollMs),
      )
    }
    case 'report':
    case 'confirm':
    case 'look-up':
    case 'download':
    case 'prepare':
    case 'switch':
    case 'settle':
    case 'test':
    case 'ask-hub':
    case 'roll-back':
    case 'keep-final':
    case 'note':
    case 'look-over':
      return failedInUpdate(machine, failure, moment, enterIdle)
    default:
      break
  }
  return again(machine, failure, moment)
}

// ── chores and contact ──────────────────────────────────────────────────────────────────────────────────────

function wakeChores(machine: Machine): Turn {
  const device = { wish: 'wake', timer: 'device-meta', afterMs: 0 } as const
  if (machine.choresStarted) return turn(machine, device)
  return turn({ ...machine, choresStarted: true }, device, { wish: 'wake', timer: 'user-meta', afterMs: 0 })
}

function startChore(machine: Machine, chore: 'user-meta' | 'device-meta'): Turn {
  const { me, running } = machine
  if (!me || !machine.remote) return turn(machine)
  const { phase, settings } = machine
  // What is tried quietly is nothing for the hub yet, and may never be.
  if (phase.state === 'update' && (phase.job?.quiet || machine.trial?.mark.quiet || phase.concluding?.quiet))
    return turn(machine, { wish: 'wake', timer: chore, afterMs: settings.deviceMetaMs })
  const { id } = me.identity
  if (chore === 'user-meta') return turn(machine, { wish: 'chore', chore: { chore, id } })
  // One at a time: they must not overtake each other.
  if (machine.metaOut) return turn(machine)
  const about = aboutOf(machine)
  const wanted: Chore = { chore, id, about, afresh: !isShown(machine) }
  return turn({ ...machine, metaOut: { running } }, { wish: 'chore', chore: wanted })
}

/** The hub has heard which revision runs, and nothing on its way says otherwise. */
function isShown({ shown, running, metaOut }: Machine): boolean {
  const isIt = (one: typeof shown): boolean =>
    one?.rev === running?.rev && one?.stateSha === running?.stateSha
  return isIt(shown) && (!metaOut || isIt(metaOut.running))
}

/** What the machine itself contributes to device-meta. */
export function aboutOf({ me, phase, running, online }: Machine): AboutDevice {
  return {
    state: phase.state,
    stage: phase.state === 'update' ? phase.job?.stage : undefined,
    claimed: me?.claimed === true,
    online,
    rev: running?.rev,
    stateSha: running?.stateSha,
  }
}

type ChoreOver = Extract<Input, { kind: 'chore-over' }>

function choreOver(before: Machine, input: ChoreOver, moment: Moment): Turn {
  const { settings } = before
  const machine = input.chore === 'device-meta' ? { ...before, metaOut: undefined } : before
  // The client was switched off meanwhile; what wakes it again wakes both anew.
  if (!machine.choresStarted && input.chore !== 'figures') return turn(machine)
  switch (input.chore) {
    case 'user-meta':
      return turn(
        { ...machine, askedUserMeta: true },
        { wish: 'wake', timer: 'user-meta', afterMs: settings.userMetaMs },
      )
    case 'device-meta':
      return andThen(metaOver(machine, before.metaOut, input, moment), (m) =>
        m.metaOut ? turn(m) : turn(m, { wish: 'wake', timer: 'device-meta', afterMs: settings.deviceMetaMs }),
      )
    case 'figures': {
      const free = { ...machine, figuresOut: false }
      if (!machine.behindFigures || !machine.task) return turn(free)
      return turn({ ...free, behindFigures: false }, { wish: 'do', task: machine.task })
    }
  }
}

/** Device-meta has been answered, or not: what it named is known now, and a poll that waited for it may go on. */
function metaOver(machine: Machine, out: Machine['metaOut'], { failure }: ChoreOver, moment: Moment): Turn {
  // What got no answer may have arrived or not; what was refused will be refused again.
  const known = { ...machine, shown: failure?.kind === 'unreachable' ? undefined : out?.running }
  const { task, behindMeta } = known
  if (!behindMeta || task?.do !== 'poll') return turn(known)
  if (failure?.kind === 'unreachable') return again(known, failure, moment)
  return failure ? begin(known, task) : pollDue(known, task)
}

function contact(machine: Machine, input: Extract<Input, { kind: 'contact' }>): Turn {
  if (input.reached) {
    const reached = { ...machine, unanswered: 0, online: true }
    return machine.online ? turn(reached) : tell(reached, { event: 'online' })
  }
  const lost = lostContact(machine, input.detail)
  return andThen(lost, (m) => uncontacted(m, input.detail))
}

function uncontacted(machine: Machine, detail: string): Turn {
  const unanswered = machine.unanswered + 1
  if (!machine.online || unanswered <= machine.settings.offlineAfter) return turn({ ...machine, unanswered })
  return tell({ ...machine, unanswered, online: false }, { event: 'offline', detail })
}

function showState(machine: Machine, before?: AgentState): Turn {
  const { state } = machine.phase
  return state === before ? turn(machine) : tell(machine, { event: 'state', state })
}
