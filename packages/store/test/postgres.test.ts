import { openPostgresStore } from '@waymark/store'
import { postgresPackage, startPostgres, type TestPostgres } from '@waymark/store/testing'
import { afterAll, describe } from 'vitest'
import { collections } from './fixture.ts'
import { storeSuite } from './store-suite.ts'

const postgres: TestPostgres | undefined = await startPostgres()
let schemas = 0
afterAll(() => postgres?.stop())

describe.skipIf(postgres === undefined)(`with ${postgresPackage} (skipped where it is not installed)`, () => {
  storeSuite({
    name: 'PostgreSQL',
    open: () => openPostgresStore({ url: postgres?.url ?? '', schema: `suite_${++schemas}`, collections }),
  })
})
