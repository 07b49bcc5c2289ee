/** Writes an object that is larger than the limit this process runs under; prints what came of it. */
import { createHash } from 'node:crypto'
import type { ObjectSha } from '@waymark/domain'
import { createObjectBytes } from '@waymark/store'

const [folder = ''] = process.argv.slice(2)
const bytes = Buffer.alloc(4_000_000, 7)
const sha = createHash('sha256').update(bytes).digest('hex') as ObjectSha
const objects = await createObjectBytes({ folder })

async function* source() {
  for (let from = 0; from < bytes.length; from += 65_536) yield bytes.subarray(from, from + 65_536)
}

console.log(JSON.stringify(await objects.write(sha, bytes.length, source())))
