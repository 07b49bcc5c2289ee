import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { admin, type Person, person, startServer, type TestServer, temporaryFolder } from './fleet-support.ts'

const bytes = Buffer.from(new Uint8Array(3_000_000).map((_, i) => (i * 31) % 251))
const sha256 = createHash('sha256').update(bytes).digest('hex')

let server: TestServer
let me: Person
let folder: string
let file: string
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  me = await admin(server)
  folder = temporaryFolder()
  file = join(folder, 'image.bin')
  writeFileSync(file, bytes)
})
afterAll(() => server.stop())

describe('up', () => {
  test('[CL29] files are stored under their sha256, which is printed', async () => {
    const small = join(folder, 'empty')
    writeFileSync(small, '')
    expect(await me.run('object', 'put', file, small)).toMatchObject({
      code: 0,
      err: [],
      out: [`${sha256}  ${file}`, `${createHash('sha256').digest('hex')}  ${small}`],
    })
    expect((await me.run('object', 'put', file, '--json')).json()).toMatchObject({
      file,
      sha256,
      size: bytes.length,
      name: 'image.bin',
      stored: true,
    })
  })

  for (const [what, path] of [
    ['a folder', '.'],
    ['nothing', 'nowhere'],
  ] as const)
    test(`[CL10] ${what} is no file`, async () => {
      const ran = await me.run('object', 'put', join(folder, path))
      expect(ran.code).toBe(1)
      expect(ran.err[0]).toMatch(/: wanted a file, got (something else|nothing)$/)
    })

  test('[CL10] an object that is refused while it is on its way is told as the refusal', async () => {
    const small = await startServer('--object-limit', '1MiB')
    onTestFinished(() => small.stop())
    const someone = await admin(small)
    writeFileSync(file, Buffer.alloc(30_000_000, 'x'))
    expect(await someone.run('object', 'put', file)).toMatchObject({
      code: 1,
      out: [],
      err: ['waymark: object: at most 1048576, got 30000000'],
    })
  })

  test('[CL15] progress is drawn on a terminal and gone afterwards', async () => {
    const viewer = await admin(server, { columns: 90 })
    const other = join(folder, 'other.bin')
    writeFileSync(other, Buffer.concat([bytes, bytes]))
    const ran = await viewer.run('object', 'put', other)
    expect(ran.code).toBe(0)
    expect(ran.drawn).toContain('sending    other.bin  [')
    expect(ran.drawn).toContain('100 %  6.00 MB of 6.00 MB')
    expect(ran.drawn.endsWith('\r\u001b[2K')).toBe(true)
    const lines = ran.drawn.split('\r\u001b[2K')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(90)
    expect((await me.run('object', 'put', other)).drawn).toBe('')
  })
})

describe('down', () => {
  beforeEach(async () => {
    await me.run('object', 'put', file)
  })

  test('[CL29] to a file, into a folder, and to a pipe', async () => {
    const target = join(folder, 'copy')
    expect(await me.run('object', 'get', sha256, '-o', target)).toMatchObject({
      code: 0,
      out: [`${target}  3.00 MB`],
    })
    expect(readFileSync(target).equals(bytes)).toBe(true)
    mkdirSync(join(folder, 'sub'))
    await me.run('object', 'get', sha256, '-o', join(folder, 'sub'))
    expect(readdirSync(join(folder, 'sub'))).toEqual([sha256])
    expect((await me.run('object', 'get', sha256)).bytes.equals(bytes)).toBe(true)
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([])
  })

  test('[CL29] what broke off is gone on with', async () => {
    const target = join(folder, 'copy')
    writeFileSync(`${target}.${sha256.slice(0, 12)}.part`, bytes.subarray(0, 1_000_000))
    const asked: (string | undefined)[] = []
    const front = createServer((request, response) => {
      asked.push(request.headers.range)
      void fetch(`${server.url}${request.url}`, {
        headers: { authorization: request.headers.authorization ?? '', range: request.headers.range ?? '' },
      }).then(async (answer) => {
        const { status, headers } = answer
        response.writeHead(status, Object.fromEntries(headers)).end(Buffer.from(await answer.arrayBuffer()))
      })
    }).listen(0)
    onTestFinished(() => {
      front.closeAllConnections()
      front.close()
    })
    const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`
    const credentials = readFileSync(join(me.home, '.config', 'waymark', 'credentials.json'), 'utf8')
    const token: string = JSON.parse(credentials).logins[server.url].token
    const someone = person({ env: { WAYMARK_SERVER: url, WAYMARK_TOKEN: token } })
    expect(await someone.run('object', 'get', sha256, '-o', target)).toMatchObject({ code: 0, err: [] })
    expect(asked).toEqual([undefined, 'bytes=1000000-'])
    expect(readFileSync(target).equals(bytes)).toBe(true)
  })

  test('[CL29] what is wrong is told, and not gone on with', async () => {
    const target = join(folder, 'copy')
    const part = `${target}.${sha256.slice(0, 12)}.part`
    writeFileSync(part, Buffer.alloc(1000, 1))
    const ran = await me.run('object', 'get', sha256, '-o', target)
    expect(ran.code).toBe(1)
    expect(ran.err[0]).toMatch(
      new RegExp(`^waymark: object ${sha256}: wanted ${sha256}, got sha256 [0-9a-f]{64}$`),
    )
    expect([existsSync(target), existsSync(part)]).toEqual([false, false])
    expect((await me.run('object', 'get', sha256, '-o', target)).code).toBe(0)
  })

  test('[CL10] what is not there, or no sha256, or no place for bytes', async () => {
    expect(await me.run('object', 'get', 'f'.repeat(64), '-o', join(folder, 'x'))).toMatchObject({ code: 1 })
    expect(existsSync(join(folder, 'x'))).toBe(false)
    expect(await me.run('object', 'get', 'abc')).toMatchObject({
      code: 2,
      err: ['waymark: object get: wanted a sha256 (64 hex digits), got abc'],
    })
    const viewer = await admin(server, { columns: 80 })
    expect(await viewer.run('object', 'get', sha256)).toMatchObject({ code: 2 })
  })
})
