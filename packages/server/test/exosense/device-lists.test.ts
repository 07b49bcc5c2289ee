/** Devices in lists, whoever named them. Rules: RULES.md, LS. */
import type { JsonObject } from '@waymark/yang'
import { expect, test } from 'vitest'
import { openBack } from './support.ts'
import { trailDevice } from './trail-support.ts'

test('[LS1] every device is listed once, in the order of names, in pages of any size and both directions', async () => {
  const back = await openBack()
  const admin = await back.account('acme')
  await back.ask(admin, 'exodm:create-device-type', { name: 't', protocol: 'exodm_bert' })
  // Names that people could give as well, names that they could not, and devices that came in by another door.
  const made = ['mast', 'a mast', 'b', 'Zoë', 'm']
  for (const name of made)
    expect(
      await back.ask(admin, 'exodm:create-device', { 'device-id': name, 'device-type': 't' }),
    ).toMatchObject({ result: 'ok' })
  for (const nick of ['lorry', 'aa', 'z']) await trailDevice(back, nick)
  const all = [...made, 'lorry', 'aa', 'z'].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  for (const method of ['list-devices', 'list-devices-attributes'])
    for (const direction of ['ascending', 'descending'])
      for (const n of [1, 2, 3, 100]) {
        const found: string[] = []
        for (;;) {
          const more: JsonObject =
            method === 'list-devices' ? {} : { attributes: ['is-connected'], direction }
          const answer = await back.ask(admin, `exodm:${method}`, {
            n,
            previous: found.at(-1) ?? '',
            ...more,
          })
          const rows = answer.devices as { 'device-id': string }[]
          found.push(...rows.map((row) => row['device-id']))
          if (rows.length < n) break
        }
        const down = method === 'list-devices-attributes' && direction === 'descending'
        expect(found, `${method} ${direction} by ${n}`).toEqual(down ? all.toReversed() : all)
      }
})
