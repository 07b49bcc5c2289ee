#!/usr/bin/env node
// Plain JavaScript, so that npm can link it before anything is built and an older Node can read it.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(`waymark-twin: needs Node.js 24 or newer, this is ${process.versions.node}\n`)
  process.exit(2)
}
let main
try {
  main = (await import('../dist/main.js')).main
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error
  process.stderr.write(`waymark-twin: not built yet: run npm run build (${error.message})\n`)
  process.exit(2)
}
await main(process.argv.slice(2), process.env)
