/**
 * What can happen, in one table. Every change of a record adds an entry of one of these kinds, in the same commit;
 * live updates, audit, `why` and time travel are its readers. Entries hold facts, never secrets.
 */
import type { Env } from './env.ts'
import type { DeviceId } from './ids.ts'
import type { JsonObject } from './json.ts'
import type { Actor, Tx } from './port.ts'

/** Kind → what it says, in words for people. */
export const journalKinds = {
  'tenant.created': 'a tenant was made',
  'tenant.changed': 'a tenant was changed',
  'principal.created': 'an account was made',
  'principal.changed': 'an account was changed',
  'principal.verified': 'an account confirmed its e-mail address',
  'credential.changed': 'a credential was changed; older tokens are void',
  'membership.changed': 'somebody’s roles in a tenant were set',
  'join-token.created': 'a join token was made',
  'join-token.disabled': 'a join token was disabled',
  'access-token.created': 'a personal token was made',
  'access-token.removed': 'a personal token was removed; logins by it are void',
  'app.created': 'an app of a third party was registered',
  'app.changed': 'an app of a third party was changed',
  'app.removed': 'an app of a third party was removed; tokens given to it are void',
  'profile.changed': 'what an account tells of itself was changed',
  'global-meta.changed': 'what an owner wants every device to know was changed',
  'installation.restored': 'records were put back from a backup',
  'installation.collected': 'objects that nothing refers to were collected, as an administrator asked',
  'setting.changed': 'a setting of the installation was changed',
  'device.registered': 'a device registered',
  'device.imported': 'a device came in from another server, under the id it had there',
  'device.arrived': 'a device came in from the unclaimed',
  'device.left': 'a device left for the tenant that claimed it',
  'device.renamed': 'a device got another name',
  'device.labelled': 'a device’s labels were set',
  'device.published': 'a device was made public',
  'device.unpublished': 'a device was made private',
  'device.secret-changed': 'a device’s secret was changed; older tokens are void',
  'device.deleted': 'a device was deleted',
  'device.wanted': 'what the owner wants a device to know was changed',
  'trail.begun': 'a device announced its factory state',
  'trail.closed': 'a trail was closed: the device may announce anew',
  'step.posted': 'a step was posted',
  'step.imported': 'a step came in from another server, as it stood there',
  'step.changed': 'a step that waits was changed',
  'step.reported': 'a device reported on a step',
  'step.contradicted': 'a device reported another end than the one that stands',
  'step.proved': 'a step was seen to run',
  'step.abort-asked': 'an owner asked a device to give up a step',
  'step.cleared': 'an owner cleared a failed step: what follows may go on',
  'transaction.submitted': 'something was asked of a device',
  'transaction.sent': 'something asked was handed to the device',
  'transaction.progressed': 'a device said how far it is',
  'transaction.requeued': 'the link was lost: it will be sent again',
  'transaction.ended': 'something asked has ended',
  'delivery.redriven': 'a message to a back end that was given up is sent again',
  'transaction.slice-dropped': 'the rest of a group was not asked, since the whole had ended',
  'object.registered': 'an object was registered',
  'object.stored': 'an object’s bytes arrived and agreed with its name',
  'object.linked': 'an object was linked to the bytes of one that is published',
  'object.renamed': 'an object was renamed',
  'object.removed': 'an object was removed',
  'object.collected': 'an object nothing refers to was collected',
  'group.created': 'a group was made',
  'group.changed': 'a group’s membership was changed',
  'group.removed': 'a group was removed',
  'device-type.created': 'a type of devices was made',
  'device-type.changed': 'a type of devices was changed',
  'device-type.removed': 'a type of devices was removed',
  'device.described': 'what a back end tells of a device was changed',
  'device.notified': 'a device sent a notification',
  'schema.stored': 'a schema was stored',
  'schema.removed': 'a schema was removed',
  'configuration-set.created': 'a set of configuration was made',
  'configuration-set.changed': 'a set of configuration was changed',
  'configuration-set.pushed': 'a set of configuration was pushed to its members',
  'configuration-set.removed': 'a set of configuration was removed',
  'configuration.confirmed': 'a device confirmed its configuration',
  'package.created': 'a package was made',
  'package.removed': 'a package was removed',
  'package.allowed': 'which devices may have a package was changed',
  'package.moved': 'a package came on, or went, on a device',
  'configuration.staged': 'configuration of a package was edited',
  'permission.changed': 'who may execute an operation was changed',
  'tenant.removed': 'a tenant was removed',
  'principal.removed': 'an account was removed',
} as const

export type JournalKind = keyof typeof journalKinds

/** A pen for entries about one thing by one actor. The address it acted from stands with the facts, as `address`. */
export function actingOn(tx: Tx, env: Env, actor: Actor, device?: DeviceId) {
  const { kind, id, address } = actor
  const by = address === undefined ? actor : { kind, id }
  return {
    note(kind: JournalKind, facts: JsonObject): void {
      const data = address === undefined ? facts : { ...facts, address }
      tx.journal(
        device === undefined ? { kind, at: env.now, by, data } : { kind, at: env.now, by, data, device },
      )
    },
  }
}

/** An actor as records and entries keep it: without where it acted from. */
export function lastingly({ kind, id }: Actor): Actor {
  return { kind, id }
}
