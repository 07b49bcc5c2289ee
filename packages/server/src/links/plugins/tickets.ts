/**
 * Tickets of dialled devices: what a plugin shows in place of a password for a device that the server had it call.
 *
 * A device that is called proves nothing to the plugin that the server could check, so the server vouches for the call
 * it asked for itself: one session, of that device, within a minute.
 */
import type { DeviceId } from '@waymark/domain'

const lifeMs = 60_000
/** Tickets that are remembered at once; the oldest go first. */
const heldMost = 100_000

export interface Tickets {
  /** A new ticket for this device; those it had before are good no longer. */
  give(device: DeviceId): string
  /** Takes a ticket: good once, in its time, for its device. */
  isGood(ticket: string, device: DeviceId): boolean
}

export function createTickets(needs: {
  readonly clock: { now(): number }
  readonly random: (count: number) => Uint8Array
}): Tickets {
  const held = new Map<DeviceId, { readonly ticket: string; readonly until: number }>()
  return {
    give(device) {
      const ticket = Buffer.from(needs.random(24)).toString('base64url')
      held.delete(device)
      held.set(device, { ticket, until: needs.clock.now() + lifeMs })
      if (held.size > heldMost)
        for (const oldest of held.keys()) {
          held.delete(oldest)
          break
        }
      return ticket
    },
    isGood(ticket, device) {
      const given = held.get(device)
      if (given?.ticket !== ticket) return false
      held.delete(device)
      return needs.clock.now() <= given.until
    },
  }
}
