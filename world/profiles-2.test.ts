import { playProfile } from './seeds.ts'

for (const profile of ['liar', 'off-clock', 'full-disk', 'cut-writes'] as const) playProfile(profile, 1, 8)
