/** From refusals to Exosense's result codes: one table, so that the same thing is always answered alike. */
import type {
  AccountRefusal,
  ConfigurationRefusal,
  DeviceTypeRefusal,
  GroupRefusal,
  SchemaRefusal,
} from '@waymark/domain'
import type { TargetRefusal } from '../../deliveries/target.ts'
import type { ResultCode } from './command.ts'

export type Refusal =
  | AccountRefusal
  | ConfigurationRefusal
  | DeviceTypeRefusal
  | GroupRefusal
  | SchemaRefusal
  | TargetRefusal

const codes = {
  'bad-name': 'illegal-name',
  'name-taken': 'object-exists',
  'no-such-account': 'object-not-found',
  'no-such-user': 'object-not-found',
  'no-such-type': 'object-not-found',
  'no-such-group': 'object-not-found',
  'no-such-set': 'object-not-found',
  'no-such-schema': 'object-not-found',
  'no-such-device': 'device-not-found',
  'not-empty': 'object-not-empty',
  'in-use': 'object-not-empty',
  'too-many': 'validation-failed',
  'another-type': 'validation-failed',
  'bad-target': 'validation-failed',
  protected: 'permission-denied',
} as const satisfies Record<Refusal['kind'], ResultCode>

export function codeOf(refusal: Refusal): ResultCode {
  return codes[refusal.kind]
}
