/** The menu of the domain: words, rules, records and the one port they are kept through. */
export * from './ids.ts'
export * from './json.ts'
export * from './port.ts'
export * from './result.ts'
