/**
 * Containers of an engine, podman or docker, behind the same port as processes.
 *
 * Each is started detached, then followed: its log, its end. So it does not die with an agent that crashes; the next one
 * finds it by its name and takes it over when nothing about it has changed, and otherwise replaces it. Names and labels
 * carry a hash of the data folder, so that two agents of one machine never touch each other's. What a container writes
 * while no agent runs stays in the engine's log, and the next agent reads on where the last one stopped (`oci-log.ts`),
 * also when the container has ended meanwhile.
 *
 * Everything goes through the engine's command line: it is the one interface both have, rootless or not.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Limits, StopSignal } from '../process/manifest.ts'
import type { Launch, Launched, Processes } from '../process/ports.ts'
import { createPlaceFile, type LogPlace, logStart, type Piece, placeWithin, readOn } from './oci-log.ts'
import { merge } from './processes.ts'

export const engines = ['podman', 'docker'] as const
export type Engine = (typeof engines)[number]

/** How long the engine may take for an answer, and to bring up a container (an image may have to be fetched). */
const answerMs = 20_000
const runMs = 600_000
/** How long the log of a container that has ended may take to be read to its end. */
const logEndMs = 5000

/** The first engine that answers; undefined when none does. */
export async function findEngine(among: readonly Engine[] = engines): Promise<Engine | undefined> {
  for (const engine of among) if ((await run(engine, ['info'], answerMs)).code === 0) return engine
  return undefined
}

