/** Two ends joined without sockets, the worked example's bytes, and small helpers. */
import { Buffer } from 'node:buffer'
import { type DeviceEnd, type Effect, keyOf, type ServerEnd } from '@waymark/exoport'

export const deviceKey = keyOf(7001)
export const serverKey = keyOf(7002)
export const keys = { deviceKey, serverKey }
export const name = { account: 'fleet', device: 'truck-9' }
export const deviceChallenge = bytes('a1b2c3d4')
export const serverChallenge = bytes('0badcafe')

export const frames = {
  hello: bytes('00000016 a1b2c3d4 06cb903b 2a666c6565742a747275636b2d39'),
  serverHello: bytes('0000000d 0badcafe e584f07c 65786f646d'),
  reuse: bytes('00000013 2f79ab76 726575736525706f72743a39393939'),
  ping: bytes(
    '00000030 a21a07f3 83680464000463616c6c64000965786f646d5f72706364000470696e676802640004626572746400036e696c',
  ),
  pong: bytes('00000016 aa7339dd 8368026400057265706c79640004706f6e67'),
  blink:
    bytes(`00000069 853d7195 83680464000463616c6c6d00000005666c6565746d00000005626c696e6b6c000000016c00000003
    68026400096465766963652d69646d00000007747275636b2d3968026400
    0e7472616e73616374696f6e2d6964612a680264000574696d657361036a6a`),
  blinked:
    bytes(`0000005c 49926157 8368026400057265706c7968036400066e6f7469667964000e626c696e6b2d63616c6c6261636b6c00000002
    680264000a7270632d7374617475736101680264000566696e616c680264000462657274640004747275656a`),
}

export function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replace(/\s/g, ''), 'hex'))
}

export function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex')
}

export function joined(...pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

export function sent(effects: readonly Effect[]): Uint8Array[] {
  return effects.flatMap((effect) => (effect.kind === 'send' ? [effect.bytes] : []))
}

export function kinds(effects: readonly Effect[]): string[] {
  return effects.map((effect) =>
    effect.kind === 'ended'
      ? `ended ${effect.why.kind}`
      : effect.kind === 'answered'
        ? `answered ${effect.id} ${effect.answer.kind}`
        : effect.kind === 'skipped'
          ? `skipped ${effect.what.kind}`
          : effect.kind,
  )
}

export function framed(body: Uint8Array): Uint8Array {
  const head = new Uint8Array(4)
  new DataView(head.buffer).setUint32(0, body.length)
  return joined(head, body)
}

/** Carries everything between the two ends until both are quiet; admits whoever is named. Answers all effects by end. */
export function settle(
  device: DeviceEnd,
  server: ServerEnd,
  first: { device?: Effect[]; server?: Effect[] },
  now = 0,
): { device: Effect[]; server: Effect[] } {
  const seen = { device: [...(first.device ?? [])], server: [...(first.server ?? [])] }
  let toServer = seen.device
  let toDevice = seen.server
  while (toServer.length > 0 || toDevice.length > 0) {
    const atServer: Effect[] = []
    for (const chunk of sent(toServer)) atServer.push(...server.receive(chunk, now))
    for (const effect of [...atServer])
      if (effect.kind === 'named') atServer.push(...server.admit(keys, serverChallenge, now))
    const atDevice = sent([...toDevice, ...atServer]).flatMap((chunk) => device.receive(chunk, now))
    seen.server.push(...atServer)
    seen.device.push(...atDevice)
    toServer = atDevice
    toDevice = []
  }
  return seen
}
