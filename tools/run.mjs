/**
 * The way in for `npm start`, `npm test`, `npm run demo` and their siblings on a fresh clone.
 *
 * Plain JavaScript that any Node.js from 20 on can read: it installs the dependencies when the lock file has
 * changed, builds when a source is newer than the build, says so, and then hands over to the Node.js that the
 * dependencies brought along. It knows nothing of what it starts.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const windows = process.platform === 'win32'
const at = (...parts) => join(root, ...parts)
const mtime = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0)

// glibc keeps a pool a thread: two are enough for ours. And what is large once (hashing a password takes 16 MiB) is given back
// where the threshold stands still. Both save tens of megabytes (docs/performance.md).
const mallocSettings = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '1048576' }

/** What each npm script starts, once everything is there; the rest of the command line is appended. */
const programs = {
  // A small young generation: bodies pass through it, and what stands in it counts (docs/performance.md). It is cleared in a
  // moment, for which waking more threads takes more than it saves.
  start: [['--max-semi-space-size=4', '--no-parallel-scavenge', 'packages/cli/bin/waymark.mjs', 'up']],
  demo: [['packages/cli/bin/waymark.mjs', 'demo']],
  test: [
    ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'],
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json'],
    ['node_modules/vitest/vitest.mjs', 'run'],
  ],
  bench: [['--conditions=source', 'bench/main.ts']],
  interop: [['--conditions=source', 'interop/main.ts']],
  world: [['--conditions=source', 'world/main.ts']],
}

function say(text) {
  process.stderr.write(`${text}\n`)
}

function newestSource() {
  let newest = Math.max(mtime(at('tsconfig.json')), mtime(at('tsconfig.base.json')))
  for (const name of readdirSync(at('packages'))) {
    newest = Math.max(newest, mtime(at('packages', name, 'tsconfig.json')))
    const src = at('packages', name, 'src')
    if (!existsSync(src)) continue
    for (const entry of readdirSync(src, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) newest = Math.max(newest, mtime(join(entry.parentPath ?? entry.path, entry.name)))
  }
  return newest
}

function must(command, args, why) {
  say(why)
  const run = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: windows })
  if (run.status !== 0) {
    say(`${[command, ...args].join(' ')} failed${run.error ? `: ${run.error.message}` : ''}`)
    process.exit(1)
  }
}

function bundledNode() {
  const own = at('node_modules', '.bin', windows ? 'node.cmd' : 'node')
  return existsSync(own) ? own : process.execPath
}

const [name, ...rest] = process.argv.slice(2)
const program = programs[name]
if (!program) {
  say(`usage: node tools/run.mjs ${Object.keys(programs).join('|')}`)
  process.exit(2)
}
if (Number(process.versions.node.split('.')[0]) < 20) {
  say(`Waymark needs Node.js 20 or newer, this is ${process.versions.node}`)
  process.exit(2)
}

if (mtime(at('node_modules', '.package-lock.json')) < mtime(at('package-lock.json')))
  must('npm', ['ci', '--no-audit', '--no-fund'], 'installing what package-lock.json names (npm ci)…')

const stamp = at('.waymark', 'built')
if (mtime(stamp) < newestSource()) {
  const started = Date.now()
  must(bundledNode(), [at('node_modules/typescript/bin/tsc'), '-b'], 'building (tsc -b)…')
  mkdirSync(at('.waymark'), { recursive: true })
  writeFileSync(stamp, `${new Date(started).toISOString()}\n`)
}

for (const [index, args] of program.entries()) {
  const last = index === program.length - 1
  const code = await new Promise((resolve) => {
    const child = spawn(bundledNode(), last ? [...args, ...rest] : args, {
      cwd: root,
      stdio: 'inherit',
      shell: windows,
      env: { ...mallocSettings, ...process.env },
    })
    const pass = (signal) => child.kill(signal)
    process.on('SIGINT', pass).on('SIGTERM', pass)
    child.on('exit', (status, signal) => resolve(status ?? (signal === 'SIGTERM' ? 143 : 1)))
  })
  if (code !== 0) process.exit(code)
}