/** Containers of an engine, from the revisions below a data folder. */
export function createOciProcesses(engine: Engine, dataFolder: string, others: Processes): Processes {
  const whose = shortHash(resolve(dataFolder))
  const nameOf = (name: string): string => `waymark-${whose}-${name}`

  async function ask(args: readonly string[], timeoutMs = answerMs): Promise<string> {
    const { code, out, err } = await run(engine, args, timeoutMs)
    if (code !== 0) throw new Error(`${engine} ${args[0]}: ${firstLine(err) || `exited with code ${code}`}`)
    return out.trim()
  }

  /** At once: whoever was to be asked politely has been. Podman would ask again. */
  const remove = (name: string) =>
    run(engine, ['rm', '-f', ...(engine === 'podman' ? ['-t', '0'] : []), name], answerMs)

  /** The container of this name, if it runs: as what, and from which folder. */
  async function running(name: string): Promise<{ fingerprint: string; cwd: string } | undefined> {
    const form =
      '{{.State.Running}} {{index .Config.Labels "waymark.fingerprint"}} {{index .Config.Labels "waymark.cwd"}}'
    const { code, out } = await run(
      engine,
      ['container', 'inspect', '--format', form, nameOf(name)],
      answerMs,
    )
    const [alive, fingerprint = '', ...cwd] = code === 0 ? out.trim().split(' ') : []
    return alive === 'true' ? { fingerprint, cwd: cwd.join(' ') } : undefined
  }

  /** The image of a container: a reference as it stands, or what was made from a file of it. */
  async function imageFor(launch: Launch, folder: string): Promise<string> {
    const { image, name, fingerprint } = launch
    if (!image) throw new Error('image: wanted one, got none')
    if (!image.from.startsWith('./')) return image.from
    const tag = `localhost/${nameOf(name).toLowerCase()}:${shortHash(fingerprint)}`
    if ((await run(engine, ['image', 'inspect', tag], answerMs)).code === 0) return tag
    const file = resolve(folder, image.from)
    if (await isSaved(file)) {
      const loaded = /(?:Loaded image(?: ID)?(?:\(s\))?:\s*)(\S+)/.exec(
        await ask(['load', '-i', file], runMs),
      )?.[1]
      if (loaded === undefined) throw new Error(`image ${image.from}: the engine did not say what it loaded`)
      await ask(['tag', loaded, tag])
    } else await ask(['import', file, tag], runMs)
    return tag
  }

  async function start(launch: Launch, folder: string): Promise<void> {
    const { name, command, args, limits, image, overlay = [] } = launch
    const { env, doors } = doorsOf(launch.env)
    const of = await imageFor(launch, folder)
    await remove(nameOf(name))
    const mounts = [
      `${folder}:/waymark:ro`,
      ...overlay.map((path) => `${join(folder, '..', '_config', name, path)}:/${path}:ro`),
      ...doors,
    ]
    const labels = {
      'waymark.data': whose,
      'waymark.container': name,
      'waymark.fingerprint': shortHash(launch.fingerprint),
      'waymark.cwd': launch.cwd,
    }
    await ask(
      [
        ...['run', '-d', '--name', nameOf(name), '--network', image?.network ?? 'host'],
        ...Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
        ...mounts.flatMap((mount) => ['-v', mount]),
        ...Object.entries(env)
          // The image knows best where its programs are.
          .filter(([key]) => key !== 'PATH')
          .flatMap(([key, value]) => ['--env', `${key}=${value}`]),
        ...(await limitFlags(limits)),
        of,
        ...(command === '' ? [] : [command]),
        ...args,
      ],
      runMs,
    )
  }

  const places = new Map<string, ReturnType<typeof createPlaceFile>>()
  function placeOf(name: string): ReturnType<typeof createPlaceFile> {
    const known = places.get(name) ?? createPlaceFile(join(dataFolder, 'output', name, 'read.json'))
    places.set(name, known)
    return known
  }

  const readLog = (name: string, ...how: readonly string[]) =>
    spawn(engine, ['logs', ...how, nameOf(name)], { stdio: ['ignore', 'pipe', 'pipe'] })

  /** Where this container's log is to be read on. */
  async function placeIn(name: string): Promise<LogPlace> {
    const place = await placeOf(name).read()
    if (place.out === 0 && place.err === 0) return logStart
    const has = { out: 0, err: 0 }
    const log = readLog(name)
    log.once('error', () => undefined)
    for await (const { from, bytes } of merge(log.stdout, log.stderr)) has[from] += bytes.length
    return placeWithin(place, has)
  }

  /** What a container that has ended wrote after it was read last, the first of it; it is removed next. */
  async function unread(name: string): Promise<readonly Piece[]> {
    if ((await run(engine, ['container', 'inspect', nameOf(name)], answerMs)).code !== 0) return []
    const place = await placeIn(name)
    const pieces: Piece[] = []
    let held = 0
    const log = readLog(name)
    log.once('error', () => undefined)
    for await (const piece of readOn(merge(log.stdout, log.stderr), place, () => undefined)) {
      pieces.push(piece)
      held += piece.bytes.length
      if (held > saidMax) break
    }
    log.kill('SIGKILL')
    return pieces
  }

  /** Follows a container that runs: what was not read of its log yet, and its end. */
  function follow(
    name: string,
    { cwd, place = logStart, before = [] }: { cwd?: string; place?: LogPlace; before?: readonly Piece[] },
  ): Launched {
    const noted = placeOf(name)
    const logs = readLog(name, '-f')
    async function* output(): AsyncGenerator<Piece> {
      yield* before
      yield* readOn(merge(logs.stdout, logs.stderr), place, noted.note)
      await noted.flush()
    }
    const read = new Promise<void>((done) => {
      logs.once('close', () => done())
      logs.once('error', () => done())
    })
    const exited = run(engine, ['wait', nameOf(name)], 0).then(async ({ code, out }) => {
      const ended = Number(out.trim())
      // Its log ends by itself, and goes with it: it is read to its end first, for as long as that makes sense.
      const late = setTimeout(() => logs.kill('SIGKILL'), logEndMs)
      await read
      clearTimeout(late)
      await remove(nameOf(name))
      return code === 0 && Number.isInteger(ended) ? `exited with code ${ended}` : 'is gone'
    })
    return {
      mark: JSON.stringify({ engine, container: nameOf(name) }),
      ...(cwd === undefined ? {} : { cwd }),
      output: output(),
      exited,
      signal: (signal) => void run(engine, ['kill', '--signal', signal, nameOf(name)], answerMs),
    }
  }

  /** A program beside the container's own: attached, and gone with its client. */
  function beside({ name, command, args }: Launch): Launched {
    const child = spawn(engine, ['exec', nameOf(name), command, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const exited = new Promise<string>((done) => {
      child.once('error', (cause) => done(`could not be started: ${cause.message}`))
      child.once('exit', (code, signal) =>
        done(signal ? `was ended by ${signal}` : `exited with code ${code}`),
      )
    })
    const signal = (wanted: StopSignal): void => void child.kill(wanted)
    return { mark: '', output: merge(child.stdout, child.stderr), exited, signal }
  }

  return {
    async launch(launch) {
      if (launch.beside) return beside(launch)
      const found = await running(launch.name)
      const noted = placeOf(launch.name)
      if (found?.fingerprint === shortHash(launch.fingerprint))
        return follow(launch.name, { cwd: found.cwd, place: await placeIn(launch.name) })
      const before = await unread(launch.name)
      await noted.forget()
      await start(launch, resolve(dataFolder, launch.cwd))
      return follow(launch.name, { before })
    },
    async endLeftover(mark) {
      // A container is kept: the start that follows takes it over, replaces it, or tidies it away.
      if (!mark.includes('"container"')) await others.endLeftover(mark)
    },
    async tidy(wanted) {
      const mine = ['--filter', `label=waymark.data=${whose}`, '--format']
      const keep = new Map(wanted.map(({ name, fingerprint }) => [nameOf(name), shortHash(fingerprint)]))
      for (const name of lines(await ask(['ps', '-a', ...mine, '{{.Names}}'])))
        if (!keep.has(name)) await remove(name)
      for (const image of lines(await ask(['images', '--format', '{{.Repository}}:{{.Tag}}']))) {
        const [, name = '', tag] = /^localhost\/(.+):([0-9a-f]+)$/.exec(image) ?? []
        if (!name.startsWith(`waymark-${whose}-`)) continue
        const needed = [...keep].some(([known, print]) => known.toLowerCase() === name && print === tag)
        // One that is still in use is refused by the engine, and stays.
        if (!needed) await run(engine, ['rmi', image], answerMs)
      }
    },
  }
}

/** Limits as the engine takes them. The counts that the engine would raise are kept within what this process has. */
async function limitFlags(limits: Limits): Promise<string[]> {
  const own = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const ours = (name: RegExp): number | undefined => {
    const found = new RegExp(`${name.source}\\s+\\S+\\s+(\\d+)`).exec(own)?.[1]
    return found === undefined ? undefined : Number(found)
  }
  const least = (...values: (number | undefined)[]): number | undefined => {
    const known = values.filter((value) => value !== undefined)
    return known.length === 0 ? undefined : Math.min(...known)
  }
  const ulimits = {
    nofile: least(limits.open_files, ours(/Max open files/)),
    // Engines keep less for themselves than they were given, and cannot give more than they kept.
    nproc: least(processesMax, ours(/Max processes/)),
    fsize: limits.file_bytes,
    cpu: limits.cpu_seconds,
  }
  return [
    ...Object.entries(ulimits).flatMap(([name, value]) =>
      value === undefined ? [] : ['--ulimit', `${name}=${value}:${value}`],
    ),
    ...(limits.data_bytes === undefined ? [] : ['--memory', String(limits.data_bytes)]),
    ...(limits.processes === undefined ? [] : ['--pids-limit', String(limits.processes)]),
  ]
}

/** Whether a tar is an image that an engine has saved, rather than a root file system. */
async function isSaved(file: string): Promise<boolean> {
  const { out } = await run('tar', ['-tf', file, '--occurrence=1', 'manifest.json'], answerMs)
  return out.includes('manifest.json')
}

/** Runs a command to its end; 0 as time means as long as it takes. Never rejects. */
function run(
  command: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((done) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(timeoutMs > 0 ? { timeout: timeoutMs, killSignal: 'SIGKILL' } : {}),
    })
    const said = { out: '', err: '' }
    const hear = (from: 'out' | 'err') => (part: Buffer) => {
      if (said[from].length < saidMax) said[from] += part.toString()
    }
    child.stdout.on('data', hear('out'))
    child.stderr.on('data', hear('err'))
    child.once('error', (cause) => done({ code: null, out: '', err: cause.message }))
    child.once('close', (code) => done({ code, ...said }))
  })
}

const saidMax = 1024 * 1024
/** Processes that a user may have within a container, when its manifest asks for less or nothing. */
const processesMax = 16_384
const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
const firstLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''

/**
 * A container's own doors to the agent lie where Pantavisor has them, in `/pantavisor`: its folder of sockets alone is
 * mounted, so it reaches no other container's.
 */
function doorsOf(env: Launch['env']): { readonly env: Launch['env']; readonly doors: readonly string[] } {
  const { WAYMARK_CONTROL: control, WAYMARK_CONTROL_LOG: log } = env
  if (!control) return { env, doors: [] }
  const inside = { WAYMARK_CONTROL: `/pantavisor/${basename(control)}` }
  const logInside = log ? { WAYMARK_CONTROL_LOG: `/pantavisor/${basename(log)}` } : {}
  return { env: { ...env, ...inside, ...logInside }, doors: [`${dirname(control)}:/pantavisor`] }
}
