/**
 * What a device's report proves by itself.
 *
 * A device that says DONE may have kept its old image. Its report is evidence when it shows three things: the state in
 * force is the step's, by number and hash; a start that found it so, and that has proved no earlier step; and what every
 * probe found. Then the step is done as verified. Anything less is only claimed, until the device is seen to run it. A
 * probe is a text (a device lists what it found well; a probe that fails ends no step done), or an object that says `ok`.
 */
import { isJsonObject, type JsonObject } from './json.ts'
import type { Reader } from './port.ts'
import { type Proof, type Step, steps } from './records.ts'

/** So many earlier steps are looked at for the start that a report names. */
const startsRemembered = 16

/** How the report of a step that ended done proves it: verified or only claimed. */
export async function proofOf(reader: Reader, step: Step, report: JsonObject): Promise<Proof> {
  const { data } = report
  if (!isJsonObject(data)) return 'claimed'
  const start = startOf(report)
  const { health } = data
  if (data['state-sha'] !== step.stateSha || data.revision !== step.rev || start === undefined)
    return 'claimed'
  if (!Array.isArray(health) || health.length === 0 || !health.every(isGoodProbe)) return 'claimed'
  const earlier = await reader.find(steps, {
    where: { device: step.device, generation: step.generation, rev: { lt: step.rev } },
    order: ['-rev'],
    limit: startsRemembered,
  })
  return earlier.some((each) => startOf(each.report) === start) ? 'claimed' : 'verified'
}

function startOf({ data }: JsonObject): string | undefined {
  const start = isJsonObject(data) ? data['start-id'] : undefined
  return typeof start === 'string' && start !== '' ? start : undefined
}

function isGoodProbe(probe: unknown): boolean {
  return typeof probe === 'string' ? probe !== '' : isJsonObject(probe) && probe.ok === true
}
