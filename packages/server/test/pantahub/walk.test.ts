import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Homes, openHomes } from '../../src/compose.ts'
import { parseConfig } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import { at, factory, listOf, openDoor } from './support.ts'

/** What a server opens on an empty data folder: SQLite and files. */
async function onDisk(): Promise<Homes> {
  const data = mkdtempSync(join(tmpdir(), 'waymark-walk-'))
  onTestFinished(() => rmSync(data, { recursive: true, force: true }))
  const config = parseConfig({ flags: ['--data', data], env: {} })
  if (!config.ok) throw new Error(JSON.stringify(config.refusal))
  return openHomes(config.value, { log: createLog({ logLevel: 'silent' }) })
}

for (const [where, homes] of [
  ['in memory', undefined],
  ['on disk', onDisk],
] as const)
  test(`[PH0] ${where}: a device registers, is claimed, announces itself, is sent a step with a file, and ends it DONE`, async () => {
    const door = await openDoor(homes ? { homes: await homes() } : {})
    const owner = await door.person('alice')
    const device = await door.deviceOf(owner)

    expect(listOf(await door.must('GET', '/trails/', { token: device.token }))).toEqual([])
    const kernel = Buffer.from('a kernel')
    const sha = await door.upload(device.token, kernel, 'bsp/kernel.img')
    await door.must('POST', '/trails/', { token: device.token, body: { ...factory, 'bsp/kernel.img': sha } })
    expect(listOf(await door.must('GET', '/trails/', { token: device.token }))).toHaveLength(1)

    const poll = `/trails/${device.id}/steps?progress.status={"$in":["NEW","DOWNLOADING","INPROGRESS","TESTING","QUEUED"]}`
    expect((await door.must('GET', poll, { token: device.token })).text).toBe('[]')

    const next = Buffer.from('a better kernel')
    const better = await door.upload(owner.token, next, 'bsp/kernel.img')
    const rev = await door.post(owner, device, { ...factory, 'bsp/kernel.img': better })
    const [offered] = listOf(await door.must('GET', poll, { token: device.token }))
    expect(at(offered, 'rev')).toBe(rev)
    expect(at(offered, 'state', 'bsp/kernel.img')).toBe(better)

    const object = (await door.must('GET', `/objects/${better}`, { token: device.token })).json
    const bytes = await door.must('GET', String(at(object, 'signed-geturl')))
    expect(bytes.text).toBe('a better kernel')

    for (const [status, percent] of [
      ['QUEUED', 5],
      ['DOWNLOADING', 25],
      ['INPROGRESS', 50],
      ['TESTING', 75],
      ['DONE', 100],
    ] as const)
      expect((await door.progress(device, rev, status, percent)).status).toBe(200)
    expect((await door.must('GET', poll, { token: device.token })).text).toBe('[]')
    const step = (await door.must('GET', `/trails/${device.id}/steps/${rev}`, { token: owner.token })).json
    expect(at(step, 'progress', 'status')).toBe('DONE')
  })
