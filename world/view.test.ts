/**
 * That a server which does not know the truth is found: somebody on the way says "yes" in its place, and it never hears
 * of what it was to know. Each world is one that holds when left alone.
 */
import { expect, test } from 'vitest'
import type { Answered, Asked } from './network.ts'
import { playWorld } from './world.ts'

const yes: Answered = {
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{}'),
}
const no: Answered = { ...yes, status: 503 }
const report = (word: string) => (asked: Asked) =>
  asked.path.endsWith('/progress') && asked.body.includes(`"status":"${word}"`)

const worlds = [
  {
    kept: 'what is running, in metadata',
    from: ({ method, path }: Asked) => method === 'PUT' && path.endsWith('/device-meta'),
    answer: yes,
    found: /^\[W15\] device-\d, when its poll was answered, ran \d+, its metadata named/,
  },
  {
    kept: 'how a step has ended',
    from: report('ERROR'),
    answer: yes,
    found:
      /^\[W15\] device-\d, when its poll was answered, had said its last word on step \d+, which was open/,
  },
  {
    kept: 'that a step is done',
    from: report('DONE'),
    answer: yes,
    found: /^\[W15\] device-\d, when its poll was answered, ran \d+ .*, the server said/,
  },
  {
    kept: 'that work has begun',
    from: report('INPROGRESS'),
    answer: yes,
    found: /^\[W15\] device-\d was told that step \d+ is INPROGRESS, and the server says/,
  },
  {
    kept: 'every question for steps, of which none is answered',
    from: ({ method, path }: Asked) => method === 'GET' && /^\/trails\/\w+\/steps\?/.test(path),
    answer: no,
    found: /^\[W7\] device-\d: step \d+ has not ended/,
  },
]
for (const { kept, from, answer, found } of worlds)
  test(`[W7] [W15] kept from the server: ${kept}`, async () => {
    const { broken } = await playWorld('4', undefined, (asked) => (from(asked) ? answer : undefined))
    expect(broken).toContainEqual(expect.stringMatching(found))
  })

test('[W16] a device that is not let in is found silent', async () => {
  const { broken } = await playWorld('4', undefined, ({ path }) => (path === '/auth/login' ? no : undefined))
  expect(broken).toContainEqual(expect.stringMatching(/^\[W16\] device-\d neither asked nor reported/))
})
