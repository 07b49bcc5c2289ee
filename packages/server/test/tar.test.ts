import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type TarMember, tarLength, tarMembers, tarOf } from '../src/tar.ts'

const member = (name: string, text: string, mtime = 1_700_000_000): TarMember => ({
  name,
  size: Buffer.byteLength(text),
  mtime,
  content: Buffer.from(text),
})

async function written(members: readonly TarMember[]): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of tarOf(members)) pieces.push(Uint8Array.from(piece))
  return Buffer.concat(pieces)
}

async function read(archive: Uint8Array, pieceSize = 700) {
  async function* pieces() {
    for (let at = 0; at < archive.length; at += pieceSize) yield archive.subarray(at, at + pieceSize)
  }
  const found: [string, string][] = []
  for await (const { name, bytes } of tarMembers(pieces())) {
    let text = ''
    for await (const piece of bytes) text += Buffer.from(piece).toString('latin1')
    found.push([name, Buffer.from(text, 'latin1').toString()])
  }
  return found
}

const long = `${'folder/'.repeat(40)}file`
const members = [
  member('json', '{}'),
  member(`objects/${'a'.repeat(64)}`, 'x'.repeat(512)),
  member(`${'p'.repeat(120)}/${'n'.repeat(100)}`, 'by prefix'),
  member(long, 'by pax'),
  member('namen/für-alle.txt', 'not ASCII'),
  member('empty', ''),
]

test('[TA1] tar reads what is written, names beyond ustar’s among them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-tar-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const archive = await written(members)
  expect(archive.length).toBe(tarLength(members))
  expect(await written(members)).toEqual(archive)
  writeFileSync(join(folder, 'a.tar'), archive)
  execFileSync('tar', ['xf', 'a.tar'], { cwd: folder, env: { ...process.env, LC_ALL: 'C.UTF-8' } })
  for (const { name, content } of members)
    expect(readFileSync(join(folder, name))).toEqual(Buffer.from(content as Uint8Array))
})

test('[TA1] a size beyond eleven octal digits stands in a pax record', () => {
  const size = 9 * 2 ** 30
  expect(tarLength([{ name: 'big', size, mtime: 0, content: new Uint8Array() }])).toBe(size + 3 * 512 + 1024)
})

test('[TA2] what tar writes is read, in pieces of any size', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-tar-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'one'), 'first')
  writeFileSync(join(folder, 'n'.repeat(120)), 'second')
  const archive = execFileSync('tar', ['cf', '-', '--format=pax', 'one', 'n'.repeat(120)], { cwd: folder })
  for (const size of [1, 511, 512, 100_000])
    expect(await read(archive, size)).toEqual([
      ['one', 'first'],
      ['n'.repeat(120), 'second'],
    ])
})

test('[TA2] whatever members there are, they come back', async () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 300 })
    .filter((text) => !/[\0\n]/.test(text))
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(name, fc.string({ unit: 'grapheme', maxLength: 2000 })), { maxLength: 6 }),
      fc.integer({ min: 1, max: 2000 }),
      async (files, size) => {
        const archive = await written(files.map(([path, text]) => member(path, text)))
        expect(await read(archive, size)).toEqual(files)
      },
    ),
    { numRuns: 60 },
  )
})

describe('what is wrong', () => {
  for (const [size, said] of [
    [1, 'wanted 1 bytes, got 4 or more'],
    [9, 'wanted 9 bytes, got 4'],
  ] as const)
    test(`[TA3] a member of ${size} bytes that has four`, async () => {
      async function* four() {
        yield Buffer.from('four')
      }
      await expect(written([{ name: 'x', size, mtime: 0, content: four }])).rejects.toThrow(said)
    })

  test('[TA3] an archive that was cut is refused, wherever', async () => {
    const archive = await written(members.slice(0, 2))
    for (const at of [0, 100, 512, 600, 1023, archive.length - 600, archive.length - 1])
      await expect(read(archive.subarray(0, at))).rejects.toThrow('ends too early')
  })

  test('[TA3] a flipped bit in a header is refused', async () => {
    const archive = await written(members)
    archive[3] = (archive[3] ?? 0) ^ 1
    await expect(read(archive)).rejects.toThrow('checksum')
  })

  test('[TA3] links are no files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'waymark-tar-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    execFileSync('ln', ['-s', '/etc/passwd', join(folder, 'link')])
    const archive = execFileSync('tar', ['cf', '-', '--format=ustar', 'link'], { cwd: folder })
    await expect(read(archive)).rejects.toThrow('link: wanted a file, got type 2')
  })
})

test('[EX5] pieces are asked for as they are taken, however large the member', async () => {
  let asked = 0
  async function* endless() {
    for (;;) {
      asked += 1
      yield new Uint8Array(1024)
    }
  }
  const archive = tarOf([{ name: 'huge', size: 2 ** 40, mtime: 0, content: endless }])
  for (let taken = 0; taken < 4; taken++) await archive.next()
  expect(asked).toBe(3)
  await archive.return(undefined)
})
