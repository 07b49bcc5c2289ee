/**
 * Temperaments: the ways in which a device makes life hard for whoever looks after it.
 *
 * A world gives each device one, by luck or all the same one by name (`--profile`). A temperament says how the device is
 * built, what its line and its clock are like, and how often which misfortune comes over it; what follows from it for
 * its revisions (a brick needs one that bricks) is the operators' part.
 */
import type { Luck } from './luck.ts'

const minute = 60_000
const day = 24 * 60 * minute
const year = 365 * day

/** What may come over a device, by weight. */
export interface Misfortunes {
  readonly partition: number
  readonly kill: number
  readonly doom: number
  readonly restart: number
  readonly full: number
  readonly jump: number
  /** Off for two months. */
  readonly sleep: number
}

export interface Temper {
  readonly about: string
  /** `either`: as luck has it. */
  readonly driver: 'files' | 'process' | 'either'
  /** How bad its line is; undefined: as luck has it. */
  readonly wild?: number
  readonly misfortunes: Misfortunes
  /** Misfortunes come so many times as often. */
  readonly often: number
  /** By how much its clock is off from the start, at most. Milliseconds. */
  readonly skew?: (luck: Luck) => number
  /** The disk's size in bytes. */
  readonly capacity?: (luck: Luck) => number
  /** Which of its revisions go wrong when they boot. */
  readonly boots?: 'bricks' | 'loops'
  /** Says that it has switched, and has not. */
  readonly lies?: true
  /** Its power is cut at the first write of its first life, the second of its second, and so on. */
  readonly cuts?: true
  /** Needs a world that lasts for months. */
  readonly months?: true
}

const usual: Misfortunes = { partition: 3, kill: 2, doom: 5, restart: 1, full: 2, jump: 2, sleep: 0 }

export const tempers = {
  plain: {
    about: 'an ordinary device with ordinary bad luck',
    driver: 'either',
    misfortunes: usual,
    often: 1,
  },
  flaky: {
    about: 'a line that loses, repeats, delays and breaks, and is gone half of the time',
    driver: 'either',
    wild: 4,
    misfortunes: { ...usual, partition: 30 },
    often: 2.5,
  },
  sleeper: {
    about: 'off for two months at a time',
    driver: 'either',
    misfortunes: { ...usual, sleep: 6 },
    often: 0.6,
    months: true,
  },
  brick: {
    about: 'some of its revisions hang the machine when they boot, until its watchdog resets it',
    driver: 'process',
    misfortunes: { ...usual, doom: 2 },
    often: 0.6,
    boots: 'bricks',
  },
  'boot-loop': {
    about: 'some of its revisions end the machine soon after each boot',
    driver: 'process',
    misfortunes: { ...usual, doom: 2 },
    often: 0.6,
    boots: 'loops',
  },
  liar: {
    about: 'says that it has switched, and runs the old image on',
    driver: 'files',
    misfortunes: usual,
    often: 0.6,
    lies: true,
  },
  'off-clock': {
    about: 'a clock that is years off, and is set to and fro',
    driver: 'either',
    misfortunes: { ...usual, jump: 10 },
    often: 1,
    skew: (luck) => luck.pick([-55 * year, -10 * year, -400 * day, 10 * year, 60 * year]),
  },
  'full-disk': {
    about: 'a small disk that is full now and then',
    driver: 'either',
    misfortunes: { ...usual, full: 15 },
    often: 1.5,
    capacity: (luck) => luck.between(60_000, 250_000),
  },
  'cut-writes': {
    about: 'loses its power at the first write, at the second, at the third: at every write there is',
    driver: 'either',
    misfortunes: { ...usual, kill: 0, doom: 0 },
    often: 0.4,
    cuts: true,
  },
} as const satisfies Record<string, Temper>

export type TemperName = keyof typeof tempers

export const temperNames = Object.keys(tempers) as TemperName[]

/** A temperament by its name. */
export const temperOf = (name: TemperName): Temper => tempers[name]

/** What luck gives a device. Those that need months only come up in a world that lasts that long. */
export function drawTemper(luck: Luck, months: boolean): TemperName {
  const name = luck.weighed({
    plain: 40,
    flaky: 10,
    sleeper: 12,
    brick: 8,
    'boot-loop': 8,
    liar: 6,
    'off-clock': 8,
    'full-disk': 8,
    'cut-writes': 8,
  } satisfies Record<TemperName, number>)
  return temperOf(name).months && !months ? 'plain' : name
}
