/**
 * `waymark plugin test`, as docs/plugins.md has it: the document's plugin, the document's trial, the document's output; and how
 * a broken plugin and a wrong use are told. Rules: RULES.md of packages/plugin.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const script = `const { main } = await import(${JSON.stringify(main)}); await main(process.argv.slice(1))`
const written = readFileSync(fileURLToPath(new URL('../../../docs/plugins.md', import.meta.url)), 'utf8')
const [, plugin = ''] = /```js\n(\/\/ lines\.mjs[\s\S]*?)```/.exec(written) ?? []
const [, trial = ''] = /```js\n(\/\/ trial\.js[\s\S]*?)```/.exec(written) ?? []
const [, command = '', output = ''] =
  /```\nnpx waymark (plugin test .*)\n```\n\n```text\n([\s\S]*?)```/.exec(written) ?? []

/** A folder with the document's files, their port a free one. */
async function folderOf(change: (code: string) => string = (code) => code): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-plugin-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const port = String(await freePort())
  writeFileSync(join(folder, 'lines.mjs'), change(plugin).replace('9911', port))
  writeFileSync(join(folder, 'trial.js'), trial.replace('9911', port))
  return folder
}

function waymark(cwd: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--conditions=source', '--input-type=module', '-e', script, '--', ...args],
      { cwd, env: { PATH: process.env.PATH, HOME: cwd } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })
}

describe('waymark plugin test', () => {
  test('[KT1] to [KT19] the document’s plugin and trial come to what the document shows', async () => {
    const { code, out, err } = await waymark(await folderOf(), ...command.split(' '))
    expect({ code, out, err }).toEqual({ code: 0, out: output, err: '' })
  })

  test('[KT5] a plugin that breaks a rule ends it with 1, and says so in a document as well', async () => {
    const folder = await folderOf((code) => code.replace("kind: 'failed', reason: said", "kind: 'done'"))
    const { code, out } = await waymark(folder, 'plugin', 'test', './lines.mjs', '--json')
    const report = JSON.parse(out) as { ok: boolean; verdicts: { rule: string; result: string }[] }
    expect([code, report.ok]).toEqual([1, false])
    expect(report.verdicts.filter(({ result }) => result === 'failed')).toEqual([
      expect.objectContaining({ rule: 'KT5', wanted: 'm:fly failed', got: 'm:fly done' }),
    ])
  })

  const wrong: readonly [why: string, args: readonly string[], says: RegExp, exit: number][] = [
    ['no such package', ['./nothing'], /^waymark: package: wanted an npm name or a path that is there/, 1],
    ['no such trial', ['./lines.mjs', '--trial', 'none.js'], /--trial: wanted a file that is there/, 1],
    [
      'a trial that is none',
      ['./lines.mjs', '--trial', 'lines.mjs'],
      /wanted start\(identity\), got none/,
      1,
    ],
    ['no package named', [], /missing required argument 'package'/, 2],
  ]
  for (const [why, args, says, exit] of wrong)
    test(`[KT1] ${why} is told in one line`, async () => {
      const { code, out, err } = await waymark(await folderOf(), 'plugin', 'test', ...args)
      expect({ code, out }).toEqual({ code: exit, out: '' })
      expect(err).toMatch(says)
      expect(err.trimEnd().split('\n')).toHaveLength(1)
    })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
