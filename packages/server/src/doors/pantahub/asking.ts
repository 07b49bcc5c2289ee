/**
 * Asking another server for a JSON object: a provider of logins, a judge of captchas. Bounded in time and size; redirects
 * are not followed, so what is sent along goes nowhere else.
 */
import { isJsonObject, type JsonObject, ok, type Result, refuse } from '@waymark/domain'

const answerMs = 10_000
const answerBytesMax = 256 * 1024

/** The object it answers, or in words why there is none. */
export async function answerOf(url: string, init: RequestInit): Promise<Result<JsonObject, string>> {
  try {
    const answer = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(answerMs) })
    let text = ''
    const decoder = new TextDecoder()
    for await (const piece of answer.body ?? []) {
      text += decoder.decode(piece as Uint8Array, { stream: true })
      if (text.length > answerBytesMax) return refuse('an answer that does not end')
    }
    if (!answer.ok) return refuse(`status ${answer.status}`)
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? ok(value) : refuse('an answer that is no object')
  } catch (error) {
    return refuse(error instanceof SyntaxError ? 'an answer that is no JSON' : 'no answer')
  }
}
