import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { commands } from '../src/command-table.ts'
import { placeOf } from '../src/completion.ts'
import { type Io, run } from '../src/index.ts'

async function waymark(...args: string[]) {
  const out: string[] = []
  const err: string[] = []
  const io: Io = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env: {},
    terminal: false,
    stopSignal: () => new AbortController().signal,
  }
  const code = await run(args, io)
  return { code, out: out.join('\n'), err }
}

describe('[CL33] bash offers what the commands tell of themselves', async () => {
  const script = (await waymark('completion', 'bash')).out
  const offered = (...typed: string[]): string[] => {
    const words = ['waymark', ...typed].map((word) => `'${word}'`).join(' ')
    const ask = `${script}\nCOMP_WORDS=(${words}); COMP_CWORD=${typed.length}; _waymark; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['--norc', '-c', ask], { encoding: 'utf8' }).trim().split('\n')
  }

  test('every command of the table, and help', () => {
    expect(offered('').sort()).toEqual(
      [...commands.map(({ name }) => name), 'help', '--help', '--version'].sort(),
    )
    expect(offered('tra')).toEqual(['trail'])
  })

  for (const [typed, among] of [
    [
      ['trail', ''],
      ['ls', 'show', 'post', 'cancel'],
    ],
    [
      ['trail', 'post', '--'],
      ['--message', '--replace', '--watch', '--server', '--json', '--help'],
    ],
    [['trail', 'post', 'pump', './folder', '--mes'], ['--message']],
    [
      ['device', 'l'],
      ['ls', 'logs'],
    ],
    [
      ['backup', ''],
      ['create', 'verify', 'restore'],
    ],
    [
      ['config', ''],
      ['print', 'check', 'docs'],
    ],
    [
      ['up', '--data'],
      ['--data', '--database'],
    ],
    [['why', '--e'], ['--entries']],
    [
      ['token', ''],
      ['ls', 'create', 'rm'],
    ],
    [
      ['join-token', ''],
      ['ls', 'create', 'disable'],
    ],
    [
      ['app', 'update', 'board', '--'],
      ['--name', '--redirect', '--scope', '--new-secret'],
    ],
    [
      ['user', ''],
      ['ls', 'show', 'create', 'invite', 'role', 'disable', 'enable', 'password'],
    ],
    [
      ['user', 'password', '--'],
      ['--password-stdin', '--invited', '--tenant'],
    ],
    [
      ['export', '--'],
      ['--from', '--user', '--device', '--objects-from', '--dry-run', '--json'],
    ],
    [
      ['import', './moved', '--'],
      ['--from', '--dry-run', '--server', '--device'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
  ] as const)
    test(`waymark ${typed.join(' ')}`, () => {
      expect(offered(...typed)).toEqual(expect.arrayContaining([...among]))
    })

  test('what a flag is given, or a device is called, is not taken for a command', () => {
    expect(offered('trail', 'show', 'device', '--st')).toEqual(['--state'])
  })
})

describe('[CL83] bash offers methods and parameters as the server tells of them', async () => {
  const script = (await waymark('completion', 'bash')).out
  // The program itself is played: what it is asked with, it answers for.
  const played = `waymark() { case "$*" in
    'rpc --words') echo exodm:lookup-device; echo weather:blink; echo weather:blank ;;
    'rpc --words weather:blink') echo device-id=; echo times= ;;
  esac; }`
  const offered = (line: string): string[] => {
    // As bash does, at spaces and at ":" and "=".
    const words = line.split(/ |([:=])/).filter((word) => word !== undefined)
    const asked = words.map((word) => `'${word}'`).join(' ')
    const ask = `${script}\n${played}\nCOMP_LINE='${line}'; COMP_POINT=${line.length}; COMP_WORDS=(${asked}); COMP_CWORD=${words.length - 1}; _waymark; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['--norc', '-c', ask], { encoding: 'utf8' }).trim().split('\n')
  }

  test.each([
    ['waymark rpc ', ['exodm:lookup-device', 'weather:blink', 'weather:blank', '--watch']],
    ['waymark rpc weather:bl', ['blink', 'blank']],
    ['waymark rpc weather:blink ', ['device-id=', 'times=']],
    ['waymark rpc weather:blink device-id=mast ti', ['times=']],
    ['waymark rpc weather:blink --wa', ['--watch']],
  ])('%s', (line, among) => {
    expect(offered(line)).toEqual(expect.arrayContaining(among))
  })

  test('what fits is offered alone, without what is typed already', () => {
    expect(offered('waymark rpc weather:bli')).toEqual(['blink'])
    expect(offered('waymark rpc weather:blink t')).toEqual(['times='])
  })

  test('the other shells ask the same', async () => {
    expect((await waymark('completion', 'zsh')).out).toContain('waymark rpc --words')
    expect((await waymark('completion', 'fish')).out).toContain('waymark rpc --words')
  })
})

test('[CL33] fish and zsh are told of every command and flag', async () => {
  const [fish, zsh] = [(await waymark('completion', 'fish')).out, (await waymark('completion', 'zsh')).out]
  for (const { name } of commands) {
    expect(fish).toContain(`-n '__fish_use_subcommand' -f -a ${name} -d '`)
    expect(zsh).toMatch(new RegExp(`^ {4}"${name}"\\) compadd -- .*--help`, 'm'))
  }
  expect(fish).toContain(
    "-n '__fish_seen_subcommand_from trail; and __fish_seen_subcommand_from post' -l replace",
  )
  expect(zsh).toMatch(/^ {4}"trail post"\) compadd -- .*--replace/m)
  // A quote in a description would end the word it stands in.
  for (const line of fish.split('\n').slice(1)) expect(line.split("'").length % 2).toBe(1)
})

test('[CL33] another shell is wrong usage, and the nearest is named', async () => {
  expect(await waymark('completion', 'bsh')).toMatchObject({
    code: 2,
    err: ['waymark: completion: wanted bash, zsh or fish, got bsh (did you mean bash?)'],
  })
  expect((await waymark('completion')).code).toBe(2)
})

test('[CL33] help of either form is read', () => {
  expect(
    placeOf(['x'], 'usage: waymark x one [--a]   does it\n       waymark x two-three   and that'),
  ).toEqual({
    path: ['x'],
    words: [
      { word: 'one', says: '' },
      { word: 'two-three', says: '' },
    ],
    flags: ['--a', '--help'],
  })
  expect(
    placeOf(
      ['y'],
      'Usage: waymark y [command]\n\nCommands:\n  ls [options]   Lists.\n  show <a>       Shows.\n',
    ).words,
  ).toEqual([
    { word: 'ls', says: 'Lists.' },
    { word: 'show', says: 'Shows.' },
  ])
})
