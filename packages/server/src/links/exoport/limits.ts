/** What one ExoPort connection, and all of them together, may cost. Times in milliseconds. */
import { defaultEndLimits, type EndLimits } from '@waymark/exoport'
import type { TransferLimits } from './packages.ts'

export interface PortLimits extends EndLimits, TransferLimits {
  /** Connections that have not proved who they are; further ones are closed at once. */
  readonly handshakes: number
  /** Bytes of unfinished frames over all connections. */
  readonly heldBytes: number
  /** Bytes a device may leave unread before nothing more is read from it. */
  readonly unwrittenBytes: number
  /** How long it may leave them so. */
  readonly cloggedMs: number
  /** Frames of one device; those beyond wait. */
  readonly framesPerSecond: number
  readonly frameBurst: number
  /** How long a device may take to answer a call before its connection is given up and the call carried again. */
  readonly answerMs: number
  /** Quiet time after which TCP asks whether the other side is still there. */
  readonly keepAliveMs: number
  /** How often all connections are looked at for what has become due. */
  readonly tickMs: number
  /** Challenges of hellos that are remembered, over all devices. */
  readonly rememberedHellos: number
}

export const defaultPortLimits: PortLimits = {
  ...defaultEndLimits,
  handshakes: 4096,
  heldBytes: 256 * 1024 * 1024,
  unwrittenBytes: 1024 * 1024,
  cloggedMs: 60_000,
  framesPerSecond: 200,
  frameBurst: 400,
  answerMs: 120_000,
  keepAliveMs: 60_000,
  tickMs: 1000,
  rememberedHellos: 100_000,
  // Less than may lie unread: a part on a slow line is no device that does not read.
  chunkBytes: 960 * 1024,
  transferTries: 3,
}
