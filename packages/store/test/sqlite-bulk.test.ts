import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { mainCollections, ok, TenantId, tenants } from '@waymark/domain'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../src/index.ts'

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-bulk-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Everything a file declares, in the order of names. */
function declared(file: string) {
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    return db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').all()
  } finally {
    db.close()
  }
}

async function put(file: string, bulk: boolean, nicks: readonly string[]): Promise<void> {
  const store = await openSqliteStore({ file, collections: mainCollections, bulk })
  try {
    const done = await store.transactHouse(async (house) => {
      for (const [at, nick] of nicks.entries()) {
        const id = TenantId.parse(String(at).padStart(24, '0'))
        if (id === undefined) throw new Error('an id is one')
        await house.put(tenants, { id, nick, createdAt: 1, modifiedAt: 1 } as never)
      }
      house.journal({ kind: 'tenant.created', at: 1 as never, by: { kind: 'system', id: 'test' }, data: {} })
      return ok(undefined)
    })
    expect(done.ok).toBe(true)
  } finally {
    await store.close()
  }
}

test('[SQ8] a file that was filled in bulk is declared like any other, and holds what was put into it', async () => {
  const folder = temporary()
  const [plain, bulk] = [join(folder, 'plain.db'), join(folder, 'bulk.db')]
  await put(plain, false, ['one', 'two'])
  await put(bulk, true, ['one', 'two'])
  expect(declared(bulk)).toEqual(declared(plain))
  expect(declared(bulk).filter(({ type }) => type === 'index').length).toBeGreaterThan(20)
  const store = await openSqliteStore({ file: bulk, collections: mainCollections })
  onTestFinished(() => store.close())
  expect((await store.readHouse().find(tenants, { where: { nick: 'two' } })).map(({ nick }) => nick)).toEqual(
    ['two'],
  )
  expect((await store.journal.read('house', { limit: 10 })).ok).toBe(true)
})

test('[SQ8] a file that held something already is filled with its indexes in place', async () => {
  const file = join(temporary(), 'store.db')
  await put(file, false, ['one'])
  const before = declared(file)
  await put(file, true, ['one', 'two'])
  expect(declared(file)).toEqual(before)
})

test('[SQ8] what a unique index forbids is told when the indexes are made', async () => {
  const file = join(temporary(), 'store.db')
  await expect(put(file, true, ['same', 'same'])).rejects.toThrow('UNIQUE')
})
