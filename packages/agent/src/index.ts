export {
  type Agent,
  type AgentConfig,
  type AgentPorts,
  type ControlEnd,
  type ControlHouse,
  createAgent,
  type DriverHouse,
} from './agent.ts'
export {
  type AgentSetting,
  agentSettings,
  type ConfigParsed,
  type ConfigRefusal,
  type ConfigSources,
  parseAgentConfig,
} from './config.ts'
export { operations as controlOperations } from './control/commands.ts'
export { type ControlSettings, createControl } from './control/control.ts'
export {
  type AgentEvent,
  type AgentState,
  agentStates,
  describeEvent,
  type UpdateStage,
  updateStages,
} from './events.ts'
export { createMemoryDisk, type MemoryDisk } from './memory-disk.ts'
export type { Outcome, Refusal } from './model.ts'
export type {
  Bytes,
  Clock,
  CurrentRevision,
  Disk,
  DiskEntry,
  DiskFile,
  DiskOpen,
  FactoryFolder,
  Health,
  Json,
  Logger,
  LogLevel,
  Luck,
  Revision,
  RevisionDriver,
  RevisionFile,
  RunningRevision,
  SystemFacts,
  Transport,
  TransportReply,
  TransportRequest,
} from './ports.ts'
export { createProcessDriver, type ProcessDriver } from './process/driver.ts'
export { becomeLean } from './real/lean.ts'
export { createRealProcesses, realDoors } from './real/processes.ts'
export { type AgentCommand, type AgentIo, runAgentCommand } from './real/run.ts'
export { startProgramAnew } from './real/start-anew.ts'
