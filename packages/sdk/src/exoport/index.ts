/** A device that speaks ExoPort: `@waymark/sdk/exoport`. */
export {
  type Configuration,
  createExoPortDevice,
  type ExoPortDevice,
  type ExoPortEvent,
  type ExoPortOptions,
  type ExoPortPatience,
  type Operation,
  type OperationOutcome,
  type Value,
  type ValueObject,
} from './device.ts'
export { ExoPortFault, type ExoPortFaultKind } from './fault.ts'
export {
  type Held,
  type ImageStore,
  memoryImages,
  PackageFault,
  type PackageHandlers,
} from './images.ts'
export { type Address, type ExoPortOutside, realExoPortOutside, type Wire, type WireEvents } from './wire.ts'
