import { playProfile } from './seeds.ts'

for (const profile of ['flaky', 'sleeper', 'brick', 'boot-loop'] as const) playProfile(profile, 1, 8)
