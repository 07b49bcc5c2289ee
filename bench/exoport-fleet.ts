/** An account with ExoPort devices, made over JSON-RPC as a back end would make it. */

export const password = 'a good password'

const keys = { 'device-key': 7001, 'server-key': 7002 }

/** Calls a server's JSON-RPC door; throws for anything but `ok` or `accepted`. */
export function asker(port: number) {
  return async (user: string, method: string, params: object, secret = password): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${port}/exodm/rpc`, {
      method: 'POST',
      body: JSON.stringify({ method: method.includes(':') ? method : `exodm:${method}`, id: 1, params }),
      headers: { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` },
    })
    const text = await answer.text()
    if (!/"result":("ok"|\{"result":"ok"|\{.*"rpc-status":"accepted")/.test(text))
      throw new Error(`${method}: ${text}`)
  }
}

/** The account `acme` with so many devices of type `t`: `d0`, `d1`, …; all of them in the group `all`. */
export async function makeFleet(port: number, count: number): Promise<readonly string[]> {
  const ask = asker(port)
  await ask('exodm-admin', 'create-account', { name: 'acme', password, email: 'a@example.com' }, 'bench')
  await ask('acme-admin', 'create-device-type', { name: 't', protocol: 'exodm_bert' })
  await ask('acme-admin', 'create-device-group', { name: 'all', 'notification-url': 'http://example.com/' })
  const names = Array.from({ length: count }, (_, index) => `d${index}`)
  await each(names, 32, (name) =>
    ask('acme-admin', 'create-device', { 'device-id': name, 'device-type': 't', ...keys }),
  )
  for (const some of slices(names))
    await ask('acme-admin', 'add-device-group-members', { 'group-id': ['all'], 'device-id': some })
  return names
}

/** As many names as one request takes. */
export function* slices(names: readonly string[]): Iterable<readonly string[]> {
  for (let at = 0; at < names.length; at += 500) yield names.slice(at, at + 500)
}

async function each<T>(items: readonly T[], atOnce: number, act: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of left) await act(item)
    }),
  )
}
