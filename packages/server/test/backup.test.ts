import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AnyCollection,
  createAccount,
  type DeviceId,
  devices,
  Instant,
  mainCollections,
  type ObjectSha,
  ok,
  registerDevice,
  registerObject,
  type Store,
  type TenantId,
  telemetryCollections,
  tenants,
} from '@waymark/domain'
import { startPostgres } from '@waymark/store/testing'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createBackup } from '../src/backup/create.ts'
import { restoreBackup } from '../src/backup/restore.ts'
import { verifyBackup } from '../src/backup/verify.ts'
import { type Homes, openHomes } from '../src/compose.ts'
import { type Config, parseConfig } from '../src/config.ts'
import { collectGarbage } from '../src/gc.ts'
import { createLog } from '../src/log.ts'
import { createObjectRoom } from '../src/object-room.ts'
import { tarOf } from '../src/tar.ts'

const postgres = await startPostgres()
afterAll(() => postgres?.stop())

const log = createLog({ logLevel: 'silent' })
const env = () => ({ now: Instant.of(Date.now()), random: (count: number) => randomBytes(count) })

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-backup-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function configOf(data: string, ...flags: string[]): Config {
  const parsed = parseConfig({ flags: ['--data', data, ...flags], env: {} })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  return parsed.value
}

let databases = 0
async function newDatabase(): Promise<string> {
  const { default: pg } = await import('pg')
  const name = `backup_${++databases}`
  const client = new pg.Client({ connectionString: postgres?.url ?? '' })
  await client.connect()
  await client.query(`CREATE DATABASE ${name}`)
  await client.end()
  const url = new URL(postgres?.url ?? '')
  url.pathname = `/${name}`
  return url.href
}

const kinds = {
  SQLite: async () => configOf(temporary()),
  PostgreSQL: async () => configOf(temporary(), '--database', await newDatabase()),
} as const
type Kind = keyof typeof kinds
const here = (Object.keys(kinds) as Kind[]).filter((kind) => kind === 'SQLite' || postgres)

async function openAt(config: Config): Promise<Homes & { close(): Promise<void> }> {
  const homes = await openHomes(config, { log })
  let closed: Promise<unknown> | undefined
  const close = async () => {
    closed ??= Promise.all([homes.store.close(), homes.telemetry.close()])
    await closed
  }
  onTestFinished(close)
  return { ...homes, close }
}

/** Every file below a folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .map(({ name }) => name)
}

/** A tenant with devices and a stored object. */
async function fill(homes: Homes, nick: string, bytes: Buffer): Promise<TenantId> {
  const made = await homes.store.transactHouse((house) =>
    createAccount(house, env(), { nick, passwordHash: 'hash', verified: true }),
  )
  if (!made.ok) throw new Error(made.refusal.kind)
  const { id } = made.value.tenant
  for (let i = 0; i < 3; i++) await addDevice(homes.store, id, `${nick}-${i}`)
  const sha = createHash('sha256').update(bytes).digest('hex') as ObjectSha
  const by = { kind: 'user', id: made.value.principal.id } as const
  const registered = await homes.store.transact(id, (tx) =>
    registerObject(tx, env(), { sha, size: bytes.length, name: 'x', mimeType: '', quotaBytes: 2 ** 40, by }),
  )
  if (!registered.ok) throw new Error(registered.refusal.kind)
  async function* source() {
    yield bytes
  }
  const room = createObjectRoom({ ...homes, env })
  const stored = await room.receive({ tenant: id, sha, size: bytes.length, source: source(), by })
  expect(stored.ok).toBe(true)
  return id
}

async function addDevice(store: Store, tenant: TenantId, nick: string) {
  const made = await store.transactHouse((house) =>
    registerDevice(house, env(), { tenant, nick, seal: (secret) => `sealed:${secret.length}` }),
  )
  if (!made.ok) throw new Error(made.refusal.kind)
  return made.value.device.id
}

