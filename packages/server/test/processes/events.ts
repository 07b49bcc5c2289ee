/** The fleet door's live events as a reader sees them: gathered in the order they come, with their cursors. */

export interface Seen {
  readonly cursor: string
  readonly kind: string
}

export interface Following {
  readonly seen: Seen[]
  /** Resolves when the stream has ended, however it did. */
  readonly ended: Promise<void>
  /** Resolves when so many have come in all, or the stream has ended. */
  reach(count: number): Promise<void>
  stop(): void
}

/** Opens the stream behind a cursor; answers when it is open. */
export async function follow(url: string, token: string, after?: string): Promise<Following> {
  const stopper = new AbortController()
  const answer = await fetch(`${url}/fleet/v1/events`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(after === undefined ? {} : { 'last-event-id': after }),
    },
    signal: stopper.signal,
  })
  if (answer.status !== 200 || answer.body === null)
    throw new Error(`events: ${answer.status} ${await answer.text()}`)
  const seen: Seen[] = []
  let wake: () => void = () => {}
  let over = false
  const body = answer.body.pipeThrough(new TextDecoderStream())
  const ended = (async () => {
    let text = ''
    try {
      for await (const piece of body) {
        text += piece
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const cursor = /^id: (.*)$/m.exec(block)?.[1]
          const kind = /^event: (.*)$/m.exec(block)?.[1]
          if (cursor !== undefined && kind !== undefined) seen.push({ cursor, kind })
        }
        wake()
      }
    } catch {
      // Cut off: by us, or because the server is gone.
    }
    over = true
    wake()
  })()
  return {
    seen,
    ended,
    async reach(count) {
      while (seen.length < count && !over)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    },
    stop: () => stopper.abort(),
  }
}

/** The whole journal behind a cursor, read in pages. */
export async function readJournal(url: string, token: string, after: string): Promise<Seen[]> {
  const all: Seen[] = []
  for (let cursor = after; ; ) {
    const answer = await fetch(`${url}/fleet/v1/journal?limit=500&after=${encodeURIComponent(cursor)}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const page = (await answer.json()) as { items: Seen[]; next: string }
    all.push(...page.items.map(({ cursor, kind }) => ({ cursor, kind })))
    if (page.items.length === 0) return all
    cursor = page.next
  }
}

/** A cursor behind everything that is in the journal now. */
export async function journalEnd(url: string, token: string): Promise<string> {
  let next = ''
  for (;;) {
    const query = next === '' ? '' : `&after=${encodeURIComponent(next)}`
    const answer = await fetch(`${url}/fleet/v1/journal?limit=500${query}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const page = (await answer.json()) as { items: unknown[]; next: string }
    next = page.next
    if (page.items.length === 0) return next
  }
}
