/** Out of one real server, into another. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  admin,
  type Person,
  password,
  person,
  type Ran,
  startServer,
  type TestServer,
  temporaryFolder,
} from './fleet-support.ts'
import { ask, furnish, sha256, store, tokenAt, told } from './move-support.ts'

let from: TestServer
let to: TestServer
let me: Person
let folder: string
beforeEach(async () => {
  from = await startServer()
  to = await startServer()
  me = await admin(to)
  folder = join(temporaryFolder(), 'moved')
})
afterEach(async () => {
  await from.stop()
  await to.stop()
})

const fine = (ran: Ran): Ran => {
  expect({ code: ran.code, err: ran.err }).toEqual({ code: 0, err: [] })
  return ran
}
const sourceFlags = () => ['--from', from.url, '--user', 'admin', '--password-stdin']

/** All files below a folder, with their bytes and times of change. */
function photograph(path: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const file = join(entry.parentPath, entry.name)
        return [file, `${statSync(file).mtimeMs} ${sha256(readFileSync(file))}`]
      }),
  )
}

/** Two devices that share an object, one with a trail in every state, one that never announced itself. */
async function furnished() {
  const owner = await tokenAt(from)
  const shared = await store(from, owner, 'shared.bin', Buffer.alloc(300_000, 'shared '))
  const own = await store(from, owner, 'own.bin', Buffer.from('own'))
  const pump = await furnish(
    from,
    'pump',
    ['DONE', 'ERROR', 'CANCEL', 'UPDATED', 'INPROGRESS', 'NEW'],
    [shared, own],
  )
  const fan = await furnish(from, 'fan', ['DONE', 'WONTGO'], [shared])
  const bare = await furnish(from, 'bare', [])
  await ask(from, 'PUT', `/devices/${fan.id}/public`, { token: owner })
  return { pump, fan, bare, shared, own }
}

