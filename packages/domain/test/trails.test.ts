import { describe, expect, test } from 'vitest'
import {
  type JournalRow,
  markStored,
  ObjectSha,
  objectUses,
  postStep,
  Revision,
  registerObject,
  reportStep,
  stepOf,
  steps,
} from '../src/index.ts'
import { makeDevice, plainState, play, reading, type Stage, stage } from './play.ts'

async function walk(script: string): Promise<void> {
  const on = await stage()
  const device = await makeDevice(on, 'walker')
  await play(on, device.id, script)
}

describe('trails', () => {
  test('[TR1] the first announce makes step 0, done; a second is refused while the trail is open', () =>
    walk(`
      device announces
      rev 0 is done DONE claimed
      device announces → trail-exists
    `))

  test('[TR1] nothing is posted before the device has announced', () => walk('owner posts → no-trail'))

  const revisions = [
    { posts: 'rev 1', answers: 'ok' },
    { posts: 'rev 2', answers: 'wrong-revision' },
    { posts: 'rev 0', answers: 'wrong-revision' },
    { posts: 'whatever is next', answers: 'ok' },
  ]
  for (const { posts, answers } of revisions)
    test(`[TR2] behind step 0, posting ${posts} is answered ${answers}`, () =>
      walk(`
        device announces
        owner posts ${posts.startsWith('rev') ? posts : ''}${answers === 'ok' ? '' : ` → ${answers}`}
      `))

  test('[TR3] a step that names bytes nobody stored is refused whole, and posted once they are there', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'walker')
    await play(on, device.id, 'device announces')
    const sha = 'a'.repeat(64)
    const post = () =>
      on.store.transact(on.owner, (tx) =>
        postStep(tx, on.env, {
          device: device.id,
          rev: 'append',
          state: plainState('one', [{ path: 'app/root', sha }]),
          commitMsg: '',
          committer: '',
          meta: {},
          by: on.by,
        }),
      )
    expect(await post()).toMatchObject({
      ok: false,
      refusal: { kind: 'object-missing', path: 'app/root', sha },
    })
    expect(await on.store.read(on.owner).find(steps, {})).toHaveLength(1)
    await storeObject(on, sha, 5)
    expect(await post()).toMatchObject({ ok: true })
    expect(await on.store.read(on.owner).find(objectUses, {})).toHaveLength(1)
  })

  test('[TR4] unknown and backward words change the report alone', () =>
    walk(`
      device announces
      owner posts
      device reports rev 1 SYNCING
      rev 1 is queued SYNCING
      device reports rev 1 INPROGRESS
      rev 1 is in-progress INPROGRESS
      device reports rev 1 QUEUED
      rev 1 is in-progress QUEUED
    `))

  test('[TR4] the report is kept verbatim', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'walker')
    await play(on, device.id, 'device announces\nowner posts')
    const report = { retries: 3, logs: [{ a: null }], 'odd.key': 'x', status: 'QUEUED' }
    const rev = Revision.next(Revision.first)
    await on.store.transact(on.owner, (tx) =>
      reportStep(tx, on.env, {
        device: device.id,
        rev,
        report,
        reading: reading('QUEUED', 5),
        by: { kind: 'device', id: device.id },
      }),
    )
    const step = await stepOf(on.store.read(on.owner), device.id, rev)
    expect(step.ok && step.value.report).toEqual(report)
  })

  test('[TR5] the first final word fixes the outcome; a different later one is journaled as a contradiction', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'walker')
    await play(
      on,
      device.id,
      `
        device announces
        owner posts
        device reports rev 1 ERROR bad checksum
        rev 1 is failed ERROR
        device reports rev 1 ERROR bad checksum
        device reports rev 1 DONE
        rev 1 is failed DONE
      `,
    )
    const said = await journalOf(on)
    expect(said.filter((entry) => entry.kind === 'step.contradicted').map((entry) => entry.data)).toEqual([
      { rev: 1, stands: 'failed', says: 'done', status: 'DONE' },
    ])
    expect(
      said.filter((entry) => entry.kind === 'transaction.ended' && entry.data.state === 'failed'),
    ).toHaveLength(1)
  })

  test('[TR6] a step can be cancelled, or its state replaced, only while it waits', () =>
    walk(`
      device announces
      owner posts
      owner replaces rev 1
      device reports rev 1 QUEUED
      owner cancels rev 1 → step-not-waiting
      owner replaces rev 1 → step-not-waiting
      owner posts rev 2
      owner cancels rev 2
      rev 2 is cancelled CANCEL
      owner cancels rev 2 → step-not-waiting
    `))

  test('[TR7] done is claimed until the device is seen to run it', () =>
    walk(`
      device announces
      owner posts
      device reports rev 1 INPROGRESS
      device runs rev 1
      device reports rev 1 DONE
      rev 1 is done DONE claimed
      device runs rev 1
      rev 1 is done DONE seen
    `))

  const evidence = { 'state-sha': 'rev 1', 'start-id': 'a/1', revision: 1, health: ['files in place'] }
  const shown = [
    { data: evidence, proof: 'verified', why: 'all of it' },
    {
      data: { ...evidence, health: [{ name: 'web', ok: true }] },
      proof: 'verified',
      why: 'probes that say ok',
    },
    { data: undefined, proof: 'claimed', why: 'nothing' },
    { data: 'verified', proof: 'claimed', why: 'a word' },
    { data: { ...evidence, 'state-sha': 'rev 0' }, proof: 'claimed', why: 'another state' },
    { data: { ...evidence, revision: 0 }, proof: 'claimed', why: 'another revision' },
    { data: { ...evidence, 'start-id': '' }, proof: 'claimed', why: 'no start' },
    { data: { ...evidence, health: [] }, proof: 'claimed', why: 'no probe' },
    { data: { ...evidence, health: ['a', { ok: false }] }, proof: 'claimed', why: 'a probe that failed' },
    { data: { ...evidence, 'start-id': 'a/0' }, proof: 'claimed', why: 'the start of an earlier step' },
  ]
  for (const { data, proof, why } of shown)
    test(`[TR7] a report that shows ${why} is done as ${proof}`, async () => {
      const on = await stage()
      const device = await makeDevice(on, 'walker')
      await play(on, device.id, 'device announces')
      const by = { kind: 'device', id: device.id } as const
      const report = (rev: number, said: unknown, word: string) =>
        on.store.transact(on.owner, (tx) =>
          reportStep(tx, on.env, {
            device: device.id,
            rev: Revision.parse(rev) ?? Revision.first,
            report: { status: word, ...(said === undefined ? {} : { data: said as string }) },
            reading: reading(word, 100),
            by,
          }),
        )
      await report(0, { 'start-id': 'a/0' }, 'DONE')
      await play(on, device.id, 'owner posts rev 1')
      await report(1, data, 'DONE')
      await play(on, device.id, `rev 1 is done DONE ${proof}`)
      if (proof === 'verified') await play(on, device.id, `device runs rev 1\nrev 1 is done DONE verified`)
    })

  test('[TR8] after a reset open steps are cancelled and the next announce begins a new generation', async () => {
    const on = await stage()
    const device = await makeDevice(on, 'walker')
    await play(
      on,
      device.id,
      `
        device announces
        owner posts
        owner posts
        owner resets
        owner posts → no-trail
        device announces
        rev 0 is done DONE claimed
        device announces → trail-exists
        owner posts rev 1
      `,
    )
    const all = await on.store.read(on.owner).find(steps, {})
    expect(all.map((step) => [step.generation, step.rev, step.status])).toEqual([
      [0, 0, 'DONE'],
      [0, 1, 'CANCEL'],
      [0, 2, 'CANCEL'],
      [1, 0, 'DONE'],
      [1, 1, 'NEW'],
    ])
  })
})

async function journalOf(on: Stage): Promise<JournalRow[]> {
  const read = await on.store.journal.read(on.owner, { limit: 1000 })
  if (!read.ok) throw new Error(read.refusal.kind)
  return read.value.entries
}

async function storeObject(on: Stage, text: string, size: number): Promise<void> {
  const sha = ObjectSha.parse(text)
  if (!sha) throw new Error('not a sha')
  await on.store.transact(on.owner, (tx) =>
    registerObject(tx, on.env, { sha, size, name: 'x', mimeType: '', quotaBytes: 1000, by: on.by }),
  )
  await on.store.transactHouse((house) =>
    markStored(house, on.env, { tenant: on.owner, sha, size, by: on.by }),
  )
}
