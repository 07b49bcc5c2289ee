/**
 * `waymark rpc`: calls a command of the JSON-RPC table, or an operation that a device's modules define. What is typed goes to
 * the server as it is: the modules that say what is a number lie there, and so do the names that a typo may have meant.
 */
import type { Answered, Fleet, JournalEntry } from '@waymark/sdk'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { followTransaction, toldOf } from '../show/transactions.ts'
import { printable } from '../show/words.ts'

interface RpcFlags extends FleetFlags {
  readonly watch?: boolean
  readonly account?: string
  readonly words?: boolean
}

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, (exit) =>
    withFleetFlags(namedCommand('rpc').arguments('[method] [params...]'))
      .description(
        'Calls a method, such as `lookup-device device-id=pump` or `weather:blink device-id=mast times=3`. Values are typed by the module; lists come by commas or by repeating a name, members by dots; name:=JSON is taken as it stands.',
      )
      .option('-w, --watch', 'follow what was asked to its end; the exit code is 1 when it does not end done')
      .option('--account <name>', 'another account than the one logged in to')
      .option('--words', 'list methods, or the parameters of the method, as completion offers them')
      .action(async (method: string | undefined, params: string[], flags: RpcFlags) => {
        if (flags.words) return words(method, flags, io, outside)
        if (method === undefined) throw new Failure(2, 'rpc: wanted a method, got none')
        exit(await call(method, params, flags, io, outside))
      }),
  )
}

async function call(
  method: string,
  params: readonly string[],
  flags: RpcFlags,
  io: Io,
  outside: Outside,
): Promise<number> {
  const { fleet, renewMs } = await connect(flags, io, outside)
  const given = flags.account === undefined ? [...params] : [...params, `account=${flags.account}`]
  // Opened before anything is asked, so that nothing is missed of what it begins.
  const signal = flags.watch ? io.stopSignal() : undefined
  const following = signal && fleet.follow({ signal, renewMs })
  await following?.open()
  const answer = await fleet.callMethod({ body: { method, params: given } })
  if (answer.error !== undefined) throw new Failure(1, printable(errorSaid(answer.error)))
  io.out(flags.json ? answer.text : printable(answer.text))
  if (!answer.ok) {
    io.err(`${printable(method)}: ${printable(codeSaid(answer.result))}`)
    return 1
  }
  if (!following || !signal) return 0
  if (answer.transaction === undefined) {
    io.err('nothing was asked of a device, so there is nothing to watch')
    return 0
  }
  const state = await followTransaction(fleet, following, answer.transaction, (entry: JournalEntry) =>
    io.out(flags.json ? JSON.stringify(entry) : printable(toldOf(entry))),
  )
  return state === 'done' ? 0 : 1
}

function errorSaid({ message, data }: NonNullable<Answered<'callMethod'>['error']>): string {
  return data === undefined
    ? message
    : `${message}: ${typeof data === 'string' ? data : JSON.stringify(data)}`
}

/** The word that a result gives for how it went. */
function codeSaid(result: unknown): string {
  if (typeof result !== 'object' || result === null) return String(result)
  const { result: code, reason, 'rpc-status-string': status } = result as Record<string, unknown>
  return [code ?? status, reason].filter((each) => typeof each === 'string').join(': ')
}

async function words(method: string | undefined, flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  for await (const known of methodsOf(fleet))
    if (method === undefined) io.out(known.method)
    else if (known.method === method || known.method === `exodm:${method}`)
      for (const { name } of known.params) io.out(`${name}=`)
}

function methodsOf(fleet: Fleet) {
  return fleet.each('listMethods', { limit: 500 })
}
