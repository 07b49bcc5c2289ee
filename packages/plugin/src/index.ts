export { type HostedPlugin, hostPlugin, type PluginHouse } from './host.ts'
export type {
  Carried,
  Identity,
  OpenPlugin,
  Outcome,
  Plugin,
  PluginProtocol,
  Session,
  Step,
  UpAnswer,
  Value,
  Waymark,
} from './plugin.ts'
export { PluginFailure, type PluginWord } from './process.ts'
