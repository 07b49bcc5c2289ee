import { describe, expect, test } from 'vitest'
import { writeDurably } from '../src/durable.ts'
import { createMemoryDisk, type Disk } from '../src/index.ts'
import { createRealDisk } from '../src/real/disk.ts'
import { temporaryFolder } from './support/rig.ts'
import { seededLuck } from './support/sim.ts'

async function write(disk: Disk, path: string, text: string, append = false): Promise<void> {
  const file = await disk.open(path, { append })
  await file.write(Buffer.from(text))
  await file.sync()
  await file.close()
}

async function readAll(disk: Disk, path: string, from?: number): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of disk.read(path, from)) parts.push(part)
  return Buffer.concat(parts).toString()
}

const homes: { name: string; open: () => Promise<{ disk: Disk } & AsyncDisposable> }[] = [
  {
    name: 'memory',
    open: async () => ({ disk: createMemoryDisk(), async [Symbol.asyncDispose]() {} }),
  },
  {
    name: 'real',
    async open() {
      const folder = await temporaryFolder()
      return { disk: createRealDisk(folder.path), [Symbol.asyncDispose]: folder[Symbol.asyncDispose] }
    },
  },
]

describe.each(homes)('[AG60] the disk port, $name', ({ open }) => {
  test('text is read back; an absent file is undefined; reading on from a byte works', async () => {
    await using home = await open()
    const { disk } = home
    expect(await disk.readText('a')).toBeUndefined()
    expect(await disk.stat('a')).toBeUndefined()
    await write(disk, 'a', 'hello ')
    await write(disk, 'a', 'world', true)
    expect(await disk.readText('a')).toBe('hello world')
    expect(await readAll(disk, 'a', 6)).toBe('world')
    expect(await disk.stat('a')).toEqual({ name: 'a', kind: 'file', size: 11 })
    await write(disk, 'a', 'new')
    expect(await disk.readText('a')).toBe('new')
    await expect(readAll(disk, 'none')).rejects.toThrow()
  })

  test('folders are made with those above, listed by name, and removed with what is in them', async () => {
    await using home = await open()
    const { disk } = home
    expect(await disk.list('x')).toEqual([])
    await disk.makeFolder('x/y/z')
    await disk.makeFolder('x/y')
    await write(disk, 'x/b', '22')
    await write(disk, 'x/a', '1')
    await disk.symlink('x/a', 'x/link')
    expect(await disk.list('x')).toEqual([
      { name: 'a', kind: 'file', size: 1 },
      { name: 'b', kind: 'file', size: 2 },
      { name: 'link', kind: 'link', size: 0 },
      { name: 'y', kind: 'folder', size: 0 },
    ])
    await disk.remove('x')
    await disk.remove('x')
    expect(await disk.stat('x')).toBeUndefined()
    await disk.syncFolder('.')
  })

  test('a rename replaces files and links in one step', async () => {
    await using home = await open()
    const { disk } = home
    await write(disk, 'old', 'old')
    await write(disk, 'new', 'new')
    await disk.rename('new', 'old')
    expect(await disk.readText('old')).toBe('new')
    expect(await disk.stat('new')).toBeUndefined()
    await disk.symlink('one', 'current')
    await disk.symlink('two', 'current.new')
    await disk.rename('current.new', 'current')
    expect(await disk.readLink('current')).toBe('two')
    expect(await disk.readLink('old')).toBeUndefined()
    await expect(disk.rename('none', 'other')).rejects.toThrow()
  })

  test('a link is a second name for the same bytes', async () => {
    await using home = await open()
    const { disk } = home
    await write(disk, 'a', 'bytes')
    expect(await disk.link('a', 'b')).toBe(true)
    await disk.remove('a')
    expect(await disk.readText('b')).toBe('bytes')
    await expect(disk.link('b', 'b')).rejects.toThrow()
  })

  test('no path leaves the folder', async () => {
    await using home = await open()
    const { disk } = home
    for (const path of ['../x', 'a/../../x', '/etc/x'])
      await expect(async () => write(disk, path, 'evil')).rejects.toThrow()
  })

  test('there is room, and it is told in bytes', async () => {
    await using home = await open()
    expect(await home.disk.freeBytes()).toBeGreaterThan(0)
  })
})

describe('[AG60] a power cut on the forgetful disk', () => {
  test('what was written durably survives every luck', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const disk = createMemoryDisk()
      await writeDurably(disk, 'a/b/c.json', 'first')
      await writeDurably(disk, 'a/b/c.json', 'second')
      disk.powerCut(seededLuck(seed))
      expect(await disk.readText('a/b/c.json'), `seed ${seed}`).toBe('second')
    }
  })

  test('what was not synced is lost, kept or torn, as luck has it', async () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 50; seed++) {
      const disk = createMemoryDisk()
      const file = await disk.open('a')
      await file.write(Buffer.from('text'))
      disk.powerCut(seededLuck(seed))
      const left = await disk.readText('a')
      seen.add(left === undefined ? 'lost' : left === '' ? 'empty' : left === 'text' ? 'kept' : 'torn')
      await expect(file.write(Buffer.from('more'))).rejects.toThrow('power')
    }
    for (const end of ['lost', 'empty', 'torn']) expect(seen).toContain(end)
  })

  test('a full disk says so, and room comes back when a file goes', async () => {
    const disk = createMemoryDisk({ capacityBytes: 10 })
    await write(disk, 'a', '12345678')
    await expect(write(disk, 'b', '123')).rejects.toThrow('ENOSPC')
    await disk.remove('a')
    await write(disk, 'b', '123')
    expect(await disk.freeBytes()).toBe(7)
  })
})
