/**
 * What a person is asked: whether they mean it, and secrets. Secrets come from a terminal or from standard input, never
 * from the command line, where others can read them.
 */
import { Failure } from './io.ts'
import type { Outside } from './outside.ts'

/** Longer than any password or token the server takes. */
const secretBytesMax = 16 * 1024

/** Refused as wrong usage where nobody can be asked and `--yes` was not said. Throws when the answer is no. */
export async function confirm(
  outside: Outside,
  { what, question, yes }: { what: string; question: string; yes: boolean | undefined },
): Promise<void> {
  if (yes) return
  if (!outside.interactive)
    throw new Failure(2, `${what}: wanted --yes, since there is no terminal to ask on`)
  const answer = await outside.ask(`${question} [y/N] `, { hidden: false })
  if (!/^y(es)?$/i.test(answer.trim())) throw new Failure(1, 'nothing done')
}

/** A secret to be had: what it is called, and whether it is chosen now, and so asked for twice. */
export interface SecretAsked {
  readonly named: string
  readonly chosen?: true
}

/** Secrets, asked for one by one; or, with `stdin`, a line of standard input each. */
export async function secrets(
  outside: Outside,
  what: string,
  asked: readonly SecretAsked[],
  stdin: boolean | undefined,
): Promise<string[]> {
  const got = stdin ? await linesOfInput(outside, what, asked) : await typed(outside, what, asked)
  const empty = asked.find((_, i) => !got[i])
  if (empty) throw new Failure(2, `${what}: wanted ${empty.named}, got nothing`)
  return got
}

async function linesOfInput(
  outside: Outside,
  what: string,
  asked: readonly SecretAsked[],
): Promise<string[]> {
  const lines = (await outside.readInput(secretBytesMax)).replace(/\r?\n$/, '').split(/\r?\n/)
  if (lines.length !== asked.length)
    throw new Failure(
      2,
      `${what}: wanted ${asked.map(({ named }) => named).join(' and ')}, a line each, got ${lines.length} lines`,
    )
  return lines
}

async function typed(outside: Outside, what: string, asked: readonly SecretAsked[]): Promise<string[]> {
  if (!outside.interactive) throw new Failure(2, `${what}: wanted a terminal to ask on, or --password-stdin`)
  const got: string[] = []
  for (const { named, chosen } of asked) {
    const secret = await outside.ask(`${named}: `, { hidden: true })
    if (chosen && (await outside.ask(`${named}, again: `, { hidden: true })) !== secret)
      throw new Failure(1, `${what}: the two are not the same`)
    got.push(secret)
  }
  return got
}
