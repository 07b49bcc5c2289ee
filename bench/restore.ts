/** Restoring a backup against copying the same folder: the verified way back, beside the one that trusts the disk. */
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAccount, Instant, ObjectSha, registerObject } from '@waymark/domain'
import { createBackup } from '../packages/server/src/backup/create.ts'
import { restoreBackup } from '../packages/server/src/backup/restore.ts'
import { openHomes } from '../packages/server/src/compose.ts'
import { type Config, parseConfig } from '../packages/server/src/config.ts'
import { createLog } from '../packages/server/src/log.ts'
import { createObjectRoom } from '../packages/server/src/object-room.ts'
import { type Figure, paired } from './figure.ts'
import { seed } from './seed.ts'

const MiB = 2 ** 20
const rounds = 5
const objectBytes = 4 * MiB
/** A device that walks has about so many rows. */
const rowsPerDevice = 8

export interface Filling {
  readonly objectMiB: number
  readonly rows: number
}

const small: readonly Filling[] = [
  { objectMiB: 512, rows: 0 },
  { objectMiB: 512, rows: 20_000 },
]
const full: readonly Filling[] = [{ objectMiB: 10 * 1024, rows: 1_000_000 }]

const log = createLog({ logLevel: 'silent' })

/** A figure for each filling: `small`, or the whole of what is asked for when the command line says `--full`. */
export async function restoreFigures(
  fillings: readonly Filling[] = process.argv.includes('--full') ? full : small,
): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const filling of fillings) figures.push(...(await restoreFigure(filling)))
  return figures
}

async function restoreFigure(filling: Filling): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
  try {
    const source = join(folder, 'source')
    const file = join(folder, 'backup.tar')
    await fill(configOf(source), filling)
    const { counts } = await createBackup(configOf(source), file)
    const target = join(folder, 'target')
    const timed = async (act: () => Promise<void>) => {
      rmSync(target, { recursive: true, force: true })
      must('sync', ['-f', folder])
      const started = performance.now()
      await act()
      return 1000 / (performance.now() - started)
    }
    const restore = () =>
      timed(async () => {
        await restoreBackup(configOf(target), file, { log })
      })
    const copy = () =>
      timed(async () => {
        must('cp', ['-r', source, target])
        must('sync', ['-f', target])
      })
    await restore()
    await copy()
    const copyAndCheck = () =>
      timed(async () => {
        must('cp', ['-r', source, target])
        must('sync', ['-f', target])
        must('sh', ['-c', 'find "$0" -type f -print0 | xargs -0 -n 8 -P 2 sha256sum > /dev/null', target])
      })
    const size = `${filling.objectMiB} MiB of objects, ${counts.records + counts.entries} rows, page cache warm`
    const plain = await paired(rounds, restore, copy)
    const checked = await paired(rounds, restore, copyAndCheck)
    return [
      {
        name: 'restore of a backup / cp -r and sync of the same folder',
        ratio: plain.ratio,
        goal: { atLeast: 0.7 },
        detail: `${(1 / plain.ours).toFixed(2)} against ${(1 / plain.theirs).toFixed(2)} s, ${size}`,
      },
      {
        name: 'restore of a backup / the same with sha256sum of every file, two at a time',
        ratio: checked.ratio,
        detail: `${(1 / checked.ours).toFixed(2)} against ${(1 / checked.theirs).toFixed(2)} s, ${size}`,
      },
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function configOf(data: string): Config {
  const parsed = parseConfig({ flags: ['--data', data], env: {} })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  return parsed.value
}

/** A data folder with objects and devices in it. */
export async function fill(config: Config, { objectMiB, rows }: Filling): Promise<void> {
  mkdirSync(config.data, { recursive: true })
  const homes = await openHomes(config, { log })
  try {
    const env = () => ({ now: Instant.of(Date.now()), random: (count: number) => randomBytes(count) })
    const made = await homes.store.transactHouse((house) =>
      createAccount(house, env(), { nick: 'admin', passwordHash: 'hash', verified: true }),
    )
    if (!made.ok) throw new Error(made.refusal.kind)
    const tenant = made.value.tenant.id
    const by = { kind: 'user', id: made.value.principal.id } as const
    const room = createObjectRoom({ ...homes, env })
    for (let at = 0; at < (objectMiB * MiB) / objectBytes; at++) {
      const bytes = randomBytes(objectBytes)
      const sha = ObjectSha.parse(createHash('sha256').update(bytes).digest('hex'))
      if (sha === undefined) throw new Error('a hash was made')
      const about = { sha, size: objectBytes, name: `${at}.img`, mimeType: '', by, quotaBytes: 2 ** 50 }
      const registered = await homes.store.transact(tenant, (tx) => registerObject(tx, env(), about))
      if (!registered.ok) throw new Error(registered.refusal.kind)
      const source = (async function* () {
        yield bytes
      })()
      const stored = await room.receive({ tenant, sha, size: objectBytes, source, by })
      if (!stored.ok) throw new Error(stored.refusal.kind)
    }
    await seed(homes.store, tenant, Math.ceil(rows / rowsPerDevice), true)
  } finally {
    await Promise.all([homes.store.close(), homes.telemetry.close()])
  }
}

function must(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr.toString().slice(0, 500)}`)
}
