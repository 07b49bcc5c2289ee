/** Plugins with one fault each, and the rules that the kit finds broken. Rules: RULES.md. */
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { rules, testPlugin } from '../src/kit/index.ts'

/** What a plugin does wrong, the rules that are broken by it, and what the kit says of the first. */
const faults: readonly [fault: string, breaks: readonly string[], says: RegExp][] = [
  ['', [], /^$/],
  ['throws', ['KT1'], /wanted a plugin, got .*does not load: no such luck/],
  ['does not listen', ['KT1'], /wanted a listener at 127\.0\.0\.1:\d+, got none/],
  ['hides addresses', ['KT2'], /wanted an address where it called from, got none/],
  ['tells names', ['KT3'], /to hear the same, got .*d1.* and .*d1-unknown/],
  ['drops outputs', ['KT4'], /wanted m:double replied \{"is":42\}, got m:double done/],
  ['is rosy', ['KT5'], /wanted m:fly failed, got m:fly done/],
  ['gives up', ['KT6'], /wanted nothing settled of a call whose answer never came, got failed \(gone\)/],
  ['configures nothing', ['KT7'], /wanted a configuration done, got unsupported \(later\)/],
  ['tells no steps', ['KT8'], /wanted steps told: 0 done, got none/],
  ['starts over', ['KT9'], /wanted the image gone on with at \d+, got at 0/],
  ['trusts', ['KT10'], /wanted an image with a wrong byte begun again, once, got 0 times/],
  ['closes by name', ['KT11'], /wanted the newer wire kept, got closed/],
  [
    'ignores an end',
    ['KT12'],
    /wanted the wire of a session that was replaced closed .*, got it is open still/,
  ],
  ['does what it does not know', ['KT13'], /wanted an unknown kind unsupported, got done/],
  ['leaks sessions', ['KT14'], /wanted no session \d s after the last of 20 wires, got 20 sessions/],
  ['hears no errors', ['KT14', 'KT17'], /wanted a process that lasts, got its process ended \(1\): .*Error/],
  ['does not dial', ['KT15'], /wanted a session for a device that was called, got none asked for/],
  [
    'falls over calls in vain',
    ['KT15'],
    /wanted a process that lasts, got its process ended \(1\): .*ECONNREFUSED/,
  ],
  ['allows all methods', ['KT16'], /wanted GET \/reading answered 405, got 200/],
  ['falls over a body', ['KT16'], /wanted a process that lasts, got its process ended \(1\): SyntaxError/],
  ['falls over garbage', ['KT17'], /wanted a process that lasts, got its process ended \(1\): .*Error/],
  ['keeps all it hears', ['KT17'], /wanted (at most 384 MiB of memory|a process that lasts), got /],
  ['settles twice', ['KT18'], /wanted no question that the server refuses, got settle: nothing of that key/],
  ['never closes', ['KT19'], /wanted closed in 2000 ms, got it had to be ended/],
]

describe('a plugin that', () => {
  for (const [fault, breaks, says] of faults)
    test(`${breaks.map((rule) => `[${rule}] `).join('')}${fault || 'has no fault'} ${breaks.length > 0 ? 'fails by it' : 'passes'}`, async () => {
      const port = await freePort()
      const at = (file: string) => {
        const url = new URL(`./plugins/${file}`, import.meta.url)
        url.searchParams.set('port', String(port))
        if (fault !== '') url.searchParams.set('fault', fault)
        return url.href
      }
      const patienceMs = 3000
      const { verdicts, ok } = await testPlugin(at('frail.js'), at('frail-trial.js'), { patienceMs })
      const failed = verdicts.flatMap((verdict) => (verdict.result === 'failed' ? [verdict] : []))
      expect(failed.map(({ rule }) => rule)).toEqual(breaks)
      const [first] = failed
      expect(first ? `wanted ${first.wanted}, got ${first.got}` : '').toMatch(says)
      expect(ok).toBe(breaks.length === 0)
    })

  test('each rule is broken by one of them', () => {
    const broken = new Set(faults.flatMap(([, breaks]) => breaks))
    expect(rules.filter(({ id }) => !broken.has(id))).toEqual([])
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
