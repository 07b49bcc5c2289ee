/**
 * Text to statements (RFC 7950 6.1–6.3).
 *
 * Reads bytes or text once, from left to right, without recursion and without looking back. Knows comments,
 * the three kinds of string and their concatenation, and nothing of what the keywords mean. After a mistake it
 * goes on at the next place where a statement can begin, so that one missing semicolon does not hide the rest.
 *
 * One rule depends on the YANG version, which is itself a statement further down: unknown escapes are errors in
 * 1.1 and harmless in 1.0 (RFC 7950 6.1.3, RFC 6020 6.1.3). Such places are noted and judged once the whole text
 * has been read. Quotes inside unquoted strings, which only RFC 7950 forbids in so many words, every tool refuses
 * in both versions.
 */

import { defaultLimits, type Limits } from './limits.ts'
import type { Finding, Place, Report } from './report.ts'
import { brief, Source, Statement } from './statement.ts'

/** The outermost statement, or undefined when the text holds none worth going on with. */
export function parseText(
  file: string,
  input: string | Uint8Array,
  report: Report,
  options: { readonly limits?: Limits; readonly lenient?: boolean } = {},
): Statement | undefined {
  const limits = options.limits ?? defaultLimits
  const source = decode(file, input, report, limits)
  return source && new Reader(source, report, limits, options.lenient ?? false).readAll()
}

const tab = 0x09
const lineFeed = 0x0a
const carriageReturn = 0x0d
const space = 0x20
const doubleQuote = 0x22
const singleQuote = 0x27
const asterisk = 0x2a
const plus = 0x2b
const slash = 0x2f
const semicolon = 0x3b
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d

