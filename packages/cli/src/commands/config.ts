/**
 * `waymark config print|check|docs`: the settings a server would start with, without starting one. Takes the flags of
 * `waymark up`, so that a command line can be tried by replacing one word.
 *
 * The same word serves the configuration of packages on devices, which lies at a server (`config-device.ts`).
 */
import { nearest } from '@waymark/server/nearest'
import { type Context, Failure, type Io, print } from '../io.ts'
import type { Outside } from '../outside.ts'

const help = `usage: waymark config print [--json] [flags of waymark up]   every setting, its value and where it came from
       waymark config check [--json] [flags of waymark up]   what is wrong, without starting anything
       waymark config docs                                   the settings as a page of documentation
       waymark config show [package] -d DEVICE|-g GROUP      configuration of packages: what is there, what is staged
       waymark config set PACKAGE JSON -d DEVICE|-g GROUP    stages an edit
       waymark config diff PACKAGE -d DEVICE|-g GROUP        what a push would change
       waymark config push [package] -d DEVICE|-g GROUP      sends what is staged
       waymark config history PACKAGE -d DEVICE              what the device has confirmed
       waymark config rollback PACKAGE VERSION -d DEVICE     stages what it had before`

/** What is asked of a server. */
const configWords = ['show', 'set', 'diff', 'push', 'history', 'rollback'] as const
const words = ['print', 'check', 'docs', ...configWords]

export async function run(args: readonly string[], context: Context, outside?: Outside): Promise<number> {
  const { io } = context
  const [action, ...rest] = args
  if (configWords.some((word) => word === action)) {
    const { run: runOnDevices } = await import('./config-device.ts')
    return runOnDevices(args, context, outside)
  }
  const flags = rest.filter((argument) => argument !== '--json')
  const json = flags.length < rest.length
  if (action === undefined) throw new Failure(2, `config: wanted one of ${words.join(', ')}`)
  if (action === '--help' || action === '-h' || rest.includes('--help')) {
    io.out(help)
    return 0
  }
  switch (action) {
    case 'print':
      return printSettings(io, flags, json)
    case 'check':
      return checkSettings(io, flags, json)
    case 'docs': {
      const { settingsMarkdown } = await import('@waymark/server/shell')
      io.out(settingsMarkdown().trimEnd())
      return 0
    }
    default: {
      const meant = nearest(action, words)
      const hint = meant === undefined ? `wanted one of ${words.join(', ')}` : `did you mean ${meant}?`
      throw new Failure(2, `config ${action}: unknown command (${hint})`)
    }
  }
}

async function printSettings(io: Io, flags: readonly string[], json: boolean): Promise<number> {
  const { describeRefusal, loadConfig, settingsText, showSettings } = await import('@waymark/server/shell')
  const settings = loadConfig(flags, io.env)
  if (!settings.ok) throw new Failure(2, settings.refusal.map(describeRefusal).join('\n'))
  print(io, json, { data: showSettings(settings.value), lines: () => [settingsText(settings.value)] })
  return 0
}

async function checkSettings(io: Io, flags: readonly string[], json: boolean): Promise<number> {
  const { checkSurroundings, describeRefusal, loadConfig } = await import('@waymark/server/shell')
  const settings = loadConfig(flags, io.env)
  if (!settings.ok) {
    if (json) io.out(JSON.stringify({ ok: false, refusals: settings.refusal }, undefined, 2))
    throw new Failure(2, settings.refusal.map(describeRefusal).join('\n'))
  }
  const findings = checkSurroundings(settings.value.config)
  print(io, json, {
    data: { ok: findings.length === 0, findings },
    lines: () => (findings.length === 0 ? ['ok'] : []),
  })
  if (findings.length === 0) return 0
  throw new Failure(
    1,
    findings.map(({ thing, wanted, got }) => `${thing}: wanted ${wanted}, got ${got}`).join('\n'),
  )
}
