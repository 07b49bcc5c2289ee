import { describe, expect, onTestFinished, test } from 'vitest'
import { hostPlugin, type PluginWord } from '../src/index.ts'

const hostile = (deed: string) => new URL(`./plugins/hostile.js#${deed}`, import.meta.url).href

/** A plugin that does this once it is open, and the house that hears why it has gone. */
async function play(deed: string, limits: Parameters<typeof hostPlugin>[1] = {}) {
  const plugin = await hostPlugin(hostile(deed), { restartMs: 60_000, ...limits })
  const gone = Promise.withResolvers<string>()
  const words: PluginWord[] = []
  let asked = 0
  let most = 0
  let open = 0
  plugin.open({
    async asked() {
      asked += 1
      open += 1
      most = Math.max(most, open)
      await new Promise((resolve) => setImmediate(resolve))
      open -= 1
      return new Uint8Array(1024 * 1024)
    },
    async gone(why) {
      gone.resolve(why)
    },
    said: (word) => void words.push(word),
  })
  onTestFinished(() => plugin.close())
  return { why: gone.promise, words, counts: () => ({ asked, most }) }
}

describe('a process that breaks the rules of the channel is ended, and the reason is told', () => {
  const deeds = [
    { deed: 'lies', why: 'it said 4294967295 bytes at once, over 2097152' },
    { deed: 'counts', why: 'it said what is no message' },
    { deed: 'nests', why: 'it said what is no message' },
    { deed: 'rubbish', why: 'it said what is no message' },
    { deed: 'holes', why: 'it said what is no message' },
  ]
  for (const { deed, why } of deeds)
    test(`[PL14] ${deed}: ${why}`, async () => {
      expect(await (await play(deed)).why).toBe(why)
    })

  test('[PL14] one that asks without end and never reads is left unread, holds few images, and ends as silent', async () => {
    const before = process.memoryUsage().arrayBuffers
    const { why, counts } = await play('floods', { beatMs: 50, silenceMs: 1000, images: 4, asks: 100 })
    expect(await why).toBe('it does not read what it is told')
    expect(counts().most).toBeLessThanOrEqual(4)
    expect(counts().asked).toBeLessThan(100)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
  })
})

describe('its words', () => {
  test('[PL15] what it prints is heard, and so is why it ended', async () => {
    const { why, words } = await play('speaks')
    expect(await why).toBe('its process ended (1)')
    expect(words[0]).toEqual({ stream: 'stdout', line: 'good morning', dropped: 0 })
    expect(words.some(({ stream, line }) => stream === 'stderr' && line === 'Error: no breakfast')).toBe(true)
  })

  test('[PL15] a hundred megabytes are cut to lines of a thousand characters, few at once, and the rest is counted', async () => {
    const { why, words } = await play('prints', { silenceMs: 60_000 })
    await why
    const of = (stream: string) => words.filter((word) => word.stream === stream)
    expect(of('stdout').every(({ line }) => line === 'x'.repeat(1000) || line === '(more was printed)')).toBe(
      true,
    )
    for (const [stream, printed] of [
      ['stdout', 100],
      ['stderr', 1000],
    ] as const) {
      const kept = of(stream).filter(({ line }) => line !== '(more was printed)')
      expect(kept.length).toBeGreaterThanOrEqual(100)
      expect(kept.length + of(stream).reduce((sum, { dropped }) => sum + dropped, 0)).toBe(printed)
    }
    expect(of('stderr').length).toBeLessThan(1000)
  })
})

test.runIf(process.platform === 'linux')(
  '[PL16] one that takes memory outside its heap is ended',
  async () => {
    const { why } = await play('grows', { residentMib: 200, beatMs: 50 })
    expect(await why).toMatch(/^it has taken \d+ MiB, over 200$/)
  },
)
