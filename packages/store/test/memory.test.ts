import { createMemoryStore } from '@waymark/store'
import { collections } from './fixture.ts'
import { storeSuite } from './store-suite.ts'

storeSuite({ name: 'memory', open: async () => createMemoryStore({ collections }) })
