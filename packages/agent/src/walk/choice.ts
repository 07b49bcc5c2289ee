/**
 * Which forms a hub is spoken to in, found out at login: today's, or the 2016 walkthrough's.
 *
 * A registry that the settings name is asked first: it tells by which API this device's login id is served. Without one
 * today's login comes first, so that a hub which behaves as Pantahub Base does sees today's requests and no other; only
 * one that has no such login at all is asked whether it resolves the id itself. A registry decides about forms alone:
 * secrets and tokens go to the hub's own address, whatever endpoint it names.
 */
import { baseLogin, type Hub, type HubFailure, type LoginChoice } from '../hub.ts'
import { walkLogin } from './forms.ts'

/** The login API of the walkthrough, by the name a registry gives it. */
export const walkLoginApi = 'prn:::login:/v1'

export type Forms = 'today' | 'walkthrough'

/** The choice: what logins find, and the hub that follows it. */
export interface FormsChoice {
  readonly logins: LoginChoice
  /** `today` must log in by `logins`; `walk` lies above it. */
  hubOf(today: Hub, walk: Hub): Hub
}

/** What is known of the forms of the hub at `base`; `auto` finds out. Addresses come without a trailing slash. */
export function createFormsChoice(
  wanted: Forms | 'auto',
  base: string,
  registry: string | undefined,
): FormsChoice {
  let found: Forms = wanted === 'walkthrough' ? 'walkthrough' : 'today'
  /** Somebody who knows has said so, in this run. */
  let settled = wanted !== 'auto'

  return {
    logins: {
      form: () => (found === 'walkthrough' ? walkLogin : baseLogin),
      async before(ask) {
        if (settled || registry === undefined) return
        const said = await ask(registry)
        settled = said.ok
        found = said.ok && said.value === walkLoginApi ? 'walkthrough' : 'today'
      },
      async after(failure, ask) {
        if (settled || !isUnknownHere(failure)) return false
        const said = await ask(base)
        if (!said.ok || said.value !== walkLoginApi) return false
        settled = true
        found = 'walkthrough'
        return true
      },
    },
    hubOf(today, walk) {
      const chosen = (): Hub => (found === 'walkthrough' ? walk : today)
      return {
        ...today,
        trails: (signal) => chosen().trails(signal),
        openSteps: (trail, signal) => chosen().openSteps(trail, signal),
        step: (trail, rev, signal) => chosen().step(trail, rev, signal),
        postTrail: (text, signal) => chosen().postTrail(text, signal),
        report: (trail, rev, progress, signal) => chosen().report(trail, rev, progress, signal),
      }
    },
  }
}

/** The hub has no such call. */
const isUnknownHere = (failure: HubFailure): boolean =>
  failure.kind === 'refused' && [404, 405, 501].includes(failure.status)
