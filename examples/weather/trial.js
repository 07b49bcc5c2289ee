/** What `waymark plugin test ./examples/weather` needs: a station, and what it can be asked. */
import { readFileSync } from 'node:fs'
import { station } from './station.js'

const address = JSON.parse(readFileSync(new URL('./settings.json', import.meta.url), 'utf8'))

export default {
  account: 'main',
  device: 'device1',
  password: 'a-password',
  address,
  calls: [
    { module: 'weather-1_1', method: 'get-scan', output: { scan: 'device1: clear' } },
    { module: 'exodev-1_0', method: 'transfer-init' },
    { module: 'weather-1_1', method: 'make-rain', refused: true },
  ],
  configuration: { name: 'weather_app-1.1', values: { sample_rate: 60 } },
  package: { name: 'weather_app-1.1', values: { sample_rate: 128 } },
  start: station,
  async wait(identity) {
    const { listening, stop } = station({ ...identity, listens: 0 })
    return { attributes: { address: `127.0.0.1:${await listening}` }, stop }
  },
}
