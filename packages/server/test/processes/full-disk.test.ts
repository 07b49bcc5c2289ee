import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Client, createClient, factory, sha256, textOf } from './client.ts'
import { missing, openLedger } from './ledger.ts'
import { createYard } from './server.ts'
import { makeSmallDisk } from './small-disk.ts'

const disk = await makeSmallDisk(32 * 2 ** 20)

test.skipIf(disk === undefined)(
  '[PR6] a full disk refuses by name, loses nothing, and works again when there is room (skipped without mount namespaces)',
  { timeout: 60_000 },
  async ({ onTestFinished }) => {
    if (disk === undefined) return
    const yard = createYard()
    onTestFinished(async () => {
      await yard.clear()
      await disk.end()
    })
    const data = join(disk.folder, 'data')
    const start = () => yard.start(['--data', data], disk.within)
    let server = start()
    let client = createClient(await server.ready)
    const token = await client.login()
    const ledger = await openLedger(client, token, 2)
    ledger.objects.push(await client.upload(token, Buffer.alloc(200_000, 'early ')))

    disk.fill(0)
    const told = await writeUntilRefused(client, ledger)
    expect(told).toEqual({ status: 507, says: expect.stringMatching(/disk is full/) })
    for (const [what, answer] of Object.entries(await everyWrite(client, token, ledger)))
      expect(answer, what).toMatchObject({ status: 507 })
    // Bytes that do not fit: refused, and nothing of them is left.
    disk.empty()
    const bytes = Buffer.alloc(3_000_000, 'too much ')
    const url = await announced(client, token, bytes)
    disk.fill(1_000_000)
    expect(await client.call('PUT', url, { body: bytes })).toMatchObject({ status: 507 })
    expect(await missing(client, token, ledger)).toEqual([])
    expect((await client.call('GET', '/healthz')).status).toBe(200)

    disk.empty()
    expect((await client.call('PUT', url, { body: bytes })).status).toBe(200)
    ledger.objects.push(sha256(bytes))
    for (const [what, answer] of Object.entries(await everyWrite(client, token, ledger)))
      expect(answer, what).toMatchObject({ status: expect.toBeOneOf([200, 201]) })
    expect(await missing(client, token, ledger)).toEqual([])

    // Killed on the full disk: the next start, with room, finds everything.
    disk.fill(0)
    await writeUntilRefused(client, ledger)
    await server.kill()
    const early = await yard.start(['--data', join(disk.folder, 'new')], disk.within).ended
    expect(early).toMatchObject({ code: 1, out: '' })
    expect(linesForPeople(early.err)).toEqual([expect.stringMatching(/^waymark: .*(ENOSPC|full)/)])
    disk.empty()
    server = start()
    client = createClient(await server.ready)
    expect(await missing(client, token, ledger)).toEqual([])
    expect(await server.stop()).toMatchObject({ code: 0 })
  },
)

/** What was said to people: everything on stderr that is no line of log. */
function linesForPeople(err: string): string[] {
  return err.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
}

type Ledger = Awaited<ReturnType<typeof openLedger>>

/** Reports until one is refused: a file system gives its last pages out one by one. */
async function writeUntilRefused(client: Client, ledger: Ledger) {
  const [device] = ledger.driven
  if (device === undefined) throw new Error('no device')
  for (let count = 0; count < 2000; count++) {
    const number = ++ledger.count
    const answer = await client.call('PUT', `/trails/${device.id}/steps/0/progress`, {
      token: device.token,
      body: { status: 'DONE', progress: 100, 'status-msg': String(number), data: 'x'.repeat(2000) },
    })
    if (answer.status !== 200) return { status: answer.status, says: answer.text }
    device.reports.set(0, number)
  }
  throw new Error('2000 reports fitted onto a full disk')
}

/** One of each kind of write, at both doors. */
async function everyWrite(client: Client, token: string, ledger: Ledger) {
  const [, device] = ledger.driven
  if (device === undefined) throw new Error('no device')
  const { id } = device
  const big = 'x'.repeat(20_000)
  const state = { ...(factory as object), 'app/run.json': { big } }
  const message = `a line ${big}`
  return {
    step: await client.call('POST', `/trails/${id}/steps`, {
      token,
      body: { rev: -1, 'commit-msg': '', state },
    }),
    'step at the fleet door': await client.call('POST', `/fleet/v1/devices/${id}/steps`, {
      token,
      body: { state },
    }),
    'user-meta': await client.call('PATCH', `/devices/${id}/user-meta`, { token, body: { big } }),
    'device-meta': await client.call('PUT', `/devices/${id}/device-meta`, {
      token: device.token,
      body: { big },
    }),
    logs: await client.call('POST', '/logs/', { token: device.token, body: { src: 'x', msg: message } }),
  }
}

async function announced(client: Client, token: string, bytes: Buffer): Promise<string> {
  const body = { objectname: 'much', size: String(bytes.length), sha256sum: sha256(bytes) }
  return textOf(await client.must('POST', '/objects/', { token, body }), 'signed-puturl')
}