describe('export', () => {
  test('[CL41] a folder that people can read: a file a device, a file a step, each object once', async () => {
    const { pump, bare, shared, own } = await furnished()
    const ran = fine(await me.run('export', ...sourceFlags(), folder))
    expect(ran.out).toEqual([`exported 3 devices, 8 steps, 2 objects (300 kB) to ${folder}`])
    expect(readdirSync(folder).sort()).toEqual(['README.txt', 'devices', 'objects', 'state.json', 'steps'])
    expect(readdirSync(join(folder, 'objects')).sort()).toEqual([own, shared].sort())
    for (const name of readdirSync(join(folder, 'objects')))
      expect(sha256(readFileSync(join(folder, 'objects', name)))).toBe(name)
    expect(JSON.parse(readFileSync(join(folder, 'devices', `${pump.id}.json`), 'utf8'))).toMatchObject({
      id: pump.id,
      nick: 'pump',
      secret: pump.secret,
      public: false,
      userMeta: { 'pvr-sdk.authorized_keys': 'ssh', n: 1 },
      deviceMeta: { 'pantavisor.mode': 'remote' },
    })
    expect(JSON.parse(readFileSync(join(folder, 'steps', pump.id, '1.json'), 'utf8'))).toMatchObject({
      rev: 1,
      commitMsg: 'step 1',
      status: 'ERROR',
      report: { status: 'ERROR', progress: 60, data: { retries: 2 } },
    })
    expect(existsSync(join(folder, 'steps', bare.id))).toBe(false)
    for (const file of Object.keys(photograph(folder))) expect(statSync(file).mode & 0o077).toBe(0)
  })

  test('[CL42] what is there and cannot change is not fetched again; what may have changed is', async () => {
    const { pump } = await furnished()
    fine(await me.run('export', ...sourceFlags(), folder))
    const before = photograph(folder)
    const device = await tokenAt(from, `prn:::devices:/${pump.id}`, pump.secret)
    await ask(from, 'PUT', `/trails/${pump.id}/steps/4/progress`, {
      token: device,
      body: { status: 'DONE', progress: 100 },
    })
    fine(await me.run('export', ...sourceFlags(), folder))
    const after = photograph(folder)
    const changed = Object.keys(after).filter(
      (file) => after[file] !== before[file] && file.includes('/steps/'),
    )
    // Those that had not ended: 4, which has meanwhile, and 5.
    expect(changed.map((file) => file.split('/').at(-1)).sort()).toEqual(['4.json', '5.json'])
    expect(
      Object.keys(after).filter((file) => file.includes('/objects/') && after[file] !== before[file]),
    ).toEqual([])
    expect(JSON.parse(readFileSync(join(folder, 'steps', pump.id, '4.json'), 'utf8')).status).toBe('DONE')
  })

  test('[CL43] only the devices that are named; an unknown one names the nearest', async () => {
    const { fan } = await furnished()
    fine(await me.run('export', ...sourceFlags(), '--device', 'fan', folder))
    expect(readdirSync(join(folder, 'devices'))).toEqual([`${fan.id}.json`])
    const ran = await me.run('export', ...sourceFlags(), '--device', 'pmup', folder)
    expect(ran).toMatchObject({
      code: 1,
      err: [`waymark: --device pmup: ${from.url} shows no such device of yours (did you mean pump?)`],
    })
  })

  test('[CL44] a dry run says what would be copied and makes nothing', async () => {
    const { pump } = await furnished()
    const ran = fine(await me.run('export', ...sourceFlags(), '--dry-run', folder))
    expect(ran.out).toContain(`would copy pump (${pump.id}): 6 steps, 2 objects, its secret is kept`)
    expect(ran.out.at(-1)).toBe(`would copy 3 devices from ${from.url}`)
    expect(existsSync(folder)).toBe(false)
  })

  const wrong = [
    { what: 'no source', args: ['/tmp/x'], code: 2, says: 'export: wanted --from' },
    {
      what: 'no folder',
      args: ['--from', 'http://127.0.0.1:1'],
      code: 2,
      says: "missing required argument 'folder'",
    },
    { what: 'no address', args: ['--from', 'ftp://x', '/tmp/x'], code: 2, says: '--from: wanted an address' },
    {
      what: 'nobody to ask',
      args: ['--from', 'http://127.0.0.1:1', '/tmp/x'],
      code: 2,
      says: 'export: wanted --user',
    },
    {
      what: 'a slip',
      args: ['--form', 'http://127.0.0.1:1', '/tmp/x'],
      code: 2,
      says: '(did you mean --from?)',
    },
    {
      what: 'nobody there',
      args: ['--from', 'http://127.0.0.1:1', '--user', 'x', '--password-stdin', '/tmp/x'],
      code: 1,
      says: 'POST http://127.0.0.1:1/auth/login:',
    },
  ]
  for (const { what, args, code, says } of wrong)
    test(`[CL1] export with ${what} is told`, async () => {
      const ran = await person({ input: 'x' }).run('export', ...args)
      expect(ran.err.join('\n')).toContain(says)
      expect(ran.code).toBe(code)
    })

  test('[CL10] a wrong password there, and a folder of something else, are told', async () => {
    const stranger = person({ input: 'not the password' })
    expect((await stranger.run('export', ...sourceFlags(), folder)).err).toEqual([
      `waymark: ${from.url}: the name is unknown there or the password is wrong`,
    ])
    const other = temporaryFolder()
    writeFileSync(join(other, 'diary.txt'), 'mine')
    expect((await me.run('export', ...sourceFlags(), other)).err).toEqual([
      `waymark: ${other}: wanted an empty folder, or one of waymark export, got another`,
    ])
    expect((await me.run('import', other)).err[0]).toContain('wanted a folder that waymark export wrote')
  })
})

