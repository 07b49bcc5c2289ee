/** The manual's figures 6 to 8 as YANG. */
const attributes = (name, more = '') => `module ${name} {
  namespace "urn:${name}"; prefix a;
  container attributes { leaf msisdn { type string; } leaf location { type string; }
    leaf address { type string; } ${more} }
}`
const weather = (version, more = '') => `module weather-${version} {
  namespace "urn:weather:${version}"; prefix w;
  container weather_app { leaf sample_rate { type uint16 { range "1..1000"; } default 128; } ${more} }
  rpc get-scan { input { leaf device-id { type string; } leaf notification-url { type string; } } output { leaf scan { type string; } } }
}`

/** Attributes of two types: they come with the plugin. */
export const attributeModules = [
  { name: 'weather_r1_attributes', source: attributes('weather_r1_attributes') },
  {
    name: 'weather_r2_attributes',
    source: attributes('weather_r2_attributes', 'leaf altitude { type int16; }'),
  },
]

/** What three packages can be asked and configured by: they come with the packages. */
export const modules = {
  'exodev-1_0.yang': `module exodev-1_0 {
  namespace "urn:exodev"; prefix e;
  container exodev { leaf ip_addr { type string; default "192.168.0.1"; } }
  rpc transfer-init { input { leaf device-id { type string; } } }
}`,
  'weather-1_1.yang': weather('1_1'),
  'weather-2_0.yang': weather('2_0', 'leaf unit { type string; default "K"; }'),
}
