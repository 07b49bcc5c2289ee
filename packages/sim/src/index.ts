/** Fleets of simulated devices: many agents in one process, against a real server. */
export { clockOf } from './clock.ts'
export { type Counts, emptyCounts } from './counts.ts'
export {
  createExoPortFleet,
  type ExoPortCounts,
  type ExoPortFleet,
  type ExoPortIdentity,
  type ExoPortSettings,
  simModule,
} from './exoport-fleet.ts'
export { createFleet, type SimFleet, type SimPorts, type SimSettings } from './fleet.ts'
export { createLeanDisk, createShared, type Shared } from './lean-disk.ts'
export { drawProfile, isProfileName, type ProfileName, profileNames, profiles } from './profiles.ts'
export { createSeeded } from './seeded.ts'
export { createPooledTransport, type PooledTransport } from './transport.ts'
export {
  createWeatherFleet,
  type WeatherCounts,
  type WeatherFleet,
  type WeatherSettings,
} from './weather-fleet.ts'
export {
  type WeatherPackage,
  weatherModules,
  weatherPackages,
  weatherProtocol,
  weatherTypes,
} from './weather-world.ts'
