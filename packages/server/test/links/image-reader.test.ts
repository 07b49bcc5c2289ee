/** Parts of images, read once for many devices. Rules: RULES.md of the Exosense door, TF5 and TF6. */
import { createHash } from 'node:crypto'
import { createMemoryObjectBytes } from '@waymark/store'
import { expect, test } from 'vitest'
import { createImageReader } from '../../src/links/image-reader.ts'

const image = Buffer.from(Array.from({ length: 1000 }, (_, at) => at % 251))
const sha = createHash('sha256').update(image).digest('hex')

/** Bytes that tell how often they were opened. */
async function home() {
  const bytes = createMemoryObjectBytes()
  const kept = await bytes.write(
    sha,
    image.length,
    (async function* () {
      yield image
    })(),
  )
  expect(kept.ok).toBe(true)
  const counted = { opened: 0 }
  return {
    counted,
    bytes: {
      open: (...asked: Parameters<typeof bytes.open>) => {
        counted.opened += 1
        return bytes.open(...asked)
      },
    },
  }
}

test('[TF5] a part that many ask for, at once or later, is read once, and is right', async () => {
  const { bytes, counted } = await home()
  const reader = createImageReader(bytes)
  const all = await Promise.all(Array.from({ length: 50 }, () => reader.read(sha, 100, 300)))
  for (const part of [...all, await reader.read(sha, 100, 300)])
    expect(Buffer.from(part)).toEqual(image.subarray(100, 400))
  expect(counted.opened).toBe(1)
  expect(Buffer.from(await reader.read(sha, 900, 300))).toEqual(image.subarray(900))
})

test('[TF5] what is kept is bounded, and the part that was asked for the longest ago goes first', async () => {
  const { bytes, counted } = await home()
  const reader = createImageReader(bytes, 300)
  for (const at of [0, 100, 200]) await reader.read(sha, at, 100)
  await reader.read(sha, 0, 100)
  expect(counted.opened).toBe(3)
  await reader.read(sha, 300, 100)
  await reader.read(sha, 0, 100)
  expect(counted.opened).toBe(4)
  await reader.read(sha, 100, 100)
  expect(counted.opened).toBe(5)
  // Larger than all that may be kept: read, and not kept.
  for (let times = 0; times < 2; times++) expect((await reader.read(sha, 0, 1000)).length).toBe(image.length)
  expect(counted.opened).toBe(7)
})

test('[TF6] what could not be read is tried again for the next who asks', async () => {
  const { bytes } = await home()
  let fails = true
  const reader = createImageReader({
    open: (...asked) => (fails ? Promise.reject(new Error('the disk says no')) : bytes.open(...asked)),
  })
  await expect(reader.read(sha, 0, 10)).rejects.toThrow('the disk says no')
  fails = false
  expect(Buffer.from(await reader.read(sha, 0, 10))).toEqual(image.subarray(0, 10))
  await expect(reader.read('0'.repeat(64), 0, 10)).rejects.toThrow('is not there')
})
