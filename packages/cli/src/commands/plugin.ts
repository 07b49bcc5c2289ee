/**
 * `waymark plugin test`: judges a protocol plugin by the conformance kit, a line for each rule. What is judged, and how, is
 * the kit's (`@waymark/plugin/kit`); here are names of packages, and words.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import type { TestReport, Verdict } from '@waymark/plugin/kit'
import { namedCommand } from '../fleet-access.ts'
import { type Context, Failure, type Io } from '../io.ts'
import { printable } from '../show/words.ts'
import { withCommander } from '../with-commander.ts'

interface Flags {
  readonly trial?: string
  readonly json?: true
}

const trialName = 'trial.js'

export async function run(args: readonly string[], { io }: Context): Promise<number> {
  let isBroken = false
  const plugin = namedCommand('plugin').description('Plugins: protocols of your own.')
  plugin
    .command('test <package>')
    .description('Tries a plugin, rule by rule, with the devices of its trial.')
    .option('--trial <file>', `the trial; else ${trialName} of the package`)
    .option('--json', 'JSON: one document with all verdicts')
    .action(async (name: string, flags: Flags) => {
      const { ok } = await judge(name, flags, io)
      isBroken = !ok
    })
  const code = await withCommander(plugin, args, io)
  return isBroken ? 1 : code
}

async function judge(name: string, flags: Flags, io: Io): Promise<TestReport> {
  const path = found(name)
  const trial = trialOf(path, flags.trial)
  const { testPlugin, TrialFailure } = await import('@waymark/plugin/kit')
  const told = flags.json ? () => {} : (verdict: Verdict) => io.out(lineOf(verdict))
  const report = await testPlugin(path, trial, { told }).catch((error: unknown) => {
    if (error instanceof TrialFailure) throw new Failure(1, printable(error.message))
    throw error
  })
  if (flags.json) io.out(JSON.stringify(report, undefined, 2))
  else io.out(endOf(report))
  return report
}

/** A package by its npm name or path, as seen from the folder where the command is typed; as `waymark up` finds it. */
function found(name: string): string {
  try {
    return createRequire(join(process.cwd(), 'plugins')).resolve(name)
  } catch {
    throw new Failure(1, `package: wanted an npm name or a path that is there, got ${printable(name)}`)
  }
}

/** The trial that was named, or that of the package: beside its main file, or in one of the folders above that it owns. */
function trialOf(path: string, given: string | undefined): string {
  if (given !== undefined) {
    const file = resolve(given)
    if (!existsSync(file))
      throw new Failure(1, `--trial: wanted a file that is there, got ${printable(given)}`)
    return file
  }
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const file = join(folder, trialName)
    if (existsSync(file)) return file
    if (existsSync(join(folder, 'package.json')) || folder === dirname(folder))
      throw new Failure(1, `wanted ${trialName} beside ${printable(path)}, or --trial FILE, got none`)
  }
}

function lineOf(verdict: Verdict): string {
  const head = `${verdict.result.padEnd(7)}  ${verdict.rule.padEnd(4)}  ${verdict.says}`
  switch (verdict.result) {
    case 'ok':
      return head
    case 'failed':
      return `${head} Wanted ${printable(verdict.wanted)}, got ${printable(verdict.got)}.`
    case 'untried':
      return `${head} (${verdict.why})`
  }
}

function endOf({ plugin, verdicts }: TestReport): string {
  const count = (result: Verdict['result']) => verdicts.filter((each) => each.result === result).length
  const untried = count('untried') > 0 ? `, ${count('untried')} untried` : ''
  return `${printable(plugin) || 'no plugin'}: ${count('ok')} of ${verdicts.length} rules kept, ${count('failed')} broken${untried}`
}
