/**
 * Packages on an ExoPort connection: images part by part, then what is to be done with them.
 *
 * ```
 *   start ─▶ part 0 ─▶ part 1 … ─▶ finish ─▶ install ─▶ configuration: start … finish ─▶ activate
 *              ▲ a cut: goes on here              │ checksum-failure: again from the start, three times at most
 * ```
 *
 * One part is on the wire at a time. What the device has confirmed is written down while the next part travels, and is on
 * disk before the one after that is sent: a crash costs one part, a cut none that was confirmed. A device that fails in
 * the middle is told to drop the image, so that no half of one stays with it; where it can not be told any more, the
 * next start drops it.
 *
 * The device's own calls do not wait for any of this: the two directions are independent.
 */
import { createHash } from 'node:crypto'
import {
  type Answer,
  encodedCall,
  type ImageCall,
  imageCall,
  mostImageBytes,
  readImageAnswer,
} from '@waymark/exoport'
import { type JsonObject, printJson } from '@waymark/yang'
import type {
  CarriedPackageConfiguration,
  CarriedPackages,
  CarriedSoftware,
  CarriedStep,
  OpenSession,
} from '../link.ts'
import { shared } from './sealer.ts'

export interface TransferLimits {
  /** Bytes of a part at most (`partBytes`). */
  readonly chunkBytes: number
  /** How often an image is sent before a checksum that is wrong again ends it. */
  readonly transferTries: number
}

/** Makes a call and resolves with what the device says; undefined: the connection has ended. */
export type Ask = (call: ReturnType<typeof imageCall>) => Promise<Answer | undefined>

