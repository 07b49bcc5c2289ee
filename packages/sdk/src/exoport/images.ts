/**
 * Packages at a device: images are taken part by part into a store of the device's own, checked, and handed to its
 * installer.
 *
 * What was begun stays known with the store, so that a transfer goes on after a lost connection, and after a restart of
 * the device where the store is one that lasts. A part may come twice; a part that is not the next one is refused. An
 * image can be used only after its checksum was right, and one whose checksum was wrong is dropped.
 */
import { createHash } from 'node:crypto'
import type { ImageCall, ImageResult, ImageStart, ValueObject } from '@waymark/exoport'

/** Where images are kept: files, a partition. Throwing answers `value-error`, or the result that is thrown as a `PackageFault`. */
export interface ImageStore {
  /** Begins an image; what is there under its id is dropped. */
  begin(image: ImageStart): void | Promise<void>
  /** What an image was begun with and how many bytes of it are there; undefined: it was not. */
  held(id: string): Held | undefined | Promise<Held | undefined>
  write(id: string, offset: number, data: Uint8Array): void | Promise<void>
  /** All that was written. */
  bytes(id: string): Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  remove(id: string): void | Promise<void>
}

export interface Held {
  readonly image: ImageStart
  readonly bytes: number
}

/** What a device does with packages. What is left out is answered `unsupported`. */
export interface PackageHandlers {
  readonly store: ImageStore
  /** Installs what is in the store under these names. */
  readonly install?: (names: readonly string[]) => void | Promise<void>
  readonly upgrade?: (names: readonly string[]) => void | Promise<void>
  readonly uninstall?: (names: readonly string[]) => void | Promise<void>
  /** Switches to a configuration: the values of packages by their names. What there was is kept, to go back to. */
  readonly activate?: (values: ValueObject) => void | Promise<void>
  /** Goes back to what there was before. */
  readonly rollback?: () => void | Promise<void>
}

/** A refusal with the code that the server is told. */
export class PackageFault extends Error {
  readonly result: Exclude<ImageResult, 'ok'>
  constructor(result: Exclude<ImageResult, 'ok'>, message: string = result) {
    super(message)
    this.name = 'PackageFault'
    this.result = result
  }
}

/** A store in memory, for programs that unpack at once and for tests. */
export function memoryImages(): ImageStore & { readonly ids: readonly string[] } {
  const images = new Map<string, { image: ImageStart; parts: Map<number, Uint8Array> }>()
  return {
    get ids() {
      return [...images.keys()]
    },
    begin(image) {
      images.set(image.id, { image, parts: new Map() })
    },
    held(id) {
      const found = images.get(id)
      if (!found) return undefined
      let bytes = 0
      for (const part of found.parts.values()) bytes += part.length
      return { image: found.image, bytes }
    },
    write(id, offset, data) {
      images.get(id)?.parts.set(offset, data)
    },
    bytes: (id) =>
      [...(images.get(id)?.parts.entries() ?? [])].sort(([a], [b]) => a - b).map(([, part]) => part),
    remove(id) {
      images.delete(id)
    },
  }
}

/** Takes the server's calls, one at a time, and answers each by a result. */
export function createImageTaker(handlers: PackageHandlers): (call: ImageCall) => Promise<ImageResult> {
  const { store } = handlers
  /** Images whose checksum was right, in this run of the program. */
  const checked = new Set<string>()

  async function chunk({ id, index, data }: Extract<ImageCall, { kind: 'chunk' }>): Promise<ImageResult> {
    const held = await store.held(id)
    if (!held) return 'object-not-found'
    const { size, chunkSize } = held.image
    const offset = index * chunkSize
    const wanted = Math.min(chunkSize, size - offset)
    // Again is allowed, further is not: there would be a hole.
    if (wanted <= 0 || data.length !== wanted || offset > held.bytes) return 'illegal-size'
    checked.delete(id)
    if (offset === held.bytes) await store.write(id, offset, data)
    return 'ok'
  }

  async function finish(id: string, checksum: string): Promise<ImageResult> {
    const held = await store.held(id)
    if (!held) return 'object-not-found'
    const hash = createHash('sha256')
    for await (const part of store.bytes(id)) hash.update(part)
    if (held.bytes === held.image.size && hash.digest('hex') === checksum) {
      checked.add(id)
      return 'ok'
    }
    await store.remove(id)
    return 'checksum-failure'
  }

  async function use(
    names: readonly string[],
    work: ((names: readonly string[]) => void | Promise<void>) | undefined,
  ): Promise<ImageResult> {
    if (!work) return 'unsupported'
    if (!names.every((name) => checked.has(name))) return 'object-not-found'
    await work(names)
    return 'ok'
  }

  async function activate(id: string): Promise<ImageResult> {
    if (!handlers.activate) return 'unsupported'
    if (!checked.has(id)) return 'object-not-found'
    const parts: Uint8Array[] = []
    for await (const part of store.bytes(id)) parts.push(part)
    await handlers.activate(JSON.parse(Buffer.concat(parts).toString()) as ValueObject)
    await drop(id)
    return 'ok'
  }

  async function drop(id: string): Promise<void> {
    checked.delete(id)
    await store.remove(id)
  }

  async function carryOut(call: ImageCall): Promise<ImageResult> {
    switch (call.kind) {
      case 'start':
        checked.delete(call.id)
        await store.begin({ id: call.id, type: call.type, size: call.size, chunkSize: call.chunkSize })
        return 'ok'
      case 'chunk':
        return chunk(call)
      case 'finish':
        return finish(call.id, call.checksum)
      case 'delete':
        if (!(await store.held(call.id))) return 'object-not-found'
        await drop(call.id)
        return 'ok'
      case 'install':
      case 'upgrade':
        return use(call.images, handlers[call.kind])
      case 'uninstall':
        if (!handlers.uninstall) return 'unsupported'
        await handlers.uninstall(call.images)
        return 'ok'
      case 'activate':
        return activate(call.id)
      case 'rollback':
        if (!handlers.rollback) return 'unsupported'
        await handlers.rollback()
        return 'ok'
    }
  }

  return async (call) => {
    try {
      return await carryOut(call)
    } catch (error) {
      return error instanceof PackageFault ? error.result : 'value-error'
    }
  }
}
