/**
 * What can be typed, read out of the commands' own help, and scripts that make a shell offer it.
 *
 * A command's `--help` is its truth: sub-commands are those it lists, or those its `usage:` lines name; flags are those
 * it mentions. So a new command or flag is completed without a second list to keep. Pure: from help to words, and
 * from words to a script.
 */

/** One place on the command line: what is typed so far (`trail post`), and what may follow. */
export interface Place {
  readonly path: readonly string[]
  /** Sub-commands, with what they do where that is told. */
  readonly words: readonly { readonly word: string; readonly says: string }[]
  readonly flags: readonly string[]
  /** More words come from the server, by `waymark NAME --words [WORD]`; they have `:` and `=` in them. */
  readonly offers?: boolean
}

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** Sub-commands and flags that a help text tells of, for the command of this name. */
export function placeOf(path: readonly string[], help: string): Place {
  const words = new Map<string, string>()
  const typed = path.join(' ')
  let listing = false
  for (const line of help.split('\n')) {
    const [, used] = new RegExp(`^(?:usage:)? +waymark ${typed} ([a-z][a-z-]*)(?= |$)`).exec(line) ?? []
    if (used !== undefined) words.set(used, '')
    if (/^\S/.test(line)) listing = line === 'Commands:'
    const [, listed, says = ''] = /^ {2}([a-z][a-z-]*)(?: \S+)* {2,}(.*)$/.exec(line) ?? []
    if (listing && listed !== undefined) words.set(listed, says)
  }
  const usage = /^(usage|Usage):/.test(help) ? help : `usage: ${help}`
  const flags = new Set([...usage.matchAll(/(?<![\w-])--[a-z][a-z0-9-]*/g)].map(([flag]) => flag))
  flags.add('--help')
  return { path, words: [...words].map(([word, says]) => ({ word, says })), flags: [...flags].sort() }
}

/** The script a shell reads; words and flags are plain, so nothing in it has to be quoted but descriptions. */
export function completionScript(shell: Shell, places: readonly Place[]): string {
  return { bash, zsh, fish }[shell](places)
}

function bash(places: readonly Place[]): string {
  return `# waymark completion for bash: eval "$(waymark completion bash)"
_waymark() {
  local current=\${COMP_WORDS[COMP_CWORD]} path= word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      -*) ;;
      *) case " $path $word " in
${cases(places, (path) => `        " ${path.slice(0, -1).join(' ')} ${path.at(-1)} ") path="${path.join(' ')}" ;;`)}
      esac ;;
    esac
  done
  local words=
  case $path in
${places.map(({ path, words, flags }) => `    "${path.join(' ')}") words="${[...words.map(({ word }) => word), ...flags].join(' ')}" ;;`).join('\n')}
  esac
  case $path in
${offering(places, '|')}) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current")); return ;;
  esac
  # What a shell breaks at ":" and "=" is put together again, and what stands already is not repeated.
  local line=\${COMP_LINE:0:COMP_POINT} first= rest typed
  typed=\${line##* } rest=\${line#* "$path" }
  case $rest in *' '*) first=\${rest%%' '*} ;; esac
  COMPREPLY=($(compgen -W "$words $(waymark $path --words $first 2>/dev/null)" -- "$typed"))
  COMPREPLY=("\${COMPREPLY[@]#"\${typed%"\${typed##*[:=]}"}"}")
  [[ \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o default -F _waymark waymark
`
}

function zsh(places: readonly Place[]): string {
  return `#compdef waymark
# waymark completion for zsh: eval "$(waymark completion zsh)"
_waymark() {
  local at= word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case $word in
      -*) ;;
      *) case " $at $word " in
${cases(places, (path) => `        " ${path.slice(0, -1).join(' ')} ${path.at(-1)} ") at="${path.join(' ')}" ;;`)}
      esac ;;
    esac
  done
  case $at in
${places.map(({ path, words, flags, offers }) => `    "${path.join(' ')}") compadd -- ${[...words.map(({ word }) => word), ...flags].join(' ')}${offers ? zshOffers(path) : ''} ;;`).join('\n')}
  esac
  _files
}
compdef _waymark waymark
`
}

function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ path, words, flags, offers }) => {
    const first = `__fish_seen_subcommand_from ${path[0]}`
    const others = words.map(({ word }) => word).join(' ')
    const here =
      path.length === 0
        ? '__fish_use_subcommand'
        : path.length === 1
          ? others === ''
            ? first
            : `${first}; and not __fish_seen_subcommand_from ${others}`
          : `${first}; and __fish_seen_subcommand_from ${path[1]}`
    return [
      ...words.map(({ word, says }) => `complete -c waymark -n '${here}' -f -a ${word} -d '${plain(says)}'`),
      ...flags.map((flag) => `complete -c waymark -n '${here}' -l ${flag.slice(2)}`),
      ...(offers
        ? [
            `complete -c waymark -n '${here}' -f -a '(waymark ${path.join(' ')} --words (commandline -opc)[3] 2>/dev/null)'`,
          ]
        : []),
    ]
  })
  return `# waymark completion for fish: waymark completion fish | source\n${lines.join('\n')}\n`
}

/** The places whose words come from the server, as a pattern; one that nothing is, where there are none. */
function offering(places: readonly Place[], between: string): string {
  const paths = places.flatMap(({ path, offers }) => (offers ? [`"${path.join(' ')}"`] : []))
  return `    ${paths.length === 0 ? '"no such place"' : paths.join(between)}`
}

function zshOffers(path: readonly string[]): string {
  return `; compadd -S '' -- \${(f)"$(waymark ${path.join(' ')} --words \${words[3,CURRENT-1][1]} 2>/dev/null)"}`
}

function cases(places: readonly Place[], line: (path: readonly string[]) => string): string {
  return places.flatMap(({ path }) => (path.length === 0 ? [] : [line(path)])).join('\n')
}

function plain(text: string): string {
  return text.replace(/['\\]/g, '’')
}
