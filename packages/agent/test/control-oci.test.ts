/** A container of a real engine and its own door. Needs podman or docker that can run one, and a static busybox. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Launch } from '../src/process/ports.ts'
import { createOciProcesses, findEngine } from '../src/real/oci.ts'
import { createRealProcesses } from '../src/real/processes.ts'
import { temporaryFolder } from './support/rig.ts'

const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path))
const engine = busybox === undefined ? undefined : await findEngine()

test.skipIf(engine === undefined)(
  '[LC3] a container of podman or docker reaches its own door in /pantavisor, and no other’s',
  async ({ skip }) => {
    await using folder = await temporaryFolder()
    const at = (path: string) => join(folder.path, path)
    await mkdir(at('fs/bin'), { recursive: true })
    await copyFile(busybox ?? '', at('fs/bin/busybox'))
    for (const name of ['sh', 'ls', 'test', 'echo']) await symlink('busybox', at(`fs/bin/${name}`))
    spawnSync('tar', ['-cf', at('root.tar'), '-C', at('fs'), '.'])
    const tag = `localhost/waymark-door-${process.pid}:1`
    const call = (args: readonly string[]) => spawnSync(engine ?? '', args, { encoding: 'utf8' })
    call(['import', at('root.tar'), tag])
    for (const name of ['web', 'other'])
      await mkdir(at(`control/containers/${name}`), { recursive: true, mode: 0o700 })
    const control = at('control/containers/web/pv-ctrl')
    const server = createServer().listen(control)
    await writeFile(at('control/containers/other/pv-ctrl'), '')
    try {
      const processes = createOciProcesses(engine ?? 'podman', folder.path, createRealProcesses(folder.path))
      const launch = (script: string): Launch => ({
        name: `door${process.pid}`,
        command: '/bin/sh',
        args: ['-c', script],
        env: { PATH: '/bin', WAYMARK_CONTROL: control },
        cwd: '.',
        limits: {},
        fingerprint: script,
        image: { from: tag, network: 'none' },
      })
      const able = await processes.launch(launch('exit 7')).catch(() => undefined)
      if ((await able?.exited) !== 'exited with code 7') skip('the engine cannot run containers here')
      const script =
        'test -S $WAYMARK_CONTROL && echo $WAYMARK_CONTROL $(ls /pantavisor); test ! -e /control && exit 5'
      const launched = await processes.launch(launch(script))
      let said = ''
      for await (const { bytes } of launched.output) said += Buffer.from(bytes).toString()
      expect([said.trim(), await launched.exited]).toEqual([
        '/pantavisor/pv-ctrl pv-ctrl',
        'exited with code 5',
      ])
    } finally {
      server.close()
      call(['rmi', '-f', tag])
    }
  },
  60_000,
)
