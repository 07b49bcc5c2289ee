/** Reasons, times, spans and sizes as `why` says them. */
import { Instant } from './ids.ts'

/** A reason behind a sentence, or nothing. */
export function said(reason: string | undefined): string {
  return reason === undefined || reason === '' ? '' : `: ${reason}`
}

/** To the second, in UTC. */
export function dateSaid(at: Instant): string {
  return `${Instant.format(at).slice(0, 19).replace('T', ' ')} UTC`
}

const spans = [
  { unit: 'd', ms: 86_400_000, from: 172_800_000 },
  { unit: 'h', ms: 3_600_000, from: 7_200_000 },
  { unit: 'min', ms: 60_000, from: 120_000 },
] as const

/** `10 s`, `45 min`, `3 h`, `12 d`. */
export function durationSaid(ms: number): string {
  const span = spans.find(({ from }) => ms >= from) ?? { unit: 's', ms: 1000 }
  return `${Math.round(ms / span.ms)} ${span.unit}`
}

/** `12 kB`, decimal. */
export function sizeSaid(bytes: number): string {
  let size = bytes
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (size < 999.5) return `${size < 9.95 && unit !== 'B' ? size.toFixed(1) : Math.round(size)} ${unit}`
    size /= 1000
  }
  return `${Math.round(size)} TB`
}
