/** A request that brings files along: the part `jsonrpc`, and parts with file names. */

export interface Uploaded {
  readonly jsonrpc: string
  /** By file name. */
  readonly files: ReadonlyMap<string, FilePart>
}

export interface FilePart {
  readonly bytes: Buffer
  /** The bytes as text, where they are UTF-8, and else as Latin-1. */
  readonly text: string
}

/** Most parts of one request. */
const partsMax = 100

/** Reads a multipart body; undefined when it is none, or has no part `jsonrpc`. */
export async function readUpload(contentType: string, body: Buffer): Promise<Uploaded | undefined> {
  let form: FormData
  try {
    form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData()
  } catch {
    return undefined
  }
  const files = new Map<string, FilePart>()
  let jsonrpc: string | undefined
  let parts = 0
  for (const [name, value] of form) {
    parts += 1
    if (parts > partsMax) return undefined
    const bytes = typeof value === 'string' ? Buffer.from(value) : Buffer.from(await value.arrayBuffer())
    const text = typeof value === 'string' ? value : textOf(bytes)
    if (name === 'jsonrpc') jsonrpc = text
    else if (typeof value !== 'string') files.set(value.name, { bytes, text })
  }
  return jsonrpc === undefined ? undefined : { jsonrpc, files }
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return bytes.toString('latin1')
  }
}