// RFC 7950 14, yang-char: no C0 controls but tab, LF and CR, no noncharacters. RFC 6020 9 says "any Unicode".
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const forbiddenCharacter = /[\0-\x08\x0b\x0c\x0e-\x1f\ufdd0-\ufdef\ufffe\uffff]/
/** The language has some seventy; the rest is for extensions. */
const mostKeywords = 500
const keywordShape = /^[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?$/

class Reader {
  readonly #source: Source
  readonly #text: string
  readonly #report: Report
  readonly #limits: Limits
  readonly #lenient: boolean
  readonly #doubtful: { at: number; lawfulIn10: boolean; finding: Finding }[] = []
  /** Keywords met, so that equal ones are one text: they are compared often from here on. */
  readonly #keywords = new Map<string, string>()
  #at = 0
  #root: Statement | undefined
  #complainedOfTail = false

  constructor(source: Source, report: Report, limits: Limits, lenient: boolean) {
    this.#source = source
    this.#text = source.text
    this.#report = report
    this.#limits = limits
    this.#lenient = lenient
  }

  readAll(): Statement | undefined {
    let parent: Statement | undefined
    let depth = 0
    const text = this.#text
    for (;;) {
      this.#skipSeparators(parent)
      if (this.#at >= text.length || this.#report.isFull) break
      const code = text.charCodeAt(this.#at)
      if (code === closeBrace) {
        if (!parent) this.#complain(this.#at, parent, 'a closing brace', 'a statement', '6.3')
        parent = parent?.parent
        depth = Math.max(0, depth - 1)
        this.#at++
        continue
      }
      const statement = this.#readHead(parent)
      if (!statement) continue
      if (text.charCodeAt(this.#at) === openBrace && this.#opens) {
        this.#at++
        if (++depth > this.#limits.maxDepth) {
          this.#report.error(statement, {
            code: 'limit',
            found: `statements nested ${depth} deep`,
            expected: `no more than ${this.#limits.maxDepth} levels`,
            rfc: 'limit maxDepth',
          })
          return undefined
        }
        parent = statement
      }
    }
    if (parent && !this.#report.isFull)
      this.#complain(
        text.length,
        parent,
        'the end of the file',
        `a brace that closes "${parent.keyword}"`,
        '6.3',
      )
    if (!this.#root) this.#complain(0, undefined, 'no statement', 'a module or a submodule', '6')
    this.#judgeVersion()
    return this.#root
  }

  /** True when the head just read ended at an opening brace. */
  #opens = false

  /** Reads `keyword [argument]` and the semicolon, if that is what follows. */
  #readHead(parent: Statement | undefined): Statement | undefined {
    const start = this.#at
    const text = this.#text
    this.#opens = false
    const first = text.charCodeAt(start)
    if (first === doubleQuote || first === singleQuote || first === semicolon || first === openBrace) {
      this.#complain(start, parent, `"${text[start]}"`, 'a keyword', '6.1.2')
      this.#recover()
      return undefined
    }
    const written = this.#readUnquoted()
    const known = this.#keywords.get(written)
    const keyword = known ?? written
    if (known === undefined && keywordShape.test(keyword)) {
      if (this.#keywords.size < mostKeywords) this.#keywords.set(keyword, keyword)
    } else if (known === undefined) {
      this.#complain(start, parent, `"${brief(keyword)}"`, 'a keyword', '6.1.2')
      this.#recover()
      return undefined
    }
    const separated = this.#skipSeparators(parent)
    let argument: string | undefined
    const next = text.charCodeAt(this.#at)
    if (this.#at < text.length && next !== semicolon && next !== openBrace && next !== closeBrace) {
      if (!separated)
        this.#complain(
          this.#at,
          parent,
          `"${text[this.#at]}" right after "${keyword}"`,
          'white space',
          '6.1.2',
        )
      argument = this.#readArgument(parent)
      this.#skipSeparators(parent)
    }
    const statement = new Statement(this.#source, start, keyword, argument, parent)
    this.#adopt(statement, parent)
    const end = text.charCodeAt(this.#at)
    if (end === semicolon) this.#at++
    else if (end === openBrace) this.#opens = true
    else {
      const found =
        this.#at >= text.length
          ? 'the end of the file'
          : `"${brief(text.slice(this.#at, this.#at + 20), 20)}"`
      this.#complain(this.#at, statement, found, `";" or "{" after "${keyword}"`, '6.3')
      // A forgotten semicolon: what follows on a later line is most likely the next statement.
      if (!this.#lineBreakBefore(this.#at)) this.#recover()
    }
    return statement
  }

  #adopt(statement: Statement, parent: Statement | undefined): void {
    if (parent) parent.append(statement)
    else if (!this.#root) this.#root = statement
    else if (!this.#complainedOfTail) {
      this.#complainedOfTail = true
      this.#complain(
        statement.offset,
        statement,
        `a second statement "${statement.keyword}"`,
        'the end of the file',
        '6.3',
      )
    }
  }

  /** Skips to just after the next semicolon, or to the next brace, so that reading can go on. */
  #recover(): void {
    const text = this.#text
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at)
      if (code === closeBrace) return
      this.#at++
      if (code === semicolon || code === openBrace) return
    }
  }

  #lineBreakBefore(at: number): boolean {
    for (let i = at - 1; i >= 0; i--) {
      const code = this.#text.charCodeAt(i)
      if (code === lineFeed) return true
      if (code !== space && code !== tab && code !== carriageReturn) return false
    }
    return false
  }

  /** Skips white space and comments; says whether there was any. */
  #skipSeparators(parent: Statement | undefined): boolean {
    const text = this.#text
    const start = this.#at
    for (;;) {
      const code = text.charCodeAt(this.#at)
      if (code === space || code === lineFeed || code === tab || code === carriageReturn) this.#at++
      else if (code === slash && text.charCodeAt(this.#at + 1) === slash) {
        const end = text.indexOf('\n', this.#at)
        this.#at = end === -1 ? text.length : end + 1
      } else if (code === slash && text.charCodeAt(this.#at + 1) === asterisk) {
        const end = text.indexOf('*/', this.#at + 2)
        if (end === -1) this.#complain(this.#at, parent, 'a comment without end', '"*/"', '6.1.1')
        this.#at = end === -1 ? text.length : end + 2
      } else return this.#at > start
    }
  }

  #readArgument(parent: Statement | undefined): string {
    const code = this.#text.charCodeAt(this.#at)
    if (code !== doubleQuote && code !== singleQuote) {
      if (code === plus && this.#isLonePlus())
        this.#complain(this.#at, parent, '"+"', 'a quoted string before it', '6.1.3')
      return this.#readUnquoted()
    }
    let argument = this.#readQuoted(parent)
    for (;;) {
      const resume = this.#at
      this.#skipSeparators(parent)
      if (this.#text.charCodeAt(this.#at) !== plus) {
        const next = this.#text.charCodeAt(this.#at)
        if (next !== semicolon && next !== openBrace) this.#at = resume
        return argument
      }
      this.#at++
      this.#skipSeparators(parent)
      const next = this.#text.charCodeAt(this.#at)
      if (next !== doubleQuote && next !== singleQuote) {
        this.#complain(this.#at, parent, 'no quoted string after "+"', 'a quoted string', '6.1.3')
        return argument
      }
      argument += this.#readQuoted(parent)
    }
  }

  #isLonePlus(): boolean {
    const next = this.#text.charCodeAt(this.#at + 1)
    return next === space || next === tab || next === lineFeed || next === carriageReturn
  }

  #readUnquoted(): string {
    const text = this.#text
    const start = this.#at
    let quoteAt = -1
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at)
      if (code === space || code === semicolon || code === openBrace || code === closeBrace) break
      if (code === lineFeed || code === tab || code === carriageReturn) break
      if (code === slash) {
        const next = text.charCodeAt(this.#at + 1)
        if (next === slash || next === asterisk) break
      } else if ((code === doubleQuote || code === singleQuote) && quoteAt === -1) quoteAt = this.#at
    }
    if (quoteAt !== -1)
      this.#doubtful.push({
        at: quoteAt,
        lawfulIn10: false,
        finding: {
          code: 'syntax',
          found: `a quote inside the unquoted string "${brief(text.slice(start, this.#at))}"`,
          expected: 'white space before the quote, or quotes around the whole',
          rfc: 'RFC 7950 6.1.3',
        },
      })
    return text.slice(start, this.#at)
  }

  #readQuoted(parent: Statement | undefined): string {
    const text = this.#text
    const open = this.#at
    if (text.charCodeAt(open) === singleQuote) {
      const end = text.indexOf("'", open + 1)
      if (end === -1) return this.#unclosed(open, parent)
      this.#at = end + 1
      return text.slice(open + 1, end)
    }
    let end = open + 1
    let plain = true
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end)
      if (code === doubleQuote) break
      if (code === backslash) {
        plain = false
        end++
      } else if (code === lineFeed) plain = false
    }
    if (end >= text.length) return this.#unclosed(open, parent)
    this.#at = end + 1
    const raw = text.slice(open + 1, end)
    return plain ? raw : this.#cook(raw, open)
  }

  #unclosed(open: number, parent: Statement | undefined): string {
    this.#complain(open, parent, 'a quoted string without end', `a closing ${this.#text[open]}`, '6.1.3')
    this.#at = this.#text.length
    return this.#text.slice(open + 1)
  }

  /** Trims lines as RFC 7950 6.1.3 says, then carries out the escapes. */
  #cook(raw: string, open: number): string {
    const indent = raw.includes('\n') ? this.#columnAfter(open) : 0
    const lines: string[] = []
    for (let start = 0; start <= raw.length; ) {
      const end = raw.indexOf('\n', start)
      const isLast = end === -1
      const stop = isLast ? raw.length : end
      const { from, spaces } = start === 0 ? { from: 0, spaces: 0 } : skipIndent(raw, start, stop, indent)
      const to = isLast ? stop : trimEnd(raw, from, stop)
      const lineEnd = !isLast && raw.charCodeAt(stop - 1) === carriageReturn ? '\r\n' : isLast ? '' : '\n'
      lines.push(' '.repeat(spaces) + this.#unescape(raw.slice(from, to), open + 1 + from) + lineEnd)
      if (isLast) break
      start = end + 1
    }
    return lines.join('')
  }

  #unescape(line: string, offset: number): string {
    if (!line.includes('\\')) return line
    return line.replace(/\\(.?)/gs, (whole, letter: string, at: number) => {
      const meaning = escapes.get(letter)
      if (meaning === undefined)
        this.#doubtful.push({
          at: offset + at,
          lawfulIn10: true,
          finding: {
            code: 'syntax',
            found: `the escape "\\${letter}"`,
            expected: String.raw`one of \n, \t, \", \\; or single quotes`,
            rfc: 'RFC 7950 6.1.3',
          },
        })
      return meaning ?? whole
    })
  }

  /** The column, counted from 0 with tabs as eight, of the first character after the quote. */
  #columnAfter(quote: number): number {
    let column = 0
    for (let i = this.#text.lastIndexOf('\n', quote - 1) + 1; i <= quote; i++)
      column += this.#text.charCodeAt(i) === tab ? 8 : 1
    return column
  }

  #judgeVersion(): void {
    if (this.#doubtful.length === 0) return
    const isVersion11 = this.#root?.argumentOf('yang-version') === '1.1'
    for (const { at, lawfulIn10, finding } of this.#doubtful) {
      const place = this.#placeAt(at, this.#root)
      const isWrong = isVersion11 || !lawfulIn10
      if (isWrong && !this.#lenient) this.#report.error(place, finding)
      else this.#report.warning(place, { ...finding, code: isWrong ? 'lenient' : 'style' })
    }
  }

  #complain(at: number, near: Statement | undefined, found: string, expected: string, clause: string): void {
    this.#report.error(this.#placeAt(at, near), {
      code: 'syntax',
      found,
      expected,
      rfc: `RFC 7950 ${clause}`,
    })
  }

  #placeAt(at: number, near: Statement | undefined): Place {
    return { file: this.#source.file, ...this.#source.locate(at), path: near?.path ?? '' }
  }
}

