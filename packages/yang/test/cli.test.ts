import { describe, expect, test } from 'vitest'
import { runYangCommand } from '../src/index.ts'

const files: Record<string, string> = {
  'dir/t.yang':
    'module t { namespace "urn:t"; prefix t; import types { prefix y; } leaf a { type y:small; } }',
  'dir/bad.yang': 'module bad { namespace "urn:bad"; prefix b; leaf a { type nothing; } }',
  'dir/loose.yang':
    'module loose { namespace "urn:l"; prefix l; leaf-list a { type string; mandatory true; } }',
  'lib/types@2019-01-01.yang':
    'module types { namespace "urn:y"; prefix y; revision 2019-01-01; typedef small { type string; } }',
  'lib/types@2020-01-01.yang':
    'module types { namespace "urn:y"; prefix y; revision 2020-01-01; typedef small { type int8; } }',
  'good.json': '{"t:a": 5}',
  'wrong.json': '{"t:a": 500}',
}

/** Runs a command line over the files above. */
async function run(line: string) {
  let out = ''
  let err = ''
  const code = await runYangCommand(line.split(' '), {
    readFile: async (path) => {
      const text = files[path]
      if (text === undefined) throw new Error('ENOENT')
      return new TextEncoder().encode(text)
    },
    readdir: async (path) =>
      Object.keys(files)
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1)),
    stdout: (text) => {
      out += text
    },
    stderr: (text) => {
      err += text
    },
  })
  return { code, out, err }
}

describe('the yang commands', () => {
  test('[B1] check judges each file by itself', async () => {
    const { code, out, err } = await run('check --path lib dir/t.yang dir/bad.yang missing.yang')
    expect(code).toBe(1)
    expect(out).toBe('dir/t.yang: valid\ndir/bad.yang: invalid\nmissing.yang: invalid\n')
    expect(err).toContain('dir/bad.yang:1:54: error: found "nothing"')
    expect(err).toContain('missing.yang: cannot be read')
  })

  test('[B1] check exits 0 when all are valid, and tells it in JSON when asked', async () => {
    expect(await run('check --path=lib dir/t.yang')).toEqual({ code: 0, out: 'dir/t.yang: valid\n', err: '' })
    const { code, out } = await run('check --json --path lib dir/t.yang dir/bad.yang')
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject([
      { file: 'dir/t.yang', valid: true, problems: [] },
      { file: 'dir/bad.yang', valid: false, problems: [{ code: 'reference', line: 1 }] },
    ])
  })

  test('[B1] check --lenient warns instead', async () => {
    expect((await run('check dir/loose.yang')).code).toBe(1)
    const { code, err } = await run('check --lenient dir/loose.yang')
    expect(code).toBe(0)
    expect(err).toContain('warning: found "mandatory" in "leaf-list"')
  })

  test('[K1] an import without a revision gets the newest of the folder', async () => {
    expect((await run('tree --path lib dir/t.yang')).out).toBe('module: t\n  +--rw a?   y:small\n')
    expect((await run('json-schema --path lib dir/t.yang')).out).toContain('"maximum": 127')
  })

  const mistakes = [
    ['check --lenint x', 'did you mean "--lenient"?'],
    ['chek x', 'did you mean "check"?'],
    ['validate --module a --typ rpc x', 'did you mean "--type"?'],
    ['validate --module a --type notifcation x', 'did you mean "notification"?'],
    ['validate x', 'needs --module'],
    ['check', 'needs a file'],
    ['check --path', 'needs a value'],
    ['check --json=1 x', 'takes no value'],
  ] as const
  for (const [line, says] of mistakes)
    test(`[B2] "${line}" exits 2: ${says}`, async () => {
      const { code, err } = await run(line)
      expect(code).toBe(2)
      expect(err).toContain(says)
    })

  test('[B3] validate judges documents', async () => {
    expect(await run('validate --module dir/t.yang --path lib good.json')).toMatchObject({
      code: 0,
      out: 'good.json: valid\n',
    })
    const wrong = await run('validate --module dir/t.yang --path lib wrong.json')
    expect(wrong).toMatchObject({ code: 1, out: 'wrong.json: invalid\n' })
    expect(wrong.err).toContain('/t:a')
    expect((await run('validate --module dir/bad.yang good.json')).code).toBe(1)
  })

  test('[W3] types and form print what they made', async () => {
    expect((await run('types --path lib --plain-names dir/t.yang')).out).toContain('  a?: number')
    expect(JSON.parse((await run('form --path lib dir/t.yang')).out)).toMatchObject([
      { kind: 'field', name: 't:a' },
    ])
  })
})
