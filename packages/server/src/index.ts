/** The menu of the server: configuration, composition, and the life of a process. */
export { composeHouse, type Homes, type Outside, openHomes, openHouse, realOutside } from './compose.ts'
export * from './config.ts'
export { fleetOpenapi, fleetOperations } from './doors/fleet/door.ts'
export { createLog, type Log } from './log.ts'
export { nearest } from './nearest.ts'
export { type Opened, type ServeOptions, type Services, StartFailure, serve } from './serve.ts'
