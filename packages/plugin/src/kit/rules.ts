/**
 * What is asked of a plugin, rule by rule. The table is what `waymark plugin test` prints, what RULES.md and docs/plugins.md
 * list, and what tests walk. Each rule stands on a ground of its own devices; the last closes the plugin.
 */
import { judgeAsked, judgeClose, judgeHostile } from './endurance.ts'
import type { Ground } from './ground.ts'
import { judgeHttp } from './http.ts'
import { judgeChecksum, judgeResumed, judgeWhole } from './packages.ts'
import { judgeClosed, judgeDialled, judgeEnded, judgeKeptOut, judgeLetIn, judgeReplaced } from './sessions.ts'
import { judgeCalls, judgeConfiguration, judgeCut, judgeRefused, judgeUnknown } from './work.ts'

export interface Rule {
  readonly id: string
  readonly says: string
  /** Why it can not be tried; undefined: it can. */
  readonly untried?: (ground: Ground) => string | undefined
  /** Its process may be gone: the rule looks back, or ends it. */
  readonly outlives?: true
  /** Rejects with `Broken` where the rule is. */
  readonly judge: (ground: Ground) => Promise<void>
}

const noPackages = ({ plugin, samples }: Ground) =>
  !plugin.packages
    ? 'the plugin carries no packages'
    : samples.package === undefined
      ? 'the trial names no package'
      : undefined

export const rules: readonly [Rule, ...Rule[]] = [
  {
    id: 'KT1',
    says: 'It loads, says what it is, and listens, in time.',
    judge: (ground) => ground.listening(),
  },
  {
    id: 'KT2',
    says: 'A device with the right password gets one session, with the address it called from.',
    judge: judgeLetIn,
  },
  {
    id: 'KT3',
    says: 'A wrong password and an unknown device get no session, and can not be told apart.',
    judge: judgeKeptOut,
  },
  {
    id: 'KT4',
    says: 'Calls are carried in order, and each is settled with its own answer.',
    untried: ({ samples }) =>
      samples.calls.every(({ refused }) => refused) ? 'the trial has no call that is answered' : undefined,
    judge: judgeCalls,
  },
  {
    id: 'KT5',
    says: 'What the device refuses has failed.',
    untried: ({ samples }) =>
      samples.calls.some(({ refused }) => refused) ? undefined : 'the trial has no call that is refused',
    judge: judgeRefused,
  },
  {
    id: 'KT6',
    says: 'A line cut before the answer settles nothing; the next session has the call again.',
    judge: judgeCut,
  },
  {
    id: 'KT7',
    says: 'A configuration that the device takes is done.',
    untried: ({ samples }) => (samples.configuration ? undefined : 'the trial names no configuration'),
    judge: judgeConfiguration,
  },
  {
    id: 'KT8',
    says: 'A package is installed whole, configured and removed, each step told before all is settled.',
    untried: noPackages,
    judge: judgeWhole,
  },
  {
    id: 'KT9',
    says: 'An image whose line is cut goes on behind what was confirmed.',
    untried: noPackages,
    judge: judgeResumed,
  },
  {
    id: 'KT10',
    says: 'A wrong checksum begins the image again; one that is never right has failed.',
    untried: noPackages,
    judge: judgeChecksum,
  },
  {
    id: 'KT11',
    says: 'A newer session of a device replaces the older, keeps its wire, and has what comes next.',
    judge: judgeReplaced,
  },
  {
    id: 'KT12',
    says: 'When the server ends a session, for a newer one or for good, its wire is closed.',
    judge: judgeEnded,
  },
  { id: 'KT13', says: 'A kind of work that it does not know is unsupported.', judge: judgeUnknown },
  {
    id: 'KT14',
    says: 'When wires go, hung up, torn or gone at once, their sessions are closed in five seconds.',
    judge: judgeClosed,
  },
  {
    id: 'KT15',
    says: 'A device that waits to be called has its session then; a call in vain ends nothing.',
    untried: ({ plugin, samples }) =>
      !plugin.protocols.some(({ dials }) => dials)
        ? 'no protocol of the plugin dials'
        : samples.waits
          ? undefined
          : 'the trial has no device that waits',
    judge: judgeDialled,
  },
  {
    id: 'KT16',
    says: 'Over HTTP it answers what the trial asks with the status that it names, and strange requests end nothing.',
    untried: ({ plugin, samples }) =>
      !plugin.can()?.includes('http')
        ? 'the plugin answers no HTTP'
        : samples.http.length === 0
          ? 'the trial asks nothing over HTTP'
          : undefined,
    judge: judgeHttp,
  },
  {
    id: 'KT17',
    says: 'Garbage, endless lines, spoilt logins, slow and a thousand silent callers end neither it nor its bounds; others are served.',
    judge: judgeHostile,
  },
  {
    id: 'KT18',
    says: 'It asks nothing that the server refuses: it settles what it was given, once.',
    outlives: true,
    judge: judgeAsked,
  },
  {
    id: 'KT19',
    says: 'Asked to close with a device there, it does so in two seconds, and its port is free again.',
    outlives: true,
    judge: judgeClose,
  },
]
