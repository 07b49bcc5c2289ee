/**
 * Images on the wire: how a server brings one to a device and has it used, and how a device reads that.
 *
 * An image is begun (its size, and the size of its parts), sent part by part and finished with its checksum; then it is
 * installed, or switched to where it is a configuration. Every call has one property list as its argument, and every
 * answer is `[{result, Code}]`. Part `n` stands at `n` times the size of parts; all are full but the last. Beginning
 * again drops what is there, so whoever goes on after a cut does not begin again but sends the first missing part.
 *
 * The published schema of a part has no place for its bytes: they go as `data`, a binary. The checksum is SHA-256 in
 * lower-case hex digits.
 */
import { atom, type Bert, Tuple, tuple } from '@waymark/etf'
import { reply } from './conversation.ts'
import type { Answer, IncomingCall, OutgoingCall, Result } from './effects.ts'
import { encodeMessage, textOf } from './messages.ts'

/** What an image is, with the numbers that the schema gives. */
export const imageTypes = { 'configuration-data': 0, 'rpm-file': 1, 'debian-file': 2, other: 3 } as const
export type ImageType = keyof typeof imageTypes

/** What a device says of such a call, with the numbers that the schema gives. */
export const imageResults = {
  ok: 0,
  'illegal-size': 1,
  'object-not-found': 2,
  'checksum-failure': 3,
  'permission-denied': 4,
  unsupported: 5,
  'format-error': 6,
  'value-error': 7,
  'dependency-failure': 8,
} as const
export type ImageResult = keyof typeof imageResults

/** The schema counts bytes in 32 bits with a sign. */
export const mostImageBytes = 2 ** 31 - 1

export interface ImageStart {
  readonly id: string
  readonly type: ImageType
  /** In bytes. */
  readonly size: number
  /** Bytes of each part but the last. */
  readonly chunkSize: number
}

export type ImageCall =
  | ({ readonly kind: 'start' } & ImageStart)
  | { readonly kind: 'chunk'; readonly id: string; readonly index: number; readonly data: Uint8Array }
  | { readonly kind: 'finish'; readonly id: string; readonly checksum: string }
  | { readonly kind: 'delete'; readonly id: string }
  | { readonly kind: 'install' | 'upgrade' | 'uninstall'; readonly images: readonly string[] }
  | { readonly kind: 'activate'; readonly id: string }
  | { readonly kind: 'rollback' }

const imageModule = 'exoport'
const functions = {
  start: 'ep-start-image-transfer',
  chunk: 'ep-transfer-image-chunk',
  finish: 'ep-finish-image-transfer',
  delete: 'ep-delete-image',
  install: 'ep-install-packages',
  upgrade: 'ep-upgrade-packages',
  uninstall: 'ep-uninstall-packages',
  activate: 'ep-activate-config',
  rollback: 'ep-rollback-config',
} as const
const kinds = new Map<string, ImageCall['kind']>([
  ...Object.entries(functions).map(([kind, name]) => [name, kind as ImageCall['kind']] as const),
  // As the schema spells it.
  ['ep-finish-image-tranfer', 'finish'],
])

/** The call of a server. */
export function imageCall(call: ImageCall): Omit<OutgoingCall, 'id'> {
  const pairs = Object.entries(propertiesOf(call)).map(([name, value]) => tuple<Bert>(atom(name), value))
  return { module: imageModule, function: functions[call.kind], args: [pairs], names: 'binaries' }
}

/** The payload of a call, for `OutgoingCall.payload`. */
export function encodedCall({ module, function: name, args, names }: Omit<OutgoingCall, 'id'>): Uint8Array {
  return encodeMessage({ kind: 'call', module, function: name, args }, names)
}

function propertiesOf(call: ImageCall): Record<string, Bert> {
  switch (call.kind) {
    case 'start':
      return {
        'image-id': call.id,
        'image-type': imageTypes[call.type],
        'image-size': call.size,
        'chunk-size': call.chunkSize,
      }
    case 'chunk':
      return {
        'image-id': call.id,
        'chunk-index': call.index,
        size: call.data.length,
        data: call.data,
      }
    case 'finish':
      return { 'image-id': call.id, checksum: call.checksum }
    case 'delete':
    case 'activate':
      return { 'image-id': call.id }
    case 'install':
    case 'upgrade':
    case 'uninstall':
      return { images: [...call.images] }
    case 'rollback':
      return {}
  }
}

/**
 * Reads a server's call as a device gets it. Undefined: it is another call. A refusal is what to answer: `format-error`
 * for what is missing or of another form, `illegal-size` where a part is not as long as it says.
 */
