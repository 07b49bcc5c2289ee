/** Whatever a source answers: records are read or refused in words, and what is read is safe to keep. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { folderAt } from '../src/move/folder.ts'
import { deviceOf, isSha, objectOf, objectsIn, stepOf } from '../src/move/records.ts'
import { countsSaid, tallyLine } from '../src/move/tally.ts'

const sha = 'a'.repeat(64)
const id = 'b'.repeat(24)
/** Records whose members are mostly called as they should be, and are anything. */
const like = (...names: string[]) =>
  fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...names, '__proto__'), fc.jsonValue()))

describe('[CL49] any JSON at all', () => {
  test('is a device with a good id, or is not', () => {
    const names = ['id', 'nick', 'secret', 'public', 'user-meta', 'device-meta', 'garbage', 'time-created']
    fc.assert(
      fc.property(like(...names), fc.boolean(), (row, named) => {
        const given = named && typeof row === 'object' && row !== null ? { ...row, id, nick: 'x' } : row
        const device = deviceOf(given)
        if (device === undefined || typeof device === 'string') return
        expect(device.id).toMatch(/^[0-9a-f]{24}$/)
        expect(new Date(device.createdAt).toISOString()).toBe(device.createdAt)
      }),
    )
  })

  test('is the step that was asked for, or is not', () => {
    const names = [
      'rev',
      'state',
      'progress',
      'progress-time',
      'step-time',
      'commit-msg',
      'meta',
      'state-sha',
    ]
    fc.assert(
      fc.property(like(...names), fc.nat(), fc.boolean(), (row, rev, named) => {
        const given = named && typeof row === 'object' && row !== null ? { ...row, rev, state: {} } : row
        const step = stepOf(given, rev)
        if (typeof step === 'string') return
        expect(step.rev).toBe(rev)
        expect(step.report === undefined).toBe(step.status === 'NEW')
        const objects = objectsIn(step.state)
        if (typeof objects !== 'string')
          for (const named of [...objects.needed, ...objects.perhaps]) expect(isSha(named)).toBe(true)
      }),
    )
  })

  test('is the object that was asked for, with a size, or is not', () => {
    fc.assert(
      fc.property(
        like('sha256sum', 'size', 'sizeint', 'signed-geturl', 'objectname'),
        fc.boolean(),
        (row, named) => {
          const given = named && typeof row === 'object' && row !== null ? { ...row, sha256sum: sha } : row
          const object = objectOf(given, sha)
          if (typeof object === 'string') return
          expect(object.sha256).toBe(sha)
          expect(Number.isSafeInteger(object.size) && object.size >= 0).toBe(true)
        },
      ),
    )
  })
})

const times = [
  { raw: '2019-05-06T07:08:09.123456789Z', is: '2019-05-06T07:08:09.123Z' },
  { raw: '2019-05-06T09:08:09+02:00', is: '2019-05-06T07:08:09.000Z' },
  { raw: '0001-01-01T00:00:00Z', is: '1970-01-01T00:00:00.000Z' },
  { raw: '1970-01-01T00:00:00Z', is: '1970-01-01T00:00:00.000Z' },
  { raw: 'yesterday', is: '1970-01-01T00:00:00.000Z' },
  { raw: 7, is: '1970-01-01T00:00:00.000Z' },
]
for (const { raw, is } of times)
  test(`[CL45] a device of ${raw} is from ${is}`, () => {
    expect(deviceOf({ id, nick: 'x', 'time-created': raw })).toMatchObject({ createdAt: is })
  })

test('[CL45] what is kept in a folder comes back as it was', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.string({ unit: 'grapheme' }),
      async (meta, commitMsg) => {
        const path = mkdtempSync(join(tmpdir(), 'waymark-cli-'))
        try {
          const folder = folderAt(join(path, 'moved'))
          await folder.begin()
          const plain = JSON.parse(JSON.stringify(meta)) as Record<string, unknown>
          const device = {
            id,
            nick: commitMsg,
            secret: commitMsg,
            public: true,
            userMeta: plain,
            deviceMeta: {},
            createdAt: '2019-05-06T07:08:09.123Z',
          }
          const step = {
            rev: 3,
            commitMsg,
            committer: '',
            status: 'DONE',
            report: plain,
            createdAt: '2019-05-06T07:08:09.123Z',
            meta: plain,
            stateSha: sha,
            state: plain,
            objects: [{ sha256: sha, size: 1, name: commitMsg, mimeType: '' }],
          }
          await folder.keepDevice(device)
          await folder.keepStep(id, step)
          expect(await folder.device(id)).toEqual(device)
          expect(await folder.step(id, 3)).toEqual(step)
          expect(readdirSync(join(path, 'moved')).sort()).toEqual([
            'README.txt',
            'devices',
            'objects',
            'state.json',
            'steps',
          ])
        } finally {
          rmSync(path, { recursive: true })
        }
      },
    ),
    { numRuns: 25 },
  )
})

test('[CL15] how far it is, in words', () => {
  const counts = { devices: 2, steps: 40, objects: 1, bytes: 1_200_000 }
  expect(tallyLine('importing', counts, 12)).toBe('importing  device 3 of 12  40 steps  1 object  1.20 MB')
  expect(tallyLine('importing', { ...counts, devices: 12 }, 12)).toContain('device 12 of 12')
  expect(countsSaid(counts)).toBe('2 devices, 40 steps, 1 object (1.20 MB)')
})
