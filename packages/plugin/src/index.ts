export { type HostedPlugin, hostPlugin, type PluginHouse } from './host.ts'
export type {
  Carried,
  Dialled,
  HttpAnswer,
  HttpRequest,
  Identity,
  OpenPlugin,
  Outcome,
  Plugin,
  PluginModule,
  PluginProtocol,
  Session,
  Step,
  UpAnswer,
  Value,
  Waymark,
} from './plugin.ts'
export { PluginFailure, type PluginWord } from './process.ts'
