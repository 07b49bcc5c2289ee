/** `waymark yang` as people start it: the built program, files on disk, exit codes. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const script = `const { main } = await import(${JSON.stringify(main)}); await main(process.argv.slice(1))`

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'waymark-yang-'))
  mkdirSync(join(folder, 'lib'))
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write(
    'lib/units@2024-05-01.yang',
    'module units { namespace "urn:u"; prefix u; revision 2024-05-01; typedef percent { type uint8 { range "0..100"; } } }',
  )
  write(
    'lamp.yang',
    `module lamp { yang-version 1.1; namespace "urn:lamp"; prefix l; import units { prefix u; }
      container lamp { leaf level { type u:percent; mandatory true; } leaf mode { type enumeration { enum on; enum off; } } }
      rpc blink { input { leaf times { type uint8; mandatory true; } } } }`,
  )
  write('bad.yang', 'module bad { namespace "urn:b"; prefix b; leaf a { type string; colour "\u009b31m"; } }')
  write(
    'loose.yang',
    'module loose { namespace "urn:l"; prefix l; leaf-list a { type string; mandatory true; } }',
  )
  write('good.json', '{"lamp:lamp": {"level": 40, "mode": "on"}}')
  write('wrong.json', '{"lamp:lamp": {"level": 140}}')
  write('blink.json', '{"lamp:blink": {"times": 3}}')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function yang(line: string): Promise<{ code: number | null; out: string; err: string }> {
  const args = ['--conditions=source', '--input-type=module', '-e', script, '--', 'yang']
  const child = spawn(process.execPath, [...args, ...line.split(' ').filter((arg) => arg !== '')], {
    cwd: folder,
    env: { PATH: process.env.PATH },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (piece) => {
    out += piece
  })
  child.stderr.on('data', (piece) => {
    err += piece
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

describe('[CL32] waymark yang', { timeout: 60_000 }, () => {
  test('check: a verdict a file, exit code 1 when any is invalid, findings harmless to a terminal', async () => {
    const { code, out, err } = await yang('check --path lib lamp.yang bad.yang none.yang')
    expect(code).toBe(1)
    expect(out).toBe('lamp.yang: valid\nbad.yang: invalid\nnone.yang: invalid\n')
    expect(err).toContain('bad.yang:1:65: error: found')
    expect(err).not.toContain('\u009b')
    expect(err).toContain('none.yang: cannot be read')
  })

  test('check --json is one document', async () => {
    const { code, out, err } = await yang('check --json --path lib lamp.yang bad.yang')
    expect({ code, err }).toEqual({ code: 1, err: '' })
    expect(JSON.parse(out)).toMatchObject([
      { file: 'lamp.yang', valid: true, problems: [] },
      { file: 'bad.yang', valid: false, problems: [{ line: 1, column: 65 }] },
    ])
  })

  test('check --lenient lets pass with a warning', async () => {
    expect((await yang('check loose.yang')).code).toBe(1)
    expect(await yang('check --lenient loose.yang')).toMatchObject({ code: 0, out: 'loose.yang: valid\n' })
  })

  test('validate: documents by type', async () => {
    const module = 'validate --module lamp.yang --path lib'
    expect(await yang(`${module} good.json`)).toEqual({ code: 0, out: 'good.json: valid\n', err: '' })
    const wrong = await yang(`${module} good.json wrong.json`)
    expect(wrong).toMatchObject({ code: 1, out: 'good.json: valid\nwrong.json: invalid\n' })
    expect(wrong.err).toContain('/lamp:lamp/level')
    expect((await yang(`${module} --type rpc blink.json`)).code).toBe(0)
    expect((await yang(`${module} --type notification blink.json`)).code).toBe(1)
  })

  test('tree, json-schema, types and form print what they made', async () => {
    expect(await yang('tree --path lib lamp.yang')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^module: lamp\n {2}\+--rw lamp\n/),
    })
    expect(JSON.parse((await yang('json-schema --path lib lamp.yang')).out)).toMatchObject({ type: 'object' })
    expect((await yang('types --path lib lamp.yang')).out).toContain("mode?: 'on' | 'off'")
    expect(JSON.parse((await yang('form --path lib lamp.yang')).out)).toHaveLength(1)
    expect((await yang('tree bad.yang')).code).toBe(1)
  })

  const misuses = [
    ['', 'usage: waymark yang check'],
    ['chek lamp.yang', 'waymark yang: unknown command "chek"; did you mean "check"?\n'],
    ['check --lenint lamp.yang', 'waymark yang: unknown option "--lenint"; did you mean "--lenient"?\n'],
    ['validate good.json', 'waymark yang: validate needs --module FILE\n'],
  ] as const
  for (const [line, says] of misuses)
    test(`"yang ${line}" is wrong usage`, async () => {
      const { code, out, err } = await yang(line)
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err).toContain(says)
    })

  test('help goes to stdout', async () => {
    expect(await yang('--help')).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringContaining('waymark yang tree'),
    })
  })
})