export function readImageCall(call: IncomingCall): ImageCall | { readonly refused: ImageResult } | undefined {
  const kind = call.module === imageModule ? kinds.get(call.function) : undefined
  if (kind === undefined) return undefined
  const find = propertiesIn(call.args)
  const bad = { refused: 'format-error' } as const
  if (find === undefined) return bad
  const id = textOf(find('image-id'))
  switch (kind) {
    case 'rollback':
      return { kind }
    case 'install':
    case 'upgrade':
    case 'uninstall': {
      const listed = find('images')
      const images = Array.isArray(listed) ? listed.map((item) => textOf(item)) : []
      return images.length > 0 && images.every(isName) ? { kind, images } : bad
    }
    case 'start': {
      const type = typeOf(find('image-type'))
      const [size, chunkSize] = [wholeOf(find('image-size')), wholeOf(find('chunk-size'))]
      if (!isName(id) || type === undefined || size === undefined || chunkSize === undefined) return bad
      return chunkSize > 0 ? { kind, id, type, size, chunkSize } : { refused: 'illegal-size' }
    }
    case 'chunk': {
      const [index, data] = [wholeOf(find('chunk-index')), bytesOf(find('data'))]
      if (!isName(id) || index === undefined || data === undefined) return bad
      return wholeOf(find('size')) === data.length ? { kind, id, index, data } : { refused: 'illegal-size' }
    }
    case 'finish': {
      const checksum = textOf(find('checksum'))
      return isName(id) && checksum !== undefined ? { kind, id, checksum: checksum.toLowerCase() } : bad
    }
    case 'delete':
    case 'activate':
      return isName(id) ? { kind, id } : bad
  }
}

/** What a device answers. */
export function imageAnswer(result: ImageResult): Result {
  return reply([tuple<Bert>(atom('result'), imageResults[result])])
}

/**
 * What a device's answer says: a result, `undefined-call` where it knows no such call (stock devices say so by an error,
 * `access denied` or `function not defined`), or a reason in words.
 */
export function readImageAnswer(
  answer: Answer,
): ImageResult | 'undefined-call' | { readonly reason: string } {
  if (answer.kind === 'error') {
    const { type, code, detail } = answer.error
    return type === 'server' &&
      (code === 1 || (code === 2 && /not defined|undefined|access denied/.test(detail)))
      ? 'undefined-call'
      : { reason: `${type} error ${code}: ${detail}`.slice(0, 200) }
  }
  if (answer.kind !== 'reply') return { reason: answer.kind === 'unsent' ? answer.reason : answer.kind }
  const { result } = answer
  if (!Array.isArray(result) && textOf(result) === 'ok') return 'ok'
  const code = propertiesIn([result])?.('result')
  const word = typeof code === 'number' ? resultNames.get(code) : resultByName(textOf(code))
  return word ?? { reason: 'a result that the schema does not have' }
}

const resultNames = new Map<number, ImageResult>(
  Object.entries(imageResults).map(([name, code]) => [code, name as ImageResult] as const),
)

function resultByName(name: string | undefined): ImageResult | undefined {
  // As the schema spells it.
  const meant = name === 'permission-denined' ? 'permission-denied' : name
  return [...resultNames.values()].find((each) => each === meant)
}

/** Looks properties up by name; undefined where there is no list of them. Careful readers forgive a level too many. */
function propertiesIn(args: readonly Bert[]): ((name: string) => Bert | undefined) | undefined {
  let list: Bert | undefined = args[0]
  while (Array.isArray(list) && list.length === 1 && Array.isArray(list[0])) list = list[0]
  if (!Array.isArray(list)) return undefined
  const pairs = list
  return (name) => {
    for (const item of pairs) if (item instanceof Tuple && textOf(item.at(0)) === name) return item.at(1)
    return undefined
  }
}

function typeOf(term: Bert | undefined): ImageType | undefined {
  const name = textOf(term)
  return (Object.keys(imageTypes) as ImageType[]).find((type) => type === name || imageTypes[type] === term)
}

function wholeOf(term: Bert | undefined): number | undefined {
  return typeof term === 'number' && Number.isSafeInteger(term) && term >= 0 ? term : undefined
}

/** Bytes that happen to be UTF-8 have been read as a text. */
function bytesOf(term: Bert | undefined): Uint8Array | undefined {
  return typeof term === 'string' ? utf8.encode(term) : term instanceof Uint8Array ? term : undefined
}

function isName(name: string | undefined): name is string {
  return name !== undefined && name.length >= 1 && name.length <= 256
}

const utf8 = new TextEncoder()
