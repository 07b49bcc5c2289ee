/** Simulated stations as the trial of the example's plugin: `weather-trial.ts?port=PORT`. */
import { connect } from 'node:net'
import { createSeeded } from '../src/seeded.ts'
import { createStation } from '../src/weather-station.ts'

export default {
  account: 'main',
  device: 'weather-0',
  password: 'a-password',
  address: { host: '127.0.0.1', port: Number(new URL(import.meta.url).searchParams.get('port')) },
  calls: [
    { module: 'weather-1_1', method: 'get-scan', output: { scan: 'clear, 20 degrees' } },
    { module: 'exodev-1_0', method: 'transfer-init' },
    { module: 'weather-1_1', method: 'make-rain', refused: true },
  ],
  configuration: { name: 'weather_app-1.1', values: { sample_rate: 60 } },
  package: { name: 'weather_app-1.1', values: { sample_rate: 128 } },
  start(identity: { account: string; device: string; password: string; host: string; port: number }) {
    const station = createStation({
      ...identity,
      cut: false,
      dial: () => connect(identity.port, identity.host),
      look: () => 'clear, 20 degrees',
      luck: createSeeded('a trial'),
      happened: () => {},
    })
    station.start()
    return station
  },
}