/** Everything a store holds, as a text for each record and entry. */
async function contents(store: Store, collections: readonly AnyCollection[]) {
  const records: string[] = []
  const entries: Record<string, string[]> = {}
  const ids =
    collections === mainCollections ? (await store.readHouse().find(tenants, {})).map(({ id }) => id) : []
  for (const collection of collections) {
    const readers = collection.scope === 'house' ? [store.readHouse()] : ids.map((id) => store.read(id))
    for (const reader of readers)
      for (const record of await reader.find(collection as never, { limit: 10_000 }))
        records.push(`${collection.name} ${JSON.stringify(record)}`)
  }
  for (const scope of ['house', ...ids] as const) {
    const read = await store.journal.read(scope, { limit: 10_000 })
    if (!read.ok) throw new Error(read.refusal.kind)
    entries[scope] = read.value.entries
      .filter(({ kind }) => kind !== 'installation.restored')
      .map(({ cursor: _, ...entry }) => JSON.stringify(entry))
  }
  return { records: records.filter((line) => !line.startsWith('leases')).sort(), entries }
}

for (const from of here)
  for (const to of here)
    test(`[BK2] ${from} into ${to}: records, journal and objects are the same`, async () => {
      const config = await kinds[from]()
      const source = await openAt(config)
      const bytes = randomBytes(300_000)
      const olive = await fill(source, 'olive', bytes)
      await fill(source, 'other', Buffer.from('small'))
      await source.telemetry.transactHouse(async (house) => {
        const [presence] = telemetryCollections
        await house.put(presence as never, { device: 'd'.repeat(24), lastSeenAt: 5, address: '::1' } as never)
        return ok(undefined)
      })
      const file = join(temporary(), 'backup.tar')
      const made = await createBackup(config, file)
      expect(await verifyBackup(file)).toEqual(made)
      expect(made.counts).toMatchObject({ objects: 2, objectBytes: 300_005 })
      expect(readdirSync(join(file, '..'))).toEqual(['backup.tar'])

      const target = await kinds[to]()
      await restoreBackup(target, file, { log })
      const restored = await openAt(target)
      expect(await contents(restored.store, mainCollections)).toEqual(
        await contents(source.store, mainCollections),
      )
      expect(await contents(restored.telemetry, telemetryCollections)).toEqual(
        await contents(source.telemetry, telemetryCollections),
      )
      const sha = createHash('sha256').update(bytes).digest('hex') as ObjectSha
      const opened = await createObjectRoom({ ...restored, env }).open(olive, sha)
      const pieces: Buffer[] = []
      for await (const piece of opened?.stream ?? []) pieces.push(piece as Buffer)
      expect(Buffer.concat(pieces)).toEqual(bytes)
      // It is a store like any other: it goes on from there.
      await addDevice(restored.store, olive, 'afterwards')
    })

for (const kind of here)
  test(`[BK1] ${kind}: what was acknowledged before it began is in it, while others write`, async () => {
    const config = await kinds[kind]()
    const homes = await openAt(config)
    const tenant = await fill(homes, 'olive', Buffer.from('x'))
    const acknowledged: DeviceId[] = []
    let writing = true
    const writers = [0, 1, 2].map(async (writer) => {
      for (let i = 0; writing; i++) acknowledged.push(await addDevice(homes.store, tenant, `w${writer}-${i}`))
    })
    try {
      for (let round = 0; round < 3; round++) {
        while (acknowledged.length < 40 * (round + 1)) await new Promise((resolve) => setTimeout(resolve, 5))
        const before = [...acknowledged]
        const file = join(temporary(), 'backup.tar')
        await createBackup(config, file)
        const target = configOf(temporary())
        await restoreBackup(target, file, { log })
        const restored = await openAt(target)
        const reader = restored.store.read(tenant)
        const there = new Set((await reader.find(devices, { limit: 10_000 })).map(({ id }) => id))
        expect(before.filter((id) => !there.has(id))).toEqual([])
        // One moment: every device that is there has its entry, and every entry its device.
        const journal = await restored.store.journal.read(tenant, { limit: 10_000 })
        const told = journal.ok
          ? journal.value.entries.filter((entry) => entry.kind === 'device.registered')
          : []
        expect(new Set(told.map(({ device }) => device))).toEqual(there)
      }
    } finally {
      writing = false
      await Promise.all(writers)
    }
  }, 60_000)

