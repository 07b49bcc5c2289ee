import { expect, test } from 'vitest'
import { playDemo } from '../src/demo/story.ts'

test('[DM1] four devices end done, one of them after a cut; the fifth fails and stays on its old revision', async () => {
  const lines: string[] = []
  const stop = new AbortController()
  await playDemo(
    {
      out: (line) => lines.push(line),
      err: (line) => lines.push(line),
      env: {},
      terminal: false,
      stopSignal: () => stop.signal,
    },
    { exit: true },
  )
  const rowOf = (name: string) => lines.find((line) => line.startsWith(name)) ?? ''
  for (const name of ['badger', 'heron', 'lynx', 'otter'])
    expect(rowOf(name)).toMatch(/ DONE +done +(claimed|seen|verified) .* revisions\/1$/)
  expect(rowOf('moth')).toMatch(/ ERROR +failed .* revisions\/0 /)
  expect(rowOf('otter')).toMatch(/ [45]\.\d MiB +revisions\/1$/)
  expect(rowOf('badger')).toMatch(/ - +revisions\/1$/)
  expect(lines.join('\n')).toMatch(/claimed heron with \w+-\w+-\w+/)
}, 90_000)
