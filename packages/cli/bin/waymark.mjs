#!/usr/bin/env node
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'

// Plain JavaScript, so that npm can link it before anything is built and an older Node can read it.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    `waymark: needs Node.js 24 or newer, this is ${process.versions.node} (inside the checkout, npx and npm run bring their own)\n`,
  )
  process.exit(2)
}
// Compiled code is kept beside the build, where only its owner writes: half the time of a start is compiling.
nodeModule.enableCompileCache?.(fileURLToPath(new URL('../dist/.compile-cache', import.meta.url)))
let main
try {
  main = (await import('../dist/main.js')).main
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
  process.stderr.write(`waymark: not built yet: run npm run build (${error.message})\n`)
  process.exit(2)
}
await main(process.argv.slice(2))
