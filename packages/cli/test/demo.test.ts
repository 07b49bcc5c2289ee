import { expect, test } from 'vitest'
import { playDemo } from '../src/demo/story.ts'

test('[DM1] [DM2] four devices end done, one after a cut, the fifth stays as it was; three stations get what was pushed and both packages', async () => {
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
  for (const station of ['cliff', 'harbour', 'summit'])
    expect(rowOf(station)).toMatch(/ 60 +runtime, forecast +(-|[23]\.\d MiB)$/)
  expect(rowOf('harbour')).toMatch(/MiB$/)
  const story = lines.join('\n')
  for (const told of [
    /summit has not got it: it waits in its queue.*summit +measures 60 times/s,
    /was told: 7\.5 degrees/,
    /was told: wind 110 at summit/,
    /snapped 3\.\d MiB into harbour's image.*harbour +goes on with the image at/s,
  ])
    expect(story).toMatch(told)
  expect(story).toMatch(/claimed heron with \w+-\w+-\w+/)
}, 90_000)
