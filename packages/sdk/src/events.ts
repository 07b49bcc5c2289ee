/**
 * Server-sent events as text: feed pieces, take events (HTML standard, 9.2.6). No socket in sight.
 */
import { FleetFault } from './errors.ts'

export interface ServerEvent {
  /** `message` when the stream names none. */
  readonly event: string
  readonly data: string
  /** The last id that was heard, also from an event without data. */
  readonly id: string
}

export interface EventReader {
  /** The events that a piece completes. */
  feed(text: string): ServerEvent[]
  /** The first id that was heard: where the stream begins, when it says so before its first event. */
  readonly firstId: string | undefined
  /** The wait before a new connection that the server asked for. */
  readonly retryMs: number | undefined
}

/** Characters of one event, and of one line, at most. */
const eventLengthMax = 16 * 1024 * 1024

export function createEventReader(): EventReader {
  let rest = ''
  let event = ''
  let data: string[] = []
  let dataLength = 0
  let pendingId: string | undefined
  let firstId: string | undefined
  let retryMs: number | undefined
  let begun = false

  function feed(text: string): ServerEvent[] {
    const found: ServerEvent[] = []
    rest += begun ? text : text.replace(/^\uFEFF/, '')
    begun ||= text !== ''
    // A CR at the end may be half of a CRLF: it waits for what follows.
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    for (const line of lines) take(line, found)
    if (rest.length + dataLength > eventLengthMax)
      throw new FleetFault('unexpected-answer', {
        thing: 'an event',
        wanted: `at most ${eventLengthMax} characters`,
        got: 'more',
      })
    return found
  }

  function take(line: string, found: ServerEvent[]): void {
    if (line === '') {
      firstId ??= pendingId
      if (data.length > 0)
        found.push({ event: event || 'message', data: data.join('\n'), id: pendingId ?? '' })
      event = ''
      data = []
      dataLength = 0
      return
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') {
      data.push(value)
      dataLength += value.length + 1
    } else if (field === 'event') event = value
    else if (field === 'id' && !value.includes('\0')) pendingId = value
    else if (field === 'retry' && /^\d{1,9}$/.test(value)) retryMs = Number(value)
  }

  return {
    feed,
    get firstId() {
      return firstId
    },
    get retryMs() {
      return retryMs
    },
  }
}
