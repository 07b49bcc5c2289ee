/**
 * Exports (Pantahub wire facts 8): a step as one archive, which `pvr get` reads and `pvcontrol steps install` installs.
 *
 * Public devices are anybody's, without a login too. Two exports of one step are equal byte for byte: the members are
 * planned by `@waymark/pantahub`, and their times are the step's. Bytes are sent as they are read; however large the
 * objects, one piece of each is held.
 */
import { PassThrough, pipeline, Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import {
  DeviceId,
  deviceByNick,
  headStep,
  invariant,
  ObjectSha,
  objects,
  ok,
  openTrail,
  type Reader,
  type Result,
  refuse,
  type Step,
  stateOf,
  steps,
  tenantByNick,
} from '@waymark/domain'
import { type ExportMember, exportTar, parseStateText, type Sha256, selectParts } from '@waymark/pantahub'
import type { AnonymousCaller, Caller, Opened } from '../../access.ts'
import type { House } from '../../house.ts'
import { type PouredMember, type TarMember, tarLength, tarOf, tarPieces } from '../../tar.ts'
import type { Handlers } from './answer.ts'
import { badValue, type Refusal } from './errors.ts'
import { revision } from './trails.ts'

const nameLengthMax = 255
const partsLengthMax = 4096

/** Without a login: reads what is published. */
const nobody: AnonymousCaller = {
  kind: 'anonymous',
  scopes: [],
  claims: {
    id: '',
    nick: '',
    prn: '',
    type: 'ANONYMOUS',
    roles: 'anonymous',
    scopes: '',
    exp: 0,
    orig_iat: 0,
  },
}

export function exportHandlers(house: House): Pick<Handlers, 'exportStep'> {
  return {
    async exportStep({ caller, params, query }) {
      const filename = nameOf(params.filename ?? '')
      if (!filename.ok) return filename
      const parts = query.parts ?? ''
      if (parts.length > partsLengthMax)
        return badValue('parts', `at most ${partsLengthMax} characters`, `${parts.length} characters`)
      const opened = await openExported(caller ?? nobody, params)
      if (!opened.ok) return opened
      const step = await stepAsked(opened.value, params.rev ?? '')
      if (!step.ok) return step
      const members = await membersOf(opened.value, step.value, parts)
      if (!members.ok) return members
      const waits = await house.traffic.exhausted(opened.value.tenant)
      if (waits) return refuse(waits)
      const named = disposition(filename.value)
      if (!/\.(gz|tgz)$/.test(filename.value)) {
        const length = String(tarLength(members.value))
        return ok({
          headers: { ...named, 'content-type': 'application/x-tar', 'content-length': length },
          pieces: tarPieces(members.value),
        })
      }
      const tar = Readable.from(tarOf(members.value.map(streamed)), { objectMode: false })
      // Whichever end breaks off takes the other with it; why is the sender's to see.
      const packed = pipeline(tar, createGzip(), () => {})
      return ok({ headers: { ...named, 'content-type': 'application/gzip' }, stream: packed })
    },
  }

  /** A device by its owner's nick and its own (or its id): absent and not theirs are both 404. */
  async function openExported(
    caller: Caller,
    params: Readonly<Record<string, string>>,
  ): Promise<Result<Opened, Refusal>> {
    const { usernick = '', devicenick = '' } = params
    const owner = await tenantByNick(house.store.readHouse(), usernick)
    const id =
      owner &&
      (DeviceId.parse(devicenick) ?? (await deviceByNick(house.store.read(owner.id), devicenick))?.id)
    const opened = id && (await house.access.openDevice(caller, id))
    return opened && opened.tenant === owner?.id
      ? ok(opened)
      : refuse({ kind: 'absent', thing: `owner ${usernick}`, got: `device ${devicenick} that you may see` })
  }

  async function membersOf(
    { reader, tenant }: Opened,
    step: Step,
    parts: string,
  ): Promise<Result<PouredMember[], Refusal>> {
    const unlimited = { bytes: Infinity, paths: Infinity }
    const parsed = parseStateText(await stateOf(reader, step), unlimited)
    if (!parsed.ok) return parsed
    const state = selectParts(parsed.state, parts)
    const named = [...state.objects, ...state.looseObjects].map(({ sha }) => sha)
    const sizes = await sizesOf(reader, named)
    const plan = exportTar({ state, objects: sizes, mtime: step.createdAt / 1000 })
    if (!plan.ok) {
      const { thing, wanted } = plan.refusal
      return refuse({ kind: 'absent', thing, got: `object ${wanted}` })
    }
    return ok(plan.members.map(memberOf))

    function memberOf({ name, size, mtime, content }: ExportMember): PouredMember {
      if (content.kind === 'text') return { name, size, mtime, content: Buffer.from(content.text) }
      const sha = ObjectSha.parse(content.sha)
      invariant(sha, 'a planned object is named by 64 hex digits')
      return {
        name,
        size,
        mtime,
        async content() {
          const found = await house.objects.open(tenant, sha)
          invariant(found, `the bytes of object ${sha}, which a step needs, are there`)
          return found.pieces
        },
      }
    }
  }
}

/** A member as a stream has it: each piece is copied, since what packs it may keep it for a while. */
function streamed({ content, ...member }: PouredMember): TarMember {
  if (content instanceof Uint8Array) return { ...member, content }
  return {
    ...member,
    async content() {
      const pieces = await content()
      const through = new PassThrough({ highWaterMark: 1024 * 1024 })
      pieces(
        (piece) =>
          new Promise<void>((resolve, reject) => {
            through.write(Buffer.from(piece), (error) => (error ? reject(error) : resolve()))
          }),
      ).then(
        () => through.end(),
        (error: unknown) => through.destroy(error instanceof Error ? error : new Error(String(error))),
      )
      return through
    },
  }
}

async function stepAsked({ reader, device }: Opened, raw: string): Promise<Result<Step, Refusal>> {
  const rev = raw === 'latest' ? ok(undefined) : revision(raw)
  if (!rev.ok) return rev
  const trail = await openTrail(reader, device)
  if (!trail) return refuse({ kind: 'no-trail', device: device.id })
  const { generation } = trail
  const step =
    rev.value === undefined
      ? await headStep(reader, trail)
      : await reader.get(steps, { device: device.id, generation, rev: rev.value })
  return step ? ok(step) : refuse({ kind: 'no-such-step', device: device.id, got: rev.value ?? 0 })
}

/** The sizes of those objects whose bytes are here. */
async function sizesOf(reader: Reader, named: readonly Sha256[]): Promise<Map<Sha256, number>> {
  const sizes = new Map<Sha256, number>()
  for (const sha of named) {
    const parsed = sizes.has(sha) ? undefined : ObjectSha.parse(sha)
    const held = parsed && (await reader.get(objects, { sha: parsed }))
    if (held?.stored) sizes.set(sha, held.size)
  }
  return sizes
}

function nameOf(raw: string): Result<string, Refusal> {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return raw.length > 0 && raw.length <= nameLengthMax && !/[\x00-\x1f\x7f/\\]/.test(raw)
    ? ok(raw)
    : badValue('filename', `a plain name of at most ${nameLengthMax} characters`, raw.slice(0, 80))
}

/** RFC 6266: the name, and once more in UTF-8 where ASCII cannot say it. */
function disposition(filename: string): Record<string, string> {
  const ascii = filename.replace(/[^\x20-\x7e]|["%]/g, '_')
  const exact =
    ascii === filename ? '' : `; filename*=UTF-8''${encodeURIComponent(filename).replace(/['()*]/g, percent)}`
  return { 'content-disposition': `attachment; filename="${ascii}"${exact}` }
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
