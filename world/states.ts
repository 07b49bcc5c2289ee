/**
 * The states that operators post: objects that devices must fetch, containers that behave, and now and then something
 * that can never be kept.
 *
 * Whoever posts a revision that is bound to fail writes its state's hash down: no such step may ever be done, whatever
 * else went wrong at the time (W14). What is bound to fail fails within any commit delay there is in the world.
 */
import { canonicalJson, parseStateText, stateSha } from '@waymark/pantahub'
import type { WorldDevice } from './device.ts'
import type { Luck } from './luck.ts'
import { tempers } from './tempers.ts'

export type Kind = 'any' | 'small'

export interface StateMaker {
  /** A state for this device, its objects already on the server; undefined when one could not be uploaded. */
  make(
    device: Pick<WorldDevice, 'driver' | 'temper'>,
    kind: Kind,
  ): Promise<Record<string, unknown> | undefined>
  /** An object that was uploaded. */
  readonly anObject: string | undefined
}

export interface StateNeeds {
  readonly luck: Luck
  /** Names the tenant in everything. */
  readonly mark: string
  /** Takes the hash of a state that can never be kept. */
  bound(sha: string): void
  /** Puts bytes on the server and answers their hash; undefined when that did not work out. */
  upload(bytes: Buffer): Promise<string | undefined>
}

/** How containers may behave: well, or in a way that no trial lets pass. */
const good = ['steady', 'steady', 'steady', 'stubborn'] as const
const bad = ['dies 300', 'dies 4000', 'missing', 'unready', 'sickens 3000'] as const

export function createStateMaker({ luck, mark, bound, upload }: StateNeeds): StateMaker {
  const contents: { readonly sha: string; readonly bytes: Buffer }[] = []
  let made = 0

  function newBytes(): Buffer {
    const length = { small: 300, middle: 6_000, large: 150_000 }[
      luck.weighed({ small: 6, middle: 3, large: 1 })
    ]
    return Buffer.from(`${mark} file ${++made} `.padEnd(luck.between(60, length), `${mark}-${made}/`))
  }

  async function objects(state: Record<string, unknown>, kind: Kind): Promise<boolean> {
    const count = kind === 'small' ? 1 : luck.between(0, 3)
    for (let i = 0; i < count; i++) {
      const again = contents.length > 0 && luck.chance(0.4) ? luck.pick(contents) : undefined
      const bytes =
        again?.bytes ?? (kind === 'small' ? Buffer.from(`${mark} small file ${++made}`) : newBytes())
      const sha = await upload(bytes)
      if (sha === undefined) return false
      if (!again) contents.push({ sha, bytes })
      state[`app-${i}/root.squashfs`] = sha
    }
    return true
  }

  function container(words: string, group: string): Record<string, unknown> {
    const watched = words === 'unready' || words.startsWith('sickens') || luck.chance(0.3)
    const name = luck.pick(['core', 'web'])
    return {
      name,
      '#spec': 'service-manifest-run@1',
      type: 'process',
      command: 'program',
      args: words.split(' '),
      group,
      env: { NUMBER: String(++made) },
      ...(watched ? { probes: [{ http: `http://${name}/` }] } : {}),
      ...(watched && luck.chance(0.5) ? { status_goal: 'READY' } : {}),
    }
  }

  /** Containers of one or two groups; answers whether one of them is bound to fail. */
  function containers(state: Record<string, unknown>, kind: Kind): boolean {
    state['device.json'] = {
      groups: [
        { name: 'base', restart_policy: 'system' },
        { name: 'app', restart_policy: 'container', timeout: 20 },
      ],
    }
    state['core/run.json'] = { ...steadyContainer, env: { NUMBER: luck.chance(0.3) ? String(++made) : '0' } }
    if (kind === 'small') return false
    const fails = luck.chance(0.3)
    const { name, ...run } = container(
      fails ? luck.pick(bad) : luck.pick(good),
      luck.pick(['base', 'app', 'app']),
    )
    state[`${name}/run.json`] = run
    return fails
  }

  return {
    async make(device, kind) {
      const state: Record<string, unknown> = { '#spec': 'pantavisor-service-system@1' }
      if (!(await objects(state, kind))) return undefined
      if (device.driver === 'files') {
        state['bsp/run.json'] = { mark, number: ++made }
        return state
      }
      let fails = containers(state, kind)
      const boot = 'boots' in tempers[device.temper] && kind === 'any' && luck.chance(0.4)
      const number = luck.chance(0.3) || boot ? ++made : 0
      const trouble = device.temper === 'brick' ? 'bricks' : 'loops'
      state['bsp/run.json'] = { mark, number, ...(boot ? { boot: trouble } : {}) }
      fails ||= boot
      if (fails) bound(stateShaOf(state))
      return state
    },
    get anObject() {
      return contents[0]?.sha
    },
  }
}

/** The name of a state, as the server will give it. */
function stateShaOf(state: Record<string, unknown>): string {
  const read = parseStateText(JSON.stringify(state))
  if (!read.ok) throw new Error(`${read.refusal.thing}: wanted ${read.refusal.wanted}`)
  return stateSha(canonicalJson(read.state.json))
}

/** A container that is well. */
export const steadyContainer = {
  '#spec': 'service-manifest-run@1',
  type: 'process',
  command: 'program',
  args: ['steady'],
  group: 'base',
}

/** What a device comes with from its maker. */
export function factoryFiles(needs: {
  readonly mark: string
  readonly name: string
  readonly luck: Luck
  readonly driver: 'files' | 'process'
}): Record<string, string> {
  const { mark, name, luck } = needs
  return {
    'bsp/run.json': JSON.stringify({ mark }),
    'bsp/kernel.img': `${mark} kernel of ${name} `.repeat(luck.between(1, 200)),
    'app-0/root.squashfs': `${mark} first`,
    ...(needs.driver === 'files'
      ? {}
      : {
          'device.json': JSON.stringify({ groups: [{ name: 'base', restart_policy: 'system' }] }),
          'core/run.json': JSON.stringify(steadyContainer),
        }),
  }
}
