/**
 * Facts about the machine, read where Linux keeps them; what a system does not have is left out.
 */
import { readFile, statfs } from 'node:fs/promises'
import * as os from 'node:os'
import type { Json, SystemFacts } from '../ports.ts'

/** Reads the facts of this machine; `folder` is the one whose disk counts as storage. */
export function createSystemFacts(folder: string, version: string): SystemFacts {
  return async () => {
    const model = await firstLine('/proc/device-tree/model')
    const storage = await statfs(folder).catch(() => undefined)
    return {
      'pantavisor.arch': `${os.arch()}/${os.endianness() === 'LE' ? 'LE' : 'BE'}`,
      'pantavisor.uname': {
        'kernel.name': os.type(),
        'kernel.release': os.release(),
        'kernel.version': os.version(),
        'node.name': os.hostname(),
        machine: os.machine(),
      },
      'pantavisor.cpumodel': os.cpus()[0]?.model ?? '',
      ...(model === undefined ? {} : { 'pantavisor.dtmodel': model }),
      'pantavisor.version': version,
      interfaces: interfaces(),
      ...(storage === undefined
        ? {}
        : { storage: { total: storage.blocks * storage.bsize, free: storage.bavail * storage.bsize } }),
      sysinfo: {
        uptime: Math.floor(os.uptime()),
        totalram: os.totalmem(),
        freeram: os.freemem(),
        loads: os.loadavg(),
      },
      time: { timezone: Intl.DateTimeFormat().resolvedOptions().timeZone },
    }
  }
}

function interfaces(): Json {
  const shown: Record<string, Json> = {}
  for (const [name, addresses] of Object.entries(os.networkInterfaces()))
    for (const family of ['IPv4', 'IPv6'] as const) {
      const found = (addresses ?? []).filter((each) => each.family === family).map((each) => each.address)
      if (found.length > 0) shown[`${name}.${family.toLowerCase()}`] = found
    }
  return shown
}

async function firstLine(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text?.split(/[\n\0]/)[0]
}
