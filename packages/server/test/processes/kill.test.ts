import { join } from 'node:path'
import { postgresPackage, startPostgres } from '@waymark/store/testing'
import { expect, test } from 'vitest'
import { createClient } from './client.ts'
import { load, missing, openLedger, seeded } from './ledger.ts'
import { createYard, type Yard } from './server.ts'

const rounds = 12
const seed = Number(process.env.WAYMARK_TEST_SEED ?? Date.now() % 1_000_000)

/** Kills a server under load, round after round, and looks for everything it had acknowledged. */
async function killManyTimes(yard: Yard, flags: readonly string[]): Promise<void> {
  const data = join(yard.folder(), 'data')
  const random = seeded(seed)
  const start = () => yard.start(['--data', data, ...flags])

  let server = start()
  let client = createClient(await server.ready)
  const token = await client.login()
  const ledger = await openLedger(client, token, 4)
  for (let round = 1; round <= rounds; round++) {
    const objectsBefore = ledger.objects.length
    const loaded = load(client, token, ledger, random)
    // A load that fails says so before the kill, and at once.
    await Promise.race([after(50 + random(450)), loaded])
    expect(await server.kill(), 'it lived until then').toMatchObject({ signal: 'SIGKILL' })
    await loaded
    // Killed again while it starts, every third time.
    if (round % 3 === 0) {
      const early = start()
      await after(random(700))
      await early.kill()
    }
    server = start()
    client = createClient(await server.ready)
    const from = round === rounds ? 0 : objectsBefore
    const wrong = await missing(client, token, ledger, from)
    expect(wrong, `round ${round}; again with WAYMARK_TEST_SEED=${seed}`).toEqual([])
  }
  console.log(
    JSON.stringify({
      flags,
      count: ledger.count,
      objs: ledger.objects.length,
      reg: ledger.registered.length,
      revs: ledger.driven.map((d) => d.rev),
      lines: ledger.driven.map((d) => d.lines.length),
    }),
  )
  expect(ledger.count, 'the load was one').toBeGreaterThan(rounds * 20)
  expect(await server.stop()).toMatchObject({ code: 0 })
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

test.concurrent('[PR1] what was acknowledged before a SIGKILL is found after the next start: SQLite', {
  timeout: 120_000,
}, async ({ onTestFinished }) => {
  const yard = createYard()
  onTestFinished(() => yard.clear())
  await killManyTimes(yard, [])
})

test.concurrent('[PR1] what was acknowledged before a SIGKILL is found after the next start: PostgreSQL', {
  timeout: 120_000,
}, async ({ onTestFinished }) => {
  const yard = createYard()
  onTestFinished(() => yard.clear())
  const postgres = await startPostgres()
  if (postgres === undefined) throw new Error(`${postgresPackage} is not installed`)
  onTestFinished(() => postgres.stop())
  await killManyTimes(yard, ['--database', postgres.url])
})
