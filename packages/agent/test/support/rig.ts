/**
 * One agent on a real folder against a fake hub, with intervals short enough for a test.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AgentConfig,
  type AgentEvent,
  type AgentPorts,
  createAgent,
  type Outcome,
} from '../../src/index.ts'
import { realClock, realLuck } from '../../src/real/clock.ts'
import { createRealDisk } from '../../src/real/disk.ts'
import { createRealTransport } from '../../src/real/transport.ts'

export const quick: Omit<AgentConfig, 'hub'> = {
  userAgent: 'waymark-agent/test',
  pollMs: 10,
  userMetaMs: 10,
  deviceMetaMs: 10,
  progressMs: 20,
  revisionRetries: 10,
  lookUpTries: 3,
  backoffFirstMs: 5,
  backoffCapMs: 20,
  offlineAfter: 0,
  untilIdle: true,
  parallel: 5,
  corruptTries: 3,
  refusedTries: 3,
  identity: undefined,
  joinToken: undefined,
  spareBytes: 0,
  tellMovedMs: 5,
  patienceMs: 2000,
  logPush: true,
  logMs: 20,
}

export async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'waymark-agent-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Ports on the real folder; a test replaces what it wants to spoil. */
export function realPorts(folder: string): AgentPorts & { events: AgentEvent[] } {
  const events: AgentEvent[] = []
  return {
    transport: createRealTransport().transport,
    disk: createRealDisk(folder),
    clock: realClock,
    luck: realLuck,
    newId: randomUUID,
    facts: async () => ({ 'pantavisor.arch': 'test' }),
    onEvent: (event) => events.push(event),
    events,
  }
}

/** Runs an agent until it is idle, or fails the test when that takes too long. */
export async function runUntilIdle(config: AgentConfig, ports: AgentPorts): Promise<Outcome> {
  return createAgent(config, ports).run(AbortSignal.timeout(20_000))
}
