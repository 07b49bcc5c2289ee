/** What a call is named by, where the caller gave it no name: a text of digits, in the order of an account's calls. */
import { counters } from './back-end-records.ts'
import type { Tx } from './port.ts'

/** As JSON text. */
export async function nextCallId(tx: Tx): Promise<string> {
  const value = ((await tx.get(counters, { name: 'calls' }))?.value ?? 0) + 1
  await tx.put(counters, { name: 'calls', value })
  return JSON.stringify(String(value))
}
