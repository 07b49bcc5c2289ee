import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createKeys, describeKeyFileRefusal, openMasterKey, sameSecret } from '../src/keys.ts'
import { temporaryFolder } from './support.ts'

const keyPath = () => join(temporaryFolder(), 'keys', 'master.key')
const keys = createKeys(new Uint8Array(32).fill(7), randomBytes)

test('[KY1] the first start makes the key, the second finds it', () => {
  const path = keyPath()
  const made = openMasterKey(path, randomBytes)
  expect(made).toMatchObject({ ok: true })
  expect(openMasterKey(path, randomBytes)).toEqual(made)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
  expect(readFileSync(path, 'utf8')).toMatch(/^[A-Za-z0-9+/]{43}=\n$/)
  expect(readdirSync(dirname(path))).toEqual(['master.key'])
})

test('[KY1] a process that comes second while the key is being made takes the first one’s', () => {
  const path = keyPath()
  let inner: unknown
  // The random source stands for the other process: it makes its key while ours is being written.
  const first = openMasterKey(path, (count) => {
    if (count === 32 && inner === undefined) inner = openMasterKey(path, randomBytes)
    return randomBytes(count)
  })
  expect(inner).toMatchObject({ ok: true })
  expect(first).toEqual(inner)
  expect(readdirSync(dirname(path))).toEqual(['master.key'])
})

for (const mode of [0o644, 0o640, 0o604, 0o660])
  test(`[KY2] a key file of mode ${mode.toString(8)} is refused`, () => {
    const path = keyPath()
    openMasterKey(path, randomBytes)
    chmodSync(path, mode)
    const found = openMasterKey(path, randomBytes)
    expect(found).toMatchObject({ ok: false, refusal: { kind: 'key-file-open', thing: path } })
    if (!found.ok)
      expect(describeKeyFileRefusal(found.refusal)).toBe(
        `master key ${path}: wanted mode 600, for its owner alone (chmod 600), got mode ${mode.toString(8)}`,
      )
  })

const malformed = ['', 'short', `${'A'.repeat(44)}\n`, Buffer.alloc(31).toString('base64'), '\0'.repeat(44)]
for (const content of malformed)
  test(`[KY2] ${JSON.stringify(content.slice(0, 12))} is no key, and is left as it is`, () => {
    const path = keyPath()
    mkdirSync(dirname(path))
    writeFileSync(path, content, { mode: 0o600 })
    expect(openMasterKey(path, randomBytes)).toMatchObject({
      ok: false,
      refusal: { kind: 'key-file-malformed' },
    })
    expect(readFileSync(path, 'utf8')).toBe(content)
  })

test('[KY2] a path that cannot be is refused', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'file'), '')
  const path = join(folder, 'file', 'master.key')
  expect(openMasterKey(path, randomBytes)).toMatchObject({
    ok: false,
    refusal: { kind: 'key-file-unreadable' },
  })
})

test('[KY3] purposes and epochs have keys of their own; the same master gives the same', () => {
  const again = createKeys(new Uint8Array(32).fill(7), randomBytes)
  const other = createKeys(new Uint8Array(32).fill(8), randomBytes)
  expect(again.tokenKey(1)).toEqual(keys.tokenKey(1))
  const all = [keys.objectUrls, keys.tokenKey(1).secret, keys.tokenKey(2).secret, other.tokenKey(1).secret]
  expect(new Set(all.map((key) => Buffer.from(key).toString('hex'))).size).toBe(4)
  expect(new Set([keys.tokenKey(1).kid, keys.tokenKey(2).kid, other.tokenKey(1).kid]).size).toBe(3)
  expect(again.lookup('join-token', 'x')).toBe(keys.lookup('join-token', 'x'))
  expect(keys.lookup('join-token', 'x')).not.toBe(keys.lookup('session', 'x'))
  expect(keys.lookup('join-token', 'x')).not.toBe(other.lookup('join-token', 'x'))
})

test('[KY4] what was sealed opens for its place, and twice sealed looks different', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (plain, place) => {
      const sealed = keys.seal(plain, place)
      expect(keys.unseal(sealed, place)).toEqual({ ok: true, value: plain })
      expect(keys.seal(plain, place)).not.toBe(sealed)
    }),
  )
})

test('[KY4] another place or another key does not open it', () => {
  const sealed = keys.seal('secret', 'device/1')
  expect(keys.unseal(sealed, 'device/2')).toMatchObject({ ok: false, refusal: { kind: 'does-not-open' } })
  const other = createKeys(new Uint8Array(32).fill(8), randomBytes)
  expect(other.unseal(sealed, 'device/1')).toMatchObject({ ok: false, refusal: { kind: 'does-not-open' } })
})

test('[KY4] any changed bit keeps it shut', () => {
  const bytes = Buffer.from(keys.seal('secret', 'x').slice(3), 'base64url')
  fc.assert(
    fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
      const changed = Buffer.from(bytes)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(keys.unseal(`w1.${changed.toString('base64url')}`, 'x')).toMatchObject({ ok: false })
    }),
  )
})

test('[KY4] no text makes opening throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String().map((text) => `w1.${text}`),
      ),
      (text) => {
        expect(keys.unseal(text, 'x').ok).toBe(false)
      },
    ),
  )
  expect(keys.unseal('plain', 'x')).toMatchObject({ ok: false, refusal: { kind: 'not-sealed' } })
})

test('[KY5] equal secrets are the same, others are not, whatever their lengths', () => {
  expect(sameSecret('abc', 'abc')).toBe(true)
  expect(sameSecret('abc', 'abd')).toBe(false)
  expect(sameSecret('', 'abc')).toBe(false)
})