describe('import', () => {
  test('[CL45] nicks, metas, visibility, steps with their words and ages, secrets: all as it was', async () => {
    const { pump, fan, bare, own } = await furnished()
    fine(await me.run('export', ...sourceFlags(), folder))
    const plan = fine(await me.run('import', '--dry-run', folder))
    expect(plan.out.join('\n')).toMatch(
      new RegExp(`would import fan \\(${fan.id}\\): 2 steps, . objects? \\(.*\\), its secret is kept`),
    )
    expect(fine(await me.run('device', 'ls', '--json')).out).toEqual([])

    const ran = fine(await me.run('import', folder))
    expect(ran.out).toEqual([`imported 3 devices, 8 steps, 2 objects (300 kB) into ${to.url}`])
    for (const { id } of [pump, fan, bare]) expect(await told(to, id)).toEqual(await told(from, id))
    // The device needs nothing but the address: it logs in, and finds the step that waits for it.
    const device = await tokenAt(to, `prn:::devices:/${pump.id}`, pump.secret)
    expect(await ask(to, 'GET', `/trails/${pump.id}/steps`, { token: device })).toMatchObject([{ rev: 5 }])
    const object = (await ask(to, 'GET', `/objects/${own}`, { token: await tokenAt(to) })) as Record<
      string,
      string
    >
    expect(await (await fetch(object['signed-geturl'] ?? '')).text()).toBe('own')
  })

  test('[CL46] again, nothing is done twice; what came since is added', async () => {
    const { pump } = await furnished()
    fine(await me.run('import', ...sourceFlags(), folder))
    const before = await told(to, pump.id)
    const again = fine(await me.run('import', folder))
    expect(again.out).toEqual([`imported 3 devices, 0 steps, 0 objects (0 B) into ${to.url}`])
    writeFileSync(
      join(folder, 'state.json'),
      readFileSync(join(folder, 'state.json'), 'utf8').replace(
        /"imported": \{[\s\S]*?\n {2}\}/,
        '"imported": {}',
      ),
    )
    fine(await me.run('import', folder))
    expect(await told(to, pump.id)).toEqual(before)

    const state = { '#spec': 'pantavisor-service-system@1', 'app/run.json': { late: true } }
    await ask(from, 'POST', `/trails/${pump.id}/steps`, {
      token: await tokenAt(from),
      body: { rev: -1, state },
    })
    fine(await me.run('import', ...sourceFlags(), folder))
    expect((await told(to, pump.id)).steps).toHaveLength(7)
  })

  test('[CL47] a nick that is taken there is one device’s failure; the others come', async () => {
    const { pump, fan } = await furnished()
    fine(await me.run('export', ...sourceFlags(), folder))
    await ask(to, 'POST', '/devices/', { token: await tokenAt(to), body: { nick: 'pump' } })
    const plan = await me.run('import', '--dry-run', folder)
    expect(plan.code).toBe(1)
    expect(plan.out.join('\n')).toContain(`would be refused: pump (${pump.id}): pump is taken there by`)
    const straight = await me.run('import', ...sourceFlags(), '--dry-run', join(folder, 'never'))
    expect(straight.code).toBe(1)
    expect(straight.out.join('\n')).toContain(`would fail: pump (${pump.id}): pump is taken there by`)
    const ran = await me.run('import', folder)
    expect(ran.code).toBe(1)
    expect(ran.err).toEqual([
      `pump (${pump.id}): pump is taken`,
      '1 device did not get there; run it again to go on',
    ])
    expect((await told(to, fan.id)).steps).toHaveLength(2)
  })

  test('[CL48] where the source shows no secret, a new one is made, once, and stands in the folder', async () => {
    const { pump } = await furnished()
    fine(await me.run('export', ...sourceFlags(), '--device', 'pump', folder))
    const file = join(folder, 'devices', `${pump.id}.json`)
    const { secret: _, ...rest } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    writeFileSync(file, JSON.stringify(rest))
    const ran = await me.run('import', folder)
    expect(ran.code).toBe(0)
    expect(ran.err).toEqual([
      `pump (${pump.id}): its secret is not shown there: it gets a new one, which stands in ${folder}/state.json`,
    ])
    const { newSecrets } = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as {
      newSecrets: Record<string, string>
    }
    expect(await tokenAt(to, `prn:::devices:/${pump.id}`, newSecrets[pump.id])).toMatch(/\./)
    expect(ran.out.join() + ran.err.join()).not.toContain(newSecrets[pump.id])
  })

  test('[CL46] two at a time do not work in one folder; one that crashed does not stand in the way', async () => {
    const { pump } = await furnished()
    fine(await me.run('export', ...sourceFlags(), '--device', 'pump', folder))
    const lock = join(folder, 'at-work.pid')
    writeFileSync(lock, `${process.pid}\n`)
    for (const args of [
      ['export', ...sourceFlags(), folder],
      ['import', folder],
    ]) {
      const ran = await me.run(...args)
      expect(ran.code).toBe(1)
      expect(ran.err.at(-1)).toBe(
        `waymark: ${folder}: process ${process.pid} is at work there (if it is not: remove ${lock})`,
      )
    }
    const gone = spawn(process.execPath, ['-e', ''])
    await new Promise((resolve) => gone.on('close', resolve))
    writeFileSync(lock, `${gone.pid}\n`)
    fine(await me.run('import', folder))
    expect(existsSync(lock)).toBe(false)
    expect((await told(to, pump.id)).steps).toHaveLength(6)
  })

  test('[CL42] a trail that was begun anew at the source is copied anew', async () => {
    const { pump } = await furnished()
    fine(await me.run('export', ...sourceFlags(), '--device', 'pump', folder))
    const reset = await fetch(`${from.url}/v1/trails/${pump.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${await tokenAt(from)}` },
    })
    expect(reset.status).toBe(200)
    const device = await tokenAt(from, `prn:::devices:/${pump.id}`, pump.secret)
    const state = { '#spec': 'pantavisor-service-system@1', 'new.json': { anew: true } }
    await ask(from, 'POST', '/trails/', { token: device, body: state })
    fine(await me.run('export', ...sourceFlags(), '--device', 'pump', folder))
    expect(readdirSync(join(folder, 'steps', pump.id))).toEqual(['0.json'])
    expect(JSON.parse(readFileSync(join(folder, 'steps', pump.id, '0.json'), 'utf8')).state).toEqual(state)
  })

  test('[CL47] a file that is not what its name says is refused before a step rests on it', async () => {
    const { pump, own } = await furnished()
    fine(await me.run('export', ...sourceFlags(), '--device', 'pump', folder))
    writeFileSync(join(folder, 'objects', own), 'bad')
    const ran = await me.run('import', folder)
    expect(ran.code).toBe(1)
    expect(ran.err[0]).toContain('wanted bytes of that sha256, got')
    expect((await told(to, pump.id)).steps).toEqual([])
  })

  test('[CL15] how far it is is drawn on a terminal, and nowhere else', async () => {
    await furnished()
    const watched = person({ env: { HOME: me.home }, input: password, columns: 90 })
    const ran = fine(await watched.run('import', ...sourceFlags(), folder))
    expect(ran.drawn).toMatch(/exporting {2}device 1 of 3 {2}0 steps/)
    expect(ran.drawn).toMatch(/importing {2}device \d of 3 /)
    expect(ran.drawn.endsWith('\r\x1b[2K')).toBe(true)
  })

  test('[CL5] with --json there is one document', async () => {
    const { pump } = await furnished()
    const ran = fine(await me.run('import', ...sourceFlags(), '--json', folder))
    expect(ran.json()).toMatchObject({ server: to.url, folder })
    expect((ran.json() as { devices: { id: string }[] }).devices.find(({ id }) => id === pump.id)).toEqual({
      id: pump.id,
      nick: 'pump',
      steps: 6,
      secret: 'kept',
      notes: [],
    })
  })

  const wrong = [
    { args: [], says: 'import: wanted a folder, or --from' },
    { args: ['x', '--user', 'y'], says: 'import: wanted --from beside --user' },
    { args: ['x', '--dryrun'], says: '(did you mean --dry-run?)' },
  ]
  for (const { args, says } of wrong)
    test(`[CL1] import ${args.join(' ')} is told ${says}`, async () => {
      const ran = await me.run('import', ...args)
      expect(ran.err.join('\n')).toContain(says)
      expect(ran.code).toBe(2)
    })
})

