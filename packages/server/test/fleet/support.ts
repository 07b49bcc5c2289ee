/** One house with the fleet door and the Pantahub door, and a way to ask the fleet door. */
import { createAccount } from '@waymark/domain'
import { fleetDoor } from '../../src/doors/fleet/door.ts'
import { pantahubDoor } from '../../src/doors/pantahub/door.ts'
import { openTestHouse, type TestHouse } from '../house.ts'

export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown> & { items?: Record<string, unknown>[]; next?: string }
}

export interface Room extends TestHouse {
  readonly admin: string
  ask(method: string, path: string, options?: { token?: string; body?: unknown }): Promise<Answer>
  /** A user with a tenant of their own; answers their token. */
  makeUser(nick: string): Promise<string>
}

export const userPassword = 'another password'

export async function openRoom(flags: readonly string[] = []): Promise<Room> {
  const house = await openTestHouse([fleetDoor, pantahubDoor], { flags })
  const admin = await house.login()
  return {
    ...house,
    admin,
    async ask(method, path, { token = admin, body } = {}) {
      const answer = await fetch(`${house.url}/fleet/v1${path}`, {
        method,
        headers: {
          ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      return { status: answer.status, body: text === '' ? {} : JSON.parse(text) }
    },
    async makeUser(nick) {
      const passwordHash = await house.house.passwords.hash(userPassword)
      await house.house.store.transactHouse((directory) =>
        createAccount(directory, house.house.env(), { nick, passwordHash, verified: true }),
      )
      return house.login(nick, userPassword)
    },
  }
}
