/** Kills a writing process at a random moment and tells what it had been promised. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Store } from '@waymark/domain'
import { expect } from 'vitest'
import { ann, follow, things } from './fixture.ts'

const script = fileURLToPath(new URL('./children/writer.ts', import.meta.url))

/** Runs the writer, kills it (SIGKILL) after so many acknowledged rows and a moment; answers the acknowledged rows. */
export function killWriter(args: readonly string[], after: { rows: number; ms: number }): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=source', script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let told = ''
    let said = ''
    let armed = false
    child.stderr.on('data', (bytes: Buffer) => {
      said += bytes.toString()
    })
    child.stdout.on('data', (bytes: Buffer) => {
      told += bytes.toString()
      if (armed || told.length < after.rows * 2) return
      armed = true
      setTimeout(() => child.kill('SIGKILL'), after.ms)
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL') return reject(new Error(`the writer ended by itself (${code}): ${said}`))
      const lines = told.slice(0, told.lastIndexOf('\n')).split('\n')
      resolve(lines.filter((line) => line !== '').map(Number))
    })
  })
}

/** Every acknowledged row is there, whole, with its journal entry; and nothing is there by halves. */
export async function expectAllKept(
  store: Store,
  run: string,
  acknowledged: readonly number[],
): Promise<void> {
  const rows = await store.read(ann).find(things, { where: { id: { prefix: `${run}-` } }, limit: 100_000 })
  const kept = new Map(rows.map((row) => [row.size, row]))
  for (const no of acknowledged) expect(kept.get(no)?.state).toBe('x'.repeat(no % 3000))
  const entries = (await follow(store, ann, undefined, 5000)).filter(({ data }) => data.run === run)
  expect(entries.map(({ data }) => Number(data.no)).sort((a, b) => a - b)).toEqual(
    [...kept.keys()].map(Number).sort((a, b) => a - b),
  )
  expect((await store.read(ann).get(things, { id: `total-${run}` }))?.size ?? 0).toBe(rows.length)
}