test('[CL46] killed again and again, it goes on and ends with all there is, once', async () => {
  const owner = await tokenAt(from)
  const objects: string[] = []
  for (const n of [1, 2, 3])
    objects.push(await store(from, owner, `part${n}`, Buffer.alloc(2_000_000, `part ${n} `)))
  const words = ['DONE', ...Array.from({ length: 30 }, () => 'DONE')]
  const devices = [
    await furnish(from, 'first', words, objects),
    await furnish(from, 'second', words, objects),
  ]
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const script = `const { main } = await import(${JSON.stringify(main)}); await main(process.argv.slice(1))`

  /** Runs the import as a process, killed once so much of it is seen; answers its exit code. */
  async function killedWhen(enough: () => boolean): Promise<number | null> {
    const child = spawn(
      process.execPath,
      [
        '--conditions=source',
        '--input-type=module',
        '-e',
        script,
        '--',
        'import',
        ...sourceFlags(),
        '--server',
        to.url,
        folder,
      ],
      { env: { PATH: process.env.PATH, HOME: me.home }, stdio: ['pipe', 'ignore', 'ignore'] },
    )
    onTestFinished(() => void child.kill('SIGKILL'))
    child.stdin.end(`${password}\n`)
    const timer = setInterval(() => {
      if (enough()) child.kill('SIGKILL')
    }, 5)
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
    clearInterval(timer)
    return code
  }
  const files = (below: string) => (existsSync(join(folder, below)) ? readdirSync(join(folder, below)) : [])
  const noted = () =>
    existsSync(join(folder, 'state.json')) ? readFileSync(join(folder, 'state.json'), 'utf8') : ''
  const [first, second] = devices.map(({ id }) => id)

  const codes = [
    await killedWhen(() => files('objects').length > 0),
    await killedWhen(() => files(`steps/${first}`).length + files(`steps/${second}`).length > 10),
    await killedWhen(() => /": 20/.test(noted())),
    await killedWhen(() => false),
  ]
  expect(codes).toContain(null)
  expect(codes.at(-1)).toBe(0)

  for (const { id } of devices) {
    const here = await told(to, id)
    expect(here).toEqual(await told(from, id))
    expect(here.steps).toHaveLength(31)
  }
  expect(files('objects').sort()).toEqual([...objects].sort())
}, 60_000)
