/**
 * The world of the manual's figures 6 to 8, as a back end would make it: two types of stations by one protocol, three packages with
 * modules of their own, and which type may have which.
 */

export interface WeatherPackage {
  readonly name: string
  readonly module: string
  readonly container: string
  readonly prerequisites: readonly string[]
  /** Of its image, bytes. */
  readonly size: number
  readonly types: readonly string[]
}

export const weatherProtocol = 'weather_proto_v1'
/** Types of stations; the modules of their attributes come with the plugin. */
export const weatherTypes = ['weather_r1', 'weather_r2'] as const

export const weatherPackages: readonly WeatherPackage[] = [
  {
    ...{ name: 'exodev-1.0', module: 'exodev-1_0.yang', container: 'exodev' },
    ...{ prerequisites: [], size: 100_000, types: weatherTypes },
  },
  {
    ...{ name: 'weather_app-1.1', module: 'weather-1_1.yang', container: 'weather_app' },
    ...{ prerequisites: ['exodev-1.0'], size: 300_000, types: ['weather_r1'] },
  },
  {
    ...{ name: 'weather_app-2.0', module: 'weather-2_0.yang', container: 'weather_app' },
    ...{ prerequisites: ['exodev-1.0'], size: 400_000, types: ['weather_r2'] },
  },
]

const weather = (version: string, more = '') => `module weather-${version} {
  namespace "urn:weather:${version}"; prefix w;
  container weather_app {
    leaf sample_rate { type uint16 { range "1..1000"; } default 128; }
    ${more}
  }
  rpc get-scan {
    input { leaf device-id { type string; } leaf notification-url { type string; } }
    output { leaf scan { type string; } }
  }
}`

/** The modules of packages, by file. The same as those of `examples/weather/modules.js`; attributes of types come with the plugin. */
export const weatherModules: Readonly<Record<string, string>> = {
  'exodev-1_0.yang': `module exodev-1_0 {
  namespace "urn:exodev"; prefix e;
  container exodev { leaf ip_addr { type string; default "192.168.0.1"; } }
  rpc transfer-init { input { leaf device-id { type string; } } }
}`,
  'weather-1_1.yang': weather('1_1'),
  'weather-2_0.yang': weather('2_0', 'leaf unit { type string; default "K"; }'),
}