describe('what is wrong', () => {
  async function backup() {
    const config = configOf(temporary())
    const homes = await openAt(config)
    await fill(homes, 'olive', randomBytes(5000))
    const folder = temporary()
    const file = join(folder, 'backup.tar')
    await createBackup(config, file)
    return { config, homes, file, folder }
  }

  test('[BK3] a changed byte anywhere, a cut and a missing end are found; nothing is restored', async () => {
    const { file, folder } = await backup()
    const whole = readFileSync(file)
    const broken = join(folder, 'broken.tar')
    const target = configOf(join(folder, 'target'))
    const { members } = await verifyBackup(file)
    const [about, records] = members.map(({ size }) => size)
    for (let i = 0; i < 24; i++) {
      // In the first member, in the second one and in its header; what fills up a block may be anything.
      const spots = [512 + ((i * 13) % (about ?? 1)), 1536 + ((i * 197) % (records ?? 1)), 1024 + i]
      const at = spots[i % 3] ?? 0
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] ?? 0) ^ 0x10
      writeFileSync(broken, bytes)
      await expect(verifyBackup(broken)).rejects.toThrow(broken)
    }
    for (const length of [0, 700, 5000, whole.length - 1]) {
      writeFileSync(broken, whole.subarray(0, length))
      await expect(restoreBackup(target, broken, { log })).rejects.toThrow(
        `${broken}: archive: it ends too early`,
      )
    }
    expect(existsSync(target.data)).toBe(false)
  })

  /** A whole backup in all but what it says: members of our own, rightly summed. */
  async function forged(folder: string, members: Record<string, string>, form = 1): Promise<string> {
    const made = Object.entries(members).map(([name, text]) => ({
      name,
      content: Buffer.from(text),
      sha256: createHash('sha256').update(text).digest('hex'),
    }))
    const sums = made.map(({ name, content, sha256 }) => ({ name, size: content.length, sha256 }))
    const manifest = Buffer.from(JSON.stringify({ form, members: sums, counts: {}, key: {} }))
    const file = join(folder, 'forged.tar')
    writeFileSync(file, '')
    const archive = tarOf(
      [...made, { name: 'manifest.json', content: manifest }].map(({ name, content }) => ({
        name,
        content,
        size: content.length,
        mtime: 0,
      })),
    )
    for await (const piece of archive) writeFileSync(file, piece, { flag: 'a' })
    return file
  }

  for (const name of [
    'objects/../../escaped',
    '/objects/escaped',
    'main/../escaped',
    'elsewhere',
    'objects/ab',
  ])
    test(`[BK3] a member called ${name} is refused before anything is restored`, async () => {
      const folder = temporary()
      const target = configOf(join(folder, 'target'))
      const file = await forged(folder, { [name]: 'x' })
      await expect(restoreBackup(target, file, { log })).rejects.toThrow(
        'wanted the name of a backup’s member',
      )
      expect(readdirSync(folder)).toEqual(['forged.tar'])
    })

  test('[BK3] a backup of a later form is refused by its number', async () => {
    const folder = temporary()
    const file = await forged(folder, { 'about.json': '{}' }, 2)
    const target = configOf(join(folder, 'target'))
    await expect(restoreBackup(target, file, { log })).rejects.toThrow('wanted form 1, got 2')
    expect(existsSync(target.data)).toBe(false)
  })

  test('[BK7] a restore that fails midway takes back what it wrote', async () => {
    const folder = temporary()
    const good = 'x'.repeat(3000)
    const file = await forged(folder, {
      'main/records-000001.jsonl': '["dragons",null,{}]',
      [`objects/${createHash('sha256').update(good).digest('hex')}`]: good,
    })
    const target = configOf(join(folder, 'target'))
    await expect(restoreBackup(target, file, { log })).rejects.toThrow('got dragons')
    expect(filesIn(target.data)).toEqual([])
    await restoreBackup(target, (await backup()).file, { log })
    await openAt(target)
  })

  for (const place of [0, 700_001, 1_499_999])
    test(`[BK3] an object with another byte at ${place} is named, and nothing stays restored`, async () => {
      const { config, file, folder, homes } = await backup()
      await fill(homes, 'pear', randomBytes(2_000_000))
      await fill(homes, 'plum', randomBytes(1_500_000))
      const second = join(folder, 'second.tar')
      const { members } = await createBackup(config, second)
      const damaged = members.find(({ size }) => size === 1_500_000)?.name ?? ''
      const whole = readFileSync(second)
      const at = whole.indexOf(damaged) + 512 + place
      whole[at] = (whole[at] ?? 0) ^ 1
      writeFileSync(second, whole)
      await expect(verifyBackup(second)).rejects.toThrow(damaged)
      const target = configOf(join(folder, 'target'))
      await expect(restoreBackup(target, second, { log })).rejects.toThrow(
        `${second}: ${damaged}: wrong-hash: wanted ${damaged.slice(-64)}`,
      )
      expect(filesIn(target.data)).toEqual([])
      await restoreBackup(target, file, { log })
      expect((await contents((await openAt(target)).store, mainCollections)).records.length).toBeGreaterThan(
        5,
      )
    })

  if (postgres)
    test('[BK7] a restore into PostgreSQL that fails midway leaves what nobody opens', async () => {
      const folder = temporary()
      const file = await forged(folder, { 'main/records-000001.jsonl': '["dragons",null,{}]' })
      const target = await kinds.PostgreSQL()
      await expect(restoreBackup(target, file, { log })).rejects.toThrow('got dragons')
      await expect(openHomes(target, { log })).rejects.toThrow(`a restore from ${file} was not finished`)
      await expect(restoreBackup(target, file, { log })).rejects.toThrow('was not finished')
      // Not by way of other objects either.
      const elsewhere = configOf(temporary(), '--database', target.database ?? '')
      await expect(openHomes(elsewhere, { log })).rejects.toThrow(`a restore from ${file} was not finished`)
    })

  test('[BK7] SIGKILL during a restore leaves what nobody opens; the backup restores elsewhere', async () => {
    const { file, folder, homes } = await backup()
    const target = configOf(join(folder, 'target'))
    const here = (path: string) => new URL(path, import.meta.url).href
    // Asked for the time at every commit of records; dies there at the first.
    const script = `
      const { restoreBackup } = await import(${JSON.stringify(here('../src/backup/restore.ts'))})
      const { parseConfig } = await import(${JSON.stringify(here('../src/config.ts'))})
      const { createLog } = await import(${JSON.stringify(here('../src/log.ts'))})
      const config = parseConfig({ flags: ['--data', ${JSON.stringify(target.data)}], env: {} }).value
      const now = () => process.kill(process.pid, 'SIGKILL')
      await restoreBackup(config, ${JSON.stringify(file)}, { log: createLog({ logLevel: 'silent' }) }, { now })`
    const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', script])
    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')
    await expect(openHomes(target, { log })).rejects.toThrow(`a restore from ${file} was not finished`)
    await expect(createBackup(target, join(folder, 'half.tar'))).rejects.toThrow('was not finished')
    // Neither half is taken for whole beside another one.
    const otherObjects = configOf(target.data, '--objects', `file:${join(folder, 'other-objects')}`)
    await expect(openHomes(otherObjects, { log })).rejects.toThrow('was not finished')
    const otherDatabase = configOf(target.data, '--database', `sqlite:${join(folder, 'other.db')}`)
    await expect(openHomes(otherDatabase, { log })).rejects.toThrow('was not finished')
    const elsewhere = configOf(join(folder, 'elsewhere'))
    await restoreBackup(elsewhere, file, { log })
    const there = await contents((await openAt(elsewhere)).store, mainCollections)
    expect(there).toEqual(await contents(homes.store, mainCollections))
  })

  test('[BK4] a target that holds anything is left alone, and a file that is there is not replaced', async () => {
    const { config, file, homes } = await backup()
    await expect(createBackup(config, file)).rejects.toThrow('wanted a file that is not there yet')
    const before = await contents(homes.store, mainCollections)
    await homes.close()
    await expect(restoreBackup(config, file, { log })).rejects.toThrow(
      'wanted an empty store, got one that holds tenants',
    )
    expect(await contents((await openAt(config)).store, mainCollections)).toEqual(before)
  })

  test('[BK4] a damaged object ends the backup, which leaves nothing', async () => {
    const { config, folder, file } = await backup()
    const object = readdirSync(join(config.data, 'objects'), { recursive: true, encoding: 'utf8' }).find(
      (path) => /[0-9a-f]{64}$/.test(path),
    )
    const path = join(config.data, 'objects', object ?? '')
    const bytes = readFileSync(path)
    bytes[7] = (bytes[7] ?? 0) ^ 1
    writeFileSync(path, bytes)
    await expect(createBackup(config, join(folder, 'second.tar'))).rejects.toThrow('its file is damaged')
    rmSync(path)
    await expect(createBackup(config, join(folder, 'third.tar'))).rejects.toThrow('got none')
    expect(readdirSync(folder)).toEqual(['backup.tar'])
    await verifyBackup(file)
  })

  test('[BK4] what is in memory, or not there, cannot be backed up', async () => {
    const folder = temporary()
    const file = join(folder, 'backup.tar')
    await expect(createBackup(configOf(folder, '--database', 'memory:'), file)).rejects.toThrow('in memory')
    await expect(createBackup(configOf(join(folder, 'nothing')), file)).rejects.toThrow(
      'there is no such file',
    )
    await expect(verifyBackup(file)).rejects.toThrow('no such file')
    expect(readdirSync(folder).filter((name) => name.startsWith('backup'))).toEqual([])
  })

  test('[BK5] no key is inside; where it lay is told', async () => {
    const config = configOf(temporary())
    const { openMasterKey } = await import('../src/keys.ts')
    const at = join(config.data, 'keys', 'master.key')
    const key = openMasterKey(at, (count) => randomBytes(count))
    if (!key.ok) throw new Error(key.refusal.kind)
    const homes = await openAt(config)
    await fill(homes, 'olive', Buffer.from('x'))
    const file = join(temporary(), 'backup.tar')
    const { key: told } = await createBackup(config, file)
    expect(told).toEqual({ inside: false, at, mark: expect.stringMatching(/^[0-9a-f]{16}$/) })
    const whole = readFileSync(file)
    expect(whole.includes(Buffer.from(key.value))).toBe(false)
    expect(whole.includes(Buffer.from(key.value).toString('base64'))).toBe(false)
  })
})

test('[BK6] a dry run tells what gc then collects, and collects nothing', async () => {
  const config = configOf(temporary())
  const homes = await openAt(config)
  await fill(homes, 'olive', randomBytes(5000))
  await homes.close()
  const run = (dryRun: boolean, ahead: number) =>
    collectGarbage(config, { log }, { dryRun, clock: { now: () => Date.now() + ahead } })
  const day = 25 * 3600_000
  const nothing = { records: 0, bytes: 0, files: 0 }
  expect(await run(true, 0)).toEqual(nothing)
  expect(await run(true, day)).toEqual({ records: 1, bytes: 5000, files: 0 })
  const copy = configOf(temporary())
  cpSync(config.data, copy.data, { recursive: true })
  expect(await run(true, day)).toEqual({ records: 1, bytes: 5000, files: 0 })
  expect(await run(false, 0)).toEqual(nothing)
  expect(await run(false, day)).toMatchObject({ records: 1, bytes: 5000 })
  expect(await run(true, day)).toEqual(nothing)
})
