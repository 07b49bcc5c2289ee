/**
 * The light door for command-line programs: settings, names, versions. Nothing here loads the HTTP framework, so that
 * `waymark --help` and the device-side programs start without waiting for it.
 */

export {
  type Config,
  type ConfigRefusal,
  describeRefusal,
  loadConfig,
  maskUrl,
  parseConfig,
  parseSettings,
  type Settings,
} from './config.ts'
export { checkSurroundings, type Finding } from './config-check.ts'
export {
  type ShownSetting,
  settingsHelp,
  settingsMarkdown,
  settingsText,
  showSettings,
} from './config-docs.ts'
export { nearest } from './nearest.ts'
export { readVersion, type Version } from './version.ts'
