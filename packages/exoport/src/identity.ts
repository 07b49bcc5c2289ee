/**
 * A device's name outside: one delimiter, the account, the same delimiter, the device's id: `*acme*d1`.
 *
 * Who builds it takes the first delimiter of a fixed list that occurs in neither name. Who reads it takes any single
 * character, as long as it splits the rest in exactly two: that needs no list, so a peer with a longer one is understood.
 */

/** Which device of which account. */
export interface ExternalName {
  readonly account: string
  readonly device: string
}

/** The delimiters in the order in which they are tried. */
export const delimiters = "*=#_-/&+!%^:;.,()[]{}'`<>\\$"

/** Longest external name in bytes. Far above what accounts and ids may have, far below what a frame could carry. */
export const mostNameBytes = 1024

/**
 * The name as it travels, or undefined where there is none: an empty part, or every delimiter occurs in one of the two.
 *
 * ```ts
 * externalName({ account: 'acme', device: 'd1' }) // '*acme*d1'
 * externalName({ account: 'a*b', device: 'd=1' }) // '#a*b#d=1'
 * ```
 */
export function externalName({ account, device }: ExternalName): string | undefined {
  if (account === '' || device === '') return undefined
  for (const delimiter of delimiters)
    if (!account.includes(delimiter) && !device.includes(delimiter))
      return `${delimiter}${account}${delimiter}${device}`
  return undefined
}

/** The account and device that a text names, or undefined: no delimiter in it, or more than one, or an empty part. */
export function parseExternalName(text: string): ExternalName | undefined {
  const delimiter = String.fromCodePoint(text.codePointAt(0) ?? 0)
  const parts = text.slice(delimiter.length).split(delimiter)
  const [account, device] = parts
  if (text === '' || parts.length !== 2 || !account || !device) return undefined
  return { account, device }
}
