/** `waymark completion bash|zsh|fish`: a script that makes the shell offer commands and flags. */
import { nearest } from '@waymark/server/nearest'
import { type CommandRow, commands } from '../command-table.ts'
import { completionScript, type Place, placeOf, shells } from '../completion.ts'
import { type Context, Failure, type Io } from '../io.ts'

const help = `usage: waymark completion bash   eval "$(waymark completion bash)", in ~/.bashrc
       waymark completion zsh    eval "$(waymark completion zsh)", in ~/.zshrc behind compinit
       waymark completion fish   waymark completion fish | source, in ~/.config/fish/config.fish`

export async function run(
  args: readonly string[],
  { io }: Context,
  table: readonly CommandRow[] = commands,
): Promise<number> {
  const [name, ...rest] = args
  if (name === '--help' || name === '-h') {
    io.out(help)
    return 0
  }
  const shell = shells.find((known) => known === name)
  if (shell === undefined || rest.length > 0) {
    const meant = name === undefined ? undefined : nearest(name, [...shells])
    const hint = meant === undefined ? '' : ` (did you mean ${meant}?)`
    throw new Failure(2, `completion: wanted bash, zsh or fish, got ${args.join(' ') || 'none'}${hint}`)
  }
  io.out(completionScript(shell, await placesOf(table, io)).trimEnd())
  return 0
}

/** Every place there is, by asking each command for its help. */
async function placesOf(table: readonly CommandRow[], io: Io): Promise<Place[]> {
  const words = [
    ...table.map(({ name, summary }) => ({ word: name, says: summary })),
    { word: 'help', says: 'tell more' },
  ]
  const places: Place[] = [{ path: [], words, flags: ['--help', '--version'] }]
  for (const { name, load, offers = false } of table) {
    if (name === 'completion') {
      places.push(placeOf([name], help))
      continue
    }
    const { run: ask } = await load()
    const helpOf = async (path: readonly string[]): Promise<string> => {
      const lines: string[] = []
      await ask([...path.slice(1), '--help'], { io: { ...io, out: (line) => lines.push(line) } })
      return lines.join('\n')
    }
    const place = { ...placeOf([name], await helpOf([name])), offers }
    places.push(place)
    for (const { word } of place.words)
      places.push({ ...placeOf([name, word], await helpOf([name, word])), words: [] })
  }
  return places
}
