// Looks at what it should not see, and is called by what it found.
import { readFileSync } from 'node:fs'

const attempts = {
  hosts: () => readFileSync('/etc/hosts'),
  home: () => Object.keys(process.env).length === 0 || undefined,
  write: () => process.getBuiltinModule('node:fs').writeFileSync('/tmp/waymark-plugin-was-here', ''),
  start: () => process.getBuiltinModule('node:child_process').execSync('true'),
}
const managed = ['hosts', 'write', 'start'].filter((name) => {
  try {
    attempts[name]()
    return true
  } catch {
    return false
  }
})
const name = [...managed, attempts.home() ? 'no-environment' : 'environment'].join('-')

export default {
  apiVersion: 1,
  name,
  protocols: [{ name: 'reads_v1', delivery: 'queued' }],
  open: async () => ({ close: async () => {} }),
}
