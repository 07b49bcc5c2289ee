/**
 * How canonical JSON compares with the engine's own, on a state of about 2 MiB: ratios of medians within one run.
 * Run with `node packages/pantahub/bench/canonical.ts`.
 */
import { canonicalJson, parseState, parseStateText, Sha256, stateSha, stateSpecs } from '../src/index.ts'

const entries = Array.from({ length: 9000 }, (_, i) => {
  const path = `container-${i % 40}/folder/file-${(i * 7919) % 9000}`
  const document = {
    '#spec': 'service-manifest-run@1',
    name: path,
    weight: i / 8,
    env: ['A=1', 'B="two"', 'C=\n'],
    on: true,
  }
  return i % 2 === 0
    ? [path, Sha256.of(path)]
    : [`${path}.json`, { ...document, more: [{ z: i, a: document.name }] }]
})
const state: unknown = { '#spec': stateSpecs[0], ...Object.fromEntries(entries) }
const text = JSON.stringify(state)
const canonical = canonicalJson(state)

function median(work: () => unknown): number {
  const times = Array.from({ length: 21 }, () => {
    const start = performance.now()
    work()
    return performance.now() - start
  }).toSorted((a, b) => a - b)
  return times[10] ?? Number.NaN
}

const engine = median(() => JSON.stringify(state))
const read = median(() => JSON.parse(text))
const rows = [
  ['canonicalJson / JSON.stringify', median(() => canonicalJson(state)) / engine],
  ['the same, keys in order already', median(() => canonicalJson(JSON.parse(canonical))) / (engine + read)],
  ['stateSha / JSON.stringify', median(() => stateSha(canonical)) / engine],
  ['parseState / JSON.stringify', median(() => parseState(state)) / engine],
  ['parseStateText / JSON.parse', median(() => parseStateText(text)) / read],
] as const
console.log(`state of ${(Buffer.byteLength(canonical) / 2 ** 20).toFixed(2)} MiB, ${entries.length} paths`)
for (const [name, ratio] of rows) console.log(`${name.padEnd(34)} ${ratio.toFixed(2)}`)