/** How it came out. `ended`: the connection did, and it is taken up again on the next one. */
export type Carriage =
  | { readonly kind: 'done' }
  | { readonly kind: 'ended' }
  /** What was asked has ended meanwhile (called off, timed out): nothing more is said of it. */
  | { readonly kind: 'called-off' }
  | { readonly kind: 'unsupported'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

type Said =
  | { readonly kind: 'ok' }
  | { readonly kind: 'refused'; readonly result: string }
  | Exclude<Carriage, { kind: 'done' }>

const done = { kind: 'done' } as const
const ok = { kind: 'ok' } as const
const noPackages = 'the device knows no packages'

/** Carries packages, or configuration of packages, and says to the house what came of it. */
export async function carrySoftware(
  session: OpenSession,
  carried: CarriedSoftware,
  ask: Ask,
  limits: TransferLimits,
): Promise<Carriage> {
  const wire = new ImageWire(session, ask, limits)
  const out =
    carried.kind === 'packages'
      ? await carrySteps(wire, session, carried)
      : await wire.configure(configurationId(carried), valuesOf(carried))
  if (out.kind === 'ended') return out
  // One that has ended by a step that failed stays so; saying it once more frees the lane.
  await session.settle(carried, out.kind === 'called-off' ? { kind: 'failed', reason: 'called off' } : out)
  return out
}

async function carrySteps(
  wire: ImageWire,
  session: OpenSession,
  carried: CarriedPackages,
): Promise<Carriage> {
  for (const [index, step] of carried.steps.entries()) {
    const out = await carryStep(wire, carried, index, step)
    if (out.kind === 'failed') await session.stepped(carried, index, false, out.reason)
    if (out.kind !== 'done') return out
    await session.stepped(carried, index, true)
  }
  return done
}

async function carryStep(
  wire: ImageWire,
  carried: CarriedPackages,
  index: number,
  step: CarriedStep,
): Promise<Carriage> {
  const { operation, package: name, image, values } = step
  if (image !== undefined) {
    const sent = await wire.transfer(carried, index, name, image)
    if (sent.kind !== 'done') return sent
  }
  if (operation === 'transmit') return done
  const worked = await wire.tell({ kind: operation, images: [name] })
  if (worked.kind === 'refused') return failed(worked.result)
  if (worked.kind !== 'ok') return worked
  if (operation !== 'install' || values === undefined) return done
  const configured = await wire.configure(`${carried.transaction}-${index}`, { [name]: values })
  // A package without the configuration it was to begin with is half a package.
  if (configured.kind === 'failed' || configured.kind === 'unsupported')
    await wire.tell({ kind: 'uninstall', images: [name] })
  return configured.kind === 'unsupported' ? failed('unsupported: it takes no configuration') : configured
}

function failed(reason: string): Carriage {
  return { kind: 'failed', reason }
}

function configurationId({ transaction }: CarriedPackageConfiguration): string {
  return String(transaction)
}

/** Whole values of each package by its name: what the device switches to. */
function valuesOf({ packages }: CarriedPackageConfiguration): JsonObject {
  return Object.fromEntries(packages.map((each) => [each.package, each.values]))
}

/** Parts of small images are so large, and an image is made of about so many parts. */
const partLeast = 64 * 1024
const partsAbout = 128

/**
 * Bytes of a part of an image of this size: small images, which small devices have, go in small parts; large ones in parts
 * that are worth a confirmation each, which is written down. The same for every transfer of the image, as what was
 * confirmed is counted in parts.
 */
export function partBytes(size: number, most: number): number {
  let bytes = partLeast
  while (bytes * partsAbout < size && bytes < most) bytes *= 2
  return Math.min(bytes, most)
}

/** Parts that were written out as calls: devices that are sent the same bytes are sent the same call. */
const written = new WeakMap<
  Uint8Array,
  { readonly id: string; readonly index: number; readonly payload: Uint8Array }
>()

function partCall(id: string, index: number, data: Uint8Array): ReturnType<typeof imageCall> {
  const known = written.get(data)
  const call = imageCall({ kind: 'chunk', id, index, data })
  if (known?.id === id && known.index === index) return { ...call, payload: known.payload }
  // In memory that the threads share which seal it (sealer.ts).
  const payload = shared(encodedCall(call))
  written.set(data, { id, index, payload })
  return { ...call, payload }
}

type Image = NonNullable<CarriedStep['image']>

class ImageWire {
  readonly #session: OpenSession
  readonly #ask: Ask
  readonly #limits: TransferLimits

  constructor(session: OpenSession, ask: Ask, limits: TransferLimits) {
    this.#session = session
    this.#ask = ask
    this.#limits = limits
  }

  tell(call: ImageCall): Promise<Said> {
    return this.#tell(imageCall(call))
  }

  async #tell(call: ReturnType<typeof imageCall>): Promise<Said> {
    const answer = await this.#ask(call)
    if (answer === undefined) return { kind: 'ended' }
    const said = readImageAnswer(answer)
    if (said === 'ok') return ok
    if (said === 'undefined-call') return { kind: 'unsupported', reason: noPackages }
    return typeof said === 'string'
      ? { kind: 'refused', result: said }
      : { kind: 'failed', reason: said.reason }
  }

  /** Brings an image to the device, from where it stopped the last time. */
  async transfer(carried: CarriedPackages, index: number, id: string, image: Image): Promise<Carriage> {
    if (image.size > mostImageBytes)
      return failed(`illegal-size: wanted at most ${mostImageBytes} bytes, got ${image.size}`)
    const { transferTries } = this.#limits
    const chunkBytes = partBytes(image.size, this.#limits.chunkBytes)
    // Parts are counted: what was confirmed in parts of another size can not be gone on with.
    const isWhole = image.confirmed === image.size || image.confirmed % chunkBytes === 0
    let from = isWhole ? image.confirmed : 0
    for (let tries = 1 + (image.restarts ?? 0); ; tries++) {
      const out = await this.#send(carried, index, id, image, from)
      if (out.kind === 'ok') return done
      if (out.kind === 'ended') return out
      // A device that has lost what it confirmed does not know the image any more: as wrong as a wrong checksum.
      const isLost =
        out.kind === 'refused' && (out.result === 'object-not-found' || out.result === 'illegal-size')
      const isWrong = out.kind === 'refused' && out.result === 'checksum-failure'
      if ((isWrong || (isLost && from > 0)) && tries < transferTries) {
        await this.#session.restart(carried, index)
        from = 0
        continue
      }
      if (out.kind === 'unsupported') return out
      const dropped = await this.tell({ kind: 'delete', id })
      if (dropped.kind === 'ended') return dropped
      return out.kind === 'refused' ? failed(isWrong ? `${out.result}, ${tries} times` : out.result) : out
    }
  }

  async #send(
    carried: CarriedPackages,
    index: number,
    id: string,
    image: Image,
    from: number,
  ): Promise<Said> {
    const { size } = image
    const chunkBytes = partBytes(size, this.#limits.chunkBytes)
    if (from === 0) {
      const started = await this.tell({ kind: 'start', id, type: 'other', size, chunkSize: chunkBytes })
      if (started.kind !== 'ok') return started
    }
    let noted: Promise<boolean> = Promise.resolve(true)
    try {
      for (let at = from; at < size; ) {
        const length = Math.min(chunkBytes, size - at)
        const data = await this.#part(carried, index, at, length)
        if (data === undefined)
          return failedSaying(`the image has not the ${size} bytes that it is said to have`)
        const sent = await this.#tell(partCall(id, Math.floor(at / chunkBytes), data))
        if (sent.kind !== 'ok') return sent
        at += length
        if (!(await noted)) return { kind: 'called-off' }
        noted = this.#session.confirmed(carried, index, at)
        // Awaited below; until then nobody looks, and a failure is not to pass for an unhandled one.
        noted.catch(() => {})
      }
      if (!(await noted)) return { kind: 'called-off' }
    } finally {
      await noted.catch(() => {})
    }
    return this.tell({ kind: 'finish', id, checksum: image.sha256 })
  }

  /** Undefined: it is not all there. */
  async #part(carried: CarriedPackages, index: number, at: number, length: number) {
    try {
      const data = await this.#session.image(carried, index, at, length)
      return data.length === length ? data : undefined
    } catch {
      // Removed under our hands, or unreadable: neither gets better by trying again.
      return undefined
    }
  }

  /** Brings a configuration as an image of its own and switches to it; a device that can not goes back to the last one. */
  async configure(id: string, values: JsonObject): Promise<Carriage> {
    const bytes = Buffer.from(printJson(values))
    const { chunkBytes } = this.#limits
    const image = { type: 'configuration-data', size: bytes.length, chunkSize: chunkBytes } as const
    const calls: ImageCall[] = [{ kind: 'start', id, ...image }]
    for (let at = 0; at < bytes.length; at += chunkBytes)
      calls.push({ kind: 'chunk', id, index: at / chunkBytes, data: bytes.subarray(at, at + chunkBytes) })
    calls.push({ kind: 'finish', id, checksum: createHash('sha256').update(bytes).digest('hex') })
    for (const call of calls) {
      const said = await this.tell(call)
      if (said.kind === 'refused' || said.kind === 'failed') await this.tell({ kind: 'delete', id })
      if (said.kind === 'refused') return failed(said.result)
      if (said.kind !== 'ok') return said
    }
    const active = await this.tell({ kind: 'activate', id })
    if (active.kind === 'ok') return done
    if (active.kind === 'refused' || active.kind === 'failed') await this.tell({ kind: 'rollback' })
    return active.kind === 'refused' ? failed(active.result) : active
  }
}

function failedSaying(reason: string): Said {
  return { kind: 'failed', reason }
}
