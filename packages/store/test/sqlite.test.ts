import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '@waymark/store'
import { afterAll } from 'vitest'
import { collections } from './fixture.ts'
import { storeSuite } from './store-suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'waymark-store-'))
let files = 0
afterAll(() => rmSync(folder, { recursive: true, force: true }))

storeSuite({
  name: 'SQLite',
  open: () => openSqliteStore({ file: join(folder, `${++files}.db`), collections }),
})