const escapes = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['"', '"'],
  ['\\', '\\'],
])

/** The end of a line without the blanks, and without the CR, before its LF. */
function trimEnd(raw: string, from: number, to: number): number {
  let end = to
  if (end > from && raw.charCodeAt(end - 1) === carriageReturn) end--
  while (end > from && isBlank(raw.charCodeAt(end - 1))) end--
  return end
}

function isBlank(code: number): boolean {
  return code === space || code === tab
}

/** Skips up to `indent` columns of white space; a tab that reaches past leaves spaces behind. */
function skipIndent(
  raw: string,
  start: number,
  stop: number,
  indent: number,
): { from: number; spaces: number } {
  let column = 0
  let from = start
  while (column < indent && from < stop && isBlank(raw.charCodeAt(from))) {
    column += raw.charCodeAt(from) === tab ? 8 : 1
    from++
  }
  return { from, spaces: Math.max(0, column - indent) }
}

function decode(
  file: string,
  input: string | Uint8Array,
  report: Report,
  limits: Limits,
): Source | undefined {
  const size = typeof input === 'string' ? input.length : input.byteLength
  const start: Place = { file, line: 1, column: 1, path: '' }
  if (size > limits.maxTextBytes) {
    const expected = `no more than ${limits.maxTextBytes}`
    report.error(start, { code: 'limit', found: `${size} bytes`, expected, rfc: 'limit maxTextBytes' })
    return undefined
  }
  const text = typeof input === 'string' ? input : decodeUtf8(input)
  if (typeof text === 'number') {
    const line = countLines(input, text)
    const expected = 'UTF-8'
    const found = `the octet 0x${(typeof input === 'string' ? 0 : (input[text] ?? 0)).toString(16)} at offset ${text}`
    report.error({ ...start, line }, { code: 'syntax', found, expected, rfc: 'RFC 7950 6' })
    return undefined
  }
  const source = new Source(file, text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  const bad = source.text.isWellFormed()
    ? source.text.search(forbiddenCharacter)
    : source.text.search(/\p{Cs}/u)
  if (bad !== -1) {
    const point = (source.text.codePointAt(bad) ?? 0).toString(16).toUpperCase().padStart(4, '0')
    const place: Place = { file, ...source.locate(bad), path: '' }
    report.error(place, {
      code: 'syntax',
      found: `the character U+${point}`,
      expected: 'a Unicode character that is neither a control character nor a noncharacter',
      rfc: 'RFC 7950 14',
    })
    return undefined
  }
  return source
}

/** The text, or the offset of the first octet that is not UTF-8. */
function decodeUtf8(bytes: Uint8Array): string | number {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return firstBadOctet(bytes)
  }
}

/** Halves the bytes until only the faulty place is left; a cut through a character is not a fault. */
function firstBadOctet(bytes: Uint8Array): number {
  let good = 0
  let bad = bytes.length
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true })
      good = middle
    } catch {
      bad = middle
    }
  }
  return good
}

function countLines(input: string | Uint8Array, until: number): number {
  let line = 1
  for (let i = 0; i < until; i++) if (input[i] === lineFeed) line++
  return line
}
