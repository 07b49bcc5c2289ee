import { expect, test } from 'vitest'
import { acceptedScopes, allows, anonymousScopes, expandScopes, Prn, scopeWords } from '../src/index.ts'

const expanded = [
  { asked: undefined, gets: ['all'] },
  { asked: '', gets: ['all'] },
  { asked: '  ', gets: ['all'] },
  { asked: 'devices', gets: ['devices'] },
  { asked: ' devices  trails.readonly devices ', gets: ['devices', 'trails.readonly'] },
  { asked: `${Prn.scope('devices')} devices`, gets: ['devices'] },
  { asked: 'made.up', gets: ['made.up'] },
]
for (const { asked, gets } of expanded)
  test(`[SC1] asking for ${JSON.stringify(asked)} gives ${gets.join(', ')}`, () => {
    expect(expandScopes(asked)).toEqual(gets.map((word) => `prn:pantahub.com:apis:/base/${word}`))
  })

test('[SC1] a prn stays what it is', () => {
  expect(expandScopes('prn:pantahub.com:apis:/shop/buy')).toEqual(['prn:pantahub.com:apis:/shop/buy'])
})

const rights = [
  {
    granted: 'all',
    may: ['devices.readonly', 'objects.write', 'trails.change', 'user.write', 'profile', 'all'],
    not: [],
  },
  {
    granted: 'devices',
    may: ['devices.readonly', 'devices.write', 'devices.change', 'objects.write'],
    not: ['trails.readonly', 'all', 'metrics'],
  },
  {
    granted: 'devices.readonly',
    may: ['devices.readonly'],
    not: ['devices.write', 'devices.change', 'objects.readonly', 'devices'],
  },
  { granted: 'devices.write', may: ['devices.write'], not: ['devices.readonly', 'devices.change'] },
  { granted: 'devices.change', may: ['devices.change'], not: ['devices.readonly', 'devices.write'] },
  {
    granted: 'objects',
    may: ['objects.readonly', 'objects.write', 'objects'],
    not: ['devices.readonly', 'trails.write'],
  },
  { granted: 'trails', may: ['trails.write', 'trails.readonly'], not: ['objects.readonly'] },
  { granted: 'user.readonly', may: ['user.readonly'], not: ['user.write', 'profile.readonly'] },
  { granted: 'profile', may: ['profile.readonly', 'profile.write'], not: ['user.readonly'] },
  { granted: '', may: [], not: ['devices.readonly', 'all'] },
  { granted: 'devices.readonly.extra', may: [], not: ['devices.readonly'] },
] as const
for (const { granted, may, not } of rights)
  test(`[SC2] ${granted || 'an empty word'} is enough for ${may.join(', ') || 'nothing'}`, () => {
    for (const form of [granted, Prn.scope(granted)]) {
      for (const wanted of may) expect(`${wanted} ${allows([form], wanted)}`).toBe(`${wanted} true`)
      for (const wanted of not) expect(`${wanted} ${allows([form], wanted)}`).toBe(`${wanted} false`)
    }
  })

test('[SC2] one match among many is enough, and none is not', () => {
  expect(allows(['trails', 'metrics', 'devices.write'], 'devices.write')).toBe(true)
  expect(allows([], 'devices.write')).toBe(false)
  expect(acceptedScopes('objects.write')).toEqual(['all', 'objects', 'objects.write', 'devices'])
})

test('[SC2] every word of the table is accepted where its family and kind are asked for', () => {
  for (const { word, family, kind } of scopeWords) {
    const wanted = family === undefined ? 'all' : kind === undefined ? family : (`${family}.${kind}` as const)
    expect(allows([Prn.scope(word)], wanted)).toBe(true)
  }
})

test('[SC3] the scope of another app grants nothing', () => {
  expect(allows(['prn:pantahub.com:apis:/shop/all', 'prn:acme.org:apis:/base/all'], 'devices.readonly')).toBe(
    false,
  )
})

test('[SC4] an anonymous login keeps what reads', () => {
  expect(anonymousScopes(expandScopes('devices devices.readonly trails.write objects.readonly'))).toEqual([
    Prn.scope('devices.readonly'),
    Prn.scope('objects.readonly'),
  ])
  expect(anonymousScopes(expandScopes(''))).toEqual([])
})
