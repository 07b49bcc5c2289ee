/**
 * Which keys sign and open login tokens, now: rotation without logging anybody out.
 *
 * A rotation adds a serial to the setting `token-keys` of the store and nothing else: every process derives the same key
 * from the master key, the epoch and the serial. The new key is believed at once and signs a little later, when the
 * other processes on the same database have heard of it; the one before it is believed until the last token it signed
 * has run out, and then forgotten. Raising the epoch is the opposite: it voids every login at once.
 *
 * Everything follows from the setting and the clock; nothing is kept in a timer.
 */
import {
  type Actor,
  actingOn,
  type Env,
  type HouseTx,
  Instant,
  isJsonObject,
  type Json,
  ok,
  type Result,
  refuse,
  type Store,
  settings,
} from '@waymark/domain'
import type { TokenKey } from './keys.ts'

/** Keys that are believed at once, at most: tokens that live for a year and a rotation a day would make more. */
export const tokenKeysMax = 16

/** How long others have to hear of a new key before it signs, where there are others. */
const heardWithinMs = 15_000
/** How long a key is believed beyond the end of its last token: for clocks that differ. */
const marginMs = 60_000

const settingName = 'token-keys'

export interface TokenKeys {
  /** The labels keys are derived by: the first signs, all are believed. The same array until something changes. */
  labels(): readonly [string, ...string[]]
  /** Reads the setting again. */
  load(): Promise<void>
  /** Begins a new key; answers since when it signs and until when the one before is believed. */
  rotate(by: Actor): Promise<Result<RotatedKeys, RotationRefusal>>
  /** Forgets keys that nothing is believed by any more; answers how many. */
  drop(): Promise<number>
}

export interface RotatedKeys {
  readonly serial: number
  readonly signsFrom: Instant
  readonly olderUntil: Instant
}

export type RotationRefusal = {
  readonly kind: 'too-many-keys'
  readonly wanted: number
  readonly got: number
}

/** One key: since when it signs, until when it is believed (absent: until one follows it). */
interface Turn {
  readonly serial: number
  readonly from: number
  readonly until?: number
}

const first: readonly Turn[] = [{ serial: 0, from: 0 }]

export interface TokenKeysNeeds {
  readonly store: Store
  env(): Env
  /** Raised by whoever runs the installation, to void everything. */
  readonly epoch: number
  /** The longest that anything lives which is signed with these keys. */
  readonly lifeMs: number
  /** Whether other processes use the same database. */
  readonly shared: boolean
}

/** Reads the setting and answers the keys; call `load` when the house's journal has grown. */
export async function openTokenKeys({
  store,
  env,
  epoch,
  lifeMs,
  shared,
}: TokenKeysNeeds): Promise<TokenKeys> {
  let turns: readonly Turn[] = first
  let known: readonly [string, ...string[]] = [labelOf(0)]
  let changesAt = 0

  function labelOf(serial: number): string {
    return serial === 0 ? String(epoch) : `${epoch}.${serial}`
  }

  async function load(): Promise<void> {
    turns = turnsIn((await store.readHouse().get(settings, { name: settingName }))?.value)
    changesAt = 0
  }

  /** The turns as of now, and when that will be otherwise. */
  function workOut(now: number): void {
    const believed = turns.filter(({ until }) => until === undefined || until > now)
    const [signing = believed[0] ?? first[0]] = believed
      .filter(({ from }) => from <= now)
      .sort((a, b) => b.serial - a.serial)
    const serials = [signing, ...believed.filter((turn) => turn !== signing)].map((turn) => turn?.serial ?? 0)
    const labels = [...new Set(serials)].map(labelOf)
    if (labels.join() !== known.join()) known = labels as unknown as readonly [string, ...string[]]
    changesAt = Math.min(
      ...believed.flatMap(({ from, until }) => [from, until ?? 0]).filter((at) => at > now),
      Number.POSITIVE_INFINITY,
    )
  }

  async function change<T, R>(
    work: (held: readonly Turn[], house: HouseTx) => Promise<Result<{ turns: readonly Turn[]; value: T }, R>>,
  ): Promise<Result<T, R>> {
    const done = await store.transactHouse(async (house): Promise<Result<T, R>> => {
      const held = turnsIn((await house.get(settings, { name: settingName }))?.value)
      const made = await work(held, house)
      if (!made.ok) return made
      if (made.value.turns !== held)
        await house.put(settings, { name: settingName, value: made.value.turns as unknown as Json })
      return ok(made.value.value)
    })
    await load()
    return done
  }

  await load()
  return {
    labels() {
      const { now } = env()
      if (now >= changesAt) workOut(now)
      return known
    },
    load,

    rotate: (by) =>
      change(async (held, house) => {
        const { now } = env()
        const kept = held.filter(({ until }) => until === undefined || until > now)
        if (kept.length >= tokenKeysMax)
          return refuse({ kind: 'too-many-keys', wanted: tokenKeysMax, got: kept.length })
        const signsFrom = Instant.of(shared ? now + heardWithinMs : now)
        const olderUntil = Instant.of(signsFrom + lifeMs + marginMs)
        const serial = Math.max(...held.map((turn) => turn.serial)) + 1
        const older = kept.map((turn) => ({ ...turn, until: turn.until ?? olderUntil }))
        actingOn(house, env(), by).note('setting.changed', {
          name: settingName,
          serial,
          signsFrom,
          olderUntil,
        })
        const value = { serial, signsFrom, olderUntil }
        return ok({ turns: [{ serial, from: signsFrom }, ...older], value })
      }),

    async drop() {
      const { now } = env()
      if (!turns.some(({ until }) => until !== undefined && until <= now)) return 0
      const dropped = await change<number, never>(async (held, house) => {
        const kept = held.filter(({ until }) => until === undefined || until > now)
        const count = held.length - kept.length
        if (count === 0) return ok({ turns: held, value: 0 })
        const by: Actor = { kind: 'system', id: 'token-keys' }
        actingOn(house, env(), by).note('setting.changed', { name: settingName, dropped: count })
        return ok({ turns: kept, value: count })
      })
      return dropped.ok ? dropped.value : 0
    },
  }
}

/** The keys of all labels, made when the labels change: what `createTokens` asks for. */
export function keysBy(
  tokenKeys: Pick<TokenKeys, 'labels'>,
  keyOf: (label: string) => TokenKey,
): () => readonly [TokenKey, ...TokenKey[]] {
  let labels = tokenKeys.labels()
  let made = keysOf(labels)
  return () => {
    const now = tokenKeys.labels()
    if (now !== labels) {
      labels = now
      made = keysOf(now)
    }
    return made
  }

  function keysOf([signing, ...others]: readonly [string, ...string[]]): readonly [TokenKey, ...TokenKey[]] {
    return [keyOf(signing), ...others.map(keyOf)]
  }
}

/** The turns a setting tells of; the first key alone where there is none. */
function turnsIn(value: Json | undefined): readonly Turn[] {
  if (!Array.isArray(value)) return first
  const turns = value.flatMap((told): Turn[] => {
    if (!isJsonObject(told)) return []
    const { serial, from, until } = told
    if (typeof serial !== 'number' || typeof from !== 'number') return []
    return [{ serial, from, ...(typeof until === 'number' ? { until } : {}) }]
  })
  return turns.length === 0 ? first : turns
}
