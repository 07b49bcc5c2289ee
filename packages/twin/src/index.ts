/** A controller of one device, driven by an MQTT twin. */
export { type Access, type BrokerSettings, loginOf } from './broker.ts'
export { createControlClient } from './control.ts'
export { runTwinCommand, type TwinIo } from './main.ts'
export { openMemory } from './memory.ts'
export { methodNames } from './methods.ts'
export { runTwin, type TwinPorts, type TwinSettings, twinLimits } from './twin.ts'
