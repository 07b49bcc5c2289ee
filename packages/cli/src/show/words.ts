/** Words for people: times as they are felt, sizes as they are said, and foreign text that can do a terminal no harm. */

/**
 * Text from elsewhere on one line: whatever could move the cursor, colour the screen or reorder what is read becomes
 * visible instead.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u061C\u200E\u200F\u2028\u2029\u202A-\u202E\u2066-\u2069]/gu, (found) => {
    const code = found.codePointAt(0) ?? 0
    if (found === '\n') return '\\n'
    if (found === '\t') return ' '
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`
  })
}

const steps = [
  { unit: 's', ms: 1000, below: 60_000 },
  { unit: 'min', ms: 60_000, below: 3_600_000 },
  { unit: 'h', ms: 3_600_000, below: 48 * 3_600_000 },
  { unit: 'd', ms: 86_400_000, below: 30 * 86_400_000 },
]

/** `12 s ago`, `in 3 h`, and the date when it is further away than a month. */
export function timeFelt(at: string | undefined, now: number): string {
  if (at === undefined) return 'never'
  const away = now - Date.parse(at)
  if (Number.isNaN(away)) return printable(at)
  const far = Math.abs(away)
  if (far < 2000) return 'now'
  const step = steps.find(({ below }) => far < below)
  if (!step) return at.slice(0, 10)
  const said = `${Math.floor(far / step.ms)} ${step.unit}`
  return away < 0 ? `in ${said}` : `${said} ago`
}

/** `2026-11-21 14:03:22 (3 min ago)`: the time itself in UTC, and how it is felt. */
export function timeWhole(at: string | undefined, now: number): string {
  if (at === undefined) return 'never'
  return `${printable(at.slice(0, 19).replace('T', ' '))} (${timeFelt(at, now)})`
}

/** `1.5 MB`: decimal, three digits. */
export function sizeSaid(bytes: number): string {
  let size = bytes
  for (const unit of ['B', 'kB', 'MB', 'GB', 'TB']) {
    if (size < 999.5 || unit === 'TB')
      return `${unit === 'B' ? size : size < 999.5 ? size.toPrecision(3) : Math.round(size)} ${unit}`
    size /= 1000
  }
  return `${bytes} B`
}
