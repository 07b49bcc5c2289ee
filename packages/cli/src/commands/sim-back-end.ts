/**
 * What simulations ask of a server with your login, as a back end would: things are made where they are not there yet, devices a few
 * at a time, and groups get their members in batches.
 */
import type { Fleet } from '@waymark/sdk'
import { Failure } from '../io.ts'
import { printable } from '../show/words.ts'

/** Devices a request names, and devices that are made at once. */
const namesAtOnce = 500
const madeAtOnce = 8

export type Call = (method: string, ...params: string[]) => Promise<void>

/** Calls a command; what is there already is as good as made. */
export function caller(fleet: Fleet, account: string): Call {
  return async (method, ...params) => {
    const { ok, text } = await fleet.callMethod({
      body: { method, params: [...params, `account=${account}`] },
    })
    if (!ok && !text.includes('object-exists')) throw new Failure(1, `${method}: ${printable(text)}`)
  }
}

/** The account that devices name when they call in: the one that was given, or the only one of this login. */
export async function accountOf(fleet: Fleet, given: string | undefined): Promise<string> {
  if (given !== undefined) return given
  const { nick } = await fleet.whoAmI()
  const { result } = await fleet.callMethod({
    body: { method: 'list-user-accounts', params: [`uname=${nick}`] },
  })
  const { accounts = [] } = (result ?? {}) as { accounts?: readonly { readonly name: string }[] }
  const [only, ...others] = accounts
  if (!only || others.length > 0) {
    const names = accounts.map(({ name }) => name).join(', ')
    throw new Failure(2, `--account: wanted the account that devices call in to, of ${names || 'none'}`)
  }
  return only.name
}

/** Does it for each of them, a few at a time. */
export async function atOnce<T>(all: readonly T[], make: (one: T) => Promise<void>): Promise<void> {
  const left = all.values()
  const some = async () => {
    for (const one of left) await make(one)
  }
  await Promise.all(Array.from({ length: Math.min(all.length, madeAtOnce) }, some))
}

/** Names of devices as a parameter, so many to a request. */
export async function inBatches(
  devices: readonly { readonly name: string }[],
  add: (names: string) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < devices.length; at += namesAtOnce)
    await add(`device-id:=${JSON.stringify(devices.slice(at, at + namesAtOnce).map(({ name }) => name))}`)
}

/** Where devices dial in: `HOST:PORT`, `PORT`, or the server's own host at the usual port. `flag` is named where it is none of these. */
export function addressOf(
  flag: string,
  url: string,
  given: string | undefined,
  portDefault: number,
): { host: string; port: number } {
  const server = new URL(url).hostname.replace(/^\[|\]$/g, '')
  if (given === undefined) return { host: server, port: portDefault }
  const [, host = server, digits = ''] = /^(?:(.+):)?(\d{1,5})$/.exec(given) ?? []
  const port = Number(digits)
  if (digits === '' || port < 1 || port > 65_535)
    throw new Failure(2, `${flag}: wanted HOST:PORT or PORT, got ${given}`)
  return { host: host.replace(/^\[|\]$/g, ''), port }
}
