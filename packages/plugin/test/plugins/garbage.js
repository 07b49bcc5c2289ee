import { writeSync } from 'node:fs'

writeSync(3, Buffer.from([0, 0, 0, 1, 99]))
setInterval(() => {}, 1000)
export default {}
